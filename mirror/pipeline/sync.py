"""`mirror sync`, the backup: scan, fetch, inspect, choose, store, record.

Nothing is deleted, and no object with other bytes is overwritten.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path
from time import monotonic
from typing import Self

from mirror.archive import Archive
from mirror.config import Config
from mirror.destinations import Destination, key_template
from mirror.engine import Engine, Results
from mirror.manifest import Checksums, ImageCounts, Manifest
from mirror.model import Finding, HeldImage, Outcome
from mirror.pipeline.adopt import adopt, count_repeats, find_told_apart, notice_findings
from mirror.pipeline.collect import CollectedShards, CopyJob, clear_shards, earlier_answers
from mirror.pipeline.dedupe import (
    CompareJob,
    DedupeRules,
    Judge,
    choose_repeats,
    renditions_of_originals,
    report_choice,
    source_names,
)
from mirror.pipeline.download import (
    DownloadResult,
    FetchJob,
    InspectJob,
    KnownImages,
    count_downloads,
    download,
    newest_validators,
    receive,
    sealing,
)
from mirror.pipeline.hold import (
    accepted_images,
    find_suspects,
    hold_back,
    hold_unconfirmed,
    still_held,
    still_shown,
    suspect_findings,
    waiting_findings,
    without_answered,
)
from mirror.pipeline.lookahead import Lookahead
from mirror.pipeline.parts import Parts
from mirror.pipeline.plan import ImageRequest, Inventory, Plan, plan, unused_entries
from mirror.pipeline.post_images import PostImage
from mirror.pipeline.progress import FindingLog, Progress, summary
from mirror.pipeline.resolve import (
    ResolvedReferences,
    find_unknown_targets,
    held_behind,
    images_behind,
)
from mirror.pipeline.scan import SiteScan, scan, secret_findings
from mirror.pipeline.shard_run import run_shard, shard_answers
from mirror.pipeline.shards import Shard, ShardFile
from mirror.pipeline.source_proof import SourceProof
from mirror.pipeline.store import (
    Listings,
    StoreJob,
    check_exchanged_keys,
    name_everywhere,
    settle,
    store_everywhere,
    unprocessed_originals,
    unshown_originals,
)
from mirror.pipeline.unmatched import unmatched_sources
from mirror.pipeline.workers import answer_requests
from mirror.posts import sweep_beside
from mirror.repeats.cache import Sketches
from mirror.repeats.evidence import Mode, Scope
from mirror.repeats.ledger import LEDGER, Ledger
from mirror.repeats.reviews import REVIEWS, load_reviews
from mirror.state import HeldImages
from mirror.urls.address import Address
from mirror.urls.ignore import IgnoreList
from mirror.urls.sources import Locator, Source


@dataclass(frozen=True, slots=True)
class SyncOptions:
    """The arguments of the command; `paths` override the configured ones.

    `scope` says among which pictures repeats are looked for.
    With `shard` only that part of the images is fetched. `copies` are copies of the site on which
    shards ran.
    """

    paths: tuple[Path, ...] = ()
    dry_run: bool = False
    refresh: bool = False
    limit: int | None = None
    scope: Scope = Scope.ALL
    shard: Shard | None = None
    copies: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class SyncResult:
    """The counts and findings of a run; `planned` are the addresses that a dry run would fetch.

    `stored` has the number of new objects by the name of their destination. `images` are those of
    the manifest that the run saved, `unprocessed` of them originals of renditions.
    """

    summary: dict[str, int | float]
    findings: Sequence[Finding]
    planned: Sequence[Address] = ()
    stored: Mapping[str, int] = field(default_factory=dict)
    images: ImageCounts = field(default_factory=ImageCounts)
    unprocessed: int = 0


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """The posts and the manifest as a run finds them.

    `images` are those that the posts show from a source, and `mirrored` the number of pictures
    that they show from the mirror. `held_behind` are the images behind mirrored addresses for which
    a picture is held back. With `--refresh`, what is behind mirrored addresses is in `images`.
    """

    scanned: SiteScan
    manifest: Manifest
    saved: Checksums
    images: Sequence[PostImage]
    unknown_targets: Sequence[Finding]
    mirrored: int
    held_behind: Sequence[PostImage]

    @classmethod
    def of(
        cls,
        scanned: SiteScan,
        loaded: tuple[Manifest, Checksums],
        destinations: Sequence[Destination],
        locator: Locator,
        held: Collection[HeldImage],
        *,
        refresh: bool,
    ) -> Self:
        """Look up what the posts show; with `refresh` also the images behind mirrored addresses.

        Raise `ManifestError` if keys were exchanged.
        """
        manifest, saved = loaded
        check_exchanged_keys(manifest, key_template(destinations), locator)
        resolved = ResolvedReferences(scanned, destinations, manifest)
        images: Sequence[PostImage] = scanned.source_images(
            locator, lambda url: resolved.asset_of(url) is not None
        )
        mirrored = 0
        behind: Sequence[PostImage] = ()
        if refresh:
            images = [*images, *images_behind(resolved, manifest, locator, images)]
        else:
            mirrored = resolved.count_mirrored()
            behind = held_behind(resolved, manifest, locator, images, held)
        unknown_targets = find_unknown_targets(resolved, destinations)
        return cls(scanned, manifest, saved, images, unknown_targets, mirrored, behind)

    def shown(self) -> Iterator[PostImage]:
        """Yield the images that posts show from a source, and those that are `held_behind`."""
        return chain(self.images, self.held_behind)

    def still_shown(
        self, held: Iterable[HeldImage], *, all_posts: bool
    ) -> Iterator[HeldImage | Finding]:
        """Yield the held images that posts may still show, and a finding for each of the rest.

        All are yielded unless `all_posts` were scanned and read and the manifest is whole: another
        post may show them.
        """
        is_unread = any(f.rule.outcome is Outcome.FAILURE for f in self.scanned.findings)
        knows_all = all_posts and self.scanned.posts and not is_unread and not self.unknown_targets
        return still_shown(held, self.shown(), self.manifest) if knows_all else iter(held)


def sync(parts: Parts, engine: Engine, options: SyncOptions, progress: Progress) -> SyncResult:
    """Bring archive, destinations and manifest up to what the posts show.

    Raise `ConfigError`, `ManifestError`, `ArchiveError` or `StateError` for what stops a run as a
    whole; whatever concerns one image, one post or one destination is a finding.
    """
    started = monotonic()
    config, archive, state, locator = parts.config, parts.archive, parts.state, parts.locator
    mode = Mode(config.dedupe)

    # The posts, and what they show.
    held = state.held.load()
    snapshot = _Snapshot.of(
        scan(*parts.posts.find(options.paths)),
        parts.manifest.load(),
        parts.destinations,
        locator,
        held.values(),
        refresh=options.refresh,
    )
    before, images = snapshot.manifest, snapshot.images
    findings = FindingLog(progress.finding, snapshot.scanned.findings)
    findings.extend(chain(secret_findings(snapshot.scanned, locator), snapshot.unknown_targets))
    if not options.paths:
        findings.extend(_unused(config.ignored, config.sources, locator, snapshot))
    findings.extend(find_told_apart(before, (image.located.address for image in images)))

    # What to ask for.
    reviews = load_reviews(config.manifest / REVIEWS)
    redirects_before, old_redirects = parts.redirects.load()
    accepted = _archive_accepted(
        accepted_images(held, before, reviews), archive, state.held, dry_run=options.dry_run
    )
    inventory = Inventory.load(
        before,
        state.journal,
        archive,
        SourceProof(archive.source_record(), reviews, locator),
        state.validators,
        accepted,
    )
    known = KnownImages(inventory.blobs, archive, bool(parts.destinations))
    earlier = earlier_answers(
        config, archive, options.shard, options.copies, refresh=options.refresh
    )
    findings.extend(earlier.findings)
    todo = plan(images, inventory, config.ignored, refresh=options.refresh)
    todo = todo.covered_by(options.shard.covers if options.shard else None)
    todo = todo.limited(options.limit, inventory.validators, earlier.answers)
    counts = snapshot.scanned.tally() | dict(todo.counts) | {"mirrored": snapshot.mirrored}
    receive_results = partial(receive, known=known, findings=findings, progress=progress)
    copy = CopyJob(
        config.root,
        config.state.name,
        config.fetch.max_pixels,
        archive,
        state.held,
        reviews,
        options.dry_run,
    )

    # Two kinds of run end here: one that only plans, and that of a shard.
    if options.dry_run:
        planned = _report_plan(todo, options.limit, earlier, copy, findings, progress)
        return SyncResult(summary(counts, findings, started), findings, planned)
    if options.shard is not None:
        counts |= run_shard(
            ShardFile.of(config, options.shard, refresh=options.refresh),
            todo.requests,
            earlier,
            shard_answers(options.shard, engine, config, archive, reviews),
            receive_results,
        )
        return SyncResult(summary(counts, findings, started), sorted(findings, key=_post_order))

    # Fetch and inspect, overlapping; compare what looks alike, and list what destinations have.
    sweep_beside(scanned_post.post for scanned_post in snapshot.scanned.posts)
    listings = Listings(parts.destinations)
    ledger = Ledger.load(config.manifest / LEDGER)
    sketches = Sketches()
    compare = CompareJob(archive, parts.destinations, config.fetch.max_pixels, sketches)
    lookahead = Lookahead(compare, ledger.evidence)
    # The bag's lists lack what is fetched now, and what a killed run left unrecorded.
    needs_seal = bool(todo.requests or inventory.unrecorded or archive.is_unsealed)
    with sealing(archive) if needs_seal else nullcontext():
        taken, unanswered, unfit = earlier.take(todo.requests, copy)
        findings.extend(unfit)
        todo, to_ask = todo.within(options.limit, unanswered)
        inspect = InspectJob(
            archive, state.journal, state.held, reviews, config.fetch.max_pixels, sketches.watch
        )
        results = _after(taken, _ask(engine, config, inspect, sketches, to_ask))
        if engine.in_process and mode is not Mode.OFF:
            results = lookahead.watch(results)
        # Nothing has run yet: this draws each result through all of the above.
        received = receive_results(listings.meanwhile(results, findings), todo.requests)

    # Record what came, and hold back what a person has to look at.
    intake = hold_back(
        before, received.fetched, reviews, held.values(), redirects_before, inventory.doubtful
    )
    suspects = find_suspects(before, intake.redirects, reviews, config.ignored)
    findings.extend([*intake.findings, *suspect_findings(images, suspects)])
    unproven, doubts = hold_unconfirmed(before, todo.requests, received.fetched, inventory.doubtful)
    still_waiting = without_answered(held, received.answered)
    findings.extend(doubts)
    findings.extend(
        waiting_findings(snapshot.shown(), still_waiting, before, reviews, config.ignored)
    )
    came = [entry for image in intake.recorded for entry in image.entries]
    adopted = adopt(before, [*todo.known, *came])
    findings.extend(notice_findings(images, adopted))

    # Choose which picture stands for which.
    rules = DedupeRules(
        mode,
        reviews,
        renditions_of_originals(adopted, locator),
        options.scope,
        partial(source_names, locator=locator),
    )
    choice = choose_repeats(
        before, rules, Judge(compare, adopted, engine, ledger, lookahead.evidence, progress)
    )
    report_choice(adopted, choice, progress)

    # Store what the destinations lack.
    deduped = choice.manifest
    unprocessed = unprocessed_originals(deduped, locator)
    unshown = unshown_originals(deduped, unprocessed, (image.located.address for image in images))
    manifest, clashes = settle(deduped, key_template(parts.destinations), locator, unshown)
    findings.extend(clashes)
    lacking = name_everywhere(listings.complete(findings), manifest, config.manifest, findings)
    stored = store_everywhere(
        lacking, partial(StoreJob, archive, locator), engine, findings, progress
    )

    # Save. The redirects go first: the next run has to know which of its addresses were redirected.
    if intake.redirects or old_redirects is not None:
        parts.redirects.save(intake.redirects, old_redirects)
    # An empty manifest beside unknown targets would hide that the manifest was lost.
    if manifest.assets or not snapshot.unknown_targets:
        archive.add_sources((url, blob.digest) for url, blob in [*inventory.unrecorded, *came])
        findings.extend(parts.manifest.save(manifest, snapshot.saved))
    now_held = still_held(
        [*still_waiting.values(), *received.damaged_images, *intake.held], manifest
    )
    shown = findings.sift(snapshot.still_shown(now_held, all_posts=not options.paths))
    state.held.save([*shown, *unproven])
    state.validators.add(todo.addresses, newest_validators(received.fetched))
    state.journal.clear()
    if not options.paths:  # Else other posts show what the shards have.
        clear_shards(earlier.shards, state, asked_all=not todo.counts["postponed"])

    counts |= {
        **todo.counts,  # More was postponed where an answer of a shard was of no use.
        **count_downloads(received.fetched, to_ask),
        "stored": sum(stored.values()),
        "repeats": count_repeats(images, manifest),
    }
    if choice.change is not None:
        counts |= choice.change.counts()
    return SyncResult(
        summary(counts, findings, started),
        sorted(findings, key=_post_order),
        stored=stored,
        images=manifest.assets.count(),
        unprocessed=sum(name in manifest.by_source for name in unprocessed),
    )


def _unused(
    ignored: IgnoreList, sources: Sequence[Source], locator: Locator, snapshot: _Snapshot
) -> Iterator[Finding]:
    """Yield a warning for each entry of the configuration that matches nothing in the site."""
    yield from unused_entries(ignored, snapshot.images, snapshot.manifest)
    if snapshot.unknown_targets:  # the lines are lost that would have the images of a source
        return
    assets = snapshot.manifest.assets.values()
    yield from unmatched_sources(sources, locator, snapshot.scanned, assets)


def _archive_accepted(
    images: Iterable[HeldImage], archive: Archive, held: HeldImages, *, dry_run: bool
) -> list[HeldImage]:
    """Bring held pictures into the archive; return those whose bytes are not lost.

    With `dry_run` nothing is written.
    """
    archived = []
    for image in images:
        if not archive.has(image.blob):
            data = held.get_bytes(image.blob.digest)
            if data is None:
                continue
            if not dry_run:
                archive.put(image.blob, data)
        archived.append(image)
    return archived


def _report_plan(
    todo: Plan,
    limit: int | None,
    earlier: CollectedShards,
    copy: CopyJob,
    findings: FindingLog,
    progress: Progress,
) -> list[Address]:
    """Report and return the addresses that a run would fetch: those that no shard answers."""
    _, unanswered, unfit = earlier.take(todo.requests, copy)
    findings.extend(unfit)
    _, to_ask = todo.within(limit, unanswered)
    planned = [url for request in to_ask for url in request.addresses]
    for address in planned:
        progress.event("would-fetch", source=address)
    return planned


def _ask(
    engine: Engine,
    config: Config,
    inspect: InspectJob,
    sketches: Sketches,
    requests: Sequence[ImageRequest],
) -> Results[DownloadResult]:
    """Fetch and inspect, overlapping: here, or in the other processes of the engine.

    They inspect as `inspect` does, and add to their own copies of `sketches`.
    """
    if not requests:
        return
    if engine.in_process:
        from mirror.pipeline.origins import open_origins

        with open_origins(config.sources, config.fetch) as origins:
            fetch = FetchJob(origins)
            yield from download(engine, fetch, inspect, requests, config.fetch.concurrency)
        return
    archive, reviews, journal = inspect.archive, inspect.reviews, inspect.journal
    for request, answer in answer_requests(engine, config, archive, reviews, requests, sketches):
        blob = answer.archived_blob
        if journal is not None and blob is not None and answer.final_url is None:
            journal.append(request.addresses, blob)
        yield answer.result(request)


def _after(
    taken: Iterable[DownloadResult], asked: Results[DownloadResult]
) -> Results[DownloadResult]:
    """Yield what shards have answered, then what the hosts are asked for."""
    yield from taken
    yield from asked


def _post_order(finding: Finding) -> tuple[str, int, int, str, str]:
    place = (finding.post or "", finding.line or 0, finding.column or 0)
    return (*place, finding.rule.id, finding.subject)
