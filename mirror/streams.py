"""The standard streams of the process, opened so that a failed write has the right outcome.

- stdout holds the results: a failed write ends the run with an exit code that says so.
- stderr holds progress and remarks: a failed write is dropped and changes no exit code.
- Descriptor 2 itself leads nowhere. Decoders write to it past Python (libtiff prints a line for
  each damaged strip), and what is wrong with an image is a finding already.
"""

from __future__ import annotations

import io
import os
import signal
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from mirror.config import ConfigError


class Interrupted(BaseException):
    """Ctrl-C, SIGTERM, or a reader that closed the pipe. Running jobs end and no other starts."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.signal = number


class OutputError(Exception):
    """The results cannot be written: the disk behind stdout or a file is full or broken."""


def unwritable_output(output: object, error: OSError) -> ConfigError | OutputError:
    """Return the error for an output: a disk without room is no mistake of who named the file."""
    from mirror.config import ConfigError
    from mirror.files import explain, has_no_room

    kind = OutputError if has_no_room(error) else ConfigError
    return kind(f"{output}: cannot be written: {explain(error)}")


class _ResultsFile(io.FileIO):
    """A file whose first failed write raises; later ones, as at interpreter exit, are dropped.

    Raise `Interrupted` if the reader has closed the pipe, else `OutputError`.
    """

    _has_failed = False

    def write(self, data: Any) -> int:
        if self._has_failed:
            return memoryview(data).nbytes
        try:
            return super().write(data)
        except BrokenPipeError:
            self._has_failed = True
            raise Interrupted(signal.SIGPIPE) from None
        except OSError as error:
            self._has_failed = True
            from mirror.files import explain

            raise OutputError(f"the output cannot be written: {explain(error)}") from None


class _RemarksFile(io.FileIO):
    """A file that drops what cannot be written now: its disk is full, or its reader is gone."""

    def write(self, data: Any) -> int:
        try:
            written: int | None = super().write(data)
        except OSError:
            written = None
        return memoryview(data).nbytes if written is None else written


def open_standard_streams() -> None:
    """Replace `sys.stdout` and `sys.stderr`; one that was closed leads to the null device."""
    _fill_descriptors()
    sys.stdout = _text_stream(_ResultsFile(1, "w", closefd=False), sys.stdout)
    sys.stderr = _text_stream(_RemarksFile(os.dup(2), "w"), sys.stderr, line_buffering=True)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)


def _fill_descriptors() -> None:
    """Open the descriptors 0, 1 and 2 where they are closed, so that no other file gets them."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)


def _text_stream(
    file: io.FileIO, replaced: TextIO | None, *, line_buffering: bool = False
) -> io.TextIOWrapper:
    """Return a stream that writes to `file` in the encoding of the stream that it replaces.

    A character that the encoding lacks is written as a backslash escape.
    """
    return io.TextIOWrapper(
        io.BufferedWriter(file),
        encoding=getattr(replaced, "encoding", None) or "utf-8",
        errors="backslashreplace",
        line_buffering=line_buffering or file.isatty(),
    )


def flush_results() -> None:
    """Write out what is left to print; drop what cannot be written, as the exit code is known."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(Interrupted, OutputError):
            stream.flush()
