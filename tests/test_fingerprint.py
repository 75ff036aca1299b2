from __future__ import annotations

import struct
import tracemalloc
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from hashlib import md5, sha256
from io import BytesIO
from itertools import combinations
from pathlib import Path
from random import Random

import imagehash
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageDraw, ImageFont, ImageOps
from scipy import ndimage
from slides import THEMES, Slide, Theme, animation, builds, deck, encode, turned, with_digit_changed

from mirror.model import Blob, Digest, Fingerprint
from mirror.pictures.blob import inspect
from mirror.pictures.decode import ImageError, ImageLimits, ImageTooLargeError, Picture
from mirror.pictures.phash import shrink
from mirror.repeats import search
from mirror.repeats.choose import choose, run
from mirror.repeats.compare import compare
from mirror.repeats.evidence import DISTANCE, Candidate, Evidence, Pair, Refusal
from mirror.repeats.search import find_candidates
from mirror.repeats.statistics import measure

SLIDE = deck(3)[2]
PICTURE = SLIDE.draw()
PNG = encode(PICTURE)
LIMITS = ImageLimits()


def _hash(image: Image.Image) -> str:
    return str(imagehash.phash(image, hash_size=16))


# --- Facts --------------------------------------------------------------------------------------


def test_inspect_reads_every_fact_from_the_bytes():
    blob = inspect(PNG)
    assert blob.digest.hex == sha256(PNG).hexdigest()
    assert blob.md5 == md5(PNG, usedforsecurity=False).hexdigest()
    assert blob.size == len(PNG)
    assert (blob.media_type, blob.width, blob.height) == ("image/png", 1280, 720)
    assert str(blob.fingerprint) == _hash(PICTURE)


@pytest.mark.parametrize(
    ("coding", "media_type"),
    [
        ("PNG", "image/png"),
        ("JPEG", "image/jpeg"),
        ("GIF", "image/gif"),
        ("WEBP", "image/webp"),
        ("AVIF", "image/avif"),
        ("BMP", "image/bmp"),
        ("TIFF", "image/tiff"),
        ("ICO", "image/x-icon"),
    ],
)
def test_media_type_and_fingerprint_for_each_format(coding, media_type):
    image = PICTURE.resize((256, 144))
    data = encode(image, coding, sizes=[(256, 144)])
    blob = inspect(data)
    with Image.open(BytesIO(data)) as decoded:
        assert str(blob.fingerprint) == _hash(decoded.convert("RGB"))
    assert blob.media_type == media_type
    assert (blob.width, blob.height) == (256, 144)


def test_a_jpeg_with_more_pictures_behind_it_is_a_jpeg():
    data = animation([PICTURE, PICTURE.rotate(180)], "MPO")
    blob = inspect(data)
    assert blob.media_type == "image/jpeg"


@pytest.mark.parametrize("trailing", [b"\0" * 40, b"<?php evil() ?>", PNG[:100]])
def test_trailing_data_after_a_whole_picture_is_accepted(trailing):
    for data in (PNG, encode(PICTURE, "JPEG"), encode(PICTURE, "GIF")):
        blob = inspect(data + trailing)
        assert blob.media_type == inspect(data).media_type
        assert blob.digest.hex == sha256(data + trailing).hexdigest()


# --- Fingerprint --------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [1, 63, 64, 255, 256, 257, 500, 1280, 1281, 3333, 9_999, 10_000])
@pytest.mark.parametrize("kind", ["noise", "black and white noise", "edge"])
def test_shrink_is_pillows_resize_bit_for_bit(width, kind):
    random = np.random.default_rng(width)
    if kind == "edge":
        pixels = np.where(np.arange(width) < width * 0.37, 255, 0) * np.ones((30, 1))
    else:
        levels = 256 if kind == "noise" else 2
        pixels = random.integers(0, levels, (30, width)) * (255 // (levels - 1))
    image = Image.fromarray(pixels.astype(np.uint8))
    expected = image.resize((64, 64), Image.Resampling.LANCZOS)
    assert shrink(image).tobytes() == expected.tobytes()


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 900), st.integers(1, 200), st.integers(0, 2**32 - 1))
def test_shrink_is_pillows_resize_for_any_size(width, height, seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width), dtype=np.uint8)
    image = Image.fromarray(pixels)
    expected = image.resize((64, 64), Image.Resampling.LANCZOS)
    assert shrink(image).tobytes() == expected.tobytes()


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_fingerprint_is_imagehash_on_white_for_each_png_mode(mode):
    image = PICTURE.convert("L") if mode == "I;16" else PICTURE.convert(mode)
    if mode == "I;16":
        image = Image.fromarray(np.asarray(image).astype(np.uint16) * 257)
    expected = PICTURE.convert("L") if mode == "I;16" else image.convert("RGB")
    assert str(inspect(encode(image)).fingerprint) == _hash(expected)


