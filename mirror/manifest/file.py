"""The manifest on the disk: loaded whole, streamed, or a part of it selected."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path
from typing import TypeVar

from mirror.files import opened
from mirror.manifest.lines import ManifestError, parse, select, united
from mirror.manifest.packed import LateKeyError, Objects, read_rows
from mirror.manifest.whole import FILE_NAME, Manifest, dumps, loads
from mirror.model import Asset, Digest
from mirror.records import Record, RecordError

T = TypeVar("T")


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

    def load(self) -> tuple[Manifest, bytes | None]:
        """Return the manifest and the bytes it was read from; empty and `None` without a file.

        Raise `ManifestError` that names the file and the line.
        """
        try:
            return self._record.load()
        except ManifestError:
            raise
        except RecordError as error:
            raise ManifestError(str(error)) from error

    def save(self, manifest: Manifest, old: bytes | None) -> None:
        """Write the manifest whole, unless it is the same as `old`, the bytes that `load` returned.

        Raise `StateError` if somebody else wrote it since.
        """
        self._record.save(manifest, old)

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

    def select(self, keys: Collection[str], sources: Collection[str]) -> Manifest:
        """Return the assets with these keys and sources, and those that stand for them."""
        assets = self._select(keys, sources)
        aliases = {asset.alias_of for asset in assets.values()} - assets.keys()
        if digests := {digest.hex for digest in aliases if digest is not None}:
            assets |= self._select(digests=digests)
        return Manifest(assets)

    def _select(
        self,
        keys: Collection[str] = (),
        sources: Collection[str] = (),
        digests: Collection[str] = (),
    ) -> dict[Digest, Asset]:
        by_digest: dict[Digest, Asset] = {}
        for asset in self._naming_path(select(self._lines(), keys, sources, digests)):
            first = by_digest.get(asset.digest)
            by_digest[asset.digest] = asset if first is None else united(first, asset) or asset
        return by_digest

    @property
    def _record(self) -> Record[Manifest]:
        return Record(self.path, loads, dumps, Manifest)

    def _lines(self) -> Iterator[str]:
        try:
            with opened(self.path) as file, TextIOWrapper(file, "utf-8", newline="\n") as lines:
                for line in lines:
                    yield line.rstrip("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise ManifestError(f"cannot be read: {error}") from error

    def _naming_path(self, items: Iterable[T]) -> Iterator[T]:
        """Yield `items`; the `ManifestError` that they raise names the file."""
        try:
            yield from items
        except ManifestError as error:
            raise ManifestError(f"{self.path}: {error}") from error
