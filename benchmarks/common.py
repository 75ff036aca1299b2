"""What the benchmarks share: processes that are measured, servers on loopback, medians, tables."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any

from support.servers import running

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
BUCKET = "bench"
KEYS = {"AWS_ACCESS_KEY_ID": "benchkey", "AWS_SECRET_ACCESS_KEY": "benchsecret"}

SLIDES = ROOT.parent / "shared" / "slides-dev" / "images"

Command = Sequence[str | Path]


class BenchError(Exception):
    """A program that is measured did not do what it was started for."""


@dataclass(frozen=True)
class Run:
    """One process, from its start to its end; `facts` is what it says about itself."""

    seconds: float
    cpu_s: float
    output: str = field(repr=False)
    facts: dict[str, Any] = field(default_factory=dict)


def slides_folder() -> Path | None:
    """The folder of real slides that BENCH_SLIDES names, else the shared one; `None` without."""
    if named := os.environ.get("BENCH_SLIDES"):
        return Path(named)
    return SLIDES if SLIDES.is_dir() else None


def run(command: Command, *, codes: Sequence[int] = (0,), cwd: Path = ROOT) -> Run:
    """Run a program; raise `BenchError` if it ends with another code than one of `codes`."""
    began = time.perf_counter()
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=cwd,
        env={**os.environ, **KEYS, "NO_PROXY": "127.0.0.1"},
    )
    with _stream(process.stdout) as said:
        output = said.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in codes:
        raise BenchError(f"{command[0]} ended with {process.returncode}:\n{output[-2000:]}")
    return Run(seconds, usage.ru_utime + usage.ru_stime, output)


def measured(*arguments: str | Path) -> Run:
    """Run `benchmarks.measured`, which says as JSON what it did and what that took."""
    done = run([sys.executable, "-m", "benchmarks.measured", *arguments])
    return replace(done, facts=json.loads(done.output.splitlines()[-1]))


def several(
    rounds: int, works: Mapping[str, Callable[[], Run]], once: Collection[str] = ()
) -> dict[str, list[Run]]:
    """Do all of `works` in turn, `rounds` times over, so that a drifting machine meets all alike.

    Those named in `once` take long and are done in the first round only.
    """
    done: dict[str, list[Run]] = {name: [] for name in works}
    for number in range(rounds):
        for name, work in works.items():
            if number and name in once:
                continue
            done[name].append(work())
            print(
                f"  {number + 1}/{rounds} {name}: {done[name][-1].seconds:.2f} s", file=sys.stderr
            )
    return done


def median(values: Iterable[float]) -> float:
    return statistics.median(values)


def seconds(runs: Iterable[Run]) -> float:
    return median(run.seconds for run in runs)


def ratio(runs: Sequence[Run], others: Sequence[Run]) -> float:
    """The median of the ratios of the seconds of runs that were made in the same round."""
    return median(a.seconds / b.seconds for a, b in zip(runs, others, strict=False))


def cpu_ratio(runs: Sequence[Run], others: Sequence[Run]) -> float:
    """The same of their CPU time, which a busy machine does not change."""
    return median(a.cpu_s / b.cpu_s for a, b in zip(runs, others, strict=False))


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a Markdown table."""
    print(f"\n| {' | '.join(head)} |\n|{'---|' * len(head)}")
    for row in rows:
        print(f"| {' | '.join(map(_cell, row))} |")
    print()


def _cell(value: object) -> str:
    return f"{value:.2f}" if isinstance(value, float) else str(value)


# --- Servers ------------------------------------------------------------------------------------


class Helper:
    """A server of `benchmarks.measured`, in a process of its own."""

    def __init__(self, url: str, process: subprocess.Popen[str]) -> None:
        self.url = url
        self._process = process

    def requests(self) -> int:
        """How many requests came since this was last asked."""
        asking = _stream(self._process.stdin)
        asking.write("\n")
        asking.flush()
        return int(_stream(self._process.stdout).readline())


@contextmanager
def helper(name: str, path: Path) -> Iterator[Helper]:
    """Run a server of `benchmarks.measured` over `path` until the block ends."""
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.measured", name, path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as process:
        yield Helper(_stream(process.stdout).readline().strip(), process)
        _stream(process.stdin).close()


def _stream(stream: IO[str] | None) -> IO[str]:
    if stream is None:
        raise BenchError("expected a process with pipes")
    return stream


@contextmanager
def s3_server(folder: Path) -> Iterator[str]:
    """`rclone serve s3`: the objects are the files of `folder / BUCKET`. Yield its address."""
    (folder / BUCKET).mkdir(parents=True, exist_ok=True)
    keys = ",".join(KEYS.values())
    serve: Command = (rclone(), "serve", "s3", "--config", os.devnull, "--auth-key", keys)
    with running(
        [*serve, "--addr", "127.0.0.1:0", folder], r"Starting s3 server on \[(\S+?)/?\]"
    ) as (url, _):
        yield url


def rclone() -> Path:
    return BIN / "rclone"


def rclone_s3(url: str) -> list[str]:
    """The options that make `:s3:` that server."""
    return [
        *("--config", os.devnull, "--s3-provider", "Rclone", "--s3-endpoint", url),
        *("--s3-env-auth", "--s3-no-check-bucket"),
    ]
