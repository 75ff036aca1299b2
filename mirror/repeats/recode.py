"""A picture -> what the coding of a copy leaves of it; bit for bit where the coder can be run.

A JPEG holds its tables and a lossy WebP its quantisers: the same coder with the same settings gives
the same pixels. For copies by other coders, `bins` and `palette` test if they may show the picture.
The pixels of an AVIF depend on the version, speed and threads of its coder, so it is not repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from io import BytesIO
from math import log
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mirror.pictures import Picture, components
from mirror.repeats.band import UNIT, Band
from mirror.repeats.bins import fits_bins
from mirror.repeats.palette import fits_palette

_PROBE = (256, 96)  # pixels of the part on which earlier qualities are tried; bounds the work
_RIM = 24  # pixels at each side of the probe that depend on pixels outside
_LEAST_CELLS = 5 * UNIT  # the shortest side of a probe that has a unit with two more around it
_REPEATED = 0.05  # mean levels of the probe: the right quality leaves less, any other 0.3 and more
# Mean levels of the probe up to which an earlier JPEG may explain them; not measured.
_RELATED = 8.0
_USUAL = (75, 80, 85, 90, 95, 70, 60, 92, 88, 65, 50)  # as programs and people choose them
_QUALITIES = (*_USUAL, *(quality for quality in range(51, 99) if quality not in _USUAL))
_FULL_CHROMA = 90  # the quality from which some programs do not halve the chroma
_HALVED, _WHOLE = 2, 0  # Pillow's numbers for 4:2:0 and 4:4:4
_WEBP_TRIES = 3  # qualities; each is found from the one before
_WEBP_COARSEST = 127  # index of the largest quantiser, RFC 6386, 9.6
# The exponent by which libwebp bends its curve where a picture is plain, as slides are.
_WEBP_BEND = 1.43
# Of a chunk: its name and size, 8 bytes, and the header of a key frame, 10 (RFC 6386, 9.1). The
# quantisers stand in the first bytes behind them.
_WEBP_HEADER = 18
_WEBP_QUANTISERS = 200  # bytes; up to the quantisers there are some 30, RFC 6386, 9.3 to 9.6


def recodings(
    copy: Picture,
    image: Image.Image,
    copy_image: Image.Image,
    code_once: Callable[[Picture], Image.Image | None],
    *,
    resized: bool,
    band: Band | None,
) -> Iterator[Image.Image]:
    """Yield `image` as the coding of `copy` may have left it, likeliest first; all are upright RGB.

    `copy_image` is the copy, decoded. It is yielded itself if another coder may have made it of an
    `image` that was not resized before. A JPEG is repeated with its own tables, and last as the
    second JPEG after one of the usual qualities, if a small part shows that this explains it. What
    fails in the `band` is left out. `code_once` returns what `jpeg` makes of the copy and `image`.
    """
    if copy.coding[0] == "image/webp":
        yield from _webp(copy, image)
    elif copy.media_type == "image/jpeg":
        if jpeg_options(copy, image) is None:
            return
        fails = band is not None and _fails_once(copy, image, band)
        if not fails:
            once = code_once(copy)
            if once is None:
                return
            yield once.convert("RGB")
        if not resized:
            part = band if fails else None
            fits = part is None or _may_be_by_another_coder(copy, part.cut(image), part.start)
            if fits and _may_be_by_another_coder(copy, image):
                yield copy_image
        yield from _second_jpeg(copy, image, copy_image)
    elif copy.coding[0] == "palette" and not resized and fits_palette(image, copy_image):
        yield copy_image


# --- JPEG ---------------------------------------------------------------------------------------


def jpeg(copy: Picture, image: Image.Image) -> Image.Image | None:
    """Return `image` coded with the tables of the JPEG `copy`, `None` if Pillow cannot write them.

    A grey `image` is coded as the luma of `copy`.
    """
    options = jpeg_options(copy, image)
    if options is None:
        return None
    return copy.through_jpeg(image if len(options) > 1 else image.convert("L"), **options)


def jpeg_options(copy: Picture, image: Image.Image) -> dict[str, Any] | None:
    """Return Pillow's options for the coding of `copy`; without a sampling, they are for grey."""
    tables = copy.tables
    if 0 not in tables or (copy.mode != "L" and copy.sampling < 0):
        return None
    if image.mode == "L" or copy.mode == "L":
        return {"qtables": {0: tables[0]}}
    return {"qtables": tables, "subsampling": copy.sampling} if copy.mode == "RGB" else None


def jpeg_once(image: Image.Image, options: dict[str, Any]) -> Image.Image | None:
    """Return an upright `image` after a JPEG with these options; `None` if Pillow writes none."""
    try:
        return _coded(image, "JPEG", **options)
    except (OSError, ValueError, TypeError):
        return None