def test_transparent_pixels_are_hashed_on_white():
    image = PICTURE.convert("RGBA")
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    white = Image.new("RGBA", image.size, "white")
    expected = _hash(Image.alpha_composite(white, image).convert("RGB"))
    assert str(inspect(encode(image)).fingerprint) == expected
    assert expected != _hash(PICTURE)


def test_a_palette_with_transparency_is_laid_on_white():
    image = Image.new("P", (300, 300), 1)
    image.putpalette([0, 0, 0, 255, 0, 0])
    image.paste(0, (50, 50, 200, 120))
    data = encode(image, transparency=bytes([128, 255]))
    red = Image.new("RGB", (300, 300), "red")
    red.paste((127, 127, 127), (50, 50, 200, 120))
    assert str(inspect(data).fingerprint) == _hash(red)


def test_cmyk_jpeg_is_hashed_as_rgb():
    data = encode(PICTURE.convert("CMYK"), "JPEG", quality=95)
    assert inspect(data).fingerprint.distance(inspect(PNG).fingerprint) <= 10


@pytest.mark.parametrize("orientation", range(1, 9))
def test_width_height_and_fingerprint_are_those_of_the_upright_picture(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = PICTURE.resize((320, 180))
    data = encode(image, exif=exif.tobytes())
    image.info["exif"] = exif.tobytes()
    upright = ImageOps.exif_transpose(image)
    blob = inspect(data)
    assert (blob.width, blob.height) == upright.size
    assert str(blob.fingerprint) == _hash(upright)


def test_an_animation_is_hashed_by_its_first_frame():
    frames = [PICTURE, PICTURE.rotate(180)]
    assert inspect(animation(frames)).fingerprint == inspect(encode(PICTURE, "GIF")).fingerprint


def test_an_icc_profile_changes_nothing():
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert inspect(encode(PICTURE, icc_profile=profile)).fingerprint == inspect(PNG).fingerprint


# --- SVG ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b"<svg/>", id="empty"),
        pytest.param(b"<svg xmlns='http://www.w3.org/2000/svg'><g/></svg>\n", id="plain"),
        pytest.param(b"\xef\xbb\xbf <svg></svg><!-- by --> <!-- hand -->\n", id="BOM and comments"),
        pytest.param(b"<!--" + b"licence " * 2000 + b"--><svg></svg>", id="a long licence"),
        pytest.param(
            "<?xml version='1.0' encoding='UTF-16'?><svg></svg>".encode("utf-16"), id="UTF-16"
        ),
        pytest.param(b"<?xml version='1.0'?><!-- a > b --><svg:svg></svg:svg >", id="prefix"),
        pytest.param(
            b'<!DOCTYPE svg [<!ENTITY a "&b;&b;"><!ENTITY b "ha">]><svg>&a;</svg>', id="entities"
        ),
        pytest.param(
            b"<!DOCTYPE svg PUBLIC '-//W3C//DTD SVG 1.1//EN' 'x'><svg></svg>", id="doctype"
        ),
    ],
)
def test_svg_is_known_by_its_root_and_has_no_pixels(text):
    blob = inspect(text)
    assert blob.media_type == "image/svg+xml"
    assert blob.width is blob.height is blob.fingerprint is None


