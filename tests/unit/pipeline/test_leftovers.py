"""The reasons for which an address of a source still stands in a place."""

from __future__ import annotations

import pytest

from mirror.pipeline.leftovers import Leftover, Why
from mirror.urls.address import Url

URL = Url("https://blog.example/a.png")


@pytest.mark.parametrize("why", Why)
def test_each_place_says_what_to_do(why: Why) -> None:
    assert Leftover("links.yml", 1, 1, URL, why).reason


def test_a_markdown_file_is_told_from_another_one() -> None:
    assert "`paths`" in Leftover("notes/a.MD", 1, 1, URL, Why.OTHER_FILE).reason
    assert "`include`" in Leftover("links.yml", 1, 1, URL, Why.OTHER_FILE).reason


def test_a_secret_is_mentioned_only_where_rewrite_meets_it() -> None:
    secret = Url("https://blog.example/a.png?token=" + "b4" * 16)
    assert "--drop-secrets" in Leftover("a.md", 1, 1, secret, Why.REWRITE).reason
    assert "--drop-secrets" not in Leftover("a.md", 1, 1, secret, Why.NOT_MIRRORED).reason
