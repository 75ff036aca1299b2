"""Rules that recognise URLs, image URLs, and the end of a URL in plain text."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mirror.model import Form
from mirror.urls.address import Url

_SUFFIXES = r"png|jpe?g|jpe|jfif|gif|webp|avif|bmp|tiff?|ico|svg|apng|heic"
# Hosts append their style behind the name: `a.png!small`, `a.jpg@!webp`, `a.png%21small`.
_IMAGE_PATH = re.compile(rf"[^?#]*\.(?:{_SUFFIXES})(?:@?(?:!|%21)[^/?#]*)?(?:[?#]|$)", re.I)
_ABSOLUTE = re.compile(r"(?:https?:)?//[^\s/?#]", re.I)
_UNLIKELY = re.compile(r"[\s<>\"'`\\^|{}]|!\[|\]\(")
_PICTURE_NAME = re.compile(
    r"image|img|cover|thumb|banner|photo|pic|avatar|logo|icon|poster|background|feature|hero"
    r"|screenshot|gallery|figure|media|favicon|^bg$|^og|^src$",
    re.I,
)
_LINK_NAME = re.compile(r"href|link|to|target|permalink|canonical|website|homepage|repo", re.I)
_TEXT_NAME = re.compile(r"title|alt|caption|class|id|name|description|summary", re.I)

# A URL in running text: ends at blanks, brackets, quotes and CJK punctuation. A backslash escapes.
_STOP = rb"\x00-\x20\x7f<>\"'`\\^{}|\[\]"
_RUN = (
    rb"(?:[^" + _STOP + rb"\x80-\xff]+|\\[!-/:-@\[-`{-~]"
    rb"|(?!\xe2\x80|\xe3\x80|\xef[\xbc\xbd])[\xc2-\xf4][\x80-\xbf]+)+"
)
_BARE_URL = re.compile(rb"(?<![A-Za-z0-9+.-])https?://" + _RUN, re.I)
_QUOTED_URL = re.compile(rb"(?<![A-Za-z0-9+.:/-])(?:https?:)?//" + _RUN, re.I)
_TRAILING = b"?!.,:;*_~&"
_BEFORE_IMAGE = re.compile(rb"!\[[^\[\]\r\n]*\]\([ \t]*<?$|\bsrc=[\"']?$", re.I)
_MAX_BEFORE = 200


def is_image_link(url: Url) -> bool:
    """Return True if the path ends in an image extension, or in one and a host's `!style`."""
    return has_image_path(url.raw)


def has_image_path(url: str) -> bool:
    return _IMAGE_PATH.match(url) is not None


def is_absolute(url: str) -> bool:
    """Return True if the URL names a host: http, https or protocol-relative."""
    return _ABSOLUTE.match(url) is not None


def form_by_name(form: Form, url: str, *names: str) -> Form | None:
    """Return the form of a value by its path and its names (a key; a tag and its attribute).

    A URL with an image path has `form`. Another URL with a host has `form` if a name is one of
    images, such as `cover`, and is a link otherwise. None: the value is neither.
    """
    if not url or _UNLIKELY.search(url) or _TEXT_NAME.fullmatch(names[-1]):
        return None
    if has_image_path(url):
        return form
    if not is_absolute(url):
        return None
    if _LINK_NAME.fullmatch(names[-1]):
        return Form.LINK
    return form if any(map(_PICTURE_NAME.search, names)) else Form.LINK


def bare_urls(source: bytes, start: int, stop: int) -> Iterator[tuple[int, int]]:
    """Return the ranges of the http and https URLs in running text."""
    for match in _BARE_URL.finditer(source, start, stop):
        yield match.start(), _trimmed(source, *match.span())


def quoted_urls(source: bytes, start: int, stop: int) -> Iterator[tuple[int, int]]:
    """Return the ranges of the image URLs in code or a comment.

    Such a URL has a host, and an image path or image syntax before it.
    """
    if source.find(b"//", start, stop) < 0:
        return
    for match in _QUOTED_URL.finditer(source, start, stop):
        first, last = match.start(), _trimmed(source, *match.span())
        before = source[max(start, first - _MAX_BEFORE) : first]
        url = source[first:last].decode()
        if is_absolute(url) and (has_image_path(url) or _BEFORE_IMAGE.search(before)):
            yield first, last


def _trimmed(source: bytes, start: int, stop: int) -> int:
    """Return `stop` without punctuation at the end and parentheses opened before the URL."""
    surplus = source.count(b")", start, stop) - source.count(b"(", start, stop)
    while stop > start:
        last = source[stop - 1]
        if last == 0x29 and surplus > 0:
            surplus -= 1
        elif last not in _TRAILING:
            break
        stop -= 1
    return stop
