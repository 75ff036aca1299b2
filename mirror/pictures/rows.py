"""A PNG -> whether its pixels reach its last row: Pillow fills the rest with zeros."""

from __future__ import annotations

import struct
import zlib
from itertools import pairwise

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


def is_interlaced(data: bytes) -> bool:
    """Return True for a PNG, with a header, whose rows come in seven passes."""
    return bool(data[_INTERLACING_AT])


def check_rows(data: bytes) -> None:
    """Raise `MissingRowsError` if the pixels of a PNG end whole, before its last row.

    It takes little memory, and the time of all pixels that the header names.
    """
    inflater, size, found = zlib.decompressobj(), _pixel_bytes(data), 0
    for start, stop in _pixel_chunks(data):
        piece = data[start + 8 : stop - 4]
        while piece and found < size and not inflater.eof:
            try:
                found += len(inflater.decompress(piece, _PIECE_BYTES))
            except zlib.error:
                return  # Pillow says what is wrong
            piece = inflater.unconsumed_tail
    if inflater.eof and found < size:
        raise MissingRowsError(
            f"rows are missing: expected {size:,} bytes of pixels, found {found:,}"
        )


def _pixel_chunks(data: bytes) -> list[tuple[int, int]]:
    """Return the places of the chunks with pixels; none where others lie between them."""
    places = [place for kind, place in png_chunks(data) if kind == b"IDAT"]
    return [] if any(a[1] != b[0] for a, b in pairwise(places)) else places


def _pixel_bytes(data: bytes) -> int:
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
