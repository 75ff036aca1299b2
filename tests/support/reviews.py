"""Reviews as a person would write them, which the program itself never does."""

from __future__ import annotations

from dataclasses import replace

from mirror.repeats.evidence import Pair
from mirror.repeats.reviews import Reviews


def merging(reviews: Reviews, pair: Pair) -> Reviews:
    """Return the reviews with the pair merged: neither side stands alone any more."""
    split = reviews.split - {pair.first, pair.second}
    return replace(reviews, split=split, merged=reviews.merged | {pair})


def dumps_reviews(reviews: Reviews) -> str:
    lines = [f"split {digest}\n" for digest in sorted(reviews.split)]
    lines += [f"merge {pair.first} {pair.second}\n" for pair in sorted(reviews.merged)]
    accepted = sorted(reviews.accepted.items())
    lines += [f"accept https://{name} {digest}\n" for name, digest in accepted]
    return "".join(lines)
