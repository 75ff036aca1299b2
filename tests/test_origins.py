"""Pictures that are read from the bucket behind a source, on a real server and in memory."""

from __future__ import annotations

import gzip
from dataclasses import replace

import pytest
from conftest import use
from servers import BUCKET, Server
from sites import Blog
from support.commands import picture

from mirror.fetch import Fetcher, FetchError, FetchLimits
from mirror.model import OCTETS, Key
from mirror.pipeline.origins import Origins
from mirror.store import MemoryStore, ObjectInfo
from mirror.urls.address import Url
from mirror.urls.sources import Locator, Source, SourceImage

HOST = "https://img.example.com/"
SOURCE = Source("img", (HOST,), "s3://src")


def located(name: str) -> SourceImage:
    found = Locator([SOURCE]).locate(Url(HOST + name))
    assert found is not None
    return found


def origins(store: MemoryStore) -> Origins:
    return Origins(Fetcher(FetchLimits()), {}, {SOURCE.name: store}, max_bytes=10**6)


class Rotten(MemoryStore):
    """Gives other bytes than it says it has."""

    def stat(self, key: Key) -> ObjectInfo | None:
        info = super().stat(key)
        return replace(info, md5="0" * 32) if info else None


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_body_is_as_it_was_stored_and_unpacked(pack) -> None:
    store = MemoryStore("memory")
    store.put(Key("a.png"), pack(picture(1)), OCTETS)
    body = origins(store).read(located("a.png"))
    assert body is not None
    assert body.data == picture(1)


def test_a_body_that_is_not_what_the_bucket_says_is_refused() -> None:
    store = Rotten("memory")
    store.put(Key("a.png"), picture(1), OCTETS)
    with pytest.raises(FetchError, match="MD5 in ETag"):
        origins(store).read(located("a.png"))


def test_a_source_can_be_its_bucket(
    blog: Blog, rclone: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = use(rclone, monkeypatch)
    assert server.folder is not None
    keys = ("a.png", "图 (1).png", "C++.png")
    for seed, key in enumerate(keys):
        server.client().put_object(Bucket=BUCKET, Key=f"origin/{key}", Body=picture(seed))
    config = blog.root / "mirror.toml"
    bucket = f's3://{BUCKET}/origin"\nendpoint_url = "{server.endpoint_url}"\nregion = "us-east-1'
    config.write_text(config.read_text().replace(blog.host.base_url, bucket))
    blog.write("post.md", "".join(f"![](<BUCKET/{key}>)\n\n" for key in (*keys, "gone.png")))
    result = blog.sync()
    assert [finding.subject.rpartition("/")[2] for finding in result.findings] == ["gone.png"]
    assert sorted(blog.objects().values()) == sorted(map(picture, range(len(keys))))
