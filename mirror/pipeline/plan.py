"""The plan of a sync: which images to ask the hosts for, and which are known already."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from mirror.archive import Archive
from mirror.fetch import Validators
from mirror.manifest import Manifest
from mirror.model import Blob, Finding, HeldImage, Rule
from mirror.pipeline.scan import PostImage
from mirror.pipeline.source_proof import SourceProof
from mirror.state import Journal, ValidatorCache
from mirror.urls.address import Address, Url, identity
from mirror.urls.ignore import IgnoreList
from mirror.urls.redact import has_hidden, without_secrets
from mirror.urls.sources import SourceImage


@dataclass(frozen=True, slots=True)
class FetchItem:
    """One object to fetch, all addresses it has, and the image of the posts it is fetched for.

    `is_original` marks the unprocessed original of a rendition that the posts show.
    """

    located: SourceImage
    addresses: tuple[Address, ...]
    image: PostImage
    is_original: bool = False
    validators: Validators | None = None

    def finding(self, rule: Rule, message: str) -> Finding:
        """Return a finding at the first place where the posts show the image."""
        count = len(self.image.places)
        also = f" (shown {count} times)" if count > 1 else ""
        return self.image.places[0].finding(rule, str(self.addresses[0]), message + also)


@dataclass(frozen=True, slots=True)
class Inventory:
    """The images that need no request: those of the manifest, and those of a killed run."""

    blobs: Mapping[str, Blob]  # by identity of the address
    by_object: Mapping[str, Blob]  # by `SourceImage.object_name`
    unrecorded: Sequence[tuple[Address, Blob]]  # in journal and archive, not in the manifest
    validators: Mapping[Address, tuple[str, Validators]]
    doubtful: frozenset[str] = frozenset()  # identities of addresses that are to be asked again

    @classmethod
    def load(
        cls,
        manifest: Manifest,
        journal: Journal,
        archive: Archive,
        sources: SourceProof,
        validators: ValidatorCache,
        accepted: Iterable[HeldImage] = (),
    ) -> Inventory:
        """Read journal and validators. Raise `ArchiveError`.

        `accepted` are pictures in the archive that take the place of those of the manifest. An
        address of the manifest that `sources` doubt is not known.
        """
        recorded = {url: asset.blob for asset in manifest.assets.values() for url in asset.sources}
        doubtful = {
            url
            for asset in manifest.assets.values()
            for url in asset.sources
            if sources.is_doubtful(url, asset)
        }
        written = [(url, blob) for url, blob in journal.read() if manifest.find(url) is None]
        there = archive.holding(blob for _, blob in written)
        unrecorded = [(url, blob) for url, blob in written if blob.digest in there]
        unrecorded += [(image.address, image.blob) for image in accepted]
        every = {url: blob for url, blob in recorded.items() if url not in doubtful}
        every |= dict(unrecorded)
        images = ((sources.locator.locate(Url(url)), blob) for url, blob in every.items())
        return cls(
            {identity(url): blob for url, blob in every.items()},
            {located.object_name: blob for located, blob in images if located is not None},
            unrecorded,
            validators.load(),
            frozenset(map(identity, doubtful)) - {identity(url) for url, _ in unrecorded},
        )

    def find(self, located: SourceImage) -> Blob | None:
        """Return the blob of an address, also if its object is known under another address only."""
        if identity(located.address) in self.doubtful:
            return None
        return self.blobs.get(identity(located.address)) or self.by_object.get(located.object_name)

    def validators_of(self, address: Address, blob: Blob | None) -> Validators | None:
        """Return the validators that the host gave for just these bytes.

        A host answers a conditional request about the version that the validators name. So those
        of another version, or of bytes that were lost, are not used.
        """
        digest, validators = self.validators.get(address, ("", None))
        return validators if blob is not None and digest == blob.digest.hex else None


@dataclass(frozen=True, slots=True)
class Plan:
    """The requests, one for each object, and the blobs that are known without asking.

    `counts` are `urls`, `reused`, `ignored` and `postponed` (over the limit).
    """

    requests: Sequence[FetchItem]
    known: Sequence[tuple[Address, Blob]]
    counts: Counter[str]

    @property
    def addresses(self) -> list[Address]:
        """The addresses of all requests."""
        return [address for request in self.requests for address in request.addresses]


def plan(
    images: Sequence[PostImage],
    inventory: Inventory,
    ignored: Container[str],
    *,
    refresh: bool = False,
    limit: int | None = None,
) -> Plan:
    """Decide what to fetch, in the order in which posts show it.

    `refresh` also asks for images that are known. With a `limit`, addresses that were never asked
    for come first, then those that were asked for longest ago. So run by run everything gets its
    turn.
    """
    counts = Counter(urls=len(images), reused=0, ignored=0, postponed=0)
    known = list(inventory.unrecorded)
    groups: dict[str, list[FetchItem]] = {}
    for image in images:
        if image.located.address in ignored:
            counts["ignored"] += 1
            continue
        originals = [image.located.original] if image.located.original else []
        for located, is_original in [(image.located, False), *((o, True) for o in originals)]:
            blob = inventory.find(located)
            if blob is not None:
                known.append((located.address, blob))
                counts["reused"] += not is_original
            # Nobody can ask again for an address whose secret is hidden.
            asks = blob is None or (refresh and not has_hidden(located.request.raw))
            if asks and located.address not in ignored:
                validators = inventory.validators_of(located.address, blob)
                request = FetchItem(located, (located.address,), image, is_original, validators)
                groups.setdefault(located.object_name, []).append(request)
    requests = [_join(group) for group in groups.values()]
    chosen = requests
    if limit is not None:
        turns = {address: turn for turn, address in enumerate(inventory.validators)}
        requests.sort(key=lambda item: min(turns.get(address, -1) for address in item.addresses))
        chosen = requests[:limit]
    counts["postponed"] = len(requests) - len(chosen)
    return Plan(chosen, known, counts)


def unused_entries(ignored: IgnoreList, images: Iterable[PostImage]) -> Iterator[Finding]:
    """Yield a warning for each entry of `[[ignore]]` that matches none of `images`."""
    located = [image.located for image in images]
    originals = [each.original for each in located if each.original is not None]
    for entry in ignored.unused(each.address for each in (*located, *originals)):
        message = (
            "this entry of [[ignore]] matches no image of your sources in the posts; "
            "take it out, or correct it"
        )
        yield Finding(Rule.ENTRY_UNUSED, without_secrets(entry.text), message)


def _join(group: Sequence[FetchItem]) -> FetchItem:
    """Return one request for all addresses of one object."""
    return replace(
        group[0],
        addresses=tuple(dict.fromkeys(url for item in group for url in item.addresses)),
        is_original=all(item.is_original for item in group),
    )
