"""The difference between the manifest and its layers: destinations, archive, public URLs, posts.

Reads only. `verify` is the list of its layers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from itertools import chain
from operator import attrgetter
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

from mirror.config import CONFIG_NAME, Config
from mirror.destinations import Destination, former_targets
from mirror.engine import Engine
from mirror.files import real_path
from mirror.history import Before
from mirror.manifest import ImageCounts, LateKeyError, LinePlace, ManifestFile, Objects
from mirror.model import Asset, Finding, Layer, Outcome, Rule
from mirror.pipeline import scrutiny
from mirror.pipeline.parts import Parts
from mirror.pipeline.portion import ALL, Sample
from mirror.pipeline.progress import FindingLog, LayerCheck, Progress, summary
from mirror.pipeline.verify_archive import check_archive, verify_others, verify_sources
from mirror.pipeline.verify_destinations import (
    Comparison,
    ReadBack,
    check_destinations,
    compare_destination,
)
from mirror.records import Record, looks_like_json_lines
from mirror.repeats.ledger import LEDGER, Ledger
from mirror.repeats.reviews import REVIEWS, load_reviews
from mirror.rewrites import Rewrite
from mirror.site_index import site_name
from mirror.state import NO_SYNC
from mirror.urls.sources import Locator, Source

if TYPE_CHECKING:
    from mirror.pages import SiteAddress
    from mirror.pipeline.scan import SiteScan


@dataclass(frozen=True, slots=True)
class VerifyOptions:
    """The layers to compare with the manifest. `paths` limits `posts` to files and folders.

    `sample` is the part of the images whose bytes are read, wherever bytes are read. `site` is the
    folder of the built site, `base` where it is published if not where its generator says.
    With `notes` the lines are named that a person should read before a change is merged: with
    `since`, a branch or a commit, those that were not there, also in the `config_file`.
    """

    paths: tuple[Path, ...] = ()
    posts: bool = False
    archive: bool = False
    destinations: bool = True
    public: bool = False
    deep: bool = False
    sample: Sample = ALL
    site: Path | None = None
    base: SiteAddress | None = None
    notes: bool = False
    since: str | None = None
    config_file: Path = Path(CONFIG_NAME)


@dataclass(frozen=True, slots=True)
class VerifyResult:
    """The layers that were compared, their counts, and those of the manifest."""

    summary: dict[str, int | float]
    layers: Sequence[Layer]
    images: ImageCounts

    @property
    def findings(self) -> list[Finding]:
        return [finding for layer in self.layers for finding in layer.findings]


def verify(
    parts: Parts, engine: Engine, options: VerifyOptions, progress: Progress
) -> VerifyResult:
    """Compare what the manifest says with what is there.

    Raise `RecordError` or `ConfigError`. A destination that cannot be asked is a finding, which
    is neither fine nor a difference.
    """
    started = monotonic()
    config, destinations = parts.config, parts.destinations
    _check_records(config.manifest, (parts.rewrites, parts.redirects))
    if options.site is not None:
        from mirror.pipeline.text_files import need_built_site  # parsers of HTML

        need_built_site(options.site)
    last_sync = cache(lambda: parts.state.last_sync.load() or NO_SYNC)  # read where it is needed
    compare = partial(
        compare_destination,
        engine=engine,
        progress=progress,
        read_back=ReadBack(options.deep, options.sample),
        site=site_name(config.manifest),
    )
    objects, checks = _check_destinations(
        parts.manifest,
        destinations if options.destinations else (),
        compare,
        cache(lambda: last_sync().not_stored),
        progress,
    )
    is_whole = options.sample == ALL
    if options.archive:
        reviews = load_reviews(config.manifest / REVIEWS)
        total = objects.asset_count if is_whole else None
        sampled = partial(_sampled, parts.manifest.stream_assets, options.sample)
        more = verify_sources(parts.archive, parts.manifest, reviews, parts.locator)
        if is_whole:
            more = chain(verify_others(parts.archive, sampled, engine), more)
        checks.append(check_archive(parts.archive, sampled, total, more, engine, progress))
    if options.public:
        from mirror.pipeline.public import check_public, public_host  # a web client

        host = public_host(config.fetch, config.sources, parts.locator, destinations)
        total = len(objects) if is_whole else None
        stored = _sampled(partial(_stored, parts.manifest), options.sample)
        checks.append(check_public(host, engine, stored, total, progress))
    if options.posts or options.site is not None:
        former = _former_targets(parts.rewrites, destinations)
    scanned: SiteScan | None = None
    if options.posts:
        from mirror.pipeline.scan import scan  # parsers of Markdown and YAML
        from mirror.pipeline.verify_posts import ReferenceCheck, check_posts, load_shown

        scanned = scan(*parts.posts.find(options.paths))
        if not options.paths:
            assets = parts.manifest.stream_assets()
            scanned.findings.extend(
                _unmatched(config.sources, parts.locator, scanned, assets, objects.asset_count)
            )
        checks.append(
            check_posts(
                scanned,
                ReferenceCheck(
                    destinations,
                    parts.locator,
                    config.ignored,
                    load_shown(parts.manifest, scanned, destinations, parts.locator),
                    last_sync().reasons,
                ),
                former,
                progress,
            )
        )
    if options.site is not None:
        from mirror.pages import MentionFinder
        from mirror.pipeline import built_site  # parsers of HTML
        from mirror.pipeline.site_coverage import ShownPictures

        folder, sources = options.site, config.sources
        check = built_site.PictureCheck(
            folder=real_path(folder),
            published=(
                built_site.published_at(folder, config.root, sources)
                if options.base is None
                else built_site.Published(options.base)
            ),
            destinations=destinations,
            locator=parts.locator,
            hosts=built_site.source_hosts(sources),
            objects=objects,
            former=former,
            shown=None if scanned is None else ShownPictures(scanned, destinations),
        )
        prefixes = built_site.mirrored_prefixes(destinations, former, check.site)
        finder = MentionFinder(sources, prefixes)
        checks.append(
            built_site.check_site(check, finder, config.ignored, folder, config.root, progress)
        )
    if options.notes:
        notes = chain(
            _changes(config, parts.manifest, options), scrutiny.settings_that_open(config)
        )
        layer = Layer("decisions and settings", (), FindingLog(progress.finding, notes))
        checks.append(LayerCheck(layer))
    images = objects.counts
    layers = [check.layer for check in checks]
    findings = [finding for layer in layers for finding in layer.findings]
    counts = {"assets": images.originals, "images": images.images, "repeats": images.repeats}
    counts |= _sum_counts(checks) | _count_findings(findings)
    return VerifyResult(summary(counts, findings, started), layers, images)


def _unmatched(
    sources: Sequence[Source],
    locator: Locator,
    scanned: SiteScan,
    assets: Iterable[Asset],
    asset_count: int,
) -> Iterator[Finding]:
    """Yield a finding for each source without an image, and one more if there is no image at all.

    `assets` are those of the manifest, `asset_count` in number.
    """
    from mirror.pipeline.unmatched import unmatched_sources

    unmatched = list(unmatched_sources(sources, locator, scanned, assets))
    yield from unmatched
    if unmatched and len(unmatched) == len(sources) and not asset_count:
        message = "no image of your sources is in them or in the manifest: nothing to compare"
        yield Finding(Rule.POSTS_UNCHECKED, "posts", message)


def _check_destinations(
    manifest: ManifestFile,
    destinations: Sequence[Destination],
    compare: Callable[[Destination, Objects], Comparison],
    not_stored: Callable[[], Mapping[str, str]],
    progress: Progress,
) -> tuple[Objects, list[LayerCheck]]:
    """Return the objects of the manifest, and each of `destinations` compared with them."""

    def check(objects: Objects) -> list[LayerCheck]:
        comparisons = ((item, compare(item, objects)) for item in destinations)
        return check_destinations(comparisons, objects, not_stored, progress)

    objects = manifest.stream_objects()
    try:
        return objects, check(objects)
    except LateKeyError:  # the keys are in no order: all are read and sorted first
        objects = manifest.load_objects()
        return objects, check(objects)


def _former_targets(
    rewrites: Record[Sequence[Rewrite]], destinations: Sequence[Destination]
) -> set[str]:
    lines, _ = rewrites.load()  # not kept: there may be a million
    return former_targets((line.target for line in lines), destinations)


def _sum_counts(checks: Iterable[LayerCheck]) -> dict[str, int]:
    """Return the counts of all layers. An image that two of them do not ask for counts once."""
    counts = Counter({"objects": 0, "read": 0, "originals": 0, "asked": 0})
    for check in checks:
        counts.update(check.counts)
    return counts | {"ignored": len(set[str]().union(*(check.not_asked for check in checks)))}


def _changes(config: Config, manifest: ManifestFile, options: VerifyOptions) -> Iterator[Finding]:
    """Yield what a person should read: all decisions, or what changed since a commit."""
    if options.since is None:
        yield from scrutiny.decisions(config.manifest / REVIEWS, config.root)
        return
    before = Before.since(options.since, config.root)
    yield from scrutiny.decisions(config.manifest / REVIEWS, config.root, before)
    yield from scrutiny.moved_sources(manifest, config.root, before)
    yield from scrutiny.changed_site(config.manifest, config.root, before)
    yield from scrutiny.changed_settings(config, config.root / options.config_file, before)


def _check_records(folder: Path, records: Iterable[Record[Any]]) -> None:
    """Raise `RecordError` if a merge or an edit broke a file that stands beside the manifest.

    Some are needed by other commands alone, and CI is to find it before those do.
    """
    load_reviews(folder / REVIEWS)
    for record in records:
        if not looks_like_json_lines(record.path):
            record.load()
    if not looks_like_json_lines(folder / LEDGER):
        Ledger.load(folder / LEDGER)


def _sampled(assets: Callable[[], Iterable[Asset]], sample: Sample) -> Iterator[Asset]:
    return sample.of(assets(), attrgetter("digest"))


def _stored(manifest: ManifestFile) -> Iterator[Asset]:
    return (asset for asset in manifest.stream_assets() if asset.key is not None)


def _count_findings(findings: Sequence[Finding]) -> dict[str, int]:
    rules = Counter(finding.rule for finding in findings)
    return {
        "missing": rules[Rule.OBJECT_MISSING],
        "different": rules[Rule.OBJECT_DIFFERENT],
        "extra": rules[Rule.OBJECT_EXTRA],
        "unmatched": rules[Rule.ENTRY_UNUSED],
        "doubtful": rules[Rule.SITE_PATH_ASSUMED] + rules[Rule.SITE_SHOWS_FEW],
        "unchecked": sum(f.rule.outcome is Outcome.UNCHECKED for f in findings),
    }


def manifest_places(
    manifest: ManifestFile, destinations: Sequence[Destination], findings: Sequence[Finding]
) -> dict[str, LinePlace]:
    """Return the place in the manifest for the subject of each finding: key, digest or public URL.

    Only the first destination has public URLs that findings are about.
    """
    subjects = {finding.subject for finding in findings if finding.post is None}
    places: dict[str, LinePlace] = {}
    if subjects and manifest.exists():
        for place, asset in manifest.numbered():
            names = {asset.digest.hex}
            if asset.key is not None:
                urls = (destination.public_url(asset.key) for destination in destinations[:1])
                names |= {asset.key, *filter(None, urls)}
            places |= dict.fromkeys(names & subjects, place)
    return places
