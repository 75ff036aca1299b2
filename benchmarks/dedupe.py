"""Run the whole rule for repeats over a folder of pictures and say what it did wrong.

    python -m benchmarks dedupe FOLDER [--sample N] [--families N] [--search] [--seed N]
        [--imagededup PYTHON] [--coders jpeg|palette]

FOLDER holds pictures, in itself or in `images/`, and may hold `labels.tsv`: two file names and
`identical` or `different` a line. Pictures without a label count as one picture exactly if their
pixels are equal. Prints wrong merges, recall for each kind of copy, edits that must be told apart,
cost, and what other programs do with the same folder. imagededup brings torch and torchvision, so
it may live in an environment of its own: PYTHON is that environment's interpreter.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from io import BytesIO
from itertools import combinations
from pathlib import Path
from random import Random

import imagehash
import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from support.pairs import choose
from support.slides import encode, turned

from benchmarks import coders
from benchmarks.edits import fine_edits
from benchmarks.families import Edit, families
from mirror.model import Blob, Digest
from mirror.pictures.blob import inspect
from mirror.pictures.decode import on_white
from mirror.repeats.choose import judge_waves
from mirror.repeats.compare import compare
from mirror.repeats.evidence import DISTANCE, Candidate, Evidence, Pair
from mirror.repeats.search import find_candidates, neighbours

Encoder = Callable[[Image.Image], bytes]
LANCZOS, BICUBIC = Image.Resampling.LANCZOS, Image.Resampling.BICUBIC
BILINEAR = Image.Resampling.BILINEAR


def scaled(image: Image.Image, by: float, resampling: Image.Resampling) -> Image.Image:
    return image.resize((round(image.width * by), round(image.height * by)), resampling)


COPIES: dict[str, Encoder] = {
    **{
        f"JPEG {quality}": lambda image, quality=quality: encode(image, "JPEG", quality=quality)
        for quality in (95, 85, 75, 60)
    },
    "JPEG 85 of a JPEG 75": lambda image: encode(
        Image.open(BytesIO(encode(image, "JPEG", quality=75))), "JPEG", quality=85
    ),
    "EXIF-rotated JPEG 90": turned,
    "0.75x JPEG 85": lambda image: encode(scaled(image, 0.75, BICUBIC), "JPEG", quality=85),
    "0.5x JPEG 85": lambda image: encode(scaled(image, 0.5, LANCZOS), "JPEG", quality=85),
    "0.5x PNG": lambda image: encode(scaled(image, 0.5, LANCZOS)),
    "1.5x JPEG 90": lambda image: encode(scaled(image, 1.5, BICUBIC), "JPEG", quality=90),
    "2x PNG": lambda image: encode(scaled(image, 2, BILINEAR)),
    "WebP 80": lambda image: encode(image, "WEBP", quality=80),
    "WebP lossless": lambda image: encode(image, "WEBP", lossless=True),
    "AVIF 60": lambda image: encode(image, "AVIF", quality=60, max_threads=1),
    "PNG written again": lambda image: encode(image, compress_level=1),
    "PNG, 256 colours": lambda image: encode(image.quantize(256)),
}
MUST_STAY_APART: dict[str, Encoder] = {
    "grey JPEG of a colour slide": lambda image: encode(image.convert("L"), "JPEG", quality=90),
    "crop of 2 %": lambda image: encode(
        image.crop((12, 8, image.width - 12, image.height - 8)), "JPEG", quality=85
    ),
}
RECODINGS = {name: COPIES[name] for name in ("JPEG 75", "WebP 80", "0.75x JPEG 85", "0.5x PNG")}
EDIT_CODINGS = {
    name: COPIES[name]
    for name in (
        "JPEG 85",
        "JPEG 60",
        "WebP 80",
        "AVIF 60",
        "0.75x JPEG 85",
        "0.5x PNG",
        "1.5x JPEG 90",
    )
}


def make_copies_by(kind: str | None) -> None:
    """Have every copy made by programs other than Pillow; without a kind, change nothing."""
    if kind is not None:
        found = coders.FOUND[kind]()
        print(f"coders: {', '.join(found) or 'none is installed'}")
        for codings in (COPIES, RECODINGS, EDIT_CODINGS):
            codings.clear()
            codings.update(found)


# --- The folder -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Item:
    """A picture of the folder; `same` is shared by all whose pixels are equal."""

    name: str
    data: bytes
    blob: Blob
    same: int

    def draw(self) -> Image.Image:
        with Image.open(BytesIO(self.data)) as image:
            return on_white(image).convert("RGB")

    def saved(self, data: bytes) -> Item:
        """The same picture in other bytes."""
        return replace(self, data=data, blob=inspect(data))


def read_folder(folder: Path) -> list[Item]:
    root = folder / "images" if (folder / "images").is_dir() else folder
    seen: dict[bytes, int] = {}
    return [read_item(path, path.name, seen) for path in pictures(root.iterdir())]


def pictures(paths: Iterable[Path]) -> list[Path]:
    endings = {".png", ".jpg", ".jpeg", ".webp", ".gif"}
    return sorted(path for path in paths if path.suffix.lower() in endings)


def read_item(path: Path, name: str, seen: dict[bytes, int]) -> Item:
    """`seen` numbers the pixels met so far."""
    data = path.read_bytes()
    with Image.open(BytesIO(data)) as image:
        pixels = sha256(repr(image.size).encode() + image.convert("RGBA").tobytes()).digest()
    return Item(name, data, inspect(data), seen.setdefault(pixels, len(seen)))


def read_labels(folder: Path, items: Sequence[Item]) -> list[tuple[Item, Item, bool]]:
    by_name = {item.name: item for item in items}
    labels = []
    if (folder / "labels.tsv").exists():
        for line in (folder / "labels.tsv").read_text().splitlines():
            cells = line.split("\t")
            if len(cells) >= 3 and cells[2] in ("identical", "different"):
                labels.append((by_name[cells[0]], by_name[cells[1]], cells[2] == "identical"))
    return labels


def is_coloured(image: Image.Image) -> bool:
    """Whether a grey copy would be another picture."""
    return bool(np.count_nonzero(np.ptp(np.asarray(image), axis=2) > 40) > 200)


class Judge:
    """Answers the waves of a choice from bytes held here, and keeps the time of each verdict."""

    def __init__(self, items: Sequence[Item] = ()) -> None:
        self.data = {item.blob.digest: item.data for item in items}
        self.accepted: dict[Pair, Evidence] = {}
        self.cost_ms: dict[str, list[float]] = {}

    def __call__(self, asked: Sequence[Candidate]) -> list[Evidence]:
        return [
            self.one(self.data[ask.pair.first], self.data[ask.pair.second], ask.distance)
            for ask in asked
        ]

    def one(self, first: bytes, second: bytes, distance: int) -> Evidence:
        began = time.process_time()
        evidence = compare(first, second, distance)
        kind = "accepted" if evidence.same else "refused"
        self.cost_ms.setdefault(kind, []).append((time.process_time() - began) * 1e3)
        if evidence.same:
            self.accepted[evidence.pair] = evidence
        return evidence

    def forced(self, first: Item, second: Item) -> Evidence:
        """The pixels' verdict even where the fingerprints are too far apart to propose the pair."""
        one, other = first.blob.fingerprint, second.blob.fingerprint
        if one is None or other is None:
            raise ValueError("expected pictures with pixels")
        return self.one(first.data, second.data, min(one.distance(other), DISTANCE))


