"""Where hosts redirected to, as text."""

from __future__ import annotations

import pytest

from mirror.model import Digest
from mirror.redirects import Redirect, RedirectsError, dumps, loads, redirected_together
from mirror.urls.address import Address

A, B = Address("https://h.example/a.png"), Address("http://h.example/b.png")
GONE = Redirect("https://h.example/gone.png", Digest("0" * 64))


def test_what_is_written_is_read_and_does_not_depend_on_the_order() -> None:
    text = dumps({A: GONE, B: GONE})
    assert loads(text) == {A: GONE, B: GONE}
    assert dumps({B: GONE, A: GONE}) == text
    header, *lines = text.splitlines(keepends=True)
    assert loads(header + lines[1] + header + lines[0]) == loads(text)  # merged by a tool


@pytest.mark.parametrize(
    "line",
    [
        "<<<<<<< HEAD",
        "[]",
        '{"source": "javascript:1", "final_url": "", "sha256": "%s"}' % ("0" * 64),
        '{"source": "https://h.example/a.png", "final_url": "", "sha256": "0"}',
        "[" * 100_000,
    ],
)
def test_a_line_that_is_no_redirect_is_named(line: str) -> None:
    header = dumps({})
    with pytest.raises(RedirectsError, match="line 2: expected a redirect; delete the line"):
        loads(header + line)
    with pytest.raises(RedirectsError, match=r"line 1: expected .*mirror-redirects"):
        loads(line)


def test_another_scheme_is_no_other_address() -> None:
    assert not Redirect("https://h.example/b.png", GONE.digest).leads_from(B)
    assert GONE.leads_from(B)


def test_one_address_under_two_schemes_is_not_redirected_together() -> None:
    to_u, to_v = (Redirect(url, GONE.digest) for url in "uv")
    both = {A: to_u, Address("http://h.example/a.png"): to_u, B: to_v}
    assert redirected_together(both) == {}
    assert redirected_together(both | {B: to_u}) == {"u": (Address("http://h.example/a.png"), B)}
