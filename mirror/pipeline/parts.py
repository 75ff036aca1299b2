"""The parts of a site, opened from a configuration and handed to the commands.

Only a function that the command line calls takes `Parts`; each of its stages takes the parts that
it uses.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from mirror.archive import Archive
from mirror.config import ArchiveBucket, Config, ConfigError, written_folders
from mirror.destinations import Destination, bucket_settings, open_destination
from mirror.manifest import ManifestFile
from mirror.posts import PostTree
from mirror.records import Record
from mirror.redirects import FILE_NAME as REDIRECTS
from mirror.redirects import Redirect
from mirror.redirects import dump_lines as dump_redirects
from mirror.redirects import read_lines as read_redirects
from mirror.rewrites import FILE_NAME as REWRITES
from mirror.rewrites import Rewrite
from mirror.rewrites import dump_lines as dump_rewrites
from mirror.rewrites import read_lines as read_rewrites
from mirror.state import State
from mirror.store import DirectoryStore, StoreError, open_bucket
from mirror.urls.address import Address
from mirror.urls.sources import Locator


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of one site. Opening them reads no file and asks no server."""

    config: Config
    locator: Locator
    posts: PostTree
    archive: Archive
    manifest: ManifestFile
    rewrites: Record[Sequence[Rewrite]]
    redirects: Record[dict[Address, Redirect]]
    destinations: tuple[Destination, ...]
    state: State

    @property
    def folders(self) -> list[tuple[str, Path]]:
        """The folders that commands write to, each with its name."""
        return written_folders(self.config)

    def lock(self, command: str, shard: str = "") -> AbstractContextManager[None]:
        """Let one command at a time write to this site; raise `HeldError` that names the other.

        A run of a `shard`, given by its name, only keeps out another run of it.
        """
        stores = [destination.store for destination in self.destinations]
        folders = [store.root for store in stores if isinstance(store, DirectoryStore)]
        return self.state.lock(command, () if shard else (self.config.manifest, *folders), shard)


def open_parts(config: Config) -> Parts:
    """Open the parts. Raise `ConfigError` where no store can be opened."""
    destinations = tuple(
        open_destination(settings, config.root) for settings in config.destinations
    )
    return Parts(
        config=config,
        locator=config.locator(),
        posts=PostTree.of(config),
        archive=open_archive(config.archive, config.state),
        manifest=ManifestFile(config.manifest),
        rewrites=Record(config.manifest / REWRITES, read_rewrites, dump_rewrites, list),
        redirects=Record(config.manifest / REDIRECTS, read_redirects, dump_redirects, dict),
        destinations=destinations,
        state=State.below(config.state),
    )


def open_archive(place: Path | ArchiveBucket, state: Path) -> Archive:
    """Open the archive; nobody is asked yet. Raise `ConfigError`.

    `state` is the folder for what runs on this machine remember of it.
    """
    if isinstance(place, Path):
        return Archive(DirectoryStore("archive", place), state)
    try:
        return Archive(open_bucket("archive", place.url, bucket_settings(place)), state)
    except StoreError as error:
        raise ConfigError(f"[archive]: {error}") from error
