"""Groups of repeats, and what a review changes in them. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from mirror.manifest import Manifest
from mirror.model import Asset, Digest
from mirror.repeats.evidence import Evidence, Pair, Refusal
from mirror.repeats.reviews import Reviews

_UNMEASURED = 20.0  # levels of luma: above it `sketch` and `compare` look no closer


def orphaned_aliases(
    assets: Iterable[Asset], evidence: Iterable[Evidence], reviews: Reviews
) -> set[Digest]:
    """Return the aliases that only a picture split off by `reviews` tied to their canonical."""
    if not reviews.split:
        return set()
    merged = {digest for pair in reviews.merged for digest in (pair.first, pair.second)}
    same = {judged.pair for judged in evidence if judged.same}
    tied = {digest for pair in same for digest in _partners(pair, reviews.split)} - merged
    return {
        asset.digest
        for asset in assets
        if asset.alias_of is not None
        and asset.digest in tied
        and Pair.of(asset.digest, asset.alias_of) not in same
    }


def _partners(pair: Pair, digests: Collection[Digest]) -> Iterator[Digest]:
    """Yield each side of a pair whose other side is among `digests`."""
    if pair.first in digests:
        yield pair.second
    if pair.second in digests:
        yield pair.first


def companions_of_merge(manifest: Manifest, first: Digest, second: Digest) -> set[Digest]:
    """Return the other pictures of the group that a merge of the two makes.

    They are the canonicals of the two, and all aliases of those four.
    """
    two = {first, second}
    canonicals = two | {manifest.shown_for(manifest.assets[digest]).digest for digest in two}
    repeats = manifest.assets.repeats()
    aliases = {asset.digest for asset in repeats if asset.alias_of in canonicals}
    return (canonicals | aliases) - two


def companions_of_split(
    manifest: Manifest, evidence: Iterable[Evidence], reviews: Reviews, digest: Digest
) -> set[Digest]:
    """Return the other pictures that a split of `digest` parts from their canonical."""
    repeats = list(manifest.assets.repeats())
    aliases = {asset.digest for asset in repeats if asset.alias_of == digest}
    return aliases | orphaned_aliases(repeats, evidence, reviews.splitting(digest)) - {digest}


@dataclass(frozen=True, slots=True)
class RepeatGroup:
    """One picture and its repeats, each with its evidence: `None` where a person decided."""

    kept: Asset
    members: tuple[tuple[Asset, Evidence | None], ...]


def find_groups(manifest: Manifest, evidence: Iterable[Evidence]) -> list[RepeatGroup]:
    """Return every group of repeats, largest first."""
    by_pair = {judged.pair: judged for judged in evidence if judged.same}
    members: dict[Digest, list[Asset]] = {}
    for asset in manifest.assets.repeats():
        if asset.alias_of is not None:
            members.setdefault(asset.alias_of, []).append(asset)
    groups = []
    for kept, aliases in members.items():
        ties = ((alias, _tie(kept, alias, aliases, by_pair)) for alias in aliases)
        groups.append(RepeatGroup(manifest.assets[kept], tuple(ties)))
    return sorted(groups, key=lambda group: (-len(group.members), group.kept.digest))


def _tie(
    kept: Digest, alias: Asset, aliases: Iterable[Asset], by_pair: Mapping[Pair, Evidence]
) -> Evidence | None:
    """Return the evidence on an alias and the kept picture, or on it and their common origin."""
    if (judged := by_pair.get(Pair.of(kept, alias.digest))) is not None:
        return judged
    for other in aliases:
        origin = other.digest
        judged = by_pair.get(Pair.of(origin, alias.digest)) if other is not alias else None
        if judged is not None and judged.shows_made_from(origin):
            tie = by_pair.get(Pair.of(origin, kept))
            if tie is not None and tie.shows_made_from(origin):
                return judged
    return None


def find_refused(
    manifest: Manifest, evidence: Iterable[Evidence], reviews: Reviews
) -> list[Evidence]:
    """Return the pairs of the manifest that look alike and were kept apart, likeliest copies first.

    Those that leave least unexplained where they differ most come first. A pair without that
    measurement ranks as `_UNMEASURED`. A pair that was accepted and yet stands apart is ambiguous,
    unless a person split it.
    """
    known = (
        judged
        for judged in evidence
        if judged.pair.first in manifest.assets and judged.pair.second in manifest.assets
    )
    refused = [_as_kept_apart(judged, manifest, reviews) for judged in known]
    return sorted(filter(None, refused), key=likeliest_first)


def likeliest_first(judged: Evidence) -> tuple[object, ...]:
    """Return a sort key: what leaves least where two pictures differ most comes first."""
    luma = judged.statistics[0] if judged.statistics else _UNMEASURED
    return luma, judged.distance, judged.pair


def _as_kept_apart(judged: Evidence, manifest: Manifest, reviews: Reviews) -> Evidence | None:
    """Return the evidence on a pair that stands apart; `None` for a pair in one group.

    An accepted pair becomes ambiguous. `None` also if a person split it, or if one of the two is a
    repeat of a third picture.
    """
    pair = {judged.pair.first, judged.pair.second}
    kept = {manifest.shown_for(manifest.assets[digest]).digest for digest in pair}
    if len(kept) == 1:  # one group, by another picture or by a person
        return None
    if not judged.same:
        return judged
    is_repeat_of_third = not kept <= pair
    if is_repeat_of_third or pair & reviews.split:
        return None
    return replace(judged, tier=None, refusal=Refusal.AMBIGUOUS)
