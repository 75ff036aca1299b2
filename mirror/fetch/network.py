"""Connections: checked addresses, one deadline per thread, proxies. The engine is httpcore."""

from __future__ import annotations

import logging
import os
import socket
import ssl
import threading
import time
from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies_environment, proxy_bypass

import certifi
import httpcore

from mirror.fetch.addresses import Guard, Target
from mirror.fetch.errors import FetchError, Kind

_KEEPALIVE_S = 15.0

# At DEBUG httpcore prints headers, and with them signed redirects and cookies.
for _name in ("connection", "http11", "proxy"):
    logging.getLogger(f"httpcore.{_name}").disabled = True


class Deadline(threading.local):
    """The moment, on the monotonic clock, when the exchange of the current thread must be over."""

    at = float("inf")

    def left_s(self, timeout_s: float | None) -> float:
        """What remains, at most `timeout_s`; raise `httpcore.ReadTimeout` when it is nothing."""
        left_s = self.at - time.monotonic()
        if left_s <= 0:
            raise httpcore.ReadTimeout("the time for the whole transfer is over")
        return left_s if timeout_s is None else min(left_s, timeout_s)


class _Stream(httpcore.NetworkStream):
    """A stream that also keeps the deadline: a byte now and then does not hold it open."""

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
        return _Stream(inner, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class _Dialer(httpcore.NetworkBackend):
    """Resolves a name once, and connects to an address that was checked, not to the name."""

    def __init__(self, guard: Guard, deadline: Deadline) -> None:
        self._guard = guard
        self._deadline = deadline
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
                return _Stream(stream, self._deadline)
        raise failure or httpcore.ConnectError("the name has no address")


def _resolve(host: str, port: int) -> list[str]:
    """All addresses of `host`, in the system's order."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise httpcore.ConnectError(f"the name {host} cannot be resolved ({error})") from error
    return list(dict.fromkeys(str(info[4][0]) for info in found))


class Network:
    """Connection pools, made when first needed: for http and https, direct or through a proxy."""

    def __init__(self, guard: Guard, concurrency: int) -> None:
        self.deadline = Deadline()
        self._guard = guard
        self._concurrency = concurrency
        self._proxies = getproxies_environment()
        self._pools: dict[tuple[str, str], httpcore.ConnectionPool] = {}
        self._lock = threading.Lock()

    def pool(self, target: Target) -> httpcore.ConnectionPool:
        """The pool for `target`. Behind a proxy only the name can be checked, so it is."""
        proxy = self._proxies.get(target.scheme) or self._proxies.get("all") or ""
        if proxy and proxy_bypass(f"{target.host}:{target.port}"):
            proxy = ""
        if proxy:
            self._guard.check_name(target.host, target.port)
        with self._lock:
            if (target.scheme, proxy) not in self._pools:
                self._pools[target.scheme, proxy] = self._make_pool(target.scheme, proxy)
            return self._pools[target.scheme, proxy]

    def close(self) -> None:
        """Close every connection."""
        for pool in self._pools.values():
            pool.close()

    def _make_pool(self, scheme: str, proxy: str) -> httpcore.ConnectionPool:
        # Reading all authorities takes longer than a small picture: only where there is TLS.
        tls = _tls_context() if scheme == "https" else None
        if not proxy:
            return httpcore.ConnectionPool(
                tls,
                max_connections=None,  # as many as threads ask; a pool must not be a second limit
                max_keepalive_connections=self._concurrency,
                keepalive_expiry=_KEEPALIVE_S,
                network_backend=_Dialer(self._guard, self.deadline),
            )
        address, login = _proxy_address(proxy)
        return httpcore.HTTPProxy(
            address,
            proxy_auth=login,
            ssl_context=tls,
            proxy_ssl_context=_tls_context() if address.scheme == b"https" else None,
            max_connections=None,
            max_keepalive_connections=self._concurrency,
            keepalive_expiry=_KEEPALIVE_S,
            # The proxy itself is the user's choice and may stand anywhere.
            network_backend=_Dialer(Guard(allow_private_hosts=True), self.deadline),
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


def _tls_context() -> ssl.SSLContext:
    """Certificates and names are always checked, against the authorities browsers trust.

    SSL_CERT_FILE and SSL_CERT_DIR name other authorities instead.
    """
    file, folder = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
    if not file and not folder:
        file = certifi.where()
    try:
        return ssl.create_default_context(cafile=file or None, capath=folder or None)
    except OSError as error:
        raise FetchError(
            f"expected certificates in SSL_CERT_FILE or SSL_CERT_DIR, found: {error.strerror}",
            Kind.PERMANENT,
        ) from error
