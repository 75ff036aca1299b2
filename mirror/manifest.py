"""The manifest: assets <-> text. Equal contents are equal bytes. Pure."""

from __future__ import annotations

import gc
import json
import re
from array import array
from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from io import StringIO
from itertools import islice, pairwise
from operator import attrgetter
from struct import Struct
from typing import Any, NamedTuple

from mirror.model import EXTENSIONS, Address, Asset, Blob, Digest, Fingerprint, Key, hide_secrets
from mirror.sources import canonical, identity, is_canonical

HEADER = {"format": "mirror-manifest", "version": 1}
FILE_NAME = "images.jsonl"
_MD5 = re.compile(r"[0-9a-f]{32}")
_UNSAFE_ONES = r"\\\x00-\x1f\x7f\ud800-\udfff"
_UNSAFE = re.compile(f"[{_UNSAFE_ONES}]")
_CONFLICT = ("<<<<<<<", "=======", ">>>>>>>", "|||||||")
_MEMBERS = "sha256 md5 size media_type width height fingerprint key alias_of sources".split()
_KNOWN = frozenset(_MEMBERS)
_quote = json.JSONEncoder(ensure_ascii=False).encode


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
        objects = Objects(map(_row_of, self.assets.values()))
        len(objects)  # reads and sorts all
        return objects

    def shown_for(self, asset: Asset) -> Asset:
        """The asset posts show in its place; itself when it is no repeat."""
        return self.assets[asset.alias_of] if asset.alias_of is not None else asset

    def find(self, address: Address) -> Asset | None:
        return self.by_source.get(identity(address))


def key_bytes(key: str) -> bytes:
    """What a key is ordered by; in a folder there may be names that are no UTF-8."""
    return key.encode("utf-8", "surrogateescape")


_Row = tuple[str | None, int, bytes]  # key of a repeat: `None`; size; MD5 and SHA-256 in one


class Object(NamedTuple):
    """What a destination should hold under a key."""

    key: Key
    size: int
    md5: str
    digest: Digest


class Objects(Mapping[Key, Object]):
    """What every destination should hold, by key, in the order of the keys' bytes.

    Packed: of a million assets it takes some 150 MB, where they themselves take a gigabyte. And
    read as it is asked for, a thousand rows at a time: whatever needs to know them all, such as
    `len`, reads the rest. Each raises what `rows` raises, and `UnusualError` for two equal keys.
    """

    def __init__(self, rows: Iterable[_Row]) -> None:
        self._unread = iter(rows)
        self._rows = bytearray()
        self._starts = array("Q")  # a row ends where the next one starts
        self._last = b""
        self._is_sorted = True  # with keys that begin with the digest
        self._assets = 0

    @property
    def assets(self) -> int:
        """How many rows there were, those of repeats included."""
        self._read_all()
        return self._assets

    def __len__(self) -> int:
        self._read_all()
        return len(self._starts)

    def __iter__(self) -> Iterator[Key]:
        return (Key(self._key(number).decode()) for number in range(len(self)))

    def __getitem__(self, key: Key) -> Object:
        wanted = key_bytes(key)
        number = bisect_left(range(len(self)), wanted, key=self._key)
        if number == len(self) or self._key(number) != wanted:
            raise KeyError(key)
        return self.at(number)

    def facts(self) -> Iterator[tuple[bytes, int, str]]:
        """Key, size and MD5 of each, as a listing has them: all that most of them are asked for.

        Raise `UnusualError` if a key comes that belongs before those already given. After that, or
        after `len`, all are in order.
        """
        number = 0
        while number < len(self._starts) or self._read_some():
            if not self._is_sorted:
                if number:
                    raise UnusualError
                self._read_all()
            row = self._row(number)
            size, digests = _ROW.unpack_from(row)
            yield row[_ROW.size :], size, digests[:16].hex()
            number += 1

    def at(self, number: int) -> Object:
        """The `number`-th object in order, of those that were read."""
        row = self._row(number)
        size, digests = _ROW.unpack_from(row)
        text: str = digests.hex()
        return Object(Key(row[_ROW.size :].decode()), size, text[:32], Digest(text[32:]))

    def _row(self, number: int) -> bytes:
        starts = self._starts
        stop = starts[number + 1] if number + 1 < len(starts) else len(self._rows)
        return bytes(self._rows[starts[number] : stop])

    def _key(self, number: int) -> bytes:
        return self._row(number)[_ROW.size :]

    def _read_some(self) -> bool:
        """Read on until there is another object; `False` at the end."""
        before = len(self._starts)
        while len(self._starts) == before:
            was = self._assets
            for key, size, digests in islice(self._unread, _AT_ONCE):
                self._assets += 1
                if key is not None:
                    name = key_bytes(key)
                    self._starts.append(len(self._rows))
                    self._rows += _ROW.pack(size, digests) + name
                    self._is_sorted = self._is_sorted and self._last < name
                    self._last = name
            if self._assets == was:
                return False
        return True

    def _read_all(self) -> None:
        while self._read_some():
            pass
        if not self._is_sorted:
            self._sort()
            self._is_sorted = True

    def _sort(self) -> None:
        order = sorted(range(len(self._starts)), key=self._key)
        if any(self._key(one) == self._key(other) for one, other in pairwise(order)):
            raise UnusualError
        rows = bytearray()
        starts = array("Q")
        for number in order:
            starts.append(len(rows))
            rows += self._row(number)
        self._rows, self._starts = rows, starts


