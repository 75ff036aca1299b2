"""Equal parts of all pictures and of all requests."""

from __future__ import annotations

from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.model import Digest
from mirror.pipeline.portion import ALL, Portion, Sample
from mirror.pipeline.shards import Shard


@pytest.mark.parametrize("text", ["1/1", "2/3", "100000/100000", "3/999999999"])
def test_a_portion_is_read_and_written(text: str) -> None:
    assert str(Portion.parse(text)) == text


@pytest.mark.parametrize(
    "text", ["", "3", "0/3", "4/3", "1/0", "-1/3", "1/2/3", " 1/2", "1/1000000000", "١/٢"]
)
def test_what_is_no_portion_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected a part such as 2/3"):
        Portion.parse(text)


def test_shards_are_no_more_than_a_cluster_has() -> None:
    assert Shard.parse("100000/100000").count == 100_000
    with pytest.raises(ValueError, match="expected a part such as 2/3"):
        Shard.parse("1/100001")


DIGESTS = st.binary(min_size=32, max_size=32).map(lambda data: Digest(data.hex()))


def taken(digests: list[Digest], number: int, count: int) -> list[Digest]:
    return list(Sample(number, count).of(digests, lambda digest: digest))


@given(digests=st.lists(DIGESTS, min_size=1, unique=True), count=st.integers(1, 60))
def test_so_many_samples_cover_every_picture_and_none_is_empty(
    digests: list[Digest], count: int
) -> None:
    samples = [taken(digests, number, count) for number in range(1, count + 1)]
    assert set(chain.from_iterable(samples)) == set(digests)
    assert all(samples)
    assert list(ALL.of(digests, lambda digest: digest)) == digests


def test_samples_share_a_picture_only_where_one_would_be_empty() -> None:
    digests = [Digest(f"{value:015x}".ljust(64, "0")) for value in (1, 2, 6)]
    samples = [taken(digests, number, 5) for number in range(1, 6)]
    one, two, six = digests
    assert samples == [[one], [one, six], [two], [one], [one]]
    assert taken([], 1, 5) == []
