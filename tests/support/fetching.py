"""Hosts on loopback, and a fetcher that may ask them."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import trustme

from mirror.fetch import Body, FetchError
from mirror.fetch.fetcher import Fetcher
from mirror.fetch.limits import FetchLimits
from mirror.host import ImageHost, Request, Response
from mirror.urls.address import Url

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 16
# No honest host on loopback needs this long, however busy the machine is.
PATIENT = FetchLimits(timeout_s=10, retries=2, max_bytes=2**20)
SHORT = {"timeout_s": 0.15, "transfer_timeouts": 2.5}


@dataclass
class Clock:
    """Time that passes only by sleeping."""

    seconds: float = 1_800_000_000.0
    slept: list[float] = field(default_factory=list)

    def now(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seconds += seconds


def fetcher_for(*hosts: ImageHost, clock: Clock | None = None, **changes: Any) -> Fetcher:
    """A fetcher that may ask these hosts on loopback and no other."""
    clock = clock or Clock()
    return Fetcher(
        replace(PATIENT, **changes),
        exempt_hosts=[f"127.0.0.1:{host.port}" for host in hosts],
        sleep=clock.sleep,
        now=clock.now,
        random=lambda: 1.0,
    )


def failure(fetcher: Fetcher, url: str, **options: Any) -> FetchError:
    with pytest.raises(FetchError) as caught:
        fetcher.fetch(Url(url), **options)
    return caught.value


def body(fetcher: Fetcher, url: str, **options: Any) -> Body:
    result = fetcher.fetch(Url(url), **options)
    assert result is not None
    return result


@dataclass(frozen=True)
class Authority:
    server: ssl.SSLContext
    pem: str


def new_authority(folder: Path) -> Authority:
    """Return an authority for loopback, whose certificate is written to `folder`."""
    ca = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("127.0.0.1", "localhost").configure_cert(server)
    pem = folder / "ca.pem"
    ca.cert_pem.write_to_path(str(pem))
    return Authority(server, str(pem))


class Tunnel(ImageHost):
    """A proxy that connects, and passes bytes on."""

    def respond(self, client: socket.socket, request: Request) -> bool:
        self.received.append(request)
        with socket.create_connection(("127.0.0.1", int(request.target.split(":")[1]))) as far:
            client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            back = threading.Thread(target=relay, args=(far, client))
            back.start()
            relay(client, far)
            back.join()
        return False


def relay(source: socket.socket, sink: socket.socket) -> None:
    """Pass bytes on until either side ends."""
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_RDWR)


class Scripted(ImageHost):
    """A host with an answer of its own for some paths."""

    def __init__(self, responses: dict[str, Callable[[Request], Response]], **options: Any) -> None:
        self.responses = responses
        super().__init__({"a.png": PNG}, **options)

    def answer(self, request: Request) -> Response:
        scripted = self.responses.get(request.key)
        return scripted(request) if scripted else super().answer(request)


def redirect(location: str) -> Callable[[Request], Response]:
    return lambda _: Response(302, {"Location": location})
