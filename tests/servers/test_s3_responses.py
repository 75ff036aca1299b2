"""Responses of providers, from a server on loopback that gives one after the other."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from gzip import compress
from hashlib import md5
from itertools import chain, count, repeat
from pathlib import Path
from socketserver import BaseRequestHandler
from threading import Thread
from time import sleep

import pytest
from support.fetching import Scripted, Tunnel, new_authority
from support.quirks import Listener
from support.scripted import Response, ScriptedServer, scripted_server

from mirror.host import Response as HostResponse
from mirror.model import Key
from mirror.store import (
    AccessError,
    CredentialsError,
    ExistsError,
    ListingError,
    NoBucketError,
    NotFoundError,
    ObjectInfo,
    S3Settings,
    StoreError,
    TooLargeError,
    UnreachableError,
)
from mirror.store.listing import Page
from mirror.store.profiles import profile_of
from mirror.store.s3 import S3Store
from mirror.waiting import Waits


def digest(data: bytes) -> str:
    return md5(data, usedforsecurity=False).hexdigest()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask once only: what fails here fails the next time too."""
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedServer]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    with scripted_server() as scripted:
        yield scripted


def s3(endpoint_url: str, **settings: object) -> S3Store:
    return S3Store("r2", S3Settings("bucket", "blog", endpoint_url, **settings))  # type: ignore[arg-type]


def error(status: int, code: str) -> Response:
    return Response(status, f"<Error><Code>{code}</Code><Message>Said.</Message></Error>".encode())


def stored(data: bytes, **headers: str) -> Response:
    return Response(headers={"ETag": f'"{digest(data)}"'} | headers)


@pytest.mark.parametrize(
    ("endpoint", "provider", "region", "url"),
    [
        (
            "http://s3.oss-cn-beijing.aliyuncs.com",
            "aliyun-oss",
            "cn-beijing",
            "http://bucket.s3.oss-cn-beijing.aliyuncs.com/blog/k",
        ),
        (
            "http://oss-cn-beijing-internal.aliyuncs.com",
            "aliyun-oss",
            "cn-beijing",
            "http://bucket.oss-cn-beijing-internal.aliyuncs.com/blog/k",
        ),
        (
            "http://cos.ap-shanghai.myqcloud.com",
            "tencent-cos",
            "ap-shanghai",
            "http://bucket.cos.ap-shanghai.myqcloud.com/blog/k",
        ),
        (
            "http://s3-cn-east-1.qiniucs.com",
            "qiniu",
            "cn-east-1",
            "http://bucket.s3-cn-east-1.qiniucs.com/blog/k",
        ),
        (
            "http://obs.cn-north-4.myhuaweicloud.com",
            "huawei-obs",
            "cn-north-4",
            "http://bucket.obs.cn-north-4.myhuaweicloud.com/blog/k",
        ),
        (
            "http://tos-s3-cn-beijing.volces.com",
            "volcengine-tos",
            "cn-beijing",
            "http://bucket.tos-s3-cn-beijing.volces.com/blog/k",
        ),
        (
            "http://0123abcd.r2.cloudflarestorage.com",
            "cloudflare-r2",
            "auto",
            "http://0123abcd.r2.cloudflarestorage.com/bucket/blog/k",
        ),
        (
            "http://s3.us-west-004.backblazeb2.com",
            "backblaze-b2",
            "us-west-004",
            "http://s3.us-west-004.backblazeb2.com/bucket/blog/k",
        ),
        (
            "http://s3.eu-west-1.amazonaws.com",
            "aws",
            "eu-west-1",
            "http://s3.eu-west-1.amazonaws.com/bucket/blog/k",
        ),
        (
            "http://storage.example.org",
            "generic",
            "us-east-1",
            "http://storage.example.org/bucket/blog/k",
        ),
    ],
)
def test_each_provider_is_spoken_to_in_its_way(
    server: ScriptedServer,
    monkeypatch: pytest.MonkeyPatch,
    endpoint: str,
    provider: str,
    region: str,
    url: str,
) -> None:
    monkeypatch.setenv("HTTP_PROXY", server.url)
    assert profile_of(endpoint, "auto").name == provider
    conditional = profile_of(endpoint, "auto").create_only.value == "honoured"
    server.responses = [stored(b"1")] if conditional else [stored(b"1"), error(412, "Precondition")]
    s3(endpoint).put(Key("k"), b"1", "image/png", absent=True)
    method, asked, headers = server.requests[0]
    assert (method, asked) == ("PUT", url)
    assert f"/{region}/s3/aws4_request" in headers["authorization"]
    assert headers["content-md5"] == "xMpCOKC5I4INzFCab3WEmw=="
    assert headers["content-type"] == "image/png"
    assert headers["if-none-match"] == "*"
    assert headers["content-length"] == "1"
    assert "transfer-encoding" not in headers
    assert "x-amz-trailer" not in headers
    if provider != "aws":
        assert not [name for name in headers if "checksum" in name]


