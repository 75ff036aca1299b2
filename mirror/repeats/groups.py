"""Groups of repeats, and what a review would change in them. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from mirror.manifest import Manifest
from mirror.model import Asset, Digest
from mirror.repeats.evidence import Evidence, Pair
from mirror.repeats.ledger import Ledger
from mirror.repeats.reviews import Reviews


def _came_along(assets: Iterable[Asset], ledger: Ledger, reviews: Reviews) -> set[Digest]:
    """Repeats whose only tie to what stands for them is a picture that was split from it since."""
    if not reviews.split:
        return set()
    merged = {digest for pair in reviews.merged for digest in (pair.first, pair.second)}
    same = {pair for pair, one in ledger.known.items() if one.same}
    kin = {digest for pair in same for digest in _others(pair, reviews.split)} - merged
    return {
        asset.digest
        for asset in assets
        if asset.alias_of is not None
        and asset.digest in kin
        and Pair.of(asset.digest, asset.alias_of) not in same
    }


def _others(pair: Pair, digests: Collection[Digest]) -> Iterator[Digest]:
    """The sides of a pair whose other side is among `digests`."""
    if pair.first in digests:
        yield pair.second
    if pair.second in digests:
        yield pair.first


def merged_along(manifest: Manifest, first: Digest, second: Digest) -> set[Digest]:
    """What a merge of two pictures makes one group with them: what they and theirs stand for."""
    two = {first, second}
    kept = two | {manifest.shown_for(manifest.assets[digest]).digest for digest in two}
    along = {digest for digest, asset in manifest.assets.items() if asset.alias_of in kept}
    return (kept | along) - two


def parted_along(
    manifest: Manifest, ledger: Ledger, reviews: Reviews, digest: Digest
) -> set[Digest]:
    """What stands for itself, too, once the picture `digest` does."""
    assets = manifest.assets.values()
    along = {asset.digest for asset in assets if asset.alias_of == digest}
    return along | _came_along(assets, ledger, reviews.splitting(digest)) - {digest}


@dataclass(frozen=True, slots=True)
class RepeatGroup:
    """One picture and its repeats; each with the evidence, `None` where a person decided."""

    kept: Asset
    members: tuple[tuple[Asset, Evidence | None], ...]


def groups(manifest: Manifest, evidence: Iterable[Evidence]) -> list[RepeatGroup]:
    """Every group of repeats, largest first."""
    by_pair = {one.pair: one for one in evidence if one.same}
    members: dict[Digest, list[Asset]] = {}
    for asset in manifest.assets.values():
        if asset.alias_of is not None:
            members.setdefault(asset.alias_of, []).append(asset)
    found = [
        RepeatGroup(
            manifest.assets[kept],
            tuple((one, by_pair.get(Pair.of(kept, one.digest))) for one in aliases),
        )
        for kept, aliases in members.items()
    ]
    return sorted(found, key=lambda group: (-len(group.members), group.kept.digest))


def refused(ledger: Ledger, manifest: Manifest) -> list[Evidence]:
    """Pairs that look alike and were kept apart, nearest first."""
    return sorted(
        (
            one
            for one in ledger.known.values()
            if not one.same and {one.pair.first, one.pair.second} <= manifest.assets.keys()
        ),
        key=lambda one: (one.distance, one.pair),
    )
