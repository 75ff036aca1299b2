"""A PNG whose pixels end before its last row is damaged: Pillow fills the rest with zeros."""

from __future__ import annotations

import struct
import tracemalloc
import zlib

import pytest
from PIL import Image
from support.codings import PICTURE
from support.slides import encode

from mirror.pictures.blob import inspect
from mirror.pictures.decode import ImageError
from mirror.pictures.rows import MissingRowsError, check_rows

SMALL = encode(PICTURE.resize((160, 90)))


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def header(width: int, height: int, colour: int, interlacing: int) -> bytes:
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, interlacing))


def png(head: bytes, pixels: bytes) -> bytes:
    end = chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(pixels)) + end


ROW = b"\0" + b"\x80" * 300
INTERLACED_ROWS = b"".join(  # of 8 x 8 grey pixels: one for each pass
    (b"\0" + b"\x80" * columns) * rows
    for columns, rows in ((1, 1), (1, 1), (2, 1), (2, 2), (4, 2), (4, 4), (8, 4))
)


@pytest.mark.parametrize(
    ("data", "counts"),
    [
        pytest.param(png(header(100, 50, 2, 0), ROW * 49), ("15,050", "14,749"), id="the last row"),
        pytest.param(png(header(100, 50, 2, 0), ROW), ("15,050", "301"), id="all rows but one"),
        pytest.param(
            png(header(5000, 4000, 0, 0), (b"\0" + b"\x80" * 5000) * 3999),
            ("20,004,000", "19,998,999"),
            id="the last row of a large one",
        ),
        pytest.param(
            png(header(8, 8, 0, 1), INTERLACED_ROWS[:-9]), ("79", "70"), id="of an interlaced one"
        ),
    ],
)
def test_a_png_whose_pixels_end_before_the_last_row_is_damaged(
    data: bytes, counts: tuple[str, str]
) -> None:
    expected, found = counts
    with pytest.raises(
        ImageError, match=f"rows are missing: expected {expected} bytes of pixels, found {found}"
    ):
        inspect(data)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(png(header(8, 8, 0, 1), INTERLACED_ROWS), id="interlaced"),
        pytest.param(png(header(1, 1, 0, 1), b"\0\0"), id="one interlaced pixel"),
        pytest.param(png(header(3, 1, 0, 1), b"\0\0\0\0\0\0"), id="an interlaced row"),
        pytest.param(encode(Image.new("L", (5000, 4000))), id="large and black"),
        pytest.param(SMALL, id="small"),
    ],
)
def test_a_png_with_all_its_rows_is_whole(data: bytes) -> None:
    check_rows(data)
    inspect(data)


def test_rows_are_counted_in_little_memory() -> None:
    data = png(header(10_000, 9_000, 0, 0), bytes(80_000_000))
    tracemalloc.start()
    with pytest.raises(MissingRowsError, match="found 80,000,000"):
        check_rows(data)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4_000_000
