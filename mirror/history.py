"""What git knows of the site's files: those before a change, and those that it tracks."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from mirror.config import ConfigError
from mirror.files import repository_of

# Objects that a partial clone lacks are not fetched: who compares offline asks no network.
_ENVIRONMENT = {"GIT_NO_LAZY_FETCH": "1", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}


@dataclass(frozen=True, slots=True)
class Before:
    """The commit that a change began at; `folder` is in the repository."""

    folder: Path
    commit: str

    @classmethod
    def since(cls, name: str, folder: Path) -> Before:
        """Return the last commit that `HEAD` and `name`, a branch or a commit, have in common.

        Raise `ConfigError`.
        """
        commit = _git(folder, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^0")
        base = commit and _git(folder, "merge-base", commit.decode().strip(), "HEAD")
        if not base:
            raise ConfigError(
                f"--since: {folder} is in no git repository that has {name!r} and the commits back "
                "to it; a shallow clone lacks them (`fetch-depth: 0` of actions/checkout)"
            )
        return cls(folder, base.decode().strip())

    def read(self, path: Path) -> str:
        """Return the text of a file at that commit; nothing where there was none."""
        relative = Path(os.path.relpath(path, self.folder)).as_posix()
        # No filter and no driver of `.gitattributes` is run for a blob.
        data = _git(self.folder, "cat-file", "blob", f"{self.commit}:./{relative}")
        return (data or b"").decode("utf-8", "replace")

    def names(self, folder: Path) -> set[str]:
        """Return the names in a folder below at that commit; nothing where there was none."""
        relative = Path(os.path.relpath(folder, self.folder)).as_posix()
        tree = _git(
            self.folder,
            "ls-tree",
            "--full-tree",
            "-z",
            "--name-only",
            f"{self.commit}:./{relative}",
        )
        return set(os.fsdecode(tree or b"").split("\0")) - {""}


def tracked_file(folder: Path) -> Path | None:
    """Return a file in `folder` that git tracks, so that it may come from anybody's commit.

    `None` if there is none, or if nobody can tell: outside of a repository, or without git.
    """
    folder = folder.parent.resolve() / folder.name
    root = repository_of(folder.parent)
    if not os.path.lexists(root / ".git"):
        return None
    # The repository is named, and may be another user's, as in a container of CI. Left to search,
    # git takes files of a bare repository that a commit put into the folder for the repository.
    place = f":(top,literal,icase){folder.relative_to(root).as_posix()}"
    repository = ("--git-dir=.git", "--work-tree=.", "-c", "safe.directory=*")
    try:
        names = _git(root, *repository, "ls-files", "-z", "--cached", "--", place)
    except ConfigError:
        return None
    first, _, _ = (names or b"").partition(b"\0")
    return root / os.fsdecode(first) if first else None


def _git(folder: Path, *arguments: str) -> bytes | None:
    """Return what git prints; `None` if it fails. No program that the repository names is run."""
    try:
        ended = subprocess.run(  # noqa: S603  (no shell; the options end before what a user wrote)
            ["git", "-c", "core.fsmonitor=false", "-C", folder, *arguments],  # noqa: S607  (of PATH)
            capture_output=True,
            check=False,
            stdin=subprocess.DEVNULL,
            env=os.environ | _ENVIRONMENT,
        )
    except OSError as error:
        raise ConfigError(f"--since: git cannot be run: {error.strerror}") from error
    return ended.stdout if ended.returncode == 0 else None
