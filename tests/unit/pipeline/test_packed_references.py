"""References that are held packed are those that were packed."""

from __future__ import annotations

from hashlib import sha256
from sys import getsizeof

from hypothesis import given
from hypothesis import strategies as st

from mirror.markdown import find_references
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


def test_urls_beside_their_post_are_not_kept_twice() -> None:
    urls = [f"https://h.example/{sha256(b'%d' % n).hexdigest()}.png" for n in range(100)]
    post = "".join(f"![]({url})\n\n" for url in urls).encode()
    refs = find_references(post, "a.md").references
    packed = PackedReferences(refs, post)
    assert list(packed.unpack(post)) == list(refs)
    assert byte_count(packed) < byte_count(PackedReferences(refs)) / 2


def byte_count(packed: PackedReferences) -> int:
    return sum(getsizeof(getattr(packed, name)) for name in packed.__slots__)
