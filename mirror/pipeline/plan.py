"""The plan of a sync: which images to ask the hosts for, and which are known already."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain

from mirror.archive import Archive
from mirror.fetch import Validators
from mirror.manifest import Manifest
from mirror.model import Advice, Blob, Digest, Finding, HeldImage, Rule
from mirror.pipeline.post_images import PostImage
from mirror.pipeline.source_proof import SourceProof
from mirror.state import Journal, ValidatorCache
from mirror.urls.address import Address, Url, identity
from mirror.urls.ignore import IgnoreList
from mirror.urls.redact import has_hidden, without_secrets
from mirror.urls.sources import Locator, SourceImage


@dataclass(frozen=True, slots=True)
class ImageRequest:
    """A request for one object: all its addresses, and the image of the posts it is fetched for.

    `is_original` marks the unprocessed original of a rendition that the posts show, and `is_known`
    an object whose picture is here: only for such a one can its host say that it is unchanged.
    """

    located: SourceImage
    addresses: tuple[Address, ...]
    image: PostImage
    is_original: bool
    validators: Validators | None
    is_known: bool

    def finding(self, rule: Rule, message: str, advice: Advice | None = None) -> Finding:
        """Return a finding at the first place where the posts show the image."""
        count = len(self.image.places)
        also = f" (shown {count} times)" if count > 1 else ""
        subject = str(self.addresses[0])
        return self.image.places[0].finding(rule, subject, message + also, advice)


@dataclass(frozen=True, slots=True)
class Inventory:
    """The images that need no request: those of the manifest, and those of a killed run."""

    blobs: Mapping[str, Blob]  # by identity of the address
    by_object: Mapping[str, Blob]  # by `SourceImage.object_name`
    unrecorded: Sequence[tuple[Address, Blob]]  # in journal and archive, not in the manifest
    validators: Mapping[Address, tuple[str, Validators]]
    doubtful: frozenset[str]  # identities of addresses that are to be asked again

    @classmethod
    def load(
        cls,
        manifest: Manifest,
        journal: Journal,
        archive: Archive,
        sources: SourceProof,
        validators: ValidatorCache,
        accepted: Iterable[HeldImage],
    ) -> Inventory:
        """Read journal and validators. Raise `ArchiveError`.

        `accepted` are pictures in the archive that take the place of those of the manifest. An
        address of the manifest that `sources` doubt is not known.
        """
        doubtful = frozenset(
            identity(url)
            for asset in manifest.assets.values()
            for url in asset.sources
            if sources.is_doubtful(url, asset)
        )
        written = [(url, blob) for url, blob in journal.read() if manifest.find(url) is None]
        there = archive.holding(blob for _, blob in written)
        unrecorded = [(url, blob) for url, blob in written if blob.digest in there]
        unrecorded += [(image.address, image.blob) for image in accepted]
        newer = {identity(url): blob for url, blob in unrecorded}
        return cls(
            _BlobsBySource(manifest, newer, doubtful),
            _BlobsByObject(manifest, unrecorded, sources.locator, doubtful),
            unrecorded,
            validators.load(),
            doubtful - newer.keys(),
        )

    def find(self, located: SourceImage) -> Blob | None:
        """Return the blob of an address, also if its object is known under another address only."""
        return self.blobs.get(identity(located.address)) or self.find_elsewhere(located)

    def find_elsewhere(self, located: SourceImage) -> Blob | None:
        """Return the blob of an address whose object is known under another address."""
        if identity(located.address) in self.doubtful:
            return None
        return self.by_object.get(located.object_name)

    def validators_of(self, address: Address, blob: Blob | None) -> Validators | None:
        """Return the validators that the host gave for just these bytes.

        A host answers a conditional request about the version that the validators name. So those
        of another version, or of bytes that were lost, are not used.
        """
        digest, validators = self.validators.get(address, ("", None))
        return validators if blob is not None and digest == blob.digest.hex else None


class _BlobsBySource(Mapping[str, Blob]):
    """The blobs of a manifest by the identity of their sources; those that came since go first.

    Sources that are `doubtful` are left out.
    """

    def __init__(
        self, manifest: Manifest, newer: Mapping[str, Blob], doubtful: Container[str]
    ) -> None:
        self._by_source = manifest.by_source
        self._newer = newer
        self._doubtful = doubtful

    def __getitem__(self, name: str) -> Blob:
        if (newer := self._newer.get(name)) is not None:
            return newer
        if name in self._doubtful:
            raise KeyError(name)
        return self._by_source[name].blob

    def __iter__(self) -> Iterator[str]:
        yield from self._newer
        others = (name for name in self._by_source if name not in self._newer)
        yield from (name for name in others if name not in self._doubtful)

    def __len__(self) -> int:
        return sum(1 for _ in self)


class _BlobsByObject(Mapping[str, Blob]):
    """The blobs by `SourceImage.object_name`, where one object may have several addresses.

    That takes a source that is read from elsewhere. They are looked through when the first is asked
    for: a run that finds nothing new asks for none. Sources that are `doubtful` are left out.
    """

    def __init__(
        self,
        manifest: Manifest,
        newer: Iterable[tuple[Address, Blob]],
        locator: Locator,
        doubtful: Container[str],
    ) -> None:
        self._doubtful = doubtful
        self._manifest = manifest
        self._newer = newer
        self._locator = locator

    def __getitem__(self, name: str) -> Blob:
        entry = self._entries[name]
        return entry if isinstance(entry, Blob) else self._manifest.assets[entry].blob

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    @cached_property
    def _entries(self) -> dict[str, Digest | Blob]:
        entries: dict[str, Digest | Blob] = {}
        for asset in self._manifest.assets.values():
            sources = (url for url in asset.sources if identity(url) not in self._doubtful)
            entries |= dict.fromkeys(self._names(sources), asset.digest)
        for url, blob in self._newer:
            entries |= dict.fromkeys(self._names([url]), blob)
        return entries

    def _names(self, urls: Iterable[Address]) -> Iterator[str]:
        for url in urls:
            located = self._locator.locate(Url(url))
            if located is not None and located.source.fetch is not None:
                yield located.object_name


@dataclass(frozen=True, slots=True)
class Plan:
    """The requests, one for each object, and addresses to record without asking, with their blobs.

    `counts` are `urls`, `reused`, `ignored` and `postponed` (over the limit).
    """

    requests: Sequence[ImageRequest]
    known: Sequence[tuple[Address, Blob]]
    counts: Counter[str]

    @property
    def addresses(self) -> list[Address]:
        """The addresses of all requests."""
        return [address for request in self.requests for address in request.addresses]

    def covered_by(self, covers: Callable[[Sequence[Address]], bool] | None) -> Plan:
        """Return the plan with the requests whose addresses a part `covers`; `None` covers all."""
        if covers is None:
            return self
        requests = [request for request in self.requests if covers(request.addresses)]
        return replace(self, requests=requests)

    def limited(
        self, limit: int | None, asked_before: Iterable[Address], answered: Container[ImageRequest]
    ) -> Plan:
        """Return the plan with no more requests than the limit beside those that are `answered`.

        Addresses that were never asked for come first, then those that were asked for longest ago,
        which are the first of `asked_before`. So run by run everything gets its turn.
        """
        if limit is None:
            return self
        turns = {address: turn for turn, address in enumerate(asked_before)}
        unanswered = [request for request in self.requests if request not in answered]
        unanswered.sort(
            key=lambda request: min(turns.get(address, -1) for address in request.addresses)
        )
        free = [request for request in self.requests if request in answered]
        requests = [*free, *unanswered[:limit]]
        return self._postponing(len(self.requests) - len(requests), requests)

    def within(
        self, limit: int | None, unanswered: Sequence[ImageRequest]
    ) -> tuple[Plan, Sequence[ImageRequest]]:
        """Return the plan within the limit, and the requests to ask for.

        `limited` does not count what a shard has answered. Where such an answer is of no use, its
        request counts after all. These requests stand first in `unanswered`, and are postponed
        first.
        """
        over = 0 if limit is None else len(unanswered) - limit
        if over <= 0:
            return self, unanswered
        postponed = set(map(id, unanswered[:over]))
        requests = [request for request in self.requests if id(request) not in postponed]
        return self._postponing(over, requests), unanswered[over:]

    def _postponing(self, count: int, requests: Sequence[ImageRequest]) -> Plan:
        """Return the plan with these `requests`, and `count` more that are postponed."""
        counts = self.counts.copy()
        counts["postponed"] += count
        return Plan(requests, self.known, counts)


def plan(
    images: Sequence[PostImage],
    inventory: Inventory,
    ignored: Container[str],
    *,
    refresh: bool,
) -> Plan:
    """Decide what to fetch, in the order in which posts show it.

    `refresh` also asks for images that are known.
    """
    counts = Counter(urls=len(images), reused=0, ignored=0, postponed=0)
    known = list(inventory.unrecorded)
    groups: dict[str, list[ImageRequest]] = {}
    for image in images:
        if image.located.address in ignored:
            counts["ignored" if inventory.find(image.located) is None else "reused"] += 1
            continue
        for located, is_original in _with_original(image.located):
            blob = inventory.blobs.get(identity(located.address))
            if blob is None and (blob := inventory.find_elsewhere(located)) is not None:
                known.append((located.address, blob))
            if blob is not None:
                counts["reused"] += not is_original
            # Nobody can ask again for an address whose secret is hidden.
            asks = blob is None or (refresh and not has_hidden(located.fetch_url.raw))
            if asks and located.address not in ignored:
                validators = inventory.validators_of(located.address, blob)
                request = ImageRequest(
                    located,
                    (located.address,),
                    image,
                    is_original,
                    validators,
                    is_known=blob is not None,
                )
                groups.setdefault(located.object_name, []).append(request)
    return Plan(list(map(_join, groups.values())), known, counts)


def _with_original(image: SourceImage) -> Iterator[tuple[SourceImage, bool]]:
    """Yield an image, and with True the unprocessed original that it is a rendition of, if any."""
    yield image, False
    if image.original is not None:
        yield image.original, True


def _join(group: Sequence[ImageRequest]) -> ImageRequest:
    """Return one request for all addresses of one object."""
    return replace(
        group[0],
        addresses=tuple(dict.fromkeys(url for request in group for url in request.addresses)),
        is_original=all(request.is_original for request in group),
        is_known=all(request.is_known for request in group),
    )


def unused_entries(
    ignored: IgnoreList, images: Iterable[PostImage], manifest: Manifest
) -> Iterator[Finding]:
    """Yield a warning for each entry of `[[ignore]]` that matches no image.

    `images` are those that posts show from a source. Posts that were repointed show those of the
    manifest.
    """
    for entry in ignored.unused(chain.from_iterable(image.addresses for image in images)):
        if entry.matches_any(manifest.by_source):
            continue
        message = (
            "this entry of [[ignore]] matches no image of your sources in the posts or the "
            "manifest; take it out, or correct it"
        )
        yield Finding(Rule.ENTRY_UNUSED, without_secrets(entry.text), message)
