"""One file: read, written or created whole, and the temporary files of killed runs removed."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from mirror.files.errors import FileTooLargeError
from mirror.files.links import real_path
from mirror.files.platform import ANYTHING, Expected, current_platform, is_temporary

MAX_BYTES = 1 << 30
"""Largest file that is read: more than a manifest of two million images."""


def read_whole(path: Path, max_bytes: int = MAX_BYTES) -> bytes:
    """Return the contents of a regular file; raise `OutsideError` for a symbolic link.

    Otherwise a link in place of a file of ours would print parts of a foreign file in an error.
    Raise `NotAFileError` for a folder, a pipe or a device, and another `OSError` for more than
    `max_bytes`. A file that grows is read up to the size that it had when it was opened.
    """
    with opened(path, max_bytes) as file:
        return file.read()


@contextmanager
def opened(path: Path, max_bytes: int = MAX_BYTES) -> Iterator[BinaryIO]:
    """Open a file as `read_whole` does, to read it a part at a time."""
    with closing(current_platform().open_folder(path.parent)) as folder:
        file = folder.open(path.name)
    with file:
        if os.fstat(file.fileno()).st_size > max_bytes:
            raise FileTooLargeError(path.name, max_bytes)
        yield file


def read_named(path: Path, max_bytes: int) -> bytes:
    """Return the contents of a file that the user named, as `read_whole`; it may be a link."""
    return read_whole(real_path(path), max_bytes)


def append(path: Path, data: bytes) -> None:
    """Add `data` to the end of a file, which is created if needed.

    Raise `OutsideError` for a symbolic link, and `NotAFileError`.
    """
    with closing(current_platform().open_folder(path.parent)) as folder:
        folder.append(path.name, data)


def write_whole(
    path: Path,
    data: bytes | Iterable[bytes],
    *,
    expected: Expected = ANYTHING,
    keep_times: bool = False,
) -> None:
    """Make `data` the contents of `path`: all of it, on the disk, or nothing changed.

    The file keeps its mode, and its owner where the system allows it.
    With `keep_times`, it keeps the times of its last change and of its last reading too.
    With `expected`, raise `ChangedError` unless the file holds exactly these bytes, or bytes with
    this checksum, or is absent for `None`. Raise `OutsideError` if `path` is a symbolic link.
    """
    with closing(current_platform().open_folder(path.parent)) as folder:
        folder.replace(path.name, data, expected=expected, keep_times=keep_times)


def create_whole(path: Path, data: bytes) -> bool:
    """Write a new file as `write_whole` does; `False` if anything is at `path`."""
    with closing(current_platform().open_folder(path.parent)) as folder:
        return folder.create(path.name, data)


def sweep(folder: Path, *, deep: bool = True) -> int:
    """Remove the temporary files that killed runs left below `folder`; return their number.

    With `deep=False`, look only at `folder` itself. Files that a living process writes to stay.
    """
    platform = current_platform()
    removed = 0
    for place, folders, names in os.walk(folder):
        if not deep:
            folders.clear()
        for name in filter(is_temporary, names):
            with suppress(OSError):  # gone meanwhile, or not ours to remove
                removed += platform.remove_abandoned(Path(place, name))
    return removed
