"""Two pictures -> the same or not, decided by their pixels. A fingerprint only proposes.

Two pictures are the same if one can be reproduced from the other: the smaller one from the larger
by a plain resize and its own coding, or the larger from the smaller by an enlargement, with nothing
left over. Tests run from the cheapest to the dearest, and most pairs are refused by their headers.
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
from mirror.pictures import ImageLimits, Picture, has_alpha, on_white
from mirror.repeats.choose import same_shape
from mirror.repeats.evidence import DISTANCE, LONG_SIDE, SHORT_SIDE, Evidence, Pair, Refusal, Tier
from mirror.repeats.recode import jpeg, recodings
from mirror.repeats.resize import GROWING, SHRINKING, Resize
from mirror.repeats.statistics import NOTHING, Pixels, Statistics, measure, planes

_MODES = frozenset({"1", "L", "LA", "P", "PA", "RGB", "RGBA"})
# A picture is plain unless so many tiles, of so many pixels a side, span so many levels. Of 500
# slides one was plain, and it was nearly blank.
_LEAST_TILES, _TILE, _TILE_CONTRAST = 16, 16, 32
# Blocks of so many pixels a side may differ by so many levels in their mean. It saves work: no
# coding and no resize moves such a mean that far.
_COARSE_STEP, _COARSE_LIMIT = 8, 20
# Resizers are tried on so many bands, of so many rows; the busiest bands are found from every
# fourth row. Bounds the work, not measured.
_BANDS, _BAND_ROWS, _BAND_SAMPLE = 3, 32, 4
# The smaller width as a share of the larger. Below the second, an edit of one letter in type of 10
# pixels sinks into the noise of codecs, so only `_REPRODUCED` counts there.
_LEAST_SHRUNK, _LEAST_NEARLY = 0.45, 0.75
_LEAST_ENLARGED = 0.499  # twice as wide at most, and a pixel of rounding
_NEARBY = 1.25  # resizers that leave this many times the least are tried too; not measured
_DECIMALS = 4  # of statistics in the ledger


@dataclass(frozen=True, slots=True)
class _Tolerance:
    """The statistics that a reproduction may leave, and the tier that it proves then."""

    tier: Tier
    limits: Statistics


# Reproduced: only the rounding of another build of the same library is left over. Nearly, for
# resized copies: another program's resizer leaves traces along all edges, which grow with the
# edges. So traces may be strong where edges are, and the worst place must not stand out. Coders
# whose work can be neither repeated nor retraced (AVIF, dithered palettes, JPEG with optimised
# coefficients) leave as much as a recoloured word or a comma for a full stop does, so their copies
# are kept apart. BENCHMARKS.md, "dedupe", measures these limits.
#
# A difference that the copy itself no longer shows cannot be found. A comma for a full stop in type
# of 11 pixels, 30 levels from its ground, is 1.1 levels at half the size: that copy shows either.
_REPRODUCED = _Tolerance(Tier.REPRODUCED, Statistics(1.2, 0.10, 0.02, 0.10, 1.0, np.inf))
_NEARLY = _Tolerance(Tier.NEARLY, Statistics(4.5, 0.10, 0.02, 0.10, 2.0, 2.5))


@dataclass(frozen=True, slots=True)
class _Judgement:
    """A verdict, the statistics behind it, and the picture that the copy was made from."""

    verdict: Tier | Refusal
    statistics: Statistics | None = None
    origin: Picture | None = None


def compare(
    first: bytes,
    second: bytes,
    distance: int,
    limits: ImageLimits = ImageLimits(),  # noqa: B008  (frozen)
) -> Evidence:
    """Return the evidence on a pair whose fingerprints are `distance` bits apart, in either order.

    Raise `ImageError` when one of them does not decode.
    """
    digests = [Digest(sha256(data).hexdigest()) for data in (first, second)]
    pictures = [Picture(data, limits) for data in (first, second)]
    judgement = _judge(pictures[0], pictures[1], distance)
    verdict = judgement.verdict
    is_first = judgement.origin is pictures[0]
    return Evidence(
        Pair.of(*digests),
        distance,
        tier=verdict if isinstance(verdict, Tier) else None,
        refusal=verdict if isinstance(verdict, Refusal) else None,
        statistics=tuple(round(float(v), _DECIMALS) for v in judgement.statistics or ()),
        origin=digests[0 if is_first else 1] if judgement.origin is not None else None,
    )


def _judge(first: Picture, second: Picture, distance: int) -> _Judgement:
    if refusal := _unlike_in_kind(first, second, distance):
        return _Judgement(refusal)
    if distance == 0 and first.size == second.size and _equal_pixels(first, second):
        return _Judgement(Tier.PIXELS, NOTHING)
    if refusal := _unlike_by_header(first, second):
        return _Judgement(refusal)
    small, large = _copy_and_origin(first, second)
    images = [next(picture.frames())[0] for picture in (small, large)]
    if any(map(has_alpha, images)):
        return _Judgement(Refusal.TRANSPARENT)
    return _judge_pixels(_Opaque(small, images[0]), _Opaque(large, images[1]))


# --- Guards ---------------------------------------------------------------------------------------


def _unlike_in_kind(first: Picture, second: Picture, distance: int) -> Refusal | None:
    """Return what refuses even equal pixels: another colour space, or bits lost in decoding."""
    pair = (first, second)
    if distance > DISTANCE:
        return Refusal.DISTANCE
    if any(picture.is_deep or picture.mode not in _MODES for picture in pair):
        return Refusal.DEPTH
    # Programs agree on the orientation of JPEGs only.
    if any(p.orientation != 1 and p.media_type != "image/jpeg" for p in pair):
        return Refusal.ORIENTATION
    if first.colours != second.colours:
        return Refusal.COLOURS
    return None


def _unlike_by_header(first: Picture, second: Picture) -> Refusal | None:
    """Return what refuses other than equal pixels without decoding them."""
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
    """Return the picture that would be the copy, which is smaller or coarser, then the other."""
    coarseness = {"jpeg": 0, "image/webp": 1, "image/avif": 1, "palette": 2, "exact": 3}

    def rank(picture: Picture) -> tuple[object, ...]:
        kind = str(picture.coding[0])
        return _pixel_count(picture), coarseness[kind], len(picture.data), repr(picture.coding)

    small, large = sorted((first, second), key=rank)
    return small, large


def _equal_pixels(first: Picture, second: Picture) -> bool:
    """Return True if all frames agree in every channel, alpha included, and in their delays.

    Animations also have to be played equally often.
    """
    if (first.is_still, first.plays) != (second.is_still, second.plays):
        return False
    for frame, other in zip_longest(first.frames(), second.frames()):
        if frame is None or other is None:
            return False
        (image, delay), (other_image, other_delay) = frame, other
        if delay != other_delay:
            return False
        if not _equal_frames(first.upright(image), second.upright(other_image)):
            return False
    return True


def _equal_frames(image: Image.Image, other: Image.Image) -> bool:
    if image.size != other.size:
        return False
    if not (image.mode == other.mode == "RGB" and not has_alpha(image) and not has_alpha(other)):
        image, other = image.convert("RGBA"), other.convert("RGBA")
    return ImageChops.difference(image, other).getbbox(alpha_only=False) is None


# --- Reproduction ---------------------------------------------------------------------------------


class _Opaque:
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
        """Return True if there is too little in it to tell two pictures apart."""
        grey = np.asarray(self.grey)
        height, width = (side // _TILE * _TILE for side in grey.shape)
        rows = grey[:height, :width].reshape(height // _TILE, _TILE, width)
        high = rows.max(axis=1).reshape(-1, width // _TILE, _TILE).max(axis=2)
        low = rows.min(axis=1).reshape(-1, width // _TILE, _TILE).min(axis=2)
        return bool(np.count_nonzero(high - low >= _TILE_CONTRAST) < _LEAST_TILES)

    def is_grey(self) -> bool:
        red, green, blue = self.pixels
        return np.array_equal(red, green) and np.array_equal(red, blue)


def _judge_pixels(small: _Opaque, large: _Opaque) -> _Judgement:
    """Return the first tier that some reproduction proves, or the nearest that any came."""
    if small.is_plain() or large.is_plain():
        return _Judgement(Refusal.PLAIN)
    if (coarse := _coarse_difference(small.grey, large.grey)) > _COARSE_LIMIT:
        return _Judgement(Refusal.PIXELS, NOTHING._replace(luma=coarse))
    nearest: Statistics | None = None
    for derivation in _derivations(small, large):
        for made in derivation.reproductions():
            left = derivation.left_over(made)
            if tolerance := _first_met(derivation.tolerances, left):
                return _Judgement(tolerance.tier, left, derivation.origin.picture)
            nearest = nearest or left
    return _Judgement(Refusal.PIXELS, nearest)


def _coarse_difference(small: Image.Image, large: Image.Image) -> float:
    """Return the largest luma difference of two 8x8 blocks, which no coding or resize moves far."""
    sides = (small, large)
    width, height = small.size
    if small.size == large.size:
        blocks = [side.reduce(_COARSE_STEP) for side in sides]
    else:
        size = (width // _COARSE_STEP, height // _COARSE_STEP)
        blocks = [side.resize(size, Image.Resampling.BILINEAR) for side in sides]
    first, second = (np.asarray(block).astype(np.int16) for block in blocks)
    return float(np.abs(first - second).max())


def _derivations(small: _Opaque, large: _Opaque) -> list[_Derivation]:
    """Return the ways one could have been made from the other, likeliest first.

    Of two lossy ones of equal size either may be the copy.
    """
    if small.rgb.size == large.rgb.size:
        derivations = [_Derivation(large, small)]
        if large.picture.is_lossy:
            derivations.append(_Derivation(small, large))
        return derivations
    ratio = small.rgb.width / large.rgb.width
    derivations = []
    if ratio >= _LEAST_SHRUNK:
        tolerances = (_REPRODUCED, _NEARLY) if ratio >= _LEAST_NEARLY else (_REPRODUCED,)
        derivations += _resized(large, small, SHRINKING, tolerances)
    if ratio >= _LEAST_ENLARGED:
        derivations += _resized(small, large, GROWING, (_REPRODUCED, _NEARLY))
    return sorted(derivations, key=lambda derivation: derivation.rank)


@dataclass(frozen=True, slots=True)
class _Derivation:
    """One way the copy could have been made from the origin, and what may be left over of it."""

    origin: _Opaque
    copy: _Opaque
    tolerances: tuple[_Tolerance, ...] = (_REPRODUCED,)
    resize: Resize | None = None
    rank: float = 0.0

    def reproductions(self) -> Iterator[Image.Image]:
        """Yield the origin resized, in each coding that the copy may have, and last in none."""
        plain = self.origin.rgb
        if self.resize is not None:
            plain = self.resize(plain, self.copy.rgb.size, (0.0, 0.0, plain.width, plain.height))
        # A colour slide coded as one component would equal its own grey copy.
        if self.copy.picture.mode != "L" or self.origin.is_grey():
            resized = self.resize is not None
            yield from recodings(self.copy.picture, plain, self.copy.rgb, resized=resized)
        yield plain

    def left_over(self, made: Image.Image) -> Statistics:
        """Return the statistics of a reproduction and the copy, as far as a tolerance is met."""
        if ImageChops.difference(made, self.copy.rgb).getbbox() is None:
            return NOTHING
        return measure(planes(made), self.copy.pixels, partial(_meets_none, self.tolerances))


def _first_met(tolerances: tuple[_Tolerance, ...], left: Statistics) -> _Tolerance | None:
    return next((tolerance for tolerance in tolerances if left.within(tolerance.limits)), None)


def _meets_none(tolerances: tuple[_Tolerance, ...], left: Statistics) -> bool:
    return _first_met(tolerances, left) is None


def _resized(
    origin: _Opaque,
    copy: _Opaque,
    resizers: tuple[Resize, ...],
    tolerances: tuple[_Tolerance, ...],
) -> Iterator[_Derivation]:
    """Yield the derivation by the resizer that leaves least luma of the copy's busiest rows.

    The coding of a WebP may hide which resizer that was, so all that come near are yielded then.
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
            expected = np.asarray(copy.grey)[top:bottom].astype(np.int16)
            total += float(np.abs(np.asarray(made) - expected).mean())
        return total

    left = [left_over(resize) for resize in resizers]
    most = min(left) * (_NEARBY if copy.picture.coding[0] == "image/webp" else 1)
    for resize, rank in zip(resizers, left, strict=True):
        if rank <= most:
            yield _Derivation(origin, copy, tolerances, resize, rank)


def _busiest_bands(grey: np.ndarray[tuple[int, int], np.dtype[np.uint8]]) -> list[tuple[int, int]]:
    """Return the top and bottom row of the bands with most edges, from above."""
    count = len(grey) // _BAND_ROWS
    sample = grey[: count * _BAND_ROWS : _BAND_SAMPLE].astype(np.int16)
    energy = np.abs(np.diff(sample, axis=1)).reshape(count, -1).sum(axis=1)
    chosen = np.sort(np.argsort(-energy, kind="stable")[:_BANDS])
    return [(int(band) * _BAND_ROWS, int(band + 1) * _BAND_ROWS) for band in chosen]