def rule(blobs: Iterable[Blob], judge: Judge) -> tuple[int, dict[Digest, Digest]]:
    """How many pairs the fingerprints propose, and what the whole rule makes of them."""
    blobs = list({blob.digest: blob for blob in blobs}.values())
    proposed = find_candidates(blobs, ())
    return len(proposed), judge_waves(choose(blobs, proposed), judge)


# --- Originals and their copies -------------------------------------------------------------------


def originals(items: Sequence[Item], judge: Judge) -> int:
    """Every picture as it is: what is merged without equal pixels is wrong."""
    same = {item.blob.digest: item.same for item in items}
    proposed, chosen = rule((item.blob for item in items), judge)
    merged = [(d, to) for d, to in chosen.items() if d != to]
    wrong = [pair for pair in merged if same[pair[0]] != same[pair[1]]]
    print(f"{len(items)} pictures, {len(items) * (len(items) - 1) // 2:,} pairs")
    print(f"  proposed {proposed}, merged {len(merged)}, wrong merges {len(wrong)}")
    if refused := judge.cost_ms.get("refused"):
        print(f"  a refused pair: median {statistics.median(refused):.1f} ms CPU")
    kept = {chosen[d] for d in chosen}
    print(f"  pictures kept {len(kept)}, with distinct pixels {len(set(same.values()))}")
    return len(wrong)


