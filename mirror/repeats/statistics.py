"""Six numbers for how far one picture is from another, pixel by pixel.

Five are maxima over the whole picture, because means and percentiles cannot see a page number.
Ratios are taken to the texture that both pictures have around a place: the strokes of an added word
stand on ground that is flat in the other picture, so they must not raise their own allowance.
The sixth says how far the worst place stands out. A resizer or a coder leaves traces all over a
picture, an edit only where it was made.

The filters are sums of shifted slices over strips of rows that stay in the processor's cache. They
equal the plain `scipy.ndimage` form (kept in the tests) and take a tenth of its time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]  # red, green, blue; rows; columns
Plane = NDArray[np.float32]

# ITU-R BT.601: luma, and the scales of the blue and the red difference.
_WEIGHTS = tuple(np.float32(weight) for weight in (0.299, 0.587, 0.114))
_BLUE, _RED = np.float32(0.564), np.float32(0.713)
_STRIP = 128  # rows of luma, 64 of chroma: as much as stays in the cache
_LUMA_MARGIN = 11  # maximum 8, box 2, smoothing 1
_CHROMA_MARGIN = 9  # maximum 4, box 4, smoothing 1
# Rows around a strip on which its differences depend: box 2 and smoothing 1; of chroma, box 1 and
# smoothing 1 at half size would need 4, and more is harmless.
_LUMA_REACH, _CHROMA_REACH = 3, 12
# Added to the texture, so that a difference on flat ground is divided by something: levels, and
# squared levels. Chosen with the limits of `compare`, and measured with them only.
_GROUND = np.float32(5)
_GROUND_SQUARED = np.float32(60)
_TILE = 16  # pixels, 8 of chroma
_PLACES = 20  # an edit of a word or two touches fewer tiles
_LEAST_TRACE = 0.5  # levels; bounds `alone` where the rest of the picture is nearly equal


class Statistics(NamedTuple):
    """Over all pixels, in levels of 255 or as a ratio to the texture around."""

    luma: float  # |mean over 3x3| of the luma difference
    faint: float  # the same over the standard deviation around
    stroke: float  # squared luma difference over 5x5 over the variance around
    colour: float  # |mean over 3x3| of the chroma difference over its standard deviation around
    tint: float  # |mean over 3x3| of the chroma difference, at half size
    alone: float  # luma or tint of the worst tile over that of the twentieth

    def within(self, limits: Statistics) -> bool:
        """Return True if no number is over its limit."""
        return all(value <= limit for value, limit in zip(self, limits, strict=True))

    def merged(self, other: Statistics) -> Statistics:
        """Return the larger of each number."""
        return Statistics(*map(max, self, other))


def planes(image: Image.Image) -> Pixels:
    """Return the red, green and blue plane of an RGB picture."""
    return np.stack([np.asarray(band) for band in image.split()])


NOTHING = Statistics(0.0, 0.0, 0.0, 0.0, 0.0, 0.0)


def measure(
    first: Pixels, second: Pixels, hopeless: Callable[[Statistics], bool] = lambda _: False
) -> Statistics:
    """Return the statistics of two pictures of one size, at least 32 pixels either way.

    As soon as `hopeless` returns True for the maxima so far, those are returned.
    """
    maxima = NOTHING
    height = first.shape[1]
    for measure_strip, reach, strip, rows in (
        (_luma, _LUMA_REACH, _STRIP, height),
        (_chroma, _CHROMA_REACH, _STRIP // 2, height // 2),
    ):
        scale = height // rows
        worst = [np.zeros(_PLACES, np.float32)]
        for top in range(0, rows, strip):
            bottom = min(top + strip, rows)
            near = slice(max(scale * top - reach, 0), scale * bottom + reach)
            if np.array_equal(first[:, near], second[:, near]):
                continue
            measured, difference = measure_strip(first, second, top, bottom, maxima)
            maxima = maxima.merged(measured)
            if hopeless(maxima):
                return maxima
            worst.append(_tiles(difference, _TILE // scale))
        common, most = np.sort(np.concatenate(worst))[[-_PLACES, -1]]
        alone = float(most) / max(float(common), _LEAST_TRACE)
        maxima = maxima.merged(NOTHING._replace(alone=alone))
    return maxima


def measure_rows(first: Pixels, second: Pixels, top: int, bottom: int) -> Statistics:
    """Return the luma of some rows: no number is larger than `measure` has for the whole.

    The two hold the 11 rows above and below these, as far as the whole picture has them.
    """
    return _luma(first, second, top, bottom, NOTHING)[0]


def luma_inside(first: Image.Image, second: Image.Image, box: tuple[int, int, int, int]) -> float:
    """Return the luma of a part that has two pixels more on each side within the two RGB pictures.

    It is no larger than `measure` has for the whole.
    """
    left, top, right, bottom = box
    around = np.s_[top - 2 : bottom + 2, left - 2 : right + 2]
    apart = np.subtract(np.asarray(first)[around], np.asarray(second)[around], dtype=np.float32)
    difference = _weighed(np.moveaxis(apart, 2, 0))
    return float(np.abs(_box3(_smooth(difference))).max()) / 9


def _tiles(plane: Plane, side: int) -> Plane:
    """Return the maximum of each tile."""
    for _ in range(2):
        plane = np.maximum.reduceat(plane, range(0, len(plane), side), axis=0).T
    return plane.ravel()


# --- Luma ---------------------------------------------------------------------------------------


def _luma_strip(picture: Pixels, top: int, bottom: int) -> Plane:
    """Return smoothed luma of the rows, with 10 pixels more on each side, mirrored at the edges."""
    rows = _mirrored(top - _LUMA_MARGIN, bottom + _LUMA_MARGIN, picture.shape[1])
    return _smooth(_mirror_columns(_weighed(picture[:, rows]), _LUMA_MARGIN))


def _weighed(planes: Pixels | Plane) -> Plane:
    # A matrix product would make BLAS start its threads.
    luma: Plane = np.multiply(planes[0], _WEIGHTS[0], dtype=np.float32)
    for plane, weight in zip(planes[1:], _WEIGHTS[1:], strict=True):
        luma += np.multiply(plane, weight, dtype=np.float32)
    return luma


def _luma(
    first: Pixels, second: Pixels, top: int, bottom: int, maxima: Statistics
) -> tuple[Statistics, Plane]:
    """Return the statistics of a strip's luma, and its difference as the mean over 3 x 3.

    Ratios that cannot be over `maxima` are left out.
    """
    strip, other = (_luma_strip(picture, top, bottom) for picture in (first, second))
    difference = (strip - other)[8:-8, 8:-8]
    mean: Plane = np.abs(_box3(difference[1:-1, 1:-1]))
    mean /= np.float32(9)
    square = _box5(difference * difference) / np.float32(25)
    luma, most = float(mean.max()), float(square.max())
    # Texture can only make the ratios smaller, and without it they may be below the maxima already.
    if luma / float(_GROUND) <= maxima.faint and most / float(_GROUND_SQUARED) <= maxima.stroke:
        return NOTHING._replace(luma=luma), mean
    texture = np.minimum(_variance5(strip), _variance5(other))
    faint = mean / (np.sqrt(_grow(texture, 8)) + _GROUND)
    stroke = square / (_grow(texture[5:-5, 5:-5], 3) + _GROUND_SQUARED)
    return NOTHING._replace(luma=luma, faint=float(faint.max()), stroke=float(stroke.max())), mean


def _variance5(plane: Plane) -> Plane:
    mean = _box5(plane) / np.float32(25)
    variance: Plane = _box5(plane * plane) / np.float32(25)
    variance -= mean * mean
    return np.maximum(variance, 0, out=variance)


# --- Chroma -------------------------------------------------------------------------------------


def _chroma(
    first: Pixels, second: Pixels, top: int, bottom: int, maxima: Statistics
) -> tuple[Statistics, Plane]:
    """Return the statistics of a strip's chroma, as `_luma` does; rows are those at half size."""
    (blue, red), (other_blue, other_red) = (
        _chroma_strips(picture, top, bottom) for picture in (first, second)
    )
    sums = (
        _box3((strip - other)[7:-7, 7:-7])
        for strip, other in ((blue, other_blue), (red, other_red))
    )
    mean: Plane = np.hypot(*sums)
    mean /= np.float32(9)
    tint = float(mean.max())
    if tint / float(_GROUND) <= maxima.colour:
        return NOTHING._replace(tint=tint), mean
    texture = np.minimum(
        _variance8(blue) + _variance8(red), _variance8(other_blue) + _variance8(other_red)
    )
    # A box of even size is not its own mirror image, so places beyond the edge do not count.
    height = first.shape[1] // 2
    texture[: max(4 - top, 0)] = 0
    texture[len(texture) - max(bottom + 4 - height, 0) :] = 0
    texture[:, :4] = texture[:, -4:] = 0
    ratio = mean / (np.sqrt(_grow(texture, 4)) + _GROUND)
    return NOTHING._replace(colour=float(ratio.max()), tint=tint), mean


