"""Files written whole or not at all, trees that no link leads out of, and a lock.

A file is written under a temporary name in its own folder, flushed to the disk and only then
given its name, so a reader and a killed run see the old bytes or the new ones, never a part.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import secrets
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from types import EllipsisType, TracebackType
from typing import BinaryIO, Self

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_UNLINKABLE = (errno.EPERM, errno.ENOTSUP, errno.EMLINK, errno.ENOSYS)


class ChangedError(Exception):
    """The file is not what it was when it was read; it stays as it is."""


class OutsideError(OSError):
    """A symbolic link is in the way, or a name leads out of its tree."""


class HeldError(Exception):
    """Another run holds the lock."""


_BLOCKED = "a file is where a folder is needed; move it away"
_REMEDIES = {
    errno.EACCES: "make the folder accessible to this user, or name another",
    errno.EPERM: "make the folder accessible to this user, or name another",
    errno.EROFS: "make the folder accessible to this user, or name another",
    errno.ENOSPC: "make room, then run again",
    errno.EDQUOT: "make room, then run again",
    errno.ELOOP: "remove the link",
    errno.ENOTDIR: _BLOCKED,
    errno.EISDIR: _BLOCKED,
    errno.EEXIST: _BLOCKED,
}


def explain(error: OSError) -> str:
    """Return what went wrong and what to do about it."""
    reason = error.strerror or str(error)
    if isinstance(error, OutsideError):
        reason = f"{error.filename!r} {reason}"
    remedy = _REMEDIES.get(error.errno or 0)
    return f"{reason}; {remedy}" if remedy else reason


# --- One file -----------------------------------------------------------------------------------


def read_whole(path: Path) -> bytes:
    """Return the contents of a plain file; raise `OutsideError` for a symbolic link.

    A file of ours that a link replaced would show, in an error, what the link leads to.
    """
    with opened(path) as file:
        return file.read()


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """Like `read_whole`, for a file that is read a part at a time."""
    with _opened(path.parent) as folder:
        file = _plain(folder, path.name)
        if file is None:
            code = errno.EINVAL if _lstat(folder, path.name) else errno.ENOENT
            text = "is no plain file" if code == errno.EINVAL else os.strerror(code)
            raise OSError(code, text, path.name)
    with file:
        yield file


def write_whole(
    path: Path,
    data: bytes,
    *,
    expected: bytes | EllipsisType | None = ...,
    mode: int | None = None,
) -> None:
    """Make `data` the contents of `path`: all of it, on the disk, or nothing changed.

    The file keeps its mode (and its owner, where that is allowed) unless `mode` says otherwise.
    With `expected`, raise `ChangedError` unless the file holds exactly that, or is absent for
    `None`. Raise `OutsideError` if `path` is a symbolic link.
    """
    with _opened(path.parent) as folder:
        replace_in(folder, path.name, data, expected=expected, mode=mode)


def create_whole(path: Path, data: bytes) -> bool:
    """Like `write_whole`, but only where nothing is: `False` if `path` exists, whatever it is."""
    with _opened(path.parent) as folder:
        return create_in(folder, path.name, data)


def replace_in(
    folder: int,
    name: str,
    data: bytes,
    *,
    expected: bytes | EllipsisType | None = ...,
    mode: int | None = None,
) -> None:
    """`write_whole` for `name` in an open folder."""
    old = _lstat(folder, name)
    if old and stat.S_ISLNK(old.st_mode):
        raise OutsideError(errno.ELOOP, "is a symbolic link", name)
    with _temporary(folder, data) as (temporary, file):
        if old and (old.st_uid, old.st_gid) != (os.geteuid(), os.getegid()):
            with suppress(OSError):  # only root may; a run in a container often is root
                os.fchown(file, old.st_uid, old.st_gid)
        if mode is None and old:
            mode = stat.S_IMODE(old.st_mode)
        if mode is not None:
            os.fchmod(file, mode)
        # As late as can be: what is left of the race is the time between two system calls.
        if expected is not ... and _contents(folder, name) != expected:
            raise ChangedError(f"{name} was changed by someone else meanwhile")
        os.replace(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
    os.fsync(folder)


def create_in(folder: int, name: str, data: bytes) -> bool:
    """`create_whole` for `name` in an open folder."""
    if _lstat(folder, name):
        return False
    with _temporary(folder, data) as (temporary, _):
        try:
            os.link(temporary, name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno not in _UNLINKABLE:
                raise
            # A file system without hard links (exFAT, some network shares): still whole, but two
            # runs that create the same name within microseconds are not told apart.
            if _lstat(folder, name):
                return False
            os.replace(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
    os.fsync(folder)
    return True


def is_temporary(name: str) -> bool:
    """Whether `name` is what a file is called here while it is being written."""
    return name.startswith(".mirror-") and name.endswith(".tmp")


def sweep(folder: Path, *, deep: bool = True) -> int:
    """Remove the temporary files that killed runs left beneath `folder`; return how many.

    With `deep=False` only in `folder` itself. One that a living process still writes to is left
    alone.
    """
    removed = 0
    for place, folders, names in os.walk(folder):
        if not deep:
            folders.clear()
        for name in filter(is_temporary, names):
            with suppress(OSError):  # gone meanwhile, held by its writer, or not ours to remove
                file = os.open(Path(place, name), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    Path(place, name).unlink()
                    removed += 1
                finally:
                    os.close(file)
    return removed


@contextmanager
def _temporary(folder: int, data: bytes) -> Iterator[tuple[str, int]]:
    """A file in `folder` that holds `data`, on the disk; gone afterwards unless renamed."""
    name, file = _new_temporary(folder)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(file, view) :]
        os.fsync(file)
        yield name, file
    finally:
        os.close(file)
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=folder)


def _new_temporary(folder: int) -> tuple[str, int]:
    while True:
        name = f".mirror-{secrets.token_hex(8)}.tmp"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        file = os.open(name, flags, 0o666, dir_fd=folder)
        with suppress(OSError):  # no locks on this file system: then `sweep` leaves it alone too
            fcntl.flock(file, fcntl.LOCK_EX)
        if os.fstat(file).st_nlink:  # else a sweep came between the two calls
            return name, file
        os.close(file)


def _lstat(folder: int, name: str) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _contents(folder: int, name: str) -> bytes | None:
    """What the regular file `name` holds, or `None` if there is none."""
    file = _plain(folder, name)
    if file is None:
        return None
    with file:
        return file.read()


def _plain(folder: int, name: str) -> BinaryIO | None:
    """The regular file `name`, opened for reading, or `None` if there is none."""
    # Without O_NONBLOCK, opening a pipe would wait for its writer.
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        file = os.open(name, flags, dir_fd=folder)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise OutsideError(errno.ELOOP, "is a symbolic link", name) from error
        raise
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        return None
    return os.fdopen(file, "rb")


@contextmanager
def _opened(folder: Path) -> Iterator[int]:
    file = os.open(folder, _FOLDER)
    try:
        yield file
    finally:
        os.close(file)


# --- A tree -------------------------------------------------------------------------------------


class Tree:
    """Files beneath a folder, under relative POSIX names.

    No call follows a symbolic link beneath the root (`OutsideError`); the root itself may be one.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def create(self, name: str, data: bytes) -> bool:
        """Write a new file whole, folders made as needed; `False` if `name` exists."""
        with self._parent(name, make=True) as (folder, last):
            return create_in(folder, last, data)

    def replace(self, name: str, data: bytes) -> None:
        """Write a file whole, in place of what it was."""
        with self._parent(name, make=True) as (folder, last):
            replace_in(folder, last, data)

    def read(self, name: str) -> bytes:
        """Return the contents; `FileNotFoundError` if `name` is no regular file."""
        with self._parent(name) as (folder, last):
            data = _contents(folder, last)
        if data is None:
            raise FileNotFoundError(errno.ENOENT, "no such file", name)
        return data

    def size(self, name: str) -> int | None:
        """Return the size in bytes, or `None` if `name` is no regular file."""
        try:
            with self._parent(name) as (folder, last):
                found = _lstat(folder, last)
        except (FileNotFoundError, NotADirectoryError):
            return None
        return found.st_size if found and stat.S_ISREG(found.st_mode) else None

    def remove(self, name: str) -> None:
        """Remove a file; the folders stay."""
        with self._parent(name) as (folder, last):
            os.unlink(last, dir_fd=folder)

    def walk(self, prefix: str = "") -> Iterator[tuple[str, os.stat_result]]:
        """Yield whatever is no folder and whose name starts with `prefix`, in byte order.

        That includes links and pipes, as such; temporary files are left out. Without a root there
        is nothing to yield.
        """
        with suppress(FileNotFoundError), _opened(self.root) as folder:
            yield from _walk(folder, "", prefix)

    @contextmanager
    def _parent(self, name: str, *, make: bool = False) -> Iterator[tuple[int, str]]:
        """The open folder that `name` is in, and the last part of `name`."""
        *folders, last = parts = name.split("/")
        if not {"", ".", ".."}.isdisjoint(parts) or "\0" in name:
            raise OutsideError(errno.EINVAL, "is not a name in this folder", name)
        try:
            folder = os.open(self.root, _FOLDER)
        except FileNotFoundError:
            if not make:
                raise
            self.root.mkdir(parents=True, exist_ok=True)
            folder = os.open(self.root, _FOLDER)
        try:
            for part in folders:
                below = _step(folder, part, make)
                os.close(folder)
                folder = below
            yield folder, last
        finally:
            os.close(folder)