def luma_once(image: Image.Image, options: dict[str, Any]) -> NDArray[np.uint8] | None:
    """Return the plane of luma of the JPEG of `jpeg_once`; `None` where `components` reads none."""
    planes = components(_encoded(image, "JPEG", **options).getvalue())
    return planes[0].plane if planes else None


def may_be_second(part: Image.Image, copy_part: Image.Image, options: dict[str, Any]) -> bool:
    """Return True if the copy may be the second JPEG of the picture, as far as the parts show."""
    once = jpeg_once(part, options)
    return once is not None and _is_related(float(np.abs(_inner(once) - _inner(copy_part)).mean()))


def _is_related(left: float) -> bool:
    return _REPEATED < left <= _RELATED


def _fails_once(copy: Picture, image: Image.Image, band: Band) -> bool:
    if copy.orientation != 1 and not band.is_aligned_when_turned:
        return False
    made = jpeg(copy, band.cut(image))
    return made is not None and band.fails(made.convert("RGB"))


def _may_be_by_another_coder(copy: Picture, image: Image.Image, top: int = 0) -> bool:
    options = jpeg_options(copy, image)
    if options is None or copy.orientation != 1:  # a turned block has other coefficients
        return False
    plain = image if len(options) > 1 else image.convert("L")
    return fits_bins(copy.components, _encoded(plain, "JPEG", **options).getvalue(), image, top)


def _second_jpeg(
    copy: Picture, image: Image.Image, copy_image: Image.Image
) -> Iterator[Image.Image]:
    """Yield `image` after a JPEG of the quality that explains `copy`, and then one like `copy`."""
    if copy.mode != "RGB" or copy.orientation != 1:
        return
    box = busiest_box(copy_image)
    part, expected = image.crop(box), _inner(copy_image.crop(box))

    def left_over(recoded: Image.Image | None) -> float:
        return float(np.abs(_inner(recoded) - expected).mean()) if recoded is not None else np.inf

    once = jpeg(copy, part)
    if once is None or not _is_related(left_over(once)):
        return
    cell = _Cell(once, copy_image.crop(box)) if min(part.size) >= _LEAST_CELLS else None
    most = _REPEATED * expected.size
    for quality in _QUALITIES:
        for sampling in (_HALVED, _WHOLE) if quality >= _FULL_CHROMA else (_HALVED,):
            earlier = {"quality": quality, "subsampling": sampling}
            if cell is not None:
                twice = jpeg(copy, _coded(cell.cut(part), "JPEG", **earlier))
                if twice is not None and cell.left_over(twice) > most:
                    continue
            if left_over(jpeg(copy, _coded(part, "JPEG", **earlier))) <= _REPEATED:
                recoded = jpeg(copy, _coded(image, "JPEG", **earlier))
                if recoded is not None:
                    yield recoded
                return


