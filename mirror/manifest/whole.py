"""The whole manifest in memory: loads, dumps, lookups by source and key."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property

from mirror.manifest.assets import Assets, Rows
from mirror.manifest.conflicts import ConflictCheck, unite_lines
from mirror.manifest.lines import HEADER_TEXT, Line, LinePlace, dump_line, read_lines
from mirror.manifest.packed import Objects
from mirror.model import Asset, Digest, Key
from mirror.records import split_lines
from mirror.urls.address import Address, identity

_NONE: Mapping[Digest, Asset] = {}


class Manifest:
    """Every asset, by digest: the desired state of all destinations."""

    def __init__(self, assets: Mapping[Digest, Asset] = _NONE) -> None:
        self.assets = assets if isinstance(assets, Assets) else Assets(changed=assets)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Manifest) and self.assets == other.assets

    __hash__ = None  # type: ignore[assignment]

    def replacing(self, changed: Mapping[Digest, Asset]) -> Manifest:
        """Return the manifest with the assets of `changed` added or replaced."""
        return Manifest(self.assets.replacing(changed))

    @property
    def by_source(self) -> Mapping[str, Asset]:
        """The asset of each source, by the identity of its address."""
        return self.assets.by_source

    @property
    def by_key(self) -> Mapping[Key, Asset]:
        """The asset of each object that every destination should hold."""
        return self.assets.by_key

    @cached_property
    def objects(self) -> Objects:
        """The objects that every destination should hold, packed, in the order of their keys."""
        objects = Objects.of(self.assets.values())
        objects.read_all()
        return objects

    def shown_for(self, asset: Asset) -> Asset:
        """Return the asset that posts show in its place; itself if it is no repeat."""
        return self.assets[asset.alias_of] if asset.alias_of is not None else asset

    def find(self, address: Address) -> Asset | None:
        return self.by_source.get(identity(address))


def dumps(manifest: Manifest) -> str:
    """Return the text: one line an asset, by digest, keys in fixed order, sources sorted."""
    return "".join(dump_lines(manifest))


def dump_lines(manifest: Manifest) -> Iterator[str]:
    """Yield the lines of `dumps`, each with its line end."""
    return dump_assets(manifest.assets.in_order())


def dump_assets(assets: Iterable[Asset]) -> Iterator[str]:
    """Yield the lines of a file with these assets, each with its line end."""
    yield f"{HEADER_TEXT}\n"
    for asset in assets:
        yield dump_line(asset) + "\n"


def loads(text: str) -> Manifest:
    """Parse and check; raise `ManifestError` that names the first line that is wrong.

    Lines of the same bytes are united. A line that is wrong by itself is named before one that is
    in conflict with another.
    """
    return read_manifest(lambda: read_lines(split_lines(text)))


def read_manifest(read: Callable[[], Iterable[tuple[LinePlace, Line]]]) -> Manifest:
    """Return the manifest of the lines that `read` reads, as `loads` does.

    It is called again if lines share what they may not share, to name them.
    """
    rows = Rows()
    conflicts = ConflictCheck()
    for _, line in read():
        conflicts.add(line)
        rows.append(line)
    if conflicts.has_conflict():
        return Manifest(unite_lines((place, line.asset()) for place, line in read()))
    return Manifest(Assets(rows))
