"""The download: a request -> bytes -> archive, journal and blob."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import TYPE_CHECKING, TypeAlias

from mirror.archive import Archive, ArchiveError, UnreachableArchiveError, UnreadableError
from mirror.engine import Engine, Results
from mirror.fetch import FetchError, Kind, Validators
from mirror.model import Advice, Blob, Finding, HeldImage, Rule
from mirror.pipeline.budget import ByteBudget, Reservation
from mirror.pipeline.plan import ImageRequest
from mirror.pipeline.progress import FindingLog, Progress
from mirror.records import StateError
from mirror.repeats.reviews import Reviews
from mirror.state import HeldImages, Journal
from mirror.store import STORE_WORKERS, NotFoundError, StoreError
from mirror.urls.address import Address, identity
from mirror.urls.redact import has_hidden
from mirror.urls.sources import SourceImage

if TYPE_CHECKING:
    from mirror.pictures.blob import Watch
    from mirror.pipeline.origins import Origins

# As many decoders as cores, and one more to work while another waits for the disk.
DECODE_WORKERS = (os.cpu_count() or 1) + 1
_RULE_OF_KIND = {
    Kind.REFUSED: Rule.ADDRESS_REFUSED,
    Kind.TOO_LARGE: Rule.TOO_LARGE,
    Kind.CONTENT: Rule.NOT_AN_IMAGE,
}
_IF_GONE = "; if it is known to be gone, list it under [[ignore]]"
_UNASKABLE = (
    "its address holds a secret that mirror keeps nowhere; write the URL with its secret into the "
    "post again"
)

ASKED_AGAIN = "its source was asked again: "
"""Stands in the message of a failure that concerns a known image, which is none the worse."""


@dataclass(frozen=True, slots=True)
class Download:
    """The bytes that came for a request, not inspected yet."""

    request: ImageRequest
    data: bytes = field(repr=False)
    validators: Validators
    reservation: Reservation
    final_url: str | None


@dataclass(frozen=True, slots=True)
class FetchedImage:
    """The blob that came for a request; its bytes are in the archive.

    `final_url` is the address that the host redirected to; `None` if it did not.
    """

    request: ImageRequest
    blob: Blob
    validators: Validators
    final_url: str | None

    @property
    def entries(self) -> Iterator[tuple[Address, Blob]]:
        """Each address of the request, with the blob."""
        return ((address, self.blob) for address in self.request.addresses)


@dataclass(frozen=True, slots=True)
class NotModified:
    """The answer of a host that the bytes in the archive are still those of its object."""

    request: ImageRequest


@dataclass(frozen=True, slots=True)
class DamagedImage:
    """A picture that does not decode whole. Its bytes wait for a person who accepts them."""

    request: ImageRequest
    blob: Blob
    finding: Finding


DownloadResult: TypeAlias = FetchedImage | NotModified | DamagedImage | Finding


@dataclass(frozen=True, slots=True)
class ReceivedImages:
    """The pictures that came for the requests of a run.

    `unchanged` are the requests that `NotModified` answers.
    """

    fetched: Sequence[FetchedImage] = ()
    damaged: Sequence[DamagedImage] = ()
    unchanged: Sequence[ImageRequest] = ()

    @property
    def answered(self) -> frozenset[str]:
        """The identities of the addresses whose host sent a picture, or named that of before."""
        requests = chain(
            (image.request for image in self.fetched),
            (image.request for image in self.damaged),
            self.unchanged,
        )
        return frozenset(identity(url) for request in requests for url in request.addresses)

    @property
    def damaged_images(self) -> list[HeldImage]:
        """The damaged pictures, which wait for a person's decision."""
        return [
            HeldImage(url, image.blob) for image in self.damaged for url in image.request.addresses
        ]


@dataclass(frozen=True, slots=True)
class FetchJob:
    """Take a request and return its bytes, which count in `budget` until they are inspected."""

    origins: Origins
    budget: ByteBudget = field(default_factory=ByteBudget)

    def __call__(self, request: ImageRequest) -> Download | NotModified | Finding:
        reservation = self.budget.reserve()
        size = 0
        try:
            result = self._read(request, reservation)
            if isinstance(result, Download):
                size = len(result.data)
        finally:
            reservation.arrived(size)
        return result

    def _read(
        self, request: ImageRequest, reservation: Reservation
    ) -> Download | NotModified | Finding:
        """Try every spelling of the request that the posts have; the first error is returned."""
        failure: Finding | None = None
        for located in _attempts(request):
            try:
                body = self.origins.read(located, request.validators, reservation.grow)
            except FetchError as error:
                failure = failure or _refused(request, error)
                if error.kind is Kind.TOO_LARGE:
                    break
            except NotFoundError as error:
                failure = failure or _gone(request, str(error))
            except StoreError as error:
                failure = failure or _not_fetched(request, Rule.NOT_FETCHED, str(error))
            else:
                if body is None:
                    return NotModified(request)
                return Download(request, body.data, body.validators, reservation, body.final_url)
        return failure or _not_fetched(request, Rule.NOT_FETCHED, _UNASKABLE)


