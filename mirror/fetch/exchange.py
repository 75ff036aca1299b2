"""All attempts for one URL: redirects, the body, and the rest of an interrupted body."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from hashlib import sha256
from typing import cast

import mirror
from mirror.documents import named_endpoint
from mirror.fetch.addresses import HttpUrl
from mirror.fetch.body import Body, Validators
from mirror.fetch.checks import Declaration, too_large
from mirror.fetch.diagnosis import error_for_status, fetch_errors, refuse_document
from mirror.fetch.errors import FetchError, Kind
from mirror.fetch.library import httpx
from mirror.fetch.limits import FetchLimits
from mirror.fetch.network import GuardedTransport
from mirror.fetch.retries import retry_after_s
from mirror.urls.sources import is_processed
from mirror.waiting import MIN_BYTES_PER_S, WAITS, is_stalled, silence_remark

_USER_AGENT = f"markdown-mirror/{mirror.__version__}"
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
# Bytes of a body that is no picture. An error document is shorter, and its connection can then be
# used again; a longer body costs a new connection.
_ERROR_BODY_BYTES = 16 * 2**10
# Of `timeout_s`, for a connection: Linux asks at once and after 1, 3 and 7 s. A host that took none
# of these is down.
_CONNECT_S = 10.0
_NO_CONTENT = httpx.ByteStream(b"")  # given as a stream, httpx adds no header for it


@dataclass(slots=True)
class _ReceivedPart:
    """The received part of a body, and what its first response declared."""

    declaration: Declaration
    validators: Validators
    data: bytearray = field(default_factory=bytearray)  # a list of tiny chunks needs more memory

    def range_headers(self) -> dict[str, str]:
        """Return the headers that ask for the rest of the same version; none without a version."""
        etag = self.validators.strong_etag
        if not self.data or etag is None:
            return {}
        return {"range": f"bytes={len(self.data)}-", "if-range": etag}

    def is_continued_by(self, headers: Mapping[str, str]) -> bool:
        """Return True if a 206 response with these headers is exactly the rest."""
        place, _, whole = headers.get("content-range", "").partition("/")
        length = self.declaration.length
        return (
            place.startswith(f"bytes {len(self.data)}-")
            and (length is None or whole in (str(length), "*"))
            and headers.get("etag") == self.validators.strong_etag
        )


@dataclass(frozen=True, slots=True)
class FetchRequest:
    """A URL, the headers that its origin alone is sent, and the validators of what is here."""

    http_url: HttpUrl
    headers: Mapping[str, str]
    validators: Validators | None

    @property
    def origin_headers(self) -> dict[str, str]:
        """The headers in lower case, with the credentials of the URL if they name none."""
        authorization = self.http_url.authorization
        credentials = {"authorization": authorization} if authorization else {}
        return credentials | {name.lower(): text for name, text in self.headers.items()}


class Exchange:
    """All attempts for one request. They share the time limit and the part received so far."""

    def __init__(
        self,
        transport: GuardedTransport,
        limits: FetchLimits,
        now: Callable[[], float],
        request: FetchRequest,
        wait_for_room: Callable[[int], float],
    ) -> None:
        self._transport = transport
        self._limits = limits
        self._now = now
        self._request = request
        self._wait_for_room = wait_for_room
        self._received: _ReceivedPart | None = None
        self._mismatch: bytes | None = None  # SHA-256 of the last body that was not as declared
        self._left_s = limits.transfer_s
        self._timeouts = {
            "connect": min(limits.timeout_s, _CONNECT_S),
            "read": limits.timeout_s,
            "write": limits.timeout_s,
        }

    @property
    def is_over(self) -> bool:
        """True if the time for all transfers is used up."""
        return self._left_s <= 0

    def attempt(self) -> Body | None:
        """Follow redirects and return the body; `None` if it is not modified."""
        began = time.monotonic()
        first_url = http_url = self._request.http_url
        headers = self._request.origin_headers
        try:
            for _ in range(self._limits.max_redirects + 1):
                with fetch_errors(http_url, self._limits):
                    outcome = self._hop(http_url, headers, began)
                if not isinstance(outcome, HttpUrl):
                    final_url = http_url.redacted_url if http_url != first_url else None
                    return outcome and replace(outcome, final_url=final_url)
                if not http_url.shares_headers_with(outcome):
                    headers = {}
                http_url = outcome
        finally:
            self._transport.deadline.at = float("inf")
            self._left_s -= time.monotonic() - began
        raise FetchError(
            f"expected at most {self._limits.max_redirects} redirects, found another one, to "
            f"{http_url.redacted_url}; use the final address",
            Kind.PERMANENT,
        )

    def _hop(
        self, http_url: HttpUrl, headers: Mapping[str, str], began: float
    ) -> HttpUrl | Body | None:
        """Make one request: return the next URL, the body, or `None` if not modified."""
        with self._send(http_url, headers, began) as response:
            if response.status in _REDIRECTS:
                body = response.read_start()  # a connection can be reused once its body is read
                return _next_url(http_url, response, body)
            if response.status == 304 and self._request.validators and not self._received:
                response.read_start()
                return None
            part = self._resume(response) or self._begin(response, http_url)
            self._received = part
            self._transport.deadline.at = began + self._left_s
            self._read(response, part)
            self._received = None
            try:
                data = self._verified_data(part, http_url)
                return Body(data, part.validators, headers=response.headers)
            except FetchError:
                response.abandon()
                raise

    @contextmanager
    def _send(
        self, http_url: HttpUrl, headers: Mapping[str, str], began: float
    ) -> Iterator[_Response]:
        """Send a request; the connection and the response headers may take `timeout_s`."""
        timeout_s = self._limits.timeout_s
        self._transport.deadline.at = min(time.monotonic() + timeout_s, began + self._left_s)
        request = httpx.Request(
            "GET",
            http_url.url,
            headers=self._request_headers(http_url, headers),
            stream=_NO_CONTENT,
            extensions={"timeout": self._timeouts},
        )
        wait = partial(WAITS.wait_for, http_url.netloc, self._silence_remark)
        with wait():
            # httpx.Client would follow redirects, keep cookies and log URLs without our checks.
            response = self._transport.handle_request(request)
        try:
            yield _Response(response, wait)
        finally:
            response.close()

    def _silence_remark(self) -> str:
        return silence_remark(self._limits.timeout_s, 1 + self._limits.retries)

    def _request_headers(
        self, http_url: HttpUrl, headers: Mapping[str, str]
    ) -> list[tuple[bytes, bytes]]:
        every = {"user-agent": _USER_AGENT, "accept": "*/*"} | dict(headers)
        every["accept-encoding"] = "identity"
        if self._received and (rest := self._received.range_headers()):
            every |= rest
        elif validators := self._request.validators:
            every |= validators.as_headers()
        pairs = ((name.title().encode(), text.encode()) for name, text in every.items())
        return [(b"Host", http_url.netloc.encode()), *pairs]

    def _resume(self, response: _Response) -> _ReceivedPart | None:
        """Return the part that the response continues, or `None` if it starts anew."""
        if self._received is None or response.status not in (200, 206, 416):
            return None
        part, self._received = self._received, None
        if response.status == 200:  # the version changed, or the host knows no ranges
            return None
        if response.status == 206 and part.is_continued_by(response.headers):
            return part
        raise FetchError(
            f"expected the rest of the body from byte {len(part.data)}, found another part",
            Kind.TRANSIENT,
            response.status,
        )

    def _begin(self, response: _Response, http_url: HttpUrl) -> _ReceivedPart:
        if response.status != 200:
            raise response.to_error(http_url, self._now())
        headers = response.headers
        declaration = Declaration.parse(headers, is_processed=is_processed(http_url.path))
        if (declaration.length or 0) > self._limits.max_bytes:
            raise too_large(self._limits.max_bytes, f"Content-Length {declaration.length}")
        return _ReceivedPart(
            declaration, Validators(headers.get("etag"), headers.get("last-modified"))
        )

    def _read(self, response: _Response, part: _ReceivedPart) -> None:
        """Append the response's body to `part`, which keeps it if the connection breaks."""
        limits = self._limits
        began = time.monotonic()
        before = len(part.data)
        for chunk in response.chunks():
            part.data += chunk
            if len(part.data) > limits.max_bytes:
                raise too_large(limits.max_bytes, "more")
            if waited_s := self._wait_for_room(len(chunk)):
                began += waited_s
                self._left_s += waited_s
                self._transport.deadline.at += waited_s
            took_s = time.monotonic() - began
            if is_stalled(received := len(part.data) - before, took_s, limits.timeout_s):
                raise FetchError(
                    f"expected at least {MIN_BYTES_PER_S} bytes a second, found {received} bytes "
                    f"in {took_s:.1f} s",
                    Kind.TRANSIENT,
                )

    def _verified_data(self, part: _ReceivedPart, http_url: HttpUrl) -> bytes:
        data = bytes(part.data)
        part.data.clear()
        if part.declaration.encoding == "identity":
            refuse_document(data, http_url)
            self._check(data, part.declaration)
            return data
        self._check(data, part.declaration)
        data = part.declaration.decoded(data, self._limits.max_bytes)
        refuse_document(data, http_url)
        return data

    def _check(self, data: bytes, declaration: Declaration) -> None:
        """Raise `FetchError` when `data` is not what was declared.

        The same bytes twice overrule an ETag that looks like an MD5 and is another one: some hosts
        derive it from something else. A body that was cut or mixed up would differ.
        """
        is_same = self._mismatch is not None and sha256(data).digest() == self._mismatch
        try:
            declaration.check(data, is_etag_opaque=is_same)
        except FetchError:
            self._mismatch = sha256(data).digest()
            raise


