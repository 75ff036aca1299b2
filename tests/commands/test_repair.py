"""Broken copies put back from good ones, on real servers and files."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from hashlib import md5, sha256
from pathlib import Path

import bagit
import pytest
from conftest import use
from support import commands
from support.commands import BUCKET, filled, picture, run
from support.servers import BUCKET as SERVER_BUCKET
from support.servers import Server, Servers
from support.sites import Blog

from mirror.manifest import Manifest
from mirror.model import Digest, Key
from mirror.store import Store
from mirror.store.s3 import S3Store

NAMES = ("a.png", "b.png", "c.png")
NOWHERE = "http://127.0.0.1:9"
FETCH = "[fetch]\nretries = 0\n"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")


@pytest.fixture(params=["rclone", "moto"])
def bucket(
    request: pytest.FixtureRequest, blog: Blog, servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> S3Store:
    """The second destination of a blog with three images; the first is a folder."""
    server = use(servers[request.param], monkeypatch)
    blog.configure(more=commands.s3_destination(server) + FETCH)
    filled(blog, *NAMES)
    store = blog.site.destinations[-1].store
    assert isinstance(store, S3Store)
    return store


def folder(blog: Blog) -> Store:
    return blog.site.destinations[0].store


def key(blog: Blog, name: str) -> Key:
    return Key(blog.asset(name)["key"])


def original(blog: Blog, name: str) -> Path:
    digest = blog.asset(name)["sha256"]
    return blog.root / "archive" / "data" / digest[:2] / f"{digest}.png"


def remove(store: Store, key: Key) -> None:
    store.delete(key)


def spoil(store: Store, key: Key) -> None:
    store.replace(key, store.get(key)[::-1], "image/png")


def cut(store: Store, key: Key) -> None:
    store.replace(key, store.get(key)[:10], "image/png")


def contents(blog: Blog) -> dict[str, list[bytes]]:
    """What every destination holds."""
    stores = [target.store for target in blog.site.destinations]
    return {store.name: [store.get(info.key) for info in store.list()] for store in stores}


@pytest.mark.parametrize("damage", [remove, spoil, cut])
def test_each_damage_is_repaired_everywhere(
    blog: Blog, bucket: S3Store, damage: Callable[[Store, Key], None]
) -> None:
    before = contents(blog)
    asked = blog.asked
    damage(bucket, key(blog, "a.png"))
    damage(folder(blog), key(blog, "a.png"))
    damage(folder(blog), key(blog, "b.png"))
    ran = run(blog, "repair")
    assert ran.code == 0
    assert ran.out.endswith("repaired 3 of 3 broken copies\n")
    assert f"repaired {key(blog, 'b.png')} in site, from the archive" in ran.out
    assert contents(blog) == before
    assert run(blog, "verify", "--deep", "--archive").code == 0
    assert blog.asked == asked


@pytest.mark.parametrize("size", [7, 10**6])
@pytest.mark.parametrize("lost", ["", "archive", "static"])
def test_a_wrong_size_in_the_manifest_is_named_and_nothing_is_written(
    blog: Blog, size: int, lost: str
) -> None:
    filled(blog, "a.png")
    true_size = blog.asset("a.png")["size"]
    manifest = blog.root / "manifests" / "images.jsonl"
    manifest.write_text(manifest.read_text().replace(f'"size": {true_size}', f'"size": {size}'))
    asked = blog.asked
    if lost:
        shutil.rmtree(blog.root / lost)
    before = blog.objects()
    for _ in range(2):
        ran = run(blog, "repair")
        assert ran.code == 3
        assert f"expected {size} bytes, found {true_size} that have its SHA-256" in ran.out
        assert "Correct the line of the manifest" in ran.out
        assert "repaired 0 of " in ran.out
        assert blog.objects() == before
    assert run(blog, "restore", "out").code == 0
    assert blog.asked == asked


def test_what_was_repaired_is_stored_as_sync_stores_it(
    blog: Blog, servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = use(servers["moto"], monkeypatch)
    blog.configure(more=commands.s3_destination(server))
    blog.host.put("a.svg", b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>')
    blog.write("post.md", f"![]({BUCKET}a.svg)\n")
    blog.sync()
    store = blog.site.destinations[-1].store
    assert isinstance(store, S3Store)
    place = {"Bucket": SERVER_BUCKET, "Key": f"{store.settings.prefix}/{key(blog, 'a.svg')}"}

    def facts() -> list[object]:
        head = server.client().head_object(**place)
        names = ("ContentType", "ContentDisposition", "CacheControl", "Metadata", "ETag")
        return [head[name] for name in names]

    before = facts()
    for damage in (remove, spoil):
        damage(store, key(blog, "a.svg"))
        assert run(blog, "repair").code == 0
        assert facts() == before


def test_nothing_broken_nothing_done(blog: Blog, bucket: S3Store) -> None:
    before = bucket.requests.copy()
    ran = run(blog, "repair")
    assert ran.code == 0
    assert ran.out == "looked at 3 originals and 6 objects: nothing is broken\n"
    assert bucket.requests == before
    assert run(blog, "repair").out == ran.out


def test_a_dry_run_says_what_it_would_do_and_does_nothing(blog: Blog, bucket: S3Store) -> None:
    spoil(bucket, key(blog, "a.png"))
    original(blog, "b.png").unlink()
    before = contents(blog)
    ran = run(blog, "repair", "--dry-run", "--json")
    assert ran.code == 0
    repairs = {(event["place"], event["from"]) for event in ran.events[:-1]}
    assert repairs == {("bucket", "the archive"), ("the archive", "site")}
    assert {event["type"] for event in ran.events[:-1]} == {"would-repair"}
    assert ran.summary["broken"] == ran.summary["repaired"] == 2
    assert contents(blog) == before
    assert not original(blog, "b.png").exists()
    assert run(blog, "repair", "-n").out.count("would repair") == 3


# --- Where good bytes come from ---------------------------------------------------------------


def test_a_destination_serves_where_the_archive_does_not(blog: Blog, bucket: S3Store) -> None:
    before = contents(blog)
    asked = blog.asked
    for name in NAMES:
        original(blog, name).write_bytes(b"rot")
    remove(bucket, key(blog, "a.png"))
    spoil(folder(blog), key(blog, "b.png"))
    ran = run(blog, "repair", "--json")
    assert ran.code == 0
    repairs = {(event["place"], event["subject"]): event["from"] for event in ran.events[:-1]}
    a, b, c = (key(blog, name) for name in NAMES)
    assert repairs == {
        ("the archive", a): "site",
        ("bucket", a): "site",
        ("the archive", b): "bucket",
        ("site", b): "bucket",
        ("the archive", c): "site",
    }
    assert contents(blog) == before
    assert blog.asked == asked
    bagit.Bag(str(blog.root / "archive")).validate()


def test_the_source_is_asked_last_and_believed_only_for_the_same_bytes(
    blog: Blog, bucket: S3Store
) -> None:
    before = contents(blog)
    for name in ("a.png", "b.png"):
        original(blog, name).unlink()
        spoil(bucket, key(blog, name))
        remove(folder(blog), key(blog, name))
    spoiled = bucket.get(key(blog, "b.png"))
    blog.host.put("b.png", picture(77))
    ran = run(blog, "repair", "--json")
    assert ran.code == 3
    assert {event["from"] for event in ran.events if event["type"] == "repaired"} == {
        BUCKET + "a.png"
    }
    (finding,) = [event for event in ran.events if event["type"] == "finding"]
    assert (finding["rule"], finding["subject"]) == ("M307", key(blog, "b.png"))
    for words in ("b.png: gives another picture now", "is missing", "in the archive, site, bucket"):
        assert words in finding["message"]
    assert bucket.get(key(blog, "b.png")) == spoiled  # nothing is overwritten for nothing
    assert bucket.get(key(blog, "a.png")) in before["bucket"]
    assert sha256(original(blog, "a.png").read_bytes()).hexdigest() == original(blog, "a.png").stem


def test_a_host_that_is_gone_is_one_reason_of_several(blog: Blog) -> None:
    blog.configure(more=FETCH)
    filled(blog, *NAMES)
    original(blog, "a.png").unlink()
    remove(folder(blog), key(blog, "a.png"))
    blog.host.remove("a.png")
    ran = run(blog, "repair")
    assert ran.code == 3
    assert re.search(r"cannot be put back in the archive, site: .*HTTP 404.* \[M307\]", ran.out)
    assert ran.out.endswith("repaired 0 of 2 broken copies\n")


def test_a_source_that_is_configured_no_more_is_not_asked(blog: Blog) -> None:
    filled(blog, "a.png")
    original(blog, "a.png").unlink()
    remove(folder(blog), key(blog, "a.png"))
    path = blog.root / "mirror.toml"
    path.write_text(path.read_text().replace(BUCKET, "https://elsewhere.example/"))
    asked = blog.asked
    ran = run(blog, "repair")
    assert ran.code == 3
    assert "no [[source]] matches it" in ran.out
    assert blog.asked == asked


def test_an_original_without_an_object_is_healed_from_its_source(blog: Blog) -> None:
    filled(blog, "a.png", "b.png")
    data = picture(0, "BMP")  # the same pixels: a repeat, which has no object of its own
    blog.host.put("a.bmp", data)
    blog.write("other.md", f"![]({BUCKET}a.bmp)\n")
    blog.sync()
    asset = blog.asset("a.bmp")
    assert "key" not in asset
    path = blog.root / "archive" / "data" / asset["sha256"][:2] / f"{asset['sha256']}.bmp"
    path.unlink()
    ran = run(blog, "repair", "--json")
    assert ran.code == 0
    assert ran.events[0]["subject"] == asset["sha256"]
    assert path.read_bytes() == data


HTML = b"<!DOCTYPE html><script>alert(1)</script>"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


@pytest.mark.parametrize(
    ("data", "media_type", "name", "words"),
    [
        pytest.param(HTML, "image/png", "x.png", "expected a picture of type image/png", id="HTML"),
        pytest.param(SVG, "image/png", "x.png", "found image/svg+xml", id="SVG as PNG"),
        pytest.param(
            SVG, "image/svg+xml", "x.png", "expected a key for", id="SVG under a PNG's key"
        ),
        pytest.param(picture(7), "image/png", "x.html", "expected a key for", id="PNG as a page"),
    ],
)
@pytest.mark.parametrize("arguments", [(), ("--dry-run",)], ids=["repair", "dry run"])
def test_an_edited_line_of_the_manifest_publishes_nothing_but_its_picture(
    blog: Blog, data: bytes, media_type: str, name: str, words: str, arguments: tuple[str, ...]
) -> None:
    filled(blog, "a.png", "b.png")
    manifest, before = blog.site.manifest.load()
    asset = manifest.assets[Digest(blog.asset("a.png")["sha256"])]
    blob = replace(
        asset.blob,
        digest=Digest(sha256(data).hexdigest()),
        size=len(data),
        md5=md5(data, usedforsecurity=False).hexdigest(),
        media_type=media_type,
    )
    assets = {d: a for d, a in manifest.assets.items() if d != asset.digest}
    assets[blob.digest] = replace(asset, blob=blob, key=Key(name))
    blog.site.manifest.save(Manifest(assets), before)
    blog.site.archive.put(blob, data)  # as a pull request may add it
    blog.site.archive.seal(whole=True)
    objects = blog.objects()
    ran = run(blog, "repair", "--json", *arguments)
    assert (ran.code, ran.rules, ran.summary["repaired"]) == (3, ["M307"], 0)
    (finding,) = [event for event in ran.events if event["type"] == "finding"]
    assert finding["subject"] == name
    assert words in finding["message"]
    assert blog.objects() == objects


# --- Who cannot be asked, and what is not ours ------------------------------------------------


def test_a_destination_that_is_down_does_not_stop_the_others(
    blog: Blog, bucket: S3Store, servers: Servers
) -> None:
    text = (blog.root / "mirror.toml").read_text()
    down = '[[destination]]\nname = "down"\nurl = "s3://b"\nendpoint_url = "' + NOWHERE + '"\n'
    (blog.root / "mirror.toml").write_text(text + down)
    remove(bucket, key(blog, "a.png"))
    ran = run(blog, "repair", "--json")
    assert ran.code == 3
    assert ran.rules == ["M306"]
    assert ran.summary["repaired"] == 1
    assert bucket.get(key(blog, "a.png"))


def test_what_the_manifest_does_not_name_is_not_touched(blog: Blog, bucket: S3Store) -> None:
    bucket.put(Key("stray.png"), b"stray")
    folder(blog).put(Key("stray.png"), b"stray")
    assert run(blog, "repair").code == 0
    assert bucket.get(Key("stray.png")) == folder(blog).get(Key("stray.png")) == b"stray"


def test_a_repair_waits_for_nobody(blog: Blog, rclone: Server) -> None:
    filled(blog, "a.png")
    remove(folder(blog), key(blog, "a.png"))
    with blog.site.lock("mirror sync"):
        ran = run(blog, "repair")
        assert ran.code == 4
        assert f"process {os.getpid()}" in ran.err
        assert run(blog, "repair", "--dry-run").code == 0
    assert run(blog, "repair").code == 0


def test_a_folder_that_cannot_be_written_is_a_finding(blog: Blog) -> None:
    filled(blog, *NAMES)
    path = blog.root / "static" / "images" / key(blog, "a.png")
    path.unlink()
    path.parent.rmdir()
    path.parent.write_text("a file where a folder is needed")
    ran = run(blog, "repair", "--json")
    assert ran.code == 3
    assert ran.rules == ["M307"]


def test_an_empty_archive_is_filled_with_its_sources(blog: Blog) -> None:
    for seed, name in enumerate(("a.png", "b.png")):
        blog.host.put(name, picture(seed))
    blog.write("post.md", f"![]({BUCKET}a.png)\n\n![]({BUCKET}b.png)\n")
    run(blog, "sync")
    blog.host.put("a.png", picture(7))
    run(blog, "sync", "--refresh")
    run(blog, "accept", f"{BUCKET}a.png")
    assert run(blog, "sync").code == 0
    before = blog.site.archive.source_record()
    shutil.rmtree(blog.root / "archive")
    shutil.rmtree(blog.root / ".mirror")
    assert run(blog, "repair", "--dry-run").code == 0
    assert not (blog.root / "archive" / "sources.txt").exists()
    for _ in range(2):
        assert run(blog, "repair").code == 0
        assert blog.site.archive.source_record() == before
        assert (blog.root / "archive" / "sources.txt").read_text().count("\n") == 3
    assert run(blog, "verify", "--archive").code == 0


def test_what_the_archive_says_of_a_source_stands(blog: Blog) -> None:
    """An address that somebody put on the line of a known picture is not recorded for it."""
    filled(blog, "a.png", "b.png")
    path = blog.root / "manifests" / "images.jsonl"
    path.write_text(
        path.read_text().replace(f'"{BUCKET}a.png"', f'"{BUCKET}a.png", "{BUCKET}x.png"')
    )
    original(blog, "a.png").unlink()
    sources = blog.root / "archive" / "sources.txt"
    before = sources.read_bytes()
    assert run(blog, "repair").code == 0
    assert sources.read_bytes() == before


def replace_keys(blog: Blog, keys: Mapping[Key, str], spelled: str = "{}") -> None:
    path = blog.root / "manifests" / "images.jsonl"
    names = {spelled.format(key): spelled.format(other) for key, other in keys.items()}
    pattern = "|".join(map(re.escape, names))
    path.write_text(re.sub(pattern, lambda match: names[match[0]], path.read_text()))


@pytest.mark.parametrize("command", ["repair", "sync"])
def test_two_keys_that_an_edit_exchanged_move_no_object(blog: Blog, command: str) -> None:
    """The posts show each picture under its own key, also where the objects are gone."""
    filled(blog, "a.png", "b.png")
    first, second = key(blog, "a.png"), key(blog, "b.png")
    replace_keys(blog, {first: second, second: first})
    images = blog.root / "static" / "images"
    for are_there in (True, False):
        if not are_there:
            shutil.rmtree(images)
        before = contents(blog)
        ran = run(blog, command)
        assert ran.code == 2
        assert "keys were exchanged; bring both lines back" in ran.err
        assert contents(blog) == before
        assert images.exists() is are_there


@pytest.mark.parametrize("command", ["repair", "sync"])
@pytest.mark.parametrize(("pattern", "count"), [("{name}", 2), ("{sha256:.2}/{stem}{ext}", 3)])
def test_keys_without_a_digest_that_an_edit_exchanged_move_no_object(
    blog: Blog, command: str, pattern: str, count: int
) -> None:
    """Each is made of the source of the other, also where the objects are gone."""
    blog.configure(destination=f'key = "{pattern}"')
    filled(blog, *NAMES)
    keys = [key(blog, name) for name in NAMES[:count]]
    replace_keys(blog, dict(zip(keys, keys[1:] + keys[:1], strict=True)), '"key": "{}"')
    assert run(blog, "verify").code == 1
    shutil.rmtree(blog.root / "static" / "images")
    ran = run(blog, command)
    assert ran.code == 2
    assert "keys were exchanged; bring the lines back" in ran.err
    assert not (blog.root / "static" / "images").exists()


def test_an_object_that_is_another_picture_stays(blog: Blog) -> None:
    """Where the pattern changed, nothing tells whether the keys or the objects were exchanged."""
    blog.configure(destination='key = "{name}"')
    filled(blog, *NAMES)
    blog.configure(destination='key = "new/{name}"')
    names = {Key("a.png"): "b.png", Key("b.png"): "a.png"}
    replace_keys(blog, names, '"key": "{}"')
    before = contents(blog)
    for command, code in (("verify", 1), ("repair", 3)):
        ran = run(blog, command)
        assert ran.code == code
        for name, other in names.items():
            words = f"{name}: .* found .*; it is the picture of {other}: if a change of"
            assert re.search(words, ran.out)
        assert contents(blog) == before


def test_keys_that_a_changed_pattern_would_not_give_are_no_exchange(blog: Blog) -> None:
    blog.configure(destination='key = "{name}"')
    filled(blog, *NAMES)
    replace_keys(blog, {Key("a.png"): "b.png", Key("b.png"): "old.png"}, '"key": "{}"')
    shutil.rmtree(blog.root / "static" / "images")
    assert run(blog, "repair").code == 0
    assert run(blog, "verify").code == 0


def test_other_bytes_under_a_key_without_a_digest_are_replaced(blog: Blog) -> None:
    blog.configure(destination='key = "{name}"')
    filled(blog, *NAMES)
    before = contents(blog)
    (blog.root / "static" / "images" / "a.png").write_bytes(b"other")
    assert "it is the picture of" not in run(blog, "verify").out
    assert run(blog, "repair").code == 0
    assert contents(blog) == before
    size = blog.asset("a.png")["size"]
    manifest = blog.root / "manifests" / "images.jsonl"
    manifest.write_text(manifest.read_text().replace(f'"size": {size}', '"size": 7'))
    assert f"found {size}; `mirror repair`" in run(blog, "verify").out


def test_a_key_that_names_another_picture_puts_nothing_in_its_place(blog: Blog) -> None:
    filled(blog, "a.png", "b.png")
    first, second = key(blog, "a.png"), key(blog, "b.png")
    replace_keys(blog, {first: second, second: "b.png"})
    ran = run(blog, "repair")
    assert ran.code == 3
    assert (ran.out + ran.err).count("its key names another picture of the manifest") == 1
    stored = (blog.root / "static" / "images" / second).read_bytes()
    assert sha256(stored).hexdigest() in second
