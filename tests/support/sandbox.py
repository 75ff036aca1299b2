"""Runs commands with little memory, few open files and little time, many of them quickly."""

from __future__ import annotations

import os
import select
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryFile

from support import forkserver

_LIMITS = """
import resource
for limit, most in (("AS", 1_500_000_000), ("NOFILE", 256), ("CPU", 20), ("CORE", 0)):
    resource.setrlimit(getattr(resource, f"RLIMIT_{limit}"), (most, most))
"""
# Of a process that takes two seconds on an idle machine.
PATIENCE_S = 20.0 if len(os.sched_getaffinity(0)) > 4 else 60.0


def run_limited(runs: Sequence[tuple[Path, Sequence[str]]]) -> list[tuple[int, str]]:
    """Run `mirror` with these arguments in these folders; return each exit code and all output.

    A run that takes longer than `PATIENCE_S` is killed, and its code is -9.
    """
    return [_run(folder, arguments) for folder, arguments in runs]


def _run(folder: Path, arguments: Sequence[str]) -> tuple[int, str]:
    with TemporaryFile() as output, Path(os.devnull).open("rb") as nothing:
        process = forkserver.start(
            f"{_LIMITS}\n{forkserver.MAIN}",
            ["mirror", *arguments],
            folder,
            os.environ,
            (nothing.fileno(), output.fileno(), output.fileno()),
        )
        handle = os.pidfd_open(process.pid)  # readable once it has ended
        if not select.select([handle], [], [], PATIENCE_S)[0]:
            process.kill()
        os.close(handle)
        code = process.wait()
        output.seek(0)
        return code, output.read().decode("utf-8", "replace")
