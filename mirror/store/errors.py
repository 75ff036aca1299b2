"""The errors of a store."""

from __future__ import annotations

from dataclasses import dataclass

from mirror.model import Key
from mirror.urls.redact import printable


class StoreError(Exception):
    """A store did not do what was asked. The message names the store, the reason and a remedy."""


class NotFoundError(StoreError):
    """There is no object under that key."""


class ExistsError(StoreError):
    """Other bytes are under that key; they were left as they are."""


class ConflictError(StoreError):
    """Another run has changed the object in the meantime; it was left as it is."""


class UnreachableError(StoreError):
    """There was no usable response, so nothing is known about the objects."""


class TooLargeError(StoreError):
    """The object has more bytes than the caller allows."""


class ListingError(StoreError):
    """The server's response is no listing, or its pages contradict each other."""


class AccessError(StoreError):
    """The store responds, and refuses the request."""


class NoBucketError(StoreError):
    """There is no such bucket."""


class CredentialsError(StoreError):
    """Credentials are missing, or the store does not accept them."""


FATAL = (CredentialsError, NoBucketError)
"""Errors that the next object would meet too."""
REPEATED = (AccessError, UnreachableError)
"""Errors that the next object may meet too: a server can also fail at one object alone."""
MOST_IN_A_ROW = 3
"""So many of `REPEATED` in a row count as one that the next object would meet too.

More would only cost time: each may take the minutes of a silent server. Chosen, not measured.
"""


def concerns_all(error: StoreError, in_a_row: int) -> bool:
    """Return True if the next object would meet the error too, which is the last of so many."""
    return isinstance(error, FATAL) or in_a_row >= MOST_IN_A_ROW


@dataclass(frozen=True, slots=True)
class ObjectFailure:
    """An error at one object, of `FATAL` or `REPEATED`."""

    key: Key
    error: StoreError


def exists_error(place: str, key: Key) -> ExistsError:
    """Return the error for other bytes under `key`; `place` names the store in the message."""
    return ExistsError(
        f"{place}: other bytes are under {printable(key)!r} already; they were left as they are. "
        "Remove that object, or choose another `key` pattern"
    )


def conflict_error(place: str, key: Key) -> ConflictError:
    """Return the error for an object that is another one by now; `place` names the store."""
    return ConflictError(
        f"{place}: another run changed {printable(key)!r} in the meantime; run again"
    )


ONE_OR_THE_OTHER = (
    "leave `{path}` out of `key`, as the default does, so that no key is the folder of another; "
    "take `key` out of this picture's line in images.jsonl, so that it gets a new one"
)
"""Remedy where a store keeps objects as files, so that `a` and `a/b.png` exclude each other."""


def folder_key_error(place: str, key: Key) -> StoreError:
    """Return the error for a key that needs a folder where a file is, or a file for a folder."""
    return StoreError(
        printable(f"{place}: {key!r}: a file is where a folder is needed, or the reverse; ")
        + ONE_OR_THE_OTHER
    )


def too_large_error(place: str, key: Key, max_bytes: int) -> TooLargeError:
    """Return the error for a longer object; `place` names the store in the message."""
    return TooLargeError(
        f"{place}: {printable(key)!r} is longer than {max_bytes} bytes; it was not read further"
    )


def not_found_error(place: str, key: Key) -> NotFoundError:
    """Return the error for a missing object; `place` names the store in the message."""
    return NotFoundError(f"{place}: there is no object {printable(key)!r}")
