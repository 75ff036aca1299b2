"""Amounts as people read them."""

from __future__ import annotations

import pytest

from mirror.amounts import count_text, size_text


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1_000, "1.0 kB"),
        (999_949, "999.9 kB"),
        (999_950, "1.0 MB"),
        (48_200_000, "48.2 MB"),
        (7.5e15, "7500.0 TB"),
    ],
)
def test_a_size_has_three_digits_before_its_unit(size: float, text: str) -> None:
    assert size_text(size) == text


def test_a_count_agrees_with_its_noun() -> None:
    assert count_text(1, "post") == "1 post"
    assert count_text(2_000, "post") == "2,000 posts"
    assert count_text(0, "copy", "copies") == "0 copies"
