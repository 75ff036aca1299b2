"""Which remembered URL belongs to which reference of a post that may have been edited."""

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

_One = TypeVar("_One")
_NEAR = 64  # bytes of surroundings on each side: a line or two


@dataclass(frozen=True, slots=True)
class Occurrence:
    """Where a target stands in a post now."""

    span: Span
    target: str
    before: str
    after: str


def occurrence(data: bytes, span: Span, target: str) -> Occurrence:
    """Describe the surroundings of `span`; blanks do not count, so re-wrapping is no edit."""
    before = re.sub(rb"\s+", b" ", data[max(0, span.start - 2 * _NEAR) : span.start])[-_NEAR:]
    after = re.sub(rb"\s+", b" ", data[span.stop : span.stop + 2 * _NEAR])[:_NEAR]
    return Occurrence(span, target, _digest(before), _digest(after))


def _digest(data: bytes) -> str:
    return sha256(data).hexdigest()[:12]


def recall(
    remembered: Sequence[Rewrite], occurrences: Sequence[Occurrence]
) -> dict[Occurrence, Rewrite]:
    """Tell for each occurrence in one post what stood there; leave out what cannot be told.

    Occurrences of one target are told apart by their surroundings: both sides, then one. Equal
    surroundings are paired in order when there are as many now as then. A pair is no answer where
    one that is left without a partner may as well be its other half: of images that stand together
    and look the same in the text, nothing shows which was deleted or added. What is left is told
    only if there are as many as then, and every candidate says the same.
    """
    told: dict[Occurrence, Rewrite] = {}
    then = _grouped(remembered, attrgetter("target"))
    now = _grouped(occurrences, attrgetter("target"))
    for target, here in now.items():
        told |= _told(then.get(target, []), here)
    return told


def _told(then: Sequence[Rewrite], now: Sequence[Occurrence]) -> dict[Occurrence, Rewrite]:
    pairs: dict[Occurrence, Rewrite] = {}
    # Some were added or deleted, and it matters which.
    is_risky = len({one.source for one in then}) > 1 and len(then) != len(now)
    for surroundings in (_both,) if is_risky else (_both, *_SIDES):
        pairs |= _paired(_left(then, pairs), [n for n in now if n not in pairs], surroundings)
    if is_risky:
        for one in _crowded(now):
            pairs.pop(one, None)
    while doubtful := list(_doubtful(pairs, _left(then, pairs))):
        for one in doubtful:
            del pairs[one]
    left = _left(then, pairs)
    if len({one.source for one in left}) == 1 and not is_risky:
        pairs |= {one: left[0] for one in now if one not in pairs}
    return pairs


def _crowded(now: Sequence[Occurrence]) -> Iterator[Occurrence]:
    """Those that have another one in their surroundings, which so say little of their own."""
    for one, other in pairwise(sorted(now, key=lambda one: one.span.start)):
        if other.span.start - one.span.stop < 2 * _NEAR:
            yield from (one, other)


def _doubtful(pairs: Mapping[Occurrence, Rewrite], left: Iterable[Rewrite]) -> Iterator[Occurrence]:
    """Those that share a side with a line that is left and says something else."""
    rivals: dict[Hashable, set[str]] = {}
    for line in left:
        for side in _SIDES:
            rivals.setdefault((side, side(line)), set()).add(line.source)
    for one, line in pairs.items():
        others = set[str]().union(*(rivals.get((side, side(one)), ()) for side in _SIDES))
        if others - {line.source}:
            yield one


def marks(one: Rewrite | Occurrence) -> tuple[list[Hashable], list[Hashable], list[Hashable]]:
    """What an occurrence and a line have in common that agree on no, one or both sides at least."""
    sides: list[Hashable] = [(one.target, side, side(one)) for side in _SIDES]
    return [one.target], sides, [(one.target, *_both(one))]


def agreement(here: Occurrence, line: Rewrite) -> int:
    """How many sides of an occurrence are as a line says: 0 to 2."""
    return sum(side(here) == side(line) for side in _SIDES)


_Surroundings = Callable[[Rewrite | Occurrence], Hashable]
_SIDES: tuple[_Surroundings, ...] = (attrgetter("before"), attrgetter("after"))


def _both(one: Rewrite | Occurrence) -> tuple[str, str]:
    return one.before, one.after


def _paired(
    then: Iterable[Rewrite], now: Iterable[Occurrence], surroundings: _Surroundings
) -> Iterator[tuple[Occurrence, Rewrite]]:
    old, new = _grouped(then, surroundings), _grouped(now, surroundings)
    for mark, ones in new.items():
        if len(ones) == len(old.get(mark, ())):
            yield from zip(ones, old[mark], strict=True)


def _grouped(ones: Iterable[_One], mark: Callable[[_One], Hashable]) -> dict[Hashable, list[_One]]:
    groups: dict[Hashable, list[_One]] = {}
    for one in ones:
        groups.setdefault(mark(one), []).append(one)
    return groups


def _left(then: Iterable[Rewrite], pairs: Mapping[Occurrence, Rewrite]) -> list[Rewrite]:
    used = Counter(pairs.values())
    return [one for one in then if not _take(used, one)]


def _take(counter: Counter[Rewrite], one: Rewrite) -> bool:
    if counter[one] > 0:
        counter[one] -= 1
        return True
    return False


def updated(
    remembered: Sequence[Rewrite], post: str, now: Sequence[Rewrite], forgotten: Iterable[Rewrite]
) -> list[Rewrite]:
    """`remembered` with `post` as it is `now`; what it no longer shows stays remembered.

    `forgotten` are the lines that `now` replaces, or that were reverted.
    """
    gone = Counter(forgotten) + Counter(now)
    posts = {post} | {one.post for one in gone}  # a post that was moved had another name
    kept = [one for one in remembered if one.post not in posts or not _take(gone, one)]
    return [*kept, *now]
