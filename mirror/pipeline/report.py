"""Collect what a report says from posts, manifest, archive and ledger. Reads only, asks nobody.

Read in this order: `make_report` is the command; `Usage` says what the posts show; then the
tiles, the hosts, the findings and the growth of the archive, each from what it needs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from heapq import nsmallest
from itertools import chain
from operator import attrgetter
from os import cpu_count
from pathlib import Path

from mirror.amounts import moment
from mirror.archive import Archive, ArchiveError
from mirror.compact import DistinctTexts
from mirror.destinations import Destination, asset_of
from mirror.engine import Engine
from mirror.manifest import Manifest
from mirror.model import Asset, Digest, Finding, HeldImage, Outcome, Rule, Thumbnail
from mirror.pictures.decode import ImageError, ImageLimits
from mirror.pictures.thumbnail import thumbnail
from mirror.pipeline.download import ASKED_AGAIN
from mirror.pipeline.hold import find_suspects, suspect_findings, waiting_findings
from mirror.pipeline.parts import Parts
from mirror.pipeline.progress import Progress
from mirror.pipeline.resolve import ResolvedReferences, held_behind
from mirror.pipeline.scan import HostRow, SiteScan, host_table, scan
from mirror.pipeline.verify_posts import ReferenceCheck, verify_posts
from mirror.repeats.evidence import Evidence, Pair
from mirror.repeats.groups import RepeatGroup, find_groups, find_refused
from mirror.repeats.ledger import LEDGER, Ledger
from mirror.repeats.reviews import REVIEWS, Reviews, load_reviews
from mirror.report import (
    Growth,
    HostTotals,
    LookAlikes,
    PictureTile,
    PostLine,
    RepeatTile,
    Report,
    TileGroup,
    Totals,
    thumbnail_bytes,
)
from mirror.urls.address import Address, canonical, host_of, identity
from mirror.urls.sources import Locator

_MOST_LOOK_ALIKES = 60  # pairs, the nearest first: enough to see how close the rule cuts
# With thumbnails of 14.3 MB in all, and half a kilobyte of words for each picture, the page stays
# below 20 MB.
_MOST_PICTURES = 4_000
_MOST_REPEATS = 500  # in groups, the largest groups first
# A person decides about these, whether or not the manifest has the image.
_HELD_BACK = frozenset({Rule.REDIRECTED_TOGETHER, Rule.SOURCE_CHANGED, Rule.SOURCE_NOT_PROVEN})
_MOST_DAYS = 45  # with more days, the growth of the archive is shown by months


def make_report(
    parts: Parts, engine: Engine, paths: Sequence[Path], progress: Progress, made: datetime
) -> Report:
    """Return everything a report says, thumbnails included.

    `paths` are the posts, if not the configured ones; `made` is the time that the report names.
    Raise `ConfigError`, `ManifestError`, `LedgerError`, `ReviewError` or `StateError` for a file
    that cannot be read.
    """
    config, archive = parts.config, parts.archive
    scanned = scan(*parts.posts.find(paths))
    manifest, _ = parts.manifest.load()
    evidence = Ledger.load(config.manifest / LEDGER).evidence.values()
    reviews = load_reviews(config.manifest / REVIEWS)
    groups = find_groups(manifest, evidence)
    shown_groups = list(first_groups(groups, _MOST_REPEATS))
    refused = find_refused(manifest, evidence, reviews)
    nearest = refused[:_MOST_LOOK_ALIKES]
    usage = Usage(scanned, manifest, parts.locator, parts.destinations)
    pictures = first_pictures(usage, manifest, _MOST_PICTURES)
    in_groups = {
        asset.digest: asset
        for group in shown_groups
        for asset in (group.kept, *(member for member, _ in group.members))
    }
    alike = {
        digest: manifest.assets[digest]
        for entry in nearest
        for digest in (entry.pair.first, entry.pair.second)
    }
    assets = {asset.digest: asset for asset in pictures} | in_groups | alike
    limits = ImageLimits(max_pixels=config.fetch.max_pixels)
    # A picture may stand on the page several times: by itself, in a group, and as a look-alike.
    max_bytes = thumbnail_bytes(len(pictures) + len(in_groups) + 2 * len(nearest))
    job = ThumbnailJob(archive, limits, max_bytes)
    thumbnails = make_thumbnails(assets.values(), job, engine, progress)
    lines = usage.lines_of(assets)
    tiles = {
        digest: tile(
            asset,
            lines.get(digest, ()),
            public_url(asset, parts.destinations),
            thumbnails[digest],
        )
        for digest, asset in assets.items()
    }
    not_mirrored = find_not_mirrored(usage, config.ignored)
    hosts = host_totals(manifest, not_mirrored, host_table(scanned, parts.locator), parts.locator)
    hosts = mark_mirror(hosts, parts.destinations)
    last = parts.state.last_sync.load()
    redirects, _ = parts.redirects.load()
    resolved = ResolvedReferences(scanned, parts.destinations, manifest)
    images = scanned.source_images(parts.locator, lambda url: resolved.asset_of(url) is not None)
    held = parts.state.held.load()
    behind = held_behind(resolved, manifest, parts.locator, images, held.values())
    check = ReferenceCheck(parts.destinations, parts.locator, config.ignored, manifest, {})
    now = [
        *scanned.findings,
        *verify_posts(scanned, check),
        *suspect_findings(images, find_suspects(manifest, redirects, reviews, config.ignored)),
        *waiting_findings(chain(images, behind), held, manifest, reviews, config.ignored),
    ]
    return Report(
        title=f"Images of {config.root.name or 'the site'}",
        made=made,
        totals=totals(scanned, manifest, not_mirrored, hosts),
        hosts=hosts,
        findings=join_findings(
            last.findings if last else (), now, manifest, held, reviews, config.ignored
        ),
        last_sync=last.ended if last else None,
        groups=[tile_group(group, tiles, reviews) for group in shown_groups],
        groups_left_out=len(groups) - len(shown_groups),
        look_alikes=[look_alike_tiles(entry, tiles) for entry in nearest],
        look_alike_count=len(refused),
        growth=growth_points(archive.history()),
        pictures=in_post_order(tiles[asset.digest] for asset in pictures),
        pictures_left_out=count_pictures(manifest) - len(pictures),
    )


# --- What the posts show ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Usage:
    """The assets that the posts show, reference by reference."""

    scanned: SiteScan
    manifest: Manifest
    locator: Locator
    destinations: Sequence[Destination]

    def assets(self) -> Iterator[tuple[Asset, PostLine]]:
        """Yield the asset of each reference that has one, and its line, in the order of posts."""
        for post, reference in self.scanned.references():
            located = self.locator.locate(reference.url)
            if located is not None:
                asset = self.manifest.find(located.address)
            else:
                url = post.from_root(reference.url)
                asset = asset_of(self.destinations, self.manifest, url)
            if asset is not None:
                yield asset, PostLine(post.name, reference.line)

    def not_mirrored(self) -> Iterator[Address]:
        """Yield the address of each reference to an image of a source that is not mirrored."""
        for _, reference in self.scanned.references():
            located = self.locator.locate(reference.url)
            if located is not None and self.manifest.find(located.address) is None:
                yield located.address

    def lines_of(self, digests: Container[Digest]) -> dict[Digest, list[PostLine]]:
        """Return the lines of posts that show these pictures."""
        lines: dict[Digest, list[PostLine]] = {}
        for asset, line in self.assets():
            if asset.digest in digests:
                lines.setdefault(asset.digest, []).append(line)
        return lines


@dataclass(slots=True)
class NotMirrored:
    """The images of sources that are not mirrored, by host.

    `ignored` are those that the configuration lists, `waiting` all others.
    """

    waiting: dict[str, DistinctTexts] = field(default_factory=dict)
    ignored: dict[str, DistinctTexts] = field(default_factory=dict)


def find_not_mirrored(usage: Usage, ignored: Container[str]) -> NotMirrored:
    """Count what posts show and nobody has. `ignored` are the addresses under [[ignore]]."""
    not_mirrored = NotMirrored()
    for address in usage.not_mirrored():
        hosts = not_mirrored.ignored if address in ignored else not_mirrored.waiting
        hosts.setdefault(host_of(address), DistinctTexts()).add(identity(address))
    return not_mirrored


def first_pictures(usage: Usage, manifest: Manifest, most: int) -> list[Asset]:
    """Return the pictures that are no repeats: those that posts show first, then all others."""
    shown: dict[Digest, Asset] = {}
    for asset, _ in usage.assets():
        if len(shown) == most:
            return list(shown.values())
        if asset.alias_of is None:
            shown.setdefault(asset.digest, asset)
    others = (
        asset
        for asset in manifest.assets.values()
        if asset.alias_of is None and asset.digest not in shown
    )
    key = attrgetter("sources", "digest")
    return [*shown.values(), *nsmallest(most - len(shown), others, key=key)]


def count_pictures(manifest: Manifest) -> int:
    """Return the number of pictures that are no repeats."""
    return len(manifest.assets) - sum(1 for _ in manifest.assets.repeats())


def first_groups(groups: Iterable[RepeatGroup], most: int) -> Iterator[RepeatGroup]:
    """Yield the groups for which there is room among `most` repeats."""
    room = most
    for group in groups:
        if len(group.members) <= room:
            room -= len(group.members)
            yield group


# --- Pictures ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ThumbnailJob:
    """Take an asset and return its digest with a thumbnail, or the reason that there is none.

    Without `max_bytes` the page has no room for thumbnails.
    """

    archive: Archive
    limits: ImageLimits
    max_bytes: int | None

    def __call__(self, asset: Asset) -> tuple[Digest, Thumbnail | str]:
        blob = asset.blob
        if self.max_bytes is None:
            return asset.digest, "no preview: too many pictures for one page"
        if not blob.pixels:
            return asset.digest, "drawing (SVG), not shown here"
        try:
            data = self.archive.get(blob.digest, blob.media_type, blob.size)
            return asset.digest, thumbnail(data, self.max_bytes, self.limits)
        except ArchiveError:
            return asset.digest, "not in the archive, or damaged there"
        except ImageError:
            return asset.digest, "no preview could be made"


def make_thumbnails(
    assets: Collection[Asset], job: ThumbnailJob, engine: Engine, progress: Progress
) -> dict[Digest, Thumbnail | str]:
    """Return for each asset a thumbnail, or the reason that there is none."""
    if job.max_bytes is None:
        return dict(map(job, assets))
    progress.stage("thumbnails", len(assets), "images")
    thumbnails: dict[Digest, Thumbnail | str] = {}
    for digest, result in engine.map(job, assets, cpu_count() or 1):
        thumbnails[digest] = result
        progress.advance()
    return thumbnails


def public_url(asset: Asset, destinations: Sequence[Destination]) -> str | None:
    """Return the address of the asset's object in the first destination, if there is one."""
    if not destinations or asset.key is None:
        return None
    return destinations[0].public_url(asset.key)


