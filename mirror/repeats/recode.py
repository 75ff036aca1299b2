"""How a copy's own coding would have left a picture, bit for bit where the coder can be asked.

A JPEG writes its tables down and a lossy WebP its quantisers: the same coder, asked for the same,
gives the same pixels. Where another one coded, bins and palettes can tell whether it may have been
this picture. An AVIF depends on its coder's version, speed and threads: it is not repeated here.
"""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from math import log
from typing import Any

import numpy as np
from PIL import Image

from mirror.pictures.decode import Picture
from mirror.repeats.bins import may_have_coded
from mirror.repeats.palette import may_have_mapped

_UNIT = 16  # pixels either way that no JPEG codes across
_PROBE, _RIM = (256, 96), 24
_REPEATED = 0.05  # mean levels of the probe: an earlier quality is right, or leaves 0.3 and more
_RELATED = 8.0  # mean levels of the probe up to which another earlier quality may explain the rest
_USUAL = (75, 80, 85, 90, 95, 70, 60, 92, 88, 65, 50)
_QUALITIES = (*_USUAL, *(quality for quality in range(51, 99) if quality not in _USUAL))
_FULL_CHROMA = 90  # the quality from which some programs do not halve the chroma
_WEBP_TRIES = 3
_WEBP_FLAT = 1.43  # how libwebp bends its quantiser where a picture is plain, as slides mostly are


def recodings(
    copy: Picture, image: Image.Image, seen: Image.Image, *, resized: bool
) -> Iterator[Image.Image]:
    """Yield `image` as the coding of `copy` may have left it, likeliest first; all are upright RGB.

    `seen` is what the copy shows, and is yielded itself if some other coder may have made it of an
    `image` that was not resized before. A JPEG is repeated with its own tables, and last as the
    second JPEG after one of the usual qualities, if a small part says that this explains it.
    """
    if copy.coding[0] == "image/webp":
        yield from _webp(copy, image)
    elif copy.media_type == "image/jpeg":
        once = jpeg(copy, image)
        if once is not None:
            yield once.convert("RGB")
            if not resized and _by_another_coder(copy, image):
                yield seen
            yield from _twice(copy, image, seen)
    elif copy.coding[0] == "palette" and not resized and may_have_mapped(image, seen):
        yield seen


# --- JPEG ---------------------------------------------------------------------------------------


def jpeg(copy: Picture, image: Image.Image) -> Image.Image | None:
    """`image` coded with the tables of the JPEG `copy`, or None where Pillow cannot write those.

    A grey `image` is coded as the luma of `copy`.
    """
    options = _options(copy, image)
    if options is None:
        return None
    return copy.through_jpeg(image if len(options) > 1 else image.convert("L"), **options)


def _options(copy: Picture, image: Image.Image) -> dict[str, Any] | None:
    """What makes Pillow code as `copy` is coded: without a sampling, in grey."""
    tables = copy.tables
    if 0 not in tables or (copy.mode != "L" and copy.sampling < 0):
        return None
    if image.mode == "L" or copy.mode == "L":
        return {"qtables": {0: tables[0]}}
    return {"qtables": tables, "subsampling": copy.sampling} if copy.mode == "RGB" else None


def _by_another_coder(copy: Picture, image: Image.Image) -> bool:
    options = _options(copy, image)
    if options is None or copy.orientation != 1:  # a block that lies on its side is another
        return False
    plain = image if len(options) > 1 else image.convert("L")
    return may_have_coded(copy.data, _encoded(plain, "JPEG", **options).getvalue(), image)


def _twice(copy: Picture, image: Image.Image, seen: Image.Image) -> Iterator[Image.Image]:
    if copy.mode != "RGB" or copy.orientation != 1:
        return
    box = _busiest(seen)
    part, sought = image.crop(box), _inner(seen.crop(box))

    def left_over(again: Image.Image | None) -> float:
        return float(np.abs(_inner(again) - sought).mean()) if again is not None else np.inf

    if not _REPEATED < left_over(jpeg(copy, part)) <= _RELATED:
        return
    for quality in _QUALITIES:
        for sampling in (2, 0) if quality >= _FULL_CHROMA else (2,):
            earlier = {"quality": quality, "subsampling": sampling}
            if left_over(jpeg(copy, _coded(part, "JPEG", **earlier))) <= _REPEATED:
                again = jpeg(copy, _coded(image, "JPEG", **earlier))
                if again is not None:
                    yield again
                return


