"""`sync --engine dask`, on a scheduler and workers that are processes of their own."""

from __future__ import annotations

import os
import pickle
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
from support import faults
from support.commands import picture, run
from support.dask import Cluster, dask_cluster
from support.servers import BUCKET as SERVER_BUCKET
from support.servers import Server
from support.sites import BUCKET, Blog, Silent
from support.slides import deck, encode
from unit.test_engine import (  # noqa: F401  (the contract suite, with the engine of this module)
    test_a_bug_in_a_job_ends_the_map_and_starts_no_other,
    test_a_map_that_is_closed_starts_no_other_job,
    test_every_item_is_worked_on_once,
    test_maps_chain_and_are_lazy,
    test_no_more_than_so_many_jobs_run_at_once,
)

import mirror
from mirror.archive import Archive
from mirror.cluster import ClusterError, Dask, open_cluster
from mirror.config import load_config
from mirror.engine import Serial
from mirror.host import Request, Response
from mirror.model import Digest, Rule
from mirror.pipeline.answers import AnswerJob
from mirror.pipeline.dedupe import CompareJob
from mirror.pipeline.parts import open_parts
from mirror.pipeline.plan import ImageRequest, Inventory, plan
from mirror.pipeline.scan import scan
from mirror.pipeline.shards import Shard
from mirror.pipeline.store import StoreJob
from mirror.pipeline.sync import SyncOptions, sync
from mirror.pipeline.workers import answer_requests, checked_workers, worker_problems
from mirror.repeats.cache import Sketches
from mirror.repeats.reviews import NO_REVIEWS
from mirror.state import State
from mirror.store import DirectoryStore

PICTURES = 90
RECORDS = ("images.jsonl", "ledger.jsonl", "redirects.jsonl")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with dask_cluster(tmp_path_factory.mktemp("dask")) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def dask(cluster: Cluster) -> Iterator[Dask]:
    with open_cluster(cluster.address, 2) as engine:
        yield engine


@pytest.fixture
def engine(dask: Dask) -> Dask:
    """An engine whose batches are single items, as the contract counts them."""
    return Dask(dask.client, batch=1)


def test_batches_yield_every_item_once(dask: Dask) -> None:
    for items in (range(1003), iter(range(1003)), [], [1]):
        wanted = sorted(range(1003)) if not isinstance(items, list) else items
        assert sorted(dask.map(abs, items, 5)) == wanted


def test_a_job_is_unpickled_once_in_each_process(dask: Dask) -> None:
    class Counted:
        def __init__(self) -> None:
            self.made_in = os.getpid(), id(self)

        def __reduce__(self) -> tuple[type[Counted], tuple[()]]:
            return Counted, ()

        def __call__(self, _: int) -> tuple[int, int]:
            return self.made_in

    assert len(set(dask.map(Counted(), range(100), 2))) <= 2


def test_workers_that_die_with_batches_that_are_done_lose_nothing(
    dask: Dask, engine: Dask, tmp_path: Path
) -> None:
    def job(item: int) -> int:
        (tmp_path / str(item)).touch()
        return item

    results = engine.map(job, range(6), 2)
    first = next(results)  # two more are done meanwhile, and wait in their workers
    while len([*tmp_path.iterdir()]) < 3 or sum(map(len, dask.client.has_what().values())) < 2:
        time.sleep(0.005)
    workers = dask.ask_workers(os.getpid)
    for process in workers.values():
        assert isinstance(process, int)
        os.kill(process, signal.SIGKILL)
    while dask.client.nthreads().keys() & workers.keys():
        time.sleep(0.005)
    assert sorted([first, *results]) == list(range(6))


@pytest.fixture
def site(tmp_path: Path) -> Iterator[faults.Blog]:
    with faults.blog(tmp_path, pictures=PICTURES, posts=9) as site:
        yield site