def tile(
    asset: Asset, lines: Sequence[PostLine], url: str | None, preview: Thumbnail | str
) -> PictureTile:
    return PictureTile(
        blob=asset.blob,
        sources=asset.sources,
        lines=tuple(lines),
        url=url,
        thumbnail=None if isinstance(preview, str) else preview,
        no_preview=preview if isinstance(preview, str) else "",
    )


def tile_group(
    group: RepeatGroup, tiles: Mapping[Digest, PictureTile], reviews: Reviews
) -> TileGroup:
    canonical = group.kept.digest
    repeats = (
        RepeatTile(
            tiles[asset.digest],
            evidence,
            is_reviewed=Pair.of(canonical, asset.digest) in reviews.merged,
        )
        for asset, evidence in group.members
    )
    return TileGroup(tiles[canonical], tuple(repeats))


def look_alike_tiles(evidence: Evidence, tiles: Mapping[Digest, PictureTile]) -> LookAlikes:
    return LookAlikes(tiles[evidence.pair.first], tiles[evidence.pair.second], evidence)


def in_post_order(pictures: Iterable[PictureTile]) -> list[PictureTile]:
    """Sort by the first line of a post that shows a picture; those in no post come last."""
    return sorted(
        pictures,
        key=lambda picture: (
            not picture.lines,
            [(line.post, line.number) for line in picture.lines[:1]],
            picture.sources,
            picture.blob.digest,
        ),
    )


