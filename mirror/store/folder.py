"""A store in a folder: each object is a file, its key is the relative path."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

from mirror.files import ANYTHING, ChangedError, NotAFileError, Tree, explain, sweep
from mirror.model import OCTETS, Blob, Key
from mirror.store.errors import (
    AccessError,
    StoreError,
    conflict_error,
    exists_error,
    folder_key_error,
    not_found_error,
    too_large_error,
)
from mirror.store.keys import check_key
from mirror.store.protocol import ObjectInfo, Store
from mirror.urls.redact import printable

_DENIED = (errno.EACCES, errno.EPERM, errno.EROFS)


class DirectoryStore:
    """Objects as files below a folder, which is created with the first one.

    A folder stores no media types and no checksums, so `md5` is always `None`. Symbolic links
    below the folder are no objects and are never followed.
    """

    def __init__(self, name: str, root: Path) -> None:
        self.name = name
        self._tree = Tree(root)
        self._lock = Lock()
        self._swept: set[str] = set()

    def __reduce__(self) -> tuple[type[DirectoryStore], tuple[str, Path]]:
        return DirectoryStore, (self.name, self.root)

    @property
    def root(self) -> Path:
        return self._tree.root

    @property
    def place(self) -> str:
        return str(self.root)

    @property
    def identity(self) -> str:
        return self.place

    @property
    def readers(self) -> int:
        # 16 threads take twice the CPU time of two to read small files, and are slower.
        return os.cpu_count() or 1

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
        self.sweep(key.rpartition("/")[0])
        with self._errors(key, writing=True):
            if not self._tree.create(key, data) and self._existing(key, len(data) + 1) != data:
                raise exists_error(self.name, key)

    def _existing(self, key: Key, max_bytes: int) -> bytes:
        """Return the contents of the file under `key`; raise `IsADirectoryError` for a folder."""
        try:
            return self._tree.read(key, max_bytes)
        except FileNotFoundError as error:
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), key) from error

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
        with self._errors(key, writing=True):
            try:
                self._tree.replace(key, data, expected=ANYTHING if expected is None else expected)
            except ChangedError as error:
                raise conflict_error(self.name, key) from error

    def get(self, key: Key, *, max_bytes: int | None = None) -> bytes:
        with self._errors(key):
            data = self._tree.read(key, None if max_bytes is None else max_bytes + 1)
        if max_bytes is not None and len(data) > max_bytes:
            raise too_large_error(self.name, key, max_bytes)
        return data

    def copy_from(
        self, source: Store, source_key: Key, blob: Blob, key: Key, *, inline: bool
    ) -> bool:
        return False

    def stat(self, key: Key) -> ObjectInfo | None:
        with self._errors(key):
            size = self._tree.size(key)
        return None if size is None else ObjectInfo(key, size, None)

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        for name, status in self.walk(prefix):
            if stat.S_ISREG(status.st_mode):
                yield ObjectInfo(Key(name), status.st_size, None)

    def walk(self, prefix: str = "") -> Iterator[tuple[str, os.stat_result]]:
        """Yield name and status of everything but folders, also of links, which are no objects."""
        with self._errors(Key(prefix)):
            yield from self._tree.walk(prefix)

    def delete(self, key: Key) -> None:
        with self._errors(key):
            if self._tree.size(key) is not None:
                self._tree.remove(key)

    def sweep(self, folder: str) -> None:
        """Remove the temporary files that killed runs left in a folder of objects, once.

        Nothing is done where a link leads. The folders below are left alone, so that the time does
        not depend on the number of all objects.
        """
        with self._lock:
            if folder in self._swept:
                return
            self._swept.add(folder)
        path = os.fspath(self.root)
        for part in folder.split("/"):
            path = os.path.join(path, part)  # noqa: PTH118  (a fifth of the time, for each folder)
            if os.path.islink(path):  # noqa: PTH114
                return
        sweep(Path(path), deep=False)

    @contextmanager
    def _errors(self, key: Key, *, writing: bool = False) -> Iterator[None]:
        try:
            yield
        except (FileNotFoundError, NotAFileError) as error:
            if not writing:
                raise not_found_error(self.name, key) from error
            if error.errno == errno.EISDIR:
                raise folder_key_error(f"{self.name}: {self.root}", key) from error
            if isinstance(error, NotAFileError):
                place = printable(f"{self.name}: {self.root}: {key!r}")
                raise StoreError(f"{place}: {explain(error)}") from error
            text = f"{self.name}: {self.root}: cannot be made; make it, or correct `url`"
            raise AccessError(printable(text)) from error
        except OSError as error:
            # A part of the key is a file, or the key is a folder. The root has no part in a key.
            if error.errno in (errno.ENOTDIR, errno.EISDIR) and self.root.is_dir():
                if writing:
                    raise folder_key_error(f"{self.name}: {self.root}", key) from error
                raise not_found_error(self.name, key) from error
            kind = AccessError if error.errno in _DENIED else StoreError
            place = printable(f"{self.name}: {self.root}: {key!r}")
            raise kind(f"{place}: {explain(error)}") from error
