"""Copies that are one picture, and edits and kinds of picture that never are."""

from __future__ import annotations

import struct
import zlib
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageDraw, ImageFont
from support.codings import CODINGS, PICTURE, PNG, SLIDE, decoded
from support.slides import Slide, Theme, animation, encode, turned, with_digit_changed

from mirror.pictures.blob import inspect
from mirror.pictures.decode import ImageError, ImageLimits, ImageTooLargeError
from mirror.repeats.compare import compare
from mirror.repeats.evidence import DISTANCE, Evidence, Refusal

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


def again(first: int, second: int) -> bytes:
    """A JPEG of a JPEG, with the quality of each."""
    return encode(decoded(encode(PICTURE, "JPEG", quality=first)), "JPEG", quality=second)


def smaller(by: float, coding: str = "PNG", **options: object) -> bytes:
    size = (round(WIDTH * by), round(HEIGHT * by))
    return encode(PICTURE.resize(size, LANCZOS), coding, **options)


@pytest.mark.parametrize(
    ("make", "tiers"),
    [
        pytest.param(lambda: encode(PICTURE, compress_level=1), {"X3"}, id="PNG written again"),
        pytest.param(lambda: encode(PICTURE, "WEBP", lossless=True), {"X3"}, id="lossless WebP"),
        pytest.param(lambda: encode(PICTURE, "BMP"), {"X3"}, id="BMP"),
        pytest.param(lambda: encode(PICTURE.convert("RGBA")), {"X3"}, id="opaque alpha"),
        *(
            pytest.param(
                partial(encode, PICTURE, "JPEG", quality=quality), {"T0"}, id=f"JPEG {quality}"
            )
            for quality in (95, 85, 75, 60)
        ),
        pytest.param(
            lambda: encode(PICTURE, "JPEG", quality=80, progressive=True), {"T0"}, id="progressive"
        ),
        pytest.param(
            lambda: encode(PICTURE, "JPEG", quality=85, subsampling=0), {"T0"}, id="4:4:4"
        ),
        pytest.param(lambda: turned(PICTURE), {"T0"}, id="EXIF-rotated"),
        pytest.param(lambda: smaller(0.75, "JPEG", quality=85), {"T0"}, id="0.75x JPEG"),
        pytest.param(lambda: smaller(0.5), {"T0"}, id="0.5x PNG"),
        pytest.param(lambda: smaller(0.5, "JPEG", quality=80), {"T0"}, id="0.5x JPEG"),
        pytest.param(lambda: smaller(2), {"T0"}, id="2x"),
        pytest.param(lambda: smaller(1.5, "JPEG", quality=90), {"T0"}, id="1.5x JPEG"),
        *(
            pytest.param(
                partial(encode, PICTURE, "WEBP", quality=quality), {"T0"}, id=f"WebP {quality}"
            )
            for quality in (95, 80, 75, 60, 40)
        ),
        *(
            pytest.param(
                partial(again, first, second),
                {"T0"},
                id=f"JPEG {second} of a JPEG {first}",
            )
            for first, second in ((75, 85), (90, 75), (63, 80))
        ),
        pytest.param(
            lambda: encode(decoded(smaller(0.75, "JPEG", quality=80)), "JPEG", quality=70),
            {"T0"},
            id="0.75x JPEG of a JPEG",
        ),
        pytest.param(lambda: smaller(0.75, "WEBP", quality=75), {"T0"}, id="0.75x WebP"),
    ],
)
def test_a_copy_is_the_same_picture(make, tiers):
    copy = make()
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


def _png_with_two_gammas() -> bytes:
    """Browsers take the first, Pillow the last."""
    linear = _png_with_gamma(100_000)
    return linear[:49] + _png_with_gamma(45_455)[33:49] + linear[49:]


def _jpeg_with_profiles(*profiles: bytes, before: bytes) -> bytes:
    """A JPEG with whole profiles in front of a marker. Behind SOF, Pillow finds none."""
    at = JPEG.index(before)
    bodies = (b"ICC_PROFILE\0\1\1" + profile for profile in profiles)
    segments = (b"\xff\xe2" + (len(body) + 2).to_bytes(2, "big") + body for body in bodies)
    return JPEG[:at] + b"".join(segments) + JPEG[at:]


def _icons(*pictures: bytes) -> bytes:
    entries, bodies, at = b"", b"", 6 + 16 * len(pictures)
    for picture in pictures:
        entries += struct.pack("<BBBBHHII", 0, 0, 0, 0, 1, 32, len(picture), at + len(bodies))
        bodies += picture
    return struct.pack("<HHH", 0, 1, len(pictures)) + entries + bodies


