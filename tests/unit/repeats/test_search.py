"""The search for candidates against all pairs."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from random import Random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mirror.model import Blob, Digest, Fingerprint
from mirror.repeats import search
from mirror.repeats.evidence import DISTANCE, Candidate, Pair
from mirror.repeats.search import RecentPictures, find_candidates


def _blob(number: int, bits: int, size: tuple[int, int] = (1280, 720)) -> Blob:
    return Blob(Digest(f"{number:064x}"), "0" * 32, 1, "image/png", *size, Fingerprint(bits))


def _clustered(random: Random, count: int) -> list[Blob]:
    """Blobs around a few centres, so that distances lie on both sides of the limit."""
    # Half of the bits, as in a picture with content: with far fewer it would count as blank.
    centres = [sum(1 << place for place in random.sample(range(256), 128)) for _ in range(4)]
    blobs = []
    for number in range(count):
        bits = random.choice(centres)
        for place in random.sample(range(256), random.randrange(30)):
            bits ^= 1 << place
        blobs.append(_blob(number, bits))
    return blobs


def _expected(blobs: list[Blob], new: set[Digest]) -> list[Candidate]:
    return sorted(
        Candidate(Pair.of(a.digest, b.digest), a.fingerprint.distance(b.fingerprint))
        for a, b in combinations(blobs, 2)
        if a.fingerprint.distance(b.fingerprint) <= DISTANCE and {a.digest, b.digest} & new
    )


@given(st.integers(0, 2**32), st.integers(0, 40), st.integers(0, 40))
def test_proposals_are_all_pairs_within_the_distance_that_touch_a_new_one(seed, new, known):
    blobs = _clustered(Random(seed), new + known)
    fresh = {blob.digest for blob in blobs[:new]}
    assert find_candidates(blobs[:new], blobs[new:]) == _expected(blobs, fresh)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 60))
def test_looking_bands_up_finds_what_looking_at_all_finds(seed, new):
    blobs = _clustered(Random(seed), 60)
    table = search._Table()
    for blob in blobs:
        table.add(blob)
    words = table.words()
    pairs = [
        sorted(hit for hits in way(words, new) for hit in np.column_stack(hits).tolist())
        for way in (search._by_bands, search._one_by_one)
    ]
    assert pairs[0] == pairs[1]


@given(st.integers(0, 2**32), st.integers(0, 40))
def test_looking_at_one_after_the_other_finds_what_looking_at_all_finds(seed, count):
    blobs = _clustered(Random(seed), count)
    sized = [replace(b, width=1280 * (n % 3), height=720 * (n % 3)) for n, b in enumerate(blobs)]
    recent = RecentPictures(100)
    found = [near for blob in [*sized, _blob(998, 1), _blob(999, 1)] for near in recent.add(blob)]
    assert sorted(candidate for candidate, _ in found) == find_candidates(sized, ())
    assert all(mate.digest in (near.pair.first, near.pair.second) for near, mate in found)


def test_what_came_last_is_kept_and_the_nearest_comes_first():
    bits = Random(1).getrandbits(256)
    recent = RecentPictures(3)
    for number, flipped in enumerate((0, 7, 1, 3)):
        recent.add(_blob(number, bits ^ flipped))
    assert [near.distance for near, _ in recent.add(_blob(9, bits))] == [1, 2, 3]


def test_proposals_leave_out_what_sizes_rule_out_and_what_has_no_pixels():
    bits = Random(1).getrandbits(256)
    svg = replace(_blob(9, 0), width=None, height=None, fingerprint=None)
    blobs = [_blob(1, bits), _blob(2, bits, (640, 360)), _blob(3, bits, (1000, 1000)), svg]
    assert [p.pair for p in find_candidates(blobs, ())] == [
        Pair.of(blobs[0].digest, blobs[1].digest)
    ]


def test_blank_pictures_are_proposed_only_with_a_few_of_their_size():
    blobs = [_blob(n, 1) for n in range(300)] + [_blob(999, 1, (10, 10)), _blob(998, 3)]
    candidates = find_candidates(blobs, ())
    assert len(candidates) <= 300 * 64
    assert {p.distance for p in candidates} == {0}
    assert not any(
        Digest(f"{n:064x}") in (p.pair.first, p.pair.second) for p in candidates for n in (998, 999)
    )
