"""The path that each address is restored under."""

from __future__ import annotations

import re
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.pipeline.restore import file_name
from mirror.urls.address import Address, canonical


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://h.example/a/b.png", "h.example/a/b.png"),
        ("http://h.example:8080/a.png", "h.example%3A8080/a.png"),
        ("https://[::1]/a.png", "%5B%3A%3A1%5D/a.png"),
        ("https://h/%E5%9B%BE%201.png", "h/图 1.png"),
        ("https://h/（图）、《书》.png", "h/（图）、《书》.png"),
        ("https://h/%D6%D0.png", "h/%D6%D0.png"),
        ("https://h/100%25.png", "h/100%.png"),
        ("https://h/100%.png", "h/100%.png"),
        ("https://h/50%25%20off.png", "h/50% off.png"),
        ("https://h/a%2541.png", "h/a%2541.png"),
        ("https://h/a%25%3A.png", "h/a%%3A.png"),
        ("https://h/100%25?w=1", "h/100%%3Fw=1"),
        ("https://h/a%2Fb.png", "h/a%2Fb.png"),
        ("https://h/a%5Cb.png", "h/a%5Cb.png"),
        ("https://h/..%2F..%2Fetc", "h/..%2F..%2Fetc"),
        ("https://h/%2e%2e/%2e%2e/etc/passwd", "h/etc/passwd"),
        ("https://h/a%00b%0A%1b.png", "h/a%00b%0A%1B.png"),
        ("https://h/a%E2%80%AEgnp.exe", "h/a%E2%80%AEgnp.exe"),
        ('https://h/<a>"|?.png', "h/%3Ca%3E%22%7C%3F.png"),
        ("https://h/a:b*c.png", "h/a%3Ab%2Ac.png"),
        ("https://h/CON", "h/%43ON"),
        ("https://h/nul.tar.gz", "h/%6Eul.tar.gz"),
        ("https://h/com1/console.png", "h/%63om1/console.png"),
        ("https://h/a./b%20/c.", "h/a%2E/b%20/c%2E"),
        ("https://h/...", "h/..%2E"),
        ("https://h/a//b.png", "h/a/%2F/b.png"),
        ("https://h/", "h/%2F"),
        ("https://h/?img=1", "h/%3Fimg=1"),
        ("https://h/a.png?w=1", "h/a%3Fw=1.png"),
        ("https://h/a?u=b.png", "h/a%3Fu=b.png"),
        (
            "https://h/a.png?x-oss-process=image/resize,w_800",
            "h/a%3Fx-oss-process=image%2Fresize,w_800.png",
        ),
        ("https://h/a.jpg!small", "h/a.jpg!small"),
        ("https://h/.hidden.png", "h/.hidden.png"),
    ],
)
def test_a_url_has_one_name(url: str, name: str) -> None:
    address = canonical(url)
    assert address is not None
    assert file_name(address) == name


def test_names_that_are_too_long_are_cut_and_stay_apart() -> None:
    names = {
        file_name(Address(f"https://h/{quote('图' * 200)}{end}.png")) for end in ("", "a", "b")
    }
    assert len(names) == 3
    for name in names:
        assert re.fullmatch(r"h/图+~[0-9a-f]{16}\.png", name)
        assert 240 < len(name.partition("/")[2].encode()) <= 255
    deep = file_name(Address("https://h/" + "abcdefgh/" * 300 + "x.png"))
    assert re.fullmatch(r"h/~[0-9a-f]{16}\.png", deep)


paths = st.one_of(st.text(max_size=40), st.text("%24aA5:./é", max_size=12)).map(
    lambda text: canonical(f"https://h.example/{text}")
)


@given(first=paths, second=paths)
def test_no_name_leads_out_and_two_urls_have_two(
    first: Address | None, second: Address | None
) -> None:
    for address in (first, second):
        if address is None:
            continue
        host, *parts = file_name(address).split("/")
        assert host == "h.example"
        assert {"", ".", ".."}.isdisjoint(parts)
        for part in parts:
            assert len(part.encode()) <= 255
            assert part.rstrip(". ") == part
            assert not re.search(r'[\x00-\x1f\x7f<>:"\\|?*]', part)
    if first and second and "?" not in first + second and "//" not in (first + second)[8:]:
        assert (file_name(first) == file_name(second)) == (first == second)
