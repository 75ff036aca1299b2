"""A small image host on loopback that answers like Aliyun OSS. Standard library and one checksum.

For `mirror demo`, tests and benchmarks: quoted upper-case MD5 ETags, Content-MD5,
x-oss-hash-crc64ecma, ranges, conditional requests and XML errors, one thread a connection.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import mimetypes
import re
import socket
import ssl
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from email.utils import formatdate, parsedate_to_datetime
from http import HTTPStatus
from pathlib import Path
from typing import Self
from urllib.parse import unquote
from xml.sax.saxutils import escape

from mirror.amounts import moment
from mirror.fetch.checks import crc64

_MAX_HEAD_BYTES = 64 * 2**10  # of a request; a longer one is no request of mirror
_IDLE_S = 60.0  # longer than any client of the demonstration pauses
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_MEDIA_TYPES = {".webp": "image/webp", ".avif": "image/avif", ".ico": "image/x-icon"}


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it was received; the names in `headers` are lower-case."""

    method: str
    target: str
    headers: Mapping[str, str]

    @property
    def key(self) -> str:
        """The decoded path without its leading slash and without query."""
        return unquote(self.target.partition("?")[0]).removeprefix("/")


@dataclass(frozen=True, slots=True)
class Response:
    """A response. Content-Length is added from `body`, which is not sent for HEAD."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def head(self) -> bytes:
        """Status line and headers, with the blank line behind them."""
        phrase = HTTPStatus(self.status).phrase
        lines = [f"HTTP/1.1 {self.status} {phrase}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        if self.status != HTTPStatus.NOT_MODIFIED:
            lines.append(f"Content-Length: {len(self.body)}")
        return "\r\n".join((*lines, "\r\n")).encode("latin-1")


@dataclass(frozen=True, slots=True)
class _Metadata:
    """The metadata that an object store keeps with an object."""

    etag: str
    last_modified: int
    headers: Mapping[str, str]

    @classmethod
    def of(cls, key: str, data: bytes, last_modified: float) -> _Metadata:
        md5 = hashlib.md5(data, usedforsecurity=False)
        suffix = "." + key.rpartition(".")[2].lower()
        guessed = _MEDIA_TYPES.get(suffix) or mimetypes.guess_type(key)[0]
        etag = f'"{md5.hexdigest().upper()}"'
        headers = {
            "Content-Type": guessed or "application/octet-stream",
            "ETag": etag,
            "Last-Modified": formatdate(moment(last_modified).timestamp(), usegmt=True),
            "Content-MD5": base64.b64encode(md5.digest()).decode(),
            "x-oss-hash-crc64ecma": str(crc64(data)),
            "x-oss-object-type": "Normal",
            "Accept-Ranges": "bytes",
        }
        return cls(etag, int(last_modified), headers)


class ImageHost:
    """A server of `objects` (decoded paths without leading slash, or the files of a folder).

    Listens from construction until `close`; `requests` counts `"GET a b.png"` by method and
    decoded path, `received` keeps the last thousand requests as they came. With `referer`, only
    requests whose Referer begins with it are answered. `tls` makes it an https host.
    """

    def __init__(
        self,
        objects: Mapping[str, bytes] | Path,
        *,
        port: int = 0,
        referer: str | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.requests: Counter[str] = Counter()
        self.received: deque[Request] = deque(maxlen=1000)
        self._objects: dict[str, bytes | Path] = dict(
            _files(objects) if isinstance(objects, Path) else objects.items()
        )
        self._metadata: dict[str, tuple[bytes | int, _Metadata]] = {}  # by contents or mtime
        self._referer = referer
        self._tls = tls
        self._lock = threading.Lock()
        self._ids = itertools.count(0x5C3D9175B6FC201293AD0000)
        self._clients: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", port), backlog=256)
        self.port: int = self._listener.getsockname()[1]
        self.base_url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}/"
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self._acceptor.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop listening and cut every connection."""
        with suppress(OSError):  # wakes the thread in accept()
            self._listener.shutdown(socket.SHUT_RDWR)
        self._acceptor.join()
        self._listener.close()
        with self._lock:
            clients = list(self._clients)
        for client in clients:
            with suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)

    def put(self, path: str, data: bytes) -> None:
        """Serve `data` under `path` from now on; it counts as modified when first asked for."""
        with self._lock:
            self._objects[path] = data

    def remove(self, path: str) -> None:
        """Answer 404 for `path` from now on."""
        with self._lock:
            del self._objects[path]

    # --- One request: override to misbehave ---------------------------------------------------

    def respond(self, client: socket.socket, request: Request) -> bool:
        """Answer one request on `client`; return whether the connection stays open."""
        response = self.answer(request)
        head = response.head()
        if request.method == "HEAD":
            client.sendall(head)
        elif len(response.body) < 2**14:
            client.sendall(head + response.body)
        else:
            client.sendall(head)
            client.sendall(response.body)
        return request.headers.get("connection", "").lower() != "close"

    def answer(self, request: Request) -> Response:
        """Return the response of a host without faults."""
        if request.method not in ("GET", "HEAD"):
            return self.error(405, "MethodNotAllowed", "The method is not allowed here.")
        if self._referer and not request.headers.get("referer", "").startswith(self._referer):
            return self.error(403, "AccessDenied", "You are denied by bucket referer policy.")
        if (match := self._find(request.key)) is None:
            return self.error(404, "NoSuchKey", "The specified key does not exist.", request.key)
        data, metadata = match
        common = self._common()
        if _is_unchanged(request.headers, metadata):
            return Response(304, {**common, "ETag": metadata.etag})
        part = _part(request.headers, metadata, len(data))
        if part is None:
            return Response(200, {**common, **metadata.headers}, data)
        if not part:
            return self.error(416, "InvalidRange", "The requested range cannot be satisfied.")
        headers = {name: text for name, text in metadata.headers.items() if name != "Content-MD5"}
        headers["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{len(data)}"
        return Response(206, {**common, **headers}, data[part.start : part.stop])

    def error(self, status: int, code: str, message: str, key: str = "") -> Response:
        """Return an XML error document in the words of OSS."""
        common = self._common()
        lines = [
            '<?xml version="1.0" encoding="UTF-8"?>',
            "<Error>",
            f"  <Code>{code}</Code>",
            f"  <Message>{message}</Message>",
            f"  <RequestId>{common['x-oss-request-id']}</RequestId>",
            "  <HostId>127.0.0.1</HostId>",
            *([f"  <Key>{escape(key)}</Key>"] if key else []),
            "</Error>",
        ]
        body = "\n".join(lines).encode("utf-8", "replace")
        return Response(status, {**common, "Content-Type": "application/xml"}, body)

    def _common(self) -> dict[str, str]:
        return {
            "Server": "AliyunOSS",
            "Date": formatdate(usegmt=True),
            "x-oss-request-id": f"{next(self._ids):024X}",
        }

    def _find(self, key: str) -> tuple[bytes, _Metadata] | None:
        with self._lock:
            entry = self._objects.get(key)
            known = self._metadata.get(key)
        if entry is None:
            return None
        version: bytes | int
        if isinstance(entry, bytes):
            data = version = entry
            modified = time.time()
        else:
            try:
                data = entry.read_bytes()
                status = entry.stat()
            except OSError:
                return None
            version, modified = status.st_mtime_ns, status.st_mtime
        if known and known[0] == version:
            return data, known[1]
        metadata = _Metadata.of(key, data, modified)
        with self._lock:
            self._metadata[key] = version, metadata
        return data, metadata

    # --- Connections --------------------------------------------------------------------------

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            client.settimeout(_IDLE_S)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._clients.add(client)
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        stream = client
        try:
            if self._tls is not None:
                stream = self._tls.wrap_socket(client, server_side=True)
                with self._lock:
                    self._clients.add(stream)
            for request in _requests(stream):
                with self._lock:
                    self.requests[f"{request.method} {request.key}"] += 1
                self.received.append(request)
                if not self.respond(stream, request):
                    break
        except (OSError, ValueError):  # the client went away, or speaks no HTTP
            pass
        finally:
            with self._lock:
                self._clients -= {client, stream}
            stream.close()
            client.close()


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield path.relative_to(folder).as_posix(), path


def _requests(client: socket.socket) -> Iterator[Request]:
    """Requests of one connection until it closes; bodies are not expected and not read."""
    pending = b""
    while True:
        while b"\r\n\r\n" not in pending:
            chunk = client.recv(65536)
            if not chunk or len(pending) > _MAX_HEAD_BYTES:
                return
            pending += chunk
        head, _, pending = pending.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        method, target, _ = first.split(" ", 2)
        pairs = (line.partition(":") for line in lines)
        yield Request(method, target, {name.lower(): text.strip() for name, _, text in pairs})


def _is_unchanged(headers: Mapping[str, str], metadata: _Metadata) -> bool:
    if (tags := headers.get("if-none-match")) is not None:
        listed = {tag.strip().removeprefix("W/") for tag in tags.split(",")}
        return "*" in listed or metadata.etag in listed
    since = _seconds(headers.get("if-modified-since", ""))
    return since is not None and metadata.last_modified <= since


def _part(headers: Mapping[str, str], metadata: _Metadata, size: int) -> range | None:
    """Return the requested bytes: `None` for all, an empty range if it cannot be satisfied."""
    match = _RANGE.fullmatch(headers.get("range", ""))
    if match is None or match.groups() == ("", ""):
        return None
    if (condition := headers.get("if-range")) is not None:
        seconds = _seconds(condition)
        if condition != metadata.etag and seconds != metadata.last_modified:
            return None
    first, last = match.groups()
    if not first:
        return range(max(0, size - int(last)), size)
    return range(int(first), min(size, int(last) + 1) if last else size)


def _seconds(date: str) -> float | None:
    try:
        return parsedate_to_datetime(date).timestamp()
    except ValueError:
        return None
