"""Damaged bytes, limits, threads, and the components of a JPEG."""

from __future__ import annotations

import struct
import time
import tracemalloc
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from io import BytesIO
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from support.codings import CODINGS, PICTURE, PNG, SLIDE
from support.slides import animation, encode

from mirror.pictures.blob import inspect
from mirror.pictures.decode import (
    DecodingBudget,
    ImageError,
    ImageLimits,
    ImageTooLargeError,
    Picture,
    components,
)

LIMITS = ImageLimits()


def _refusal(data: bytes, limits: ImageLimits = LIMITS) -> str:
    try:
        inspect(data, limits)
    except ImageError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("name", CODINGS)
@pytest.mark.parametrize("kept", [0.05, 0.5, 0.97])
def test_a_picture_cut_short_is_refused(name, kept):
    data = CODINGS[name]
    with pytest.raises(ImageError):
        inspect(data[: int(len(data) * kept)])


@pytest.mark.parametrize("lost", [1, 4, 12, 16, 20])
def test_a_png_or_jpeg_that_lacks_its_last_bytes_is_refused(lost):
    for name in ("PNG", "JPEG", "animated PNG"):
        with pytest.raises(ImageError, match=r"cut short|truncated"):
            inspect(CODINGS[name][:-lost])


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"quality": 100}])
def test_a_jpeg_whose_rest_was_never_written_is_refused(options):
    """A crash during an upload leaves zeros, which a decoder shows as grey."""
    stream = BytesIO()
    PICTURE.save(stream, "JPEG", **options)
    data = stream.getvalue()
    with pytest.raises(ImageError, match="its end is missing"):
        inspect(data[: len(data) // 2] + bytes(len(data) // 2))
    # Phones append a film, cameras a larger preview; some write 0xFF between segments.
    for odd in (data + b"\xff\xda" * 9, data[:2] + b"\xff\xff" + data[2:]):
        assert inspect(odd).width == PICTURE.width


def test_an_animated_gif_cut_inside_a_block_is_refused():
    frames = [Image.new("L", (50, 50), shade) for shade in (10, 90, 200)]
    whole, first = animation(frames, disposal=1), animation(frames[:2], disposal=1)
    assert inspect(whole)
    for lost in (*range(len(first), len(whole) - 1), len(first) - 2):
        with pytest.raises(ImageError, match="cut short"):
            inspect(whole[:lost])
    assert inspect(whole[: len(first) - 1])  # nothing tells it from one that lacks its trailer


@settings(max_examples=120, deadline=None)
@given(st.sampled_from(sorted(CODINGS)), st.integers(0, 2**32 - 1))
def test_damaged_bytes_end_in_a_blob_or_in_image_error_without_a_warning(name, seed):
    random = Random(seed)
    data = bytearray(CODINGS[name])
    for _ in range(random.choice([1, 3, 30])):
        at = random.randrange(min(len(data), random.choice([60, 600, len(data)])))
        data[at] = random.randrange(256)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        message = _refusal(bytes(data), ImageLimits(max_pixels=4_000_000))
    assert message.isprintable()


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_end_in_a_blob_or_in_image_error(data):
    assert _refusal(data).isprintable()


# --- Limits --------------------------------------------------------------------------------------


def _png_header(width: int, height: int) -> bytes:
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    pixels = b"IDAT" + zlib.compress(bytes(1000))
    chunk += struct.pack(">I", len(pixels) - 4) + pixels + struct.pack(">I", zlib.crc32(pixels))
    return b"\x89PNG\r\n\x1a\n" + chunk + b"\0\0\0\0IEND\xaeB`\x82"


def _with_u16(data: bytes, at: int, width: int, height: int) -> bytes:
    return data[:at] + struct.pack("<HH", width, height) + data[at + 4 :]


def _bombs():
    small = Image.new("RGB", (60, 60), "red")
    yield "PNG", _png_header(50_000, 50_000)
    yield "PNG over 2**31 pixels", _png_header(2**31 - 1, 2**31 - 1)
    yield "GIF", _with_u16(encode(small, "GIF"), 6, 60_000, 60_000)
    webp = encode(small, "WEBP", lossless=False)
    yield "WebP", _with_u16(webp, webp.index(b"\x9d\x01\x2a") + 3, 16_000, 16_000)
    avif = encode(small, "AVIF")
    at = avif.index(b"ispe") + 8
    yield "AVIF", avif[:at] + struct.pack(">II", 30_000, 30_000) + avif[at + 8 :]
    tiff = encode(small, "TIFF")
    entry = tiff.index(struct.pack("<HHIH", 256, 4, 1, 60)) if b"\x00\x01\x04\x00" in tiff else -1
    if entry >= 0:
        wide = tiff[: entry + 8] + struct.pack("<I", 60_000) + tiff[entry + 12 :]
        tall = wide.index(struct.pack("<HHI", 257, 4, 1))
        yield "TIFF", wide[: tall + 8] + struct.pack("<I", 60_000) + wide[tall + 12 :]
    bmp = encode(small, "BMP")
    yield "BMP", bmp[:18] + struct.pack("<ii", 40_000, 40_000) + bmp[26:]
    jpeg = encode(small, "JPEG")
    at = jpeg.index(b"\xff\xc0") + 5
    yield "JPEG", jpeg[:at] + struct.pack(">HH", 60_000, 60_000) + jpeg[at + 4 :]


@pytest.mark.parametrize(("name", "data"), [pytest.param(*bomb, id=bomb[0]) for bomb in _bombs()])
def test_a_decompression_bomb_is_refused_by_its_header(name, data):
    tracemalloc.start()
    with pytest.raises(ImageTooLargeError if name != "AVIF" else ImageError):
        inspect(data)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5_000_000


@pytest.mark.parametrize("coding", ["GIF", "WEBP", "PNG"])
def test_frames_are_limited_in_number_and_in_pixels_together(coding):
    small = animation([Image.new("L", (40, 40), shade) for shade in range(0, 200, 20)], coding)
    assert inspect(small, ImageLimits(max_pixels=10_000))  # ten frames, each 20,000 at least
    with pytest.raises(ImageTooLargeError, match=r"10 frames.*raise max_pixels"):
        inspect(small, ImageLimits(max_pixels=9_999))
    large = animation([Image.new("L", (200, 200), shade) for shade in range(0, 210, 10)], coding)
    assert inspect(large, ImageLimits(max_pixels=42_000))
    with pytest.raises(ImageTooLargeError, match=r"21 frames.*raise max_pixels"):
        inspect(large, ImageLimits(max_pixels=40_000))


@pytest.mark.parametrize(("size", "count"), [((320, 200), 1_100), ((1920, 1080), 490)])
def test_a_screen_recording_is_within_the_limits(size, count):
    ImageLimits().check(size, count)


def test_the_scans_of_a_jpeg_are_limited():
    data = encode(Image.new("L", (8, 8)), "JPEG")
    scan = data[data.index(b"\xff\xda") : data.index(b"\xff\xd9")]
    inspect(data)
    with pytest.raises(ImageTooLargeError, match="8,001 scans"):
        inspect(data[:-2] + scan * 8_000 + data[-2:])


def test_the_chunks_of_a_png_are_limited():
    end = PNG.index(b"IEND") - 4
    empty = struct.pack(">I4sI", 0, b"IDAT", zlib.crc32(b"IDAT"))
    inspect(PNG[:end] + empty * 1_000 + PNG[end:])
    with pytest.raises(ImageTooLargeError, match="PNG with more than 100,000 chunks"):
        inspect(PNG[:end] + empty * 100_000 + PNG[end:])


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        pytest.param(PNG[16:26] + b"\1" + PNG[27:29], "its compression 1 is unknown", id="coding"),
        pytest.param(PNG[16:29] + b"\0", "a header of 13 bytes", id="long header"),
        pytest.param(PNG[16:25] + b"\3" + PNG[26:29], "its palette is missing", id="no palette"),
    ],
)
def test_a_header_that_browsers_refuse_makes_no_picture(head, reason):
    data = PNG[:8] + _chunk(b"IHDR", head) + PNG[33:]
    assert f"PNG that browsers do not show: {reason}" in _refusal(data).replace("expected ", "")


