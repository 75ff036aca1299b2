"""Copies by coders that are not Pillow's: a small JPEG coder and a palette of this file's own."""

from __future__ import annotations

import shutil
import sys
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy import fft
from slides import Slide, Theme, deck, encode, with_digit_changed

from mirror.pictures.decode import components
from mirror.repeats import palette
from mirror.repeats.compare import compare
from mirror.repeats.evidence import Evidence
from mirror.repeats.statistics import measure, planes

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.coders import piped

Blocks = NDArray[np.float64]  # rows and columns of blocks; rows and columns of each
SLIDE = deck(3)[2]
ZIGZAG = sorted(
    ((row, column) for row in range(8) for column in range(8)),
    key=lambda at: (sum(at), at[sum(at) % 2 == 0]),
)


def drawn(slide: Slide, size: tuple[int, int] = (640, 480)) -> Image.Image:
    """A slide with a picture of many colours on it, cut to that size."""
    image = slide.draw()
    soft = np.random.default_rng(0).normal(128, 40, (19, 25, 3)).clip(0, 255).astype(np.uint8)
    image.paste(Image.fromarray(soft).resize((200, 152), Image.Resampling.BICUBIC), (420, 20))
    return image.crop((0, 0, *size))


# --- A JPEG coder that computes in floating point -------------------------------------------------


class Coded:
    """The coefficients of a picture in YCbCr, exact and in their bins."""

    def __init__(self, image: Image.Image, quality: int, *, halved: bool = False) -> None:
        self.size, self.halved = image.size, halved
        with Image.open(BytesIO(encode(image, "JPEG", quality=quality))) as file:
            tables = [np.reshape(table, (8, 8)) for table in file.quantization.values()]
        planes = self.planes(image)
        self.tables = [tables[number > 0] for number in range(len(planes))]
        self.exact = [
            fft.dctn(in_blocks(plane) - 128, axes=(2, 3), norm="ortho") for plane in planes
        ]
        self.bins = [np.rint(e / t) for e, t in zip(self.exact, self.tables, strict=True)]

    def planes(self, image: Image.Image) -> list[NDArray[np.int64]]:
        pixels = np.asarray(image.convert("RGB")).astype(np.float64)
        luma = np.rint(pixels @ [0.299, 0.587, 0.114])
        if image.mode == "L":
            return [luma]
        blue = np.rint(pixels @ [-0.168736, -0.331264, 0.5] + 128)
        red = np.rint(pixels @ [0.5, -0.418688, -0.081312] + 128)
        if self.halved:
            blue, red = (
                np.floor(sum(plane[y::2, x::2] for y in (0, 1) for x in (0, 1)) / 4 + 0.5)
                for plane in (blue, red)
            )
        return [luma, blue, red]

    def bytes(self) -> bytes:
        """Each component in a scan of its own; every code has 4 or 8 bits, none is saved."""

        def segment(marker: int, body: bytes) -> bytes:
            return bytes([0xFF, marker]) + (len(body) + 2).to_bytes(2, "big") + body

        count, (width, height) = len(self.bins), self.size
        made = [b"\xff\xd8", segment(0xE0, b"JFIF\0\1\1\0\0\1\0\1\0\0")]
        for number, table in enumerate(self.tables):
            made.append(segment(0xDB, bytes([number, *(int(table[at]) for at in ZIGZAG)])))
        sides = [0x22 if self.halved and number == 0 else 0x11 for number in range(count)]
        frame = [8, *height.to_bytes(2, "big"), *width.to_bytes(2, "big"), count]
        made.append(
            segment(0xC0, bytes([*frame, *(b for n, s in enumerate(sides) for b in (n, s, n))]))
        )
        made.append(
            segment(0xC4, bytes([0x00, *(12 * (n == 4) for n in range(1, 17)), *range(12)]))
        )
        lengths = [len(RUNS) * (n == 8) for n in range(1, 17)]
        made.append(segment(0xC4, bytes([0x10, *lengths, *RUNS])))
        for number, bins in enumerate(self.bins):
            made += [segment(0xDA, bytes([1, number, 0, 0, 63, 0])), scan(bins)]
        return b"".join(made) + b"\xff\xd9"


RUNS = [run << 4 | size for run in range(16) for size in range(11)]


