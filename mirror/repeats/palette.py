"""Test if a copy of few colours may be a picture after its colours were mapped to a palette.

Each program chooses a palette of its own, but then maps equal colours to one colour, and each to
about the nearest. A change made of colours that the picture has elsewhere too, such as one letter
for another, therefore shows in the copy, unless the palette has one colour for both.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mirror.repeats.statistics import Statistics, measure, planes

_MAX_COLOURS = 256  # of a palette
_INVISIBLE = 6  # levels of red, green or blue that a dither may add to any pixel; not measured
_DETOUR = 4.0  # levels a colour may be farther from its entry than from the nearest; not measured
_NUMBERS = 1 << 16  # colours that can be numbered in 16 bits
_ALL_COLOURS = 1 << 24
# Careful programs leave no more than this of a slide. A few words in another colour of equal luma
# leave a tint of 3.5 and more. `python -m benchmarks dedupe FOLDER --coders palette` counts the
# wrong merges.
LIMITS = Statistics(2.7, 0.20, 0.04, 0.25, 1.7, 4.0)


def fits_palette(origin: Image.Image, copy: Image.Image) -> bool:
    """Return True if the RGB picture `copy` may be `origin` with its colours mapped to a palette.

    It may be dithered as far as no pixel moves by more than a few levels.
    """
    palette = copy.getcolors(_MAX_COLOURS)
    if not palette or not _is_within_limits(origin, copy):
        return False
    before, after = (np.asarray(side).reshape(-1, 3) for side in (origin, copy))
    is_visible = np.abs(before.astype(np.int16) - after).max(axis=1) > _INVISIBLE
    original, mapped = _packed(before), _packed(after)
    colours = np.unique(original[is_visible])
    if len(colours) == 0:
        return True
    if len(colours) >= _NUMBERS:
        return False
    # A number for each colour, given to all its pixels, and the colour of the last of them in the
    # copy. If another pixel of the number has another colour there, the map is no function.
    numbers = np.zeros(_ALL_COLOURS, np.uint16)
    numbers[colours] = np.arange(1, len(colours) + 1)
    number = numbers[original]
    entry = np.zeros(len(colours) + 1, np.int32)
    entry[number] = mapped
    if ((entry[number] != mapped) & (number > 0)).any():
        return False
    levels = _unpacked(colours)
    nearest = np.min([_distance(levels, np.array(colour)) for _, colour in palette], axis=0)
    return bool((_distance(levels, _unpacked(entry[1:])) - nearest).max() <= _DETOUR)


def _is_within_limits(origin: Image.Image, copy: Image.Image) -> bool:
    measured = measure(planes(origin), planes(copy), lambda so_far: not so_far.within(LIMITS))
    return measured.within(LIMITS)


def _packed(pixels: NDArray[np.uint8]) -> NDArray[np.int32]:
    red, green, blue = pixels.T.astype(np.int32)
    packed: NDArray[np.int32] = red << 16 | green << 8 | blue
    return packed


def _unpacked(colours: NDArray[np.int32]) -> NDArray[np.int32]:
    return np.stack([colours >> shift & 255 for shift in (16, 8, 0)], axis=1)


def _distance(colours: NDArray[np.int32], others: NDArray[np.int32]) -> NDArray[np.float64]:
    distance: NDArray[np.float64] = np.sqrt(((colours - others) ** 2).sum(axis=1))
    return distance