class _Response:
    """Status and lower-case headers of a response whose body is not read yet."""

    def __init__(
        self, response: httpx.Response, wait: Callable[[], AbstractContextManager[None]]
    ) -> None:
        self.status = response.status_code
        # Of a repeated header the last value counts; httpx would join the values with commas.
        self.headers = {
            name.decode("latin-1").lower(): text.decode("latin-1")
            for name, text in response.headers.raw
        }
        self._response = response
        # `iter_raw` would count each chunk and close the response a second time.
        self._stream = cast(httpx.SyncByteStream, response.stream)
        self._wait = wait

    def chunks(self) -> Iterator[bytes]:
        """Yield the body as it arrives, still compressed if the host compressed it."""
        stream = iter(self._stream)
        while True:
            with self._wait():
                chunk = next(stream, None)
            if chunk is None:
                return
            yield chunk

    def read_start(self) -> bytes:
        """Read the start of a body that is not a picture; the whole body if it is short."""
        body = b""
        try:
            for chunk in self.chunks():
                body += chunk
                if len(body) > _ERROR_BODY_BYTES:
                    break
        except httpx.TransportError:
            pass  # the status and the headers are enough
        return body

    def abandon(self) -> None:
        """Close the connection: after a body of a wrong length, more bytes may follow."""
        self._response.extensions["network_stream"].close()

    def to_error(self, http_url: HttpUrl, now: float) -> FetchError:
        """Return the error for a response without a picture, with the reason the host gives."""
        wait_s = retry_after_s(self.headers.get("retry-after"), now)
        return error_for_status(self.status, http_url, self.read_start(), wait_s)


def _next_url(http_url: HttpUrl, response: _Response, body: bytes) -> HttpUrl:
    location = response.headers.get("location")
    if not location and named_endpoint(body) is not None:
        raise error_for_status(response.status, http_url, body)
    if not location:
        raise FetchError(
            f"expected an address to go on to, found HTTP {response.status} without Location",
            Kind.PERMANENT,
            response.status,
        )
    raw = location.encode("latin-1")
    try:
        return http_url.redirected(raw.decode())
    except UnicodeDecodeError:
        return http_url.redirected(location)
