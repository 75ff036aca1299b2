"""Digests and pairs of digests for tests of repeats."""

from __future__ import annotations

from hypothesis import strategies as st

from mirror.model import Digest
from mirror.repeats.evidence import Pair


def sha(name: str | int) -> Digest:
    return Digest(f"{name:0>64}" if isinstance(name, int) else name.encode().hex().rjust(64, "0"))


DIGESTS = st.integers(0, 2**256 - 1).map(lambda n: Digest(f"{n:064x}"))
PAIRS = st.tuples(DIGESTS, DIGESTS).filter(lambda p: p[0] != p[1]).map(lambda p: Pair.of(*p))
