"""What stood where before posts were rewritten: the memory behind `rewrite --revert`. Pure.

Several sources may share one target, so a target alone does not tell what stood there. Each
rewritten occurrence is remembered with its surroundings, which survive most edits of the post.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256

from mirror.model import Span

HEADER = {"format": "mirror-rewrites", "version": 1}
FILE_NAME = "rewrites.jsonl"
_NEAR = 64  # bytes of surroundings on each side: a line or two


class RewritesError(Exception):
    """The file cannot be used: the line, what was expected, what was found."""


@dataclass(frozen=True, slots=True)
class Rewrite:
    """One rewritten occurrence: `source` is the URL that stood where `target` stands now.

    `before` and `after` are short digests of the text around it in the rewritten post;
    `spelling` is how the post wrote `source`, when that is not the URL itself.
    """

    post: str
    target: str
    source: str
    before: str
    after: str
    spelling: str = ""


_REQUIRED = {"post", "target", "source", "before", "after"}


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


def dumps(rewrites: Iterable[Rewrite]) -> str:
    """One line an occurrence, by post; within a post the order given, which is the post's."""
    lines = [json.dumps(HEADER)]
    lines += (_dump(one) for one in sorted(rewrites, key=lambda one: one.post))
    return "\n".join(lines) + "\n"


def _dump(one: Rewrite) -> str:
    members = {name: value for name, value in asdict(one).items() if value}
    return json.dumps(members, ensure_ascii=False)


def loads(text: str) -> list[Rewrite]:
    """Inverse of `dumps`; raise `RewritesError` that names the line."""
    rewrites = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            raw = json.loads(line)
        except (ValueError, RecursionError) as error:
            hint = "; a merge left its markers here: delete them" if line[:7] in _MARKERS else ""
            raise RewritesError(f"line {number}: expected JSON, got {line[:60]!r}{hint}") from error
        if number == 1:
            if raw != HEADER:
                raise RewritesError(f"line 1: expected {json.dumps(HEADER)}, got {line[:60]!r}")
        elif not _is_rewrite(raw):
            expected = ", ".join(sorted(_REQUIRED))
            raise RewritesError(
                f"line {number}: expected the strings {expected}, got {line[:60]!r}"
            )
        else:
            rewrites.append(Rewrite(**raw))
    return rewrites


_MARKERS = ("<<<<<<<", "=======", ">>>>>>>")


def _is_rewrite(raw: object) -> bool:
    return (
        isinstance(raw, dict)
        and _REQUIRED <= raw.keys() <= _REQUIRED | {"spelling"}
        and all(isinstance(value, str) and _is_text(value) for value in raw.values())
    )


def _is_text(value: str) -> bool:
    """Whether it can be written; JSON can spell half a character."""
    return not any("\ud800" <= char <= "\udfff" for char in value)


def recall(
    remembered: Sequence[Rewrite], occurrences: Sequence[Occurrence]
) -> dict[Occurrence, Rewrite]:
    """Tell for each occurrence in one post what stood there; leave out what cannot be told.

    Occurrences of one target are told apart by their surroundings: both sides, then one. Equal
    surroundings are paired in order when there are as many now as then. What is left is told
    only if every candidate says the same.
    """
    told: dict[Occurrence, Rewrite] = {}
    for target in dict.fromkeys(one.target for one in occurrences):
        then = [one for one in remembered if one.target == target]
        now = [one for one in occurrences if one.target == target]
        for surroundings in _SURROUNDINGS:
            pairs = _paired(then, now, surroundings)
            told |= pairs
            used = Counter(pairs.values())
            then = [one for one in then if not _take(used, one)]
            now = [one for one in now if one not in pairs]
        if len({one.source for one in then}) == 1:
            told |= dict.fromkeys(now, then[0])
    return told


_Surroundings = Callable[[Rewrite | Occurrence], Hashable]
_SURROUNDINGS: tuple[_Surroundings, ...] = (
    lambda one: (one.before, one.after),
    lambda one: one.before,
    lambda one: one.after,
)


def _paired(
    then: Sequence[Rewrite], now: Sequence[Occurrence], surroundings: _Surroundings
) -> dict[Occurrence, Rewrite]:
    pairs: dict[Occurrence, Rewrite] = {}
    for mark in dict.fromkeys(map(surroundings, now)):
        old = [one for one in then if surroundings(one) == mark]
        new = [one for one in now if surroundings(one) == mark]
        if len(old) == len(new):
            pairs |= dict(zip(new, old, strict=True))
    return pairs


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
