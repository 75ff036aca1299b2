"""The whole manifest in memory: loads, dumps, lookups by source and key."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from io import StringIO
from operator import attrgetter

from mirror.manifest.conflicts import ConflictCheck, unite_lines
from mirror.manifest.lines import HEADER, dump_line, parse, read_lines
from mirror.manifest.packed import Objects
from mirror.model import Asset, Digest, Key
from mirror.urls.address import Address, identity

FILE_NAME = "images.jsonl"


@dataclass(frozen=True)
class Manifest:
    """Every asset, by digest: the desired state of all destinations."""

    assets: Mapping[Digest, Asset] = field(default_factory=dict)

    @cached_property
    def by_source(self) -> dict[str, Asset]:
        """The asset of each source, by the identity of its address."""
        return {identity(url): asset for asset in self.assets.values() for url in asset.sources}

    @cached_property
    def by_key(self) -> dict[Key, Asset]:
        """The asset of each object that every destination should hold."""
        return {asset.key: asset for asset in self.assets.values() if asset.key is not None}

    @cached_property
    def objects(self) -> Objects:
        """The objects that every destination should hold, packed, in the order of their keys."""
        objects = Objects.of(self.assets.values())
        len(objects)  # reads and sorts all
        return objects

    def shown_for(self, asset: Asset) -> Asset:
        """Return the asset that posts show in its place; itself if it is no repeat."""
        return self.assets[asset.alias_of] if asset.alias_of is not None else asset

    def find(self, address: Address) -> Asset | None:
        return self.by_source.get(identity(address))


def dumps(manifest: Manifest) -> str:
    """Return the text: one line an asset, by digest, keys in fixed order, sources sorted."""
    in_order = sorted(manifest.assets, key=attrgetter("hex"))
    text = StringIO(newline="\n")  # a list of a million lines takes as much memory once more
    text.write(json.dumps(HEADER) + "\n")
    text.writelines(dump_line(manifest.assets[digest]) + "\n" for digest in in_order)
    return text.getvalue()


def loads(text: str) -> Manifest:
    """Parse and check; raise `ManifestError` that names the first line that is wrong.

    Lines of the same bytes are united. A line that is wrong by itself is named before one that is
    in conflict with another.
    """
    assets: dict[Digest, Asset] = {}
    conflicts = ConflictCheck()
    with _without_gc():
        for _, line in read_lines(_split(text)):
            conflicts.add(line)
            asset = line.asset()
            assets[asset.digest] = asset
    if conflicts.has_conflict():
        return Manifest(unite_lines(parse(_split(text))))
    return Manifest(assets)


@contextmanager
def _without_gc() -> Iterator[None]:
    """Stop the search for dead cycles: it would look at millions of objects that all stay."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _split(text: str) -> Iterator[str]:
    """Yield the lines one by one: a list of a million takes as much memory as the text."""
    start = 0
    while (stop := text.find("\n", start)) >= 0:
        yield text[start:stop]
        start = stop + 1
    yield text[start:]
