"""Whether a JPEG is what some coder, not only Pillow's, makes of a picture.

A JPEG's tables divide the coefficients of each block of 8x8 into bins, and its bytes say in which
one those of its own picture lay. Coders agree but for the last bits of their arithmetic: only a
coefficient on the very edge of two bins comes to lie in either. So another picture may stand for
the copy if all that the copy shows comes from bins in which that picture's coefficients lie, or
whose edge they touch. What no bin tells apart is not in the copy.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mirror.pictures.decode import Component, components

Levels = NDArray[np.int32]  # blocks, rows, columns; behind them red, green, blue, or one component
Blocks = NDArray[np.float64]  # blocks, rows, columns

_SIDE = 8
_SLACK = 0.5  # beyond a bin's edge: what whole numbers make of a coefficient
_SHOWN = 1.0  # levels: the rounding of a decoder
_STEPS = 24  # at most so many coefficients of one block lie on an edge
_AT_ONCE = 512  # blocks; most pictures that differ do so in the first of them


def may_have_coded(copy: bytes, again: bytes, origin: Image.Image) -> bool:
    """Whether `copy` may be a JPEG of the RGB picture `origin`, by a coder with other arithmetic.

    `again` is a JPEG of it with the same tables: only blocks in which the two differ are asked.
    """
    shown, made = components(copy), components(again)
    pixels = np.asarray(origin)
    return 0 < len(shown) == len(made) and all(
        any(_explains(way, one, other, pixels) for way in ways)
        for one, other, ways in zip(shown, made, _WAYS, strict=False)  # grey has but luma
    )


# --- From pixels to coefficients ------------------------------------------------------------------


class _Way(NamedTuple):
    """How a coder computes one component: all do it in whole numbers, not all in the same."""

    weights: tuple[int, int, int]  # of red, green and blue, in parts of 65536
    offset: int  # before the division by 65536
    rounding: tuple[int, int]  # before that by 4, in even and in odd columns, of a halved component
    arithmetic: Callable[[Levels, Blocks], Blocks]  # levels and table to coefficients

    def __call__(self, rgb: Levels, component: Component) -> Blocks:
        levels = (rgb @ np.array(self.weights, np.int32) + self.offset) >> 16
        if component.halved:
            levels = levels[:, ::2] + levels[:, 1::2]
            levels = levels[:, :, ::2] + levels[:, :, 1::2]
            levels = (levels + np.tile(np.array(self.rounding, np.int32), _SIDE // 2)) >> 2
        return self.arithmetic(levels - 128, component.table)


_ANGLES = (2 * np.arange(_SIDE) + 1) * np.arange(_SIDE)[:, None] * (np.pi / 16)
_COSINES = np.where(np.arange(_SIDE)[:, None] == 0, np.sqrt(1 / 8), np.cos(_ANGLES) / 2)
_SQUARES = _COSINES**2


def _exact(levels: Levels, _: Blocks) -> Blocks:
    return _transformed(levels)


def _transformed(levels: Levels | Blocks) -> Blocks:
    coefficients: Blocks = _COSINES @ levels @ _COSINES.T
    return coefficients


def _restored(coefficients: Blocks) -> Blocks:
    levels: Blocks = _COSINES.T @ coefficients @ _COSINES
    return levels


_SCALES = np.rint(
    (1 << 14) * np.array([1, *(np.sqrt(2) * np.cos(n * np.pi / 16) for n in range(1, 8))])
).astype(np.int64)


def _fast(levels: Levels, table: Blocks) -> Blocks:
    """libjpeg's fast way (jfdctfst.c), which ImageMagick takes: 8 bits behind the point.

    It leaves the scales of rows and columns to the division by the table.
    """
    scaled = _fast_rows(_fast_rows(levels).swapaxes(1, 2)).swapaxes(1, 2)
    scales = (_SCALES[:, None] * _SCALES + (1 << 13)) >> 14
    divisors = (table.astype(np.int64) * scales + (1 << 10)) >> 11
    coefficients: Blocks = scaled * (table / divisors)
    return coefficients


def _fast_rows(levels: Levels) -> Levels:
    first, second, third, fourth = (levels[..., n] + levels[..., 7 - n] for n in range(4))
    tail = [levels[..., n] - levels[..., 7 - n] for n in range(4)]
    outer, inner = first + fourth, second + third
    less, fewer = first - fourth, second - third
    turned = (fewer + less) * 181 >> 8
    ten, eleven, twelve = tail[3] + tail[2], tail[2] + tail[1], tail[1] + tail[0]
    five = (ten - twelve) * 98 >> 8
    two, four, three = (ten * 139 >> 8) + five, (twelve * 334 >> 8) + five, eleven * 181 >> 8
    up, down = tail[0] + three, tail[0] - three
    return np.stack(
        [
            *(outer + inner, up + four, less + turned, down - two),
            *(outer - inner, down + two, less - turned, up - four),
        ],
        axis=-1,
    )


_Form = tuple[tuple[int, int, int], int, tuple[int, int]]  # weights, offset, rounding

_GREY: _Form = (19595, 38470, 7471), 1 << 15, (0, 0)
_DOWN, _UP = (128 << 16) + (1 << 15) - 1, (128 << 16) + (1 << 15)
# libjpeg rounds ties of a colour down, and those of four pixels in turns; Go all of them up.
_CHROMA: tuple[tuple[_Form, ...], ...] = (
    (((-11058, -21710, 32768), _DOWN, (1, 2)), ((-11056, -21712, 32768), _UP, (2, 2))),
    (((32768, -27439, -5329), _DOWN, (1, 2)), ((32768, -27440, -5328), _UP, (2, 2))),
)
_WAYS = [
    [_Way(*form, arithmetic) for arithmetic in (_exact, _fast) for form in forms]
    for forms in ((_GREY,), *_CHROMA)
]


# --- From coefficients to what is shown -----------------------------------------------------------


def _explains(way: _Way, shown: Component, made: Component, pixels: NDArray[np.uint8]) -> bool:
    """Whether the blocks that differ can all be had from the picture's own bins."""
    height, width = shown.plane.shape
    differs = np.pad(shown.plane != made.plane, ((0, -height % _SIDE), (0, -width % _SIDE)))
    tiles = differs.reshape(len(differs) // _SIDE, _SIDE, -1, _SIDE).any(axis=(1, 3))
    places = np.argwhere(tiles)
    for start in range(0, len(places), _AT_ONCE):
        some = places[start : start + _AT_ONCE]
        block, inside = _cut(shown.plane, some, _SIDE)
        rgb, _ = _cut(pixels, some, 2 * _SIDE if shown.halved else _SIDE)
        if not _lie_in_bins(way(rgb, shown), shown.table, block, inside):
            return False
    return True


def _cut(
    plane: NDArray[np.uint8], places: NDArray[np.intp], side: int
) -> tuple[Levels, NDArray[np.bool_]]:
    """Blocks, which beyond the edges go on as the picture ends, and which pixels are inside."""
    height, width = plane.shape[:2]
    y, x = (places[:, axis, None] * side + np.arange(side) for axis in (0, 1))
    inside = (y < height)[:, :, None] & (x < width)[:, None, :]
    y, x = np.minimum(y, height - 1), np.minimum(x, width - 1)
    return plane[y[:, :, None], x[:, None, :]].astype(np.int32), inside


def _lie_in_bins(exact: Blocks, table: Blocks, shown: Levels, inside: NDArray[np.bool_]) -> bool:
    """Whether bins that hold the exact coefficients, or touch them, show what is shown.

    From the nearest bins on, each block takes the one step to a touching bin that explains most of
    what is left, until nothing is. What a decoder cut off at black or white says nothing.
    """
    reach = table / 2 + _SLACK
    bins = np.rint(exact / table)
    for _ in range(_STEPS):
        off = (shown - np.clip(_restored(bins * table) + 128, 0, 255)) * inside
        left = np.abs(off).max(axis=(1, 2)) > _SHOWN
        if not left.any():
            return True
        exact, bins, shown, inside, off = (part[left] for part in (exact, bins, shown, inside, off))
        told = inside & ((off != 0) | ((shown > 0) & (shown < 255)))
        found, weight = _transformed(off), _SQUARES @ told @ _SQUARES.T
        step = np.sign(found)
        gain = table * (2 * np.abs(found) - table * weight)
        gain[np.abs(exact - (bins + step) * table) > reach] = 0
        gain, step, flat = (part.reshape(len(bins), -1) for part in (gain, step, bins))
        each, best = np.arange(len(bins)), gain.argmax(axis=1)
        if (gain[each, best] <= 0).any():
            return False
        flat[each, best] += step[each, best]
    return False
