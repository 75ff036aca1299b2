"""Decoding of files that may be anything."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.pages import utf8_text


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ("图".encode(), "图"),
        ("图".encode("utf-8-sig"), "图"),
        ("图".encode("utf-16"), "图"),
        ("\ufeff图".encode("utf-16-be"), "图"),
        ("中文网页".encode("gb18030"), "中文网页"),
        ("<meta charset=GBK>图".encode("gbk"), "<meta charset=GBK>图"),
        ("<meta content='text/html; charset=big5'>圖".encode("big5"), None),
        (b"caf\xe9", "caf\xe9"),
        (b"", ""),
    ],
)
def test_text_of_any_encoding_is_decoded(data: bytes, text: str | None) -> None:
    decoded = (utf8_text(data) or b"").decode()
    assert decoded == text if text is not None else decoded.endswith("圖")


@pytest.mark.parametrize(
    "data",
    [
        b"\x89PNG\0",
        b"SQLite format 3\0",
        "图".encode("utf-16-le")[:2] * 99 + b"\0",
        b"\xff\xd8 " + b"a" * 90 + b"\0",
    ],
)
def test_what_holds_a_nul_is_no_text(data: bytes) -> None:
    assert utf8_text(data) is None


def test_a_page_with_a_stray_nul_is_text() -> None:
    page = ("图<code>s[] = 'a\0';</code>" + "text " * 20).encode() * 100
    assert utf8_text(page) == page
    assert utf8_text(page[1:]) is None  # no text that was cut, and no other encoding has a NUL


@given(st.binary(max_size=60))
def test_whatever_is_read_is_valid_text(data: bytes) -> None:
    text = utf8_text(data)
    if text is not None:
        text.decode()
