"""The report: one HTML page that needs no network. Pure.

Read in this order:

- `values`: what a report says, as values; `Report` is all of it
- `words`: a picture, a rule and evidence in words
- `html`: elements in which text cannot become markup
- `sections`: the head and the sections of the page; pictures and repeats are `tiles`, the chart is
  `growth`
- `page.html`, `style.css`, `script.js`: what stands around them

The page's content security policy lets it load nothing, and run nothing but its own script, which
only filters the pictures.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256
from importlib import resources
from string import Template

from mirror import __version__
from mirror.report.html import join
from mirror.report.sections import header, sections
from mirror.report.values import (
    Growth,
    HostTotals,
    LookAlikes,
    PictureTile,
    PostLine,
    RepeatTile,
    Report,
    TileGroup,
    Totals,
)

__all__ = [
    "Growth",
    "HostTotals",
    "LookAlikes",
    "PictureTile",
    "PostLine",
    "RepeatTile",
    "Report",
    "TileGroup",
    "Totals",
    "page",
    "thumbnail_bytes",
]

# All thumbnails together: 14.3 MB as base64, so a page of 5,000 pictures stays below 20 MB.
_THUMBNAILS_BYTES = 10_700_000
_MOST_BYTES, _LEAST_BYTES = 12_000, 400  # of one thumbnail: sharp in its tile, and just visible


def thumbnail_bytes(count: int) -> int | None:
    """Return the most bytes for each of `count` thumbnails; `None` if there is no room for them."""
    share = _THUMBNAILS_BYTES // max(count, 1)
    return min(share, _MOST_BYTES) if share >= _LEAST_BYTES else None


def page(report: Report) -> Iterator[str]:
    """Yield the page in pieces of bounded size."""
    style, script = _part("style.css"), _part("script.js")
    head, _, foot = _part("page.html").partition("<!-- sections -->")
    values = {
        "style": style,
        "style_hash": _source_hash(style),
        "script": script,
        "script_hash": _source_hash(script),
        "version": __version__,
        "title": join([report.title]),
        "header": header(report),
    }
    yield Template(head).substitute(values)
    yield from sections(report)
    yield Template(foot).substitute(values)


def _part(name: str) -> str:
    return resources.files(__name__).joinpath(name).read_text("utf-8")


def _source_hash(text: str) -> str:
    """Return the name that a content security policy has for a script or a style."""
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"
