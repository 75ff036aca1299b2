"""A small S3 server with the known faults of providers, each of them a switch.

It is also a plain HTTP proxy. A client can therefore talk to `http://bucket.s3.example.com/key`
as it would to the provider, under the provider's host name. The server checks which key signed a
request, but not the signature.
"""

from __future__ import annotations

import threading
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from hashlib import md5, sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import time
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit
from xml.sax.saxutils import escape

BUCKET = "mirror-test"
KEY_ID, SECRET = "quirkykey", "quirkysecret"


@dataclass(frozen=True)
class Quirks:
    """Differences between this server and Amazon's."""

    refuses_path_style: bool = False  # OSS, and COS for new buckets
    refuses_virtual_style: bool = False
    refuses_trailers: bool = False  # OSS, COS, R2: `aws-chunked`
    refuses_checksums: bool = False  # B2: any `x-amz-checksum-…` or `x-amz-sdk-checksum-…`
    create_only: str = "honoured"  # or "ignored", "501"
    upper_case_etags: bool = False  # OSS
    etag: str = "md5"  # or "opaque", "other md5": encryption with the customer's key
    ignores_content_md5: bool = False
    forgets_types: bool = False
    cuts_lists: bool = False  # the second page is empty
    list_order: str = "bytes"  # a name in `_ORDERS`
    page_keys: int = 1000
    repeats_pages: bool = False  # every page is the first one, with another token
    lists_nothing: bool = False
    changes_names: bool = False  # `+` becomes a blank
    skew_s: float = 0.0
    denies: str = ""  # a method that is answered 403


PROVIDERS: dict[str, tuple[str, Quirks]] = {
    "aws": ("s3.eu-west-1.amazonaws.com", Quirks()),
    "aliyun-oss": (
        "s3.oss-cn-hangzhou.aliyuncs.com",
        Quirks(
            refuses_path_style=True,
            refuses_trailers=True,
            create_only="ignored",
            upper_case_etags=True,
        ),
    ),
    "tencent-cos": (
        "cos.ap-guangzhou.myqcloud.com",
        Quirks(refuses_path_style=True, refuses_trailers=True, create_only="ignored"),
    ),
    "qiniu": (
        "s3.cn-east-1.qiniucs.com",
        Quirks(refuses_path_style=True, refuses_trailers=True, create_only="ignored"),
    ),
    "huawei-obs": (
        "obs.cn-north-4.myhuaweicloud.com",
        Quirks(refuses_path_style=True, refuses_checksums=True, create_only="ignored"),
    ),
    "volcengine-tos": (
        "tos-s3-cn-beijing.volces.com",
        Quirks(refuses_path_style=True, refuses_checksums=True, create_only="501"),
    ),
    "cloudflare-r2": (
        "0123456789abcdef.r2.cloudflarestorage.com",
        Quirks(refuses_trailers=True, refuses_checksums=True),
    ),
    "backblaze-b2": (
        "s3.us-west-004.backblazeb2.com",
        Quirks(refuses_checksums=True, refuses_trailers=True, create_only="501"),
    ),
    "minio": ("play.min.io", Quirks()),
    "ceph": ("rgw.example.org", Quirks(refuses_trailers=True)),
    "rclone": ("rclone.example.org", Quirks(refuses_trailers=True, create_only="ignored")),
    "generic": ("storage.example.org", Quirks(etag="opaque", ignores_content_md5=False)),
}
"""A host name of each profile, and the known differences of its servers."""


_ORDERS: dict[str, Callable[[str], Any]] = {
    "bytes": str.encode,
    # Storj lists by the encrypted name, a directory bucket of S3 Express in no order.
    "hash": lambda key: sha256(key.encode()).digest(),
    # versitygw and TOS: a folder comes before the names that its own name begins.
    "folders": lambda key: key.split("/"),
}


