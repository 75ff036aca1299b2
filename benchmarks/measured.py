"""One piece of work in a process of its own, and what it took, as JSON on stdout.

    python -m benchmarks.measured sync|sync-serial|sync-dask|sync-dask-killed CONFIG
    python -m benchmarks.measured shard-N/M CONFIG
    python -m benchmarks.measured collect CONFIG FOLDER…
    python -m benchmarks.measured verify|verify-posts CONFIG
    python -m benchmarks.measured bound|imagehash FOLDER
    python -m benchmarks.measured manifest FILE
    python -m benchmarks.measured host|synthetic FOLDER
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
import signal
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from io import BytesIO
from itertools import combinations
from pathlib import Path
from threading import Thread
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

    @property
    def in_process(self) -> bool:
        return True

    @property
    def cores(self) -> int:
        return int(self._engine.cores)

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

    def totals(self) -> dict[str, float]:
        return {name: sum(spent) for name, spent in self.cpu_s.items()}


def _name(job: Any) -> str:
    return job.func.__name__ if isinstance(job, partial) else type(job).__name__


def sync(path: Path, *, serial: bool = False) -> dict[str, Any]:
    from mirror.engine import Serial, Threads

    engine = Timed(Serial() if serial else Threads())
    return _sync(path, engine) | {"cpu_s": engine.totals()}


def shard(path: Path, *, part: str) -> dict[str, Any]:
    from mirror.engine import Threads

    return _sync(path, Threads(), part=part)


def collect(path: Path) -> dict[str, Any]:
    """Take the shards together that ran on copies of the site."""
    from mirror.engine import Threads

    return _sync(path, Threads(), copies=tuple(map(Path, sys.argv[3:])))


def sync_dask(path: Path, *, kills: bool = False) -> dict[str, Any]:
    """Back up on a cluster of this machine; with `kills`, one of its workers dies half-way."""
    from mirror.cluster import open_cluster
    from mirror.config import load_config
    from mirror.pipeline.workers import worker_problems

    with open_cluster(None, os.cpu_count() or 1) as cluster:
        cluster.ask_workers(worker_problems, load_config(path), "")  # they import what they need
        before = sum(cluster.ask_workers(time.process_time).values())
        killer = Thread(target=_kill_a_worker, args=(cluster, path.parent), daemon=True)
        if kills:
            killer.start()
        facts = _sync(path, cluster)
        if killer.is_alive():
            raise SystemExit("the run ended before a worker was killed")
        after = sum(cluster.ask_workers(time.process_time).values())
        facts["run_cpu_s"] += max(after - before, 0)  # less, where a worker is a new one
    return facts


def _kill_a_worker(cluster: Any, site: Path) -> None:
    while sum(1 for _ in (site / "archive").rglob("*.*")) < 100:
        time.sleep(0.05)
    os.kill(next(iter(cluster.ask_workers(os.getpid).values())), signal.SIGKILL)


def _sync(
    path: Path, engine: Any, *, part: str | None = None, copies: tuple[Path, ...] = ()
) -> dict[str, Any]:
    from support.sites import Silent

    from mirror.config import load_config
    from mirror.pipeline.parts import open_parts
    from mirror.pipeline.shards import Shard
    from mirror.pipeline.sync import SyncOptions
    from mirror.pipeline.sync import sync as run

    site = open_parts(load_config(path))
    options = SyncOptions(shard=Shard.parse(part) if part else None, copies=copies)
    with site.lock("benchmark", options.shard.name if options.shard else ""):
        began, cpu_began = time.perf_counter(), time.process_time()
        result = run(site, engine, options, Silent())
        run_s, cpu_s = time.perf_counter() - began, time.process_time() - cpu_began
    facts = _facts(site, result.summary, [f.message for f in result.findings])
    return facts | {"run_s": run_s, "run_cpu_s": cpu_s, "coordinator_cpu_s": cpu_s}


def verify(path: Path, *, posts: bool = False) -> dict[str, Any]:
    from support.sites import Silent

    from mirror.config import load_config
    from mirror.engine import Threads
    from mirror.pipeline.parts import open_parts
    from mirror.pipeline.verify import VerifyOptions
    from mirror.pipeline.verify import verify as run

    site = open_parts(load_config(path))
    engine = Timed(Threads())
    result = run(site, engine, VerifyOptions(posts=posts), Silent())
    facts = _facts(site, result.summary, [f.message for f in result.findings])
    return facts | {"cpu_s": engine.totals()}


def _facts(site: Any, summary: dict[str, Any], findings: list[str]) -> dict[str, Any]:
    requests = [getattr(target.store, "requests", {}) for target in site.destinations]
    return {
        "summary": summary,
        "findings": findings[:5],
        "requests": sum(sum(counted.values()) for counted in requests),
    }


def bound(folder: Path) -> dict[str, Any]:
    """Decode, SHA-256 and imagehash of every picture, on all cores."""
    return {"pictures": len(_hashes(folder))}


def find_by_imagehash(folder: Path) -> dict[str, Any]:
    """The script that a user would write: the pairs of pictures with like fingerprints."""
    hashes = [fingerprint for _, fingerprint in _hashes(folder)]
    return {"pairs": sum(int(a - b) <= 10 for a, b in combinations(hashes, 2))}


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


def synthetic(_: Path) -> None:
    """Serve a picture for each number: a JPEG of 640 x 360 of coloured squares."""
    from random import Random

    from PIL import Image

    from mirror.host import ImageHost, Request, Response

    class Host(ImageHost):
        def answer(self, request: Request) -> Response:
            colours = Random(request.key).randbytes(3 * 32 * 18)
            picture = Image.frombytes("RGB", (32, 18), colours)
            coded = BytesIO()
            picture.resize((640, 360), Image.Resampling.NEAREST).save(coded, "JPEG", quality=80)
            return Response(200, {"Content-Type": "image/jpeg"}, coded.getvalue())

    _serve(Host({}))


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
        "sync-serial": partial(sync, serial=True),
        "collect": collect,
        "sync-dask": sync_dask,
        "sync-dask-killed": partial(sync_dask, kills=True),
        "verify": verify,
        "verify-posts": partial(verify, posts=True),
        "bound": bound,
        "imagehash": find_by_imagehash,
        "manifest": manifest,
        "host": host,
        "synthetic": synthetic,
        "listing": listing,
    }
    if name not in ("bound", "imagehash"):
        from mirror.main import collect_rarely

        collect_rarely()  # as the command does
    began = time.perf_counter()
    if name.startswith("shard-"):
        facts: dict[str, Any] | None = shard(path, part=name.removeprefix("shard-"))
    else:
        facts = work[name](path)
    if facts is not None:
        usage = resource.getrusage(resource.RUSAGE_SELF)
        facts["work_s"] = time.perf_counter() - began
        facts["process_cpu_s"] = usage.ru_utime + usage.ru_stime
        facts["peak_mb"] = _status("VmHWM")
        print(json.dumps(facts))


if __name__ == "__main__":
    main()
