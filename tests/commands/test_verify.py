"""The difference between manifest, destinations, archive and posts, on real servers and files."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from hashlib import md5, sha256
from pathlib import Path

import pytest
from conftest import use
from support import commands
from support.commands import BUCKET, filled, picture, run
from support.servers import Server, Servers
from support.sites import Blog, Recorder

from mirror import manifest as manifests
from mirror.engine import Threads
from mirror.files import Tree
from mirror.manifest import Manifest, ManifestError, ManifestFile
from mirror.model import Asset, Blob, Digest, Key, Rule
from mirror.pipeline.verify import VerifyOptions, verify
from mirror.pipeline.verify_archive import verify_original
from mirror.pipeline.verify_destinations import ReadBack, compare_destination
from mirror.store import Store
from mirror.store.s3 import S3Store

NAMES = ("a.png", "b.png", "c.png")
NOWHERE = "http://127.0.0.1:9"  # the discard port: nobody listens


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who does not answer once does not answer."""
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")


# --- Destinations -----------------------------------------------------------------------------


@pytest.fixture(params=["directory", "rclone", "moto"])
def stored(
    request: pytest.FixtureRequest,
    blog: Blog,
    servers: Servers,
    monkeypatch: pytest.MonkeyPatch,
) -> Store:
    """Where three images were stored."""
    if request.param != "directory":
        server = use(servers[request.param], monkeypatch)
        blog.configure(more=commands.s3_destination(server))
    filled(blog, *NAMES)
    return blog.site.destinations[-1].store


def test_what_a_backup_has_made_agrees(blog: Blog, stored: Store) -> None:
    ran = run(blog, "verify", "--posts", "--archive", "--deep")
    assert ran.code == 0
    names = ", ".join(destination.name for destination in blog.site.destinations)
    assert ran.out.endswith(f": manifest, {names}, archive and posts agree\n")
    assert "3 images in the manifest" in ran.out
    assert "3 references in the posts" in ran.out


def _delete(store: Store, key: Key) -> None:
    store.delete(key)


def _cut(store: Store, key: Key) -> None:
    store.replace(key, store.get(key)[:-1])


def _flip(store: Store, key: Key) -> None:
    data = store.get(key)
    store.replace(key, data[:-1] + bytes([data[-1] ^ 1]))


def _add(store: Store, key: Key) -> None:
    store.put(Key("other/stray.png"), b"who put this here?")


@pytest.mark.parametrize(
    ("damage", "rule"),
    [
        (_delete, Rule.OBJECT_MISSING),
        (_cut, Rule.OBJECT_DIFFERENT),
        (_flip, Rule.OBJECT_DIFFERENT),
        (_add, Rule.OBJECT_EXTRA),
    ],
)
def test_each_difference_is_found_and_named(
    blog: Blog, stored: Store, damage: Callable[[Store, Key], None], rule: Rule
) -> None:
    key = Key(blog.asset("b.png")["key"])
    damage(stored, key)
    ran = run(blog, "verify")
    assert ran.code == 1
    (line,) = [line for line in ran.out.splitlines() if line.endswith(f"[{rule.id}]")]
    assert stored.name in line
    assert ("other/stray.png" if rule is Rule.OBJECT_EXTRA else key) in line
    assert ran.out.endswith(": they differ\n")


def test_a_listing_is_all_it_takes_where_etags_are_md5(
    blog: Blog, rclone: Server, tmp_path: Path
) -> None:
    server = rclone
    blog.configure(more=commands.s3_destination(server))
    assets = {}
    folder = server.folder
    assert folder
    site = blog.site
    store = site.destinations[-1].store
    assert isinstance(store, S3Store)
    for number in range(1003):
        asset = made(str(number).encode())
        assets[asset.digest] = asset
        path = folder / store.settings.prefix / str(asset.key)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(str(number).encode())
    write_manifest(blog, Manifest(assets))
    comparison = compare_destination(
        site.destinations[-1],
        Manifest(assets).objects,
        Threads(),
        Recorder(),
        ReadBack(deep=False),
        site=None,
    )
    assert (comparison.compared, comparison.read, comparison.differences) == (1003, 0, [])
    assert store.requests == {"ListObjectsV2": 2}


