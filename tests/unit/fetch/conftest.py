"""What the tests of fetching share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.fetching import (
    PNG,
    Authority,
    Clock,
    fetcher_for,
    new_authority,
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
    return new_authority(tmp_path_factory.mktemp("tls"))
