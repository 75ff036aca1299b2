"""A store in memory: the model that the other stores are compared with."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import md5
from threading import Lock

from mirror.model import OCTETS, Blob, Key
from mirror.store.errors import conflict_error, exists_error, not_found_error, too_large_error
from mirror.store.keys import check_key
from mirror.store.protocol import ObjectInfo, Store


class MemoryStore:
    """Objects in a dictionary, gone with the process."""

    def __init__(self, name: str = "memory") -> None:
        self.name = name
        self._objects: dict[Key, bytes] = {}
        self._lock = Lock()

    @property
    def place(self) -> str:
        return self.name

    @property
    def identity(self) -> str:
        return self.name

    @property
    def readers(self) -> int:
        return 1

    def put(
        self,
        key: Key,
        data: bytes,
        media_type: str = OCTETS,
        *,
        inline: bool = True,
        absent: bool = False,
    ) -> None:
        check_key(key)
        with self._lock:
            if self._objects.setdefault(key, data) != data:
                raise exists_error(self.name, key)

    def replace(
        self,
        key: Key,
        data: bytes,
        media_type: str = OCTETS,
        *,
        inline: bool = True,
        expected: bytes | None = None,
    ) -> None:
        check_key(key)
        with self._lock:
            if expected is not None and self._objects.get(key) != expected:
                raise conflict_error(self.name, key)
            self._objects[key] = data

    def get(self, key: Key, *, max_bytes: int | None = None) -> bytes:
        try:
            data = self._objects[key]
        except KeyError:
            raise not_found_error(self.name, key) from None
        if max_bytes is not None and len(data) > max_bytes:
            raise too_large_error(self.name, key, max_bytes)
        return data

    def copy_from(
        self, source: Store, source_key: Key, blob: Blob, key: Key, *, inline: bool
    ) -> bool:
        return False

    def stat(self, key: Key) -> ObjectInfo | None:
        data = self._objects.get(key)
        return None if data is None else _info(key, data)

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        with self._lock:
            items = sorted(item for item in self._objects.items() if item[0].startswith(prefix))
        for key, data in items:
            yield _info(key, data)

    def delete(self, key: Key) -> None:
        with self._lock:
            self._objects.pop(key, None)


def _info(key: Key, data: bytes) -> ObjectInfo:
    return ObjectInfo(key, len(data), md5(data, usedforsecurity=False).hexdigest())
