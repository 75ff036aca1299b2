"""The values that a configuration is made of, frozen, and its errors."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from mirror.urls.ignore import IgnoreList
from mirror.urls.sources import Locator, Source

CONFIG_NAME = "mirror.toml"
DEFAULT_KEY = "{sha256:.2}/{sha256}{ext}"


class ConfigError(Exception):
    """The configuration cannot be used; the message names the file, the key and the remedy."""


class MissingConfigError(ConfigError):
    """No configuration was named, and none is found."""


@dataclass(frozen=True, slots=True)
class PostSettings:
    paths: tuple[Path, ...]
    include: tuple[str, ...] = ("**/*.md", "**/*.markdown", "**/*.mdx")
    exclude: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DestinationSettings:
    """One `[[destination]]`. `key` is one template for all: the manifest has one key an asset.

    With relative `links`, `public_url` is the path of the destination's folder from the folder of
    `mirror.toml`, percent-encoded; each post is given its own way there.
    """

    name: str
    url: str
    public_url: str | None = None
    key: str = DEFAULT_KEY
    endpoint_url: str | None = None
    region: str | None = None
    profile: str | None = None
    provider: str = "auto"
    addressing: Literal["auto", "path", "virtual"] = "auto"
    links: Literal["absolute", "relative"] = "absolute"


@dataclass(frozen=True, slots=True)
class ArchiveBucket:
    """An `[archive]` in a bucket; the settings are those of a destination in one."""

    url: str
    endpoint_url: str | None = None
    region: str | None = None
    profile: str | None = None
    provider: str = "auto"
    addressing: Literal["auto", "path", "virtual"] = "auto"


@dataclass(frozen=True, slots=True)
class FetchSettings:
    concurrency: int = 16
    timeout_s: float = 30.0
    retries: int = 4
    max_bytes: int = 64 * 2**20
    max_pixels: int = 100_000_000
    allow_private_hosts: bool = False


@dataclass(frozen=True, slots=True)
class Config:
    """Everything a run depends on. Paths are absolute; `root` is the folder of the file.

    `archive` is a folder or a place in a bucket.
    """

    root: Path
    posts: PostSettings
    sources: tuple[Source, ...] = ()
    destinations: tuple[DestinationSettings, ...] = ()
    archive: Path | ArchiveBucket = field(default=Path("archive"))
    manifest: Path = field(default=Path("manifests"))
    dedupe: Literal["perceptual", "exact", "off"] = "perceptual"
    ignored: IgnoreList = field(default_factory=IgnoreList)
    fetch: FetchSettings = field(default=FetchSettings())

    @property
    def state(self) -> Path:
        """The folder `.mirror/`, which `mirror.state` describes."""
        return self.root / ".mirror"

    def locator(self) -> Locator:
        return Locator(self.sources)
