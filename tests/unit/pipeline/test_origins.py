"""Pictures that are read from the bucket behind a source, on a real server and in memory."""

from __future__ import annotations

import gzip
from dataclasses import replace

import pytest
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
