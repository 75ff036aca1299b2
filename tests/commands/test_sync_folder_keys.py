"""A key that is a folder of another key, where a destination keeps objects as files."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import pytest
from conftest import use
from support.commands import BUCKET, picture, run, s3_destination
from support.servers import Servers
from support.sites import Blog

OUTER, INNER, OTHER = "x.png", [f"x.png/{number}.png" for number in range(4)], "z.png"
ALL = [OUTER, *INNER, OTHER]
BY_PATH = 'key = "{path}"\n'
Show = Callable[[Blog, Sequence[str]], None]


def show(blog: Blog, names: Sequence[str]) -> None:
    for name in names:
        blog.host.put(name, picture(ALL.index(name)))
    blog.write("post.md", "".join(f"![]({BUCKET}{name})\n\n" for name in names))


@pytest.fixture(params=["folder", "rclone"])
def by_path(
    request: pytest.FixtureRequest,
    blog: Blog,
    servers: Servers,
    monkeypatch: pytest.MonkeyPatch,
) -> Blog:
    """A blog whose keys are the paths of its images, and whose destination keeps files."""
    blog.configure(destination=BY_PATH)
    if request.param == "rclone":
        server = use(servers["rclone"], monkeypatch)
        path = blog.root / "mirror.toml"
        head = path.read_text().partition("[[destination]]")[0]
        public = s3_destination(server, public_url="https://img.example/blog")
        path.write_text(head + public + BY_PATH)
    return blog


def stored(blog: Blog) -> set[str]:
    """Return the keys of what the destination holds."""
    (destination,) = blog.site.destinations
    return {info.key for info in destination.store.list() if not info.key.startswith(".mirror/")}


@pytest.mark.parametrize(
    ("first", "refused"),
    [([OUTER], INNER), (INNER, [OUTER])],
    ids=["the outer key first", "the inner keys first"],
)
def test_pictures_whose_keys_exclude_others_stop_nobody_else(
    by_path: Blog, first: list[str], refused: list[str]
) -> None:
    show(by_path, first)
    assert run(by_path, "sync").code == 0
    show(by_path, ALL)
    for command in (["sync", "--json"], ["sync", "--json"], ["repair", "--json"]):
        ran = run(by_path, *command)
        assert ran.code == 3
        findings = [event for event in ran.events if event["type"] == "finding"]
        assert sorted(finding["subject"] for finding in findings) == sorted(refused)
        assert {finding["rule"] for finding in findings} <= {"M305", "M307"}
        assert all("leave `{path}` out of `key`" in finding["message"] for finding in findings)
        assert stored(by_path) == {*ALL} - {*refused}
    missing = run(by_path, "verify", "--deep", "--json")
    assert (missing.code, missing.rules) == (1, ["M301"] * len(refused))
    assert str(missing.events).count("missing, as the last sync could not store it") == len(refused)
    assert "puts it back" not in str(missing.events)
    rewritten = run(by_path, "rewrite", "--json")
    assert (rewritten.code, rewritten.rules) == (3, ["M111"] * len(refused))
    assert str(rewritten.events).count("leave `{path}` out of `key`") == len(refused)
    assert "run `mirror sync`" not in str(rewritten.events)
    assert by_path.read("post.md").count(BUCKET) == len(refused)
    assert run(by_path, "prune", "--yes", "--max-delete", "100").code == 0
    assert stored(by_path) == {*ALL} - {*refused}


def test_all_at_once_stores_as_many_as_there_is_room_for(by_path: Blog) -> None:
    show(by_path, ALL)
    assert run(by_path, "sync").code == 3
    assert OTHER in stored(by_path)
    assert len(stored(by_path)) in (2, len(ALL) - 1)


def test_the_advice_for_such_a_key_works(by_path: Blog) -> None:
    show(by_path, [OUTER])
    assert run(by_path, "sync").code == 0
    show(by_path, ALL)
    assert run(by_path, "sync").code == 3
    settings = by_path.root / "mirror.toml"
    settings.write_text(settings.read_text().replace(BY_PATH, ""))
    manifest = by_path.root / "manifests" / "images.jsonl"
    manifest.write_text(re.sub(r'"key": "x\.png/[^"]*", ', "", manifest.read_text()))
    assert run(by_path, "sync").code == 0
    assert run(by_path, "rewrite").code == 0
    assert run(by_path, "verify", "--posts").code == 0


def test_restore_says_which_of_them_has_its_path(by_path: Blog) -> None:
    show(by_path, ALL)
    assert run(by_path, "sync").code == 3
    ran = run(by_path, "restore", "out", "--json")
    assert (ran.code, ran.rules) == (3, ["M209"])
    (finding,) = [event for event in ran.events if event["type"] == "finding"]
    assert finding["subject"] == BUCKET + OUTER
    assert f"which is a folder of {BUCKET}x.png/" in finding["message"]
    assert "neither" not in finding["message"]
    kept = by_path.asset(OUTER)["sha256"]
    assert f"the archive has it under its SHA-256, {kept}" in finding["message"]
    names = {path.name for path in (by_path.root / "out").rglob("*") if path.is_file()}
    assert names == {"0.png", "1.png", "2.png", "3.png", OTHER}


def test_a_second_site_loses_only_the_pictures_without_room(by_path: Blog) -> None:
    """The first site has the outer key; the other one has the inner keys, and one of its own."""
    show(by_path, [OUTER])
    assert run(by_path, "sync").code == 0
    second = Blog(by_path.root / "second", by_path.host)
    second.root.mkdir()
    (second.root / "posts").mkdir()
    text = (by_path.root / "mirror.toml").read_text()
    (second.root / "mirror.toml").write_text(text.replace("file:static", "file:../static"))
    show(second, [*INNER, OTHER])
    for _ in range(2):
        ran = run(second, "sync", "--json")
        assert (ran.code, ran.rules) == (3, ["M305"] * len(INNER))
        assert stored(by_path) == {OUTER, OTHER}
    for blog in (by_path, second):
        assert run(blog, "prune", "--yes", "--max-delete", "100").code == 0
    assert stored(by_path) == {OUTER, OTHER}
    assert run(by_path, "verify").code == 0
