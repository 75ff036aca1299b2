"""One backup in threads, in shards and on a Dask cluster of this machine.

    python -m benchmarks scale engines [--count N] [--runs N]

Each gives the same `manifests/`, byte for byte: in shards in any order, collected from copies of
the site, and when a worker of the cluster is killed with `kill -9`. CPU time is that of the work
alone: the start of a process, or of a cluster, is not in it.
"""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import cycle, permutations
from os import cpu_count
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.common import BenchError, Run, helper, measured, median, several, table
from benchmarks.scale_memory import SITE
from benchmarks.sync import Bench, drawn, write_pictures, write_repeats

SHARDS = 3
_ORDERS = cycle(permutations(range(1, SHARDS + 1)))
_DESTINATION = 'url = "file:images"'


@dataclass
class Comparison:
    """Runs over one site, whose folders `manifests/` are to be equal."""

    bench: Bench
    records: Mapping[str, bytes] = field(default_factory=dict)

    def _copy(self, name: str = "scale") -> Path:
        """Return the configuration of a new copy of the site; all copies are one site."""
        config = self.bench.site(name, _DESTINATION)
        (config.parent / "manifests").mkdir()
        (config.parent / "manifests/site.txt").write_text(f"{SITE}\n")
        return config

    def run(self, work: str) -> Run:
        """Back up a new copy of the site in one process."""
        config = self._copy()
        return self._checked(measured(work, config), config)

    def shards(self) -> Run:
        """Run the shards one after the other, then the sync that takes them together."""
        config = self._copy()
        parts = [measured(f"shard-{number}/{SHARDS}", config) for number in next(_ORDERS)]
        return self._together(parts, measured("sync", config), config)

    def collected(self) -> Run:
        """Run each shard on a copy of the site, then the sync that collects them."""
        copies = {number: self._copy(f"scale-{number}") for number in next(_ORDERS)}
        parts = [measured(f"shard-{number}/{SHARDS}", copy) for number, copy in copies.items()]
        config = self._copy()
        together = measured("collect", config, *(copy.parent for copy in copies.values()))
        return self._together(parts, together, config)

    def _together(self, parts: Sequence[Run], together: Run, config: Path) -> Run:
        if together.facts["summary"]["fetched"]:
            raise BenchError("expected that the shards have everything")
        facts = {**together.facts}
        for name in ("run_s", "run_cpu_s"):
            facts[name] += sum(part.facts[name] for part in parts)
        return self._checked(Run(facts["run_s"], facts["run_cpu_s"], "", facts), config)

    def _checked(self, done: Run, config: Path) -> Run:
        if done.facts["findings"]:
            raise BenchError(f"sync found {done.facts['findings']}")
        folder = config.parent / "manifests"
        records = {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }
        self.records = self.records or records
        if names := sorted(
            name
            for name in {*records, *self.records}
            if records.get(name) != self.records.get(name)
        ):
            raise BenchError(f"not as in the first run: {', '.join(names)}")
        return done


def main() -> None:
    parser = ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    engines(options.count, options.runs)


def engines(count: int, runs: int) -> None:
    """Compare threads, shards and Dask over `count` pictures, a fifth of them repeats."""
    with TemporaryDirectory(prefix="bench-scale-") as text, ExitStack() as stack:
        scratch = Path(text)
        write_pictures(drawn(count), scratch / "plain")
        write_repeats(scratch / "plain", scratch / "repeats")
        host = stack.enter_context(helper("host", scratch / "repeats"))
        compared = Comparison(Bench(scratch / "repeats", scratch, host, ""))
        works: dict[str, Callable[[], Run]] = {
            "one thread": lambda: compared.run("sync-serial"),
            "threads": lambda: compared.run("sync"),
            "3 shards": compared.shards,
            "3 shards, collected": compared.collected,
            "Dask": lambda: compared.run("sync-dask"),
            "Dask, a worker killed": lambda: compared.run("sync-dask-killed"),
        }
        done = several(
            runs, works, once={"one thread", "3 shards, collected", "Dask, a worker killed"}
        )
    print(f"\n{count:,} slides, a fifth of them repeats; {cpu_count()} cores. Equal `manifests/`:")
    for name, data in compared.records.items():
        print(f"  {name}: {len(data):,} bytes, SHA-256 {sha256(data).hexdigest()}")
    _report(count, done)


def _report(count: int, done: Mapping[str, list[Run]]) -> None:
    def typical(name: str, fact: str) -> float:
        return median(run.facts[fact] for run in done[name])

    table(
        ("engine", "s", "images/s", "CPU s", "coordinator: CPU ms an image", "coordinator: MB"),
        (
            (
                name,
                typical(name, "run_s"),
                count / typical(name, "run_s"),
                typical(name, "run_cpu_s"),
                1000 * typical(name, "coordinator_cpu_s") / count,
                f"{typical(name, 'peak_mb'):.0f}",
            )
            for name in done
        ),
    )
    for name in ("3 shards", "Dask"):
        pairs = zip(done[name], done["threads"], strict=True)
        ratio = median(a.facts["run_cpu_s"] / b.facts["run_cpu_s"] for a, b in pairs)
        print(f"{name}: {ratio:.2f} times the CPU of threads, in the same round")


if __name__ == "__main__":
    main()
