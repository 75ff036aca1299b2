"""How much is asked of whom, and when again."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from mirror.fetch.errors import FetchError, Kind

MAX_WAIT_S = 60.0
"""No wait is longer, whatever a host's Retry-After says."""

_FIRST_WAIT_S = 0.5
_LONGEST_BACKOFF_S = 30.0
# After as many given-up URLs in a row a host counts as down, until one succeeds: each further URL
# is asked for once and without a pause, so that a dead or hostile host does not hold the run.
_DOWN_AFTER = 8


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of all fetching; the defaults are those of `[fetch]` in mirror.toml.

    `timeout_s` bounds the connection and the wait for an answer, and each silence after that;
    `transfer_s` all transfers for one URL together, ten times `timeout_s` when not given.
    A body that comes slower than `min_bytes_per_s` over `timeout_s` counts as stalled. Looking a
    name up takes as long as the system's resolver does.
    """

    concurrency: int = 16
    timeout_s: float = 30.0
    retries: int = 4
    max_bytes: int = 64 * 2**20
    max_redirects: int = 5
    allow_private_hosts: bool = False
    transfer_s: float | None = None
    min_bytes_per_s: int = 1024

    @property
    def whole_s(self) -> float:
        """Longest time all transfers for one URL may take."""
        return 10 * self.timeout_s if self.transfer_s is None else self.transfer_s


def backoff_s(attempt: int, random: Callable[[], float]) -> float:
    """Exponential backoff with full jitter after failed attempt number `attempt`, from 1."""
    return float(random() * min(_LONGEST_BACKOFF_S, _FIRST_WAIT_S * 2.0 ** min(attempt - 1, 16)))


def retry_after_s(text: str | None, now: float) -> float | None:
    """Seconds a Retry-After header asks to wait, at most `MAX_WAIT_S`; `None` without one."""
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


class HostLimit:
    """How many requests one host gets at a time, shared by all threads.

    Additive increase, multiplicative decrease: half as many after each answer that says "too
    much", one more after as many successes as are under way. A pause holds for every thread.
    """

    def __init__(self, most: int, sleep: Callable[[float], None], now: Callable[[], float]) -> None:
        self.width = float(most)
        self._most = most
        self._sleep = sleep
        self._now = now
        self._free = threading.Condition()
        self._running = 0
        self._sent = 0
        self._cut_at = 0  # requests sent before the last cut say nothing about the new width
        self._not_before = 0.0
        self._failed_in_a_row = 0

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Wait for a turn, and for the end of a pause; then count as one request under way."""
        with self._free:
            while self._running >= int(self.width):
                self._free.wait()
            self._running += 1
            self._sent += 1
            number = self._sent
            pause_s = min(self._not_before - self._now(), MAX_WAIT_S)
        try:
            if pause_s > 0 and not self.is_down:
                self._sleep(pause_s)
            yield
        except FetchError as error:
            self._slow_down(number, error)
            raise
        else:
            self._widen()
        finally:
            with self._free:
                self._running -= 1
                self._free.notify()

    @property
    def is_down(self) -> bool:
        """Whether this host has failed so often that waiting for it is no use."""
        return self._failed_in_a_row >= _DOWN_AFTER

    def retries(self, wanted: int, error: FetchError) -> int:
        """How often a URL that failed with `error` is tried again."""
        return wanted if error.again and not self.is_down else 0

    def record(self, failure: Kind | None) -> None:
        """Tell how a URL ended; only transient failures speak against the host."""
        with self._free:
            self._failed_in_a_row = self._failed_in_a_row + 1 if failure is Kind.TRANSIENT else 0

    def _slow_down(self, number: int, error: FetchError) -> None:
        with self._free:
            if error.is_overload and number > self._cut_at:
                self.width = max(1.0, self.width / 2)
                self._cut_at = self._sent
            if error.again and error.wait_s is not None:
                self._not_before = max(self._not_before, self._now() + error.wait_s)

    def _widen(self) -> None:
        with self._free:
            self.width = min(float(self._most), self.width + 1 / self.width)
            self._free.notify()
