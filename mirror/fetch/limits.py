"""Limits of fetching: sizes, times, requests per host, and waits before a retry."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import partial

from mirror.fetch.errors import FetchError, Kind
from mirror.waiting import WAITS

MAX_WAIT_S = 60.0
"""Longest wait, also when Retry-After asks for more."""

_FIRST_WAIT_S = 0.5
_LONGEST_BACKOFF_S = 30.0
# A host that answers 429 without Retry-After is left alone for so long, then for twice as long, and
# so on, up to `MAX_WAIT_S`. Limits are counted by the minute or less almost everywhere.
_FIRST_PAUSE_S = 2.0
# For so long after the last picture a host that answers 429 is waited for.
_PATIENCE_S = 300.0
_TOO_MANY_REQUESTS = 429
# After this many failed URLs in a row a host counts as down, until one succeeds. Each further URL
# is then requested once and without a pause, so that a dead or hostile host does not block the run.
_DOWN_AFTER = 8
# A host that is silent takes `timeout_s` of each such request. After this many silent URLs in a row
# it is asked for no more, so that a run ends: after some three minutes by default, and not after
# hours for ten thousand images.
_SILENT_AFTER = 32


@dataclass(frozen=True, slots=True)
class FetchLimits:
    """Limits of every fetch; the defaults are those of `[fetch]` in mirror.toml.

    `timeout_s` is the longest time for the connection and the response headers together, and the
    longest silence after that. `transfer_s` is the longest time for all transfers of one URL, ten
    times `timeout_s` by default. A body slower than `min_bytes_per_s` over `timeout_s` counts as
    stalled. The time of a name lookup is not limited: the system's resolver decides.
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
        """Longest time for all transfers of one URL."""
        return 10 * self.timeout_s if self.transfer_s is None else self.transfer_s


def backoff_s(attempt: int, random: Callable[[], float]) -> float:
    """Return the wait after failed attempt `attempt`, from 1: exponential, with full jitter."""
    return float(random() * min(_LONGEST_BACKOFF_S, _FIRST_WAIT_S * 2.0 ** min(attempt - 1, 16)))


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


class HostLimit:
    """Limit of simultaneous requests to one host, shared by all threads.

    Additive increase, multiplicative decrease: `width` is halved after each response that reports
    overload, and grows by one after `width` successes. A pause holds for every thread.
    """

    def __init__(
        self,
        most: int,
        sleep: Callable[[float], None],
        now: Callable[[], float],
        name: str = "",
    ) -> None:
        """Take the `name` of the host in messages."""
        self.width = float(most)
        self._name = name
        self._pause_s = _FIRST_PAUSE_S
        self._limited_at: float | None = None  # time of the first 429 since the last success
        self._most = most
        self._sleep = sleep
        self._now = now
        self._free = threading.Condition()
        self._running = 0
        self._sent = 0
        self._cut_at = 0  # requests sent before the last cut do not count against the new width
        self._not_before = 0.0
        self._failed_in_a_row = 0
        self._silent_in_a_row = 0

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Wait for a free slot and for the end of a pause; hold the slot until the block ends.

        Raise `FetchError` for a host that has been silent for so long that it is not asked.
        """
        with self._free:
            while self._running >= int(self.width):
                self._free.wait()
            if self._silent_in_a_row >= _SILENT_AFTER:
                raise FetchError(
                    f"not asked for: {self._name} did not answer for {_SILENT_AFTER} images in a "
                    "row; run again when it does",
                    Kind.TRANSIENT,
                    is_silence=True,
                )
            self._running += 1
            self._sent += 1
            number = self._sent
            pause_s = min(self._not_before - self._now(), MAX_WAIT_S)
        try:
            if pause_s > 0 and not self.is_down:
                with WAITS.wait_for(self._name, partial(_pause_remark, pause_s)):
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
        """True if so many URLs in a row failed that waiting for this host is useless."""
        return self._failed_in_a_row >= _DOWN_AFTER

    def retries(self, configured: int, error: FetchError) -> int:
        """Return the number of retries of a URL that failed with `error`."""
        return configured if error.again and not self.is_down else 0

    def waits_out(self, error: FetchError) -> bool:
        """Return True if a URL that failed with `error` is asked for again after the pause."""
        with self._free:
            return (
                _is_rate_limit(error)
                and self._limited_at is not None
                and self._now() - self._limited_at < _PATIENCE_S
            )

    def record(self, failure: FetchError | None) -> None:
        """Record the end of a URL. Only transient failures count against the host."""
        is_transient = failure is not None and failure.kind is Kind.TRANSIENT
        is_silence = failure is not None and failure.is_silence
        with self._free:
            self._failed_in_a_row = self._failed_in_a_row + 1 if is_transient else 0
            self._silent_in_a_row = self._silent_in_a_row + 1 if is_silence else 0

    def _slow_down(self, number: int, error: FetchError) -> None:
        with self._free:
            if error.is_overload and number > self._cut_at:
                self.width = max(1.0, self.width / 2)
                self._cut_at = self._sent
            if error.again and error.wait_s is not None:
                self._not_before = max(self._not_before, self._now() + error.wait_s)
            elif _is_rate_limit(error) and self._now() >= self._not_before:
                self._pause()

    def _pause(self) -> None:
        now = self._now()
        if self._limited_at is None:
            self._limited_at = now
        self._not_before = now + self._pause_s
        self._pause_s = min(2 * self._pause_s, MAX_WAIT_S)

    def _widen(self) -> None:
        with self._free:
            self.width = min(float(self._most), self.width + 1 / self.width)
            self._limited_at = None
            self._pause_s = _FIRST_PAUSE_S
            self._free.notify()


def _pause_remark(pause_s: float) -> str:
    return f"it has had too many requests, and is asked again after a pause of {pause_s:.0f} s"


def _is_rate_limit(error: FetchError) -> bool:
    return error.status == _TOO_MANY_REQUESTS and error.wait_s is None
