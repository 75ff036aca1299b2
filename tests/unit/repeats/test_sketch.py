"""Sketches refuse at once what the pixels would refuse, and nothing else."""

from __future__ import annotations

from functools import cache
from itertools import combinations

import numpy as np
import pytest
from PIL import Image
from support.lazy import Lazy
from support.slides import THEMES, animation, builds, deck, encode, turned, with_digit_changed

from mirror.model import Digest
from mirror.pictures.blob import inspect
from mirror.repeats import compare as comparing
from mirror.repeats.cache import Excerpts, Sides, Sketches
from mirror.repeats.compare import Side, compare, compare_sides, refuse
from mirror.repeats.evidence import Evidence, Pair, Refusal, Tier
from mirror.repeats.sketch import Sketch

SLIDES = deck(6, seed=5, theme=THEMES[1])
TABLE = next(slide for slide in SLIDES if slide.table)
OTHERS = [slide.draw() for slide in SLIDES if slide is not TABLE]
BULLETS = next(slide for slide in SLIDES if len(slide.bullets) > 1)
SLIDE = TABLE.draw()
HOLE = SLIDE.convert("RGBA")
HOLE.putpixel((9, 9), (255, 255, 255, 0))
TWICE = SLIDE.resize((2560, 1440), Image.Resampling.BILINEAR)
PICTURES = Lazy(
    {
        "slide": lambda: encode(SLIDE),
        "slide again": lambda: encode(SLIDE, compress_level=1),
        "JPEG": lambda: encode(SLIDE, "JPEG", quality=88),
        "turned": lambda: turned(SLIDE),
        "WebP": lambda: encode(SLIDE, "WEBP", quality=80),
        "lossless WebP": lambda: encode(SLIDE, "WEBP", lossless=True),
        "palette": lambda: encode(SLIDE.quantize(64)),
        "grey": lambda: encode(SLIDE.convert("L")),
        "twice": lambda: encode(TWICE),
        "three quarters": lambda: encode(SLIDE.resize((960, 540)), "JPEG", quality=85),
        "hole": lambda: encode(HOLE),
        "digit": lambda: encode(with_digit_changed(TABLE).draw()),
        "digit, JPEG": lambda: encode(with_digit_changed(TABLE).draw(), "JPEG", quality=88),
        "bullets": lambda: encode(BULLETS.draw()),
        "build": lambda: encode(next(builds(BULLETS)).draw()),
        "build, JPEG": lambda: encode(next(builds(BULLETS)).draw(), "JPEG", quality=88),
        "blank": lambda: encode(Image.new("RGB", SLIDE.size, "white")),
        "animation": lambda: animation([SLIDE, OTHERS[0]]),
        "other animation": lambda: animation([SLIDE, OTHERS[1]]),
    }
)


def watched(data: bytes) -> tuple[Digest, Sketch]:
    sketches = Sketches()
    digest = inspect(data, watch=sketches.watch).digest
    sketch = sketches.get(digest)
    assert sketch is not None
    return digest, sketch


@cache
def sketch_of(name: str) -> tuple[Digest, Sketch]:
    return watched(PICTURES[name])


PAIRS = list(combinations(PICTURES, 2))


def sketched(one: str, other: str, distance: int) -> Evidence | None:
    (first, sketch), (second, other_sketch) = sketch_of(one), sketch_of(other)
    return refuse(Pair.of(first, second), sketch, other_sketch, distance, Excerpts())


@pytest.mark.parametrize("name", PICTURES)
def test_inspection_keeps_the_sketch_that_a_comparison_makes(name):
    assert sketch_of(name)[1] == Side(PICTURES[name]).sketch


@pytest.mark.parametrize("distance", [0, 4])
def test_sketches_give_the_evidence_of_the_whole_comparison(distance):
    refused = 0
    for one, other in PAIRS:
        evidence = sketched(one, other, distance)
        if evidence is not None:
            assert evidence == compare(PICTURES[one], PICTURES[other], distance), (one, other)
            refused += 1
    assert refused > len(PAIRS) / 2


def test_pixels_would_refuse_what_sketches_do():
    for one, other in PAIRS:
        evidence = sketched(one, other, 4)
        if evidence is not None and evidence.refusal is Refusal.PIXELS:
            sides = (Side(PICTURES[one]), Side(PICTURES[other]))
            judged = comparing._judge_pixels(*sorted(sides, key=comparing._rank_of_copy))
            assert judged.verdict is Refusal.PIXELS, (one, other)


def test_sketches_refuse_no_pair_of_equal_pixels():
    for one in ("slide again", "lossless WebP"):
        assert sketched("slide", one, 0) is None
        assert compare(PICTURES["slide"], PICTURES[one], 0).tier is Tier.PIXELS


def test_animations_with_one_first_frame_stay_apart():
    evidence = compare(PICTURES["animation"], PICTURES["other animation"], 0)
    assert evidence.refusal is Refusal.ANIMATED
    written_again = PICTURES["animation"] + b"behind its end"
    assert compare(PICTURES["animation"], written_again, 0).tier is Tier.PIXELS


def test_a_side_serves_all_pairs_of_its_picture():
    """What one comparison leaves in a side changes no later one."""
    names = ("slide", "JPEG", "turned", "slide again", "digit", "hole", "animation")
    sides = {name: Side(PICTURES[name]) for name in names}
    kept = {name: Side(PICTURES[name], sketch=sketch_of(name)[1]) for name in names}
    for one, other in combinations(names, 2):
        for distance in (0, 4):
            fresh = compare(PICTURES[one], PICTURES[other], distance)
            assert compare_sides(sides[one], sides[other], distance, Excerpts()) == fresh, (
                one,
                other,
            )
            assert compare_sides(kept[other], kept[one], distance, Excerpts()) == fresh, (
                one,
                other,
            )


def test_sketches_and_sides_take_no_more_memory_than_they_may():
    sketch = sketch_of("slide")[1]
    sketches = Sketches(max_bytes=3 * sketch.byte_count)
    digests = [Digest(f"{number:064x}") for number in range(5)]
    for each in digests:
        sketches.add(each, sketch)
    assert [sketches.get(each) is not None for each in digests] == [False, False, True, True, True]

    slide = Side(PICTURES["slide"])
    sides = Sides(max_bytes=2 * slide.byte_count)
    sides.add(slide.digest, slide)
    twice = Side(PICTURES["twice"])
    sides.add(twice.digest, twice)  # more than all of them may take
    assert sides.get(slide.digest) is None
    sides.add(slide.digest, slide)
    assert sides.get(slide.digest) is slide


@pytest.mark.parametrize("marks", [15, 16])
def test_a_picture_is_plain_below_sixteen_contrasted_tiles(marks):
    levels = np.full((720, 1280), 200, np.uint8)
    levels[8:720:48, 8] = 100  # one tile each
    levels[8, 72 : 72 + 64 * (marks - 15) : 64] = 100
    assert watched(encode(Image.fromarray(levels)))[1].is_plain is (marks < 16)


@pytest.mark.parametrize("size", [(1, 1), (1, 2000), (2000, 1), (10, 50), (15, 16), (16, 15)])
def test_a_picture_that_is_narrower_than_a_tile_has_a_plain_sketch(size):
    image = Image.effect_noise(size, 80).convert("RGB")
    sketches = Sketches()
    blob = inspect(encode(image), watch=sketches.watch)
    sketch = sketches.get(blob.digest)
    assert sketch is not None
    assert sketch.is_plain
    assert not compare(encode(image), encode(image, "JPEG"), 2).same
