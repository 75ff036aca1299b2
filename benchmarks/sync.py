"""The backup of 1,000 slides from loopback to a directory and to S3, cold and with nothing to do.

    python -m benchmarks sync [--folder PICTURES] [--count N] [--runs N]

Beside it in the same rounds: the bound (decode, SHA-256 and imagehash of the same pictures on all
cores, no network) and what a user would do otherwise (`rclone copyurl`, `findimagedupes` or a
script around imagehash, `rclone copy` to S3). Every piece of work is a process, timed from its
start to its end. Two other corpora are backed up to a directory: one with repeats, and decks whose
slides are built step by step. With nothing to do, a site of 10,000 images is backed up again.

The slides are those of `--folder`, else of the folder that the environment names in BENCH_SLIDES,
else of `../shared` where that is, else drawn ones.
"""

from __future__ import annotations

import shutil
from argparse import ArgumentParser
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from io import BytesIO
from itertools import count, cycle
from os import cpu_count
from pathlib import Path
from shutil import which
from tempfile import TemporaryDirectory
from typing import Any

from PIL import Image
from support.slides import THEMES, deck, encode

from benchmarks import verify
from benchmarks.common import (
    BUCKET,
    BenchError,
    Helper,
    Run,
    cpu_ratio,
    helper,
    measured,
    median,
    ratio,
    rclone,
    rclone_s3,
    run,
    s3_server,
    seconds,
    several,
    slides_folder,
    table,
)

REPEATS = 5  # of so many pictures one is a copy of another, in the corpus with repeats
STEPS = 4  # of a slide that is built step by step
KNOWN = 10_000  # images of the site on which nothing is to do
STAGES = {"FetchJob": "fetch", "InspectJob": "decode", "CompareJob": "compare", "StoreJob": "store"}
FIND_REPEATS = "findimagedupes" if which("findimagedupes") else "imagehash"
OTHERWISE = ("rclone copyurl", FIND_REPEATS, "rclone copy to S3")
TURNS = (
    None,
    Image.Transpose.ROTATE_180,
    Image.Transpose.FLIP_LEFT_RIGHT,
    Image.Transpose.FLIP_TOP_BOTTOM,
)
ADDRESS = "https://slides.example.com/"
CONFIG = """
[posts]
paths = ["posts"]
[[source]]
name = "slides"
match = ["{address}"]
fetch = "{host}"
[[destination]]
name = "copy"
{destination}
"""

FOLDER = 'url = "file:images"'
_prefixes = count(1)  # each upload has its own, so that nothing has to be removed


# --- Pictures -----------------------------------------------------------------------------------


