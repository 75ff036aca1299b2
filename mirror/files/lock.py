"""A lock on a file: one run at a time, and the other one is named."""

from __future__ import annotations

import json
import os
import socket
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from mirror.files.errors import HeldError
from mirror.files.platform import current_platform

_MAX_HOLDER_BYTES = 4096  # what the holder wrote of itself has some hundred


class Lock:
    """A lock of the operating system on a file, which also says who holds it.

    The system releases it when the holder ends, in whatever way. A lock is therefore never stale,
    and nobody has to remove the file.
    """

    def __init__(self, path: Path, command: str) -> None:
        self.path = path
        self.command = command
        self._file = -1

    def __enter__(self) -> Self:
        """Take the lock, or raise `HeldError` at once, which names the holder."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        platform = current_platform()
        file = platform.open_lock_file(self.path)
        try:
            if not platform.try_lock(file):
                raise HeldError(_describe(os.read(file, _MAX_HOLDER_BYTES), self.path))
            os.ftruncate(file, 0)
            os.write(file, self._holder())
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
    except (ValueError, LookupError, TypeError):  # the holder has not written its name yet
        who = "another run"
    return f"{who} holds the lock {path}; wait until it has ended, or end it"
