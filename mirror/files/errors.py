"""Errors about files, and their remedies in words."""

from __future__ import annotations

import errno


class ChangedError(Exception):
    """The file differs from what was read earlier; it was left as it is."""


class OutsideError(OSError):
    """A symbolic link is in the way, or a name leads out of its tree."""


class NotAFileError(OSError):
    """A folder, a pipe, a device or a socket is where a regular file is expected."""


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
    errno.EISDIR: "move away what is there",
    errno.EINVAL: "move away what is there",
    errno.EFBIG: "move it away",
    errno.EEXIST: _BLOCKED,
}


def explain(error: OSError) -> str:
    """Return the reason for an error, followed by a remedy where one is known."""
    reason = error.strerror or str(error)
    if isinstance(error, OutsideError | NotAFileError):
        reason = f"{error.filename!r} {reason}"
    remedy = _REMEDIES.get(error.errno or 0)
    return f"{reason}; {remedy}" if remedy else reason
