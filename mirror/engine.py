"""How jobs run: one after the other, or in threads. A job takes one item and returns one value."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from itertools import islice, repeat
from queue import SimpleQueue
from threading import Event, Thread
from time import monotonic
from typing import Protocol, TypeAlias, TypeVar

T = TypeVar("T")
R = TypeVar("R")

_GRACE_S = 2.0

Results: TypeAlias = Generator[R, None, None]


class Engine(Protocol):
    """Runs jobs over items. Every implementation passes one contract suite."""

    def map(self, job: Callable[[T], R], items: Iterable[T], workers: int) -> Results[R]:
        """Yield `job(item)` for every item, in any order, each as it finishes.

        Lazy and bounded: at most `2 * workers` items are taken and not yet yielded, so maps can be
        chained into overlapping stages. An exception out of a job ends the map; closing it early
        lets the jobs in hand finish and starts no other. After Ctrl-C (what is no `Exception`) they
        have two seconds: one that waits for a slow host must not hold up the end.
        """
        ...


@dataclass(frozen=True, slots=True)
class Serial:
    """One job at a time, in the caller's thread, in order."""

    def map(self, job: Callable[[T], R], items: Iterable[T], workers: int = 1) -> Results[R]:
        for item in items:
            yield job(item)


@dataclass(frozen=True, slots=True)
class Threads:
    """`workers` threads a map: for jobs that wait, or that leave the interpreter lock."""

    def map(self, job: Callable[[T], R], items: Iterable[T], workers: int) -> Results[R]:
        # Two queues and no futures: those take locks enough to cost more than small jobs do.
        todo: SimpleQueue[T | _End] = SimpleQueue()
        done: SimpleQueue[R | _Raised] = SimpleQueue()
        ended = Event()
        waits = True

        def work() -> None:
            while not isinstance(item := todo.get(), _End):
                if not ended.is_set():
                    try:
                        done.put(job(item))
                    except BaseException as error:  # noqa: BLE001  (raised again by the map)
                        done.put(_Raised(error))

        threads = [Thread(target=work, daemon=True) for _ in range(workers)]
        for thread in threads:
            thread.start()
        source = iter(items)
        try:
            running = _put(islice(source, 2 * workers), todo)
            while running:
                result = done.get()
                if isinstance(result, _Raised):
                    raise result.error
                yield result
                running += _put(islice(source, 1), todo) - 1
        except BaseException as error:
            waits = isinstance(error, Exception | GeneratorExit)
            raise
        finally:
            ended.set()
            _put(repeat(_End(), workers), todo)
            until = monotonic() + _GRACE_S
            for thread in threads:
                thread.join(None if waits else max(until - monotonic(), 0))


class _End:
    """Behind the last item: a worker that meets it ends."""


@dataclass(frozen=True, slots=True)
class _Raised:
    error: BaseException


def _put(items: Iterable[T], queue: SimpleQueue[T]) -> int:
    """Return how many that were."""
    count = 0
    for item in items:
        queue.put(item)
        count += 1
    return count
