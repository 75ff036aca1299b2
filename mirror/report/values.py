"""The values that a report is made of. `Report` holds all others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import unquote

from mirror.model import Blob, Finding, Thumbnail
from mirror.repeats.evidence import Evidence


@dataclass(frozen=True, slots=True)
class PostLine:
    """The line of a post that shows a picture."""

    post: str
    number: int


@dataclass(frozen=True, slots=True)
class PictureTile:
    """A picture of the manifest, and the lines of posts that show it.

    `url` is its public address in the first destination. `no_preview` is the reason that there is
    no thumbnail.
    """

    blob: Blob
    sources: tuple[str, ...] = ()
    lines: tuple[PostLine, ...] = ()
    url: str | None = None
    thumbnail: Thumbnail | None = None
    no_preview: str = ""

    @property
    def name(self) -> str:
        """The name of the file at its first source; without a source, the start of the digest."""
        first = self.sources[0] if self.sources else ""
        name = unquote(first.partition("?")[0].rstrip("/").rpartition("/")[2])
        return name or self.blob.digest.hex[:16]


@dataclass(frozen=True, slots=True)
class RepeatTile:
    """A picture that another stands for.

    `evidence` is `None` where none is on record. `is_reviewed`: a person merged the two.
    """

    picture: PictureTile
    evidence: Evidence | None = None
    is_reviewed: bool = False


@dataclass(frozen=True, slots=True)
class TileGroup:
    """A picture that posts show, and its repeats."""

    canonical: PictureTile
    repeats: tuple[RepeatTile, ...]


@dataclass(frozen=True, slots=True)
class LookAlikes:
    """Two pictures whose fingerprints are close and that are not the same picture."""

    first: PictureTile
    second: PictureTile
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class HostTotals:
    """A host that the posts or the manifest name, and what is known of its images.

    `source` is empty for a host of no source. `is_mirror`: a destination is published there.
    `size` is in bytes.
    """

    name: str
    source: str = ""
    images: int = 0
    mirrored: int = 0
    ignored: int = 0
    size: int = 0
    references: int = 0
    posts: int = 0
    is_mirror: bool = False


@dataclass(frozen=True, slots=True)
class Growth:
    """Number and size in bytes of the originals in the archive at the end of a day or month."""

    label: str
    count: int
    size: int


@dataclass(frozen=True, slots=True)
class Totals:
    """The counts of a report.

    `images` are the addresses of sources in posts and manifest: `missing` and `ignored` ones, and
    those of the manifest, which are `pictures` and `repeats`. Of the repeats, `same_bytes` have the
    bytes of another image; the rest look alike. `size` is that of all `originals`, in bytes.
    """

    posts: int = 0
    references: int = 0
    images: int = 0
    missing: int = 0
    ignored: int = 0
    pictures: int = 0
    repeats: int = 0
    size: int = 0
    same_bytes: int = 0
    originals: int = 0


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that the page says.

    `pictures` are those that are no repeats, in the order of the posts. `look_alikes` are the
    nearest of `look_alike_count` pairs. `pictures_left_out` and `groups_left_out` count those for
    which the page has no room. `last_sync` is the time at which the findings of the last sync were
    written; `None` if there was none.
    """

    title: str
    made: datetime
    totals: Totals = Totals()
    hosts: Sequence[HostTotals] = ()
    findings: Sequence[Finding] = ()
    last_sync: datetime | None = None
    groups: Sequence[TileGroup] = ()
    groups_left_out: int = 0
    look_alikes: Sequence[LookAlikes] = ()
    look_alike_count: int = 0
    growth: Sequence[Growth] = ()
    pictures: Sequence[PictureTile] = ()
    pictures_left_out: int = 0