# --- Counts -----------------------------------------------------------------------------------


def host_totals(
    manifest: Manifest, not_mirrored: NotMirrored, rows: Iterable[HostRow], locator: Locator
) -> list[HostTotals]:
    """Return the totals of every host in `rows` (those of posts) or in the manifest.

    The host with most images comes first; hosts of no source come last.
    """
    sizes: Counter[str] = Counter()
    mirrored: Counter[str] = Counter()
    sources: dict[str, str] = {}
    for asset in manifest.assets.values():
        hosts_of_asset = [host_of(address) for address in asset.sources]
        mirrored.update(hosts_of_asset)
        for host in set(hosts_of_asset):
            sizes[host] += asset.blob.size
        for host, address in zip(hosts_of_asset, asset.sources, strict=True):
            if host not in sources and (source := locator.source_of(address)) is not None:
                sources[host] = source.name
    waiting = Counter({host: texts.distinct for host, texts in not_mirrored.waiting.items()})
    ignored = Counter({host: texts.distinct for host, texts in not_mirrored.ignored.items()})
    in_posts = {row.name: row for row in rows}
    hosts = []
    for name in mirrored.keys() | in_posts.keys():
        row = in_posts.get(name, HostRow(name))
        images = mirrored[name] + waiting[name] + ignored[name]
        former = "(no longer configured)" if images else ""
        hosts.append(
            HostTotals(
                name=name,
                source=row.source or sources.get(name, former),
                images=images or row.images,
                mirrored=mirrored[name],
                ignored=ignored[name],
                size=sizes[name],
                references=row.references,
                posts=row.posts,
            )
        )
    return sorted(hosts, key=lambda host: (not host.source, -host.images, host.name))


