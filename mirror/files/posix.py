"""The POSIX implementation: names are resolved below an open folder, and locks are `flock`'s.

A path that is checked first and used afterwards can lead elsewhere in between. A descriptor of a
folder cannot, so every call here takes one (`dir_fd`) and refuses links (`O_NOFOLLOW`).
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader, FileIO
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from mirror.files.errors import ChangedError, NotAFileError, OutsideError
from mirror.files.platform import (
    ANYTHING,
    Anything,
    Checksum,
    Expected,
    is_temporary,
    new_temporary_name,
)

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

# Of a read: the lines of 150 MB take 0.09 s with 8 KiB, 0.05 s with 64 KiB and 0.04 s with 1 MiB.
_BUFFER_BYTES = 1 << 16
# Without O_NONBLOCK, opening a pipe would wait for its other end.
_OPEN_FILE = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_NO_HARD_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EMLINK, errno.ENOSYS)


class Posix:
    """The operations of `Platform`."""

    def open_folder(self, path: Path) -> PosixFolder:
        return PosixFolder(os.open(path, _OPEN_FOLDER))

    def remove_abandoned(self, path: Path) -> bool:
        file = os.open(path, os.O_RDONLY | _OPEN_FILE)
        try:
            if not self.try_lock(file):
                return False
            path.unlink()
        finally:
            os.close(file)
        return True

    def open_lock_file(self, path: Path) -> int:
        return _checked(os.open(path, os.O_RDWR | os.O_CREAT | _OPEN_FILE, 0o666), path.name)

    def try_lock(self, file: int) -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


class PosixFolder:
    """The operations of `Folder`, on a file descriptor."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def close(self) -> None:
        os.close(self._descriptor)

    def enter(self, name: str, *, make: bool = False) -> PosixFolder:
        flags = _OPEN_FOLDER | os.O_NOFOLLOW
        try:
            return PosixFolder(os.open(name, flags, dir_fd=self._descriptor))
        except FileNotFoundError:
            if not make:
                raise
        except OSError as error:
            status = self.status(name)
            if status and stat.S_ISLNK(status.st_mode):
                raise OutsideError(errno.ELOOP, "is a symbolic link", name) from error
            raise
        with suppress(FileExistsError):  # another process made it in between
            os.mkdir(name, dir_fd=self._descriptor)
            os.fsync(self._descriptor)
        return self.enter(name)

    def entries(self) -> list[tuple[str, bool]]:
        with os.scandir(self._descriptor) as entries:
            return [
                (entry.name, entry.is_dir(follow_symlinks=False))
                for entry in entries
                if not is_temporary(entry.name)
            ]

    def status(self, name: str) -> os.stat_result | None:
        try:
            return os.stat(name, dir_fd=self._descriptor, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def open(self, name: str) -> BinaryIO:
        return BufferedReader(_FileStart(self._open(name, os.O_RDONLY)), _BUFFER_BYTES)

    def append(self, name: str, data: bytes) -> None:
        file = self._open(name, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        with os.fdopen(file, "ab") as stream:
            stream.write(data)

    def create(self, name: str, data: bytes) -> bool:
        if self.status(name):
            return False
        with self._temporary(data) as (temporary, _):
            try:
                os.link(
                    temporary,
                    name,
                    src_dir_fd=self._descriptor,
                    dst_dir_fd=self._descriptor,
                    follow_symlinks=False,
                )
            except FileExistsError:
                return False
            except OSError as error:
                if error.errno not in _NO_HARD_LINKS:
                    raise
                # On a file system without hard links (exFAT, some network shares) the file is
                # still whole, but of two runs that create the same name within microseconds the
                # second one wins.
                if self.status(name):
                    return False
                self._rename(temporary, name)
        os.fsync(self._descriptor)
        return True

    def replace(
        self,
        name: str,
        data: bytes | Iterable[bytes],
        *,
        expected: Expected = ANYTHING,
        keep_times: bool = False,
    ) -> None:
        old = self.status(name)
        if old and stat.S_ISLNK(old.st_mode):
            raise OutsideError(errno.ELOOP, "is a symbolic link", name)
        with self._temporary(data) as (temporary, file):
            if old and (old.st_uid, old.st_gid) != (os.geteuid(), os.getegid()):
                with suppress(OSError):  # only root may; a run in a container often is root
                    os.fchown(file, old.st_uid, old.st_gid)
            if old:
                os.fchmod(file, stat.S_IMODE(old.st_mode))
            if keep_times and old:
                os.utime(file, ns=(old.st_atime_ns, old.st_mtime_ns))
            if isinstance(expected, Anything):
                self._rename(temporary, name)
            else:
                with self._locked():
                    # Compared as late as possible: an editor, which takes no lock, has only the
                    # time between two system calls to come in between.
                    if not self._holds(name, expected):
                        raise ChangedError(f"{name} was changed by someone else meanwhile")
                    self._rename(temporary, name)
        os.fsync(self._descriptor)

    def remove(self, name: str) -> None:
        os.unlink(name, dir_fd=self._descriptor)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Let one process compare and rename in this folder, where the file system has locks."""
        with suppress(OSError):
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        try:
            yield
        finally:
            with suppress(OSError):
                fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def _holds(self, name: str, expected: bytes | Checksum | None) -> bool:
        """Return True if a file has the expected contents, or if it is absent for `None`."""
        try:
            with self.open(name) as file:
                if isinstance(expected, Checksum):
                    return Checksum.of(file) == expected
                return file.read() == expected
        except FileNotFoundError:
            return expected is None

    def _open(self, name: str, flags: int) -> int:
        """Return the descriptor of a regular file; the errors are those of `Folder.open`."""
        try:
            file = os.open(name, flags | _OPEN_FILE, 0o666, dir_fd=self._descriptor)
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise OutsideError(errno.ELOOP, "is a symbolic link", name) from error
            if error.errno == errno.EISDIR:
                raise NotAFileError(errno.EISDIR, error.strerror, name) from error
            if error.errno == errno.ENXIO:  # a socket, or a pipe that nobody reads
                raise NotAFileError(errno.EINVAL, "is no plain file", name) from error
            raise
        return _checked(file, name)

    def _rename(self, name: str, new: str) -> None:
        os.replace(name, new, src_dir_fd=self._descriptor, dst_dir_fd=self._descriptor)

    @contextmanager
    def _temporary(self, data: bytes | Iterable[bytes]) -> Iterator[tuple[str, int]]:
        """Yield name and descriptor of a new file that holds `data`, on the disk.

        The file is removed afterwards unless it was renamed.
        """
        name, file = self._new_temporary()
        try:
            for piece in [data] if isinstance(data, bytes) else data:
                view = memoryview(piece)
                while view:
                    view = view[os.write(file, view) :]
            os.fsync(file)
            yield name, file
        finally:
            os.close(file)
            with suppress(FileNotFoundError):
                self.remove(name)

    def _new_temporary(self) -> tuple[str, int]:
        while True:
            name = new_temporary_name()
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            file = os.open(name, flags, 0o666, dir_fd=self._descriptor)
            # Where the file system has no locks, `remove_abandoned` cannot lock the file either
            # and leaves it alone.
            with suppress(OSError):
                fcntl.flock(file, fcntl.LOCK_EX)
            if os.fstat(file).st_nlink:  # zero if `remove_abandoned` came between the two calls
                return name, file
            os.close(file)


class _FileStart(FileIO):
    """A file up to the size that it has when it is opened, so that reading it ends."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor, "rb")
        self._left = os.fstat(descriptor).st_size

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        count = super().readinto(memoryview(buffer)[: self._left]) or 0
        self._left -= count
        return count

    def readall(self) -> bytes:
        parts = []
        while self._left and (part := super().read(self._left)):
            self._left -= len(part)
            parts.append(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)


def _checked(file: int, name: str) -> int:
    """Return the descriptor of a regular file; close any other and raise `OSError`."""
    mode = os.fstat(file).st_mode
    if stat.S_ISREG(mode):
        return file
    os.close(file)
    if stat.S_ISDIR(mode):
        raise NotAFileError(errno.EISDIR, os.strerror(errno.EISDIR), name)
    raise NotAFileError(errno.EINVAL, "is no plain file", name)
