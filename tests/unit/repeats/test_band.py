"""A band fails only where the whole picture fails."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from support.lazy import Lazy
from support.slides import deck, encode, turned, with_digit_changed

from mirror.pictures import DecodingBudget
from mirror.repeats import compare as comparing
from mirror.repeats.band import Band
from mirror.repeats.cache import Excerpts
from mirror.repeats.compare import Side, compare, compare_sides
from mirror.repeats.evidence import Evidence, Refusal
from mirror.repeats.statistics import Statistics, measure, measure_rows, planes

PAGE = next(slide for slide in deck(6) if slide.table)
SLIDE, OTHER = PAGE.draw(), with_digit_changed(PAGE).draw()
HALF = Image.Resampling.LANCZOS
PAIRS = Lazy(
    {
        "JPEG": lambda: (encode(SLIDE), encode(OTHER, "JPEG", quality=88)),
        "two JPEGs": lambda: (encode(SLIDE, "JPEG", quality=95), encode(OTHER, "JPEG", quality=80)),
        "second JPEG": lambda: (
            encode(SLIDE),
            encode(Side(encode(OTHER, "JPEG", quality=75)).rgb, "JPEG", quality=88),
        ),
        "turned": lambda: (encode(SLIDE), turned(OTHER)),
        "AVIF": lambda: (encode(SLIDE), encode(OTHER, "AVIF", quality=70)),
        "WebP": lambda: (encode(SLIDE), encode(OTHER, "WEBP", quality=80)),
        "half": lambda: (encode(SLIDE), encode(OTHER.resize((640, 360), HALF), "JPEG", quality=85)),
        "twice": lambda: (encode(SLIDE), encode(OTHER.resize((2560, 1440), HALF))),
        "odd height": lambda: (
            encode(SLIDE.crop((0, 0, 1279, 711))),
            turned(OTHER.crop((0, 0, 1279, 711))),
        ),
    }
)
COPIES = Lazy(
    {
        "JPEG": lambda: encode(SLIDE, "JPEG", quality=88),
        "second JPEG": lambda: encode(
            Side(encode(SLIDE, "JPEG", quality=75)).rgb, "JPEG", quality=88
        ),
        "turned": lambda: turned(SLIDE),
        "half": lambda: encode(SLIDE.resize((640, 360), HALF), "JPEG", quality=85),
        "twice": lambda: encode(SLIDE.resize((2560, 1440), HALF)),
    }
)


def without_bands(first: bytes, second: bytes, monkeypatch: pytest.MonkeyPatch) -> Evidence:
    with monkeypatch.context() as patch:
        patch.setattr(comparing, "MOST_DIFFERENT", 255)
        patch.setattr(comparing, "_COARSE_LIMIT", 255)
        patch.setattr(Band, "around", lambda *_: None)
        patch.setattr(comparing, "_unlike_in_excerpt", lambda *_: None)
        return compare(first, second, 4)


@pytest.mark.parametrize("name", PAIRS)
def test_a_band_refuses_what_the_whole_refuses(name, monkeypatch):
    whole = without_bands(*PAIRS[name], monkeypatch)
    evidence = compare(*PAIRS[name], 4)
    assert (evidence.tier, evidence.refusal) == (whole.tier, whole.refusal)
    assert evidence.refusal is Refusal.PIXELS


@pytest.mark.parametrize("name", COPIES)
def test_no_band_stops_a_copy(name, monkeypatch):
    whole = without_bands(encode(SLIDE), COPIES[name], monkeypatch)
    assert compare(encode(SLIDE), COPIES[name], 4) == whole
    assert whole.same


@pytest.mark.parametrize("top", [0, 16, 300, 340, 688, 719])
@pytest.mark.parametrize("height", [720, 711])
def test_rows_measure_no_more_than_the_whole_and_find_what_is_in_them(top, height):
    levels = np.asarray(SLIDE)[:height]
    changed = levels.copy()
    row = min(top, height - 1)
    changed[row, 600:610] = 255 - changed[row, 600:610]
    first, second = Image.fromarray(levels), Image.fromarray(changed)
    seen: list[Statistics] = []
    band = Band.around(second, row, lambda left: seen.append(left) is None)
    assert band is not None
    assert band.fails(band.cut(first))
    whole = measure(planes(first), planes(second))
    assert all(part <= all_of_it for part, all_of_it in zip(seen[0], whole, strict=True))
    assert seen[0].luma == pytest.approx(whole.luma)


def test_rows_of_the_whole_are_measured_as_the_whole_is():
    first, second = planes(SLIDE), planes(Side(COPIES["JPEG"]).rgb)
    whole = measure(first, second)
    rows = measure_rows(first, second, 0, first.shape[1])
    assert rows[:3] == pytest.approx(whole[:3])


def test_a_picture_over_the_whole_budget_is_compared_alone(monkeypatch):
    monkeypatch.setattr(comparing, "_room", DecodingBudget(1))
    evidence = compare_sides(Side(encode(SLIDE)), Side(COPIES["JPEG"]), 4, Excerpts())
    assert evidence.same
