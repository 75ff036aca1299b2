from __future__ import annotations

import base64
import hashlib
import http.client
import socket
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from email.utils import formatdate, parsedate_to_datetime
from pathlib import Path

import pytest

from mirror.host import ImageHost

DATA = bytes(range(256)) * 200
KEY = "notes/图 1.png"
PATH = "/notes/%E5%9B%BE%201.png"


@pytest.fixture
def host() -> Iterator[ImageHost]:
    with ImageHost({KEY: DATA, "empty.gif": b""}) as host:
        yield host


class Reply:
    """One answer, asked for with the standard library's own client."""

    def __init__(
        self,
        host: ImageHost,
        path: str = PATH,
        headers: Mapping[str, str] | None = None,
        method: str = "GET",
    ) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", host.port, timeout=10)
        try:
            connection.request(method, path, headers=dict(headers or {}))
            response = connection.getresponse()
            self.status = response.status
            self.headers = response.headers
            self.body = response.read()
        finally:
            connection.close()

    def code(self) -> str | None:
        return ET.fromstring(self.body).findtext("Code")  # noqa: S314  (our own host)


def test_an_object_comes_with_the_headers_of_oss(host: ImageHost) -> None:
    reply = Reply(host)
    md5 = hashlib.md5(DATA, usedforsecurity=False)
    assert (reply.status, reply.body) == (200, DATA)
    assert reply.headers["ETag"] == f'"{md5.hexdigest().upper()}"'
    assert reply.headers["Content-MD5"] == base64.b64encode(md5.digest()).decode()
    assert reply.headers["Content-Type"] == "image/png"
    assert reply.headers["x-oss-hash-crc64ecma"].isdigit()
    assert len(reply.headers["x-oss-request-id"]) == 24
    assert abs(parsedate_to_datetime(reply.headers["Last-Modified"]).timestamp() - time.time()) < 60


def test_the_crc_is_the_one_of_its_specification() -> None:
    with ImageHost({"check": b"123456789"}) as host:
        crc = int(Reply(host, "/check").headers["x-oss-hash-crc64ecma"])
    assert crc == 0x995DC9BBDF1939FA  # the check value of CRC-64/XZ


def test_head_is_get_without_the_body(host: ImageHost) -> None:
    got, head = Reply(host), Reply(host, method="HEAD")
    assert head.body == b""
    assert head.headers["Content-Length"] == str(len(DATA))
    varying = {"x-oss-request-id", "Date"}
    assert {n: t for n, t in head.headers.items() if n not in varying} == {
        n: t for n, t in got.headers.items() if n not in varying
    }


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("a.png", "image/png"),
        ("a.JPG", "image/jpeg"),
        ("a.webp", "image/webp"),
        ("a.avif", "image/avif"),
        ("a.svg", "image/svg+xml"),
        ("a.ico", "image/x-icon"),
        ("a", "application/octet-stream"),
    ],
)
def test_the_media_type_comes_from_the_name(name: str, media_type: str) -> None:
    with ImageHost({name: b"x"}) as host:
        assert Reply(host, f"/{name}").headers["Content-Type"] == media_type


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("bytes=0-9", DATA[:10]),
        ("bytes=100-", DATA[100:]),
        ("bytes=-5", DATA[-5:]),
        ("bytes=-999999999", DATA),
        ("bytes=10-999999999", DATA[10:]),
    ],
)
def test_a_range_is_answered_with_that_part(host: ImageHost, asked: str, expected: bytes) -> None:
    reply = Reply(host, headers={"Range": asked})
    assert (reply.status, reply.body) == (206, expected)
    first = len(DATA) - len(expected) if asked != "bytes=0-9" else 0
    last = first + len(expected) - 1
    assert reply.headers["Content-Range"] == f"bytes {first}-{last}/{len(DATA)}"
    assert "Content-MD5" not in reply.headers


@pytest.mark.parametrize("asked", ["bytes=-", "bytes=0-1,5-6", "lines=1-2", "bytes=a-b"])
def test_a_range_that_is_none_is_ignored(host: ImageHost, asked: str) -> None:
    reply = Reply(host, headers={"Range": asked})
    assert (reply.status, reply.body) == (200, DATA)


@pytest.mark.parametrize("asked", ["bytes=51200-", "bytes=99999-100000"])
def test_a_range_behind_the_end_cannot_be_satisfied(host: ImageHost, asked: str) -> None:
    reply = Reply(host, headers={"Range": asked})
    assert (reply.status, reply.code()) == (416, "InvalidRange")


def test_if_range_gives_the_part_of_the_same_version_only(host: ImageHost) -> None:
    whole = Reply(host).headers
    for condition, status in (
        (whole["ETag"], 206),
        (whole["Last-Modified"], 206),
        ('"another"', 200),
        (formatdate(0, usegmt=True), 200),
    ):
        assert Reply(host, headers={"Range": "bytes=5-", "If-Range": condition}).status == status


