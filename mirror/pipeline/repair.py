"""Missing and damaged objects and originals, put back from any good copy. Accepted on hash only.

The one place that overwrites: an object whose key the manifest names, whose bytes are not those
the manifest names, and of which good bytes are at hand.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from time import monotonic

from mirror.archive import ArchiveError
from mirror.destinations import Destination, may_run_scripts, unreachable
from mirror.engine import Engine
from mirror.fetch import FetchError
from mirror.manifest import Manifest
from mirror.model import Asset, Finding, Rule
from mirror.pipeline.copies import ARCHIVE, GoodCopy, find_copy
from mirror.pipeline.origins import Origins, open_origins
from mirror.pipeline.parts import Parts
from mirror.pipeline.progress import FindingLog, Progress, summary
from mirror.pipeline.verify import (
    Comparison,
    ObjectState,
    compare_destination,
    verify_original,
)
from mirror.store import StoreError
from mirror.urls.address import Address, Url
from mirror.urls.sources import Locator

_WORKERS = 8


@dataclass(frozen=True, slots=True)
class RepairOptions:
    """`deep`: also read back what a listing says is right."""

    dry_run: bool = False
    deep: bool = False


@dataclass(frozen=True, slots=True)
class Broken:
    """An image, and where it is missing or damaged."""

    asset: Asset
    targets: tuple[tuple[Destination, ObjectState], ...] = ()
    in_archive: bool = False

    @property
    def subject(self) -> str:
        return self.asset.key or self.asset.digest.hex

    @property
    def places(self) -> list[str]:
        names = [target.name for target, _ in self.targets]
        return [ARCHIVE, *names] if self.in_archive else names


@dataclass(frozen=True, slots=True)
class Repair:
    """Good bytes of `subject` were put, or would be put, in `place`; they came from `origin`."""

    place: str
    subject: str
    origin: str


@dataclass(slots=True)
class RepairResult:
    summary: dict[str, int | float]
    findings: Sequence[Finding]
    repairs: Sequence[Repair]


def repair(
    parts: Parts, engine: Engine, options: RepairOptions, progress: Progress
) -> RepairResult:
    """Bring every destination and the archive back to what the manifest says.

    Raise `ManifestError` or `ConfigError`. What cannot be repaired is a finding, and so is a
    destination that cannot be asked; neither stops the rest.
    """
    started = monotonic()
    parts.manifest.need()
    manifest, _ = parts.manifest.load()
    findings = FindingLog(progress.finding)
    diagnosis = diagnose(parts, engine, manifest, options, findings, progress)
    repairs: list[Repair] = []
    try:
        for mended in _mend(parts, engine, diagnosis, options, progress):
            findings.extend(mended.findings)
            repairs += mended.repairs
            _report(mended.repairs, options, progress)
    finally:
        if not options.dry_run and any(one.in_archive for one in diagnosis.broken):
            parts.archive.seal()
    counts = {
        "assets": len(manifest.assets),
        "objects": diagnosis.compared,
        "broken": sum(len(one.places) for one in diagnosis.broken),
        "repaired": len(repairs),
    }
    return RepairResult(summary(counts, findings, started), findings, repairs)


def _report(repairs: Iterable[Repair], options: RepairOptions, progress: Progress) -> None:
    kind = "would-repair" if options.dry_run else "repaired"
    for one in repairs:
        members = {"place": one.place, "subject": one.subject, "from": one.origin}
        progress.event(kind, **members)


# --- What is broken ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Every image that is missing or damaged somewhere, out of so many objects compared."""

    broken: Sequence[Broken]
    compared: int
    reachable: Sequence[Destination]


def diagnose(
    parts: Parts,
    engine: Engine,
    manifest: Manifest,
    options: RepairOptions,
    findings: FindingLog,
    progress: Progress,
) -> Diagnosis:
    """Compare destinations and archive with the manifest; who cannot be asked is a finding."""
    broken: dict[str, Broken] = {}
    reachable = []
    compared = 0
    for target in parts.destinations:
        objects = manifest.objects
        held = compare_destination(target, objects, engine, progress, deep=options.deep)
        compared += held.compared
        if held.error is not None:
            findings.append(unreachable(target, held.error))
            continue
        reachable.append(target)
        for asset, state in _to_mend(held, manifest, findings):
            known = broken.get(asset.digest.hex, Broken(asset))
            one = replace(known, targets=(*known.targets, (target, state)))
            broken[asset.digest.hex] = one
    assets = list(manifest.assets.values())
    progress.stage("read the archive", len(assets), "originals")
    for asset, trouble in engine.map(partial(_look, parts), assets, _WORKERS):
        progress.advance(failed=trouble)
        if trouble:
            known = broken.get(asset.digest.hex, Broken(asset))
            broken[asset.digest.hex] = replace(known, in_archive=True)
    return Diagnosis([broken[digest] for digest in sorted(broken)], compared, reachable)


