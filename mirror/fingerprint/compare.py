"""Two pictures -> the same or not, decided by their pixels. A fingerprint only proposes.

The question is one of reproduction: can the smaller picture be made from the larger one by a plain
resize and its own JPEG tables (or the larger from the smaller by an enlargement), with nothing left
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

from mirror.dedupe import (
    DISTANCE,
    LONG_SIDE,
    SHORT_SIDE,
    Evidence,
    Pair,
    Refusal,
    Tier,
    same_shape,
)
from mirror.fingerprint.decode import Limits, Picture, has_alpha, on_white
from mirror.fingerprint.statistics import NOTHING, Pixels, Statistics, measure
from mirror.model import Digest

_MODES = frozenset({"1", "L", "LA", "P", "PA", "RGB", "RGBA"})
_TILE, _TILE_CONTRAST, _TILES = 16, 32, 16
_COARSE_STEP, _COARSE_LIMIT = 8, 24
_BAND_ROWS, _BAND_SAMPLE, _BANDS = 32, 4, 3
_LEAST_ENLARGED = 0.499  # twice as wide at most, and a pixel of rounding
_SHRINKING = tuple(
    Image.Resampling[name] for name in ("LANCZOS", "BICUBIC", "HAMMING", "BILINEAR", "BOX")
)
_GROWING = tuple(Image.Resampling[name] for name in ("LANCZOS", "BICUBIC", "HAMMING", "BILINEAR"))


@dataclass(frozen=True, slots=True)
class _Row:
    """One row of the threshold table: how much may be left over, for copies made in some way."""

    tier: Tier
    limits: Statistics


_REPRODUCED = _Row(Tier.REPRODUCED, Statistics(1.5, 0.10, 0.10, 0.10, 2.0))
_NEARLY = _Row(Tier.NEARLY, Statistics(5.0, 0.16, 0.20, 0.12, 5.0))
_SAME_SIZE_JPEG = _Row(Tier.SAME_SIZE_JPEG, Statistics(8.0, 0.25, 0.30, 0.14, 6.0))
_SAME_SIZE_LOSSY = _Row(Tier.SAME_SIZE_LOSSY, Statistics(5.6, 0.25, 0.22, 0.12, 5.0))

Verdict = tuple[Tier | Refusal, Statistics | None]


def compare(
    first: bytes,
    second: bytes,
    distance: int,
    limits: Limits = Limits(),  # noqa: B008  (frozen)
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
        return _pixel_count(picture), coarseness[kind], picture.byte_count, repr(picture.coding)

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
        return _planes(self.rgb)

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
        nearest = NOTHING
        for way in sorted(self._ways(), key=lambda way: way.left_over):
            for made in way.reproductions():
                found = measure(made, way.copy.pixels, partial(_is_beyond, way.rows))
                if row := _row_for(way.rows, found):
                    return row.tier, found
                nearest = found if nearest is NOTHING else nearest
        return Refusal.PIXELS, nearest

    def _coarse_difference(self) -> float:
        """Largest luma difference of two 8x8 blocks: no coding or resize moves one by much."""
        width, height = self.small.grey.size
        size = (width // _COARSE_STEP, height // _COARSE_STEP)
        one, other = (
            np.asarray(side.grey.resize(size, Image.Resampling.BOX)).astype(np.int16)
            for side in (self.small, self.large)
        )
        return float(np.abs(one - other).max())

    def _ways(self) -> Iterator[_Way]:
        """How one could have been made: the small from the large, or the large from the small."""
        ratio = self.small.rgb.width / self.large.rgb.width
        if rows := self._rows(ratio):
            yield _way(self.large, self.small, _SHRINKING, rows)
        if self.small.rgb.size != self.large.rgb.size and ratio >= _LEAST_ENLARGED:
            yield _way(self.small, self.large, _GROWING, (_REPRODUCED, _NEARLY))

    def _rows(self, ratio: float) -> tuple[_Row, ...]:
        rows = [_REPRODUCED] if ratio >= 0.45 else []
        rows += [_NEARLY] if ratio >= 0.75 else []
        if self.small.rgb.size == self.large.rgb.size:
            match self.small.picture.coding[0]:
                case "jpeg":
                    rows.append(_SAME_SIZE_JPEG)
                case "image/webp" | "image/avif":
                    rows.append(_SAME_SIZE_LOSSY)
        return tuple(rows)


@dataclass(frozen=True, slots=True)
class _Way:
    """One way a copy could have been made, and how much of it may be left over."""

    origin: _Decoded
    copy: _Decoded
    resampling: Image.Resampling
    left_over: float
    rows: tuple[_Row, ...]

    def reproductions(self) -> Iterator[Pixels]:
        same_size = self.origin.rgb.size == self.copy.rgb.size
        plain = self.origin.rgb
        if not same_size:
            plain = plain.resize(self.copy.rgb.size, self.resampling)
        # A colour slide recoded in one component would equal its own grey copy.
        if self.copy.picture.mode != "L" or self.origin.is_grey():
            recoded = self.copy.picture.recoded(plain)
            if recoded is not None:
                yield _planes(recoded.convert("RGB"))
        yield self.origin.pixels if same_size else _planes(plain)


def _planes(image: Image.Image) -> Pixels:
    return np.stack([np.asarray(band) for band in image.split()])


def _row_for(rows: tuple[_Row, ...], found: Statistics) -> _Row | None:
    return next((row for row in rows if found.within(row.limits)), None)


def _is_beyond(rows: tuple[_Row, ...], found: Statistics) -> bool:
    return _row_for(rows, found) is None


def _way(
    origin: _Decoded,
    copy: _Decoded,
    filters: tuple[Image.Resampling, ...],
    rows: tuple[_Row, ...],
) -> _Way:
    """With the filter that leaves least of the copy's luma, on its busiest rows, unexplained."""
    if origin.rgb.size == copy.rgb.size:
        return _Way(origin, copy, filters[0], 0.0, rows)
    bands = _busiest_bands(np.asarray(copy.grey))
    scale = origin.grey.height / copy.grey.height

    def left_over(resampling: Image.Resampling) -> float:
        total = 0.0
        for top, bottom in bands:
            box = (0.0, top * scale, float(origin.grey.width), bottom * scale)
            made = origin.grey.resize((copy.grey.width, bottom - top), resampling, box)
            seen = np.asarray(copy.grey)[top:bottom].astype(np.int16)
            total += float(np.abs(np.asarray(made) - seen).mean())
        return total

    least = {resampling: left_over(resampling) for resampling in filters}
    best = min(filters, key=least.__getitem__)
    return _Way(origin, copy, best, least[best], rows)


def _busiest_bands(grey: np.ndarray[tuple[int, int], np.dtype[np.uint8]]) -> list[tuple[int, int]]:
    count = len(grey) // _BAND_ROWS
    some = grey[: count * _BAND_ROWS : _BAND_SAMPLE].astype(np.int16)
    energy = np.abs(np.diff(some, axis=1)).reshape(count, -1).sum(axis=1)
    chosen = np.sort(np.argsort(-energy, kind="stable")[:_BANDS])
    return [(int(band) * _BAND_ROWS, int(band + 1) * _BAND_ROWS) for band in chosen]
