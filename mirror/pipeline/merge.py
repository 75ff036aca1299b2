"""Merge the records of two branches, as a merge driver of git does. Pure.

Each function takes the text of the common ancestor, of ours and of theirs. A change of one side is
taken, changes of both are united, and what contradicts stays as a conflict between git's markers.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from mirror import manifest, redirects, rewrites
from mirror.manifest import Manifest, ManifestError, dump_line, unite_lines, united
from mirror.model import Asset, Digest
from mirror.repeats.ledger import LEDGER, loads_ledger
from mirror.repeats.reviews import REVIEWS, loads_reviews
from mirror.urls.address import identity

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class MergeResult:
    """The text of the result, and what could not be united, in words."""

    text: str
    conflicts: Sequence[str] = ()


def merge_images(base: str, ours: str, theirs: str, *, is_part: bool = False) -> MergeResult:
    """Merge `images.jsonl`, or a part: lines of one picture become one. Raise `ManifestError`."""
    header = json.dumps(manifest.HEADER) + "\n"
    old, mine, other = (_assets(text or header, is_part=is_part) for text in (base, ours, theirs))
    assets: dict[Digest, Asset] = {}
    disputed: dict[Digest, str] = {}
    for digest in {*mine, *other}:
        first, second = mine.get(digest), other.get(digest)
        if first is None or second is None:
            kept, before = first or second, old.get(digest)
            if before is None and kept is not None:
                assets[digest] = kept
            elif kept is not None and kept != before:
                disputed[digest] = f"picture {digest} was changed here and deleted there"
            continue
        asset = _merge_lines(old.get(digest), first, second)
        if asset is None:
            disputed[digest] = (
                f"picture {digest} has another `key`, `alias_of` or size on each side"
            )
        else:
            assets[digest] = asset
    disputed |= _shared(assets, "source", lambda asset: map(identity, asset.sources))
    disputed |= _shared(assets, "key", lambda asset: filter(None, [asset.key]))
    if not disputed:
        try:
            unite_lines(((("", 0), asset) for asset in assets.values()), is_part=is_part)
        except ManifestError as error:  # a repeat whose picture the other side deleted
            aliases = (d for d, asset in assets.items() if asset.alias_of is not None)
            disputed |= dict.fromkeys(aliases, str(error).partition(": ")[2])
    agreed = Manifest({d: asset for d, asset in assets.items() if d not in disputed})
    text = manifest.dumps(agreed)
    if disputed:
        sides = (
            [dump_line(side[digest]) for digest in sorted(disputed, key=str) if digest in side]
            for side in (mine, other)
        )
        text += _conflict(*sides)
    return MergeResult(text, sorted(set(disputed.values())))


def _assets(text: str, *, is_part: bool) -> Mapping[Digest, Asset]:
    if is_part:
        return unite_lines(manifest.parse(text.split("\n")), is_part=True)
    return manifest.loads(text).assets


def _merge_lines(base: Asset | None, ours: Asset, theirs: Asset) -> Asset | None:
    """Return one asset for both, with what either side changed; `None` if they contradict."""
    if base is None:
        return united(ours, theirs)

    def side(asset: Asset, other: Asset) -> Asset:
        """Return `asset` with the members that only the other side changed."""
        return replace(
            asset,
            blob=other.blob if asset.blob == base.blob else asset.blob,
            key=other.key if asset.key == base.key else asset.key,
            alias_of=other.alias_of if asset.alias_of == base.alias_of else asset.alias_of,
            sources=_kept(asset.sources, base.sources, other.sources),
            former_sources=_kept(asset.former_sources, base.former_sources, other.former_sources),
        )

    return united(side(ours, theirs), side(theirs, ours))


def _kept(items: Iterable[T], base: Iterable[T], other: Iterable[T]) -> tuple[T, ...]:
    """Return the items without those that the other side took out."""
    removed = {*base} - {*other}
    return tuple(item for item in items if item not in removed)


def _shared(
    assets: Mapping[Digest, Asset], kind: str, names: Callable[[Asset], Iterable[str]]
) -> dict[Digest, str]:
    """Return the pictures that share a name which only one may have."""
    owners: dict[str, list[Digest]] = {}
    for digest, asset in assets.items():
        for name in names(asset):
            owners.setdefault(name, []).append(digest)
    return {
        digest: f"{kind} {name} is that of {' and of '.join(sorted(map(str, digests)))}"
        for name, digests in owners.items()
        if len(digests) > 1
        for digest in digests
    }


def merge_reviews(base: str, ours: str, theirs: str) -> MergeResult:
    """Merge `reviews.txt`. A conflict if the result depends on whose lines come last.

    Raise `ReviewError`.
    """
    added = _added(base, theirs)
    kept = _without(ours, base, theirs)
    text, turned = kept + added, added + kept
    if loads_reviews("".join(text)) == loads_reviews("".join(turned)):
        return MergeResult("".join(text))
    mine = _added(base, ours)
    common = [line for line in kept if line not in mine]
    message = "the decisions of the two sides contradict each other; keep those that hold"
    return MergeResult(
        "".join(common) + _conflict(*(map(str.rstrip, s) for s in (mine, added))), [message]
    )


def merge_ledger(base: str, ours: str, theirs: str) -> MergeResult:
    """Merge `ledger.jsonl`. Raise `LedgerError`.

    A line with a mode says that all pictures were compared; after a merge that is true only if both
    sides have the line.
    """
    for text in (base, ours, theirs):
        loads_ledger(text)
    lines = _without(ours, base, theirs) + _added(base, theirs)
    both = {*_lines(ours)} & {*_lines(theirs)}
    return MergeResult("".join(line for line in lines if '"mode"' not in line or line in both))


def merge_rewrites(base: str, ours: str, theirs: str) -> MergeResult:
    """Merge `rewrites.jsonl`. Raise `RewritesError`."""
    old, mine, other = (Counter(rewrites.loads(text)) for text in (base, ours, theirs))
    union = mine + (other - old)
    union.subtract(old - other)  # what the other side took out
    order = dict.fromkeys([*mine, *other])
    return MergeResult(rewrites.dumps(line for line in order for _ in range(union[line])))


def merge_redirects(base: str, ours: str, theirs: str) -> MergeResult:
    """Merge `redirects.jsonl`. Raise `RedirectsError`.

    Where the sides contradict, what is ours stays; `mirror sync --refresh` asks the host again.
    """
    old, mine, other = (redirects.loads(text) for text in (base, ours, theirs))
    taken = {
        url: other.get(url)
        for url in {*old, *other}
        if other.get(url) != old.get(url) and mine.get(url) == old.get(url)
    }
    union = {url: redirect for url, redirect in (mine | taken).items() if redirect is not None}
    return MergeResult(redirects.dumps(union))


MERGES: dict[str, Callable[[str, str, str], MergeResult]] = {
    manifest.FILE_NAME: merge_images,
    rewrites.FILE_NAME: merge_rewrites,
    redirects.FILE_NAME: merge_redirects,
    REVIEWS: merge_reviews,
    LEDGER: merge_ledger,
}


def merger_of(place: Path) -> Callable[[str, str, str], MergeResult] | None:
    """Return the function for a file of the repository; `None` if it is no record."""
    name = f"{place.parent.name}/{place.name}"
    return partial(merge_images, is_part=True) if name in manifest.PARTS else MERGES.get(place.name)


def _lines(text: str) -> list[str]:
    """Return the lines with their ends; the last one gets one if it has none."""
    return [f"{line}\n" for line in text.removesuffix("\n").split("\n")] if text else []


def _added(base: str, side: str) -> list[str]:
    """Return the lines that a side has more of than the common ancestor."""
    return _beyond(_lines(side), Counter(_lines(base)))


def _without(ours: str, base: str, theirs: str) -> list[str]:
    """Return our lines without those that the other side took out, and without what both added."""
    gone = Counter(_lines(base)) - Counter(_lines(theirs))
    gone += Counter(_added(base, ours)) & Counter(_added(base, theirs))
    return _beyond(_lines(ours), gone)


def _beyond(lines: Iterable[str], counts: Counter[str]) -> list[str]:
    """Return `lines` without the first of each, as many as `counts` has of it."""
    left = Counter(counts)
    kept = []
    for line in lines:
        left[line] -= 1
        if left[line] < 0:
            kept.append(line)
    return kept


def _conflict(ours: Iterable[str], theirs: Iterable[str]) -> str:
    lines = ["<<<<<<< ours", *ours, "=======", *theirs, ">>>>>>> theirs"]
    return "\n".join(lines) + "\n"
