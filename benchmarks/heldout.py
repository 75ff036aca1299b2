"""Run the rule for repeats over documents and pictures it was never tuned on.

    python -m benchmarks heldout FOLDER [--slides] [--most N] [--width N] [--pages FOLDER]
        [--coders jpeg|palette]

FOLDER holds PDFs and pictures, at any depth; poppler's `pdfinfo`, `pdftotext` and `pdftoppm` make
pages of the PDFs, and pictures too small for more than X3 are left out. Labels come for free: pages
with other words are other pictures, equal pixels are one, and what else is merged is for a person
to look at (`--show FOLDER` draws both and their difference). All are judged as one folder as they
are, again with each one coded in a way drawn by lot, and then pair by pair: all that the
fingerprints propose, either side coded anew. Copies and edits of a sample follow, as in the
benchmark `dedupe`; so does what `--coders` does.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from PIL import Image, ImageChops

from benchmarks import coders, dedupe
from benchmarks.dedupe import RECODINGS, Item, Judge
from mirror.model import Digest
from mirror.pictures.decode import ImageError
from mirror.repeats.evidence import LONG_SIDE, SHORT_SIDE, Evidence, Pair
from mirror.repeats.search import find_candidates

LEAST_PAGES = 3  # of a document that is taken for slides


# --- Pages ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Document:
    path: Path
    name: str
    pages: int
    width: float
    height: float

    @property
    def is_slides(self) -> bool:
        return self.pages >= LEAST_PAGES and self.width > 1.2 * self.height


def documents(folder: Path) -> Iterator[Document]:
    """The PDFs of the folder that poppler can read."""
    for path in sorted(folder.rglob("*.pdf")):
        said = _poppler("pdfinfo", path)
        pages = re.search(r"^Pages:\s+(\d+)", said, re.MULTILINE)
        size = re.search(r"^Page size:\s+([\d.]+) x ([\d.]+)", said, re.MULTILINE)
        if pages and size:
            name = _flat(path.relative_to(folder).with_suffix(""))
            yield Document(path, name, int(pages[1]), float(size[1]), float(size[2]))


def is_large(path: Path) -> bool:
    """Whether the picture can be merged with one that has other pixels."""
    with Image.open(path) as image:
        return max(image.size) >= LONG_SIDE and min(image.size) >= SHORT_SIDE


def _flat(path: Path) -> str:
    return "_".join(path.parts)


def rendered(document: Document, pages: Path, width: int, most: int) -> list[Path]:
    """The first pages as PNG, `width` pixels wide; those already rendered are not made again."""
    folder = pages / document.name
    if not folder.exists():
        part = pages / f"{document.name}.part"
        part.mkdir(parents=True, exist_ok=True)
        scale = ("-scale-to-x", str(width), "-scale-to-y", "-1")
        _poppler("pdftoppm", "-l", str(most), *scale, document.path, part / "p")
        for path in part.glob("*.ppm"):  # poppler's own PNGs take most of its time
            with Image.open(path) as image:
                image.save(path.with_suffix(".png"), compress_level=1)
            path.unlink()
        part.rename(folder)
    return sorted(folder.iterdir())


def words(document: Document) -> list[tuple[str, ...]]:
    """The words of each page, in reading order."""
    text = _poppler("pdftotext", "-layout", document.path, "-")
    return [tuple(page.split()) for page in text.split("\f")]


def _poppler(*command: str | Path) -> str:
    """What the program printed, which may be less than all if the PDF is damaged."""
    try:
        ran = subprocess.run(command, capture_output=True, check=False)
    except FileNotFoundError:
        raise SystemExit(f"{command[0]} is missing: install poppler-utils") from None
    return ran.stdout.decode(errors="replace")


@dataclass(slots=True)
class Material:
    """Pictures as items, pages with the words on them.

    Those of equal pixels share a number, and all the words that were ever seen with it.
    """

    items: list[Item] = field(default_factory=list)
    words: dict[int, set[tuple[str, ...]]] = field(default_factory=dict)
    _seen: dict[bytes, int] = field(default_factory=dict)

    def add(self, path: Path, name: str, words: tuple[str, ...] = ()) -> None:
        item = dedupe.read_item(path, name, self._seen)
        self.items.append(item)
        self.words.setdefault(item.same, set()).add(words)

    def add_pages(self, document: Document, paths: Iterable[Path]) -> None:
        texts = words(document)
        for path in paths:
            number = int(path.stem.removeprefix("p-"))
            text = texts[number - 1] if number <= len(texts) else ()
            self.add(path, f"{document.name}_{path.name}", text)

    def verdict(self, one: Item, other: Item) -> str:
        """What the labels say of a merge: `same`, `wrong`, or to `look` at."""
        if one.same == other.same:
            return "same"
        return "look" if self.words[one.same] & self.words[other.same] else "wrong"


# --- What is merged -------------------------------------------------------------------------------


@dataclass(slots=True)
class Tally:
    """Counts merges by what the labels say of them, and shows those that are not plainly right."""

    material: Material
    show: Path | None
    wrong: int = 0
    shown: set[tuple[str, str]] = field(default_factory=set)

    def add(self, one: Item, other: Item, how: str) -> str:
        verdict = self.material.verdict(one, other)
        self.wrong += verdict == "wrong"
        if verdict != "same":
            print(f"    {verdict.upper()} {one.name}, {other.name}: {how}")
            self._draw(one, other, verdict)
        return verdict

    def _draw(self, one: Item, other: Item, verdict: str) -> None:
        names = (min(one.name, other.name), max(one.name, other.name))
        if self.show is None or names in self.shown:
            return
        self.shown.add(names)
        left, right = one.draw(), other.draw().resize(one.draw().size)
        sheet = Image.new("RGB", (left.width, 3 * left.height))
        louder = ImageChops.difference(left, right).point(lambda level: min(255, 4 * level))
        for place, image in enumerate((left, right, louder)):
            sheet.paste(image, (0, place * left.height))
        self.show.mkdir(parents=True, exist_ok=True)
        sheet.save(self.show / f"{verdict}-{len(self.shown):03}.png")
        (self.show / f"{verdict}-{len(self.shown):03}.txt").write_text("\n".join(names) + "\n")


def as_one_folder(items: Sequence[Item], tally: Tally, judge: Judge) -> None:
    """The whole rule over all items at once."""
    known: dict[Digest, Item] = {}
    for item in items:
        known.setdefault(item.blob.digest, item)
    proposed, chosen = dedupe.rule([item.blob for item in known.values()], judge)
    verdicts = [
        tally.add(known[digest], known[to], _told(judge.accepted[Pair.of(digest, to)]))
        for digest, to in chosen.items()
        if digest != to
    ]
    counts = ", ".join(f"{name} {verdicts.count(name)}" for name in ("same", "look", "wrong"))
    print(f"  proposed {proposed}, merged {len(verdicts)}: {counts}")


def coded_by_lot(items: Sequence[Item], random: Random) -> Iterator[Item]:
    """Each picture as it is or saved in one of the ways a blog may have saved it."""
    for item in items:
        recode = random.choice([None, *RECODINGS.values()])
        yield item.saved(recode(item.draw())) if recode else item


def hard_pairs(items: Sequence[Item]) -> list[tuple[Item, Item]]:
    """Pictures with other pixels that the fingerprints propose as one, the nearest first."""
    known = {item.blob.digest: item for item in items}
    found = find_candidates([item.blob for item in known.values()], ())
    found.sort(key=lambda proposal: proposal.distance)
    pairs = [(known[p.pair.first], known[p.pair.second]) for p in found]
    return [(one, other) for one, other in pairs if one.same != other.same]


def coded_anew(pairs: Sequence[tuple[Item, Item]], tally: Tally, judge: Judge) -> None:
    for name, recode in RECODINGS.items():
        counts = {"wrong": 0, "look": 0, "apart": 0}
        for one, other, evidence in dedupe.coded_anew(pairs, recode, judge):
            how = f"{name}, {_told(evidence)}"
            counts[tally.add(one, other, how) if evidence.same else "apart"] += 1
        print(f"  one side as {name}: " + ", ".join(f"{n} {kind}" for kind, n in counts.items()))


def _told(evidence: Evidence) -> str:
    return f"{evidence.tier} at {evidence.distance} bits {evidence.statistics}"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--slides", action="store_true", help="take wide documents of 3+ pages")
    parser.add_argument("--most", type=int, default=10_000, help="first pages of each document")
    parser.add_argument("--width", type=int, default=1280, help="pixels")
    parser.add_argument("--pages", type=Path, help="where rendered pages are kept and looked for")
    parser.add_argument("--show", type=Path, help="where merged pairs to look at are drawn")
    parser.add_argument("--lots", type=int, default=1, help="how often the codings are drawn")
    parser.add_argument("--pairs", type=int, default=10_000, help="proposed pairs coded anew")
    parser.add_argument("--sample", type=int, default=60, help="pictures copied and edited")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--coders", choices=coders.FOUND, help="code by other programs")
    arguments = parser.parse_args()
    dedupe.make_copies_by(arguments.coders)
    with TemporaryDirectory(prefix="pages-") as folder:
        return measure(arguments, arguments.pages or Path(folder))


def measure(arguments: argparse.Namespace, folder: Path) -> int:
    began = time.process_time()
    material, count = Material(), 0
    for document in documents(arguments.folder):
        if document.is_slides or not arguments.slides:
            material.add_pages(
                document, rendered(document, folder, arguments.width, arguments.most)
            )
            count += 1
    pages = len(material.items)
    for path in dedupe.pictures(arguments.folder.rglob("*")):
        try:
            if is_large(path):
                material.add(path, _flat(path.relative_to(arguments.folder)))
        except (OSError, ImageError) as error:
            print(f"{path}: {error}")
    items, tally = material.items, Tally(material, arguments.show)
    random = Random(arguments.seed)
    print(
        f"{count} documents of {pages} pages, {len(items) - pages} pictures;"
        f" {len(material.words)} with distinct pixels, {len(items) * (len(items) - 1) // 2:,} pairs"
    )
    print("as they are, one folder:")
    as_one_folder(items, tally, Judge(items))
    for _ in range(arguments.lots):
        print("each coded in a way drawn by lot, one folder:")
        coded = list(coded_by_lot(items, random))
        as_one_folder(coded, tally, Judge(coded))
    hard = hard_pairs(items)
    tried = hard[: arguments.pairs]
    print(f"proposed pairs with other pixels: {len(hard)}; the nearest {len(tried)} coded anew:")
    judge, wrong = Judge(items), 0
    coded_anew(tried, tally, judge)
    if sample := list(dedupe.spread(items, arguments.sample)):
        wrong += dedupe.copies(items, sample, judge)
        wrong += dedupe.edits(sample, judge, random)
    wrong += tally.wrong
    print(f"wrong merges in all: {wrong}; {time.process_time() - began:.0f} s CPU")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