@dataclass(frozen=True, slots=True)
class InspectJob:
    """Take bytes, put them into the archive, enter them in the journal, and return their blob.

    Without a journal, the caller has to record the results.
    """

    archive: Archive
    journal: Journal | None
    held: HeldImages
    reviews: Reviews
    max_pixels: int
    watch: Watch | None

    def __call__(self, received: Download | NotModified | Finding) -> DownloadResult:
        if not isinstance(received, Download):
            return received
        try:
            return self._inspect(received)
        except UnreachableArchiveError:
            raise
        except UnreadableError as error:
            if self.archive.root is not None:
                raise
            # A bucket can refuse one object alone. A full disk is full for the next one too.
            message = f"it came, and could not be archived: {error}"
            return _not_fetched(received.request, Rule.NOT_FETCHED, message)
        finally:
            received.reservation.release()

    def _inspect(self, received: Download) -> DownloadResult:
        # Pillow and numpy, which are loaded while the first pictures are on their way.
        from mirror.pictures import (
            ForeignFormatError,
            ImageError,
            ImageLimits,
            ImageTooLargeError,
            damaged_blob,
            inspect,
        )

        request = received.request
        try:
            blob = inspect(received.data, ImageLimits(self.max_pixels), self.watch)
            self.archive.put(blob, received.data)
        except ImageTooLargeError as error:
            return _not_fetched(request, Rule.TOO_LARGE, str(error))
        except ForeignFormatError as error:
            return _not_fetched(request, Rule.NOT_AN_IMAGE, str(error), Advice.IGNORE)
        except ImageError as error:
            finding = _not_fetched(request, Rule.NOT_AN_IMAGE, str(error))
            damaged = damaged_blob(received.data)
            if damaged is None:
                return finding
            if not self.reviews.accepts(request.addresses[0], damaged.digest):
                return self._hold(received, damaged, finding)
            blob = damaged
            self.archive.put(blob, received.data)
        # A picture behind a redirect may have to be held back.
        if self.journal is not None and received.final_url is None:
            self.journal.append(request.addresses, blob)
        return FetchedImage(request, blob, received.validators, received.final_url)

    def _hold(self, received: Download, blob: Blob, finding: Finding) -> DamagedImage:
        self.held.keep_bytes(blob.digest, received.data)
        address = received.request.addresses[0]
        place = f"{self.held.folder.parent.name}/{self.held.folder.name}/{blob.digest}"
        message = (
            f"{finding.message}; look at {place}: `mirror accept {address}` keeps it as it is; if "
            "you do without it, list it under [[ignore]]"
        )
        finding = replace(finding, message=message, advice=Advice.ACCEPT)
        return DamagedImage(received.request, blob, finding)


def download(
    engine: Engine,
    fetch: FetchJob,
    inspect: InspectJob,
    requests: Sequence[ImageRequest],
    concurrency: int,
) -> Results[DownloadResult]:
    """Fetch and inspect, overlapping; yield each result as it comes."""
    received = engine.map(fetch, requests, concurrency)
    # More of them where each picture waits until a bucket has it.
    workers = DECODE_WORKERS + (STORE_WORKERS if inspect.archive.root is None else 0)
    try:
        yield from engine.map(inspect, received, workers)
    finally:
        # Before `received` ends: it waits for its fetches, which may wait for room.
        fetch.budget.close()


@dataclass(frozen=True, slots=True)
class KnownImages:
    """The blobs of earlier runs, by the identity of their address.

    With `has_mirror` there is a destination beside the archive.
    """

    blobs: Mapping[str, Blob]
    archive: Archive
    has_mirror: bool

    def explain(self, failure: Finding) -> Finding:
        """Return the failure of a request; for a known image it says that nothing is lost.

        Then nobody is advised to ignore the image. Raise `UnreachableArchiveError`.
        """
        blob = self.blobs.get(identity(Address(failure.subject)))
        if blob is None:
            return failure
        if self._keeps(blob):
            place = "archive and mirror" if self.has_mirror else "the archive"
            state = f"its picture is safe in {place}"
        else:
            state = "its original is not in the archive (`mirror verify --archive` says more)"
        message = f"{state}; {ASKED_AGAIN}{failure.message.replace(_IF_GONE, '')}"
        advice = None if failure.advice is Advice.IGNORE else failure.advice
        return replace(failure, message=message, advice=advice)

    def _keeps(self, blob: Blob) -> bool:
        try:
            return self.archive.has(blob)
        except UnreachableArchiveError:
            raise
        except ArchiveError:
            return False


