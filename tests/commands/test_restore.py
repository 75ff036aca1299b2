"""Images back under their original paths: by the command, and by the documented shell."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote

import pytest
from support import commands
from support.commands import BUCKET, filled, picture, run
from support.servers import Server
from support.sites import Blog

from mirror import manifest as manifests
from mirror.host import ImageHost
from mirror.model import Asset, Key
from mirror.urls.address import Address, canonical

HOST = BUCKET.removeprefix("https://").rstrip("/")
DOCS = Path(__file__).parents[2] / "docs" / "restore.md"


def tree(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


# --- The command ------------------------------------------------------------------------------

NAMES = ("a.png", "sub/图 1.png", "sub/b.png")


def test_every_image_comes_back_under_its_path(blog: Blog) -> None:
    filled(blog, *NAMES)
    shutil.rmtree(blog.root / "static")
    ran = run(blog, "restore", "out")
    assert ran.code == 0
    assert ran.out.startswith("restored 3 files (")
    assert tree(blog.root / "out") == {
        f"{HOST}/{name}": picture(seed) for seed, name in enumerate(NAMES)
    }
    assert blog.asked == 3  # by the backup


def test_a_restore_can_be_run_again_and_goes_on(blog: Blog) -> None:
    filled(blog, *NAMES)
    run(blog, "restore", "out")
    (blog.root / "out" / HOST / "a.png").unlink()
    ran = run(blog, "restore", "out", "--json")
    assert (ran.summary["restored"], ran.summary["unchanged"]) == (1, 2)
    assert [(event["path"], event["from"]) for event in ran.events[:-1]] == [
        (f"{HOST}/a.png", "the archive")
    ]
    assert run(blog, "restore", "out").out.endswith(", 3 were there already\n")


def test_a_percent_sign_that_is_no_escape_stays_in_the_name(blog: Blog) -> None:
    filled(blog, "100%.png")
    assert run(blog, "restore", "out").code == 0
    assert tree(blog.root / "out") == {f"{HOST}/100%.png": picture(0)}


def test_what_a_killed_run_left_is_gone_after_the_next(
    blog: Blog, tmp_path_factory: pytest.TempPathFactory
) -> None:
    filled(blog, *NAMES)
    assert run(blog, "restore", "out").code == 0
    name = f".mirror-{'0' * 16}.tmp"
    outside = tmp_path_factory.mktemp("outside")
    (blog.root / "out" / HOST / "linked").symlink_to(outside)
    left = [blog.root / "out" / HOST / name, blog.root / "out" / HOST / "sub" / name]
    for path in (*left, outside / name):
        path.write_bytes(b"half of a pic")
    assert run(blog, "restore", "out").code == 0
    assert not any(path.exists() for path in left)
    assert (outside / name).exists()


def test_a_bucket_serves_where_the_archive_does_not(blog: Blog, rclone: Server) -> None:
    blog.configure(more=commands.s3_destination(rclone))
    filled(blog, *NAMES)
    site, bucket = (target.store for target in blog.site.destinations)
    a, b, c = (Key(blog.asset(quote(name))["key"]) for name in NAMES)
    shutil.rmtree(blog.root / "archive")
    site.delete(a)
    site.replace(b, b"rot")
    bucket.replace(c, b"rot")
    ran = run(blog, "restore", "out", "--json")
    assert ran.code == 0
    assert {event["path"]: event["from"] for event in ran.events[:-1]} == {
        f"{HOST}/a.png": "bucket",
        f"{HOST}/sub/图 1.png": "bucket",
        f"{HOST}/sub/b.png": "site",
    }
    assert set(tree(blog.root / "out").values()) == {picture(n) for n in range(3)}
    bucket.delete(c)
    site.delete(c)
    ran = run(blog, "restore", "again")
    assert ran.code == 3
    assert "no copy has SHA-256" in ran.out
    assert "[M209]" in ran.out
    assert len(tree(blog.root / "again")) == 2


def test_names_are_utf_8_whatever_the_locale(blog: Blog) -> None:
    filled(blog, *NAMES)
    plain = os.environ | {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    mirror = Path(sys.executable).with_name("mirror")
    for restored in (3, 0):
        done = subprocess.run(
            [mirror, "restore", "out", "--json"],
            cwd=blog.root,
            env=plain,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0
        assert json.loads(done.stdout.splitlines()[-1])["restored"] == restored
    assert f"{HOST}/sub/图 1.png" in tree(blog.root / "out")


def test_other_bytes_are_never_overwritten(blog: Blog) -> None:
    filled(blog, *NAMES)
    mine = blog.root / "out" / HOST / "a.png"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"mine")
    ran = run(blog, "restore", "out", "--json")
    assert (ran.code, ran.rules, ran.summary["restored"]) == (3, ["M209"], 2)
    assert mine.read_bytes() == b"mine"


def test_no_link_is_followed(blog: Blog, tmp_path_factory: pytest.TempPathFactory) -> None:
    filled(blog, *NAMES)
    outside = tmp_path_factory.mktemp("outside")
    out = blog.root / "out" / HOST
    out.mkdir(parents=True)
    (out / "sub").symlink_to(outside)
    (out / "a.png").symlink_to(outside / "planted.png")
    ran = run(blog, "restore", "out", "--json")
    assert (ran.code, ran.rules) == (3, ["M209"] * 3)
    assert list(outside.iterdir()) == []


def write(blog: Blog, *assets: Asset) -> None:
    path = blog.root / "manifests" / manifests.FILE_NAME
    text = manifests.dumps(manifests.Manifest({asset.digest: asset for asset in assets}))
    path.write_text(text, encoding="utf-8")


def test_two_images_of_one_name_are_both_named_and_neither_is_written(blog: Blog) -> None:
    filled(blog, *NAMES)
    manifest, _ = blog.site.manifest.load()
    first, second, third = manifest.assets.values()
    by_query, by_name = "https://h/a.png?x=1", "https://h/a%3Fx=1.png"
    write(
        blog,
        replace(first, sources=(Address(by_query), Address("https://h/b.png"))),
        replace(second, sources=(Address(by_name), Address("https://h/b.png/c.png"))),
        replace(third, sources=(Address("https://h/d.png"),)),
    )
    ran = run(blog, "restore", "out", "--json")
    assert ran.code == 3
    messages = {
        event["subject"]: event["message"] for event in ran.events if event["type"] == "finding"
    }
    assert by_name in messages.get(by_query, "") or by_query in messages.get(by_name, "")
    assert "https://h/b.png/c.png" in messages["https://h/b.png"]
    assert tree(blog.root / "out").keys() == {"h/d.png", "h/b.png/c.png"}


def with_repeat(blog: Blog) -> Path:
    """Mirror a picture and a repeat of it, a.bmp; return the repeat's original."""
    filled(blog, "a.png")
    blog.host.put("a.bmp", picture(0, "BMP"))
    blog.write("other.md", f"![]({BUCKET}a.bmp)\n")
    blog.sync()
    digest = blog.asset("a.bmp")["sha256"]
    return blog.root / "archive" / "data" / digest[:2] / f"{digest}.bmp"


