"""Originals of this run, in a file without a name, which is gone when the process ends."""

from __future__ import annotations

import os
from collections import OrderedDict
from pathlib import Path
from tempfile import TemporaryFile
from threading import Lock

MAX_BYTES = 1 << 30
"""Size of the file: some twenty thousand originals of 50 kB. Originals of a larger run that look
alike are read from the bucket a second time; a larger file may not fit on the disk."""


class Spool:
    """The last originals of a run, at most `max_bytes` of them. Safe to use from threads.

    It is a ring: once the file is full, the oldest bytes are overwritten.
    """

    def __init__(self, folder: Path, max_bytes: int = MAX_BYTES) -> None:
        self._file = -1
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder) as file:
            self._file = os.dup(file.fileno())
        self._max_bytes = max_bytes
        self._places: OrderedDict[str, tuple[int, int]] = OrderedDict()  # first kept, first gone
        self._end = 0
        self._lock = Lock()

    def __del__(self) -> None:
        if self._file >= 0:
            os.close(self._file)

    def keep(self, name: str, data: bytes) -> None:
        """Keep `data` for a while. Raise `OSError` where the disk is full."""
        if len(data) > self._max_bytes:
            return
        with self._lock:
            if name in self._places:
                return
            start = self._end if self._end + len(data) <= self._max_bytes else 0
            stop = start + len(data)
            while self._places and self._is_in_the_way(start, stop):
                self._places.popitem(last=False)
            os.pwrite(self._file, data, start)
            self._places[name] = (start, len(data))
            self._end = stop

    def _is_in_the_way(self, start: int, stop: int) -> bool:
        """Return True if the bytes that were kept first are in this range, or behind the end."""
        first, size = next(iter(self._places.values()))
        return (first < stop and start < first + size) or (start == 0 and first >= self._end > 0)

    def find(self, name: str) -> bytes | None:
        """Return what was kept under `name`; `None` if it is gone."""
        with self._lock:
            if name not in self._places:
                return None
            start, size = self._places[name]
            return os.pread(self._file, size, start)
