"""The download: a request -> bytes -> archive, journal and blob."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from typing import TypeAlias

from mirror.archive import Archive, ArchiveError
from mirror.engine import Engine, Results
from mirror.fetch import FetchError, Kind, Validators
from mirror.model import Blob, Finding, Rule
from mirror.pictures.blob import inspect
from mirror.pictures.decode import ImageError, ImageLimits, ImageTooLargeError
from mirror.pipeline.budget import ByteBudget, Reservation
from mirror.pipeline.origins import Origins
from mirror.pipeline.plan import FetchItem
from mirror.pipeline.progress import FindingLog, Progress
from mirror.state import Journal
from mirror.store import StoreError
from mirror.urls.address import Address

# As many decoders as cores, and one more to work while another waits for the disk.
DECODE_WORKERS = (os.cpu_count() or 1) + 1
_RULE_OF_KIND = {
    Kind.REFUSED: Rule.ADDRESS_REFUSED,
    Kind.TOO_LARGE: Rule.TOO_LARGE,
    Kind.CONTENT: Rule.NOT_AN_IMAGE,
}


@dataclass(frozen=True, slots=True)
class Download:
    """The bytes that came for a request, not inspected yet."""

    request: FetchItem
    data: bytes = field(repr=False)
    validators: Validators
    reservation: Reservation


@dataclass(frozen=True, slots=True)
class Original:
    """The blob that came for a request; its bytes are in the archive."""

    request: FetchItem
    blob: Blob
    validators: Validators

    @property
    def sources(self) -> Iterator[tuple[Address, Blob]]:
        """Each address of the request, with the blob."""
        return ((address, self.blob) for address in self.request.addresses)


@dataclass(frozen=True, slots=True)
class NotModified:
    """The answer of a host that the bytes in the archive are still those of its object."""

    request: FetchItem


DownloadResult: TypeAlias = Original | NotModified | Finding


@dataclass(frozen=True, slots=True)
class FetchJob:
    """Take a request and return its bytes, which count in `budget` until they are inspected."""

    origins: Origins
    budget: ByteBudget = field(default_factory=ByteBudget)

    def __call__(self, request: FetchItem) -> Download | NotModified | Finding:
        reservation = self.budget.reserve()
        size = 0
        try:
            result = self._read(request, reservation)
            if isinstance(result, Download):
                size = len(result.data)
        finally:
            reservation.settle(size)
        return result

    def _read(
        self, request: FetchItem, reservation: Reservation
    ) -> Download | NotModified | Finding:
        try:
            body = self.origins.read(request.located, request.validators, reservation.grow)
        except FetchError as error:
            rule = _RULE_OF_KIND.get(error.kind, Rule.NOT_FETCHED)
            return _not_fetched(request, rule, str(error))
        except StoreError as error:
            return _not_fetched(request, Rule.NOT_FETCHED, str(error))
        if body is None:
            return NotModified(request)
        return Download(request, body.data, body.validators, reservation)


@dataclass(frozen=True, slots=True)
class InspectJob:
    """Take bytes, put them into the archive, enter them in the journal, and return their blob."""

    archive: Archive
    journal: Journal
    limits: ImageLimits

    def __call__(self, received: Download | NotModified | Finding) -> DownloadResult:
        if not isinstance(received, Download):
            return received
        try:
            return self._inspect(received)
        finally:
            received.reservation.release()

    def _inspect(self, received: Download) -> DownloadResult:
        request = received.request
        try:
            blob = inspect(received.data, self.limits)
            self.archive.put(blob, received.data)
        except ImageTooLargeError as error:
            return _not_fetched(request, Rule.TOO_LARGE, str(error))
        except ImageError as error:
            return _not_fetched(request, Rule.NOT_AN_IMAGE, str(error))
        self.journal.append(request.addresses, blob)
        return Original(request, blob, received.validators)


def download(
    engine: Engine,
    fetch: FetchJob,
    inspect: InspectJob,
    requests: Sequence[FetchItem],
    concurrency: int,
) -> Results[DownloadResult]:
    """Fetch and inspect, overlapping; yield each result as it comes."""
    received = engine.map(fetch, requests, concurrency)
    try:
        yield from engine.map(inspect, received, DECODE_WORKERS)
    finally:
        # Before `received` ends: it waits for its fetches, which may wait for room.
        fetch.budget.close()


def collect(
    results: Results[DownloadResult],
    requests: Sequence[FetchItem],
    findings: FindingLog,
    progress: Progress,
) -> list[Original]:
    """Report each result as it comes; return the originals in the order of `requests`.

    Only facts wait here for their turn, never bytes, so one slow host holds up nobody else.
    """
    progress.stage("fetch", len(requests), "images")
    order = {id(request): number for number, request in enumerate(requests)}
    originals: list[Original] = []
    with closing(results):
        for result in results:
            if isinstance(result, Finding):
                findings.append(result)
                progress.advance(failed=1)
            elif isinstance(result, Original):
                originals.append(result)
                progress.advance(size=result.blob.size)
                for address, blob in result.sources:
                    progress.event(
                        "fetched", source=address, sha256=blob.digest.hex, size=blob.size
                    )
            else:
                progress.advance()
    return sorted(originals, key=lambda original: order[id(original.request)])


@contextmanager
def sealing(archive: Archive) -> Iterator[None]:
    """Seal the archive behind a download, also behind one that an error ended.

    Raise `ArchiveError`, unless another error ended the download: that one says more.
    """
    try:
        yield
    except BaseException:
        with suppress(ArchiveError):
            archive.seal()
        raise
    archive.seal()


def newest_validators(
    originals: Iterable[Original],
) -> dict[Address, tuple[str, Validators]]:
    """Return, by address, the digest of the bytes that came and the validators of the host."""
    return {
        address: (blob.digest.hex, original.validators)
        for original in originals
        for address, blob in original.sources
    }


def _not_fetched(request: FetchItem, rule: Rule, message: str) -> Finding:
    if request.is_original:
        return request.finding(
            Rule.ORIGINAL_UNREADABLE,
            f"what the post shows is mirrored, its unprocessed original is not: {message}",
        )
    return request.finding(rule, message)
