"""The objects of a manifest, packed: a million take 150 MB."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice, pairwise
from struct import Struct
from typing import NamedTuple

from mirror.manifest.conflicts import ConflictCheck, unite_lines
from mirror.manifest.counts import ImageCounts
from mirror.manifest.lines import Line, LinePlace, read_lines
from mirror.model import Asset, Digest, Key

Row = tuple[str | None, int, bytes, int, bool]
"""Key, or `None` for an asset without an object; size; MD5 and SHA-256 in one; the number of
sources, and whether another picture stands for it."""

_READ_AT_ONCE = 1000  # rows: few enough that an object that is looked for early is found early
_ROW = Struct(">Q48s")


class LateKeyError(Exception):
    """Objects were yielded too early.

    A later line has a smaller key, or is about the same bytes as an earlier one. The caller reads
    the whole manifest and starts again.
    """


def key_bytes(key: str) -> bytes:
    """Return the bytes by which keys are ordered. A name in a folder may be other than UTF-8."""
    return key.encode("utf-8", "surrogateescape")


class Object(NamedTuple):
    """One object that a destination should hold."""

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
    """The objects that every destination should hold, by key, in the order of the keys' bytes.

    A million take some 150 MB, where their assets take a gigabyte. Rows are read as they are asked
    for, a thousand at a time; what needs to know all of them, such as `len`, reads the rest.
    Every method raises what `rows` raises.
    """

    def __init__(self, rows: Iterable[Row]) -> None:
        """Take rows with different keys."""
        self._unread = iter(rows)
        self._rows = bytearray()
        self._starts = array("Q")  # a row ends where the next one starts
        self._last = b""
        self._is_sorted = True
        self._counts = ImageCounts()

    @classmethod
    def of(cls, assets: Iterable[Asset]) -> Objects:
        """Return the objects of these assets."""
        return cls(
            (
                asset.key,
                asset.blob.size,
                bytes.fromhex(asset.blob.md5 + asset.digest.hex),
                len(asset.sources),
                asset.alias_of is not None,
            )
            for asset in assets
        )

    @property
    def counts(self) -> ImageCounts:
        """The images of all rows, including those without an object."""
        self.read_all()
        return self._counts

    @property
    def asset_count(self) -> int:
        """Number of rows, including those without an object."""
        return self.counts.originals

    def __len__(self) -> int:
        self.read_all()
        return len(self._starts)

    def __iter__(self) -> Iterator[Key]:
        return (Key(self._key(number).decode()) for number in range(len(self)))

    def __getitem__(self, key: Key) -> Object:
        name = key_bytes(key)
        number = bisect_left(range(len(self)), name, key=self._key)
        if number == len(self) or self._key(number) != name:
            raise KeyError(key)
        return self.at(number)

    def facts(self) -> Iterator[tuple[bytes, int, str]]:
        """Yield key, size and MD5 of each object, in order: what a listing has.

        Raise `LateKeyError` if a key is read that belongs before those already given. That cannot
        happen after `len`, which reads and sorts all.
        """
        number = 0
        while number < len(self._starts) or self._read_some():
            if not self._is_sorted:
                if number:
                    raise LateKeyError
                self.read_all()
            row = self._row(number)
            size, digests = _ROW.unpack_from(row)
            yield row[_ROW.size :], size, digests[:16].hex()
            number += 1

    def at(self, number: int) -> Object:
        """Return the object with this number in order, of those that were read."""
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
        """Read on until there is another object; return False at the end."""
        before = len(self._starts)
        while len(self._starts) == before:
            rows_before = self._counts.originals
            for key, size, digests, sources, is_alias in islice(self._unread, _READ_AT_ONCE):
                self._counts.add(sources, has_key=key is not None, is_alias=is_alias)
                if key is not None:
                    name = key_bytes(key)
                    self._starts.append(len(self._rows))
                    self._rows += _ROW.pack(size, digests) + name
                    self._is_sorted = self._is_sorted and self._last < name
                    self._last = name
            if self._counts.originals == rows_before:
                return False
        return True

    def read_all(self) -> None:
        while self._read_some():
            pass
        if not self._is_sorted:
            self._sort()
            self._is_sorted = True

    def _sort(self) -> None:
        order = sorted(range(len(self._starts)), key=self._key)
        if any(self._key(left) == self._key(right) for left, right in pairwise(order)):
            raise ValueError("expected different keys, found one twice")
        rows = bytearray()
        starts = array("Q")
        for number in order:
            starts.append(len(rows))
            rows += self._row(number)
        self._rows, self._starts = rows, starts


def load_objects(read: Callable[[], Iterable[str]]) -> Objects:
    """Return the objects of a manifest, whose lines are read as objects are asked for.

    `read` opens the lines. It is called again if lines share what they may not share, to name
    them. Reading raises `ManifestError`; a conflict among lines is known when all of them are read.
    """
    return Objects(read_rows(lambda: read_lines(read())))


def read_rows(read: Callable[[], Iterable[tuple[LinePlace, Line]]]) -> Iterator[Row]:
    """Yield the rows of `load_objects`."""
    conflicts = ConflictCheck()
    count = 0
    for _, line in read():
        count += 1
        conflicts.add(line)
        digests = bytes.fromhex(line.md5 + line.sha256)
        yield line.key, line.size, digests, len(line.sources), line.alias_of is not None
    if conflicts.has_conflict():
        assets = unite_lines((place, line.asset()) for place, line in read())
        if len(assets) < count:  # two lines of the same bytes make one row
            raise LateKeyError
