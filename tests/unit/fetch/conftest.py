"""What the tests of fetching share."""

from __future__ import annotations

import ssl
from collections.abc import Iterator

import pytest
import trustme
from support.fetching import (
    PNG,
    Authority,
    Clock,
    fetcher_for,
)
from support.misbehaving import MisbehavingHost

from mirror.fetch.fetcher import Fetcher


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def host() -> Iterator[MisbehavingHost]:
    with MisbehavingHost({"a.png": PNG, "b.png": PNG}) as host:
        yield host


@pytest.fixture
def fetcher(host: MisbehavingHost, clock: Clock) -> Iterator[Fetcher]:
    with fetcher_for(host, clock=clock) as fetcher:
        yield fetcher


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    ca = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("127.0.0.1", "localhost").configure_cert(server)
    pem = tmp_path_factory.mktemp("tls") / "ca.pem"
    ca.cert_pem.write_to_path(str(pem))
    return Authority(server, str(pem))
