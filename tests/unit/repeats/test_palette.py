"""Copies whose colours were mapped to a palette of this file's own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from support.codings import SLIDE
from support.slides import Theme, encode, with_digit_changed

from mirror.repeats import palette
from mirror.repeats.compare import compare
from mirror.repeats.evidence import Evidence
from mirror.repeats.statistics import measure, planes


def nothing_left(evidence: Evidence) -> bool:
    return evidence.tier == "T0" and not any(evidence.statistics)


GREYS = replace(SLIDE, theme=Theme(accent="#202020"))
STEP = 14  # from one level of the palette to the next: at most 7 from any level, and 6 are near


def put_down(image: Image.Image) -> NDArray[np.uint8]:
    """The levels of a grey picture, those in the middle at the nearest of a few; ties go up."""
    levels = np.asarray(image.convert("L")).astype(int)
    down = 255 - (255 - levels + STEP // 2 - 1) // STEP * STEP
    return np.where((levels > 115) & (levels < 171), down, levels).astype(np.uint8)


def of_palette(levels: NDArray[np.uint8]) -> bytes:
    image = Image.fromarray(levels)
    image.putpalette([level for level in range(256) for _ in "rgb"])
    return encode(image)


def farthest(image: Image.Image) -> list[tuple[int, NDArray[np.intp]]]:
    """Levels as far from the palette as can be, and where they are; the rarest first."""
    levels = np.asarray(image.convert("L"))
    far = np.abs(levels.astype(int) - put_down(image)) == STEP // 2
    inks = [(int(level), np.argwhere(levels == level)) for level in np.unique(levels[far])]
    return sorted(inks, key=lambda ink: len(ink[1]))


def test_a_copy_whose_colours_were_put_down_to_a_palette_is_the_same_picture():
    origin = GREYS.draw()
    assert farthest(origin)
    assert nothing_left(compare(encode(origin), of_palette(put_down(origin)), 0))
    changed = with_digit_changed(GREYS).draw()
    assert not compare(encode(changed), of_palette(put_down(origin)), 0).same


def test_one_colour_that_became_two_is_another_picture():
    origin = GREYS.draw()
    tried = 0
    for _, places in farthest(origin):
        levels = put_down(origin)
        levels[tuple(places[0])] -= STEP
        if len(places) > 1 and leaves_little(origin, levels):
            assert not compare(encode(origin), of_palette(levels), 0).same
            tried += 1
    assert tried


def test_a_colour_that_became_one_farther_than_need_be_is_another_picture():
    origin = GREYS.draw()
    tried = 0
    for level, places in farthest(origin):
        levels = put_down(origin)
        levels[tuple(places.T)] = level + STEP
        if leaves_little(origin, levels):
            assert not compare(encode(origin), of_palette(levels), 0).same
            tried += 1
    assert tried


def leaves_little(origin: Image.Image, levels: NDArray[np.uint8]) -> bool:
    """Whether the statistics alone would let it pass."""
    made = Image.fromarray(levels).convert("RGB")
    return measure(planes(origin), planes(made)).within(palette.LIMITS)


def test_a_smaller_copy_of_few_colours_is_not_retraced():
    small = GREYS.draw().resize((768, 432), Image.Resampling.LANCZOS)
    assert compare(encode(GREYS.draw()), encode(small), 0).tier == "T0"
    assert not compare(encode(GREYS.draw()), of_palette(put_down(small)), 0).same
