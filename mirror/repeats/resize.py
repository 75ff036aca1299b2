"""Resizers of common programs, as functions of one form."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Size = tuple[int, int]
Box = tuple[float, float, float, float]
Resize = Callable[[Image.Image, Size, Box], Image.Image]
"""Return the part of a picture inside the box, at another size."""

_TIE = 1e-6  # added so that sums in floating point round a half up, as whole numbers do


def _pillow(resampling: Image.Resampling, image: Image.Image, size: Size, box: Box) -> Image.Image:
    return image.resize(size, resampling, box)


def area(image: Image.Image, size: Size, box: Box) -> Image.Image:
    """Return an image whose pixels are the means of the area they cover, parts of pixels included.

    So does OpenCV's INTER_AREA; Pillow's BOX takes whole pixels only. Halves are rounded up.
    """
    left, top, right, bottom = box
    above = int(top)
    part = image.crop((0, above, image.width, min(ceil(bottom), image.height)))
    rows = _means(np.asarray(part), size[1], top - above, bottom - above)
    mean = _means(rows.swapaxes(0, 1), size[0], left, right).swapaxes(0, 1)
    return Image.fromarray(np.floor(mean + (0.5 + _TIE)).astype(np.uint8))


def _means(rows: NDArray[Any], count: int, start: float, stop: float) -> NDArray[np.float64]:
    """Return the means over `count` equal stretches of the first axis."""
    edges = np.linspace(start, stop, count + 1)
    whole = np.minimum(edges.astype(np.intp), len(rows) - 1)
    first = int(whole[0])
    rows, whole, edges = rows[first : int(whole[-1]) + 1], whole - first, edges - first
    sums = np.zeros((len(rows) + 1, *rows.shape[1:]))
    np.cumsum(rows, axis=0, out=sums[1:])
    part = (edges - whole).reshape(-1, *[1] * (rows.ndim - 1))
    means: NDArray[np.float64] = np.diff(sums[whole] + part * rows[whole], axis=0)
    return means * (count / (stop - start))


GROWING: tuple[Resize, ...] = tuple(
    partial(_pillow, Image.Resampling[name])
    for name in ("LANCZOS", "BICUBIC", "HAMMING", "BILINEAR")
)
SHRINKING: tuple[Resize, ...] = (*GROWING, partial(_pillow, Image.Resampling.BOX), area)
