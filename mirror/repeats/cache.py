"""Caches of what was made of pictures, limited by the bytes that they take.

This module loads neither Pillow nor numpy: a run makes the caches whether it compares or not.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, Self, TypeVar

from mirror.model import Digest

if TYPE_CHECKING:
    from PIL import Image

    from mirror.pictures import Grey, Picture
    from mirror.repeats.compare import Side  # noqa: F401  (in a string below)
    from mirror.repeats.sketch import Sketch  # noqa: F401


_MAX_BYTES_OF_SKETCHES = 64 << 20  # some 6 KB for a slide
_MAX_BYTES_OF_SIDES = 64 << 20  # four slides, or one of twice the size
_MAX_BYTES_OF_EXCERPTS = 96 << 20  # some 110 KB for a slide, as JPEG or as PNG


class HasByteCount(Protocol):
    """A value that knows the bytes it takes in memory."""

    @property
    def byte_count(self) -> int: ...


K = TypeVar("K", bound=Hashable)
V = TypeVar("V", bound=HasByteCount)


class Cache(Generic[K, V]):
    """Values by key, up to `max_bytes`; the least recently used one is dropped first.

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


class Sketches(Cache[Digest, "Sketch"]):
    """The sketches of pictures by digest.

    Pickled to another process, they become the sketches which that process keeps. A sketch has some
    6 KB, too much to send with each picture, and the worker that inspects a picture compares it.
    """

    def __init__(self, max_bytes: int = _MAX_BYTES_OF_SKETCHES) -> None:
        super().__init__(max_bytes)

    def __reduce__(self) -> tuple[Callable[..., Sketches], tuple[int]]:
        return _of_process, (self._max_bytes,)

    def watch(
        self,
        digest: Digest,
        picture: Picture,
        frame: Image.Image,
        grey: Grey,
        small: Image.Image,
    ) -> None:
        """Keep the sketch of a picture that is inspected."""
        from mirror.repeats.sketch import Sketch

        self.add(digest, Sketch.of(picture, frame, grey, small))


@cache
def _of_process(max_bytes: int) -> Sketches:
    return Sketches(max_bytes)


class Sides(Cache[Digest, "Side"]):
    """The decoded pictures of the last pairs."""

    def __init__(self, max_bytes: int = _MAX_BYTES_OF_SIDES) -> None:
        super().__init__(max_bytes)


class Excerpts(Cache[Hashable, Any]):
    """Parts and codings of the pictures of the last pairs."""

    overhead = 400  # of a value and its key: an estimate

    def __init__(self, max_bytes: int = _MAX_BYTES_OF_EXCERPTS) -> None:
        super().__init__(max_bytes)
