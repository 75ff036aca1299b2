"""The difference between the manifest and the archive: originals, and where they came from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

from mirror.amounts import count_text
from mirror.archive import (
    SOURCES,
    Archive,
    ArchiveError,
    MissingError,
    SourceRecord,
    UnreachableArchiveError,
    UnreadableError,
)
from mirror.engine import Engine
from mirror.manifest import ManifestFile
from mirror.model import Asset, Blob, Finding, Layer, Rule
from mirror.pipeline.progress import FindingLog, LayerCheck, Progress
from mirror.pipeline.source_proof import SourceProof
from mirror.repeats.reviews import Reviews
from mirror.urls.sources import Locator


def check_archive(
    archive: Archive,
    assets: Callable[[], Iterator[Asset]],
    total: int | None,
    more_findings: Iterable[Finding],
    engine: Engine,
    progress: Progress,
) -> LayerCheck:
    """Read the originals of `assets`, which are `total` in number if that is known.

    `assets` is called each time that they are gone through. `more_findings` are those of
    `verify_others` and `verify_sources`; they are drawn once the originals were read.
    """
    progress.stage("read the archive", total, "originals")
    findings, count = FindingLog(progress.finding), 0
    job, readers = partial(verify_original, archive), archive.store.readers
    try:
        with closing(engine.map(job, assets(), readers)) as results:
            for finding in results:
                count += 1
                progress.advance(failed=finding is not None)
                findings.extend(() if finding is None else (finding,))
    except UnreachableArchiveError as error:
        findings.append(archive_unreachable(error))
        return LayerCheck(Layer("archive", (), findings), {"originals": count})
    absent = {finding.subject for finding in findings if finding.rule is not Rule.ARCHIVE_DAMAGED}
    originals = (asset.blob for asset in assets() if asset.digest.hex not in absent)
    if (unlisted := verify_lists(archive, originals)) is not None:
        findings.append(unlisted)
    findings.extend(more_findings)
    layer = Layer("archive", (asset.digest.hex for asset in assets()), findings)
    return LayerCheck(layer, {"originals": count})


def verify_lists(archive: Archive, originals: Iterable[Blob]) -> Finding | None:
    """Return a finding unless the lists of the archive name these originals, which it holds."""
    try:
        lack = archive.check_lists(originals)
    except ArchiveError as error:
        return Finding(Rule.ARCHIVE_UNCHECKED, "archive", str(error))
    if lack is None:
        return None
    message = (
        f"{archive.place}: {lack}, so `sha256sum -c` does not prove that nothing is lost; "
        "`mirror repair` writes the lists anew"
    )
    return Finding(Rule.ARCHIVE_UNLISTED, "archive", message)


def verify_others(
    archive: Archive, assets: Callable[[], Iterator[Asset]], engine: Engine
) -> Iterator[Finding]:
    """Yield a finding for each file of the bag that is gone or damaged and is none of `assets`.

    Another branch may need it, or another site that shares the archive.
    """
    try:
        others = archive.others(asset.blob for asset in assets())
        job = partial(_verify_other, archive)
        with closing(engine.map(job, others, archive.store.readers)) as results:
            yield from filter(None, results)
    except UnreachableArchiveError as error:
        yield archive_unreachable(error)
    except ArchiveError as error:
        yield Finding(Rule.ARCHIVE_UNCHECKED, "archive", str(error))


def _verify_other(archive: Archive, other: tuple[str, str]) -> Finding | None:
    try:
        archive.check_other(*other)
    except UnreachableArchiveError:
        raise
    except UnreadableError as error:
        return Finding(Rule.ARCHIVE_UNCHECKED, other[0], str(error))
    except ArchiveError as error:
        is_gone = isinstance(error, MissingError)
        message = (
            f"{error}. No line of the manifest names it: put it back from another copy of the "
            f"archive, or {'' if is_gone else 'remove it, and '}let `mirror repair` write the "
            "lists without it"
        )
        return Finding(Rule.ARCHIVE_MISSING if is_gone else Rule.ARCHIVE_DAMAGED, other[0], message)
    return None


def verify_sources(
    archive: Archive, manifest: ManifestFile, reviews: Reviews, locator: Locator
) -> Iterator[Finding]:
    """Yield what the record of sources lacks, and each address that gave another picture here."""
    try:
        record = archive.source_record()
        lack = find_unrecorded(archive, record, (asset for _, asset in manifest.numbered()))
    except ArchiveError as error:
        yield Finding(Rule.ARCHIVE_UNCHECKED, SOURCES, str(error))
        return
    if lack is not None:
        message = (
            f"{archive.place}: {lack}, so it does not prove which address gave an original; "
            "`mirror repair` adds what the manifest says"
        )
        yield Finding(Rule.ARCHIVE_UNLISTED, SOURCES, message)
    proof = SourceProof(record, reviews, locator)
    for (file, number), asset in manifest.numbered():
        for address in asset.sources:
            if proof.is_doubtful(address, asset):
                message = (
                    f"line {number} of {Path(file).name} has it for picture {asset.digest}, which "
                    "never came from it here; `mirror sync` asks its host when a post names it"
                )
                yield Finding(Rule.SOURCE_MOVED, address, message)


def find_unrecorded(archive: Archive, record: SourceRecord, assets: Iterable[Asset]) -> str | None:
    """Return what the record lacks of the originals that the archive holds; `None` if nothing.

    Raise `ArchiveError`.
    """
    with_source = (asset for asset in assets if asset.sources)
    if record.is_empty:
        has_any = any(True for _ in with_source) and any(True for _ in archive.digests())
        return f"{SOURCES} is missing, or names no original" if has_any else None
    lacking = archive.holding(
        asset.blob
        for asset in with_source
        if not any(record.has_word_on(address, asset.digest) for address in asset.sources)
    )
    return f"{SOURCES} lacks {count_text(len(lacking), 'original')}" if lacking else None


def archive_unreachable(error: UnreachableArchiveError) -> Finding:
    """Return the finding that stands for all originals that were not read."""
    message = f"{str(error).removeprefix('archive: ')}; not every original was read"
    return Finding(Rule.ARCHIVE_UNCHECKED, "archive", message)


def verify_original(archive: Archive, asset: Asset) -> Finding | None:
    """Return a finding for an original that the archive lacks, or has otherwise; else `None`.

    Raise `UnreachableArchiveError` for what the next one would meet too.
    """
    try:
        archive.check(asset.blob)
    except MissingError:
        message = "is not in the archive with its size; `mirror repair` fetches it"
        return Finding(Rule.ARCHIVE_MISSING, asset.digest.hex, message)
    except UnreachableArchiveError:
        raise
    except UnreadableError as error:
        return Finding(Rule.ARCHIVE_UNCHECKED, asset.digest.hex, str(error))
    except ArchiveError as error:
        return Finding(Rule.ARCHIVE_DAMAGED, asset.digest.hex, f"{error}; `mirror repair` heals it")
    return None
