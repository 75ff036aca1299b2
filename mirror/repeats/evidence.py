"""Values of the comparison: pairs, candidates, evidence, tiers and refusals."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from mirror.model import Digest

DISTANCE = 24
"""Bits two fingerprints may differ by for the pair to be looked at. Never enough to merge."""
RULE = 3
"""Version of the rule behind evidence: what another version found is asked for again."""
LONG_SIDE, SHORT_SIDE = 400, 200
"""Pictures below either are the same only if all their pixels are equal."""


class Mode(StrEnum):
    """How far `choose` goes: equal bytes only, equal pixels, or copies made from one another."""

    OFF = "off"
    EXACT = "exact"
    PERCEPTUAL = "perceptual"

    def is_wider_than(self, other: Mode) -> bool:
        """Whether this mode looks at pairs that the other leaves out."""
        order = list(Mode)
        return order.index(self) > order.index(other)


class Refusal(StrEnum):
    """Why two pictures are kept apart. All but the last two are guards: no pixel is compared."""

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
    UNREADABLE = "could not be read"


class Tier(StrEnum):
    """What made two pictures one, from certain to near."""

    PIXELS = "X3"
    REPRODUCED = "T0"
    NEARLY = "T1"

    @property
    def meaning(self) -> str:
        return _MEANINGS[self]


_MEANINGS = {
    Tier.PIXELS: "all pixels are equal",
    Tier.REPRODUCED: "one is made from the other with nothing left over",
    Tier.NEARLY: "one is made from the other but for even traces of another program's resizer",
}


@dataclass(frozen=True, slots=True, order=True)
class Pair:
    """Two digests, the lower one first."""

    first: Digest
    second: Digest

    @classmethod
    def of(cls, one: Digest, other: Digest) -> Pair:
        return cls(min(one, other), max(one, other))


@dataclass(frozen=True, slots=True, order=True)
class Candidate:
    """A pair whose fingerprints are `distance` bits apart."""

    pair: Pair
    distance: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the pixels of one pair said.

    `tier` names what accepted it, otherwise `refusal` what stood against it. `statistics` are the
    numbers in the order of `STATISTICS`, of the copy accepted or of the nearest attempt as far
    as it was measured, which ends where no row of the table can be met; empty behind a guard.
    """

    pair: Pair
    distance: int
    tier: Tier | None = None
    refusal: Refusal | None = None
    statistics: tuple[float, ...] = ()

    @property
    def same(self) -> bool:
        return self.tier is not None

    @property
    def exact(self) -> bool:
        return self.tier is Tier.PIXELS


STATISTICS = ("luma", "faint", "stroke", "colour", "tint", "alone")
