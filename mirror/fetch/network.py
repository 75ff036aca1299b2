"""The httpx transport of this package: guarded addresses, one deadline per thread, proxies."""

from __future__ import annotations

import logging
import os
import re
import socket
import ssl
import threading
import time
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies_environment, proxy_bypass

import httpcore

from mirror.fetch.addresses import DEFAULT_PORTS, Guard
from mirror.fetch.errors import FetchError, Kind
from mirror.fetch.library import httpx

# For an idle connection. nginx closes one after 75 s and Apache after 5 s, which is seen before its
# next use; a shorter time costs a handshake where the posts come back to a host.
_KEEPALIVE_S = 15.0
_KEPT_CONNECTIONS = 4  # of a thread: to the hosts that the posts show in turn
_PROXY_LOGIN = 407  # RFC 9110, 15.5.8
_HTTPX_ERRORS: dict[type[Exception], type[httpx.TransportError]] = {
    httpcore.ConnectTimeout: httpx.ConnectTimeout,
    httpcore.ReadTimeout: httpx.ReadTimeout,
    httpcore.WriteTimeout: httpx.WriteTimeout,
    httpcore.PoolTimeout: httpx.PoolTimeout,
    httpcore.ConnectError: httpx.ConnectError,
    httpcore.ReadError: httpx.ReadError,
    httpcore.WriteError: httpx.WriteError,
    httpcore.LocalProtocolError: httpx.LocalProtocolError,
    httpcore.RemoteProtocolError: httpx.RemoteProtocolError,
    httpcore.UnsupportedProtocol: httpx.UnsupportedProtocol,
}
_HTTPCORE_ERRORS = tuple(_HTTPX_ERRORS)
_ILLEGAL_LINE = "illegal header line"  # h11's words

_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # https://www.rfc-editor.org/rfc/rfc9110#section-5.6.2
_HEADERS_END = re.compile(rb"\n\r?\n")
_MAX_HEADERS_BYTES = 2**16  # hosts send one or two KiB; httpcore gives up at 100 KiB
_INTERIM = re.compile(rb"HTTP/1\.\d 1")
# A line that begins with a blank belongs to the one before.
_LINE_WITHOUT_NAME = re.compile(
    rb"^(?!%b[ \t]*:)[^ \t\r\n][^\n]*\n(?:[ \t][^\n]*\n)*" % _TOKEN, re.MULTILINE
)
_BLANKS_BEFORE_COLON = re.compile(rb"^(%b)[ \t]+:" % _TOKEN, re.MULTILINE)

# At level DEBUG httpcore logs headers, which contain signed redirects and cookies.
for _name in ("connection", "http11", "proxy"):
    logging.getLogger(f"httpcore.{_name}").disabled = True


class Deadline(threading.local):
    """Time on the monotonic clock at which the current thread's exchange must end."""

    at = float("inf")

    def left_s(self, timeout_s: float | None) -> float:
        """Return the time left, at most `timeout_s`; raise `httpcore.ReadTimeout` if none is."""
        left_s = self.at - time.monotonic()
        if left_s <= 0:
            raise httpcore.ReadTimeout("the time for the whole transfer is over")
        return left_s if timeout_s is None else min(left_s, timeout_s)


