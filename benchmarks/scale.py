"""The costs of a large mirror.

python -m benchmarks scale memory [...]   memory and CPU time of the commands
python -m benchmarks scale search [...]   the pairs of pictures that look alike
python -m benchmarks scale engines [...]  one backup in threads, in shards and on a Dask cluster
python -m benchmarks scale simulation [...]  a backup of 100,000 made-up pictures on a Dask cluster
"""

from __future__ import annotations

import sys
from importlib import import_module

PARTS = ("memory", "search", "engines", "simulation")


def main() -> None:
    names = sys.argv[1:2] or PARTS
    if names[0] not in PARTS:
        sys.exit(f"no part {names[0]!r} of `scale`; there are {', '.join(PARTS)}")
    sys.argv = [f"{sys.argv[0]} {names[0]}", *sys.argv[2:]]
    for name in names:
        import_module(f"benchmarks.scale_{name}").main()
