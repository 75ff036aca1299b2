"""What is mirrored, as one HTML page that needs no network. Pure.

The page's own policy lets it load nothing and run nothing but its own script, which only filters;
all text is escaped in one place (`html.tag`).
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
    Apart,
    Group,
    Growth,
    Host,
    Picture,
    Place,
    Repeat,
    Report,
    Totals,
)

__all__ = [
    "Apart",
    "Group",
    "Growth",
    "Host",
    "Picture",
    "Place",
    "Repeat",
    "Report",
    "Totals",
    "page",
    "thumbnail_bytes",
]

_THUMBNAILS_BYTES = 10_700_000  # 14.3 MB of text: 5,000 pictures stay below 20 MB with all the rest
_MOST, _LEAST = 12_000, 400


def thumbnail_bytes(count: int) -> int | None:
    """How large each of `count` thumbnails may be; `None` for a page that has no room for them."""
    share = _THUMBNAILS_BYTES // max(count, 1)
    return min(share, _MOST) if share >= _LEAST else None


def page(report: Report) -> Iterator[str]:
    """The page, in pieces of bounded size."""
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
    """How a content security policy names a script or a style by its contents."""
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"
