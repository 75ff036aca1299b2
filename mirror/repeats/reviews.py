"""Reviews: the decisions of people about repeats, as text.

People edit the file and comment it. So a decision is appended, and the file is not rewritten whole
as a `Record` is.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mirror.model import Digest
from mirror.records import RecordError, read_text, write_text
from mirror.repeats.evidence import Pair

REVIEWS = "reviews.txt"


class ReviewError(RecordError):
    """A line of the reviews that is no decision; the message names the line."""


@dataclass(frozen=True, slots=True)
class Reviews:
    """Decisions of people: pictures that stand for themselves, and pairs that are one picture."""

    split: frozenset[Digest] = frozenset()
    merged: frozenset[Pair] = frozenset()

    def splitting(self, digest: Digest) -> Reviews:
        """Return the reviews with `digest` alone: the merges that name it are dropped."""
        kept = (pair for pair in self.merged if digest not in (pair.first, pair.second))
        return Reviews(self.split | {digest}, frozenset(kept))

    def merging(self, pair: Pair) -> Reviews:
        """Return the reviews with the pair merged: neither side stands alone any more."""
        return Reviews(self.split - {pair.first, pair.second}, self.merged | {pair})


NO_REVIEWS = Reviews()


def loads_reviews(text: str) -> Reviews:
    """Read lines `split SHA` and `merge SHA SHA`; `#` begins a comment, a later line wins.

    Raise `ReviewError`.
    """
    reviews = Reviews()
    for number, line in enumerate(text.split("\n"), start=1):
        try:
            match line.partition("#")[0].split():
                case []:
                    pass
                case ["split", digest]:
                    reviews = reviews.splitting(Digest.parse(digest))
                case ["merge", first, second] if first != second:
                    reviews = reviews.merging(Pair.of(Digest.parse(first), Digest.parse(second)))
                case _:
                    raise ValueError(
                        f"expected `split SHA256` or `merge SHA256 SHA256`, got {line.strip()!r}"
                    )
        except ValueError as error:
            raise ReviewError(f"line {number}: {error}") from error
    return reviews


def dumps_reviews(reviews: Reviews) -> str:
    lines = [f"split {digest}\n" for digest in sorted(reviews.split)]
    lines += [f"merge {pair.first} {pair.second}\n" for pair in sorted(reviews.merged)]
    return "".join(lines)


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
