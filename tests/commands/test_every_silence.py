"""A bucket or a host that takes the connection and never answers is named by each command."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterator
from threading import Thread

import pytest
from support.commands import BUCKET, filled, run
from support.sites import Blog

from mirror import waiting
from mirror.store import connection

DESTINATION = """
[[destination]]
name = "r2"
url = "s3://pictures/blog"
endpoint_url = "http://127.0.0.1:{port}"
region = "us-east-1"
public_url = "http://127.0.0.1:{port}/blog"
[fetch]
timeout_s = 1
retries = 0
"""


@pytest.fixture
def kept() -> list[socket.socket]:
    """The connections that the silent server has taken."""
    return []


@pytest.fixture
def silent_port(kept: list[socket.socket]) -> Iterator[int]:
    """The port of a server that keeps every connection open, and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            try:
                while True:
                    kept.append(listener.accept()[0])
            except OSError:  # the test is over
                pass

        thread = Thread(target=accept, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
        for client in kept:
            client.close()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a second stand for the half minute that a request may take."""
    monkeypatch.setattr(waiting, "SILENCE_S", 0.2)
    monkeypatch.setattr(waiting, "_LOOK_S", 0.01)
    monkeypatch.setattr(connection, "_READ_TIMEOUT_S", 1)
    monkeypatch.setattr(connection, "_ATTEMPTS", 1)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    for name in ("AWS_MAX_ATTEMPTS", "AWS_RETRY_MODE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def silent(blog: Blog, silent_port: int, impatient: None) -> Blog:
    """A blog with two images, whose destination is silent by now."""
    filled(blog, "a.png", "b.png")
    path = blog.root / "mirror.toml"
    head = path.read_text().partition("[[destination]]")[0]
    path.write_text(head + DESTINATION.format(port=silent_port))
    return blog


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (["sync"], 3),
        (["sync", "--quiet", "--json"], 3),
        (["verify"], 3),
        (["verify", "--posts", "--deep"], 3),
        (["rewrite"], 3),
        (["rewrite", "--check"], 3),
        (["prune"], 3),
        (["repair"], 3),
        (["doctor"], 1),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_each_command_names_a_silent_bucket_once_and_ends(
    silent: Blog, silent_port: int, command: list[str], code: int
) -> None:
    ran = run(silent, *command)
    assert ran.code == code
    bucket = f"waiting for r2: bucket 'pictures' at http://127.0.0.1:{silent_port}: no answer for "
    assert ran.err.count(bucket) == 1
    assert "given up after 1 s\n" in ran.err
    assert "waiting for" not in ran.out


def test_restore_names_a_silent_bucket(silent: Blog) -> None:
    shutil.rmtree(silent.root / "archive")
    ran = run(silent, "restore", "out")
    assert ran.code == 3
    assert ran.err.count("waiting for r2: ") == 1


def test_an_archive_in_a_silent_bucket_is_named(silent: Blog, silent_port: int) -> None:
    path = silent.root / "mirror.toml"
    archive = f'[archive]\npath = "s3://old/x"\nendpoint_url = "http://127.0.0.1:{silent_port}"\n'
    path.write_text(path.read_text() + archive)
    ran = run(silent, "verify", "--archive")
    assert ran.code == 3
    assert ran.err.count("waiting for archive: bucket 'old' at ") == 1


def test_verify_names_a_public_host_that_is_silent(silent: Blog, silent_port: int) -> None:
    ran = run(silent, "verify", "--public")
    assert ran.code == 3
    assert ran.err.count(f"waiting for 127.0.0.1:{silent_port}: no answer for ") == 1


def test_sync_names_a_silent_image_host_once(blog: Blog, silent_port: int, impatient: None) -> None:
    blog.configure(more="[fetch]\ntimeout_s = 1\nretries = 0")
    path = blog.root / "mirror.toml"
    here = f"http://127.0.0.1:{silent_port}/"
    path.write_text(path.read_text().replace(blog.host.base_url, here))
    blog.write("post.md", "".join(f"![]({BUCKET}{number}.png)\n" for number in range(20)))
    ran = run(blog, "sync")
    assert ran.code == 3
    assert ran.err.count(f"waiting for 127.0.0.1:{silent_port}: no answer for ") == 1


def test_a_silent_bucket_of_a_source_is_not_asked_for_each_image(
    blog: Blog, silent_port: int, kept: list[socket.socket], impatient: None
) -> None:
    blog.configure(source=f'endpoint_url = "http://127.0.0.1:{silent_port}"\nregion = "us-east-1"')
    path = blog.root / "mirror.toml"
    text = path.read_text().replace(f'fetch = "{blog.host.base_url}"', 'fetch = "s3://blog"')
    path.write_text(f"{text}[fetch]\nconcurrency = 2\n")
    blog.write("post.md", "".join(f"![]({BUCKET}{number}.png)\n" for number in range(40)))
    ran = run(blog, "sync", "--json")
    assert ran.code == 3
    assert len(ran.rules) == 40
    assert "it did not answer the last 3 requests" in ran.out
    assert ran.err.count("waiting for blog: bucket 'blog' at ") == 1
    assert len(kept) <= 2 * 3


def test_nobody_is_named_where_all_answer(blog: Blog, impatient: None) -> None:
    blog.configure()
    filled(blog, "a.png", "b.png")
    assert "waiting for" not in run(blog, "sync", "--refresh").err
    assert "waiting for" not in run(blog, "verify").err
