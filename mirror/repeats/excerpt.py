"""Excerpts: parts of decoded pictures, kept to refuse a JPEG of a picture that looks alike.

Pictures of one template differ in one small place, so a few thousand pixels of each refuse most of
their pairs. `compare` makes the same test of pixels that were kept or are cut anew. An excerpt
refuses only what every reproduction of the whole pictures would fail too.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mirror.model import Digest
from mirror.pictures import Picture
from mirror.repeats.band import UNIT
from mirror.repeats.bins import Planes, cannot_show, fits_luma, planes_of_coders
from mirror.repeats.cache import Excerpts
from mirror.repeats.recode import (
    busiest_box,
    jpeg_once,
    jpeg_options,
    luma_once,
    may_be_second,
)
from mirror.repeats.sketch import BlockMeans, Header, Sketch, blocks_of
from mirror.repeats.statistics import luma_inside

PixelBox = tuple[int, int, int, int]

_PLACE = 2 * UNIT  # pixels of a side of the place that is looked at
# Pixels around the place that are coded with it: the colours of the outer unit depend on pixels
# outside.
_BESIDE = 2 * UNIT
_EDGE = 2  # pixels beside the edge of a picture, where filters take mirrored pixels


class DecodedPicture(Protocol):
    """A picture whose pixels are at hand."""

    @property
    def picture(self) -> Picture: ...
    @property
    def rgb(self) -> Image.Image: ...
    def coded_like(self, copy: Picture) -> Image.Image | None:
        """Return the picture after a JPEG like `copy`, `None` if Pillow cannot write one."""


@dataclass(frozen=True, slots=True)
class View:
    """A picture as far as it is known: `decoded` is `None` where only what was kept serves."""

    digest: Digest
    header: Header
    decoded: DecodedPicture | None = None


@dataclass(frozen=True, slots=True)
class _Coding:
    """The coding of a JPEG, so that another picture can be coded like it."""

    options: dict[str, Any]
    table: NDArray[np.float64] | None  # of luma; `None` where no bins are compared
    probe: PixelBox
    byte_count: int = 2000  # an estimate


@dataclass(frozen=True, slots=True)
class _Excerpt:
    """Pixels of a part, and of a JPEG the plane of its luma there."""

    rgb: Image.Image
    luma: NDArray[np.uint8] | None
    sha256: bytes

    @property
    def byte_count(self) -> int:
        return 4 * self.rgb.width * self.rgb.height


@dataclass(frozen=True, slots=True)
class _RecodedExcerpt:
    """An excerpt of an origin as the coding of a copy leaves it."""

    rgb: Image.Image
    luma: NDArray[np.uint8] | None
    planes: Planes

    @property
    def byte_count(self) -> int:
        return 4 * self.rgb.width * self.rgb.height + sum(plane.nbytes for plane in self.planes)


@dataclass(frozen=True, slots=True)
class _Answer:
    holds: bool
    byte_count: int = 0


def may_be_refused(copy: Header) -> bool:
    """Return True if excerpts tell of pictures like `copy`: upright JPEGs in colour."""
    return copy.media_type == "image/jpeg" and copy.mode == "RGB" and copy.orientation == 1


def left_in_excerpt(
    copy: View, origin: View, place: tuple[int, int], most: float, excerpts: Excerpts
) -> float | None:
    """Return the luma left where the two differ, if it proves that `copy` is no JPEG of `origin`.

    `place` is the row and the column, `most` the luma that a reproduction may leave. `None` where
    the excerpt is no proof, or where something was not kept.
    """
    box, inner = _boxes(copy.header.size, place)
    if inner[0] >= inner[2] or inner[1] >= inner[3]:  # the place is on the last pixels of a side
        return None
    if _is_explained(copy, origin, box, inner, most):
        return None
    coding = _coding(copy, excerpts)
    if coding is None:
        return None
    copied, original = (_cut(view, box, excerpts) for view in (copy, origin))
    if copied is None or original is None:
        return None
    if luma_inside(original.rgb, copied.rgb, inner) <= most:
        return None
    recoded = _recode(copy, origin, original, coding, box, excerpts)
    if recoded is None:
        return None
    left = luma_inside(recoded.rgb, copied.rgb, inner)
    if left <= most:
        return None
    if coding.table is not None and _fits(original, recoded, copied, coding.table):
        return None
    return None if _may_be_second(copy, origin, coding, excerpts) else left


def _is_explained(copy: View, origin: View, box: PixelBox, inner: PixelBox, most: float) -> bool:
    """Return True if decoded pixels show at once that the excerpt is no proof: most copies do."""
    if copy.decoded is None or origin.decoded is None:
        return False
    options = jpeg_options(copy.decoded.picture, origin.decoded.rgb)
    made = None if options is None else jpeg_once(origin.decoded.rgb.crop(box), options)
    return made is None or luma_inside(made, copy.decoded.rgb.crop(box), inner) <= most


def place_left(
    copy: View, origin: View, sketch: Sketch, excerpts: Excerpts
) -> tuple[int, int] | None:
    """Return where `copy`, of that sketch, differs most from `origin` after a JPEG like it.

    The coding of a busy place may leave more than an edit does in a faint one. `None` if the two do
    not differ, or where something was not kept.
    """
    key = ("blocks", origin.digest, copy.header.coding)
    blocks: BlockMeans | None = excerpts.get(key)
    if blocks is None:
        if copy.decoded is None or origin.decoded is None:
            return None
        made = origin.decoded.coded_like(copy.decoded.picture)
        if made is None:
            return None
        levels = blocks_of(made.convert("L"))
        blocks = BlockMeans(levels, levels.nbytes)
        excerpts.add(key, blocks)
    return sketch.farthest_from(blocks.levels)


def _boxes(size: tuple[int, int], place: tuple[int, int]) -> tuple[PixelBox, PixelBox]:
    """Return the box to cut, and within it the box to measure."""
    width, height = size
    top, left = (at // _PLACE * _PLACE for at in place)  # few places, so that pairs share them
    box = (
        max(left - _BESIDE, 0),
        max(top - _BESIDE, 0),
        min(left + _PLACE + _BESIDE, width),
        min(top + _PLACE + _BESIDE, height),
    )
    inner = (
        max(left, _EDGE) - box[0],
        max(top, _EDGE) - box[1],
        min(left + _PLACE, width - _EDGE) - box[0],
        min(top + _PLACE, height - _EDGE) - box[1],
    )
    return box, inner


def _coding(copy: View, excerpts: Excerpts) -> _Coding | None:
    key = ("coding", copy.digest)
    coding: _Coding | None = excerpts.get(key)
    if coding is None and copy.decoded is not None:
        picture, rgb = copy.decoded.picture, copy.decoded.rgb
        options = jpeg_options(picture, rgb)
        if options is None:
            return None
        planes = picture.components
        coding = _Coding(options, planes[0].table if planes else None, busiest_box(rgb))
        excerpts.add(key, coding)
    return coding


def _cut(view: View, box: PixelBox, excerpts: Excerpts) -> _Excerpt | None:
    key = (view.digest, box)
    excerpt: _Excerpt | None = excerpts.get(key)
    if excerpt is None and view.decoded is not None:
        left, top, right, bottom = box
        rgb = view.decoded.rgb.crop(box)
        planes = view.decoded.picture.components if may_be_refused(view.header) else []
        luma = planes[0].plane[top:bottom, left:right].copy() if planes else None
        excerpt = _Excerpt(rgb, luma, sha256(rgb.tobytes()).digest())
        excerpts.add(key, excerpt)
    return excerpt


def _recode(
    copy: View, origin: View, original: _Excerpt, coding: _Coding, box: PixelBox, excerpts: Excerpts
) -> _RecodedExcerpt | None:
    key = (origin.digest, box, copy.header.coding)
    recoded: _RecodedExcerpt | None = excerpts.get(key)
    if recoded is None:
        made = jpeg_once(original.rgb, coding.options)
        if made is None:
            return None
        table = coding.table
        planes = () if table is None else planes_of_coders(np.asarray(original.rgb), table)
        luma = None if table is None else luma_once(original.rgb, coding.options)
        recoded = _RecodedExcerpt(made, luma, planes)
        excerpts.add(key, recoded)
    return recoded


def _fits(
    original: _Excerpt, recoded: _RecodedExcerpt, copied: _Excerpt, table: NDArray[np.float64]
) -> bool:
    """Return True if some coder's bins may show the copy here."""
    if copied.luma is None or recoded.luma is None:
        return True
    if cannot_show(recoded.planes, copied.luma, table):
        return False
    return fits_luma(copied.luma, recoded.luma, table, np.asarray(original.rgb))


def _may_be_second(copy: View, origin: View, coding: _Coding, excerpts: Excerpts) -> bool:
    """Return True if the copy may be a second JPEG of the origin, as far as its probe shows."""
    copied, original = (_cut(view, coding.probe, excerpts) for view in (copy, origin))
    if copied is None or original is None:
        return True
    key = (original.sha256, copied.sha256, copy.header.coding)
    answer: _Answer | None = excerpts.get(key)
    if answer is None:
        answer = _Answer(may_be_second(original.rgb, copied.rgb, coding.options))
        excerpts.add(key, answer)
    return answer.holds