class _Stream(httpcore.NetworkStream):
    """Stream that ends at the deadline, even if the host sends a byte now and then."""

    def __init__(self, inner: httpcore.NetworkStream, deadline: Deadline) -> None:
        self._inner = inner
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, self._deadline.left_s(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, self._deadline.left_s(timeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        left_s = self._deadline.left_s(timeout)
        inner = self._inner.start_tls(ssl_context, server_hostname, left_s)
        return type(self)(inner, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class _LenientStream(_Stream):
    """Stream of one response, whose headers come as `lenient_headers` returns them."""

    _is_in_headers = True
    _unread = b""

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if not self._is_in_headers:
            return super().read(max_bytes, timeout)
        data, self._unread = self._unread, b""
        while not (end := _HEADERS_END.search(data)):
            more = super().read(max_bytes, timeout)
            data += more
            if not more or len(data) > _MAX_HEADERS_BYTES:
                self._is_in_headers = False
                return data
        headers, rest = data[: end.end()], data[end.end() :]
        # An interim response comes before the response, with headers of its own.
        self._is_in_headers = _INTERIM.match(headers) is not None
        if self._is_in_headers:
            self._unread, rest = rest, b""
        return lenient_headers(headers) + rest


def lenient_headers(headers: bytes) -> bytes:
    """Return a status line and headers without the lines that have no header name.

    Browsers ignore such a line, for example `Bad Header: x`. Blanks before the colon are removed,
    as a proxy does: https://www.rfc-editor.org/rfc/rfc9112#section-5.1-3
    """
    status_line, line_end, lines = headers.partition(b"\n")
    lines = _BLANKS_BEFORE_COLON.sub(rb"\1:", _LINE_WITHOUT_NAME.sub(b"", lines))
    return status_line + line_end + lines


class _Dialer(httpcore.NetworkBackend):
    """Dialer that resolves a name once and connects to an address that the guard allowed."""

    def __init__(
        self, guard: Guard, deadline: Deadline, stream_type: type[_Stream] = _Stream
    ) -> None:
        self._guard = guard
        self._deadline = deadline
        self._stream_type = stream_type
        self._inner = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        failure: httpcore.NetworkError | httpcore.TimeoutException | None = None
        for address in self._guard.allowed(host, port, _resolve(host, port)):
            try:
                stream = self._inner.connect_tcp(
                    address, port, self._deadline.left_s(timeout), local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
            else:
                return self._stream_type(stream, self._deadline)
        raise failure or httpcore.ConnectError("the name has no address")


class _ProxyDialer(_Dialer):
    """Dialer for a proxy. The user chose it, so it may have a private address."""

    def __init__(self, deadline: Deadline, stream_type: type[_Stream] = _Stream) -> None:
        super().__init__(Guard(allow_private_hosts=True), deadline, stream_type)

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect, or raise `httpcore.ProxyError`, so that no host is blamed for its proxy."""
        try:
            return super().connect_tcp(host, port, timeout, local_address, socket_options)
        except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
            raise httpcore.ProxyError(f"no connection to it: {error}") from error


def _resolve(host: str, port: int) -> list[str]:
    """Return all addresses of `host`, in the system's order."""
    try:
        infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise httpcore.ConnectError(f"the name {host} cannot be resolved ({error})") from error
    return list(dict.fromkeys(str(info[4][0]) for info in infos))


class _BodyStream(httpx.SyncByteStream):
    """Body of a response; its errors are httpx's."""

    def __init__(self, response: httpcore.Response) -> None:
        self._response = response

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._response.iter_stream()
        except _HTTPCORE_ERRORS as error:
            raise _httpx_error(error) from error

    def close(self) -> None:
        try:
            self._response.close()
        except _HTTPCORE_ERRORS as error:
            raise _httpx_error(error) from error


class GuardedTransport(httpx.BaseTransport):
    """Transport of httpx that connects only to addresses which `guard` allows.

    httpx's own transport takes no dialer, so this one owns the connection pools. It keeps one for
    each thread, scheme, proxy and type of stream, and makes it for the first request that needs it.
    """

    def __init__(self, guard: Guard) -> None:
        self.deadline = Deadline()
        self._guard = guard
        self._proxies = getproxies_environment()
        self._pools: dict[tuple[int, str, str, type[_Stream]], httpcore.ConnectionPool] = {}
        self._lock = threading.Lock()
        self._tls: ssl.SSLContext | None = None

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send `request` and return its response, whose body is not read yet.

        Raise `FetchError` for a host that is not allowed, and `httpx.TransportError`.
        """
        proxy = self._proxy(request.url)
        try:
            response = self._send(request, request.headers.raw, proxy, _Stream)
        except httpcore.RemoteProtocolError as error:
            if _ILLEGAL_LINE not in str(error):
                raise _httpx_error(error) from error
            response = self._send_again(request, proxy)
        except httpcore.ProxyError as error:
            raise _proxy_error(proxy, str(error)) from error
        except _HTTPCORE_ERRORS as error:
            raise _httpx_error(error) from error
        if proxy and response.status == _PROXY_LOGIN:  # a host never sends it
            response.close()
            raise _proxy_error(proxy, f"{_PROXY_LOGIN} Proxy Authentication Required")
        return httpx.Response(
            response.status,
            headers=response.headers,
            stream=_BodyStream(response),
            extensions=response.extensions,
        )

    def _send_again(self, request: httpx.Request, proxy: str) -> httpcore.Response:
        """Send a request whose response has an illegal header line on a connection of its own."""
        headers = [pair for pair in request.headers.raw if pair[0].lower() != b"connection"]
        try:
            headers.append((b"Connection", b"close"))
            return self._send(request, headers, proxy, _LenientStream)
        except _HTTPCORE_ERRORS as error:
            raise _httpx_error(error) from error

    def _send(
        self,
        request: httpx.Request,
        headers: list[tuple[bytes, bytes]],
        proxy: str,
        stream_type: type[_Stream],
    ) -> httpcore.Response:
        url = request.url
        return self._pool(url.scheme, proxy, stream_type).handle_request(
            httpcore.Request(
                request.method,
                httpcore.URL(
                    scheme=url.raw_scheme,
                    host=url.raw_host,
                    port=url.port,
                    target=url.raw_path,
                ),
                headers=headers,
                extensions=request.extensions,
            )
        )

    def close(self) -> None:
        """Close every connection."""
        for pool in list(self._pools.values()):
            pool.close()

    def _proxy(self, url: httpx.URL) -> str:
        """Return the address of the proxy for `url`; empty for none."""
        proxy = self._proxies.get(url.scheme) or self._proxies.get("all") or ""
        if proxy:
            host = url.raw_host.decode("ascii")  # `url.host` is decoded from Punycode
            port = url.port or DEFAULT_PORTS[url.scheme]
            if proxy_bypass(f"{host}:{port}"):
                return ""
            self._guard.check_name(host, port)  # the proxy resolves the name, not the dialer
        return proxy

    def _pool(self, scheme: str, proxy: str, stream_type: type[_Stream]) -> httpcore.ConnectionPool:
        # httpcore looks at every connection of a pool, each with a system call, before and after a
        # request. For sixteen threads that took as long as the requests.
        key = threading.get_ident(), scheme, proxy, stream_type
        pool = self._pools.get(key)
        if pool is None:
            pool = self._pools[key] = self._make_pool(scheme, proxy, stream_type)
        return pool

    def _tls_context(self) -> ssl.SSLContext:
        # Reading the authorities takes longer than a small picture: all pools share one context.
        with self._lock:
            self._tls = self._tls or _tls_context()
            return self._tls

    def _make_pool(
        self, scheme: str, proxy: str, stream_type: type[_Stream]
    ) -> httpcore.ConnectionPool:
        tls = self._tls_context() if scheme == "https" else None
        if not proxy:
            return httpcore.ConnectionPool(
                tls,
                max_connections=None,  # `HostLimit` limits the requests; the pool must not
                max_keepalive_connections=_KEPT_CONNECTIONS,
                keepalive_expiry=_KEEPALIVE_S,
                network_backend=_Dialer(self._guard, self.deadline, stream_type),
            )
        address, login = _proxy_address(proxy)
        return httpcore.HTTPProxy(
            address,
            proxy_auth=login,
            ssl_context=tls,
            proxy_ssl_context=self._tls_context() if address.scheme == b"https" else None,
            max_connections=None,
            max_keepalive_connections=_KEPT_CONNECTIONS,
            keepalive_expiry=_KEEPALIVE_S,
            network_backend=_ProxyDialer(self.deadline, stream_type),
        )


def _proxy_address(proxy: str) -> tuple[httpcore.URL, tuple[str, str] | None]:
    try:
        parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise FetchError(
            "expected an http:// or https:// address in HTTP_PROXY, HTTPS_PROXY or ALL_PROXY, "
            f"found {parts.scheme + '://…' if parts.scheme else 'something else'}",
            Kind.PERMANENT,
        )
    login = (unquote(parts.username), unquote(parts.password or "")) if parts.username else None
    return httpcore.URL(scheme=parts.scheme, host=parts.hostname, port=port, target="/"), login


def _proxy_error(proxy: str, reason: str) -> FetchError:
    """Return the error for a proxy that refuses; `reason` may begin with an HTTP status."""
    url = _proxy_address(proxy)[0]
    name = f"{url.host.decode()}:{url.port}" if url.port else url.host.decode()
    status = int(reason[:3]) if reason[:3].isdigit() else None
    return FetchError(
        f"the proxy {name} did not connect ({reason}); see HTTP_PROXY, HTTPS_PROXY and NO_PROXY",
        Kind.AUTHENTICATION if status == _PROXY_LOGIN else Kind.TRANSIENT,
        status,
    )


def _httpx_error(error: Exception) -> httpx.TransportError:
    return _HTTPX_ERRORS[type(error)](str(error))


def _tls_context() -> ssl.SSLContext:
    """Return a context that always checks certificates, against the authorities browsers trust.

    SSL_CERT_FILE and SSL_CERT_DIR name other authorities instead. Raise `FetchError`.
    """
    try:
        context = httpx.create_ssl_context()
        if folder := os.environ.get("SSL_CERT_DIR"):  # httpx reads it only without SSL_CERT_FILE
            context.load_verify_locations(capath=folder)
    except OSError as error:
        raise FetchError(
            f"expected certificates in SSL_CERT_FILE or SSL_CERT_DIR, found: {error.strerror}",
            Kind.PERMANENT,
        ) from error
    return context
