"""Kills, faults and races: after each, nothing is lost and nothing is wrong.

`benchmarks/chaos.py` is the long form of this.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from support import invariants
from support.faults import (
    FAULTS,
    IN_FLIGHT,
    PICTURES,
    PUBLIC,
    Blog,
    Proxy,
    blog,
    crashed,
    first_of,
    full_disk,
    picture,
    small_disk,
)
from support.misbehaving import MISBEHAVIOURS, MisbehavingHost
from support.servers import BUCKET, Server

from mirror.files import Lock

MANIFEST = Path("manifests", "images.jsonl")
REWRITES = Path("manifests", "rewrites.jsonl")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Blog]:
    with blog(tmp_path) as made:
        yield made


def nothing_is_wrong(site: Blog, *, repointed: bool | None = None) -> None:
    assert invariants.at_rest(site.truth(), repointed=repointed) == []


def everything_is_whole(site: Blog) -> None:
    assert list(invariants.at_any_instant(site.truth())) == []


# --- Kills ----------------------------------------------------------------------------------------


def test_a_sync_killed_at_any_step_ends_as_if_it_never_was(site: Blog) -> None:
    dice = random.Random(3)
    steps = site.steps("sync")
    manifest = (site.root / MANIFEST).read_bytes()
    for number in range(3):
        site.forget()
        kills = 1 + number % 2
        for _ in range(kills):
            site.struck(dice.randint(1, steps), "sync")
            everything_is_whole(site)
        assert site.run("sync").code == 0
        nothing_is_wrong(site, repointed=False)
        assert (site.root / MANIFEST).read_bytes() == manifest
        assert sum(site.host.requests.values()) <= len(site.pictures) + kills * IN_FLIGHT


def test_a_rewrite_killed_at_any_step_goes_on_or_goes_back(site: Blog) -> None:
    dice = random.Random(4)
    assert site.run("sync").code == 0
    steps = site.steps("rewrite")
    rewrites = (site.root / REWRITES).read_bytes()
    nothing_is_wrong(site, repointed=True)
    assert site.run("rewrite", "--revert").code == 0
    for number in range(5):
        site.struck(dice.randint(1, steps), "rewrite")
        everything_is_whole(site)
        if number % 2:
            assert site.run("rewrite").code == 0
            nothing_is_wrong(site, repointed=True)
            assert (site.root / REWRITES).read_bytes() == rewrites
        assert site.run("rewrite", "--revert").code == 0
        nothing_is_wrong(site, repointed=False)


def test_a_revert_killed_at_any_step_can_be_run_again(site: Blog) -> None:
    dice = random.Random(5)
    assert site.run("sync").code == 0
    assert site.run("rewrite").code == 0
    for _ in range(3):
        site.struck(dice.randint(2, 24), "rewrite", "--revert")
        everything_is_whole(site)
    assert site.run("rewrite", "--revert").code == 0
    nothing_is_wrong(site, repointed=False)


def test_what_others_write_into_a_post_during_a_rewrite_stays(site: Blog) -> None:
    assert site.run("sync").code == 0
    opened = site.steps("rewrite", only="open")
    for step in range(1, opened + 1):
        site.restore_posts()
        (site.root / REWRITES).unlink()
        ended = site.edited(step, "posts/03.md", "rewrite")
        assert ended.code in (0, 3)
        edited = (site.root / "posts/03.md").read_bytes()
        assert edited.endswith(b"edited meanwhile\n")
        was_rewritten = PUBLIC.encode() in edited
        assert was_rewritten == (ended.code == 0), ended.text


# --- Several at once ------------------------------------------------------------------------------


def test_three_syncs_of_one_site_do_not_meet(site: Blog) -> None:
    runs = [site.start("sync") for _ in range(3)]
    codes = sorted(run.end().code for run in runs)
    assert codes[0] == 0
    assert set(codes) <= {0, 4}
    nothing_is_wrong(site, repointed=False)


def test_a_held_lock_is_named_and_exit_code_4(site: Blog) -> None:
    with Lock(site.root / ".mirror" / "lock", "mirror test"):
        for command in ("sync", "rewrite"):
            ended = site.run(command)
            assert ended.code == 4
            assert f"`mirror test` (process {os.getpid()}" in ended.err


def test_three_sites_fill_one_bucket_at_once(tmp_path: Path, rclone: Server) -> None:
    """The bucket never holds other bytes than one of the three meant, under any key."""
    with ExitStack() as stack:
        sites = [stack.enter_context(blog(tmp_path / name)) for name in "abc"]
        for number, site in enumerate(sites):
            # One name, another picture in each site: only one of them may win.
            site.host.put("p/000.png", picture(1000 + number))
            site.pictures[PICTURES + "p/000.png"] = picture(1000 + number)
            site.configure(destination=bucket(rclone, "three") + '\nkey = "{name}"')
        runs = [site.start("sync") for site in sites]
        ended = [run.end() for run in runs]
        assert not any(map(crashed, ended))
        folder = rclone_folder(rclone, "three")
        winner = (folder / "000.png").read_bytes()
        assert winner in [picture(1000 + number) for number in range(3)]
        for site in sites:
            again = site.run("sync")
            mine = site.pictures[PICTURES + "p/000.png"] == winner
            assert again.code == (0 if mine else 3), again.text
            assert mine or "000.png" in again.text
        assert (folder / "000.png").read_bytes() == winner


# --- A bucket behind a bad line -------------------------------------------------------------------


def bucket(server: Server, prefix: str, endpoint_url: str = "") -> str:
    endpoint = endpoint_url or server.endpoint_url
    return (
        f'url = "s3://{BUCKET}/{prefix}"\npublic_url = "{PUBLIC}"\nendpoint_url = "{endpoint}"\n'
        'provider = "rclone"'
    )


def rclone_folder(server: Server, prefix: str) -> Path:
    assert server.folder
    return server.folder / prefix


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Blog]:
    """A site whose pictures are in the archive, so that a run only stores."""
    with blog(tmp_path_factory.mktemp("filled"), pictures=4, posts=1) as site:
        assert site.run("sync").code == 0
        yield site


@pytest.mark.parametrize("fault", FAULTS)
def test_a_spoiled_answer_is_asked_for_again_or_told(
    filled: Blog, rclone: Server, fault: str
) -> None:
    prefix = fault.replace(" ", "-")
    with Proxy(rclone.endpoint_url) as proxy:
        filled.configure(destination=bucket(rclone, prefix, proxy.endpoint_url))
        truth = filled.truth(rclone_folder(rclone, prefix))
        proxy.spoil(first_of("PUT", fault))
        ended = filled.run("sync")
        assert not crashed(ended), ended.text
        assert proxy.faults[fault]
        problems = invariants.at_rest(truth)
        assert (ended.code == 0) == (problems == []), (ended.text, problems)
        assert ended.code in (0, 3)
        if problems:
            assert filled.run("sync").code == 0
            assert invariants.at_rest(truth) == []
        proxy.spoil(first_of("LIST", fault))
        ended = filled.run("verify")
        assert ended.code in (0, 3), ended.text


def test_a_bucket_that_vanishes_is_filled_by_the_next_run(site: Blog, rclone: Server) -> None:
    with Proxy(rclone.endpoint_url) as proxy:
        site.configure(destination=bucket(rclone, "vanishes", proxy.endpoint_url))
        truth = site.truth(rclone_folder(rclone, "vanishes"))
        gone = lambda method, before: "closed" if method == "PUT" and before > 5 else None  # noqa: E731
        proxy.spoil(gone)
        ended = site.run("sync", env={"AWS_MAX_ATTEMPTS": "1"})
        assert ended.code == 3
        assert "M306" in ended.out
        assert list(invariants.at_any_instant(truth)) == []
        # No post shows what is not there.
        assert site.run("rewrite").code == 3
        assert list(invariants.at_any_instant(truth)) == []
        proxy.spoil(lambda method, before: None)
        assert site.run("sync").code == 0
        assert site.run("rewrite").code == 0
        assert invariants.at_rest(truth, repointed=True) == []


def test_another_object_under_our_key_stays(site: Blog, rclone: Server) -> None:
    site.configure(destination=bucket(rclone, "taken"))
    folder = rclone_folder(rclone, "taken")
    assert site.run("sync").code == 0
    path = next(path for path in folder.rglob("*.png"))
    path.write_bytes(b"somebody else's")
    for args in (["sync"], ["rewrite"]):
        ended = site.run(*args)
        assert ended.code == 3
        assert path.name in ended.text
    assert path.read_bytes() == b"somebody else's"
    shown = b"".join((site.root / name).read_bytes() for name in site.posts)
    assert path.name.encode() not in shown


# --- Disks ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("folder", "kilobytes"),
    [("archive", 16), (".mirror", 12), ("manifests", 4), ("bucket", 24)],
)
def test_a_full_disk_stops_the_run_and_loses_nothing(
    site: Blog, folder: str, kilobytes: int
) -> None:
    try:
        with small_disk(site.root / folder, kilobytes) as change:
            ended = site.run("sync")
            assert ended.code == 3
            assert "make room" in ended.text
            everything_is_whole(site)
            asked = sum(site.host.requests.values())
            change("size=4m")
            assert site.run("sync").code == 0
            nothing_is_wrong(site, repointed=False)
            assert sum(site.host.requests.values()) - asked <= len(site.pictures)
    except PermissionError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize(
    ("folder", "file", "arguments"),
    [
        ("posts", "posts/00.md: ", "rewrite"),
        ("posts", "posts/00.md: ", "rewrite --revert"),
        ("manifests", "rewrites.jsonl: ", "rewrite"),
        ("bucket", ".png': ", "repair"),
        ("archive", "bag-info.txt': ", "repair"),
        (".mirror", "lock: ", "repair"),
        ("out", "pics.example/p/000.png': ", "restore out"),
        ("out", "out/report.html: ", "report -o out/report.html"),
        ("out", "out/images.parquet: ", "export --parquet out/images.parquet"),
        ("out", "out/verify.xml: ", "verify --format junit -o out/verify.xml"),
        ("out", "out/mirror.toml: ", "init posts -c out/mirror.toml"),
        ("out", "out/demo: ", "demo out/demo"),
    ],
)
def test_what_finds_no_room_is_named_with_what_to_do(
    site: Blog, folder: str, file: str, arguments: str
) -> None:
    assert site.run("sync").code == 0
    if "--revert" in arguments:
        assert site.run("rewrite").code == 0
    kept = next((site.root / "bucket").rglob("*.png"))
    lost = {"bucket": kept, "archive": next((site.root / "archive").rglob("*.png"))}
    if folder in lost:
        lost[folder].unlink()
    try:
        with full_disk(site.root / folder):
            before = tree(site.root / folder)
            ended = site.run(*arguments.split())
            assert ended.code == 3, ended.text
            assert any(
                file in line and "No space left on device; make room, then run again" in line
                for line in ended.text.splitlines()
            ), ended.text
            assert tree(site.root / folder) == before
    except PermissionError as error:
        pytest.skip(str(error))


def tree(folder: Path) -> dict[Path, bytes]:
    """Return the files in a folder. Those that are empty take no room, and are left out."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path: data for path in files if (data := path.read_bytes())}


