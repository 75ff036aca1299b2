"""Sources that are read from their bucket."""

from __future__ import annotations

from hashlib import md5

import pytest
from support.commands import picture, run
from support.scripted import Response, scripted_server
from support.sites import Blog


def test_objects_whose_names_are_gbk_are_backed_up(
    blog: Blog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    pictures = {"/bucket/%D6%D0.png": picture(1), "/bucket/%CE%C4.png": picture(2)}

    def respond(path: str) -> Response:
        if path not in pictures:
            return Response(404, b"<Error><Code>NoSuchKey</Code></Error>")
        etag = md5(pictures[path], usedforsecurity=False).hexdigest()
        return Response(body=pictures[path], headers={"ETag": f'"{etag}"'})

    with scripted_server() as server:
        server.respond = respond
        blog.configure(source=f'endpoint_url = "{server.url}"')
        path = blog.root / "mirror.toml"
        text = path.read_text().replace(f'"{blog.host.base_url}"', '"s3://bucket"')
        path.write_text(text)
        blog.write("post.md", "![](BUCKET/%D6%D0.png) ![](BUCKET/%CE%C4.png) ![](BUCKET/%FF.png)")
        ran = run(blog, "sync", "--json")
    assert ran.rules == ["M201"]
    assert ran.summary["fetched"] == 2
    assert {asset["size"] for asset in blog.assets} == {len(data) for data in pictures.values()}
    assert {path for _, path, _ in server.requests} == {*pictures, "/bucket/%FF.png"}
