"""Excerpts refuse only what the whole pictures refuse, and give the same evidence when kept."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont
from support.lazy import Lazy
from support.slides import deck, encode, turned, with_digit_changed

from mirror.pictures.decode import components
from mirror.repeats import compare as comparing
from mirror.repeats.bins import cannot_show, planes_of_coders
from mirror.repeats.cache import Excerpts
from mirror.repeats.compare import Side, compare, compare_sides, refuse
from mirror.repeats.evidence import Evidence, Pair, Refusal

PAGE = next(slide for slide in deck(6) if slide.table)
SLIDE, OTHER = PAGE.draw(), with_digit_changed(PAGE).draw()
NOISE = np.random.default_rng(7).integers(0, 256, (720, 1280, 3), np.uint8)


def numbered(number: int, size: tuple[int, int] = (1280, 720)) -> Image.Image:
    page = SLIDE.crop((0, 0, *size))
    place, ink = (size[0] - 60, size[1] - 24), (110, 110, 110)
    ImageDraw.Draw(page).text(place, str(number), ink, font=ImageFont.load_default(14))
    return page


def jpeg(image: Image.Image, quality: int = 88, **options: object) -> bytes:
    return encode(image, "JPEG", quality=quality, **options)


def twice(image: Image.Image, first: int = 75) -> bytes:
    return jpeg(Side(jpeg(image, first)).rgb)


REFUSED = Lazy(
    {
        "digit": lambda: (encode(SLIDE), jpeg(OTHER)),
        "number": lambda: (encode(numbered(19)), jpeg(numbered(22))),
        "number at an odd edge": lambda: (
            encode(numbered(19, (1271, 709))),
            jpeg(numbered(22, (1271, 709))),
        ),
        "whole chroma": lambda: (encode(numbered(19)), jpeg(numbered(22), subsampling=0)),
        "coarse": lambda: (encode(numbered(19)), jpeg(numbered(22), 40)),
        "palette": lambda: (encode(numbered(19).quantize(64)), jpeg(numbered(22))),
        "two JPEGs": lambda: (jpeg(numbered(19), 95), jpeg(numbered(22), 80)),
        "second JPEG": lambda: (encode(numbered(19)), twice(numbered(22))),
        "turned": lambda: (encode(numbered(19)), turned(numbered(22))),
        "grey": lambda: (encode(numbered(19)), jpeg(numbered(22).convert("L"))),
        "upper left number": lambda: (
            encode(numbered(19).transpose(Image.Transpose.ROTATE_180)),
            jpeg(numbered(22).transpose(Image.Transpose.ROTATE_180)),
        ),
    }
)
MERGED = Lazy(
    {
        "JPEG": lambda: (encode(SLIDE), jpeg(SLIDE)),
        "coarse": lambda: (encode(SLIDE), jpeg(SLIDE, 40)),
        "whole chroma": lambda: (encode(SLIDE), jpeg(SLIDE, subsampling=0)),
        "second JPEG": lambda: (encode(SLIDE), twice(SLIDE)),
        "coarse second JPEG": lambda: (encode(SLIDE), twice(SLIDE, 60)),
        "odd edge": lambda: (encode(numbered(7, (1271, 709))), jpeg(numbered(7, (1271, 709)))),
        "JPEG of a JPEG": lambda: (jpeg(SLIDE, 95), jpeg(Side(jpeg(SLIDE, 95)).rgb, 80)),
    }
)


def without_excerpts(first: bytes, second: bytes, monkeypatch: pytest.MonkeyPatch) -> Evidence:
    with monkeypatch.context() as patch:
        patch.setattr(comparing, "_unlike_in_excerpt", lambda *_: None)
        return compare(first, second, 4)


@pytest.mark.parametrize("name", REFUSED)
def test_an_excerpt_refuses_what_the_whole_refuses(name, monkeypatch):
    evidence = compare(*REFUSED[name], 4)
    whole = without_excerpts(*REFUSED[name], monkeypatch)
    assert (evidence.tier, evidence.refusal) == (whole.tier, whole.refusal)
    assert evidence.refusal is Refusal.PIXELS


@pytest.mark.parametrize("past", [1, 2, 3])  # pixels past a whole number of units
def test_an_edit_on_the_last_pixels_of_a_picture_is_refused(past):
    width, height = 1248 + past, 704 + past
    slide = SLIDE.crop((0, 0, width, height))
    edited = slide.copy()
    box = (width - 40, height - past, width, height)
    edited.paste(slide.crop(box).point(lambda level: max(level - 18, 0)), box)
    for original in (encode(slide), jpeg(slide, 95)):
        assert compare(original, jpeg(edited), 2).refusal is Refusal.PIXELS


@pytest.mark.parametrize("name", MERGED)
def test_no_excerpt_stops_a_copy(name, monkeypatch):
    evidence = compare(*MERGED[name], 4)
    assert evidence == without_excerpts(*MERGED[name], monkeypatch)
    assert evidence.same


@pytest.mark.parametrize("name", [*REFUSED, *MERGED])
def test_kept_excerpts_give_the_evidence_of_the_whole_comparison(name):
    for pair in (REFUSED, MERGED):
        if name not in pair:
            continue
        first, second = map(Side, pair[name])
        excerpts = Excerpts()
        evidence = compare_sides(first, second, 4, excerpts)
        digests = Pair.of(first.digest, second.digest)
        sketches = {side.digest: side.sketch for side in (first, second)}
        kept = refuse(digests, sketches[digests.first], sketches[digests.second], 4, excerpts)
        assert kept in (None, evidence)


def test_look_alikes_are_refused_by_what_was_kept_of_other_pairs():
    pages = [Side(encode(numbered(n)) if n % 2 else jpeg(numbered(n))) for n in range(10, 22)]
    excerpts = Excerpts()
    compared = 0
    for one in pages[::2]:
        for other in pages[1::2]:
            first, second = sorted((one, other), key=lambda side: side.digest)
            pair = Pair.of(first.digest, second.digest)
            evidence = refuse(pair, first.sketch, second.sketch, 4, excerpts)
            if evidence is None:
                compared += 1
                evidence = compare_sides(first, second, 4, excerpts)
            fresh = compare_sides(
                Side(first.picture.data), Side(second.picture.data), 4, Excerpts()
            )
            assert evidence == fresh
            assert evidence.refusal is Refusal.PIXELS
    assert compared < 36 / 2


@settings(max_examples=40, deadline=None)
@given(
    quality=st.integers(10, 98),
    contrast=st.sampled_from([8, 60, 255]),
    low=st.sampled_from([0, 90, 200]),
    cell=st.sampled_from([1, 3, 16]),
    seed=st.integers(0, 2**16),
)
def test_bins_are_not_ruled_out_for_a_jpeg_of_the_picture(quality, contrast, low, cell, seed):
    random = np.random.default_rng(seed)
    cells = random.integers(0, contrast + 1, (96 // cell + 1, 96 // cell + 1, 3))
    levels = np.clip(low + cells.repeat(cell, 0).repeat(cell, 1)[:96, :96], 0, 255)
    origin = levels.astype(np.uint8)
    luma = components(jpeg(Image.fromarray(origin), quality))[0]
    assert not cannot_show(planes_of_coders(origin, luma.table), luma.plane, luma.table)


def test_bins_are_ruled_out_for_another_picture():
    luma = components(jpeg(Image.fromarray(NOISE[:96, :96])))[0]
    planes = planes_of_coders(NOISE[96:192, :96], luma.table)
    assert cannot_show(planes, luma.plane, luma.table)


def test_excerpts_take_no_more_memory_than_they_may():
    first, second = Side(encode(numbered(19))), Side(jpeg(numbered(22)))
    excerpts = Excerpts(max_bytes=1000)
    evidence = compare_sides(first, second, 4, excerpts)
    assert evidence == compare(*REFUSED["number"], 4)
    pair = Pair.of(first.digest, second.digest)
    sketches = {side.digest: side.sketch for side in (first, second)}
    assert refuse(pair, sketches[pair.first], sketches[pair.second], 4, excerpts) is None