@pytest.mark.parametrize("folder", ["archive", ".mirror", "manifests", "bucket", "posts"])
def test_a_read_only_folder_is_named(site: Blog, folder: str) -> None:
    command = "rewrite" if folder == "posts" else "sync"
    if command == "rewrite":
        assert site.run("sync").code == 0
    try:
        with small_disk(site.root / folder, 1024) as change:
            if folder == "posts":
                site.restore_posts()
            change("ro")
            ended = site.run(command)
            assert ended.code == 3
            assert "Read-only" in ended.text
            assert folder in ended.text
            everything_is_whole(site)
            change("rw")
            assert site.run(command).code == 0
            nothing_is_wrong(site, repointed=folder == "posts")
    except PermissionError as error:
        pytest.skip(str(error))


# --- Hosts ----------------------------------------------------------------------------------------


def test_no_misbehaviour_of_a_host_reaches_the_manifest(tmp_path: Path) -> None:
    quick = {
        name: what
        for name, what in MISBEHAVIOURS.items()
        if not what.takes_time and not name.startswith("busy")
    }
    with blog(tmp_path, pictures=6, posts=1, host=MisbehavingHost) as site:
        lines = [f"![]({PICTURES}{name}/p/000.png)\n" for name in quick]
        site.posts["posts/00.md"] = "\n".join(lines).encode()
        site.restore_posts()
        site.pictures = {f"{PICTURES}{name}/p/000.png": picture(0) for name in quick}
        ended = site.run("sync", "--json")
        assert ended.code == 3
        assert list(invariants.at_any_instant(site.truth())) == []
        assets = invariants.read_manifest(site.root)
        kept = {url for asset in assets.values() for url in invariants.sources_of(asset)}
        failed = {
            event["subject"]
            for event in ended.events()
            if event["type"] == "finding" and event["outcome"] == "failure"
        }
        assert kept.isdisjoint(failed)
        assert kept | failed == set(site.pictures)
        for name, what in quick.items():
            assert what.outcome is None or f"{PICTURES}{name}/p/000.png" in failed