def _step(folder: int, part: str, make: bool) -> int:
    try:
        return os.open(part, _FOLDER | os.O_NOFOLLOW, dir_fd=folder)
    except FileNotFoundError:
        if not make:
            raise
        with suppress(FileExistsError):
            os.mkdir(part, dir_fd=folder)
            os.fsync(folder)
        return _step(folder, part, make=False)
    except OSError as error:
        found = _lstat(folder, part)
        if found and stat.S_ISLNK(found.st_mode):
            raise OutsideError(errno.ELOOP, "is a symbolic link", part) from error
        raise


def _walk(folder: int, path: str, prefix: str) -> Iterator[tuple[str, os.stat_result]]:
    with os.scandir(folder) as found:
        # A folder sorts as its name and "/", so that the keys below it come in byte order.
        entries = [
            (entry, entry.is_dir(follow_symlinks=False))
            for entry in found
            if not is_temporary(entry.name)
        ]
        entries.sort(key=lambda e: os.fsencode(e[0].name) + b"/" * e[1])
    for entry, is_folder in entries:
        name = path + entry.name
        if not is_folder:
            if name.startswith(prefix):
                with suppress(FileNotFoundError):  # removed meanwhile
                    yield name, entry.stat(follow_symlinks=False)
        elif f"{name}/".startswith(prefix) or prefix.startswith(f"{name}/"):
            below = os.open(entry.name, _FOLDER | os.O_NOFOLLOW, dir_fd=folder)
            try:
                yield from _walk(below, f"{name}/", prefix)
            finally:
                os.close(below)


