"""The manifest on the disk: loaded whole, streamed, or a part of it selected."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from itertools import groupby
from pathlib import Path
from typing import Any

from mirror.files import ChangedError, Checksum, Tree
from mirror.manifest.assets import Assets, Rows
from mirror.manifest.layout import (
    FILE_NAME,
    FOLDER,
    JOIN_SHARE,
    PARTS,
    PENDING,
    SPLIT_BYTES,
    Change,
    Checksums,
    FilesInMemory,
    Reader,
    dump_pending,
    names_after,
    part_of,
)
from mirror.manifest.lines import (
    HEADER_TEXT,
    Line,
    LinePlace,
    ManifestError,
    dump_line,
    select,
    united,
)
from mirror.manifest.packed import LateKeyError, Objects, read_rows
from mirror.manifest.whole import Manifest, dump_assets, read_manifest
from mirror.model import Asset, Digest, Finding, Rule
from mirror.records import StateError, changed_meanwhile, encoded_pieces, unwritable


@dataclass(frozen=True, slots=True)
class ManifestFile:
    """The manifest in a folder: one file, or parts once it has more than `split_bytes`.

    The folder is the `[manifest].path` of a configuration.
    """

    folder: Path
    split_bytes: int = SPLIT_BYTES

    @property
    def path(self) -> Path:
        """The first file of the manifest; a finding that has no line is placed there."""
        has_parts = not (self.folder / FILE_NAME).exists() and (self.folder / PARTS[0]).exists()
        return self.folder / (PARTS[0] if has_parts else FILE_NAME)

    def exists(self) -> bool:
        return bool(self._reader.state())

    def need(self) -> None:
        """Raise `ManifestError` if there is no manifest, so that no command passes without one."""
        if not self.exists():
            raise ManifestError(
                f"{self.path}: there is no manifest; `mirror sync` writes it, and it "
                "belongs into version control: bring it back from there if it was lost"
            )

    def load(self) -> tuple[Manifest, Checksums]:
        """Return the manifest and the checksums of its files; empty without a file.

        Raise `ManifestError` that names the file and the line.
        """
        reader = self._reader
        digests = defaultdict[str, Any](sha256)

        def read() -> Iterator[tuple[LinePlace, Line]]:
            digests.clear()
            return reader.lines(lambda name, raw: digests[name].update(raw))

        manifest = read_manifest(read)
        checksums = {name: Checksum(digest.digest()) for name, digest in digests.items()}
        if PENDING in checksums:  # the files that it replaces were not read
            checksums = {**reader.checksums(), **checksums}
        return manifest, checksums

    def load_texts(self, read: Callable[[Path], str], names: Iterable[str]) -> Manifest:
        """Return the manifest of the files `names`, whose texts `read` returns, as `load`."""
        files = FilesInMemory({name: read(self.folder / name) for name in names})
        return read_manifest(Reader(files, self.folder).lines)

    def save(self, manifest: Manifest, old: Checksums) -> list[Finding]:
        """Write the files that change, so that at any moment all read as before or as after.

        `old` are the checksums that `load` returned. Raise `StateError` if somebody else wrote a
        file since, or if one cannot be written. Return a note if the manifest now stands in parts,
        or no longer does.
        """
        contents = _Contents.of(manifest)
        if old == {FILE_NAME: contents.whole}:
            return []
        had_parts = any(name in old for name in PARTS)
        limit = self.split_bytes // JOIN_SHARE if had_parts else self.split_bytes
        has_parts = contents.size > limit
        new = contents.parts if has_parts else {FILE_NAME: contents.whole}
        changes = {
            name: (old.get(name), new.get(name))
            for name in (FILE_NAME, *PARTS)
            if old.get(name) != new.get(name)
        }
        if not changes and PENDING not in old:
            return []
        self._check_unchanged(old)
        if len(changes) > 1 or PENDING in old:
            self._write(PENDING, _pending_lines(manifest, changes), old.get(PENDING))
            self._write_files(manifest, changes)
            self._remove([PENDING])
        else:
            self._write_files(manifest, changes)
        if had_parts and not has_parts:
            with suppress(OSError):  # it may hold files of others
                (self.folder / FOLDER).rmdir()
        if has_parts == had_parts:
            return []
        place = f"{FOLDER}/00.jsonl to ff.jsonl" if has_parts else FILE_NAME
        size = f"{contents.size / 1e6:,.0f} MB"
        message = f"the manifest has {size} and stands in {place} from now on"
        return [Finding(Rule.MANIFEST_FILES, "manifest", message)]

    def stream_assets(self) -> Iterator[Asset]:
        """Yield all assets, one by one; lines are not checked against each other."""
        return (asset for _, asset in self.numbered())

    def numbered(self) -> Iterator[tuple[LinePlace, Asset]]:
        """Yield the place of each line and its asset."""
        return ((place, line.asset()) for place, line in self._reader.lines())

    def stream_objects(self) -> Objects:
        """Return the objects that destinations should hold, packed, read as they are asked for.

        Reading raises `ManifestError`.
        """
        return Objects(read_rows(self._reader.lines))

    def load_objects(self) -> Objects:
        """Return the objects that destinations should hold, packed, all of them read."""
        objects = self.stream_objects()
        try:
            objects.read_all()
        except LateKeyError:
            objects = self.load()[0].objects
        return objects

    def select(self, keys: Container[str], sources: Container[str]) -> Manifest:
        """Return the assets with these keys and sources, and those that stand for them."""
        assets = self._select(keys, sources)
        aliases = {asset.alias_of for asset in assets.repeats()}
        digests = {digest.hex for digest in aliases if digest and digest not in assets}
        if digests:
            assets = assets.replacing(dict(self._select(digests=digests)))
        return Manifest(assets)

    def _select(
        self,
        keys: Container[str] = (),
        sources: Container[str] = (),
        digests: Container[str] = (),
    ) -> Assets:
        rows = Rows()
        lines = (line for _, line in self._reader.lines())
        for line in select(lines, keys, sources, digests):
            rows.append(line)
        if rows.is_sorted:
            return Assets(rows)
        by_digest: dict[Digest, Asset] = {}  # lines that a merge left may be of the same bytes
        for asset in map(rows.asset, range(len(rows))):
            first = by_digest.get(asset.digest)
            whole = None if first is None else united(first, asset)
            by_digest[asset.digest] = whole or asset
        return Assets(changed=by_digest)

    @property
    def _reader(self) -> Reader:
        return Reader.on_disk(self.folder)

    def _check_unchanged(self, old: Checksums) -> None:
        """Raise `StateError` unless the files are those of `old`, with the same contents."""
        try:
            now = self._reader.checksums()
        except ManifestError as error:
            raise StateError(str(error)) from error
        for name in sorted({*old, *now}):
            if old.get(name) != now.get(name):
                raise changed_meanwhile(self.folder / name)

    def _write_files(self, manifest: Manifest, changes: Mapping[str, Change]) -> None:
        for name, assets in _files_of(manifest, changes):
            self._write(name, dump_assets(assets), changes[name][0])
        self._remove(name for name, (_, new) in changes.items() if new is None)

    def _write(self, name: str, lines: Iterable[str], expected: Checksum | None) -> None:
        path = self.folder / name
        try:
            Tree(self.folder).replace(name, encoded_pieces(lines), expected=expected)
        except ChangedError as error:
            raise changed_meanwhile(path) from error
        except OSError as error:
            raise unwritable(path, error) from error

    def _remove(self, names: Iterable[str]) -> None:
        for name in names:
            try:
                Tree(self.folder).remove(name)
            except OSError as error:
                raise unwritable(self.folder / name, error) from error


@dataclass(frozen=True, slots=True)
class _Contents:
    """The size in bytes of a manifest in one file, and its checksums in one file and in parts."""

    size: int
    whole: Checksum
    parts: Checksums

    @classmethod
    def of(cls, manifest: Manifest) -> _Contents:
        header = f"{HEADER_TEXT}\n".encode()
        whole, size = sha256(header), len(header)
        parts = {}
        for name, assets in _by_part(manifest.assets.in_order()):
            part = sha256(header)
            for piece in encoded_pieces(dump_line(asset) + "\n" for asset in assets):
                part.update(piece)
                whole.update(piece)
                size += len(piece)
            parts[name] = Checksum(part.digest())
        return cls(size, Checksum(whole.digest()), parts)


def _by_part(assets: Iterable[Asset]) -> Iterator[tuple[str, Iterator[Asset]]]:
    """Yield every part and its assets; a part may have none. `assets` come in order of digests."""
    groups = groupby(assets, lambda asset: part_of(asset.digest.hex))
    ahead = next(groups, None)
    for name in PARTS:
        if ahead is not None and ahead[0] == name:
            yield ahead
            ahead = next(groups, None)
        else:
            yield name, iter(())


def _files_of(
    manifest: Manifest, changes: Mapping[str, Change]
) -> Iterator[tuple[str, Iterator[Asset]]]:
    """Yield the files that there are after the changes, each with its assets."""
    written = names_after(changes)
    if FILE_NAME in written:
        yield FILE_NAME, manifest.assets.in_order()
    elif written:
        parts = _by_part(manifest.assets.in_order())
        yield from ((name, assets) for name, assets in parts if name in written)


def _pending_lines(manifest: Manifest, changes: Mapping[str, Change]) -> Iterator[str]:
    yield dump_pending(changes) + "\n"
    for _, assets in _files_of(manifest, changes):
        yield from (dump_line(asset) + "\n" for asset in assets)