def _chroma_strips(picture: Pixels, top: int, bottom: int) -> Iterator[Plane]:
    """Yield smoothed blue and red differences at half size, with 8 pixels more on each side."""
    height, width = picture.shape[1] // 2, picture.shape[2] // 2
    rows = _mirrored(top - _CHROMA_MARGIN, bottom + _CHROMA_MARGIN, height)
    if isinstance(rows, slice):
        full = picture[:, 2 * rows.start : 2 * rows.stop, : 2 * width]
        pairs = full[:, 0::2].astype(np.uint16) + full[:, 1::2]
    else:
        pairs = picture[:, 2 * rows, : 2 * width].astype(np.uint16)
        pairs += picture[:, 2 * rows + 1, : 2 * width]
    half: Plane = (pairs[:, :, 0::2] + pairs[:, :, 1::2]) * np.float32(0.25)
    luma = _weighed(half)
    for channel, weight in ((2, _BLUE), (0, _RED)):
        plane: Plane = (half[channel] - luma) * weight
        yield _smooth(_mirror_columns(plane, _CHROMA_MARGIN))


def _variance8(plane: Plane) -> Plane:
    mean = _box8(plane) / np.float32(64)
    variance: Plane = _box8(plane * plane) / np.float32(64)
    variance -= mean * mean
    return np.maximum(variance, 0, out=variance)


