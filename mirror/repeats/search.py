"""Many fingerprints -> the pairs worth a look. Exact, with numpy alone and no index to keep."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from mirror.model import Blob, Digest
from mirror.repeats.choose import plausible
from mirror.repeats.evidence import DISTANCE, Candidate, Pair

Words = NDArray[np.uint64]  # n, 4
Hits = tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]  # rows, columns, distances

_BITS = 256
_BANDS = 16
_BLOCK = 1 << 20
_LOOK_AT_ALL = 400_000_000  # comparisons up to which looking at all of them is quicker
# A picture with content has half its bits set, by the median; a blank one nearly none.
_CONTENT = range(96, 161)
_BLANK_MATES = 64


def proposals(
    blobs: Sequence[Blob], known: Sequence[Blob] = (), distance: int = DISTANCE
) -> list[Candidate]:
    """All pairs within `distance` bits that sizes allow, among `blobs` and of them with `known`.

    Blank pictures all look alike to a fingerprint. One is only proposed with those of equal size
    and fingerprint, and with no more than the first 64 of them.
    """
    everything = list({blob.digest: blob for blob in (*known, *blobs)}.values())
    new = {blob.digest for blob in blobs}
    blank = [b for b in everything if b.fingerprint and not _has_content(b)]
    usable = [b for b in everything if b.fingerprint and _has_content(b)]
    usable.sort(key=lambda blob: blob.digest not in new)
    count = sum(blob.digest in new for blob in usable)
    found = [
        Candidate(Pair.of(usable[i].digest, usable[j].digest), apart)
        for i, j, apart in neighbours(_words(usable), count, distance)
        if plausible(usable[i], usable[j])
    ]
    return sorted({*found, *_blank_pairs(blank, new)})


def neighbours(words: Words, new: int, distance: int = DISTANCE) -> Iterator[tuple[int, int, int]]:
    """Pairs i < j within `distance` bits, i among the first `new` rows; in no special order."""
    total = len(words)
    if distance < 2 * _BANDS and new * total > _LOOK_AT_ALL:
        hits = _by_bands(words, new, distance)
    else:
        hits = _one_by_one(words, new, distance)
    for rows, columns, apart in hits:
        yield from zip(rows.tolist(), columns.tolist(), apart.tolist(), strict=True)


def _has_content(blob: Blob) -> bool:
    return blob.fingerprint is not None and blob.fingerprint.bits.bit_count() in _CONTENT


def _words(blobs: Sequence[Blob]) -> Words:
    packed = b"".join(b.fingerprint.bits.to_bytes(32, "big") for b in blobs if b.fingerprint)
    return np.frombuffer(packed, dtype=">u8").astype(np.uint64).reshape(-1, 4)


def _blank_pairs(blank: Sequence[Blob], new: Collection[Digest]) -> Iterator[Candidate]:
    alike: dict[tuple[object, ...], list[Blob]] = defaultdict(list)
    for blob in sorted(blank, key=lambda b: b.digest):
        alike[blob.fingerprint, blob.width, blob.height].append(blob)
    for group in alike.values():
        for n, blob in enumerate(group):
            for mate in group[: min(n, _BLANK_MATES)]:
                if blob.digest in new or mate.digest in new:
                    yield Candidate(Pair.of(mate.digest, blob.digest), 0)


def _apart(one: Words, other: Words) -> NDArray[np.intp]:
    """Hamming distances of two broadcast arrays of rows."""
    total: NDArray[np.intp] = np.bitwise_count(one[..., 0] ^ other[..., 0]).astype(np.intp)
    for word in range(1, one.shape[-1]):
        total += np.bitwise_count(one[..., word] ^ other[..., word])
    return total


def _one_by_one(words: Words, new: int, distance: int) -> Iterator[Hits]:
    start = 0
    while start < new:
        stop = min(new, start + max(1, _BLOCK // len(words)))
        apart = _apart(words[start:stop, None], words[None, start:])
        rows, columns = np.nonzero(apart <= distance)
        ahead = columns > rows
        rows, columns = rows[ahead], columns[ahead]
        yield rows + start, columns + start, apart[rows, columns]
        start = stop


def _by_bands(words: Words, new: int, distance: int) -> Iterator[Hits]:
    """Two rows within 31 bits agree in one of 16 bands up to a single bit: look those up."""
    bands = words.view(np.uint16).reshape(len(words), _BANDS)
    masks = np.array([0, *(1 << bit for bit in range(16))], np.uint16)
    codes: list[NDArray[np.intp]] = []
    for band in range(_BANDS):
        order = np.argsort(bands[:, band], kind="stable")
        values = bands[order, band]
        for mask in masks:
            sought = bands[:new, band] ^ mask
            left = np.searchsorted(values, sought, "left")
            right = np.searchsorted(values, sought, "right")
            for rows, places in _ranges(left, right):
                columns = order[places]
                ahead = columns > rows
                rows, columns = rows[ahead], columns[ahead]
                near = _apart(words[rows], words[columns]) <= distance
                codes.append(rows[near] * len(words) + columns[near])
    pairs = np.unique(np.concatenate(codes)) if codes else np.empty(0, np.intp)
    rows, columns = np.divmod(pairs, len(words))
    yield rows, columns, _apart(words[rows], words[columns])


def _ranges(
    left: NDArray[np.intp], right: NDArray[np.intp]
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Each row number with each place from `left` to `right` of that row, some rows at a time."""
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
