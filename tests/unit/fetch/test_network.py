"""Connections: TLS and proxies."""

from __future__ import annotations

import base64
import socket
import ssl
import time
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
import trustme
from support.fetching import (
    PATIENT,
    PNG,
    SHORT,
    Authority,
    Clock,
    Scripted,
    Tunnel,
    body,
    failure,
    fetcher_for,
    redirect,
)
from support.misbehaving import MisbehavingHost

from mirror.fetch import Kind
from mirror.fetch.fetcher import Fetcher
from mirror.host import ImageHost, Request, Response

# --- TLS ------------------------------------------------------------------------------------------


def test_https_is_fetched_when_the_authority_is_known(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", authority.pem)
    names: list[str | None] = []
    authority.server.sni_callback = lambda _socket, name, _context: names.append(name)
    with (
        Scripted({}, tls=authority.server) as host,
        Fetcher(PATIENT, exempt_hosts=["localhost"]) as fetcher,
    ):
        assert body(fetcher, f"https://localhost:{host.port}/a.png").data == PNG
        assert host.received[-1].headers["host"] == f"localhost:{host.port}"
    assert names == ["localhost"]


def test_an_unknown_authority_is_an_error_and_nothing_is_asked(authority: Authority) -> None:
    with Scripted({}, tls=authority.server) as host, fetcher_for(host) as fetcher:
        error = failure(fetcher, host.base_url + "a.png")
        assert error.kind is Kind.PERMANENT
        assert "SSL_CERT_FILE" in str(error)
        assert not host.requests


def test_a_certificate_for_another_name_is_an_error(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", authority.pem)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("elsewhere.example").configure_cert(server)
    with Scripted({}, tls=server) as host, fetcher_for(host) as fetcher:
        assert failure(fetcher, host.base_url + "a.png").kind is Kind.PERMANENT


def test_certificates_that_cannot_be_read_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/ca.pem")
    with Fetcher(PATIENT, exempt_hosts=["127.0.0.1"]) as fetcher:
        error = failure(fetcher, "https://127.0.0.1:1/a.png")
    assert error.kind is Kind.PERMANENT
    assert "SSL_CERT_FILE" in str(error)


def test_a_redirect_from_https_to_http_is_not_followed(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", authority.pem)
    with (
        Scripted({}) as plain,
        Scripted({"r.png": redirect(plain.base_url + "a.png")}, tls=authority.server) as host,
        fetcher_for(host, plain) as fetcher,
    ):
        assert failure(fetcher, host.base_url + "r.png").kind is Kind.REFUSED
        assert not plain.requests


# --- Proxies --------------------------------------------------------------------------------------


class Proxy(ImageHost):
    """Answers for every host, and refuses to tunnel."""

    def answer(self, request: Request) -> Response:
        if request.method == "CONNECT":
            return Response(407 if "proxy-authorization" not in request.headers else 502)
        return Response(200, {}, PNG)


def test_a_proxy_is_asked_for_the_whole_url(monkeypatch: pytest.MonkeyPatch) -> None:
    with Proxy({}) as proxy, Fetcher(PATIENT) as direct:
        monkeypatch.setenv("HTTP_PROXY", proxy.base_url.replace("//", "//me:p%40ss@"))
        with Fetcher(PATIENT) as fetcher:
            url = "http://u:pw@pictures.example/a%2Fb.png?x=1"
            assert body(fetcher, url).data == PNG
        asked = proxy.received[-1]
        assert asked.target == "http://pictures.example/a%2Fb.png?x=1"
        credentials = base64.b64encode(b"me:p@ss").decode()
        assert asked.headers["proxy-authorization"] == f"Basic {credentials}"
        direct.close()


def test_https_goes_through_a_tunnel_and_is_checked_behind_it(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Tunnel({}) as proxy, Scripted({}, tls=authority.server) as host:
        monkeypatch.setenv("HTTPS_PROXY", proxy.base_url)
        url = f"https://localhost:{host.port}/a.png"
        with Fetcher(PATIENT, exempt_hosts=["localhost"]) as fetcher:
            assert failure(fetcher, url).kind is Kind.PERMANENT
        monkeypatch.setenv("SSL_CERT_FILE", authority.pem)
        with Fetcher(PATIENT, exempt_hosts=["localhost"]) as fetcher:
            assert body(fetcher, url).data == PNG
        assert host.requests == {"GET a.png": 1}


class Endless(ImageHost):
    """A proxy that connects, with headers that have no end."""

    piece, pause_s = b"", 0.0

    def respond(self, client: socket.socket, request: Request) -> bool:
        client.sendall(b"HTTP/1.1 200 OK\r\n")
        with suppress(OSError):  # the client hung up
            while True:
                client.sendall(self.piece)
                time.sleep(self.pause_s)
        return False


@pytest.mark.parametrize(("piece", "pause_s"), [(b"A: a\r\n" * 1000, 0.0), (b"A", 0.01)])
def test_the_headers_of_a_proxy_come_to_an_end(
    monkeypatch: pytest.MonkeyPatch, piece: bytes, pause_s: float
) -> None:
    with Endless({}) as proxy:
        proxy.piece, proxy.pause_s = piece, pause_s
        monkeypatch.setenv("HTTPS_PROXY", proxy.base_url)
        limits: dict[str, Any] = {"retries": 0, **SHORT}
        with Fetcher(replace(PATIENT, **limits)) as fetcher:
            assert failure(fetcher, "https://pictures.example/a.png").kind is Kind.TRANSIENT


def test_no_proxy_is_honoured(monkeypatch: pytest.MonkeyPatch, host: MisbehavingHost) -> None:
    with Proxy({}) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.base_url)
        monkeypatch.setenv("NO_PROXY", "example.com,127.0.0.1")
        with fetcher_for(host) as fetcher:
            body(fetcher, host.base_url + "a.png")
        assert not proxy.received
    assert host.received


@pytest.mark.parametrize(
    ("userinfo", "kind"), [("", Kind.AUTHENTICATION), ("me:pw@", Kind.TRANSIENT)]
)
def test_a_proxy_that_does_not_tunnel_is_named(
    monkeypatch: pytest.MonkeyPatch, userinfo: str, kind: Kind, clock: Clock
) -> None:
    with Proxy({}) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.base_url.replace("//", f"//{userinfo}"))
        with Fetcher(PATIENT, sleep=clock.sleep) as fetcher:
            error = failure(fetcher, "https://pictures.example/a.png")
    assert error.kind is kind
    assert f"the proxy 127.0.0.1:{proxy.port} did not connect" in str(error)
    assert "me:pw" not in str(error)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_cannot_be_reached_is_named_and_not_the_host(
    monkeypatch: pytest.MonkeyPatch, scheme: str, clock: Clock
) -> None:
    monkeypatch.setenv(f"{scheme.upper()}_PROXY", "http://me:pw@127.0.0.1:9")
    with Fetcher(PATIENT, sleep=clock.sleep) as fetcher:
        error = failure(fetcher, f"{scheme}://pictures.example/a.png")
    assert error.kind is Kind.TRANSIENT
    assert "the proxy 127.0.0.1:9 did not connect (no connection to it: " in str(error)
    assert "pictures.example" not in str(error)
    assert "me:pw" not in str(error)


def test_a_proxy_that_wants_a_login_is_named_and_not_the_host(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Closed(ImageHost):
        def answer(self, request: Request) -> Response:
            return Response(407, {}, b"log in")

    with Closed({}) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.base_url)
        with Fetcher(PATIENT) as fetcher:
            error = failure(fetcher, "http://pictures.example/a.png")
    assert (error.kind, error.status) == (Kind.AUTHENTICATION, 407)
    assert f"the proxy 127.0.0.1:{proxy.port}" in str(error)
    assert "pictures.example" not in str(error)


@pytest.mark.parametrize(
    "proxy", ["socks5://me:hidden@127.0.0.1:1080", "http://me:hidden@h:port", "//hidden", "[hidden"]
)
def test_a_proxy_that_is_no_http_address_is_an_error(
    monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    monkeypatch.setenv("ALL_PROXY", proxy)
    with Fetcher(PATIENT) as fetcher:
        error = failure(fetcher, "http://pictures.example/a.png")
    assert error.kind is Kind.PERMANENT
    assert "hidden" not in str(error)
