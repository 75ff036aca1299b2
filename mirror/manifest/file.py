"""The manifest on the disk: loaded whole, streamed, or a part of it selected."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path

from mirror.files import opened
from mirror.manifest.lines import ManifestError, UnusualError, parse, select, united
from mirror.manifest.packed import Objects, load_objects
from mirror.manifest.whole import FILE_NAME, Manifest, dumps, loads
from mirror.model import Asset, Digest
from mirror.records import Record, RecordError


@dataclass(frozen=True, slots=True)
class ManifestFile:
    """The file that holds the manifest."""

    path: Path

    @classmethod
    def below(cls, folder: Path) -> ManifestFile:
        """Return the manifest of a `[manifest].path`."""
        return cls(folder / FILE_NAME)

    def exists(self) -> bool:
        return self.path.exists()

    def need(self) -> None:
        """Raise `ManifestError` without a file: what then does nothing must not seem done."""
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
        """Write it whole unless it is the same; `old` are the bytes that `load` returned.

        Raise `StateError` if somebody else wrote it since.
        """
        self._record.save(manifest, old)

    def stream_assets(self) -> Iterator[Asset]:
        """Yield all assets, one by one; what must hold among them is left to `stream_objects`."""
        return (asset for _, asset in self.numbered())

    def numbered(self) -> Iterator[tuple[int, Asset]]:
        """Yield the number of each line and its asset."""
        return parse(self._lines())

    def stream_objects(self) -> Objects:
        """Return the objects that destinations should hold, packed, read as they are asked for.

        Reading raises `ManifestError`, or `UnusualError` where it takes `load_objects`.
        """
        return load_objects(self._lines())

    def load_objects(self) -> Objects:
        """Return the objects that destinations should hold, all read; packed, if that can be."""
        objects = self.stream_objects()
        try:
            len(objects)
        except (ManifestError, UnusualError):
            objects = self.load()[0].objects  # names what is wrong, if anything is
        return objects

    def select(self, keys: Collection[str], sources: Collection[str]) -> Manifest:
        """Return the assets with these keys and sources, and those that stand for them."""
        assets = _by_digest(select(self._lines(), keys, sources))
        aliases = {asset.alias_of for asset in assets.values()} - assets.keys()
        if digests := {digest.hex for digest in aliases if digest is not None}:
            assets |= _by_digest(select(self._lines(), digests=digests))
        return Manifest(assets)

    @property
    def _record(self) -> Record[Manifest]:
        return Record(self.path, loads, dumps, Manifest)

    def _lines(self) -> Iterator[str]:
        try:
            with opened(self.path) as file, TextIOWrapper(file, "utf-8", newline="\n") as lines:
                for line in lines:
                    yield line.rstrip("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise ManifestError(f"{self.path}: cannot be read: {error}") from error


def _by_digest(assets: Iterable[Asset]) -> dict[Digest, Asset]:
    by_digest: dict[Digest, Asset] = {}
    for asset in assets:
        first = by_digest.get(asset.digest)
        by_digest[asset.digest] = asset if first is None else united(first, asset) or asset
    return by_digest
