"""Write the images back under their original paths: `host/path` of every source.

Read in this order: `file_name` gives an address its path; `place_images` gives every image its
paths; `RestoreJob` writes one image; `restore` is the command.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from time import monotonic
from urllib.parse import quote

from mirror.archive import Archive, ArchiveError, UnreachableArchiveError
from mirror.destinations import Destination, unreachable
from mirror.engine import Engine
from mirror.files import Tree, explain, sweep
from mirror.manifest import Manifest
from mirror.model import Asset, Digest, Finding, Rule
from mirror.pipeline.copies import GoodCopy, NoCopy, find_copy
from mirror.pipeline.ownership import check_restore_folder
from mirror.pipeline.parts import Parts
from mirror.pipeline.progress import FindingLog, Progress, summary
from mirror.pipeline.verify_archive import archive_unreachable
from mirror.store import STORE_WORKERS, StoreError
from mirror.urls.address import Address, decoded_path, identity

# --- Names ------------------------------------------------------------------------------------

# Allowed in a name besides letters, digits and the signs of other scripts: a blank, and what RFC
# 3986 allows in a path without an escape, except `:` and `*`, which Windows refuses.
_SIGNS = frozenset("-._~!$&'()+,;=@ ")
# Windows reserves these names, with any extension and in any letter case:
# https://learn.microsoft.com/windows/win32/fileio/naming-a-file
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(?:\..*)?", re.IGNORECASE)
_EXTENSION = re.compile(r"(.+)(\.[0-9A-Za-z]{1,10})")
# Common limits of file systems: NAME_MAX of Linux, PATH_MAX of macOS.
_PART_BYTES, _NAME_BYTES = 255, 1024


def file_name(address: Address) -> str:
    """Return the path that a source is restored under: `host/path`, percent-decoded where safe.

    Every other character stays or gets percent-encoded. So no path leads out of the folder, no
    part is reserved on Windows or too long, and two addresses share a path only in rare cases,
    such as the two spellings of a query. A `%` that begins no escape stays: `100%25.png` becomes
    `100%.png`. A query goes before the extension: `a.png?w=1` becomes `a%3Fw=1.png`.
    """
    place, mark, query = identity(address).partition("?")
    *folders, last = place.split("/")
    match = _EXTENSION.fullmatch(last)
    stem, extension = match.groups() if match else (last, "")
    name = _encoded(decoded_path(stem)) + ("%3F" + _encoded(query) if mark else "") + extension
    parts = [*(_portable(_encoded(decoded_path(folder))) for folder in folders), _portable(name)]
    path = "/".join(parts)
    if len(path.encode()) > _NAME_BYTES:
        return f"{parts[0]}/~{_short_digest(path)}{extension}"
    return path


def _encoded(text: str) -> str:
    """Percent-encode each character that is not allowed in a name; `%` stays."""
    return "".join(c if c == "%" or _is_allowed(c) else quote(c, safe="") for c in text)


def _is_allowed(character: str) -> bool:
    if character.isascii():
        return character.isalnum() or character in _SIGNS
    # Letters, marks, numbers, punctuation and symbols; no controls, no blanks of other scripts.
    return unicodedata.category(character)[0] in "LMNPS"


def _portable(part: str) -> str:
    """Return a name that every file system takes, made of allowed characters."""
    if not part:
        return "%2F"  # between two slashes
    if part[-1] in ". ":
        part = f"{part[:-1]}%{ord(part[-1]):02X}"
    if _RESERVED.fullmatch(part):
        part = f"%{ord(part[0]):02X}{part[1:]}"
    if len(part.encode()) <= _PART_BYTES:
        return part
    match = _EXTENSION.fullmatch(part)
    end = f"~{_short_digest(part)}{match[2] if match else ''}"
    return part.encode()[: _PART_BYTES - len(end)].decode("utf-8", "ignore") + end


def _short_digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:16]


# --- The plan ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Placement:
    """An image, and its sources with the path that each is restored under."""

    asset: Asset
    names: tuple[tuple[Address, str], ...]


def place_images(assets: Iterable[Asset]) -> tuple[list[Placement], list[Finding]]:
    """Return where each image is restored, in the order of `assets`.

    A path that two different images share is a finding, and neither is restored there. So is a
    path that is a folder of another path; the file in that folder is restored.
    """
    sources: dict[str, list[tuple[Asset, Address]]] = {}
    assets = list(assets)
    former = {file_name(address) for asset in assets for address in asset.former_sources}
    for asset in assets:
        for address in asset.former_sources:
            sources.setdefault(file_name(address), []).append((asset, address))
        for address in asset.sources:
            name = file_name(address)
            if name in former:  # the old picture keeps the path, the new one stands beside it
                name = _beside(name, asset.digest)
            sources.setdefault(name, []).append((asset, address))
    files_below = {folder: name for name in sources for folder in _folders(name)}
    names: dict[Digest, list[tuple[Address, str]]] = {}
    placed: dict[Digest, Asset] = {}
    findings = []
    for name, sharers in sources.items():
        first, address = sharers[0]
        rival = next((other for asset, other in sharers if asset.digest != first.digest), None)
        message = ""
        if rival is not None:
            message = f"and {rival} would both be restored as {name!r}; neither was"
        elif name in files_below:
            _, inner = sources[files_below[name]][0]
            message = (
                f"would be restored as {name!r}, which is a folder of {inner}; "
                f"the archive has it under its SHA-256, {first.digest}"
            )
        if message:
            findings.append(Finding(Rule.NOT_RESTORED, address, message))
            continue
        for asset, source in sharers:
            names.setdefault(asset.digest, []).append((source, name))
            placed.setdefault(asset.digest, asset)
    return [Placement(asset, tuple(names[digest])) for digest, asset in placed.items()], findings


def _beside(name: str, digest: Digest) -> str:
    """Return a name beside `name`, told apart by the digest: `a~0123456789abcdef.png`."""
    folder, slash, file = name.rpartition("/")
    stem, dot, extension = file.rpartition(".")
    if not stem:  # `.a` and `a` have no extension
        stem, dot, extension = file, "", ""
    return f"{folder}{slash}{stem}~{digest.hex[:16]}{dot}{extension}"


def _folders(name: str) -> Iterator[str]:
    """Yield every folder that the file `name` is in, the nearest first."""
    while "/" in name:
        name = name.rpartition("/")[0]
        yield name


# --- One image --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FileCopy:
    """A source that has its file now. `origin` is `None` if the file was there before."""

    source: Address
    name: str
    size: int
    origin: str | None


@dataclass(frozen=True, slots=True)
class Original:
    """The image's own bytes."""

    copy: GoodCopy


