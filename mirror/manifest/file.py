"""The manifest on the disk: loaded whole, streamed, or a part of it selected."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import TypeVar

from mirror.files import Checksum, explain, opened
from mirror.manifest.assets import Assets, Rows
from mirror.manifest.lines import ManifestError, line_error, parse, select, united
from mirror.manifest.packed import LateKeyError, Objects, read_rows
from mirror.manifest.whole import FILE_NAME, Manifest, dump_lines, read_manifest
from mirror.model import Asset, Digest
from mirror.records import save_pieces

T = TypeVar("T")
_LINES_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class ManifestFile:
    """The file that holds the manifest."""

    path: Path

    @classmethod
    def below(cls, folder: Path) -> ManifestFile:
        """Return the manifest in a folder, the `[manifest].path` of a configuration."""
        return cls(folder / FILE_NAME)

    def exists(self) -> bool:
        return self.path.exists()

    def need(self) -> None:
        """Raise `ManifestError` if there is no file, instead of doing nothing without a word."""
        if not self.exists():
            raise ManifestError(
                f"{self.path}: there is no manifest; `mirror sync` writes it, and it "
                "belongs into version control: bring it back from there if it was lost"
            )

    def load(self) -> tuple[Manifest, Checksum | None]:
        """Return the manifest and the checksum of its file; empty and `None` without a file.

        Raise `ManifestError` that names the file and the line.
        """
        digest = sha256()

        def read() -> Iterator[str]:
            nonlocal digest
            digest = sha256()
            return self._lines(digest.update)

        try:
            manifest = read_manifest(read)
        except ManifestError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                return Manifest(), None
            raise ManifestError(f"{self.path}: {error}") from error
        return manifest, Checksum(digest.digest())

    def save(self, manifest: Manifest, old: Checksum | None) -> None:
        """Write the manifest whole, unless the file holds it already.

        `old` is the checksum that `load` returned. Raise `StateError` if somebody else wrote the
        file since.
        """
        save_pieces(self.path, lambda: _encoded(dump_lines(manifest)), old)

    def stream_assets(self) -> Iterator[Asset]:
        """Yield all assets, one by one; lines are not checked against each other."""
        return (asset for _, asset in self.numbered())

    def numbered(self) -> Iterator[tuple[int, Asset]]:
        """Yield the number of each line and its asset."""
        return self._naming_path(parse(self._lines()))

    def stream_objects(self) -> Objects:
        """Return the objects that destinations should hold, packed, read as they are asked for.

        Reading raises `ManifestError`.
        """
        return Objects(self._naming_path(read_rows(self._lines)))

    def load_objects(self) -> Objects:
        """Return the objects that destinations should hold, packed, all of them read."""
        objects = self.stream_objects()
        try:
            len(objects)
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
        for line in self._naming_path(select(self._lines(), keys, sources, digests)):
            rows.append(line)
        if rows.is_sorted:
            return Assets(rows)
        by_digest: dict[Digest, Asset] = {}  # lines that a merge left may be of the same bytes
        for asset in map(rows.asset, range(len(rows))):
            first = by_digest.get(asset.digest)
            by_digest[asset.digest] = asset if first is None else united(first, asset) or asset
        return Assets(changed=by_digest)

    def _lines(self, report: Callable[[bytes], object] = bytes) -> Iterator[str]:
        """Yield the lines without their ends; `report` is given the bytes of each line."""
        try:
            with opened(self.path) as file:
                for number, raw in enumerate(file, 1):
                    report(raw)
                    try:
                        text = raw.decode("utf-8")
                    except UnicodeDecodeError as error:
                        raise line_error(number, str(error)) from error
                    yield text.removesuffix("\n")
        except OSError as error:
            raise ManifestError(f"cannot be read: {explain(error)}") from error

    def _naming_path(self, items: Iterable[T]) -> Iterator[T]:
        """Yield `items`; the `ManifestError` that they raise names the file."""
        try:
            yield from items
        except ManifestError as error:
            raise ManifestError(f"{self.path}: {error}") from error


def _encoded(lines: Iterable[str]) -> Iterator[bytes]:
    """Yield the lines in pieces of some size: each piece is one write."""
    lines = iter(lines)
    while piece := "".join(islice(lines, _LINES_AT_ONCE)):
        yield piece.encode("utf-8")
