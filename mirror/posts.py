"""The posts: finding and reading them. Links that lead elsewhere are not followed."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from mirror.config import Config, ConfigError, PostSettings, check_no_escape, written_folders
from mirror.files import NotAFileError, absolute_path, read_whole, real_path, sweep
from mirror.globs import compile_path_glob
from mirror.model import Finding, Rule
from mirror.urls.address import Url
from mirror.urls.relative import from_root

_SKIPPED_FOLDERS = frozenset({"node_modules", "__pycache__"})
MAX_POST_BYTES = 64 * 2**20
"""Larger posts are not read: one takes half a minute, and those that people write have some KiB."""
_USUAL = frozenset(PostSettings(()).include)


def unread_reason(error: OSError) -> str:
    """Return why a file or a folder of the site cannot be read, and what helps if that is known."""
    is_denied = isinstance(error, PermissionError)
    return f"{error.strerror}; let this user read it" if is_denied else f"{error.strerror}"


@dataclass(frozen=True, slots=True, order=True)
class Post:
    """A Markdown file, or a data file that `include` names.

    `name` is relative to the folder of `mirror.toml`, with `/`.
    """

    name: str
    path: Path

    def read(self) -> bytes | Finding:
        """Return the bytes, or a finding that says why they cannot be read."""
        try:
            return read_whole(self.path, MAX_POST_BYTES)
        except NotAFileError:
            return self._unreadable(
                "expected a post, found no plain file; move it away, or `exclude` it"
            )
        except OSError as error:
            return self._unreadable(f"cannot be read: {unread_reason(error)}")

    def from_root(self, url: Url) -> Url:
        """Return a relative URL of the post as the path from the folder of `mirror.toml`."""
        return Url(from_root(url.raw, self.name))

    def has_file(self, url: Url) -> bool:
        """Return True if a relative URL leads from the post to something in the file system."""
        path = unquote(re.split(r"[?#]", url.raw, maxsplit=1)[0])
        return os.path.exists(self.path.parent / path)  # noqa: PTH110  (False for no valid name)

    def _unreadable(self, message: str) -> Finding:
        return Finding(Rule.POST_UNREADABLE, self.name, message, self.name)


@dataclass(frozen=True, slots=True)
class PostTree:
    """The folders and patterns of a site's posts; `skip` are folders that mirror writes to."""

    settings: PostSettings
    root: Path
    skip: tuple[Path, ...]

    @classmethod
    def of(cls, config: Config) -> PostTree:
        skip = tuple(folder for _, folder in written_folders(config))
        return cls(config.posts, config.root, skip)

    def find(self, paths: Sequence[Path] = ()) -> tuple[list[Post], list[Finding]]:
        """Return the posts below `paths` or the configured ones; none at all is a finding.

        Raise `ConfigError` for a path that does not exist.
        """
        posts, findings = find_posts(self.settings, self.root, paths, self.skip)
        if not posts:
            where = ", ".join(str(path) for path in paths or self.settings.paths)
            message = f"no post in {where}: check `paths`, `include` and `exclude` of [posts]"
            findings.append(Finding(Rule.NO_POSTS, "[posts]", message))
        return posts, findings


