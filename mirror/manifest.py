"""The manifest: assets <-> text. Equal contents are equal bytes. Pure."""

from __future__ import annotations

import json
import re
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from struct import Struct
from typing import Any, NamedTuple

from mirror.model import EXTENSIONS, Address, Asset, Blob, Digest, Fingerprint, Key, hide_secrets
from mirror.sources import identity, is_canonical

HEADER = {"format": "mirror-manifest", "version": 1}
FILE_NAME = "images.jsonl"
_MD5 = re.compile(r"[0-9a-f]{32}")
_UNSAFE = re.compile(r"[\\\x00-\x1f\x7f\ud800-\udfff]")
_CONFLICT = ("<<<<<<<", "=======", ">>>>>>>", "|||||||")
_MEMBERS = "sha256 md5 size media_type width height fingerprint key alias_of sources".split()
_KNOWN = frozenset(_MEMBERS)


class ManifestError(Exception):
    """The manifest cannot be used: the line, what was expected, what was found, what to do."""


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
        return Objects(self.assets.values())

    def shown_for(self, asset: Asset) -> Asset:
        """The asset posts show in its place; itself when it is no repeat."""
        return self.assets[asset.alias_of] if asset.alias_of is not None else asset

    def find(self, address: Address) -> Asset | None:
        return self.by_source.get(identity(address))


def key_bytes(key: str) -> bytes:
    """What a key is ordered by; in a folder there may be names that are no UTF-8."""
    return key.encode("utf-8", "surrogateescape")


class Object(NamedTuple):
    """What a destination should hold under a key."""

    key: Key
    size: int
    md5: str
    digest: Digest


class Objects(Mapping[Key, Object]):
    """What every destination should hold, by key, in the order of the keys' bytes.

    Packed: of a million assets it takes some 150 MB, where they themselves take a gigabyte.
    """

    def __init__(self, assets: Iterable[Asset]) -> None:
        self._rows = bytearray()
        self._starts = array("Q")  # a row ends where the next one starts
        last = b""
        is_sorted = True  # with keys that begin with the digest
        for asset in assets:
            if asset.key is not None:
                blob, name = asset.blob, key_bytes(asset.key)
                self._starts.append(len(self._rows))
                digests = bytes.fromhex(blob.md5 + blob.digest.hex)
                self._rows += _ROW.pack(blob.size, digests) + name
                is_sorted = is_sorted and last < name
                last = name
        if not is_sorted:
            self._sort()
        self.has_double_keys = not is_sorted and self._find_double_key()
        """Whether two assets claim one key, which a mapping cannot show."""

    def __len__(self) -> int:
        return len(self._starts)

    def __iter__(self) -> Iterator[Key]:
        return (Key(self._key(number).decode()) for number in range(len(self)))

    def __getitem__(self, key: Key) -> Object:
        wanted = key_bytes(key)
        number = bisect_left(range(len(self)), wanted, key=self._key)
        if number == len(self) or self._key(number) != wanted:
            raise KeyError(key)
        return self.at(number)

    def at(self, number: int) -> Object:
        """The `number`-th object in order."""
        row = self._row(number)
        size, digests = _ROW.unpack_from(row)
        text: str = digests.hex()
        return Object(Key(row[_ROW.size :].decode()), size, text[:32], Digest(text[32:]))

    def _row(self, number: int) -> bytes:
        stop = self._starts[number + 1] if number + 1 < len(self) else len(self._rows)
        return bytes(self._rows[self._starts[number] : stop])

    def _key(self, number: int) -> bytes:
        return self._row(number)[_ROW.size :]

    def _find_double_key(self) -> bool:
        return any(one == other for one, other in pairwise(map(self._key, range(len(self)))))

    def _sort(self) -> None:
        order = sorted(range(len(self)), key=self._key)
        rows = bytearray()
        starts = array("Q")
        for number in order:
            starts.append(len(rows))
            rows += self._row(number)
        self._rows, self._starts = rows, starts


_ROW = Struct(">Q48s")