def labelled(labels: Sequence[tuple[Item, Item, bool]], judge: Judge) -> int:
    """Labelled pairs, as they are and with either side coded in another way."""
    wrong = 0
    plain = Counter[tuple[bool, bool]]()
    for one, other, identical in labels:
        plain[identical, judge.forced(one, other).same] += 1
    wrong += plain[False, True]
    print(f"labelled identical: {plain[True, True]} merged, {plain[True, False]} missed")
    print(f"labelled different: {plain[False, False]} kept apart, {plain[False, True]} merged")
    different = [(one, other) for one, other, identical in labels if not identical]
    for name, recode in RECODINGS.items():
        merged = 0
        for one, other, evidence in coded_anew(different, recode, judge):
            if evidence.same:
                merged += 1
                values = evidence.statistics
                print(f"    WRONG {one.name}, {other.name} as {name}: {evidence.tier} {values}")
        print(
            f"  with one side as {name}: {2 * len(different) - merged} kept apart, {merged} merged"
        )
        wrong += merged
    return wrong


def coded_anew(
    pairs: Iterable[tuple[Item, Item]], recode: Encoder, judge: Judge
) -> Iterator[tuple[Item, Item, Evidence]]:
    """Each pair twice, either side coded in another way: the untouched side comes first."""
    made: dict[str, Item] = {}
    for pair in pairs:
        for plain, other in (pair, pair[::-1]):
            if other.name not in made:
                made[other.name] = other.saved(recode(other.draw()))
            yield plain, other, judge.forced(plain, made[other.name])


def copies(items: Sequence[Item], sample: Sequence[Item], judge: Judge) -> int:
    """The folder plus one kind of copy of a sample, through the whole rule."""
    wrong = 0
    print(f"copies of {len(sample)} pictures, each kind beside the whole folder:")
    for name, code in (COPIES | MUST_STAY_APART).items():
        blobs = {item.blob.digest: item.blob for item in items}
        same = {item.blob.digest: item.same for item in items}
        made = {}
        for item in sample:
            image = item.draw()
            if name in MUST_STAY_APART and not is_coloured(image):
                continue
            data = code(image)
            blob = inspect(data)
            judge.data[blob.digest] = data
            made[blob.digest] = item
            blobs[blob.digest] = blob
            same[blob.digest] = item.same
        if not made:
            continue  # nothing of the sample has colour to lose
        before = {kind: len(times) for kind, times in judge.cost_ms.items()}
        _, chosen = rule(blobs.values(), judge)
        bad = sum(same[d] != same[to] for d, to in chosen.items() if d in made or to in made)
        found = sum(chosen[d] == chosen[item.blob.digest] for d, item in made.items())
        smaller = sum(blobs[chosen[d]].pixels < blobs[d].pixels for d in chosen)
        times = judge.cost_ms.get("accepted", [])[before.get("accepted", 0) :]
        cost = f"{statistics.median(times):5.0f} ms a merge" if times else ""
        print(
            f"  {name:28} recall {100 * found / len(made):5.1f} %  wrong {bad}"
            f"  repointed at fewer pixels {smaller}  {cost}"
        )
        wrong += bad + smaller
    return wrong


# --- Edits ----------------------------------------------------------------------------------------

Box = tuple[int, int, int, int]


def glyphs(image: Image.Image) -> list[Box]:
    """Boxes of marks as large as letters on plain ground."""
    grey = np.asarray(image.convert("L")).astype(np.int16)
    ground = ndimage.median_filter(grey[::2, ::2], 25).repeat(2, 0).repeat(2, 1)
    ground = np.pad(ground, ((0, 1), (0, 1)), mode="edge")[: grey.shape[0], : grey.shape[1]]
    marks, _ = ndimage.label(np.abs(grey - ground) > 60, np.ones((3, 3)))
    boxes = []
    for rows, columns in ndimage.find_objects(marks):
        high, wide = rows.stop - rows.start, columns.stop - columns.start
        if 8 <= high <= 30 and 4 <= wide <= 30 and rows.start > 3 and columns.start > 3:
            boxes.append((columns.start - 1, rows.start - 1, columns.stop + 1, rows.stop + 1))
    return [box for box in boxes if box[2] < image.width and box[3] < image.height]


