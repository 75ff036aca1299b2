"""Many fingerprints -> the pairs to compare. Exact, with numpy alone and no index on disk."""

from __future__ import annotations

from array import array
from collections import defaultdict, deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from mirror.model import Blob, Digest
from mirror.repeats.choose import plausible_sizes
from mirror.repeats.evidence import DISTANCE, Candidate, Pair

Words = NDArray[np.uint64]
"""Fingerprints as rows of four words, the highest bits first."""
_Matches = tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]  # rows, columns, distances

_BYTES, _WORDS = 32, 4  # of one fingerprint
_WORD_BITS = 64
# Parts of a fingerprint that `_by_bands` looks up, more than half of `DISTANCE`. One part of two
# fingerprints that are fewer than 26 bits apart differs in one bit at most.
_BANDS = 13
_EDGES = [256 * number // _BANDS for number in range(_BANDS + 1)]  # of 19 or 20 bits each
_BLOCK = 1 << 20  # comparisons made at a time; bounds memory, not measured
_MAX_COMPARISONS = 400_000_000  # up to here comparing all is as fast as looking bands up
# The hash sets the bits above the median, which is half of them in a picture with content; a blank
# one sets nearly none. The ends of the range are not measured.
_CONTENT = range(96, 161)
_BLANK_MATES = 64  # bounds the pairs of a folder of blank pictures; not measured


def find_candidates(blobs: Iterable[Blob], settled: Iterable[Blob]) -> list[Candidate]:
    """Return the pairs within `DISTANCE` bits that sizes allow, in order.

    Pairs are made among `blobs`, and of `blobs` with `settled`. Fingerprints of blank pictures are
    all alike, so a blank one is only paired with those of equal size and fingerprint, and with no
    more than the first 64 of them.
    """
    table = _Table()
    new = set[Digest]()
    for blob in blobs:
        if blob.digest not in new:
            new.add(blob.digest)
            table.add(blob)
    count = len(table)
    for blob in settled:
        if blob.digest not in new:
            table.add(blob)
    candidates = [
        Candidate(Pair.of(table.digest(i), table.digest(j)), bits)
        for i, j, bits in neighbours(table.words(), count)
        if plausible_sizes(table.size(i), table.size(j))
    ]
    return sorted({*candidates, *_blank_pairs(table.blank, new)})


def neighbours(words: Words, new: int) -> Iterator[tuple[int, int, int]]:
    """Yield pairs of rows i < j within `DISTANCE` bits, and their distance, in no special order.

    i is among the first `new` rows.
    """
    find = _by_bands if new * len(words) > _MAX_COMPARISONS else _one_by_one
    for rows, columns, distances in find(words, new):
        yield from zip(rows.tolist(), columns.tolist(), distances.tolist(), strict=True)


class RecentPictures:
    """The pictures that came last, at most `most`, to look for those that are near a new one."""

    def __init__(self, most: int) -> None:
        self._kept: deque[tuple[int, Blob]] = deque(maxlen=most)

    def add(self, blob: Blob) -> list[tuple[Candidate, Blob]]:
        """Keep a picture; return its pairs with those before it, and their blobs, nearest first.

        They are those of `find_candidates`, but for blank pictures, which have none here.
        """
        if blob.fingerprint is None or blob.fingerprint.bits.bit_count() not in _CONTENT:
            return []
        bits, size = blob.fingerprint.bits, (blob.width or 0, blob.height or 0)
        near: list[tuple[Candidate, Blob]] = []
        for mate_bits, mate in self._kept:
            distance = (bits ^ mate_bits).bit_count()
            if distance > DISTANCE or mate.digest == blob.digest:
                continue
            if plausible_sizes(size, (mate.width or 0, mate.height or 0)):
                near.append((Candidate(Pair.of(blob.digest, mate.digest), distance), mate))
        self._kept.append((bits, blob))
        return sorted(near, key=lambda item: item[0].distance)


class _Table:
    """Pictures with content, packed for the search in 80 bytes each, and blank pictures."""

    def __init__(self) -> None:
        self.blank: list[Blob] = []
        self._digests = bytearray()
        self._bits = bytearray()
        self._sizes = array("Q")

    def add(self, blob: Blob) -> None:
        """Add a picture; one without a fingerprint has no neighbours."""
        if blob.fingerprint is None:
            return
        if blob.fingerprint.bits.bit_count() not in _CONTENT:
            self.blank.append(blob)
            return
        self._digests += bytes.fromhex(blob.digest.hex)
        self._bits += blob.fingerprint.bits.to_bytes(_BYTES, "big")
        self._sizes.extend((blob.width or 0, blob.height or 0))

    def __len__(self) -> int:
        return len(self._sizes) // 2

    def words(self) -> Words:
        return np.frombuffer(bytes(self._bits), dtype=">u8").astype(np.uint64).reshape(-1, _WORDS)

    def digest(self, row: int) -> Digest:
        return Digest(self._digests[_BYTES * row : _BYTES * (row + 1)].hex())

    def size(self, row: int) -> tuple[int, int]:
        """Return width and height."""
        return self._sizes[2 * row], self._sizes[2 * row + 1]


def _blank_pairs(blank: Sequence[Blob], new: Collection[Digest]) -> Iterator[Candidate]:
    alike: dict[tuple[object, ...], list[Blob]] = defaultdict(list)
    for blob in sorted(blank, key=lambda b: b.digest):
        alike[blob.fingerprint, blob.width, blob.height].append(blob)
    for group in alike.values():
        for n, blob in enumerate(group):
            for mate in group[: min(n, _BLANK_MATES)]:
                if blob.digest in new or mate.digest in new:
                    yield Candidate(Pair.of(mate.digest, blob.digest), 0)


def _distances(rows: Words, others: Words) -> NDArray[np.intp]:
    """Return the Hamming distances of two broadcast arrays of rows."""
    total: NDArray[np.intp] = np.bitwise_count(rows[..., 0] ^ others[..., 0]).astype(np.intp)
    for word in range(1, rows.shape[-1]):
        total += np.bitwise_count(rows[..., word] ^ others[..., word])
    return total


def _one_by_one(words: Words, new: int) -> Iterator[_Matches]:
    start = 0
    while start < new:
        stop = min(new, start + max(1, _BLOCK // len(words)))
        distances = _distances(words[start:stop, None], words[None, start:])
        rows, columns = np.nonzero(distances <= DISTANCE)
        ahead = columns > rows
        rows, columns = rows[ahead], columns[ahead]
        yield rows + start, columns + start, distances[rows, columns]
        start = stop


def _by_bands(words: Words, new: int) -> Iterator[_Matches]:
    """Look up the rows that agree with a row in some band up to a single bit.

    Two rows within 25 bits do, since 26 bits are two in each of 13 bands: multi-index hashing,
    Norouzi, Punjani, Fleet (CVPR 2012, arXiv 1307.2982).
    """
    codes: list[NDArray[np.intp]] = []
    for start, stop in pairwise(_EDGES):
        band = _band(words, start, stop)
        order = np.argsort(band, kind="stable")
        firsts = np.zeros((1 << (stop - start)) + 1, np.intp)  # the first row of each value
        np.cumsum(np.bincount(band, minlength=len(firsts) - 1), out=firsts[1:])
        # Rows that are looked up one after the other, and what they meet, lie side by side.
        in_order = words[order]
        seekers = order[order < new]
        sought = band[seekers]
        for mask in (0, *(1 << bit for bit in range(stop - start))):
            left = firsts[sought ^ mask]
            right = firsts[(sought ^ mask) + 1]
            for numbers, places in _ranges(left, right):
                rows, columns = seekers[numbers], order[places]
                near = columns > rows
                near[near] = _distances(words[rows[near]], in_order[places[near]]) <= DISTANCE
                codes.append(rows[near] * len(words) + columns[near])
    pairs = np.unique(np.concatenate(codes)) if codes else np.empty(0, np.intp)
    rows, columns = np.divmod(pairs, len(words))
    yield rows, columns, _distances(words[rows], words[columns])


def _band(words: Words, start: int, stop: int) -> NDArray[np.intp]:
    """Return the bits from `start` to `stop` of each row, counted from the highest."""
    word, first = divmod(start, _WORD_BITS)
    rest = _WORD_BITS - first - (stop - start)
    if rest >= 0:
        bits = words[:, word] >> np.uint64(rest)
    else:
        above, below = words[:, word] << np.uint64(-rest), words[:, word + 1]
        bits = above | (below >> np.uint64(_WORD_BITS + rest))
    return (bits & np.uint64((1 << (stop - start)) - 1)).astype(np.intp)


def _ranges(
    left: NDArray[np.intp], right: NDArray[np.intp]
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Yield each row number with each place from `left` to `right` of that row.

    Some rows at a time, so that memory stays bounded.
    """
    lengths = right - left
    ends = np.cumsum(lengths)
    start = 0
    while start < len(lengths):
        done = ends[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, done + _BLOCK, "right")))
        part = lengths[start:stop]
        rows = np.repeat(np.arange(start, stop), part)
        within = np.arange(part.sum()) - np.repeat(np.cumsum(part) - part, part)
        yield rows, left[rows] + within
        start = stop
