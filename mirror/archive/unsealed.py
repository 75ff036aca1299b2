"""The names of originals that runs have put and that the bag's lists may lack.

Each run writes the names of its own into a file of `.mirror/`, before it puts them. So the run
after a killed one knows what is missing in the lists without looking at every original. A marker
says that the lists had everything once; where it is missing, as in a fresh clone, nothing is known.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from threading import Lock as Mutex

from mirror.files import read_whole, write_whole
from mirror.files.platform import current_platform
from mirror.records import unwritable

_MARKER = "sealed.txt"
_RUN = re.compile(r"unsealed-[0-9a-f]{16}\.txt")
_MAX_MARKER_BYTES = 8192  # it names a place; a path has at most 4,096 bytes


class UnsealedNames:
    """The names in the files of `folder` for the archive at `place`. Safe to use from threads."""

    def __init__(self, folder: Path, place: str) -> None:
        self._folder = folder
        self._place = place
        self._mutex = Mutex()
        self._file = -1
        self._path = folder / f"unsealed-{secrets.token_hex(8)}.txt"

    def __del__(self) -> None:
        if self._file >= 0:
            os.close(self._file)

    @property
    def is_complete(self) -> bool:
        """True if the lists lack nothing but what the files name."""
        with suppress(OSError):
            return read_whole(self._folder / _MARKER, _MAX_MARKER_BYTES) == self._marker
        return False

    def mark_complete(self) -> None:
        """Remember that the lists lack nothing but what the files name."""
        if not self.is_complete:
            with suppress(OSError):  # then the next run looks at every original again
                self._folder.mkdir(parents=True, exist_ok=True)
                write_whole(self._folder / _MARKER, self._marker)

    def mark_unknown(self) -> None:
        """Remember that nothing is known of the lists. Raise `StateError`."""
        path = self._folder / _MARKER
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise unwritable(path, error) from error

    @property
    def _marker(self) -> bytes:
        return f"{self._place}\n".encode()

    def add(self, name: str) -> None:
        """Write down a name that is about to be put. Raise `StateError`."""
        with self._mutex:
            try:
                if self._file < 0:
                    self._open()
                os.write(self._file, f"{name}\n".encode())
            except OSError as error:
                raise unwritable(self._path, error) from error

    def _open(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        platform = current_platform()
        while self._file < 0:
            file = platform.open_lock_file(self._path)
            # The lock lasts until this run ends, in whatever way. Another run may have come
            # between the two calls and removed the file.
            if platform.try_lock(file) and os.fstat(file).st_nlink:
                self._file = file
            else:
                os.close(file)

    def abandoned(self) -> dict[Path, list[str]]:
        """Return what runs that have ended left, by file."""
        left = {}
        paths: list[Path] = []
        with suppress(OSError):
            paths += sorted(self._folder.iterdir())
        for path in paths:
            if path != self._path and _RUN.fullmatch(path.name):
                names = _read_abandoned(path)
                if names is not None:
                    left[path] = names
        return left

    def clear(self, abandoned: Iterable[Path], left: Iterable[str]) -> None:
        """Forget what the lists have now: all but the names `left` of this run."""
        with self._mutex:
            lines = "".join(f"{name}\n" for name in left).encode()
            with suppress(OSError):  # then those names are looked up once more
                for path in abandoned:
                    path.unlink(missing_ok=True)
                if self._file >= 0:
                    os.ftruncate(self._file, 0)
                    os.pwrite(self._file, lines, 0)
                    os.lseek(self._file, 0, os.SEEK_END)
                    if not lines:
                        self._path.unlink(missing_ok=True)
                        os.close(self._file)
                        self._file = -1


def _read_abandoned(path: Path) -> list[str] | None:
    """Return the names in the file of a run; `None` if that run still works, or for a link."""
    platform = current_platform()
    try:
        file = platform.open_lock_file(path)
    except OSError:
        return None
    try:
        if not platform.try_lock(file):
            return None
        return read_whole(path).decode("utf-8", "replace").split("\n")
    except OSError:
        return None
    finally:
        os.close(file)
