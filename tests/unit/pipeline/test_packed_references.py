"""References that are held packed are those that were packed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mirror.model import Form, Quoting, Reference, Span
from mirror.pipeline.packed_references import PackedReferences
from mirror.urls.address import Url

# JSON and YAML can spell half of a surrogate pair.
urls = st.text(st.characters(), max_size=20) | st.just("https://a.example/\ud800.png")
places = st.integers(0, 2**26)
references = st.builds(
    Reference,
    urls.map(Url),
    st.builds(Span, places, places),
    places,
    places,
    st.sampled_from(Form),
    st.sampled_from(Quoting),
    urls,
)


@given(st.lists(references, max_size=8))
def test_what_is_packed_comes_back_as_it_was(given_references: list[Reference]) -> None:
    packed = PackedReferences(given_references)
    assert list(packed) == given_references
    assert list(packed) == given_references  # as often as it is asked for


def test_a_spelling_may_be_the_url_another_text_or_nothing() -> None:
    one = Reference(Url("a"), Span(0, 1), 1, 1, Form.INLINE, Quoting.BARE)
    several = [one, Reference(Url("a"), Span(0, 1), 1, 1, Form.INLINE, Quoting.BARE, "a")]
    assert list(PackedReferences(several)) == several