def _inner(part: Image.Image) -> np.ndarray[Any, np.dtype[np.int16]]:
    """Without the rim, whose blocks have chroma of what lay around, once more in each JPEG."""
    return np.asarray(part).astype(np.int16)[_RIM:-_RIM, _RIM:-_RIM]


def _busiest(image: Image.Image) -> tuple[int, int, int, int]:
    """The part with most edges, on the grid of a JPEG's blocks."""
    grey = np.asarray(image.convert("L")).astype(np.int16)
    rows, columns = (side // _UNIT for side in grey.shape)
    edges = np.abs(np.diff(grey, axis=1, prepend=grey[:, :1]))[: rows * _UNIT, : columns * _UNIT]
    energy = edges.reshape(rows, _UNIT, columns, _UNIT).sum(axis=(1, 3))
    wide, high = (
        min(side // _UNIT, most) for side, most in zip(_PROBE, (columns, rows), strict=True)
    )
    total = np.pad(energy.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    sums = total[high:, wide:] - total[:-high, wide:] - total[high:, :-wide] + total[:-high, :-wide]
    top, left = (int(n) * _UNIT for n in np.unravel_index(sums.argmax(), sums.shape))
    return left, top, left + wide * _UNIT, top + high * _UNIT


def _coded(image: Image.Image, coding: str, **options: Any) -> Image.Image:
    return Image.open(_encoded(image, coding, **options), formats=(coding,)).convert("RGB")


def _encoded(image: Image.Image, coding: str, **options: Any) -> BytesIO:
    stream = BytesIO()
    image.save(stream, coding, **options)
    return stream


# --- WebP ---------------------------------------------------------------------------------------


def _webp(copy: Picture, image: Image.Image) -> Iterator[Image.Image]:
    """With the quality that gives the quantisers of `copy`, each found from the one before."""
    sought = quantisers(copy.data)
    bend, tried = _WEBP_FLAT, set[int]()
    while sought and len(tried) < _WEBP_TRIES:
        quality = _quality(sought[0], bend)
        if quality in tried:
            return
        tried.add(quality)
        try:
            stream = _encoded(image, "WEBP", quality=quality)
        except (OSError, ValueError):  # more than 16383 pixels one way
            return
        found = quantisers(stream.getvalue())
        if found == sought:
            yield Image.open(stream, formats=("WEBP",)).convert("RGB")
            return
        compression = _compression(quality)
        if not (found and 0 < found[0] < 127 and 0 < compression < 1):
            return
        bend = log(1 - found[0] / 127) / log(compression)


def _compression(quality: int) -> float:
    """libwebp's own curve from quality to how much is kept, before it looks at the picture."""
    share = quality / 100
    return float((share * 2 / 3 if share < 0.75 else 2 * share - 1) ** (1 / 3))


def _quality(quantiser: int, bend: float) -> int:
    linear = (max(1 - quantiser / 127, 0.0) ** (1 / bend)) ** 3
    return round(100 * float(linear * 1.5 if linear < 0.5 else (linear + 1) / 2))


def quantisers(data: bytes) -> tuple[int, ...]:
    """Those of the frame and of its segments, from a lossy WebP's header (RFC 6386, 9.3 to 9.6)."""
    at = data.find(b"VP8 ", 12)
    if at < 0:
        return ()
    bits = _BoolDecoder(data[at + 18 : at + 218])
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
    """The arithmetic decoder of RFC 6386, section 7, for even chances."""

    def __init__(self, data: bytes) -> None:
        self._bytes = iter(data)
        self._value = self._next() << 8 | self._next()
        self._range, self._shifts = 255, 0

    def _next(self) -> int:
        return next(self._bytes, 0)

    def number(self, bits: int) -> int:
        value = 0
        for _ in range(bits):
            value = value << 1 | self._bit()
        return value

    def optional(self, bits: int) -> int:
        """A flag, and behind it a number and its sign; without it, 0."""
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
