"""The files in which a manifest stands: one, or 256 by digest once it is large.

`images.jsonl` holds a small manifest. The parts `images/00.jsonl` to `images/ff.jsonl` hold a
large one, each the lines whose digests begin with its name; all of them are there, so that a lost
one is noticed. Where a merge of branches left `images.jsonl` beside parts, the lines of all count.

Several files cannot be replaced at once. So `images.pending.jsonl` is written first: it names the
files that change, with their checksums before and after, and holds the lines that they will have.
While it is there, it is read in their place. So a run that is killed leaves the old manifest if it
had not written this file yet, and the new one if it had, however many other files were written.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any, Protocol

from mirror.files import MAX_BYTES, Checksum, FileTooLargeError, Tree, explain
from mirror.manifest.lines import (
    HEADER_TEXT,
    Line,
    LinePlace,
    ManifestError,
    line_error,
    read_lines,
)
from mirror.quotes import quoted

FILE_NAME = "images.jsonl"
FOLDER = "images"
PARTS = tuple(f"{FOLDER}/{number:02x}.jsonl" for number in range(256))
PENDING = "images.pending.jsonl"
FILES = (FILE_NAME, PENDING, *PARTS)

SPLIT_BYTES = 80_000_000
"""Above this size a manifest gets parts: GitHub takes no file of more than 100 MB."""
JOIN_SHARE = 2
"""A manifest in parts becomes one file again below `SPLIT_BYTES // JOIN_SHARE`.