def ground_of(image: Image.Image, box: Box) -> tuple[int, int, int]:
    edge = np.asarray(image.crop(box))
    rim = np.concatenate([edge[0], edge[-1], edge[:, 0], edge[:, -1]])
    red, green, blue = np.median(rim, axis=0).astype(int).tolist()
    return red, green, blue


def against(ground: tuple[int, int, int], contrast: int) -> tuple[int, int, int]:
    sign = 1 if sum(ground) < 384 else -1
    red, green, blue = (max(0, min(255, level + sign * contrast)) for level in ground)
    return red, green, blue


def other_glyph(image: Image.Image, boxes: Sequence[Box], random: Random) -> bool:
    """Put one glyph where another of the same size stands."""
    for box in random.sample(boxes, len(boxes))[:40]:
        size = (box[2] - box[0], box[3] - box[1])
        here = np.asarray(image.crop(box)).astype(int)
        for source in random.sample(boxes, len(boxes))[:80]:
            if (source[2] - source[0], source[3] - source[1]) != size:
                continue
            if ground_of(image, box) != ground_of(image, source):
                continue
            there = np.asarray(image.crop(source)).astype(int)
            if np.abs(ndimage.uniform_filter((here - there).mean(axis=2), 3)).max() > 90:
                image.paste(image.crop(source), box[:2])
                return True
    return False


def no_glyph(image: Image.Image, boxes: Sequence[Box], random: Random) -> bool:
    for box in random.sample(boxes, len(boxes)):
        ground = ground_of(image, box)
        contrast = np.abs(np.asarray(image.crop(box)).astype(int) - ground).max(axis=2)
        if np.count_nonzero(contrast > 90) >= 12:
            image.paste(ground, box)
            return True
    return False


def full_stop(image: Image.Image, boxes: Sequence[Box], random: Random) -> bool:
    place = free_place(image, boxes, random, (3, 3))
    if place:
        ground = ground_of(image, (*place, place[0] + 3, place[1] + 3))
        image.paste(against(ground, 110), (*place, place[0] + 3, place[1] + 3))
    return bool(place)


def digit(image: Image.Image, boxes: Sequence[Box], random: Random) -> bool:
    place = free_place(image, boxes, random, (12, 16))
    if place:
        ground = ground_of(image, (*place, place[0] + 12, place[1] + 16))
        pen = ImageDraw.Draw(image)
        pen.text(place, str(random.randrange(10)), against(ground, 60), ImageFont.load_default(15))
    return bool(place)


def icon(image: Image.Image, boxes: Sequence[Box], random: Random) -> bool:
    place = free_place(image, boxes, random, (14, 14))
    if place:
        box = (*place, place[0] + 13, place[1] + 13)
        colour = against(ground_of(image, box), 60)
        ImageDraw.Draw(image).ellipse(box, outline=colour, width=2)
    return bool(place)


def recolouring(image: Image.Image, boxes: Sequence[Box], random: Random) -> bool:
    """Shift the colour of a stretch of a line and leave its luma."""
    if not boxes:
        return False
    luma = np.array([0.299, 0.587, 0.114])
    for left, top, _, bottom in random.sample(boxes, min(len(boxes), 20)):
        box = (left, top, min(left + 120, image.width), bottom)
        pixels = np.asarray(image.crop(box)).astype(np.float64)
        ink = np.abs(pixels - ground_of(image, box)).max(axis=2) > 60
        for sign in (1, -1):
            changed = (pixels + sign * np.array([50.0, -50 * 0.299 / 0.587, 0.0])).round()
            taken = ink & (np.abs((changed.clip(0, 255) - pixels) @ luma) < 1)
            if taken.sum() < max(120, 0.6 * ink.sum()):
                continue  # mostly black or white strokes, which have no colour of equal luma
            changed = np.where(taken[..., None], changed, pixels).clip(0, 255)
            image.paste(Image.fromarray(changed.astype(np.uint8)), box[:2])
            return True
    return False


