"""Reviews: the decisions of people about repeats, as text.

People edit the file and comment it, so `add_review` keeps the text that is there and adds a line.
It is no `Record`, which would write only what it has read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from mirror.model import Digest
from mirror.records import RecordError, read_text, write_text
from mirror.repeats.evidence import Pair
from mirror.urls.address import Address, canonical, identity
from mirror.urls.redact import hide_secrets

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
class Decision:
    """One line of the file; `words` are its verb and what that is about, in canonical spelling."""

    line: int
    words: tuple[str, ...]

    def holds_in(self, reviews: Reviews) -> bool:
        """Return True if no later line took the decision back."""
        match self.words:
            case ("accept", address, digest):
                return reviews.accepts(Address(address), Digest(digest))
            case ("merge", first, second):
                return Pair(Digest(first), Digest(second)) in reviews.merged
            case _:
                return Digest(self.words[1]) in reviews.split


def loads_decisions(text: str) -> list[Decision]:
    """Read lines `split SHA`, `merge SHA SHA` and `accept URL SHA`; `#` begins a comment.

    Raise `ReviewError`.
    """
    decisions = []
    words: tuple[str, ...]
    for number, line in enumerate(text.split("\n"), start=1):
        try:
            match line.partition("#")[0].split():
                case []:
                    continue
                case ["split", digest]:
                    words = ("split", Digest.parse(digest).hex)
                case ["merge", first, second] if first != second:
                    pair = Pair.of(Digest.parse(first), Digest.parse(second))
                    words = ("merge", pair.first.hex, pair.second.hex)
                case ["accept", url, digest] if (address := canonical(url)) is not None:
                    words = ("accept", address, Digest.parse(digest).hex)
                case _:
                    raise ValueError(
                        "expected `split SHA256`, `merge SHA256 SHA256` or `accept URL SHA256`, "
                        f"got {hide_secrets(line.strip())!r}"
                    )
        except ValueError as error:
            raise ReviewError(f"line {number}: {error}") from error
        decisions.append(Decision(number, words))
    return decisions


def loads_reviews(text: str) -> Reviews:
    """Return what all lines together decide; a later line wins. Raise `ReviewError`."""
    return _reviews(loads_decisions(text))


def _reviews(decisions: Iterable[Decision]) -> Reviews:
    split = set[Digest]()
    merged = set[Pair]()
    partners: dict[Digest, set[Pair]] = {}
    accepted: dict[str, Digest] = {}
    for decision in decisions:
        match decision.words:
            case ("split", digest):
                alone = Digest(digest)
                split.add(alone)
                merged -= partners.pop(alone, set())
            case ("merge", first, second):
                pair = Pair.of(Digest(first), Digest(second))
                split -= {pair.first, pair.second}
                merged.add(pair)
                for side in (pair.first, pair.second):
                    partners.setdefault(side, set()).add(pair)
            case ("accept", address, digest):
                accepted[identity(address)] = Digest(digest)
    return Reviews(frozenset(split), frozenset(merged), accepted)


def load_decisions(path: Path) -> list[Decision]:
    """Return the decisions of a file that take effect, in its order; raise `ReviewError`.

    One that a later line takes back or says again is left out.
    """
    try:
        decisions = loads_decisions(read_text(path))
    except ReviewError as error:
        raise ReviewError(f"{path}: {error}") from error
    reviews = _reviews(decisions)
    last = {decision.words: decision for decision in decisions}
    return [
        decision
        for decision in decisions
        if last[decision.words] is decision and decision.holds_in(reviews)
    ]


def load_reviews(path: Path) -> Reviews:
    """Return the reviews of a file, none without one; raise `ReviewError` naming the line."""
    try:
        return loads_reviews(read_text(path))
    except ReviewError as error:
        raise ReviewError(f"{path}: {error}") from error


def add_review(path: Path, line: str) -> None:
    """Append a decision to the file. Comments and all other lines stay as they are."""
    text = read_text(path)
    if text and not text.endswith("\n"):
        text += "\n"
    write_text(path, f"{text}{line}\n")