def test_a_manifest_is_read_while_the_bucket_is_listed_and_may_turn_out_unusual(
    blog: Blog, rclone: Server
) -> None:
    """Far down stands a key that comes too late, then a line that is wrong."""
    server = rclone
    blog.configure(more=commands.s3_destination(server))
    assets = [made(str(number).encode()) for number in range(2500)]
    late = max(assets, key=lambda asset: asset.digest.hex)
    assets[assets.index(late)] = replace(late, key=Key("!/late.png"))
    store = blog.site.destinations[-1].store
    assert isinstance(store, S3Store)
    assert server.folder
    for number, asset in enumerate(assets):
        path = server.folder / store.settings.prefix / str(asset.key)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(str(number).encode())
    write_manifest(blog, Manifest({asset.digest: asset for asset in assets}))
    blog.site.destinations[0].store.put(Key("stray"), b"")  # the folder: all missing but this
    result = verify(blog.site, Threads(), VerifyOptions(), Recorder())
    counts = {name: result.summary[name] for name in ("assets", "objects", "missing", "extra")}
    assert counts == {"assets": 2500, "objects": 5000, "missing": 2500, "extra": 1}
    assert [len(layer.findings) for layer in result.layers] == [2501, 0]

    path = blog.site.manifest.path
    path.write_bytes(path.read_bytes() + b">>>>>>> main\n")
    with pytest.raises(ManifestError, match="line 2502: merge conflict"):
        verify(blog.site, Threads(), VerifyOptions(), Recorder())


def made(data: bytes) -> Asset:
    """An asset that holds `data`, under its default key."""
    digest = sha256(data).hexdigest()
    checksum = md5(data, usedforsecurity=False).hexdigest()
    blob = Blob(Digest(digest), checksum, len(data), "image/png", 1, 1, None)
    return Asset(blob, (), Key(f"{digest[:2]}/{digest}.png"))


def write_manifest(blog: Blog, manifest: Manifest) -> None:
    path = blog.root / "manifests" / manifests.FILE_NAME
    path.parent.mkdir(exist_ok=True)
    path.write_text(manifests.dumps(manifest), encoding="utf-8")


@pytest.mark.parametrize("is_damaged", [False, True])
def test_an_object_uploaded_in_parts_is_read_back(
    blog: Blog, servers: Servers, monkeypatch: pytest.MonkeyPatch, is_damaged: bool
) -> None:
    server = use(servers["moto"], monkeypatch)
    blog.configure(more=commands.s3_destination(server))
    filled(blog, *NAMES)
    store = blog.site.destinations[-1].store
    assert isinstance(store, S3Store)
    key = blog.asset("a.png")["key"]
    data = store.get(key)
    client = server.client()
    place = {"Bucket": store.settings.bucket, "Key": f"{store.settings.prefix}/{key}"}
    upload = client.create_multipart_upload(**place)["UploadId"]
    body = data[::-1] if is_damaged else data
    part = client.upload_part(**place, UploadId=upload, PartNumber=1, Body=body)
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    client.complete_multipart_upload(**place, UploadId=upload, MultipartUpload=parts)
    info = store.stat(key)
    assert info is not None
    assert info.md5 is None
    ran = run(blog, "verify", "--json")
    assert ran.rules == (["M302"] if is_damaged else [])
    assert ran.summary["read"] == 3 + 1  # the directory vouches for no checksum


def test_a_destination_that_cannot_be_asked_is_neither_fine_nor_different(
    blog: Blog, rclone: Server
) -> None:
    blog.configure(
        more=commands.s3_destination(rclone, "r2")
        + commands.s3_destination(rclone, "down", endpoint_url=NOWHERE)
    )
    for seed, name in enumerate(NAMES):
        blog.host.put(name, picture(seed))
    blog.write("post.md", "".join(f"![]({BUCKET}{name})\n" for name in NAMES))

    ran = run(blog, "sync", "--json")
    assert ran.code == 3
    assert ran.rules == ["M306"]  # the one that is down is named, the others are filled
    assert ran.summary["stored"] == 6

    ran = run(blog, "verify")
    assert ran.code == 3
    assert re.search(r"^\? down: .*no answer.*\[M306\]$", ran.out, re.MULTILINE)
    assert ran.out.endswith(": could not check everything\n")
    assert ran.out.count("[M") == 1
    assert NOWHERE in ran.out

    blog.site.destinations[1].store.delete(Key(blog.asset("a.png")["key"]))
    ran = run(blog, "verify", "--json")
    assert (ran.code, ran.rules) == (1, ["M301", "M306"])


