"""The repeats: pairs of pictures that look alike -> evidence -> `alias_of` in the manifest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import TYPE_CHECKING

from mirror.archive import Archive
from mirror.destinations import Destination
from mirror.engine import Engine
from mirror.manifest import Manifest
from mirror.model import Asset, Blob, Digest
from mirror.pipeline.copies import GoodCopy, find_copy
from mirror.pipeline.progress import Progress
from mirror.repeats.cache import Excerpts, Sides, Sketches
from mirror.repeats.choose import choose, judge_waves
from mirror.repeats.evidence import Candidate, Evidence, Mode, Pair, Refusal, Scope
from mirror.repeats.groups import orphaned_aliases
from mirror.repeats.ledger import Ledger
from mirror.repeats.reviews import Reviews
from mirror.urls.address import Url
from mirror.urls.sources import Locator, is_processed

if TYPE_CHECKING:
    from mirror.repeats.compare import Side


@dataclass(frozen=True, slots=True)
class DedupeRules:
    """The decisions of the user: the mode, the reviews, and the pairs that are never merged.

    `sources_of` tells for `Scope.SOURCE` the names of the sources that a picture comes from.
    """

    mode: Mode
    reviews: Reviews
    apart: Collection[Pair]
    scope: Scope
    sources_of: Callable[[Asset], Collection[str]]


@dataclass(frozen=True, slots=True)
class ModeChange:
    """The effect of another `[dedupe].mode` than that of the last run."""

    before: Mode
    now: Mode
    compared_again: int  # settled pictures that were compared with each other again
    merged_again: int  # settled pictures that turned out to be repeats
    kept_repeats: int  # repeats that stand and that the new mode would not find

    def counts(self) -> dict[str, int]:
        return {
            "compared_again": self.compared_again,
            "merged_again": self.merged_again,
            "kept_repeats": self.kept_repeats,
        }


@dataclass(frozen=True, slots=True)
class Choice:
    """The manifest with its repeats, and the effect of another mode if there is one."""

    manifest: Manifest
    change: ModeChange | None


@dataclass(frozen=True, slots=True)
class AssetPair:
    """Two pictures that look alike, and their assets."""

    candidate: Candidate
    first: Asset
    second: Asset


@dataclass(frozen=True, slots=True)
class CompareJob:
    """Take two pictures that look alike and return the evidence that they are one, or are not.

    Most pairs are refused by `sketches` and `excerpts`, and no byte is read then.
    """

    archive: Archive
    destinations: Sequence[Destination]
    max_pixels: int
    sketches: Sketches = field(default_factory=Sketches)
    sides: Sides = field(default_factory=Sides)
    excerpts: Excerpts = field(default_factory=Excerpts)

    def __call__(self, assets: AssetPair) -> Evidence:
        # Pillow and numpy, which a run that compares nothing does without.
        from mirror.pictures import ImageError
        from mirror.repeats.compare import compare_sides, refuse

        pair, distance = assets.candidate.pair, assets.candidate.distance
        first, second = (self.sketches.get(digest) for digest in (pair.first, pair.second))
        if first is not None and second is not None:
            evidence = refuse(pair, first, second, distance, self.excerpts)
            if evidence is not None:
                return evidence
        with suppress(ImageError):
            sides = self._side(assets.first), self._side(assets.second)
            if sides[0] is not None and sides[1] is not None:
                evidence = compare_sides(sides[0], sides[1], distance, self.excerpts)
                self._keep(sides[0])
                self._keep(sides[1])
                return evidence
        return Evidence(pair, distance, refusal=Refusal.UNREADABLE)

    def _side(self, asset: Asset) -> Side | None:
        from mirror.pictures import ImageLimits
        from mirror.repeats.compare import Side

        side = self.sides.get(asset.digest)
        if side is not None:
            return side
        # A fresh clone may have no archive. A stored object is as good, and without it a repeat
        # would be missed.
        copy = find_copy(self.archive, self.destinations, asset)
        if not isinstance(copy, GoodCopy):
            return None
        return Side(copy.data, ImageLimits(self.max_pixels), self.sketches.get(asset.digest))

    def _keep(self, side: Side) -> None:
        if side.is_decoded:
            self.sides.add(side.digest, side)
            self.sketches.add(side.digest, side.sketch)


@dataclass(frozen=True, slots=True)
class Judge:
    """Answer a wave of pairs from the ledger, and compare those it lacks on all cores at once.

    Of `early` evidence the ledger takes what is asked for, so that it depends on no timing.
    """

    job: CompareJob
    manifest: Manifest
    engine: Engine
    ledger: Ledger
    early: Mapping[Pair, Evidence]
    progress: Progress

    def __call__(self, wave: Sequence[Candidate]) -> list[Evidence]:
        for candidate in wave:
            pair = candidate.pair
            if pair not in self.ledger.evidence and pair in self.early:
                self.ledger.add(self.early[pair])
        unknown = [candidate for candidate in wave if candidate.pair not in self.ledger.evidence]
        if unknown:
            self.progress.stage("compare", len(unknown), "pairs")
        assets = self.manifest.assets
        pairs = [
            AssetPair(item, assets[item.pair.first], assets[item.pair.second])
            for item in side_by_side(unknown)
        ]
        for evidence in self.engine.map(self.job, pairs, self.engine.cores):
            self.ledger.add(evidence)
            self.progress.advance()
        return [self.ledger.evidence[candidate.pair] for candidate in wave]


def side_by_side(wave: Sequence[Candidate]) -> list[Candidate]:
    """Put the pairs of one picture next to each other, so that it is read and decoded once."""
    pairs_of = Counter(chain.from_iterable((c.pair.first, c.pair.second) for c in wave))

    def key(candidate: Candidate) -> tuple[object, ...]:
        pair = candidate.pair
        common, other = sorted((pair.first, pair.second), key=lambda d: (-pairs_of[d], d))
        return common, other

    return sorted(wave, key=key)


def choose_repeats(before: Manifest, rules: DedupeRules, judge: Judge) -> Choice:
    """Set `alias_of` in the manifest of `judge` where another picture stands for one.

    New pictures are compared with all, or with all of their sources. Settled ones, which `before`
    has, are compared with each other only after the mode or the scope was made wider, and then
    until a run finds nothing more to change: only what a saved manifest holds counts as done. A
    narrower mode takes nothing back. The ledger of `judge` is saved, also when an error ends the
    comparison.
    """
    manifest, ledger = judge.manifest, judge.ledger
    mode, last_mode = rules.mode, ledger.mode
    is_wider = mode.is_wider_than(last_mode) or (
        rules.scope is Scope.ALL and ledger.scope is not Scope.ALL
    )
    new = {asset.digest: asset.blob for asset in manifest.assets.added_to(before.assets)}
    candidates: list[Candidate] = []
    if mode is not Mode.OFF and (is_wider or new):
        candidates = _find_candidates(manifest, None if is_wider else new, rules)
    settled = _concerned(manifest, new, candidates, rules)
    orphans = orphaned_aliases(settled, ledger.evidence.values(), rules.reviews)
    reviews = replace(rules.reviews, split=rules.reviews.split | orphans)
    waves = choose(
        new.values(), candidates, settled=settled, apart=rules.apart, reviews=reviews, mode=mode
    )
    try:
        canonicals = judge_waves(waves, judge)
        moved = [asset for asset in settled if _aliased(asset, canonicals) != asset]
        if not is_wider or (ledger.is_complete and not moved):
            ledger.record_mode(mode, rules.scope)
    finally:
        ledger.save()
    changed = {
        asset.digest: aliased
        for asset in map(manifest.assets.__getitem__, canonicals)
        if (aliased := _aliased(asset, canonicals)) != asset
    }
    after = manifest.replacing(changed)
    if mode is last_mode:
        return Choice(after, None)
    if is_wider:
        settled_count = len(manifest.assets) - len(new)
        return Choice(after, ModeChange(last_mode, mode, settled_count, len(moved), 0))
    kept = _count_not_found(mode, after.assets.repeats(), ledger)
    return Choice(after, ModeChange(last_mode, mode, 0, 0, kept))


def _find_candidates(
    manifest: Manifest, new: Container[Digest] | None, rules: DedupeRules
) -> list[Candidate]:
    """Return the pairs of pictures that look alike within the scope.

    At least one picture of each pair is in `new`; `None` stands for all pictures.
    """
    from mirror.repeats.search import find_candidates

    groups: Iterable[str | None] = [None]
    if rules.scope is Scope.SOURCE:
        assets = manifest.assets.values()
        groups = sorted({name for asset in assets for name in rules.sources_of(asset)})

    def blobs(group: str | None, *, are_new: bool) -> Iterator[Blob]:
        for asset in manifest.assets.values():
            is_new = new is None or asset.digest in new
            if is_new is are_new and (group is None or group in rules.sources_of(asset)):
                yield asset.blob

    candidates: set[Candidate] = set()
    for group in groups:
        candidates.update(find_candidates(blobs(group, are_new=True), blobs(group, are_new=False)))
    return sorted(candidates)


def source_names(asset: Asset, locator: Locator) -> set[str]:
    """Return the names of the sources that a picture comes from."""
    sources = map(locator.source_of, asset.sources)
    return {source.name for source in sources if source is not None}


def _concerned(
    manifest: Manifest,
    new: Container[Digest],
    candidates: Iterable[Candidate],
    rules: DedupeRules,
) -> list[Asset]:
    """Return the settled assets that the choice is about.

    They look like another picture, are in a group of repeats, or in a review. All others stand for
    themselves before and after, and there may be a million.
    """
    repeats = list(manifest.assets.repeats())
    pairs = chain((candidate.pair for candidate in candidates), rules.apart, rules.reviews.merged)
    digests = {digest for pair in pairs for digest in (pair.first, pair.second)}
    digests |= rules.reviews.split | {asset.digest for asset in repeats}
    digests |= {asset.alias_of for asset in repeats if asset.alias_of is not None}
    return [
        asset
        for digest in sorted(digests)
        if digest not in new and (asset := manifest.assets.get(digest)) is not None
    ]


def report_choice(adopted: Manifest, choice: Choice, progress: Progress) -> None:
    """Report each repeat that `adopted` did not have before the choice, and a change of mode."""
    for asset in choice.manifest.assets.repeats():
        before = adopted.assets[asset.digest]
        if asset.alias_of is not None and asset.alias_of != before.alias_of:
            progress.event("repeat", sha256=asset.digest.hex, of=asset.alias_of.hex)
    if (change := choice.change) is not None:
        modes = {"before": change.before.value, "now": change.now.value}
        progress.event("mode", **modes, **change.counts())


def renditions_of_originals(manifest: Manifest, locator: Locator) -> set[Pair]:
    """Return the pairs of a rendition and the original it was made from.

    The user chose to show the rendition, so the two are never merged.
    """
    pairs = set()
    for asset in manifest.assets.values():
        for address in filter(is_processed, asset.sources):
            located = locator.locate(Url(address))
            if located is None or located.original is None:
                continue
            original = manifest.find(located.original.address)
            if original is not None and original.digest != asset.digest:
                pairs.add(Pair.of(asset.digest, original.digest))
    return pairs


def _aliased(asset: Asset, canonicals: dict[Digest, Digest]) -> Asset:
    canonical = canonicals[asset.digest]
    alias_of = canonical if canonical != asset.digest else None
    return asset if alias_of == asset.alias_of else replace(asset, alias_of=alias_of)


def _count_not_found(mode: Mode, assets: Iterable[Asset], ledger: Ledger) -> int:
    """Count the repeats that `mode` would not find."""
    pairs = (
        Pair.of(asset.digest, asset.alias_of) for asset in assets if asset.alias_of is not None
    )
    known = [evidence for pair in pairs if (evidence := ledger.evidence.get(pair)) is not None]
    return sum(mode is Mode.OFF or not evidence.exact for evidence in known)