def _bare_webp(picture: Image.Image, canvas: tuple[int, int]) -> bytes:
    """An animation of one frame in the corner of a larger canvas, which says that it is opaque."""

    def three(number: int) -> bytes:
        return number.to_bytes(3, "little")

    def chunk(kind: bytes, body: bytes) -> bytes:
        return kind + len(body).to_bytes(4, "little") + body

    pixels = encode(picture, "WEBP", lossless=True)[12:]
    sizes = three(picture.width - 1) + three(picture.height - 1)
    frame = three(0) * 2 + sizes + three(100) + b"\2" + pixels
    header = b"\2\0\0\0" + three(canvas[0] - 1) + three(canvas[1] - 1)
    body = chunk(b"VP8X", header) + chunk(b"ANIM", bytes(6)) + chunk(b"ANMF", frame)
    return chunk(b"RIFF", b"WEBP" + body)


def _with_density(picture: Image.Image, density: float, width: int, height: int) -> bytes:
    exif = Image.Exif()
    exif[0x011A] = exif[0x011B] = density
    exif[0x0128] = 2
    exif.get_ifd(0x8769).update({0xA002: width, 0xA003: height})
    return encode(picture, "JPEG", quality=85, exif=exif.tobytes())


def _turned(*entries: bytes, blocks: int = 1, cut: int = 0) -> bytes:
    """A JPEG of `PICTURE` whose EXIF has these entries."""
    block = b"Exif\0\0II*\0" + struct.pack("<IH", 8, len(entries)) + b"".join(entries) + bytes(4)
    block = block[: len(block) - cut]
    segment = b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block
    return JPEG[:2] + segment * blocks + JPEG[2:]


def _entry(kind: int, count: int, value: int) -> bytes:
    return struct.pack("<HHII", 0x0112, kind, count, value)


FRAMES = [PICTURE, PICTURE.rotate(180)]
JPEG = encode(PICTURE, "JPEG", quality=85)
BLANK = Image.new("RGB", (800, 600), "white")
NEARLY_BLANK = replace(Slide(""), theme=Theme(accent="white", logo="")).draw()
ICON = encode(PICTURE.resize((256, 256)))
ON_BLACK = Image.new("RGB", (PICTURE.width + 160, PICTURE.height + 90))
ON_BLACK.paste(PICTURE)
SOF, SOS = b"\xff\xc0", b"\xff\xda"
WIDE = _profile(0.51)


