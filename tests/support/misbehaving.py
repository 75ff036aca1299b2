"""A host on loopback with the known misbehaviours of hosts, each under its own path.

`/<name>/<key>` is the object `<key>` as the misbehaviour `<name>` serves it. Every other path is
served correctly. `MISBEHAVIOURS` holds the outcome that a client must report for each.
"""

from __future__ import annotations

import gzip
import socket
import struct
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from email.utils import formatdate

from mirror.fetch import Kind
from mirror.host import ImageHost, Request, Response

_TICK_S = 0.01


@dataclass(frozen=True)
class Exchange:
    """One request for one object, with the honest answer to it."""

    client: socket.socket
    request: Request
    key: str
    honest: Response
    nth: int  # how often this path was asked for, from 1
    host: MisbehavingHost

    def send(self, response: Response) -> bool:
        self.client.sendall(response.head() + response.body)
        return True

    def altered(self, *without: str, **headers: str) -> Response:
        """The honest answer less some headers and with others: `Content_MD5="…"`."""
        kept = {n: text for n, text in self.honest.headers.items() if n not in without}
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        return replace(self.honest, headers=kept | named)

    def send_head(self, **headers: str) -> None:
        """The head of the altered answer, without the length that belongs to it."""
        lines = [f"{name}: {text}" for name, text in self.altered(**headers).headers.items()]
        self.client.sendall("\r\n".join(("HTTP/1.1 200 OK", *lines, "\r\n")).encode("latin-1"))

    def cut(self, size: int) -> bool:
        """The honest answer, ended after `size` bytes of the body."""
        self.client.sendall(self.honest.head() + self.honest.body[:size])
        return False

    def reset(self) -> bool:
        self.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return False

    def redirect(self, location: str, status: int = 302) -> bool:
        return self.send(Response(status, {"Location": location}))

    def document(self, text: str, media_type: str, status: int = 200) -> bool:
        return self.send(Response(status, {"Content-Type": media_type}, text.encode()))

    def error(self, status: int, code: str, message: str) -> bool:
        return self.send(self.host.error(status, code, message))

    def drip(self, data: bytes) -> bool:
        for byte in data:
            self.client.sendall(bytes([byte]))
            if self.host.closing.wait(_TICK_S):
                break
        return False


@dataclass(frozen=True)
class Misbehaviour:
    """`outcome` is the kind of failure a client must report, or `None`: it must get the bytes.

    Those that `takes_time` end only by the client's timeouts.
    """

    act: Callable[[Exchange], bool]
    outcome: Kind | None
    takes_time: bool = False


# --- Bodies that are not what was declared ------------------------------------------------------


def _half(x: Exchange) -> int:
    return len(x.honest.body) // 2


def _cut_once(x: Exchange) -> bool:
    return x.cut(_half(x)) if x.nth == 1 else x.send(x.honest)


def _cut_always(x: Exchange) -> bool:
    whole = x.host.answer(Request("GET", f"/{x.key}", {}))
    return replace(x, honest=whole).cut(100)


def _cut_without_length(x: Exchange) -> bool:
    x.send_head(Connection="close")
    x.client.sendall(x.honest.body[: _half(x)])
    return False


def _cut_chunked(x: Exchange) -> bool:
    x.send_head(Transfer_Encoding="chunked")
    x.client.sendall(b"64\r\n" + x.honest.body[:100] + b"\r\n")
    return False


def _range_ignored(x: Exchange) -> bool:
    if x.nth == 1:
        return x.cut(_half(x))
    return x.send(x.host.answer(Request("GET", f"/{x.key}", {})))


def _another_range(x: Exchange) -> bool:
    if x.nth == 1:
        return x.cut(_half(x))
    if x.honest.status == 206:
        size = 2 * _half(x)
        return x.send(x.altered(Content_Range=f"bytes 0-{size - 1}/{size}"))
    return x.send(x.honest)


def _changed_between(x: Exchange) -> bool:
    if x.nth > 1:
        return x.send(x.honest)
    old = bytes(len(x.honest.body))
    head = x.altered(ETag='"00000000000000000000000000000000"').head()
    x.client.sendall(head + old[: _half(x)])
    return False


def _changed_unsaid(x: Exchange) -> bool:
    """The rest is of another version, and only the checksum tells."""
    if x.nth == 1:
        x.client.sendall(x.honest.head() + bytes(_half(x)))
        return False
    return x.send(x.honest)


