"""The addresses of pictures in an HTML page or a style sheet, as it spells them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from mirror.markdown import (
    Attribute,
    HtmlTag,
    css_urls,
    has_image_path,
    read,
    srcset_urls,
    stripped,
    tags,
)
from mirror.model import Quoting


class PageAddress(NamedTuple):
    """An address in a page, entities and escapes resolved; `start` is its offset in bytes."""

    start: int
    url: str


@dataclass(frozen=True, slots=True)
class PageAddresses:
    """The addresses that a page asks for. `base` is the address in its `<base href>`."""

    base: str | None
    pictures: tuple[PageAddress, ...]
    style_sheets: tuple[PageAddress, ...]
    web_manifests: tuple[PageAddress, ...] = ()


# What the page shows at once, and where scripts for lazy loading keep it meanwhile.
_PICTURES = frozenset(
    {
        (b"img", b"src"),
        (b"image", b"href"),
        (b"image", b"xlink:href"),
        (b"use", b"href"),
        (b"use", b"xlink:href"),
        (b"feimage", b"href"),
        (b"video", b"poster"),
        (b"body", b"background"),
        (b"table", b"background"),
        (b"td", b"background"),
        (b"th", b"background"),
    }
)
_SRCSETS = frozenset(
    b"srcset imagesrcset data-srcset data-lazy-srcset data-original-set data-bgset".split()
)
_LAZY = frozenset(
    b"data-src data-original data-lazy-src data-lazy data-bg data-background data-poster "
    b"data-background-image data-image data-img data-full data-large data-thumb data-zoom-src "
    b"data-hires".split()
)
# What these name is a picture when its path looks like one.
_SOMETIMES = frozenset(
    {(b"a", b"href"), (b"embed", b"src"), (b"object", b"data"), (b"source", b"src")}
)
_ICON = re.compile(
    rb"(?:^|\s)(?:icon|apple-touch-icon(?:-precomposed)?|mask-icon|image_src)(?:\s|$)"
)
_PAGE = re.compile(rb"(?:^|\s)(?:canonical|alternate|next|prev|author|me|search)(?:\s|$)")
_EARLY = re.compile(rb"(?:^|\s)(?:preload|prefetch)(?:\s|$)")
_META = re.compile(
    rb"(?:og|twitter):image(?::(?:src|url|secure_url))?|image|thumbnailurl"
    rb"|msapplication-(?:tileimage|square\d+x\d+logo|wide310x150logo)"
)
_CSS_COMMENT = re.compile(rb"/\*(?:.*?\*/|.*)", re.DOTALL)
# A drawing in an attribute may have addresses of its own: Next.js has such behind its pictures.
# One whose quotes are not closed hides nothing.
_DATA_URL = re.compile(
    rb"&(?:quot|#0*34|#x0*22);data:.*?&(?:quot|#0*34|#x0*22);"
    rb"|&(?:apos|#0*39|#x0*27);data:.*?&(?:apos|#0*39|#x0*27);",
    re.I,
)
_IMPORT = re.compile(rb"@import\s+(?:url\(\s*)?[\"']?([^\"'()\s;]{1,2000})", re.I)
_NO_PICTURE = re.compile(r"[^?#]*\.(?:css|woff2?|ttf|otf|eot)(?:[?#]|$)", re.I)
_REFRESH = re.compile(
    rb"\s*[\d.]*[\s;,]*(?:url\s*=\s*)?(?:\"([^\"]*)|'([^']*)|([^\"'\s].*))", re.I | re.DOTALL
)
_MAX_SHOWN = 4096  # bytes of a link's text; no address that a page shows is longer
_SPACES = " \t\n\f\r"


def find_pictures(page: bytes) -> PageAddresses:
    """Return the addresses of pictures in the order of the page, and of what names others.

    `page` is UTF-8. The content of `<noscript>` counts, that of `<template>` does not: no browser
    loads it. A link to a picture counts, unless the address is all that it shows.
    """
    base: str | None = None
    pictures: list[PageAddress] = []
    style_sheets: list[PageAddress] = []
    web_manifests: list[PageAddress] = []
    templates = 0
    style: HtmlTag | None = None
    for tag in tags(page):
        name = tag.name.lower()
        if not name:  # in the style sheet of an SVG a CDATA section holds rules
            continue
        if style is not None:
            pictures += _css_pictures(page, style.stop, tag.start)
        style = None
        if name == b"template":
            templates = max(0, templates - 1) if tag.closes else templates + 1
        if tag.closes or templates:
            continue
        if name == b"style":
            style = tag
        elif name == b"base" and base is None:
            base = next((_value(page, a) for a in tag.attributes if a.name == b"href"), None)
        elif name == b"link":
            relations = _words(page, tag, b"rel").split()
            if b"stylesheet" in relations:
                style_sheets += _plain(page, tag, b"href")
            if b"manifest" in relations:
                web_manifests += _plain(page, tag, b"href")
        pictures += _in_tag(page, tag, name)
    if style is not None:
        pictures += _css_pictures(page, style.stop, len(page))
    return PageAddresses(base, tuple(pictures), tuple(style_sheets), tuple(web_manifests))


def find_own_address(page: bytes) -> str | None:
    """Return the address that a page in UTF-8 gives as its own: the canonical one, or `og:url`.

    Behind the head, such an element is part of a text.
    """
    shared: list[PageAddress] = []
    for tag in tags(page):
        name = tag.name.lower()
        if name == b"body":
            break
        if name == b"link" and b"canonical" in _words(page, tag, b"rel").split():
            return next((address.url for address in _plain(page, tag, b"href")), None)
        if name == b"meta" and _words(page, tag, b"property") == b"og:url":
            shared += _plain(page, tag, b"content")
    return shared[0].url if shared else None


def find_style_pictures(text: bytes) -> PageAddresses:
    """Return the addresses of pictures in a style sheet in UTF-8, and of the sheets it imports."""
    imports = (PageAddress(m.start(1), m[1].decode()) for m in _IMPORT.finditer(text))
    return PageAddresses(None, tuple(_css_pictures(text, 0, len(text))), tuple(imports))


_ICON_SOURCE = re.compile(rb'"src"\s*:\s*"((?:[^"\\]|\\.)*+)"')


def find_icons(web_manifest: bytes) -> PageAddresses:
    """Return the addresses of icons and screenshots in a web manifest in UTF-8.

    https://www.w3.org/TR/appmanifest/#manifest-image-resources
    """
    icons = (
        PageAddress(match.start(1), read(match[1].decode(), Quoting.ESCAPED))
        for match in _ICON_SOURCE.finditer(web_manifest)
    )
    return PageAddresses(None, tuple(icons), ())


def is_shown_address(page: bytes, tag: HtmlTag) -> bool:
    """Return True for a link whose text is its own address, as made of a bare URL."""
    end = page.find(b"<", tag.stop, tag.stop + _MAX_SHOWN)
    text = read(page[tag.stop : max(end, tag.stop)].decode(), Quoting.HTML).strip()
    urls = [_value(page, a) for a in tag.attributes if a.name == b"href"]
    return bool(text) and any(url == text or url.partition("://")[2] == text for url in urls)


def is_page_link(page: bytes, tag: HtmlTag) -> bool:
    """Return True for a `<link>` to a page: a browser does not load it."""
    return _PAGE.search(_words(page, tag, b"rel")) is not None


def names_picture(page: bytes, tag: HtmlTag, attribute: Attribute) -> bool:
    """Return True if a browser, or a script for lazy loading, takes the value for a picture."""
    return any(_in_attribute(page, tag, tag.name.lower(), attribute))


def _in_tag(page: bytes, tag: HtmlTag, name: bytes) -> Iterator[PageAddress]:
    for attribute in tag.attributes:
        yield from _in_attribute(page, tag, name, attribute)


def _in_attribute(
    page: bytes, tag: HtmlTag, name: bytes, attribute: Attribute
) -> Iterator[PageAddress]:
    key = attribute.name
    if key == b"style":
        yield from _css_pictures(page, attribute.start, attribute.stop)
    elif key in _SRCSETS:
        for start, stop in srcset_urls(page, attribute.start, attribute.stop):
            yield PageAddress(start, read(page[start:stop].decode(), Quoting.SRCSET))
    elif (name, key) in _PICTURES or (name == b"img" and key in _LAZY):
        yield _at(page, attribute)
    elif (name, key) in _SOMETIMES or key in _LAZY:
        address = _at(page, attribute)
        if has_image_path(address.url) and not (name == b"a" and is_shown_address(page, tag)):
            yield address
    elif _is_declared(page, tag, name, key):
        yield _at(page, attribute)
    elif (name, key) == (b"meta", b"content"):
        yield from _refresh(page, tag, attribute)


def _refresh(page: bytes, tag: HtmlTag, attribute: Attribute) -> Iterator[PageAddress]:
    """Yield the picture that `<meta http-equiv=refresh>` leads to.

    https://html.spec.whatwg.org/multipage/semantics.html#attr-meta-http-equiv-refresh
    """
    if _words(page, tag, b"http-equiv") != b"refresh":
        return
    if match := _REFRESH.match(page, attribute.start, attribute.stop):
        url = read((match[1] or match[2] or match[3] or b"").decode(), Quoting.HTML).strip(_SPACES)
        if has_image_path(url):
            yield PageAddress(match.start(match.lastindex or 0), url)


def _is_declared(page: bytes, tag: HtmlTag, name: bytes, key: bytes) -> bool:
    """Return True where other attributes of the tag say that this one names a picture."""
    match name, key:
        case b"input", b"src":
            return _words(page, tag, b"type") == b"image"
        case b"meta", b"content":
            names = (_words(page, tag, other) for other in (b"property", b"name", b"itemprop"))
            return any(_META.fullmatch(other) for other in names)
        case b"link", b"href":
            relation = _words(page, tag, b"rel")
            is_early = _EARLY.search(relation) and _words(page, tag, b"as") == b"image"
            return bool(_ICON.search(relation) or is_early)
    return False


def _words(page: bytes, tag: HtmlTag, name: bytes) -> bytes:
    values = (page[a.start : a.stop] for a in tag.attributes if a.name == name)
    return next(values, b"").strip().lower()


def _plain(page: bytes, tag: HtmlTag, name: bytes) -> Iterator[PageAddress]:
    return (_at(page, attribute) for attribute in tag.attributes if attribute.name == name)


def _at(page: bytes, attribute: Attribute) -> PageAddress:
    start, _ = stripped(page, attribute.start, attribute.stop)
    return PageAddress(start, _value(page, attribute).strip(_SPACES))


def _value(page: bytes, attribute: Attribute) -> str:
    return read(page[attribute.start : attribute.stop].decode(), Quoting.HTML)


def _css_pictures(text: bytes, start: int, stop: int) -> Iterator[PageAddress]:
    css = text[start:stop]
    for skipped in (_CSS_COMMENT, _DATA_URL):
        css = skipped.sub(lambda match: b" " * len(match[0]), css)
    for first, last in css_urls(css, 0, len(css)):
        url = read(css[first:last].decode(), Quoting.STYLE).strip(_SPACES)
        if not _NO_PICTURE.match(url):
            yield PageAddress(start + first, url)