def receive(
    results: Results[DownloadResult],
    requests: Sequence[ImageRequest],
    known: KnownImages,
    findings: FindingLog,
    progress: Progress,
) -> ReceivedImages:
    """Report each result as it comes; return them in the order of `requests`.

    Only facts wait here for their turn, never bytes, so one slow host holds up nobody else.
    """
    if not requests:
        return ReceivedImages()
    progress.stage("fetch", len(requests), "images")
    order = {id(request): number for number, request in enumerate(requests)}
    fetched: list[FetchedImage] = []
    damaged: list[DamagedImage] = []
    unchanged: list[ImageRequest] = []
    with closing(results):
        for result in results:
            if isinstance(result, Finding):
                findings.append(known.explain(result))
                progress.advance(failed=1)
            elif isinstance(result, DamagedImage):
                findings.append(known.explain(result.finding))
                progress.advance(failed=1)
                damaged.append(result)
            elif isinstance(result, FetchedImage):
                fetched.append(result)
                progress.advance(size=result.blob.size)
                for address, blob in result.entries:
                    progress.event(
                        "fetched", source=address, sha256=blob.digest.hex, size=blob.size
                    )
            else:
                unchanged.append(result.request)
                progress.advance()
    fetched.sort(key=lambda image: order[id(image.request)])
    damaged.sort(key=lambda image: order[id(image.request)])
    return ReceivedImages(fetched, damaged, unchanged)


def count_downloads(
    images: Sequence[FetchedImage], requests: Iterable[ImageRequest]
) -> dict[str, int]:
    """Count what was fetched by these `requests`, and what shards had of the others."""
    asked = {id(request) for request in requests}
    fetched = [image for image in images if id(image.request) in asked]
    return {
        "fetched": len(fetched),
        "originals": sum(image.request.is_original for image in fetched),
        "bytes": sum(image.blob.size for image in fetched),
        "collected": len(images) - len(fetched),
    }


def _attempts(request: ImageRequest) -> Iterator[SourceImage]:
    """Yield the spellings of a request, then those with the other scheme; no URL twice."""
    spellings = [request.located, *(() if request.is_original else request.image.spellings)]
    others = [
        replace(located, fetch_url=located.fallback_url)
        for located in spellings
        if located.fallback_url is not None
    ]
    seen = set[str]()
    for located in (*spellings, *others):
        is_askable = not has_hidden(located.bucket_key or located.fetch_url.raw)
        if is_askable and located.fetch_url.raw not in seen:
            seen.add(located.fetch_url.raw)
            yield located


@contextmanager
def sealing(archive: Archive) -> Iterator[None]:
    """Seal the archive after a download, also after one that an error ended.

    A bucket is asked before the download whether it can be listed. After an error the archive is
    sealed only where it is a folder; a bucket is sealed by the next run. Raise `ArchiveError`,
    unless another error ended the download: that one says more.
    """
    if archive.root is None:
        archive.check_listing()
    try:
        yield
    except BaseException:
        with suppress(ArchiveError, StateError):
            if archive.root is not None:
                archive.seal()
        raise
    archive.seal()


def newest_validators(
    fetched: Iterable[FetchedImage],
) -> dict[Address, tuple[str, Validators]]:
    """Return, by address, the digest of the bytes that came and the validators of the host."""
    return {
        address: (blob.digest.hex, image.validators)
        for image in fetched
        for address, blob in image.entries
    }


def _gone(request: ImageRequest, reason: str) -> Finding:
    return _not_fetched(request, Rule.NOT_FETCHED, reason + _IF_GONE, Advice.IGNORE)


def _refused(request: ImageRequest, error: FetchError) -> Finding:
    if error.kind is Kind.GONE:
        return _gone(request, str(error))
    rule = _RULE_OF_KIND.get(error.kind, Rule.NOT_FETCHED)
    return _not_fetched(request, rule, str(error))


def _not_fetched(
    request: ImageRequest, rule: Rule, message: str, advice: Advice | None = None
) -> Finding:
    if request.is_original:
        return request.finding(
            Rule.ORIGINAL_UNREADABLE,
            f"the unprocessed original of what the post shows cannot be read: {message}",
        )
    return request.finding(rule, message, advice)