_AT_ONCE = 1000
_ROW = Struct(">Q48s")


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
    owners: dict[str, int] = {}
    keys: dict[Key, int] = {}
    for number, asset in parse(_split(text)):
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
        if _is_circular(assets, asset):
            message = "leads back to this line: a repeat must end at another picture; delete one"
            raise _error(lines[digest], f"alias_of {asset.alias_of} {message}")
    return Manifest(assets)


def _is_circular(assets: Mapping[Digest, Asset], asset: Asset) -> bool:
    seen = set[Digest]()
    alias = asset.alias_of
    while alias is not None and alias in assets and alias not in seen:
        seen.add(alias)
        alias = assets[alias].alias_of
    return asset.digest in seen


class UnusualError(Exception):
    """A manifest that `loads` has to read: it is wrong, or not in the order `dumps` gives it."""


class _Among:
    """What has to hold among lines, in little memory.

    Hashes stand for what must differ, so it may, rarely, be overcautious.
    """

    def __init__(self) -> None:
        self._last = ""
        self._sources = [array("q") for _ in range(16)]  # in parts: a set of all would be large
        self._owners = array("q")  # assets with an object of their own
        self._shown = set[int]()  # what repeats are shown as
        self._linked = set[int]()  # repeats with an object of their own

    def add(self, sha256: str, key: str | None, alias: str | None, urls: Iterable[str]) -> None:
        """Raise `UnusualError` if this line does not come after the one before."""
        if sha256 <= self._last:
            raise UnusualError
        self._last = sha256
        for url in urls:
            source = hash(identity(url))
            self._sources[source & 15].append(source)
        if key is not None:
            self._owners.append(hash(sha256))
        if alias is not None:
            self._shown.add(hash(alias))
            if key is not None:
                self._linked.add(hash(sha256))

    def add_asset(self, asset: Asset) -> None:
        alias = asset.alias_of.hex if asset.alias_of is not None else None
        self.add(asset.blob.digest.hex, asset.key, alias, asset.sources)

    def check(self) -> None:
        """Raise `UnusualError` if a source stands twice, or a repeat shows none or a repeat."""
        if self._shown & self._linked:
            raise UnusualError
        self._shown.difference_update(self._owners)
        if self._shown or any(len(set(part)) < len(part) for part in self._sources):
            raise UnusualError


def load_objects(lines: Iterable[str]) -> Objects:
    """What destinations should hold, in little memory; lines are read as objects are asked for.

    Reading raises `ManifestError` for a line that is wrong, and `UnusualError` where it takes
    `loads`: until all are read, what is wrong among lines is not known.
    """
    return Objects(_rows(lines))


def _rows(lines: Iterable[str]) -> Iterator[_Row]:
    among = _Among()
    for number, line in _numbered(lines):
        if (usual := _read_usual(line)) is not None:
            digests, sha256, _, size, _, _, _, _, key, alias, urls = usual
            among.add(sha256, key, alias, urls)
            yield key, int(size), digests
        elif line.strip():
            asset = _parse_asset(number, _load_object(number, line))
            among.add_asset(asset)
            yield _row_of(asset)
    among.check()


def _row_of(asset: Asset) -> _Row:
    blob = asset.blob
    return asset.key, blob.size, bytes.fromhex(blob.md5 + blob.digest.hex)


def parse(lines: Iterable[str]) -> Iterator[tuple[int, Asset]]:
    """Yield line number and asset, a line at a time; checks each line, not lines against others."""
    for number, line in _numbered(lines):
        if (usual := _read_usual(line)) is not None:
            yield number, _usual_asset(usual)
        elif line.strip():
            yield number, _parse_asset(number, _load_object(number, line))


