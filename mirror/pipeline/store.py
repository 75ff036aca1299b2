"""The destinations, brought up to the manifest: keys, listings, and the missing objects.

Nothing is deleted, and no object with other bytes is overwritten.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import TypeAlias, TypeVar

from mirror.amounts import count_text
from mirror.archive import Archive, ArchiveError
from mirror.destinations import (
    Depth,
    Destination,
    difference,
    extension_fits,
    may_run_scripts,
    object_key,
    unreachable,
)
from mirror.engine import Background, Engine, Results
from mirror.manifest import Manifest, Object, check_key_owners
from mirror.model import Asset, Digest, Finding, Key, Rule, is_reserved
from mirror.pipeline.progress import FindingLog, Progress
from mirror.site_index import (
    KEY_IN_USE,
    SiteIndexError,
    ensure_site_name,
    index_key,
    used_by_others,
    write_index,
)
from mirror.store import (
    FATAL,
    REPEATED,
    STORE_WORKERS,
    DirectoryStore,
    ExistsError,
    ObjectFailure,
    ObjectInfo,
    PackedListing,
    Store,
    StoreError,
    check_key,
    concerns_all,
)
from mirror.urls.address import Address, Url, identity
from mirror.urls.sources import Locator, is_processed

T = TypeVar("T")

Listing: TypeAlias = Mapping[Key, ObjectInfo]


# --- Keys -------------------------------------------------------------------------------------


def unprocessed_originals(manifest: Manifest, locator: Locator) -> set[str]:
    """Return the addresses of which the manifest has a rendition, by their identity."""
    located = (
        locator.locate(Url(address))
        for asset in manifest.assets.values()
        for address in asset.sources
        if is_processed(address)
    )
    return {identity(image.original.address) for image in located if image and image.original}


def unshown_originals(
    manifest: Manifest, unprocessed: AbstractSet[str], shown: Iterable[Address]
) -> set[Digest]:
    """Return the pictures of `unprocessed_originals` that posts do not show themselves.

    Posts show the address of the rendition, so these are kept in the archive alone.
    """
    if not unprocessed:
        return set()
    unshown = set(unprocessed)
    unshown.difference_update(map(identity, shown))
    return {
        asset.digest
        for asset in manifest.assets.values()
        if asset.sources and all(identity(address) in unshown for address in asset.sources)
    }


def settle(
    manifest: Manifest, template: str, locator: Locator, unshown: Container[Digest]
) -> tuple[Manifest, list[Finding]]:
    """Give every asset that needs an object of its own a key; a key that is there never moves.

    One that is `unshown` needs none, unless it stands for another.
    """
    repeats = list(manifest.assets.repeats())
    canonicals = {asset.alias_of for asset in repeats}
    taken: dict[Key, Digest] = {}
    keyed: dict[Digest, Asset] = {}
    findings = []
    for asset in manifest.assets.in_order():
        digest = asset.digest
        if asset.key is not None or asset.alias_of is not None:
            continue
        if digest in unshown and digest not in canonicals:
            continue
        subject = str(asset.sources[0] if asset.sources else digest)
        try:
            key = _new_key(template, asset, locator)
        except StoreError as error:
            findings.append(Finding(Rule.KEY_TAKEN, subject, str(error)))
            continue
        stored = manifest.by_key.get(key)
        owner = taken.setdefault(key, digest if stored is None else stored.digest)
        if owner != digest:
            message = (
                f"key {key!r} is that of another picture ({owner}) already; "
                "put {sha256} into `key` so that names differ"
            )
            findings.append(Finding(Rule.KEY_TAKEN, subject, message))
            continue
        keyed[digest] = replace(asset, key=key)
    settled = manifest.replacing(keyed)
    parted = {
        asset.digest: replace(asset, alias_of=None)  # its canonical has no object to show
        for asset in repeats
        if settled.shown_for(asset).key is None
    }
    return settled.replacing(parted), findings


def check_exchanged_keys(manifest: Manifest, template: str, locator: Locator) -> None:
    """Raise `ManifestError` if a change exchanged the keys of pictures.

    The next object that is stored would take the place of another. Keys with a whole digest are
    compared where a manifest is read.
    """
    if "{sha256}" not in template:
        check_key_owners(
            (asset, _made_keys(template, asset, locator))
            for asset in manifest.assets.in_order()
            if asset.key is not None
        )


def has_former_key(asset: Asset, template: str, locator: Locator) -> bool:
    """Return True for an object with a key of another template, which it keeps."""
    return asset.key is not None and asset.key not in _made_keys(template, asset, locator)


def _made_keys(template: str, asset: Asset, locator: Locator) -> set[str]:
    """Return the keys that the template makes of each address of an asset, now or before."""
    addresses = asset.origins or (None,)
    return {_made_key(template, asset, address, locator) for address in addresses}


def _made_key(template: str, asset: Asset, address: Address | None, locator: Locator) -> str:
    source = locator.source_of(address) if address else None
    return object_key(template, asset.blob, source.name if source else "", address)


def _new_key(template: str, asset: Asset, locator: Locator) -> Key:
    """Return the key for the object of an asset. Raise `StoreError` for one that none may have."""
    address = asset.sources[0] if asset.sources else None
    key = check_key(_made_key(template, asset, address, locator))
    if is_reserved(key):
        raise StoreError(
            f"key {key!r} is below a folder of mirror's own; choose another `key` pattern"
        )
    return key


# --- Listings ---------------------------------------------------------------------------------


class Listings:
    """The objects of destinations, listed in a thread of its own once a run has fetched a picture.

    A run that fetches nothing lists them itself: memory of another thread would come on top.
    """

    def __init__(self, destinations: Iterable[Destination]) -> None:
        self._list = partial(_list_all, destinations)
        self._background: Background[list[tuple[Destination, Listing] | Finding]] | None = None
        self._listed: list[tuple[Destination, Listing]] | None = None

    def meanwhile(self, results: Results[T], findings: FindingLog) -> Results[T]:
        """Give `results` on; that a destination cannot be asked is a finding once it is known."""
        with closing(results):
            for result in results:
                # Not before the first result: loading boto3 would hold up the first requests.
                self._background = self._background or Background(self._list)
                if self._listed is None and self._background.is_done:
                    self.complete(findings)
                yield result

    def complete(self, findings: FindingLog) -> list[tuple[Destination, Listing]]:
        """Wait for the listings; a destination that cannot be asked is a finding."""
        if self._listed is None:
            listings = self._list() if self._background is None else self._background.result()
            self._listed = list(findings.sift(listings))
        return self._listed


def _list_all(
    destinations: Iterable[Destination],
) -> list[tuple[Destination, Listing] | Finding]:
    listings: list[tuple[Destination, Listing] | Finding] = []
    for destination in destinations:
        try:
            listings.append((destination, PackedListing(destination.store.list())))
        except StoreError as error:
            listings.append(unreachable(destination, error))
    return listings


def compare_listing(
    manifest: Manifest, listing: Listing, destination: Destination
) -> tuple[list[Asset], dict[Key, tuple[Asset, Finding]]]:
    """Return the assets that `listing` lacks, and those with a finding about their object.

    An object has other bytes, or cannot be checked. Both are in the order of keys.
    """
    missing = []
    faulty: dict[Key, tuple[Asset, Finding]] = {}
    for key, asset in manifest.by_key.items():
        if (info := listing.get(key)) is None:
            missing.append(asset)
            continue
        try:
            mismatch = difference(destination.store, Object.of(asset), info, Depth.ASK)
        except StoreError as error:
            faulty[key] = asset, Finding(Rule.OBJECT_UNCHECKED, key, str(error))
            continue
        if mismatch is not None:
            remedy = "it was left as it is, `mirror repair` puts it right"
            message = f"{destination.name}: {mismatch}; {remedy}"
            faulty[key] = asset, Finding(Rule.OBJECT_DIFFERENT, key, message)
    missing.sort(key=lambda asset: asset.key or "")
    return missing, dict(sorted(faulty.items(), key=itemgetter(0)))


def name_everywhere(
    listings: Iterable[tuple[Destination, Listing]],
    manifest: Manifest,
    folder: Path,
    findings: FindingLog,
) -> Iterator[tuple[Destination, list[Asset]]]:
    """Yield each destination with the assets that it lacks and that may be stored there.

    They are as `name_objects` returns them; an index is written when its destination is drawn.
    """
    for destination, listing in listings:
        missing, found = name_objects(manifest, listing, destination, folder)
        findings.extend(found)
        yield destination, missing


def name_objects(
    manifest: Manifest, listing: Listing, destination: Destination, folder: Path
) -> tuple[list[Asset], list[Finding]]:
    """Name the objects of the site in its index in a destination, before the first is stored.

    `folder` holds the manifest. Return the assets that `listing` lacks and that may be stored, and
    the findings. A key that another site uses for another picture is a finding. Where the index
    cannot be written nothing may be stored, because `mirror prune` of another site would delete it.
    Raise `StateError`.
    """
    missing, faulty = compare_listing(manifest, listing, destination)
    if not manifest.by_key:
        return missing, [finding for _, finding in faulty.values()]
    site = ensure_site_name(folder)
    different = {
        key: asset
        for key, (asset, finding) in faulty.items()
        if finding.rule is Rule.OBJECT_DIFFERENT
    }
    in_use = _used_for_other_pictures(
        [*missing, *different.values()], different.keys(), destination.store, site
    )
    message = f"{destination.name}: {KEY_IN_USE}"
    findings = [
        replace(finding, message=message) if key in in_use else finding
        for key, (_, finding) in faulty.items()
    ]
    findings += [
        Finding(Rule.NOT_STORED, key, message) for key in sorted(in_use - different.keys())
    ]
    missing = [asset for asset in missing if asset.key not in in_use]
    if all(key in in_use for key in manifest.by_key):
        return missing, findings
    left = "nothing else was to be stored there"
    if missing:
        left = f"{count_text(len(missing), 'object was', 'objects were')} not stored there"
    try:
        write_index(destination.store, site, listing, _NamedDigests(manifest, in_use))
    except FATAL as error:
        return [], [*findings, unreachable(destination, error, f"; {left}")]
    except StoreError as error:
        message = f"{error}; {left}"
        return [], [*findings, Finding(Rule.NOT_STORED, index_key(site), message)]
    return missing, findings


class _NamedDigests:
    """The key of each object of a manifest with its digest, without those in use for others."""

    def __init__(self, manifest: Manifest, in_use: Collection[Key]) -> None:
        self._by_key = manifest.by_key
        self._in_use = in_use

    def __iter__(self) -> Iterator[tuple[Key, Digest]]:
        for key, asset in self._by_key.items():
            if key not in self._in_use:
                yield key, asset.digest


def _used_for_other_pictures(
    assets: Iterable[Asset], different: Collection[Key], store: Store, site: str
) -> set[Key]:
    """Return the keys of `assets` that another site uses for another picture.

    The keys are missing in the store, or `different`. A missing object whose key holds the digest
    is stored without asking: no other bytes have that key. Nothing is overwritten, so an index
    that cannot be read counts as none here.
    """
    digests_by_key: dict[Key, Digest] = {
        asset.key: asset.digest
        for asset in assets
        if asset.key is not None and (asset.key in different or asset.digest.hex not in asset.key)
    }
    if not digests_by_key:
        return set()
    try:
        used = used_by_others(store, digests_by_key, site)
    except SiteIndexError:
        return set()
    return {key for key, digests in used.items() if digests != {digests_by_key[key]}}


# --- Objects ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StoreJob:
    """Take an asset with a key and put its object, whose bytes the archive has, into the store.

    Return the asset, a finding, or an error that other assets may meet as well.
    """

    archive: Archive
    locator: Locator
    store: Store

    def __call__(self, asset: Asset) -> Asset | Finding | ObjectFailure:
        assert asset.key is not None  # noqa: S101  (`compare_listing` returns no other)
        blob = asset.blob
        if not extension_fits(asset.key, blob.media_type):
            message = (
                f"not stored in {self.store.name}: a web server would not send {blob.media_type} "
                "under this key; correct the key in the manifest, or `key` of the [[destination]]"
            )
            return Finding(Rule.NOT_STORED, asset.key, message)
        try:
            inline = not may_run_scripts(asset, self.locator)
            # A key that holds the digest can only be taken by the same bytes. Under any other,
            # somebody else may have stored since the listing.
            absent = blob.digest.hex in asset.key
            if absent and self.archive.copy(blob, self.store, asset.key, inline=inline):
                return asset
            data = self.archive.get(blob.digest, blob.media_type, blob.size)
            self.store.put(asset.key, data, blob.media_type, inline=inline, absent=absent)
        except ArchiveError as error:
            message = (
                f"not in {self.store.name} and not in the archive ({error}); run `mirror repair`"
            )
            return Finding(Rule.NOT_STORED, asset.key, message)
        except ExistsError as error:
            return Finding(Rule.OBJECT_DIFFERENT, asset.key, str(error))
        except (*FATAL, *REPEATED) as error:
            return ObjectFailure(asset.key, error)
        except StoreError as error:
            return Finding(Rule.NOT_STORED, asset.key, str(error))
        return asset


def store_everywhere(
    lacking: Iterable[tuple[Destination, Sequence[Asset]]],
    make_job: Callable[[Store], StoreJob],
    engine: Engine,
    findings: FindingLog,
    progress: Progress,
) -> dict[str, int]:
    """Store what destinations lack; return the number of objects for each by name."""
    stored: dict[str, int] = {}
    for destination, missing in lacking:
        job = make_job(destination.store)
        assets = store_missing(destination, missing, job, engine, findings, progress)
        findings.extend(svg_warnings(assets, job.locator, job.store))
        stored[destination.name] = len(assets)
    return stored


def store_missing(
    destination: Destination,
    missing: Sequence[Asset],
    job: StoreJob,
    engine: Engine,
    findings: FindingLog,
    progress: Progress,
) -> list[Asset]:
    """Store the `missing` assets in a destination; return those that were stored.

    One finding stands for all that were not stored because the destination refuses everything.
    """
    if not missing:
        return []
    progress.stage(f"store in {destination.name}", len(missing), "objects")
    stored: list[Asset] = []
    failures: list[ObjectFailure] = []  # in a row
    with closing(engine.map(job, missing, STORE_WORKERS)) as results:
        for result in results:
            if isinstance(result, ObjectFailure):
                failures.append(result)
                if concerns_all(result.error, len(failures)):
                    break
                continue
            findings.extend(map(_not_stored, failures))
            progress.advance(len(failures), failed=len(failures))
            failures = []
            if isinstance(result, Finding):
                findings.append(result)
                progress.advance(failed=1)
                continue
            stored.append(result)
            size = result.blob.size
            progress.advance(size=size)
            progress.event("stored", destination=destination.name, key=result.key, size=size)
    if failures and concerns_all(failures[-1].error, len(failures)):
        left = f"; {len(missing) - len(stored)} objects were not stored there"
        findings.append(unreachable(destination, failures[-1].error, left))
    else:
        findings.extend(map(_not_stored, failures))
    return stored


def _not_stored(failure: ObjectFailure) -> Finding:
    return Finding(Rule.NOT_STORED, failure.key, str(failure.error))


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
