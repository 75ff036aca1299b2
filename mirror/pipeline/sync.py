"""The backup: scan, fetch, inspect, choose, store, record. Never deletes, never overwrites."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic
from typing import NamedTuple

from mirror.archive import ArchiveError
from mirror.destinations import (
    Depth,
    Destination,
    asset_of,
    difference,
    key_template,
    may_run_scripts,
    object_key,
    unreachable,
)
from mirror.engine import Engine
from mirror.manifest import Manifest, Object, with_sources
from mirror.model import Asset, Blob, Digest, Finding, Key, Reference, Rule
from mirror.pipeline.dedupe import choose
from mirror.pipeline.download import Inventory, Original, download, plan
from mirror.pipeline.parts import Parts
from mirror.pipeline.progress import FindingLog, Progress, summary
from mirror.pipeline.scan import Place, PostImage, scan, signatures
from mirror.posts import Post, sweep_beside
from mirror.store import (
    AccessError,
    CredentialsError,
    DirectoryStore,
    ExistsError,
    NoBucketError,
    ObjectInfo,
    Store,
    StoreError,
    UnreachableError,
    check_key,
)
from mirror.urls.address import Address, Url, identity

_STORE_WORKERS = 8
_NOTICE_URLS, _NOTICE_SHARE = 20, 0.05
# What ends the work on a destination: the next object would meet the same.
_FATAL = (AccessError, CredentialsError, NoBucketError, UnreachableError)


@dataclass(frozen=True, slots=True)
class SyncOptions:
    paths: tuple[Path, ...] = ()
    dry_run: bool = False
    refresh: bool = False
    limit: int | None = None


@dataclass(slots=True)
class SyncResult:
    """`planned` are the addresses that a dry run would fetch."""

    summary: dict[str, int | float]
    findings: Sequence[Finding]
    planned: Sequence[Address] = ()


@dataclass(frozen=True, slots=True)
class StoreJob:
    """Asset in, object in the store; the bytes come from the archive, checked."""

    parts: Parts
    store: Store

    def __call__(self, asset: Asset) -> Asset | Finding | StoreError:
        assert asset.key is not None  # noqa: S101  (chosen by `_missing`)
        blob = asset.blob
        try:
            data = self.parts.archive.get(blob.digest, blob.media_type)
            inline = not may_run_scripts(asset, self.parts.locator)
            # A key that holds the digest can only be taken by the same bytes. Under any other,
            # somebody else may have stored since the listing.
            absent = blob.digest.hex in asset.key
            self.store.put(asset.key, data, blob.media_type, inline=inline, absent=absent)
        except ArchiveError as error:
            message = (
                f"not in {self.store.name} and not in the archive ({error}); run `mirror repair`"
            )
            return Finding(Rule.NOT_STORED, asset.key, message)
        except ExistsError as error:
            return Finding(Rule.OBJECT_DIFFERENT, asset.key, str(error))
        except _FATAL as error:
            return error
        except StoreError as error:
            return Finding(Rule.NOT_STORED, asset.key, str(error))
        return asset


# --- The stages -------------------------------------------------------------------------------


def sync(parts: Parts, engine: Engine, options: SyncOptions, progress: Progress) -> SyncResult:
    """Bring archive, destinations and manifest up to what the posts show.

    Raise `ConfigError`, `ManifestError`, `ArchiveError` or `StateError` for what stops a run as a
    whole; whatever concerns one image, one post or one destination is a finding.
    """
    started = monotonic()
    scanned = scan(*parts.posts.find(options.paths))
    findings = FindingLog(progress.finding, scanned.findings)
    findings.extend(signatures(scanned, parts.locator))
    settled, old = parts.manifest.load()
    shown = [
        ResolvedReference(p, ref, asset_of(parts.destinations, settled, ref.url))
        for p, ref in scanned.references()
    ]
    mirrored = {one.reference.url for one in shown if one.asset is not None}
    orphans = list(_orphans(parts, shown))
    findings.extend(orphans)
    wanted = scanned.wanted(parts.locator, mirrored.__contains__)
    if options.refresh:
        wanted += _behind(parts, settled, shown, wanted)
        mirrored.clear()  # they are among the wanted now
    known = Inventory.load(parts, settled)
    ignored, limit = parts.config.ignored, options.limit
    todo = plan(wanted, known, ignored, refresh=options.refresh, limit=limit)
    counts = scanned.tally() | dict(todo.counts) | {"mirrored": len(mirrored)}
    if options.dry_run:
        planned = [url for request in todo.requests for url in request.addresses]
        for url in planned:
            progress.event("would-fetch", source=url)
        return SyncResult(summary(counts, findings, started), findings, planned)

    sweep_beside(one.post for one in scanned.posts)
    listings = _list_targets(parts.destinations, findings)
    try:
        kept = download(parts, engine, todo.requests, findings, progress)
    except BaseException:
        with suppress(ArchiveError):  # what ended the run says more
            parts.archive.seal()
        raise
    if todo.requests or known.unrecorded:  # these a killed run left out of the bag's lists
        parts.archive.seal()
    findings.extend(_changed_sources(settled, kept))
    manifest = adopt(settled, [*todo.known, *_addressed(kept)])
    findings.extend(suspect_notices(wanted, manifest))
    manifest, change = choose(parts, engine, settled, manifest, progress)
    counts |= change
    manifest, clashes = settle(manifest, parts)
    findings.extend(clashes)
    counts["stored"] = _store(parts, engine, manifest, listings, findings, progress)
    if manifest.assets or not orphans:  # an empty one would hide that it was lost
        parts.manifest.save(manifest, old)
    asked = [url for item in todo.requests for url in item.addresses]
    received = {
        url: (item.blob.digest.hex, item.validators)
        for item in kept
        for url in item.request.addresses
    }
    parts.state.validators.add(asked, received)
    parts.state.journal.clear()
    counts |= {
        "fetched": len(kept),
        "bytes": sum(item.blob.size for item in kept),
        "repeats": _repeats(wanted, manifest),
    }
    return SyncResult(summary(counts, findings, started), sorted(findings, key=_post_order))


class ResolvedReference(NamedTuple):
    """A reference, and the asset it is mirrored as, if it is."""

    post: Post
    reference: Reference
    asset: Asset | None

    @property
    def place(self) -> Place:
        return Place(self.post.name, self.reference.line, self.reference.column)


def _orphans(parts: Parts, shown: Iterable[ResolvedReference]) -> Iterator[Finding]:
    """Mirrored URLs in the posts that the manifest knows nothing of: it was lost, all or in part.

    One finding for all: there may be thousands, and `verify --posts` names each.
    """
    found = [
        one
        for one in shown
        if one.asset is None
        and any(_OURS.search(t.key_of(one.reference.url.raw) or "") for t in parts.destinations)
    ]
    if found:
        place = found[0].place
        more = f", and so do {len(found) - 1:,} more" if found[1:] else ""
        yield Finding(
            Rule.UNKNOWN_TARGET,
            str(found[0].reference.url),
            f"looks mirrored{more}, but no manifest knows where it came from; "
            "bring manifests/ back from version control or a backup",
            place.post,
            place.line,
            place.column,
        )


_OURS = re.compile(r"[0-9a-f]{64}\.[a-z]+\Z")  # a key with the digest, as the default one has it


def _behind(
    parts: Parts,
    manifest: Manifest,
    shown: Iterable[ResolvedReference],
    wanted: Iterable[PostImage],
) -> Iterator[PostImage]:
    """Where mirrored pictures come from: posts that were repointed no longer say so."""
    places: dict[Digest, list[Place]] = {}
    for one in shown:
        if one.asset is not None:
            places.setdefault(one.asset.digest, []).append(one.place)
    named = {identity(one.located.address) for one in wanted}
    for asset in manifest.assets.values():
        where = places.get(asset.digest) or places.get(manifest.shown_for(asset).digest) or []
        for url in asset.sources if where else ():
            located = parts.locator.locate(Url(url))
            if located is not None and identity(located.address) not in named:
                named.add(identity(located.address))
                yield PostImage(located, tuple(where))


def _addressed(kept: Iterable[Original]) -> Iterator[tuple[Address, Blob]]:
    return ((url, item.blob) for item in kept for url in item.request.addresses)


def _changed_sources(manifest: Manifest, kept: Iterable[Original]) -> Iterator[Finding]:
    for item in kept:
        before = manifest.find(item.request.addresses[0])
        if before is not None and before.digest != item.blob.digest:
            yield item.request.finding(
                Rule.SOURCE_CHANGED,
                f"the host serves another picture now: {item.blob.digest} instead of "
                f"{before.digest}; both are kept, rewritten posts go on showing the old one",
            )


# --- Decisions --------------------------------------------------------------------------------


def adopt(manifest: Manifest, found: Iterable[tuple[Address, Blob]]) -> Manifest:
    """`manifest` with blobs and their sources added; nothing is dropped.

    A source that gives other bytes now moves to the new asset; the old one keeps its line.
    """
    assets = dict(manifest.assets)
    owners = {identity(url): asset.digest for asset in assets.values() for url in asset.sources}
    for address, blob in found:
        owner = owners.get(identity(address))
        if owner == blob.digest:
            continue
        if owner is not None:
            old = assets[owner]
            left = tuple(url for url in old.sources if identity(url) != identity(address))
            assets[owner] = replace(old, sources=left)
        owners[identity(address)] = blob.digest
        assets[blob.digest] = with_sources(assets.get(blob.digest, Asset(blob)), [address])
    return Manifest(assets)


def suspect_notices(wanted: Iterable[PostImage], manifest: Manifest) -> Iterator[Finding]:
    """Pictures behind so many URLs of one host that they may be a notice against hot-linking."""
    by_host: dict[str, dict[Digest, list[PostImage]]] = {}
    for item in wanted:
        if (asset := manifest.find(item.located.address)) is not None:
            host = identity(item.located.address).partition("/")[0]
            by_host.setdefault(host, {}).setdefault(asset.digest, []).append(item)
    for host, pictures in by_host.items():
        urls = sum(map(len, pictures.values()))
        for digest, items in pictures.items():
            if len(items) > max(_NOTICE_URLS, _NOTICE_SHARE * urls):
                place = items[0].places[0]
                yield Finding(
                    Rule.SUSPECT_NOTICE,
                    str(items[0].located.address),
                    f"{len(items)} of {urls} URLs of {host} give one picture ({digest}); look at "
                    "it: a host that refuses hot links may send a notice instead of the image. "
                    "A `Referer` under `headers` of the source may help",
                    place.post,
                    place.line,
                    place.column,
                )


def settle(manifest: Manifest, parts: Parts) -> tuple[Manifest, list[Finding]]:
    """Give every asset that needs an object of its own a key; a key that is there never moves."""
    template = key_template(parts.destinations)
    taken = {key: asset.digest for key, asset in manifest.by_key.items()}
    assets = dict(manifest.assets)
    findings = []
    for digest in sorted(assets):
        asset = assets[digest]
        if asset.key is not None or asset.alias_of is not None:
            continue
        address = asset.sources[0] if asset.sources else None
        source = parts.locator.source_of(address) if address else None
        text = object_key(template, asset.blob, source.name if source else "", address)
        try:
            key = check_key(text)
        except StoreError as error:
            findings.append(Finding(Rule.KEY_TAKEN, str(address or digest), str(error)))
            continue
        if taken.setdefault(key, digest) != digest:
            findings.append(
                Finding(
                    Rule.KEY_TAKEN,
                    str(address or digest),
                    f"key {key!r} is that of another picture ({taken[key]}) already; "
                    "put {sha256} into `key` so that names differ",
                )
            )
            continue
        assets[digest] = replace(asset, key=key)
    for digest, asset in assets.items():
        if asset.alias_of is not None and assets[asset.alias_of].key is None:
            assets[digest] = replace(asset, alias_of=None)  # nothing there to show
    return Manifest(assets), findings


# --- Destinations -----------------------------------------------------------------------------

Listing = Mapping[Key, ObjectInfo]


def _list_targets(targets: Iterable[Destination], findings: FindingLog) -> dict[str, Listing]:
    """What each destination holds; one that cannot be asked is named and left out."""
    listings: dict[str, Listing] = {}
    for target in targets:
        try:
            listings[target.name] = {info.key: info for info in target.store.list()}
        except StoreError as error:
            findings.append(unreachable(target, error))
    return listings


def _store(
    parts: Parts,
    engine: Engine,
    manifest: Manifest,
    listings: Mapping[str, Listing],
    findings: FindingLog,
    progress: Progress,
) -> int:
    """Create what the destinations lack; return how many objects that were."""
    stored = 0
    for target in parts.destinations:
        if target.name in listings:
            missing, different = compare_listing(manifest, listings[target.name], target)
            findings.extend(different)
            stored += _store_in(parts, engine, target, missing, findings, progress)
    return stored


def compare_listing(
    manifest: Manifest, listing: Listing, target: Destination
) -> tuple[list[Asset], list[Finding]]:
    """Assets that `listing` lacks, and objects that are there with other bytes."""
    missing = []
    different = []
    for key, asset in sorted(manifest.by_key.items()):
        if (info := listing.get(key)) is None:
            missing.append(asset)
            continue
        try:
            found = difference(target.store, Object.of(asset), info, Depth.ASK)
        except StoreError as error:
            different.append(Finding(Rule.OBJECT_UNCHECKED, key, str(error)))
            continue
        if found is not None:
            remedy = "it was left as it is, `mirror repair` puts it right"
            message = f"{target.name}: {found}; {remedy}"
            different.append(Finding(Rule.OBJECT_DIFFERENT, key, message))
    return missing, different


def _store_in(
    parts: Parts,
    engine: Engine,
    target: Destination,
    missing: Sequence[Asset],
    findings: FindingLog,
    progress: Progress,
) -> int:
    if not missing:
        return 0
    progress.stage(f"store in {target.name}", len(missing), "objects")
    stored = 0
    with closing(engine.map(StoreJob(parts, target.store), missing, _STORE_WORKERS)) as results:
        for result in results:
            if isinstance(result, StoreError):
                left = f"; {len(missing) - stored} objects were not stored there"
                findings.append(unreachable(target, result, left))
                break
            if isinstance(result, Finding):
                findings.append(result)
                progress.advance(failed=1)
                continue
            stored += 1
            progress.advance(size=result.blob.size)
            progress.event("stored", destination=target.name, key=result.key, size=result.blob.size)
            findings.extend(_svg_warning(result, parts, target.store))
    return stored


def _svg_warning(asset: Asset, parts: Parts, store: Store) -> Iterator[Finding]:
    if may_run_scripts(asset, parts.locator):
        subject = asset.sources[0] if asset.sources else asset.digest.hex
        if isinstance(store, DirectoryStore):
            message = (
                f"an SVG can hold scripts, and a folder ({store.name}) cannot say that a browser "
                "is to save it instead of running it as a page: let the web server add "
                "`Content-Disposition: attachment`, or set `trust_svg = true` if it is your own"
            )
        else:
            message = (
                f"an SVG can hold scripts; {store.name} serves it so that a browser saves it "
                "instead of running it as a page (it shows in posts all the same). "
                "`trust_svg = true` lifts that"
            )
        yield Finding(Rule.SVG_STORED, subject, message)


# --- The end ----------------------------------------------------------------------------------


def _repeats(wanted: Iterable[PostImage], manifest: Manifest) -> int:
    """How many of the wanted URLs show a picture that another of them shows already."""
    assets = [asset for item in wanted if (asset := manifest.find(item.located.address))]
    return len(assets) - len({manifest.shown_for(asset).digest for asset in assets})


def _post_order(finding: Finding) -> tuple[str, int, int, str, str]:
    place = (finding.post or "", finding.line or 0, finding.column or 0)
    return (*place, finding.rule.id, finding.subject)
