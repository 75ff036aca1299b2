"""All attempts for one URL: redirects, the body, and going on where an attempt broke off."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import httpcore

import mirror
from mirror.fetch.addresses import Target
from mirror.fetch.answers import engine_errors, error_for_status, refuse_document
from mirror.fetch.checks import Declared, too_large
from mirror.fetch.errors import FetchError, Kind
from mirror.fetch.limits import Limits, retry_after_s
from mirror.fetch.network import Network
from mirror.urls.sources import is_processed

_USER_AGENT = f"markdown-mirror/{mirror.__version__}"
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_ERROR_BODY_BYTES = 16 * 2**10
_CONNECT_S = 10.0
_NOT_A_BODY = (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException)


@dataclass(frozen=True, slots=True)
class Validators:
    """What a host calls this version of an object; sent back to ask for another one only."""

    etag: str | None = None
    last_modified: str | None = None

    @property
    def strong_etag(self) -> str | None:
        """The ETag if it promises equal bytes, so that a part can be added to a part."""
        return self.etag if self.etag and self.etag.startswith('"') else None

    def as_headers(self) -> dict[str, str]:
        """The headers of a conditional request, in lower case."""
        names = {"if-none-match": self.etag, "if-modified-since": self.last_modified}
        return {name: text for name, text in names.items() if text}


@dataclass(frozen=True, slots=True)
class Body:
    """The whole body as its host declared it, after that many attempts.

    `headers` are those of the answer that completed it, names in lower case.
    """

    data: bytes
    validators: Validators
    attempts: int
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(slots=True)
class _Partial:
    """What has arrived of a body, and what the answer that began it declared."""

    declared: Declared
    validators: Validators
    data: bytearray = field(default_factory=bytearray)  # a list of tiny chunks would cost more

    def range_headers(self) -> dict[str, str]:
        """Ask for the rest of the same version; empty when no version is named."""
        etag = self.validators.strong_etag
        if not self.data or etag is None:
            return {}
        return {"range": f"bytes={len(self.data)}-", "if-range": etag}

    def is_continued_by(self, headers: Mapping[str, str]) -> bool:
        """Whether an answer 206 is exactly the rest."""
        place, _, whole = headers.get("content-range", "").partition("/")
        known = self.declared.length
        return (
            place.startswith(f"bytes {len(self.data)}-")
            and (known is None or whole in (str(known), "*"))
            and headers.get("etag", self.validators.etag) == self.validators.etag
        )


class Exchange:
    """One URL's attempts. They share the time for all transfers and the part that arrived."""

    def __init__(
        self,
        network: Network,
        limits: Limits,
        now: Callable[[], float],
        target: Target,
        headers: Mapping[str, str],
        validators: Validators | None,
    ) -> None:
        self._network = network
        self._limits = limits
        self._now = now
        self._target = target
        self._headers = {name.lower(): text for name, text in headers.items()}
        self._validators = validators
        self._partial: _Partial | None = None
        self._left_s = limits.whole_s
        self._timeouts = {
            "connect": min(limits.timeout_s, _CONNECT_S),
            "read": limits.timeout_s,
            "write": limits.timeout_s,
        }

    @property
    def is_over(self) -> bool:
        """Whether the time for all transfers is used up."""
        return self._left_s <= 0

    def attempt(self, number: int) -> Body | None:
        """Follow redirects to the body and read it; `None` when it is not modified."""
        began = time.monotonic()
        target, is_own = self._target, True
        try:
            for _ in range(self._limits.max_redirects + 1):
                with engine_errors(target, self._limits):
                    found = self._hop(target, is_own, began)
                if not isinstance(found, Target):
                    return found and replace(found, attempts=number)
                is_own = is_own and target.may_know(found)
                target = found
        finally:
            self._network.deadline.at = float("inf")
            self._left_s -= time.monotonic() - began
        raise FetchError(
            f"expected at most {self._limits.max_redirects} redirects, found another one, to "
            f"{target.shown}; use the final address",
            Kind.PERMANENT,
        )

    def _hop(self, target: Target, is_own: bool, began: float) -> Target | Body | None:
        """One request: the next target, the body, or nothing when it is not modified."""
        with self._ask(target, is_own, began) as answer:
            if answer.status in _REDIRECTS:
                answer.beginning()  # a connection whose answer was read can be used again
                return _onward(target, answer)
            if answer.status == 304 and self._validators and not self._partial:
                answer.beginning()
                return None
            partial = self._continued(answer) or self._begun(answer, target)
            self._partial = partial
            self._network.deadline.at = began + self._left_s
            self._read(answer, partial)
            self._partial = None
            try:
                data = self._checked(partial, target)
                return Body(data, partial.validators, 1, answer.headers)
            except FetchError:
                answer.abandon()
                raise

    @contextmanager
    def _ask(self, target: Target, is_own: bool, began: float) -> Iterator[_Answer]:
        """Connection, handshake and headers together may take `timeout_s`."""
        timeout_s = self._limits.timeout_s
        self._network.deadline.at = min(time.monotonic() + timeout_s, began + self._left_s)
        request = httpcore.Request(
            "GET",
            httpcore.URL(
                scheme=target.scheme,
                host=target.host,
                port=target.written_port,
                target=target.path,
            ),
            headers=self._request_headers(target, is_own),
            extensions={"timeout": self._timeouts},
        )
        response = self._network.pool(target).handle_request(request)
        try:
            yield _Answer(response)
        finally:
            response.close()

    def _request_headers(self, target: Target, is_own: bool) -> list[tuple[bytes, bytes]]:
        headers = {"user-agent": _USER_AGENT, "accept": "*/*"}
        if is_own:
            if self._target.authorization:
                headers["authorization"] = self._target.authorization
            headers |= self._headers
        headers["accept-encoding"] = "identity"
        if self._partial and (rest := self._partial.range_headers()):
            headers |= rest
        elif self._validators:
            headers |= self._validators.as_headers()
        pairs = ((name.title().encode(), text.encode()) for name, text in headers.items())
        return [(b"Host", target.netloc.encode()), *pairs]

    def _continued(self, answer: _Answer) -> _Partial | None:
        """The part to go on with; `None` when the answer is no rest of it."""
        if self._partial is None or answer.status not in (200, 206, 416):
            return None
        partial, self._partial = self._partial, None
        if answer.status == 200:  # another version by now, or a host that knows no ranges
            return None
        if answer.status == 206 and partial.is_continued_by(answer.headers):
            return partial
        raise FetchError(
            f"expected the rest of the body from byte {len(partial.data)}, found another part",
            Kind.TRANSIENT,
            answer.status,
        )

    def _begun(self, answer: _Answer, target: Target) -> _Partial:
        if answer.status != 200:
            raise answer.as_error(target, self._now())
        headers = answer.headers
        declared = Declared.parse(headers, made_on_the_fly=is_processed(target.path))
        if (declared.length or 0) > self._limits.max_bytes:
            raise too_large(self._limits.max_bytes, f"Content-Length {declared.length}")
        return _Partial(declared, Validators(headers.get("etag"), headers.get("last-modified")))

    def _read(self, answer: _Answer, partial: _Partial) -> None:
        """Add the answer's body to `partial`, which keeps what came when the connection breaks."""
        limits = self._limits
        began = time.monotonic()
        before = len(partial.data)
        for chunk in answer.chunks():
            partial.data += chunk
            if len(partial.data) > limits.max_bytes:
                raise too_large(limits.max_bytes, "more")
            took_s = time.monotonic() - began
            if took_s > limits.timeout_s:
                _check_speed(len(partial.data) - before, took_s, limits.min_bytes_per_s)

    def _checked(self, partial: _Partial, target: Target) -> bytes:
        data = bytes(partial.data)
        partial.data.clear()
        if partial.declared.encoding == "identity":
            refuse_document(data, target)
            partial.declared.check(data)
            return data
        partial.declared.check(data)
        data = partial.declared.decoded(data, self._limits.max_bytes)
        refuse_document(data, target)
        return data