def scan(bins: Blocks) -> bytes:
    def number(value: int, size: int) -> str:
        return format(value if value > 0 else value + (1 << size) - 1, f"0{size}b") if size else ""

    order = [8 * row + column for row, column in ZIGZAG]
    bits, before = [], 0
    for block in bins.reshape(-1, 64)[:, order].astype(int).tolist():
        size = abs(block[0] - before).bit_length()
        bits += format(size, "04b"), number(block[0] - before, size)
        before, run = block[0], 0
        for value in block[1:]:
            if value == 0:
                run += 1
                continue
            bits += [format(RUNS.index(0xF0), "08b")] * (run // 16)
            size = abs(value).bit_length()
            bits += format(RUNS.index(run % 16 << 4 | size), "08b"), number(value, size)
            run = 0
        if run:
            bits.append(format(RUNS.index(0), "08b"))
    text = "".join(bits)
    text += "1" * (-len(text) % 8)
    return int(text, 2).to_bytes(len(text) // 8, "big").replace(b"\xff", b"\xff\0")


def in_blocks(plane: NDArray[np.float64]) -> Blocks:
    plane = np.pad(plane, [(0, -side % 8) for side in plane.shape], mode="edge")
    rows, columns = (side // 8 for side in plane.shape)
    return plane.reshape(rows, 8, columns, 8).swapaxes(1, 2)


def is_by_pillow(origin: Image.Image, copy: bytes, **options: object) -> bool:
    with Image.open(BytesIO(copy)) as seen:
        again = encode(origin, "JPEG", qtables=seen.quantization, **options)
        with Image.open(BytesIO(again)) as made:
            return seen.convert("RGB").tobytes() == made.convert("RGB").tobytes()


def nothing_left(evidence: Evidence) -> bool:
    return evidence.tier == "T0" and not any(evidence.statistics)


@pytest.mark.parametrize("quality", [40, 75])
@pytest.mark.parametrize("halved", [False, True], ids=["4:4:4", "4:2:0"])
@pytest.mark.parametrize("size", [(640, 480), (634, 470)], ids=str)
def test_a_jpeg_by_another_coder_is_the_same_picture(size, halved, quality):
    origin = drawn(SLIDE, size)
    copy = Coded(origin, quality, halved=halved).bytes()
    assert not is_by_pillow(origin, copy, subsampling=2 if halved else 0)
    assert nothing_left(compare(encode(origin), copy, 0))
    changed = drawn(with_digit_changed(SLIDE), size)
    assert not compare(encode(changed), copy, 0).same


def test_a_grey_jpeg_by_another_coder_is_the_same_picture():
    origin = drawn(SLIDE).convert("L")
    copy = Coded(origin, 75).bytes()
    assert not is_by_pillow(origin, copy)
    assert nothing_left(compare(encode(origin), copy, 0))
    assert not compare(encode(drawn(SLIDE)), copy, 0).same


@pytest.mark.parametrize("component", [0, 1, 2])
@pytest.mark.parametrize("halved", [False, True], ids=["4:4:4", "4:2:0"])
def test_a_coefficient_may_lie_in_either_bin_at_an_edge_and_nowhere_else(component, halved):
    origin = drawn(SLIDE)
    coded = Coded(origin, 60, halved=halved)
    exact, table = coded.exact[component], coded.tables[component]
    bins, nearest = coded.bins[component], coded.bins[component].copy()
    beyond = (0.5 - np.abs(exact / table - nearest)) * table  # to the edge
    shown = np.abs(exact).max(axis=(2, 3), keepdims=True) * (table > 14)
    other = nearest + np.where(exact / table > nearest, 1, -1)
    for place, same in ((np.where(shown > 30, beyond, 99) < 0.4, True), (beyond > 4, False)):
        at = tuple(np.argwhere(place & (shown > 30))[3])
        bins[:] = nearest
        bins[at] = other[at]
        assert compare(encode(origin), coded.bytes(), 0).same == same


def test_a_jpeg_whose_coder_left_small_coefficients_out_is_kept_apart():
    """As mozjpeg does where that saves bytes: it could leave out what tells two letters apart."""
    origin = drawn(SLIDE)
    coded = Coded(origin, 75)
    coded.bins = [
        np.where(np.abs(e) < 0.8 * t, 0, e // t)
        for e, t in zip(coded.exact, coded.tables, strict=True)
    ]
    assert not compare(encode(origin), coded.bytes(), 0).same


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
    found = components(data)
    assert len(found) == count
    if count:
        assert found[0].plane.shape == (720, 1280)
        halved = options.get("subsampling") == 2
        assert [part.halved for part in found] == [False, halved, halved][:count]


def test_components_of_a_damaged_jpeg_are_none():
    data = encode(SLIDE.draw(), "JPEG")
    assert components(data[:-2000]) == []
    assert components(data[:300]) == []


# --- Palettes -------------------------------------------------------------------------------------

GREYS = replace(SLIDE, theme=Theme(accent="#202020"))
STEP = 14  # from one level of the palette to the next: at most 7 from any level, and 6 are near


def put_down(image: Image.Image) -> NDArray[np.uint8]:
    """The levels of a grey picture, those in the middle at the nearest of a few; ties go up."""
    levels = np.asarray(image.convert("L")).astype(int)
    down = 255 - (255 - levels + STEP // 2 - 1) // STEP * STEP
    return np.where((levels > 115) & (levels < 171), down, levels).astype(np.uint8)


def of_palette(levels: NDArray[np.uint8]) -> bytes:
    image = Image.fromarray(levels)
    image.putpalette([level for level in range(256) for _ in "rgb"])
    return encode(image)


def farthest(image: Image.Image) -> list[tuple[int, NDArray[np.intp]]]:
    """Levels as far from the palette as can be, and where they are; the rarest first."""
    levels = np.asarray(image.convert("L"))
    far = np.abs(levels.astype(int) - put_down(image)) == STEP // 2
    found = [(int(level), np.argwhere(levels == level)) for level in np.unique(levels[far])]
    return sorted(found, key=lambda one: len(one[1]))


def test_a_copy_whose_colours_were_put_down_to_a_palette_is_the_same_picture():
    origin = GREYS.draw()
    assert farthest(origin)
    assert nothing_left(compare(encode(origin), of_palette(put_down(origin)), 0))
    changed = with_digit_changed(GREYS).draw()
    assert not compare(encode(changed), of_palette(put_down(origin)), 0).same


def test_one_colour_that_became_two_is_another_picture():
    origin = GREYS.draw()
    tried = 0
    for _, places in farthest(origin):
        levels = put_down(origin)
        levels[tuple(places[0])] -= STEP
        if len(places) > 1 and leaves_little(origin, levels):
            assert not compare(encode(origin), of_palette(levels), 0).same
            tried += 1
    assert tried


def test_a_colour_that_became_one_farther_than_need_be_is_another_picture():
    origin = GREYS.draw()
    tried = 0
    for level, places in farthest(origin):
        levels = put_down(origin)
        levels[tuple(places.T)] = level + STEP
        if leaves_little(origin, levels):
            assert not compare(encode(origin), of_palette(levels), 0).same
            tried += 1
    assert tried


def leaves_little(origin: Image.Image, levels: NDArray[np.uint8]) -> bool:
    """Whether the statistics alone would let it pass."""
    made = Image.fromarray(levels).convert("RGB")
    return measure(planes(origin), planes(made)).within(palette.LIMITS)


def test_a_smaller_copy_of_few_colours_is_not_retraced():
    small = GREYS.draw().resize((768, 432), Image.Resampling.LANCZOS)
    assert compare(encode(GREYS.draw()), encode(small), 0).tier == "T0"
    assert not compare(encode(GREYS.draw()), of_palette(put_down(small)), 0).same


# --- Programs that are installed ------------------------------------------------------------------

COMMANDS = {
    "libjpeg, floating point": (["cjpeg", "-dct", "float", "-quality", "75"], "PPM"),
    "libjpeg, fast": (["cjpeg", "-dct", "fast", "-quality", "75"], "PPM"),
    "pngquant": (["pngquant", "--nofs", "128", "-"], "PNG"),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_copy_by_an_installed_coder_is_the_same_picture(name):
    command, coding = COMMANDS[name]
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    copy = piped(command, coding, SLIDE.draw())
    assert compare(encode(SLIDE.draw()), copy, 0).tier == "T0"
    assert not compare(encode(with_digit_changed(SLIDE).draw()), copy, 0).same
