"""Canonical addresses."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from mirror.urls import address

_SPELLINGS = st.text("aZ9-._~!$&'()*+,;=:@/%2eEfF é", max_size=12)


@given(_SPELLINGS)
@example("a/../b")
@example("a/.")
@example("..a/...")
@example("//a//")
def test_a_plain_path_is_what_the_path_is_respelled_to(tail: str) -> None:
    """A path that is taken as it stands comes out of the long way unchanged, too."""
    path = "/" + tail
    if address._PLAIN_PATH.fullmatch(path):
        segments = path.split("/")[1:]
        assert not {".", ".."} & set(segments)
        assert [address._respelled(segment) for segment in segments] == segments
    assert address._path(address._path(path)) == address._path(path)


@given(_SPELLINGS)
def test_the_canonical_address_of_a_canonical_address_is_itself(tail: str) -> None:
    text = address.canonical(f"https://example.com/{tail}")
    assert text is not None
    assert address.canonical(text) == text