# --- A lock -------------------------------------------------------------------------------------


class Lock:
    """One run at a time: an operating-system lock on a file that also says who holds it.

    The system lets go of it when the holder ends, however it ends, so no lock is ever stale and
    nobody has to remove the file.
    """

    def __init__(self, path: Path, command: str) -> None:
        self.path = path
        self.command = command
        self._file = -1

    def __enter__(self) -> Self:
        """Raise `HeldError`, which names the holder, instead of waiting."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        file = os.open(self.path, flags, 0o666)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(file, 0)
            os.pwrite(file, self._holder(), 0)
        except BlockingIOError as error:
            holder = os.pread(file, 4096, 0)
            os.close(file)
            raise HeldError(_describe(holder, self.path)) from error
        except BaseException:
            os.close(file)
            raise
        self._file = file
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        os.ftruncate(self._file, 0)
        os.close(self._file)
        self._file = -1

    def _holder(self) -> bytes:
        facts = {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "since": datetime.now(UTC).isoformat(timespec="seconds"),
            "command": self.command,
        }
        return json.dumps(facts).encode() + b"\n"


def _describe(holder: bytes, path: Path) -> str:
    try:
        facts = json.loads(holder)
        who = "`{command}` (process {pid} on {host}, since {since})".format_map(facts)
    except (ValueError, LookupError, TypeError):  # caught between locking and writing
        who = "another run"
    return f"{who} holds the lock {path}; wait until it has ended, or end it"
