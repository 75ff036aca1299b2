"""Posts whose addresses hold secrets, in every place of a URL: no command writes one down."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest
from support.commands import BUCKET, picture, run
from support.sites import Blog

from mirror.host import ImageHost, Request, Response

PATHS = (
    "q.png?token=planted-1&v=2",
    "token=planted-2/a.png",
    "w_1,token=planted-3/a.png",
    "f.png#token=planted-4",
    "n.png?url=https%3A%2F%2Fx.example%2Fa.png%3Ftoken%3Dplanted-5",
    "p/https://x.example/a.png%3Ftoken%3Dplanted-6",
    "j.png?d=%7B%22token%22%3A%22planted-7%22%7D",
    "j.png;jsessionid=planted-8",
    "s.png?X-Amz-Signature=planted-9&X-Amz-Credential=planted-10",
    "u.png?u=https://user:planted-11@x.example/a.png",
    "missing.png?token=planted-12",
)
URLS = (*(BUCKET + path for path in PATHS), BUCKET.replace("//", "//user:planted-0@") + "u.png")
COMMANDS = (
    "scan --json|sync|sync --json|verify --posts --archive|verify --posts --json|rewrite --dry-run"
    "|rewrite|rewrite --revert --dry-run|rewrite --revert|rewrite --drop-secrets --dry-run"
    "|rewrite --drop-secrets|verify --posts --format sarif|report|leftovers --json|dupes|repair"
    "|restore out|prune|doctor|rewrite --revert"
)


class EchoingHost(ImageHost):
    """A host that has a picture for each path, and repeats the request in its errors."""

    def answer(self, request: Request) -> Response:
        if "missing" in request.key:
            body = f'{{"error": "no {unquote(request.key)}", "token": "planted-13"}}'
            return Response(404, {"Content-Type": "application/json"}, body.encode())
        seed = sum(request.key.encode())
        self.put(request.key, picture(seed))
        return super().answer(request)


@pytest.fixture
def blog(tmp_path: Path) -> Iterator[Blog]:
    with EchoingHost({}) as host:
        blog = Blog(tmp_path, host)
        blog.configure()
        blog.write("a.md", "".join(f"![a]({url})\n\n" for url in URLS))
        blog.write("b.md", "".join(f'<img src="{url}">\n\n' for url in URLS))
        definitions = "".join(f"![][{n}]\n[{n}]: <{url}>\n" for n, url in enumerate(URLS))
        blog.write("c.md", f"---\ncover: {URLS[0]}\n---\n{definitions}")
        yield blog


def test_no_command_writes_a_secret_of_a_post_anywhere_else(blog: Blog) -> None:
    posts = blog.root / "posts"
    for command in COMMANDS.split("|"):
        ran = run(blog, *command.split())
        assert ran.code in (0, 1, 3), (command, ran)
        assert "planted" not in ran.out + ran.err, command
        for path in blog.root.rglob("*"):
            if path.is_file() and not path.is_relative_to(posts):
                assert "planted" not in str(path.relative_to(blog.root)), command
                assert b"planted" not in path.read_bytes(), (command, path)
    lines = (posts / "a.md").read_text().split("\n\n")
    # What `--drop-secrets` was told to drop stays at the mirror; the rest comes back without it.
    assert f"![a]({BUCKET}missing.png?token=planted-12)" in lines
    assert f"![a]({BUCKET}s.png)" in lines
    assert len([line for line in lines if "/images/" in line]) == 7
