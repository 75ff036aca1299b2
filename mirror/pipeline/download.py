"""The downloader: what to ask for, and bytes -> archive, journal and facts."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from mirror.engine import Engine
from mirror.fetch import FetchError, Kind, Validators
from mirror.manifest import Manifest
from mirror.model import Blob, Finding, Rule
from mirror.pictures.blob import inspect
from mirror.pictures.decode import ImageError, ImageLimits, ImageTooLargeError
from mirror.pipeline.origins import Origins, open_origins
from mirror.pipeline.parts import Parts
from mirror.pipeline.progress import FindingLog, Progress
from mirror.pipeline.scan import PostImage
from mirror.store import StoreError
from mirror.urls.address import Address, Url, identity
from mirror.urls.sources import SourceImage

# As many decoders as cores, and one more to work while another waits for the disk.
_DECODE_WORKERS = (os.cpu_count() or 1) + 1
_RULE_OF_KIND = {
    Kind.REFUSED: Rule.ADDRESS_REFUSED,
    Kind.TOO_LARGE: Rule.TOO_LARGE,
    Kind.CONTENT: Rule.NOT_AN_IMAGE,
}


@dataclass(frozen=True, slots=True)
class FetchItem:
    """One object to fetch, every address it serves, and where it is shown first."""

    located: SourceImage
    addresses: tuple[Address, ...]
    wanted: PostImage
    is_original: bool = False
    validators: Validators | None = None

    def finding(self, rule: Rule, message: str) -> Finding:
        place = self.wanted.places[0]
        shown = len(self.wanted.places)
        also = f" (shown {shown} times)" if shown > 1 else ""
        return Finding(
            rule, str(self.addresses[0]), message + also, place.post, place.line, place.column
        )


@dataclass(frozen=True, slots=True)
class Download:
    """The bytes of a request, not looked at yet."""

    request: FetchItem
    data: bytes = field(repr=False)
    validators: Validators


@dataclass(frozen=True, slots=True)
class Original:
    """What a request gave: the facts; the bytes are in the archive."""

    request: FetchItem
    blob: Blob
    validators: Validators


@dataclass(frozen=True, slots=True)
class NotModified:
    """The host says that what we have is still so."""

    request: FetchItem


# --- What to ask for ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Inventory:
    """What needs no request: the manifest, and what a killed run left in journal and archive."""

    blobs: Mapping[str, Blob]  # by identity of the address
    by_object: Mapping[str, Blob]  # by what one request is made for
    unrecorded: Sequence[tuple[Address, Blob]]
    validators: Mapping[Address, tuple[str, Validators]]

    @classmethod
    def load(cls, parts: Parts, manifest: Manifest) -> Inventory:
        recorded = {url: asset.blob for asset in manifest.assets.values() for url in asset.sources}
        unrecorded = [
            (url, blob)
            for url, blob in parts.state.journal.read()
            if manifest.find(url) is None and parts.archive.has(blob)
        ]
        every = recorded | dict(unrecorded)
        located = ((parts.locator.locate(Url(url)), blob) for url, blob in every.items())
        return cls(
            {identity(url): blob for url, blob in every.items()},
            {found.object_name: blob for found, blob in located if found is not None},
            unrecorded,
            parts.state.validators.load(),
        )

    def find(self, located: SourceImage) -> Blob | None:
        """The blob of an address, also when its object is known under another address only."""
        return self.blobs.get(identity(located.address)) or self.by_object.get(located.object_name)

    def validators_of(self, address: Address, blob: Blob | None) -> Validators | None:
        """What the host called just these bytes; nothing when it spoke of others, or we lost them.

        A host that is asked whether *another* version changed answers about that one.
        """
        digest, validators = self.validators.get(address, ("", None))
        return validators if blob is not None and digest == blob.digest.hex else None


@dataclass(frozen=True, slots=True)
class Plan:
    """What to ask for, each object once, and what is known without asking."""

    requests: Sequence[FetchItem]
    known: Sequence[tuple[Address, Blob]]
    counts: Counter[str]


def plan(
    wanted: Sequence[PostImage],
    known: Inventory,
    ignored: Collection[Address],
    *,
    refresh: bool = False,
    limit: int | None = None,
) -> Plan:
    """Decide what to fetch, in the order in which posts show it.

    `refresh` asks about what is known too. With a `limit`, what was never asked for comes first,
    then what was asked for longest ago, so that run by run everything gets its turn. The counts
    are `urls`, `reused`, `ignored` and `postponed` (over the `limit`).
    """
    gone = {identity(address) for address in ignored}
    counts = Counter(urls=len(wanted), reused=0, ignored=0, postponed=0)
    found = list(known.unrecorded)
    groups: dict[str, list[FetchItem]] = {}
    for item in wanted:
        if identity(item.located.address) in gone:
            counts["ignored"] += 1
            continue
        originals = [item.located.original] if item.located.original else []
        for located, is_original in [(item.located, False), *((o, True) for o in originals)]:
            blob = known.find(located)
            if blob is not None:
                found.append((located.address, blob))
                counts["reused"] += not is_original
            if (blob is None or refresh) and identity(located.address) not in gone:
                validators = known.validators_of(located.address, blob)
                request = FetchItem(located, (located.address,), item, is_original, validators)
                groups.setdefault(located.object_name, []).append(request)
    requests = [_joined(group) for group in groups.values()]
    kept = requests
    if limit is not None:
        turns = {url: turn for turn, url in enumerate(known.validators)}
        requests.sort(key=lambda one: min(turns.get(url, -1) for url in one.addresses))
        kept = requests[:limit]
    counts["postponed"] = len(requests) - len(kept)
    return Plan(kept, found, counts)


def _joined(group: Sequence[FetchItem]) -> FetchItem:
    """One request for all addresses of one object."""
    return replace(
        group[0],
        addresses=tuple(dict.fromkeys(url for one in group for url in one.addresses)),
        is_original=all(one.is_original for one in group),
    )


# --- Asking for it -----------------------------------------------------------------------------


def download(
    parts: Parts,
    engine: Engine,
    requests: Sequence[FetchItem],
    findings: FindingLog,
    progress: Progress,
) -> list[Original]:
    """Fetch, decode and archive, overlapping; return what was kept in the order of `requests`.

    Only facts wait for their turn, never bytes, so one slow host holds up nobody else.
    """
    if not requests:
        return []
    progress.stage("fetch", len(requests), "images")
    order = {id(request): number for number, request in enumerate(requests)}
    kept: list[Original] = []
    with open_origins(parts) as origins:
        get = FetchJob(origins)
        look = InspectJob(parts, ImageLimits(max_pixels=parts.config.fetch.max_pixels))
        received = engine.map(get, requests, parts.config.fetch.concurrency)
        for result in engine.map(look, received, _DECODE_WORKERS):
            if isinstance(result, Finding):
                findings.append(result)
                progress.advance(failed=1)
            elif isinstance(result, Original):
                kept.append(result)
                progress.advance(size=result.blob.size)
                _report_kept(result, progress)
            else:
                progress.advance()
    return sorted(kept, key=lambda item: order[id(item.request)])


def _report_kept(item: Original, progress: Progress) -> None:
    for url in item.request.addresses:
        progress.event("fetched", source=url, sha256=item.blob.digest.hex, size=item.blob.size)


@dataclass(frozen=True, slots=True)
class FetchJob:
    """A request in, its bytes out."""

    origins: Origins

    def __call__(self, request: FetchItem) -> Download | NotModified | Finding:
        try:
            body = self.origins.read(request.located, request.validators)
        except FetchError as error:
            return _not_fetched(
                request, _RULE_OF_KIND.get(error.kind, Rule.NOT_FETCHED), str(error)
            )
        except StoreError as error:
            return _not_fetched(request, Rule.NOT_FETCHED, str(error))
        return (
            NotModified(request) if body is None else Download(request, body.data, body.validators)
        )


@dataclass(frozen=True, slots=True)
class InspectJob:
    """Bytes in, facts out; the bytes are in the archive and the journal says so."""

    parts: Parts
    limits: ImageLimits

    def __call__(
        self, received: Download | NotModified | Finding
    ) -> Original | NotModified | Finding:
        if not isinstance(received, Download):
            return received
        request = received.request
        try:
            blob = inspect(received.data, self.limits)
            self.parts.archive.put(blob, received.data)
        except ImageTooLargeError as error:
            return _not_fetched(request, Rule.TOO_LARGE, str(error))
        except ImageError as error:
            return _not_fetched(request, Rule.NOT_AN_IMAGE, str(error))
        self.parts.state.journal.append(request.addresses, blob)
        return Original(request, blob, received.validators)


def _not_fetched(request: FetchItem, rule: Rule, message: str) -> Finding:
    if request.is_original:
        return request.finding(
            Rule.ORIGINAL_UNREADABLE,
            f"what the post shows is mirrored, its unprocessed original is not: {message}",
        )
    return request.finding(rule, message)
