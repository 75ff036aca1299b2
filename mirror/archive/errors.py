"""The errors of the archive."""

from __future__ import annotations


class ArchiveError(Exception):
    """An original is missing or damaged, or the archive cannot be read or written."""


class MissingError(ArchiveError):
    """The original is not there, or not with its size."""


class UnreadableError(ArchiveError):
    """An original may be there, but permissions, the disk or the network prevent reading it."""


class UnreachableArchiveError(UnreadableError):
    """The bucket refuses or does not answer, so the next original would meet the same."""
