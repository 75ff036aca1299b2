"""Why a fetch failed, in one of seven kinds and one sentence."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from mirror.urls.redact import printable


class Kind(StrEnum):
    """What a failure means for the next try, and for the person who reads of it."""

    PERMANENT = "permanent"  # asking again gives the same answer
    TRANSIENT = "transient"  # the network or the host had a bad moment
    AUTHENTICATION = "authentication"  # credentials are missing, wrong or over
    BLOCKED = "blocked"  # the host knows the picture and refuses this reader
    CONTENT = "content"  # an answer that is no picture, or not the declared bytes
    TOO_LARGE = "too_large"  # over a limit of ours
    REFUSED = "refused"  # we do not ask: the address is not for us


class FetchError(Exception):
    """A URL that gave no bytes. `str()` is for people and holds no secret; `status` is HTTP's."""

    def __init__(
        self,
        message: str,
        kind: Kind,
        status: int | None = None,
        *,
        again: bool | None = None,
        wait_s: float | None = None,
    ) -> None:
        """`again` overrides whether this kind is tried again; `wait_s` is the host's wish."""
        super().__init__(printable(message))
        self.kind = kind
        self.status = status
        self.again = kind is Kind.TRANSIENT if again is None else again
        self.wait_s = wait_s

    @property
    def is_overload(self) -> bool:
        """Whether the host says that we ask too much."""
        return self.status in (429, 503)

    def __reduce__(self) -> tuple[Callable[..., FetchError], tuple[object, ...]]:
        return _restore, (str(self), self.kind, self.status, self.again, self.wait_s)


def _restore(
    message: str, kind: Kind, status: int | None, again: bool, wait_s: float | None
) -> FetchError:
    return FetchError(message, kind, status, again=again, wait_s=wait_s)
