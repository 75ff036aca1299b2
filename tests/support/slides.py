"""Slides drawn with Pillow: one template for many pages, progressive builds, tables of numbers.

For tests, benchmarks and demonstrations that need pictures nobody else owns. The same call draws
the same pixels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from random import Random
from typing import Any

from PIL import Image, ImageDraw, ImageFont

Box = tuple[int, int, int, int]

_WORDS = (
    "cluster scheduler replica latency throughput gossip quorum snapshot container runtime "
    "mesh ingress sidecar operator tenant region shard compaction index planner vector cache"
).split()


@dataclass(frozen=True)
class Theme:
    """What all slides of one deck share."""

    ground: str = "white"
    ink: str = "#202020"
    accent: str = "#1f5fae"
    logo: str = "ACME Cloud"


THEMES = (
    Theme(),
    Theme(ground="#10182c", ink="#e8ecf4", accent="#f2a93b", logo="night talks"),
    Theme(ground="#f6f1e7", ink="#3a3128", accent="#a8402f", logo="paper & ink"),
)


@dataclass(frozen=True)
class Slide:
    """One page: `build` bullets of all are shown; a table, if any, stands below them."""

    title: str
    bullets: tuple[str, ...] = ()
    table: tuple[tuple[str, ...], ...] = ()
    page: int = 1
    build: int | None = None
    theme: Theme = THEMES[0]
    size: tuple[int, int] = (1280, 720)

    def draw(self) -> Image.Image:
        image = Image.new("RGB", self.size, self.theme.ground)
        pen = ImageDraw.Draw(image)
        unit = self.size[1] / 720
        self._frame(pen, unit)
        top = 130 * unit
        for bullet in self.bullets[: self.build]:
            pen.ellipse((70 * unit, top + 12 * unit, 80 * unit, top + 22 * unit), self.theme.accent)
            pen.text((100 * unit, top), bullet, self.theme.ink, _font(28 * unit))
            top += 52 * unit
        for row in self.table:
            for column, cell in enumerate(row):
                place = ((100 + 190 * column) * unit, top)
                pen.text(place, cell, self.theme.ink, _font(22 * unit))
            top += 36 * unit
        return image

    def _frame(self, pen: ImageDraw.ImageDraw, unit: float) -> None:
        width, height = self.size
        pen.rectangle((0, 0, width, 14 * unit), self.theme.accent)
        pen.text((60 * unit, 40 * unit), self.title, self.theme.accent, _font(44 * unit))
        pen.text((60 * unit, height - 50 * unit), self.theme.logo, self.theme.ink, _font(16 * unit))
        pen.text((width - 90 * unit, height - 50 * unit), f"{self.page}", "gray", _font(16 * unit))


def _font(size: float) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def sentence(random: Random) -> str:
    return (
        " ".join(random.choices(_WORDS, k=random.randint(4, 7))).capitalize()
        + f" ({random.randint(2, 99)} ms)"
    )


def deck(pages: int, *, seed: int = 0, theme: Theme = THEMES[0]) -> list[Slide]:
    """Different slides of one template, every third with a table of numbers."""
    random = Random(seed)
    slides = []
    for page in range(1, pages + 1):
        bullets = tuple(sentence(random) for _ in range(random.randint(3, 6)))
        table = numbers(random) if page % 3 == 0 else ()
        title = " ".join(random.choices(_WORDS, k=3)).title()
        slides.append(Slide(title, bullets[: 4 if table else 6], table, page, theme=theme))
    return slides


def numbers(random: Random) -> tuple[tuple[str, ...], ...]:
    head = ("node", "p50", "p95", "p99", "errors")
    rows = [
        (f"{random.choice(_WORDS)}-{n}", *(f"{random.uniform(0, 90):.2f}" for _ in range(4)))
        for n in range(1, 6)
    ]
    return (head, *rows)


def builds(slide: Slide) -> Iterator[Slide]:
    """The same slide with one bullet more each time, as a PDF export of a talk has it."""
    for shown in range(1, len(slide.bullets) + 1):
        yield replace(slide, build=shown)


def with_digit_changed(slide: Slide, row: int = 2, column: int = 2) -> Slide:
    """The same slide, the last digit of one cell of its table another."""
    table = [list(cells) for cells in slide.table]
    cell = table[row][column]
    table[row][column] = cell[:-1] + str((int(cell[-1]) + 5) % 10)
    return replace(slide, table=tuple(map(tuple, table)))


def encode(image: Image.Image, coding: str = "PNG", **options: Any) -> bytes:
    """The bytes of `image` in one of Pillow's codings."""
    stream = BytesIO()
    image.save(stream, coding, **options)
    return stream.getvalue()


def animation(frames: Sequence[Image.Image], coding: str = "GIF", **options: Any) -> bytes:
    options = {"save_all": True, "append_images": list(frames[1:]), "duration": 100} | options
    return encode(frames[0], coding, **options)


def turned(image: Image.Image, quality: int = 90) -> bytes:
    """A JPEG stored lying on its side, with the EXIF orientation that stands it up again."""
    exif = Image.Exif()
    exif[0x0112] = 6
    side = image.transpose(Image.Transpose.ROTATE_90)
    return encode(side, "JPEG", quality=quality, exif=exif.tobytes())