class _Answer:
    """Status and lower-case headers of a response whose body is still to come."""

    def __init__(self, response: httpcore.Response) -> None:
        self.status = response.status
        self.headers = {
            name.decode("latin-1").lower(): text.decode("latin-1")
            for name, text in response.headers
        }
        self._response = response

    def chunks(self) -> Iterator[bytes]:
        return self._response.iter_stream()

    def beginning(self) -> bytes:
        """The first bytes of a body that is not wanted, all of it if it is short."""
        body = b""
        try:
            for chunk in self.chunks():
                body += chunk
                if len(body) > _ERROR_BODY_BYTES:
                    break
        except _NOT_A_BODY:
            pass  # status and headers have said enough
        return body

    def abandon(self) -> None:
        """Close the connection: behind a body of the wrong length its rest may follow."""
        stream: httpcore.NetworkStream = self._response.extensions["network_stream"]
        stream.close()

    def as_error(self, target: Target, now: float) -> FetchError:
        """The error for a status that brings no picture, with the host's own reason."""
        wait_s = retry_after_s(self.headers.get("retry-after"), now)
        return error_for_status(self.status, target, self.beginning(), wait_s)


def _onward(target: Target, answer: _Answer) -> Target:
    location = answer.headers.get("location")
    if not location:
        raise FetchError(
            f"expected an address to go on to, found HTTP {answer.status} without Location",
            Kind.PERMANENT,
            answer.status,
        )
    raw = location.encode("latin-1")
    try:
        return target.redirected(raw.decode())
    except UnicodeDecodeError:
        return target.redirected(location)


def _check_speed(received: int, took_s: float, min_bytes_per_s: int) -> None:
    if received < took_s * min_bytes_per_s:
        raise FetchError(
            f"expected at least {min_bytes_per_s} bytes a second, found {received} bytes in "
            f"{took_s:.1f} s",
            Kind.TRANSIENT,
        )
