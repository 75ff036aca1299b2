"""Addresses that no host can have are refused at once: no request, no retry."""

from __future__ import annotations

import pytest

from mirror.fetch import FetchError, Kind
from mirror.fetch.fetcher import Fetcher
from mirror.fetch.limits import FetchLimits
from mirror.urls.address import Url


def never(_: float) -> None:
    raise AssertionError("a refused address must not be asked for again")


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("https://999.1.1.1/a.png", id="a number over 255"),
        pytest.param("https://0177.0.0.1/a.png", id="octal"),
        pytest.param("http://0177.1/a.png", id="octal, short"),
        pytest.param("http://017700000001/a.png", id="octal, one number"),
        pytest.param("https://h.example/" + "a" * 65_536, id="long path"),
        pytest.param("https://h.example/a.png?" + "q" * 65_536, id="long query"),
    ],
)
def test_a_url_that_cannot_be_requested_is_refused_at_once(url: str) -> None:
    with Fetcher(FetchLimits(), sleep=never) as fetcher, pytest.raises(FetchError) as caught:
        fetcher.fetch(Url(url))
    assert caught.value.kind is Kind.REFUSED
    assert not caught.value.again
    assert "tried" not in str(caught.value)
