"""Many texts in little memory."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mirror.compact import DistinctTexts, FirstMade, HashIndex, PairIndex, TextFilter

texts = st.lists(st.text(max_size=3), max_size=60)


@given(texts)
def test_texts_are_counted_with_and_without_their_repeats(given_texts: list[str]) -> None:
    counted = DistinctTexts(given_texts)
    assert (counted.total, counted.distinct) == (len(given_texts), len(set(given_texts)))


@given(texts, texts)
def test_a_filter_passes_what_it_was_made_from(inside: list[str], others: list[str]) -> None:
    passes = TextFilter(inside)
    assert all(text in passes for text in inside)
    assert [text for text in others if text in passes] == [t for t in others if t in inside]


@given(texts)
def test_an_index_finds_every_row_of_a_name(names: list[str]) -> None:
    index = HashIndex(enumerate(names), len(names))
    for name in {*names, "another"}:
        found = [number for number in index.find(name) if names[number] == name]
        assert sorted(found) == [number for number, other in enumerate(names) if other == name]


@given(st.lists(st.tuples(st.text("ab", max_size=2), st.text("xy", max_size=1)), max_size=60))
def test_a_pair_index_finds_one_row_for_each_value_of_a_name(pairs: list[tuple[str, str]]) -> None:
    index = PairIndex()
    for row, (name, value) in enumerate(pairs):
        index.add(name, value, row)
    for name in {*(name for name, _ in pairs), "another"}:
        found = [row for row in index.find(name) if pairs[row][0] == name]
        assert found == sorted({pairs.index(pair) for pair in pairs if pair[0] == name})


def test_values_are_made_once_unless_there_are_a_great_many() -> None:
    made: list[int] = []

    def make(number: int) -> str:
        made.append(number)
        return str(number)

    values = FirstMade[str]()
    assert [values.get(number, make) for number in (1, 2, 1)] == ["1", "2", "1"]
    assert made == [1, 2]
    assert values.get(1_000_000, make) == "1000000"
    assert [values.get(number, make) for number in (1, 1)] == ["1", "1"]
    assert made == [1, 2, 1_000_000, 1, 1]
