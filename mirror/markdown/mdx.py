"""MDX: Markdown inside JSX, no indented code, no HTML; braces hold JavaScript.

The JavaScript and the tags are read here and then blanked out, together with all indentation,
which means nothing in MDX but nesting of lists. What is left is Markdown for the usual parser.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from mirror.markdown import commonmark
from mirror.markdown.fences import FENCE, fence_end
from mirror.markdown.html import css_urls, form_of, srcset_urls, stripped
from mirror.markdown.results import (
    GrammarResult,
    JoinedText,
    Problem,
    UrlSpan,
    is_within,
    merge_ranges,
)
from mirror.markdown.spelling import is_word, read
from mirror.markdown.urls import as_browsers_read, form_by_name, has_image_path, is_absolute
from mirror.model import Form, Quoting

_FENCE = re.compile(FENCE, re.M)
_TICKS = re.compile(rb"`+")
_BLANK_LINE = re.compile(rb"\n[ \t]*+\r?\n")
_ESM = re.compile(rb"(?:^|(?<=\n))(?:import|export)\b.*?(?=\n[ \t]*+\r?\n|\Z)", re.S)
# `<https://…>` is no tag: it is the destination of an image or a link.
_MARKUP = re.compile(rb"\\.|\{|<!--|<(?![A-Za-z][\w+.\-]*://)(/?)([A-Za-z][\w.:\-]*|(?=>))", re.S)
_TAG_PART = re.compile(
    rb"\s*(?:(/?>)|(\{)|([^\s/>={}\"'<]+)(?:\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|(\{)))?|/)"
)
_JS_TOKEN = re.compile(
    rb"\"((?:[^\"\\\r\n]|\\.)*+)\"|'((?:[^'\\\r\n]|\\.)*+)'|`((?:[^`\\]|\\.)*+)`"
    rb"|/\*.*?\*/|//[^\r\n]*|[{}]",
    re.S,
)
_JS_START = re.compile(rb"[\"'`{}]|/[*/]")
# How far the search for the end of a string or a comment goes that nothing closes. Another of its
# kind that begins within is not closed either.
_UNCLOSED = {
    b'"': re.compile(rb"(?:[^\"\\\r\n]|\\.)*+", re.S),
    b"'": re.compile(rb"(?:[^'\\\r\n]|\\.)*+", re.S),
    b"`": re.compile(rb".*+", re.S),
    b"/*": re.compile(rb".*+", re.S),
}
_LISTS = {
    b"srcset": (srcset_urls, Form.SRCSET, Quoting.SRCSET),
    b"style": (css_urls, Form.STYLE, Quoting.STYLE),
}
_SRCSET = re.compile(rb"\bsrcset[\"']?\s*[=:]\s*\{?\s*$", re.I)  # before a string
_SRCSET_BYTES = 40  # bytes that are searched: the name and some blanks
_INDENT = re.compile(rb"^[ \t]+", re.M)


def find(body: bytes) -> GrammarResult:
    """Find URLs in MDX without front matter."""
    reader = _MdxReader(body)
    reader.run()
    markdown, pieces = reader.markdown()
    reader.result.extend(pieces.to_source(commonmark.find(markdown)))
    return reader.result


class _MdxReader:
    """One pass over MDX: its URLs, and what of it is blanked before Markdown is read."""

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.result = GrammarResult()
        self.code = merge_ranges(_code(body))
        self.blanked: list[tuple[int, int]] = []
        self.unclosed: dict[bytes, int] = {}  # see `_js_tokens`

    def run(self) -> None:
        for esm in _ESM.finditer(self.body):
            if not is_within(esm.start(), self.code):
                self.strings(esm.start(), esm.end())
                self.blanked.append(esm.span())
        at = 0
        programs = merge_ranges([*self.code, *self.blanked])
        while markup := _MARKUP.search(self.body, at):
            start, at = markup.span()
            if markup[0].startswith(b"\\") or is_within(start, programs):
                continue
            stop = self.markup(markup)
            if stop < 0:
                return  # no valid MDX from here on: what is left is plain Markdown
            self.blanked.append((start, stop))
            at = stop

    def markup(self, markup: re.Match[bytes]) -> int:
        """Read a tag, an expression or a comment; return where it ends, or -1 if it never does."""
        start = markup.start()
        if markup[0] == b"{":
            stop = self.expression_end(markup.end())
            if self.body[start:stop].startswith(b"{/*"):
                self.result.add_quoted(self.body, start, stop, Form.COMMENT)
            elif stop >= 0:
                self.strings(start, stop)
            return stop
        if markup[0] == b"<!--":
            end = self.body.find(b"-->", start)
            if end >= 0:
                self.result.add_quoted(self.body, start, end + 3, Form.COMMENT)
            return end + 3 if end >= 0 else -1
        return self.tag(markup[2], markup.end())

    def tag(self, tag: bytes, at: int) -> int:
        attributes: dict[bytes, tuple[int, int]] = {}
        while part := _TAG_PART.match(self.body, at):
            at = part.end()
            closes, spread, name, double, single, expression = part.groups()
            if closes:
                if attributes:
                    self.attributes(tag, attributes)
                return at
            if spread or expression:
                stop = self.expression_end(at)
                if stop < 0:
                    return -1
                self.expression(tag, name or b"", at, stop - 1)
                at = stop
            elif double is not None or single is not None:
                attributes[name.lower()] = part.span(part.lastindex or 0)
        return -1

    def expression_end(self, at: int) -> int:
        """Return the end of the expression, or -1 if its braces never balance.

        Braces in strings and comments do not count.
        """
        depth = 1
        for token in _js_tokens(self.body, at, len(self.body), self.unclosed):
            depth += {b"{": 1, b"}": -1}.get(token[0], 0)
            if not depth:
                return token.end()
        return -1

    def attributes(self, tag: bytes, attributes: dict[bytes, tuple[int, int]]) -> None:
        """Add the URLs of attributes whose values are strings, spelled as in HTML."""
        values = {name: self.body[start:stop] for name, (start, stop) in attributes.items()}
        for name, (start, stop) in attributes.items():
            if name in _LISTS:
                find, kind, quoting = _LISTS[name]
                for span in find(self.body, start, stop):
                    self.result.add(self.body, *span, kind, quoting)
                continue
            start, stop = stripped(self.body, start, stop)
            url = read(self.body[start:stop].decode(), Quoting.HTML)
            if form := form_of(tag, name, url, values, is_jsx=True):
                form = Form.JSX if form is Form.HTML else form
                url = as_browsers_read(url)
                self.result.urls.append(UrlSpan(start, stop, url, form, Quoting.HTML))

    def expression(self, tag: bytes, name: bytes, start: int, stop: int) -> None:
        """Add the URLs of an attribute whose value is a program.

        One string, as in `src={"u"}`, is read as the value. In a longer program only strings count
        that are surely images.
        """
        start, stop = stripped(self.body, start, stop)
        literal = _JS_TOKEN.fullmatch(self.body, start, stop)
        group = literal.lastindex if literal else None
        lower = name.lower()
        if lower in _LISTS:
            for token in _js_tokens(self.body, start, stop, {}):
                self.listed(lower, token, is_sure=lower == b"style" or literal is not None)
        elif literal is None or group is None:
            self.strings(start, stop)
        elif not (group == 3 and b"${" in literal[3]):
            url = read(literal[group].decode(), Quoting.ESCAPED)
            if form := form_of(tag, lower, url, is_jsx=True):
                form = Form.JSX if form is Form.HTML else form
                self.result.add(self.body, *literal.span(group), form, Quoting.ESCAPED)

    def strings(self, start: int, stop: int) -> None:
        """Add the absolute URLs of images in strings: whole ones, in `url(…)` or in a `srcset`."""
        if self.body.find(b"//", start, stop) < 0:
            return
        for token in _js_tokens(self.body, start, stop, {}):
            if group := token.lastindex:
                url = token[group].decode()
                # JSX within the expression has strings too, with other escapes than JavaScript's.
                if "\\" in url or "&" in url or "${" in url or "//" not in url:
                    continue
                at = token.start()
                if _SRCSET.search(self.body, max(start, at - _SRCSET_BYTES), at):
                    self.listed(b"srcset", token, is_sure=False)
                elif not is_absolute(url):
                    self.listed(b"style", token, is_sure=False)
                elif form_by_name(Form.JSX, url, "") is Form.JSX:
                    self.result.add(self.body, *token.span(group), Form.JSX, Quoting.ESCAPED)

    def listed(self, name: bytes, token: re.Match[bytes], *, is_sure: bool) -> None:
        """Add the URLs of a `srcset` or a style in a string.

        Unless `is_sure`, one of them must have an image path. No quoting spells two grammars at
        once, so a string that needs escapes of either is a problem.
        """
        group = token.lastindex
        if group is None or b"${" in token[group]:
            return
        find, form, _ = _LISTS[name]
        text = read(token[group].decode(), Quoting.ESCAPED).encode()
        urls = [text[first:last].decode() for first, last in find(text, 0, len(text))]
        if not is_sure and not any(is_absolute(url) and has_image_path(url) for url in urls):
            return
        spans = list(find(self.body, *token.span(group)))
        spelled = [self.body[first:last].decode() for first, last in spans]
        if spelled == urls and all(map(is_word, urls)):
            for span in spans:
                self.result.add(self.body, *span, form, Quoting.LITERAL)
        else:
            message = "the address in a string could not be located, so it stays"
            self.result.problems.append(Problem(token.start(group), message))

    def markdown(self) -> tuple[bytes, JoinedText]:
        """Return the text without tags, programs and indentation, and where its lines stand."""
        text = bytearray(self.body)
        for start, stop in self.blanked:
            lines = self.body[start:stop].splitlines(keepends=True)
            text[start:stop] = b"".join(map(_blank, lines))
        blanked = bytes(text)
        kept, done = [], 0
        for indent in _INDENT.finditer(blanked):
            kept.append((done, indent.start()))
            done = indent.end()
        kept.append((done, len(blanked)))
        pieces = JoinedText(blanked, kept)
        return pieces.text, pieces


def _blank(line: bytes) -> bytes:
    text = line.rstrip(b"\r\n")
    return b" " * len(text) + line[len(text) :]


def _code(body: bytes) -> Iterator[tuple[int, int]]:
    """Yield the ranges of fenced code and code spans: braces and tags in there are text."""
    done = 0
    for start, stop in _fences(body):
        yield from _code_spans(body, done, start)
        yield start, stop
        done = stop
    yield from _code_spans(body, done, len(body))


def _fences(body: bytes) -> Iterator[tuple[int, int]]:
    at = 0
    while fence := _FENCE.search(body, at):
        at = fence_end(body, fence)
        yield fence.start(), at


def _code_spans(body: bytes, start: int, stop: int) -> Iterator[tuple[int, int]]:
    """Yield each run of backticks up to the next run of that length in the same paragraph."""
    while (start := body.find(b"`", start, stop)) >= 0:
        blank = _BLANK_LINE.search(body, start, stop)
        end = blank.end() if blank else stop
        runs = [run.span() for run in _TICKS.finditer(body, start, end)]
        where: dict[int, list[int]] = {}
        for index, (first, last) in reversed(list(enumerate(runs))):
            where.setdefault(last - first, []).append(index)
        index = 0
        while index < len(runs):
            first, last = runs[index]
            same = where[last - first]
            while same and same[-1] <= index:
                same.pop()
            if same:
                index = same[-1]
                yield first, runs[index][1]
            index += 1
        start = end


def _js_tokens(
    body: bytes, at: int, stop: int, unclosed: dict[bytes, int]
) -> Iterator[re.Match[bytes]]:
    """Yield strings, comments and braces of JavaScript. A quote that nothing closes is text.

    `unclosed` remembers, for calls with the same `stop`, up to where no quote of a kind is closed.
    """
    while start := _JS_START.search(body, at, stop):
        mark = start[0]
        at = start.end()
        if start.start() < unclosed.get(mark, 0):
            continue
        if token := _JS_TOKEN.match(body, start.start(), stop):
            at = token.end()
            yield token
        elif rest := _UNCLOSED[mark].match(body, at, stop):
            unclosed[mark] = rest.end()