@dataclass(frozen=True)
class Stored:
    data: bytes
    headers: dict[str, str]

    def etag(self, quirks: Quirks) -> str:
        digest = md5(self.data, usedforsecurity=False).hexdigest()
        if quirks.etag == "opaque":
            digest = sha256(self.data).hexdigest()[:24]
        elif quirks.etag == "other md5":
            digest = md5(self.data + b"key", usedforsecurity=False).hexdigest()
        return f'"{digest.upper() if quirks.upper_case_etags else digest}"'


class _RefusedError(Exception):
    def __init__(self, status: int, code: str, message: str = "") -> None:
        self.status, self.code, self.message = status, code, message


@dataclass
class QuirkyServer:
    """`host` is the provider's; `objects` is what the bucket holds."""

    host: str
    quirks: Quirks
    objects: dict[str, Stored] = field(default_factory=dict)
    address: str = ""  # of the server itself, as a proxy and for the public
    public_headers: dict[str, str] = field(default_factory=dict)

    @property
    def endpoint_url(self) -> str:
        return f"http://{self.host}"

    def environment(self) -> dict[str, str]:
        keys = {"AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": SECRET}
        return keys | {"HTTP_PROXY": self.address, "http_proxy": self.address}


@contextmanager
def quirky(provider: str, **changes: Any) -> Iterator[QuirkyServer]:
    host, quirks = PROVIDERS[provider]
    with served(QuirkyServer(host, replace(quirks, **changes))) as server:
        yield server


class Listener(ThreadingHTTPServer):
    """Server with a long queue: with the default of five, other connections wait for seconds."""

    request_queue_size = 128


