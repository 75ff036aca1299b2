"""A cache of what was made of pictures, limited by the bytes that it takes."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import ClassVar, Generic, Protocol, Self, TypeVar


class Measured(Protocol):
    """A value that knows the bytes it takes in memory."""

    @property
    def byte_count(self) -> int: ...


K = TypeVar("K", bound=Hashable)
V = TypeVar("V", bound=Measured)


class Cache(Generic[K, V]):
    """Values by key, up to `max_bytes`; the one not asked for longest is dropped first.

    Safe to use from threads. In another process it begins empty.
    """

    overhead: ClassVar[int] = 0
    """Bytes that are counted for each value, beside its own."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._kept: OrderedDict[K, V] = OrderedDict()
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[Callable[..., Self], tuple[int]]:
        return type(self), (self._max_bytes,)

    def get(self, key: K) -> V | None:
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def add(self, key: K, value: V) -> None:
        """Keep a value, unless there is one under that key."""
        with self._lock:
            if key in self._kept:
                return
            self._kept[key] = value
            self._bytes += value.byte_count + self.overhead
            while self._bytes > self._max_bytes:
                _, dropped = self._kept.popitem(last=False)
                self._bytes -= dropped.byte_count + self.overhead
