"""Pillow decodes a PNG to the same pixels, or refuses it with the same words, in less time."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from support.codings import CODINGS, PICTURE, PNG
from support.slides import encode

from mirror.model import Blob
from mirror.pictures import decode
from mirror.pictures.blob import inspect
from mirror.pictures.decode import ImageError
from mirror.pictures.inflate import opened_png

NOISE = Image.frombytes("RGB", (300, 200), Random(1).randbytes(300 * 200 * 3))
GREY = PICTURE.convert("L")
DEEP = Image.frombytes("I;16", (90, 70), Random(2).randbytes(90 * 70 * 2))
INTERLACED = PNG[:28] + b"\1" + struct.pack(">I", zlib.crc32(PNG[12:28] + b"\1")) + PNG[33:]


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def with_pixels(data: bytes, packed: bytes, piece: int = 1 << 20) -> bytes:
    """Return a PNG with other bytes for its pixels, in chunks of so many."""
    first, last = data.index(b"IDAT") - 4, data.index(b"IEND") - 4
    pieces = [packed[at : at + piece] for at in range(0, len(packed), piece)]
    return data[:first] + b"".join(chunk(b"IDAT", piece) for piece in pieces) + data[last:]


def pixels_of(data: bytes) -> bytes:
    """Return what the chunks of a PNG of one chunk hold, decompressed."""
    at = data.index(b"IDAT")
    return zlib.decompress(data[at + 4 : at + 4 + int.from_bytes(data[at - 4 : at], "big")])


SMALL = encode(PICTURE.resize((160, 90)))
ROWS = pixels_of(SMALL)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(PNG, id="RGB"),
        pytest.param(encode(PICTURE.convert("RGBA")), id="RGBA"),
        pytest.param(encode(GREY.convert("LA")), id="LA"),
        pytest.param(encode(GREY), id="L"),
        pytest.param(encode(PICTURE.convert("1")), id="1"),
        pytest.param(encode(DEEP), id="16 bits"),
        *(pytest.param(encode(PICTURE.quantize(n)), id=f"{n} colours") for n in (2, 4, 16, 256)),
        pytest.param(encode(PICTURE, transparency=(255, 255, 255)), id="a transparent colour"),
        pytest.param(encode(NOISE), id="noise"),
        pytest.param(encode(NOISE, compress_level=0), id="not compressed"),
        pytest.param(encode(PICTURE.crop((0, 0, 1, 1))), id="one pixel"),
        pytest.param(with_pixels(SMALL, zlib.compress(ROWS), 1), id="a chunk for each byte"),
        pytest.param(with_pixels(SMALL, zlib.compress(ROWS), 7), id="small chunks"),
        pytest.param(CODINGS["animated PNG"], id="animated"),
    ],
)
def test_pillow_reads_the_same_pixels_and_facts(data: bytes) -> None:
    file = opened_png(data)
    assert file.getbuffer() != data
    with Image.open(file) as image, Image.open(BytesIO(data)) as expected:
        assert (image.mode, image.size, image.info) == (expected.mode, expected.size, expected.info)
        for frame in range(getattr(expected, "n_frames", 1)):
            image.seek(frame)
            expected.seek(frame)
            assert image.tobytes() == expected.tobytes()


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(PNG[:20], id="no header"),
        pytest.param(PNG[: len(PNG) // 2], id="cut short"),
        pytest.param(INTERLACED, id="interlaced"),
        pytest.param(with_pixels(SMALL, zlib.compress(ROWS[:-1])), id="a byte too few"),
        pytest.param(with_pixels(SMALL, zlib.compress(ROWS + b"\0")), id="a byte too many"),
        pytest.param(with_pixels(SMALL, zlib.compress(ROWS)[:-4]), id="no checksum"),
        pytest.param(with_pixels(SMALL, zlib.compress(ROWS)[:-1] + b"?"), id="a wrong checksum"),
        pytest.param(with_pixels(SMALL, zlib.compress(ROWS) + b"?"), id="something behind"),
        pytest.param(with_pixels(SMALL, zlib.compress(bytes(1 << 28))), id="a bomb"),
        pytest.param(encode(Image.new("L", (5000, 5000))), id="large"),
        pytest.param(
            SMALL[: SMALL.index(b"IDAT") - 4]
            + chunk(b"IDAT", zlib.compress(ROWS)[:99])
            + chunk(b"tEXt", b"a\0b")
            + chunk(b"IDAT", zlib.compress(ROWS)[99:])
            + chunk(b"IEND", b""),
            id="a chunk between pixels",
        ),
    ],
)
def test_anything_else_is_left_to_pillow(data: bytes) -> None:
    assert opened_png(data).getvalue() == data


def outcome(data: bytes) -> Blob | str:
    try:
        return inspect(data)
    except ImageError as error:
        return str(error)


@given(st.integers(0, len(SMALL) - 1), st.integers(1, 255), st.booleans())
@settings(max_examples=200, deadline=None)
def test_damage_ends_as_it_does_in_pillow_alone(at: int, flipped: int, is_cut: bool) -> None:
    data = SMALL[:at] + bytes([SMALL[at] ^ flipped]) + (b"" if is_cut else SMALL[at + 1 :])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decode, "opened_png", BytesIO)
        expected = outcome(data)
    assert outcome(data) == expected
