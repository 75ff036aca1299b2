"""Symbolic links that a repository brings along.

A link that a user made outside of the repository, such as `/data`, is the user's word. One that
lies in the repository may have come with anybody's commit.
"""

from __future__ import annotations

import os
from pathlib import Path


def real_path(path: Path) -> Path:
    """Return the path without links; unlike `Path.resolve` it takes a circle of links."""
    return Path(os.path.realpath(path))


def absolute_path(path: Path) -> Path:
    """Return the path from the root on, without `..`; a link in it stays a link."""
    return Path(os.path.abspath(path))  # noqa: PTH100  (`resolve` would follow links)


def repository_of(folder: Path) -> Path:
    """Return the folder of the repository that `folder` is in; without one, `folder` itself."""
    for place in (folder, *folder.parents):
        if _exists(place / ".git"):
            return place
    return folder


def escaping_link(path: Path, folder: Path) -> Path | None:
    """Return the first link on the way to `path` that leads out of the repository of `folder`.

    Only links that lie in the repository count. Its `.git` is outside of it.
    """
    root = real_path(repository_of(folder))
    path = path.absolute()
    for place in (*reversed(path.parents), path):
        is_link = os.path.islink(place)  # noqa: PTH114  (it never raises)
        if is_link and _is_inside(place.parent, root) and not _is_inside(place, root):
            return place
    return None


def _is_inside(path: Path, root: Path) -> bool:
    real = real_path(path)
    return real.is_relative_to(root) and not real.is_relative_to(root / ".git")


def _exists(path: Path) -> bool:
    return os.path.lexists(path)  # unlike `exists`, it takes a folder that nobody may look into