@dataclass(frozen=True, slots=True)
class Substitute:
    """The bytes of `canonical`, which stands for the image.

    `reasons` say why the image has none of its own; with `is_unread` it may have.
    """

    copy: GoodCopy
    canonical: Asset
    reasons: str
    is_unread: bool


@dataclass(frozen=True, slots=True)
class OriginalFinder:
    """Finds the bytes of an image in the archive, or else in the destinations in their order.

    `closed` collects the places that refuse everything: what is said of an image only names them.
    """

    archive: Archive
    destinations: Sequence[Destination]
    manifest: Manifest
    closed: dict[str, ArchiveError | StoreError] = field(default_factory=dict)

    def __call__(self, asset: Asset) -> Original | Substitute | str:
        """Return the bytes, or those of the picture that stands for it; or why there are none."""
        copy = find_copy(self.archive, self.destinations, asset)
        if isinstance(copy, GoodCopy):
            return Original(copy)
        canonical = self.manifest.shown_for(asset)
        has = "could be read with" if copy.is_unread else "has"
        reason = f"no copy {has} SHA-256 {asset.digest} ({self._reasons(copy)})"
        if canonical is asset:
            return reason if copy.is_unread else f"{reason}; see `mirror repair`"
        other = find_copy(self.archive, self.destinations, canonical)
        if isinstance(other, GoodCopy):
            return Substitute(other, canonical, self._reasons(copy), is_unread=copy.is_unread)
        reasons = self._reasons(other)
        return f"{reason}, nor that of {canonical.digest}, which stands for it ({reasons})"

    def _reasons(self, copy: NoCopy) -> str:
        self.closed.update(copy.closed)
        short = {str(error): f"{name} refuses" for name, error in copy.closed.items()}
        return "; ".join(short.get(reason, reason) for reason in copy.reasons)

    def closed_places(self) -> Iterator[Finding]:
        """Yield a finding for each place that refused everything, if an image was missed for it."""
        for name, error in self.closed.items():
            if isinstance(error, UnreachableArchiveError):
                yield archive_unreachable(error)
            elif isinstance(error, StoreError):
                destination = next(item for item in self.destinations if item.name == name)
                yield unreachable(destination, error)


