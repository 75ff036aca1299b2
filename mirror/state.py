"""What `.mirror/` holds: the journal, the lock, the validators, the last run."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock as Mutex
from typing import Any

from mirror.files import (
    Lock,
    read_whole,
    sweep,
)
from mirror.manifest import (
    dump_blob,
    is_address,
    load_blob,
)
from mirror.model import Blob
from mirror.records import unwritable
from mirror.urls.address import Address


@dataclass(frozen=True, slots=True)
class _Locked:
    lock: Lock
    folders: tuple[Path, ...]

    def __enter__(self) -> None:
        try:
            self.lock.__enter__()
        except OSError as error:
            raise unwritable(self.lock.path, error) from error
        for folder in self.folders:
            sweep(folder)

    def __exit__(self, *error: object) -> None:
        self.lock.__exit__(None, None, None)


@dataclass(slots=True)
class Journal:
    """What was fetched since the manifest was last written: one line an image, appended.

    The archive holds the bytes before the line is written, so a killed run fetches again only
    what was in flight.
    """

    path: Path
    _mutex: Mutex = field(default_factory=Mutex)

    def read(self) -> Iterator[tuple[Address, Blob]]:
        """Yield what was recorded; a line torn by a kill, or of another version, is passed over."""
        for raw in json_lines(self.path):
            with suppress(KeyError, TypeError, ValueError):
                if is_address(raw["source"]):
                    yield Address(raw["source"]), load_blob(raw["blob"])

    def append(self, addresses: Iterable[Address], blob: Blob) -> None:
        # The line end comes first: a line that a kill or a full disk tore must not take this along.
        lines = ["\n" + json.dumps({"source": url, "blob": dump_blob(blob)}) for url in addresses]
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            with self._mutex, open(os.open(self.path, flags, 0o666), "wb") as file:  # noqa: PTH123
                file.write("".join(lines).encode())
        except OSError as error:
            raise unwritable(self.path, error) from error

    def clear(self) -> None:
        """Its contents are in the manifest now."""
        try:
            self.path.unlink(missing_ok=True)
        except OSError as error:
            raise unwritable(self.path, error) from error


def json_lines(path: Path) -> Iterator[dict[str, Any]]:
    try:
        text = read_whole(path).decode("utf-8", "replace")
    except OSError:
        return
    for line in text.split("\n"):
        with suppress(ValueError, RecursionError):
            yield json.loads(line)
