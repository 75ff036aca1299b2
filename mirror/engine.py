"""How jobs run: one after the other, or in threads. A job takes one item and returns one value."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import islice
from queue import SimpleQueue
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
        todo = iter(items)
        pool = ThreadPoolExecutor(workers)
        running: set[Future[R]] = set()
        # A finished job says so itself: asking all that run who is done costs more than the rest.
        done: SimpleQueue[Future[R]] = SimpleQueue()
        waits = True

        def start(count: int) -> None:
            for item in islice(todo, count):
                future = pool.submit(job, item)
                running.add(future)
                future.add_done_callback(done.put)

        try:
            start(2 * workers)
            while running:
                future = done.get()
                running.remove(future)
                yield future.result()
                start(1)
        except BaseException as error:
            waits = isinstance(error, Exception | GeneratorExit)
            raise
        finally:
            pool.shutdown(waits, cancel_futures=True)
            if not waits:
                wait([future for future in running if future.running()], _GRACE_S)