@pytest.mark.parametrize(("size", "asks"), [(1_000_000, False), (1_000_001, True)])
def test_only_for_much_the_server_is_asked_whether_it_may_come(
    server: ScriptedServer, size: int, asks: bool
) -> None:
    data = bytes(size)
    server.responses = [stored(data), error(412, "PreconditionFailed")]
    s3(server.url).put(Key("k"), data, absent=True)
    assert ("expect" in server.requests[0][2]) is asks


def test_no_endpoint_means_amazon_unless_the_environment_says_otherwise(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert profile_of(None, "auto").name == "aws"
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", server.url)
    server.responses = [stored(b"1"), error(412, "PreconditionFailed")]
    S3Store("r2", S3Settings("bucket")).put(Key("k"), b"1", absent=True)
    assert server.requests[0][1] == "/bucket/k"
    server.responses = [error(403, "AccessDenied")]
    with pytest.raises(AccessError, match=server.url):
        list(S3Store("r2", S3Settings("bucket")).list())
    assert not [name for name in server.requests[0][2] if "checksum" in name]


def test_a_server_that_refuses_create_only_is_asked_first(server: ScriptedServer) -> None:
    missing = Response(404)
    server.responses = [missing, error(501, "NotImplemented"), missing, stored(b"1")]
    store = s3(server.url)
    store.put(Key("k"), b"1")
    assert [seen[0] for seen in server.requests] == ["HEAD", "PUT", "HEAD", "PUT"]
    assert "if-none-match" not in server.requests[-1][2]
    server.responses = [Response(headers={"ETag": '"00"', "Content-Length": "5"})]
    with pytest.raises(ExistsError):
        store.put(Key("k"), b"1")


def test_an_etag_in_capitals_is_an_md5(server: ScriptedServer) -> None:
    server.responses = [Response(headers={"ETag": f'"{digest(b"1").upper()}"'})]
    info = s3(server.url).stat(Key("k"))
    assert info == ObjectInfo(Key("k"), 0, digest(b"1"))


@pytest.mark.parametrize(
    "headers",
    [
        {"ETag": f'"{digest(b"1")}-2"'},
        {"ETag": ""},
        {"ETag": f'"{digest(b"1")}"', "x-amz-server-side-encryption": "aws:kms"},
    ],
    ids=["parts", "none", "kms"],
)
def test_other_etags_vouch_for_nothing(server: ScriptedServer, headers: dict[str, str]) -> None:
    server.responses = [Response(headers=headers)]
    info = s3(server.url).stat(Key("k"))
    assert info
    assert info.md5 is None


def test_an_answer_that_names_other_bytes_is_looked_into(server: ScriptedServer) -> None:
    store = s3(server.url, provider="ceph")
    server.responses = [stored(b"2"), Response(body=b"1")]
    store.put(Key("k"), b"1")
    server.responses = [stored(b"2"), Response(body=b"2")]
    with pytest.raises(StoreError, match="other bytes are there"):
        store.put(Key("k"), b"1")


def test_a_key_that_is_no_utf_8_is_asked_for_by_its_bytes(server: ScriptedServer) -> None:
    """`%D6%D0` is a Chinese character in GBK."""
    raw = b"img/\xd6\xd0 +%~\xe4\xb8\xad.png"
    key = Key(raw.decode("utf-8", "surrogateescape"))
    store = s3(server.url)
    server.responses = [Response(headers=stored(b"1").headers), Response(body=b"1")]
    assert store.stat(key)
    assert store.get(key) == b"1"
    path = "/bucket/blog/img/%D6%D0%20%2B%25~%E4%B8%AD.png"
    assert [(method, asked) for method, asked, _ in server.requests] == [
        ("HEAD", path), ("GET", path)
    ]  # fmt: skip
    server.responses = [error(404, "NoSuchKey")]
    with pytest.raises(NotFoundError, match="no object"):
        store.get(key)


@pytest.mark.parametrize(
    "response",
    [
        pytest.param(error(404, "NoSuchKey"), id="endpoint_url with the bucket behind it"),
        pytest.param(Response(404, b"<html>Not Found</html>"), id="a web server"),
    ],
)
def test_a_list_without_a_bucket_names_endpoint_url(
    server: ScriptedServer, response: Response
) -> None:
    server.responses = [response]
    with pytest.raises(NoBucketError, match=r"ListObjectsV2 was answered 404.* is endpoint_url an"):
        list(s3(server.url).list())


def test_a_missing_bucket_is_named_as_a_source_has_it_too(server: ScriptedServer) -> None:
    """A source names its bucket in `fetch`, a destination in `url`."""
    server.responses = [error(404, "NoSuchBucket")]
    with pytest.raises(NoBucketError, match="create the bucket, or correct its name"):
        s3(server.url).get(Key("a.png"))


def test_a_body_cut_short_is_asked_for_again(server: ScriptedServer) -> None:
    cut = Response(body=b"pict", headers={"Content-Length": "7"})
    server.responses = [cut, cut, Response(body=b"picture")]
    assert s3(server.url).get(Key("k")) == b"picture"
    server.responses = [cut, cut, cut]
    with pytest.raises(UnreachableError, match="run again"):
        s3(server.url).get(Key("k"))


def test_an_object_without_end_is_an_error(server: ScriptedServer) -> None:
    server.responses = [Response(chunks=repeat(bytes(65_536)))]
    with pytest.raises(TooLargeError, match="'k' is longer than 1000000 bytes"):
        s3(server.url).get(Key("k"), max_bytes=1_000_000)
    assert len(server.requests) == 1


def test_an_upload_that_is_answered_with_an_object_without_end_is_an_error(
    server: ScriptedServer,
) -> None:
    server.responses = [stored(b"2"), Response(chunks=repeat(bytes(65_536)))]
    with pytest.raises(StoreError, match="other bytes are there"):
        s3(server.url, provider="ceph").put(Key("k"), b"1")


def test_a_body_cut_short_within_the_limit_is_asked_for_again(server: ScriptedServer) -> None:
    cut = Response(body=b"pict", headers={"Content-Length": "7"})
    server.responses = [cut, cut, Response(body=b"picture")]
    assert s3(server.url).get(Key("k"), max_bytes=100) == b"picture"


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "XMinioParentIsObject"),
        (409, "XMinioObjectExistsAsDirectory"),
        (409, "ObjectParentIsFile"),
        (409, "ExistingObjectIsDirectory"),
    ],
)
def test_a_key_that_is_the_folder_of_another_fails_alone(
    server: ScriptedServer, status: int, code: str
) -> None:
    server.responses = [error(status, code)]
    with pytest.raises(StoreError, match="no key is the folder of another") as caught:
        s3(server.url, provider="minio").put(Key("a"), b"1", absent=True)
    assert type(caught.value) is StoreError


