"""The reviews as text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.pairs import DIGESTS, PAIRS, sha
from support.reviews import dumps_reviews, merging

from mirror.model import Digest
from mirror.repeats.evidence import Pair
from mirror.repeats.reviews import (
    Accept,
    Merge,
    ReviewError,
    Reviews,
    Split,
    add_reviews,
    load_decisions,
    loads_reviews,
)
from mirror.urls.address import Address


@given(st.lists(st.one_of(DIGESTS, PAIRS), max_size=6))
def test_reviews_give_back_what_was_written(decisions):
    reviews = Reviews()
    for decision in decisions:
        if isinstance(decision, Digest):
            reviews = reviews.splitting(decision)
        else:
            reviews = merging(reviews, decision)
    assert loads_reviews(dumps_reviews(reviews)) == reviews


def test_comments_and_blank_lines_are_left_out_and_a_later_line_wins():
    one, other = sha(1), sha(2)
    text = f"# looked at on Monday\n\nmerge {one} {other}  # one photo\nsplit {one}\r\n"
    assert loads_reviews(text) == Reviews(split=frozenset({one}))
    again = loads_reviews(text + f"merge {other} {one}\n")
    assert again == Reviews(merged=frozenset({Pair.of(one, other)}))


@pytest.mark.parametrize(
    "line",
    [
        "split",
        "split abc",
        f"split {sha(1)} {sha(2)}",
        f"merge {sha(1)}",
        f"merge {sha(1)} {sha(1)}",
        f"merge {sha(1)} {str(sha('xyz')).upper()}",
        f"join {sha(1)} {sha(2)}",
    ],
)
def test_a_line_that_says_nothing_known_is_named(line):
    with pytest.raises(ReviewError, match=r"^line 3: "):
        loads_reviews(f"# reviewed\nsplit {sha(9)}\n{line}\n")


def test_a_person_accepts_bytes_for_an_address() -> None:
    first, second = Digest("1" * 64), Digest("2" * 64)
    address = Address("https://h.example/a.png")
    text = f"accept https://h.example/a.png {first}\naccept http://H.example/a.png {second} # new\n"
    reviews = loads_reviews(text)
    assert reviews.accepts(address, second)
    assert not reviews.accepts(address, first)
    assert loads_reviews(dumps_reviews(reviews)) == reviews
    with pytest.raises(ReviewError, match=r"line 1: expected .*accept URL SHA256"):
        loads_reviews(f"accept a.png {first}")


def test_of_the_lines_only_those_that_take_effect_are_told(tmp_path):
    one, two, three = (f"{n:064x}" for n in (1, 2, 3))
    lines = [
        f"merge {two} {one}  # taken back",
        f"split {one}",
        "",
        f"split {three}",
        f"split {three}  # again",
        f"accept https://h.example/a.png {one}",
        f"accept http://H.example:80/a.png {two}",
    ]
    path = tmp_path / "reviews.txt"
    path.write_text("\n".join(lines) + "\n")
    assert [(each.number, each.decision) for each in load_decisions(path)] == [
        (2, Split(Digest(one))),
        (5, Split(Digest(three))),
        (7, Accept(Address("http://h.example/a.png"), Digest(two))),
    ]
    path.write_text(f"merge {two} {one}\nbroken\n")
    with pytest.raises(ReviewError, match=r"reviews.txt: line 2: expected"):
        load_decisions(path)


def test_a_decision_is_read_as_it_was_added(tmp_path):
    path = tmp_path / "reviews.txt"
    address = Address("https://h.example/a.png")
    decisions = [Split(sha(3)), Merge(*sorted((sha(1), sha(2)))), Accept(address, sha(1))]
    add_reviews(path, decisions)
    assert [line.decision for line in load_decisions(path)] == decisions
    assert path.read_text().split("\n")[0] == f"split {sha(3)}"
