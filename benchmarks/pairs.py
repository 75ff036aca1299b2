"""The cost of a pair of pictures in a sync, and the ranking of near pairs by `dupes --near`.

    python -m benchmarks pairs FOLDER [--sample N] [--twice] [--near N] [--alike N]

FOLDER holds slides, in itself or in `images/`, with `labels.tsv` for `--near`. Each slide of the
sample is there as it is, as a JPEG 88 and turned, with the build before it and its JPEG; with
`--twice` also enlarged by two. With `--alike` one slide is there N times, half of them PNGs and
half JPEGs, with another small page number in each. Times are CPU time of one thread.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from PIL import Image, ImageDraw, ImageFont
from support.pairs import choose
from support.slides import encode, turned

from benchmarks.common import table
from benchmarks.dedupe import BILINEAR, COPIES, Encoder, read_folder, read_labels, scaled, spread
from benchmarks.families import build
from mirror.model import Blob, Digest
from mirror.pictures.blob import inspect
from mirror.pipeline.dedupe import side_by_side
from mirror.repeats.cache import Excerpts, Sides, Sketches
from mirror.repeats.choose import judge_waves
from mirror.repeats.compare import Side, compare_sides, refuse
from mirror.repeats.evidence import DISTANCE, Candidate, Evidence
from mirror.repeats.groups import likeliest_first
from mirror.repeats.search import find_candidates

# Pairs of copies that no proof merges: how either side is coded.
UNPROVEN: dict[str, tuple[Encoder, Encoder]] = {
    "AVIF": (encode, COPIES["AVIF 60"]),
    "two JPEGs of one picture": (COPIES["JPEG 75"], COPIES["JPEG 95"]),
    "JPEG and WebP of one picture": (COPIES["JPEG 85"], COPIES["WebP 80"]),
    "palette of 128, dithered": (
        encode,
        lambda image: encode(
            image.quantize(128, dither=Image.Dither.FLOYDSTEINBERG, palette=image.quantize(128))
        ),
    ),
}


@dataclass(slots=True)
class TimedJudge:
    """Judges waves as `CompareJob` does, and keeps the CPU time of each pair."""

    data: dict[Digest, bytes]
    sketches: Sketches
    sides: Sides = field(default_factory=Sides)
    excerpts: Excerpts = field(default_factory=Excerpts)
    refused_ms: list[float] = field(default_factory=list)
    accepted_ms: list[float] = field(default_factory=list)
    read: int = 0  # refused pairs of which some byte was read

    def __call__(self, wave: Sequence[Candidate]) -> list[Evidence]:
        evidence = {}
        for candidate in side_by_side(wave):
            began = time.process_time()
            judged = self._sketched(candidate) or self._compared(candidate)
            spent = (time.process_time() - began) * 1e3
            (self.accepted_ms if judged.same else self.refused_ms).append(spent)
            evidence[candidate.pair] = judged
        return [evidence[candidate.pair] for candidate in wave]

    def _sketched(self, candidate: Candidate) -> Evidence | None:
        pair = candidate.pair
        first, second = self.sketches.get(pair.first), self.sketches.get(pair.second)
        if first is None or second is None:
            return None
        return refuse(pair, first, second, candidate.distance, self.excerpts)

    def _compared(self, candidate: Candidate) -> Evidence:
        pair = candidate.pair
        sides = [
            self.sides.get(digest) or Side(self.data[digest], sketch=self.sketches.get(digest))
            for digest in (pair.first, pair.second)
        ]
        evidence = compare_sides(sides[0], sides[1], candidate.distance, self.excerpts)
        for side in sides:
            self.sides.add(side.digest, side)
        self.read += not evidence.same
        return evidence


def site(slides: Sequence[Image.Image], *, twice: bool) -> Iterator[bytes]:
    for slide in slides:
        before = build(slide, Random(0))
        for image in (slide, before) if before is not None else (slide,):
            yield encode(image)
            yield encode(image, "JPEG", quality=88)
        yield turned(slide)
        if twice:
            yield encode(scaled(slide, 2, BILINEAR))


def alike(slide: Image.Image, count: int) -> Iterator[bytes]:
    number_font = ImageFont.load_default(14)
    for number in range(count):
        page = slide.convert("RGB")
        place = (page.width - 60, page.height - 24)
        ImageDraw.Draw(page).text(place, str(number + 1), fill=(110, 110, 110), font=number_font)
        yield encode(page, "JPEG", quality=88) if number % 2 else encode(page)


def cost(pictures: Iterable[bytes]) -> None:
    began_all = time.process_time()
    sketches, blobs, data = Sketches(), list[Blob](), dict[Digest, bytes]()
    inspected_ms = []
    for picture in pictures:
        began = time.process_time()
        blob = inspect(picture, watch=sketches.watch)
        inspected_ms.append((time.process_time() - began) * 1e3)
        if blob.digest not in data:
            blobs.append(blob)
            data[blob.digest] = picture
    judge = TimedJudge(data, sketches)
    chosen = judge_waves(choose(blobs, find_candidates(blobs, ())), judge)
    print(f"{len(blobs)} pictures; inspecting one: {statistics.mean(inspected_ms):.1f} ms")
    repeats = sum(digest != kept for digest, kept in chosen.items())
    print(f"repeats: {repeats}; CPU in all, with drawing: {time.process_time() - began_all:.0f} s")
    print(f"most memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10} MiB")
    print(f"refused pairs of which bytes were read: {judge.read}")
    table(
        ("pairs", "number", "median ms", "mean ms", "most ms"),
        (
            (name, len(times), statistics.median(times), statistics.mean(times), max(times))
            for name, times in (("refused", judge.refused_ms), ("accepted", judge.accepted_ms))
            if times
        ),
    )


def rank(folder: Path, slides: Sequence[Image.Image]) -> None:
    """Print how the ranking parts unproven copies from other slides, coded the same ways."""
    ranked: list[tuple[bool, Evidence]] = []

    def add(one: bytes, other: bytes, *, is_copy: bool) -> None:
        bits = [blob.fingerprint for blob in map(inspect, (one, other))]
        if bits[0] is None or bits[1] is None or bits[0].distance(bits[1]) > DISTANCE:
            return
        evidence = compare_sides(Side(one), Side(other), bits[0].distance(bits[1]), Excerpts())
        if not evidence.same:
            ranked.append((is_copy, evidence))

    for slide in slides:
        for code, other_code in UNPROVEN.values():
            add(code(slide), other_code(slide), is_copy=True)
    labels = [pair for pair in read_labels(folder, read_folder(folder)) if not pair[2]]
    step = max(1, len(labels) // max(1, len(slides)))
    for one, other, _ in labels[::step]:
        for code, other_code in UNPROVEN.values():
            add(code(one.draw()), other_code(other.draw()), is_copy=False)
    copies = sum(is_copy for is_copy, _ in ranked)
    print(f"{copies} copies that no proof merges, {len(ranked) - copies} pairs of other slides:")
    by_distance = sorted(ranked, key=lambda item: (item[1].distance, item[1].pair))
    by_rank = sorted(ranked, key=lambda item: likeliest_first(item[1]))
    for name, order in (("by fingerprints alone", by_distance), ("as --near ranks", by_rank)):
        flags = [is_copy for is_copy, _ in order]
        first = sum(flags[:copies])
        print(f"  {name}: {first} of {copies} copies among the first {copies}")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sample", type=int, default=40, help="slides")
    parser.add_argument("--twice", action="store_true", help="also enlarged by two")
    parser.add_argument("--near", type=int, default=0, help="slides for the ranking")
    parser.add_argument("--alike", type=int, default=0, help="pictures that look alike, instead")
    options = parser.parse_args()
    items = read_folder(options.folder)
    if options.alike:
        cost(alike(items[0].draw(), options.alike))
        return 0
    # Neighbours of one deck, which look alike, and not a spread over all decks.
    slides = [item.draw() for item in items[: options.sample]]
    cost(site(slides, twice=options.twice))
    if options.near:
        rank(options.folder, [item.draw() for item in spread(items, options.near)])
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