# --- Filters: each returns only the places whose whole window lies inside ------------------------


def _mirrored(start: int, stop: int, length: int) -> slice | NDArray[np.intp]:
    """Return an index of the rows from `start` to `stop`, those beyond the edges mirrored."""
    if start >= 0 and stop <= length:
        return slice(start, stop)
    rows = np.abs(np.arange(start, stop))
    return np.where(rows < length, rows, 2 * (length - 1) - rows)


def _mirror_columns(plane: Plane, margin: int) -> Plane:
    return np.pad(plane, ((0, 0), (margin, margin)), mode="reflect")


def _smooth(plane: Plane) -> Plane:
    """Smooth by [1 2 1] / 4 both ways."""
    rows = plane[:-2] + plane[2:]
    rows += plane[1:-1]
    rows += plane[1:-1]
    both: Plane = rows[:, :-2] + rows[:, 2:]
    both += rows[:, 1:-1]
    both += rows[:, 1:-1]
    both *= np.float32(1 / 16)
    return both


def _box3(plane: Plane) -> Plane:
    """Sum over 3x3."""
    rows = plane[:-2] + plane[1:-1]
    rows += plane[2:]
    both: Plane = rows[:, :-2] + rows[:, 1:-1]
    both += rows[:, 2:]
    return both


def _box5(plane: Plane) -> Plane:
    """Sum over 5x5."""
    pairs = plane[:-1] + plane[1:]
    rows = pairs[:-3] + pairs[2:-1]
    rows += plane[4:]
    pairs = rows[:, :-1] + rows[:, 1:]
    both: Plane = pairs[:, :-3] + pairs[:, 2:-1]
    both += rows[:, 4:]
    return both


def _box8(plane: Plane) -> Plane:
    """Sum over 8x8, from 4 before a place to 3 behind it, for places 4 inside either edge."""
    for _ in range(2):
        plane = plane[:-1] + plane[1:]
        plane = plane[:-2] + plane[2:]
        plane = plane[:-4] + plane[4:]
        plane = plane[:-1].T
    return plane


def _grow(plane: Plane, radius: int) -> Plane:
    """Maximum over a square of 2 * radius + 1."""
    for _ in range(2):
        reach, window = 1, plane
        while 2 * reach <= 2 * radius + 1:
            window = np.maximum(window[:-reach], window[reach:])
            reach *= 2
        rest = 2 * radius + 1 - reach
        if rest:
            window = np.maximum(window[:-rest], window[rest:])
        plane = window.T
    return plane
