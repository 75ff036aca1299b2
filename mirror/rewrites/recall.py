"""The lines of one post matched with its references. The post may have been edited since."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise
from operator import attrgetter
from typing import TypeVar

from mirror.model import Span
from mirror.rewrites.lines import Rewrite

_NEAR_BYTES = 64  # on each side of a reference: a line or two of text
_DIGITS = 12  # of a digest of surroundings: 48 bits, far more than a site has references


@dataclass(frozen=True, slots=True)
class Occurrence:
    """A place where a target stands in a post now, with digests of the text around it."""

    span: Span
    target: str
    before: str
    after: str

    @classmethod
    def of(cls, data: bytes, span: Span, target: str) -> Occurrence:
        """Return the occurrence at `span`. Blanks count as one: re-wrapping is no edit."""
        before = data[max(0, span.start - 2 * _NEAR_BYTES) : span.start]
        after = data[span.stop : span.stop + 2 * _NEAR_BYTES]
        return cls(
            span,
            target,
            _digest(re.sub(rb"\s+", b" ", before)[-_NEAR_BYTES:]),
            _digest(re.sub(rb"\s+", b" ", after)[:_NEAR_BYTES]),
        )


_T = TypeVar("_T", Rewrite, Occurrence)
_Surroundings = Callable[[Rewrite | Occurrence], Hashable]
_SIDES: tuple[_Surroundings, ...] = (attrgetter("before"), attrgetter("after"))


def _digest(data: bytes) -> str:
    return sha256(data).hexdigest()[:_DIGITS]


def recall(
    lines: Sequence[Rewrite], occurrences: Sequence[Occurrence]
) -> dict[Occurrence, Rewrite]:
    """Map each occurrence in one post to its line. Leave out those that cannot be told.

    Occurrences of one target are told apart by their surroundings: by both sides, then by one
    side. Equal surroundings are paired in order if there are as many occurrences as lines. A pair
    is dropped if a line without a partner fits the occurrence as well: of images that stand
    together and look the same in the text, nothing shows which one was deleted or added. An
    occurrence without a pair gets a line only if there are as many occurrences as lines and all
    lines without a pair have the same source.
    """
    pairs: dict[Occurrence, Rewrite] = {}
    lines_by_target = _grouped(lines, attrgetter("target"))
    for target, of_target in _grouped(occurrences, attrgetter("target")).items():
        pairs |= _recall_target(lines_by_target.get(target, []), of_target)
    return pairs


def _recall_target(
    lines: Sequence[Rewrite], occurrences: Sequence[Occurrence]
) -> dict[Occurrence, Rewrite]:
    pairs: dict[Occurrence, Rewrite] = {}
    # Images were added or deleted, and their sources differ.
    is_risky = len({line.source for line in lines}) > 1 and len(lines) != len(occurrences)
    attempts = (_both,) if is_risky else (_both, *_SIDES)
    for surroundings in attempts:
        unpaired = [occurrence for occurrence in occurrences if occurrence not in pairs]
        pairs |= _paired(_unused(lines, pairs), unpaired, surroundings)
    if is_risky:
        for crowded in _crowded(occurrences):
            pairs.pop(crowded, None)
    while doubtful := list(_doubtful(pairs, _unused(lines, pairs))):
        for occurrence in doubtful:
            del pairs[occurrence]
    unused = _unused(lines, pairs)
    if len({line.source for line in unused}) == 1 and not is_risky:
        for occurrence in occurrences:
            pairs.setdefault(occurrence, unused[0])
    return pairs


def _crowded(occurrences: Sequence[Occurrence]) -> Iterator[Occurrence]:
    """Yield the occurrences with another one in their surroundings, which then tell little."""
    for first, second in pairwise(sorted(occurrences, key=attrgetter("span.start"))):
        if second.span.start - first.span.stop < 2 * _NEAR_BYTES:
            yield from (first, second)


def _doubtful(
    pairs: Mapping[Occurrence, Rewrite], unused: Iterable[Rewrite]
) -> Iterator[Occurrence]:
    """Yield the occurrences that share a side with an unused line of another source."""
    rivals: dict[Hashable, set[str]] = {}
    for line in unused:
        for side in _SIDES:
            rivals.setdefault((side, side(line)), set()).add(line.source)
    for occurrence, line in pairs.items():
        sources = set[str]()
        for side in _SIDES:
            sources |= rivals.get((side, side(occurrence)), set())
        if sources - {line.source}:
            yield occurrence


def marks(item: Rewrite | Occurrence) -> tuple[list[Hashable], list[Hashable], list[Hashable]]:
    """Return marks of the target alone, of the target with one side, and of it with both sides.

    A line and an occurrence share a mark exactly if they agree in what the mark is of.
    """
    sides: list[Hashable] = [(item.target, side, side(item)) for side in _SIDES]
    return [item.target], sides, [(item.target, *_both(item))]


def agreement(occurrence: Occurrence, line: Rewrite) -> int:
    """Return how many sides of an occurrence are as a line says: 0 to 2."""
    return sum(side(occurrence) == side(line) for side in _SIDES)


def _both(item: Rewrite | Occurrence) -> tuple[str, str]:
    return item.before, item.after


def _paired(
    lines: Iterable[Rewrite], occurrences: Iterable[Occurrence], surroundings: _Surroundings
) -> Iterator[tuple[Occurrence, Rewrite]]:
    lines_by_mark = _grouped(lines, surroundings)
    for mark, alike in _grouped(occurrences, surroundings).items():
        if len(alike) == len(lines_by_mark.get(mark, ())):
            yield from zip(alike, lines_by_mark[mark], strict=True)


def _grouped(items: Iterable[_T], mark: Callable[[_T], Hashable]) -> dict[Hashable, list[_T]]:
    groups: dict[Hashable, list[_T]] = {}
    for item in items:
        groups.setdefault(mark(item), []).append(item)
    return groups


def _unused(lines: Iterable[Rewrite], pairs: Mapping[Occurrence, Rewrite]) -> list[Rewrite]:
    return without(lines, Counter(pairs.values()))


def without(lines: Iterable[Rewrite], removed: Counter[Rewrite]) -> list[Rewrite]:
    """Return `lines` without those in `removed`, each as often as it is counted there."""
    if not removed:
        return list(lines)
    left = Counter(removed)
    kept = []
    for line in lines:
        if left[line] > 0:
            left[line] -= 1
        else:
            kept.append(line)
    return kept
