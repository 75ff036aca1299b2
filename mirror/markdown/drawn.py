"""The parts of a post that a plugin or a script may show as something else than their text. Pure.

The plugins of a site are not known here. So every part counts that is in a syntax of plugins, and
whose plugin is not known to show its text as text: fences in no known language, `::: gallery`,
`{{< gallery >}}…{{< /gallery >}}`, `<mind-map>…</mind-map>`, `@startuml`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from mirror.markdown.fences import DRAWN_LANGUAGES, FENCE, fence_end, is_drawn
from mirror.markdown.results import merge_ranges

# The containers, tags and components that show the text in them as text, and code as code.
_KEEPS_TEXT = frozenset(
    b"abstract accordion accordions admonition alert aside autoescape banner block "
    b"blockquote bug call callout capture case caution center code-group code-tabs "
    b"codeblock codegroup codetabs collapse color column columns comment content danger "
    b"details error example expand failure fold folding for grid group hide hideblock "
    b"highlight hint if important info intro lead left message notation note notice panel "
    b"paragraph post pullquote qanda question quote raw raw-html right section seealso "
    b"spoiler src step steps subpage success summary tab tabbed tabgroup tabitem tabpanel "
    b"tabs text tip todo unless v-pre verbatim verse warning with".split()
)
# Elements of HTML, now and in the past. Others are components, whose script may draw the content.
_HTML = frozenset(
    b"a abbr acronym address applet area article aside audio b base basefont bdi bdo big "
    b"blink blockquote body br button canvas caption center cite code col colgroup data "
    b"datalist dd del details dfn dialog dir div dl dt em embed fieldset figcaption figure "
    b"font footer form frame frameset h1 h2 h3 h4 h5 h6 head header hgroup hr html i "
    b"iframe img input ins kbd label legend li link listing main map mark marquee menu "
    b"meta meter nav nobr noembed noframes noscript object ol optgroup option output p "
    b"param picture plaintext pre progress q rb rp rt rtc ruby s samp script search "
    b"section select slot small source span strike strong style sub summary sup svg table "
    b"tbody td template textarea tfoot th thead time title tr track tt u ul var video wbr "
    b"xmp".split()
)
_MARK = re.compile(
    FENCE
    + rb"[ \t]*(?P<info>[^\r\n]*)"
    + rb"|^[ \t>]*(?P<colons>:{2,})[ \t]*\{?[.:]*(?P<name>[\w-]*)(?P<rest>[^\r\n]*)",
    re.M,
)
_BETWEEN = re.compile(
    rb"<(?P<close>/?)(?P<element>[A-Za-z][\w.:-]*)(?P<attributes>[^<>]*)>"
    rb"|\{%-?[ \t]*(?P<end>end)?(?P<liquid>[A-Za-z][\w-]*)[^%\r\n]*%\}"
    rb"|\{\{[<%][ \t]*(?P<slash>/?)[ \t]*(?P<hugo>[A-Za-z][\w./-]*)"
    rb"|^[ \t>]*@(?P<at>start|end)(?P<uml>[a-z]+)"
    rb"|^[ \t]*\#\+(?P<org>begin|end|BEGIN|END)_(?P<orgname>[\w-]+)",
    re.M,
)
_DRAWN_CLASS = re.compile(
    rb"(?i)class\s*=\s*[\"']?[^\"'=]*?(?<![\w-])(?:lang(?:uage)?-)?(?:"
    + DRAWN_LANGUAGES
    + rb")(?![\w-])"
)
# Comments that set a picture of a slide: reveal.js and Marp.
_MOST_OF_COMMENT = 2_000  # bytes of one are searched for such a setting
_SLIDE = re.compile(
    rb"\s*(?:\.(?:slide|element):|(?:.*\n)*?[ \t]*_?(?:backgroundImage|header|footer|style)[ \t]*:)"
)
_INLINE_CODE = re.compile(rb"`[^`\n]*`")
# https://github.com/Python-Markdown/markdown/blob/3.7/markdown/extensions/fenced_code.py
_PLAIN_FENCE = re.compile(
    rb"(?:~{3,}|`{3,})[ ]*"
    rb"(?:\{[^\n]*\}|\.?[\w#.+-]*[ ]*(?:hl_lines=(?:\"[^\"\n]*\"|'[^'\n]*')[ ]*)?)\r?$",
    re.M,
)
_BLOCK = re.compile(
    rb"<(/?)(?:article|aside|blockquote|center|details|div|figure|footer|header|li|main|nav|ol|p"
    rb"|section|table|td|ul)(?=[\s>])",
    re.I,
)


class DrawnParts(NamedTuple):
    """Ranges of a post: code and comments that may be drawn, and text that may be."""

    code: list[tuple[int, int]]
    text: list[tuple[int, int]]


def find_drawn(text: bytes, *, plain_fences: bool = False) -> DrawnParts:
    """Return the parts of UTF-8 Markdown that may be drawn, each list in order.

    With `plain_fences`, a fence that Python-Markdown alone does not take for code may be drawn too.
    """
    code, containers, plain = _blocks(text, plain_fences)
    for start, stop in _comments(text):
        if _SLIDE.match(text, start + 4, min(stop, start + _MOST_OF_COMMENT)):
            code.append((start, stop))
        plain.append((start, stop))
    elements = list(_pairs(_blanked(text, plain)))
    code += [(start, stop) for start, stop, name in elements if name in (b"pre", b"code")]
    spans = [(start, stop) for start, stop, _ in elements]
    return DrawnParts(merge_ranges(code), merge_ranges([*containers, *spans]))


class _Container(NamedTuple):
    colons: int
    start: int
    keeps_text: bool


class _Containers:
    """The `:::` containers that are open, and the ranges of those that ended.

    `::name` is a container only where `::` ends it; else it is a line of its own.
    """

    def __init__(self) -> None:
        self.ended: list[tuple[int, int]] = []
        self._opened: list[_Container] = []
        self._drawing = 0  # of those that are open

    @property
    def may_draw(self) -> bool:
        """True within a container that is not known to keep its code."""
        return self._drawing > 0

    def read(self, mark: re.Match[bytes]) -> None:
        colons, name, rest = len(mark["colons"]), mark["name"].lower(), mark["rest"]
        if name and not name.endswith(b"-end"):
            if b":::" not in rest:  # DocFX: `:::image source="…":::`
                container = _Container(colons, mark.end("name"), name in _KEEPS_TEXT)
                self._opened.append(container)
                self._drawing += colons > 2 and not container.keeps_text
        elif name or not rest.strip():
            self._end(mark.start(), is_block=colons > 2)

    def _end(self, at: int, *, is_block: bool) -> None:
        while is_block and self._opened and self._opened[-1].colons == 2:
            self._opened.pop()
        if self._opened and (self._opened[-1].colons > 2) == is_block:
            last = self._opened.pop()
            if not last.keeps_text:
                self._drawing -= is_block
                self.ended.append((last.start, at))

    def finish(self, at: int) -> None:
        """End the open containers at the end of the text."""
        while self._opened:
            self._end(at, is_block=True)


def _blocks(text: bytes, plain_fences: bool) -> tuple[list[tuple[int, int]], ...]:
    """Return the fences that may be drawn, the containers of themes, and all fences."""
    depth = 0  # of elements of HTML
    drawn: list[tuple[int, int]] = []
    fences: list[tuple[int, int]] = []
    containers = _Containers()
    at = 0
    while mark := _MARK.search(text, at):
        depth = _depth(text, at, mark.start(), depth) if plain_fences else 0
        at = mark.end()
        if mark["fence"] is None:
            containers.read(mark)
            continue
        stop = fence_end(text, mark)
        fences.append((mark.start(), stop))
        is_no_code = plain_fences and _is_no_code(text, mark, depth)
        if containers.may_draw or is_no_code or is_drawn(mark["info"]):
            drawn.append((at, stop))
        at = stop
    containers.finish(len(text))
    return drawn, containers.ended, fences


def _depth(text: bytes, start: int, stop: int, depth: int) -> int:
    """Return how many elements are open at `stop`, if `depth` are at `start`."""
    for tag in _BLOCK.finditer(text, start, stop):
        depth = max(0, depth - 1) if tag[1] else depth + 1
    return depth


def _is_no_code(text: bytes, fence: re.Match[bytes], depth: int) -> bool:
    """Return True for a fence that Python-Markdown takes for text or for HTML.

    In text, what stands between backticks is code all the same.
    """
    is_tilde = fence["fence"].startswith(b"~")
    return (is_tilde or depth > 0) and not _PLAIN_FENCE.match(text, fence.start())


def _comments(text: bytes) -> Iterator[tuple[int, int]]:
    start = text.find(b"<!--")
    while start >= 0 and (stop := text.find(b"-->", start + 4)) >= 0:
        yield start, stop
        start = text.find(b"<!--", stop)


def _blanked(text: bytes, ranges: list[tuple[int, int]]) -> bytes:
    """Return `text` with blanks in place of `ranges` and of code in lines."""
    pieces: list[bytes] = []
    done = 0
    for start, stop in merge_ranges(ranges):
        pieces += text[done:start], b" " * (stop - start)
        done = stop
    blanked = b"".join((*pieces, text[done:]))
    return _INLINE_CODE.sub(lambda code: b" " * len(code[0]), blanked)


def _pairs(text: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yield the range between two tags that may draw it, and the name if they are an element's."""
    opened: dict[tuple[str, bytes], list[tuple[int, bool]]] = {}
    for tag in _BETWEEN.finditer(text):
        kind, name, closes, is_drawn_here = _read(tag)
        if kind == "element" and tag["attributes"].endswith(b"/"):
            continue
        if not closes:
            opened.setdefault((kind, name), []).append((tag.end(), is_drawn_here))
        elif starts := opened.get((kind, name)):
            start, is_drawn_there = starts.pop()
            if is_drawn_there:
                yield start, tag.start(), name if kind == "element" else b""


def _read(tag: re.Match[bytes]) -> tuple[str, bytes, bool, bool]:
    """Return the kind and name of a tag, whether it closes, and whether it may draw its content."""
    if (name := tag["element"]) is not None:
        is_html = name.lower() in _HTML or name.lower() in _KEEPS_TEXT
        is_drawn_here = not is_html or _DRAWN_CLASS.search(tag["attributes"]) is not None
        return "element", name, bool(tag["close"]), is_drawn_here
    if (name := tag["liquid"]) is not None:
        return "liquid", name, bool(tag["end"]), name.lower() not in _KEEPS_TEXT
    if (name := tag["hugo"]) is not None:
        return "hugo", name, bool(tag["slash"]), name.lower() not in _KEEPS_TEXT
    if (name := tag["uml"]) is not None:
        return "uml", name, tag["at"] == b"end", True
    name = tag["orgname"].lower()
    return "org", name, tag["org"].lower() == b"end", name not in _KEEPS_TEXT
