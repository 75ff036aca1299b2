"""Reviews: the decisions of people about repeats, as text.

People edit the file and comment it, so `add_reviews` keeps the text that is there and adds a line.
It is no `Record`, which would write only what it has read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeAlias

from mirror.model import Digest
from mirror.quotes import quoted
from mirror.records import RecordError, read_text, write_text
from mirror.repeats.evidence import Pair
from mirror.urls.address import Address, canonical, identity

REVIEWS = "reviews.txt"


class ReviewError(RecordError):
    """A line of the reviews that is no decision; the message names the line."""


@dataclass(frozen=True, slots=True)
class Reviews:
    """Decisions of people: pictures that stand for themselves, and pairs that are one picture.

    `accepted` has the bytes that a person takes for an address, by the identity of the address.
    """

    split: frozenset[Digest] = frozenset()
    merged: frozenset[Pair] = frozenset()
    accepted: Mapping[str, Digest] = field(default_factory=dict)

    def accepts(self, address: Address, digest: Digest) -> bool:
        """Return True if a person takes these bytes for the address."""
        return self.accepted.get(identity(address)) == digest

    def splitting(self, digest: Digest) -> Reviews:
        """Return the reviews with `digest` alone: the merges that name it are dropped."""
        kept = (pair for pair in self.merged if digest not in (pair.first, pair.second))
        return replace(self, split=self.split | {digest}, merged=frozenset(kept))


NO_REVIEWS = Reviews()


@dataclass(frozen=True, slots=True)
class Split:
    """A picture that stands for itself."""

    digest: Digest

    def __str__(self) -> str:
        return f"split {self.digest}"


@dataclass(frozen=True, slots=True)
class Merge:
    """Two pictures that are one."""

    first: Digest
    second: Digest

    def __str__(self) -> str:
        return f"merge {self.first} {self.second}"


@dataclass(frozen=True, slots=True)
class Accept:
    """The bytes that a person takes for an address."""

    address: Address
    digest: Digest

    def __str__(self) -> str:
        return f"accept {self.address} {self.digest}"


Decision: TypeAlias = Split | Merge | Accept
"""A decision of a person. Its text is the line of the file."""


@dataclass(frozen=True, slots=True)
class DecisionLine:
    """A decision, in canonical spelling, and the number of its line."""

    number: int
    decision: Decision


def loads_decisions(text: str) -> list[DecisionLine]:
    """Read lines `split SHA`, `merge SHA SHA` and `accept URL SHA`; `#` begins a comment.

    Raise `ReviewError`.
    """
    lines = []
    for number, line in enumerate(text.split("\n"), start=1):
        try:
            if (decision := _parse(line)) is not None:
                lines.append(DecisionLine(number, decision))
        except ValueError as error:
            raise ReviewError(f"line {number}: {error}") from error
    return lines


def _parse(line: str) -> Decision | None:
    """Return the decision of a line, `None` if it has none; raise `ValueError` for another text."""
    match line.partition("#")[0].split():
        case []:
            return None
        case ["split", digest]:
            return Split(Digest.parse(digest))
        case ["merge", first, second] if first != second:
            pair = Pair.of(Digest.parse(first), Digest.parse(second))
            return Merge(pair.first, pair.second)
        case ["accept", url, digest] if (address := canonical(url)) is not None:
            return Accept(address, Digest.parse(digest))
    raise ValueError(
        "expected `split SHA256`, `merge SHA256 SHA256` or `accept URL SHA256`, "
        f"got {quoted(line.strip())}"
    )


def loads_reviews(text: str) -> Reviews:
    """Return what all lines together decide; a later line wins. Raise `ReviewError`."""
    return _reviews(line.decision for line in loads_decisions(text))


def _reviews(decisions: Iterable[Decision]) -> Reviews:
    split = set[Digest]()
    merged = set[Pair]()
    partners: dict[Digest, set[Pair]] = {}
    accepted: dict[str, Digest] = {}
    for decision in decisions:
        match decision:
            case Split(digest):
                split.add(digest)
                merged -= partners.pop(digest, set())
            case Merge(first, second):
                pair = Pair.of(first, second)
                split -= {first, second}
                merged.add(pair)
                for side in (first, second):
                    partners.setdefault(side, set()).add(pair)
            case Accept(address, digest):
                accepted[identity(address)] = digest
    return Reviews(frozenset(split), frozenset(merged), accepted)


def load_decisions(path: Path) -> list[DecisionLine]:
    """Return the decisions of a file that take effect, in its order; raise `ReviewError`.

    One that a later line takes back or says again is left out.
    """
    try:
        lines = loads_decisions(read_text(path))
    except ReviewError as error:
        raise ReviewError(f"{path}: {error}") from error
    reviews = _reviews(line.decision for line in lines)
    last = {line.decision: line for line in lines}
    return [
        line
        for line in lines
        if last[line.decision] is line and _takes_effect(line.decision, reviews)
    ]


def _takes_effect(decision: Decision, reviews: Reviews) -> bool:
    """Return True if no later line took the decision back."""
    match decision:
        case Split(digest):
            return digest in reviews.split
        case Merge(first, second):
            return Pair.of(first, second) in reviews.merged
        case Accept(address, digest):
            return reviews.accepts(address, digest)


def load_reviews(path: Path) -> Reviews:
    """Return the reviews of a file, none without one; raise `ReviewError` naming the line."""
    try:
        return loads_reviews(read_text(path))
    except ReviewError as error:
        raise ReviewError(f"{path}: {error}") from error


def add_reviews(path: Path, decisions: Iterable[Decision]) -> None:
    """Append decisions to the file, but for those that take effect there already.

    Comments and all other lines stay as they are. Raise `ReviewError`.
    """
    before = text = read_text(path)
    for decision in decisions:
        if _takes_effect(decision, loads_reviews(text)):
            continue
        if text and not text.endswith("\n"):
            text += "\n"
        text += f"{decision}\n"
    if text != before:
        write_text(path, text)