@dataclass(frozen=True, slots=True)
class RestoreJob:
    """Take a placement and write its files. A file with other bytes is never replaced."""

    find: OriginalFinder
    tree: Tree

    def __call__(self, placement: Placement) -> list[FileCopy | Finding]:
        asset = placement.asset
        results: list[FileCopy | Finding] = []
        missing = []
        for address, name in placement.names:
            if self._is_there(name, asset):
                results.append(FileCopy(address, name, asset.blob.size, None))
            else:
                missing.append((address, name))
        if not missing:
            return results
        match = self.find(asset)
        if isinstance(match, str):
            return [*results, *(Finding(Rule.NOT_RESTORED, a, match) for a, _ in missing)]
        for address, name in missing:
            results.append(self._write(address, name, match.copy))
            if isinstance(match, Substitute) and isinstance(results[-1], FileCopy):
                results.append(_restored_from_repeat(address, name, match))
        return results

    def _is_there(self, name: str, asset: Asset) -> bool:
        with suppress(OSError):
            if self.tree.size(_on_disk(name)) == asset.blob.size:
                data = self.tree.read(_on_disk(name), asset.blob.size + 1)
                return sha256(data).hexdigest() == asset.digest.hex
        return False

    def _write(self, address: Address, name: str, copy: GoodCopy) -> FileCopy | Finding:
        try:
            is_new = self.tree.create(_on_disk(name), copy.data)
            if is_new or self.tree.read(_on_disk(name), len(copy.data) + 1) == copy.data:
                return FileCopy(address, name, len(copy.data), copy.origin if is_new else None)
        except OSError as error:
            return Finding(Rule.NOT_RESTORED, address, f"as {name!r}: {explain(error)}")
        message = (
            f"{name!r} is there with other bytes and stays; move it away, or restore elsewhere"
        )
        return Finding(Rule.NOT_RESTORED, address, message)


def _on_disk(name: str) -> str:
    """Return the name that is UTF-8 on the disk, also where the locale knows ASCII only."""
    return os.fsdecode(name.encode())


def _restored_from_repeat(address: Address, name: str, substitute: Substitute) -> Finding:
    canonical = substitute.canonical
    rest = (
        f"{name!r} holds the same picture from "
        f"{canonical.sources[0] if canonical.sources else canonical.digest}, which stands for it "
        "in posts"
    )
    if substitute.is_unread:
        message = (
            f"its own bytes could not be read ({substitute.reasons}); {rest}; put that right, "
            "remove the file and run again"
        )
        return Finding(Rule.NOT_RESTORED, address, message)
    return Finding(Rule.REPEAT_RESTORED, address, f"its own bytes are nowhere any more; {rest}")


# --- The command ------------------------------------------------------------------------------


@dataclass(slots=True)
class RestoreResult:
    summary: dict[str, int | float]
    findings: Sequence[Finding]


def restore(parts: Parts, engine: Engine, folder: Path, progress: Progress) -> RestoreResult:
    """Write every source of the manifest into `folder`.

    Temporary files that a killed run left there are removed. Raise `ConfigError` for a path that
    is no folder, or a folder that commands write to; `ManifestError` for the manifest.
    """
    started = monotonic()
    check_restore_folder(folder, parts.config.root, parts.folders)
    parts.manifest.need()
    manifest, _ = parts.manifest.load()
    placements, clashes = place_images(manifest.assets.values())
    findings = FindingLog(progress.finding, clashes)
    sweep_hosts(folder, placements)
    counts = {"assets": len(manifest.assets), "restored": 0, "unchanged": 0, "bytes": 0}
    find = OriginalFinder(parts.archive, parts.destinations, manifest)
    job = RestoreJob(find, Tree(folder))
    progress.stage("restore", len(placements), "images")
    for results in engine.map(job, placements, STORE_WORKERS):
        copies = list(findings.sift(results))
        progress.advance(size=sum(copy.size for copy in copies if copy.origin is not None))
        for copy in copies:
            if copy.origin is None:
                counts["unchanged"] += 1
                continue
            counts["restored"] += 1
            counts["bytes"] += copy.size
            members = {"source": copy.source, "path": copy.name, "from": copy.origin}
            progress.event("restored", **members)
    findings.extend(find.closed_places())
    return RestoreResult(summary(counts, findings, started), findings)


def sweep_hosts(folder: Path, placements: Iterable[Placement]) -> None:
    """Remove the temporary files that killed runs left in the folders of hosts.

    The rest of `folder` may be large and is not looked at. A link is not followed.
    """
    hosts = {name.partition("/")[0] for placement in placements for _, name in placement.names}
    for path in (folder / _on_disk(host) for host in sorted(hosts)):
        if not path.is_symlink():
            sweep(path)
