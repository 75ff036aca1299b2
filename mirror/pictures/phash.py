"""Decoded picture -> 256-bit fingerprint, equal to imagehash's and several times as fast.

`imagehash.phash(image, hash_size=16)` spends nine tenths of its time in the horizontal pass of one
LANCZOS resize to 64 x 64. That pass is done here as a banded matrix product; the other is left to
Pillow. Loading imagehash's scipy takes as long as thirty pictures. So imagehash is called only
where the rounding of its transform decides a bit: for blank and strictly regular pictures.
"""

from __future__ import annotations

from functools import cache, lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mirror.model import Fingerprint

_HASH_SIDE = 16
_MIDDLE = slice(127, 129)  # of 256 values in order
_SIDE = 64  # imagehash: hash_size times highfreq_factor, which is 4
# A coefficient as near to the median as this is left to imagehash. Two sums of 64 x 64 products up
# to 1020, added in another order, differ by less than 1e-6: each of the 8192 roundings is off by at
# most 2**-53 of a sum below 5e6.
_ROUNDING_MARGIN = 1e-4
_LANCZOS_SUPPORT = 3.0  # Pillow, src/libImaging/Resample.c
_PRECISION = 22  # Pillow, PRECISION_BITS: weights are integers of 32 - 8 - 2 bits
_SPLIT = 128  # a weight is its high half times this and its low half
# A product of a byte with a half weight, summed over the taps, stays below 2**24 up to this width:
# float32 then holds every partial sum exactly, in any order. Below the lower end, Pillow is as
# fast.
_WIDTHS = range(256, 10_000)
_BANDS = 8  # of columns; each column has weights only near its own place
_CELLS = 120_000  # bounds one product, so that BLAS stays in the calling thread


def fingerprint(small: Image.Image) -> Fingerprint:
    """Return the fingerprint of a picture in mode L that `shrink` made small.

    The bits are imagehash's, row by row from the lowest frequencies, the first one on top: the hex
    digits are those of `str(imagehash.phash(image, hash_size=16))`.
    """
    waves = _cosines() @ np.asarray(small, np.float64) @ _cosines().T
    # As `np.median`, which loads the masked arrays of numpy: that takes as long as ten pictures.
    above = waves - np.sort(waves, axis=None)[_MIDDLE].mean()
    if np.abs(above).min() < _ROUNDING_MARGIN:
        import imagehash

        return Fingerprint(int(str(imagehash.phash(small, hash_size=16)), 16))
    return Fingerprint(int.from_bytes(np.packbits(above > 0).tobytes(), "big"))


@cache
def _cosines() -> NDArray[np.float64]:
    """Return the 16 lowest waves of the discrete cosine transform (type II) over 64 samples."""
    wave, sample = np.arange(_HASH_SIDE)[:, None], np.arange(_SIDE)
    return 2.0 * np.cos(np.pi * wave * (2 * sample + 1) / (2 * _SIDE))


class Grey(NamedTuple):
    """A picture in mode L, as Pillow and as numpy have it; numpy takes a copy, made once here."""

    image: Image.Image
    levels: NDArray[np.uint8]

    @classmethod
    def of(cls, image: Image.Image) -> Grey:
        return cls(image, np.asarray(image))


def shrink(grey: Grey) -> Image.Image:
    """Return `grey.image.resize((64, 64), LANCZOS)`, bit for bit."""
    image = grey.image
    if image.width in _WIDTHS:
        image = Image.fromarray(_narrow(grey.levels))
    return image.resize((_SIDE, _SIDE), Image.Resampling.LANCZOS)


def _narrow(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the horizontal pass: 64 columns, rounded to bytes as Pillow rounds between passes."""
    height, width = pixels.shape
    bands = _weights(width)
    columns = _SIDE // _BANDS
    sums = np.empty((_BANDS, height, 2 * columns), np.float32)
    step = _CELLS // width
    for top in range(0, height, step):
        rows = pixels[top : top + step].astype(np.float32)
        for band, (start, stop, weights) in enumerate(bands):
            np.matmul(rows[:, start:stop], weights, out=sums[band, top : top + step])
    total = sums[:, :, :columns].astype(np.int32)
    total *= _SPLIT
    total += sums[:, :, columns:].astype(np.int32)
    total += 1 << (_PRECISION - 1)
    total >>= _PRECISION
    narrow = np.clip(total, 0, 255).astype(np.uint8)
    return np.ascontiguousarray(narrow.transpose(1, 0, 2)).reshape(height, _SIDE)


@lru_cache(maxsize=32)  # widths: the pictures of a blog have a few, and one takes some 100 KB
def _weights(width: int) -> tuple[tuple[int, int, NDArray[np.float32]], ...]:
    """Return Pillow's integer weights for `width` -> 64, a band of columns at a time.

    They are those of `precompute_coeffs` and `normalize_coeffs_8bpc` (src/libImaging/Resample.c).
    Each band is (first input, past the last input, matrix of high halves beside low halves).
    """
    scale = width / _SIDE
    centre = (np.arange(_SIDE) + 0.5) * scale
    first = np.maximum((centre - _LANCZOS_SUPPORT * scale + 0.5).astype(int), 0)
    last = np.minimum((centre + _LANCZOS_SUPPORT * scale + 0.5).astype(int), width)
    at = first[:, None] + np.arange((last - first).max())
    x = (at - centre[:, None] + 0.5) / scale
    taps = np.where(at < last[:, None], np.sinc(x) * np.sinc(x / _LANCZOS_SUPPORT), 0.0)
    real = np.zeros((width, _SIDE))
    column, tap = np.nonzero(at < last[:, None])
    real[at[column, tap], column] = (taps / taps.sum(axis=1, keepdims=True))[column, tap]
    whole = np.trunc(real * (1 << _PRECISION) + np.copysign(0.5, real))
    high = np.round(whole / _SPLIT)
    low = whole - high * _SPLIT
    bands = []
    for left in range(0, _SIDE, _SIDE // _BANDS):
        right = left + _SIDE // _BANDS
        start, stop = int(first[left]), int(last[right - 1])
        both = np.hstack([high[start:stop, left:right], low[start:stop, left:right]])
        bands.append((start, stop, np.ascontiguousarray(both, np.float32)))
    return tuple(bands)
