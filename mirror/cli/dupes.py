"""`mirror dupes`: the groups of repeats, why each was merged, and what people decide of them."""

from __future__ import annotations

from collections.abc import Iterable
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
    from mirror.repeats.ledger import Ledger

_SHORT = 12


def dupes(
    config: ConfigPath = None,
    near: Annotated[
        bool, typer.Option("--near", help="Pairs that look alike and were kept apart.")
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
    from mirror.repeats.groups import (
        companions_of_merge,
        companions_of_split,
        find_groups,
        find_refused,
    )
    from mirror.repeats.ledger import LEDGER, Ledger
    from mirror.repeats.reviews import REVIEWS, add_review, load_reviews

    parts = open_site(load(config))
    manifest, _ = parts.manifest.load()
    reviews = load_reviews(
        parts.config.manifest / REVIEWS
    )  # a broken file is said before anything is added to it
    ledger = Ledger.load(parts.config.manifest / LEDGER)
    path = parts.config.manifest / REVIEWS
    also: dict[str, set[Digest]] = {}  # by line, what else it concerns
    for digest in dict.fromkeys(_find(manifest, sha) for sha in split or ()):
        also[f"split {digest}"] = companions_of_split(
            manifest, ledger.evidence.values(), reviews, digest
        )
    if merge is not None:
        first, second = (_find(manifest, sha) for sha in merge)
        if first == second:
            raise ConfigError(f"--merge takes two pictures; both are {first}")
        also[f"merge {first} {second}"] = companions_of_merge(manifest, first, second)
    if also:
        with parts.lock("mirror dupes"):
            for line in also:
                add_review(path, line)
        for line, others in also.items():
            if as_json:
                members = {"line": line, "file": str(path), "also": sorted(map(str, others))}
                print_json({"type": "review", **members})
            elif line.startswith("merge"):
                say(f"one group of {len(others) + 2:,} pictures: the best of them stands for all")
            elif others:
                say(f"parted as well: {count_text(len(others), 'repeat')}")
        if not as_json:
            say(
                f"recorded in {path}; `mirror sync` obeys it, then `mirror rewrite` moves the posts"
            )
        return
    if near:
        _show_near(
            find_refused(manifest, ledger.evidence.values(), reviews),
            manifest,
            as_json,
        )
    else:
        _show_groups(find_groups(manifest, ledger.evidence.values()), manifest, ledger, as_json)


def _find(manifest: Manifest, prefix: str) -> Digest:
    """The digest that begins with `prefix`, if it is the only one."""
    found = [digest for digest in manifest.assets if digest.hex.startswith(prefix.lower())]
    if len(found) != 1:
        what = "no image" if not found else f"{len(found)} images"
        raise ConfigError(f"{what} in the manifest with a SHA-256 that begins with {prefix!r}")
    return found[0]


def _show_groups(
    found: Iterable[RepeatGroup], manifest: Manifest, ledger: Ledger, as_json: bool
) -> None:
    found = list(found)
    for group in found:
        if as_json:
            members = [
                {"sha256": asset.digest.hex, "sources": asset.sources, **_why(evidence)}
                for asset, evidence in group.members
            ]
            kept = {"sha256": group.kept.digest.hex, "sources": group.kept.sources}
            print_json({"type": "group", "kept": kept, "repeats": members})
            continue
        say(f"{_describe(group.kept)}  stands for:")
        for asset, evidence in group.members:
            say(f"    {_describe(asset)}  {_reason(evidence)}")
    bytes_only = sum(len(asset.sources) - 1 for asset in manifest.assets.values() if asset.sources)
    repeats = sum(len(group.members) for group in found)
    apart = sum(not one.same for one in ledger.evidence.values())
    counts = {"groups": len(found), "repeats": repeats, "same_bytes": bytes_only, "near": apart}
    if as_json:
        print_json({"type": "summary", **counts})
        return
    say(
        f"{count_text(repeats, 'repeat')} in {count_text(len(found), 'group')}; "
        f"{count_text(bytes_only, 'more URL')} with bytes that another has too; "
        f"{count_text(apart, 'pair')} that looked alike, kept apart (--near)"
    )


def _show_near(found: Iterable[Evidence], manifest: Manifest, as_json: bool) -> None:
    found = list(found)
    for one in found:
        if as_json:
            pair = [one.pair.first.hex, one.pair.second.hex]
            print_json({"type": "near", "pair": pair, **_why(one)})
            continue
        first, second = (manifest.assets[digest] for digest in (one.pair.first, one.pair.second))
        say(f"{_describe(first)}\n{_describe(second)}\n    {_reason(one)}")
    if not as_json:
        say(f"{count_text(len(found), 'pair')} that looked alike, kept apart")


def _describe(asset: Asset) -> str:
    blob = asset.blob
    where = asset.sources[0] if asset.sources else "(no source)"
    size = f"{blob.width}x{blob.height}" if blob.width else "no pixels"
    return f"{blob.digest.hex[:_SHORT]}  {size}  {blob.media_type.partition('/')[2]}  {where}"


def _why(evidence: Evidence | None) -> dict[str, object]:
    if evidence is None:
        return {"tier": "review"}
    from mirror.repeats.evidence import STATISTICS

    return {
        "distance": evidence.distance,
        "tier": evidence.tier,
        "refusal": evidence.refusal.value if evidence.refusal is not None else None,
        **dict(zip(STATISTICS, evidence.statistics, strict=False)),
    }


def _reason(evidence: Evidence | None) -> str:
    if evidence is None:
        return "merged by a person"
    parts = [evidence.tier or "apart", f"{evidence.distance} bits"]
    parts += [f"{name} {value:g}" for name, value in _why(evidence).items() if type(value) is float]
    return f"{evidence.phrase} ({', '.join(parts)})"