def test_no_other_prefix_of_the_bucket_is_looked_at(blog: Blog, rclone: Server) -> None:
    blog.configure(more=commands.s3_destination(rclone))
    filled(blog, *NAMES)
    rclone.store().put(Key("theirs.png"), b"1")
    assert run(blog, "verify").code == 0


# --- Samples ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["", "1", "0/3", "4/3", "1/0", "-1/3", "1/3/5", "a/b", "1.0/2", "١/٣"]
)
def test_a_slice_that_is_none_is_said(blog: Blog, text: str) -> None:
    ran = run(blog, "verify", "--sample", text)
    assert ran.code == 2
    assert "such as 2/3" in ran.err


def test_slices_are_read_and_together_read_everything(
    blog: Blog, servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = use(servers["moto"], monkeypatch)
    blog.configure(more=commands.s3_destination(server))
    filled(blog, *NAMES)
    read = [
        run(blog, "verify", "--json", "--sample", f"{number}/2").summary["read"]
        for number in (1, 2)
    ]
    assert sum(read) == 2 * len(NAMES)


# --- Posts, archive, offline ------------------------------------------------------------------


def test_posts_are_compared_at_line_and_column(blog: Blog) -> None:
    filled(blog, *NAMES)
    gone = "/images/ab/" + "ab" * 32 + ".png"
    blog.write("later.md", f"text\n\n![]({BUCKET}new.png)\n\nsee ![]({gone})\n")
    assert run(blog, "verify").code == 0
    ran = run(blog, "verify", "--posts", "--json")
    assert ran.code == 1
    events = [event for event in ran.events if event["type"] == "finding"]
    assert [(event["rule"], event["line"], event["column"]) for event in events] == [
        ("M105", 3, 5),
        ("M106", 5, 9),
    ]
    assert {event["post"] for event in events} == {"posts/later.md"}


def test_paths_mean_posts(blog: Blog) -> None:
    filled(blog, *NAMES)
    path = blog.write("later.md", f"![]({BUCKET}new.png)\n")
    assert run(blog, "verify", path).code == 1
    assert run(blog, "verify", blog.root / "posts" / "post.md").code == 0


def test_what_is_ignored_is_not_missed(blog: Blog) -> None:
    ignored = f'[[ignore]]\nurl = "{BUCKET}lost.png"\nreason = "gone in 2019"\n'
    filled(blog, *NAMES)
    blog.configure(more=ignored)
    blog.write("later.md", f"![]({BUCKET}lost.png)\n")
    assert run(blog, "verify", "--posts").code == 0


def test_a_memory_of_rewrites_that_was_damaged_is_named(blog: Blog) -> None:
    filled(blog, *NAMES)
    (blog.root / "manifests" / "rewrites.jsonl").write_text("<<<<<<< HEAD\n")
    ran = run(blog, "verify", "--posts")
    assert ran.code == 2
    assert "rewrites.jsonl: line 1" in ran.err


def test_a_summary_counts_what_the_posts_hold(blog: Blog) -> None:
    filled(blog, *NAMES)
    blog.write("again.md", f"![]({BUCKET}a.png)")
    for command in ("verify --posts", "rewrite --dry-run"):
        summary = run(blog, *command.split(), "--json").events[-1]
        counts = {name: summary[name] for name in ("posts", "references", "urls")}
        assert counts == {"posts": 2, "references": 4, "urls": 3}


def test_a_manifest_is_never_held_as_a_whole(blog: Blog, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be of a million lines, and CI machines are small."""
    filled(blog, *NAMES)
    monkeypatch.setattr(ManifestFile, "load", lambda _: pytest.fail("it was loaded"))
    ran = run(blog, "verify", "--posts", "--archive", "--deep", "--json")
    assert ran.code == 0
    assert ran.events[-1]["references"] == len(NAMES)


def test_posts_that_are_not_there_are_not_fine(blog: Blog) -> None:
    filled(blog, *NAMES)
    (blog.root / "posts" / "post.md").unlink()
    assert run(blog, "verify").code == 0
    ran = run(blog, "verify", "--posts")
    assert ran.code == 3
    assert "no post in" in ran.out
    assert ran.out.endswith(": could not check everything\n")


def test_offline_nobody_is_asked(blog: Blog, rclone: Server) -> None:
    filled(blog, *NAMES)
    blog.configure(more=commands.s3_destination(rclone, "down", endpoint_url=NOWHERE))
    asked = blog.asked
    assert run(blog, "verify").code == 3
    assert run(blog, "verify", "--offline").code == 0
    blog.write("later.md", f"![]({BUCKET}new.png)\n")
    ran = run(blog, "verify", "--offline", "--json")
    assert (ran.code, ran.rules, ran.summary["objects"]) == (1, ["M105"], 0)
    assert blog.asked == asked


def _rot(path: Path) -> None:
    path.write_bytes(path.read_bytes()[::-1])


@pytest.mark.parametrize(("damage", "rule"), [(Path.unlink, "M206"), (_rot, "M207")])
def test_originals_that_are_gone_or_damaged_are_found(
    blog: Blog, damage: Callable[[Path], None], rule: str
) -> None:
    filled(blog, *NAMES)
    digest = blog.asset("b.png")["sha256"]
    damage(blog.root / "archive" / "data" / digest[:2] / f"{digest}.png")
    assert run(blog, "verify").code == 0
    ran = run(blog, "verify", "--archive", "--json")
    assert (ran.code, ran.rules) == (1, [rule])
    assert [event["subject"] for event in ran.events if event["type"] == "finding"] == [digest]


@pytest.mark.parametrize(("damage", "rule"), [(Path.unlink, "M206"), (_rot, "M207")])
def test_originals_that_no_line_of_the_manifest_names_are_read_too(
    blog: Blog, damage: Callable[[Path], None], rule: str
) -> None:
    filled(blog, *NAMES)
    digest = blog.asset("b.png")["sha256"]
    manifest = blog.root / "manifests" / "images.jsonl"
    lines = manifest.read_text().splitlines(keepends=True)
    manifest.write_text("".join(line for line in lines if f'"sha256": "{digest}"' not in line))
    name = f"data/{digest[:2]}/{digest}.png"
    assert "M207" not in run(blog, "verify", "--archive").out
    damage(blog.root / "archive" / name)
    ran = run(blog, "verify", "--archive", "--json")
    assert rule in ran.rules
    assert name in [event.get("subject") for event in ran.events]
    assert rule not in run(blog, "verify", "--archive", "--sample", "1/1000", "--json").rules
    (blog.root / "archive" / name).unlink(missing_ok=True)
    run(blog, "repair")
    assert rule not in run(blog, "verify", "--archive", "--json").rules


def test_a_file_with_the_name_of_an_original_and_other_bytes_is_found(blog: Blog) -> None:
    filled(blog, *NAMES)
    name = f"data/00/{'0' * 64}.png"
    (blog.root / "archive" / name).parent.mkdir(exist_ok=True)
    (blog.root / "archive" / name).write_bytes(b"other bytes")
    for _ in range(2):
        ran = run(blog, "verify", "--archive", "--json")
        assert (ran.code, ran.rules) == (1, ["M207"])
        run(blog, "repair")


def _drop_a_line(path: Path) -> None:
    path.write_bytes(path.read_bytes().partition(b"\n")[2])


@pytest.mark.parametrize(
    "name", ["bagit.txt", "bag-info.txt", "manifest-sha256.txt", "tagmanifest-sha256.txt"]
)
@pytest.mark.parametrize("damage", [Path.unlink, _drop_a_line])
def test_lists_of_the_archive_that_prove_no_more_are_found_and_written_anew(
    blog: Blog, name: str, damage: Callable[[Path], None]
) -> None:
    filled(blog, *NAMES)
    lists = blog.root / "archive" / name
    before = lists.read_bytes()
    damage(lists)
    ran = run(blog, "verify", "--archive", "--json")
    assert (ran.code, ran.rules) == (1, ["M223"])
    assert "repaired the lists of checksums in the archive" in run(blog, "repair").out
    assert lists.read_bytes() == before
    assert run(blog, "verify", "--archive").code == 0
    assert "nothing is broken" in run(blog, "repair").out


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        pytest.param(Path.unlink, "sources.txt is missing", id="gone"),
        pytest.param(lambda path: path.write_bytes(b""), "names no original", id="empty"),
        pytest.param(_drop_a_line, "sources.txt lacks 1 original", id="cut"),
    ],
)
def test_a_record_of_sources_that_lacks_originals_is_found_and_completed(
    blog: Blog, damage: Callable[[Path], None], words: str
) -> None:
    filled(blog, *NAMES)
    sources = blog.root / "archive" / "sources.txt"
    lines = sorted(sources.read_text().splitlines())
    damage(sources)
    ran = run(blog, "verify", "--archive", "--json")
    assert (ran.code, ran.rules) == (1, ["M223"])
    assert words in ran.events[0]["message"]
    assert "would repair sources.txt in the archive" in run(blog, "repair", "--dry-run").out
    assert run(blog, "verify", "--archive").code == 1
    ran = run(blog, "repair")
    assert "repaired sources.txt in the archive, from the manifest" in ran.out
    assert "repaired 1 of 1 broken copies" in ran.out
    assert sorted(sources.read_text().splitlines()) == lines
    assert run(blog, "verify", "--archive").code == 0
    assert "nothing is broken" in run(blog, "repair").out


def test_an_archive_without_originals_needs_no_record_of_sources(blog: Blog) -> None:
    filled(blog, *NAMES)
    shutil.rmtree(blog.root / "archive")
    assert set(run(blog, "verify", "--archive", "--json").rules) == {"M206"}


# --- The command ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--offline", "--deep"], "--deep exclude each other"),
        (["--offline", "--public"], "--public exclude each other"),
        (["--json", "--format", "junit"], "--format junit exclude each other"),
        (["--format", "xml"], "xml"),
        (["--output", "no/such/folder/x"], "cannot be written"),
        (["no-such-post.md"], "no such file or folder"),
    ],
)
def test_usage_errors_say_what_is_wrong(blog: Blog, arguments: list[str], words: str) -> None:
    blog.write("post.md", "no image")
    blog.sync()
    ran = run(blog, "verify", *arguments)
    assert ran.code == 2
    assert words in ran.err
    assert "Traceback" not in ran.err


def test_an_original_that_cannot_be_read_is_neither_fine_nor_damaged(
    blog: Blog, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(blog, *NAMES)
    asset = next(iter(blog.site.manifest.load()[0].assets.values()))

    def refused(*_: object) -> bytes:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Tree, "read", refused)
    finding = verify_original(blog.site.archive, asset)
    assert finding
    assert finding.rule is Rule.ARCHIVE_UNCHECKED
    assert "Permission denied" in finding.message


@pytest.mark.parametrize(
    ("arguments", "words"),
    [((), "there is no manifest"), (("--deep",), "nothing to compare the manifest with")],
)
def test_a_check_that_looks_at_nothing_does_not_pass(
    blog: Blog, arguments: list[str], words: str
) -> None:
    if arguments:
        blog.write("post.md", "no image")
        blog.sync()
        text = (blog.root / "mirror.toml").read_text()
        (blog.root / "mirror.toml").write_text(text.partition("[[destination]]")[0])
    ran = run(blog, "verify", *arguments)
    assert (ran.code, words in ran.err) == (2, True)


def test_who_interrupts_a_check_does_not_wait_for_a_bucket_that_is_silent(
    blog: Blog, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(blog, *NAMES)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        server = Server("silent", f"http://127.0.0.1:{silent.getsockname()[1]}")
        blog.configure(more=commands.s3_destination(server))
        command = [sys.executable, "-m", "mirror", "verify", "--config", blog.root / "mirror.toml"]
        environment = {**os.environ, **server.environment(), "NO_PROXY": "127.0.0.1"}
        with subprocess.Popen(command, stderr=subprocess.PIPE, env=environment) as process:
            asking, _ = silent.accept()
            with asking:
                asking.recv(1)
                process.send_signal(signal.SIGINT)
                # Far less than what the answer is waited for, four times a minute.
                _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"interrupted" in said


MARKERS = '<<<<<<< HEAD\n{"sha256": "a"}\n=======\n>>>>>>> main\n'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "line 1: expected"),
        ('{"format": "mirror-manifest", "version": 2}\n', "another version needs another mirror"),
        ('{"format": "mirror-manifest", "version": 1}\n' + MARKERS, "line 2: merge conflict"),
        ('{"format": "mirror-manifest", "version": 1}\n[]\n', "line 2: expected a JSON object"),
        ('{"format": "mirror-manifest", "version": 1}\n{}\n', "is missing"),
        ("\udcff\udcfe", "images.jsonl"),
    ],
)
@pytest.mark.parametrize("command", ["verify", "repair", "restore out", "prune"])
def test_a_manifest_that_was_edited_by_hand_is_an_error_with_its_line(
    blog: Blog, command: str, text: str, words: str
) -> None:
    path = blog.root / "manifests" / manifests.FILE_NAME
    path.parent.mkdir()
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    ran = run(blog, *command.split(), "--json")
    assert ran.code == 2
    assert words in ran.err
    assert [event["type"] for event in ran.events] == ["error"]
    assert ran.events[0]["exit_code"] == 2


def test_json_ends_with_an_error_object_however_it_was_asked_for(blog: Blog) -> None:
    (blog.root / "mirror.toml").write_text("nonsense")
    for arguments in (["--json"], ["--format", "json"], ["--format=json"]):
        ran = run(blog, "verify", *arguments)
        assert [event["type"] for event in ran.events] == ["error"]


def test_a_result_can_go_to_a_file(blog: Blog) -> None:
    filled(blog, *NAMES)
    ran = run(blog, "verify", "--format", "json", "--output", "result.jsonl")
    assert (ran.code, ran.out) == (0, "")
    assert "manifest and site agree; see result.jsonl" in ran.err
    lines = (blog.root / "result.jsonl").read_text().splitlines()
    assert json.loads(lines[-1])["type"] == "summary"


# --- The documentation ------------------------------------------------------------------------

DOCS = Path(__file__).parents[2] / "docs"


def test_the_table_of_rules_is_the_one_the_program_has() -> None:
    text = (DOCS / "verify.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (M\d{3}) \| `([a-z-]+)` \| ([a-z ]+) \| (.+) \|$", text, re.MULTILINE)
    assert [row[:3] for row in rows] == [
        (rule.id, rule.slug, rule.outcome.value) for rule in sorted(Rule, key=lambda r: r.id)
    ]
    assert len({rule.id for rule in Rule}) == len(Rule)
    assert all(len(meaning) > 20 for *_, meaning in rows)


@pytest.mark.parametrize("options", [["--posts"], ["--offline"]])
def test_posts_at_a_former_address_are_named_and_rewrite_moves_them(
    blog: Blog, options: list[str]
) -> None:
    filled(blog, "a.png", "b.png")
    run(blog, "rewrite")
    config = blog.root / "mirror.toml"
    config.write_text(config.read_text().replace('public_url = "/images"', 'public_url = "/pics"'))
    ended = run(blog, "verify", *options)
    assert ended.code == 1
    assert ended.out.count("[M118]") == 2
    assert ended.out.count("`mirror rewrite` moves it") == 2
    assert run(blog, "rewrite").code == 0
    assert run(blog, "verify", *options).code == 0


def test_a_former_address_that_rewrite_leaves_is_no_work_of_rewrite(blog: Blog) -> None:
    filled(blog, "a.png")
    config = blog.root / "mirror.toml"
    config.write_text(config.read_text().replace('"/images"', '"https://old.example/i"'))
    run(blog, "rewrite")
    post = blog.root / "posts" / "post.md"
    url = re.search(r"https://old[^)]*", post.read_text())
    assert url is not None
    post.write_text(f"bare {url[0]}\n")
    config.write_text(config.read_text().replace("old.example", "new.example"))
    ended = run(blog, "verify", "--posts")
    assert ended.out.count("[M118]") == 1
    assert "`mirror rewrite` leaves it; edit it" in ended.out
    run(blog, "rewrite")
    assert "old.example" in post.read_text()
