"""Two pictures -> the same or not, decided by their pixels. A fingerprint only proposes.

Two pictures are the same if one can be reproduced from the other: the smaller one from the larger
by a plain resize and its own coding, or the larger from the smaller by an enlargement, with nothing
left over. Tests run from the cheapest to the dearest, and most pairs are refused by their headers.
"""

from __future__ import annotations

import threading
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from hashlib import sha256
from itertools import zip_longest

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops

from mirror.model import Digest
from mirror.pictures import DecodingBudget, Grey, ImageLimits, Picture, on_white, shrink
from mirror.repeats.band import Band
from mirror.repeats.cache import Excerpts
from mirror.repeats.choose import same_shape
from mirror.repeats.evidence import DISTANCE, LONG_SIDE, SHORT_SIDE, Evidence, Pair, Refusal, Tier
from mirror.repeats.excerpt import View, left_in_excerpt, may_be_refused, place_left
from mirror.repeats.recode import jpeg, recodings
from mirror.repeats.resize import GROWING, SHRINKING, Resize
from mirror.repeats.sketch import MOST_DIFFERENT, Header, Sketch
from mirror.repeats.statistics import NOTHING, Pixels, Statistics, measure, planes

_MODES = frozenset({"1", "L", "LA", "P", "PA", "RGB", "RGBA"})
# Two pictures of different size may differ by so many levels in a block of so many pixels a side.
_COARSE_STEP, _COARSE_LIMIT = 8, 20
# Resizers are tried on so many bands, of so many rows; the busiest bands are found from every
# fourth row. Bounds the work, not measured.
_BANDS, _BAND_ROWS, _BAND_SAMPLE = 3, 32, 4
# The smaller width as a share of the larger. Below `_LEAST_NEARLY` an edit of one letter in type of
# 10 pixels is lost in the noise of codecs, so only `_REPRODUCED` counts there.
_LEAST_SHRUNK, _LEAST_NEARLY = 0.45, 0.75
_LEAST_ENLARGED = 0.499  # twice as wide at most, and a pixel of rounding
_NEARBY = 1.25  # resizers that leave this many times the least are tried too; not measured
_ROUNDING = 0.01  # levels by which sums in another order may differ
_DECIMALS = 4  # of statistics in the ledger
# Bytes a pixel that a pair takes while it is compared, and that a decoded picture takes.
_BYTES_PER_PIXEL, _BYTES_PER_SIDE = 24, 18
# Pairs that are compared at once take no more bytes than this. One pair may take more, alone.
_room = DecodingBudget(1 << 30)


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
# of 11 pixels, 30 levels from its ground, is 1.1 levels at half the size: that copy shows both.
_REPRODUCED = _Tolerance(Tier.REPRODUCED, Statistics(1.2, 0.10, 0.02, 0.10, 1.0, np.inf))
_NEARLY = _Tolerance(Tier.NEARLY, Statistics(4.5, 0.10, 0.02, 0.10, 2.0, 2.5))


class Side:
    """One picture of the pairs it is in; what was made of it once serves them all.

    `sketch` is the one that was kept of it, if any. Raises `ImageError` when made of bytes that are
    no picture, or when it does not decode.
    """

    def __init__(
        self,
        data: bytes,
        limits: ImageLimits = ImageLimits(),  # noqa: B008  (frozen)
        sketch: Sketch | None = None,
    ) -> None:
        self.digest = Digest(sha256(data).hexdigest())
        self.picture = Picture(data, limits)
        self.header = Header.of(self.picture) if sketch is None else sketch.header
        self._data = data
        self._limits = limits
        self._sketch = sketch
        self._rgb: Image.Image | None = None
        self._recoded: tuple[Hashable, Image.Image | None] | None = None
        self._lock = threading.Lock()

    @property
    def rgb(self) -> Image.Image:
        """The first frame, upright, on white."""
        with self._lock:
            return self._rgb if self._rgb is not None else self._decode()[0]

    @property
    def sketch(self) -> Sketch:
        with self._lock:
            return self._sketch if self._sketch is not None else self._decode()[1]

    def _decode(self) -> tuple[Image.Image, Sketch]:
        frame, _ = next(self.picture.frames())
        upright = self.picture.upright(on_white(frame))
        sketch = self._sketch
        if sketch is None:
            grey = Grey.of(upright.convert("L"))
            sketch = Sketch.of(self.picture, frame, grey, shrink(grey))
        rgb = upright if upright.mode == "RGB" else upright.convert("RGB")
        self._rgb, self._sketch = rgb, sketch
        return rgb, sketch

    @cached_property
    def grey(self) -> Image.Image:
        return self.rgb.convert("L")

    @cached_property
    def levels(self) -> NDArray[np.uint8]:
        """The picture in grey, by rows."""
        return np.asarray(self.grey)

    @cached_property
    def pixels(self) -> Pixels:
        return planes(self.rgb)

    def coded_like(self, copy: Picture) -> Image.Image | None:
        """Return the picture after a JPEG like `copy`; the last is kept, for one coding."""
        coding = (copy.coding, copy.mode, copy.orientation)
        last = self._recoded
        if last is None or last[0] != coding:
            last = self._recoded = (coding, jpeg(copy, self.rgb))
        return last[1]

    @property
    def is_decoded(self) -> bool:
        return self._rgb is not None

    @property
    def is_grey(self) -> bool:
        red, green, blue = self.pixels
        return np.array_equal(red, green) and np.array_equal(red, blue)

    @property
    def byte_count(self) -> int:
        """Bytes that it takes with its pixels."""
        return len(self._data) + self.header.pixels * _BYTES_PER_SIDE

    def frames(self) -> Iterator[tuple[Image.Image, float]]:
        """Yield each frame upright, with its delay."""
        picture = Picture(self._data, self._limits)
        for frame, delay in picture.frames():
            yield picture.upright(frame), delay


