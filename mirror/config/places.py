"""The places that a configuration writes to: none holds another one, or is led out of the site."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from mirror.config.values import ArchiveBucket, Config, ConfigError, DestinationSettings
from mirror.files import escaping_link, real_path


def written_folders(config: Config) -> list[tuple[str, Path]]:
    """Return the folders that commands write to, each with its name.

    A destination may be called `archive` too.
    """
    return [*_folders_of_ours(config), *_destination_folders(config)]


def written_places(config: Config) -> Iterator[tuple[str, Path]]:
    """Yield what commands write to, posts included, as an error names it."""
    yield from ((f"the {name}", folder) for name, folder in _folders_of_ours(config))
    yield from ((f"destination {name!r}", folder) for name, folder in _destination_folders(config))
    yield from (("the posts", path) for path in config.posts.paths)


def _folders_of_ours(config: Config) -> list[tuple[str, Path]]:
    archive = [("archive", config.archive)] if isinstance(config.archive, Path) else []
    return [*archive, ("manifest", config.manifest), ("state", config.state)]


def _destination_folders(config: Config) -> list[tuple[str, Path]]:
    return [
        (destination.name, folder)
        for destination in config.destinations
        if (folder := folder_of(destination, config.root)) is not None
    ]


def folder_of(destination: DestinationSettings, root: Path) -> Path | None:
    """Return the folder of a destination, relative to `root`; `None` for a bucket."""
    scheme, _, rest = destination.url.partition(":")
    return root / rest.removeprefix("//") if scheme == "file" else None


def check_no_escape(place: Path, root: Path, name: str) -> None:
    """Raise `ConfigError` if a link that lies in the repository leads `place` out of it."""
    if (link := escaping_link(place, root)) is not None:
        target = os.path.realpath(link)
        raise ConfigError(
            f"{name}: {link} is a symbolic link to {target}, and a commit of anybody can bring "
            "such a link; if it is yours, name the place that it leads to instead"
        )


def place_of(destination: DestinationSettings, root: Path) -> str:
    """Return the place of the objects, the same for every spelling of it."""
    if (folder := folder_of(destination, root)) is not None:
        return os.path.normpath(folder)
    bucket = destination.url.removeprefix("s3:").rstrip("/")
    return f"{bucket} {(destination.endpoint_url or '').rstrip('/')}"


def check_prefix(
    name: str, destination: DestinationSettings, archive: Path | ArchiveBucket
) -> None:
    """Raise if archive and destination have a part of a bucket in common.

    `prune` would delete the originals, which no line of the manifest names as objects.
    """
    if isinstance(archive, Path) or not destination.url.startswith("s3:"):
        return
    endpoints = [(place.endpoint_url or "").rstrip("/") for place in (archive, destination)]
    first, second = (f"{place.url.rstrip('/')}/" for place in (archive, destination))
    is_shared = first.startswith(second) or second.startswith(first)
    if is_shared and endpoints[0] == endpoints[1]:
        raise ConfigError(
            f"{name}: destination {destination.name!r} keeps its images in {destination.url}, and "
            f"the archive is in {archive.url}: one holds the other; give each a prefix of its "
            "own, such as s3://bucket/archive and s3://bucket/images"
        )


def check_folder(name: str, destination: DestinationSettings, config: Config) -> None:
    """Raise if a destination is a folder with anything else in it: `prune` deletes such files."""
    if not destination.url.startswith("file:"):
        return
    if destination.url.startswith("file:~"):
        raise ConfigError(
            f"{name}: destination {destination.name!r} is at {destination.url!r}, and `~` means "
            "nothing here; write the whole path"
        )
    folder = real_path(Path(place_of(destination, config.root)))
    root = real_path(config.root)
    kept = [("mirror.toml", config.root), *(("the posts", path) for path in config.posts.paths)]
    kept += [(f"the {name}", path) for name, path in _folders_of_ours(config)]
    kept += [("git", config.root / ".git")]
    for holder, path in kept:
        other = real_path(path)
        # Beneath the posts, or in a site that is the manifest's folder, there is room for images.
        is_inside = holder != "the posts" and folder.is_relative_to(other)
        if other.is_relative_to(folder) or (is_inside and not root.is_relative_to(other)):
            raise ConfigError(
                f"{name}: destination {destination.name!r} keeps its images in {folder}, which is "
                f"the place of {holder} too; give it a folder of its own, such as file:images"
            )


def check_posts_below(
    name: str, destination: DestinationSettings, paths: Iterable[Path], root: Path
) -> None:
    """Raise if posts are outside of the site's folder, from which relative links count."""
    for path in paths:
        if os.path.relpath(path, root).split("/")[0] == "..":
            raise ConfigError(
                f"{name}: destination {destination.name!r} has relative links, and {path} is "
                f"outside {root}; move this file to a folder above both"
            )
