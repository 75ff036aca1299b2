"""Files written whole or not at all, trees that no link leads out of, and a lock.

Read in this order: `errors.py` (what can go wrong, and the remedies), `platform.py` (the few
operations that differ between operating systems, as a protocol), `posix.py` (those operations on
POSIX), `whole.py` (one file), `tree.py` (the files below a folder), `links.py` (links that a
repository brings along), `lock.py` (one run at a time).

A file is written under a temporary name in the same folder, flushed to the disk and only then
renamed. A reader and a killed run therefore see the old bytes or the new ones, never a part.
"""

from mirror.files.errors import (
    ChangedError,
    FileTooLargeError,
    HeldError,
    NotAFileError,
    OutsideError,
    explain,
    has_no_room,
    is_blocked,
    unspellable,
)
from mirror.files.links import absolute_path, escaping_link, real_path, repository_of
from mirror.files.lock import Lock
from mirror.files.platform import ANYTHING, Checksum, Expected, is_temporary
from mirror.files.tree import Tree
from mirror.files.whole import (
    MAX_BYTES,
    append,
    create_whole,
    opened,
    read_named,
    read_whole,
    sweep,
    write_whole,
)

__all__ = [
    "ANYTHING",
    "MAX_BYTES",
    "ChangedError",
    "Checksum",
    "Expected",
    "FileTooLargeError",
    "HeldError",
    "Lock",
    "NotAFileError",
    "OutsideError",
    "Tree",
    "absolute_path",
    "append",
    "create_whole",
    "escaping_link",
    "explain",
    "has_no_room",
    "is_blocked",
    "is_temporary",
    "opened",
    "read_named",
    "read_whole",
    "real_path",
    "repository_of",
    "sweep",
    "unspellable",
    "write_whole",
]