class _Cell:
    """The unit of a probe that differs most: what it leaves alone may exclude a quality."""

    def __init__(self, once: Image.Image, expected: Image.Image) -> None:
        apart = np.abs(np.asarray(once).astype(np.int16) - np.asarray(expected)).sum(axis=2)
        rows, columns = (side // UNIT for side in apart.shape)
        units = apart[: rows * UNIT, : columns * UNIT].reshape(rows, UNIT, columns, UNIT)
        # The units at the rim are not compared whole, and each is coded with those around it.
        inner = units.sum(axis=(1, 3))[2:-2, 2:-2]
        row, column = np.unravel_index(inner.argmax(), inner.shape)
        left, top = (int(column) + 2) * UNIT, (int(row) + 2) * UNIT
        self._box = (left - UNIT, top - UNIT, left + 2 * UNIT, top + 2 * UNIT)
        self._expected = self._unit(self.cut(expected))

    def cut(self, part: Image.Image) -> Image.Image:
        return part.crop(self._box)

    def left_over(self, made: Image.Image) -> int:
        """Return the sum of levels that differ in the unit; `made` is a cut."""
        return int(np.abs(self._unit(made) - self._expected).sum())

    def _unit(self, cut: Image.Image) -> np.ndarray[Any, np.dtype[np.int16]]:
        return np.asarray(cut).astype(np.int16)[UNIT : 2 * UNIT, UNIT : 2 * UNIT]


def _inner(part: Image.Image) -> np.ndarray[Any, np.dtype[np.int16]]:
    """Return the levels without the rim, whose chroma depends on pixels outside the probe."""
    return np.asarray(part).astype(np.int16)[_RIM:-_RIM, _RIM:-_RIM]


def busiest_box(image: Image.Image) -> tuple[int, int, int, int]:
    """Return the box with most edges, on the grid of a JPEG's blocks."""
    grey = np.asarray(image.convert("L")).astype(np.int16)
    rows, columns = (side // UNIT for side in grey.shape)
    edges = np.abs(np.diff(grey, axis=1, prepend=grey[:, :1]))[: rows * UNIT, : columns * UNIT]
    energy = edges.reshape(rows, UNIT, columns, UNIT).sum(axis=(1, 3))
    wide, high = (
        min(side // UNIT, most) for side, most in zip(_PROBE, (columns, rows), strict=True)
    )
    total = np.pad(energy.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    sums = total[high:, wide:] - total[:-high, wide:] - total[high:, :-wide] + total[:-high, :-wide]
    top, left = (int(n) * UNIT for n in np.unravel_index(sums.argmax(), sums.shape))
    return left, top, left + wide * UNIT, top + high * UNIT


def _coded(image: Image.Image, coding: str, **options: Any) -> Image.Image:
    return Image.open(_encoded(image, coding, **options), formats=(coding,)).convert("RGB")


def _encoded(image: Image.Image, coding: str, **options: Any) -> BytesIO:
    stream = BytesIO()
    image.save(stream, coding, **options)
    return stream


# --- WebP ---------------------------------------------------------------------------------------


def _webp(copy: Picture, image: Image.Image) -> Iterator[Image.Image]:
    """Yield `image` coded with the quality that gives the quantisers of `copy`, if one is found."""
    expected = quantisers(copy.data)
    bend, tried = _WEBP_BEND, set[int]()
    while expected and len(tried) < _WEBP_TRIES:
        quality = _quality(expected[0], bend)
        if quality in tried:
            return
        tried.add(quality)
        try:
            stream = _encoded(image, "WEBP", quality=quality)
        except (OSError, ValueError):  # more than 16383 pixels one way
            return
        actual = quantisers(stream.getvalue())
        if actual == expected:
            yield Image.open(stream, formats=("WEBP",)).convert("RGB")
            return
        compression = _compression(quality)
        if not (actual and 0 < actual[0] < _WEBP_COARSEST and 0 < compression < 1):
            return
        bend = log(1 - actual[0] / _WEBP_COARSEST) / log(compression)


def _compression(quality: int) -> float:
    """Return libwebp's `QualityToCompression` (src/enc/quant_enc.c): 0 keeps nothing, 1 all."""
    share = quality / 100
    return float((share * 2 / 3 if share < 0.75 else 2 * share - 1) ** (1 / 3))


def _quality(quantiser: int, bend: float) -> int:
    """Return the quality that gives this quantiser: the inverse of `_compression` to the `bend`."""
    linear = (max(1 - quantiser / _WEBP_COARSEST, 0.0) ** (1 / bend)) ** 3
    return round(100 * float(linear * 1.5 if linear < 0.5 else (linear + 1) / 2))


def quantisers(data: bytes) -> tuple[int, ...]:
    """Return the quantisers of the frame and of its segments; empty without a lossy frame.

    They are read from the header of a lossy WebP (RFC 6386, 9.3 to 9.6).
    """
    at = data.find(b"VP8 ", 12)
    if at < 0:
        return ()
    bits = _BoolDecoder(data[at + _WEBP_HEADER : at + _WEBP_HEADER + _WEBP_QUANTISERS])
    bits.number(2)  # colour space, clamping
    segments: list[int] = []
    if bits.number(1):
        has_map = bits.number(1)
        if bits.number(1):
            bits.number(1)
            segments = [bits.optional(7) for _ in range(4)]
            for _ in range(4):
                bits.optional(6)
        for _ in range(3 if has_map else 0):
            if bits.number(1):
                bits.number(8)
    bits.number(10)  # loop filter
    if bits.number(1) and bits.number(1):
        for _ in range(8):
            bits.optional(6)
    bits.number(2)  # partitions
    frame = bits.number(7)
    return (frame, *segments, *(bits.optional(4) for _ in range(5)))


class _BoolDecoder:
    """The arithmetic decoder of RFC 6386, section 7, for bits of even probability."""

    def __init__(self, data: bytes) -> None:
        self._bytes = iter(data)
        self._value = self._next() << 8 | self._next()
        self._range, self._shifts = 255, 0

    def _next(self) -> int:
        return next(self._bytes, 0)

    def number(self, bits: int) -> int:
        """Read an unsigned number, highest bit first."""
        value = 0
        for _ in range(bits):
            value = value << 1 | self._bit()
        return value

    def optional(self, bits: int) -> int:
        """Read a flag, and behind it a number and its sign; return 0 without the flag."""
        if not self._bit():
            return 0
        value = self.number(bits)
        return -value if self._bit() else value

    def _bit(self) -> int:
        split = 1 + (self._range - 1 >> 1)
        bit = self._value >= split << 8
        if bit:
            self._range -= split
            self._value -= split << 8
        else:
            self._range = split
        while self._range < 128:
            self._value <<= 1
            self._range <<= 1
            self._shifts += 1
            if self._shifts == 8:
                self._shifts = 0
                self._value |= self._next()
        return int(bit)
