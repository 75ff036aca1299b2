"""A Dask cluster on loopback, as processes of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from support.servers import running

TESTS = Path(__file__).parents[1]
_CLI = "distributed.cli.dask_"


@dataclass(frozen=True)
class Cluster:
    """A scheduler and two workers, each of which is started again when it dies."""

    address: str
    scheduler: subprocess.Popen[str]


@contextmanager
def dask_cluster(folder: Path) -> Iterator[Cluster]:
    with ExitStack() as stack:
        command = ["scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard"]
        ready = r"Scheduler at: +(tcp://\S+)"
        address, scheduler = stack.enter_context(running(_python(*command), ready))
        options = ["--nworkers", "2", "--nthreads", "1", "--no-dashboard", "--memory-limit", "0"]
        folders = ["--local-directory", str(folder)]
        command = ["worker", address, "--host", "127.0.0.1", *options, *folders]
        with running(_python(*command), r"(?s)Registered to.*(Registered to)"):
            yield Cluster(address, scheduler)


def _python(name: str, *arguments: str) -> list[str | Path]:
    # What a test pickles is found there too.
    return ["env", f"PYTHONPATH={TESTS}", sys.executable, "-m", f"{_CLI}{name}", *arguments]