def test_a_png_in_an_icon_is_held_to_the_same_rules():
    def icon(png: bytes) -> bytes:
        entry = struct.pack("<BBBBHHII", 0, 0, 0, 0, 1, 32, len(png), 22)
        return b"\0\0\1\0\1\0" + entry + png

    whole = encode(PICTURE.resize((160, 90)))
    start, end = whole.index(b"IDAT"), whole.index(b"IEND") - 4
    rows = zlib.decompress(whole[start + 4 : end - 4])
    some = _chunk(b"IDAT", zlib.compress(rows[: 89 * 481]))
    assert not _refusal(icon(whole))
    assert "rows are missing" in _refusal(icon(whole[: start - 4] + some + whole[end:]))
    assert all(_refusal(icon(whole[:size])) for size in range(40))
    assert "b'PRVT'" in _refusal(icon(whole[:33] + _chunk(b"PRVT", b"z") + whole[33:]))


def test_a_chunk_that_no_browser_passes_over_makes_no_picture():
    unknown = _chunk(b"PRVT", b"z")
    assert "its chunk b'PRVT' is unknown" in _refusal(PNG[:33] + unknown + PNG[33:])
    assert "its chunk b'IHDR' is unknown" in _refusal(PNG[:33] + PNG[8:33] + PNG[33:])
    end = PNG.index(b"IEND") - 4
    assert not _refusal(PNG[:end] + unknown + PNG[end:])  # browsers have all pixels by then


