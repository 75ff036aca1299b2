"""What a store promises, its errors, and the two stores that need no server."""

from __future__ import annotations

import errno
import stat
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import md5
from pathlib import Path
from threading import Lock
from typing import Protocol

from mirror.files import Tree, explain, is_temporary, sweep
from mirror.model import OCTETS, Key
from mirror.urls.redact import printable


class StoreError(Exception):
    """A store did not do what was asked. The message says which one, what it said, what to do."""


class NotFoundError(StoreError):
    """No object under that key."""


class ExistsError(StoreError):
    """Other bytes are under that key; they stay."""


class UnreachableError(StoreError):
    """No answer, or none worth the name: nothing is known about the objects."""


class AccessError(StoreError):
    """The store answers, and refuses."""


class NoBucketError(StoreError):
    """There is no such bucket."""


class CredentialsError(StoreError):
    """Credentials are missing, or the store does not accept them."""


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """What a store says about an object. `md5` only where the store vouches for it."""

    key: Key
    size: int
    md5: str | None


class Store(Protocol):
    """Objects under keys. Safe to use from several threads.

    Whatever goes wrong is a `StoreError`.
    """

    @property
    def name(self) -> str:
        """What findings call it."""
        ...

    def put(
        self,
        key: Key,
        data: bytes,
        media_type: str = OCTETS,
        *,
        inline: bool = True,
        absent: bool = False,
    ) -> None:
        """Create an object, whole or not at all.

        The same bytes under that key are fine; other bytes stay, and raise `ExistsError`.
        With `inline=False` a browser that opens the object offers to save it instead of showing
        it, so that a script inside (SVG) never runs on the image host; in an `<img>` it shows all
        the same. `absent` says that a listing made just now did not have `key`: it saves a
        request where the server itself cannot promise to create only.
        """
        ...

    def replace(
        self, key: Key, data: bytes, media_type: str = OCTETS, *, inline: bool = True
    ) -> None:
        """Store an object in place of whatever is under `key`, whole or not at all.

        At no moment is there nothing. Only for a caller who knows that `data` belongs there and
        that what is there does not: `put` is for everybody else.
        """
        ...

    def get(self, key: Key) -> bytes:
        """Return the object, or raise `NotFoundError`."""
        ...

    def stat(self, key: Key) -> ObjectInfo | None:
        """Return what the store says about the object, `None` if there is none."""
        ...

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """Yield the objects whose key starts with `prefix`, in the order of the keys' bytes."""
        ...

    def delete(self, key: Key) -> None:
        """Remove the object if there is one."""
        ...


def check_key(key: str) -> Key:
    """Return `key` if every store can hold it, under that name and no other.

    Raise `StoreError` otherwise. Servers and file systems differ in what they do with the rest:
    some refuse, some fold two names into one, some cannot list it.
    """
    if trouble := _trouble(key):
        raise StoreError(f"key {printable(key)!r} {trouble}; choose another `key` pattern")
    return Key(key)


def _trouble(key: str) -> str | None:
    parts = key.split("/")
    if "" in parts:
        return "is empty, or has an empty part: no leading, trailing or double `/`"
    if not {".", ".."}.isdisjoint(parts):
        return "has a part `.` or `..`"
    if "\\" in key:
        return "has a backslash"
    if any(unicodedata.category(c) in ("Cc", "Cs") for c in key):
        return "has a control character"
    if unicodedata.normalize("NFC", key) != key:
        return "is not in Unicode normal form C"
    if any(map(is_temporary, parts)):
        return "has a part that looks like one of our unfinished files"
    if any(len(part.encode()) > 255 for part in parts):
        return "has a part longer than 255 bytes"
    if len(key.encode()) > 1024:
        return "is longer than 1024 bytes"
    return None


def exists(name: str, key: Key) -> ExistsError:
    return ExistsError(
        f"{name}: other bytes are under {printable(key)!r} already; they were left as they are. "
        "Remove that object, or choose another `key` pattern"
    )


def not_found(name: str, key: Key) -> NotFoundError:
    return NotFoundError(f"{name}: there is no object {printable(key)!r}")


class MemoryStore:
    """Objects in a dictionary: for tests, and for a demonstration."""

    def __init__(self, name: str = "memory") -> None:
        self.name = name
        self._objects: dict[Key, bytes] = {}
        self._lock = Lock()

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
                raise exists(self.name, key)

    def replace(
        self, key: Key, data: bytes, media_type: str = OCTETS, *, inline: bool = True
    ) -> None:
        check_key(key)
        with self._lock:
            self._objects[key] = data

    def get(self, key: Key) -> bytes:
        try:
            return self._objects[key]
        except KeyError:
            raise not_found(self.name, key) from None

    def stat(self, key: Key) -> ObjectInfo | None:
        data = self._objects.get(key)
        return None if data is None else _info(key, data)

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        with self._lock:
            found = sorted(item for item in self._objects.items() if item[0].startswith(prefix))
        for key, data in found:
            yield _info(key, data)

    def delete(self, key: Key) -> None:
        with self._lock:
            self._objects.pop(key, None)


def _info(key: Key, data: bytes) -> ObjectInfo:
    return ObjectInfo(key, len(data), md5(data, usedforsecurity=False).hexdigest())


_DENIED = (errno.EACCES, errno.EPERM, errno.EROFS)


class DirectoryStore:
    """Objects as files beneath a folder, which is made with the first one.

    A folder keeps no media types and vouches for no checksum: `md5` is `None`, and who wants to
    know reads. Links beneath the folder are no objects and are never followed.
    """

    def __init__(self, name: str, root: Path) -> None:
        self.name = name
        self._tree = Tree(root)
        self._lock = Lock()
        self._swept = False

    @property
    def root(self) -> Path:
        return self._tree.root

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
        self._sweep_once()
        with self._errors(key, writing=True):
            if not self._tree.create(key, data) and self._tree.read(key) != data:
                raise exists(self.name, key)

    def replace(
        self, key: Key, data: bytes, media_type: str = OCTETS, *, inline: bool = True
    ) -> None:
        check_key(key)
        with self._errors(key, writing=True):
            self._tree.replace(key, data)

    def get(self, key: Key) -> bytes:
        with self._errors(key):
            return self._tree.read(key)

    def stat(self, key: Key) -> ObjectInfo | None:
        with self._errors(key):
            size = self._tree.size(key)
        return None if size is None else ObjectInfo(key, size, None)

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        with self._errors(Key(prefix)):
            for name, found in self._tree.walk(prefix):
                if stat.S_ISREG(found.st_mode):
                    yield ObjectInfo(Key(name), found.st_size, None)

    def delete(self, key: Key) -> None:
        with self._errors(key):
            if self._tree.size(key) is not None:
                self._tree.remove(key)

    def _sweep_once(self) -> None:
        """Remove what a killed run left, before the first object is written."""
        with self._lock:
            if not self._swept:
                sweep(self.root)
                self._swept = True

    @contextmanager
    def _errors(self, key: Key, *, writing: bool = False) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:
            if not writing:
                raise not_found(self.name, key) from error
            text = f"{self.name}: {self.root}: cannot be made; make it, or correct `url`"
            raise AccessError(printable(text)) from error
        except OSError as error:
            kind = AccessError if error.errno in _DENIED else StoreError
            place = printable(f"{self.name}: {self.root}: {key!r}")
            raise kind(f"{place}: {explain(error)}") from error