def mark_mirror(
    hosts: Iterable[HostTotals], destinations: Iterable[Destination]
) -> list[HostTotals]:
    """Return `hosts`, of which those in the public address of a destination are marked."""
    urls = (destination.settings.public_url or "" for destination in destinations)
    names = {host_of(address) for url in urls if (address := canonical(url)) is not None}
    return [replace(host, is_mirror=host.name in names) for host in hosts]


def totals(
    scanned: SiteScan, manifest: Manifest, not_mirrored: NotMirrored, hosts: Iterable[HostTotals]
) -> Totals:
    counts = manifest.assets.count()
    return Totals(
        posts=len(scanned.posts),
        references=sum(1 for _ in scanned.references()),
        images=sum(host.images for host in hosts if host.source),
        missing=sum(texts.distinct for texts in not_mirrored.waiting.values()),
        ignored=sum(texts.distinct for texts in not_mirrored.ignored.values()),
        pictures=counts.pictures,
        repeats=counts.repeats,
        size=sum(asset.blob.size for asset in manifest.assets.values()),
        same_bytes=counts.same_bytes,
        originals=counts.originals,
    )


# --- Findings ---------------------------------------------------------------------------------


def join_findings(
    last: Iterable[Finding],
    now: Iterable[Finding],
    manifest: Manifest,
    held: Mapping[str, HeldImage],
    reviews: Reviews,
    ignored: Container[str],
) -> list[Finding]:
    """Return the findings of the last sync that can still be true, then new ones of `now`.

    A finding of `now` is left out where the last sync has the same one, or says why it failed to
    take the image.
    """
    standing = [
        finding for finding in last if not _is_outdated(finding, manifest, held, reviews, ignored)
    ]
    known = {(finding.rule, _topic(finding)) for finding in standing}
    failed = {_topic(finding) for finding in standing if finding.rule.outcome is Outcome.FAILURE}
    return standing + [
        finding
        for finding in now
        if _topic(finding) not in failed and (finding.rule, _topic(finding)) not in known
    ]


def _topic(finding: Finding) -> str:
    """Return the image that a finding is about, or else its rule and place."""
    address = canonical(finding.subject)
    return identity(address) if address else f"{finding.rule.id} {finding.place}"


def _is_outdated(
    finding: Finding,
    manifest: Manifest,
    held: Mapping[str, HeldImage],
    reviews: Reviews,
    ignored: Container[str],
) -> bool:
    """Return True for the failure of an image that has been mirrored, accepted or ignored since.

    One that was mirrored before, and could not be fetched again, is neither.
    """
    address = canonical(finding.subject)
    if address is None or finding.rule.outcome is not Outcome.FAILURE:
        return False
    asset = manifest.find(address)
    if finding.rule in _HELD_BACK and address in ignored:
        return True
    if finding.rule in _HELD_BACK:
        pending = held.get(identity(address)) or asset
        return pending is not None and reviews.accepts(address, pending.blob.digest)
    if finding.rule is Rule.KEY_TAKEN:
        return asset is not None and asset.key is not None
    return asset is not None and ASKED_AGAIN not in finding.message


# --- Growth -----------------------------------------------------------------------------------


def growth_points(history: Iterable[tuple[float, int]]) -> list[Growth]:
    """Return the number and size of originals at the end of each day, or of each month.

    `history` has the time and size of each file; days are those of UTC.
    """
    counts: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    for seconds, size in history:
        day = moment(seconds).date().isoformat()
        counts[day] += 1
        sizes[day] += size
    if len(counts) > _MOST_DAYS:
        counts, sizes = _by_month(counts), _by_month(sizes)
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


def _by_month(days: Mapping[str, int]) -> Counter[str]:
    months: Counter[str] = Counter()
    for day, number in days.items():
        months[day[:7]] += number
    return months