def test_each_page_of_a_tiff_is_held_to_the_limit():
    data = animation([Image.new("L", (10, 10)), Image.new("L", (400, 400))], "TIFF")
    with pytest.raises(ImageTooLargeError, match="400 x 400"):
        inspect(data, ImageLimits(max_pixels=10_000))


def test_a_limit_above_pillows_own_is_obeyed():
    data = _png_header(20_000, 20_000)
    assert Picture(data, ImageLimits(max_pixels=400_000_000)).size == (20_000, 20_000)
    with pytest.raises(ImageTooLargeError, match="400,000,000 pixels"):
        inspect(data, ImageLimits(max_pixels=399_999_999))


# --- What browsers do not mind --------------------------------------------------------------------


def _chunk(kind: bytes, body: bytes, *, whole: bool = False) -> bytes:
    check = zlib.crc32(kind + body) if whole else 0xBADC0DE
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", check)


@pytest.mark.parametrize(
    "chunk",
    [
        pytest.param(_chunk(b"tEXt", b"Comment\0hello"), id="text"),
        pytest.param(_chunk(b"iCCP", b"x\0\0" + zlib.compress(b"j" * 200)), id="a profile"),
        pytest.param(_chunk(b"pHYs", bytes(9)), id="a resolution"),
        pytest.param(_chunk(b"eXIf", b"MM"), id="EXIF"),
        pytest.param(_chunk(b"prVt", b"anything"), id="a private chunk"),
        pytest.param(_chunk(b"sRGB", b"", whole=True), id="an empty sRGB"),
        pytest.param(_chunk(b"gAMA", b"\0", whole=True), id="a short gAMA"),
        pytest.param(_chunk(b"cHRM", bytes(31), whole=True), id="a short cHRM"),
        pytest.param(_chunk(b"pHYs", b"", whole=True), id="an empty pHYs"),
        pytest.param(_chunk(b"tRNS", b"", whole=True), id="an empty tRNS"),
    ],
)
def test_a_side_chunk_that_browsers_ignore_spoils_no_png(chunk):
    damaged = PNG[:33] + chunk + PNG[33:]
    blob = inspect(damaged)
    assert (blob.size, blob.fingerprint) == (len(damaged), inspect(PNG).fingerprint)


