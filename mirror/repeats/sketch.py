"""Sketches: facts kept of each picture, which refuse most pairs without reading a picture again.

`compare` asks the same questions of a sketch that was kept and of one made anew, so keeping them
changes no verdict.
"""

from __future__ import annotations

import zlib
from collections.abc import Hashable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mirror.pictures import Grey, Picture, has_alpha
from mirror.repeats.cache import Cache

# The means of two blocks of so many pixels a side may differ by so many levels: no coding and no
# resize moves such a mean farther. Of pictures of different size the small ones are compared that
# their fingerprints were made from: a pixel of those is larger than such a block.
_BLOCK, MOST_DIFFERENT = 8, 20
# A picture is plain unless so many tiles, of so many pixels a side, span so many levels. Of 500
# slides one was plain, and it was nearly blank.
_LEAST_TILES, _TILE, _TILE_CONTRAST = 16, 16, 32
_TILE_ROWS = 8  # looked at in one step: most pictures show in the first that they are not plain
_MAX_UNPACKED = 32 << 20  # bytes of blocks in use; of a slide 14 KB
_FIXED_BYTES = 1000  # of a sketch in memory, apart from its two pictures: an estimate


@dataclass(frozen=True, slots=True)
class Header:
    """The facts about a picture that are known before its pixels are decoded."""

    media_type: str
    mode: str
    size: tuple[int, int]
    orientation: int
    is_deep: bool
    is_still: bool
    colours: bytes
    coding: tuple[Hashable, ...]
    byte_count: int

    @classmethod
    def of(cls, picture: Picture) -> Header:
        return cls(
            picture.media_type,
            picture.mode,
            picture.size,
            picture.orientation,
            picture.is_deep,
            picture.is_still,
            picture.colours,
            picture.coding,
            len(picture.data),
        )

    @property
    def is_lossy(self) -> bool:
        return self.coding[0] not in ("palette", "exact")

    @property
    def pixels(self) -> int:
        return self.size[0] * self.size[1]


@dataclass(frozen=True, slots=True)
class Sketch:
    """A picture's header, and facts of its first frame: upright, on white, in grey."""

    header: Header
    is_opaque: bool
    is_plain: bool
    """True if there is too little in it to tell two pictures apart."""
    small: bytes = field(repr=False)
    """The picture of 64 x 64 that its fingerprint was made from."""
    packed_blocks: bytes = field(repr=False)

    @classmethod
    def of(cls, picture: Picture, frame: Image.Image, grey: Grey, small: Image.Image) -> Sketch:
        """Return the sketch of a picture. `grey` and `small` are its frame in grey, and shrunk."""
        blocks = blocks_of(grey.image).tobytes()
        return cls(
            Header.of(picture),
            not has_alpha(frame),
            _is_plain(grey.levels),
            small.tobytes(),
            zlib.compress(blocks, 1),
        )

    @property
    def byte_count(self) -> int:
        return len(self.small) + len(self.packed_blocks) + _FIXED_BYTES

    def could_equal(self, other: Sketch) -> bool:
        """Return False if some pixel of two pictures of one size differs for certain."""
        return (self.is_opaque, self.small, self.packed_blocks) == (
            other.is_opaque,
            other.small,
            other.packed_blocks,
        )

    def difference(self, other: Sketch) -> float:
        """Return the largest luma difference of two blocks, or of two pixels of the small ones."""
        if self.header.size == other.header.size:
            return float(self._apart(other).max())
        first, second = (np.frombuffer(side.small, np.uint8) for side in (self, other))
        return float(np.abs(np.subtract(first, second, dtype=np.int16)).max())

    def farthest(self, other: Sketch) -> tuple[int, int]:
        """Return the row and column at which two pictures of one size differ most, by blocks."""
        return self._place(self._apart(other))

    def farthest_from(self, blocks: NDArray[np.uint8]) -> tuple[int, int] | None:
        """Return where this picture differs most from `blocks_of` another; `None` if nowhere."""
        mine = _unpack(self.packed_blocks)
        apart = np.abs(np.subtract(mine, blocks, dtype=np.int16))
        return self._place(apart) if apart.any() else None

    def _place(self, apart: NDArray[np.int16]) -> tuple[int, int]:
        row, column = divmod(int(apart.argmax()), -(-self.header.size[0] // _BLOCK))
        return row * _BLOCK, column * _BLOCK

    def _apart(self, other: Sketch) -> NDArray[np.int16]:
        apart = np.subtract(
            _unpack(self.packed_blocks),
            _unpack(other.packed_blocks),
            dtype=np.int16,
        )
        return np.abs(apart, out=apart)


@dataclass(frozen=True, slots=True)
class BlockMeans:
    """The means of the blocks of a picture in grey, and the bytes they take."""

    levels: NDArray[np.uint8]
    byte_count: int


_unpacked = Cache[bytes, BlockMeans](_MAX_UNPACKED)


def _unpack(packed: bytes) -> NDArray[np.uint8]:
    blocks = _unpacked.get(packed)
    if blocks is None:
        levels = np.frombuffer(zlib.decompress(packed), np.uint8)
        blocks = BlockMeans(levels, levels.nbytes + len(packed))
        _unpacked.add(packed, blocks)
    return blocks.levels


def blocks_of(grey: Image.Image) -> NDArray[np.uint8]:
    """Return the means of the blocks of a picture in grey, in a row."""
    return np.asarray(grey.reduce(_BLOCK)).ravel()


def _is_plain(levels: NDArray[np.uint8]) -> bool:
    height, width = (side // _TILE * _TILE for side in levels.shape)
    contrasted = 0
    if not width:
        return True
    for top in range(0, height, _TILE * _TILE_ROWS):
        rows = levels[top : min(top + _TILE * _TILE_ROWS, height), :width].reshape(-1, _TILE, width)
        high = rows.max(axis=1).reshape(-1, width // _TILE, _TILE).max(axis=2)
        low = rows.min(axis=1).reshape(-1, width // _TILE, _TILE).min(axis=2)
        contrasted += int(np.count_nonzero(high - low >= _TILE_CONTRAST))
        if contrasted >= _LEAST_TILES:
            return False
    return True
