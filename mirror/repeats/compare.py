"""Two pictures -> the same or not, decided by their pixels. A fingerprint only proposes.

The question is one of reproduction: can the smaller picture be made from the larger one by a plain
resize and its own coding (or the larger from the smaller by an enlargement), with nothing left
over? Tests run from the cheapest to the dearest, and most pairs end at their headers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from hashlib import sha256
from itertools import zip_longest

import numpy as np
from PIL import Image, ImageChops

from mirror.model import Digest
from mirror.pictures.decode import ImageLimits, Picture, has_alpha, on_white
from mirror.repeats.choose import same_shape
from mirror.repeats.evidence import DISTANCE, LONG_SIDE, SHORT_SIDE, Evidence, Pair, Refusal, Tier
from mirror.repeats.recode import jpeg, recodings
from mirror.repeats.resize import GROWING, SHRINKING, Resize
from mirror.repeats.statistics import NOTHING, Pixels, Statistics, measure, planes

_MODES = frozenset({"1", "L", "LA", "P", "PA", "RGB", "RGBA"})
_TILE, _TILE_CONTRAST, _TILES = 16, 32, 16
_COARSE_STEP, _COARSE_LIMIT = 8, 20
_BAND_ROWS, _BAND_SAMPLE, _BANDS = 32, 4, 3
_LEAST_SHRUNK, _LEAST_NEARLY = 0.45, 0.75
_LEAST_ENLARGED = 0.499  # twice as wide at most, and a pixel of rounding
_NEARBY = 1.25


@dataclass(frozen=True, slots=True)
class _Row:
    """One row of the threshold table: how much may be left over, for copies made in some way."""

    tier: Tier
    limits: Statistics


# Reproduced: nothing but the rounding of another build of the same library. Nearly, for what was
# resized: the resizer of another program, whose traces lie along all edges and grow with them; so
# they may be strong where edges are, and the worst place must not stand out. Coders whose work
# can be neither repeated nor retraced (AVIF, dithered palettes, JPEG with optimised coefficients)
# leave more than either row allows, as much as a recoloured word or a comma for a full stop does:
# such copies stay apart.
#
# Where this ends: what the copy itself no longer shows. A comma for a full stop in type of 11
# pixels, 30 levels from its ground, is 1.1 levels at half the size: that copy is one of either.
_REPRODUCED = _Row(Tier.REPRODUCED, Statistics(1.2, 0.10, 0.02, 0.10, 1.0, np.inf))
_NEARLY = _Row(Tier.NEARLY, Statistics(4.5, 0.10, 0.02, 0.10, 2.0, 2.5))

Verdict = tuple[Tier | Refusal, Statistics | None]


def compare(
    first: bytes,
    second: bytes,
    distance: int,
    limits: ImageLimits = ImageLimits(),  # noqa: B008  (frozen)
) -> Evidence:
    """Judge one pair whose fingerprints are `distance` bits apart; the order does not matter.

    Raise `ImageError` when one of them does not decode.
    """
    pair = Pair.of(*(Digest(sha256(data).hexdigest()) for data in (first, second)))
    verdict, statistics = _verdict(Picture(first, limits), Picture(second, limits), distance)
    values = tuple(round(float(value), 4) for value in statistics or ())
    if isinstance(verdict, Tier):
        return Evidence(pair, distance, tier=verdict, statistics=values)
    return Evidence(pair, distance, refusal=verdict, statistics=values)


def _verdict(first: Picture, second: Picture, distance: int) -> Verdict:
    if refusal := _unlike_in_kind(first, second, distance):
        return refusal, None
    if distance == 0 and first.size == second.size and _equal_pixels(first, second):
        return Tier.PIXELS, NOTHING
    if refusal := _unlike_by_header(first, second):
        return refusal, None
    small, large = _copy_and_origin(first, second)
    images = [next(picture.frames())[0] for picture in (small, large)]
    if any(map(has_alpha, images)):
        return Refusal.TRANSPARENT, None
    return _Pair(*(_Decoded(p, i) for p, i in zip((small, large), images, strict=True))).judge()


# --- Guards ---------------------------------------------------------------------------------------


def _unlike_in_kind(first: Picture, second: Picture, distance: int) -> Refusal | None:
    """What rules out even equal pixels: their numbers mean different things, or we lost some."""
    pair = (first, second)
    if distance > DISTANCE:
        return Refusal.DISTANCE
    if any(picture.is_deep or picture.mode not in _MODES for picture in pair):
        return Refusal.DEPTH
    # Programs agree on the orientation of a JPEG only.
    if any(p.orientation != 1 and p.media_type != "image/jpeg" for p in pair):
        return Refusal.ORIENTATION
    if first.colours != second.colours:
        return Refusal.COLOURS
    return None


def _unlike_by_header(first: Picture, second: Picture) -> Refusal | None:
    small, large = sorted((first, second), key=_pixel_count)
    if not (first.is_still and second.is_still):
        return Refusal.ANIMATED
    if max(small.size) < LONG_SIDE or min(small.size) < SHORT_SIDE:
        return Refusal.SMALL
    if not same_shape(small.size, large.size):
        return Refusal.SHAPE
    if large.size == small.size and large.coding == small.coding:
        return Refusal.UNEXPLAINED
    return None


def _pixel_count(picture: Picture) -> int:
    return picture.size[0] * picture.size[1]


def _copy_and_origin(first: Picture, second: Picture) -> tuple[Picture, Picture]:
    """The picture that would be the copy, then the other: smaller, or of the coarser coding."""
    coarseness = {"jpeg": 0, "image/webp": 1, "image/avif": 1, "palette": 2, "exact": 3}

    def rank(picture: Picture) -> tuple[object, ...]:
        kind = str(picture.coding[0])
        return _pixel_count(picture), coarseness[kind], len(picture.data), repr(picture.coding)

    small, large = sorted((first, second), key=rank)
    return small, large


def _equal_pixels(first: Picture, second: Picture) -> bool:
    """Whether all frames agree in every channel, alpha included, and in their delays."""
    if first.is_still != second.is_still:
        return False
    for one, other in zip_longest(first.frames(), second.frames()):
        if one is None or other is None or one[1] != other[1]:
            return False
        if not _equal_frames(first.upright(one[0]), second.upright(other[0])):
            return False
    return True


def _equal_frames(one: Image.Image, other: Image.Image) -> bool:
    if one.size != other.size:
        return False
    if not (one.mode == other.mode == "RGB" and not has_alpha(one) and not has_alpha(other)):
        one, other = one.convert("RGBA"), other.convert("RGBA")
    return ImageChops.difference(one, other).getbbox(alpha_only=False) is None


# --- Reproduction ---------------------------------------------------------------------------------


class _Decoded:
    """One opaque still picture of a pair, upright, in RGB and in grey."""

    def __init__(self, picture: Picture, image: Image.Image) -> None:
        upright = picture.upright(on_white(image))
        self.picture = picture
        self.rgb = upright if upright.mode == "RGB" else upright.convert("RGB")
        self.grey = upright.convert("L")

    @cached_property
    def pixels(self) -> Pixels:
        return planes(self.rgb)

    def is_plain(self) -> bool:
        """Whether there is too little in it to tell two pictures apart."""
        grey = np.asarray(self.grey)
        height, width = (side // _TILE * _TILE for side in grey.shape)
        rows = grey[:height, :width].reshape(height // _TILE, _TILE, width)
        high = rows.max(axis=1).reshape(-1, width // _TILE, _TILE).max(axis=2)
        low = rows.min(axis=1).reshape(-1, width // _TILE, _TILE).min(axis=2)
        return bool(np.count_nonzero(high - low >= _TILE_CONTRAST) < _TILES)

    def is_grey(self) -> bool:
        red, green, blue = self.pixels
        return np.array_equal(red, green) and np.array_equal(red, blue)


@dataclass(frozen=True, slots=True)
class _Pair:
    small: _Decoded
    large: _Decoded

    def judge(self) -> Verdict:
        if self.small.is_plain() or self.large.is_plain():
            return Refusal.PLAIN, None
        if (coarse := self._coarse_difference()) > _COARSE_LIMIT:
            return Refusal.PIXELS, NOTHING._replace(luma=coarse)
        nearest: Statistics | None = None
        for way in self._ways():
            for made in way.reproductions():
                found = way.left_over(made)
                if row := _row_for(way.rows, found):
                    return row.tier, found
                nearest = nearest or found
        return Refusal.PIXELS, nearest

    def _coarse_difference(self) -> float:
        """Largest luma difference of two 8x8 blocks: no coding or resize moves one by much."""
        sides = (self.small.grey, self.large.grey)
        width, height = sides[0].size
        if sides[0].size == sides[1].size:
            blocks = [side.reduce(_COARSE_STEP) for side in sides]
        else:
            size = (width // _COARSE_STEP, height // _COARSE_STEP)
            blocks = [side.resize(size, Image.Resampling.BILINEAR) for side in sides]
        one, other = (np.asarray(side).astype(np.int16) for side in blocks)
        return float(np.abs(one - other).max())

    def _ways(self) -> list[_Way]:
        """How one could have been made, likeliest first: the small from the large, or the large
        from the small. Of two lossy ones of equal size either may be the copy.
        """
        small, large = self.small, self.large
        if small.rgb.size == large.rgb.size:
            ways = [_Way(large, small)]
            return [*ways, _Way(small, large)] if large.picture.is_lossy else ways
        ratio = small.rgb.width / large.rgb.width
        ways = []
        if ratio >= _LEAST_SHRUNK:
            rows = (_REPRODUCED, _NEARLY) if ratio >= _LEAST_NEARLY else (_REPRODUCED,)
            ways += _resized(large, small, SHRINKING, rows)
        if ratio >= _LEAST_ENLARGED:
            ways += _resized(small, large, GROWING, (_REPRODUCED, _NEARLY))
        return sorted(ways, key=lambda way: way.rank)


@dataclass(frozen=True, slots=True)
class _Way:
    """One way a copy could have been made, and how much of it may be left over."""

    origin: _Decoded
    copy: _Decoded
    rows: tuple[_Row, ...] = (_REPRODUCED,)
    resize: Resize | None = None
    rank: float = 0.0

    def reproductions(self) -> Iterator[Image.Image]:
        plain = self.origin.rgb
        if self.resize is not None:
            plain = self.resize(plain, self.copy.rgb.size, (0.0, 0.0, plain.width, plain.height))
        # A colour slide recoded in one component would equal its own grey copy.
        if self.copy.picture.mode != "L" or self.origin.is_grey():
            resized = self.resize is not None
            yield from recodings(self.copy.picture, plain, self.copy.rgb, resized=resized)
        yield plain

    def left_over(self, made: Image.Image) -> Statistics:
        if ImageChops.difference(made, self.copy.rgb).getbbox() is None:
            return NOTHING
        return measure(planes(made), self.copy.pixels, partial(_is_beyond, self.rows))


def _row_for(rows: tuple[_Row, ...], found: Statistics) -> _Row | None:
    return next((row for row in rows if found.within(row.limits)), None)


def _is_beyond(rows: tuple[_Row, ...], found: Statistics) -> bool:
    return _row_for(rows, found) is None


def _resized(
    origin: _Decoded,
    copy: _Decoded,
    ways: tuple[Resize, ...],
    rows: tuple[_Row, ...],
) -> Iterator[_Way]:
    """By the resizer that leaves least of the copy's luma, on its busiest rows, unexplained.

    Where the coding hides which one that was, with all that come near.
    """
    bands = _busiest_bands(np.asarray(copy.grey))
    scale = origin.grey.height / copy.grey.height
    is_jpeg = copy.picture.media_type == "image/jpeg" and copy.picture.orientation == 1

    def left_over(resize: Resize) -> float:
        total = 0.0
        for top, bottom in bands:
            box = (0.0, top * scale, float(origin.grey.width), bottom * scale)
            made = resize(origin.grey, (copy.grey.width, bottom - top), box)
            if is_jpeg:
                made = jpeg(copy.picture, made) or made
            seen = np.asarray(copy.grey)[top:bottom].astype(np.int16)
            total += float(np.abs(np.asarray(made) - seen).mean())
        return total

    least = [left_over(resize) for resize in ways]
    enough = min(least) * (_NEARBY if copy.picture.coding[0] == "image/webp" else 1)
    for resize, left in zip(ways, least, strict=True):
        if left <= enough:
            yield _Way(origin, copy, rows, resize, left)


def _busiest_bands(grey: np.ndarray[tuple[int, int], np.dtype[np.uint8]]) -> list[tuple[int, int]]:
    count = len(grey) // _BAND_ROWS
    some = grey[: count * _BAND_ROWS : _BAND_SAMPLE].astype(np.int16)
    energy = np.abs(np.diff(some, axis=1)).reshape(count, -1).sum(axis=1)
    chosen = np.sort(np.argsort(-energy, kind="stable")[:_BANDS])
    return [(int(band) * _BAND_ROWS, int(band + 1) * _BAND_ROWS) for band in chosen]
