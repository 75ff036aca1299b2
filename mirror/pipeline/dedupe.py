"""TODO"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from os import cpu_count

from mirror.engine import Engine
from mirror.manifest import Manifest
from mirror.model import Asset, Digest
from mirror.pictures.decode import ImageError, ImageLimits
from mirror.pipeline.copies import GoodCopy, find_copy
from mirror.pipeline.parts import Parts
from mirror.pipeline.progress import Progress
from mirror.repeats.choose import choose as choose_canonical
from mirror.repeats.choose import run
from mirror.repeats.compare import compare
from mirror.repeats.evidence import Candidate, Evidence, Mode, Pair, Refusal
from mirror.repeats.groups import orphaned_aliases
from mirror.repeats.ledger import LEDGER, Ledger
from mirror.repeats.reviews import REVIEWS, load_reviews
from mirror.repeats.search import find_candidates
from mirror.urls.address import Url


def choose(
    parts: Parts,
    engine: Engine,
    before: Manifest,
    manifest: Manifest,
    progress: Progress,
) -> tuple[Manifest, dict[str, int]]:
    """`manifest` with `alias_of` where another picture stands for one; `before` is settled.

    New pictures are compared with all. Settled ones with each other only after `[dedupe].mode` was
    made wider, and then until a run finds nothing more to change: only what a saved manifest holds
    counts as done. A narrower mode takes nothing back. Return beside it what a change of mode
    meant: `compared_again`, `merged_again`, `kept_repeats`; nothing where there was none.
    """
    ledger = Ledger.load(parts.config.manifest / LEDGER)
    new = [asset.blob for digest, asset in manifest.assets.items() if digest not in before.assets]
    settled = [asset for digest, asset in manifest.assets.items() if digest in before.assets]
    known = [asset.blob for asset in settled]
    mode, last = Mode(parts.config.dedupe), ledger.mode
    is_wider = mode.is_wider_than(last)
    reviews = load_reviews(parts.config.manifest / REVIEWS)
    reviews = replace(
        reviews, split=reviews.split | orphaned_aliases(settled, ledger.evidence.values(), reviews)
    )
    found = []
    if mode is not Mode.OFF:
        found = find_candidates([*new, *known]) if is_wider else find_candidates(new, known)
    judge = _Judge(parts, engine, manifest, ledger, progress)
    apart = _own_originals(parts, manifest)
    waves = choose_canonical(new, found, settled=settled, apart=apart, reviews=reviews, mode=mode)
    try:
        chosen = run(waves, judge)
        moved = [asset for asset in settled if _standing_for(asset, chosen[asset.digest]) != asset]
        if not is_wider or (ledger.is_complete and not moved):
            ledger.settle(mode)
    finally:
        ledger.save()
    assets = {
        digest: _standing_for(asset, chosen[digest]) for digest, asset in manifest.assets.items()
    }
    for digest, asset in assets.items():
        if asset.alias_of is not None and asset.alias_of != manifest.assets[digest].alias_of:
            progress.event("repeat", sha256=digest.hex, of=asset.alias_of.hex)
    change: dict[str, int] = {}
    if mode is not last:
        change = {"compared_again": len(settled) if is_wider else 0}
        change |= {"merged_again": len(moved) if is_wider else 0}
        change["kept_repeats"] = 0 if is_wider else _beyond(mode, assets.values(), ledger)
        progress.event("mode", before=last.value, now=mode.value, **change)
    return Manifest(assets), change


def _beyond(mode: Mode, assets: Iterable[Asset], ledger: Ledger) -> int:
    """How many repeats stand that `mode` would not find."""
    pairs = (Pair.of(one.digest, one.alias_of) for one in assets if one.alias_of is not None)
    evidence = [ledger.evidence.get(pair) for pair in pairs]
    return sum(one is not None and (mode is Mode.OFF or not one.exact) for one in evidence)


def _standing_for(asset: Asset, chosen: Digest) -> Asset:
    return replace(asset, alias_of=chosen if chosen != asset.digest else None)


def _own_originals(parts: Parts, manifest: Manifest) -> set[Pair]:
    """A rendition and the original it was made from: two pictures, by the user's own choice."""
    pairs = set()
    for asset in manifest.assets.values():
        for address in asset.sources:
            located = parts.locator.locate(Url(address))
            if located is None or located.original is None:
                continue
            original = manifest.find(located.original.address)
            if original is not None and original.digest != asset.digest:
                pairs.add(Pair.of(asset.digest, original.digest))
    return pairs


@dataclass(frozen=True, slots=True)
class _Judge:
    """Answers a wave of pairs from the ledger, and the rest by looking, all cores at once."""

    parts: Parts
    engine: Engine
    manifest: Manifest
    ledger: Ledger
    progress: Progress

    def __call__(self, asked: Sequence[Candidate]) -> list[Evidence]:
        open_ = [proposal for proposal in asked if proposal.pair not in self.ledger.evidence]
        if open_:
            self.progress.stage("compare", len(open_), "pairs")
        look = partial(_look, self.parts, self.manifest)
        for evidence in self.engine.map(look, open_, cpu_count() or 1):
            self.ledger.add(evidence)
            self.progress.advance()
        return [self.ledger.evidence[proposal.pair] for proposal in asked]


def _look(parts: Parts, manifest: Manifest, proposal: Candidate) -> Evidence:
    pair = proposal.pair
    limits = ImageLimits(max_pixels=parts.config.fetch.max_pixels)
    # A fresh clone may have no archive; what is stored is as good, and a repeat must not be missed.
    assets = (manifest.assets[digest] for digest in (pair.first, pair.second))
    first, second = (find_copy(parts.archive, parts.destinations, asset) for asset in assets)
    if isinstance(first, GoodCopy) and isinstance(second, GoodCopy):
        with suppress(ImageError):
            return compare(first.data, second.data, proposal.distance, limits)
    return Evidence(pair, proposal.distance, refusal=Refusal.UNREADABLE)
