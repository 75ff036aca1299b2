"""The fingerprint is imagehash's, bit for bit, also where it is not imagehash that computes it."""

from __future__ import annotations

import subprocess
import sys

import imagehash
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from support.slides import deck

from mirror.pictures.phash import Grey, fingerprint, shrink


@pytest.mark.parametrize("width", [1, 63, 64, 255, 256, 257, 500, 1280, 1281, 3333, 9_999, 10_000])
@pytest.mark.parametrize("kind", ["noise", "black and white noise", "edge"])
def test_shrink_is_pillows_resize_bit_for_bit(width, kind):
    random = np.random.default_rng(width)
    if kind == "edge":
        pixels = np.where(np.arange(width) < width * 0.37, 255, 0) * np.ones((30, 1))
    else:
        levels = 256 if kind == "noise" else 2
        pixels = random.integers(0, levels, (30, width)) * (255 // (levels - 1))
    image = Image.fromarray(pixels.astype(np.uint8))
    expected = image.resize((64, 64), Image.Resampling.LANCZOS)
    assert shrink(Grey.of(image)).tobytes() == expected.tobytes()


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 900), st.integers(1, 200), st.integers(0, 2**32 - 1))
def test_shrink_is_pillows_resize_for_any_size(width, height, seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width), dtype=np.uint8)
    image = Image.fromarray(pixels)
    expected = image.resize((64, 64), Image.Resampling.LANCZOS)
    assert shrink(Grey.of(image)).tobytes() == expected.tobytes()


sides = st.integers(1, 400)


def theirs(image: Image.Image) -> str:
    return str(imagehash.phash(image, hash_size=16))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Image.Image]:
    """The pictures that imagehash is asked about."""
    pictures: list[Image.Image] = []

    def phash(image: Image.Image, **options: int) -> imagehash.ImageHash:
        pictures.append(image)
        return original(image, **options)

    original = imagehash.phash
    monkeypatch.setattr(imagehash, "phash", phash)
    return pictures


def test_slides_need_no_imagehash(asked: list[Image.Image]) -> None:
    pictures = [slide.draw().convert("L") for slide in deck(20)]
    fingerprints = [str(fingerprint(shrink(Grey.of(picture)))) for picture in pictures]
    assert not asked
    assert fingerprints == [theirs(picture) for picture in pictures]


@given(width=sides, height=sides, seed=st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_noise_has_the_same_bits(width: int, height: int, seed: int) -> None:
    values = np.random.default_rng(seed).integers(0, 256, (height, width), np.uint8)
    picture = Image.fromarray(values)
    assert str(fingerprint(shrink(Grey.of(picture)))) == theirs(picture)


@pytest.mark.parametrize("step", [1, 2, 3, 8, 64])
@pytest.mark.parametrize("level", [0, 1, 127, 255])
def test_where_rounding_decides_imagehash_does(
    asked: list[Image.Image], step: int, level: int
) -> None:
    values = np.zeros((192, 256), np.uint8)
    values[::step] = level
    picture = Image.fromarray(values)
    text = str(fingerprint(shrink(Grey.of(picture))))
    assert len(asked) == 1
    assert text == theirs(picture)


def test_scipy_is_not_loaded_for_a_slide() -> None:
    code = """
import sys
from PIL import Image
from mirror.pictures.phash import Grey, fingerprint, shrink
fingerprint(shrink(Grey.of(Image.linear_gradient("L").rotate(10).resize((640, 360)))))
sys.exit(any(name.split(".")[0] in ("scipy", "imagehash") for name in sys.modules))
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
