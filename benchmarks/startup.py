"""How long the command takes to start, and what it loads before it does anything.

python -m benchmarks startup [--runs N]
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser

from benchmarks.common import BIN, median, run, seconds, several, table

HEAVY = ("boto3", "botocore", "numpy", "scipy", "PIL", "imagehash", "httpx", "tqdm", "pyromark")


def main() -> None:
    parser = ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, default=15)
    options = parser.parse_args()
    done = several(
        options.runs,
        {
            "python -c pass": lambda: run([sys.executable, "-c", "pass"]),
            "mirror --help": lambda: run([BIN / "mirror", "--help"]),
            "mirror scan --help": lambda: run([BIN / "mirror", "scan", "--help"]),
        },
    )
    table(
        ("command", "ms", "CPU ms"),
        (
            (name, round(1000 * seconds(runs)), round(1000 * median(run.cpu_s for run in runs)))
            for name, runs in done.items()
        ),
    )
    # Not as `-m mirror`, which closes the descriptor that the interpreter lists imports on.
    code = "from mirror.cli import run; run()"
    loaded = run([sys.executable, "-X", "importtime", "-c", code, "--help"]).output
    modules = {line.rpartition("|")[2].strip() for line in loaded.splitlines() if "|" in line}
    heavy = [name for name in HEAVY if name in modules]
    print(f"loaded for --help, of {', '.join(HEAVY)}: {', '.join(heavy) or 'none'}")
