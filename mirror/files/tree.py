"""The files below a folder, under relative names, without following a symbolic link."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from mirror.files.errors import OutsideError, unspellable
from mirror.files.platform import ANYTHING, Expected, Folder, current_platform


class Tree:
    """Files below a folder, under relative POSIX names.

    No call follows a symbolic link below the root (`OutsideError`); the root itself may be one.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def create(self, name: str, data: bytes) -> bool:
        """Write a new file whole, and its folders; `False` if anything is at `name`."""
        with self._parent(name, make=True) as (folder, last):
            return folder.create(last, data)

    def replace(
        self,
        name: str,
        data: bytes | Iterable[bytes],
        *,
        expected: Expected = ANYTHING,
    ) -> None:
        """Write a file whole, and its folders, in place of an older one.

        `expected` is that of `write_whole`.
        """
        with self._parent(name, make=True) as (folder, last):
            folder.replace(last, data, expected=expected)

    def append(self, name: str, data: bytes) -> None:
        """Add `data` to the end of a file, which is created if needed, and its folders."""
        with self._parent(name, make=True) as (folder, last):
            folder.append(last, data)

    def read(self, name: str, max_bytes: int | None = None) -> bytes:
        """Return the contents, or their first `max_bytes`; errors as those of `opened`."""
        with self.opened(name) as file:
            if max_bytes is None:
                return file.read()
            return file.read(min(max_bytes, os.fstat(file.fileno()).st_size))

    @contextmanager
    def opened(self, name: str) -> Iterator[BinaryIO]:
        """Open a regular file for reading; the errors are those of `Folder.open`."""
        with self._parent(name) as (folder, last):
            file = folder.open(last)
        with file:
            yield file

    def size(self, name: str) -> int | None:
        """Return the size in bytes, or `None` if `name` is no regular file."""
        try:
            with self._parent(name) as (folder, last):
                status = folder.status(last)
        except (FileNotFoundError, NotADirectoryError):
            return None
        return status.st_size if status and stat.S_ISREG(status.st_mode) else None

    def remove(self, name: str) -> None:
        """Remove a file; its folders stay."""
        with self._parent(name) as (folder, last):
            folder.remove(last)

    def walk(self, prefix: str = "") -> Iterator[tuple[str, os.stat_result]]:
        """Yield name and status of everything but folders, in the byte order of the names.

        Only names that start with `prefix` are yielded. Links and pipes are included, temporary
        files are not. A root that does not exist is empty.
        """
        # The names still to yield, the next one last. A folder is closed before the ones below it
        # are opened, so the number of open descriptors depends neither on the folders nor on
        # their depth.
        waiting = self._entries("", prefix)
        while waiting:
            name, status = waiting.pop()
            if status is None:
                waiting += self._entries(name, prefix)
            else:
                yield name, status

    def _entries(self, path: str, prefix: str) -> list[tuple[str, os.stat_result | None]]:
        """Return what a folder holds, in reverse byte order; a folder below has no status.

        `path` is empty or ends with `/`. A folder that does not exist, or not any more, is empty.
        """
        entries: list[tuple[str, os.stat_result | None]] = []
        try:
            with self._folder(path.split("/")[:-1]) as folder:
                for last, is_folder in folder.entries():
                    name = path + last
                    if is_folder:
                        if f"{name}/".startswith(prefix) or prefix.startswith(f"{name}/"):
                            entries.append((f"{name}/", None))
                    elif name.startswith(prefix) and (status := folder.status(last)):
                        entries.append((name, status))
        except FileNotFoundError:
            return []
        # A folder sorts as its name and "/", so that the names below it come in byte order.
        return sorted(entries, key=lambda entry: os.fsencode(entry[0]), reverse=True)

    @contextmanager
    def _parent(self, name: str, *, make: bool = False) -> Iterator[tuple[Folder, str]]:
        """Yield the open folder that holds `name`, and the last part of `name`."""
        *parents, last = parts = name.split("/")
        if not {"", ".", ".."}.isdisjoint(parts) or "\0" in name:
            raise OutsideError(errno.EINVAL, "is not a name in this folder", name)
        try:
            os.fsencode(name)
        except UnicodeEncodeError as error:
            raise unspellable(error) from error
        with self._folder(parents, make=make) as folder:
            yield folder, last

    @contextmanager
    def _folder(self, parts: Sequence[str], *, make: bool = False) -> Iterator[Folder]:
        """Yield the open folder that `parts` lead to, from the root on."""
        folder = self._open_root(make=make)
        try:
            for part in parts:
                below = folder.enter(part, make=make)
                folder.close()
                folder = below
            yield folder
        finally:
            folder.close()

    def _open_root(self, *, make: bool) -> Folder:
        platform = current_platform()
        try:
            return platform.open_folder(self.root)
        except FileNotFoundError:
            if not make:
                raise
            self.root.mkdir(parents=True, exist_ok=True)
            return platform.open_folder(self.root)
