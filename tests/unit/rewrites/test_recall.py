"""The lines of one post, and the post as it was edited since."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from mirror.model import Span
from mirror.rewrites import Occurrence, Rewrite, recall


def in_text(text: str, sources: list[str]) -> tuple[list, list]:
    """The occurrences of `@` in a text, and the memory of a post that looked like that."""
    data = text.encode()
    offsets = [n for n, byte in enumerate(data) if byte == ord("@")]
    places = [Occurrence.of(data, Span(n, n + 1), "@") for n in offsets]
    memory = [
        Rewrite("post", "@", source, place.before, place.after)
        for source, place in zip(sources, places, strict=True)
    ]
    return places, memory


@given(st.lists(st.sampled_from(["one", "two", "\n", "and"]), max_size=20))
def test_an_unedited_post_is_told_exactly(words):
    text = "@".join(words)
    sources = [str(n) for n in range(text.count("@"))]
    places, memory = in_text(text, sources)
    recalled = recall(memory, places)
    assert [recalled[place].source for place in places] == sources


WORDS = [
    "x",
    "y ",
    "\n",
    "a line of a list\n",
    "a paragraph that fills all of what is looked at " * 2,
]


@settings(max_examples=500)
@given(st.lists(st.sampled_from(["@", "@", *WORDS]), max_size=16), st.data())
def test_whatever_is_cut_out_of_a_post_nothing_wrong_is_told(pieces, data):
    """All images look the same in the text, and each came from elsewhere."""
    start = data.draw(st.integers(0, len(pieces)))
    stop = data.draw(st.integers(start, len(pieces)))
    sources = [str(number) if piece == "@" else "" for number, piece in enumerate(pieces)]
    _, memory = in_text("".join(pieces), [source for source in sources if source])
    left = sources[:start] + sources[stop:]
    expected = [source for source in left if source]
    places, _ = in_text("".join(pieces[:start] + pieces[stop:]), expected)
    recalled = recall(memory, places)
    assert {recalled[place].source for place in places if place in recalled} <= set(expected)
    for place, source in zip(places, expected, strict=True):
        assert place not in recalled or recalled[place].source == source