def manifest(site: faults.Blog) -> bytes:
    return (site.root / "manifests/images.jsonl").read_bytes()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The manifest of a run with one thread."""
    folder = tmp_path_factory.mktemp("one")
    with faults.blog(folder, pictures=PICTURES, posts=9) as site:
        parts = open_parts(load_config(site.root / "mirror.toml"))
        with parts.lock("test"):
            assert not sync(parts, Serial(), SyncOptions(), Silent()).findings
        return manifest(site)


def test_threads_shards_and_a_cluster_that_loses_a_worker_give_one_manifest(
    site: faults.Blog, made: bytes, cluster: Cluster, dask: Dask
) -> None:
    for number in (2, 3, 1):
        assert site.run("sync", "--shard", f"{number}/3").code == 0
    assert site.run("sync").code == 0
    assert manifest(site) == made
    site.forget()

    killed = threading.Event()

    def kill_a_worker() -> None:
        while site.host.requests.total() < PICTURES // 3:
            time.sleep(0.005)
        worker = next(iter(dask.ask_workers(os.getpid).values()))
        os.kill(worker, signal.SIGKILL)
        killed.set()

    thread = threading.Thread(target=kill_a_worker)
    thread.start()
    ended = site.run("sync", "--engine", "dask", "--scheduler", cluster.address, "--json")
    thread.join()
    assert ended.code == 0, ended.text
    assert killed.is_set()
    assert ended.summary["fetched"] == PICTURES
    assert manifest(site) == made
    assert ended.err == ""


def test_a_shard_runs_on_a_cluster_too(blog: Blog, dask: Dask) -> None:
    fill(blog, 10)
    for number in (1, 2):
        blog.sync(dask, shard=Shard(number, 2))
    together = blog.sync()
    assert (together.summary["collected"], together.summary["fetched"]) == (10, 0)
    assert not blog.verify(deep=True).findings


def test_a_worker_keeps_the_sketches_of_what_it_inspected(blog: Blog, dask: Dask) -> None:
    fill(blog, 6)
    requests = planned(blog)
    kept_by = Sketches()
    answers = answer_requests(dask, blog.config, blog.site.archive, NO_REVIEWS, requests, kept_by)
    digests = {answer.blob.digest for _, answer in answers if answer.blob is not None}
    known = dask.ask_workers(sketched, kept_by, digests)
    assert set[object]().union(*known.values()) == digests  # type: ignore[arg-type]
    assert all(kept_by.get(digest) is None for digest in digests)


def sketched(sketches: Sketches, digests: set[Digest]) -> set[Digest]:
    return {digest for digest in digests if sketches.get(digest) is not None}


def test_requests_at_once_are_limited_over_the_cluster(blog: Blog, dask: Dask) -> None:
    blog.configure(more="[fetch]\nconcurrency = 3")
    running, most, lock = 0, 0, threading.Lock()
    answer = blog.host.answer

    def slow_answer(request):  # type: ignore[no-untyped-def]
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.01)
        with lock:
            running -= 1
        return answer(request)

    blog.host.answer = slow_answer  # type: ignore[method-assign]
    fill(blog, 40)
    blog.sync(dask)
    assert 2 <= most <= 3


def fill(blog: Blog, count: int) -> None:
    for seed in range(count):
        blog.host.put(f"{seed}.png", picture(seed))
    blog.write("a.md", "".join(f"![]({BUCKET}{seed}.png)\n\n" for seed in range(count)))


def test_repeats_failures_damaged_pictures_and_redirects_are_those_of_one_machine(
    blog: Blog, dask: Dask, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(blog, 10)
    answer = blog.host.answer

    def redirecting(request: Request) -> Response:
        gone = request.key in ("0.png", "8.png")
        return Response(302, {"Location": "/9.png"}) if gone else answer(request)

    monkeypatch.setattr(blog.host, "answer", redirecting)
    slides = [slide.draw() for slide in deck(2)]
    for number, kind in enumerate(["PNG", "JPEG", "PNG", "JPEG"]):
        blog.host.put(f"{3 + number}.png", encode(slides[number // 2], kind))
    blog.host.remove("1.png")
    blog.host.put("2.png", picture(2)[:-20])
    here = blog.sync(Serial())
    made = [(blog.root / "manifests" / name).read_bytes() for name in RECORDS]
    assert here.summary["repeats"] == 2
    assert [found.rule for found in here.findings].count(Rule.REDIRECTED_TOGETHER) == 2
    held = (blog.root / ".mirror/held/images.jsonl").read_bytes()
    for name in ("manifests", "static", "archive", ".mirror"):
        shutil.rmtree(blog.root / name)
    there = blog.sync(dask)
    assert there.findings == here.findings
    assert there.summary["fetched"] == here.summary["fetched"] == 8
    assert [(blog.root / "manifests" / name).read_bytes() for name in RECORDS] == made
    assert (blog.root / ".mirror/held/images.jsonl").read_bytes() == held
    assert run(blog, "accept", BUCKET + "2.png").code == 0


def test_every_job_pickles_as_its_settings(blog: Blog) -> None:
    fill(blog, 1)
    blog.sync()
    parts = blog.site
    for url in range(10_000):
        parts.locator.address_of(f"{BUCKET}{url}.png")
    store = StoreJob(parts.archive, parts.locator, parts.destinations[0].store)
    compare = CompareJob(parts.archive, parts.destinations, None)  # type: ignore[arg-type]
    for job in (AnswerJob(parts.config, NO_REVIEWS, None), store, compare):
        data = pickle.dumps(job)
        assert type(pickle.loads(data)) is type(job)  # noqa: S301  (our own)
        assert len(data) < 5_000, "what a run has learnt does not travel with each task"


# --- All in a bucket ------------------------------------------------------------------------------


@pytest.fixture
def hidden(blog: Blog, rclone: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dask]:
    """A cluster whose workers are without the folder of the site."""
    try:
        with (
            dask_cluster(tmp_path_factory.mktemp("dask"), without=blog.root) as cluster,
            open_cluster(cluster.address, 2) as dask,
        ):
            yield dask
    except PermissionError as error:
        pytest.skip(str(error))


def test_workers_without_the_folder_of_the_site_work_on_buckets(
    blog: Blog, hidden: Dask, rclone: Server
) -> None:
    fill(blog, 24)
    slides = [slide.draw() for slide in deck(2)]
    for number, kind in enumerate(["PNG", "JPEG", "PNG", "JPEG"]):
        blog.host.put(f"{3 + number}.png", encode(slides[number // 2], kind))
    blog.host.remove("1.png")
    blog.host.put("2.png", picture(2)[:-20])
    answer = blog.host.answer

    def redirecting(request: Request) -> Response:  # two addresses to one picture: it is held back
        if request.key in ("7.png", "8.png"):
            return Response(302, {"Location": f"{blog.host.base_url}9.png"})
        return answer(request)

    blog.host.answer = redirecting  # type: ignore[method-assign]
    made = []
    for engine in (Serial(), hidden):
        bucket_config(blog, rclone, f"cluster-{type(engine).__name__}")
        for name in ("manifests", ".mirror"):
            shutil.rmtree(blog.root / name, ignore_errors=True)
        parts = blog.site
        check = checked_workers(engine, parts) if isinstance(engine, Dask) else nullcontext()
        with parts.lock("test"), check:
            result = sync(parts, engine, SyncOptions(), blog.progress)
        assert not blog.verify(deep=True, archive=True).findings
        records = {
            path.name: path.read_bytes()
            for path in (blog.root / "manifests").iterdir()
            if path.name != "site.txt"
        }
        held = (blog.root / ".mirror/held/images.jsonl").read_bytes()
        made.append((result.findings, dict(result.summary) | {"seconds": 0}, records, held))
    assert made[0] == made[1]
    assert {"images.jsonl", "ledger.jsonl", "redirects.jsonl"} <= made[0][2].keys()
    assert run(blog, "accept", BUCKET + "2.png").code == 0


def bucket_config(blog: Blog, server: Server, prefix: str) -> None:
    """Let archive and destination be in a bucket, each below its own prefix."""
    settings = f'endpoint_url = "{server.endpoint_url}"\nregion = "us-east-1"'
    blog.configure(more=f'[archive]\npath = "s3://{SERVER_BUCKET}/{prefix}-archive"\n{settings}')
    path = blog.root / "mirror.toml"
    bucket = f'url = "s3://{SERVER_BUCKET}/{prefix}"\n{settings}'
    path.write_text(path.read_text().replace('url = "file:static/images"', bucket))


# --- Workers that do not fit ----------------------------------------------------------------------


def test_a_worker_with_another_version_is_named(dask: Dask, cluster: Cluster) -> None:
    worker = next(iter(dask.ask_workers(os.getpid)))
    setting = "import mirror; mirror.__version__ = {!r}"
    dask.client.run(exec, setting.format("0.0.9"), workers=[worker])
    try:
        with pytest.raises(ClusterError, match=f"worker {worker} has mirror 0.0.9; expected"):
            dask.check_versions()
        with pytest.raises(ClusterError, match=r"has mirror 0\.0\.9; expected"):
            list(dask.map(abs, range(100), 2))
    finally:
        dask.client.run(exec, setting.format(mirror.__version__))


def test_a_worker_without_the_variable_of_a_header_is_named(
    blog: Blog, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    blog.configure(source='headers = { Referer = "${MIRROR_PAGE}" }')
    fill(blog, 1)
    monkeypatch.setenv("MIRROR_PAGE", "https://page.example/")
    ended = run(blog, "sync", "--engine", "dask", "--scheduler", cluster.address)
    assert ended.code == 3
    assert ended.err.count("worker tcp://127.0.0.1:") == 2
    assert "needs the environment variable MIRROR_PAGE, which is not set" in ended.err
    assert blog.asked == 0


def test_a_worker_without_credentials_is_named(
    blog: Blog, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(blog, 1)
    text = (blog.root / "mirror.toml").read_text()
    bucket = 'url = "s3://bucket/p"\nendpoint_url = "http://127.0.0.1:9"\nregion = "us-east-1"'
    (blog.root / "mirror.toml").write_text(text.replace('url = "file:static/images"', bucket))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    ended = run(blog, "sync", "--engine", "dask", "--scheduler", cluster.address)
    assert ended.code == 3
    assert ended.err.count("worker tcp://127.0.0.1:") == 2
    assert "credentials" in ended.err


def test_workers_without_the_folder_of_the_site_are_named(
    blog: Blog, dask: Dask, tmp_path: Path
) -> None:
    """Workers on other machines see other files at the same path, as they do here."""
    here = blog.site
    with here.lock("test"), checked_workers(dask, here):
        assert worker_problems(blog.config, "another run's") != []
    elsewhere = replace(here, state=State.below(tmp_path / "elsewhere"))
    with (
        elsewhere.lock("test"),
        pytest.raises(ClusterError, match=r"worker tcp.* does not have the folder of the site"),
        checked_workers(dask, elsewhere),
    ):
        pass


def test_an_archive_that_is_not_shared_ends_the_run(blog: Blog, dask: Dask, tmp_path: Path) -> None:
    fill(blog, 3)
    config = blog.config
    requests = planned(blog)
    other = Archive(DirectoryStore("archive", tmp_path / "not-shared"))
    with pytest.raises(ClusterError, match="which is not in the archive here"):
        list(answer_requests(dask, config, other, NO_REVIEWS, requests))
    archive = blog.site.archive
    assert len(list(answer_requests(dask, config, archive, NO_REVIEWS, requests))) == 3


def planned(blog: Blog) -> Sequence[ImageRequest]:
    site = blog.site
    images = scan(*site.posts.find()).source_images(site.locator, lambda _: False)
    return plan(
        images, Inventory({}, {}, [], {}, frozenset()), blog.config.ignored, refresh=False
    ).requests


# --- A cluster that goes away ---------------------------------------------------------------------


def test_a_scheduler_that_does_not_answer_is_named(
    blog: Blog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mirror.cluster._CONNECT_S", 1)
    fill(blog, 1)
    ended = run(blog, "sync", "--engine", "dask", "--scheduler", "tcp://127.0.0.1:1")
    assert ended.code == 3
    assert "no Dask scheduler answers at tcp://127.0.0.1:1" in ended.err
    ended = run(blog, "sync", "--engine", "dask", "--scheduler", "nonsense://")
    assert ended.code == 3
    assert "no Dask scheduler answers at nonsense://" in ended.err


def test_a_scheduler_that_goes_away_loses_nothing(
    site: faults.Blog, made: bytes, tmp_path: Path
) -> None:
    with dask_cluster(tmp_path / "dask") as cluster:
        run = site.start("sync", "--engine", "dask", "--scheduler", cluster.address)
        while site.host.requests.total() < PICTURES // 2:
            time.sleep(0.005)
        cluster.scheduler.kill()
        ended = run.end()
    assert ended.code == 3, ended.text
    assert "the connection to the Dask scheduler is lost; what came is kept" in ended.err
    assert "Traceback" not in ended.err
    done = site.host.requests.total()
    assert site.run("sync").code == 0
    assert site.host.requests.total() - done < PICTURES, "what came is not asked for again"
    assert manifest(site) == made


def test_ctrl_c_ends_a_cluster_of_its_own(site: faults.Blog) -> None:
    """The terminal sends the signal to the workers too."""
    run = subprocess.Popen(
        [faults.MIRROR, "sync", "--engine", "dask"],
        cwd=site.root,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        text=True,
    )
    while site.host.requests.total() < PICTURES // 3:
        time.sleep(0.005)
    os.killpg(run.pid, signal.SIGINT)
    out, _ = run.communicate(timeout=60)
    assert run.returncode == 130, out
    assert "what was done is kept" in out
    assert "Traceback" not in out
    until = time.monotonic() + 30
    while time.monotonic() < until and group_lives(run.pid):
        time.sleep(0.05)
    assert not group_lives(run.pid), "no worker is left behind"
    assert site.run("sync").code == 0


def group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize(
    ("mark", "command"),
    [
        ("pyvenv.cfg", "pip install 'markdown-mirror[dask]'"),
        ("pipx_metadata.json", "pipx inject tool distributed"),
        ("uv-receipt.toml", "uv tool install 'markdown-mirror[dask]'"),
    ],
)
def test_without_distributed_the_command_that_installs_it_is_named(
    blog: Blog, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, mark: str, command: str
) -> None:
    prefix = tmp_path / "tool"
    prefix.mkdir()
    (prefix / mark).touch()
    monkeypatch.setattr(sys, "prefix", str(prefix))
    monkeypatch.setitem(sys.modules, "dask", None)
    fill(blog, 1)
    ended = run(blog, "sync", "--engine", "dask")
    assert ended.code == 2
    assert command in ended.err
