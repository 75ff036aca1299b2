"""Blobs and evidence -> which picture stands for which. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Container, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from mirror.model import Asset, Blob, Digest
from mirror.repeats.evidence import DISTANCE, LONG_SIDE, SHORT_SIDE, Candidate, Evidence, Mode, Pair
from mirror.repeats.reviews import Reviews

Waves = Generator[list[Candidate], Sequence[Evidence], dict[Digest, Digest]]
"""Lists of pairs to judge; their evidence is sent back, the choice is returned."""

_Judging = Generator[list[Candidate], Sequence[Evidence]]

_LOSSY = frozenset({"image/jpeg", "image/webp", "image/avif"})
_RARELY_SHOWN = frozenset({"image/tiff"})  # Chromium and Firefox show no TIFF
_ROUNDING = 1.01  # pixels: programs round a side up or down; the hundredth is for the division


def choose(
    blobs: Iterable[Blob],
    candidates: Iterable[Candidate],
    *,
    settled: Iterable[Asset],
    apart: Collection[Pair],
    reviews: Reviews,
    mode: Mode,
) -> Waves:
    """Map each digest, of `blobs` and of `settled`, to the digest that stands for it.

    A generator of waves. Each wave is a list of pairs to judge, in any order or at once; send back
    their evidence in the order of the list. The pairs and the result are those of one plain loop:
    best picture first (most pixels, lossless, larger file, digest), each compared, nearest in size
    first, with the kept ones and with those that a kept one was made from. So neither the order of
    the arguments nor the number of workers changes anything, and nothing is replaced by a picture
    with fewer pixels. Similarity does not drift along a chain: a picture that was made from the
    same origin as a kept one shows what that one shows, a copy of a copy need not.

    A picture that several kept ones explain is a copy of none of them, unless just one reproduces
    it to the last bit: it no longer shows what tells those apart. If all of them were made from it,
    the best of them stands for it.

    Of new pictures of one type with equal pixels the smallest file stands for the others, or one in
    `settled` that is stored.

    A TIFF stands for TIFFs only, because most browsers show none. A person may merge others with
    it.

    In `settled`, an `alias_of` stands until a review splits it. A stored picture may get a better
    one to stand for it. Its own aliases follow only where they are the same as the new one
    themselves, or where a review merged the two. Pairs in `apart` are never merged. `reviews` come
    before any evidence.
    """
    return _Assignment(blobs, candidates, settled, apart, reviews, mode).waves()


def judge_waves(
    waves: Waves, judge: Callable[[list[Candidate]], Sequence[Evidence]]
) -> dict[Digest, Digest]:
    """Send the evidence of `judge` to every wave and return the choice."""
    try:
        wave = next(waves)
        while True:
            wave = waves.send(judge(wave))
    except StopIteration as end:
        chosen: dict[Digest, Digest] = end.value
        return chosen


def plausible(blob: Blob, other: Blob) -> bool:
    """Return True if the sizes alone allow the two to be one picture."""
    first, second = ((picture.width or 0, picture.height or 0) for picture in (blob, other))
    return plausible_sizes(first, second)


def plausible_sizes(first: tuple[int, int], second: tuple[int, int]) -> bool:
    """Return True if pictures of these widths and heights may be one picture."""
    small, large = sorted((first, second), key=lambda size: size[0] * size[1])
    if small == large:
        return small != (0, 0)
    return max(small) >= LONG_SIDE and min(small) >= SHORT_SIDE and same_shape(small, large)


def same_shape(small: tuple[int, int], large: tuple[int, int]) -> bool:
    """Return True if one size is the other, scaled and rounded to whole pixels."""
    (w1, h1), (w2, h2) = large, small
    return min(abs(h1 * w2 / w1 - h2), abs(w1 * h2 / h1 - w2)) <= _ROUNDING


def _rank(blob: Blob, *, is_stored: bool) -> tuple[object, ...]:
    """Return a sort key that puts the best first.

    A stored picture is behind a better one, and before one as good.
    """
    is_lossy = blob.media_type in _LOSSY
    quality = blob.size if is_lossy else 0
    is_rarely_shown = blob.media_type in _RARELY_SHOWN
    return -blob.pixels, is_lossy, is_rarely_shown, -quality, not is_stored, -blob.size, blob.digest


@dataclass
class _Search:
    """The progress of the search for the picture that stands for another."""

    better: list[tuple[Digest, int]]  # not looked at yet, the next one last
    explaining: dict[Digest, Evidence] = field(default_factory=dict)  # by the kept picture


@dataclass
class _Assignment:
    """The state of one `choose`."""

    blobs: Iterable[Blob]
    candidates: Iterable[Candidate]
    settled: Iterable[Asset]
    apart: Collection[Pair]
    reviews: Reviews
    mode: Mode
    _chosen: dict[Digest, Digest] = field(default_factory=dict)
    _is_same: dict[Pair, bool] = field(default_factory=dict)
    _evidence: dict[Pair, Evidence] = field(default_factory=dict)
    _blobs: Mapping[Digest, Blob] = field(default_factory=dict)
    _place: Mapping[Digest, int] = field(default_factory=dict)
    """The place of each digest in the order of choice, the best first."""
    _searches: dict[Digest, _Search] = field(default_factory=dict)
    _better: dict[Digest, dict[Digest, int]] = field(default_factory=dict)
    """For each digest the better ones it may be a copy of, with the distance.

    Those that a person merged come first, then the nearest in size: it takes least to compare them,
    and a family is then found by the origin of its copies.
    """

    def waves(self) -> Waves:
        assets = {asset.digest: asset for asset in self.settled}
        blobs = {b.digest: b for b in self.blobs} | {d: a.blob for d, a in assets.items()}
        stored = {digest for digest, asset in assets.items() if asset.key is not None}
        order = sorted(blobs, key=lambda digest: _rank(blobs[digest], is_stored=digest in stored))
        place = {digest: n for n, digest in enumerate(order)}
        recorded = {
            digest: asset.alias_of
            for digest, asset in assets.items()
            if asset.alias_of in blobs and self._is_valid(digest, asset.alias_of)
        }
        self._blobs, self._place = blobs, place
        self._apply_reviews(blobs, recorded)
        self._list_better(blobs, place)
        self._chosen.update(recorded)
        yield from self._decide([digest for digest in order if digest not in recorded])
        yield from self._move_aliases(recorded, blobs)
        yield from self._prefer_small(stored - recorded.keys(), assets)
        return self._chosen

    def _prefer_small(self, stored: Collection[Digest], assets: Container[Digest]) -> _Judging:
        """Let another of equal pixels stand for what a new picture stands for: the smallest file.

        A larger file of equal pixels is no better one: anything may be appended to it. A stored
        picture comes first, and else only one of the same type. All others need evidence of their
        own that they are the same as that one; without, all of them stay as they are.
        """
        groups: dict[Digest, list[Digest]] = {}
        for member, kept in self._chosen.items():
            if kept not in assets:
                groups.setdefault(kept, []).append(member)
        moves: dict[Digest, list[Digest]] = {}
        for kept, members in groups.items():
            equal = [
                member
                for member in members
                if member == kept or self._is_as_good(member, kept, is_stored=member in stored)
            ]
            best = min(equal, key=lambda each: (each not in stored, self._blobs[each].size, each))
            if best != kept:
                moves[best] = [member for member in members if member != best]
        pairs = {Pair.of(member, best) for best, members in moves.items() for member in members}
        yield from self._judge_unknown(sorted(pairs), self._blobs)
        for best, members in moves.items():
            if all(self._is_same.get(Pair.of(member, best), False) for member in members):
                self._chosen.update(dict.fromkeys((*members, best), best))

    def _is_as_good(self, digest: Digest, kept: Digest, *, is_stored: bool) -> bool:
        """Return True if both have all pixels equal, and browsers show either of them."""
        evidence = self._evidence.get(Pair.of(digest, kept))
        if evidence is None or not evidence.exact:
            return False
        has_type = self._blobs[digest].media_type == self._blobs[kept].media_type
        return self._stays_visible(kept, digest) if is_stored else has_type

    def _apply_reviews(
        self, blobs: Mapping[Digest, Blob], recorded: Mapping[Digest, Digest]
    ) -> None:
        """Judge the pairs that reviews merged or the caller keeps apart.

        A merge of a repeat merges the picture that stands for it too, and a merge of a picture
        merges its repeats too: two groups become one.
        """
        merged = [pair for pair in self.reviews.merged if _both_in(pair, blobs)]
        reviewed = connected(merged)
        ties = [Pair.of(digest, recorded[digest]) for digest in reviewed.keys() & recorded.keys()]
        joined = connected([*merged, *ties])
        same = list(joined.items())
        for digest, kept in recorded.items():
            # The canonical may itself have a canonical by now. The repeats that stayed with it were
            # not the same as the new one, so only reviews tie them to others.
            groups = reviewed if kept in recorded else joined
            if group := groups.get(kept):
                same.append((digest, group))
        for digest, group in same:
            self._is_same |= {Pair.of(digest, other): True for other in group if other != digest}
        self._is_same |= dict.fromkeys(self.apart, False)

    def _is_valid(self, digest: Digest, canonical: Digest | None) -> bool:
        """Return True unless a review or the caller parts a recorded alias from its canonical."""
        if canonical is None or {digest, canonical} & self.reviews.split:
            return False
        return Pair.of(digest, canonical) not in self.apart

    def _list_better(self, blobs: Mapping[Digest, Blob], place: Mapping[Digest, int]) -> None:
        distances = {c.pair: c.distance for c in self.candidates if self._is_eligible(c, blobs)}
        for pair, is_same in self._is_same.items():
            if is_same:
                distances.setdefault(pair, 0)
        listed: dict[Digest, dict[Digest, int]] = defaultdict(dict)
        for pair, distance in distances.items():
            better, worse = sorted((pair.first, pair.second), key=place.__getitem__)
            listed[worse][better] = distance

        def order(digest: Digest, better: Digest) -> tuple[object, ...]:
            is_merged = self._is_same.get(Pair.of(digest, better), False)
            return not is_merged, blobs[better].pixels, place[better]

        for worse, near in listed.items():
            in_order = sorted(near, key=partial(order, worse))
            self._better[worse] = {better: near[better] for better in in_order}

    def _is_eligible(self, candidate: Candidate, blobs: Mapping[Digest, Blob]) -> bool:
        """Return True if the mode, the reviews and the sizes allow the pair to be judged."""
        pair = candidate.pair
        if self.mode is Mode.OFF or not _both_in(pair, blobs):
            return False
        if {pair.first, pair.second} & self.reviews.split:
            return False
        better, worse = sorted((pair.first, pair.second), key=self._place.__getitem__)
        if not self._stays_visible(worse, better):
            return False
        first, second = blobs[pair.first], blobs[pair.second]
        if self.mode is Mode.EXACT:
            has_equal_size = (first.width, first.height) == (second.width, second.height)
            return candidate.distance == 0 and has_equal_size
        return plausible(first, second)

    def _stays_visible(self, digest: Digest, kept: Digest) -> bool:
        """Return False if browsers show the picture `digest`, but not `kept` in its place."""
        is_lost = self._blobs[kept].media_type in _RARELY_SHOWN
        return not is_lost or self._blobs[digest].media_type in _RARELY_SHOWN

    def _decide(self, undecided: list[Digest]) -> _Judging:
        while undecided:
            wave = [candidate for digest in undecided if (candidate := self._try(digest))]
            # A digest that waits for a better one is tried again in the next wave, in its order.
            undecided = [digest for digest in undecided if digest not in self._chosen]
            if wave:
                yield from self._judge(wave)

    def _try(self, digest: Digest) -> Candidate | None:
        """Choose for `digest`, or return the pair that has to be judged first.

        `None` also if a better picture is not decided yet.
        """
        search = self._searches.get(digest)
        if search is None:
            better_ones = reversed(self._better.get(digest, {}).items())
            search = self._searches[digest] = _Search(list(better_ones))
        while search.better:
            better, distance = search.better[-1]
            if better not in self._chosen:
                return None
            candidate = self._look_at(digest, better, distance, search.explaining)
            if candidate is not None:
                return candidate
            if digest in self._chosen:
                return None
            search.better.pop()
        self._chosen[digest] = self._explanation_of(digest, search.explaining) or digest
        return None

    def _look_at(
        self, digest: Digest, better: Digest, distance: int, explaining: dict[Digest, Evidence]
    ) -> Candidate | None:
        """Return the pair that has to be judged first, or else take in what `better` explains.

        Equal pixels and a person's word decide for `digest` at once. Any other evidence that
        `better` explains it is added to `explaining`.
        """
        kept = self._chosen[better]
        if kept in explaining:
            return None
        if kept != better and self._cannot_tie(digest, better, kept):
            return None
        pair = Pair.of(digest, better)
        if pair not in self._is_same:
            return Candidate(pair, distance)
        if not self._is_same[pair]:
            return None
        if pair in self._evidence and not self._stays_visible(digest, kept):
            return None
        if kept != better:
            if (candidate := self._unknown_tie(better, kept)) is not None:
                return candidate
            if not self._is_made_from(kept, better):
                return None
        evidence = self._evidence.get(pair)
        if evidence is None or evidence.exact:  # a person's word, or equal pixels
            self._chosen[digest] = kept
        elif kept == better or evidence.shows_made_from(better):
            explaining[kept] = evidence
        return None

    def _explanation_of(
        self, digest: Digest, explaining: Mapping[Digest, Evidence]
    ) -> Digest | None:
        """Return the kept picture that stands for `digest`; `None` if several could.

        If all of them were made from it there is no doubt, and the best of them stands for it.
        """
        if explaining and all(evidence.origin == digest for evidence in explaining.values()):
            return min(explaining, key=self._place.__getitem__)
        return _only_explanation(explaining)

    def _cannot_tie(self, digest: Digest, member: Digest, kept: Digest) -> bool:
        """Return True if it is known already that `member` does not tie `digest` to `kept`."""
        if Pair.of(digest, kept) in self.apart:
            return True
        return self._unknown_tie(member, kept) is None and not self._is_made_from(kept, member)

    def _unknown_tie(self, member: Digest, kept: Digest) -> Candidate | None:
        """Return the pair of a group's member and its kept picture, if it has to be judged.

        It need not be judged where a person tied the two, or where only exact copies count.
        """
        pair = Pair.of(member, kept)
        if self.mode is not Mode.PERCEPTUAL or pair in self._is_same:
            return None
        distance = _distance(self._blobs[member], self._blobs[kept])
        return None if distance is None else Candidate(pair, distance)

    def _is_made_from(self, copy: Digest, origin: Digest) -> bool:
        evidence = self._evidence.get(Pair.of(copy, origin))
        return evidence is not None and evidence.shows_made_from(origin)

    def _judge(self, wave: list[Candidate]) -> _Judging:
        judged = yield wave
        for candidate, evidence in zip(wave, judged, strict=True):
            if evidence.pair != candidate.pair:
                raise ValueError(f"asked about {candidate.pair}, answered about {evidence.pair}")
            is_same = evidence.exact if self.mode is Mode.EXACT else evidence.same
            self._is_same[candidate.pair] = is_same
            self._evidence[candidate.pair] = evidence

    def _move_aliases(
        self, recorded: Mapping[Digest, Digest], blobs: Mapping[Digest, Blob]
    ) -> _Judging:
        """Move each alias whose canonical got a better one to that one, on evidence of its own."""
        moves: dict[Digest, Digest] = {}
        for digest, old in recorded.items():
            new = self._canonical(old)
            if new != old and blobs[new].pixels >= blobs[digest].pixels:
                moves[digest] = new
        yield from self._judge_unknown((Pair.of(*move) for move in sorted(moves.items())), blobs)
        unproven = {
            digest: new
            for digest, new in moves.items()
            if not self._is_same.get(Pair.of(digest, new), False)
        }
        ties = {Pair.of(digest, recorded[digest]) for digest in unproven}
        ties |= {Pair.of(recorded[digest], new) for digest, new in unproven.items()}
        yield from self._judge_unknown(sorted(ties), blobs)
        for digest, new in moves.items():
            if digest not in unproven or self._are_copies_of(recorded[digest], digest, new):
                self._chosen[digest] = new

    def _are_copies_of(self, origin: Digest, digest: Digest, new: Digest) -> bool:
        """Return True if both pictures were made from `origin` and nobody keeps them apart."""
        if Pair.of(digest, new) in self.apart:
            return False
        return self._is_made_from(new, origin) and self._is_made_from(digest, origin)

    def _judge_unknown(self, pairs: Iterable[Pair], blobs: Mapping[Digest, Blob]) -> _Judging:
        """Judge those of the pairs that were not judged yet and may be one picture."""
        wave: list[Candidate] = []
        for pair in pairs:
            if pair in self._is_same:
                continue
            distance = _distance(blobs[pair.first], blobs[pair.second])
            if distance is None:
                continue
            candidate = Candidate(pair, distance)
            if self._is_eligible(candidate, blobs):
                wave.append(candidate)
        if wave:
            yield from self._judge(wave)

    def _canonical(self, digest: Digest) -> Digest:
        """Return the last of the chain of pictures that stand for `digest`."""
        passed: set[Digest] = set()
        while digest not in passed:
            passed.add(digest)
            digest = self._chosen[digest]
        return digest


def _only_explanation(explaining: Mapping[Digest, Evidence]) -> Digest | None:
    """Return the kept picture that stands for a copy; `None` if several could."""
    exact = [kept for kept, evidence in explaining.items() if evidence.leaves_nothing]
    for group in (exact, list(explaining)):
        if group:
            return group[0] if len(group) == 1 else None
    return None


def _both_in(pair: Pair, blobs: Mapping[Digest, Blob]) -> bool:
    return pair.first in blobs and pair.second in blobs


def _distance(blob: Blob, other: Blob) -> int | None:
    """Return the distance of the fingerprints, `None` beyond `DISTANCE` or without one."""
    if blob.fingerprint is None or other.fingerprint is None:
        return None
    distance = blob.fingerprint.distance(other.fingerprint)
    return distance if distance <= DISTANCE else None


def connected(pairs: Iterable[Pair]) -> dict[Digest, set[Digest]]:
    """Return for each picture the group that the pairs tie it into."""
    group_of: dict[Digest, set[Digest]] = {}
    for pair in pairs:
        joined = group_of.get(pair.first, {pair.first}) | group_of.get(pair.second, {pair.second})
        group_of.update(dict.fromkeys(joined, joined))
    return group_of