def test_a_host_that_drips_does_not_hold_the_run(tmp_path: Path) -> None:
    with blog(tmp_path, pictures=6, posts=1, host=MisbehavingHost) as site:
        names = [name for name, what in MISBEHAVIOURS.items() if what.takes_time]
        lines = [f"![]({PICTURES}{name}/p/000.png)\n" for name in names]
        site.posts["posts/00.md"] = "\n".join(lines).encode()
        site.restore_posts()
        toml = site.root / "mirror.toml"
        text = toml.read_text().replace(
            "timeout_s = 5\nretries = 1", "timeout_s = 0.3\nretries = 0"
        )
        toml.write_text(text.replace("concurrency = 2", "concurrency = 8"))
        ended = site.run("sync", "--json")
        assert ended.code == 3
        assert ended.summary["failed"] == len(names)


# --- Memory ---------------------------------------------------------------------------------------


def test_memory_does_not_grow_with_the_number_of_pictures(tmp_path: Path) -> None:
    peaks = []
    for number in (12, 48):
        with blog(tmp_path / str(number), pictures=number, posts=2, side=700) as site:
            site.configure('[dedupe]\nmode = "exact"')
            peaks.append(site.peak("sync"))
    assert peaks[1] - peaks[0] < IN_FLIGHT * 3 * 700 * 700
