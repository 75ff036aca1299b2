"""Buckets whose list is complete, and in another order than that of the keys' bytes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from conftest import use
from support.commands import BUCKET, filled, picture, run, s3_destination
from support.quirks import QuirkyServer, Stored, quirky
from support.servers import Servers
from support.sites import Blog

# Sorted by bytes, a name such as `p/1.png` stands between `p/1` and `p/1/x.png`.
NAMES = ("p/1.png", "p/1/x.png", "p/1/y.png", "p-a.png", "p/1a/x.png", "q.png", "a.png")
DESTINATION = """
key = "{source}/{path}"
[[destination]]
name = "bucket"
url = "s3://mirror-test/blog"
public_url = "https://img.example.org/blog"
key = "{source}/{path}"
"""


@pytest.fixture(params=["hash", "folders"])
def server(
    request: pytest.FixtureRequest, blog: Blog, monkeypatch: pytest.MonkeyPatch
) -> Iterator[QuirkyServer]:
    """A server that lists two objects at a time, and a blog that is backed up to it."""
    with quirky("minio", list_order=request.param, page_keys=2) as server:
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        blog.configure(destination=f'{DESTINATION}endpoint_url = "{server.endpoint_url}"')
        filled(blog, *NAMES)
        yield server


def key(name: str) -> str:
    return f"blog/blog/{name}"


def test_a_finished_backup_is_green_again_and_again(blog: Blog, server: QuirkyServer) -> None:
    assert server.objects.keys() >= {key(name) for name in NAMES}
    again = run(blog, "sync", "--json")
    assert (again.code, again.summary["stored"]) == (0, 0)
    verified = run(blog, "verify", "--json")
    assert (verified.code, verified.rules) == (0, [])
    pruned = run(blog, "prune", "--json")
    assert (pruned.code, pruned.summary["extra"]) == (0, 0)
    assert "ok paging: a list in pages is complete" in run(blog, "doctor").out
    assert run(blog, "verify").code == 0


def test_missing_different_and_extra_objects_are_told_apart(
    blog: Blog, server: QuirkyServer
) -> None:
    before = dict(server.objects)
    del server.objects[key("p/1/x.png")]
    server.objects[key("a.png")] = Stored(picture(99), {})
    server.objects["blog/p/0.png"] = Stored(b"stray", {})
    verified = run(blog, "verify", "--json")
    subjects = {
        (event["rule"], event["subject"]) for event in verified.events if event["type"] == "finding"
    }
    assert subjects == {
        ("M301", "blog/p/1/x.png"),
        ("M302", "blog/a.png"),
        ("M303", "p/0.png"),
    }
    assert len(verified.rules) == 3
    assert run(blog, "repair").code == 0
    assert run(blog, "prune", "--yes", "--max-delete", "1").code == 0
    assert run(blog, "verify").code == 0
    assert {name: stored.data for name, stored in server.objects.items()} == {
        name: stored.data for name, stored in before.items()
    }


def test_posts_are_repointed(blog: Blog, server: QuirkyServer) -> None:
    assert run(blog, "rewrite").code == 0
    assert BUCKET not in blog.read("post.md")


def test_a_key_that_is_the_folder_of_another_stops_no_other(
    blog: Blog, servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a folder and on a server whose objects are files; in a usual bucket both are kept."""
    rclone = s3_destination(use(servers["rclone"], monkeypatch), key="{source}/{path}")
    moto = s3_destination(servers["moto"], "moto", key="{source}/{path}")
    blog.configure(destination='key = "{source}/{path}"', more=rclone + moto)
    for seed, name in enumerate(("p", "p/1.png", "q.png")):
        blog.host.put(name, picture(seed))
        blog.write(f"{seed}.md", f"![](<{BUCKET}{name}>)")
    ran = run(blog, "sync", "--json")
    assert ran.code == 3
    assert ran.rules == ["M305", "M305"]
    kept = {
        destination.name: {
            info.key for info in destination.store.list() if "/sites/" not in info.key
        }
        for destination in blog.site.destinations
    }
    assert kept["moto"] == {"blog/p", "blog/p/1.png", "blog/q.png"}
    for name in ("site", "bucket"):
        assert len(kept[name]) == 2
        assert "blog/q.png" in kept[name]
