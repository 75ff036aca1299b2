"""Many assets in little memory: packed in rows, and found by digest, source and key.

A million assets take 200 MB; as Python's objects they take more than a gigabyte. A manifest is read
far more often than it is changed, so what a run changes is kept beside the rows.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, ItemsView, Iterable, Iterator, Mapping, ValuesView
from dataclasses import replace
from functools import cached_property
from heapq import merge
from operator import attrgetter
from struct import Struct
from typing import TypeVar

from mirror.compact import FirstMade, HashIndex
from mirror.manifest.counts import ImageCounts
from mirror.manifest.lines import Line
from mirror.model import EXTENSIONS, Asset, Blob, Digest, Fingerprint, Key
from mirror.urls.address import Address, identity

K = TypeVar("K", bound=str)

_HEAD = Struct(">32s16sQQQBB")  # digest, MD5, size, width, height, type, what the row has
_HAS_FINGERPRINT, _HAS_ALIAS, _HAS_KEY = 1, 2, 4
_DIGEST_BYTES = 32  # of SHA-256
_TYPES = tuple(EXTENSIONS)
_TYPE_NUMBERS = {name: number for number, name in enumerate(_TYPES)}
# Neither a key nor an address has a control character, so these cannot be a part of one.
_END = "\n"  # between two names
_OWN_DIGEST = "\x01"  # stands for the asset's own digest in a key; most keys hold it


class Rows:
    """Assets, packed, by the number of their row. Two may have one digest unless `is_sorted`."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._starts = array("Q")
        self._source_count = self._key_count = 0
        self._last = b""
        self.counts = ImageCounts()
        self._made = FirstMade[Asset]()
        self.is_sorted = True

    def append(self, line: Line) -> None:
        """Add the asset of a line, whose members were checked."""
        digest = bytes.fromhex(line.sha256)
        has, rest = 0, b""
        if line.fingerprint is not None:
            has |= _HAS_FINGERPRINT
            rest += bytes.fromhex(line.fingerprint)
        if line.alias_of is not None:
            has |= _HAS_ALIAS
            rest += bytes.fromhex(line.alias_of)
        names = [*line.sources]
        if line.key is not None:
            has |= _HAS_KEY
            names.insert(0, line.key.replace(line.sha256, _OWN_DIGEST))
        if line.former_sources:
            names += ["", *line.former_sources]
        self._starts.append(len(self._data))
        self._data += _HEAD.pack(
            digest,
            bytes.fromhex(line.md5),
            line.size,
            line.width or 0,
            line.height or 0,
            _TYPE_NUMBERS[line.media_type],
            has,
        )
        self._data += rest
        self._data += _END.join(names).encode()
        self._source_count += len(line.sources)
        self.counts.add(
            len(line.sources), has_key=line.key is not None, is_alias=line.alias_of is not None
        )
        self._key_count += line.key is not None
        self.is_sorted = self.is_sorted and self._last < digest
        self._last = digest

    def __len__(self) -> int:
        return len(self._starts)

    def digest(self, number: int) -> Digest:
        return Digest(self._digest(number).hex())

    def asset(self, number: int) -> Asset:
        return self._made.get(number, self._make)

    def _make(self, number: int) -> Asset:
        row = self._row(number)
        digest, md5, size, width, height, type_number, has = _HEAD.unpack_from(row)
        place = _HEAD.size
        fingerprint = alias = None
        if has & _HAS_FINGERPRINT:
            bits = row[place : place + _DIGEST_BYTES]
            fingerprint = Fingerprint(int.from_bytes(bits, "big"))
            place += _DIGEST_BYTES
        if has & _HAS_ALIAS:
            alias = Digest(row[place : place + _DIGEST_BYTES].hex())
            place += _DIGEST_BYTES
        name = digest.hex()
        key, sources, former = _names(row[place:].decode(), name, has_key=bool(has & _HAS_KEY))
        blob = Blob(
            Digest(name),
            md5.hex(),
            size,
            _TYPES[type_number],
            width or None,
            height or None,
            fingerprint,
        )
        return Asset(blob, sources, key, alias, former)

    def is_repeat(self, number: int) -> bool:
        """Return True if another picture stands for that of a row."""
        return bool(self._data[self._starts[number] + _HEAD.size - 1] & _HAS_ALIAS)

    def by_digest(self, digest: Digest) -> int | None:
        try:
            name = bytes.fromhex(digest.hex)
        except ValueError:  # not the digest of a picture
            return None
        for number in self._digest_index.find(name):
            if self._digest(number) == name:
                return number
        return None

    def by_source(self, name: str) -> Asset | None:
        """Return the asset that has a source, by the identity of its address."""
        for asset in map(self.asset, self._source_index.find(name)):
            if name in map(identity, asset.sources):
                return asset
        return None

    def by_key(self, key: str) -> Asset | None:
        for asset in map(self.asset, self._key_index.find(key)):
            if asset.key == key:
                return asset
        return None

    def in_order(self) -> Iterable[int]:
        """Return the numbers of all rows by digest."""
        numbers = range(len(self))
        return numbers if self.is_sorted else array("I", sorted(numbers, key=self._digest))

    @cached_property
    def _digest_index(self) -> HashIndex:
        return HashIndex(((n, self._digest(n)) for n in range(len(self))), len(self))

    @cached_property
    def _source_index(self) -> HashIndex:
        names = ((n, name) for n in range(len(self)) for name in self._source_names(n))
        return HashIndex(names, self._source_count)

    @cached_property
    def _key_index(self) -> HashIndex:
        keys = ((n, key) for n in range(len(self)) if (key := self._key(n)) is not None)
        return HashIndex(keys, self._key_count)

    def _row(self, number: int) -> bytearray:
        starts = self._starts
        stop = starts[number + 1] if number + 1 < len(starts) else len(self._data)
        return self._data[starts[number] : stop]

    def _digest(self, number: int) -> bytes:
        start = self._starts[number]
        return bytes(self._data[start : start + _DIGEST_BYTES])

    def _text(self, number: int) -> tuple[str, int]:
        """Return the text of a row, and what the row has."""
        row = self._row(number)
        has = row[_HEAD.size - 1]
        place = _HEAD.size + _DIGEST_BYTES * (bool(has & _HAS_FINGERPRINT) + bool(has & _HAS_ALIAS))
        return row[place:].decode(), has

    def _key(self, number: int) -> str | None:
        text, has = self._text(number)
        if not has & _HAS_KEY:
            return None
        return text.partition(_END)[0].replace(_OWN_DIGEST, self._digest(number).hex())

    def _source_names(self, number: int) -> list[str]:
        text, has = self._text(number)
        _, sources, _ = _names(text, "", has_key=bool(has & _HAS_KEY))
        return [identity(url) for url in sources]