def _to_mend(
    held: Comparison, manifest: Manifest, findings: FindingLog
) -> Iterator[tuple[Asset, ObjectState]]:
    for one in held.differences:
        if one.state is ObjectState.UNCHECKED:
            findings.append(Finding(Rule.OBJECT_UNCHECKED, one.key, one.message))
        elif one.state is not ObjectState.EXTRA:
            yield manifest.by_key[one.key], one.state


def _look(parts: Parts, asset: Asset) -> tuple[Asset, bool]:
    return asset, verify_original(parts.archive, asset) is not None


# --- Good bytes -------------------------------------------------------------------------------


Find = Callable[[Broken], "GoodCopy | list[str]"]
"""Good bytes of an image, or why each place it was looked for has none."""


@dataclass(frozen=True, slots=True)
class Copies:
    """Finds good bytes in the archive, then in the destinations, in their order."""

    parts: Parts
    targets: Sequence[Destination]

    def __call__(self, broken: Broken) -> GoodCopy | list[str]:
        ill = {target.name for target, _ in broken.targets}
        well = [target for target in self.targets if target.name not in ill]
        return find_copy(self.parts.archive, well, broken.asset)


@dataclass(frozen=True, slots=True)
class Sources:
    """Finds good bytes where the image came from: as `sync` fetches, and only the same bytes."""

    origins: Origins
    locator: Locator
    ignored: Collection[Address]

    def __call__(self, broken: Broken) -> GoodCopy | list[str]:
        reasons = []
        for address in broken.asset.sources:
            located = self.locator.locate(Url(address))
            if located is None or address in self.ignored:
                why = "is listed under [[ignore]]" if located else "no [[source]] matches it"
                reasons.append(f"{address}: {why}")
                continue
            try:
                body = self.origins.read(located)
            except (FetchError, StoreError) as error:
                reasons.append(f"{address}: {error}")
                continue
            if body is not None and sha256(body.data).hexdigest() == broken.asset.digest.hex:
                return GoodCopy(body.data, address)
            reasons.append(f"{address}: gives another picture now")
        return reasons


# --- Putting it back --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Mended:
    """What became of a broken image. Without `is_found` nothing was written."""

    broken: Broken
    is_found: bool
    repairs: Sequence[Repair] = ()
    findings: Sequence[Finding] = ()
    reasons: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class MendJob:
    """Broken image in, put back whole wherever it was missing or damaged."""

    parts: Parts
    find: Find
    write: bool

    def __call__(self, broken: Broken) -> Mended:
        found = self.find(broken)
        if not isinstance(found, GoodCopy):
            return Mended(broken, False, reasons=found)
        repairs = []
        findings = []
        for place, put in self._writes(broken, found.data):
            try:
                if self.write:
                    put()
            except (ArchiveError, StoreError) as error:
                findings.append(Finding(Rule.NOT_REPAIRED, broken.subject, str(error)))
            else:
                repairs.append(Repair(place, broken.subject, found.origin))
        return Mended(broken, True, repairs, findings)

    def _writes(self, broken: Broken, data: bytes) -> Iterator[tuple[str, Callable[[], None]]]:
        asset = broken.asset
        blob = asset.blob
        if broken.in_archive:
            yield ARCHIVE, partial(self.parts.archive.put, blob, data)
        inline = not may_run_scripts(asset, self.parts.locator)
        for target, state in broken.targets:
            assert asset.key is not None  # noqa: S101  (only objects are in destinations)
            put = target.store.replace if state is ObjectState.DIFFERENT else target.store.put
            yield target.name, partial(put, asset.key, data, blob.media_type, inline=inline)


def _mend(
    parts: Parts,
    engine: Engine,
    diagnosis: Diagnosis,
    options: RepairOptions,
    progress: Progress,
) -> Iterator[Mended]:
    """Copies first; hosts are asked only for what no copy has."""
    write = not options.dry_run
    if diagnosis.broken:
        progress.stage("repair", len(diagnosis.broken), "images")
    copies = MendJob(parts, Copies(parts, diagnosis.reachable), write)
    left: dict[str, Mended] = {}
    for mended in engine.map(copies, diagnosis.broken, _WORKERS):
        if mended.is_found:
            progress.advance(failed=bool(mended.findings))
            yield mended
        else:
            left[mended.broken.asset.digest.hex] = mended
    if not left:
        return
    with open_origins(parts) as origins:
        sources = MendJob(parts, Sources(origins, parts.locator, parts.config.ignored), write)
        todo = [one.broken for one in left.values()]
        for mended in engine.map(sources, todo, parts.config.fetch.concurrency):
            progress.advance(failed=not mended.is_found)
            before = left[mended.broken.asset.digest.hex].reasons
            yield mended if mended.is_found else _given_up(mended, before)


def _given_up(mended: Mended, before: Sequence[str]) -> Mended:
    broken = mended.broken
    reasons = [*before, *mended.reasons] or ["it has no source"]
    message = (
        f"cannot be put back in {', '.join(broken.places)}: no place has bytes with SHA-256 "
        f"{broken.asset.digest} ({'; '.join(reasons)}). Put the file into the archive by hand, or "
        "take the line out of the manifest if the picture is lost"
    )
    return replace(mended, findings=[Finding(Rule.NOT_REPAIRED, broken.subject, message)])
