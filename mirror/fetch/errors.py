"""Errors of a fetch: one sentence, and one of eight kinds."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Any

from mirror.urls.redact import printable


class Kind(StrEnum):
    """Classes of failure. They decide whether to retry, and what the user is advised to do."""

    GONE = "gone"  # the host has no such picture
    PERMANENT = "permanent"  # asking again gives the same answer
    TRANSIENT = "transient"  # the network or the host failed; the next attempt may succeed
    AUTHENTICATION = "authentication"  # credentials are missing, wrong or expired
    BLOCKED = "blocked"  # the host refuses to send the picture to this client
    CONTENT = "content"  # the response is not a picture, or not the declared bytes
    TOO_LARGE = "too_large"  # larger than a limit of the configuration
    REFUSED = "refused"  # no request was made: the address is not allowed


class FetchError(Exception):
    """Failure to fetch a URL. `str()` contains no secret; `status` is the HTTP status."""

    def __init__(
        self,
        message: str,
        kind: Kind,
        status: int | None = None,
        *,
        is_temporary: bool | None = None,
        wait_s: float | None = None,
        is_silence: bool = False,
    ) -> None:
        """Take the facts of a failure.

        An error `is_temporary` if another attempt may succeed: by default, if its kind is
        `TRANSIENT`. `wait_s` comes from Retry-After. `is_silence` means that the host took the
        time for an answer and sent none.
        """
        super().__init__(printable(message))
        self.kind = kind
        self.status = status
        self.is_temporary = kind is Kind.TRANSIENT if is_temporary is None else is_temporary
        self.wait_s = wait_s
        self.is_silence = is_silence

    @property
    def is_denied(self) -> bool:
        """True if the host refuses this client; a Referer or credentials may help."""
        return self.kind in (Kind.BLOCKED, Kind.AUTHENTICATION)

    @property
    def is_overload(self) -> bool:
        """True if the host reports too many requests."""
        return self.status in (429, 503)

    @property
    def is_rate_limit(self) -> bool:
        """True for a 429 that does not say how long to wait."""
        return self.status == 429 and self.wait_s is None

    def __reduce__(self) -> tuple[Callable[..., FetchError], tuple[object, ...]]:
        return _restore, (str(self), vars(self))


def _restore(message: str, facts: dict[str, Any]) -> FetchError:
    error = FetchError(message, facts["kind"])
    vars(error).update(facts)
    return error
