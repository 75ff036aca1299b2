"""Choose which picture stands for which, from blobs and evidence. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from mirror.model import Asset, Blob, Digest
from mirror.repeats.evidence import DISTANCE, LONG_SIDE, SHORT_SIDE, Candidate, Evidence, Mode, Pair
from mirror.repeats.reviews import NO_REVIEWS, Reviews

Waves = Generator[list[Candidate], Sequence[Evidence], dict[Digest, Digest]]


def choose(
    blobs: Iterable[Blob],
    proposals: Iterable[Candidate],
    *,
    settled: Iterable[Asset] = (),
    apart: Collection[Pair] = (),
    reviews: Reviews = NO_REVIEWS,
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
    waves: Waves, judge: Callable[[list[Candidate]], Sequence[Evidence]]
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
    proposals: Iterable[Candidate]
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

    def _is_wanted(self, proposal: Candidate, known: Mapping[Digest, Blob]) -> bool:
        pair = proposal.pair
        if self.mode is Mode.OFF or not _both_in(pair, known):
            return False
        if {pair.first, pair.second} & self.reviews.split:
            return False
        one, other = known[pair.first], known[pair.second]
        if self.mode is Mode.EXACT:
            return proposal.distance == 0 and (one.width, one.height) == (other.width, other.height)
        return plausible(one, other)

    def _decide(self, undecided: list[Digest]) -> Generator[list[Candidate], Sequence[Evidence]]:
        while undecided:
            asked = [need for digest in undecided if (need := self._try(digest))]
            # What only waited for a better one is tried again in the next wave, in its order.
            undecided = [digest for digest in undecided if digest not in self._chosen]
            if asked:
                yield from self._ask(asked)

    def _try(self, digest: Digest) -> Candidate | None:
        """Choose for `digest` if what is known suffices; otherwise name the pair it needs."""
        for better, distance in self._candidates.get(digest, {}).items():
            if better not in self._chosen:
                return None
            if self._chosen[better] != better:
                continue
            pair = Pair.of(digest, better)
            if pair not in self._judged:
                return Candidate(pair, distance)
            if self._judged[pair]:
                self._chosen[digest] = better
                return None
        self._chosen[digest] = digest
        return None

    def _ask(self, asked: list[Candidate]) -> Generator[list[Candidate], Sequence[Evidence]]:
        answers = yield asked
        for proposal, evidence in zip(asked, answers, strict=True):
            if evidence.pair != proposal.pair:
                raise ValueError(f"asked about {proposal.pair}, answered about {evidence.pair}")
            accepted = evidence.exact if self.mode is Mode.EXACT else evidence.same
            self._judged[proposal.pair] = accepted

    def _follow(
        self, recorded: Mapping[Digest, Digest], known: Mapping[Digest, Blob]
    ) -> Generator[list[Candidate], Sequence[Evidence]]:
        """Aliases whose picture got a better one move on to it, each on its own evidence."""
        moved = {
            digest: new
            for digest, old in recorded.items()
            if (new := self._kept(old)) != old and known[new].pixels >= known[digest].pixels
        }
        asked = [
            Candidate(pair, distance)
            for digest, new in sorted(moved.items())
            if (pair := Pair.of(digest, new)) not in self._judged
            and (distance := _distance(known[digest], known[new])) is not None
            and self._is_wanted(Candidate(pair, distance), known)
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
