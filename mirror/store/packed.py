"""The listing of a store, packed: a million objects take 120 MB, as Python's objects 400 MB."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from struct import Struct

from mirror.compact import HashIndex
from mirror.model import Key
from mirror.store.protocol import ObjectInfo

_HEAD = Struct(">Q?16s")  # size, whether the MD5 is known, MD5


class PackedListing(Mapping[Key, ObjectInfo]):
    """The objects of a listing by their key, in its order.

    If a key came twice, the last one counts. Reading `infos` raises what it raises.
    """

    def __init__(self, infos: Iterable[ObjectInfo]) -> None:
        self._data = bytearray()
        self._starts = array("Q")
        for info in infos:
            self._starts.append(len(self._data))
            md5 = bytes(16) if info.md5 is None else bytes.fromhex(info.md5)
            self._data += _HEAD.pack(info.size, info.md5 is not None, md5)
            # In a folder there may be names that are not UTF-8.
            self._data += info.key.encode("utf-8", "surrogateescape")

    def __getitem__(self, key: Key) -> ObjectInfo:
        if (number := self._find(key)) is None:
            raise KeyError(key)
        size, has_md5, md5 = _HEAD.unpack_from(self._data, self._starts[number])
        return ObjectInfo(key, size, md5.hex() if has_md5 else None)

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and self._find(key) is not None

    def __iter__(self) -> Iterator[Key]:
        keys = ((number, self._key(number)) for number in range(len(self._starts)))
        return (Key(key) for number, key in keys if self._find(key) == number)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    @cached_property
    def _index(self) -> HashIndex:
        count = len(self._starts)
        return HashIndex(((number, self._key(number)) for number in range(count)), count)

    def _find(self, key: str) -> int | None:
        return max((n for n in self._index.find(key) if self._key(n) == key), default=None)

    def _key(self, number: int) -> str:
        starts = self._starts
        stop = starts[number + 1] if number + 1 < len(starts) else len(self._data)
        return self._data[starts[number] + _HEAD.size : stop].decode("utf-8", "surrogateescape")
