"""Faults, survived or not: the long form of tests/commands/test_every_fault.py.

Processes and sockets are real. Each row of the table is a kind of fault. After every single one, a
checker that shares no code with the program compares manifest, archive, bucket and posts. `lost`
counts what is missing or was fetched more often than needed, `wrong` what does not hold what it
says, `crashed` runs that ended with a bug or a traceback.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from support import invariants
from support.faults import (
    FAULTS,
    IN_FLIGHT,
    PICTURES,
    PUBLIC,
    Blog,
    ProcessResult,
    Proxy,
    blog,
    crashed,
    every,
    first_of,
    picture,
    small_disk,
)
from support.misbehaving import MISBEHAVIOURS, MisbehavingHost
from support.servers import BUCKET, Server, rclone

from benchmarks.common import table

_SEED = 20
_PICTURES = 48


@dataclass
class Row:
    """One kind of fault: how many there were, and what came of them."""

    name: str
    faults: int = 0
    lost: int = 0
    wrong: int = 0
    crashed: int = 0

    def ended(self, *runs: ProcessResult) -> None:
        for run in runs:
            if crashed(run):
                self.crashed += 1
                _say(f"crashed: {run.text[-500:]}")

    def check(self, problems: list[str]) -> None:
        """Count what the checker says."""
        lost = [problem for problem in problems if problem.startswith("lost")]
        self.lost += len(lost)
        self.wrong += len(problems) - len(lost)
        for problem in problems:
            _say(problem)

    def must(self, holds: bool, what: str) -> None:
        if not holds:
            self.check([f"wrong: {what}"])


# --- Kills ----------------------------------------------------------------------------------------


def kills(folder: Path, count: int) -> Iterator[Row]:
    """Half of them at a step that a run takes towards the outside, half after some time."""
    dice = random.Random(_SEED)
    with blog(folder, pictures=_PICTURES, posts=12) as site:
        began = time.monotonic()
        steps = site.steps("sync")
        took_s = time.monotonic() - began
        manifest = (site.root / "manifests" / "images.jsonl").read_bytes()
        sync, again, most = Row("kill -9 of sync"), 0, 0
        for number in range(count):
            site.forget()
            run: Callable[[], ProcessResult] = (
                (lambda: site.start("sync").kill_after(dice.uniform(0, took_s)))
                if number % 2
                else (lambda: site.struck(dice.randint(1, steps), "sync"))
            )
            sync.faults += 1
            sync.ended(run())
            sync.check(list(invariants.at_any_instant(site.truth())))
            ended = site.run("sync")
            sync.ended(ended)
            sync.must(ended.code == 0, ended.text)
            sync.check(invariants.at_rest(site.truth(), repointed=False))
            same = (site.root / "manifests" / "images.jsonl").read_bytes() == manifest
            sync.must(same, "the manifest is not that of a run that was never killed")
            extra = sum(site.host.requests.values()) - len(site.pictures)
            most, again = max(most, extra), again + extra
            if extra > IN_FLIGHT:
                sync.check([f"lost: {extra} pictures were fetched again"])
            _say(f"sync {number + 1}/{count}")
        sync.name += f" ({again / count:.1f} of {_PICTURES} fetched again, at most {most})"
        yield sync
        yield _rewrite_kills(site, count, dice)


def _rewrite_kills(site: Blog, count: int, dice: random.Random) -> Row:
    row = Row("kill -9 of rewrite and rewrite --revert")
    steps = site.steps("rewrite")
    remembered = (site.root / "manifests" / "rewrites.jsonl").read_bytes()
    back = site.steps("rewrite", "--revert")
    for number in range(count):
        row.faults += 1
        row.ended(site.struck(dice.randint(1, steps), "rewrite"))
        row.check(list(invariants.at_any_instant(site.truth())))
        if number % 2:
            ended = site.run("rewrite")
            row.ended(ended)
            row.check(invariants.at_rest(site.truth(), repointed=True))
            same = (site.root / "manifests" / "rewrites.jsonl").read_bytes() == remembered
            row.must(same, "what is remembered is not that of a run that was never killed")
            row.faults += 1
            row.ended(site.struck(dice.randint(1, back), "rewrite", "--revert"))
            row.check(list(invariants.at_any_instant(site.truth())))
        row.ended(site.run("rewrite", "--revert"))
        row.check(invariants.at_rest(site.truth(), repointed=False))
        _say(f"rewrite {number + 1}/{count}")
    return row


# --- Hosts ----------------------------------------------------------------------------------------


def misbehaviours(folder: Path) -> Iterator[Row]:
    """Each alone in its site; once from nothing, once beside pictures that are known already."""
    row = Row(f"misbehaviours of image hosts ({len(MISBEHAVIOURS)} x 2 states)")
    for name, what in MISBEHAVIOURS.items():
        with blog(folder / name, pictures=6, posts=1, host=MisbehavingHost) as site:
            bad = f"{PICTURES}{name}/p/000.png"
            text = (site.root / "mirror.toml").read_text()
            text = text.replace("timeout_s = 5", "timeout_s = 0.5").replace("retries = 1", "")
            (site.root / "mirror.toml").write_text(text)
            honest = dict(site.posts), dict(site.pictures)
            for known in (False, True):
                site.forget()
                if known:
                    row.ended(site.run("sync"))
                site.posts["posts/00.md"] += f"![]({bad})\n".encode()
                site.pictures[bad] = picture(0)
                site.restore_posts()
                row.faults += 1
                ended = site.run("sync")
                row.ended(ended)
                if what.outcome is not None:
                    row.must(ended.code == 3, f"{name}: exit code {ended.code}: {ended.text}")
                    del site.pictures[bad]
                else:
                    row.must(ended.code == 0, f"{name}: exit code {ended.code}: {ended.text}")
                row.check([f"{problem} ({name})" for problem in invariants.at_rest(site.truth())])
                row.ended(site.run("rewrite"))
                row.check(list(invariants.at_any_instant(site.truth())))
                site.posts, site.pictures = dict(honest[0]), dict(honest[1])
        _say(name)
    yield row


# --- Buckets --------------------------------------------------------------------------------------


def buckets(folder: Path) -> Iterator[Row]:
    """Every fault x every method: the first request, every third, and each one without end."""
    row = Row(f"faults between mirror and S3 ({len(FAULTS)} faults)")
    with ExitStack() as stack:
        server = stack.enter_context(rclone(folder / "server"))
        proxy = stack.enter_context(Proxy(server.endpoint_url))
        site = stack.enter_context(blog(folder / "blog", pictures=12, posts=2))
        site.environ |= server.environment()
        row.ended(site.run("sync"))
        for number, (name, plan) in enumerate(_plans()):
            place = f"p{number}"
            site.configure(destination=_bucket(place, proxy.endpoint_url))
            assert server.folder  # noqa: S101  (rclone has one)
            truth = site.truth(server.folder / place)
            allowed = [0, 3]
            for command in ("sync", "rewrite", "verify"):
                proxy.spoil(plan)
                ended = site.run(command, env={"AWS_MAX_ATTEMPTS": "2"})
                row.faults += sum(proxy.faults.values())
                row.ended(ended)
                row.must(ended.code in allowed, f"{name}: {command}: {ended.code}: {ended.text}")
                row.check([f"{fault} ({name})" for fault in invariants.at_any_instant(truth)])
                if command == "sync" and ended.code == 0:
                    row.check([f"{fault} ({name})" for fault in invariants.at_rest(truth)])
                elif command == "sync":
                    allowed.append(1)  # what could not be stored is a difference
            proxy.spoil(lambda method, before: None)
            row.ended(site.run("sync"), site.run("rewrite"))
            row.check(invariants.at_rest(truth, repointed=True))
            row.ended(site.run("rewrite", "--revert"))
            row.check(invariants.at_rest(truth, repointed=False))
            _say(name)
        yield row
        yield _three_at_once(folder / "three", server)


def _plans() -> Iterator[tuple[str, Callable[[str, int], str | None]]]:
    for fault in FAULTS:
        for kind in ("LIST", "PUT", "GET"):
            yield f"first {kind}: {fault}", first_of(kind, fault)
        yield f"always: {fault}", lambda method, before, fault=fault: fault
    yield "every third, one after the other", every(3, list(FAULTS))


def _bucket(place: str, endpoint_url: str) -> str:
    return (
        f'url = "s3://{BUCKET}/{place}"\npublic_url = "{PUBLIC}"\nendpoint_url = "{endpoint_url}"\n'
        'provider = "rclone"'
    )


def _three_at_once(folder: Path, server: Server) -> Row:
    row = Row("3 syncs at once, of one site and into one bucket")
    for number in range(10):
        with ExitStack() as stack:
            sites = [stack.enter_context(blog(folder / f"{number}{name}")) for name in "abc"]
            for site in sites:
                site.environ |= server.environment()
                site.configure(destination=_bucket(f"three{number}", server.endpoint_url))
            row.faults += 2
            ended = [run.end() for run in [site.start("sync") for site in sites]]
            row.ended(*ended)
            row.must(not any(run.code for run in ended), "".join(run.text for run in ended))
            assert server.folder  # noqa: S101  (rclone has one)
            for site in sites:
                row.check(invariants.at_rest(site.truth(server.folder / f"three{number}")))
            ended = [run.end() for run in [sites[0].start("sync") for _ in range(3)]]
            row.ended(*ended)
            row.must({run.code for run in ended} <= {0, 4}, "".join(run.text for run in ended))
            row.check(invariants.at_rest(sites[0].truth(server.folder / f"three{number}")))
    return row


# --- Disks ----------------------------------------------------------------------------------------


def disks(folder: Path) -> Iterator[Row]:
    """Every folder, full after 4, 8, … kB, and read-only."""
    row = Row("full and read-only file systems")
    for name in ("archive", ".mirror", "manifests", "bucket"):
        for kilobytes in (*range(4, 44, 8), 0):
            with blog(folder / f"{name}{kilobytes}") as site:
                try:
                    with small_disk(site.root / name, kilobytes or 4096) as change:
                        change("rw" if kilobytes else "ro")
                        row.faults += 1
                        ended = site.run("sync")
                        row.ended(ended)
                        row.must(ended.code in (0, 3), ended.text)
                        row.check(list(invariants.at_any_instant(site.truth())))
                        change("size=4m,rw")
                        row.ended(site.run("sync"))
                        row.check(invariants.at_rest(site.truth(), repointed=False))
                except PermissionError as error:
                    _say(str(error))
    yield row


# --- Memory ---------------------------------------------------------------------------------------


def memory(folder: Path) -> list[tuple[int, int, int]]:
    """Number of pictures, megabytes of them, and megabytes at the peak."""
    rows = []
    for number in (30, 120, 480):
        with blog(folder / str(number), pictures=number, posts=4, side=1000) as site:
            site.configure('[dedupe]\nmode = "exact"')
            size = sum(map(len, site.pictures.values()))
            rows.append((number, size >> 20, site.peak("sync") >> 20))
    return rows


# --- All ------------------------------------------------------------------------------------------


def _say(text: str) -> None:
    print(f"  {text}", file=sys.stderr, flush=True)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks chaos")
    parser.add_argument("--kills", type=int, default=200, help="of sync, and of rewrite")
    parser.add_argument("--only", choices=("kills", "hosts", "buckets", "disks", "memory"))
    options = parser.parse_args(arguments)
    os.environ.setdefault("NO_PROXY", "127.0.0.1,localhost")
    suites: Mapping[str, Callable[[Path], Iterator[Row]]] = {
        "kills": lambda folder: kills(folder, options.kills),
        "hosts": misbehaviours,
        "buckets": buckets,
        "disks": disks,
    }
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as name:
        for suite, run in suites.items():
            if options.only in (None, suite):
                rows += run(Path(name, suite))
        peaks = memory(Path(name, "memory")) if options.only in (None, "memory") else []
    table(
        ("fault", "faults", "lost", "wrong", "crashed"),
        [(row.name, row.faults, row.lost, row.wrong, row.crashed) for row in rows],
    )
    table(("pictures", "MB of pictures", "MB of memory at the peak"), peaks)
    sys.exit(any(row.lost or row.wrong or row.crashed for row in rows))


if __name__ == "__main__":
    main()
