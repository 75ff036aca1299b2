"""Values of the comparison: modes, pairs, candidates, evidence, and the words for them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from mirror.model import Digest

DISTANCE = 24
"""Bits two fingerprints may differ by for the pair to be compared. Never enough to merge.

It proposed all of 3,306 copies with unchanged geometry, and 0.34 other pairs for each picture.
"""
RULE = 4
"""Version of the rule behind evidence: a pair that another version judged is judged again."""
LONG_SIDE, SHORT_SIDE = 400, 200
"""Pixels. Pictures below either are the same only if all their pixels are equal.

Smaller ones (icons of 12 x 12 with two numbers in them) passed the statistics.
"""
STATISTICS = ("luma", "faint", "stroke", "colour", "tint", "alone")
"""Names of `Evidence.statistics`, which `mirror.repeats.statistics` explains."""


class Mode(StrEnum):
    """The reach of `choose`: equal bytes only, equal pixels, or copies made from one another."""

    OFF = "off"
    EXACT = "exact"
    PERCEPTUAL = "perceptual"

    def is_wider_than(self, other: Mode) -> bool:
        """Return True if this mode compares pairs that the other leaves out."""
        order = list(Mode)
        return order.index(self) > order.index(other)


class Scope(StrEnum):
    """The pictures among which repeats are looked for: all, or those of one source."""

    ALL = "all"
    SOURCE = "source"


class Tier(StrEnum):
    """Proof that two pictures are one, the strictest first.

    The values stand in the ledger, in JSON and in the docs.
    """

    PIXELS = "X3"
    REPRODUCED = "T0"
    NEARLY = "T1"


class Refusal(StrEnum):
    """Reason for keeping two pictures apart.

    The value is the reason in a few words, which messages, the ledger and JSON hold. `AMBIGUOUS` is
    the reason where a proof was found, but another picture explains the copy as well.
    All others but `PIXELS` and `UNREADABLE` are guards: they refuse before pixels are compared.
    """

    DISTANCE = "too far apart"
    DEPTH = "16-bit, CMYK or other special pixels"
    ORIENTATION = "turned by a tag that not every program reads"
    COLOURS = "another colour space"
    ANIMATED = "animated"
    TRANSPARENT = "transparent"
    SMALL = "too small"
    PLAIN = "nearly blank"
    SHAPE = "another shape"
    UNEXPLAINED = "same size and coding, other pixels"
    PIXELS = "other pixels"
    AMBIGUOUS = "another picture explains it as well"
    UNREADABLE = "could not be read"


_SENTENCES: dict[Tier | Refusal, str] = {
    Tier.PIXELS: "Every pixel is equal; only the file differs.",
    Tier.REPRODUCED: "A copy, resized or saved again: that explains every pixel.",
    Tier.NEARLY: (
        "A copy resized by another program: only even traces of that are left unexplained."
    ),
    Refusal.DISTANCE: "Their fingerprints are too far apart.",
    Refusal.DEPTH: "One has 16-bit, CMYK or other special pixels.",
    Refusal.ORIENTATION: "One is turned by a tag that not every program reads.",
    Refusal.COLOURS: (
        "Equal pixels may look different: by a colour profile, or by what browsers do."
    ),
    Refusal.ANIMATED: "One is animated.",
    Refusal.TRANSPARENT: "One is transparent.",
    Refusal.SMALL: "Too small to tell a copy from another picture.",
    Refusal.PLAIN: "Nearly blank: there is too little to tell them apart by.",
    Refusal.SHAPE: "Another shape: one is cut.",
    Refusal.UNEXPLAINED: "The same size and coding, and yet other pixels: an edit.",
    Refusal.PIXELS: "Some pixels differ by more than resizing or saving explains.",
    Refusal.AMBIGUOUS: "A copy of this kind could be made of another picture of the site as well.",
    Refusal.UNREADABLE: "One of them could not be read.",
}


@dataclass(frozen=True, slots=True, order=True)
class Pair:
    """Two digests, the lower one first."""

    first: Digest
    second: Digest

    @classmethod
    def of(cls, digest: Digest, other: Digest) -> Pair:
        """Return the pair of two digests in any order."""
        return cls(min(digest, other), max(digest, other))


@dataclass(frozen=True, slots=True, order=True)
class Candidate:
    """A pair whose fingerprints are `distance` bits apart."""

    pair: Pair
    distance: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """The verdict on one pair, and the numbers behind it.

    `tier` names the proof that accepted it, otherwise `refusal` the reason against it. `statistics`
    are the numbers in the order of `STATISTICS`: of the accepted copy, or of the nearest attempt as
    far as it was measured, which ends where no limits can be met. They are empty behind a guard.
    `origin` is the picture that the other one was made from; `None` where all pixels are equal.
    """

    pair: Pair
    distance: int
    tier: Tier | None = None
    refusal: Refusal | None = None
    statistics: tuple[float, ...] = ()
    origin: Digest | None = None

    @property
    def same(self) -> bool:
        """True if the two are one picture."""
        return self.tier is not None

    @property
    def exact(self) -> bool:
        """True if all their pixels are equal."""
        return self.tier is Tier.PIXELS

    @property
    def leaves_nothing(self) -> bool:
        """True if the copy is reproduced to the last bit of every pixel."""
        return self.same and not any(self.statistics)

    def shows_made_from(self, origin: Digest) -> bool:
        """Return True if the other picture of the pair was made from `origin`, or equals it."""
        return self.same and (self.exact or self.origin == origin)

    @property
    def sentence(self) -> str:
        """The verdict as a sentence of `mirror dupes` and of the report."""
        verdict = self.tier or self.refusal
        return "Kept apart." if verdict is None else _SENTENCES[verdict]
