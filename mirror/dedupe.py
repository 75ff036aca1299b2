"""Blobs -> which blob stands for which. Pure, and nothing heavy is imported.

A fingerprint proposes a pair, its pixels decide (`Evidence`, made elsewhere), and `choose` makes of
those decisions one choice that does not depend on the order in which anything arrived.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Collection, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from mirror.model import Asset, Blob, Digest

LEDGER = "ledger.jsonl"
REVIEWS = "reviews.txt"

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


# --- Pairs and evidence -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, order=True)
class Pair:
    """Two digests, the lower one first."""

    first: Digest
    second: Digest

    @classmethod
    def of(cls, one: Digest, other: Digest) -> Pair:
        return cls(min(one, other), max(one, other))


@dataclass(frozen=True, slots=True, order=True)
class Proposal:
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


class LedgerError(Exception):
    """A line of the ledger that is not evidence; names the line."""


def dumps_evidence(evidence: Evidence) -> str:
    """One line of JSON with its line end; equal evidence is equal text. No clock in it."""
    record: dict[str, Any] = {
        "rule": RULE,
        "pair": [evidence.pair.first.hex, evidence.pair.second.hex],
        "distance": evidence.distance,
    }
    if evidence.tier is not None:
        record["tier"] = evidence.tier.value
    if evidence.refusal is not None:
        record["refusal"] = evidence.refusal.value
    record |= dict(zip(STATISTICS, evidence.statistics, strict=False))
    return json.dumps(record) + "\n"


def dumps_mode(mode: Mode) -> str:
    """The line that says: what is settled was compared as far as `mode` goes."""
    return json.dumps({"rule": RULE, "mode": mode.value}) + "\n"


def loads_mode(text: str) -> Mode:
    """The mode of the last such line; the default mode has none until it comes after another."""
    lines = [line for line in text.split("\n")[:-1] if '"mode"' in line]
    return Mode(json.loads(lines[-1])["mode"]) if lines else Mode.PERCEPTUAL


def loads_ledger(text: str) -> dict[Pair, Evidence]:
    """Evidence by pair, the last line of a pair counts; lines of another rule are left out.

    A last line without its end is what a kill leaves behind, and is left out too.
    """
    found = {}
    for number, line in enumerate(text.split("\n")[:-1], start=1):
        try:
            record = json.loads(line)
            if "mode" in record:
                Mode(record["mode"])
            elif record["rule"] == RULE:
                evidence = _evidence(record)
                found[evidence.pair] = evidence
        except (ValueError, KeyError, TypeError) as error:
            raise LedgerError(f"line {number}: expected evidence, got {line[:80]!r}") from error
    return found


def _evidence(record: Mapping[str, Any]) -> Evidence:
    one, other = map(Digest.parse, record["pair"])
    tier, refusal = record.get("tier"), record.get("refusal")
    return Evidence(
        pair=Pair.of(one, other),
        distance=int(record["distance"]),
        tier=None if tier is None else Tier(tier),
        refusal=None if refusal is None else Refusal(refusal),
        statistics=tuple(float(record[name]) for name in STATISTICS if name in record),
    )


# --- Reviews ------------------------------------------------------------------------------------


class ReviewError(Exception):
    """A line of the reviews that says nothing known; names the line."""


@dataclass(frozen=True, slots=True)
class Reviews:
    """What a person decided: pictures that stand for themselves, and pairs that are one picture."""

    split: frozenset[Digest] = frozenset()
    merged: frozenset[Pair] = frozenset()

    def splitting(self, digest: Digest) -> Reviews:
        """The same, but `digest` stands alone: whatever merged it before is dropped."""
        kept = (pair for pair in self.merged if digest not in (pair.first, pair.second))
        return Reviews(self.split | {digest}, frozenset(kept))

    def merging(self, pair: Pair) -> Reviews:
        """The same, but the pair is one picture: neither side stands alone any more."""
        return Reviews(self.split - {pair.first, pair.second}, self.merged | {pair})


def loads_reviews(text: str) -> Reviews:
    """Read lines `split SHA` and `merge SHA SHA`; `#` begins a comment, a later line wins."""
    reviews = Reviews()
    for number, line in enumerate(text.split("\n"), start=1):
        try:
            match line.partition("#")[0].split():
                case []:
                    pass
                case ["split", digest]:
                    reviews = reviews.splitting(Digest.parse(digest))
                case ["merge", one, other] if one != other:
                    reviews = reviews.merging(Pair.of(Digest.parse(one), Digest.parse(other)))
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


# --- Choice -------------------------------------------------------------------------------------

Waves = Generator[list[Proposal], Sequence[Evidence], dict[Digest, Digest]]


def choose(
    blobs: Iterable[Blob],
    proposals: Iterable[Proposal],
    *,
    settled: Iterable[Asset] = (),
    apart: Collection[Pair] = (),
    reviews: Reviews = Reviews(),
    mode: Mode = Mode.PERCEPTUAL,
) -> Waves:
    """Map each digest, of `blobs` and of `settled`, to the digest that stands for it.

    A generator of waves: each is a list of pairs to judge, in any order or at once, and is answered
    by their evidence in the order of the list. What it asks for and what it returns are those of
    one plain loop: best picture first (most pixels, lossless, larger file, digest), each compared
    with the kept ones only, best first, until one is the same. So neither the order of the
    arguments nor the number of workers changes anything, similarity does not drift along a chain,
    and nothing is replaced by a picture with fewer pixels.

    In `settled`, an `alias_of` stands until a review splits it. A stored picture may get a better
    one to stand for it; its own aliases follow only where they are the same as the new one
    themselves, or where a review merged the two. Pairs in `apart` are never merged; `reviews` come
    before any evidence.
    """
    return _Choice(blobs, proposals, settled, apart, reviews, mode).waves()


def run(
    waves: Waves, judge: Callable[[list[Proposal]], Sequence[Evidence]]
) -> dict[Digest, Digest]:
    """Answer every wave with `judge` and return the choice."""
    try:
        asked = next(waves)
        while True:
            asked = waves.send(judge(asked))
    except StopIteration as finished:
        chosen: dict[Digest, Digest] = finished.value
        return chosen


def plausible(one: Blob, other: Blob) -> bool:
    """Whether sizes alone allow the two to be one picture, so that pixels are worth reading."""
    sizes = [(blob.width or 0, blob.height or 0) for blob in (one, other)]
    small, large = sorted(sizes, key=lambda size: size[0] * size[1])
    if small == large:
        return small != (0, 0)
    return max(small) >= LONG_SIDE and min(small) >= SHORT_SIDE and same_shape(small, large)


def same_shape(small: tuple[int, int], large: tuple[int, int]) -> bool:
    """Whether one size is the other, scaled and rounded to whole pixels."""
    (w1, h1), (w2, h2) = large, small
    return min(abs(h1 * w2 / w1 - h2), abs(w1 * h2 / h1 - w2)) <= 1.01


_LOSSY = frozenset({"image/jpeg", "image/webp", "image/avif"})


def _rank(blob: Blob, stored: bool) -> tuple[object, ...]:
    """Sorts the best first. A stored picture gives way to a better one, not to one as good."""
    lossy = blob.media_type in _LOSSY
    quality = blob.size if lossy else 0
    return -blob.pixels, lossy, -quality, not stored, -blob.size, blob.digest


@dataclass
class _Choice:
    """The state of one `choose`."""

    blobs: Iterable[Blob]
    proposals: Iterable[Proposal]
    settled: Iterable[Asset]
    apart: Collection[Pair]
    reviews: Reviews
    mode: Mode
    _chosen: dict[Digest, Digest] = field(default_factory=dict)
    _judged: dict[Pair, bool] = field(default_factory=dict)
    _candidates: dict[Digest, dict[Digest, int]] = field(default_factory=dict)

    def waves(self) -> Waves:
        assets = {asset.digest: asset for asset in self.settled}
        known = {b.digest: b for b in self.blobs} | {d: a.blob for d, a in assets.items()}
        order = sorted(
            known, key=lambda d: _rank(known[d], d in assets and assets[d].key is not None)
        )
        place = {digest: n for n, digest in enumerate(order)}
        recorded = {
            digest: asset.alias_of
            for digest, asset in assets.items()
            if asset.alias_of in known and self._stands(digest, asset.alias_of)
        }
        self._apply_reviews(known, recorded)
        self._find_candidates(known, place)
        self._chosen.update(recorded)
        yield from self._decide([digest for digest in order if digest not in recorded])
        yield from self._follow(recorded, known)
        return self._chosen

    def _apply_reviews(
        self, known: Mapping[Digest, Blob], recorded: Mapping[Digest, Digest]
    ) -> None:
        """What people and the caller said is judged already; merges are taken together.

        Who merges a repeat merges the picture that stands for it, and with a picture goes what it
        stands for, so that two groups become one.
        """
        merged = [pair for pair in self.reviews.merged if _both_in(pair, known)]
        reviewed = _connected(merged)
        ties = [Pair.of(digest, recorded[digest]) for digest in reviewed.keys() & recorded.keys()]
        joined = _connected([*merged, *ties])
        same = list(joined.items())
        for digest, kept in recorded.items():
            # What got a better picture since took nobody along who was not the same as that one.
            if group := (reviewed if kept in recorded else joined).get(kept):
                same.append((digest, group))
        for digest, group in same:
            self._judged |= {Pair.of(digest, other): True for other in group if other != digest}
        self._judged |= dict.fromkeys(self.apart, False)

    def _stands(self, digest: Digest, canonical: Digest | None) -> bool:
        if canonical is None or {digest, canonical} & self.reviews.split:
            return False
        return Pair.of(digest, canonical) not in self.apart

    def _find_candidates(self, known: Mapping[Digest, Blob], place: Mapping[Digest, int]) -> None:
        """For each digest the better ones it may be a copy of, best first, with the distance."""
        found: dict[Digest, dict[Digest, int]] = defaultdict(dict)
        proposed = {p.pair: p.distance for p in self.proposals if self._is_wanted(p, known)}
        for pair, same in self._judged.items():
            if same:
                proposed.setdefault(pair, 0)
        for pair, distance in proposed.items():
            better, worse = sorted((pair.first, pair.second), key=place.__getitem__)
            found[worse][better] = distance
        self._candidates = {
            worse: {better: at[better] for better in sorted(at, key=place.__getitem__)}
            for worse, at in found.items()
        }

    def _is_wanted(self, proposal: Proposal, known: Mapping[Digest, Blob]) -> bool:
        pair = proposal.pair
        if self.mode is Mode.OFF or not _both_in(pair, known):
            return False
        if {pair.first, pair.second} & self.reviews.split:
            return False
        one, other = known[pair.first], known[pair.second]
        if self.mode is Mode.EXACT:
            return proposal.distance == 0 and (one.width, one.height) == (other.width, other.height)
        return plausible(one, other)

    def _decide(self, undecided: list[Digest]) -> Generator[list[Proposal], Sequence[Evidence]]:
        while undecided:
            asked = [need for digest in undecided if (need := self._try(digest))]
            # What only waited for a better one is tried again in the next wave, in its order.
            undecided = [digest for digest in undecided if digest not in self._chosen]
            if asked:
                yield from self._ask(asked)

    def _try(self, digest: Digest) -> Proposal | None:
        """Choose for `digest` if what is known suffices; otherwise name the pair it needs."""
        for better, distance in self._candidates.get(digest, {}).items():
            if better not in self._chosen:
                return None
            if self._chosen[better] != better:
                continue
            pair = Pair.of(digest, better)
            if pair not in self._judged:
                return Proposal(pair, distance)
            if self._judged[pair]:
                self._chosen[digest] = better
                return None
        self._chosen[digest] = digest
        return None

    def _ask(self, asked: list[Proposal]) -> Generator[list[Proposal], Sequence[Evidence]]:
        answers = yield asked
        for proposal, evidence in zip(asked, answers, strict=True):
            if evidence.pair != proposal.pair:
                raise ValueError(f"asked about {proposal.pair}, answered about {evidence.pair}")
            accepted = evidence.exact if self.mode is Mode.EXACT else evidence.same
            self._judged[proposal.pair] = accepted

    def _follow(
        self, recorded: Mapping[Digest, Digest], known: Mapping[Digest, Blob]
    ) -> Generator[list[Proposal], Sequence[Evidence]]:
        """Aliases whose picture got a better one move on to it, each on its own evidence."""
        moved = {
            digest: new
            for digest, old in recorded.items()
            if (new := self._kept(old)) != old and known[new].pixels >= known[digest].pixels
        }
        asked = [
            Proposal(pair, distance)
            for digest, new in sorted(moved.items())
            if (pair := Pair.of(digest, new)) not in self._judged
            and (distance := _distance(known[digest], known[new])) is not None
            and self._is_wanted(Proposal(pair, distance), known)
        ]
        if asked:
            yield from self._ask(asked)
        for digest, new in moved.items():
            if self._judged.get(Pair.of(digest, new), False):
                self._chosen[digest] = new

    def _kept(self, digest: Digest) -> Digest:
        """The picture that stands for what stands for `digest`, and so on to the last."""
        seen: set[Digest] = set()
        while digest not in seen:
            seen.add(digest)
            digest = self._chosen[digest]
        return digest


def _both_in(pair: Pair, known: Mapping[Digest, Blob]) -> bool:
    return pair.first in known and pair.second in known


def _distance(one: Blob, other: Blob) -> int | None:
    if one.fingerprint is None or other.fingerprint is None:
        return None
    distance = one.fingerprint.distance(other.fingerprint)
    return distance if distance <= DISTANCE else None


def _connected(pairs: Iterable[Pair]) -> dict[Digest, set[Digest]]:
    """The group that the pairs tie each picture into."""
    group_of: dict[Digest, set[Digest]] = {}
    for pair in pairs:
        joined = group_of.get(pair.first, {pair.first}) | group_of.get(pair.second, {pair.second})
        group_of.update(dict.fromkeys(joined, joined))
    return group_of