def dumps(manifest: Manifest) -> str:
    """One line an asset, in the order of digests, keys in fixed order, sources sorted."""
    lines = [json.dumps(HEADER)]
    lines += (_dump(manifest.assets[digest]) for digest in sorted(manifest.assets))
    return "\n".join(lines) + "\n"


def loads(text: str) -> Manifest:
    """Parse and check; raise `ManifestError` that names the first line that is wrong."""
    assets: dict[Digest, Asset] = {}
    lines: dict[Digest, int] = {}
    owners: dict[str, int] = {}
    keys: dict[Key, int] = {}
    for number, asset in parse(text.split("\n")):
        digest = asset.digest
        if digest in assets:
            raise _error(
                number, f"{digest} stands on line {lines[digest]} already; keep one of the two"
            )
        for url in asset.sources:
            if (first := owners.setdefault(identity(url), number)) != number:
                raise _error(
                    number, f"source {url} is on line {first} already; one image, one line"
                )
        if asset.key is not None and (first := keys.setdefault(asset.key, number)) != number:
            raise _error(number, f"key {asset.key!r} is on line {first} already; keys must differ")
        assets[digest] = asset
        lines[digest] = number
    for digest, asset in assets.items():
        if asset.alias_of is None:
            continue
        if (kept := assets.get(asset.alias_of)) is None or kept.key is None:
            what = "is no line" if kept is None else "has no object of its own to show"
            raise _error(
                lines[digest], f"alias_of {asset.alias_of} {what}; restore that line or `key`"
            )
    return Manifest(assets)


class UnusualError(Exception):
    """A manifest that `loads` has to read: it is wrong, or not in the order `dumps` gives it."""


@dataclass(slots=True)
class Lines:
    """A manifest read once, a line at a time, and not kept; `assets` counts them.

    Iterating yields the assets. At the end it raises `UnusualError` unless `loads` would accept
    the same lines; hashes of 64 bits stand for what must differ, so it may rarely be overcautious.
    """

    lines: Iterable[str]
    assets: int = 0

    def __iter__(self) -> Iterator[Asset]:
        last = ""
        sources = array("q")
        owners = array("q")  # assets with an object of their own
        shown = set[int]()  # what repeats are shown as
        for _, asset in parse(self.lines):
            if asset.digest.hex <= last:
                raise UnusualError
            last = asset.digest.hex
            self.assets += 1
            sources.extend(hash(identity(url)) for url in asset.sources)
            if asset.key is not None:
                owners.append(hash(last))
            if asset.alias_of is not None:
                shown.add(hash(asset.alias_of.hex))
            yield asset
        shown.difference_update(owners)
        if shown or any(one == other for one, other in pairwise(sorted(sources))):
            raise UnusualError


def load_objects(lines: Iterable[str]) -> tuple[Objects, int]:
    """What destinations should hold, and the number of assets, in little memory.

    Raise `ManifestError` for a line that is wrong, and `UnusualError` where it takes `loads`.
    """
    found = Lines(lines)
    objects = Objects(found)
    if objects.has_double_keys:
        raise UnusualError
    return objects, found.assets


def parse(lines: Iterable[str]) -> Iterator[tuple[int, Asset]]:
    """Yield line number and asset, a line at a time; checks each line, not lines against others."""
    numbered = enumerate(lines, 1)
    _, first = next(numbered, (1, ""))
    if _load_object(1, first) != HEADER:
        expected = json.dumps(HEADER)
        raise _error(
            1, f"expected {expected}, got {first[:80]!r}; another version needs another mirror"
        )
    for number, line in numbered:
        if line.strip():
            yield number, _parse_asset(number, _load_object(number, line))


def _dump(asset: Asset) -> str:
    blob = asset.blob
    values = {
        "sha256": blob.digest.hex,
        "md5": blob.md5,
        "size": blob.size,
        "media_type": blob.media_type,
        "width": blob.width,
        "height": blob.height,
        "fingerprint": str(blob.fingerprint) if blob.fingerprint is not None else None,
    }
    if asset.key is not None:
        values["key"] = asset.key
    if asset.alias_of is not None:
        values["alias_of"] = asset.alias_of.hex
    return json.dumps(values | {"sources": sorted(asset.sources)}, ensure_ascii=False)


