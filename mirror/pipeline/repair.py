"""Put missing and damaged objects and originals back, from any copy with the right SHA-256.

This is the one command that overwrites an object. It does so only where the manifest names the
key, the bytes under it are other ones, no other site uses the key for another picture, and the
right bytes are at hand.

Read in this order: `repair` is the command; `diagnose` says what is damaged; `CopyFinder` and
`SourceFinder` look for good bytes; `CopyWriter` puts them where they belong.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from hashlib import sha256
from time import monotonic

from mirror.archive import SOURCES, Archive, ArchiveError, UnreachableArchiveError
from mirror.destinations import (
    Destination,
    extension_fits,
    key_template,
    may_run_scripts,
    unreachable,
)
from mirror.engine import Engine
from mirror.fetch import FetchError
from mirror.manifest import Manifest, digests_in
from mirror.model import Asset, Digest, Finding, Rule
from mirror.pictures.blob import damaged_blob, inspect
from mirror.pictures.decode import ImageError, ImageLimits
from mirror.pipeline.copies import ARCHIVE, GoodCopy, find_copy
from mirror.pipeline.origins import Origins, open_origins
from mirror.pipeline.parts import Parts
from mirror.pipeline.progress import FindingLog, Progress, summary
from mirror.pipeline.store import check_exchanged_keys
from mirror.pipeline.verify_archive import (
    archive_unreachable,
    find_unrecorded,
    verify_lists,
    verify_original,
)
from mirror.pipeline.verify_destinations import (
    EXCHANGED,
    Comparison,
    ObjectDifference,
    ObjectState,
    ReadBack,
    compare_destination,
)
from mirror.site_index import KEY_IN_USE, SiteIndexError, site_name
from mirror.store import STORE_WORKERS, StoreError
from mirror.urls.address import Address, Url
from mirror.urls.sources import Locator


@dataclass(frozen=True, slots=True)
class RepairOptions:
    """With `dry_run`, nothing is written.

    With `deep`, objects are read back also where a listing says that they are right.
    """

    dry_run: bool
    deep: bool


@dataclass(frozen=True, slots=True)
class Damage:
    """An image, and the places where it is missing or has other bytes."""

    asset: Asset
    destinations: tuple[tuple[Destination, ObjectState], ...] = ()
    in_archive: bool = False

    @property
    def subject(self) -> str:
        """The key, or the digest of an image without an object."""
        return self.asset.key or self.asset.digest.hex

    @property
    def places(self) -> list[str]:
        names = [destination.name for destination, _ in self.destinations]
        return [ARCHIVE, *names] if self.in_archive else names


@dataclass(frozen=True, slots=True)
class Repair:
    """Good bytes of `subject` were put, or would be put, in `place`; they came from `origin`."""

    place: str
    subject: str
    origin: str


@dataclass(frozen=True, slots=True)
class RepairResult:
    """The counts, findings and repairs of a run."""

    summary: dict[str, int | float]
    findings: Sequence[Finding]
    repairs: Sequence[Repair]


def repair(
    parts: Parts, engine: Engine, options: RepairOptions, progress: Progress
) -> RepairResult:
    """Bring every destination and the archive back to what the manifest says.

    Raise `ManifestError` or `ConfigError`. A copy that cannot be repaired and a destination that
    cannot be asked are findings, and the others are repaired all the same. The hosts that the
    images came from are asked only for what neither the archive nor a destination has.
    """
    started = monotonic()
    parts.manifest.need()
    manifest, _ = parts.manifest.load()
    check_exchanged_keys(manifest, key_template(parts.destinations), parts.locator)
    log = RepairLog(FindingLog(progress.finding), progress, options.dry_run)

    # What is damaged: in the destinations, in the archive, and in its lists.
    site = site_name(parts.config.manifest)
    compare = partial(compare_destination, read_back=ReadBack(deep=options.deep), site=site)
    comparisons = (
        (destination, compare(destination, manifest.objects, engine, progress))
        for destination in parts.destinations
    )
    diagnosis = diagnose(manifest, comparisons, log.findings)
    damage_job = DamageJob(partial(verify_original, parts.archive))
    originals: Sequence[Asset] = ()
    lists: Sequence[Repair | Finding] = ()
    is_reached = True
    try:
        originals = find_damaged_originals(manifest, damage_job, engine, progress)
        damaged = {asset.digest for asset in originals}
        lists = list(find_bad_lists(parts.archive, manifest, damaged))
    except UnreachableArchiveError as error:
        is_reached = False
        log.findings.append(archive_unreachable(error))
    damages = with_damaged_originals(diagnosis.damages, originals)

    # Put it back from what is here, and what that does not have from the sources.
    limits = ImageLimits(max_pixels=parts.config.fetch.max_pixels)
    writer = CopyWriter(parts.archive, parts.locator, limits, options.dry_run)
    try:
        if damages:
            progress.stage("repair", len(damages), "images")
        unmet = []
        copies = CopyFinder(parts.archive, diagnosis.reachable)
        for attempt in engine.map(RepairJob(copies, writer), damages, STORE_WORKERS):
            if attempt.is_found:
                log.add(attempt)
            else:
                unmet.append(attempt)
        if unmet:
            with open_origins(parts.config.sources, parts.config.fetch) as origins:
                sources = SourceFinder(origins, parts.locator, parts.config.ignored)
                retry = RetryJob(RepairJob(sources, writer))
                for attempt in engine.map(retry, unmet, parts.config.fetch.concurrency):
                    log.add(attempt)
    finally:
        if not options.dry_run and manifest.assets and is_reached:
            parts.archive.seal(whole=True)

    # The lists, which the seal wrote anew, and the record of sources.
    bad_lists = list(log.findings.sift(lists))
    for bad_list in bad_lists:
        log.add_repair(bad_list)
    if not options.dry_run and is_reached:
        done = {repair.subject for repair in log.repairs if repair.place == ARCHIVE}
        lost = {asset.digest for asset in originals if Damage(asset).subject not in done}
        record_sources(parts.archive, manifest, lost)

    counts = {
        "assets": len(manifest.assets),
        "objects": diagnosis.compared,
        "broken": sum(len(damage.places) for damage in damages) + len(bad_lists),
        "repaired": len(log.repairs),
    }
    return RepairResult(summary(counts, log.findings, started), log.findings, log.repairs)


@dataclass(slots=True)
class RepairLog:
    """The findings and repairs of a run, each reported as it is added."""

    findings: FindingLog
    progress: Progress
    dry_run: bool
    repairs: list[Repair] = field(default_factory=list)

    def add(self, attempt: RepairAttempt) -> None:
        self.progress.advance(failed=bool(attempt.findings))
        self.findings.extend(attempt.findings)
        for repair in attempt.repairs:
            self.add_repair(repair)

    def add_repair(self, repair: Repair) -> None:
        self.repairs.append(repair)
        members = {"place": repair.place, "subject": repair.subject, "from": repair.origin}
        self.progress.event("would-repair" if self.dry_run else "repaired", **members)


# --- What is damaged --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The damages in those destinations that could be asked, in the order of digests.

    `compared` is the number of objects that were looked up.
    """

    damages: Sequence[Damage]
    compared: int
    reachable: Sequence[Destination]


