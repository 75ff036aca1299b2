"""Posts, manifest, archive and ledger -> the values of a report. Reads only, and asks nobody."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from os import cpu_count
from pathlib import Path

from mirror.archive import ArchiveError
from mirror.engine import Engine
from mirror.manifest import Manifest
from mirror.model import Asset, Blob, Digest, Finding, Outcome, Thumbnail
from mirror.pictures.decode import ImageError, ImageLimits
from mirror.pictures.thumbnail import thumbnail
from mirror.pipeline.parts import Parts
from mirror.pipeline.progress import Progress
from mirror.pipeline.scan import HostRow, Scanned, host_table, scan
from mirror.pipeline.verify import verify_posts
from mirror.repeats.evidence import Pair
from mirror.repeats.groups import find_groups, find_refused
from mirror.repeats.ledger import LEDGER, Ledger
from mirror.repeats.reviews import REVIEWS, Reviews, load_reviews
from mirror.report import (
    Apart,
    Group,
    Growth,
    Host,
    Picture,
    Place,
    Repeat,
    Report,
    Totals,
    thumbnail_bytes,
)
from mirror.state import LastSync
from mirror.urls.address import canonical, identity

_PAIRS = 60  # that look alike and are not: enough to see how close the rule cuts
_DAYS = 45  # with more of them, the archive's growth is told by months


@dataclass(frozen=True, slots=True)
class _Look:
    """Asset in, thumbnail out, or why there is none."""

    parts: Parts
    max_bytes: int

    def __call__(self, asset: Asset) -> tuple[Digest, Thumbnail | str]:
        blob = asset.blob
        if not blob.pixels:
            return asset.digest, "drawing (SVG), not shown here"
        try:
            data = self.parts.archive.get(blob.digest, blob.media_type)
            limits = ImageLimits(max_pixels=self.parts.config.fetch.max_pixels)
            return asset.digest, thumbnail(data, self.max_bytes, limits)
        except ArchiveError:
            return asset.digest, "not in the archive, or damaged there"
        except ImageError:
            return asset.digest, "no preview could be made"


@dataclass(slots=True)
class _Shown:
    """What the posts show of the manifest, and what of our sources is not in it."""

    places: dict[Digest, list[Place]] = field(default_factory=dict)
    missing: set[str] = field(default_factory=set)
    ignored: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, scanned: Scanned, parts: Parts, manifest: Manifest) -> _Shown:
        shown = cls()
        gone = {identity(address) for address in parts.config.ignored}
        for post, ref in scanned.references():
            asset = None
            if (located := parts.locator.locate(ref.url)) is not None:
                asset = manifest.find(located.address)
                if asset is None:
                    name = identity(located.address)
                    (shown.ignored if name in gone else shown.missing).add(name)
            else:
                keys = (target.key_of(ref.url.raw) for target in parts.destinations)
                asset = next((manifest.by_key[key] for key in keys if key in manifest.by_key), None)
            if asset is not None:
                place = Place(post.name, ref.line)
                shown.places.setdefault(asset.digest, []).append(place)
        return shown


def report(
    parts: Parts, engine: Engine, paths: Sequence[Path], progress: Progress, made: datetime
) -> Report:
    """Collect everything a report says, thumbnails included."""
    scanned = scan(*parts.posts.find(paths))
    manifest, _ = parts.manifest.load()
    shown = _Shown.of(scanned, parts, manifest)
    ledger, reviews = (
        Ledger.load(parts.config.manifest / LEDGER),
        load_reviews(parts.config.manifest / REVIEWS),
    )
    found = find_groups(manifest, ledger.evidence.values())
    unlike = find_refused(manifest, ledger.evidence.values(), reviews)
    pairs = [one.pair for one in unlike[:_PAIRS]]
    previews = _previews(parts, engine, manifest, len(found) + 2 * len(pairs), progress)
    picture = partial(_picture, parts, shown, previews)
    last = parts.state.last_sync.load()
    hosts = list(_hosts(scanned, parts, manifest, shown))
    return Report(
        title=f"Images of {parts.config.root.name or 'the site'}",
        made=made,
        totals=_totals(scanned, manifest, shown, hosts),
        hosts=hosts,
        findings=_findings(parts, manifest, scanned, last),
        last_sync=last.ended if last else None,
        groups=[
            Group(
                picture(group.kept),
                tuple(
                    Repeat(picture(asset), evidence, _by_hand(reviews, group.kept, asset))
                    for asset, evidence in group.members
                ),
            )
            for group in found
        ],
        apart=[
            Apart(
                picture(manifest.assets[one.pair.first]),
                picture(manifest.assets[one.pair.second]),
                one,
            )
            for one in unlike[:_PAIRS]
        ],
        apart_in_all=len(unlike),
        growth=growth(parts.archive.history()),
        pictures=_in_post_order(
            picture(asset) for asset in manifest.assets.values() if asset.alias_of is None
        ),
    )


def _by_hand(reviews: Reviews, one: Asset, other: Asset) -> bool:
    return Pair.of(one.digest, other.digest) in reviews.merged


# --- Pictures ---------------------------------------------------------------------------------

Previews = Mapping[Digest, Thumbnail | str]


def _previews(
    parts: Parts, engine: Engine, manifest: Manifest, twice: int, progress: Progress
) -> Previews:
    """A thumbnail of every picture; `twice` of them stand on the page a second time."""
    assets = list(manifest.assets.values())
    max_bytes = thumbnail_bytes(len(assets) + twice)
    if max_bytes is None:
        return dict.fromkeys(manifest.assets, "no preview: too many pictures for one page")
    progress.stage("thumbnails", len(assets), "images")
    made: dict[Digest, Thumbnail | str] = {}
    for digest, preview in engine.map(_Look(parts, max_bytes), assets, cpu_count() or 1):
        made[digest] = preview
        progress.advance()
    return made


def _picture(parts: Parts, shown: _Shown, previews: Previews, asset: Asset) -> Picture:
    preview = previews[asset.digest]
    is_object = bool(parts.destinations) and asset.key is not None
    return Picture(
        blob=asset.blob,
        sources=asset.sources,
        places=tuple(shown.places.get(asset.digest, ())),
        url=parts.destinations[0].public_url(asset.key) if is_object and asset.key else None,
        thumbnail=None if isinstance(preview, str) else preview,
        unseen=preview if isinstance(preview, str) else "",
    )


def _in_post_order(pictures: Iterable[Picture]) -> list[Picture]:
    """By the first place that shows it; those in no post at the end."""
    return sorted(
        pictures,
        key=lambda one: (
            not one.places,
            [(place.post, place.line) for place in one.places[:1]],
            one.sources,
            one.blob.digest,
        ),
    )


# --- Counts -----------------------------------------------------------------------------------


def _hosts(scanned: Scanned, parts: Parts, manifest: Manifest, shown: _Shown) -> Iterator[Host]:
    """Every host of posts or manifest, the one with most images first, those of no source last."""
    blobs: dict[str, dict[Digest, Blob]] = {}
    mirrored: Counter[str] = Counter()
    sources: dict[str, str] = {}
    for asset in manifest.assets.values():
        for address in asset.sources:
            host = _host(identity(address))
            mirrored[host] += 1
            blobs.setdefault(host, {})[asset.digest] = asset.blob
            if (source := parts.locator.source_of(address)) is not None:
                sources.setdefault(host, source.name)
    missing, ignored = (Counter(map(_host, names)) for names in (shown.missing, shown.ignored))
    in_posts = {row.name: row for row in host_table(scanned, parts.locator)}
    rows = []
    for name in mirrored.keys() | in_posts.keys():
        row = in_posts.get(name, HostRow(name))
        ours = mirrored[name] + missing[name] + ignored[name]
        rows.append(
            Host(
                name=name,
                source=row.source or sources.get(name, "(no longer configured)" if ours else ""),
                images=ours or row.images,
                mirrored=mirrored[name],
                ignored=ignored[name],
                size=sum(blob.size for blob in blobs.get(name, {}).values()),
                references=row.references,
                posts=row.posts,
            )
        )
    yield from sorted(rows, key=lambda host: (not host.source, -host.images, host.name))


def _host(name: str) -> str:
    return name.partition("/")[0]


def _totals(scanned: Scanned, manifest: Manifest, shown: _Shown, hosts: Iterable[Host]) -> Totals:
    assets = manifest.assets.values()
    return Totals(
        posts=len(scanned.posts),
        references=sum(1 for _ in scanned.references()),
        images=sum(host.images for host in hosts if host.source),
        missing=len(shown.missing),
        ignored=len(shown.ignored),
        pictures=len(assets),
        repeats=sum(asset.alias_of is not None for asset in assets),
        size=sum(asset.blob.size for asset in assets),
    )


def _findings(
    parts: Parts, manifest: Manifest, scanned: Scanned, last: LastSync | None
) -> list[Finding]:
    """What the last sync left, and what the posts show that it does not explain."""
    kept = [finding for finding in last.findings if _still(finding, manifest)] if last else []
    explained = {_about(finding) for finding in kept}
    now = [*scanned.findings, *verify_posts(parts, manifest, scanned)]
    return kept + [finding for finding in now if _about(finding) not in explained]


def _about(finding: Finding) -> str:
    address = canonical(finding.subject)
    return identity(address) if address else f"{finding.rule.id} {finding.place}"


def _still(finding: Finding, manifest: Manifest) -> bool:
    """Whether it can still be so: what has been mirrored since did not fail for good."""
    address = canonical(finding.subject)
    failed = finding.rule.outcome is Outcome.FAILURE
    return not (failed and address is not None and manifest.find(address) is not None)


# --- Growth -----------------------------------------------------------------------------------


def growth(history: Iterable[tuple[float, int]]) -> list[Growth]:
    """What the archive held at the end of each day, or month, from times and sizes of its files."""
    files = [(datetime.fromtimestamp(moment, UTC).date(), size) for moment, size in history]
    is_long = len({day for day, _ in files}) > _DAYS
    counts: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    for day, size in files:
        label = f"{day:%Y-%m}" if is_long else day.isoformat()
        counts[label] += 1
        sizes[label] += size
    points: list[Growth] = []
    total = Growth("", 0, 0)
    for label in sorted(counts):
        total = replace(
            total,
            label=label,
            count=total.count + counts[label],
            size=total.size + sizes[label],
        )
        points.append(total)
    return points
