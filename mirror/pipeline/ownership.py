"""What belongs to the user, or is kept by commands: nothing else is written there."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from mirror import manifest, rewrites
from mirror.config import ConfigError
from mirror.pipeline.parts import Parts
from mirror.repeats.ledger import LEDGER
from mirror.repeats.reviews import REVIEWS

KEPT = (manifest.FILE_NAME, rewrites.FILE_NAME, LEDGER, REVIEWS, "schema.json")


def folders(parts: Parts) -> dict[str, Path]:
    """The folders that commands write to, by what each is called; links followed."""
    return {name: path.resolve() for name, path in parts.folders.items()}


def check_output(parts: Parts, path: Path, config: Path, posts: Sequence[Path]) -> None:
    """Raise `ConfigError` unless a command may write its output to `path`.

    The output of an earlier run is replaced. `config` is the file that was read, `posts` is what
    was named instead of the configured ones.
    """
    place = Path(os.path.realpath(path))  # unlike `resolve`, it takes a link to itself
    if (whose := _owner(parts, place, config, posts)) is not None:
        raise ConfigError(f"{path}: {whose}; name another file for the output")


def _owner(parts: Parts, place: Path, config: Path, posts: Sequence[Path]) -> str | None:
    if place == config.resolve():
        return "is the configuration"
    root = parts.config.root.resolve()
    for name, folder in folders(parts).items():
        # Where manifests are kept in the folder of the whole site, not everything is ours.
        if place.is_relative_to(folder) and not root.is_relative_to(folder):
            return f"belongs to {name} ({folder})"
    if place in (parts.config.manifest.resolve() / name for name in KEPT):
        return "belongs to manifest"
    return "is a post" if place.is_file() and place in _posts(parts, posts) else None


def _posts(parts: Parts, named: Sequence[Path]) -> set[Path]:
    found = set[Path]()
    for paths in ((), named):
        with suppress(ConfigError):  # a folder that is not there has no posts
            found |= {post.path.resolve() for post in parts.posts.find(paths)[0]}
    return found