def diagnose(
    manifest: Manifest, comparisons: Iterable[tuple[Destination, Comparison]], findings: FindingLog
) -> Diagnosis:
    """Return which objects of the manifest are missing or different, and where.

    Add a finding for a destination and for an object that could not be asked, and for an object
    that another site may use. Objects that the manifest does not name are left out.
    """
    damages: dict[Digest, Damage] = {}
    reachable = []
    compared = 0
    for destination, comparison in comparisons:
        compared += comparison.compared
        if comparison.error is not None:
            findings.append(unreachable(destination, comparison.error))
            continue
        reachable.append(destination)
        for difference in comparison.differences:
            if difference.state is ObjectState.UNCHECKED:
                findings.append(Finding(Rule.OBJECT_UNCHECKED, difference.key, difference.message))
            elif (reason := _other_site(difference, comparison.index_error)) is not None:
                message = f"{destination.name}: {difference.message}; {reason}"
                findings.append(Finding(Rule.NOT_REPAIRED, difference.key, message))
            elif difference.state is not ObjectState.EXTRA:
                asset = manifest.by_key[difference.key]
                if (reason := _other_picture(asset, manifest, difference)) is not None:
                    message = f"{destination.name}: {difference.message}; {reason}"
                    findings.append(Finding(Rule.NOT_REPAIRED, difference.key, message))
                    continue
                damage = damages.get(asset.digest, Damage(asset))
                places = (*damage.destinations, (destination, difference.state))
                damages[asset.digest] = replace(damage, destinations=places)
    return Diagnosis([damages[digest] for digest in sorted(damages)], compared, reachable)


def _other_picture(asset: Asset, manifest: Manifest, difference: ObjectDifference) -> str | None:
    """Return the reason to leave an object as it is because its key may be another picture's.

    An edit or a merge may exchange two keys. The posts that show the one would show the other.
    """
    for digest in map(Digest, digests_in(asset.key or "")):
        if digest != asset.digest and digest in manifest.assets:
            named = f"its key names another picture of the manifest, {digest}"
            return f"{named}; correct the key in the manifest"
    return None if difference.holds is None else EXCHANGED.format(other=difference.holds)


