"""The contract of a store."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from mirror.model import OCTETS, Blob, Key
from mirror.store.errors import ConflictError, ExistsError


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """Facts about an object. `md5` is lower-case hex, `None` where the store proves no MD5."""

    key: Key
    size: int
    md5: str | None


class Store(Protocol):
    """Objects under keys. Safe to use from several threads.

    Every failure is a `StoreError`.
    """

    @property
    def name(self) -> str:
        """Name of the store in findings and errors."""
        ...

    @property
    def place(self) -> str:
        """The folder, or bucket and prefix, as `s3://bucket/prefix`."""
        ...

    @property
    def identity(self) -> str:
        """Text that no other place has: buckets of one name are at several endpoints."""
        ...

    @property
    def readers(self) -> int:
        """Number of threads that read it fastest: more for a server that is waited for."""
        ...

    def put(
        self,
        key: Key,
        data: bytes,
        media_type: str = OCTETS,
        *,
        inline: bool = True,
        absent: bool = False,
    ) -> None:
        """Create an object, whole or not at all.

        If the same bytes are under that key already, nothing happens. Other bytes stay, and raise
        `ExistsError`. With `inline=False`, a browser that opens the object saves it instead of
        showing it, so that a script in an SVG never runs on the image host; an `<img>` still
        shows it. `absent` means that a listing made just now did not have `key`: this saves a
        request where the server cannot promise to create only.
        """
        ...

    def replace(
        self,
        key: Key,
        data: bytes,
        media_type: str = OCTETS,
        *,
        inline: bool = True,
        expected: bytes | None = None,
    ) -> None:
        """Store an object in place of any other under `key`, whole or not at all.

        There is an object under `key` at every moment. Use `put` unless the object that is there
        is known to be wrong. With `expected`, raise `ConflictError` if other bytes are there, or
        none. Of two runs that replace the same object, one gets the error; only where a server
        has no conditional writes, the moment between the last look and the write is open to both.
        """
        ...

    def get(self, key: Key, *, max_bytes: int | None = None) -> bytes:
        """Return the object.

        Raise `NotFoundError` if there is none, and `TooLargeError` if it has more than
        `max_bytes`; a server that sends data without end is read no further.
        """
        ...

    def copy_from(
        self, source: Store, source_key: Key, blob: Blob, key: Key, *, inline: bool
    ) -> bool:
        """Take the object that holds `blob` without its bytes passing through this machine.

        `key` is known to be free. Return False, and promise nothing, where no server can do it or
        nothing proves what was copied.
        """
        ...

    def stat(self, key: Key) -> ObjectInfo | None:
        """Return facts about the object, `None` if there is none."""
        ...

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """Yield the objects whose key starts with `prefix`.

        They come in the order of the keys' bytes, except from servers that list in another order.
        """
        ...

    def delete(self, key: Key) -> None:
        """Remove the object if there is one."""
        ...


def swap(store: Store, key: Key, data: bytes, media_type: str, before: bytes | None) -> None:
    """Store an object in place of the bytes `before`, or as a new one if there were none.

    Raise `ConflictError` if another run was faster: other bytes are there now.
    """
    if before is not None:
        store.replace(key, data, media_type, expected=before)
        return
    try:
        store.put(key, data, media_type)
    except ExistsError as error:
        raise ConflictError(str(error)) from error