# --- Bad input ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "empty"),
        (b" \n\t", "only blanks"),
        (b"<!DOCTYPE html><title>404</title>", "an HTML page"),
        (b"\n<html><body><svg></svg></body></html>", "an HTML page"),
        (b"<?xml version='1.0'?><Error><Code>NoSuchKey</Code></Error>", "XML.*NoSuchKey"),
        (b'{"message": "denied"}', "JSON"),
        (b"not found\x1b[31m", "."),
        (b"%PDF-1.7 ...", "PDF"),
        (b"PK\x03\x04....", "ZIP"),
        (b"\0\0\0\x18ftypmp42....", "mp42"),
        (b"\0\0\0\x18ftypheic....", "heic"),
        (b"\x01\x02\x03\xff" * 9, "36 bytes that begin 010203ff010203ff"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "PostScript"),
        (b"P6 1 1 255\n\0\0\0", "14 bytes that begin 5036"),
        ("找不到图片".encode("gb18030"), "."),
        (b"<svg><g>", "SVG.*cut short"),
        (b"<svg><g></g></sv", "SVG.*cut short"),
        (b"<svg>" + b"<!---->" * 200_000, "SVG.*cut short"),
        (b"<svg " * 9000, "SVG.*cut short"),
        (b"\x89PNG\r\n\x1a\n", "PNG"),
        (b"\xff\xd8\xff\xe0", "JPEG"),
        (b"GIF89a\0\0\0\0\0\0\0;", "GIF"),
        (b"BM", "BMP"),
    ],
)
def test_what_is_not_a_picture_is_named(data, said):
    with pytest.raises(ImageError, match=said) as caught:
        inspect(data)
    assert str(caught.value).isprintable()


def _refusal(data: bytes, limits: ImageLimits = LIMITS) -> str:
    try:
        inspect(data, limits)
    except ImageError as error:
        return str(error)
    return ""


CODINGS = {
    "PNG": PNG,
    "JPEG": encode(PICTURE, "JPEG"),
    "GIF": encode(PICTURE, "GIF"),
    "WebP": encode(PICTURE, "WEBP"),
    "AVIF": encode(PICTURE.resize((320, 180)), "AVIF"),
    "BMP": encode(PICTURE.resize((320, 180)), "BMP"),
    "TIFF": encode(PICTURE.resize((320, 180)), "TIFF"),
    "animated GIF": animation([PICTURE.resize((320, 180)).rotate(n) for n in (0, 9, 20)]),
    "animated WebP": animation([PICTURE.resize((320, 180)).rotate(n) for n in (0, 9, 20)], "WEBP"),
    "animated PNG": animation([PICTURE.resize((320, 180)).rotate(n) for n in (0, 9, 20)], "PNG"),
}


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


def test_an_animated_gif_cut_between_frames_is_refused():
    frames = [Image.new("L", (50, 50), shade) for shade in (10, 90, 200)]
    whole, first = animation(frames, disposal=1), animation(frames[:2], disposal=1)
    assert inspect(whole)
    cut = whole[: len(first) - 1]
    with pytest.raises(ImageError, match="last frames"):
        inspect(cut)


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


def test_frames_are_limited_in_number_and_in_pixels_together():
    frames = [Image.new("L", (40, 40), shade) for shade in range(0, 200, 20)]
    for coding in ("GIF", "WEBP", "PNG"):
        data = animation(frames, coding)
        assert inspect(data, ImageLimits(max_frames=10))
        with pytest.raises(ImageTooLargeError, match="9 frames"):
            inspect(data, ImageLimits(max_frames=9))
        with pytest.raises(ImageTooLargeError, match="in all"):
            inspect(data, ImageLimits(max_total_pixels=40 * 40 * 9))


def test_each_page_of_a_tiff_is_held_to_the_limit():
    data = animation([Image.new("L", (10, 10)), Image.new("L", (400, 400))], "TIFF")
    with pytest.raises(ImageTooLargeError, match="400 x 400"):
        inspect(data, ImageLimits(max_pixels=10_000))


def test_a_limit_above_pillows_own_is_obeyed():
    data = _png_header(20_000, 20_000)
    assert Picture(data, ImageLimits(max_pixels=400_000_000)).size == (20_000, 20_000)
    with pytest.raises(ImageTooLargeError, match="400,000,000 pixels"):
        inspect(data, ImageLimits(max_pixels=399_999_999))


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


# --- Statistics ---------------------------------------------------------------------------------