def free_place(
    image: Image.Image, boxes: Sequence[Box], random: Random, size: tuple[int, int]
) -> tuple[int, int] | None:
    """A plain spot right behind some glyph, on its base line."""
    for box in random.sample(boxes, len(boxes))[:60]:
        left, top = box[2] + 2, box[3] - size[1] - 1
        spot = (left - 1, top - 1, left + size[0] + 1, top + size[1] + 1)
        if top < 1 or spot[2] > image.width:
            continue
        if np.ptp(np.asarray(image.crop(spot)).reshape(-1, 3), axis=0).max() <= 6:
            return left, top
    return None


EDITS = {
    "one glyph another": other_glyph,
    "one glyph gone": no_glyph,
    "a full stop more": full_stop,
    "a pale digit more": digit,
    "an icon more": icon,
    "a few words recoloured": recolouring,
}


def edits(sample: Sequence[Item], judge: Judge, random: Random) -> int:
    """Small changes, each in several codings, against the untouched picture."""
    wrong = tried = 0
    print("edits, each against the untouched picture (fingerprints taken as near enough):")
    marks = [(item, item.draw()) for item in sample]
    places = [(item, image, glyphs(image)) for item, image in marks]
    for name, edit in EDITS.items():
        merged = Counter[str]()
        count = 0
        for item, image, boxes in places:
            changed = image.copy()
            if not edit(changed, boxes, random):
                continue
            for coding, code in EDIT_CODINGS.items():
                evidence = judge.forced(item, item.saved(code(changed)))
                merged[coding] += evidence.same
                count += 1
                if evidence.same:
                    values = evidence.statistics
                    print(f"    WRONG {name}, {coding}, {item.name}: {evidence.tier} {values}")
        print(f"  {name:28} {count:5} tried, {merged.total()} merged")
        wrong += merged.total()
        tried += count
    print(f"  {'all':28} {tried:5} tried, {wrong} merged")
    return wrong


def family_merges(sample: Sequence[Item], random: Random) -> int:
    """Wrong merges across families of copies; each edit is one more kind of sibling."""

    def edited(edit: Callable[..., bool]) -> Edit:
        def changed(image: Image.Image, random: Random) -> Image.Image | None:
            copy = image.copy()
            return copy if edit(copy, glyphs(image), random) else None

        return changed

    pictures_by_name = ((item.name, item.draw()) for item in sample)
    return families(pictures_by_name, {n: edited(e) for n, e in EDITS.items()}, random)


# --- Cost -----------------------------------------------------------------------------------------


def cost(sample: Sequence[Item], judge: Judge) -> None:
    slides = [item.data for item in sample]
    mixed = slides[::2] + [encode(item.draw(), "JPEG", quality=85) for item in sample[1::2]]

    def decode(data: bytes) -> None:
        with Image.open(BytesIO(data)) as image:
            image.load()

    def best(work: Callable[[bytes], object]) -> float:
        rounds = []
        for _ in range(5):
            began = time.process_time()
            for data in mixed:
                work(data)
            rounds.append(time.process_time() - began)
        return min(rounds) * 1e3 / len(mixed)

    plain, full = best(decode), best(inspect)
    print(f"a picture, half PNG half JPEG 85: decode {plain:.2f} ms, inspect {full:.2f} ms")
    print(f"  inspecting adds {(full - plain) / plain:.2f} times plain decode")
    for kind, times in sorted(judge.cost_ms.items()):
        middle, high = statistics.median(times), statistics.quantiles(times, n=20)[-1]
        print(f"  {kind}, copies and edits too: median {middle:.1f} ms, 95 % {high:.0f} ms CPU")


def search_cost() -> None:
    random = np.random.default_rng(0)
    for count in (10_000, 100_000, 1_000_000):
        words = random.integers(0, 2**64, (count, 4), dtype=np.uint64)
        began = time.perf_counter()
        found = sum(1 for _ in neighbours(words, 200))
        one = time.perf_counter() - began
        line = f"  {count:9,} fingerprints: 200 new against all {one:.3f} s ({found} pairs)"
        if count <= 100_000:
            began = time.perf_counter()
            for _ in neighbours(words, count):
                pass
            line += f", all pairs {time.perf_counter() - began:.1f} s"
        print(line)
    print(f"  peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MB")


