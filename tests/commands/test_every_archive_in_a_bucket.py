"""The archive in a bucket: the installed command against real servers."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from itertools import count
from pathlib import Path

import bagit
import pytest
from conftest import use
from support import invariants
from support.faults import PUBLIC, Blog, ProcessResult, Proxy, blog, crashed, picture
from support.servers import BUCKET, Server, Servers

from mirror.model import Key

NUMBER = 12  # pictures of the site; every sixth is a repeat
ORIGINALS = 10
_prefixes = count()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Blog]:
    with blog(tmp_path, pictures=NUMBER, posts=2) as made:
        yield made


class BucketArchive:
    """The archive of a site in a bucket, looked at without the program."""

    def __init__(self, site: Blog, server: Server, endpoint_url: str = "") -> None:
        self.site = site
        self.server = server
        self.prefix = f"archive{next(_prefixes)}"
        self.endpoint_url = endpoint_url or server.endpoint_url

    @property
    def table(self) -> str:
        """The settings of the archive."""
        values = {
            "path": f"s3://{BUCKET}/{self.prefix}",
            "endpoint_url": self.endpoint_url,
            "region": "us-east-1",
        }
        lines = (f"{name} = {json.dumps(value)}" for name, value in values.items())
        return "\n".join(["[archive]", *lines, ""])

    def in_one_bucket(self) -> None:
        """Let the destination be in the same bucket."""
        self.site.configure(
            self.table,
            destination=f'url = "s3://{BUCKET}/{self.prefix}-images"\npublic_url = "{PUBLIC}"\n'
            f'endpoint_url = "{self.endpoint_url}"\nregion = "us-east-1"',
        )

    def keys(self, prefix: str = "") -> list[str]:
        client = self.server.client()
        pages = client.get_paginator("list_objects_v2").paginate(
            Bucket=BUCKET, Prefix=f"{self.prefix}/{prefix}"
        )
        return [item["Key"] for page in pages for item in page.get("Contents", ())]

    def put(self, key: str, data: bytes) -> None:
        self.server.store(prefix="").replace(Key(key), data)

    def delete(self, key: str) -> None:
        self.server.client().delete_object(Bucket=BUCKET, Key=key)

    def download(self, folder: Path) -> Path:
        """Fetch all of it, as `rclone copy` does."""
        shutil.rmtree(folder, ignore_errors=True)
        client = self.server.client()
        for key in self.keys():
            path = folder / key.removeprefix(f"{self.prefix}/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(client.get_object(Bucket=BUCKET, Key=key)["Body"].read())
        return folder

    def is_valid_bag(self, folder: Path) -> bool:
        self.download(folder)
        done = subprocess.run(
            ["sha256sum", "--quiet", "--strict", "--check", "manifest-sha256.txt"],
            cwd=folder,
            check=False,
        )
        return done.returncode == 0 and bool(bagit.Bag(str(folder)).is_valid())

    def problems(self, folder: Path) -> list[str]:
        """What is wrong, with the bag in the place of an archive in a folder."""
        truth = replace(self.site.truth(), archive=self.download(folder))
        return list(invariants.at_rest(truth, repointed=False))


@pytest.fixture
def archive(site: Blog, server: Server, monkeypatch: pytest.MonkeyPatch) -> BucketArchive:
    monkeypatch.delenv("AWS_MAX_ATTEMPTS")  # a busy server answers 500 now and then
    made = BucketArchive(site, server)
    site.configure(made.table)
    return made


def ok(ended: ProcessResult) -> ProcessResult:
    assert ended.code == 0, ended.text
    return ended


# --- Every command ------------------------------------------------------------------------------


def test_every_command_works_with_an_archive_in_a_bucket(
    site: Blog, archive: BucketArchive, tmp_path: Path
) -> None:
    ok(site.run("doctor"))
    assert archive.keys() == []
    ok(site.run("sync"))
    assert len(archive.keys("data/")) == ORIGINALS
    assert archive.problems(tmp_path / "bag") == []
    assert archive.is_valid_bag(tmp_path / "bag")
    assert not (site.root / "archive").exists()

    ok(site.run("verify", "--archive"))
    ok(site.run("dupes"))
    ok(site.run("report", "--output", "report.html"))
    page = (site.root / "report.html").read_text()
    assert page.count("data:image/") >= ORIGINALS
    assert "not in the archive" not in page

    # What the bucket has lost or damaged is said, and put right.
    lost, damaged = archive.keys("data/")[:2]
    archive.delete(lost)
    archive.put(damaged, b"rot")
    ended = site.run("verify", "--archive", "--json")
    assert ended.code == 1
    rules = sorted(event["rule"] for event in ended.events() if event["type"] == "finding")
    assert rules == ["M206", "M206"]
    shutil.rmtree(site.root / "bucket" / ".mirror", ignore_errors=True)
    assert ok(site.run("repair")).out.count("in the archive, from bucket") == 2
    assert archive.is_valid_bag(tmp_path / "bag")
    ok(site.run("verify", "--archive"))

    # The destination comes back from the bucket, and so do the files.
    shutil.rmtree(site.root / "bucket")
    ok(site.run("repair"))
    shutil.rmtree(site.root / "bucket")
    ok(site.run("restore", "restored"))
    files = list((site.root / "restored").rglob("*.png"))
    assert len(files) == NUMBER
    digests = {sha256(data).hexdigest() for data in site.pictures.values()}
    assert {sha256(path.read_bytes()).hexdigest() for path in files} == digests


def test_a_second_run_and_a_fresh_clone_change_nothing(
    site: Blog, archive: BucketArchive, tmp_path: Path
) -> None:
    ok(site.run("sync"))
    asked = sum(site.host.requests.values())
    ok(site.run("sync"))
    assert sum(site.host.requests.values()) == asked
    shutil.rmtree(site.root / ".mirror")
    site.host.put("p/new.png", picture(99))
    with (site.root / "posts/00.md").open("a") as post:
        post.write("![](https://pics.example/p/new.png)\n")
    ok(site.run("sync"))
    assert len(archive.keys("data/")) == ORIGINALS + 1
    assert archive.is_valid_bag(tmp_path / "bag")


def test_a_picture_that_was_held_back_is_accepted(site: Blog, archive: BucketArchive) -> None:
    ok(site.run("sync"))
    site.host.put("p/000.png", picture(77))
    assert site.run("sync", "--refresh").code == 3
    ok(site.run("accept", "https://pics.example/p/000.png"))
    ok(site.run("sync"))
    assert len(archive.keys("data/")) == ORIGINALS + 1
    ok(site.run("verify", "--archive"))


# --- One server ---------------------------------------------------------------------------------


@pytest.fixture
def proxied(site: Blog, rclone: Server) -> Iterator[tuple[BucketArchive, Proxy]]:
    """An archive behind a line that can be spoiled."""
    with Proxy(rclone.endpoint_url) as proxy:
        archive = BucketArchive(site, rclone, proxy.endpoint_url)
        site.configure(archive.table)
        yield archive, proxy


def undisturbed(site: Blog, *args: str) -> ProcessResult:
    """Run while nothing is spoiled. A busy server answers 500 now and then, so that is retried."""
    return ok(site.run(*args, env={"AWS_MAX_ATTEMPTS": "4"}))


def test_the_server_copies_the_pictures_to_a_destination_behind_it(
    site: Blog, proxied: tuple[BucketArchive, Proxy]
) -> None:
    archive, proxy = proxied
    archive.in_one_bucket()
    undisturbed(site, "sync")
    for key in _images(archive):
        archive.delete(key)
    before = proxy.asked["GET"]
    undisturbed(site, "sync")
    # The index of the site, and at most a few originals: a busy server may fail to copy one.
    assert proxy.asked["GET"] - before < 1 + ORIGINALS // 2
    images = _images(archive)
    assert len(images) == ORIGINALS
    for key in images:
        head = archive.server.client().head_object(Bucket=BUCKET, Key=key)
        assert (head["ContentType"], head["CacheControl"]) == (
            "image/png",
            "public, max-age=31536000, immutable",
        )
    undisturbed(site, "verify", "--deep", "--archive")


def test_what_a_run_has_fetched_is_not_read_back(
    site: Blog, proxied: tuple[BucketArchive, Proxy]
) -> None:
    _, proxy = proxied
    # Copies that look alike, so that pairs of them are compared.
    site.host.put("p/001.png", picture(0, 25))
    undisturbed(site, "sync")
    assert proxy.asked["GET"] == 4 + 2  # the lists, and twice the sources: none is there yet
    assert proxy.asked["LIST"] == 2  # whether it is allowed, and to make the lists


def test_a_damaged_original_is_copied_nowhere(
    site: Blog, proxied: tuple[BucketArchive, Proxy]
) -> None:
    archive, _ = proxied
    undisturbed(site, "sync")
    key = archive.keys("data/")[0]
    archive.put(key, b"rot")
    archive.in_one_bucket()
    ended = site.run("sync", "--json")
    assert ended.code == 3
    (finding,) = (event for event in ended.events() if event["type"] == "finding")
    assert finding["rule"] == "M305"
    assert "damaged" in finding["message"]
    assert len(_images(archive)) == ORIGINALS - 1


def _images(archive: BucketArchive) -> list[str]:
    client = archive.server.client()
    listed = client.list_objects_v2(Bucket=BUCKET, Prefix=f"{archive.prefix}-images/")
    return [item["Key"] for item in listed.get("Contents", ()) if item["Key"].endswith(".png")]


# --- Kills, faults, races -----------------------------------------------------------------------


def test_a_sync_killed_at_any_step_ends_as_if_it_never_was(
    site: Blog, rclone: Server, tmp_path: Path
) -> None:
    dice = random.Random(8)
    site.configure(BucketArchive(site, rclone).table)
    steps = site.steps("sync")
    manifest = (site.root / "manifests/images.jsonl").read_bytes()
    for number in range(4):
        site.forget()
        archive = BucketArchive(site, rclone)
        site.configure(archive.table)
        for _ in range(1 + number % 2):
            site.struck(dice.randint(steps // 4, steps), "sync")
            for key in archive.keys("data/"):
                body = rclone.client().get_object(Bucket=BUCKET, Key=key)["Body"].read()
                assert sha256(body).hexdigest() in key
        if number == 3:
            shutil.rmtree(site.root / ".mirror")
        undisturbed(site, "sync")
        assert archive.problems(tmp_path / "bag") == []
        assert archive.is_valid_bag(tmp_path / "bag")
        assert (site.root / "manifests/images.jsonl").read_bytes() == manifest


def test_a_bucket_that_vanishes_stops_the_run_and_the_next_goes_on(
    site: Blog, proxied: tuple[BucketArchive, Proxy], tmp_path: Path
) -> None:
    archive, proxy = proxied
    proxy.spoil(lambda method, before: "closed" if before > 3 and method == "PUT" else None)
    ended = site.run("sync")
    assert ended.code == 3
    assert not crashed(ended)
    assert "archive: bucket 'mirror-test'" in ended.text
    assert "no answer" in ended.text
    assert len(archive.keys("data/")) >= 1
    proxy.spoil(lambda method, before: None)
    undisturbed(site, "sync")
    assert archive.is_valid_bag(tmp_path / "bag")
    assert archive.problems(tmp_path / "bag") == []


def test_credentials_that_lapse_in_the_middle_stop_the_run(
    site: Blog, proxied: tuple[BucketArchive, Proxy], tmp_path: Path
) -> None:
    archive, proxy = proxied
    proxy.spoil(lambda method, before: "expired" if method == "PUT" and before > 4 else None)
    ended = site.run("sync")
    assert ended.code == 3
    assert "the session has ended; log in again" in ended.text
    kept = len(archive.keys("data/"))
    assert kept >= 3
    proxy.spoil(lambda method, before: None)
    fetched = json.loads(undisturbed(site, "sync", "--json").out.splitlines()[-1])["fetched"]
    assert fetched <= ORIGINALS + 2 - kept
    assert archive.problems(tmp_path / "bag") == []


def test_a_bucket_that_may_not_be_listed_is_said_before_anything_is_fetched(
    site: Blog, proxied: tuple[BucketArchive, Proxy]
) -> None:
    _, proxy = proxied
    proxy.spoil(lambda method, before: "403" if method == "LIST" else None)
    ended = site.run("sync")
    assert ended.code == 3
    assert "let these credentials list the bucket" in ended.text
    assert sum(site.host.requests.values()) == 0
    ended = site.run("doctor")
    assert ended.code == 1
    assert "archive archive (s3://" in ended.out
    assert "AccessDenied" in ended.out


def test_one_refused_original_is_a_finding_and_the_others_are_kept(
    site: Blog, proxied: tuple[BucketArchive, Proxy], tmp_path: Path
) -> None:
    archive, proxy = proxied
    # Two, as one of them may be a second upload that only asks whether the server overwrites.
    proxy.spoil(lambda method, before: "500" if method == "PUT" and before in (5, 7) else None)
    ended = site.run("sync", "--json")
    assert ended.code == 3
    findings = [event for event in ended.events() if event["type"] == "finding"]
    assert {finding["rule"] for finding in findings} == {"M201"}
    assert all("could not be archived" in finding["message"] for finding in findings)
    assert len(archive.keys("data/")) >= ORIGINALS - 2  # a repeat of one may have come through
    assert archive.is_valid_bag(tmp_path / "bag")
    proxy.spoil(lambda method, before: None)
    undisturbed(site, "sync")
    assert archive.problems(tmp_path / "bag") == []


def test_an_archive_that_does_not_answer_is_one_finding(
    site: Blog, proxied: tuple[BucketArchive, Proxy]
) -> None:
    _, proxy = proxied
    undisturbed(site, "sync")
    proxy.spoil(lambda method, before: "503")
    for command in (["verify", "--archive"], ["repair"]):
        ended = site.run(*command, "--json")
        assert ended.code == 3, ended.text
        *first, last = (event for event in ended.events() if event["type"] == "finding")
        assert (last["rule"], last["subject"]) == ("M211", "archive")
        assert "not every original was read" in last["message"]
        assert len(first) < 3


def test_wrong_credentials_are_said_before_anything_is_fetched(
    site: Blog, servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = use(servers["rclone"], monkeypatch)
    archive = BucketArchive(site, server)
    site.configure(archive.table)
    ended = site.run("sync", env={"AWS_SECRET_ACCESS_KEY": "another"})
    assert ended.code == 3
    assert "SignatureDoesNotMatch" in ended.text
    assert sum(site.host.requests.values()) == 0  # it is asked before anything is fetched
    assert archive.keys() == []


def test_two_sites_share_an_archive_and_none_is_missing_in_its_lists(
    tmp_path: Path, servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = use(servers["moto"], monkeypatch)
    with blog(tmp_path / "a", pictures=6) as a, blog(tmp_path / "b", pictures=6) as b:
        archive = BucketArchive(a, server)
        for number, site in enumerate((a, b)):
            site.host.put("p/000.png", picture(500 + number))
            site.configure(archive.table)
        for run in [site.start("sync") for site in (a, b)]:
            ok(run.end())
        assert archive.is_valid_bag(tmp_path / "bag")
        assert len(archive.keys("data/")) == 7


# --- Settings -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "destination", "words"),
    [
        ('path = "oss://bucket/x"', "", "expected a folder or"),
        ('path = "archive"\nregion = "x"', "", "unknown key"),
        ('path = "s3://b/x"\naddressing = "odd"', "", "addressing"),
        ('path = "s3://b/x"\naccess_key = "x"', "", "a secret does not belong"),
        ('path = "s3://b/x/../y"', "", "has a part `.` or `..`"),
        ('path = "s3://b/images/archive"', 'url = "s3://b/images"', "one holds the other"),
        ('path = "s3://b/images/"', 'url = "s3://b/images"', "one holds the other"),
        ('path = "s3://b"', 'url = "s3://b/images"', "one holds the other"),
    ],
)
def test_settings_that_cannot_work_are_named(
    site: Blog, table: str, destination: str, words: str
) -> None:
    site.configure(f"[archive]\n{table}\n", destination=destination or None)
    ended = site.run("sync")
    assert ended.code == 2, ended.text
    assert words in ended.err


def test_an_archive_beside_the_images_is_no_extra_object(
    site: Blog, archive: BucketArchive
) -> None:
    ok(site.run("sync"))
    other = f"{archive.endpoint_url}/".replace("127.0.0.1", "localhost").rstrip("/")
    if archive.server.ca is None:
        site.configure(
            archive.table,
            destination=f'url = "s3://{BUCKET}"\npublic_url = "{PUBLIC}"\nregion = "us-east-1"\n'
            f'endpoint_url = "{other}"',
        )
        ended = site.run("prune", "--json")
        listed = {event.get("key", "") for event in ended.events()}
        assert not [key for key in listed if key.startswith(archive.prefix)]


def test_offline_does_not_ask_an_archive_in_a_bucket(site: Blog, rclone: Server) -> None:
    site.configure(BucketArchive(site, rclone).table)
    ended = site.run("verify", "--offline", "--archive")
    assert ended.code == 2
    assert "the archive is in a bucket" in ended.err