@contextmanager
def served(server: QuirkyServer) -> Iterator[QuirkyServer]:
    handler = type("Handler", (_Handler,), {"state": server})
    with Listener(("127.0.0.1", 0), handler) as listening:
        server.address = f"http://127.0.0.1:{listening.server_address[1]}"
        thread = threading.Thread(target=listening.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            listening.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    state: QuirkyServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None: ...

    def version_string(self) -> str:
        return "Quirks"

    def date_time_string(self, timestamp: float | None = None) -> str:
        return formatdate((timestamp or time()) + self.state.quirks.skew_s, usegmt=True)

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        parts = urlsplit(self.path)
        try:
            if not parts.netloc:  # asked directly: a reader
                self._publish(unquote(parts.path).removeprefix("/"))
            else:
                self._check_head()
                key = self._key(parts.netloc, unquote(parts.path))
                self._answer(key, parse_qs(parts.query, keep_blank_values=True), body)
        except _RefusedError as refused:
            text = f"<Error><Code>{refused.code}</Code><Message>{refused.message}</Message></Error>"
            self._send(refused.status, text.encode(), {"Content-Type": "application/xml"})

    do_GET = do_PUT = do_HEAD = do_DELETE = _handle  # noqa: N815  (names are the library's)

    def _check_head(self) -> None:
        quirks = self.state.quirks
        names = {name.lower() for name in self.headers}
        if KEY_ID not in self.headers.get("Authorization", ""):
            raise _RefusedError(403, "InvalidAccessKeyId")
        if quirks.denies == self.command:
            raise _RefusedError(403, "AccessDenied")
        if abs(quirks.skew_s) > 900:
            raise _RefusedError(403, "RequestTimeTooSkewed", "The difference is too large.")
        chunked = "aws-chunked" in self.headers.get("Content-Encoding", "")
        if quirks.refuses_trailers and (chunked or "x-amz-trailer" in names):
            raise _RefusedError(501, "NotImplemented", "Aws MultiChunkedEncoding is not supported")
        if quirks.refuses_checksums:
            for name in sorted(names):
                if name.startswith(("x-amz-checksum-", "x-amz-sdk-checksum")):
                    raise _RefusedError(400, "InvalidRequest", f"Unsupported header '{name}'")

    def _key(self, host: str, path: str) -> str:
        virtual = host.startswith(f"{BUCKET}.")
        if virtual and self.state.quirks.refuses_virtual_style:
            raise _RefusedError(404, "NoSuchBucket")
        if not virtual and self.state.quirks.refuses_path_style:
            raise _RefusedError(
                403, "SecondLevelDomainForbidden", "Please use virtual hosted style."
            )
        bucket, _, key = (path if virtual else path.removeprefix("/")).partition("/")
        if not virtual and bucket != BUCKET:
            raise _RefusedError(404, "NoSuchBucket")
        return key.replace("+", " ") if self.state.quirks.changes_names else key

    def _answer(self, key: str, query: dict[str, list[str]], body: bytes) -> None:
        objects = self.state.objects
        if "list-type" in query:
            self._list(query)
        elif self.command == "PUT":
            self._put(key, body)
        elif self.command == "DELETE":
            objects.pop(key, None)
            self._send(204)
        elif key not in objects:
            raise _RefusedError(404, "NoSuchKey")
        else:
            stored = objects[key]
            self._send(200, stored.data, self._facts(stored))

    def _facts(self, stored: Stored) -> dict[str, str]:
        kept = {} if self.state.quirks.forgets_types else stored.headers
        common = {"ETag": stored.etag(self.state.quirks), "Content-Type": "binary/octet-stream"}
        return common | kept

    def _put(self, key: str, body: bytes) -> None:
        quirks, objects = self.state.quirks, self.state.objects
        declared = self.headers.get("Content-MD5")
        actual = md5(body, usedforsecurity=False).digest()
        if declared and not quirks.ignores_content_md5 and b64decode(declared) != actual:
            raise _RefusedError(400, "BadDigest")
        if "If-None-Match" in self.headers:
            if quirks.create_only == "501":
                raise _RefusedError(
                    501, "NotImplemented", "A header you provided is not implemented"
                )
            if quirks.create_only == "honoured" and key in objects:
                raise _RefusedError(412, "PreconditionFailed")
        kept = {
            name: text
            for name, text in self.headers.items()
            if name.lower() in ("content-type", "cache-control", "content-disposition")
            or name.lower().startswith("x-amz-meta-")
        }
        stored = objects[key] = Stored(body, kept)
        self._send(200, headers={"ETag": stored.etag(quirks)})

    def _list(self, query: dict[str, list[str]]) -> None:
        [prefix], [most] = query.get("prefix", [""]), query.get("max-keys", ["1000"])
        [after] = query.get("continuation-token", [""])
        quirks, order = self.state.quirks, _ORDERS[self.state.quirks.list_order]
        keys = sorted((key for key in self.state.objects if key.startswith(prefix)), key=order)
        rest = [key for key in keys if not after or order(key) > order(after)]
        if quirks.lists_nothing or (after and quirks.cuts_lists):
            rest = []
        if quirks.repeats_pages:
            rest = keys
        page = rest[: min(int(most), quirks.page_keys)]
        more = len(rest) > len(page)
        items = "".join(
            f"<Contents><Key>{quote(key)}</Key><Size>{len(stored.data)}</Size>"
            f"<ETag>{escape(stored.etag(self.state.quirks))}</ETag></Contents>"
            for key in page
            if (stored := self.state.objects[key])
        )
        token = f"{after}x" if quirks.repeats_pages else page[-1] if more else ""
        token = f"<NextContinuationToken>{escape(token)}</NextContinuationToken>" if more else ""
        text = (
            f"<ListBucketResult><EncodingType>url</EncodingType><KeyCount>{len(page)}</KeyCount>"
            f"<IsTruncated>{str(more).lower()}</IsTruncated>{token}{items}</ListBucketResult>"
        )
        self._send(200, text.encode(), {"Content-Type": "application/xml"})

    def _publish(self, key: str) -> None:
        if key not in self.state.objects:
            raise _RefusedError(404, "NoSuchKey")
        stored = self.state.objects[key]
        self._send(200, stored.data, self._facts(stored) | self.state.public_headers)

    def _send(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, text in (headers or {}).items():
            self.send_header(name, text)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