@dataclass(frozen=True, slots=True)
class _Judgement:
    """A verdict, the statistics behind it, and the picture that the copy was made from."""

    verdict: Tier | Refusal
    statistics: Statistics | None = None
    origin: Side | None = None

    def evidence(self, pair: Pair, distance: int) -> Evidence:
        return Evidence(
            pair,
            distance,
            tier=self.verdict if isinstance(self.verdict, Tier) else None,
            refusal=self.verdict if isinstance(self.verdict, Refusal) else None,
            statistics=tuple(round(float(v), _DECIMALS) for v in self.statistics or ()),
            origin=None if self.origin is None else self.origin.digest,
        )


def compare(
    first: bytes,
    second: bytes,
    distance: int,
    limits: ImageLimits = ImageLimits(),  # noqa: B008  (frozen)
) -> Evidence:
    """Return the evidence on a pair whose fingerprints are `distance` bits apart, in either order.

    Raise `ImageError` when one of them does not decode.
    """
    return compare_sides(Side(first, limits), Side(second, limits), distance, Excerpts())


def compare_sides(first: Side, second: Side, distance: int, excerpts: Excerpts) -> Evidence:
    """Return the evidence on two pictures, each of which may be a side of other pairs too.

    What `refuse` may need of them for other pairs is added to `excerpts`.
    """
    judgement = _judge(first, second, distance, excerpts)
    return judgement.evidence(Pair.of(first.digest, second.digest), distance)


def refuse(
    pair: Pair, first: Sketch, second: Sketch, distance: int, excerpts: Excerpts
) -> Evidence | None:
    """Return the evidence that two sketches and kept excerpts give; `None` if more is needed.

    It is the evidence that `compare` would return. `first` and `second` are the sketches of the
    pair's two pictures, in its order.
    """
    judgement = _unlike_by_sketch(first, second, distance, may_be_equal=True)
    if judgement is None:
        views = (View(pair.first, first.header), View(pair.second, second.header))
        judgement = _unlike_in_excerpt(*views, (first, second), distance, excerpts)
    return None if judgement is None else judgement.evidence(pair, distance)


def _judge(first: Side, second: Side, distance: int, excerpts: Excerpts) -> _Judgement:
    headers = (first.header, second.header)
    if refusal := _unlike_in_kind(*headers, distance):
        return _Judgement(refusal)
    if not _may_be_equal(*headers, distance) and (refusal := _unlike_by_header(*headers)):
        return _Judgement(refusal)
    with _room.taking(sum(header.pixels for header in headers) * _BYTES_PER_PIXEL):
        sketches = (first.sketch, second.sketch)
        if judgement := _unlike_by_sketch(*sketches, distance, may_be_equal=True):
            return judgement
        if _may_be_equal(*headers, distance) and _equal_pixels(first, second):
            return _Judgement(Tier.PIXELS, NOTHING)
        if judgement := _unlike_by_sketch(*sketches, distance, may_be_equal=False):
            return judgement
        first_view, second_view = (View(side.digest, side.header, side) for side in (first, second))
        if judgement := _unlike_in_excerpt(first_view, second_view, sketches, distance, excerpts):
            return judgement
        return _judge_pixels(*sorted((first, second), key=_rank_of_copy))


# --- Guards ---------------------------------------------------------------------------------------


