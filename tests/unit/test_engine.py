import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from typing import Any

import pytest

from mirror.engine import Background, Engine, Serial, Threads


@pytest.fixture(params=[Serial(), Threads()], ids=["serial", "threads"])
def engine(request) -> Engine:
    """The engines of this process; `servers/test_cluster.py` runs the same suite on Dask."""
    return request.param


@dataclass(frozen=True)
class Noted:
    """A job that notes each start and end in a file, whichever process it runs in."""

    path: Path
    job: Callable[[Any], Any]

    def __call__(self, item: Any) -> Any:
        self._note("+")
        try:
            return self.job(item)
        finally:
            self._note("-")

    def _note(self, text: str) -> None:
        with self.path.open("a") as file:
            file.write(text)

    @property
    def started(self) -> int:
        return self.path.read_text().count("+")

    @property
    def most_at_once(self) -> int:
        running = [0]
        for sign in self.path.read_text():
            running.append(running[-1] + (1 if sign == "+" else -1))
        return max(running)


def test_every_item_is_worked_on_once(engine):
    assert sorted(engine.map(lambda n: n * n, range(50), 4)) == [n * n for n in range(50)]


def test_maps_chain_and_are_lazy(engine):
    taken = []

    def endless():
        for n in count():
            taken.append(n)
            yield n

    doubled = engine.map(lambda n: 2 * n, endless(), 3)
    results = engine.map(lambda n: n + 1, doubled, 2)
    assert len(list(islice(results, 10))) == 10
    results.close()
    # Ten were yielded; at most twice the workers of both stages wait, or are in hand.
    assert len(taken) <= 10 + 2 * (3 + 2) + 2


def test_so_many_jobs_run_at_once():
    lock = threading.Lock()
    running = peak = 0
    full = threading.Event()

    def job(_):
        nonlocal running, peak
        with lock:
            running += 1
            peak = max(peak, running)
            if running == 3:
                full.set()
        full.wait(5)
        with lock:
            running -= 1

    list(Threads().map(job, range(12), 3))
    assert peak == 3


def test_no_more_than_so_many_jobs_run_at_once(engine, tmp_path):
    for workers in (1, 3):
        job = Noted(tmp_path / f"{workers}", lambda _: time.sleep(0.01))
        list(engine.map(job, range(20), workers))
        assert job.started == 20
        assert job.most_at_once <= workers


def test_a_bug_in_a_job_ends_the_map_and_starts_no_other(engine, tmp_path):
    job = Noted(tmp_path / "notes", lambda n: 1 / (n - 3))
    with pytest.raises(ZeroDivisionError):
        list(engine.map(job, range(1000), 2))
    assert job.started < 20


def test_a_map_that_is_closed_starts_no_other_job(engine, tmp_path):
    job = Noted(tmp_path / "notes", lambda n: n)
    results = engine.map(job, range(1000), 2)
    next(results)
    results.close()
    time.sleep(0.05)
    assert job.started < 20
    assert list(engine.map(abs, [-1], 2)) == [1], "and another map goes on"


def test_a_map_that_was_dropped_may_be_collected_by_one_of_its_workers(monkeypatch):
    errors, kept = [], []
    may_drop, is_dropped = threading.Event(), threading.Event()
    monkeypatch.setattr("sys.unraisablehook", errors.append)

    def job(number):
        if number == 1:
            may_drop.wait()
            kept.clear()  # the last reference: the map is closed in here
            is_dropped.set()
        return number

    kept.append(Threads().map(job, range(8), 2))
    assert next(kept[0]) == 0
    may_drop.set()
    assert is_dropped.wait(10)
    assert errors == []


# In the limit stands what the process takes already, and the stacks of so many threads.
_FEW_THREADS = """
import resource, sys, threading
from mirror.engine import Threads
threading.stack_size(16 << 20)
pages = int(open("/proc/self/statm").read().split()[0])
room = pages * resource.getpagesize() + int(sys.argv[1]) * (17 << 20) + (4 << 20)
resource.setrlimit(resource.RLIMIT_AS, (room, room))
print(sorted(Threads().map(abs, range(-100, 0), 64)) == [*range(1, 101)])
"""


@pytest.mark.parametrize("threads", [0, 3])
def test_where_no_more_threads_may_be_started_fewer_do_the_work(threads: int) -> None:
    command = [sys.executable, "-c", _FEW_THREADS, str(threads)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (0, "True\n"), ended.stderr


def test_a_job_in_the_background_gives_its_result_once() -> None:
    begun, may_end = threading.Event(), threading.Event()

    def job() -> int:
        begun.set()
        may_end.wait(60)
        return 7

    background = Background(job)
    assert begun.wait(60)
    assert not background.is_done
    may_end.set()
    assert background.result() == 7


def test_a_job_in_the_background_raises_where_it_is_asked_for() -> None:
    def job() -> int:
        raise LookupError("no such thing")

    background = Background(job)
    with pytest.raises(LookupError, match="no such thing"):
        background.result()