def _range_not_satisfiable(x: Exchange) -> bool:
    if x.nth == 1:
        return x.cut(_half(x))
    if x.honest.status == 206:
        return x.error(416, "InvalidRange", "The requested range cannot be satisfied.")
    return x.send(x.honest)


def _weak_validator(x: Exchange) -> bool:
    weak = x.altered("Content-MD5", "x-oss-hash-crc64ecma", ETag='W/"1"')
    if x.nth == 1:
        x.client.sendall(weak.head() + bytes(_half(x)))
        return False
    return x.send(weak)


def _short_length(x: Exchange) -> bool:
    x.send_head(Content_Length=str(_half(x)))
    x.client.sendall(x.honest.body)
    return False


def _flipped(body: bytes) -> bytes:
    middle = len(body) // 2
    return body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1 :]


def _flipped_once(x: Exchange) -> bool:
    body = _flipped(x.honest.body) if x.nth == 1 else x.honest.body
    return x.send(replace(x.honest, body=body))


def _wrong_etag(x: Exchange) -> bool:
    return x.send(x.altered("Content-MD5", "x-oss-hash-crc64ecma", ETag=f'"{"A" * 32}"'))


def _other_bytes(x: Exchange) -> bool:
    """Send a body that differs in one bit each time, and only an ETag tells."""
    body = bytearray(x.honest.body)
    body[-1 - x.nth] ^= 1
    answer = x.altered("Content-MD5", "x-oss-hash-crc64ecma")
    return x.send(replace(answer, body=bytes(body)))


# --- Time -----------------------------------------------------------------------------------------


def _drip_body(x: Exchange) -> bool:
    x.client.sendall(x.honest.head())
    return x.drip(x.honest.body)


def _never_answers(x: Exchange) -> bool:
    x.host.closing.wait()
    return False


def _stalls_midway(x: Exchange) -> bool:
    x.cut(_half(x))
    x.host.closing.wait()
    return False


def _interim_forever(x: Exchange) -> bool:
    while not x.host.closing.wait(_TICK_S):
        x.client.sendall(b"HTTP/1.1 102 Processing\r\n\r\n")
    return False


# --- The connection and the protocol --------------------------------------------------------------


def _raw(data: bytes) -> Callable[[Exchange], bool]:
    def act(x: Exchange) -> bool:
        x.client.sendall(data)
        return False

    return act


def _echo(x: Exchange) -> bool:
    x.client.sendall(f"HTTP/1.1 {x.request.target} {x.request.headers}\r\n\r\n".encode())
    return False


def _reset_midway(x: Exchange) -> bool:
    if x.nth > 1:
        return x.send(x.honest)
    x.cut(_half(x))
    return x.reset()


def _two_lengths(x: Exchange) -> bool:
    x.send_head(Content_Length="5, 7")
    x.client.sendall(x.honest.body)
    return False


def _lines_without_name(x: Exchange) -> bool:
    """Send header lines that browsers ignore, in an interim response too, and a body at once."""
    bad = b"Bad Header: x\r\n folded: y\r\nno colon\r\n"
    early = b"HTTP/1.1 103 Early Hints\r\nLink it: x\r\n\r\n" if x.nth % 2 == 0 else b""
    head = x.honest.head().replace(b"\r\n", b"\r\n" + bad, 1).replace(b"-Length:", b"-Length :")
    x.client.sendall(early + head + x.honest.body)
    return x.request.headers.get("connection", x.request.headers.get("Connection")) != "close"


# --- Statuses -------------------------------------------------------------------------------------


def _first(response: Callable[[Exchange], bool], times: int = 1) -> Callable[[Exchange], bool]:
    """`response` so many times, then the honest answer."""
    return lambda x: response(x) if x.nth <= times else x.send(x.honest)


def _busy(status: int, retry_after: Callable[[], str] | None = None) -> Callable[[Exchange], bool]:
    def act(x: Exchange) -> bool:
        answer = x.host.error(status, "SlowDown", "Please reduce your request rate.")
        wait = {"Retry-After": retry_after()} if retry_after else {}
        return x.send(replace(answer, headers={**answer.headers, **wait}))

    return act


def _says(status: int, code: str, message: str = "") -> Callable[[Exchange], bool]:
    return lambda x: x.error(status, code, message)


# --- Documents instead of pictures ----------------------------------------------------------------

_HTML = "<!DOCTYPE html>\n<html><head><title>Not found</title></head><body>gone</body></html>"


def _document(text: str, media_type: str = "image/png") -> Callable[[Exchange], bool]:
    return lambda x: x.document(text, media_type)


