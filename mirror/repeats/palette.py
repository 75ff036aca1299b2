"""Whether a copy of few colours is a picture whose colours were put down to a palette's.

Each program chooses a palette of its own, but then maps colours to colours: equal ones to one, and
each to about the nearest. So where a change is made of colours that the picture has elsewhere too,
as one letter for another is, the copy shows it, or its palette cannot tell the two.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mirror.repeats.statistics import Statistics, measure, planes

_COLOURS = 256
_NEAR = 6  # levels of red, green or blue: nobody sees them, and a dither may add them anywhere
_DETOUR = 4.0  # levels a colour may be farther from its own in the palette than from the nearest
# What is left of a slide by careful programs. A few words in another colour, of equal luma, leave a
# tint of 3.5 and more.
LIMITS = Statistics(2.7, 0.20, 0.04, 0.25, 1.7, 4.0)


def may_have_mapped(image: Image.Image, seen: Image.Image) -> bool:
    """Whether `seen` may be the RGB picture `image` after a palette took the place of its colours.

    Dithered only as far as no pixel is moved by more than a few levels.
    """
    palette = seen.getcolors(_COLOURS)
    if not palette or not _leaves_little(image, seen):
        return False
    before, after = (np.asarray(side).reshape(-1, 3) for side in (image, seen))
    far = np.abs(before.astype(np.int16) - after).max(axis=1) > _NEAR
    own, mapped = _packed(before), _packed(after)
    colours = np.unique(own[far])
    if not 0 < len(colours) < 1 << 16:
        return not len(colours)
    # Each colour's number, wherever in the picture it is, and what the last of its pixels became.
    numbers = np.zeros(1 << 24, np.uint16)
    numbers[colours] = np.arange(1, len(colours) + 1)
    number = numbers[own]
    became = np.zeros(len(colours) + 1, np.int32)
    became[number] = mapped
    if ((became[number] != mapped) & (number > 0)).any():
        return False
    sought = _unpacked(colours)
    nearest = np.min([_distance(sought, np.array(colour)) for _, colour in palette], axis=0)
    return bool((_distance(sought, _unpacked(became[1:])) - nearest).max() <= _DETOUR)


def _leaves_little(image: Image.Image, seen: Image.Image) -> bool:
    found = measure(planes(image), planes(seen), lambda found: not found.within(LIMITS))
    return found.within(LIMITS)


def _packed(pixels: NDArray[np.uint8]) -> NDArray[np.int32]:
    red, green, blue = pixels.T.astype(np.int32)
    packed: NDArray[np.int32] = red << 16 | green << 8 | blue
    return packed


def _unpacked(colours: NDArray[np.int32]) -> NDArray[np.int32]:
    return np.stack([colours >> shift & 255 for shift in (16, 8, 0)], axis=1)


def _distance(some: NDArray[np.int32], other: NDArray[np.int32]) -> NDArray[np.float64]:
    distance: NDArray[np.float64] = np.sqrt(((some - other) ** 2).sum(axis=1))
    return distance