def plain_statistics(first: np.ndarray, second: np.ndarray) -> list[float]:
    """The statistics as their definition reads, in double precision and with scipy."""

    def box(x, n):
        return ndimage.uniform_filter(x, n, mode="mirror")

    def grow(x, r):
        return ndimage.maximum_filter(x, size=2 * r + 1, mode="nearest")

    def var(x, n):
        return np.maximum(box(x * x, n) - box(x, n) ** 2, 0)

    def smooth(x):
        for axis in (0, 1):
            x = ndimage.convolve1d(x, [0.25, 0.5, 0.25], axis=axis, mode="mirror")
        return x

    def half(x):
        x = x[: x.shape[0] // 2 * 2, : x.shape[1] // 2 * 2]
        return (x[0::2, 0::2] + x[1::2, 0::2] + x[0::2, 1::2] + x[1::2, 1::2]) / 4

    def planes(rgb):
        red, green, blue = rgb.astype(np.float64)
        luma = 0.299 * red + 0.587 * green + 0.114 * blue
        chroma = 0.564 * (blue - luma), 0.713 * (red - luma)
        return smooth(luma), *(smooth(half(plane)) for plane in chroma)

    def alone(x, side):
        rows, columns = (range(0, length, side) for length in x.shape)
        tiles = sorted(x[r : r + side, c : c + side].max() for r in rows for c in columns)
        return tiles[-1] / max(([0] * 20 + tiles)[-20], 0.5)

    (ya, ba, ra), (yb, bb, rb) = planes(first), planes(second)
    d = ya - yb
    v = np.minimum(var(ya, 5), var(yb, 5))
    cv = np.minimum(var(ba, 8) + var(ra, 8), var(bb, 8) + var(rb, 8))
    luma, tint = np.abs(box(d, 3)), np.hypot(box(ba - bb, 3), box(ra - rb, 3))
    return [
        luma.max(),
        (luma / (np.sqrt(grow(v, 8)) + 5)).max(),
        (box(d * d, 5) / (grow(v, 3) + 60)).max(),
        (tint / (np.sqrt(grow(cv, 4)) + 5)).max(),
        tint.max(),
        max(alone(luma, 16), alone(tint, 8)),
    ]


def planes_of(image: Image.Image) -> np.ndarray:
    return np.ascontiguousarray(np.moveaxis(np.asarray(image.convert("RGB")), 2, 0))


def decoded(data: bytes) -> Image.Image:
    with Image.open(BytesIO(data)) as image:
        return image.convert("RGB")


@settings(max_examples=25, deadline=None)
@given(st.integers(32, 400), st.integers(32, 200), st.integers(0, 2**32 - 1), st.integers(1, 60))
def test_statistics_equal_their_definition_for_any_size(height, width, seed, change):
    random = np.random.default_rng(seed)
    first = np.full((3, height, width), 200, np.uint8)
    top, left = random.integers(0, height - 8), random.integers(0, width - 8)
    first[:, top : top + 30, left : left + 30] = random.integers(
        0, 256, first[:, top : top + 30, left : left + 30].shape
    )
    second = first.astype(int)
    top, left = random.integers(0, height - 5), random.integers(0, width - 5)
    second[:, top : top + 5, left : left + 5] += random.integers(-change, change + 1, (3, 1, 1))
    second = second.clip(0, 255).astype(np.uint8)
    expected = plain_statistics(first, second)
    assert measure(first, second) == pytest.approx(expected, rel=2e-3, abs=2e-3)
    assert measure(second, first) == pytest.approx(expected, rel=2e-3, abs=2e-3)


@pytest.mark.parametrize("quality", [90, 60])
def test_statistics_equal_their_definition_on_a_slide(quality):
    first, second = planes_of(PICTURE), planes_of(decoded(encode(PICTURE, "JPEG", quality=quality)))
    expected = plain_statistics(first, second)
    assert measure(first, second) == pytest.approx(expected, rel=2e-3, abs=2e-3)


def test_statistics_of_a_picture_with_itself_are_nothing():
    assert measure(planes_of(PICTURE), planes_of(PICTURE)) == (0, 0, 0, 0, 0, 0)


def test_measuring_stops_as_soon_as_it_is_hopeless():
    first = planes_of(PICTURE)
    second = first.copy()
    second[:, 5, 5] ^= 255
    second[:, -5, -5] ^= 255
    seen = []
    assert measure(first, second, lambda found: not seen.append(found)) == seen[0]
    assert len(seen) == 1


# --- Same or not --------------------------------------------------------------------------------

WIDTH, HEIGHT = PICTURE.size
LANCZOS = Image.Resampling.LANCZOS


def verdict(first: bytes, second: bytes, distance: int | None = None) -> Evidence:
    """Compare in both orders, which must agree; fingerprints count as near enough."""
    one, other = inspect(first).fingerprint, inspect(second).fingerprint
    if distance is None:
        distance = min(one.distance(other), DISTANCE)
    evidence = compare(first, second, distance)
    assert compare(second, first, distance) == evidence
    assert evidence.same is (evidence.refusal is None)
    return evidence


def smaller(by: float, coding: str = "PNG", **options: object) -> bytes:
    size = (round(WIDTH * by), round(HEIGHT * by))
    return encode(PICTURE.resize(size, LANCZOS), coding, **options)


@pytest.mark.parametrize(
    ("copy", "tiers"),
    [
        pytest.param(encode(PICTURE, compress_level=1), {"X3"}, id="PNG written again"),
        pytest.param(encode(PICTURE, "WEBP", lossless=True), {"X3"}, id="lossless WebP"),
        pytest.param(encode(PICTURE, "BMP"), {"X3"}, id="BMP"),
        pytest.param(encode(PICTURE.convert("RGBA")), {"X3"}, id="opaque alpha"),
        *(
            pytest.param(encode(PICTURE, "JPEG", quality=quality), {"T0"}, id=f"JPEG {quality}")
            for quality in (95, 85, 75, 60)
        ),
        pytest.param(
            encode(PICTURE, "JPEG", quality=80, progressive=True), {"T0"}, id="progressive"
        ),
        pytest.param(encode(PICTURE, "JPEG", quality=85, subsampling=0), {"T0"}, id="4:4:4"),
        pytest.param(turned(PICTURE), {"T0"}, id="EXIF-rotated"),
        pytest.param(smaller(0.75, "JPEG", quality=85), {"T0"}, id="0.75x JPEG"),
        pytest.param(smaller(0.5), {"T0"}, id="0.5x PNG"),
        pytest.param(smaller(0.5, "JPEG", quality=80), {"T0"}, id="0.5x JPEG"),
        pytest.param(smaller(2), {"T0"}, id="2x"),
        pytest.param(smaller(1.5, "JPEG", quality=90), {"T0"}, id="1.5x JPEG"),
        *(
            pytest.param(encode(PICTURE, "WEBP", quality=quality), {"T0"}, id=f"WebP {quality}")
            for quality in (95, 80, 75, 60, 40)
        ),
        *(
            pytest.param(
                encode(decoded(encode(PICTURE, "JPEG", quality=first)), "JPEG", quality=second),
                {"T0"},
                id=f"JPEG {second} of a JPEG {first}",
            )
            for first, second in ((75, 85), (90, 75), (63, 80))
        ),
        pytest.param(
            encode(decoded(smaller(0.75, "JPEG", quality=80)), "JPEG", quality=70),
            {"T0"},
            id="0.75x JPEG of a JPEG",
        ),
        pytest.param(smaller(0.75, "WEBP", quality=75), {"T0"}, id="0.75x WebP"),
    ],
)
def test_a_copy_is_the_same_picture(copy, tiers):
    evidence = verdict(PNG, copy)
    assert evidence.tier in tiers, evidence
    assert inspect(PNG).fingerprint.distance(inspect(copy).fingerprint) <= DISTANCE


def _edited(text: str, at: tuple[int, int], size: int, fill: str) -> Image.Image:
    image = PICTURE.copy()
    ImageDraw.Draw(image).text(at, text, fill, ImageFont.load_default(size))
    return image


def _recoloured() -> Image.Image:
    """The title in another colour of the same luma."""
    pixels = np.asarray(PICTURE).astype(float)
    title = pixels[40:100]
    ink = np.abs(title - 255).max(axis=2) > 60
    title[ink] += np.array([60.0, -60 * 0.299 / 0.587, 0.0])
    return Image.fromarray(pixels.clip(0, 255).round().astype(np.uint8))


EDITS = {
    "another page number": replace(SLIDE, page=SLIDE.page + 1).draw(),
    "a digit of the table": with_digit_changed(SLIDE).draw(),
    "one bullet less": replace(SLIDE, build=len(SLIDE.bullets) - 1).draw(),
    "a full stop more": _edited(".", (700, 135), 28, "#202020"),
    "an icon more": _edited("o", (1100, 300), 22, "#909090"),
    "a recoloured title": _recoloured(),
    "another logo": replace(SLIDE, theme=replace(SLIDE.theme, logo="ACNE Cloud")).draw(),
}
RECODINGS = {
    "PNG": encode,
    "JPEG 85": lambda image: encode(image, "JPEG", quality=85),
    "JPEG 60": lambda image: encode(image, "JPEG", quality=60),
    "WebP 80": lambda image: encode(image, "WEBP", quality=80),
    "0.75x JPEG 85": lambda image: encode(image.resize((960, 540), LANCZOS), "JPEG", quality=85),
    "0.5x PNG": lambda image: encode(image.resize((640, 360), LANCZOS)),
    "1.5x PNG": lambda image: encode(image.resize((1920, 1080), LANCZOS)),
}


@pytest.mark.parametrize("coding", RECODINGS)
@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_is_another_picture_in_every_coding(edit, coding):
    evidence = verdict(PNG, RECODINGS[coding](EDITS[edit]))
    assert evidence.refusal in (Refusal.PIXELS, Refusal.UNEXPLAINED), evidence


def _grey_deep() -> bytes:
    return encode(Image.fromarray(np.asarray(PICTURE.convert("L")).astype(np.uint16) * 257))


def _with_hole() -> Image.Image:
    image = PICTURE.convert("RGBA")
    image.paste((255, 255, 255, 0), (1000, 200, 1100, 300))
    return image


def _palette_with_hole() -> bytes:
    image = PICTURE.quantize(32)
    return encode(image, transparency=image.getpixel((2, 300)))


def _profile(red_x: float) -> bytes:
    """A display profile like sRGB but for its red, as a wide-gamut screen has."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    at = profile.index(b"rXYZ")
    where = int.from_bytes(profile[at + 4 : at + 8], "big") + 8
    profile[where : where + 4] = int(red_x * 65536).to_bytes(4, "big")
    return bytes(profile)


def _png_with_gamma(gamma: int) -> bytes:
    body = b"gAMA" + gamma.to_bytes(4, "big")
    chunk = b"\0\0\0\4" + body + struct.pack(">I", zlib.crc32(body))
    return PNG[:33] + chunk + PNG[33:]


FRAMES = [PICTURE, PICTURE.rotate(180)]
JPEG = encode(PICTURE, "JPEG", quality=85)
BLANK = Image.new("RGB", (800, 600), "white")
NEARLY_BLANK = replace(Slide(""), theme=Theme(accent="white", logo="")).draw()


@pytest.mark.parametrize(
    ("first", "second", "refusal"),
    [
        pytest.param(
            animation(FRAMES), animation([PICTURE, PICTURE]), Refusal.ANIMATED, id="one first frame"
        ),
        pytest.param(animation(FRAMES), PNG, Refusal.ANIMATED, id="animation and its first frame"),
        pytest.param(
            animation(FRAMES),
            animation(FRAMES, duration=500),
            Refusal.ANIMATED,
            id="other delays",
        ),
        pytest.param(encode(_with_hole()), JPEG, Refusal.TRANSPARENT, id="a hole in white"),
        pytest.param(_palette_with_hole(), JPEG, Refusal.TRANSPARENT, id="a palette with a hole"),
        pytest.param(
            encode(Image.new("RGB", (12, 12), "red")),
            encode(Image.new("RGB", (12, 12), "blue"), "JPEG"),
            Refusal.SMALL,
            id="tiny",
        ),
        pytest.param(encode(NEARLY_BLANK), encode(NEARLY_BLANK, "JPEG"), Refusal.PLAIN, id="blank"),
        pytest.param(PNG, smaller(0.5), None, id="(control: half size is the same)"),
        pytest.param(
            PNG, encode(PICTURE.resize((1280, 700)), "JPEG"), Refusal.SHAPE, id="another shape"
        ),
        pytest.param(_grey_deep(), JPEG, Refusal.DEPTH, id="16 bits a channel"),
        pytest.param(
            encode(PICTURE.convert("CMYK"), "JPEG", quality=95), PNG, Refusal.DEPTH, id="CMYK"
        ),
        pytest.param(
            encode(PICTURE, icc_profile=_profile(0.51)), JPEG, Refusal.COLOURS, id="wide gamut"
        ),
        pytest.param(
            encode(PICTURE, icc_profile=b"no profile"), JPEG, Refusal.COLOURS, id="broken profile"
        ),
        pytest.param(_png_with_gamma(100_000), PNG, Refusal.COLOURS, id="linear gamma"),
        pytest.param(_png_with_gamma(45_455), PNG, None, id="(control: the usual gamma)"),
        pytest.param(
            encode(PICTURE.convert("L"), "JPEG", quality=90), PNG, Refusal.PIXELS, id="grey copy"
        ),
        pytest.param(encode(PICTURE, "AVIF", quality=70), PNG, Refusal.PIXELS, id="AVIF"),
    ],
)
def test_what_is_never_merged_by_its_pixels(first, second, refusal):
    assert verdict(first, second).refusal is refusal


def test_an_orientation_outside_jpeg_is_left_alone():
    exif = Image.Exif()
    exif[0x0112] = 3
    turned_png = encode(PICTURE.rotate(180), exif=exif.tobytes())
    assert inspect(turned_png).fingerprint == inspect(PNG).fingerprint
    assert verdict(turned_png, PNG).refusal is Refusal.ORIENTATION


def test_equal_pixels_are_one_picture_whatever_kind_they_are():
    hole = _with_hole()
    for one, other in (
        (encode(hole), encode(hole, compress_level=1)),
        (encode(hole), encode(hole, "WEBP", lossless=True, exact=True)),
        (animation(FRAMES), animation(FRAMES, comment=b"again")),
        (encode(BLANK), encode(BLANK.convert("P"))),
        (
            encode(Image.new("RGB", (12, 12), "red")),
            encode(Image.new("RGB", (12, 12), "red"), "BMP"),
        ),
    ):
        assert verdict(one, other).exact


def test_far_fingerprints_are_refused_before_anything_is_decoded():
    assert verdict(PNG, JPEG, DISTANCE + 1).refusal is Refusal.DISTANCE


@pytest.mark.parametrize("damage", [b"", PNG[: len(PNG) // 2], b"<html>"])
def test_a_damaged_picture_raises_and_is_never_the_same(damage):
    for pair in ((PNG, damage), (damage, PNG)):
        with pytest.raises(ImageError):
            compare(*pair, 0)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(CODINGS)), st.integers(0, 2**32 - 1))
def test_comparing_damaged_bytes_ends_in_evidence_or_in_image_error(name, seed):
    random = Random(seed)
    data = bytearray(CODINGS[name])
    for _ in range(random.choice([1, 3])):
        at = random.randrange(min(len(data), random.choice([60, 600, len(data)])))
        data[at] = random.randrange(256)
    try:
        evidence = compare(bytes(data), CODINGS[name], 0, ImageLimits(max_pixels=4_000_000))
    except ImageError:
        return
    assert evidence.same is (evidence.refusal is None)


def test_a_picture_over_the_limit_raises():
    with pytest.raises(ImageTooLargeError):
        compare(PNG, JPEG, 0, ImageLimits(max_pixels=1000))


# --- Search -------------------------------------------------------------------------------------


def _blob(number: int, bits: int, size: tuple[int, int] = (1280, 720)) -> Blob:
    return Blob(Digest(f"{number:064x}"), "0" * 32, 1, "image/png", *size, Fingerprint(bits))


def _clustered(random: Random, count: int) -> list[Blob]:
    """Blobs around a few centres, so that distances lie on both sides of the limit."""
    centres = [random.getrandbits(256) for _ in range(4)]
    blobs = []
    for number in range(count):
        bits = random.choice(centres)
        for place in random.sample(range(256), random.randrange(30)):
            bits ^= 1 << place
        blobs.append(_blob(number, bits))
    return blobs


def _expected(blobs: list[Blob], new: set[Digest]) -> list[Candidate]:
    return sorted(
        Candidate(Pair.of(a.digest, b.digest), a.fingerprint.distance(b.fingerprint))
        for a, b in combinations(blobs, 2)
        if a.fingerprint.distance(b.fingerprint) <= DISTANCE and {a.digest, b.digest} & new
    )


@given(st.integers(0, 2**32), st.integers(0, 40), st.integers(0, 40))
def test_proposals_are_all_pairs_within_the_distance_that_touch_a_new_one(seed, new, known):
    blobs = _clustered(Random(seed), new + known)
    fresh = {blob.digest for blob in blobs[:new]}
    assert find_candidates(blobs[:new], blobs[new:]) == _expected(blobs, fresh)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 60))
def test_looking_bands_up_finds_what_looking_at_all_finds(seed, new):
    blobs = _clustered(Random(seed), 60)
    words = search._words(blobs)
    found = [
        sorted(hit for hits in way(words, new, DISTANCE) for hit in np.column_stack(hits).tolist())
        for way in (search._by_bands, search._one_by_one)
    ]
    assert found[0] == found[1]


def test_proposals_leave_out_what_sizes_rule_out_and_what_has_no_pixels():
    bits = Random(1).getrandbits(256)
    svg = replace(_blob(9, 0), width=None, height=None, fingerprint=None)
    blobs = [_blob(1, bits), _blob(2, bits, (640, 360)), _blob(3, bits, (1000, 1000)), svg]
    assert [p.pair for p in find_candidates(blobs)] == [Pair.of(blobs[0].digest, blobs[1].digest)]


def test_blank_pictures_are_proposed_only_with_a_few_of_their_size():
    blobs = [_blob(n, 1) for n in range(300)] + [_blob(999, 1, (10, 10)), _blob(998, 3)]
    found = find_candidates(blobs)
    assert len(found) <= 300 * 64
    assert {p.distance for p in found} == {0}
    assert not any(
        Digest(f"{n:064x}") in (p.pair.first, p.pair.second) for p in found for n in (998, 999)
    )


# --- The whole rule -----------------------------------------------------------------------------


def choice_of(pictures: dict[str, bytes]) -> dict[str, str]:
    blobs = {name: inspect(data) for name, data in pictures.items()}
    by_digest = {blob.digest: name for name, blob in blobs.items()}
    data = {blob.digest: pictures[name] for name, blob in blobs.items()}

    def judge(asked):
        return [compare(data[p.pair.first], data[p.pair.second], p.distance) for p in asked]

    chosen = run(choose(blobs.values(), find_candidates(list(blobs.values()))), judge)
    return {by_digest[digest]: by_digest[canonical] for digest, canonical in chosen.items()}


def test_a_deck_with_builds_and_copies_keeps_each_slide_once():
    slides = deck(4, seed=3, theme=THEMES[1])
    pictures = {f"build {n}": encode(s.draw()) for n, s in enumerate(builds(slides[0]))}
    pictures |= {f"slide {s.page}": encode(s.draw()) for s in slides[1:]}
    pictures["digit"] = encode(with_digit_changed(slides[2]).draw(), "JPEG", quality=85)
    expected = {name: name for name in pictures}
    copied = slides[1].draw()
    pictures["copy, JPEG"] = encode(copied, "JPEG", quality=75)
    pictures["copy, half"] = encode(copied.resize((640, 360), LANCZOS))
    pictures["copy, WebP"] = encode(copied, "WEBP", quality=85)
    pictures["copy, turned"] = turned(copied)
    expected |= dict.fromkeys((name for name in pictures if "copy" in name), "slide 2")
    assert choice_of(pictures) == expected


# --- Real slides, where they are at hand ----------------------------------------------------------

SLIDES = Path(__file__).parents[2] / "shared" / "slides-dev"
real_slides = pytest.mark.skipif(not SLIDES.is_dir(), reason="needs ../shared/slides-dev")


def labelled(label: str) -> list[tuple[bytes, bytes]]:
    lines = (SLIDES / "labels.tsv").read_text().splitlines()
    rows = [line.split("\t") for line in lines if not line.startswith("#")]
    return [
        tuple((SLIDES / "images" / name).read_bytes() for name in row[:2])
        for row in rows
        if row[2] == label
    ]


@real_slides
def test_real_slides_that_differ_are_kept_apart():
    pairs = labelled("different")
    assert len(pairs) == 88
    for one, other in pairs:
        assert not verdict(one, other).same
    for one, other in pairs[::6]:
        image = decoded(other)
        for coding in ("JPEG 60", "WebP 80"):
            assert not verdict(one, RECODINGS[coding](image)).same


@real_slides
def test_real_slides_with_equal_pixels_merge_however_they_are_written():
    for _, other in labelled("identical")[::3]:
        assert verdict(encode(decoded(other), "WEBP", lossless=True, method=0), other).exact