def find_posts(
    posts: PostSettings, root: Path, paths: Sequence[Path], skip: Collection[Path]
) -> tuple[list[Post], list[Finding]]:
    """Return the posts below `paths` (or the configured ones), sorted by name, each once.

    A file that `paths` names is a post whatever its name ends in. Folders in `skip` (archive,
    state, destinations), hidden ones and links are left out. A link out of the tree is a
    finding, since the posts behind it would otherwise be missing without a word. Raise
    `ConfigError` for a path that does not exist.
    """
    roots = [absolute_path(path) for path in posts.paths]
    globs = {pattern: compile_path_glob(pattern.lstrip("/")) for pattern in posts.include}
    include = [*globs.values()]
    exclude = [compile_path_glob(pattern.lstrip("/")) for pattern in posts.exclude]
    unmatched = {pattern: glob for pattern, glob in globs.items() if pattern not in _USUAL}
    by_name: dict[str, Post] = {}
    findings: list[Finding] = []
    skipped = {str(path) for path in skip}
    starts = [absolute_path(path) for path in paths] or roots
    for start in dict.fromkeys(starts):
        check_no_escape(start, root, "the posts")
        if not _is_true(start.exists):
            where = "PATHS" if paths else "[posts].paths"
            raise ConfigError(f"{start}: no such file or folder (named in {where})")
        if start.is_file() and real_path(start).is_relative_to(real_path(root)):
            start = real_path(start)  # a link that was named leads to a post of this tree
        # Patterns count from the configured folder, also where a path within it was named.
        above = (place for place in roots if start.is_relative_to(place))
        base = max(above, key=lambda place: len(place.parts), default=start)
        errors: list[OSError] = []
        for path in [start] if start.is_file() else _walk(start, skipped, errors.append):
            name = _name(path, root)
            below = path.relative_to(base).as_posix() if path != base else path.name
            is_folder = _is_true(path.is_dir)
            for pattern in [text for text, glob in unmatched.items() if glob.fullmatch(below)]:
                del unmatched[pattern]
            is_included = path == start or is_folder or any(p.fullmatch(below) for p in include)
            if not is_included or any(p.fullmatch(below) or p.fullmatch(name) for p in exclude):
                continue
            if _is_true(path.is_symlink):
                findings += _link(path, name, root if path == start else start)
            else:
                by_name[name] = Post(name, path)
        findings += _unreadable_folders(errors, root, base, exclude)
    for pattern in unmatched if not paths else ():
        message = f"{pattern!r} matches no file; each pattern counts from each of `paths`"
        findings.append(Finding(Rule.ENTRY_UNUSED, "[posts].include", message))
    return sorted(by_name.values()), findings


def _unreadable_folders(
    errors: Iterable[OSError], root: Path, base: Path, exclude: Iterable[re.Pattern[str]]
) -> Iterator[Finding]:
    """Report the folders that could not be read, without those that `exclude` leaves out."""
    for error in errors:
        folder = Path(error.filename)
        names = [_name(folder, place) + "/" for place in (root, base)]
        if not any(pattern.fullmatch(name) for pattern in exclude for name in names):
            message = f"cannot be read, and what posts it holds: {unread_reason(error)}"
            yield Finding(Rule.POST_UNREADABLE, names[0], message)


def _is_true(question: Callable[[], bool]) -> bool:
    """Return the answer, and `False` without permission to look: reading the file fails then."""
    try:
        return question()
    except OSError:
        return False


def sweep_beside(posts: Iterable[Post]) -> None:
    """Remove the temporary files that killed runs left in the folders of `posts`."""
    for folder in {post.path.parent for post in posts}:
        sweep(folder, deep=False)


def _walk(
    start: Path, skipped: Collection[str], report: Callable[[OSError], None]
) -> Iterator[Path]:
    """Yield files, and folders that are links (whose contents are not walked).

    `report` receives the error of each folder that cannot be read.
    """
    for folder, folders, files in os.walk(start, onerror=report):
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".")
            and name not in _SKIPPED_FOLDERS
            and os.path.join(folder, name) not in skipped  # noqa: PTH118  (a hot loop)
        )
        paths = [Path(folder, name) for name in folders]
        yield from (path for path in paths if _is_true(path.is_symlink))
        yield from (Path(folder, name) for name in sorted(files))


def _link(path: Path, name: str, start: Path) -> Iterator[Finding]:
    """Report a link out of the tree. A link inside is silent: its post is found without it."""
    linked = real_path(path)
    if not linked.is_relative_to(real_path(start)):
        message = (
            f"is a link to {linked}, outside {start}; name that folder in [posts].paths instead"
        )
        yield Finding(Rule.POST_IS_LINK, name, message, name)


def _name(path: Path, root: Path) -> str:
    return Path(os.path.relpath(path, root)).as_posix()