# --- Other programs -------------------------------------------------------------------------------


def others(items: Sequence[Item], imagededup: Path) -> None:
    print("other programs, originals of the folder as they are (wrong = pixels not equal):")
    for name, side, limits in (("imagehash phash 64", 8, (0, 4, 10)), ("phash 256", 16, (0, 24))):
        hashes = [imagehash.phash(item.draw(), hash_size=side) for item in items]
        bits = np.array([h.hash.ravel() for h in hashes], np.int16)
        apart = np.abs(bits[:, None] - bits[None]).sum(axis=2)
        for limit in limits:
            pairs = [
                (i, j)
                for i, j in combinations(range(len(items)), 2)
                if apart[i, j] <= limit and items[i].same != items[j].same
            ]
            print(f"  {name}, distance <= {limit}: {len(pairs)} wrong pairs")
    with tempfile.TemporaryDirectory() as folder:
        for item in items:
            (Path(folder) / item.name).write_bytes(item.data)
        _report_other("imagededup PHash", _imagededup(Path(folder), imagededup), items)
        _report_other("findimagedupes", _findimagedupes(Path(folder)), items)


def _report_other(name: str, groups: list[set[str]] | None, items: Sequence[Item]) -> None:
    if groups is None:
        print(f"  {name}: not installed, skipped")
        return
    same = {item.name: item.same for item in items}
    pairs = {pair for group in groups for pair in combinations(sorted(group), 2)}
    wrong = sum(same[a] != same[b] for a, b in pairs)
    print(f"  {name}, as it comes: {len(pairs)} pairs, {wrong} wrong")


# Its CNN is left out: the weights are fetched from a hub at the first run.
_IMAGEDEDUP = """
import json, sys
from imagededup.methods import PHash
json.dump(PHash(verbose=False).find_duplicates(image_dir=sys.argv[1]), sys.stdout)
"""


def _imagededup(folder: Path, python: Path) -> list[set[str]] | None:
    """Pairs at its own threshold, 10 of 64 bits; None where `python` cannot import it."""
    imports = [str(python), "-c", "import imagededup.methods"]
    if subprocess.run(imports, capture_output=True, check=False).returncode:
        return None
    command = [str(python), "-c", _IMAGEDEDUP, str(folder)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    found = json.loads(ran.stdout)
    return [{name, other} for name, mates in found.items() for other in mates]


def _findimagedupes(folder: Path) -> list[set[str]] | None:
    if not (program := shutil.which("findimagedupes")):
        return None
    ran = subprocess.run([program, str(folder)], capture_output=True, text=True, check=False)
    return [{Path(name).name for name in line.split()} for line in ran.stdout.splitlines()]


def spread(items: Sequence[Item], count: int) -> Iterator[Item]:
    """`count` pictures spread over the folder, no two with equal pixels."""
    distinct = list({item.same: item for item in items}.values())
    step = max(1, len(distinct) // max(1, count))
    yield from distinct[::step][:count]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sample", type=int, default=60, help="pictures copied and edited")
    parser.add_argument("--families", type=int, default=2, help="pictures with families of copies")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--search", action="store_true", help="also time the candidate search")
    parser.add_argument(
        "--imagededup", type=Path, default=Path(sys.executable), help="a Python that has it"
    )
    parser.add_argument("--coders", choices=coders.FOUND, help="code by other programs")
    arguments = parser.parse_args()
    make_copies_by(arguments.coders)
    began = time.perf_counter()
    items = read_folder(arguments.folder)
    sample = list(spread(items, arguments.sample))
    judge = Judge(items)
    wrong = originals(items, judge)
    wrong += labelled(read_labels(arguments.folder, items), judge)
    wrong += copies(items, sample, judge)
    wrong += edits(sample, judge, Random(arguments.seed))
    wrong += fine_edits(
        ((item.name, item.draw()) for item in sample),
        lambda one, other: compare(one, other, DISTANCE),
        EDIT_CODINGS | RECODINGS,
        Random(arguments.seed),
    )
    wrong += family_merges(list(spread(items, arguments.families)), Random(arguments.seed))
    cost(sample, judge)
    if arguments.search:
        search_cost()
    others(items, arguments.imagededup)
    print(f"wrong merges in all: {wrong}; {time.perf_counter() - began:.0f} s")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
