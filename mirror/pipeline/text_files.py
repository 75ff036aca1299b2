"""The files of a folder, read as text. No link is followed, no pipe or device is opened."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mirror.config import ConfigError
from mirror.files import opened
from mirror.model import Finding, Rule
from mirror.pages.text import is_binary
from mirror.posts import MAX_POST_BYTES, unread_reason

_SAMPLE = 8192  # bytes: a film among the files is known by them, and not read whole


@dataclass(frozen=True, slots=True)
class TextFile:
    """A plain file. `name` is relative to the folder of `mirror.toml`, with `/`."""

    name: str
    path: Path

    def read(self) -> bytes | Finding:
        """Return the bytes, none for a file that is no text, or why they cannot be had."""
        try:
            with opened(self.path) as file:
                sample = file.read(_SAMPLE)
                if is_binary(sample):
                    return b""
                data = sample + file.read(MAX_POST_BYTES + 1 - len(sample))
        except OSError as error:
            return self._unread(f"cannot be read: {unread_reason(error)}")
        if len(data) > MAX_POST_BYTES:
            return self._unread(f"was not read: it has more than {MAX_POST_BYTES >> 20} MiB")
        return data

    def _unread(self, message: str) -> Finding:
        return Finding(Rule.FILE_UNCHECKED, self.name, message, self.name)


def need_built_site(folder: Path | None) -> None:
    """Raise `ConfigError` if a built site was named and its folder is not there."""
    if folder is not None and not folder.is_dir():
        raise ConfigError(f"{folder}: no such folder (named in --site); build the site first")


def is_version_control(path: Path) -> bool:
    """Return True for a folder that version control keeps for itself."""
    return path.name in (".git", ".hg", ".svn")


def walk_files(
    folder: Path,
    root: Path,
    is_skipped: Callable[[Path], bool],
    is_needed: Callable[[Path], bool] = lambda _link: False,
) -> Iterator[TextFile | Finding]:
    """Yield the plain files below `folder` in the order of their paths; names count from `root`.

    A folder for which `is_skipped` says so is left out. One that cannot be read is a finding, and
    so is a link for which `is_needed` says so.
    """
    waiting = [(folder, True)]
    while waiting:
        path, is_folder = waiting.pop()
        if not is_folder:
            yield TextFile(_name(path, root), path)
            continue
        try:
            with os.scandir(str(path)) as entries:
                kinds = [(entry, entry.is_dir(follow_symlinks=False)) for entry in entries]
                links = [Path(entry.path) for entry, _ in kinds if entry.is_symlink()]
                below = [
                    (Path(entry.path), is_dir)
                    for entry, is_dir in kinds
                    if is_dir or entry.is_file(follow_symlinks=False)
                ]
        except OSError as error:
            name = _name(path, root)
            message = f"cannot be read, and so no file in it: {unread_reason(error)}"
            yield Finding(Rule.FILE_UNCHECKED, name, message, name)
            continue
        for link in sorted(filter(is_needed, links)):
            name = _name(link, root)
            message = "is a link that leads out of this folder, and was not followed"
            yield Finding(Rule.FILE_UNCHECKED, name, message, name)
        below.sort(key=_order, reverse=True)
        waiting += [pair for pair in below if not (pair[1] and is_skipped(pair[0]))]


def _order(pair: tuple[Path, bool]) -> bytes:
    """A folder sorts as its name and `/`, so that the files below it come in byte order."""
    path, is_folder = pair
    return os.fsencode(path.name) + b"/" * is_folder


def _name(path: Path, root: Path) -> str:
    return os.path.relpath(path, root)