def _names(
    text: str, digest: str, *, has_key: bool
) -> tuple[Key | None, tuple[Address, ...], tuple[Address, ...]]:
    """Return key, sources and former sources of the text of a row."""
    names = text.split(_END) if text else []
    key = None
    if has_key:
        key = Key(names[0].replace(_OWN_DIGEST, digest))
        del names[0]
    former: list[str] = []
    if "" in names:
        middle = names.index("")
        names, former = names[:middle], names[middle + 1 :]
    return key, tuple(map(Address, names)), tuple(map(Address, former))


class Assets(Mapping[Digest, Asset]):
    """Assets by digest: the rows, and beside them assets that were changed or are new."""

    def __init__(self, rows: Rows | None = None, changed: Mapping[Digest, Asset] | None = None):
        """Take packed assets, and the changed and new ones, which count instead of their rows."""
        self._rows = rows if rows is not None else Rows()
        self._changed = dict(changed or {})

    def replacing(self, changed: Mapping[Digest, Asset]) -> Assets:
        """Return these assets with those of `changed` added or replaced."""
        return Assets(self._rows, {**self._changed, **changed}) if changed else self

    def __getitem__(self, digest: Digest) -> Asset:
        if (asset := self._changed.get(digest)) is not None:
            return asset
        if (number := self._rows.by_digest(digest)) is None:
            raise KeyError(digest)
        return self._rows.asset(number)

    def __contains__(self, digest: object) -> bool:
        return digest in self._changed or (
            isinstance(digest, Digest) and self._rows.by_digest(digest) is not None
        )

    def __len__(self) -> int:
        return len(self._rows) + len(self._new)

    def __iter__(self) -> Iterator[Digest]:
        yield from map(self._rows.digest, range(len(self._rows)))
        yield from self._new

    def values(self) -> ValuesView[Asset]:
        return _Values(self)

    def items(self) -> ItemsView[Digest, Asset]:
        return _Items(self)

    def each(self) -> Iterator[Asset]:
        """Yield all assets, those without a row last."""
        yield from self._at(range(len(self._rows)))
        yield from map(self._changed.__getitem__, self._new)

    def in_order(self) -> Iterator[Asset]:
        """Yield all assets by digest."""
        by_digest = attrgetter("digest")
        new = sorted(map(self._changed.__getitem__, self._new), key=by_digest)
        return merge(self._at(self._rows.in_order()), new, key=by_digest)

    def repeats(self) -> Iterator[Asset]:
        """Yield the assets that another picture stands for, in the order of `each`."""
        rows = self._rows
        numbers: Iterable[int] = range(len(rows))
        if self._changed:  # one of them may be a repeat now
            numbers = (n for n in numbers if rows.is_repeat(n) or rows.digest(n) in self._changed)
            yield from (asset for asset in self._at(numbers) if asset.alias_of is not None)
        else:
            yield from map(rows.asset, filter(rows.is_repeat, numbers))
        yield from (asset for asset in map(self._changed.__getitem__, self._new) if asset.alias_of)

    def count(self) -> ImageCounts:
        """Count the images, without a look at each row."""
        counts = replace(self._rows.counts)
        for digest, asset in self._changed.items():
            if (number := self._rows.by_digest(digest)) is not None:
                counts.add_asset(self._rows.asset(number), times=-1)
            counts.add_asset(asset)
        return counts

    def added_to(self, before: Assets) -> Iterator[Asset]:
        """Yield the assets whose pictures are not among those of `before`."""
        if self._rows is before._rows:
            yield from (self._changed[digest] for digest in self._new if digest not in before)
        else:
            yield from (asset for asset in self.each() if asset.digest not in before)

    @cached_property
    def by_source(self) -> Mapping[str, Asset]:
        """The asset of each source, by the identity of its address."""
        return _Lookup(self, self._changed, self._rows.by_source, _source_names)

    @cached_property
    def by_key(self) -> Mapping[Key, Asset]:
        """The assets with an object of their own, by its key."""
        return _Lookup(self, self._changed, self._rows.by_key, _keys)

    @cached_property
    def _new(self) -> list[Digest]:
        """The assets without a row."""
        return [digest for digest in self._changed if self._rows.by_digest(digest) is None]

    def _at(self, numbers: Iterable[int]) -> Iterator[Asset]:
        assets = map(self._rows.asset, numbers)
        if not self._changed:  # hashing each digest would take half of the time of this loop
            return assets
        return (self._changed.get(asset.digest, asset) for asset in assets)


