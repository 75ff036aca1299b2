"""Millions of texts in little memory: counted, filtered, or found by their hashes."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")

_MOST_KEPT = 20_000  # values: with more, memory would grow by some 1 kB a value
_MOST_ROWS = 100_000  # of so many, the values that are kept are a fifth, and save little time
_PARTS = 16  # a set or a list of all hashes of a million texts would be large, so parts are made


class DistinctTexts:
    """Counts texts, and those of them that differ, in 8 bytes a text.

    64-bit hashes stand for the texts: two of a million have the same one in one of 40 million runs.
    """

    __slots__ = ("_parts",)

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self._parts = [array("q") for _ in range(_PARTS)]
        for text in texts:
            self.add(text)

    def add(self, text: str) -> None:
        number = hash(text)
        self._parts[number % _PARTS].append(number)

    @property
    def total(self) -> int:
        """Number of texts."""
        return sum(map(len, self._parts))

    @property
    def distinct(self) -> int:
        """Number of texts that differ."""
        return sum(len(set(part)) for part in self._parts)


class TextFilter:
    """Passes the texts that it was made from, and hardly ever another one, in 8 bytes a text."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._parts = [array("q") for _ in range(_PARTS)]
        for number in map(hash, texts):
            self._parts[number % _PARTS].append(number)
        for part in self._parts:
            part[:] = array("q", sorted(part))

    def __contains__(self, text: object) -> bool:
        number = hash(text)
        part = self._parts[number % _PARTS]
        place = bisect_left(part, number)
        return place < len(part) and part[place] == number

    def __len__(self) -> int:
        return sum(map(len, self._parts))


class PairIndex:
    """Finds rows by a name of theirs, in 12 to 20 bytes a name: one row for each name and value.

    Rows that share no name may share its hash, so the caller compares the names.
    """

    def __init__(self) -> None:
        # A part is sorted when a name of it is asked for. Until then it has the values as well.
        self._unsorted = [(array("q"), array("q"), array("I")) for _ in range(_PARTS)]
        self._sorted: dict[int, tuple[array[int], array[int]]] = {}

    def add(self, name: Hashable, value: Hashable, row: int) -> None:
        """Add a name of a row. Rows come in order, and before the first `find`."""
        number = hash(name)
        hashes, values, rows = self._unsorted[number % _PARTS]
        hashes.append(number)
        values.append(hash(value))
        rows.append(row)

    def find(self, name: Hashable) -> Iterator[int]:
        """Yield the rows that may have this name, in order, the first of each value."""
        number = hash(name)
        part = number % _PARTS
        if part not in self._sorted:
            self._sort(part)
        hashes, rows = self._sorted[part]
        place = bisect_left(hashes, number)
        while place < len(hashes) and hashes[place] == number:
            yield rows[place]
            place += 1

    def _sort(self, part: int) -> None:
        firsts: dict[tuple[int, int], int] = {}
        for number, value, row in zip(*self._unsorted[part], strict=True):
            firsts.setdefault((number, value), row)
        order = sorted((number, row) for (number, _), row in firsts.items())
        self._sorted[part] = (
            array("q", (number for number, _ in order)),
            array("I", (row for _, row in order)),
        )
        self._unsorted[part] = (array("q"), array("q"), array("I"))


class HashIndex:
    """Finds the numbers of rows by a name of theirs, in 8 to 16 bytes a name.

    A hash table with open addressing. Rows that share no name may share a place in it, so the
    caller compares the names.
    """

    def __init__(self, names: Iterable[tuple[int, str | bytes]], count: int) -> None:
        """Take the number of a row with each of its names; `count` is the most names there are."""
        size = 1 << (2 * count).bit_length()
        self._mask = size - 1
        self._slots = array("I", bytes(4 * size))
        for number, name in names:
            self.add(number, name)

    def add(self, number: int, name: str | bytes) -> None:
        slots, mask = self._slots, self._mask
        place = hash(name) & mask
        while slots[place]:
            place = (place + 1) & mask
        slots[place] = number + 1

    def find(self, name: str | bytes) -> Iterator[int]:
        """Yield the rows that may have this name."""
        slots, mask = self._slots, self._mask
        place = hash(name) & mask
        while number := slots[place]:
            yield number - 1
            place = (place + 1) & mask


class FirstMade(Generic[T]):
    """Keeps the first values that are made of packed ones, by number; others are made each time.

    Of a great many rows none are kept.
    """

    __slots__ = ("_most", "_values")

    def __init__(self) -> None:
        self._values: dict[int, T] = {}
        self._most = _MOST_KEPT

    def get(self, number: int, make: Callable[[int], T]) -> T:
        """Return the value of a number; `make` is called unless it was kept."""
        value = self._values.get(number)
        if value is None:
            value = make(number)
            self.keep(number, value)
        return value

    def keep(self, number: int, value: T) -> None:
        """Keep a value that was made already, if there is room."""
        if number >= _MOST_ROWS:
            self._values, self._most = {}, 0
        if len(self._values) < self._most:
            self._values[number] = value
