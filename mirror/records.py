"""Records: the text files that mirror keeps, written whole or not at all.

The manifest, `rewrites.jsonl`, `redirects.jsonl`, the ledger and the reviews are records. The room
of each has a pair of pure functions that read and write its lines or its text; the functions here
read and write the file. `rewrites.jsonl` and `redirects.jsonl` are a `Record`, which joins both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Generic, TypeVar

from mirror.files import (
    ANYTHING,
    ChangedError,
    Checksum,
    Expected,
    explain,
    is_blocked,
    opened,
    read_whole,
    write_whole,
)

T = TypeVar("T")

# Lines of a piece: 200,000 lines of 500 bytes are written in 0.8 s one by one, in 0.14 s by 100, in
# 0.10 s by 1000 and in 0.28 s by 10,000.
_LINES_AT_ONCE = 1000


class RecordError(Exception):
    """The text of a record cannot be understood; the message names file, line and remedy."""


class StateError(Exception):
    """A file that mirror keeps cannot be written: the message names it, the reason, the remedy."""


class BlockedError(StateError):
    """Something else is where mirror keeps a file, and only the user may move it away."""


class Remarks:
    """Remarks for the user on records of another version, one for each topic.

    The process that the user started sets who is told; other processes tell nobody.
    """

    def __init__(self) -> None:
        self._tell: Callable[[str], None] | None = None
        self._told: set[str] = set()

    @contextmanager
    def told_to(self, tell: Callable[[str], None]) -> Iterator[None]:
        """Call `tell` with each remark until the block ends."""
        self._tell = tell
        self._told.clear()
        try:
            yield
        finally:
            self._tell = None

    def tell(self, text: str, topic: str) -> None:
        """Tell `text`, unless a text on this topic was told before."""
        if self._tell is not None and topic not in self._told:
            self._told.add(topic)
            self._tell(text)


REMARKS = Remarks()
"""The remarks of this process."""


@dataclass(frozen=True, slots=True)
class Record(Generic[T]):
    """One text file and the pair of functions that reads and writes its lines.

    `read_lines` takes all lines without their ends, one by one, and raises a `RecordError`.
    `dump_lines` yields them with their ends. `empty` gives the value of a file that is not there.
    """

    path: Path
    read_lines: Callable[[Iterable[str]], T]
    dump_lines: Callable[[T], Iterable[str]]
    empty: Callable[[], T]

    def load(self) -> tuple[T, Checksum | None]:
        """Return the value and the checksum of its file; `empty()` and `None` without a file.

        Raise `RecordError` for a file that cannot be read or that `read_lines` refuses.
        """
        digest = sha256()

        def lines(file: BinaryIO) -> Iterator[str]:
            for raw in file:
                digest.update(raw)
                yield raw.removesuffix(b"\n").decode("utf-8")

        try:
            with opened(self.path) as file:  # a record may be large
                return self.read_lines(lines(file)), Checksum(digest.digest())
        except FileNotFoundError:
            return self.empty(), None
        except OSError as error:
            raise RecordError(f"{self.path}: cannot be read: {explain(error)}") from error
        except RecordError as error:
            raise type(error)(f"{self.path}: {error}") from error
        except UnicodeDecodeError as error:
            raise RecordError(f"{self.path}: {error}") from error

    def save(self, value: T, old: Checksum | None) -> None:
        """Write `value` unless the file holds it already.

        `old` is the checksum that `load` returned. Raise `StateError` if somebody else wrote the
        file since, or if it cannot be written; it is as it was then.
        """
        save_pieces(self.path, lambda: encoded_pieces(self.dump_lines(value)), old)


def looks_like_json_lines(path: Path) -> bool:
    """Return False for a file that has a line which is no object, as after a merge of git.

    That takes a tenth of the time of reading the lines. No file is a whole one.
    """
    try:
        with opened(path) as file:
            return all(line.startswith(b"{") for line in file)
    except FileNotFoundError:
        return True
    except OSError:
        return False


def save_pieces(path: Path, pieces: Callable[[], Iterable[bytes]], old: Checksum | None) -> None:
    """Write the contents that `pieces()` yields unless the file holds them already.

    `pieces` is called twice. `old` and the errors are those of `Record.save`.
    """
    if Checksum.of(pieces()) == old:
        return
    try:
        write_pieces(path, pieces(), expected=old)
    except ChangedError as error:
        raise changed_meanwhile(path) from error


def changed_meanwhile(path: Path) -> StateError:
    """Return the error for a file that somebody else wrote since it was read."""
    return StateError(
        f"{path}: was changed by someone else during this run; run again, "
        "what was fetched is kept and not fetched twice"
    )


def read_text(path: Path) -> str:
    """Return the text of a record, nothing where there is no file; raise `RecordError`."""
    try:
        return read_whole(path).decode("utf-8")
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise RecordError(f"{path}: cannot be read: {explain(error)}") from error
    except UnicodeDecodeError as error:
        raise RecordError(f"{path}: cannot be read as text: {error}") from error


def write_text(path: Path, text: str) -> None:
    """Write a file that mirror keeps, whole. Raise `StateError`."""
    write_pieces(path, [text.encode("utf-8")], expected=ANYTHING)


def write_pieces(path: Path, pieces: Iterable[bytes], expected: Expected) -> None:
    """Write a file that mirror keeps, whole.

    Raise `StateError`, or `ChangedError` unless it holds what is `expected` (`None`: no file).
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, pieces, expected=expected)
    except OSError as error:
        raise unwritable(path, error) from error


def unwritable(path: Path, error: OSError) -> StateError:
    """Return the error for a file that cannot be written."""
    kind = BlockedError if is_blocked(error) else StateError
    return kind(f"{path}: cannot be written: {explain(error)}")


def encoded_pieces(lines: Iterable[str]) -> Iterator[bytes]:
    """Yield the lines in pieces of some size: each piece is one write."""
    lines = iter(lines)
    while piece := "".join(islice(lines, _LINES_AT_ONCE)):
        yield piece.encode("utf-8")


def split_lines(text: str) -> Iterator[str]:
    """Yield the lines one by one: a list of all takes as much memory as the text."""
    start = 0
    while (stop := text.find("\n", start)) >= 0:
        yield text[start:stop]
        start = stop + 1
    yield text[start:]
