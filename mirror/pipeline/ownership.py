"""The files and folders that a command's output must not replace."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from mirror import manifest, redirects, rewrites
from mirror.config import ConfigError, check_no_escape
from mirror.files import real_path
from mirror.posts import PostTree
from mirror.repeats.ledger import LEDGER
from mirror.repeats.reviews import REVIEWS
from mirror.site_index import SITE_FILE

MANIFEST_FILES = (
    *manifest.FILES,
    rewrites.FILE_NAME,
    redirects.FILE_NAME,
    LEDGER,
    REVIEWS,
    SITE_FILE,
    "schema.json",
)


def check_output(
    path: Path, config_path: Path, root: Path, manifest: Path, folders: Iterable[tuple[str, Path]]
) -> None:
    """Raise `ConfigError` if output at `path` would replace a file that commands read or keep.

    The output of an earlier run may be replaced. `root` is the folder of the site, `manifest` that
    of its manifest. `folders` are those that commands write to, by name. Posts: see
    `check_no_post`.
    """
    check_no_escape(path, root, "the output")
    place = real_path(path)
    root = real_path(root)
    if place == real_path(config_path):
        raise _refusal(path, "is the configuration")
    for name, folder in ((name, real_path(folder)) for name, folder in folders):
        # A folder that holds the whole site, such as `manifest = "."`, has files of others too.
        if place.is_relative_to(folder) and not root.is_relative_to(folder):
            raise _refusal(path, f"belongs to {name} ({folder})")
    if place in (real_path(manifest) / name for name in MANIFEST_FILES):
        raise _refusal(path, "belongs to manifest")


def check_no_post(path: Path, posts: PostTree, named: Sequence[Path]) -> None:
    """Raise `ConfigError` if `path` is one of the configured posts, or of those below `named`."""
    place = real_path(path)
    files = set[Path]()
    for paths in ((), named) if place.is_file() else ():
        with suppress(ConfigError):  # a folder that does not exist has no posts
            files |= {real_path(post.path) for post in posts.find(paths)[0]}
    if place in files:
        raise _refusal(path, "is a post")


def check_restore_folder(path: Path, root: Path, folders: Iterable[tuple[str, Path]]) -> None:
    """Raise `ConfigError` unless images may be restored into `path`, which may be new.

    `folders` are those that commands write to, by name; `root` is that of the configuration.
    """
    check_no_escape(path, root, "the folder to restore into")
    if path.exists() and not path.is_dir():
        raise ConfigError(f"{path}: is no folder; name one to restore into, it may be new")
    for name, folder in ((name, real_path(folder)) for name, folder in folders):
        if real_path(path).is_relative_to(folder):
            raise ConfigError(f"{path}: belongs to {name} ({folder}); restore into another folder")


def _refusal(path: Path, reason: str) -> ConfigError:
    return ConfigError(f"{path}: {reason}; name another file for the output")
