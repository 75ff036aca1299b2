"""Digests, pairs of digests, and the choice among pictures of which little is known."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from hypothesis import strategies as st

from mirror.model import Asset, Blob, Digest
from mirror.repeats import choose as choosing
from mirror.repeats.choose import Waves
from mirror.repeats.evidence import Candidate, Mode, Pair
from mirror.repeats.reviews import NO_REVIEWS, Reviews


def sha(name: str | int) -> Digest:
    return Digest(f"{name:0>64}" if isinstance(name, int) else name.encode().hex().rjust(64, "0"))


DIGESTS = st.integers(0, 2**256 - 1).map(lambda n: Digest(f"{n:064x}"))
PAIRS = st.tuples(DIGESTS, DIGESTS).filter(lambda p: p[0] != p[1]).map(lambda p: Pair.of(*p))


def choose(
    blobs: Iterable[Blob],
    candidates: Iterable[Candidate],
    *,
    settled: Iterable[Asset] = (),
    apart: Collection[Pair] = (),
    reviews: Reviews = NO_REVIEWS,
    mode: Mode = Mode.PERCEPTUAL,
) -> Waves:
    """Choose as a first run does, where nothing else is given."""
    return choosing.choose(
        blobs, candidates, settled=settled, apart=apart, reviews=reviews, mode=mode
    )