# --- Too much -------------------------------------------------------------------------------------


def _endless(x: Exchange) -> bool:
    x.send_head(Transfer_Encoding="chunked")
    chunk = b"10000\r\n" + bytes(65536) + b"\r\n"
    while not x.host.closing.is_set():
        x.client.sendall(chunk)
    return False


def _huge_length(x: Exchange) -> bool:
    x.send_head(Content_Length="1000000000000")
    x.client.sendall(x.honest.body)
    return False


def _gzip_bomb(x: Exchange) -> bool:
    """A gibibyte of zeros; after a full flush the same block can follow itself."""
    deflate = zlib.compressobj(9, wbits=31)
    start = deflate.compress(bytes(2**20)) + deflate.flush(zlib.Z_FULL_FLUSH)
    block = deflate.compress(bytes(2**20)) + deflate.flush(zlib.Z_FULL_FLUSH)
    return x.send(Response(200, {"Content-Encoding": "gzip"}, start + 1023 * block))


def _gzip(x: Exchange) -> bool:
    return x.send(Response(200, {"Content-Encoding": "gzip"}, gzip.compress(x.honest.body)))


def _gzip_cut(x: Exchange) -> bool:
    body = gzip.compress(x.honest.body)[:-20]
    return x.send(Response(200, {"Content-Encoding": "gzip"}, body))