def select(
    lines: Iterable[str],
    keys: Collection[str] = (),
    sources: Collection[str] = (),
    digests: Collection[str] = (),
) -> Iterator[Asset]:
    """Those with one of `keys`, `sources` (by `sources.identity`) or `digests`; like `parse`."""

    def is_wanted(digest: str, key: str | None, urls: Iterable[str]) -> bool:
        return key in keys or digest in digests or any(identity(url) in sources for url in urls)

    for number, line in _numbered(lines):
        if (usual := _read_usual(line)) is not None:
            _, sha256, *_, key, _, urls = usual
            if is_wanted(sha256, key, urls):
                yield _usual_asset(usual)
        elif line.strip():
            asset = _parse_asset(number, _load_object(number, line))
            if is_wanted(asset.digest.hex, asset.key, asset.sources):
                yield asset


def _numbered(lines: Iterable[str]) -> Iterator[tuple[int, str]]:
    """The lines behind the first, which says what they are, and their numbers."""
    numbered = enumerate(lines, 1)
    _, first = next(numbered, (1, ""))
    if first.startswith("\ufeff"):
        raise _error(1, "starts with a byte order mark; save the file as UTF-8 without one")
    if _load_object(1, first) != HEADER:
        expected = json.dumps(HEADER)
        raise _error(
            1, f"expected {expected}, got {first[:80]!r}; another version needs another mirror"
        )
    return numbered


# A line as `dumps` writes it when nothing in it has to be escaped. What is hexadecimal and what is
# an address is looked at afterwards.
_USUAL = re.compile(
    r'\{{"sha256": "([^"]{{64}})", "md5": "([^"]{{32}})", "size": (0|{number}), '
    r'"media_type": "({types})", "width": (?:null|({number})), "height": (?:null|({number})), '
    r'"fingerprint": (?:null|"([^"]{{64}})")(?:, "key": "({part}(?:/{part})*+)")?'
    r'(?:, "alias_of": "([^"]{{64}})")?, "sources": \[(?:"([^"]*(?:", "[^"]*)*)")?\]\}}'.format(
        number="[1-9][0-9]{0,17}",
        types="|".join(map(re.escape, EXTENSIONS)),
        part=rf'(?![./])[^"/{_UNSAFE_ONES}]++',
    )
)
_TYPES = {name: name for name in EXTENSIONS}  # one string for all assets
# MD5 and SHA-256 in one, SHA-256, MD5, size, type, width, height, fingerprint, key, alias, sources.
_Usual = tuple[
    bytes, str, str, str, str, str | None, str | None, str | None, str | None, str | None, list[str]
]


def _read_usual(line: str) -> _Usual | None:
    """The quick way for most lines; `None` for all others, right or wrong."""
    if (match := _USUAL.fullmatch(line)) is None:
        return None
    sha256, md5, size, media_type, width, height, fingerprint, key, alias, sources = match.groups()
    digits = md5 + sha256 + (fingerprint or "") + (alias or "")
    try:
        digests = bytes.fromhex(digits)
    except ValueError:
        return None
    urls = sources.split('", "') if sources is not None else []
    if digests.hex() != digits or not all(map(is_canonical, urls)):
        return None
    digests = digests[:48]
    return digests, sha256, md5, size, media_type, width, height, fingerprint, key, alias, urls


def _usual_asset(usual: _Usual) -> Asset:
    _, sha256, md5, size, media_type, width, height, fingerprint, key, alias, urls = usual
    blob = Blob(
        Digest(sha256),
        md5,
        int(size),
        _TYPES[media_type],
        int(width) if width is not None else None,
        int(height) if height is not None else None,
        Fingerprint(int(fingerprint, 16)) if fingerprint is not None else None,
    )
    return Asset(
        blob,
        tuple(map(Address, urls)),
        Key(key) if key is not None else None,
        Digest(alias) if alias is not None else None,
    )


def _dump(asset: Asset) -> str:
    blob = asset.blob
    width = "null" if blob.width is None else blob.width
    height = "null" if blob.height is None else blob.height
    fingerprint = f'"{blob.fingerprint}"' if blob.fingerprint is not None else "null"
    key = f', "key": {_quote(asset.key)}' if asset.key is not None else ""
    alias = f', "alias_of": "{asset.alias_of}"' if asset.alias_of is not None else ""
    sources = ", ".join(map(_quote, sorted(asset.sources)))
    return (
        f'{{"sha256": "{blob.digest.hex}", "md5": "{blob.md5}", "size": {blob.size}, '
        f'"media_type": "{blob.media_type}", "width": {width}, "height": {height}, '
        f'"fingerprint": {fingerprint}{key}{alias}, "sources": [{sources}]}}'
    )


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
        if not isinstance(sources, list):
            raise ValueError(f"sources: expected a list of canonical URLs, got {sources!r}")
        for url in sources:
            if not is_address(url):
                known = canonical(url) if isinstance(url, str) else None
                # What was found may hold a secret, which is not printed.
                found = f"another spelling, or a secret, in {known!r}" if known else repr(url)
                raise ValueError(f"sources: expected canonical URLs, got {found}")
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
