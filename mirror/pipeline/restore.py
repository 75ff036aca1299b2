"""The images, written back under their original paths: `host/path` of every source."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from time import monotonic
from urllib.parse import quote, unquote

from mirror.config import ConfigError
from mirror.engine import Engine
from mirror.files import Tree, explain
from mirror.manifest import Manifest
from mirror.model import Asset, Finding, Rule
from mirror.pipeline.copies import GoodCopy, find_copy
from mirror.pipeline.ownership import folders
from mirror.pipeline.parts import Parts
from mirror.pipeline.progress import FindingLog, Progress, summary
from mirror.urls.address import Address, identity

_WORKERS = 8

# --- Names ------------------------------------------------------------------------------------

# Besides letters, digits and the signs of other scripts: what a URL may spell without an escape,
# less `:` and `*`, which Windows refuses, and a blank.
_SIGNS = frozenset("-._~!$&'()+,;=@ ")
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(?:\..*)?", re.IGNORECASE)
_EXTENSION = re.compile(r"(.+)(\.[0-9A-Za-z]{1,10})")
_PART_BYTES, _NAME_BYTES = 255, 1024


def file_name(address: Address) -> str:
    """Where a source is restored: `host/path`, percent-decoded where that is safe.

    Everything else stays or gets percent-encoded, so nothing leads out of the folder, no part is
    reserved on Windows or too long, and hardly ever do two addresses share a name. A query goes
    before the extension: `a.png?w=1` becomes `a%3Fw=1.png`.
    """
    place, mark, query = identity(address).partition("?")
    *folders, last = place.split("/")
    match = _EXTENSION.fullmatch(last)
    stem, extension = match.groups() if match else (last, "")
    name = _decoded(stem) + ("%3F" + _allowed(query, "%") if mark else "") + extension
    parts = [*(_safe(_decoded(folder)) for folder in folders), _safe(name)]
    path = "/".join(parts)
    if len(path.encode()) > _NAME_BYTES:
        return f"{parts[0]}/~{_short_digest(path)}{extension}"
    return path


def _decoded(part: str) -> str:
    """A part of a path as text; escapes that are no UTF-8, such as old GBK names, stay."""
    try:
        return _allowed(unquote(part, errors="strict"))
    except UnicodeDecodeError:
        return _allowed(part, "%")


def _allowed(text: str, also: str = "") -> str:
    return "".join(c if _is_allowed(c) or c in also else quote(c, safe="") for c in text)


def _is_allowed(character: str) -> bool:
    if character.isascii():
        return character.isalnum() or character in _SIGNS
    return unicodedata.category(character)[0] in "LMNPS"


def _safe(part: str) -> str:
    """A name every file system takes, out of allowed characters."""
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
class Wanted:
    """An image, and where it goes: sources and their names."""

    asset: Asset
    names: tuple[tuple[Address, str], ...]


def plan(manifest: Manifest) -> tuple[list[Wanted], list[Finding]]:
    """What goes where. Of two images that would share a name, neither gets it: both are named."""
    owners: dict[str, list[tuple[Asset, Address]]] = {}
    for asset in manifest.assets.values():
        for address in asset.sources:
            owners.setdefault(file_name(address), []).append((asset, address))
    folders = {folder: name for name in owners for folder in _folders(name)}
    names: dict[str, list[tuple[Address, str]]] = {}
    findings = []
    for name, found in owners.items():
        other = next((a for asset, a in found if asset.digest != found[0][0].digest), None)
        if name in folders and other is None:
            other = owners[folders[name]][0][1]
        if other is not None:
            message = f"and {other} would both be restored as {name!r}; neither was"
            findings.append(Finding(Rule.NOT_RESTORED, found[0][1], message))
            continue
        for asset, address in found:
            names.setdefault(asset.digest.hex, []).append((address, name))
    assets = manifest.assets.values()
    wanted = [Wanted(a, tuple(names[a.digest.hex])) for a in assets if a.digest.hex in names]
    return wanted, findings


def _folders(name: str) -> Iterator[str]:
    while "/" in name:
        name = name.rpartition("/")[0]
        yield name


# --- One image --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Written:
    """A source that stands under its name now. `origin` is `None` if it stood there before."""

    source: Address
    name: str
    size: int
    origin: str | None


@dataclass(frozen=True, slots=True)
class RestoreJob:
    """Image in, files out, never in place of other bytes."""

    parts: Parts
    manifest: Manifest
    tree: Tree

    def __call__(self, wanted: Wanted) -> list[Written | Finding]:
        asset = wanted.asset
        results: list[Written | Finding] = []
        todo = []
        for address, name in wanted.names:
            if self._is_there(name, asset):
                results.append(Written(address, name, asset.blob.size, None))
            else:
                todo.append((address, name))
        if not todo:
            return results
        found = self._bytes(asset)
        if isinstance(found, str):
            return [*results, *(Finding(Rule.NOT_RESTORED, a, found) for a, _ in todo)]
        copy, shown = found
        for address, name in todo:
            results.append(self._write(address, name, copy))
            if shown is not None and isinstance(results[-1], Written):
                results.append(_from_repeat(address, name, shown))
        return results

    def _is_there(self, name: str, asset: Asset) -> bool:
        with suppress(OSError):
            if self.tree.size(_on_disk(name)) == asset.blob.size:
                return sha256(self.tree.read(_on_disk(name))).hexdigest() == asset.digest.hex
        return False

    def _bytes(self, asset: Asset) -> tuple[GoodCopy, Asset | None] | str:
        """The original; else that of the picture that stands for it; else why there is none."""
        found = find_copy(self.parts.archive, self.parts.destinations, asset)
        if isinstance(found, GoodCopy):
            return found, None
        shown = self.manifest.shown_for(asset)
        why = f"no copy has SHA-256 {asset.digest} ({'; '.join(found)})"
        if shown is asset:
            return f"{why}; see `mirror repair`"
        other = find_copy(self.parts.archive, self.parts.destinations, shown)
        if isinstance(other, GoodCopy):
            return other, shown
        return f"{why}, nor that of {shown.digest}, which stands for it ({'; '.join(other)})"

    def _write(self, address: Address, name: str, found: GoodCopy) -> Written | Finding:
        try:
            is_new = self.tree.create(_on_disk(name), found.data)
            if is_new or self.tree.read(_on_disk(name)) == found.data:
                return Written(address, name, len(found.data), found.origin if is_new else None)
        except OSError as error:
            return Finding(Rule.NOT_RESTORED, address, f"as {name!r}: {explain(error)}")
        message = (
            f"{name!r} is there with other bytes and stays; move it away, or restore elsewhere"
        )
        return Finding(Rule.NOT_RESTORED, address, message)


def _on_disk(name: str) -> str:
    """The name that is UTF-8 on the disk, also where the locale knows ASCII only."""
    return os.fsdecode(name.encode())


def _from_repeat(address: Address, name: str, shown: Asset) -> Finding:
    message = (
        f"its own bytes are nowhere any more; {name!r} holds the same picture from "
        f"{shown.sources[0] if shown.sources else shown.digest}, which stands for it in posts"
    )
    return Finding(Rule.REPEAT_RESTORED, address, message)


# --- The command ------------------------------------------------------------------------------


@dataclass(slots=True)
class RestoreResult:
    summary: dict[str, int | float]
    findings: Sequence[Finding]


def restore(parts: Parts, engine: Engine, folder: Path, progress: Progress) -> RestoreResult:
    """Write every source of the manifest into `folder`.

    Raise `ConfigError` for a folder that is none, or one of ours.
    """
    started = monotonic()
    _check_folder(parts, folder)
    parts.manifest.need()
    manifest, _ = parts.manifest.load()
    wanted, clashes = plan(manifest)
    findings = FindingLog(progress.finding, clashes)
    counts = {"assets": len(manifest.assets), "restored": 0, "unchanged": 0, "bytes": 0}
    progress.stage("restore", len(wanted), "images")
    for results in engine.map(RestoreJob(parts, manifest, Tree(folder)), wanted, _WORKERS):
        written = list(findings.sift(results))
        progress.advance(size=sum(one.size for one in written if one.origin is not None))
        for one in written:
            if one.origin is None:
                counts["unchanged"] += 1
                continue
            counts["restored"] += 1
            counts["bytes"] += one.size
            members = {"source": one.source, "path": one.name, "from": one.origin}
            progress.event("restored", **members)
    return RestoreResult(summary(counts, findings, started), findings)


def _check_folder(parts: Parts, folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder}: is no folder; name one to restore into, it may be new")
    for name, path in folders(parts).items():
        if folder.resolve().is_relative_to(path):
            raise ConfigError(f"{folder}: belongs to {name} ({path}); restore into another folder")
