"""Errors about files, and their remedies in words."""

from __future__ import annotations

import errno


class ChangedError(Exception):
    """The file differs from what was read earlier; it was left as it is."""


class OutsideError(OSError):
    """A symbolic link is in the way, or a name leads out of its tree."""


class NotAFileError(OSError):
    """A folder, a pipe, a device or a socket is where a regular file is expected."""


class FileTooLargeError(OSError):
    """A file has more bytes than mirror reads of such a file."""

    def __init__(self, name: str, max_bytes: int) -> None:
        super().__init__(errno.EFBIG, f"has more than {max_bytes:,} bytes", name)


class HeldError(Exception):
    """Another run holds the lock."""


def unspellable(error: UnicodeEncodeError) -> OutsideError:
    """Return the error for a name with a character that the encoding of file names lacks."""
    message = f"cannot be a file name in the encoding of this system, {error.encoding}"
    return OutsideError(errno.EILSEQ, message, error.object)


_GRANT = "make the folder accessible to this user, or name another"
_MAKE_ROOM = "make room, then run again"
_BLOCKED = "a file is where a folder is needed; move it away"
_MOVE = "move away what is there"
_REMEDIES = {
    errno.EACCES: _GRANT,
    errno.EPERM: _GRANT,
    errno.EROFS: _GRANT,
    errno.ENOSPC: _MAKE_ROOM,
    errno.EDQUOT: _MAKE_ROOM,
    errno.EFBIG: "this process may write no file so large (`ulimit -f`): raise the limit",
    errno.EMFILE: "this process may open no more files (`ulimit -n`): raise the limit",
    errno.ELOOP: "remove the link",
    errno.EILSEQ: "set LC_ALL=C.UTF-8",
    errno.ENOTDIR: _BLOCKED,
    errno.EISDIR: _MOVE,
    errno.EEXIST: _BLOCKED,
}


def is_blocked(error: OSError) -> bool:
    """Return True if something else is where a file belongs, such as a link, a pipe or a folder."""
    return isinstance(error, OutsideError | NotAFileError) or error.errno in (
        errno.ELOOP,
        errno.ENOTDIR,
        errno.EISDIR,
        errno.EEXIST,
    )


def has_no_room(error: OSError) -> bool:
    """Return True if a disk, a quota or a limit leaves no room for what was written."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def explain(error: OSError) -> str:
    """Return the reason for an error, followed by a remedy where one is known."""
    reason = error.strerror or str(error)
    remedy = _REMEDIES.get(error.errno or 0)
    if isinstance(error, OutsideError | NotAFileError):
        reason = f"{error.filename!r} {reason}"
        remedy = remedy or _MOVE
    elif isinstance(error, FileTooLargeError):
        remedy = _MOVE
    return f"{reason}; {remedy}" if remedy else reason
