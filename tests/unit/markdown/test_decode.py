"""Decoding, places in the file, and splicing."""

from __future__ import annotations

import pytest

from mirror.markdown import find_references, splice
from mirror.model import Form, Rule, Span


def test_a_place_is_bytes_of_the_file_and_characters_of_a_line() -> None:
    data = "\ufeff---\ncover: //h/图.png\n---\r\n图![](u)\r\r\n\n> 😀 ![](<ü>)".encode()
    places = [
        (r.spelling, r.span, r.line, r.column) for r in find_references(data, "a.md").references
    ]
    assert places == [
        ("//h/图.png", Span(14, 25), 2, 8),
        ("u", Span(38, 39), 4, 6),
        ("ü", Span(56, 58), 7, 10),
    ]


def test_front_matter_stands_behind_any_number_of_byte_order_marks() -> None:
    for encoding in ("utf-8", "utf-16-le"):
        data = "\ufeff\ufeff\ufeff---\ncover: //h/a.png\n---\n".encode(encoding)
        (reference,) = find_references(data, "a.md").references
        assert (reference.form, reference.line, reference.column) == (Form.FRONT_MATTER, 2, 8)
        span = data[reference.span.start : reference.span.stop]
        assert span.decode(encoding) == "//h/a.png"


@pytest.mark.parametrize(
    "spans",
    [[(2, 4), (3, 5)], [(3, 4), (1, 2)], [(4, 3)], [(0, 99)], [(-1, 2)]],
    ids=["overlap", "order", "backwards", "behind the end", "before the start"],
)
def test_edits_that_make_no_sense_are_an_error(spans: list[tuple[int, int]]) -> None:
    with pytest.raises(ValueError, match="expected an edit within bytes"):
        splice(b"0123456789", "utf-8", [(Span(*span), "x") for span in spans])


UNREADABLE = [
    pytest.param(b"x\ny\0z", "NUL", 2, 2, id="NUL"),
    pytest.param(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "NUL", 3, 1, id="a picture"),
    pytest.param("好的图片。\n".encode() + b"\xe5\xa5", "neither UTF-8 nor", 2, 1, id="cut UTF-8"),
    pytest.param(b"a\xff![](u)", "0xff at offset 1", 1, 2, id="a byte of no encoding"),
    pytest.param("a\n".encode("utf-16-le"), "as UTF-8 if it is UTF-16", 1, 2, id="UTF-16"),
    pytest.param(b"\xff\xfea", "is not UTF-16-LE: ", 1, 1, id="half a UTF-16 character"),
    pytest.param(b"\xef\xbb\xbf\xff", "is not UTF-8: ", 1, 1, id="no UTF-8 behind its mark"),
]


@pytest.mark.parametrize(("data", "message", "line", "column"), UNREADABLE)
def test_a_post_that_is_no_text_has_one_finding_that_says_where(
    data: bytes, message: str, line: int, column: int
) -> None:
    scan = find_references(data, "dir/a.md")
    assert scan.references == ()
    (finding,) = scan.findings
    assert finding.rule is Rule.POST_UNREADABLE
    assert message in finding.message
    assert "UTF-8" in finding.message.partition("; ")[2]
    assert finding.place == f"dir/a.md:{line}:{column}"
