"""The memory of rewrites as text: what is written is read back, and what may not stand there."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.markdown import spell
from mirror.model import Quoting
from mirror.rewrites import HEADER, Rewrite, Rewrites, RewritesError, dumps, is_source, loads

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
printable = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=12)
sources = st.sampled_from(["https://h.example/", "//h.example/", "/img/", "./"]).flatmap(
    lambda start: printable.map(start.__add__)
)


@st.composite
def rewrites_of(draw: st.DrawFn) -> Rewrite:
    source = draw(sources)
    spelling = ""
    if draw(st.booleans()):
        try:
            spelling = spell(source, draw(st.sampled_from(Quoting)))
        except ValueError:  # this syntax cannot say it
            spelling = source
    post, target, before, after = (draw(texts) for _ in range(4))
    return Rewrite(post, target, source, before, after, spelling)


@given(st.lists(rewrites_of(), max_size=6))
def test_what_is_written_is_read_back(rewrites: list[Rewrite]) -> None:
    assert loads(dumps(rewrites)) == sorted(rewrites, key=lambda rewrite: rewrite.post)


@given(st.lists(rewrites_of(), max_size=6), st.slices(6))
def test_packed_rewrites_are_those_that_were_packed(rewrites: list[Rewrite], some: slice) -> None:
    packed = Rewrites(rewrites)
    assert len(packed) == len(rewrites)
    assert packed[some] == rewrites[some]
    assert list(packed) == rewrites
    assert [packed[-n] for n in range(1, len(packed) + 1)] == rewrites[::-1]


def test_many_packed_rewrites_are_found_by_number() -> None:
    rewrites = [Rewrite(f"{n}.md", f"/{n}.png", "a.png", "", "") for n in range(100)]
    packed = Rewrites(rewrites)
    assert (len(packed), list(packed), packed[-1]) == (100, rewrites, rewrites[99])
    for number in (100, -101):
        with pytest.raises(IndexError):
            packed[number]


def test_a_packed_name_may_be_no_text() -> None:
    rewrite = Rewrite("posts/\udcff.md", "/t.png", "https://h.example/a.png", "", "")
    assert list(Rewrites([rewrite])) == [rewrite]


@pytest.mark.parametrize(
    ("text", "message"),
    [("{}", "line 1: expected"), (dumps([]) + "[]", "line 2: expected the strings"),
     (dumps([]) + "<<<<<<< HEAD", "line 2: .* markers"), (dumps([]) + '{"post": 1}', "line 2")],
)  # fmt: skip
def test_a_line_that_is_wrong_is_named(text: str, message: str) -> None:
    with pytest.raises(RewritesError, match=message):
        loads(text)
    assert HEADER["version"] == 1


GOOD = Rewrite("a.md", "/images/a.png", "https://h.example/a.png", "b", "c")


def text_of(**changes: str) -> str:
    """The file with a good line, and behind it one with `changes`."""
    return dumps([GOOD]) + json.dumps(asdict(GOOD) | changes) + "\n"


@pytest.mark.parametrize(
    "source",
    [
        "javascript:alert(1)",
        "JavaScript:alert(1)//https://h.example/a.png",
        "  javascript:alert(1)",
        "java\tscript:alert(1)",
        "java\nscript:alert(1)",
        "\x01javascript:alert(1)",
        "data:text/html,<script>alert(1)</script>",
        "vbscript:x",
        "file:///etc/passwd",
        "https:alert(1)",
        "https://",
        "//",
        "https://h.example/a.png\n<script>alert(1)</script>",
        "https://h.example/a.png\r",
        "https://h.example/a\x1b[2J.png",
        "https://h.example/a\u2028.png",
        "img/a\x85.png",
        "",
    ],
)
def test_a_source_that_is_no_address_of_an_image_is_an_error_with_its_line(source: str) -> None:
    assert not is_source(source)
    with pytest.raises(
        RewritesError, match=r"^line 3: source: expected an http\(s\) URL or a path"
    ):
        loads(text_of(source=source))


@pytest.mark.parametrize(
    "source",
    [
        "https://h.example/a b.png",
        "HTTP://H.example/a.png?x=1#y",
        "//h.example/图.png",
        "/img/a.png",
        "../img/a:b.png",
        "img/a.png",
        "a.png",
        "https://h.example/{a}<b>`c`.png",
    ],
)
def test_addresses_and_paths_are_sources(source: str) -> None:
    assert is_source(source)
    assert loads(text_of(source=source))[1].source == source


@pytest.mark.parametrize(
    "spelling",
    [
        "https://h.example/a.png) <script>alert(1)</script> (",
        "https://h.example/b.png",
        'https://h.example/a.png" onerror="alert(1)',
        "https://h.example/a.png\n\n<script>alert(1)</script>",
        "&#106;avascript:alert(1)",
        " https://h.example/a.png",
    ],
)
def test_a_spelling_that_no_syntax_reads_as_the_source_is_an_error_with_its_line(
    spelling: str,
) -> None:
    with pytest.raises(RewritesError, match=r"^line 3: spelling: expected text that a post reads"):
        loads(text_of(spelling=spelling))


@pytest.mark.parametrize(
    "spelling",
    ["https://h.example/&#97;.png", r"https://h.example\/a.png", "https://h.example/a\\u002epng"],
)
def test_a_spelling_that_one_syntax_reads_as_the_source_stays(spelling: str) -> None:
    assert loads(text_of(spelling=spelling))[1].spelling == spelling


def test_an_error_does_not_quote_a_secret() -> None:
    for changes in ({"source": "file://h/a?Signature=planted"}, {"more": "token=planted"}):
        with pytest.raises(RewritesError) as caught:
            loads(text_of(**changes))
        assert "planted" not in str(caught.value)
