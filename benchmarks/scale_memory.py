"""Memory and CPU time of the commands over manifests of up to a million lines, all shown by posts.

    python -m benchmarks scale memory [--lines N,N,…] [--only COMMAND] [--rewritten]

The bucket is made up: it lists every object of the manifest and holds the index of the site. Posts
show a hundred images each, by the addresses of their source, as before the first `rewrite`: then
most is to be said and to be changed. One line in fifty is a repeat, and where it was shown stands
the picture that it repeats. With `--rewritten` they show the addresses of the mirror, as behind a
`rewrite`, and `rewrites.jsonl` remembers each place.
"""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
from argparse import ArgumentParser
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from hashlib import md5, sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.common import BIN, BUCKET, KEYS, ROOT, BenchError, table
from benchmarks.verify import CONFIG
from mirror.manifest import HEADER
from mirror.rewrites import FILE_NAME as REWRITES

COMMANDS = (
    ("scan", "--hosts"),
    ("sync", "--dry-run"),
    ("sync",),
    ("rewrite", "--check"),
    ("verify", "--posts"),
    ("dupes",),
    ("prune",),
    ("leftovers",),
    ("report",),
)
CODES = (0, 1)  # a check may find something
SITE = "0" * 31 + "1"
ON_ONE_POST = 100
REPEATS = 50  # one line in so many is a repeat


# --- The site ---------------------------------------------------------------------------------


def lines(count: int) -> Iterator[dict[str, Any]]:
    """Yield the lines of a manifest, by digest; each repeat stands behind the one it repeats."""
    digests = sorted(sha256(b"%d" % number).hexdigest() for number in range(count))
    draw = random.Random(1)
    kept, key, bits = "", "", 0
    for number, digest in enumerate(digests):
        is_repeat = number % REPEATS == REPEATS - 1
        if not is_repeat:
            bits = sum(1 << bit for bit in draw.sample(range(256), 128))
            kept, key = digest, f"{digest[:2]}/{digest}.png"
        yield {
            "sha256": digest,
            "md5": md5(digest.encode(), usedforsecurity=False).hexdigest(),
            "size": 40_000 + number,
            "media_type": "image/png",
            "width": 1280,
            "height": 720,
            "fingerprint": f"{bits:064x}",
            **({"alias_of": kept} if is_repeat else {"key": key}),
            "sources": [f"https://slides.example.com/deck-{number // 40}/page-{number:07}.png"],
        }


def write_site(root: Path, count: int, *, rewritten: bool) -> None:
    from mirror.model import Digest, Key
    from mirror.repeats import Evidence, Pair, Tier
    from mirror.repeats.ledger import dumps_evidence
    from mirror.site_index import dumps

    for name in ("manifests", "posts"):
        (root / name).mkdir(parents=True)
    (root / "manifests" / "site.txt").write_text(f"{SITE}\n")
    shown: list[tuple[str, str]] = []  # source and target
    objects: dict[Key, Digest] = {}
    manifest = (root / "manifests" / "images.jsonl").open("w")
    ledger = (root / "manifests" / "ledger.jsonl").open("w")
    memory = (root / "manifests" / REWRITES).open("w") if rewritten else None
    with manifest, ledger, memory or nullcontext():
        manifest.write(json.dumps(HEADER) + "\n")
        for number, line in enumerate(lines(count)):
            manifest.write(json.dumps(line) + "\n")
            digest = Digest(line["sha256"])
            if "key" in line:
                objects[Key(line["key"])] = digest
                pair_shown = (line["sources"][0], f"https://img.example.com/blog/{line['key']}")
            else:
                pair = Pair.of(digest, Digest(line["alias_of"]))
                ledger.write(dumps_evidence(Evidence(pair, 0, Tier.PIXELS)))
            shown.append(pair_shown)
            if len(shown) == ON_ONE_POST or number == count - 1:
                folder = root / "posts" / f"{number // 10_000:03}"
                folder.mkdir(exist_ok=True)
                urls = (target if rewritten else source for source, target in shown)
                body = "\n\n".join(f"Words before ![page]({url}) and behind." for url in urls)
                post = folder / f"{number:07}.md"
                post.write_text(f"# Deck\n\n{body}\n")
                if memory is not None:
                    memory.write(_remembered(post.relative_to(root).as_posix(), post, shown))
                shown.clear()
    (root / "index.gz").write_bytes(dumps(objects))


def _remembered(name: str, post: Path, shown: Iterable[tuple[str, str]]) -> str:
    """Return the lines of `rewrites.jsonl` for a post, for the first one with the header."""
    from mirror.model import Span
    from mirror.rewrites import Occurrence, Rewrite, dumps

    data = post.read_bytes()
    rewrites = []
    stop = 0
    for source, target in shown:
        start = data.index(target.encode(), stop)
        stop = start + len(target)
        here = Occurrence.of(data, Span(start, stop), target)
        rewrites.append(Rewrite(name, target, source, here.before, here.after))
    text = dumps(rewrites)
    return text if name.endswith(f"/{ON_ONE_POST - 1:07}.md") else text.partition("\n")[2]