def dump_blob(blob: Blob) -> dict[str, Any]:
    """The members of an asset line that describe its bytes alone."""
    members: dict[str, Any] = json.loads(_dump(Asset(blob)))
    del members["sources"]
    return members


def load_blob(raw: Mapping[str, Any]) -> Blob:
    """Inverse of `dump_blob`; raise `ValueError` or `KeyError` for what it did not write."""
    fingerprint = raw["fingerprint"]
    if not isinstance(raw["md5"], str) or not _MD5.fullmatch(raw["md5"]):
        raise ValueError(f"md5: expected 32 lower-case hex digits, got {raw['md5']!r}")
    if type(raw["size"]) is not int or not 0 <= raw["size"] < 2**63:
        raise ValueError(f"size: expected a number of bytes, got {raw['size']!r}")
    if not isinstance(raw["media_type"], str) or raw["media_type"] not in EXTENSIONS:
        known = ", ".join(EXTENSIONS)
        raise ValueError(f"media_type: expected one of {known}, got {raw['media_type']!r}")
    for name in ("width", "height"):
        if raw[name] is not None and (type(raw[name]) is not int or raw[name] < 1):
            raise ValueError(f"{name}: expected a number of pixels or null, got {raw[name]!r}")
    return Blob(
        digest=Digest.parse(raw["sha256"]),
        md5=raw["md5"],
        size=raw["size"],
        media_type=raw["media_type"],
        width=raw["width"],
        height=raw["height"],
        fingerprint=Fingerprint.parse(fingerprint) if fingerprint is not None else None,
    )


def _parse_asset(number: int, raw: dict[str, Any]) -> Asset:
    if not raw.keys() <= _KNOWN:
        unknown = min(raw.keys() - _KNOWN)
        raise _error(number, f"unknown member {unknown!r}; expected {', '.join(_MEMBERS)}")
    try:
        blob = load_blob(raw)
        sources = raw["sources"]
        key = raw.get("key")
        alias = raw.get("alias_of")
        if not isinstance(sources, list) or not all(map(is_address, sources)):
            raise ValueError(f"sources: expected a list of canonical URLs, got {sources!r}")
        if key is not None and (not isinstance(key, str) or not is_safe_key(key)):
            raise ValueError(f"key: expected a relative path without `..`, got {key!r}")
        return Asset(
            blob,
            tuple(map(Address, sources)),
            Key(key) if key is not None else None,
            Digest.parse(alias) if alias is not None else None,
        )
    except KeyError as error:
        raise _error(number, f"{error.args[0]!r} is missing") from error
    except ValueError as error:
        raise _error(number, str(error)) from error


def is_safe_key(key: str) -> bool:
    """Whether `key` is a relative path that stays where it is put. The manifest is input too."""
    return {"", ".", ".."}.isdisjoint(key.split("/")) and not _UNSAFE.search(key)


def is_address(url: object) -> bool:
    """Whether `url` is an `Address`, and not just any text."""
    return isinstance(url, str) and is_canonical(url)


def _load_object(number: int, line: str) -> dict[str, Any]:
    if line.startswith(_CONFLICT):
        raise _error(
            number,
            f"merge conflict marker {line[:7]!r}; both sides' image lines may stay: "
            "delete the marker lines, and of two lines with one sha256 keep one",
        )
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise _error(number, f"expected a JSON object, got {line[:80]!r} ({error})") from error
    if not isinstance(value, dict):
        raise _error(number, f"expected a JSON object, got {line[:80]!r}")
    return value


def _error(number: int, message: str) -> ManifestError:
    # What stands on the line is quoted, and somebody may have put a signed URL there by hand.
    return ManifestError(hide_secrets(f"line {number}: {message}"))


def with_sources(asset: Asset, more: Iterable[Address]) -> Asset:
    """`asset` found under `more` addresses too; none is ever dropped, none stands twice."""
    merged = {identity(url): url for url in (*more, *asset.sources)}
    return replace(asset, sources=tuple(sorted(merged.values())))
