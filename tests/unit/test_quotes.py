"""How messages quote values and long texts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.quotes import quoted, shortened

TOKEN = "aB3xK9" * 6


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param("a.png", "'a.png'", id="short text"),
        pytest.param("a" * 101, f"'{'a' * 100}'…", id="long text"),
        pytest.param("a\x1b[31m\u202eb\n", "'a\\x1b[31m\\u202eb\\n'", id="control and bidi"),
        pytest.param(10**5000, "a number that is too long", id="a number nobody can print"),
        pytest.param(["b" * 101], f"['{'b' * 100}'…]", id="in a list"),
        pytest.param(None, "None", id="nothing"),
    ],
)
def test_a_value_is_quoted_on_one_line(value: object, expected: str) -> None:
    assert quoted(value) == expected


@pytest.mark.parametrize("before", range(60, 120, 7))
def test_a_secret_that_would_be_cut_is_hidden_whole(before: int) -> None:
    text = f"https://h.example/{'p' * before}?token={TOKEN}&b=1"
    assert TOKEN[:4] not in quoted(text)
    assert TOKEN[:4] not in quoted({"url": text})


@given(st.text(max_size=400))
def test_any_text_can_be_quoted(text: str) -> None:
    assert quoted(text).isprintable()
    assert len(quoted([text] * 3)) < 4000


@given(st.text(), st.integers(10, 50))
def test_a_shortened_text_has_both_ends_and_no_more_than_asked(text: str, length: int) -> None:
    short = shortened(text, length)
    assert short == text if len(text) <= length else len(short) == length
    assert (short[:3], short[-3:]) == (text[:3], text[-3:])
