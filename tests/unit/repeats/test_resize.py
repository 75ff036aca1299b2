"""The resizer that takes means of areas."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from support.codings import PICTURE
from support.slides import encode

from mirror.repeats.compare import compare
from mirror.repeats.resize import area


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
