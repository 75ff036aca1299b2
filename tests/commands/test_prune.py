"""What no line of the manifest names: listed, kept, deleted, refused. On real servers and files."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from conftest import use
from support import commands
from support.commands import BUCKET, filled, run
from support.servers import Server, Servers
from support.sites import Blog

from mirror.model import Key, is_reserved
from mirror.store import Store

NAMES = tuple(f"{number}.png" for number in range(4))
STRAY = Key("ab/" + "ab" * 32 + ".png")


@pytest.fixture(params=["directory", "rclone", "moto"])
def stray(
    request: pytest.FixtureRequest, blog: Blog, servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> Store:
    """A destination with four images, and one object that nobody knows."""
    if request.param != "directory":
        blog.configure(more=commands.s3_destination(use(servers[request.param], monkeypatch)))
    filled(blog, *NAMES)
    store = blog.site.destinations[-1].store
    store.put(STRAY, b"stray")
    return store


@pytest.fixture
def local(blog: Blog) -> Store:
    """The same in a folder, for what no destination decides."""
    filled(blog, *NAMES)
    store = blog.site.destinations[0].store
    store.put(STRAY, b"stray")
    return store


def keys(store: Store) -> set[str]:
    """Return the keys in a store, but for the files of mirror itself."""
    return {info.key for info in store.list() if not is_reserved(info.key)}


def test_extra_objects_are_listed_and_nothing_more(blog: Blog, stray: Store) -> None:
    before = keys(stray)
    ran = run(blog, "prune", "--max-delete", "1")
    assert ran.code == 0
    assert f"{stray.name}: {STRAY} (5 B)" in ran.out
    assert ran.out.endswith("1 in no line of the manifest (5 B); --yes deletes them\n")
    assert keys(stray) == before


def test_with_yes_they_go_and_nothing_else(blog: Blog, stray: Store) -> None:
    before = keys(stray)
    ran = run(blog, "prune", "--yes", "--max-delete", "20%", "--json")
    assert ran.code == 0
    (event, summary) = ran.events
    assert event == {"type": "deleted", "destination": stray.name, "key": STRAY, "size": 5}
    assert (summary["extra"], summary["kept"], summary["deleted"]) == (1, 0, 1)
    assert keys(stray) == before - {STRAY}
    assert run(blog, "verify").code == 0
    ran = run(blog, "prune", "--yes")
    assert (ran.code, ran.out.endswith("0 deleted (0 B)\n")) == (0, True)


def test_no_other_prefix_of_the_bucket_is_touched(blog: Blog, rclone: Server) -> None:
    blog.configure(more=commands.s3_destination(rclone))
    filled(blog, *NAMES)
    other = rclone.store()
    other.put(STRAY, b"theirs")
    ran = run(blog, "prune", "--yes", "--max-delete", "100%")
    assert ran.code == 0
    assert other.get(STRAY) == b"theirs"


def test_in_a_bucket_with_versions_every_older_one_stays(
    blog: Blog, servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = use(servers["moto"], monkeypatch)
    client, bucket = server.client(), "with-versions"
    client.create_bucket(Bucket=bucket)
    client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    for theirs in ("theirs.png", "odd key +%20 一?#&.png"):
        client.put_object(Bucket=bucket, Key=theirs, Body=b"theirs")
    blog.configure(more=commands.s3_destination(server, url=f"s3://{bucket}/blog"))
    filled(blog, *NAMES)
    store = blog.site.destinations[-1].store
    damaged = Key(blog.asset(NAMES[0])["key"])
    good = store.get(damaged)
    store.replace(damaged, good[::-1])
    store.put(STRAY, b"stray")

    assert run(blog, "verify").code == 1
    assert run(blog, "repair").code == 0
    assert run(blog, "prune", "--yes", "--max-delete", "1").code == 0
    assert run(blog, "verify", "--deep").code == 0
    assert store.get(damaged) == good

    listed = client.list_object_versions(Bucket=bucket)
    versions = [version["Key"].removeprefix("blog/") for version in listed["Versions"]]
    # As stored, damaged, repaired: nothing that was there is gone for good.
    assert versions.count(damaged) == 3
    assert versions.count(STRAY) == 1
    assert [version["Key"] for version in listed["DeleteMarkers"]] == [f"blog/{STRAY}"]
    assert {"theirs.png", "odd key +%20 一?#&.png"} <= set(versions)


# --- Too much ---------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", ["0", "10%", "19%", "19.9%"])
def test_above_the_limit_nothing_goes(blog: Blog, stray: Store, limit: str) -> None:
    before = keys(stray)
    for more, code in ([], 0), (["--yes"], 4):
        ran = run(blog, "prune", "--max-delete", limit, *more)
        assert ran.code == code
        assert f"1 of 5 objects would go, more than --max-delete {limit};" in ran.out
        assert ("[M506]" if code else "--yes would be refused: ") in ran.out
        assert ran.out.endswith(": nothing was deleted\n")
    assert keys(stray) == before


def test_the_limit_of_one_destination_holds_for_all(blog: Blog, rclone: Server) -> None:
    blog.configure(more=commands.s3_destination(rclone))
    filled(blog, *NAMES)
    site, bucket = (target.store for target in blog.site.destinations)
    site.put(STRAY, b"1")
    for number in range(3):
        bucket.put(Key(f"stray{number}.png"), b"1")
    ran = run(blog, "prune", "--yes", "--max-delete", "2")
    assert ran.code == 4
    assert STRAY in keys(site)
    assert len(keys(bucket)) == 7


@pytest.mark.parametrize("text", ["", "%", "ten", "-1", "101%", "1.5", "10 %%", "1e3", "٣"])
def test_a_limit_that_is_none_is_said(blog: Blog, text: str) -> None:
    ran = run(blog, "prune", f"--max-delete={text}")
    assert ran.code == 2
    assert "--max-delete: expected a number such as 25" in ran.err


# --- In doubt ---------------------------------------------------------------------------------


def _unreadable_post(blog: Blog) -> None:
    blog.write("odd.md", b"\x81\xff\x00 no encoding \xff\xfe\x00")


def _linked_post(blog: Blog) -> None:
    (blog.root / "posts" / "link.md").symlink_to("/etc/hostname")


def _no_posts(blog: Blog) -> None:
    for path in (blog.root / "posts").iterdir():
        path.unlink()


def _closed_folder(blog: Blog) -> None:
    blog.write("closed/post.md", "nobody can say what is in here")


def _no_manifest(blog: Blog) -> None:
    (blog.root / "manifests" / "images.jsonl").unlink()


def _empty_manifest(blog: Blog) -> None:
    path = blog.root / "manifests" / "images.jsonl"
    path.write_text(path.read_text().partition("\n")[0] + "\n")


@pytest.mark.parametrize(
    ("doubt", "words"),
    [
        (_unreadable_post, "odd.md could not be scanned"),
        (_linked_post, "link.md could not be scanned"),
        (_closed_folder, "posts/closed/ could not be scanned"),
        (_no_posts, "the posts: there is none"),
        (_no_manifest, "the manifest: names no object"),
        (_empty_manifest, "the manifest: names no object"),
    ],
)
def test_in_doubt_nothing_goes(
    blog: Blog,
    local: Store,
    doubt: Callable[[Blog], None],
    words: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    commands.make_unreadable(monkeypatch, blog.root / "posts" / "closed")
    doubt(blog)
    before = keys(local)
    unread = "could not be scanned" in words
    for more, code in ([], 3 if unread else 0), (["--yes"], 4):
        ran = run(blog, "prune", "--max-delete", "100%", *more)
        assert ran.code == code
        assert words in ran.out
        assert keys(local) == before


def test_a_destination_that_is_down_does_not_stop_the_others(
    blog: Blog, local: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    path = blog.root / "mirror.toml"
    down = '[[destination]]\nname = "down"\nurl = "s3://b"\nendpoint_url = "http://127.0.0.1:9"\n'
    path.write_text(path.read_text() + down)
    ran = run(blog, "prune", "--yes", "--max-delete", "1", "--json")
    assert (ran.code, ran.rules) == (3, ["M306"])
    assert STRAY not in keys(local)


def test_what_could_not_be_listed_is_not_counted_as_nothing(
    blog: Blog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    filled(blog, "a.png")
    path = blog.root / "mirror.toml"
    down = '[[destination]]\nname = "down"\nurl = "s3://b"\nendpoint_url = "http://127.0.0.1:9"\n'
    path.write_text(path.read_text().partition("[[destination]]")[0] + down)
    stored = run(blog, "sync")
    assert stored.code == 3
    assert "no destination could be used" in stored.out
    ran = run(blog, "prune")
    assert ran.code == 3
    assert ran.out.endswith("no destination could be listed: nothing was deleted\n")


def test_deleting_takes_the_lock_and_listing_does_not(blog: Blog, local: Store) -> None:
    with blog.site.lock("mirror sync"):
        assert run(blog, "prune", "--max-delete", "1").code == 0
        ran = run(blog, "prune", "--max-delete", "1", "--yes")
        assert ran.code == 4
        assert f"process {os.getpid()}" in ran.err
    assert STRAY in keys(local)


def test_what_cannot_be_deleted_is_said(
    blog: Blog, local: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "unlink", refuse)
    ran = run(blog, "prune", "--yes", "--max-delete", "1", "--json")
    assert (ran.code, ran.rules, ran.summary["deleted"]) == (3, ["M308"], 0)
    assert STRAY in keys(local)


def test_odd_names_are_shown_on_one_line(blog: Blog) -> None:
    filled(blog, *NAMES)
    folder = blog.root / "static" / "images"
    (folder / "ab").mkdir(exist_ok=True)
    (folder / "ab" / "x\\..\\..\\y\n.png").write_bytes(b"odd")
    ran = run(blog, "prune", "--yes", "--max-delete", "1")
    assert ran.code == 0
    assert r"ab/x\..\..\y\n.png" in ran.out
    assert keys(blog.site.destinations[0].store) == {blog.asset(name)["key"] for name in NAMES}


# --- What posts still show --------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        f"![](/images/{STRAY})",
        f"![](&#47;images\\/{STRAY})",
        f"`![](/images/{STRAY})`",
        f"```\n/images/{STRAY}\n```",
        f"<!-- <img src=/images/{STRAY}> -->",
        f"    indented /images/{STRAY}",
        f"see /images/{STRAY}。",
        f"[x]: /images/{STRAY}#anchor",
        f"---\ncover: /images/{STRAY}\n---\n",
        f'{{"a":"\\/images\\/{STRAY.replace("/", chr(92) + "/")}"}}',
    ],
)
def test_an_object_that_a_post_shows_in_any_way_is_kept(
    blog: Blog, local: Store, text: str
) -> None:
    blog.write("later.md", text)
    ran = run(blog, "prune", "--yes", "--max-delete", "100%", "--json")
    assert ran.code == 0
    (event, summary) = ran.events
    assert (event["type"], event["key"], event["post"]) == ("kept", STRAY, "posts/later.md")
    assert (summary["kept"], summary["deleted"]) == (1, 0)
    assert STRAY in keys(local)
    assert f"{STRAY} (5 B), shown by posts/later.md" in run(blog, "prune").out


def test_what_was_repointed_at_another_is_free_to_go(blog: Blog, local: Store) -> None:
    blog.write("later.md", f"![]({BUCKET}0.png) {STRAY}\n")
    ran = run(blog, "prune", "--json", "--max-delete", "1")
    assert [event["type"] for event in ran.events] == ["would-delete", "summary"]
