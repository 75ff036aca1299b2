"""Verify of 100,000 objects in S3 beside `rclone check` and `rclone lsf`, and its memory.

    python -m benchmarks verify [--objects N] [--lines N] [--runs N]

All ask one server, in turn; `rclone check` has the same objects as files to compare with. Memory
is measured against a listing made up on the fly: of so many objects as there are manifest lines;
without posts, and with posts that show a thousand of the images.
"""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from functools import partial
from hashlib import md5, sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.common import (
    BUCKET,
    BenchError,
    Run,
    cpu_ratio,
    helper,
    measured,
    median,
    ratio,
    rclone,
    rclone_s3,
    run,
    s3_server,
    seconds,
    several,
    table,
)

HEADER = '{"format": "mirror-manifest", "version": 1}\n'
CONFIG = """
[posts]
paths = ["posts"]
[[source]]
name = "slides"
match = ["https://slides.example.com/"]
[[destination]]
name = "copy"
url = "s3://{bucket}"
endpoint_url = "{endpoint_url}"
region = "us-east-1"
"""
SHOWN = 1000  # images that the posts show
RCLONE = ("-R", "--files-only", "--fast-list")  # one listing instead of one for each folder


def objects(many: int) -> Iterator[tuple[dict[str, Any], bytes]]:
    """Manifest lines of distinct objects, and their bytes; in no order."""
    for number in range(many):
        data = b"object %d" % number
        digest = sha256(data).hexdigest()
        yield (
            {
                "sha256": digest,
                "md5": md5(data, usedforsecurity=False).hexdigest(),
                "size": len(data),
                "media_type": "image/png",
                "width": 1280,
                "height": 720,
                "fingerprint": digest[::-1],
                "key": f"{digest[:2]}/{digest}.png",
                "sources": [f"https://slides.example.com/{number}.png"],
            },
            data,
        )


def write_site(root: Path, many: int, endpoint_url: str, shown: int = SHOWN) -> Path:
    """A site whose manifest has `many` lines, `shown` of them in a post; return its configuration.

    The images in the post are the first ones that `objects` makes.
    """
    lines = sorted(json.dumps(line) + "\n" for line, _ in objects(many))
    (root / "manifests").mkdir(parents=True)
    (root / "manifests" / "images.jsonl").write_text(HEADER + "".join(lines))
    (root / "posts").mkdir()
    images = (f"![]({url})\n" for line, _ in objects(min(many, shown)) for url in line["sources"])
    (root / "posts" / "post.md").write_text("".join(images))
    config = root / "mirror.toml"
    config.write_text(CONFIG.format(bucket=BUCKET, endpoint_url=endpoint_url))
    return config


def write_objects(folder: Path, many: int) -> None:
    for number in range(256):
        (folder / f"{number:02x}").mkdir(parents=True)
    for line, data in objects(many):
        (folder / line["key"]).write_bytes(data)


def verify(config: Path, objects: int, job: str = "verify") -> Run:
    done = measured(job, config)
    compared = done.facts["summary"]["objects"]
    if done.facts["findings"] or compared != objects:
        raise BenchError(f"verify compared {compared} objects: {done.facts['findings']}")
    return done


def main() -> None:
    parser = ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--objects", type=int, default=100_000)
    parser.add_argument("--lines", type=int, default=1_000_000, help="of the manifest, for memory")
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    with TemporaryDirectory(prefix="bench-verify-") as folder:
        _speed(Path(folder), options.objects, options.runs)
    sizes = [options.lines // share for share in (100, 10, 1)]
    head = ("manifest lines = objects", "peak MB", "s", "LIST requests", "--posts peak MB", "s")
    table(head, map(_memory, sizes))


def _speed(root: Path, many: int, runs: int) -> None:
    folder = root / "s3" / BUCKET
    write_objects(folder, many)
    with s3_server(root / "s3") as url:
        config = write_site(root / "site", many, url)
        rclone_on = partial(_rclone, url)
        works: dict[str, Callable[[], Run]] = {
            "mirror verify": lambda: verify(config, many),
            "rclone check": lambda: rclone_on("check", "--fast-list", folder),
            "rclone lsf": lambda: rclone_on("lsf", *RCLONE),
        }
        works["rclone lsf"]()  # the server reads every object once, for its checksum
        done = several(runs, works)
    mine = done["mirror verify"]
    table(
        ("what", "s", "CPU s", "mirror verify takes of it", "in CPU time"),
        (
            (
                name,
                seconds(each),
                median(run.cpu_s for run in each),
                ratio(mine, each),
                cpu_ratio(mine, each),
            )
            for name, each in done.items()
        ),
    )
    print(f"LIST requests of mirror verify: {mine[-1].facts['requests']}")


def _rclone(url: str, command: str, *arguments: str | Path) -> Run:
    return run([rclone(), command, *arguments, f":s3:{BUCKET}", *rclone_s3(url)])


def _memory(many: int) -> tuple[object, ...]:
    with TemporaryDirectory(prefix="bench-verify-") as folder:
        config = write_site(Path(folder), many, "http://127.0.0.1:1")
        with helper("listing", Path(folder, "manifests", "images.jsonl")) as server:
            config.write_text(CONFIG.format(bucket=BUCKET, endpoint_url=server.url.rstrip("/")))
            alone, posts = (verify(config, many, job) for job in ("verify", "verify-posts"))
    peaks = [round(done.facts["peak_mb"]) for done in (alone, posts)]
    requests = alone.facts["requests"]
    return f"{many:,}", peaks[0], alone.seconds, requests, peaks[1], posts.seconds
