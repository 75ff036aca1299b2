"""A listing that is held packed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mirror.model import Key
from mirror.store import ObjectInfo, PackedListing

infos = st.builds(
    ObjectInfo,
    # In a folder there may be names that are not UTF-8.
    st.text(st.sampled_from("ab/图\udcff"), min_size=1, max_size=4).map(Key),
    st.integers(0, 2**63 - 1),
    st.none() | st.integers(0, 2**128 - 1).map("{:032x}".format),
)


@given(st.lists(infos, max_size=20))
def test_a_packed_listing_is_the_dictionary_of_its_objects(listed: list[ObjectInfo]) -> None:
    expected = {info.key: info for info in listed}
    packed = PackedListing(iter(listed))
    assert dict(packed) == expected
    assert len(packed) == len(expected)
    assert all((Key(key) in packed) is (key in expected) for key in ("a", "no such key"))