def test_conditional_requests_give_304_for_what_is_known(host: ImageHost) -> None:
    whole = Reply(host).headers
    etag, date = whole["ETag"], whole["Last-Modified"]
    for headers, status in (
        ({"If-None-Match": etag}, 304),
        ({"If-None-Match": f'"x", W/{etag}'}, 304),
        ({"If-None-Match": "*"}, 304),
        ({"If-None-Match": '"x"'}, 200),
        ({"If-None-Match": '"x"', "If-Modified-Since": date}, 200),  # the tag outweighs the date
        ({"If-Modified-Since": date}, 304),
        ({"If-Modified-Since": formatdate(0, usegmt=True)}, 200),
        ({"If-Modified-Since": "yesterday"}, 200),
    ):
        reply = Reply(host, headers=headers)
        assert (reply.status, headers) == (status, headers)
        assert reply.body == (b"" if status == 304 else DATA)


def test_a_missing_object_is_an_xml_error(host: ImageHost) -> None:
    reply = Reply(host, "/<no>.png")
    assert (reply.status, reply.code()) == (404, "NoSuchKey")
    assert reply.headers["Content-Type"] == "application/xml"
    document = ET.fromstring(reply.body)  # noqa: S314  (our own host)
    assert document.findtext("RequestId") == reply.headers["x-oss-request-id"]
    assert document.findtext("Key") == "<no>.png"


def test_only_reading_is_allowed(host: ImageHost) -> None:
    assert Reply(host, method="DELETE").code() == "MethodNotAllowed"


def test_the_referer_rule_refuses_everyone_else() -> None:
    with ImageHost({"a.png": DATA}, referer="https://blog.example/") as host:
        for referer, status in (
            ("https://blog.example/post", 200),
            ("https://other.example/", 403),
            ("", 403),
        ):
            assert Reply(host, "/a.png", {"Referer": referer}).status == status
        reply = Reply(host, "/a.png")
        assert reply.code() == "AccessDenied"
        assert b"referer" in reply.body


def test_put_and_remove_change_what_is_served(host: ImageHost) -> None:
    before = Reply(host).headers["ETag"]
    host.put(KEY, b"new")
    assert Reply(host).body == b"new"
    assert Reply(host).headers["ETag"] != before
    host.remove(KEY)
    assert Reply(host).status == 404


def test_a_folder_is_served_file_by_file(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "served" / "deep").mkdir(parents=True)
    (tmp_path / "secret.txt").write_bytes(b"secret")
    (tmp_path / "served" / "deep" / "a.png").write_bytes(DATA)
    with ImageHost(tmp_path / "served") as host:
        assert Reply(host, "/deep/a.png").body == DATA
        for path in ("/../secret.txt", "/deep/../../secret.txt", "/%2e%2e/secret.txt", "/deep"):
            assert Reply(host, path).status == 404
        (tmp_path / "served" / "deep" / "a.png").unlink()
        assert Reply(host, "/deep/a.png").status == 404


def test_requests_are_counted_by_method_and_decoded_path(host: ImageHost) -> None:
    Reply(host)
    Reply(host, PATH + "?x-oss-process=style/a")
    Reply(host, method="HEAD")
    assert host.requests == {f"GET {KEY}": 2, f"HEAD {KEY}": 1}
    assert [request.target for request in host.received][1] == PATH + "?x-oss-process=style/a"


def test_one_connection_carries_many_requests_even_in_one_packet(host: ImageHost) -> None:
    with socket.create_connection(("127.0.0.1", host.port), timeout=10) as client:
        get = b"GET /empty.gif HTTP/1.1\r\nHost: h\r\n\r\n"
        client.sendall(get + get)
        client.sendall(b"HEAD /none HTTP/1.1\r\nConnection: close\r\n\r\n")
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    assert answer.count(b"HTTP/1.1 200 OK\r\n") == 2
    assert answer.count(b"HTTP/1.1 404 Not Found\r\n") == 1


@pytest.mark.parametrize(
    "garbage", [b"\r\n\r\n", b"GET\r\n\r\n", b"x" * 200_000, b"\xff\x00\r\n\r\n"]
)
def test_garbage_ends_its_connection_and_nothing_else(host: ImageHost, garbage: bytes) -> None:
    with socket.create_connection(("127.0.0.1", host.port), timeout=10) as client:
        try:
            client.sendall(garbage)
            assert client.recv(1) == b""
        except ConnectionError:
            pass
    assert Reply(host).status == 200


def test_a_closed_host_answers_nobody() -> None:
    with ImageHost({}) as host, socket.create_connection(("127.0.0.1", host.port)) as client:
        client.sendall(b"GET / HTTP/1.1\r\n\r\n")
        client.recv(1)
        host.close()
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(("127.0.0.1", host.port))