def _unlike_by_sketch(
    first: Sketch, second: Sketch, distance: int, *, may_be_equal: bool
) -> _Judgement | None:
    """Return what refuses two pictures without all of their pixels.

    `may_be_equal` says that their pixels were not compared yet.
    """
    headers = (first.header, second.header)
    if refusal := _unlike_in_kind(*headers, distance):
        return _Judgement(refusal)
    if may_be_equal and _may_be_equal(*headers, distance) and first.could_equal(second):
        return None
    if refusal := _unlike_by_header(*headers):
        return _Judgement(refusal)
    if not (first.is_opaque and second.is_opaque):
        return _Judgement(Refusal.TRANSPARENT)
    if first.is_plain or second.is_plain:
        return _Judgement(Refusal.PLAIN)
    if (difference := first.difference(second)) > MOST_DIFFERENT:
        return _Judgement(Refusal.PIXELS, NOTHING._replace(luma=difference))
    return None


def _unlike_in_excerpt(
    first: View, second: View, sketches: tuple[Sketch, Sketch], distance: int, excerpts: Excerpts
) -> _Judgement | None:
    """Return what refuses two pictures of one size by the place where they differ most."""
    if first.header.size != second.header.size:
        return None
    first_sketch, second_sketch = sketches
    if _may_be_equal(first.header, second.header, distance) and first_sketch.could_equal(
        second_sketch
    ):
        return None
    ranked = sorted(
        ((first, first_sketch), (second, second_sketch)), key=lambda item: _rank_of_copy(item[0])
    )
    (small, sketch), (large, larger_sketch) = ranked
    ways = [(small, large, sketch)]
    if large.header.is_lossy:
        ways.append((large, small, larger_sketch))
    if not all(may_be_refused(copy.header) for copy, _, _ in ways):
        return None
    most, nearest = _REPRODUCED.limits.luma + _ROUNDING, 0.0
    for copy, origin, copy_sketch in ways:
        left = left_in_excerpt(copy, origin, first_sketch.farthest(second_sketch), most, excerpts)
        if left is None and (place := place_left(copy, origin, copy_sketch, excerpts)):
            left = left_in_excerpt(copy, origin, place, most, excerpts)
        if left is None:
            return None
        nearest = left
    return _Judgement(Refusal.PIXELS, NOTHING._replace(luma=nearest))


def _may_be_equal(first: Header, second: Header, distance: int) -> bool:
    return distance == 0 and first.size == second.size


def _unlike_in_kind(first: Header, second: Header, distance: int) -> Refusal | None:
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


def _unlike_by_header(first: Header, second: Header) -> Refusal | None:
    """Return what refuses other than equal pixels without decoding them."""
    small, large = sorted((first, second), key=lambda header: header.pixels)
    if not (first.is_still and second.is_still):
        return Refusal.ANIMATED
    if max(small.size) < LONG_SIDE or min(small.size) < SHORT_SIDE:
        return Refusal.SMALL
    if not same_shape(small.size, large.size):
        return Refusal.SHAPE
    if large.size == small.size and large.coding == small.coding:
        return Refusal.UNEXPLAINED
    return None


def _rank_of_copy(side: Side | View) -> tuple[object, ...]:
    """Return a sort key: the picture that would be the copy, which is smaller or coarser, first."""
    header = side.header
    coarseness = {"jpeg": 0, "image/webp": 1, "image/avif": 1, "palette": 2, "exact": 3}
    kind = coarseness[str(header.coding[0])]
    return header.pixels, kind, header.byte_count, repr(header.coding)


def _equal_pixels(first: Side, second: Side) -> bool:
    """Return True if all frames agree in every channel, alpha included, and in their delays.

    Animations also have to be played equally often.
    """
    pictures = (first.picture, second.picture)
    if len({(picture.is_still, picture.plays) for picture in pictures}) > 1:
        return False
    if first.header.is_still and first.sketch.is_opaque and second.sketch.is_opaque:
        return ImageChops.difference(first.rgb, second.rgb).getbbox() is None
    for frame, other in zip_longest(first.frames(), second.frames()):
        if frame is None or other is None:
            return False
        (image, delay), (other_image, other_delay) = frame, other
        if delay != other_delay or not _equal_frames(image, other_image):
            return False
    return True


def _equal_frames(image: Image.Image, other: Image.Image) -> bool:
    if image.size != other.size:
        return False
    image, other = image.convert("RGBA"), other.convert("RGBA")
    return ImageChops.difference(image, other).getbbox(alpha_only=False) is None


# --- Reproduction ---------------------------------------------------------------------------------