@pytest.mark.parametrize(
    ("response", "kind", "words"),
    [
        (error(403, "AccessDenied"), AccessError, "(AccessDenied: Said.); let these credentials"),
        (error(403, "RequestTimeTooSkewed"), AccessError, "clock"),
        (error(403, "SecondLevelDomainForbidden"), AccessError, 'addressing = "virtual"'),
        (error(400, "ExpiredToken"), CredentialsError, "log in again"),
        (error(400, "AuthorizationHeaderMalformed"), AccessError, "`region`"),
        (error(503, "SlowDown"), UnreachableError, "run again later"),
        (error(418, "Teapot"), StoreError, "418 (Teapot: Said.)"),
        (Response(502, b"<html>Bad gateway</html>"), UnreachableError, "502"),
        (Response(200, b"<html><p>Log in<br></html>"), UnreachableError, "was answered 200 with a"),
        (Response(200, b'{"code": 1}'), UnreachableError, "is endpoint_url an S3 server's?"),
        (
            error(200, "SlowDown"),
            UnreachableError,
            "was answered 200 (SlowDown: Said.); the server",
        ),
        (Response(200, b"<html><p>Log in</p></html>"), StoreError, "no listing"),
        (Response(200, b""), StoreError, "no listing"),
    ],
)
@pytest.mark.usefixtures("impatient")
def test_an_answer_that_is_no_listing_is_no_empty_listing(
    server: ScriptedServer, response: Response, kind: type[StoreError], words: str
) -> None:
    server.responses = [response]
    with pytest.raises(kind) as caught:
        list(s3(server.url).list())
    assert words in str(caught.value)
    assert server.url in str(caught.value)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("status", [200, 400, 403, 503])
