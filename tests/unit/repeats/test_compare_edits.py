"""Edits that are never merged, by class of change, and copies by coders that can be run again."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from PIL import Image, ImageDraw
from support.codings import PICTURE, decoded
from support.slides import THEMES, deck, encode

from benchmarks.edits import VISIBLE, difference, edits, hue, text
from mirror.repeats.compare import compare

LANCZOS = Image.Resampling.LANCZOS


def scaled(image: Image.Image, by: float) -> Image.Image:
    return image.resize((round(image.width * by), round(image.height * by)), LANCZOS)


CODINGS = {
    "JPEG 90": lambda image: encode(image, "JPEG", quality=90),
    "JPEG 60": lambda image: encode(image, "JPEG", quality=60),
    "JPEG of a JPEG": lambda image: encode(
        decoded(encode(image, "JPEG", quality=75)), "JPEG", quality=85
    ),
    "WebP 75": lambda image: encode(image, "WEBP", quality=75),
    "0.75x PNG": lambda image: encode(scaled(image, 0.75)),
    "0.75x JPEG": lambda image: encode(scaled(image, 0.75), "JPEG", quality=85),
    "0.5x PNG": lambda image: encode(scaled(image, 0.5)),
    "1.5x PNG": lambda image: encode(scaled(image, 1.5)),
}


@pytest.mark.parametrize("seed", range(3))
def test_what_merges_shows_no_change_that_anybody_could_see(seed):
    random = Random(seed)
    merged = {}
    for edit in edits(deck(3, seed=seed, theme=THEMES[seed])[2].draw(), random):
        before = encode(edit.before, compress_level=1)
        name = random.choice(sorted(CODINGS))
        after = CODINGS[name](edit.after)
        if compare(before, after, 0).same:
            left = difference(decoded(CODINGS[name](edit.before)), decoded(after))
            merged[edit.name, edit.how, name] = round(left, 1)
    assert {what: left for what, left in merged.items() if left > VISIBLE} == {}


def _dots(size: int) -> list[Image.Image]:
    """A status dot beside a bullet, red and green of one luma."""
    sides = []
    for angle in (95, 235):
        image = deck(1)[0].draw()
        place = (1000, 140, 1000 + size, 140 + size)
        ImageDraw.Draw(image).ellipse(place, hue(120, angle, 80))
        sides.append(image)
    return sides


def _tokens(turn: float) -> list[Image.Image]:
    """A word of code whose hue turns and whose luma stays."""
    sides = []
    for angle in (200, 200 + turn):
        image = deck(1)[0].draw()
        text(13, hue(140, angle, 40), "return")(image, (900, 300), (255, 255, 255))
        sides.append(image)
    return sides


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize(
    "sides",
    [
        *(pytest.param(_dots(size), id=f"a dot of {size} pixels") for size in (8, 16, 30)),
        *(pytest.param(_tokens(turn), id=f"a word turned by {turn}") for turn in (20, 40, 60)),
    ],
)
def test_a_colour_of_the_same_luma_is_another_picture_in_every_coding(sides, coding):
    before, after = sides
    luma = [np.asarray(side).astype(float) @ [0.299, 0.587, 0.114] for side in sides]
    assert np.abs(luma[0] - luma[1]).max() < 2
    assert not compare(encode(before), CODINGS[coding](after), 0).same


@pytest.mark.parametrize(
    ("origin", "copy"),
    [
        pytest.param(("JPEG", 95), ("JPEG", 75), id="a JPEG of a JPEG"),
        pytest.param(("JPEG", 75), ("JPEG", 90), id="a JPEG finer than its origin"),
        pytest.param(("JPEG", 90), ("WEBP", 80), id="a WebP of a JPEG"),
        pytest.param(("WEBP", 80), ("JPEG", 85), id="a JPEG of a WebP"),
        pytest.param(("AVIF", 75), ("JPEG", 85), id="a JPEG of an AVIF"),
    ],
)
def test_a_copy_of_what_is_lossy_already_is_the_same_picture(origin, copy):
    first = encode(PICTURE, origin[0], quality=origin[1])
    second = encode(decoded(first), copy[0], quality=copy[1])
    assert compare(first, second, 0).tier == "T0"
    changed = decoded(first)
    changed.paste((200, 200, 200), (900, 140, 903, 143))
    assert not compare(first, encode(changed, copy[0], quality=copy[1]), 0).same


@pytest.mark.parametrize("resampling", ["LANCZOS", "BICUBIC", "HAMMING", "BILINEAR", "BOX"])
@pytest.mark.parametrize(("coding", "quality"), [("PNG", 0), ("JPEG", 60), ("WEBP", 80)])
def test_the_resizer_is_found_whatever_the_coding_hides(resampling, coding, quality):
    small = PICTURE.resize((900, 506), Image.Resampling[resampling])
    evidence = compare(encode(PICTURE), encode(small, coding, quality=quality), 0)
    assert evidence.tier == "T0"
    assert evidence.statistics[0] == 0


def test_even_traces_of_another_resizer_are_let_pass_and_one_place_that_stands_out_is_not():
    """As programs differ that resize in floating point, or on other fractions of a pixel."""
    box = (0.03, 0.02, PICTURE.width, PICTURE.height)
    small = PICTURE.resize((960, 540), LANCZOS, box)
    assert compare(encode(PICTURE), encode(small), 0).tier == "T1"
    small.putpixel((800, 200), (215, 215, 215))
    assert not compare(encode(PICTURE), encode(small), 0).same
