"""The engines that run jobs: one after the other, or in threads. `cluster.py` has one more.

A job takes one item and returns one value.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from itertools import islice, repeat
from queue import SimpleQueue
from threading import Event, Thread, current_thread
from time import monotonic
from typing import Generic, Protocol, TypeAlias, TypeVar

from mirror.memory import has_room_for_thread

T = TypeVar("T")
R = TypeVar("R")

_GRACE_S = 2.0  # how long a map waits for its jobs after Ctrl-C, as `Engine.map` says

Results: TypeAlias = Generator[R, None, None]


class Engine(Protocol):
    """Runs jobs over items. Every implementation passes one contract suite."""

    @property
    def in_process(self) -> bool:
        """True if jobs run in this process; else job, items and results are pickled."""
        ...

    @property
    def cores(self) -> int:
        """The number of jobs that compute at once."""
        ...

    def map(self, job: Callable[[T], R], items: Iterable[T], workers: int) -> Results[R]:
        """Yield `job(item)` for every item, in any order, each as it finishes.

        At most `workers` jobs run at once. The map is lazy and bounded: at most `2 * workers`
        items, or batches of them, are taken and not yet yielded, so maps can be chained into
        overlapping stages. An exception out of a job ends the map. A map that is closed early
        starts no other job and waits for those that run. After Ctrl-C (an exception that is no
        `Exception`) it waits for two seconds at most: a job that waits for a slow host must not
        hold up the end of the run.
        """
        ...


class _End:
    """Stands behind the last item; a worker that takes it ends."""


@dataclass(frozen=True, slots=True)
class _JobError:
    """The exception that a job raised."""

    error: BaseException


@dataclass(frozen=True, slots=True)
class Serial:
    """One job at a time, in the caller's thread, in order."""

    @property
    def in_process(self) -> bool:
        return True

    @property
    def cores(self) -> int:
        return 1

    def map(self, job: Callable[[T], R], items: Iterable[T], workers: int = 1) -> Results[R]:
        for item in items:
            yield job(item)


@dataclass(frozen=True, slots=True)
class Threads:
    """Each map has `workers` threads: for jobs that wait, or that release the interpreter lock."""

    @property
    def in_process(self) -> bool:
        return True

    @property
    def cores(self) -> int:
        return os.cpu_count() or 1

    def map(self, job: Callable[[T], R], items: Iterable[T], workers: int) -> Results[R]:
        # Two queues are used instead of futures: the locks of a future cost more than a small job.
        todo: SimpleQueue[T | _End] = SimpleQueue()
        done: SimpleQueue[R | _JobError] = SimpleQueue()
        ended = Event()
        waits_for_jobs = True

        def take_one() -> bool:
            if isinstance(item := todo.get(), _End):
                return False
            if not ended.is_set():
                try:
                    done.put(job(item))
                except BaseException as error:  # noqa: BLE001  (the map raises it again)
                    done.put(_JobError(error))
            return True

        def work() -> None:
            # In a function of its own, so that a worker that waits keeps no item alive.
            while take_one():
                pass

        threads = _started(work, workers)
        if not threads:
            yield from map(job, items)
            return
        source = iter(items)
        try:
            running = _put(islice(source, 2 * len(threads)), todo)
            while running:
                result = done.get()
                if isinstance(result, _JobError):
                    raise result.error
                yield result
                running += _put(islice(source, 1), todo) - 1
        except BaseException as error:
            waits_for_jobs = isinstance(error, Exception | GeneratorExit)
            raise
        finally:
            ended.set()
            _put(repeat(_End(), len(threads)), todo)
            until = monotonic() + _GRACE_S
            # The garbage collector may close a map that was dropped in one of its own workers.
            for thread in set(threads) - {current_thread()}:
                thread.join(None if waits_for_jobs else max(until - monotonic(), 0))


class Background(Generic[R]):
    """A job in a thread of its own, begun at once. The process ends without waiting for it."""

    def __init__(self, job: Callable[[], R]) -> None:
        self._job = job
        self._outcome: SimpleQueue[R | _JobError] = SimpleQueue()
        self._is_begun = bool(_started(self._run, 1))

    def result(self) -> R:
        """Wait for the job and return its result, once; raise what it raised."""
        if not self._is_begun:
            self._run()
        outcome = self._outcome.get()
        if isinstance(outcome, _JobError):
            raise outcome.error
        return outcome

    @property
    def is_done(self) -> bool:
        return not self._outcome.empty()

    def _run(self) -> None:
        try:
            self._outcome.put(self._job())
        except BaseException as error:  # noqa: BLE001  (`result` raises it again)
            self._outcome.put(_JobError(error))


def _started(work: Callable[[], None], count: int) -> list[Thread]:
    """Return running threads: fewer than `count` where limits allow no more (`ulimit -u`, `-v`)."""
    threads: list[Thread] = []
    for _ in range(count):
        if not has_room_for_thread():
            break
        thread = Thread(target=work, daemon=True)
        try:
            thread.start()
        except RuntimeError:
            break
        threads.append(thread)
    return threads


def _put(items: Iterable[T], queue: SimpleQueue[T]) -> int:
    """Put the items into the queue and return their number."""
    count = 0
    for item in items:
        queue.put(item)
        count += 1
    return count