def test_secrets_that_a_bucket_repeats_are_cut(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "Alice+Key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "Hush/Hush")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "Open=Sesame")
    secrets = ("Alice+Key", "Alice%2BKey", "Hush/Hush", "Hush%2FHush", "Open=Sesame")
    shaped = ("AKIAIOSFODNN7EXAMPLE", "https://h.example/?token=1234567890")
    text = " ".join((*secrets, *shaped))
    body = f"<Error><Code>No{secrets[0]}</Code><Message>No {text} here</Message></Error>"
    server.responses = [Response(status, body.encode() if status != 200 else text.encode())]
    with pytest.raises(StoreError) as caught:
        list(s3(server.url).list())
    said = str(caught.value)
    for secret in (*secrets, shaped[0], "token=1234567890"):
        assert secret not in said
    if status == 400:
        assert "here" in said


def listing(item: str, *keys: str) -> Response:
    items = "".join(map(item.format, keys))
    space = 'xmlns:a="http://s3.amazonaws.com/doc/2006-03-01/"'
    truncated = "<a:IsTruncated>false</a:IsTruncated>"
    return Response(body=f"<a:R {space}>{truncated}{items}</a:R>".encode())


@pytest.mark.parametrize("p", ["", "a:"])
def test_a_listing_is_read_however_it_is_spelled(server: ScriptedServer, p: str) -> None:
    item = f"<{p}Contents><{p}Size>1</{p}Size><{p}Key>blog/{{}}</{p}Key></{p}Contents>"
    server.responses = [listing(item, "a&lt;+%41&#xe9;", "b")]
    assert list(s3(server.url).list()) == [
        ObjectInfo(Key("a<+%41é"), 1, None),
        ObjectInfo(Key("b"), 1, None),
    ]


def test_a_listing_out_of_order_is_read_whole(server: ScriptedServer) -> None:
    item = "<Contents><Key>blog/{}</Key><Size>1</Size></Contents>"
    server.responses = [listing(item, "b", "a")]
    assert [info.key for info in s3(server.url).list()] == ["b", "a"]


def test_marks_of_folders_are_no_objects(server: ScriptedServer) -> None:
    item = "<Contents><Key>blog/{}</Key><Size>0</Size></Contents>"
    server.responses = [listing(item, "", "a", "a/", "a/b.png", "c/")]
    assert [info.key for info in s3(server.url).list()] == ["a", "a/b.png"]
    item = "<Contents><Key>blog/{}</Key><Size>1</Size></Contents>"
    server.responses = [listing(item, "a/")]
    assert [info.key for info in s3(server.url).list()] == ["a/"]


def page(token: str = "", *keys: str) -> Response:
    """Return a page that says that there are more."""
    items = "".join(f"<Contents><Key>blog/{key}</Key><Size>1</Size></Contents>" for key in keys)
    next_token = f"<NextContinuationToken>{token}</NextContinuationToken>" if token else ""
    return Response(body=f"<R><IsTruncated>true</IsTruncated>{next_token}{items}</R>".encode())


@pytest.mark.parametrize(
    ("pages", "words", "requests"),
    [
        pytest.param([page("", "a")], "no continuation token", 1, id="no token"),
        pytest.param([page("t", "a"), page("", "b")], "no continuation token", 2, id="later none"),
        pytest.param([page("t", "a"), page("t", "b")], "same continuation token", 2, id="same"),
        pytest.param([page("t"), page("t")], "same continuation token", 2, id="same, empty"),
    ],
)
def test_a_listing_that_cannot_be_continued_is_an_error(
    server: ScriptedServer, pages: list[Response], words: str, requests: int
) -> None:
    server.responses = pages
    with pytest.raises(ListingError, match=words):
        list(s3(server.url).list())
    assert len(server.requests) == requests


@pytest.mark.parametrize(
    ("item", "words"),
    [
        ("<Size>-1</Size><Key>blog/a</Key>", "lists 'blog/a' of '-1' bytes"),
        (f"<Size>{2**64}</Size><Key>blog/a</Key>", f"lists 'blog/a' of '{2**64}' bytes"),
        ("<Size>1e3</Size><Key>blog/a</Key>", "lists 'blog/a' of '1e3' bytes"),
        (f"<Size>{'9' * 5000}</Size><Key>blog/a</Key>", "bytes"),
        ("<Size/><Key>blog/a</Key>", "lists 'blog/a' without a size"),
        ("<Key>blog/a</Key>", "lists 'blog/a' without a size"),
        ("<Size>1</Size>", "lists an object without a key"),
        ("<Size>1</Size><Key>blog/\x01</Key>", "the listing is no XML"),
    ],
)
@pytest.mark.parametrize("p", ["", "a:"])
def test_an_object_is_listed_with_its_key_and_its_size(
    server: ScriptedServer, p: str, item: str, words: str
) -> None:
    spelled = re.sub("<(/?)", rf"<\1{p}", f"<Contents>{item}</Contents>")
    server.responses = [listing(spelled, "")]
    with pytest.raises(StoreError) as caught:
        list(s3(server.url).list())
    assert words in str(caught.value) or p
    assert "int()" not in str(caught.value)
    assert "limit" not in str(caught.value) or p


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("length", ["1e3", "-1", "9" * 30, None])
def test_an_object_has_a_length(server: ScriptedServer, length: str | None) -> None:
    headers = {} if length is None else {"Content-Length": length}
    chunks = () if length else iter(())  # without a length, and without a body
    server.respond = lambda _: Response(headers={"ETag": '"x"', **headers}, chunks=chunks)
    for ask in (
        lambda store: store.stat(Key("k")),
        lambda store: store.replace(Key("k"), b"1", expected=b"0"),
    ):
        # A store each: the server closes a connection on which it answered so.
        with pytest.raises(StoreError, match=r"a length|in place of a number"):
            ask(s3(server.url))


def test_an_object_without_an_etag_is_replaced(server: ScriptedServer) -> None:
    old = Response(headers={"Content-Length": "1"})
    server.responses = [old, Response(body=b"0"), stored(b"1")]
    s3(server.url).replace(Key("k"), b"1", expected=b"0")
    assert "if-match" not in server.requests[-1][2]


@pytest.mark.parametrize(
    "key",
    [
        pytest.param("other/a.png", id="another prefix"),
        pytest.param("blog", id="above the prefix"),
    ],
)
def test_a_listing_of_what_was_not_asked_for_is_an_error(server: ScriptedServer, key: str) -> None:
    """Else objects of others would be listed, verified and deleted as if they were ours."""
    item = f"<Contents><Key>{key}</Key><ETag>e</ETag><Size>1</Size></Contents>"
    body = f"<ListBucketResult><IsTruncated>false</IsTruncated>{item}</ListBucketResult>"
    server.responses = [Response(body=body.encode())]
    with pytest.raises(ListingError, match="was asked for keys that begin with 'blog/'"):
        list(s3(server.url).list())


def test_a_key_that_may_be_the_path_of_another_is_not_deleted(server: ScriptedServer) -> None:
    with pytest.raises(StoreError, match="delete it by hand"):
        s3(server.url).delete(Key("../other/a.png"))
    assert not server.requests


@pytest.mark.parametrize("objects", [0, 1, 9])
def test_a_listing_of_nearly_empty_pages_without_end_is_an_error(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, objects: int
) -> None:
    """Full pages in between change nothing."""
    monkeypatch.setattr("mirror.store.s3._MAX_SPARSE_PAGES", 20)
    numbers = count()

    def respond(_: str) -> Response:
        number = next(numbers)
        keys = [f"{number:03}-{each}.png" for each in range(objects if number % 2 else 10)]
        return page(f"t{number}", *keys)

    server.respond = respond
    with pytest.raises(ListingError, match="21 pages with less than 10 objects"):
        list(s3(server.url).list())
    assert 42 <= len(server.requests) <= 45


def test_a_listing_that_is_slow_without_end_is_an_error(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten minutes, and 20 s for each page; what the reader of the listing does does not count."""
    now = iter(range(0, 10**9, 25))
    monkeypatch.setattr("mirror.store.s3.monotonic", lambda: float(next(now)))
    numbers = count()
    server.respond = lambda _: page(f"t{next(numbers)}", *map(str, range(10)))
    monkeypatch.setattr(Page, "objects", lambda _: [(f"blog/{next(numbers)}", 1, "")] * 10)
    with pytest.raises(ListingError, match="3025 s for 121 pages of objects, and no end"):
        list(s3(server.url).list())


def test_a_million_objects_of_a_slow_server_are_listed(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = iter(range(0, 10**9, 20))
    monkeypatch.setattr("mirror.store.s3.monotonic", lambda: float(next(now)))
    pages = 1000
    numbers = count()

    def respond(**_: object) -> dict[str, object]:
        number = next(numbers)
        items = [{"Key": f"blog/{number:04}", "Size": 1, "ETag": ""}] * 1000
        end = {"IsTruncated": number + 1 < pages, "NextContinuationToken": f"t{number}"}
        return {"Contents": items, **end}

    store = s3(server.url)
    monkeypatch.setattr(store.connection.client, "list_objects_v2", respond)
    assert sum(1 for _ in store.list()) == 1_000_000


def test_an_answer_that_is_slow_without_end_is_an_error(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mirror.store.session._MAX_S", 0)
    server.responses = [Response(chunks=repeat(b" " * 2000))]
    with pytest.raises(UnreachableError, match="more than 0 minutes, without end"):
        list(s3(server.url).list())
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [200, 404])
def test_a_compressed_answer_is_named(server: ScriptedServer, status: int) -> None:
    """It is no XML, which botocore takes for a server that is busy."""
    body = compress(listing("", "").body)
    server.responses = [Response(status, body, {"Content-Encoding": "gzip"})]
    with pytest.raises(UnreachableError, match=r"the answer is encoded \(gzip\), which nobody"):
        list(s3(server.url).list())
    assert len(server.requests) == 1


def test_an_object_that_somebody_stored_compressed_is_there(server: ScriptedServer) -> None:
    headers = {"ETag": f'"{digest(b"1")}"', "Content-Encoding": "gzip"}
    server.responses = [Response(headers=headers), Response(body=b"1", headers=headers)]
    assert s3(server.url).stat(Key("k"))
    assert s3(server.url).get(Key("k")) == b"1"


def test_pages_of_a_thousand_objects_are_asked_for(server: ScriptedServer) -> None:
    """OSS gives a hundred where nothing else is asked for."""
    server.responses = [listing("", "")]
    list(s3(server.url).list())
    assert "max-keys=1000" in server.requests[0][1]


def test_a_listing_that_goes_round_is_an_error(server: ScriptedServer) -> None:
    """Every page has another token, so only the keys show it."""
    numbers = count()
    server.respond = lambda _: page(f"t{next(numbers) % 3}", "a", "b")
    with pytest.raises(ListingError, match="the same page again"):
        list(s3(server.url).list())


def test_a_listing_of_new_objects_without_end_is_named_and_left(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mirror.store.s3._MAX_PAGES", 20)
    waits = Waits(lambda: 16.0 * len(server.requests))
    monkeypatch.setattr("mirror.store.s3.WAITS", waits)
    numbers = count()
    server.respond = lambda _: page(f"t{next(numbers)}", f"{next(numbers)}.png")
    objects = s3(server.url).list()
    next(objects)
    assert [line for line in waits.overdue() if "1 objects so far" in line]
    with pytest.raises(ListingError, match="20 pages of objects, and no end"):
        list(objects)
    assert len(server.requests) == 20


@pytest.mark.parametrize("status", [200, 500])
def test_an_answer_without_end_is_an_error(server: ScriptedServer, status: int) -> None:
    server.responses = [Response(status, chunks=repeat(b" " * 2**16))]
    with pytest.raises(UnreachableError, match="more than 16 MiB, and no end"):
        list(s3(server.url).list())
    assert len(server.requests) == 1


@pytest.mark.parametrize("max_bytes", [None, 1 << 34])
def test_an_object_without_a_length_is_read_up_to_a_limit(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, max_bytes: int | None
) -> None:
    monkeypatch.setattr("mirror.store.s3._MAX_WITHOUT_LENGTH", 2**20)
    server.respond = lambda _: Response(chunks=repeat(b" " * 2**16))
    with pytest.raises(TooLargeError, match="longer than 1048576 bytes"):
        s3(server.url).get(Key("k"), max_bytes=max_bytes)


def test_an_answer_of_tags_alone_is_not_parsed(server: ScriptedServer) -> None:
    server.responses = [Response(body=b"<R>" + b"<a>" * 10**6)]
    with pytest.raises(UnreachableError, match="more than 200,000 tags"):
        list(s3(server.url).list())


@pytest.mark.parametrize("read", [lambda store: list(store.list()), lambda store: store.get("k")])
@pytest.mark.usefixtures("impatient")
def test_an_answer_of_a_byte_now_and_then_is_silence(
    server: ScriptedServer, read: Callable[[S3Store], object]
) -> None:
    """Each byte comes within the time limit of a read, which is as long as that of the body."""
    server.respond = lambda _: Response(chunks=drip(b" ", 20)())
    with pytest.raises(UnreachableError, match=r"the answer is too slow: \d+ bytes in 0 s"):
        read(s3(server.url, timeout_s=0.2))


@contextmanager
def raw_server(answer: Callable[[], Iterator[bytes]]) -> Iterator[str]:
    """Send `answer` to each client as soon as it has sent anything, then hang up."""

    class Handler(BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(2**20)
            with suppress(OSError):  # the client hung up
                for piece in answer():
                    self.request.sendall(piece)

    with Listener(("127.0.0.1", 0), Handler) as listener:
        thread = Thread(target=listener.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.server_address[1]}"
        finally:
            listener.shutdown()
            thread.join()


def drip(text: bytes, times: int) -> Callable[[], Iterator[bytes]]:
    def pieces() -> Iterator[bytes]:
        for _ in range(times):
            sleep(0.05)
            yield text

    return pieces


def flood(start: bytes, line: bytes) -> Callable[[], Iterator[bytes]]:
    """Send some 60 KB at a time: to make a larger piece may take longer than a short time limit."""
    return lambda: chain([start], repeat(line * max(1, 60_000 // len(line)), 1000))


def put_large(store: S3Store) -> None:
    """Put an object that is only sent when the server says `100 Continue`."""
    store.put(Key("k"), bytes(2_000_000), absent=True)


@pytest.mark.parametrize(
    ("answer", "timeout_s", "words"),
    [
        (drip(b"H", 30), 0.3, r"the answer is too slow: \d+ bytes in 0 s"),
        (drip(b"HTTP/1.1 100 Continue\r\n\r\n", 30), 0.3, "the answer is too slow"),
        (
            flood(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
            10.0,
            "headers of the answer have more than 64 KiB",
        ),
        (
            flood(b"HTTP/1.1 200 OK\r\n", b"A: " + b"a" * 60_000 + b"\r\n"),
            10.0,
            "more than 64 KiB",
        ),
        (lambda: iter([b"HTTP/1.1 200 OK\r\nETag: "]), 10.0, "no answer"),
    ],
    ids=["drip", "slow interim answers", "interim answers", "long headers", "cut headers"],
)
@pytest.mark.parametrize("ask", [lambda store: list(store.list()), lambda store: store.get("k")])
@pytest.mark.usefixtures("impatient", "server")
def test_headers_without_end_are_named_and_left(
    answer: Callable[[], Iterator[bytes]],
    timeout_s: float,
    words: str,
    ask: Callable[[S3Store], object],
) -> None:
    with raw_server(answer) as url, pytest.raises(UnreachableError, match=words):
        ask(s3(url, timeout_s=timeout_s))


@pytest.mark.parametrize(
    ("answer", "timeout_s", "words"),
    [
        (drip(b"H", 30), 0.3, r"the answer is too slow: \d+ bytes in 0 s"),
        (flood(b"HTTP/1.1 200 OK\r\n", b"A: a\r\n"), 10.0, "answer of the proxy have more than 64"),
        (lambda: iter([b"HTTP/1.1 200 OK\r\n"]), 10.0, "no answer"),
        (lambda: iter([b"HTTP/1.1 403 No\r\n\r\n"]), 10.0, r"no answer \(ProxyConnectionError"),
    ],
    ids=["drip", "headers", "cut headers", "refused"],
)
@pytest.mark.usefixtures("impatient", "server")
def test_the_answer_of_a_proxy_comes_to_an_end(
    monkeypatch: pytest.MonkeyPatch,
    answer: Callable[[], Iterator[bytes]],
    timeout_s: float,
    words: str,
) -> None:
    with raw_server(answer) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy)
        with pytest.raises(UnreachableError, match=words):
            list(s3("https://s3.example.org", timeout_s=timeout_s).list())


@pytest.mark.usefixtures("server")
def test_a_bucket_is_asked_through_a_proxy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    authority = new_authority(tmp_path)
    monkeypatch.setenv("AWS_CA_BUNDLE", authority.pem)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    answer = HostResponse(200, {}, b"1")
    with (
        Tunnel({}) as proxy,
        Scripted({"bucket/blog/k": lambda _: answer}, tls=authority.server) as s,
    ):
        monkeypatch.setenv("HTTPS_PROXY", proxy.base_url)
        assert s3(f"https://localhost:{s.port}").get(Key("k")) == b"1"
        assert proxy.received[0].method == "CONNECT"


@pytest.mark.parametrize(
    "answer",
    [
        drip(b"H", 30),
        lambda: iter([b"HTTP/1.1 100 Continue\r\n"]),
        flood(b"HTTP/1.1 100 Continue\r\n", b"A: a\r\n"),
        flood(b"", b"a" * 1000),
    ],
    ids=["drip", "cut", "headers", "long line"],
)
@pytest.mark.usefixtures("impatient", "server")
def test_the_permission_for_a_large_upload_comes_to_an_end(
    answer: Callable[[], Iterator[bytes]],
) -> None:
    with raw_server(answer) as url, pytest.raises(UnreachableError, match="endpoint_url"):
        put_large(s3(url, timeout_s=0.3))


def test_a_slow_answer_is_read_to_its_end(server: ScriptedServer) -> None:
    def pieces() -> Iterator[bytes]:
        for _ in range(10):
            yield b"p" * 2000
            sleep(0.02)
        yield b""

    server.responses = [Response(chunks=pieces())]
    assert s3(server.url, timeout_s=0.1).get(Key("k")) == b"p" * 20_000


def test_empty_pages_hide_no_object(server: ScriptedServer) -> None:
    last = listing("<Contents><Key>blog/{}</Key><Size>1</Size></Contents>", "b")
    server.responses = [page("1"), page("2", "a"), page("3"), last]
    assert [info.key for info in s3(server.url).list()] == ["a", "b"]


def test_a_server_that_redirects_without_end_is_asked_a_few_times(server: ScriptedServer) -> None:
    server.respond = lambda path: error(307, "TemporaryRedirect")
    store = s3(server.url)
    with pytest.raises(StoreError, match="307"):
        list(store.list())
    assert len(server.requests) <= 4
    with pytest.raises(StoreError, match="307"):  # the next question is asked too
        store.get(Key("a.png"))
    assert len(server.requests) <= 8
