"""Test if a JPEG may be some coder's copy of a picture, where that coder cannot be run again.

A JPEG's tables divide the coefficients of each block of 8 x 8 into bins, and its bytes say in which
bin each coefficient of the coded picture lay. Coders differ only in the last bits of their
arithmetic: a coefficient on the very edge of two bins may be put into either. So another picture
explains the copy if everything that the copy shows comes from bins in which that picture's
coefficients lie, or whose edge they touch. What no bin tells apart is not in the copy.

Numbers of libjpeg are those of libjpeg-turbo; numbers of Go are those of its standard library.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mirror.pictures import Component, components

Levels = NDArray[np.int32]  # blocks, rows, columns; behind them red, green, blue, or one component
Blocks = NDArray[np.float64]  # blocks, rows, columns
Planes = tuple[NDArray[np.float32], ...]  # each by blocks, with the levels of a block in a row

_SIDE = 8
_WHITE = 255
_MIDDLE = 128  # a JPEG codes levels from here, ITU-T T.81, A.3.1
# The next three are not measured one by one, but together, by
# `python -m benchmarks dedupe FOLDER --coders jpeg`.
_EDGE_WIDTH = 0.5  # beyond a bin: the error of a coefficient computed in whole numbers
_DECODER_ROUNDING = 1.0  # levels
_MAX_STEPS = 24  # coefficients of one block that may lie on an edge
_BATCH = 512  # blocks; most pictures that differ do so in the first of them


def fits_bins(copy: Sequence[Component], recoded: bytes, origin: Image.Image, top: int) -> bool:
    """Return True if the JPEG with the components `copy` may show the RGB picture `origin`.

    `recoded` is a JPEG of `origin` with the same tables. Blocks in which the two agree are taken
    for explained. `origin` may be some rows of the picture, from `top` on, in whole units.
    """
    recoded_components = components(recoded)
    copy_components = [component.rows(top, origin.height) for component in copy]
    pixels = np.asarray(origin)
    return 0 < len(copy_components) == len(recoded_components) and all(
        any(_explains(coder, part, recoded_part, pixels) for coder in coders)
        for part, recoded_part, coders in zip(
            copy_components, recoded_components, _CODERS, strict=False
        )  # a grey JPEG has luma only
    )


def fits_luma(
    copy: NDArray[np.uint8], recoded: NDArray[np.uint8], table: Blocks, origin: NDArray[np.uint8]
) -> bool:
    """Return True as `fits_bins` does, for luma alone and a part of a picture in whole blocks."""
    first, second = (Component(plane, table, halved=False) for plane in (copy, recoded))
    return any(_explains(coder, first, second, origin) for coder in _CODERS[0])


def planes_of_coders(origin: NDArray[np.uint8], table: Blocks) -> Planes:
    """Return the luma of an RGB picture as each coder has it before it rounds to bins."""
    height, width = (side // _SIDE * _SIDE for side in origin.shape[:2])
    rgb = origin[:height, :width].reshape(height // _SIDE, _SIDE, width // _SIDE, _SIDE, 3)
    blocks = rgb.swapaxes(1, 2).reshape(-1, _SIDE, _SIDE, 3).astype(np.int32)
    luma = Component(origin[:0, :0, 0], table, halved=False)
    return tuple(
        np.clip(_restored(coder.coefficients(blocks, luma)) + _MIDDLE, 0, _WHITE)
        .reshape(-1, _SIDE * _SIDE)
        .astype(np.float32)
        for coder in _CODERS[0]
    )


def cannot_show(planes: Planes, shown: NDArray[np.uint8], table: Blocks) -> bool:
    """Return True if `fits_bins` has to fail for what `planes_of_coders` returned.

    `shown` is the luma of the copy. No coefficient that a bin allows is farther than the reach of
    the bin, the transform keeps lengths, and cutting off at black and white only brings nearer. So
    no block is farther from the origin than all reaches and the decoder's rounding together.
    """
    height, width = (side // _SIDE * _SIDE for side in shown.shape)
    tiles = shown[:height, :width].reshape(height // _SIDE, _SIDE, width // _SIDE, _SIDE)
    blocks = tiles.swapaxes(1, 2).reshape(-1, _SIDE * _SIDE).astype(np.float32)
    reach = float(np.sqrt(((table / 2 + _EDGE_WIDTH) ** 2).sum()))
    farthest = (reach + _SIDE * _DECODER_ROUNDING) ** 2 + 1.0  # 1 for the rounding of these sums
    return all(
        float(np.einsum("bl,bl->b", off, off).max()) > farthest
        for off in (blocks - plane for plane in planes)
    )


# --- From pixels to coefficients ------------------------------------------------------------------

_COLOUR_BITS = 16  # behind the point of a weight


class _Conversion(NamedTuple):
    """The whole numbers by which a coder makes one component of a JPEG from red, green and blue."""

    weights: tuple[int, int, int]  # of red, green and blue, with `_COLOUR_BITS` behind the point
    offset: int  # added before the point moves
    rounding: tuple[int, int]  # of the sum of four pixels, in even and in odd columns


class _Coder(NamedTuple):
    """The arithmetic of one coder for one component."""

    conversion: _Conversion
    transform: Callable[[Levels, Blocks], Blocks]  # levels and table to coefficients

    def coefficients(self, rgb: Levels, component: Component) -> Blocks:
        weights, offset, rounding = self.conversion
        levels = (rgb @ np.array(weights, np.int32) + offset) >> _COLOUR_BITS
        if component.halved:
            levels = levels[:, ::2] + levels[:, 1::2]
            levels = levels[:, :, ::2] + levels[:, :, 1::2]
            levels = (levels + np.tile(np.array(rounding, np.int32), _SIDE // 2)) >> 2
        return self.transform(levels - _MIDDLE, component.table)


_ANGLES = (2 * np.arange(_SIDE) + 1) * np.arange(_SIDE)[:, None] * (np.pi / 16)
_COSINES = np.where(np.arange(_SIDE)[:, None] == 0, np.sqrt(1 / 8), np.cos(_ANGLES) / 2)
_SQUARES = _COSINES**2


def _exact(levels: Levels, _: Blocks) -> Blocks:
    return _transformed(levels)


def _transformed(levels: Levels | Blocks) -> Blocks:
    """Return the discrete cosine transform of ITU-T T.81, A.3.3."""
    coefficients: Blocks = _COSINES @ levels @ _COSINES.T
    return coefficients


def _restored(coefficients: Blocks) -> Blocks:
    levels: Blocks = _COSINES.T @ coefficients @ _COSINES
    return levels


# jcdctmgr.c, `aanscales`: the scales that jfdctfst.c leaves to the division, as fixed point.
_SCALE_BITS = 14
_SCALES = np.rint(
    (1 << _SCALE_BITS) * np.array([1, *(np.sqrt(2) * np.cos(n * np.pi / 16) for n in range(1, 8))])
).astype(np.int64)
# A divisor keeps three bits more than a table has: jcdctmgr.c, CONST_BITS - 3.
_DIVISOR_BITS = _SCALE_BITS - 3
# jfdctfst.c: the five products of Arai, Agui and Nakajima's transform, with CONST_BITS = 8.
_FAST_BITS = 8
_FIX_0_382683433 = 98
_FIX_0_541196100 = 139
_FIX_0_707106781 = 181
_FIX_1_306562965 = 334


def _fast(levels: Levels, table: Blocks) -> Blocks:
    """Return the coefficients of libjpeg's fast transform (jfdctfst.c), which ImageMagick uses."""
    scaled = _fast_rows(_fast_rows(levels).swapaxes(1, 2)).swapaxes(1, 2)
    scales = (_SCALES[:, None] * _SCALES + (1 << (_SCALE_BITS - 1))) >> _SCALE_BITS
    rounding = 1 << (_DIVISOR_BITS - 1)
    divisors = (table.astype(np.int64) * scales + rounding) >> _DIVISOR_BITS
    coefficients: Blocks = scaled * (table / divisors)
    return coefficients


