"""The destinations, brought up to the manifest: keys, listings, and the objects that lack.

Nothing is deleted, and no object with other bytes is overwritten.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TypeAlias

from mirror.archive import Archive, ArchiveError
from mirror.destinations import (
    Depth,
    Destination,
    difference,
    may_run_scripts,
    object_key,
    unreachable,
)
from mirror.engine import Engine
from mirror.manifest import Manifest, Object
from mirror.model import Asset, Finding, Key, Rule
from mirror.pipeline.progress import FindingLog, Progress
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
from mirror.urls.sources import Locator

_STORE_WORKERS = 8
# These errors end the work on a destination: the next object would meet the same.
_FATAL = (AccessError, CredentialsError, NoBucketError, UnreachableError)

Listing: TypeAlias = Mapping[Key, ObjectInfo]


# --- Keys -------------------------------------------------------------------------------------


def settle(manifest: Manifest, template: str, locator: Locator) -> tuple[Manifest, list[Finding]]:
    """Give every asset that needs an object of its own a key; a key that is there never moves."""
    taken = {key: asset.digest for key, asset in manifest.by_key.items()}
    assets = dict(manifest.assets)
    findings = []
    for digest in sorted(assets):
        asset = assets[digest]
        if asset.key is not None or asset.alias_of is not None:
            continue
        address = asset.sources[0] if asset.sources else None
        source = locator.source_of(address) if address else None
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
            assets[digest] = replace(asset, alias_of=None)  # its canonical has no object to show
    return Manifest(assets), findings


# --- Listings ---------------------------------------------------------------------------------


def list_destinations(
    destinations: Iterable[Destination], findings: FindingLog
) -> list[tuple[Destination, Listing]]:
    """Return the destinations with their objects; one that cannot be asked is a finding."""
    listings: list[tuple[Destination, Listing]] = []
    for destination in destinations:
        try:
            listings.append((destination, {info.key: info for info in destination.store.list()}))
        except StoreError as error:
            findings.append(unreachable(destination, error))
    return listings


def compare_listing(
    manifest: Manifest, listing: Listing, destination: Destination
) -> tuple[list[Asset], list[Finding]]:
    """Return the assets that `listing` lacks, and a finding for each object with other bytes."""
    missing = []
    findings = []
    for key, asset in sorted(manifest.by_key.items()):
        if (info := listing.get(key)) is None:
            missing.append(asset)
            continue
        try:
            mismatch = difference(destination.store, Object.of(asset), info, Depth.ASK)
        except StoreError as error:
            findings.append(Finding(Rule.OBJECT_UNCHECKED, key, str(error)))
            continue
        if mismatch is not None:
            remedy = "it was left as it is, `mirror repair` puts it right"
            message = f"{destination.name}: {mismatch}; {remedy}"
            findings.append(Finding(Rule.OBJECT_DIFFERENT, key, message))
    return missing, findings


# --- Objects ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StoreJob:
    """Take an asset with a key and put its object, whose bytes the archive has, into the store.

    Return the asset, or the `StoreError` that every other asset would meet as well.
    """

    archive: Archive
    locator: Locator
    store: Store

    def __call__(self, asset: Asset) -> Asset | Finding | StoreError:
        assert asset.key is not None  # noqa: S101  (`compare_listing` returns no other)
        blob = asset.blob
        try:
            data = self.archive.get(blob.digest, blob.media_type, blob.size)
            inline = not may_run_scripts(asset, self.locator)
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


def store_missing(
    destination: Destination,
    missing: Sequence[Asset],
    job: StoreJob,
    engine: Engine,
    findings: FindingLog,
    progress: Progress,
) -> list[Asset]:
    """Store the `missing` assets in a destination; return those that were stored."""
    if not missing:
        return []
    progress.stage(f"store in {destination.name}", len(missing), "objects")
    stored: list[Asset] = []
    with closing(engine.map(job, missing, _STORE_WORKERS)) as results:
        for result in results:
            if isinstance(result, StoreError):
                left = f"; {len(missing) - len(stored)} objects were not stored there"
                findings.append(unreachable(destination, result, left))
                break
            if isinstance(result, Finding):
                findings.append(result)
                progress.advance(failed=1)
                continue
            stored.append(result)
            size = result.blob.size
            progress.advance(size=size)
            progress.event("stored", destination=destination.name, key=result.key, size=size)
    return stored


def svg_warnings(stored: Iterable[Asset], locator: Locator, store: Store) -> Iterator[Finding]:
    """Warn of each stored SVG that may hold scripts."""
    for asset in stored:
        if may_run_scripts(asset, locator):
            subject = asset.sources[0] if asset.sources else asset.digest.hex
            yield Finding(Rule.SVG_STORED, subject, _svg_message(store))


def _svg_message(store: Store) -> str:
    if isinstance(store, DirectoryStore):
        return (
            f"an SVG can hold scripts, and a folder ({store.name}) cannot say that a browser "
            "is to save it instead of running it as a page: let the web server add "
            "`Content-Disposition: attachment`, or set `trust_svg = true` if it is your own"
        )
    return (
        f"an SVG can hold scripts; {store.name} serves it so that a browser saves it "
        "instead of running it as a page (it shows in posts all the same). "
        "`trust_svg = true` lifts that"
    )
