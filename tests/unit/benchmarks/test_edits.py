"""The edits of the benchmark, and its measure of a visible difference."""

from __future__ import annotations

from random import Random

import pytest
from PIL import Image
from support.slides import deck

from benchmarks.edits import CHANGES, MARKS, difference, edits, hue, luma_of


def test_an_edit_of_every_kind_finds_a_place_on_a_drawn_slide():
    names = {edit.name for edit in edits(deck(1)[0].draw(), Random(0))}
    assert names == {make.__name__.replace("_", " ") for make in (*MARKS, *CHANGES)}


@pytest.mark.parametrize("angle", range(0, 360, 30))
def test_hues_of_one_luma_have_it(angle):
    assert luma_of(hue(120, angle, 200)) == pytest.approx(120, abs=1)


def test_difference_is_that_of_cielab():
    white, black = (Image.new("RGB", (9, 9), colour) for colour in ("white", "black"))
    assert difference(white, black) == pytest.approx(100, abs=0.1)
    assert difference(white, white) == 0