def test_a_repeat_gets_its_own_bytes_or_the_picture_that_stands_for_it(blog: Blog) -> None:
    original = with_repeat(blog)
    assert run(blog, "restore", "out").code == 0
    assert tree(blog.root / "out")[f"{HOST}/a.bmp"] == picture(0, "BMP")

    original.unlink()
    ran = run(blog, "restore", "again", "--json")
    assert (ran.code, ran.rules) == (0, ["M210"])
    assert tree(blog.root / "again")[f"{HOST}/a.bmp"] == picture(0)
    ran = run(blog, "restore", "again", "--json")
    assert (ran.rules, ran.summary["unchanged"]) == (["M210"], 2)


def test_an_original_that_cannot_be_read_is_not_called_lost(blog: Blog) -> None:
    original = with_repeat(blog)
    original.unlink()
    original.symlink_to(original)  # what no user can read

    ran = run(blog, "restore", "out", "--json")
    assert (ran.code, ran.rules) == (3, ["M209"])
    (finding,) = [event for event in ran.events if event["type"] == "finding"]
    assert "its own bytes could not be read" in finding["message"]
    assert tree(blog.root / "out")[f"{HOST}/a.bmp"] == picture(0)

    digest = blog.asset("a.png")["sha256"]
    original = blog.root / "archive" / "data" / digest[:2] / f"{digest}.png"
    original.unlink()
    original.symlink_to(original)
    (blog.root / "static" / "images" / blog.asset("a.png")["key"]).unlink()
    ran = run(blog, "restore", "again")
    assert ran.code == 3
    assert f"no copy could be read with SHA-256 {digest}" in ran.out
    assert "mirror repair" not in ran.out


