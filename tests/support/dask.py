"""A Dask cluster on loopback, as processes of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

from support.servers import running

TESTS = Path(__file__).parents[1]
_CLI = "distributed.cli.dask_"


@dataclass(frozen=True)
class Cluster:
    """A scheduler and two workers, each of which is started again when it dies."""

    address: str
    scheduler: subprocess.Popen[str]


@contextmanager
def dask_cluster(folder: Path, without: Path | None = None) -> Iterator[Cluster]:
    """Run a cluster that works in `folder`; its workers cannot see, or make, the folder `without`.

    Raise `PermissionError` where nobody may hide a folder.
    """
    with ExitStack() as stack:
        command = ["scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard"]
        ready = r"Scheduler at: +(tcp://\S+)"
        address, scheduler = stack.enter_context(running(_python(*command), ready))
        options = ["--nworkers", "2", "--nthreads", "1", "--no-dashboard", "--memory-limit", "0"]
        folders = ["--local-directory", str(folder)]
        command = ["worker", address, "--host", "127.0.0.1", *options, *folders]
        worker = _hidden(without, _python(*command)) if without else _python(*command)
        with running(worker, r"(?s)Registered to.*(Registered to)"):
            yield Cluster(address, scheduler)


def _hidden(folder: Path, command: list[str | Path]) -> list[str | Path]:
    """Return a command whose processes find an empty folder, which they cannot write to."""
    script = f"mount -t tmpfs -o ro none {quote(str(folder))}"
    hide: list[str | Path] = ["unshare", "--mount", "sh", "-c", f'{script} && exec "$@"', "sh"]
    if os.geteuid() or subprocess.run([*hide, "true"], capture_output=True, check=False).returncode:
        raise PermissionError("hiding a folder is not allowed here")
    return [*hide, *command]


def _python(name: str, *arguments: str) -> list[str | Path]:
    # What a test pickles is found there too.
    return ["env", f"PYTHONPATH={TESTS}", sys.executable, "-m", f"{_CLI}{name}", *arguments]
