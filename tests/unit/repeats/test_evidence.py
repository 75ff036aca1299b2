"""The values of the comparison."""

from __future__ import annotations

import pytest
from support.pairs import sha

from mirror.repeats.evidence import Evidence, Mode, Pair, Refusal, Tier


def test_modes_widen_from_equal_bytes_to_copies():
    order = [Mode.OFF, Mode.EXACT, Mode.PERCEPTUAL]
    for one in order:
        for other in order:
            assert one.is_wider_than(other) is (order.index(one) > order.index(other))


PAIR = Pair.of(sha(1), sha(2))


@pytest.mark.parametrize(
    "evidence",
    [
        *(Evidence(PAIR, 0, tier=tier) for tier in Tier),
        *(Evidence(PAIR, 0, refusal=refusal) for refusal in Refusal),
        Evidence(PAIR, 0),
    ],
    ids=lambda evidence: str(evidence.tier or evidence.refusal),
)
def test_every_verdict_has_a_sentence(evidence):
    assert evidence.sentence.endswith(".")
