"""A first backup of many made-up pictures on a Dask cluster of this machine.

    python -m benchmarks scale simulation [--counts N,N,…]

The host makes each picture when it is asked for: a JPEG of 640 x 360 of coloured squares, none like
another. CPU time is that of the coordinator and the workers, without the host. img2dataset
publishes 100 pictures a second and core.
"""

from __future__ import annotations

from argparse import ArgumentParser
from os import cpu_count
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.common import BenchError, Run, helper, measured, table
from benchmarks.sync import ADDRESS, CONFIG, FOLDER

COUNTS = "1000,10000,100000"
PUBLISHED = 100  # by img2dataset, a second and core
ON_ONE_POST = 100


def write_site(root: Path, count: int, host: str) -> Path:
    """Write a site that shows `count` pictures; return its configuration."""
    (root / "posts").mkdir(parents=True)
    for start in range(0, count, ON_ONE_POST):
        numbers = range(start, min(start + ON_ONE_POST, count))
        text = "".join(f"![]({ADDRESS}{number}.jpg)\n\n" for number in numbers)
        (root / "posts" / f"{start:07}.md").write_text(text)
    config = root / "mirror.toml"
    config.write_text(CONFIG.format(address=ADDRESS, host=host, destination=FOLDER))
    return config


def simulate(count: int) -> Run:
    """Back up `count` pictures on a cluster with a worker a core."""
    with TemporaryDirectory(prefix="bench-scale-") as folder, helper("synthetic", folder) as host:
        done = measured("sync-dask", write_site(Path(folder), count, host.url))
    if done.facts["findings"] or done.facts["summary"]["fetched"] != count:
        raise BenchError(f"expected {count} pictures, got {done.facts['summary']}")
    return done


def main() -> None:
    parser = ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--counts", default=COUNTS, help="of pictures, one run each")
    options = parser.parse_args()
    rows = []
    for count in map(int, options.counts.split(",")):
        facts = simulate(count).facts
        cpu_s, coordinator_s = facts["run_cpu_s"], facts["coordinator_cpu_s"]
        rows.append(
            (
                f"{count:,}",
                f"{facts['run_s']:.0f}",
                f"{count / facts['run_s']:.0f}",
                f"{count / cpu_s:.0f}",
                f"{1000 * coordinator_s / count:.2f}",
                f"{facts['peak_mb']:.0f}",
            )
        )
    print(f"{cpu_count()} cores. img2dataset publishes {PUBLISHED} pictures a second and core.")
    names = ("pictures", "s", "pictures/s", "pictures/CPU s")
    table((*names, "coordinator: CPU ms a picture", "coordinator: MB"), rows)


if __name__ == "__main__":
    main()