The gap between the two limits keeps a manifest near one of them from moving in every run.
"""

_PENDING_FORMAT = {"format": "mirror-manifest-pending", "version": 1}

Checksums = Mapping[str, Checksum]
"""The files of a manifest that are there, by name; empty without a manifest."""

Change = tuple[Checksum | None, Checksum | None]
"""The checksum of a file before and after; `None` where there is no file."""


def part_of(sha256: str) -> str:
    """Return the part that a digest belongs in."""
    return f"{FOLDER}/{sha256[:2]}.jsonl"


def dump_pending(changes: Mapping[str, Change]) -> str:
    """Return the first line of `images.pending.jsonl`, without its end."""
    files = {name: list(map(_hex, change)) for name, change in changes.items()}
    return json.dumps(_PENDING_FORMAT | {"files": files})


def load_pending(text: str) -> dict[str, Change]:
    """Return the files that change; raise `ValueError` for what `dump_pending` did not write."""
    try:
        raw: Any = json.loads(text)
        files = raw.pop("files")
        if raw != _PENDING_FORMAT or not files.keys() <= {FILE_NAME, *PARTS}:
            raise ValueError
        return {name: (_checksum(old), _checksum(new)) for name, (old, new) in files.items()}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ValueError(
            f"expected {json.dumps(_PENDING_FORMAT)} with `files`, got {quoted(text)}"
        ) from error


def _hex(checksum: Checksum | None) -> str | None:
    return None if checksum is None else checksum.sha256.hex()


def _checksum(text: str | None) -> Checksum | None:
    if text is None:
        return None
    if len(digest := bytes.fromhex(text)) != sha256().digest_size:
        raise ValueError
    return Checksum(digest)


class Files(Protocol):
    """The files of a manifest, on the disk or at a commit."""

    def state(self) -> Mapping[str, object]:
        """Return each file that is there, with a value that differs once the file was changed.

        Raise `OSError`.
        """
        ...

    def opened(self, name: str, max_bytes: int) -> AbstractContextManager[Iterable[bytes]]:
        """Open a file to read its lines; raise `OSError`."""
        ...


@dataclass(frozen=True, slots=True)
class FilesOnDisk:
    """The files below a folder; a link or a pipe in the place of one is an error."""

    folder: Path

    def state(self) -> Mapping[str, object]:
        states: dict[str, object] = {}
        has_parts = (self.folder / FOLDER).is_dir()
        for name in FILES if has_parts else (FILE_NAME, PENDING):
            with suppress(FileNotFoundError):
                status = os.lstat(self.folder / name)
                states[name] = (status.st_ino, status.st_size, status.st_mtime_ns)
        return states

    @contextmanager
    def opened(self, name: str, max_bytes: int) -> Iterator[Iterable[bytes]]:
        with Tree(self.folder).opened(name) as file:
            if os.fstat(file.fileno()).st_size > max_bytes:
                raise FileTooLargeError(name, max_bytes)
            yield file


@dataclass(frozen=True, slots=True)
class FilesInMemory:
    """Files by their texts."""

    texts: Mapping[str, str]

    def state(self) -> Mapping[str, object]:
        return dict.fromkeys(self.texts)

    @contextmanager
    def opened(self, name: str, max_bytes: int) -> Iterator[Iterable[bytes]]:
        yield BytesIO(self.texts[name].encode("utf-8"))


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads the lines of a manifest, whichever files it stands in. Raises `ManifestError`.

    `folder` is named in errors.
    """

    files: Files
    folder: Path

    @classmethod
    def on_disk(cls, folder: Path) -> Reader:
        return cls(FilesOnDisk(folder), folder)

    def lines(
        self, report: Callable[[str, bytes], object] = lambda _name, _raw: None
    ) -> Iterator[tuple[LinePlace, Line]]:
        """Yield all lines, part by part; `report` is given each file's name and raw lines."""
        before = self.state()
        changes = self._changes(before)
        for name in self._files_that_count(before, changes):
            belong = names_after(changes) if name == PENDING else {name}
            for place, line in read_lines(self._texts(name, report), str(self.folder / name)):
                if FILE_NAME not in belong and (part := part_of(line.sha256)) not in belong:
                    raise line_error(place, f"a line of {line.sha256} belongs in {part}; move it")
                yield place, line
        if len(before) > 1 and self.state() != before:
            raise ManifestError(
                f"{self.folder}: the manifest was written while it was read; run again"
            )

    def state(self) -> Mapping[str, object]:
        """Return the files that are there, as `Files.state` does."""
        try:
            return self.files.state()
        except OSError as error:
            message = f"{self.folder / FILE_NAME}: cannot be read: {explain(error)}"
            raise ManifestError(message) from error

    def checksums(self) -> dict[str, Checksum]:
        """Return the checksums of all files, those included that do not count now."""
        return {name: self._checksum(name) for name in self.state()}

    def _files_that_count(self, there: Collection[str], changes: Mapping[str, Change]) -> list[str]:
        """Return the files whose lines make the manifest; raise `ManifestError` for a lost part."""
        names = [name for name in (FILE_NAME, *PARTS) if name in there and name not in changes]
        after = {*names, *names_after(changes)}
        missing = [name for name in PARTS if name not in after]
        if after and missing and FILE_NAME not in after:
            more = f", and {len(missing) - 1} more" if len(missing) > 1 else ""
            raise ManifestError(
                f"{self.folder / missing[0]}: this part of the manifest is missing{more}; "
                "bring it back from version control"
            )
        return [PENDING, *names] if PENDING in there else names

    def _changes(self, there: Collection[str]) -> Mapping[str, Change]:
        """Return the files that `images.pending.jsonl` stands for."""
        if PENDING not in there:
            return {}
        path = self.folder / PENDING
        with self._opened(PENDING) as lines:
            first = next(iter(lines), b"")
        try:
            changes = load_pending(first.decode("utf-8"))
        except ValueError as error:
            raise line_error((str(path), 1), str(error)) from error
        for name, change in changes.items():
            checksum = self._checksum(name) if name in there else None
            if checksum not in change:
                raise ManifestError(
                    f"{path}: a run was stopped while it wrote the manifest, and "
                    f"{self.folder / name} was changed since; delete {PENDING} to take the files "
                    "as they are, or bring that file back from version control to go on"
                )
        return changes

    def _texts(self, name: str, report: Callable[[str, bytes], object]) -> Iterator[str]:
        """Yield the lines without their ends."""
        with self._opened(name) as lines:
            for number, raw in enumerate(lines, 1):
                report(name, raw)
                try:
                    text = raw.decode("utf-8")
                except UnicodeDecodeError as error:
                    raise line_error((str(self.folder / name), number), str(error)) from error
                yield HEADER_TEXT if name == PENDING and number == 1 else text.removesuffix("\n")

    def _checksum(self, name: str) -> Checksum:
        with self._opened(name) as lines:
            return Checksum.of(lines)

    @contextmanager
    def _opened(self, name: str) -> Iterator[Iterable[bytes]]:
        # It may hold the lines of all parts.
        max_bytes = MAX_BYTES * len(PARTS) if name == PENDING else MAX_BYTES
        try:
            with self.files.opened(name, max_bytes) as file:
                yield file
        except OSError as error:
            message = f"{self.folder / name}: cannot be read: {explain(error)}"
            raise ManifestError(message) from error


def names_after(changes: Mapping[str, Change]) -> set[str]:
    """Return the files that are there after the changes, of those that change."""
    return {name for name, (_, new) in changes.items() if new is not None}
