"""A PNG -> whether the pixels of each frame reach its last row: Pillow fills in the rest."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mirror.pictures.sniff import png_chunks

_HEADER = struct.Struct(">8xI4sIIBBxxB")  # of a PNG, up to the way of interlacing
_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # of a pixel, by the type of colour
_INTERLACING_AT = 28  # the byte of the header that names the way of interlacing
# The first column and row of each pass of an interlaced PNG, and the steps to the next ones.
_PASSES = (
    (0, 0, 8, 8),
    (4, 0, 8, 8),
    (0, 4, 4, 8),
    (2, 0, 4, 4),
    (0, 2, 2, 4),
    (1, 0, 2, 2),
    (0, 1, 1, 2),
)
_PIECE_BYTES = 1 << 20  # of pixels, decompressed at once while they are only counted


class MissingRowsError(Exception):
    """The pixels of a PNG end whole, before its last row. Pillow leaves the rest black."""


@dataclass(frozen=True, slots=True)
class CodedFrame:
    """A frame of a PNG: its number, the bytes of all its rows, and where its pixels are coded."""

    number: int
    row_bytes: int
    places: Sequence[tuple[int, int]]


def is_interlaced(data: bytes) -> bool:
    """Return True for a PNG, with a header, whose rows come in seven passes."""
    return bool(data[_INTERLACING_AT])


def coded_frames(data: bytes) -> Iterator[CodedFrame]:
    """Yield the picture of a PNG, then each frame of its animation that stands behind it."""
    number, row_bytes, places = 0, _row_bytes(data), list[tuple[int, int]]()
    for kind, (start, stop) in png_chunks(data):
        if kind == b"IDAT":
            places.append((start + 8, stop - 4))
        elif kind == b"fdAT":  # a number in front of the pixels
            places.append((start + 12, stop - 4))
        elif kind == b"fcTL" and places:
            yield CodedFrame(number, row_bytes, places)
            size = data[start + 12 : start + 20]
            number, row_bytes, places = number + 1, _row_bytes(data[:16] + size + data[24:33]), []
    yield CodedFrame(number, row_bytes, places)


def check_rows(data: bytes, frame: CodedFrame) -> None:
    """Raise `MissingRowsError` if the pixels of a frame end whole, before its last row.

    It takes little memory, and the time of all pixels that the header names.
    """
    inflater, size, found = zlib.decompressobj(), frame.row_bytes, 0
    for start, stop in frame.places:
        piece = data[start:stop]
        while piece and found < size and not inflater.eof:
            try:
                found += len(inflater.decompress(piece, _PIECE_BYTES))
            except zlib.error:
                return  # Pillow says what is wrong
            piece = inflater.unconsumed_tail
    if inflater.eof and found < size:
        rows = f"rows of frame {frame.number + 1}" if frame.number else "rows"
        raise MissingRowsError(
            f"{rows} are missing: expected {size:,} bytes of pixels, found {found:,}"
        )


def _row_bytes(data: bytes) -> int:
    """Return the size of all rows with their filter types; 0 where the header does not tell it."""
    if len(data) < _HEADER.size:
        return 0
    length, kind, width, height, depth, colour, interlacing = _HEADER.unpack_from(data)
    if (length, kind) != (13, b"IHDR") or colour not in _SAMPLES:
        return 0
    size = 0
    for left, top, right, down in _PASSES if interlacing else ((0, 0, 1, 1),):
        columns, rows = len(range(left, width, right)), len(range(top, height, down))
        size += (1 + (columns * depth * _SAMPLES[colour] + 7) // 8) * rows if columns else 0
    return size