@pytest.mark.parametrize("place", ["destination", "archive"])
def test_a_place_that_refuses_everything_is_named_once(
    blog: Blog, rclone: Server, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    bucket = commands.s3_destination(rclone)
    if place == "archive":
        settings = bucket.replace("[[destination]]", "[archive]").replace("url =", "path =", 1)
        bucket = "".join(line for line in settings.splitlines(True) if "name =" not in line)
    blog.configure(more=bucket)
    filled(blog, *NAMES)
    shutil.rmtree(blog.root / "static")
    shutil.rmtree(blog.root / "archive", ignore_errors=True)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    ran = run(blog, "restore", "out", "--json")
    once = "M306" if place == "destination" else "M211"
    assert (ran.code, ran.rules) == (3, ["M209"] * 3 + [once])
    assert ran.out.count("SignatureDoesNotMatch") == ran.out.count("check which credentials") == 1
    assert ran.out.count("bucket refuses" if place == "destination" else "archive refuses") == 3


@pytest.mark.parametrize(
    "folder", ["archive", "archive/x", "static/images", ".mirror", "manifests"]
)
def test_no_folder_of_ours_is_restored_into(blog: Blog, folder: str) -> None:
    filled(blog, "a.png")
    ran = run(blog, "restore", folder)
    assert ran.code == 2
    assert "restore into another folder" in ran.err


def test_a_file_is_no_folder(blog: Blog) -> None:
    filled(blog, "a.png")
    assert "is no folder" in run(blog, "restore", "mirror.toml").err


# --- The documented shell ---------------------------------------------------------------------


def script(name: str) -> str:
    text = DOCS.read_text(encoding="utf-8")
    match = re.search(rf"^```bash {name}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert match
    return match[1]


def shell(
    code: str, *arguments: str | Path, cwd: Path, locale: str = "C.UTF-8"
) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "LC_ALL": locale}
    command = ["bash", "-c", code, "restore.sh", *map(str, arguments)]
    return subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )


NEEDS = pytest.mark.skipif(
    not all(map(shutil.which, ("bash", "curl", "sha256sum"))),
    reason="bash, curl and sha256sum are not all here",
)


@NEEDS
def test_the_archive_is_checked_as_documented(blog: Blog) -> None:
    filled(blog, *NAMES)
    assert shell(script("archive"), cwd=blog.root / "archive").returncode == 0
    digest = sha256(picture(0)).hexdigest()
    (blog.root / "archive" / "data" / digest[:2] / f"{digest}.png").write_bytes(b"rot")
    done = shell(script("archive"), cwd=blog.root / "archive")
    assert done.returncode == 1
    assert f"{digest}.png: FAILED" in done.stdout


SHELL_NAMES = (
    "a.png",
    "sub/图 1.png",
    "sub/b.png",
    "a%2Fb.png",
    "x/100%25:*.png",
    "x/100%25.png",
    "x/%25/50%25%20off%25",
    "x/a%2541%25zz%2525.png",
    "(1)'&$~;=@!,+.png",
    "no-extension",
    "r.png?x-oss-process=image/resize,w_800",
    "dir.d/q?img=1",
)


@NEEDS
def test_the_documented_shell_restores_what_the_command_does(blog: Blog) -> None:
    filled(blog, "plain.png")
    manifest, _ = blog.site.manifest.load()
    (asset,) = manifest.assets.values()
    sources = [canonical(f"http://h.example:81/{name}") for name in SHELL_NAMES]
    repeat = replace(
        asset,
        blob=replace(asset.blob, digest=type(asset.digest)("0" * 64)),
        key=None,
        alias_of=asset.digest,
        sources=(Address("https://h.example/repeat.jpg"),),
    )
    write(blog, replace(asset, sources=tuple(s for s in sources if s)), repeat)
    assert run(blog, "restore", "ours").code == 0
    with ImageHost({f"blog/{name}": data for name, data in blog.objects().items()}) as host:
        place = ("manifests/images.jsonl", f"{host.base_url}blog", "theirs")
        done = shell(script("bucket"), *place, cwd=blog.root)
        assert (done.returncode, done.stderr) == (0, "")
        assert tree(blog.root / "theirs") == tree(blog.root / "ours")
        assert len(tree(blog.root / "ours")) == len(SHELL_NAMES) + 1
        asked = host.requests.total()
        assert shell(script("bucket"), *place, cwd=blog.root).returncode == 0
        assert host.requests.total() == asked


@NEEDS
def test_the_documented_shell_writes_an_accepted_picture_beside_the_one_before(blog: Blog) -> None:
    filled(blog, "a.png", "b.png", "sub.d/.c")
    manifest, _ = blog.site.manifest.load()
    names = ("a.png", "sub.d/.c")
    old, hidden, new = (
        manifest.assets[manifest.find(Address(BUCKET + name)).digest]  # type: ignore[union-attr]
        for name in (*names, "b.png")
    )
    moved = tuple(Address(BUCKET + name) for name in names)
    write(
        blog,
        replace(
            old, former_sources=moved[:1], sources=(Address(f"{BUCKET}1"), Address(f"{BUCKET}2"))
        ),
        replace(hidden, former_sources=moved[1:], sources=()),
        replace(new, sources=(*moved, *new.sources)),
    )
    assert run(blog, "restore", "ours").code == 0
    assert len(tree(blog.root / "ours")) == 7
    with ImageHost({f"blog/{name}": data for name, data in blog.objects().items()}) as host:
        place = ("manifests/images.jsonl", f"{host.base_url}blog", "theirs")
        done = shell(script("bucket"), *place, cwd=blog.root)
    assert (done.returncode, done.stderr) == (0, "")
    assert tree(blog.root / "theirs") == tree(blog.root / "ours")


