"""The ledger as text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.pairs import PAIRS, sha

from mirror.repeats.evidence import RULE, STATISTICS, Evidence, Mode, Pair, Refusal, Scope, Tier
from mirror.repeats.ledger import LedgerError, dumps_evidence, dumps_mode, loads_ledger, loads_mode

VALUES = st.one_of(
    st.just(()), st.tuples(*[st.floats(0, 255).map(lambda x: round(x, 4))] * len(STATISTICS))
)


EVIDENCE = st.one_of(
    st.builds(Evidence, PAIRS, st.integers(0, 24), tier=st.sampled_from(Tier), statistics=VALUES),
    st.builds(Evidence, PAIRS, st.integers(0, 24), refusal=st.sampled_from(Refusal)),
)


@given(st.lists(EVIDENCE, unique_by=lambda e: e.pair))
def test_the_ledger_gives_back_what_was_written(evidence):
    text = "".join(map(dumps_evidence, evidence))
    assert loads_ledger(text) == {e.pair: e for e in evidence}


def test_the_last_line_about_a_pair_counts_and_a_torn_one_does_not():
    pair = Pair.of(sha(1), sha(2))
    old, new = Evidence(pair, 3, tier=Tier.REPRODUCED), Evidence(pair, 3, refusal=Refusal.PIXELS)
    text = dumps_evidence(old) + dumps_evidence(new)
    assert loads_ledger(text) == {pair: new}
    assert loads_ledger(text + dumps_evidence(old)[:-5]) == {pair: new}


def test_evidence_of_another_version_of_the_rule_is_asked_for_again():
    line = dumps_evidence(Evidence(Pair.of(sha(1), sha(2)), 3, tier=Tier.REPRODUCED))
    assert loads_ledger(line.replace(f'"rule": {RULE}', f'"rule": {RULE + 1}')) == {}


@pytest.mark.parametrize(
    "line",
    [
        "",
        "[]",
        "{}",
        f'{{"rule": {RULE}, "pair": ["a"]}}',
        f'{{"rule": {RULE}, "mode": "fuzzy"}}',
        "nonsense",
    ],
)
def test_a_line_that_is_no_evidence_is_named(line):
    good = dumps_evidence(Evidence(Pair.of(sha(1), sha(2)), 3, tier=Tier.REPRODUCED))
    with pytest.raises(LedgerError, match=r"^line 2: expected evidence"):
        loads_ledger(f"{good}{line}\n")


def test_a_ledger_tells_the_last_mode_and_without_one_the_default():
    line = dumps_evidence(Evidence(Pair.of(sha(1), sha(2)), 3, tier=Tier.REPRODUCED))
    assert loads_mode(line) == loads_mode("") == (Mode.PERCEPTUAL, Scope.ALL)
    text = dumps_mode(Mode.OFF, Scope.ALL) + line + dumps_mode(Mode.EXACT, Scope.ALL)
    assert loads_mode(text) == (Mode.EXACT, Scope.ALL)
    assert loads_mode(text + dumps_mode(Mode.PERCEPTUAL, Scope.ALL)[:-3]) == (Mode.EXACT, Scope.ALL)
    within = dumps_mode(Mode.EXACT, Scope.SOURCE)
    assert loads_mode(text + within) == (Mode.EXACT, Scope.SOURCE)
    assert loads_mode(within + text) == (Mode.EXACT, Scope.ALL)
    assert loads_ledger(text) == loads_ledger(line)