def _other_site(difference: ObjectDifference, index_error: SiteIndexError | None) -> str | None:
    """Return the reason to leave an object as it is because another site may use its key."""
    if difference.is_taken:
        return KEY_IN_USE
    if difference.state is ObjectState.DIFFERENT and index_error is not None:
        return f"it is not known whether another site uses this key: {index_error}"
    return None


@dataclass(frozen=True, slots=True)
class DamageJob:
    """Take an asset and return it, with True if its original is missing or damaged."""

    verify: Callable[[Asset], Finding | None]

    def __call__(self, asset: Asset) -> tuple[Asset, bool]:
        return asset, self.verify(asset) is not None


def find_damaged_originals(
    manifest: Manifest, job: DamageJob, engine: Engine, progress: Progress
) -> list[Asset]:
    """Return the assets whose original is missing from the archive, or damaged there.

    Raise `UnreachableArchiveError`.
    """
    progress.stage("read the archive", len(manifest.assets), "originals")
    damaged = []
    with closing(engine.map(job, manifest.assets.values(), STORE_WORKERS)) as results:
        for asset, failed in results:
            progress.advance(failed=failed)
            if failed:
                damaged.append(asset)
    return damaged


def find_bad_lists(
    archive: Archive, manifest: Manifest, damaged: Container[Digest]
) -> Iterator[Repair | Finding]:
    """Yield what has to be done to the lists of the archive, and why some cannot be read.

    Its `damaged` originals are in no list. Raise `ArchiveError`.
    """
    whole = (asset.blob for asset in manifest.assets.values() if asset.digest not in damaged)
    unlisted = verify_lists(archive, whole)
    if unlisted is not None:
        is_bad = unlisted.rule is Rule.ARCHIVE_UNLISTED
        yield Repair(ARCHIVE, "the lists of checksums", "the originals") if is_bad else unlisted
    if find_unrecorded(archive, archive.source_record(), manifest.assets.values()) is not None:
        yield Repair(ARCHIVE, SOURCES, "the manifest")


def with_damaged_originals(damages: Iterable[Damage], originals: Iterable[Asset]) -> list[Damage]:
    """Return `damages` with damaged originals added, in the order of digests."""
    by_digest = {damage.asset.digest: damage for damage in damages}
    for asset in originals:
        damage = by_digest.get(asset.digest, Damage(asset))
        by_digest[asset.digest] = replace(damage, in_archive=True)
    return [by_digest[digest] for digest in sorted(by_digest)]


def record_sources(archive: Archive, manifest: Manifest, lost: Container[Digest]) -> None:
    """Record in the archive the addresses that the manifest has for its originals.

    An address that the archive has on record for another original is left as it is. `lost` are the
    originals that the archive lacks. Raise `ArchiveError`.
    """
    record = archive.source_record()
    kept = (asset for asset in manifest.assets.values() if asset.digest not in lost)
    former: list[tuple[Address, Digest]] = []
    current: list[tuple[Address, Digest]] = []
    for asset in kept:
        for address in asset.former_sources:
            # The last line of an address counts, so the picture of now has to follow.
            now = manifest.find(address)
            if (
                now is not None
                and now.digest not in lost
                and not record.contradicts(address, now.digest)
                and not record.contradicts(address, asset.digest)
            ):
                former.append((address, asset.digest))
        current += (
            (address, asset.digest)
            for address in asset.sources
            if not record.contradicts(address, asset.digest)
            and not record.is_known(address, asset.digest)
        )
    archive.add_sources([*former, *current])


# --- Good bytes -------------------------------------------------------------------------------


Finder = Callable[[Damage], "GoodCopy | list[str]"]
"""Returns good bytes of a damaged image, or for each place it looked in why there are none."""


@dataclass(frozen=True, slots=True)
class CopyFinder:
    """Looks in the archive, then in the destinations in their order.

    An object of another size than the manifest has is read too: the manifest may be wrong.
    """

    archive: Archive
    destinations: Sequence[Destination]

    def __call__(self, damage: Damage) -> GoodCopy | list[str]:
        missing = {
            destination.name
            for destination, state in damage.destinations
            if state is ObjectState.MISSING
        }
        others = [item for item in self.destinations if item.name not in missing]
        copy = find_copy(self.archive, others, damage.asset)
        return copy if isinstance(copy, GoodCopy) else list(copy.reasons)


@dataclass(frozen=True, slots=True)
class SourceFinder:
    """Asks the hosts that an image came from, as `sync` does, and accepts only the same bytes."""

    origins: Origins
    locator: Locator
    ignored: Container[str]

    def __call__(self, damage: Damage) -> GoodCopy | list[str]:
        reasons = []
        for address in damage.asset.sources:
            located = self.locator.locate(Url(address))
            if located is None or address in self.ignored:
                reason = "is listed under [[ignore]]" if located else "no [[source]] matches it"
                reasons.append(f"{address}: {reason}")
                continue
            try:
                body = self.origins.read(located)
            except (FetchError, StoreError) as error:
                reasons.append(f"{address}: {error}")
                continue
            if body is not None and sha256(body.data).hexdigest() == damage.asset.digest.hex:
                return GoodCopy(body.data, address)
            reasons.append(f"{address}: gives another picture now")
        return reasons


