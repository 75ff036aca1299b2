"""A PNG -> the same PNG with its pixels not compressed, so that Pillow has only to copy them.

Pillow decompresses with the zlib of the system. Slides and screenshots are long repetitions, for
which zlib-ng takes a tenth of its time: that saves two fifths of decoding one.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from io import BytesIO
from itertools import pairwise

from zlib_ng import zlib_ng

from mirror.pictures.sniff import png_chunks

_MOST = 1 << 24  # bytes of pixels, which are in memory once more while they are decoded
_HEADER = struct.Struct(">8xI4sIIBBxxB")  # of a PNG, up to the way of interlacing
_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # of a pixel, by the type of colour
_BLOCK = 0xFFFF  # the most bytes in a block that is not compressed: RFC 1951, 3.2.4


def opened_png(data: bytes) -> BytesIO:
    """Return a file of a PNG with its pixels not compressed, and all of its other chunks.

    Where the pixels do not decompress to the size that the header gives, the file has `data`:
    Pillow says what is wrong with it. So it has for one that is interlaced, or large.
    """
    places = [place for kind, place in png_chunks(data) if kind == b"IDAT"]
    size = _pixel_bytes(data)
    if not places or not 0 < size <= _MOST or any(a[1] != b[0] for a, b in pairwise(places)):
        return BytesIO(data)
    file, (start, _), (_, stop) = BytesIO(), places[0], places[-1]
    file.write(data[:start] + b"????IDAT\x78\x01")
    left, check = size, zlib_ng.adler32(b"")
    try:
        for part in _decompressed(data, places):
            left -= len(part)
            if left < 0:
                return BytesIO(data)
            file.write(struct.pack("<?HH", not left, len(part), len(part) ^ _BLOCK) + part)
            check = zlib_ng.adler32(part, check)
    except (zlib_ng.error, EOFError):  # type: ignore[misc]  # its stub takes the class for a value
        return BytesIO(data)
    if left:
        return BytesIO(data)
    file.write(check.to_bytes(4, "big"))
    length = file.tell() - start - 8
    file.write(bytes(4) + data[stop:])  # Pillow reads no checksum of this chunk
    file.seek(start)
    file.write(length.to_bytes(4, "big"))
    file.seek(0)
    return file


def _pixel_bytes(data: bytes) -> int:
    """Return the size of all rows with their filter types; 0 where the header does not tell it."""
    if len(data) < _HEADER.size:
        return 0
    length, kind, width, height, depth, colour, interlacing = _HEADER.unpack_from(data)
    if (length, kind, interlacing) != (13, b"IHDR", 0):
        return 0
    size: int = (1 + (width * depth * _SAMPLES.get(colour, 0) + 7) // 8) * height
    return size


def _decompressed(data: bytes, places: Sequence[tuple[int, int]]) -> Iterator[bytes]:
    """Yield what the chunks at `places` hold, in parts that are not empty.

    Raise `zlib_ng.error` for damage, and `EOFError` unless they end with what they hold.
    """
    inflater = zlib_ng.decompressobj()
    for start, stop in places:
        for at in range(start + 8, stop - 4, _BLOCK):
            packed = data[at : min(at + _BLOCK, stop - 4)]
            while part := inflater.decompress(packed, _BLOCK):
                yield part
                packed = inflater.unconsumed_tail
    if not inflater.eof or inflater.unused_data:
        raise EOFError
