"""The operations that differ between operating systems, as protocols.

Everything else in this package is the same everywhere. A port is a module beside `posix.py` that
implements both protocols, and a choice in `current_platform`.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, Protocol, TypeAlias


@dataclass(frozen=True, slots=True)
class Checksum:
    """The SHA-256 of the contents of a file, in the place of contents that are large."""

    sha256: bytes

    @classmethod
    def of(cls, pieces: Iterable[bytes]) -> Checksum:
        """Return the checksum of the pieces, one behind the other."""
        digest = sha256()
        for piece in pieces:
            digest.update(piece)
        return cls(digest.digest())


class Anything(Enum):
    """Stands for contents that nobody checks before they are replaced."""

    ANYTHING = "anything"


ANYTHING = Anything.ANYTHING
Expected: TypeAlias = bytes | Checksum | Anything | None
"""Contents that a file must have to be replaced; `None` stands for no file."""


class Folder(Protocol):
    """A folder that is held open until it is closed.

    A name is one part of a path, below this folder. No call follows a symbolic link.
    """

    def close(self) -> None: ...

    def enter(self, name: str, *, make: bool = False) -> Folder:
        """Open a folder below; `make` creates it if nothing is there.

        Raise `OutsideError` for a symbolic link.
        """
        ...

    def entries(self) -> list[tuple[str, bool]]:
        """Return each name and whether it is a folder, in no order, without temporary files."""
        ...

    def status(self, name: str) -> os.stat_result | None:
        """Return the status of a file, folder or link itself; `None` if nothing is there."""
        ...

    def open(self, name: str) -> BinaryIO:
        """Open a regular file for reading, up to the size that it has now.

        Raise `FileNotFoundError` if nothing is there, `OutsideError` for a symbolic link, and
        `NotAFileError` for a folder, a pipe, a device or a socket.
        """
        ...

    def append(self, name: str, data: bytes) -> None:
        """Write to the end of a regular file, which is created if needed; errors as `open`."""
        ...

    def create(self, name: str, data: bytes) -> bool:
        """Write a new file, whole or not at all; `False` if anything has that name."""
        ...

    def replace(
        self,
        name: str,
        data: bytes | Iterable[bytes],
        *,
        expected: Expected = ANYTHING,
        keep_times: bool = False,
    ) -> None:
        """Write a file, whole or not at all, in place of an older one.

        `expected` and `keep_times` are those of `write_whole`.
        """
        ...

    def remove(self, name: str) -> None:
        """Remove a file or a link."""
        ...


class Platform(Protocol):
    """Operations on files that the standard library does not offer on every system."""

    def open_folder(self, path: Path) -> Folder:
        """Open a folder. `path` may lead there through symbolic links."""
        ...

    def remove_abandoned(self, path: Path) -> bool:
        """Remove a temporary file; `False` if a living process still writes to it.

        Raise `OSError` if it is gone or cannot be removed.
        """
        ...

    def open_lock_file(self, path: Path) -> int:
        """Open a regular file for reading and writing; create it if needed.

        Raise `OSError` for a symbolic link, and `NotAFileError` as `Folder.open`.
        """
        ...

    def try_lock(self, file: int) -> bool:
        """Take the lock of an open file without waiting; `False` if another process has it."""
        ...


def current_platform() -> Platform:
    """Return the implementation for this operating system."""
    from mirror.files.posix import Posix

    return Posix()


def is_temporary(name: str) -> bool:
    """Return True for the name that a file has here while it is being written."""
    return name.startswith(".mirror-") and name.endswith(".tmp")


def new_temporary_name() -> str:
    return f".mirror-{secrets.token_hex(8)}.tmp"
