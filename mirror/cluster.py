"""The engine on a Dask cluster: jobs in processes of this machine or of many.

`distributed` is imported when a cluster is opened: it takes half a second, and is an extra.
"""

from __future__ import annotations

import logging
import os
import pickle
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from concurrent.futures import CancelledError
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path
from pkgutil import resolve_name
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, TypeVar

import mirror
from mirror.engine import Results, Serial, Threads
from mirror.extras import missing_library

if TYPE_CHECKING:
    from distributed import Client, Future

T = TypeVar("T")
R = TypeVar("R")

BATCH = 200
"""Most items of a task. A task costs the coordinator 3 ms, and the facts about an image 0.1 ms."""

_CONNECT_S = 15  # until a scheduler answers; after it a wrong address is named
_WORKERS_S = 60  # until the first worker is there; a cluster may start them when a client comes
_CLOSE_S = 2  # for the workers of this machine to end, whose results are all here by then
_TASK_DEATHS = 3  # of workers, before a task counts as their cause
_VERSION = "mirror:__version__"


class ClusterError(Exception):
    """The cluster cannot be used any more, or a worker does not fit; the message says which."""


class MissingExtraError(ClusterError):
    """`distributed` is not installed."""


@dataclass(frozen=True, slots=True)
class Dask:
    """Runs batches of jobs on the workers of a cluster.

    Jobs, items and results are pickled; a job is unpickled once in each process, so that its
    connections are kept. A task whose worker dies is run again by another one.
    """

    client: Client
    batch: int = BATCH

    @property
    def in_process(self) -> bool:
        return False

    @property
    def cores(self) -> int:
        return sum(self.client.nthreads().values()) or 1

    def map(self, job: Callable[[T], R], items: Iterable[T], workers: int) -> Results[R]:
        """Do what `Engine.map` says, in batches. A batch that runs is not interrupted.

        The first batches have as many items as run at once in one and the next ones twice as
        many, so that what stops a map stops it early; the last ones are as small as the first, so
        that all workers end together.
        """
        from distributed import Future, as_completed

        payload = _dumps(job)
        slots = min(self.cores, workers)
        in_batch = max(1, workers // slots)  # jobs at once, so that all together are `workers`
        batches = _batches(items, min(in_batch, self.batch), self.batch, slots)
        running = as_completed(loop=self.client.loop)
        unfinished = set[Future]()

        def submit(batches: Iterable[list[T]]) -> None:
            for batch in batches:
                with _cluster_errors():
                    future = self._submit(payload, batch, in_batch)
                    unfinished.add(future)
                    running.add(future)

        try:
            submit(islice(batches, slots))
            while unfinished:
                with _cluster_errors():
                    future = next(running)
                    unfinished.remove(future)
                    results: list[R] = pickle.loads(_result(future))  # noqa: S301  (our worker's)
                submit(islice(batches, 1))  # now, so that no worker waits for who uses the results
                yield from results
        finally:
            with suppress(Exception):  # of a cluster that is gone
                self.client.cancel(list(unfinished), force=True)

    def ask_workers(
        self, function: Callable[..., R], *arguments: object
    ) -> Mapping[str, R | Exception]:
        """Call a function in each worker; return its result, or its error, by worker."""
        with _cluster_errors():
            answers = self.client.run(function, *arguments, on_error="return")
        return dict(sorted(answers.items()))

    def check_versions(self) -> None:
        """Raise `ClusterError` that names the workers without mirror, or with another version."""
        others = []
        # A function of the standard library: a worker without mirror has none of ours.
        for worker, version in self.ask_workers(resolve_name, _VERSION).items():
            if isinstance(version, Exception):
                others.append(f"worker {worker} has no mirror ({version})")
            elif version != mirror.__version__:
                others.append(f"worker {worker} has mirror {version}")
        if others:
            raise ClusterError(
                f"{'; '.join(others)}; expected {mirror.__version__}, as here: "
                "install one version everywhere"
            )

    def _submit(self, payload: bytes, batch: Sequence[Any], in_batch: int) -> Future:
        # As bytes: of a list, Dask would look at each item several times.
        items = pickle.dumps(batch)
        return self.client.submit(_run, payload, items, in_batch, mirror.__version__, pure=False)


def _batches(items: Iterable[T], least: int, most: int, slots: int) -> Iterator[list[T]]:
    left = len(items) if isinstance(items, Sized) else None
    source = iter(items)
    size = float(least)
    while True:
        share = most if left is None else -(-left // (2 * slots))
        batch = list(islice(source, max(least, min(int(size), most, share))))
        if not batch:
            return
        left = None if left is None else left - len(batch)
        size *= 2 ** (1 / slots)  # twice as many when each slot has had one
        yield batch


def _dumps(job: object) -> bytes:
    import cloudpickle  # comes with `distributed`, and pickles functions that have no name too

    data: bytes = cloudpickle.dumps(job)
    return data


@lru_cache(maxsize=8)  # jobs: a run has one a stage
def _loads(payload: bytes) -> Callable[[Any], Any]:
    job: Callable[[Any], Any] = pickle.loads(payload)  # noqa: S301  (from our coordinator)
    return job


def _run(payload: bytes, items: bytes, in_batch: int, version: str) -> bytes:
    """Run a job over a batch, in a worker; return the results, pickled."""
    if mirror.__version__ != version:  # the worker came later than the check of all of them
        raise ClusterError(
            f"a worker on {os.uname().nodename} has mirror {mirror.__version__}; "
            f"expected {version}: install one version everywhere"
        )
    job = _loads(payload)
    batch: Sequence[Any] = pickle.loads(items)  # noqa: S301  (from our coordinator)
    engine = Serial() if in_batch == 1 else Threads()
    return pickle.dumps(list(engine.map(job, batch, min(in_batch, len(batch)))))


def _result(future: Future) -> Any:
    from distributed import KilledWorker

    try:
        # If its worker has died since, this waits until another one has run the batch again.
        result = future.result()
    except KilledWorker as error:
        raise ClusterError(
            f"{_TASK_DEATHS + 1} workers died of one batch; have they too little memory? "
            "What came is kept, run again to go on"
        ) from error
    future.release()
    return result


@contextmanager
def _cluster_errors() -> Iterator[None]:
    """Raise `ClusterError` for a scheduler that cannot be reached any more."""
    try:
        yield
    except (CancelledError, OSError, TimeoutError) as error:
        raise ClusterError(
            "the connection to the Dask scheduler is lost; what came is kept, run again to go on"
        ) from error


def _silence() -> None:
    """Let `distributed` log nothing: what matters to a user is an error of ours."""
    for name in [*logging.root.manager.loggerDict]:
        if name.partition(".")[0] == "distributed":
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)


def _close(opened: Any) -> None:
    """Close a client or a cluster; what does not end in time ends with this process."""
    with suppress(Exception):
        opened.close(timeout=_CLOSE_S)


@contextmanager
def open_cluster(scheduler: str | None, processes: int) -> Iterator[Dask]:
    """Connect to the cluster of a scheduler; without one, start `processes` workers here.

    Raise `ClusterError` if there is no scheduler, no worker, or one with another version.
    """
    try:
        import dask
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise MissingExtraError(
            missing_library("`--engine dask`", "distributed", "dask", Path(sys.prefix))
        ) from error
    _silence()
    settings = {
        "distributed.comm.timeouts.connect": _CONNECT_S,
        "distributed.scheduler.allowed-failures": _TASK_DEATHS,
        # Nobody looks at the measurements, which take a tenth of the CPU.
        "distributed.worker.profile.enabled": False,
        "distributed.admin.tick.interval": "1s",
        "distributed.admin.system-monitor.interval": "10s",
        # As in any process: memory of each picture that goes back to the system takes CPU to get.
        "distributed.nanny.pre-spawn-environ": {"MALLOC_TRIM_THRESHOLD_": None},
    }
    with ExitStack() as stack:
        stack.enter_context(dask.config.set(settings))
        address: Any = scheduler
        if scheduler is None:
            folder = stack.enter_context(TemporaryDirectory(prefix="mirror-dask-"))
            address = LocalCluster(
                n_workers=processes,
                threads_per_worker=1,
                host="127.0.0.1",
                dashboard_address=None,
                worker_dashboard_address=None,
                memory_limit=0,
                local_directory=folder,
                silence_logs=logging.CRITICAL,
            )
            stack.callback(_close, address)
        try:
            client = Client(address, set_as_default=False, timeout=_CONNECT_S)
        except (OSError, TimeoutError, ValueError) as error:
            raise ClusterError(
                f"no Dask scheduler answers at {scheduler}; start one with `dask scheduler`"
            ) from error
        stack.callback(_close, client)
        try:
            client.wait_for_workers(1, timeout=_WORKERS_S)
        except TimeoutError as error:
            raise ClusterError(
                f"no worker came to the Dask scheduler at {scheduler} within {_WORKERS_S} s"
            ) from error
        cluster = Dask(client)
        cluster.check_versions()
        yield cluster