def _judge_pixels(small: Side, large: Side) -> _Judgement:
    """Return the first tier that a reproduction proves, or else the statistics of the nearest."""
    if small.header.size == large.header.size:
        row, _ = small.sketch.farthest(large.sketch)
    else:
        difference, row = _coarse_difference(small.grey, large.grey)
        if difference > _COARSE_LIMIT:
            return _Judgement(Refusal.PIXELS, NOTHING._replace(luma=difference))
    nearest: Statistics | None = None
    for derivation in _derivations(small, large):
        copy = derivation.copy
        row_of_copy = row * copy.rgb.height // small.rgb.height
        band = Band.around(copy.rgb, row_of_copy, partial(_meets_none, derivation.tolerances))
        for made in derivation.reproductions(band):
            left = derivation.left_over(made)
            if tolerance := _first_met(derivation.tolerances, left):
                return _Judgement(tolerance.tier, left, derivation.origin)
            nearest = nearest or left
        if band is not None and band.nearest is not None:
            nearest = band.nearest
    return _Judgement(Refusal.PIXELS, nearest)


def _coarse_difference(small: Image.Image, large: Image.Image) -> tuple[float, int]:
    """Return the largest luma difference of two blocks, and its row in the smaller picture.

    No coding and no resize moves a block far.
    """
    size = (small.width // _COARSE_STEP, small.height // _COARSE_STEP)
    first, second = (
        np.asarray(side.resize(size, Image.Resampling.BILINEAR)).astype(np.int16)
        for side in (small, large)
    )
    apart = np.abs(first - second)
    return float(apart.max()), int(apart.argmax()) // size[0] * _COARSE_STEP


def _derivations(small: Side, large: Side) -> list[_Derivation]:
    """Return the ways one could have been made from the other, likeliest first.

    Of two lossy ones of equal size either may be the copy.
    """
    if small.rgb.size == large.rgb.size:
        derivations = [_Derivation(large, small)]
        if large.header.is_lossy:
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

    origin: Side
    copy: Side
    tolerances: tuple[_Tolerance, ...] = (_REPRODUCED,)
    resize: Resize | None = None
    rank: float = 0.0

    def reproductions(self, band: Band | None) -> Iterator[Image.Image]:
        """Yield the origin resized, in each coding that the copy may have, and last in none.

        What fails in the band is left out.
        """
        plain = self.origin.rgb
        if self.resize is not None:
            plain = self.resize(plain, self.copy.rgb.size, (0.0, 0.0, plain.width, plain.height))
        # A colour slide coded as one component would equal its own grey copy.
        if self.copy.picture.mode != "L" or self.origin.is_grey:
            once = self.origin.coded_like if self.resize is None else partial(jpeg, image=plain)
            yield from recodings(
                self.copy.picture,
                plain,
                self.copy.rgb,
                once,
                resized=self.resize is not None,
                band=band,
            )
        if band is None or not band.fails(band.cut(plain)):
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
    origin: Side,
    copy: Side,
    resizers: tuple[Resize, ...],
    tolerances: tuple[_Tolerance, ...],
) -> Iterator[_Derivation]:
    """Yield the derivation by the resizer that comes nearest to the copy in its busiest rows.

    The coding of a WebP may hide which resizer that was, so all that come near are yielded then.
    """
    first, *others = _busiest_bands(copy.levels)
    scale = origin.grey.height / copy.grey.height
    is_jpeg = copy.picture.media_type == "image/jpeg" and copy.picture.orientation == 1
    is_webp = copy.header.coding[0] == "image/webp"

    def left_over(resize: Resize, band: tuple[int, int]) -> float:
        top, bottom = band
        box = (0.0, top * scale, float(origin.grey.width), bottom * scale)
        made = resize(origin.grey, (copy.grey.width, bottom - top), box)
        if is_jpeg:
            made = jpeg(copy.picture, made) or made
        return float(np.abs(np.asarray(made) - copy.levels[top:bottom].astype(np.int16)).mean())

    left = [left_over(resize, first) for resize in resizers]
    most = np.inf
    for place in sorted(range(len(resizers)), key=left.__getitem__):
        for band in others:
            if left[place] > most:  # more bands only add to it
                break
            left[place] += left_over(resizers[place], band)
        else:
            most = min(most, left[place] * (_NEARBY if is_webp else 1))
    for resize, rank in zip(resizers, left, strict=True):
        if rank <= most:
            yield _Derivation(origin, copy, tolerances, resize, rank)


def _busiest_bands(grey: NDArray[np.uint8]) -> list[tuple[int, int]]:
    """Return the top and bottom row of the bands with most edges, from above."""
    count = len(grey) // _BAND_ROWS
    sample = grey[: count * _BAND_ROWS : _BAND_SAMPLE].astype(np.int16)
    energy = np.abs(np.diff(sample, axis=1)).reshape(count, -1).sum(axis=1)
    chosen = np.sort(np.argsort(-energy, kind="stable")[:_BANDS])
    return [(int(band) * _BAND_ROWS, int(band + 1) * _BAND_ROWS) for band in chosen]