MISBEHAVIOURS: Mapping[str, Misbehaviour] = {
    # not what was declared
    "cut-once": Misbehaviour(_cut_once, None),
    "cut-always": Misbehaviour(_cut_always, Kind.TRANSIENT),
    "cut-without-length": Misbehaviour(_cut_without_length, Kind.CONTENT),
    "cut-chunked": Misbehaviour(_cut_chunked, Kind.TRANSIENT),
    "range-ignored": Misbehaviour(_range_ignored, None),
    "another-range": Misbehaviour(_another_range, None),
    "range-not-satisfiable": Misbehaviour(_range_not_satisfiable, None),
    "changed-between": Misbehaviour(_changed_between, None),
    "changed-unsaid": Misbehaviour(_changed_unsaid, None),
    "weak-validator": Misbehaviour(_weak_validator, None),
    "short-length": Misbehaviour(_short_length, Kind.CONTENT),
    "flipped-bit": Misbehaviour(
        lambda x: x.send(replace(x.honest, body=_flipped(x.honest.body))), Kind.CONTENT
    ),
    "flipped-bit-once": Misbehaviour(_flipped_once, None),
    "wrong-md5": Misbehaviour(
        lambda x: x.send(x.altered(Content_MD5="1B2M2Y8AsgTpgAmY7PhCfg==")), Kind.CONTENT
    ),
    "wrong-crc": Misbehaviour(
        lambda x: x.send(x.altered(x_oss_hash_crc64ecma="12345")), Kind.CONTENT
    ),
    "wrong-etag": Misbehaviour(_wrong_etag, None),  # the same bytes twice overrule it
    "other-bytes-each-time": Misbehaviour(_other_bytes, Kind.CONTENT),
    "opaque-etag": Misbehaviour(lambda x: x.send(x.altered(ETag=f'"{"A" * 32}"')), None),
    # time
    "drip-body": Misbehaviour(_drip_body, Kind.TRANSIENT, takes_time=True),
    "drip-headers": Misbehaviour(
        lambda x: x.drip(x.honest.head()), Kind.TRANSIENT, takes_time=True
    ),
    "never-answers": Misbehaviour(_never_answers, Kind.TRANSIENT, takes_time=True),
    "stalls-midway": Misbehaviour(_stalls_midway, Kind.TRANSIENT, takes_time=True),
    "interim-forever": Misbehaviour(_interim_forever, Kind.TRANSIENT, takes_time=True),
    # connection and protocol
    "reset": Misbehaviour(Exchange.reset, Kind.TRANSIENT),
    "reset-midway": Misbehaviour(_reset_midway, None),
    "closes": Misbehaviour(lambda x: False, Kind.TRANSIENT),
    "bad-status-line": Misbehaviour(_raw(b"HTTP/1.1 abc\r\n\r\n"), Kind.TRANSIENT),
    "echoes-the-request": Misbehaviour(_echo, Kind.TRANSIENT),
    "no-http": Misbehaviour(_raw(b"SSH-2.0-OpenSSH_9.6\r\n"), Kind.TRANSIENT),
    "huge-headers": Misbehaviour(_raw(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 300_000), Kind.TRANSIENT),
    "lines-without-name": Misbehaviour(_lines_without_name, None),
    "illegal-value": Misbehaviour(
        _raw(b"HTTP/1.1 200 OK\r\nBad Header: x\r\nX: \0\r\n\r\n"), Kind.TRANSIENT
    ),
    "two-lengths": Misbehaviour(_two_lengths, Kind.TRANSIENT),
    # statuses
    "busy-seconds": Misbehaviour(_first(_busy(429, lambda: "7")), None),
    "busy-date": Misbehaviour(
        _first(_busy(503, lambda: formatdate(time.time() + 7, usegmt=True))), None
    ),
    "busy-always": Misbehaviour(_busy(503), Kind.TRANSIENT),
    "bad-gateway-once": Misbehaviour(_first(_says(502, "InternalError")), None),
    "gone": Misbehaviour(_says(410, "NoSuchKey"), Kind.GONE),
    "no-such-key": Misbehaviour(_says(404, "NoSuchKey"), Kind.GONE),
    "unauthorized": Misbehaviour(_says(401, "InvalidAccessKeyId"), Kind.AUTHENTICATION),
    "private-bucket": Misbehaviour(
        _says(403, "AccessDenied", "You have no right to access this object."),
        Kind.AUTHENTICATION,
    ),
    "hot-link": Misbehaviour(
        _says(403, "AccessDenied", "You are denied by bucket referer policy."), Kind.BLOCKED
    ),
    "in-arrears": Misbehaviour(_says(403, "UserDisable", "UserDisable"), Kind.PERMANENT),
    "part-unasked": Misbehaviour(
        lambda x: x.send(replace(x.altered(Content_Range="bytes 0-9/10"), status=206)),
        Kind.PERMANENT,
    ),
    "not-modified-unasked": Misbehaviour(lambda x: x.send(Response(304)), Kind.PERMANENT),
    # redirects
    "redirect-loop": Misbehaviour(lambda x: x.redirect(x.request.target), Kind.PERMANENT),
    "redirect-to-private": Misbehaviour(
        lambda x: x.redirect("http://10.0.0.1/a.png"), Kind.REFUSED
    ),
    "redirect-to-metadata": Misbehaviour(
        lambda x: x.redirect("http://[::ffff:169.254.169.254]/latest/"), Kind.REFUSED
    ),
    "redirect-to-file": Misbehaviour(lambda x: x.redirect("file:///etc/passwd"), Kind.REFUSED),
    "redirect-nowhere": Misbehaviour(lambda x: x.send(Response(302)), Kind.PERMANENT),
    # documents
    "html": Misbehaviour(_document(_HTML), Kind.CONTENT),
    "xml": Misbehaviour(
        _document('<?xml version="1.0"?>\n<Error><Code>AccessDenied</Code></Error>'), Kind.CONTENT
    ),
    "json": Misbehaviour(_document('{"error": "hotlink"}'), Kind.CONTENT),
    "empty": Misbehaviour(_document(""), Kind.CONTENT),
    "blank": Misbehaviour(_document("\r\n \r\n"), Kind.CONTENT),
    # too much
    "endless": Misbehaviour(_endless, Kind.TOO_LARGE),
    "huge-length": Misbehaviour(_huge_length, Kind.TOO_LARGE),
    "gzip-bomb": Misbehaviour(_gzip_bomb, Kind.TOO_LARGE),
    "gzip": Misbehaviour(_gzip, None),
    "gzip-cut": Misbehaviour(_gzip_cut, Kind.TRANSIENT),
    "brotli": Misbehaviour(lambda x: x.send(x.altered(Content_Encoding="br")), Kind.CONTENT),
}


class MisbehavingHost(ImageHost):
    """`ImageHost` that serves `/<name>/<key>` as the misbehaviour of that name would."""

    def __init__(self, objects: Mapping[str, bytes], *, port: int = 0) -> None:
        self.closing = threading.Event()
        self._asked: Counter[str] = Counter()
        self._asked_lock = threading.Lock()
        super().__init__(objects, port=port)

    def close(self) -> None:
        self.closing.set()
        super().close()

    def respond(self, client: socket.socket, request: Request) -> bool:
        name, _, rest = request.target.removeprefix("/").partition("/")
        if name not in MISBEHAVIOURS:
            return super().respond(client, request)
        with self._asked_lock:
            self._asked[request.target] += 1
            nth = self._asked[request.target]
        honest = self.answer(replace(request, target=f"/{rest}"))
        return MISBEHAVIOURS[name].act(Exchange(client, request, rest, honest, nth, self))