def drawn(many: int) -> Iterator[Image.Image]:
    """Slides of three decks, each of one template."""
    share = -(-many // len(THEMES))
    slides = [deck(share, seed=seed, theme=theme) for seed, theme in enumerate(THEMES)]
    for number in range(many):
        yield slides[number % len(THEMES)][number // len(THEMES)].draw()


def taken(folder: Path, many: int) -> Iterator[Image.Image]:
    """The pictures of a folder; where they are too few, also turned, mirrored and upside down."""
    paths = sorted(path for path in folder.iterdir() if path.is_file())
    if many > len(paths) * len(TURNS):
        raise BenchError(f"{folder} has too few pictures for {many}: at most {len(TURNS)} of each")
    for number in range(many):
        turn = TURNS[number // len(paths)]
        with Image.open(paths[number % len(paths)]) as image:
            picture = image.convert("RGB")
        yield picture if turn is None else picture.transpose(turn)


def slides(folder: Path | None, many: int) -> Iterator[Image.Image]:
    """Real slides where there is a folder of them, otherwise drawn ones."""
    return drawn(many) if folder is None else taken(folder, many)


def built(pictures: Iterable[Image.Image]) -> Iterator[Image.Image]:
    """Each picture in `STEPS` steps, as a talk shows it: the lower part is added bit by bit."""
    for picture in pictures:
        width, height = picture.size
        empty = picture.getpixel((0, height - 1))
        for step in range(1, STEPS + 1):
            image = picture.copy()
            image.paste(empty, (0, height * step // STEPS, width, height))
            yield image


def write_pictures(pictures: Iterable[Image.Image], folder: Path) -> None:
    """Half PNG, half JPEG 88."""
    folder.mkdir()
    for number, image in enumerate(pictures):
        name = folder / f"{number:06}"
        if number % 2:
            name.with_suffix(".jpg").write_bytes(encode(image, "JPEG", quality=88))
        else:
            name.with_suffix(".png").write_bytes(encode(image, "PNG"))


def write_repeats(pictures: Path, folder: Path) -> None:
    """The same pictures, each fifth replaced by a copy of the one before it: see `COPIES`."""
    folder.mkdir()
    copies = cycle(COPIES)
    before = Path()
    for number, path in enumerate(sorted(pictures.iterdir())):
        if number % REPEATS == REPEATS - 1:
            data = next(copies)(before.read_bytes())
            (folder / f"{path.stem}.copy").write_bytes(data)
        else:
            (folder / path.name).hardlink_to(path)
            before = path


def _recoded(data: bytes) -> bytes:
    return encode(Image.open(BytesIO(data)).convert("RGB"), "JPEG", quality=75)


def _smaller(data: bytes) -> bytes:
    image = Image.open(BytesIO(data)).convert("RGB")
    size = (image.width * 3 // 4, image.height * 3 // 4)
    return encode(image.resize(size, Image.Resampling.LANCZOS), "JPEG", quality=85)


COPIES: tuple[Callable[[bytes], bytes], ...] = (bytes, _recoded, _smaller)
"""Repeats as they come: the same bytes, as a JPEG 75, at three quarters of the size."""


# --- Work ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Bench:
    """Where one round's work is done, and from where and to where."""

    pictures: Path
    scratch: Path
    host: Helper
    s3_url: str
    host_url: str = ""  # that of the host, unless a line lies between

    def say_corpus(self, folder: Path | None) -> None:
        sizes = [path.stat().st_size for path in self.pictures.iterdir()]
        what = "drawn slides" if folder is None else f"real slides, from {folder}"
        print(
            f"{len(sizes):,} {what}; half PNG, half JPEG 88, {sum(sizes) / 1e6:.0f} MB; "
            f"{cpu_count()} cores"
        )

    @property
    def names(self) -> list[str]:
        return sorted(path.name for path in self.pictures.iterdir())

    def site(self, name: str, destination: str) -> Path:
        """A new site that shows every picture, fifty a post; return its configuration."""
        root = self.scratch / "sites" / name
        shutil.rmtree(root, ignore_errors=True)
        (root / "posts").mkdir(parents=True)
        names = self.names
        for start in range(0, len(names), 50):
            lines = (f"![]({ADDRESS}{name})\n\n" for name in names[start : start + 50])
            (root / "posts" / f"{start:06}.md").write_text("".join(lines))
        config = root / "mirror.toml"
        config.write_text(
            CONFIG.format(
                address=ADDRESS, host=self.host_url or self.host.url, destination=destination
            )
        )
        return config

    def cold(self, name: str, destination: str) -> Run:
        return self.sync(self.site(name, destination))

    def cold_to_s3(self, name: str) -> Run:
        url = f"s3://{BUCKET}/{next(_prefixes)}"
        destination = f'url = "{url}"\nendpoint_url = "{self.s3_url}"\nregion = "us-east-1"'
        return self.cold(name, destination)

    def again(self, name: str) -> Run:
        return self.sync(self.scratch / "sites" / name / "mirror.toml")

    def sync(self, config: Path) -> Run:
        self.host.requests()
        done = measured("sync", config)
        if done.facts["findings"]:
            raise BenchError(f"sync found {done.facts['findings']}")
        done.facts["asked"] = self.host.requests()
        return done

    def make_settled(self, name: str) -> None:
        """Make a site of `KNOWN` images, all of them mirrored to a folder."""
        root = self.scratch / "sites" / name
        config = verify.write_site(root, KNOWN, "", KNOWN)
        config.write_text(CONFIG.format(address=ADDRESS, host=self.host.url, destination=FOLDER))
        verify.write_objects(root / "images", KNOWN)
        self.again(name)  # names the objects as this site's

    def rclone_fetch(self) -> Run:
        copies = self.scratch / "copies"
        shutil.rmtree(copies, ignore_errors=True)
        urls = self.scratch / "urls.csv"
        urls.write_text("".join(f"{self.host.url}{name},{name}\n" for name in self.names))
        return run([rclone(), "copyurl", "--urls", urls, copies, "--transfers", "16"])

    def find_repeats(self) -> Run:
        if FIND_REPEATS == "imagehash":
            return measured("imagehash", self.scratch / "copies")
        return run(["findimagedupes", "-R", "--", self.scratch / "copies"])

    def rclone_store(self) -> Run:
        to = f":s3:{BUCKET}/{next(_prefixes)}"
        options = ["--transfers", "16", *rclone_s3(self.s3_url)]
        return run([rclone(), "copy", self.scratch / "copies", to, *options])


def main() -> None:
    parser = ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--folder", type=Path, default=slides_folder(), help="real slides")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    with TemporaryDirectory(prefix="bench-sync-") as text, ExitStack() as stack:
        scratch = Path(text)
        write_pictures(slides(options.folder, options.count), scratch / "plain")
        write_repeats(scratch / "plain", scratch / "repeats")
        originals = slides(options.folder, options.count // STEPS)
        write_pictures(built(originals), scratch / "builds")
        s3_url = stack.enter_context(s3_server(scratch / "s3"))

        def bench(name: str) -> Bench:
            host = stack.enter_context(helper("host", scratch / name))
            return Bench(scratch / name, scratch, host, s3_url)

        plain, repeats, builds = map(bench, ("plain", "repeats", "builds"))
        plain.say_corpus(options.folder)
        plain.make_settled("settled")
        done = several(options.runs, _works(plain, repeats, builds), OTHERWISE)
        _report(options.count, done)


def _works(plain: Bench, repeats: Bench, builds: Bench) -> dict[str, Callable[[], Run]]:
    return {
        "bound": lambda: measured("bound", plain.pictures),
        "directory": lambda: plain.cold("directory", FOLDER),
        "directory again": lambda: plain.again("directory"),
        "s3": lambda: plain.cold_to_s3("s3"),
        "s3 again": lambda: plain.again("s3"),
        "repeats": lambda: repeats.cold("repeats", FOLDER),
        "builds": lambda: builds.cold("builds", FOLDER),
        "settled": lambda: plain.again("settled"),
        "rclone copyurl": plain.rclone_fetch,
        FIND_REPEATS: plain.find_repeats,
        "rclone copy to S3": plain.rclone_store,
    }


def _report(many: int, done: dict[str, list[Run]]) -> None:
    counts = {name: KNOWN if name == "settled" else many for name in done}
    rows = (_row(counts[name], name, runs) for name, runs in done.items())
    table(("what", "s", "images/s", "CPU s"), rows)
    others = [name for name in done if name in OTHERWISE]
    mine = {"directory": others[:-1], "s3": others}
    table(
        (
            "cold sync to",
            "times the bound",
            "in CPU time",
            "times the others",
            "in CPU time",
            "others",
        ),
        (
            (
                name,
                ratio(done[name], done["bound"]),
                cpu_ratio(done[name], done["bound"]),
                ratio(done[name], _added(done[step] for step in instead)),
                cpu_ratio(done[name], _added(done[step] for step in instead)),
                " + ".join(instead),
            )
            for name, instead in mine.items()
        ),
    )
    print(f"nothing to do at {KNOWN:,} images: {seconds(done['settled']):.2f} s")
    for name, what in (("repeats", f"one repeat in {REPEATS}"), ("builds", f"{STEPS} steps each")):
        times, cpu_times = (
            measure(done[name], done["directory"]) for measure in (ratio, cpu_ratio)
        )
        print(f"{what}: {times:.2f} times the directory, in CPU time {cpu_times:.2f}")
    names = ("directory", "directory again", "s3", "s3 again", "repeats", "builds", "settled")
    table(
        ("sync", "peak MB", "image host requests", "bucket requests", "stored", "repeats"),
        (_counts(name, done[name][-1].facts) for name in names),
    )
    table(
        ("CPU ms an image", *STAGES.values(), "all else"),
        (_stages(many, name, done[name]) for name in ("directory", "s3", "repeats", "builds")),
    )


def _added(steps: Iterable[Sequence[Run]]) -> list[Run]:
    """One run after the other, as one."""
    return [
        Run(sum(run.seconds for run in each), sum(run.cpu_s for run in each), "")
        for each in zip(*steps, strict=True)
    ]


def _row(many: int, name: str, runs: Sequence[Run]) -> tuple[object, ...]:
    taken_s = seconds(runs)
    return name, taken_s, round(many / taken_s), median(run.cpu_s for run in runs)


def _counts(name: str, facts: dict[str, Any]) -> tuple[object, ...]:
    summary = facts["summary"]
    peak = round(facts["peak_mb"])
    return name, peak, facts["asked"], facts["requests"], summary["stored"], summary["repeats"]


def _stages(many: int, name: str, runs: Sequence[Run]) -> tuple[object, ...]:
    """The CPU time of each stage's jobs; all else is the process without them."""
    spent = [
        median(1000 * run.facts["cpu_s"].get(job, 0.0) / many for run in runs) for job in STAGES
    ]
    process = median(1000 * run.facts["process_cpu_s"] / many for run in runs)
    return name, *spent, process - sum(spent)
