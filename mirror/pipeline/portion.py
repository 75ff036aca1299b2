"""Portions: equal parts of all pictures or of all requests, of which a run takes one."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar, Self, TypeVar

from mirror.model import Digest

T = TypeVar("T")


@dataclass(frozen=True, slots=True, order=True)
class Portion:
    """The `number`-th of `count` parts, counted from 1: `count` runs cover everything."""

    most: ClassVar[int] = 999_999_999  # parts: a number is read with nine digits

    number: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `2/3`; raise `ValueError`."""
        match = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", text)
        portion = cls(int(match[1]), int(match[2])) if match else cls(0, 0)
        if not 1 <= portion.number <= portion.count <= cls.most:
            raise ValueError(f"expected a part such as 2/3, the second of three, got {text!r}")
        return portion

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    def takes(self, value: int) -> bool:
        """Return True if what is numbered `value` belongs to this part."""
        return self.distance(value) == 0

    def distance(self, value: int) -> int:
        """Return how many parts after this one the part of what is numbered `value` comes."""
        return (value - self.number + 1) % self.count


class Sample(Portion):
    """A portion of the pictures, by digest."""

    __slots__ = ()

    def of(self, items: Iterable[T], digest: Callable[[T], Digest]) -> Iterator[T]:
        """Yield the items of this portion, by their `digest`.

        Where there is none, yield the first one of the next portion that has any: a sample of
        something is never empty.
        """
        nearest: tuple[int, T] | None = None
        for item in items:
            distance = self.distance(int(digest(item).hex[:15], 16))  # 60 bits: for any count
            if not distance:
                yield item
            if nearest is None or distance < nearest[0]:
                nearest = distance, item
        if nearest is not None and nearest[0]:
            yield nearest[1]


ALL = Sample(1, 1)