SHELL_KEYS = (
    "a b.png",
    "c#1?x=%20.png",
    "{d,e}[1-9].png",
    'f"&<g>+~$(h)`i`*.png',
    "图/é😀.png",
    "-j.png",
)


@NEEDS
@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
def test_the_documented_shell_asks_for_whatever_a_key_may_hold(blog: Blog, locale: str) -> None:
    names = [f"{number}.png" for number, _ in enumerate(SHELL_KEYS)]
    filled(blog, *names)
    manifest, _ = blog.site.manifest.load()
    assets = [
        replace(manifest.assets[manifest.find(Address(BUCKET + name)).digest], key=Key(key))  # type: ignore[union-attr]
        for name, key in zip(names, SHELL_KEYS, strict=True)
    ]
    kept = "https://h.example/kept.jpg"  # stored before a better one came
    assets[0] = replace(assets[0], alias_of=assets[1].digest, sources=(Address(kept),))
    write(blog, *assets)
    assert blog.site.manifest.load()[0].by_key.keys() == set(SHELL_KEYS)
    served = {f"blog/{key}": picture(number) for number, key in enumerate(SHELL_KEYS)}
    with ImageHost(served) as host:
        place = ("manifests/images.jsonl", f"{host.base_url}blog", "theirs")
        done = shell(script("bucket"), *place, cwd=blog.root, locale=locale)
        assert (done.returncode, done.stderr) == (0, "")
        assert set(host.requests) == {f"GET {name}" for name in served}
    pictures = {f"{HOST}/{name}": picture(number) for number, name in enumerate(names)}
    pictures["h.example/kept.jpg"] = pictures.pop(f"{HOST}/0.png")
    assert tree(blog.root / "theirs") == pictures


@NEEDS
def test_the_documented_shell_names_what_it_cannot_get_and_gets_the_others(blog: Blog) -> None:
    filled(blog, "a.png", "b.png", "c.png", "d.png", "e.png")
    manifest, _ = blog.site.manifest.load()
    assets = {asset.sources[0].rpartition("/")[2]: asset for asset in manifest.assets.values()}
    assets["a.png"] = replace(assets["a.png"], key=None)
    write(blog, *assets.values())
    objects = blog.objects()
    del objects[assets["b.png"].key or ""]
    objects[assets["c.png"].key or ""] = b"other"
    (blog.root / "theirs" / HOST / "d.png").mkdir(parents=True)
    with ImageHost({f"blog/{name}": data for name, data in objects.items()}) as host:
        place = ("manifests/images.jsonl", f"{host.base_url}blog", "theirs")
        done = shell(script("bucket"), *place, cwd=blog.root)
    assert done.returncode == 1
    assert tree(blog.root / "theirs") == {f"{HOST}/e.png": picture(4)}
    said = [line for line in done.stderr.splitlines() if line.startswith("theirs/")]
    assert sorted(line.partition(": ")[0] for line in said) == [
        f"theirs/{HOST}/{name}" for name in ("a.png", "b.png", "c.png", "d.png")
    ]
    whys = {line.partition(": ")[0].rpartition("/")[2]: line for line in said}
    assert "no object in the bucket" in whys["a.png"]
    assert f"not got from {host.base_url}blog/{assets['b.png'].key}" in whys["b.png"]
    assert "other bytes than the manifest says" in whys["c.png"]
    assert "a folder has this name" in whys["d.png"]


@NEEDS
def test_the_documented_shell_says_that_there_is_no_manifest(blog: Blog) -> None:
    done = shell(script("bucket"), "no.jsonl", "http://127.0.0.1:9/blog", "theirs", cwd=blog.root)
    assert done.returncode == 1
    assert "no.jsonl" in done.stderr


@NEEDS
def test_the_documented_shell_takes_no_other_bytes(blog: Blog) -> None:
    filled(blog, "a.png")
    with ImageHost({f"blog/{name}": b"other" for name in blog.objects()}) as host:
        place = ("manifests/images.jsonl", f"{host.base_url}blog", "theirs")
        done = shell(script("bucket"), *place, cwd=blog.root)
    assert done.returncode != 0
    assert "other bytes than the manifest says" in done.stderr
    assert tree(blog.root / "theirs") == {}