def test_a_chunk_of_pixels_with_a_wrong_check_is_damage():
    for name in ("PNG", "animated PNG"):
        data = bytearray(CODINGS[name])
        kind = b"IDAT" if name == "PNG" else b"fdAT"
        data[data.index(kind) + 9] ^= 0xFF
        with pytest.raises(ImageError):
            inspect(bytes(data))


def test_a_gif_without_its_trailer_is_whole():
    frames = [Image.new("L", (40, 40), shade) for shade in (0, 90, 180)]
    for data in (animation(frames, "GIF"), encode(frames[0], "GIF")):
        assert data.endswith(b";")
        assert inspect(data[:-1]).width == 40
        with pytest.raises(ImageError):
            inspect(data[:-3])


@pytest.mark.parametrize(
    ("coding", "options", "plays"),
    [
        ("GIF", {}, 1),
        ("GIF", {"loop": 0}, None),
        ("GIF", {"loop": 2}, 3),
        ("PNG", {"loop": 0}, None),
        ("PNG", {"loop": 1}, 1),
        ("WEBP", {"loop": 0}, None),
        ("WEBP", {"loop": 4}, 4),
    ],
)
def test_how_often_an_animation_is_played_is_read(coding, options, plays):
    stream = BytesIO()
    first, *others = [Image.new("RGB", (20, 20), (shade, 0, 0)) for shade in (0, 90, 180)]
    first.save(stream, coding, save_all=True, append_images=others, duration=100, **options)
    assert Picture(stream.getvalue(), LIMITS).plays == plays
    assert Picture(PNG, LIMITS).plays == 1


# --- Threads ------------------------------------------------------------------------------------


def test_inspect_in_threads_gives_what_it_gives_alone_and_leaves_the_filters():
    pictures = [
        encode(replace(SLIDE, page=n, size=(640, 360)).draw(), c)
        for n in range(4)
        for c in ("PNG", "JPEG", "WEBP", "GIF")
    ]
    alone = [inspect(data) for data in pictures]
    before = list(warnings.filters)
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(inspect, pictures * 3)) == alone * 3
    assert warnings.filters == before


@pytest.mark.parametrize(
    ("size", "most"),
    [
        pytest.param(30, 3, id="three"),
        pytest.param(60, 1, id="one"),
        pytest.param(900, 1, id="big"),
    ],
)
def test_threads_share_the_memory_for_decoding(size, most):
    budget = DecodingBudget(100)
    inside, counts = set(), []

    def decode(number):
        with budget.taking(size):
            inside.add(number)
            counts.append(len(inside))
            time.sleep(0.005)
            inside.discard(number)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(decode, range(24)))
    assert max(counts) == most


@pytest.mark.parametrize(
    ("mode", "options", "count"),
    [
        ("RGB", {"subsampling": 0}, 3),
        ("RGB", {"subsampling": 1}, 0),
        ("RGB", {"subsampling": 2}, 3),
        ("L", {}, 1),
        ("CMYK", {}, 0),
    ],
)
def test_components_are_those_of_a_sampling_that_is_known(mode, options, count):
    data = encode(SLIDE.draw().convert(mode), "JPEG", **options)
    parts = components(data)
    assert len(parts) == count
    if count:
        assert parts[0].plane.shape == (720, 1280)
        halved = options.get("subsampling") == 2
        assert [part.halved for part in parts] == [False, halved, halved][:count]


def test_components_of_a_damaged_jpeg_are_none():
    data = encode(SLIDE.draw(), "JPEG")
    assert components(data[:-2000]) == []
    assert components(data[:300]) == []


def test_a_warning_that_pillow_lays_at_its_caller_stays_inside(monkeypatch):
    def open_with_warning(*arguments, **options):
        warnings.warn("odd", UserWarning, stacklevel=2)
        return original(*arguments, **options)

    original = Image.open
    monkeypatch.setattr(Image, "open", open_with_warning)
    assert inspect(PNG).media_type == "image/png"
