"""What is never merged, by class of change, and copies by coders that can be asked again."""

from __future__ import annotations

import sys
from io import BytesIO
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw
from slides import THEMES, deck, encode

from mirror.repeats.compare import compare
from mirror.repeats.recode import quantisers
from mirror.repeats.resize import area

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.edits import CHANGES, MARKS, VISIBLE, difference, edits, hue, luma_of, text

LANCZOS = Image.Resampling.LANCZOS


def decoded(data: bytes) -> Image.Image:
    with Image.open(BytesIO(data)) as image:
        return image.convert("RGB")


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


def test_an_edit_of_every_kind_finds_a_place_on_a_drawn_slide():
    found = {edit.name for edit in edits(deck(1)[0].draw(), Random(0))}
    assert found == {make.__name__.replace("_", " ") for make in (*MARKS, *CHANGES)}


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


@pytest.mark.parametrize("angle", range(0, 360, 30))
def test_hues_of_one_luma_have_it(angle):
    assert luma_of(hue(120, angle, 200)) == pytest.approx(120, abs=1)


def test_difference_is_that_of_cielab():
    white, black = (Image.new("RGB", (9, 9), colour) for colour in ("white", "black"))
    assert difference(white, black) == pytest.approx(100, abs=0.1)
    assert difference(white, white) == 0


# --- Copies ---------------------------------------------------------------------------------------

PICTURE = deck(3)[2].draw()


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


@pytest.mark.parametrize(("times", "by"), [(1, 2), (3, 5), (4, 5)])
def test_means_over_parts_of_pixels_are_a_way_to_resize(times, by):
    """Each pixel as several, and then the mean of whole ones, is the same by a longer way."""
    width, height = PICTURE.size
    many = np.asarray(PICTURE).repeat(times, axis=0).repeat(times, axis=1).astype(np.uint32)
    shape = (height * times // by, by, width * times // by, by, 3)
    sums = many.reshape(shape).sum(axis=(1, 3))
    small = Image.fromarray(((2 * sums + by * by) // (2 * by * by)).astype(np.uint8))
    assert area(PICTURE, small.size, (0, 0, width, height)).tobytes() == small.tobytes()
    if times > 1:
        for coding in ("PNG", "JPEG"):
            assert compare(encode(PICTURE), encode(small, coding), 0).tier == "T0"


@given(
    st.integers(1, 40),
    st.integers(1, 40),
    st.integers(1, 40),
    st.integers(1, 40),
    st.integers(0, 255),
)
def test_means_of_one_colour_are_that_colour(width, height, to_width, to_height, level):
    made = area(
        Image.new("L", (width, height), level), (to_width, to_height), (0, 0, width, height)
    )
    assert made.size == (to_width, to_height)
    assert set(made.tobytes()) == {level}


def test_even_traces_of_another_resizer_are_let_pass_and_one_place_that_stands_out_is_not():
    """As programs differ that resize in floating point, or on other fractions of a pixel."""
    box = (0.03, 0.02, PICTURE.width, PICTURE.height)
    small = PICTURE.resize((960, 540), LANCZOS, box)
    assert compare(encode(PICTURE), encode(small), 0).tier == "T1"
    small.putpixel((800, 200), (215, 215, 215))
    assert not compare(encode(PICTURE), encode(small), 0).same


@pytest.mark.parametrize("quality", [1, 40, 75, 100])
def test_quantisers_of_a_webp_fall_as_its_quality_rises(quality):
    coarse, fine = (quantisers(encode(PICTURE, "WEBP", quality=q)) for q in (quality - 1, quality))
    assert coarse[0] >= fine[0]
    assert 0 <= fine[0] <= 127
    assert quantisers(encode(PICTURE, "WEBP", lossless=True)) == ()


@pytest.mark.parametrize("kept", range(12, 60, 4))
def test_quantisers_of_a_webp_cut_short_are_read_without_an_error(kept):
    assert isinstance(quantisers(encode(PICTURE, "WEBP")[:kept]), tuple)