# --- Writing them -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RepairAttempt:
    """What came of a damage.

    With `is_found` there are good bytes, which were written or not, as `repairs` and `findings`
    say. Without, `reasons` say where there are none.
    """

    damage: Damage
    is_found: bool
    repairs: Sequence[Repair] = ()
    findings: Sequence[Finding] = ()
    reasons: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class RepairJob:
    """Take a damage, find good bytes, and write them to each place that lacks them."""

    find: Finder
    writer: CopyWriter

    def __call__(self, damage: Damage) -> RepairAttempt:
        copy = self.find(damage)
        if isinstance(copy, GoodCopy):
            return self.writer.write(damage, copy)
        return RepairAttempt(damage, is_found=False, reasons=copy)


@dataclass(frozen=True, slots=True)
class RetryJob:
    """Take a failed attempt and try with another finder; if that fails too, it is a finding."""

    job: RepairJob

    def __call__(self, attempt: RepairAttempt) -> RepairAttempt:
        again = self.job(attempt.damage)
        if again.is_found:
            return again
        damage = again.damage
        reasons = [*attempt.reasons, *again.reasons] or ["it has no source"]
        message = (
            f"cannot be put back in {', '.join(damage.places)}: no place has bytes with SHA-256 "
            f"{damage.asset.digest} ({'; '.join(reasons)}). Put the file into the archive by hand, "
            "or take the line out of the manifest if the picture is lost"
        )
        return replace(again, findings=[_not_repaired(damage, message)])


@dataclass(frozen=True, slots=True)
class CopyWriter:
    """Writes good bytes to the archive and to destinations. With `dry_run` it only says so.

    `limits` are those within which a picture is decoded.
    """

    archive: Archive
    locator: Locator
    limits: ImageLimits
    dry_run: bool

    def write(self, damage: Damage, copy: GoodCopy) -> RepairAttempt:
        """Write to every place of `damage`; a place that refuses is a finding.

        Bytes that are not the picture of the manifest's line are written nowhere.
        """
        if (mismatch := picture_mismatch(damage.asset, copy.data, self.limits)) is not None:
            message = (
                f"was not put back in {', '.join(damage.places)}: {mismatch}. Correct the line of "
                "the manifest, or take it out"
            )
            return RepairAttempt(damage, is_found=True, findings=[_not_repaired(damage, message)])
        repairs = []
        findings = []
        for place, put in self._puts(damage, copy.data):
            try:
                if not self.dry_run:
                    put()
            except (ArchiveError, StoreError) as error:
                findings.append(_not_repaired(damage, str(error)))
            else:
                repairs.append(Repair(place, damage.subject, copy.origin))
        return RepairAttempt(damage, is_found=True, repairs=repairs, findings=findings)

    def _puts(self, damage: Damage, data: bytes) -> Iterator[tuple[str, Callable[[], None]]]:
        """Yield the name of each place and the call that writes there."""
        asset = damage.asset
        if damage.in_archive:
            yield ARCHIVE, partial(self.archive.put, asset.blob, data)
        inline = not may_run_scripts(asset, self.locator)
        for destination, state in damage.destinations:
            assert asset.key is not None  # noqa: S101  (only objects are in destinations)
            store = destination.store
            put = store.replace if state is ObjectState.DIFFERENT else store.put
            yield (
                destination.name,
                partial(put, asset.key, data, asset.blob.media_type, inline=inline),
            )


def picture_mismatch(asset: Asset, data: bytes, limits: ImageLimits) -> str | None:
    """Return how `data` is not the picture that the line of the manifest says; `None` if it is.

    The manifest can be edited by hand, so its size and media type are compared with the bytes, and
    the extension of its key with the media type.
    """
    expected = asset.blob.media_type
    if len(data) != asset.blob.size:
        return f"expected {asset.blob.size} bytes, found {len(data)} that have its SHA-256"
    try:
        media_type = inspect(data, limits).media_type
    except ImageError as error:
        damaged = damaged_blob(data)
        if damaged is None or damaged != asset.blob:  # a person accepted damaged bytes as they are
            return f"expected a picture of type {expected}, found: {error}"
        media_type = damaged.media_type
    if media_type != expected:
        return f"expected a picture of type {expected}, found {media_type}"
    if asset.key is not None and not extension_fits(asset.key, expected):
        return f"expected a key for {expected}, found {asset.key!r}"
    return None


def _not_repaired(damage: Damage, message: str) -> Finding:
    return Finding(Rule.NOT_REPAIRED, damage.subject, message)
