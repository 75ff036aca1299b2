"""The archive: every original under its SHA-256, in a folder or a bucket that is a BagIt bag.

BagIt (RFC 8493) is a format of libraries: a folder `data`, and lists of checksums beside it. The
command `sha256sum -c manifest-sha256.txt` proves that nothing is lost, without this program.

Read in this order: `errors.py`, `bag.py` (the lists, as pure functions), `unsealed.py` (what the
lists lack), `sources.py` (which address each original came from), `spool.py` (originals of
this run, kept to be read again), `originals.py` (the archive).
"""

from __future__ import annotations

from mirror.archive.errors import (
    ArchiveError,
    MissingError,
    UnreachableArchiveError,
    UnreadableError,
)
from mirror.archive.originals import Archive, original_key
from mirror.archive.sources import SOURCES, SourceRecord

__all__ = [
    "SOURCES",
    "Archive",
    "ArchiveError",
    "MissingError",
    "SourceRecord",
    "UnreachableArchiveError",
    "UnreadableError",
    "original_key",
]
