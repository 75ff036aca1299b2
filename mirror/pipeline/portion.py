"""Portions: equal parts of all pictures or of all requests, of which a run takes one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar, Self

from mirror.model import Digest


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
        return value % self.count == self.number - 1


class Sample(Portion):
    """A portion of the pictures, by digest."""

    __slots__ = ()

    def __contains__(self, digest: Digest) -> bool:
        return self.takes(int(digest.hex[:15], 16))  # 60 bits: enough for any count


ALL = Sample(1, 1)
