"""The site's files as git has them: those before a change, and those that it tracks."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from mirror.config import ConfigError
from mirror.files import real_path, repository_of

# Objects that a partial clone lacks are not fetched: an offline comparison asks no network.
_ENVIRONMENT = {"GIT_NO_LAZY_FETCH": "1", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}


@dataclass(frozen=True, slots=True)
class Before:
    """The commit that a change began at, in the repository whose folder is `root`."""

    root: Path
    commit: str

    @classmethod
    def since(cls, name: str, folder: Path) -> Before:
        """Return the last commit that `HEAD` and `name`, a branch or a commit, have in common.

        Raise `ConfigError`.
        """
        root = repository_of(real_path(folder))
        commit = _git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^0")
        base = commit and _git(root, "merge-base", commit.decode().strip(), "HEAD")
        if not base:
            raise ConfigError(
                f"--since: {folder} is in no git repository that has {name!r} and the commits back "
                "to it; a shallow clone lacks them (`fetch-depth: 0` of actions/checkout)"
            )
        return cls(root, base.decode().strip())

    def read(self, path: Path) -> str:
        """Return the text of a file at that commit; nothing where there was none."""
        # No filter and no driver of `.gitattributes` is run for a blob.
        return (self._show(path, "cat-file", "blob") or b"").decode("utf-8", "replace")

    def names(self, folder: Path) -> set[str]:
        """Return the names in a folder at that commit; nothing where there was none."""
        tree = self._show(folder, "ls-tree", "-z", "--name-only")
        return set(os.fsdecode(tree or b"").split("\0")) - {""}

    def _show(self, path: Path, *command: str) -> bytes | None:
        # A folder may have become a link since. So the path as it is spelled is tried first, then
        # the path to which the links of today lead.
        places = (real_path(above) / path.relative_to(above) for above in reversed(path.parents))
        names = [
            place.relative_to(self.root).as_posix()
            for place in dict.fromkeys(places)
            if place.is_relative_to(self.root)
        ]
        for name in names:
            shown = _git(self.root, *command, f"{self.commit}:{'' if name == '.' else name}")
            if shown is not None:
                return shown
        return None


def tracked_file(folder: Path) -> Path | None:
    """Return a file in `folder` that git tracks, so that it may come from anybody's commit.

    Letters count as equal in either case, because for some file systems they are. `None` if there
    is none, or if nobody can tell: outside of a repository, or where git cannot read it.
    """
    folder = _through_links_above(folder)
    root = repository_of(folder.parent)
    place = f":(top,literal,icase){folder.relative_to(root).as_posix()}"
    try:
        names = _git(root, "ls-files", "-z", "--cached", "--", place)
    except ConfigError:
        return None
    first, _, _ = (names or b"").partition(b"\0")
    return root / os.fsdecode(first) if first else None


def _through_links_above(path: Path) -> Path:
    """Return the path as git has it: only its last part may be a link."""
    return real_path(path.parent) / path.name


def _git(root: Path, *arguments: str) -> bytes | None:
    """Return what git prints of the repository in `root`; `None` if it fails or there is none.

    No program is run that the repository names. It may be another user's, as in a container of CI.
    It is named, because left to search, git takes files of a bare repository that a commit put into
    a folder for the repository. For the same reason no variable of a hook decides on it.
    """
    if not os.path.lexists(root / ".git"):
        return None
    repository = ["--git-dir=.git", "--work-tree=.", "-c", "safe.directory=*"]
    environ = {name: text for name, text in os.environ.items() if not name.startswith("GIT_")}
    try:
        ended = subprocess.run(  # noqa: S603  (no shell; the options end before what a user wrote)
            ["git", "-C", root, *repository, "-c", "core.fsmonitor=false", *arguments],  # noqa: S607
            capture_output=True,
            check=False,
            stdin=subprocess.DEVNULL,
            env=environ | _ENVIRONMENT,
        )
    except OSError as error:
        raise ConfigError(f"--since: git cannot be run: {error.strerror}") from error
    return ended.stdout if ended.returncode == 0 else None
