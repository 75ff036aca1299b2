"""Families of copies: a slide in several sizes and codings beside a sibling that has its own.

A copy may be found through the picture that it was made from, although what stands for the two
does not explain it. So a folder holds both families at once, each with the members that a site may
have, and a merge across the two is wrong: siblings are the next build of a slide, another page
number, another letter, words of another colour.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from random import Random

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from support.pairs import choose
from support.slides import encode, turned

from mirror.model import Blob, Digest
from mirror.pictures.blob import inspect
from mirror.repeats.cache import Excerpts
from mirror.repeats.choose import judge_waves
from mirror.repeats.compare import Side, compare_sides
from mirror.repeats.evidence import Candidate, Evidence, Pair
from mirror.repeats.search import find_candidates

Encoder = Callable[[Image.Image], bytes]
Edit = Callable[[Image.Image, Random], Image.Image | None]
Judging = Callable[[list[Candidate]], Sequence[Evidence]]


def _scaled(image: Image.Image, by: float, resampling: Image.Resampling) -> Image.Image:
    return image.resize((round(image.width * by), round(image.height * by)), resampling)


MEMBERS: dict[str, Encoder] = {
    "PNG": encode,
    "JPEG 88": lambda image: encode(image, "JPEG", quality=88),
    "2x": lambda image: encode(_scaled(image, 2, Image.Resampling.BILINEAR)),
    "turned": turned,
    "1.5x JPEG": lambda image: encode(
        _scaled(image, 1.5, Image.Resampling.BICUBIC), "JPEG", quality=90
    ),
    "WebP": lambda image: encode(image, "WEBP", quality=80),
}
# What a site may have of the slide and of its sibling. In the last ones the origin of a copy is
# missing, and only the sibling's is there.
_WHOLE = ("PNG", "JPEG 88", "2x")
LAYOUTS: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (_WHOLE, _WHOLE),
    (tuple(MEMBERS), tuple(MEMBERS)),
    (_WHOLE, ("JPEG 88",)),
    (("PNG", "2x"), ("JPEG 88", "turned")),
    (("2x",), ("PNG", "JPEG 88")),
    (("1.5x JPEG", "PNG"), ("WebP", "JPEG 88")),
)


# --- Siblings -----------------------------------------------------------------------------------


def _ground(image: Image.Image, box: tuple[int, int, int, int]) -> tuple[int, int, int]:
    red, green, blue = np.median(np.asarray(image.crop(box)).reshape(-1, 3), axis=0).astype(int)
    return int(red), int(green), int(blue)


def build(image: Image.Image, random: Random) -> Image.Image | None:
    """The slide before its last lines came: the lowest busy band is ground again."""
    grey = np.asarray(image.convert("L")).astype(int)
    step = image.height // 12
    busy = [
        top
        for top in range(step, image.height - 2 * step, step)
        if np.ptp(grey[top : top + step], axis=1).max() > 60
    ]
    if not busy:
        return None
    box = (0, busy[-1], image.width, busy[-1] + step)
    before = image.copy()
    before.paste(_ground(image, box), box)
    return before


def footer(image: Image.Image, random: Random) -> Image.Image | None:
    """Another page number at the foot; both pictures get one, so that only a digit differs."""
    return _numbered(image, random.randrange(10, 90) * 2 + 1)


def _numbered(image: Image.Image, number: int) -> Image.Image:
    numbered = image.copy()
    place = (image.width - 40, image.height - 22)
    box = (*place, image.width - 8, image.height - 6)
    ground = _ground(image, box)
    pen = ImageDraw.Draw(numbered)
    pen.rectangle(box, fill=ground)
    ink = (70, 70, 70) if sum(ground) > 384 else (190, 190, 190)
    pen.text(place, str(number), ink, ImageFont.load_default(11))
    return numbered


def siblings(
    image: Image.Image, edits: dict[str, Edit], random: Random
) -> Iterator[tuple[str, Image.Image, Image.Image]]:
    """Yield a name, the slide and its sibling, which differ where a person can see it."""
    number = random.randrange(10, 90)
    yield "page number", _numbered(image, number), _numbered(image, number + 1)
    for name, edit in ({"build": build} | edits).items():
        changed = edit(image, random)
        if changed is not None and changed.tobytes() != image.tobytes():
            yield name, image, changed


# --- The whole rule over both families ----------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Member:
    """A copy: of the slide or of its sibling, and how it was made."""

    is_sibling: bool
    made: str
    data: bytes
    blob: Blob


@dataclass(slots=True)
class FamilyJudge:
    """Compares the members of two families, each pair once for all layouts."""

    sides: dict[Digest, Side]
    known: dict[Pair, Evidence] = field(default_factory=dict)

    def __call__(self, asked: Sequence[Candidate]) -> list[Evidence]:
        for candidate in asked:
            if (pair := candidate.pair) not in self.known:
                sides = (self.sides[pair.first], self.sides[pair.second])
                self.known[pair] = compare_sides(*sides, candidate.distance, Excerpts())
        return [self.known[candidate.pair] for candidate in asked]


@dataclass(slots=True)
class FamilyTally:
    """Counts over all folders."""

    folders: int = 0
    copies: int = 0
    found: int = 0
    wrong: int = 0

    def add(
        self,
        members: Iterable[Member],
        judge: Callable[[list[Candidate]], Sequence[Evidence]],
        name: str,
    ) -> None:
        known = {member.blob.digest: member for member in members}
        blobs = [member.blob for member in known.values()]
        chosen = judge_waves(choose(blobs, find_candidates(blobs, ())), judge)
        self.folders += 1
        for is_sibling in (False, True):
            family = [d for d, member in known.items() if member.is_sibling is is_sibling]
            if len(family) > 1:
                self.copies += len(family) - 1
                self.found += len(family) - len({chosen[digest] for digest in family})
        for digest, kept in chosen.items():
            copy, standing = known[digest], known[kept]
            if copy.is_sibling is not standing.is_sibling:
                self.wrong += 1
                print(f"    WRONG {name}: {copy.made} behind the other's {standing.made}")


def families(
    pictures: Iterable[tuple[str, Image.Image]],
    edits: dict[str, Edit],
    random: Random,
) -> int:
    """Judge every layout, either way round, of every sibling; return the wrong merges."""
    tallies: dict[str, FamilyTally] = {}
    print("families, a slide and a sibling with copies of each, either way round:")
    for title, image in pictures:
        print(f"  {title}", file=sys.stderr)
        for name, slide, sibling in siblings(image, edits, random):
            made = {
                (is_sibling, kind): Member(is_sibling, kind, data, inspect(data))
                for (is_sibling, of), (kind, encode_) in product(
                    ((False, slide), (True, sibling)), MEMBERS.items()
                )
                for data in (encode_(of),)
            }
            judge = FamilyJudge({m.blob.digest: Side(m.data) for m in made.values()})
            for layout in LAYOUTS:
                for ours, theirs in {layout, layout[::-1]}:
                    members = [made[False, kind] for kind in ours]
                    members += [made[True, kind] for kind in theirs]
                    tally = tallies.setdefault(name, FamilyTally())
                    tally.add(members, judge, f"{name}, {title}, {ours} and {theirs}")
    total = Counter[str]()
    for name, tally in tallies.items():
        print(
            f"  {name:24} {tally.folders:4} folders, {tally.found} of {tally.copies} copies found,"
            f" {tally.wrong} wrong"
        )
        total.update(copies=tally.copies, found=tally.found, wrong=tally.wrong)
    print(
        f"  {'all':24} {total['found']} of {total['copies']} copies found, {total['wrong']} wrong"
    )
    return total["wrong"]
