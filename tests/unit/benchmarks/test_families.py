"""The benchmark of families: its siblings differ, and a merge across two families counts."""

from __future__ import annotations

from random import Random

import pytest
from PIL import ImageChops
from support import slides

from benchmarks.families import FamilyTally, Member, siblings
from mirror.pictures.blob import inspect
from mirror.repeats.evidence import Evidence, Refusal, Tier

SLIDE = slides.deck(2)[1].draw()


def test_siblings_differ_where_a_person_sees_it():
    found = {name: pair for name, *pair in siblings(SLIDE, {}, Random(0))}
    assert set(found) == {"page number", "build"}
    for slide, sibling in found.values():
        assert ImageChops.difference(slide, sibling).convert("L").getextrema()[1] > 60


@pytest.mark.parametrize(("merges", "wrong", "found"), [(True, 2, 2), (False, 0, 0)])
def test_a_merge_across_two_families_is_wrong(merges, wrong, found, capsys):
    _, slide, sibling = next(siblings(SLIDE, {}, Random(0)))
    members = []
    for is_sibling, image in ((False, slide), (True, sibling)):
        for made, data in (
            ("PNG", slides.encode(image)),
            ("JPEG", slides.encode(image, "JPEG", quality=88)),
        ):
            members.append(Member(is_sibling, made, data, inspect(data)))

    def judge(wave):
        return [
            Evidence(asked.pair, 0, tier=Tier.PIXELS)
            if merges
            else Evidence(asked.pair, 0, refusal=Refusal.PIXELS)
            for asked in wave
        ]

    tally = FamilyTally()
    tally.add(members, judge, "page number")
    assert (tally.copies, tally.found) == (2, found)
    assert tally.wrong == capsys.readouterr().out.count("WRONG") == wrong
