"""How many objects may be deleted, and which keys the posts mention."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.config import DestinationSettings
from mirror.destinations import Destination
from mirror.model import Key
from mirror.pipeline.prune import MaxDelete, keys_in_posts
from mirror.store import MemoryStore


@given(count=st.integers(0, 1000), total=st.integers(1, 1000), percent=st.integers(0, 100))
def test_a_share_is_of_all_that_is_there(count: int, total: int, percent: int) -> None:
    assert MaxDelete.parse(f"{percent}%").allows(count, total) == (count / total <= percent / 100)
    assert MaxDelete.parse(f"{percent}").allows(count, total) == (count <= percent)


def is_mentioned(text: str, key: str, base: str = "https://img.example/blog") -> bool:
    destination = Destination(DestinationSettings("r2", "file:x", base), MemoryStore())
    others = {"other.png", f"{key}.bak", key[:-1]} - {""}
    posts = keys_in_posts([("a.md", text)], [destination], {key, *others})
    return posts.get(key) == "a.md"


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("https://img.example/blog/a.png", "a.png"),
        ("http://img.example/blog/a.png", "a.png"),
        ("//img.example/blog/a.png", "a.png"),
        ("HTTPS://IMG.EXAMPLE/blog/a.png", "a.png"),
        ("(https://img.example/blog/a.png)![](x)", "a.png"),
        ("https://img.example/blog/b.pnghttps://img.example/blog/a.png", "a.png"),
        ("https://img.example/blog/%E5%9B%BE%201.png", "图 1.png"),
        ("<https://img.example/blog/图 1.png>", "图 1.png"),
        ("https://img.example/blog/a&amp;b.png", "a&b.png"),
        ("https://img.example/blog/a%26b.png", "a&b.png"),
        ("https://img.example/blog/100%25.png", "100%.png"),
        (r"https:\/\/img.example\/blog\/x\/a.png", "x/a.png"),
        ("https://img.example/blog/a.png?v=2", "a.png"),
    ],
)
def test_a_public_url_is_seen_however_it_is_spelled(text: str, key: str) -> None:
    assert is_mentioned(text, key)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a.png",
        "https://img.example/a.png",
        "https://img.example/blog/\na.png",
        "other/blog/a.png",
    ],
)
def test_what_is_no_public_url_is_none(text: str) -> None:
    assert not is_mentioned(text, "a.png")


@given(
    key=st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=20),
    before=st.text(max_size=20),
    after=st.text(max_size=20),
)
def test_what_posts_are_pointed_at_is_always_seen(key: str, before: str, after: str) -> None:
    destination = Destination(
        DestinationSettings("r2", "file:x", "https://img.example/blog"), MemoryStore()
    )
    url = destination.public_url(Key(key))
    assert keys_in_posts([("a.md", f"{before}{url}{after}")], [destination], {key}) == {key: "a.md"}
