"""The objects that the manifest names, packed: a million take 150 MB."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice, pairwise
from struct import Struct
from typing import NamedTuple

from mirror.manifest.lines import (
    UnusualError,
    _Among,
    _load_object,
    _numbered,
    _parse_asset,
    _read_usual,
)
from mirror.model import Asset, Digest, Key


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

    @classmethod
    def of(cls, asset: Asset) -> Object:
        """Return the object of an asset that has a key of its own."""
        assert asset.key is not None  # noqa: S101  (callers ask for objects only)
        return cls(asset.key, asset.blob.size, asset.blob.md5, asset.digest)


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
