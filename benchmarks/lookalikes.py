"""Draw pages of small type, each again with one character that looks nearly like the right one.

    python -m benchmarks lookalikes FOLDER [--pages N] [--seed N]
    python -m benchmarks dedupe FOLDER

A reader tells 68.80 from 68.88 in type of nine pixels; so must the rule. Writes PNGs and the
`labels.tsv` that the benchmark `dedupe` reads: all pages differ.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from random import Random

from PIL import Image, ImageChops, ImageDraw, ImageFont

SWAPS = dict(zip(".:;eoclihnu1350869-", ",.:cceilbhn7868335+", strict=True))
INKS = (
    *(("#222222", "#ffffff"), ("#777777", "#ffffff"), ("#dddddd", "#1e1e1e")),
    *(("#586e75", "#fdf6e3"), ("#cc3333", "#ffffff"), ("#0066cc", "#eeeeff")),
)
WORDS = (
    "the scheduler places each replica in the nearest region; latency is 3.1 ms at p50, 8.5 ms at"
    " p95. if a node fails: retry, then fall back. see section 6.1, table 3."
).split()
COLUMNS, LINES, VARIANTS = 3, 24, 5


@dataclass(frozen=True)
class Page:
    """Lines of text, column by column."""

    lines: tuple[str, ...]
    size: int
    colours: tuple[str, str]

    def draw(self) -> Image.Image:
        ink, ground = self.colours
        image = Image.new("RGB", (1280, 720), ground)
        pen = ImageDraw.Draw(image)
        pen.text((20, 20), f"Results of week {self.size}", ink, ImageFont.load_default(28))
        font = ImageFont.load_default(self.size)
        for number, line in enumerate(self.lines):
            column, row = divmod(number, LINES)
            pen.text((20 + 420 * column, 80 + 1.6 * self.size * row), line, ink, font)
        return image


def page(random: Random) -> Page:
    def line(column: int) -> str:
        if kinds[column]:
            return "    ".join(f"{random.uniform(0, 99):05.2f}" for _ in range(5))
        return " ".join(random.choices(WORDS, k=7))

    kinds = [random.random() < 0.5 for _ in range(COLUMNS)]
    lines = tuple(line(column) for column in range(COLUMNS) for _ in range(LINES))
    return Page(lines, random.randint(9, 16), random.choice(INKS))


def variants(origin: Page, random: Random) -> Iterator[Page]:
    """The page with one character replaced, each time another one."""
    places = [
        (number, at)
        for number, line in enumerate(origin.lines)
        for at, character in enumerate(line)
        if character in SWAPS
    ]
    for number, at in random.sample(places, VARIANTS):
        line = origin.lines[number]
        other = line[:at] + SWAPS[line[at]] + line[at + 1 :]
        yield replace(origin, lines=(*origin.lines[:number], other, *origin.lines[number + 1 :]))


def write(pages: Sequence[Page], folder: Path, random: Random) -> None:
    labels = []
    for number, origin in enumerate(pages):
        drawn = {f"{number:03}-0.png": origin.draw()}
        for count, variant in enumerate(variants(origin, random), start=1):
            drawn[f"{number:03}-{count}.png"] = variant.draw()
        for name, image in drawn.items():
            image.save(folder / name)
        labels += [
            f"{one}\t{other}\tdifferent\n"
            for one, other in combinations(drawn, 2)
            if ImageChops.difference(drawn[one], drawn[other]).getbbox()
        ]
    (folder / "labels.tsv").write_text("".join(labels))


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pages", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    random = Random(arguments.seed)
    write([page(random) for _ in range(arguments.pages)], arguments.folder, random)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
