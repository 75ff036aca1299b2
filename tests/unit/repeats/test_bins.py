"""JPEGs by a coder that is not Pillow's: a small one of this file's own."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy import fft
from support.codings import SLIDE
from support.slides import Slide, encode, with_digit_changed

from mirror.repeats.compare import compare
from mirror.repeats.evidence import Evidence

Blocks = NDArray[np.float64]  # rows and columns of blocks; rows and columns of each


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
