"""The statistics against their definition in scipy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage
from support.codings import PICTURE, decoded
from support.slides import encode

from mirror.repeats.statistics import measure


def plain_statistics(first: np.ndarray, second: np.ndarray) -> list[float]:
    """The statistics as their definition reads, in double precision and with scipy."""

    def box(x, n):
        return ndimage.uniform_filter(x, n, mode="mirror")

    def grow(x, r):
        return ndimage.maximum_filter(x, size=2 * r + 1, mode="nearest")

    def var(x, n):
        return np.maximum(box(x * x, n) - box(x, n) ** 2, 0)

    def smooth(x):
        for axis in (0, 1):
            x = ndimage.convolve1d(x, [0.25, 0.5, 0.25], axis=axis, mode="mirror")
        return x

    def half(x):
        x = x[: x.shape[0] // 2 * 2, : x.shape[1] // 2 * 2]
        return (x[0::2, 0::2] + x[1::2, 0::2] + x[0::2, 1::2] + x[1::2, 1::2]) / 4

    def planes(rgb):
        red, green, blue = rgb.astype(np.float64)
        luma = 0.299 * red + 0.587 * green + 0.114 * blue
        chroma = 0.564 * (blue - luma), 0.713 * (red - luma)
        return smooth(luma), *(smooth(half(plane)) for plane in chroma)

    def alone(x, side):
        rows, columns = (range(0, length, side) for length in x.shape)
        tiles = sorted(x[r : r + side, c : c + side].max() for r in rows for c in columns)
        return tiles[-1] / max(([0] * 20 + tiles)[-20], 0.5)

    (ya, ba, ra), (yb, bb, rb) = planes(first), planes(second)
    d = ya - yb
    v = np.minimum(var(ya, 5), var(yb, 5))
    cv = np.minimum(var(ba, 8) + var(ra, 8), var(bb, 8) + var(rb, 8))
    luma, tint = np.abs(box(d, 3)), np.hypot(box(ba - bb, 3), box(ra - rb, 3))
    return [
        luma.max(),
        (luma / (np.sqrt(grow(v, 8)) + 5)).max(),
        (box(d * d, 5) / (grow(v, 3) + 60)).max(),
        (tint / (np.sqrt(grow(cv, 4)) + 5)).max(),
        tint.max(),
        max(alone(luma, 16), alone(tint, 8)),
    ]


def planes_of(image: Image.Image) -> np.ndarray:
    return np.ascontiguousarray(np.moveaxis(np.asarray(image.convert("RGB")), 2, 0))


@settings(max_examples=25, deadline=None)
@given(st.integers(32, 400), st.integers(32, 200), st.integers(0, 2**32 - 1), st.integers(1, 60))
def test_statistics_equal_their_definition_for_any_size(height, width, seed, change):
    random = np.random.default_rng(seed)
    first = np.full((3, height, width), 200, np.uint8)
    top, left = random.integers(0, height - 8), random.integers(0, width - 8)
    first[:, top : top + 30, left : left + 30] = random.integers(
        0, 256, first[:, top : top + 30, left : left + 30].shape
    )
    second = first.astype(int)
    top, left = random.integers(0, height - 5), random.integers(0, width - 5)
    second[:, top : top + 5, left : left + 5] += random.integers(-change, change + 1, (3, 1, 1))
    second = second.clip(0, 255).astype(np.uint8)
    expected = plain_statistics(first, second)
    assert measure(first, second) == pytest.approx(expected, rel=2e-3, abs=2e-3)
    assert measure(second, first) == pytest.approx(expected, rel=2e-3, abs=2e-3)


@pytest.mark.parametrize("quality", [90, 60])
def test_statistics_equal_their_definition_on_a_slide(quality):
    first, second = planes_of(PICTURE), planes_of(decoded(encode(PICTURE, "JPEG", quality=quality)))
    expected = plain_statistics(first, second)
    assert measure(first, second) == pytest.approx(expected, rel=2e-3, abs=2e-3)


def test_statistics_of_a_picture_with_itself_are_nothing():
    assert measure(planes_of(PICTURE), planes_of(PICTURE)) == (0, 0, 0, 0, 0, 0)


def test_measuring_stops_as_soon_as_it_is_hopeless():
    first = planes_of(PICTURE)
    second = first.copy()
    second[:, 5, 5] ^= 255
    second[:, -5, -5] ^= 255
    seen = []
    assert measure(first, second, lambda value: not seen.append(value)) == seen[0]
    assert len(seen) == 1
