"""`mirror dupes`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mirror.amounts import count_text
from mirror.cli.common import ConfigPath, Json, load, open_site
from mirror.config import ConfigError
from mirror.console import print_json, say
from mirror.model import Asset, Digest

if TYPE_CHECKING:
    from mirror.manifest import Manifest
    from mirror.repeats.evidence import Evidence
    from mirror.repeats.groups import RepeatGroup
    from mirror.repeats.reviews import Decision

_SHORT_DIGEST = 12  # hex digits; unique among some million images


def dupes(
    config: ConfigPath = None,
    near: Annotated[
        bool,
        typer.Option(
            "--near", help="Pairs that look alike and were kept apart, likeliest copies first."
        ),
    ] = False,
    split: Annotated[
        list[str] | None,
        typer.Option("--split", metavar="SHA", help="This picture stands for itself from now on."),
    ] = None,
    merge: Annotated[
        tuple[str, str] | None,
        typer.Option("--merge", metavar="SHA SHA", help="These two are one picture from now on."),
    ] = None,
    as_json: Json = False,
) -> None:
    """List the groups of repeats and why each was merged; record decisions that later runs keep."""
    from mirror.pipeline.store import unprocessed_originals
    from mirror.repeats.groups import (
        companions_of_merge,
        companions_of_split,
        find_groups,
        find_refused,
    )
    from mirror.repeats.ledger import LEDGER, Ledger
    from mirror.repeats.reviews import REVIEWS, Merge, Split, add_reviews, load_reviews

    parts = open_site(load(config))
    manifest, _ = parts.manifest.load()
    path = parts.config.manifest / REVIEWS
    reviews = load_reviews(path)  # raises for a broken file before anything is added to it
    ledger = Ledger.load(parts.config.manifest / LEDGER)
    companions: dict[Decision, set[Digest]] = {}  # the other pictures that a decision moves
    for digest in dict.fromkeys(_find(manifest, sha) for sha in split or ()):
        companions[Split(digest)] = companions_of_split(
            manifest, ledger.evidence.values(), reviews, digest
        )
    if merge is not None:
        first, second = (_find(manifest, sha) for sha in merge)
        if first == second:
            raise ConfigError(f"--merge takes two pictures; both are {first}")
        companions[Merge(first, second)] = companions_of_merge(manifest, first, second)
    if companions:
        with parts.lock("mirror dupes"):
            add_reviews(path, companions)
        _print_reviews(companions, path, as_json)
        return
    refused = find_refused(manifest, ledger.evidence.values(), reviews)
    if near:
        _print_near(refused, manifest, as_json)
    else:
        groups = find_groups(manifest, ledger.evidence.values())
        originals = unprocessed_originals(manifest, parts.locator)
        _print_groups(groups, manifest, originals, len(refused), as_json)


def _find(manifest: Manifest, prefix: str) -> Digest:
    """Return the only digest that begins with `prefix`; raise `ConfigError` for none or several."""
    matches = [digest for digest in manifest.assets if digest.hex.startswith(prefix.lower())]
    if len(matches) != 1:
        count = "no image" if not matches else f"{len(matches)} images"
        raise ConfigError(f"{count} in the manifest with a SHA-256 that begins with {prefix!r}")
    return matches[0]


def _print_reviews(companions: Mapping[Decision, set[Digest]], path: Path, as_json: bool) -> None:
    from mirror.repeats.reviews import Merge

    for decision, others in companions.items():
        if as_json:
            members = {"line": str(decision), "file": str(path), "also": sorted(map(str, others))}
            print_json({"type": "review", **members})
        elif isinstance(decision, Merge):
            say(f"one group of {len(others) + 2:,} pictures: the best of them stands for all")
        elif others:
            say(f"parted as well: {count_text(len(others), 'repeat')}")
    if not as_json:
        say(f"recorded in {path}; `mirror sync` obeys it, then `mirror rewrite` moves the posts")


def _print_groups(
    groups: Sequence[RepeatGroup],
    manifest: Manifest,
    originals: AbstractSet[str],
    apart: int,
    as_json: bool,
) -> None:
    for group in groups:
        if as_json:
            members = [
                {"sha256": asset.digest.hex, "sources": asset.sources, **_evidence_json(evidence)}
                for asset, evidence in group.members
            ]
            kept = {"sha256": group.kept.digest.hex, "sources": group.kept.sources}
            print_json({"type": "group", "kept": kept, "repeats": members})
            continue
        say(f"{_asset_text(group.kept)}  stands for:")
        for asset, evidence in group.members:
            say(f"    {_asset_text(asset)}  {_evidence_text(evidence)}")
    totals = manifest.assets.count()
    if as_json:
        counts = {
            "groups": len(groups),
            "images": totals.images,
            "repeats": totals.repeats,
            "same_bytes": totals.same_bytes,
            "look_alike": totals.look_alike,
            "near": apart,
        }
        print_json({"type": "summary", **counts})
        return
    if apart:
        say(f"{count_text(apart, 'pair')} that looked alike, kept apart (--near)")
    say(totals.text(sum(name in manifest.by_source for name in originals)))


def _print_near(refused: Sequence[Evidence], manifest: Manifest, as_json: bool) -> None:
    for evidence in refused:
        pair = evidence.pair
        if as_json:
            digests = [pair.first.hex, pair.second.hex]
            print_json({"type": "near", "pair": digests, **_evidence_json(evidence)})
            continue
        first, second = manifest.assets[pair.first], manifest.assets[pair.second]
        say(f"{_asset_text(first)}\n{_asset_text(second)}\n    {_evidence_text(evidence)}")
    if not as_json:
        say(f"{count_text(len(refused), 'pair')} that looked alike, kept apart")


def _asset_text(asset: Asset) -> str:
    blob = asset.blob
    source = asset.sources[0] if asset.sources else "(no source)"
    size = f"{blob.width}x{blob.height}" if blob.width else "no pixels"
    return (
        f"{blob.digest.hex[:_SHORT_DIGEST]}  {size}  {blob.media_type.partition('/')[2]}  {source}"
    )


def _evidence_json(evidence: Evidence | None) -> dict[str, object]:
    if evidence is None:
        return {"tier": "review"}
    from mirror.repeats.evidence import STATISTICS

    return {
        "distance": evidence.distance,
        "tier": evidence.tier,
        "refusal": evidence.refusal.value if evidence.refusal is not None else None,
        **dict(zip(STATISTICS, evidence.statistics, strict=False)),
    }


def _evidence_text(evidence: Evidence | None) -> str:
    if evidence is None:
        return "A person said so."
    from mirror.repeats.evidence import STATISTICS

    parts = [evidence.tier or "apart", f"{evidence.distance} bits"]
    measured = zip(STATISTICS, evidence.statistics, strict=False)
    parts += [f"{name} {value:g}" for name, value in measured]
    return f"{evidence.sentence} ({', '.join(parts)})"