def _fast_rows(levels: Levels) -> Levels:
    """Transform each row; the names are those of jfdctfst.c, its phases 1 to 6."""
    tmp0, tmp1, tmp2, tmp3 = (levels[..., n] + levels[..., 7 - n] for n in range(4))
    tmp7, tmp6, tmp5, tmp4 = (levels[..., n] - levels[..., 7 - n] for n in range(4))
    # The even part.
    tmp10, tmp11 = tmp0 + tmp3, tmp1 + tmp2
    tmp13, tmp12 = tmp0 - tmp3, tmp1 - tmp2
    z1 = (tmp12 + tmp13) * _FIX_0_707106781 >> _FAST_BITS
    # The odd part.
    odd10, odd11, odd12 = tmp4 + tmp5, tmp5 + tmp6, tmp6 + tmp7
    z5 = (odd10 - odd12) * _FIX_0_382683433 >> _FAST_BITS
    z2 = (odd10 * _FIX_0_541196100 >> _FAST_BITS) + z5
    z4 = (odd12 * _FIX_1_306562965 >> _FAST_BITS) + z5
    z3 = odd11 * _FIX_0_707106781 >> _FAST_BITS
    z11, z13 = tmp7 + z3, tmp7 - z3
    return np.stack(
        [
            *(tmp10 + tmp11, z11 + z4, tmp13 + z1, z13 - z2),
            *(tmp10 - tmp11, z13 + z2, tmp13 - z1, z11 - z4),
        ],
        axis=-1,
    )