def serve(root: Path) -> None:
    """Answer as a bucket that has every object of the manifest and the index of the site."""
    from benchmarks.measured import _serve
    from mirror.host import ImageHost, Request, Response

    index_key = f".mirror/sites/{SITE}.txt.gz"
    index = (root / "index.gz").read_bytes()
    entry = "<Contents><Key>{}</Key><Size>{}</Size><ETag>&#34;{}&#34;</ETag></Contents>"
    first = entry.format(index_key, len(index), md5(index, usedforsecurity=False).hexdigest())
    entries = [first]
    with (root / "manifests" / "images.jsonl").open() as file:
        next(file)
        entries += (
            entry.format(line["key"], line["size"], line["md5"])
            for line in map(json.loads, file)
            if "key" in line
        )

    class Bucket(ImageHost):
        def answer(self, request: Request) -> Response:
            if request.key.endswith(index_key):
                return Response(200, {"Content-Type": "application/gzip"}, index)
            token = re.search(r"continuation-token=(\d+)", request.target)
            start, stop = (int(token[1]), int(token[1]) + 1000) if token else (0, 1000)
            if "prefix=.mirror" in request.target:
                start, stop = 0, len(entries)
            listed = entries[:1] if stop == len(entries) else entries[start:stop]
            more = stop < len(entries)
            after = f"<NextContinuationToken>{stop}</NextContinuationToken>" if more else ""
            head = f"<IsTruncated>{str(more).lower()}</IsTruncated>{after}"
            body = f"<ListBucketResult>{head}{''.join(listed)}</ListBucketResult>"
            return Response(200, {"Content-Type": "application/xml"}, body.encode())

    _serve(Bucket({}))


# --- The measurement --------------------------------------------------------------------------


@dataclass(frozen=True)
class Cost:
    """The memory and CPU time that one command took."""

    peak_mb: int
    cpu_s: float
    page_mb: float | None = None


def measure(command: tuple[str, ...], root: Path) -> Cost:
    """Run a command in a site; its peak is that of the process alone.

    The output goes to a file: a pipe would be read into the memory of this process, and the peak
    of a child counts what its parent held.
    """
    output = root / "output.txt"
    page = root / "page.html"
    arguments = [*command, "--output", page] if command == ("report",) else command
    env = {**os.environ, **KEYS, "NO_PROXY": "127.0.0.1"}
    with output.open("wb") as file:
        process = subprocess.Popen(
            ["nice", "-n", "10", BIN / "mirror", *arguments],
            cwd=root,
            env=env,
            stdout=file,
            stderr=subprocess.STDOUT,
        )
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in CODES:
        text = output.read_bytes()[-2000:].decode("utf-8", "replace")
        raise BenchError(f"{' '.join(command)} ended with {process.returncode}:\n{text}")
    cpu_s = usage.ru_utime + usage.ru_stime
    page_mb = page.stat().st_size / 1e6 if page.exists() else None
    return Cost(usage.ru_maxrss // 1024, cpu_s, page_mb)


def measure_all(count: int, only: str, *, rewritten: bool) -> dict[str, Cost]:
    with TemporaryDirectory(prefix="bench-scale-") as folder:
        root = Path(folder)
        subprocess.run(
            [*_self(), "write", root, str(count), str(int(rewritten))], check=True, cwd=ROOT
        )
        with subprocess.Popen(
            [*_self(), "serve", root],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        ) as server:
            if server.stdin is None or server.stdout is None:
                raise BenchError("expected a process with pipes")
            url = server.stdout.readline().strip().rstrip("/")
            text = CONFIG.format(bucket=BUCKET, endpoint_url=url)
            public = 'public_url = "https://img.example.com/blog"\n'
            (root / "mirror.toml").write_text(text + public)
            costs = {}
            for command in COMMANDS:
                name = " ".join(command)
                if only in name:
                    costs[name] = measure(command, root)
                    print(f"  {count:,} {name}: {costs[name]}", file=sys.stderr, flush=True)
            server.stdin.close()
    return costs


def _self() -> list[str]:
    return [sys.executable, "-m", "benchmarks.scale_memory"]


def main() -> None:
    parser = ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--lines", default="10000,100000,1000000", help="of each manifest")
    parser.add_argument("--only", default="", help="a part of the name of a command")
    parser.add_argument("--rewritten", action="store_true", help="posts show the mirror")
    options = parser.parse_args()
    sizes = [int(text) for text in options.lines.split(",")]
    costs = [measure_all(size, options.only, rewritten=options.rewritten) for size in sizes]
    head = ["command"]
    head += [f"{size:,}: peak MB, CPU s" for size in sizes]
    rows = (
        [f"`{name}`", *(f"{cost[name].peak_mb:,}, {cost[name].cpu_s:.1f}" for cost in costs)]
        for name in costs[0]
    )
    table(head, rows)
    for size, cost in zip(sizes, costs, strict=True):
        if "report" in cost and cost["report"].page_mb is not None:
            print(f"page of {size:,} pictures: {cost['report'].page_mb:.1f} MB")


if __name__ == "__main__":
    if sys.argv[1] == "write":
        write_site(Path(sys.argv[2]), int(sys.argv[3]), rewritten=sys.argv[4] == "1")
    else:
        serve(Path(sys.argv[2]))
