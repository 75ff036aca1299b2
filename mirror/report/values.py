"""What a report says, as values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import unquote

from mirror.model import Blob, Finding, Thumbnail
from mirror.repeats.evidence import Evidence


@dataclass(frozen=True, slots=True)
class Place:
    """Where a post shows a picture."""

    post: str
    line: int


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture of the manifest, and where the posts show it.

    `url` is its public address in the first destination. `unseen` says why there is no thumbnail.
    """

    blob: Blob
    sources: tuple[str, ...] = ()
    places: tuple[Place, ...] = ()
    url: str | None = None
    thumbnail: Thumbnail | None = None
    unseen: str = ""

    @property
    def name(self) -> str:
        """The file's name as its host calls it; the start of the digest if nobody names it."""
        first = self.sources[0] if self.sources else ""
        name = unquote(first.partition("?")[0].rstrip("/").rpartition("/")[2])
        return name or self.blob.digest.hex[:16]


@dataclass(frozen=True, slots=True)
class Repeat:
    """A picture that another stands for. `evidence` is `None` where none is on record."""

    picture: Picture
    evidence: Evidence | None = None
    by_hand: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """A picture and its repeats."""

    kept: Picture
    repeats: tuple[Repeat, ...]


@dataclass(frozen=True, slots=True)
class Apart:
    """Two pictures that look alike and were kept apart."""

    first: Picture
    second: Picture
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Host:
    """One host that the posts or the manifest name.

    `source` is empty when its images are not ours to mirror; `size` is in bytes.
    """

    name: str
    source: str = ""
    images: int = 0
    mirrored: int = 0
    ignored: int = 0
    size: int = 0
    references: int = 0
    posts: int = 0


@dataclass(frozen=True, slots=True)
class Growth:
    """What the archive held at the end of a day or month."""

    label: str
    count: int
    size: int


@dataclass(frozen=True, slots=True)
class Totals:
    """`images` are addresses of our sources, in posts and manifest; `pictures` differ in bytes.

    `missing` images are neither in the manifest nor ignored; `repeats` are pictures that another
    stands for; `size` is that of all pictures, in bytes.
    """

    posts: int = 0
    references: int = 0
    images: int = 0
    missing: int = 0
    ignored: int = 0
    pictures: int = 0
    repeats: int = 0
    size: int = 0


@dataclass(frozen=True, slots=True)
class Report:
    """A whole report. `pictures` are those that are no repeats, in the order of the posts.

    `apart` are the nearest of `apart_in_all` pairs; `last_sync` is when the findings of the last
    run were written, `None` when there was none.
    """

    title: str
    made: datetime
    totals: Totals = Totals()
    hosts: Sequence[Host] = ()
    findings: Sequence[Finding] = ()
    last_sync: datetime | None = None
    groups: Sequence[Group] = ()
    apart: Sequence[Apart] = ()
    apart_in_all: int = 0
    growth: Sequence[Growth] = ()
    pictures: Sequence[Picture] = ()
