"""The whole manifest in memory: loads, dumps, lookups by source and key."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from io import StringIO
from operator import attrgetter

from mirror.manifest.lines import (
    HEADER,
    ManifestError,
    UnusualError,
    _Among,
    _dump,
    _error,
    parse,
    united,
)
from mirror.manifest.packed import Objects, _row_of
from mirror.model import Asset, Digest, Key
from mirror.urls.address import Address, identity

FILE_NAME = "images.jsonl"


@dataclass(frozen=True)
class Manifest:
    """Every asset, by digest: the desired state of all destinations."""

    assets: Mapping[Digest, Asset] = field(default_factory=dict)

    @cached_property
    def by_source(self) -> dict[str, Asset]:
        """The asset of each source, by `sources.identity` of its address."""
        return {identity(url): asset for asset in self.assets.values() for url in asset.sources}

    @cached_property
    def by_key(self) -> dict[Key, Asset]:
        """What every destination should hold."""
        return {asset.key: asset for asset in self.assets.values() if asset.key is not None}

    @cached_property
    def objects(self) -> Objects:
        """The same, as far as a listing can tell, in the order in which stores list."""
        objects = Objects(map(_row_of, self.assets.values()))
        len(objects)  # reads and sorts all
        return objects

    def shown_for(self, asset: Asset) -> Asset:
        """The asset posts show in its place; itself when it is no repeat."""
        return self.assets[asset.alias_of] if asset.alias_of is not None else asset

    def find(self, address: Address) -> Asset | None:
        return self.by_source.get(identity(address))


def dumps(manifest: Manifest) -> str:
    """One line an asset, in the order of digests, keys in fixed order, sources sorted."""
    in_order = sorted(manifest.assets, key=attrgetter("hex"))
    text = StringIO(newline="\n")  # a list of a million lines takes as much memory once more
    text.write(json.dumps(HEADER) + "\n")
    text.writelines(_dump(manifest.assets[digest]) + "\n" for digest in in_order)
    return text.getvalue()


def loads(text: str) -> Manifest:
    """Parse and check; raise `ManifestError` that names the first line that is wrong."""
    with suppress(ManifestError, UnusualError), _nothing_collected():
        return _loads_usual(text)
    return _loads_any(text)


def _loads_usual(text: str) -> Manifest:
    """Raise `UnusualError` for lines that are wrong, or in no order, when put together."""
    assets: dict[Digest, Asset] = {}
    among = _Among()
    for _, asset in parse(_split(text)):
        among.add_asset(asset)
        assets[asset.digest] = asset
    among.check()
    keys = [asset.key for asset in assets.values() if asset.key is not None]
    if len(set(keys)) < len(keys):
        raise UnusualError
    return Manifest(assets)


@contextmanager
def _nothing_collected() -> Iterator[None]:
    """No search for dead cycles: of millions of objects that stay, none is in one."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _split(text: str) -> Iterator[str]:
    """The lines one by one: a list of a million takes as much memory as the text."""
    start = 0
    while (stop := text.find("\n", start)) >= 0:
        yield text[start:stop]
        start = stop + 1
    yield text[start:]


def _loads_any(text: str) -> Manifest:
    """The same for lines in any order, and it knows which one is wrong."""
    assets: dict[Digest, Asset] = {}
    lines: dict[Digest, int] = {}
    owners: dict[str, Digest] = {}
    keys: dict[Key, Digest] = {}
    for number, asset in parse(_split(text)):
        digest = asset.digest
        first = lines.setdefault(digest, number)
        whole = united(assets[digest], asset) if digest in assets else asset
        if whole is None:
            raise _error(
                number,
                f"{digest} stands on line {first} already, and the two differ in more than their "
                "sources; keep one of the two",
            )
        assets[digest] = whole
        for url in asset.sources:
            if (owner := owners.setdefault(identity(url), digest)) != digest:
                raise _error(
                    number, f"source {url} is on line {lines[owner]} already; one image, one line"
                )
        if asset.key is not None and (owner := keys.setdefault(asset.key, digest)) != digest:
            raise _error(
                number, f"key {asset.key!r} is on line {lines[owner]} already; keys must differ"
            )
    circular = _circular(assets)
    for digest, asset in assets.items():
        if asset.alias_of is None:
            continue
        if (kept := assets.get(asset.alias_of)) is None or kept.key is None:
            what = "is no line" if kept is None else "has no object of its own to show"
            raise _error(
                lines[digest], f"alias_of {asset.alias_of} {what}; restore that line or `key`"
            )
        if digest in circular:
            message = "leads back to this line: a repeat must end at another picture; delete one"
            raise _error(lines[digest], f"alias_of {asset.alias_of} {message}")
    return Manifest(assets)


def _circular(assets: Mapping[Digest, Asset]) -> set[Digest]:
    """Return the digests whose `alias_of`, followed on and on, leads back to them."""
    circular = set[Digest]()
    start_of: dict[Digest, Digest] = {}  # the start of the walk that came through a digest first
    for start in assets:
        alias: Digest | None = start
        while alias is not None and alias in assets and alias not in start_of:
            start_of[alias] = start
            alias = assets[alias].alias_of
        if alias is not None and start_of.get(alias) == start:
            while alias not in circular:
                circular.add(alias)
                alias = assets[alias].alias_of or alias
    return circular
