"""A PNG whose pixels end before its last row is damaged: Pillow fills the rest with zeros."""

from __future__ import annotations

import struct
import tracemalloc
import zlib
from itertools import count

import pytest
from PIL import Image
from support.codings import PICTURE
from support.slides import encode

from mirror.pictures.blob import inspect
from mirror.pictures.decode import ImageError
from mirror.pictures.rows import MissingRowsError, check_rows, coded_frames

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
    check_rows(data, next(coded_frames(data)))
    inspect(data)


def animation(*frames: bytes) -> bytes:
    """Frames of 100 x 50 pixels in colour, coded as they are given."""
    pieces = [header(100, 50, 2, 0), chunk(b"acTL", struct.pack(">II", len(frames), 0))]
    numbers = count()
    for frame in frames:
        control = struct.pack(">IIIIIHHBB", next(numbers), 100, 50, 0, 0, 1, 10, 0, 0)
        pieces.append(chunk(b"fcTL", control))
        coded = zlib.compress(frame)
        if frame is frames[0]:
            pieces.append(chunk(b"IDAT", coded))
        else:
            pieces.append(chunk(b"fdAT", struct.pack(">I", next(numbers)) + coded))
    return b"\x89PNG\r\n\x1a\n" + b"".join(pieces) + chunk(b"IEND", b"")


def test_a_later_frame_without_its_last_row_is_damaged() -> None:
    other = b"\0" + b"\x40" * 300
    inspect(animation(ROW * 50, other * 50, ROW * 50))
    for frames, number in (
        ((ROW * 50, other * 49, ROW * 50), 2),
        ((ROW * 50, ROW * 50, other), 3),
    ):
        with pytest.raises(ImageError, match=f"rows of frame {number} are missing"):
            inspect(animation(*frames))


def test_pixels_that_other_chunks_part_are_counted_as_browsers_do() -> None:
    half = chunk(b"IDAT", zlib.compress(ROW * 25))
    data = png(header(100, 50, 2, 0), b"")[:33] + half + chunk(b"tEXt", b"a\0b") + half
    with pytest.raises(ImageError, match="rows are missing: expected 15,050"):
        inspect(data + chunk(b"IEND", b""))


def palette_png(palette: bytes, colour: int = 0) -> bytes:
    row = b"\0" + bytes([colour]) * 100
    head = header(100, 50, 3, 0) + palette
    return png(head, row * 50)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(
            palette_png(chunk(b"PLTE", bytes(6)), 2),
            "a pixel has colour 2 of a palette that ends at 1",
            id="a short palette",
        ),
        pytest.param(
            palette_png(chunk(b"PLTE", b"")), "do not show: its palette has 0 bytes", id="empty"
        ),
        pytest.param(
            palette_png(chunk(b"PLTE", bytes(6)) * 2), "do not show: it has two palettes", id="two"
        ),
    ],
)
def test_a_palette_that_browsers_read_otherwise_makes_no_picture(data: bytes, reason: str) -> None:
    inspect(palette_png(chunk(b"PLTE", bytes(6)), 1))
    with pytest.raises(ImageError, match=reason):
        inspect(data)


def test_rows_are_counted_in_little_memory() -> None:
    data = png(header(10_000, 9_000, 0, 0), bytes(80_000_000))
    tracemalloc.start()
    with pytest.raises(MissingRowsError, match="found 80,000,000"):
        check_rows(data, next(coded_frames(data)))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4_000_000
