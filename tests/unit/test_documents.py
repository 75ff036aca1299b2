"""Documents, and what else arrives in place of a picture."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fetching import PNG

from mirror.documents import describe, document_type


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (PNG, None),
        (b"GIF89a", None),
        (b"\xff\xd8\xff\xe0", None),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", None),
        (b"\xef\xbb\xbf<?xml version='1.0'?>\n<!-- <html> -->\n<svg>", None),
        (b'<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "x"[<!ENTITY a "b">]>\n<svg>', None),
        (b"<!DOCTYPE svg [<!ENTITY a 'b'>\n] >\n<svg>", None),
        (b"<svg:svg xmlns:svg='http://www.w3.org/2000/svg'>", None),
        ("<svg/>".encode("utf-16"), None),
        (b"", "nothing: the body is empty"),
        (b" \r\n", "only blanks"),
        (b"<!doctype HTML><p>", "an HTML page"),
        (b"\n<!-- c --><html lang=en>", "an HTML page"),
        (b"<html><svg></svg></html>", "an HTML page"),
        ("<html>".encode("utf-16"), "an HTML page"),
        (b"<script>location='/'</script>", "an HTML page"),
        (
            b"<?xml version='1.0'?><Error><Code>NoSuchKey</Code>",
            "an XML document",
        ),
        (b"<rss>", "an XML document"),
        (b"<center>404</center>", "an HTML page"),
        (b'{"code": 404}', "JSON"),
        (b"\n[1]", "JSON"),
    ],
)
def test_a_document_is_named(data: bytes, expected: str | None) -> None:
    assert document_type(data) == expected


@given(st.binary(max_size=300))
def test_any_bytes_can_be_described(data: bytes) -> None:
    for start in (b"", b"<", b"<?xml", b"<!DOCTYPE x [", b"\xff\xfe<"):
        description = document_type(start + data)
        assert description is None or description.isprintable()


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"<center>404</center>", "an HTML page"),
        (b"<Error><Code>NoSuchKey</Code></Error>", "an XML document that says 'NoSuchKey'"),
        (b"<rss>", "an XML document"),
        (b'{"message": "denied"}', 'JSON that begins \'{"message": "denied"}\''),
        (b"no such image", "text that begins 'no such image'"),
        (b"{\x00\x01", "3 bytes that begin 7b0001"),
    ],
)
def test_a_description_quotes_what_a_document_says(data: bytes, expected: str) -> None:
    assert describe(data).startswith(expected)


@given(st.binary(max_size=300))
def test_a_document_has_one_name_wherever_it_arrives(data: bytes) -> None:
    for start in (b"", b"<", b"<html>", b"{", b"<!DOCTYPE x ["):
        name = document_type(start + data)
        text = describe(start + data)
        assert text.isprintable()
        assert name is None or text.startswith(name) or "bytes that begin" in text
