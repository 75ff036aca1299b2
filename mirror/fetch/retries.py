"""The step after a failed attempt, and the waits. Nothing here sleeps or asks a host."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from enum import Enum, auto

from mirror.fetch.errors import FetchError

MAX_WAIT_S = 60.0
"""Longest wait, also when Retry-After asks for more."""

# The four retries that `[fetch]` allows by default wait 7.5 s at most, and half of it on average.
# The longest wait is reached with the seventh.
_FIRST_BACKOFF_S = 0.5
_LONGEST_BACKOFF_S = 30.0
_MOST_DOUBLINGS = 16  # far beyond the longest wait; 2.0 ** 1024 overflows
# A host that answers 429 without Retry-After is left alone for so long, then for twice as long, and
# so on, up to `MAX_WAIT_S`. Limits are counted by the minute or less almost everywhere.
_FIRST_PAUSE_S = 2.0
# For so long after the last picture a host that answers 429 is waited for: five limits that are
# counted by the minute. One that gives nothing for longer would hold up the run without an end.
_PATIENCE_S = 300.0


class Step(Enum):
    """The step after a failed attempt."""

    GIVE_UP = auto()
    RETRY = auto()  # another attempt, after `backoff_s`
    WAIT = auto()  # the same attempt again, after the pause that holds for the whole host


@dataclass(frozen=True, slots=True)
class HostState:
    """The recent answers of a host.

    `limited_for_s` is the time since the first 429 that no success followed. A host `is_down` after
    many failures in a row: each of its URLs is then asked for once.
    """

    is_down: bool = False
    limited_for_s: float = 0.0


def next_step(error: FetchError, attempt: int, retries: int, host: HostState) -> Step:
    """Return what follows attempt `attempt`, from 1, that ended with `error`."""
    if error.is_rate_limit and host.limited_for_s < _PATIENCE_S:
        return Step.WAIT
    if error.is_temporary and not host.is_down and attempt <= retries:
        return Step.RETRY
    return Step.GIVE_UP


def backoff_s(attempt: int, random: Callable[[], float]) -> float:
    """Return the wait after failed attempt `attempt`, from 1: exponential, with full jitter."""
    longest_s = min(_LONGEST_BACKOFF_S, _FIRST_BACKOFF_S * 2.0 ** min(attempt - 1, _MOST_DOUBLINGS))
    return float(random() * longest_s)


def pause_s(pauses: int) -> float:
    """Return the pause after a 429 without Retry-After that followed `pauses` other ones."""
    return min(MAX_WAIT_S, _FIRST_PAUSE_S * 2.0 ** min(pauses, _MOST_DOUBLINGS))


def retry_after_s(text: str | None, now: float) -> float | None:
    """Return the wait that a Retry-After header asks for, at most `MAX_WAIT_S`, or `None`."""
    if text is None:
        return None
    text = text.strip()
    if text.isascii() and text.isdigit():
        return min(float(text), MAX_WAIT_S)
    try:
        wait_s = parsedate_to_datetime(text).timestamp() - now
    except (ValueError, OverflowError):
        return None
    return min(max(wait_s, 0.0), MAX_WAIT_S)