class _Values(ValuesView[Asset]):
    """All assets, each unpacked once."""

    _mapping: Assets

    def __iter__(self) -> Iterator[Asset]:
        return self._mapping.each()


class _Items(ItemsView[Digest, Asset]):
    _mapping: Assets

    def __iter__(self) -> Iterator[tuple[Digest, Asset]]:
        return ((asset.digest, asset) for asset in self._mapping.each())


class _Lookup(Mapping[K, Asset]):
    """The assets by their sources or keys: the changed ones, and those of rows."""

    def __init__(
        self,
        assets: Assets,
        changed: Mapping[Digest, Asset],
        find: Callable[[str], Asset | None],
        names: Callable[[Asset], Iterable[K]],
    ) -> None:
        self._assets = assets
        self._changed = changed
        self._find = find
        self._names = names
        self._changed_names = {name: asset for asset in changed.values() for name in names(asset)}

    def __getitem__(self, name: K) -> Asset:
        if (asset := self._changed_names.get(name)) is not None:
            return asset
        packed = self._find(name)
        if packed is None or (self._changed and packed.digest in self._changed):
            raise KeyError(name)
        return packed

    def __contains__(self, name: object) -> bool:
        if not self._changed:
            return isinstance(name, str) and self._find(name) is not None
        return super().__contains__(name)

    def __iter__(self) -> Iterator[K]:
        return (name for asset in self._assets.each() for name in self._names(asset))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __bool__(self) -> bool:
        return any(True for _ in self)

    def items(self) -> ItemsView[K, Asset]:
        return _NamedItems(self)

    def named(self) -> Iterator[tuple[K, Asset]]:
        return ((name, asset) for asset in self._assets.each() for name in self._names(asset))


class _NamedItems(ItemsView[K, Asset]):
    _mapping: _Lookup[K]

    def __iter__(self) -> Iterator[tuple[K, Asset]]:
        return self._mapping.named()


def _source_names(asset: Asset) -> Iterator[str]:
    return map(identity, asset.sources)


def _keys(asset: Asset) -> Iterator[Key]:
    if asset.key is not None:
        yield asset.key
