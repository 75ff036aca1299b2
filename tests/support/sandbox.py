"""Runs commands with little memory, few open files and little time, many of them quickly.

Run as a script it has the program loaded and forks for each command that it is sent.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

MEMORY_BYTES = 1_500_000_000
OPEN_FILES = 256
# Of a process that takes two seconds on an idle machine.
PATIENCE_S = 20.0 if len(os.sched_getaffinity(0)) > 4 else 60.0
CPU_S = 20


def run_limited(runs: Sequence[tuple[Path, Sequence[str]]]) -> list[tuple[int, str]]:
    """Run `mirror` with these arguments in these folders; return each exit code and all output.

    A run that takes longer than `PATIENCE_S` is killed, and its code is -9.
    """
    text = json.dumps([[str(folder), list(arguments)] for folder, arguments in runs])
    ended = subprocess.run(
        [sys.executable, __file__], input=text, capture_output=True, text=True, check=True
    )
    return [(code, output) for code, output in json.loads(ended.stdout)]


def _run(folder: str, arguments: list[str]) -> tuple[int, str]:
    output = os.memfd_create("output")
    if not (child := os.fork()):
        nothing = os.open(os.devnull, os.O_RDONLY)
        for number, descriptor in enumerate((nothing, output, output)):
            os.dup2(descriptor, number)
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
        resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES, OPEN_FILES))
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        os.chdir(folder)
        sys.argv = ["mirror", *arguments]
        from mirror.main import main

        try:
            main()
        finally:
            os._exit(_exit_code())
    until = time.monotonic() + PATIENCE_S
    ended, status = os.waitpid(child, os.WNOHANG)
    while not ended:
        if time.monotonic() > until:
            os.kill(child, 9)
        time.sleep(0.01)
        ended, status = os.waitpid(child, os.WNOHANG)
    os.lseek(output, 0, os.SEEK_SET)
    with open(output, "rb") as file:  # noqa: PTH123  (a descriptor)
        return os.waitstatus_to_exitcode(status), file.read().decode("utf-8", "replace")


def _exit_code() -> int:
    error = sys.exc_info()[1]
    sys.stdout.flush()
    sys.stderr.flush()
    return error.code if isinstance(error, SystemExit) and isinstance(error.code, int) else 70


if __name__ == "__main__":
    json.dump([_run(*run) for run in json.load(sys.stdin)], sys.stdout)
