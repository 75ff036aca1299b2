"""`mirror sync` writes the same bytes whatever comes first and however many work at once."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from random import Random
from time import sleep
from typing import TypeVar

import pytest
from support import slides
from support.sites import BUCKET, Blog

from mirror.engine import Results, Threads
from mirror.repeats.ledger import LEDGER

T = TypeVar("T")
R = TypeVar("R")

LONGEST_S = 0.03


@dataclass(frozen=True)
class Unsteady:
    """Threads of which each job takes some time more, which is drawn at random."""

    workers: int
    random: Random
    in_process: bool = True

    @property
    def cores(self) -> int:
        return self.workers

    def map(self, job: Callable[[T], R], items: Iterable[T], workers: int) -> Results[R]:
        def slowed(item: T) -> R:
            sleep(self.random.random() * LONGEST_S)
            result = job(item)
            sleep(self.random.random() * LONGEST_S)
            return result

        yield from Threads().map(slowed, items, min(workers, self.workers))


def fill(blog: Blog) -> None:
    """Slides, some in copies of several kinds, and builds of one slide; shown in two posts."""
    deck = [page.draw() for page in slides.deck(5)]
    objects = {f"{n}.png": slides.encode(page) for n, page in enumerate(deck)}
    objects["same.png"] = objects["0.png"]
    objects["lossless.png"] = slides.encode(deck[1], compress_level=1)
    objects["copy.jpg"] = slides.encode(deck[2], "JPEG", quality=75)
    objects["copy-of-copy.jpg"] = slides.encode(deck[2], "JPEG", quality=50)
    objects["large.png"] = slides.encode(deck[3].resize((1920, 1080)))
    for step in (1, 2):
        build = deck[4].copy()
        build.paste("white", (0, 240 * step, *build.size))
        objects[f"step-{step}.png"] = slides.encode(build)
    for name, data in objects.items():
        blog.host.put(name, data)
    names = sorted(objects)
    Random(7).shuffle(names)
    for post, part in (("a.md", names[::2]), ("b.md", names[1::2])):
        blog.write(post, "".join(f"![]({BUCKET}{name})\n\n" for name in part))


@pytest.mark.parametrize("workers", [1, 2, 8])
def test_a_first_sync_writes_the_same_bytes_in_any_timing(blog: Blog, workers: int) -> None:
    fill(blog)
    expected = None
    for engine in (Threads(), *(Unsteady(workers, Random(seed)) for seed in range(2))):
        for folder in ("manifests", "archive", "static", ".mirror"):
            shutil.rmtree(blog.root / folder, ignore_errors=True)
        result = blog.sync(engine)
        assert result.summary["repeats"] >= 3
        names = ("images.jsonl", LEDGER)
        written = {name: (blog.root / "manifests" / name).read_bytes() for name in names}
        outcome = written, blog.objects(), result.findings
        expected = expected or outcome
        assert outcome == expected