_HALF = 1 << (_COLOUR_BITS - 1)
_CENTRE = _MIDDLE << _COLOUR_BITS
_LUMA = _Conversion((19595, 38470, 7471), _HALF, (0, 0))  # 0.299, 0.587, 0.114: jccolor.c and Go
# Blue and red differences. libjpeg (jccolor.c, jcsample.c) rounds a tie of a colour down, and the
# ties of four pixels down and up in turns. Go (image/color, image/jpeg) rounds all of them up.
_CHROMA = (
    (
        _Conversion((-11058, -21710, 32768), _CENTRE + _HALF - 1, (1, 2)),
        _Conversion((-11056, -21712, 32768), _CENTRE + _HALF, (2, 2)),
    ),
    (
        _Conversion((32768, -27439, -5329), _CENTRE + _HALF - 1, (1, 2)),
        _Conversion((32768, -27440, -5328), _CENTRE + _HALF, (2, 2)),
    ),
)
_CODERS = [
    [_Coder(conversion, transform) for transform in (_exact, _fast) for conversion in conversions]
    for conversions in ((_LUMA,), *_CHROMA)
]


# --- From coefficients to what is shown -----------------------------------------------------------


def _explains(
    coder: _Coder, copy: Component, recoded: Component, pixels: NDArray[np.uint8]
) -> bool:
    """Return True if the coder's bins explain each block of `copy` that `recoded` has not."""
    height, width = copy.plane.shape
    differs = np.pad(copy.plane != recoded.plane, ((0, -height % _SIDE), (0, -width % _SIDE)))
    tiles = differs.reshape(len(differs) // _SIDE, _SIDE, -1, _SIDE).any(axis=(1, 3))
    places = np.argwhere(tiles)
    for start in range(0, len(places), _BATCH):
        batch = places[start : start + _BATCH]
        shown, inside = _cut(copy.plane, batch, _SIDE)
        rgb, _ = _cut(pixels, batch, 2 * _SIDE if copy.halved else _SIDE)
        if not _lie_in_bins(coder.coefficients(rgb, copy), copy.table, shown, inside):
            return False
    return True


def _cut(
    plane: NDArray[np.uint8], places: NDArray[np.intp], side: int
) -> tuple[Levels, NDArray[np.bool_]]:
    """Return the blocks at some places, and which of their pixels lie inside the picture.

    Beyond its edges a picture is continued with its last pixels.
    """
    height, width = plane.shape[:2]
    y, x = (places[:, axis, None] * side + np.arange(side) for axis in (0, 1))
    inside = (y < height)[:, :, None] & (x < width)[:, None, :]
    y, x = np.minimum(y, height - 1), np.minimum(x, width - 1)
    return plane[y[:, :, None], x[:, None, :]].astype(np.int32), inside


def _lie_in_bins(exact: Blocks, table: Blocks, shown: Levels, inside: NDArray[np.bool_]) -> bool:
    """Return True if bins that hold or touch the exact coefficients decode to the levels shown.

    Begin at the nearest bins. Each block then takes the one step to a touching bin that explains
    most of the difference left, until none is left. A level that a decoder cut off at black or
    white is no evidence.
    """
    reach = table / 2 + _EDGE_WIDTH
    bins = np.rint(exact / table)
    for _ in range(_MAX_STEPS):
        off = (shown - np.clip(_restored(bins * table) + _MIDDLE, 0, _WHITE)) * inside
        left = np.abs(off).max(axis=(1, 2)) > _DECODER_ROUNDING
        if not left.any():
            return True
        exact, bins, shown, inside, off = (part[left] for part in (exact, bins, shown, inside, off))
        is_evidence = inside & ((off != 0) | ((shown > 0) & (shown < _WHITE)))
        target, weight = _transformed(off), _SQUARES @ is_evidence @ _SQUARES.T
        step = np.sign(target)
        gain = table * (2 * np.abs(target) - table * weight)
        gain[np.abs(exact - (bins + step) * table) > reach] = 0
        gain, step, flat = (part.reshape(len(bins), -1) for part in (gain, step, bins))
        each, best = np.arange(len(bins)), gain.argmax(axis=1)
        if (gain[each, best] <= 0).any():
            return False
        flat[each, best] += step[each, best]
    return False
