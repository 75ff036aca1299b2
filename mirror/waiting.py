"""The hosts and buckets that a run waits for; each that is silent for long is named once.

Code that asks a place for something marks the place in `WAITS` until something comes. The process
that the user started sets who is told; workers in other processes tell nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import Event, Lock, Thread
from time import monotonic

from mirror.memory import has_room_for_thread

SILENCE_S = 15.0
"""Seconds without an answer after which a place is named."""

MIN_BYTES_PER_S = 1024
"""The least speed of a body. It brings 300 kB in five minutes, the longest transfer of an image
that the default `timeout_s` allows: at half of it few pictures would come whole."""

_LOOK_S = 1.0  # between two looks: how much later than `SILENCE_S` a place may be named


def is_stalled(received_bytes: int, took_s: float, timeout_s: float) -> bool:
    """Return True for a body that comes too slowly over a time longer than `timeout_s`.

    Such a body counts as silence. Each of its bytes starts the time limit of a read anew, so a byte
    now and then would hold up a run without an end.
    """
    return took_s > timeout_s and received_bytes < took_s * MIN_BYTES_PER_S


def silence_remark(timeout_s: float, requests: int) -> str:
    """Return the remark on a place that is silent; `requests` is how often one is sent."""
    limit = f"{timeout_s:g} s" if requests == 1 else f"{requests} times {timeout_s:g} s"
    return f"no answer for {SILENCE_S:.0f} s; a request is given up after {limit}"


@dataclass(slots=True)
class _Wait:
    """The open requests to a place, and since when nothing came."""

    since: float
    requests: int = 0
    is_silent: bool = False  # since the first of these requests, or the last that failed
    remark: Callable[[], str] = str


class Waits:
    """The places that are waited for. Any number of threads can share one.

    A failed request is no answer, so the retries of a place that never answers are one wait.
    """

    def __init__(self, now: Callable[[], float] = monotonic) -> None:
        self._now = now
        self._waits: dict[str, _Wait] = {}
        self._named: set[str] = set()
        self._lock = Lock()
        self._tell: Callable[[str], None] | None = None
        self._is_over = Event()
        self._has_thread = False

    @contextmanager
    def wait_for(self, place: str, remark: Callable[[], str]) -> Iterator[None]:
        """Mark `place` while the block waits for it; an exception out of the block is no answer.

        `remark` returns what a person is told: the reason, and how long the place is waited for.
        """
        self._begin(place, remark)
        try:
            yield
            self.heard_from(place)
        finally:
            with self._lock:
                self._waits[place].requests -= 1

    def heard_from(self, place: str) -> None:
        """Record that an answer, or a part of one, came from `place`."""
        with self._lock:
            wait = self._waits.setdefault(place, _Wait(0))
            wait.since, wait.is_silent = self._now(), False

    def overdue(self) -> list[str]:
        """Return a line for each place that was silent for `SILENCE_S` and not named before."""
        with self._lock:
            latest = self._now() - SILENCE_S
            silent = {
                place: wait.remark
                for place, wait in self._waits.items()
                if wait.requests and wait.since <= latest and place not in self._named
            }
            self._named.update(silent)
        return [f"waiting for {place}: {remark()}" for place, remark in silent.items()]

    @contextmanager
    def told_to(self, tell: Callable[[str], None]) -> Iterator[None]:
        """Call `tell` with each line, in a thread of its own, until the block ends."""
        is_over = Event()
        with self._lock:
            self._tell, self._is_over = tell, is_over
            self._has_thread = False
            self._named.clear()
        try:
            yield
        finally:
            is_over.set()
            with self._lock:
                self._tell = None

    def _begin(self, place: str, remark: Callable[[], str]) -> None:
        with self._lock:
            wait = self._waits.setdefault(place, _Wait(0))
            if not wait.requests and not wait.is_silent:
                wait.since, wait.is_silent = self._now(), True
            wait.requests += 1
            wait.remark = remark
            tell, is_over = self._tell, self._is_over
            if tell is None or self._has_thread:
                return
            self._has_thread = True
        with suppress(RuntimeError):  # a limit allows no more threads
            if has_room_for_thread():
                Thread(target=self._look, args=(tell, is_over), daemon=True).start()

    def _look(self, tell: Callable[[str], None], is_over: Event) -> None:
        while not is_over.wait(_LOOK_S):
            for line in self.overdue():
                tell(line)


WAITS = Waits()
"""The waits of this process."""
