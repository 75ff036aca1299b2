"""CPU time of the search for pairs of pictures that look alike, and what ten millions would take.

    python -m benchmarks scale search [--pictures N,N,…]

Fingerprints are drawn: decks of 50 slides on a template of their own, some 40 bits of which each
slide changes, and one slide in twenty a copy of another with up to 24 bits changed. The result is
compared with that of comparing all with all, as far as that ends soon.
"""

from __future__ import annotations

import resource
import time
from argparse import ArgumentParser
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from benchmarks.common import BenchError, table
from mirror.repeats import search
from mirror.repeats.evidence import DISTANCE

DECK = 50
CHANGED = 40  # bits
COPIES = 20  # one slide in so many is a copy
ALL_WITH_ALL = 50_000
GOAL = 10_000_000


def fingerprints(count: int) -> NDArray[np.uint64]:
    draw = np.random.default_rng(1)
    templates = draw.integers(0, 2**64, size=(-(-count // DECK), 4), dtype=np.uint64)
    words = np.repeat(templates, DECK, axis=0)[:count]
    rows = np.arange(count)
    for _ in range(CHANGED):
        _flip(words, rows, draw.integers(0, 256, size=count))
    copies = rows[::COPIES]
    words[copies] = words[draw.integers(0, count, size=len(copies))]
    changes = draw.integers(0, DISTANCE + 1, size=len(copies))
    for number in range(DISTANCE):
        some = copies[changes > number]
        _flip(words, some, draw.integers(0, 256, size=len(some)))
    return words


def _flip(words: NDArray[np.uint64], rows: NDArray[np.intp], bits: NDArray[np.int64]) -> None:
    words[rows, bits // 64] ^= np.uint64(1) << (bits % 64).astype(np.uint64)


def _all_with_all(words: NDArray[np.uint64]) -> Iterator[tuple[int, int, int]]:
    for row, bits in enumerate(words):
        distances = np.bitwise_count(words[row + 1 :] ^ bits).sum(axis=1)
        for other in np.nonzero(distances <= DISTANCE)[0].tolist():
            yield row, row + 1 + other, int(distances[other])


def measure(count: int) -> tuple[int, float]:
    """Return the number of pairs and the CPU time."""
    words = fingerprints(count)
    began = time.process_time()
    found = sorted(search.neighbours(words, count))
    seconds = time.process_time() - began
    if count <= ALL_WITH_ALL:
        expected = list(_all_with_all(words))
        if found != expected:
            raise BenchError(f"{len(found)} pairs by bands, {len(expected)} by comparing all")
    return len(found), seconds


def main() -> None:
    parser = ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--pictures", default="50000,100000,300000,1000000")
    options = parser.parse_args()
    sizes = [int(text) for text in options.pictures.split(",")]
    results = [measure(size) for size in sizes]
    rows = [
        (f"{size:,}", f"{pairs:,}", f"{cpu_s:.1f}", f"{1e6 * cpu_s / size:.1f}")
        for size, (pairs, cpu_s) in zip(sizes, results, strict=True)
    ]
    table(("pictures", "pairs within 24 bits", "CPU s", "µs a picture"), rows)
    # A picture costs a look into each band, and a comparison with each picture that it meets there.
    per_picture = np.array([cpu_s / size for size, (_, cpu_s) in zip(sizes, results, strict=True)])
    slope, base = np.polyfit(np.array(sizes, float), per_picture, 1)
    goal_s = (base + slope * GOAL) * GOAL
    print(
        f"fit of the time a picture: {1e6 * base:.1f} µs + {1e12 * slope:.1f} µs for each million; "
        f"{GOAL:,} pictures by that: {goal_s / 60:.0f} min of one core"
    )
    print(f"peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024:,} MB")


if __name__ == "__main__":
    main()