@pytest.mark.parametrize(
    ("make", "refusal"),
    [
        pytest.param(
            lambda: (animation(FRAMES), animation([PICTURE, PICTURE])),
            Refusal.ANIMATED,
            id="one first frame",
        ),
        pytest.param(
            lambda: (animation(FRAMES), PNG), Refusal.ANIMATED, id="animation and its first frame"
        ),
        pytest.param(
            lambda: (animation(FRAMES), animation(FRAMES, duration=500)),
            Refusal.ANIMATED,
            id="other delays",
        ),
        pytest.param(
            lambda: (encode(_with_hole()), JPEG), Refusal.TRANSPARENT, id="a hole in white"
        ),
        pytest.param(
            lambda: (_palette_with_hole(), JPEG), Refusal.TRANSPARENT, id="a palette with a hole"
        ),
        pytest.param(
            lambda: (
                encode(Image.new("RGB", (12, 12), "red")),
                encode(Image.new("RGB", (12, 12), "blue"), "JPEG"),
            ),
            Refusal.SMALL,
            id="tiny",
        ),
        pytest.param(
            lambda: (encode(NEARLY_BLANK), encode(NEARLY_BLANK, "JPEG")), Refusal.PLAIN, id="blank"
        ),
        pytest.param(lambda: (PNG, smaller(0.5)), None, id="(control: half size is the same)"),
        pytest.param(
            lambda: (PNG, encode(PICTURE.resize((1280, 700)), "JPEG")),
            Refusal.SHAPE,
            id="another shape",
        ),
        pytest.param(lambda: (_grey_deep(), JPEG), Refusal.DEPTH, id="16 bits a channel"),
        pytest.param(
            lambda: (encode(PICTURE.convert("CMYK"), "JPEG", quality=95), PNG),
            Refusal.DEPTH,
            id="CMYK",
        ),
        pytest.param(
            lambda: (encode(PICTURE, icc_profile=_profile(0.51)), JPEG),
            Refusal.COLOURS,
            id="wide gamut",
        ),
        pytest.param(
            lambda: (encode(PICTURE, icc_profile=b"no profile"), JPEG),
            Refusal.COLOURS,
            id="broken profile",
        ),
        pytest.param(lambda: (_png_with_gamma(100_000), PNG), Refusal.COLOURS, id="linear gamma"),
        pytest.param(lambda: (_png_with_gamma(45_455), PNG), None, id="(control: the usual gamma)"),
        pytest.param(lambda: (_png_with_two_gammas(), PNG), Refusal.COLOURS, id="two gammas"),
        pytest.param(
            lambda: (_jpeg_with_profiles(WIDE, before=SOS), JPEG),
            Refusal.COLOURS,
            id="a late profile",
        ),
        pytest.param(
            lambda: (_jpeg_with_profiles(WIDE, WIDE, before=SOF), JPEG),
            Refusal.COLOURS,
            id="two profiles",
        ),
        pytest.param(
            lambda: (
                _jpeg_with_profiles(WIDE, before=SOF),
                _jpeg_with_profiles(WIDE, before=SOF) + b"\x00",
            ),
            None,
            id="(control: one profile)",
        ),
        pytest.param(
            lambda: (_with_density(PICTURE, 144, PICTURE.width // 2, PICTURE.height // 2), PNG),
            Refusal.COLOURS,
            id="shown at half size",
        ),
        pytest.param(
            lambda: (_with_density(PICTURE, 144, *PICTURE.size), PNG),
            None,
            id="(control: a density)",
        ),
        pytest.param(
            lambda: (_with_density(PICTURE, 0, 1, 1), PNG),
            None,
            id="(control: an impossible density)",
        ),
        pytest.param(
            lambda: (_icons(encode(PICTURE.resize((16, 16))), ICON), ICON),
            Refusal.COLOURS,
            id="two icons",
        ),
        pytest.param(lambda: (_icons(ICON), ICON), None, id="(control: one icon)"),
        pytest.param(
            lambda: (_bare_webp(PICTURE, ON_BLACK.size), encode(ON_BLACK)),
            Refusal.COLOURS,
            id="bare canvas",
        ),
        pytest.param(
            lambda: (_bare_webp(PICTURE, PICTURE.size), PNG), None, id="(control: a covered canvas)"
        ),
        pytest.param(
            lambda: (encode(PICTURE.convert("L"), "JPEG", quality=90), PNG),
            Refusal.PIXELS,
            id="grey copy",
        ),
        pytest.param(lambda: (encode(PICTURE, "AVIF", quality=70), PNG), Refusal.PIXELS, id="AVIF"),
    ],
)
def test_what_is_never_merged_by_its_pixels(make, refusal):
    assert verdict(*make()).refusal is refusal


@pytest.mark.parametrize(
    "odd",
    [
        _turned(_entry(kind=4, count=1, value=3)),
        _turned(_entry(kind=9, count=1, value=3)),
        _turned(_entry(kind=3, count=2, value=3)),
        _turned(_entry(kind=3, count=1, value=3), _entry(kind=3, count=1, value=1)),
        _turned(_entry(kind=3, count=1, value=3), blocks=2),
        _turned(_entry(kind=3, count=1, value=3), cut=2),
    ],
    ids=["long", "signed", "two numbers", "twice", "two blocks", "cut"],
)
def test_an_orientation_that_programs_read_differently_makes_no_copy(odd):
    for upright in (PICTURE, PICTURE.rotate(180)):
        same = (encode(upright, "JPEG", quality=85), encode(upright))
        assert {verdict(odd, other).refusal for other in same} == {Refusal.COLOURS}


@pytest.mark.parametrize(
    ("plain", "upright"),
    [
        (_turned(_entry(kind=3, count=1, value=3)), PICTURE.rotate(180)),
        (_turned(_entry(kind=4, count=1, value=1)), PICTURE),
        (_turned(struct.pack("<HHII", 0x0100, 4, 1, 3)), PICTURE),
    ],
    ids=["turned", "a long one", "none"],
)
def test_an_orientation_that_programs_read_alike_makes_a_copy(plain, upright):
    assert verdict(plain, encode(upright)).refusal is None


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
@example("JPEG", 81)  # a table with a zero in it
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


# --- Real slides, where they are at hand ----------------------------------------------------------

SLIDES = Path(__file__).parents[4] / "shared" / "slides-dev"


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
