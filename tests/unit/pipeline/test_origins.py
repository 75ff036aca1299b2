"""Pictures that are read from the bucket behind a source, on a real server and in memory."""

from __future__ import annotations

import gzip
from dataclasses import replace

import pytest
from support.commands import picture

from mirror.config import FetchSettings
from mirror.fetch import FetchError, Kind
from mirror.fetch.fetcher import Fetcher
from mirror.fetch.limits import FetchLimits
from mirror.host import ImageHost, Request, Response
from mirror.model import OCTETS, Key
from mirror.pipeline.origins import Origins, open_fetcher, open_origins
from mirror.store import MemoryStore, ObjectInfo
from mirror.urls.address import Url
from mirror.urls.sources import Locator, Source, SourceImage

HOST = "https://img.example.com/"
SOURCE = Source("img", (HOST,), "s3://src")


def located(name: str) -> SourceImage:
    location = Locator([SOURCE]).locate(Url(HOST + name))
    assert location is not None
    return location


def origins(store: MemoryStore) -> Origins:
    return Origins(Fetcher(FetchLimits()), {}, {SOURCE.name: store}, max_bytes=10**6, fetchers={})


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


class Redirecting(ImageHost):
    """Sends everyone on to `location`, if it is set."""

    location = ""

    def answer(self, request: Request) -> Response:
        if not self.location:
            return super().answer(request)
        return Response(302, {"Location": self.location})


def test_only_the_source_that_names_a_private_host_and_port_may_ask_it() -> None:
    pictures = {"a.png": picture(1)}
    with Redirecting(pictures) as redirecting, ImageHost(pictures) as private:
        named = Source("named", ("https://a.example/",), private.base_url)
        other = Source("other", ("https://b.example/",), redirecting.base_url)
        plain = Source("plain", (private.base_url.replace("127.0.0.1", "127.0.0.2"),))
        with open_origins([named, other, plain], FetchSettings(retries=0)) as opened:

            def read(url: str) -> bytes:
                image = Locator([named, other, plain]).locate(Url(url))
                assert image is not None
                body = opened.read(image)
                assert body is not None
                return body.data

            assert read("https://a.example/a.png") == pictures["a.png"]
            assert read("https://b.example/a.png") == pictures["a.png"]
            asked = private.requests.total()
            redirecting.location = private.base_url + "a.png"
            for url in ("https://b.example/a.png", plain.match[0] + "a.png"):
                with pytest.raises(FetchError) as error:
                    read(url)
                assert error.value.kind is Kind.REFUSED
            assert private.requests.total() == asked


@pytest.mark.parametrize(
    ("fetch", "exempt"),
    [
        ("http://127.0.0.1/", "http://127.0.0.1/a.png"),
        ("http://127.0.0.1:9000/x/", "http://127.0.0.1:9000/a.png"),
        ("https://[::1]/", "https://[::1]/a.png"),
    ],
)
def test_the_exemption_is_for_a_host_and_a_port(fetch: str, exempt: str) -> None:
    others = ["http://127.0.0.1:8080/a.png", "https://127.0.0.1/a.png", "http://[::1]/a.png"]
    with open_fetcher(FetchSettings(retries=0, timeout_s=1), fetch) as fetcher:
        for url in (exempt, *others):
            with pytest.raises(FetchError) as error:
                fetcher.fetch(Url(url))
            assert (error.value.kind is Kind.REFUSED) == (url != exempt), url
