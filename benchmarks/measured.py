"""One piece of work in a process of its own, and what it took, as JSON on stdout.

    python -m benchmarks.measured sync|verify|verify-posts CONFIG
    python -m benchmarks.measured bound|imagehash FOLDER
    python -m benchmarks.measured manifest FILE
    python -m benchmarks.measured host FOLDER
    python -m benchmarks.measured listing MANIFEST

The pipeline is measured from outside: its `Engine` is wrapped in one that adds up the CPU time of
the jobs, thread by thread.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import resource
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from mirror.host import ImageHost

T = TypeVar("T")
R = TypeVar("R")


class Timed:
    """An `Engine` around another: what the jobs of each kind cost."""

    def __init__(self, engine: Any) -> None:
        self.cpu_s: dict[str, list[float]] = defaultdict(list)
        self._engine = engine

    def map(self, job: Callable[[T], R], items: Iterable[T], workers: int) -> Any:
        spent = self.cpu_s[_name(job)]

        def timed(item: T) -> R:
            began = time.thread_time()
            try:
                return job(item)
            finally:
                spent.append(time.thread_time() - began)

        with closing(self._engine.map(timed, items, workers)) as results:
            yield from results


def _name(job: Any) -> str:
    return job.func.__name__ if isinstance(job, partial) else type(job).__name__


def sync(path: Path) -> dict[str, Any]:
    from mirror.config import load_config
    from mirror.engine import Threads
    from mirror.pipeline.parts import open_parts
    from mirror.pipeline.progress import Silent
    from mirror.pipeline.sync import SyncOptions
    from mirror.pipeline.sync import sync as run

    site = open_parts(load_config(path))
    engine = Timed(Threads())
    with site.lock("benchmark"):
        result = run(site, engine, SyncOptions(), Silent())
    return _facts(site, engine, result.summary, [f.message for f in result.findings])


def verify(path: Path, *, posts: bool = False) -> dict[str, Any]:
    from mirror.config import load_config
    from mirror.engine import Threads
    from mirror.pipeline.parts import open_parts
    from mirror.pipeline.progress import Silent
    from mirror.pipeline.verify import VerifyOptions
    from mirror.pipeline.verify import verify as run

    site = open_parts(load_config(path))
    engine = Timed(Threads())
    result = run(site, engine, VerifyOptions(posts=posts), Silent())
    return _facts(site, engine, result.summary, [f.message for f in result.findings])


def _facts(
    site: Any, engine: Timed, summary: dict[str, Any], findings: list[str]
) -> dict[str, Any]:
    requests = [getattr(target.store, "requests", {}) for target in site.destinations]
    return {
        "summary": summary,
        "findings": findings[:5],
        "cpu_s": {name: sum(spent) for name, spent in engine.cpu_s.items()},
        "requests": sum(sum(counted.values()) for counted in requests),
    }


def bound(folder: Path) -> dict[str, Any]:
    """Decode, SHA-256 and imagehash of every picture, on all cores."""
    return {"pictures": len(_hashes(folder))}


def find_by_imagehash(folder: Path) -> dict[str, Any]:
    """The script that a user would write: the pairs of pictures with like fingerprints."""
    hashes = [fingerprint for _, fingerprint in _hashes(folder)]
    return {"pairs": sum(a - b <= 10 for a, b in combinations(hashes, 2))}


def _hashes(folder: Path) -> list[tuple[str, Any]]:
    import imagehash
    from PIL import Image

    def look(path: Path) -> tuple[str, Any]:
        data = path.read_bytes()
        with Image.open(path) as image:
            image.load()
            return hashlib.sha256(data).hexdigest(), imagehash.phash(image, hash_size=16)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(look, folder.iterdir()))


def manifest(path: Path) -> dict[str, Any]:
    """Load and save a manifest, and what of it is held in memory."""
    from mirror.manifest import dumps, loads

    began = time.perf_counter()
    with path.open(encoding="utf-8") as file:
        for line in file:
            json.loads(line)
    json_s = time.perf_counter() - began
    before = _held_mb()
    began = time.perf_counter()
    loaded = loads(path.read_text("utf-8"))
    loaded_at = time.perf_counter()
    held = _held_mb() - before
    text = dumps(loaded)
    saved_at = time.perf_counter()
    if text != path.read_text("utf-8"):
        raise SystemExit("what was saved is not what was loaded")
    return {
        "assets": len(loaded.assets),
        "json_s": json_s,
        "load_s": loaded_at - began,
        "save_s": saved_at - loaded_at,
        "held_mb": held,
    }


def host(folder: Path) -> None:
    """Serve a folder as an image host does."""
    from mirror.host import ImageHost

    _serve(ImageHost(folder))


def listing(path: Path) -> None:
    """Answer ListObjectsV2 as a bucket with every object of a manifest would, a thousand a page."""
    from mirror.host import ImageHost, Request, Response

    with path.open() as file:
        next(file)
        facts = map(json.loads, file)
        found = sorted((line["key"], line["size"], line["md5"]) for line in facts)
    template = "<Contents><Key>{}</Key><Size>{}</Size><ETag>&#34;{}&#34;</ETag></Contents>"

    class Bucket(ImageHost):
        def answer(self, request: Request) -> Response:
            token = re.search(r"continuation-token=(\d+)", request.target)
            start = int(token[1]) if token else 0
            stop = start + 1000
            more = stop < len(found)
            after = f"<NextContinuationToken>{stop}</NextContinuationToken>" if more else ""
            contents = "".join(template.format(*one) for one in found[start:stop])
            head = f"<IsTruncated>{str(more).lower()}</IsTruncated>{after}{contents}"
            body = f"<ListBucketResult>{head}</ListBucketResult>"
            return Response(200, {"Content-Type": "application/xml"}, body.encode())

    _serve(Bucket({}))


def _serve(server: ImageHost) -> None:
    """Print the address; for each line on stdin, how many requests came since the last one."""
    with server:
        print(server.base_url, flush=True)
        for _ in sys.stdin:
            print(server.requests.total(), flush=True)
            server.requests.clear()


def _held_mb() -> float:
    return _status("VmRSS")


def _status(name: str) -> float:
    """A line of /proc/self/status in MB. `ru_maxrss` would hold the parent's peak too."""
    lines = Path("/proc/self/status").read_text().splitlines()
    found = next(line for line in lines if line.startswith(f"{name}:"))
    return int(found.split()[1]) / 1024


def main() -> None:
    name, path = sys.argv[1], Path(sys.argv[2])
    work: dict[str, Callable[[Path], dict[str, Any] | None]] = {
        "sync": sync,
        "verify": verify,
        "verify-posts": partial(verify, posts=True),
        "bound": bound,
        "imagehash": find_by_imagehash,
        "manifest": manifest,
        "host": host,
        "listing": listing,
    }
    if name not in ("bound", "imagehash"):
        from mirror.main import collect_rarely

        collect_rarely()  # as the command does
    began = time.perf_counter()
    facts = work[name](path)
    if facts is not None:
        usage = resource.getrusage(resource.RUSAGE_SELF)
        facts["work_s"] = time.perf_counter() - began
        facts["process_cpu_s"] = usage.ru_utime + usage.ru_stime
        facts["peak_mb"] = _status("VmHWM")
        print(json.dumps(facts))


if __name__ == "__main__":
    main()
