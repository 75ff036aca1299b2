"""Limits of fetching: sizes, times, and the requests to one host."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from mirror.fetch.errors import FetchError, Kind
from mirror.fetch.retries import MAX_WAIT_S, HostState, pause_s
from mirror.waiting import WAITS

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
    longest silence after that. `transfer_timeouts` of it is the longest time for all transfers of
    one URL. The time of a name lookup is not limited: the system's resolver decides. Of
    `max_redirects`, three lead from http to https, to `www.` and to a CDN.
    """

    concurrency: int = 16
    timeout_s: float = 30.0
    retries: int = 4
    max_bytes: int = 64 * 2**20
    max_redirects: int = 5
    allow_private_hosts: bool = False
    transfer_timeouts: float = 10.0

    @property
    def transfer_s(self) -> float:
        """Longest time for all transfers of one URL."""
        return self.transfer_timeouts * self.timeout_s


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
        name: str,
    ) -> None:
        """Take the `name` of the host in messages."""
        self.width = float(most)
        self._name = name
        self._pauses = 0  # for a 429 since the last success
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
            wait_s = min(self._not_before - self._now(), MAX_WAIT_S)
        try:
            if wait_s > 0 and not self._is_down:
                with WAITS.wait_for(self._name, partial(_pause_remark, wait_s)):
                    self._sleep(wait_s)
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
    def state(self) -> HostState:
        """Return what the last answers of the host tell about the next one."""
        with self._free:
            limited_for_s = 0.0 if self._limited_at is None else self._now() - self._limited_at
            return HostState(self._is_down, limited_for_s)

    @property
    def _is_down(self) -> bool:
        return self._failed_in_a_row >= _DOWN_AFTER

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
            if error.is_temporary and error.wait_s is not None:
                self._not_before = max(self._not_before, self._now() + error.wait_s)
            elif error.is_rate_limit and self._now() >= self._not_before:
                self._pause()

    def _pause(self) -> None:
        now = self._now()
        if self._limited_at is None:
            self._limited_at = now
        self._not_before = now + pause_s(self._pauses)
        self._pauses += 1

    def _widen(self) -> None:
        with self._free:
            self.width = min(float(self._most), self.width + 1 / self.width)
            self._limited_at = None
            self._pauses = 0
            self._free.notify()


def _pause_remark(wait_s: float) -> str:
    return f"it has had too many requests, and is asked again after a pause of {wait_s:.0f} s"
