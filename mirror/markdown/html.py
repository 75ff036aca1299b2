"""URLs in HTML tags, as the WHATWG tokenizer sees them: attributes, `srcset`, `style`, comments.

Works on `JoinedText`, because the parser reports the HTML of a block or a paragraph in parts.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from operator import attrgetter
from types import MappingProxyType
from typing import NamedTuple

from mirror.markdown.results import GrammarResult, JoinedText, Problem, UrlSpan
from mirror.markdown.spelling import read
from mirror.markdown.urls import (
    as_browsers_read,
    bare_urls,
    form_by_name,
    has_image_path,
    is_template,
)
from mirror.model import Form, Quoting

# `<//host/a>` is the destination of an image in an element that holds Markdown.
_OPENING = re.compile(rb"<(?:(!--)|(!\[CDATA\[)|([!?]|/(?![A-Za-z>/]))|(/?)([A-Za-z][^\s/>]*))")
_COMMENT_END = re.compile(rb"--!?>")
_SCRIPT_MARK = re.compile(rb"(?i)<!--|-->|</?script(?=[\s/>])")
_ATTRIBUTE = re.compile(
    rb"[\s/]*(?:(>)|([^\s/>][^\s/>=]*)"
    rb"(?:\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([\"'])|([^\s>\"'][^\s>]*)))?)"
)
_WORTH_READING = re.compile(
    rb"(?i)src|href|poster|style|background|//|=\s*[\"']{0,2}/"
    rb"|<(?:!--|object|meta|pre|code|s(?:amp|cript|tyle)|t(?:extarea|emplate|itle)|xmp|listing|iframe|nof|noe)"
)
# Vue: `:src="'https://…'"` is an attribute like any other.
_BINDING = re.compile(rb"(?::|v-bind:)([\w:-]+)")
_STRING = re.compile(rb"\s*(['\"`])([^'\"`\\$]*)\1\s*")
_BLANKS = b" \t\n\f\r\v"

# Browsers show the content of these as it is written, or not at all: it holds no images.
_RAW_TEXT = frozenset(b"script style textarea title xmp iframe noembed noframes".split())
_VERBATIM = _RAW_TEXT | frozenset(b"pre code samp listing template".split())

# SVG and formulas, and their elements that hold HTML. HTML anywhere else in them ends them:
# https://html.spec.whatwg.org/multipage/parsing.html#parsing-main-inforeign
_FOREIGN = b"svg"
_HOLDS_HTML = frozenset(b"annotation-xml desc foreignobject mi mn mo ms mtext title".split())
_ENDS_FOREIGN = frozenset(
    b"b big blockquote body br center code dd div dl dt em embed h1 h2 h3 h4 h5 h6 head hr i img"
    b" li listing menu meta nobr ol p pre ruby s small span strike strong sub sup table td th tt u"
    b" ul var".split()
)

_IMAGE_ATTRIBUTES = frozenset(
    b"src data-src data-original data-lazy-src xlink:href href".split()
)  # of <img> and <image>
_SRCSETS = frozenset(b"srcset data-srcset".split())
_SOMETIMES_IMAGES = frozenset(
    {(b"source", b"src"), (b"input", b"src"), (b"embed", b"src"), (b"object", b"data")}
)
# What these name is an image when another attribute says so.
_DECLARED = {(b"object", b"data"): (b"type",), (b"meta", b"content"): (b"property", b"name")}
_IS_DECLARED = re.compile(rb"image/.+|(?:og|twitter):image(?::(?:src|url|secure_url))?", re.I)
_LINKS = frozenset({(b"a", b"href"), (b"area", b"href")})
_CSS_QUOTE = rb"(?:quot|apos|#0*(?:34|39)|#x0*2[27]);"  # behind `&`
_CSS_WORD = (
    rb"(?:\\[^\r\n&]|[^\s\"'()&\\])*"
    rb"(?:&(?!" + _CSS_QUOTE + rb")(?:\\[^\r\n&]|[^\s\"'()&\\])*)*"
)
_CSS_URL = re.compile(
    rb"url\(\s*+(?:\"((?:\\[\s\S]|[^\"\\])*)\"|'((?:\\[\s\S]|[^'\\])*)'"
    rb"|&"
    + _CSS_QUOTE
    + rb"("
    + _CSS_WORD
    + rb")&"
    + _CSS_QUOTE
    + rb"|("
    + _CSS_WORD
    + rb"))\s*\)",
    re.I,
)
_LINE = re.compile(rb"[^ \t\r\n][^\n]*\n?|\n")
_SRCSET_URL = re.compile(rb"[\s,]*([^\s,]\S*)")
_SRCSET_ENTITY = re.compile(
    rb"&(?:(?P<blank>#0*+(?:9|1[023]|32)(?![0-9]);?|#x0*+(?:[9acd]|20)(?![0-9a-f]);?|Tab;|NewLine;)"
    rb"|#0*+44(?![0-9]);?|#x0*+2c(?![0-9a-f]);?|comma;)",
    re.I,
)
_DESCRIPTORS = re.compile(rb"[^,(]*(?:\([^)]*\)?[^,(]*)*")


class Attribute(NamedTuple):
    """Name in lower case, and the range of the raw value without its quotes."""

    name: bytes
    start: int
    stop: int
    quoted: bool


class HtmlTag(NamedTuple):
    """One token `<…>`; `name` as written, empty for comments and declarations."""

    start: int
    stop: int
    name: bytes
    closes: bool
    attributes: tuple[Attribute, ...]


def tags(text: bytes, *, is_block: bool = True) -> Iterator[HtmlTag]:
    """Yield the tags of a text. Raw text elements hold none. A tag that is never closed is dropped.

    In an SVG or a formula no element is raw text, and a CDATA section is one. Elsewhere
    `<![CDATA[`, `<?` and `</` before no name are comments up to a `>`.

    Outside a block a raw text element that stays open is taken for a word that looks like one.
    """
    at = 0
    never_closed: set[bytes] = set()
    inside = b""
    while opening := _OPENING.search(text, at):
        comment, cdata, declaration, slash, name = opening.groups()
        attributes: tuple[Attribute, ...] = ()
        if comment:
            at = _comment_end(text, opening.end())
        elif cdata and inside == _FOREIGN:
            at = _after(text, b"]]>", opening.end())
        elif cdata or declaration:
            at = _after(text, b">", opening.end())
        else:
            at, attributes = _attributes(text, opening.end())
            if at < 0:
                return
        yield HtmlTag(opening.start(), at, name or b"", bool(slash), attributes)
        lower = (name or b"").lower()
        is_raw_text = inside != _FOREIGN and lower in _RAW_TEXT - never_closed
        if name and not text.endswith(b"/>", 0, at):
            inside = _inside(lower, inside, closes=bool(slash))
        if is_raw_text and not slash:
            if (closing := _raw_text_end(text, lower, at)) >= 0:
                at = closing
            elif is_block:
                return
            else:
                never_closed.add(lower)


def _inside(name: bytes, inside: bytes, *, closes: bool) -> bytes:
    """Return what the text behind a tag lies in; `inside` is what the tag itself lies in.

    Both are empty, `_FOREIGN`, or the name of an element of an SVG or a formula that holds HTML.
    """
    if name in (b"svg", b"math"):
        return b"" if closes else _FOREIGN
    if inside != _FOREIGN:
        return _FOREIGN if closes and name == inside else inside
    if name in _ENDS_FOREIGN:
        return b""
    return name if name in _HOLDS_HTML and not closes else inside


def _raw_text_end(text: bytes, name: bytes, at: int) -> int:
    """Return where the closing tag of an element begins, or -1.

    In a script, `<!--` lets further `<script>` … `</script>` nest, one deep, up to `-->`:
    https://html.spec.whatwg.org/multipage/parsing.html#script-data-escaped-state
    """
    if name != b"script":
        closing = re.compile(rb"(?i)</" + name + rb"(?=[\s/>])").search(text, at)
        return closing.start() if closing else -1
    is_escaped = is_nested = False
    while mark := _SCRIPT_MARK.search(text, at):
        at = mark.end()
        if mark[0] == b"<!--":
            at -= len(b"--")  # `<!-->` is both
            is_escaped = True
        elif mark[0] == b"-->":
            is_escaped = is_nested = False
        elif not mark[0].startswith(b"</"):
            is_nested = is_escaped
        elif is_nested:
            is_nested = False
        else:
            return mark.start()
    return -1


def _comment_end(text: bytes, at: int) -> int:
    if text.startswith((b">", b"->"), at):
        return text.index(b">", at) + 1
    end = _COMMENT_END.search(text, at)
    return end.end() if end else len(text)


def _after(text: bytes, mark: bytes, at: int) -> int:
    start = text.find(mark, at)
    return start + len(mark) if start >= 0 else len(text)


def _attributes(text: bytes, at: int) -> tuple[int, tuple[Attribute, ...]]:
    """Return the end of the tag, or -1, and its attributes. The first of a name counts."""
    attributes: dict[bytes, Attribute] = {}
    while match := _ATTRIBUTE.match(text, at):
        at = match.end()
        closes, name, double, single, unclosed, _ = match.groups()
        if closes:
            return at, tuple(attributes.values())
        if unclosed:
            break
        lower = name.lower()
        group = match.lastindex or 2
        start, stop = match.span(group) if group > 2 else (at, at)
        quoted = double is not None or single is not None
        attributes.setdefault(lower, Attribute(lower, start, stop, quoted))
    return -1, ()


def find(pieces: JoinedText, source: bytes, *, is_block: bool) -> GrammarResult:
    """Find URLs in the tags of one HTML block, or in all the inline tags of one paragraph.

    `masks` are the source ranges of comments and of verbatim elements, which end at their first
    closing tag. One that stays open is verbatim to the end of a block; in a paragraph it is not.
    """
    if not _WORTH_READING.search(pieces.text):
        return GrammarResult()
    return _TagReader(pieces, source, is_block=is_block).run()


class _TagReader:
    """One pass over the tags of a block of HTML, or over those of a paragraph."""

    def __init__(self, pieces: JoinedText, source: bytes, *, is_block: bool) -> None:
        self.pieces = pieces
        self.source = source
        self.is_block = is_block
        self.result = GrammarResult()

    def run(self) -> GrammarResult:
        text = self.pieces.text
        all_tags = list(tags(text, is_block=self.is_block))
        closing: dict[bytes, list[int]] = {}
        for tag in all_tags:
            if tag.closes:
                closing.setdefault(tag.name.lower(), []).append(tag.start)
        done = 0
        for tag in all_tags:
            if tag.start < done:
                continue
            self.visible(done, tag.start)
            done = tag.stop
            name = tag.name.lower()
            if not name:
                self.quote(tag.start, tag.stop, Form.COMMENT)
            elif not tag.closes and name in _VERBATIM:
                self.attributes(tag)
                done = self.verbatim(tag, closing.get(name, []), all_tags)
            elif not tag.closes:
                self.attributes(tag)
        self.visible(done, len(text))
        return self.result

    def verbatim(self, tag: HtmlTag, closing: list[int], all_tags: list[HtmlTag]) -> int:
        """Quote the content; return where it ends."""
        index = bisect_left(closing, tag.stop)
        if index == len(closing) and not self.is_block:
            return tag.stop
        stop = closing[index] if index < len(closing) else len(self.pieces.text)
        first = bisect_left(all_tags, tag.stop, key=attrgetter("start"))
        last = bisect_left(all_tags, stop, key=attrgetter("start"))
        for inner in all_tags[first:last]:
            if not inner.closes:
                self.quoted_attributes(inner)
        origin = self.pieces.origin
        self.result.add_quoted(self.source, self.behind(tag.stop), origin(stop), Form.CODE)
        return stop

    def quoted_attributes(self, tag: HtmlTag) -> None:
        """Add the URLs of a tag in verbatim text as code, so that they stay as they are."""
        first = len(self.result.urls)
        self.attributes(tag)
        self.result.urls[first:] = [
            item._replace(form=Form.CODE)
            for item in self.result.urls[first:]
            if item.form is not Form.LINK or has_image_path(item.url)
        ]

    def quote(self, start: int, stop: int, form: Form) -> None:
        self.result.add_quoted(self.source, self.pieces.origin(start), self.behind(stop), form)

    def behind(self, stop: int) -> int:
        """Return the place right behind a tag. The text of a paragraph is not in the pieces."""
        return self.pieces.origin(stop - 1) + 1

    def visible(self, start: int, stop: int) -> None:
        """Add the bare URLs between the tags of a block. The pieces hold no text of a paragraph."""
        if self.is_block:
            for first, last in bare_urls(self.pieces.text, start, stop):
                self.add(first, last, Form.AUTOLINK, Quoting.HTML)

    def add(self, start: int, stop: int, form: Form, quoting: Quoting) -> None:
        if span := self.pieces.span(start, stop):
            url = read(self.source[span[0] : span[1]].decode(), quoting)
            if is_template(url):
                return
            if form is not Form.AUTOLINK:
                url = as_browsers_read(url)
            self.result.urls.append(UrlSpan(*span, url, form, quoting))
        else:
            message = "the URL runs over a line break inside a quote or a list"
            self.result.problems.append(Problem(self.pieces.origin(start), message))

    def attributes(self, tag: HtmlTag) -> None:
        values = {a.name: self.pieces.text[a.start : a.stop] for a in tag.attributes}
        for attribute in tag.attributes:
            if binding := _BINDING.fullmatch(attribute.name):
                self.bound(tag, binding[1], attribute)
            elif attribute.name == b"style":
                self.style(attribute)
            elif attribute.name in _SRCSETS:
                self.srcset(attribute)
            else:
                start, stop = stripped(self.pieces.text, attribute.start, attribute.stop)
                quoting = Quoting.HTML if attribute.quoted else Quoting.HTML_BARE
                url = read(self.pieces.text[start:stop].decode(), quoting)
                if form := form_of(tag.name, attribute.name, url, values):
                    self.add(start, stop, form, quoting)

    def bound(self, tag: HtmlTag, name: bytes, attribute: Attribute) -> None:
        """Read an attribute whose value is a program, here one string and no more."""
        text = self.pieces.text
        literal = _STRING.fullmatch(text, attribute.start, attribute.stop)
        if literal is None:
            return
        start, stop = literal.span(2)
        if name in _SRCSETS:
            self.srcset(Attribute(name, start, stop, quoted=True))
            return
        spelled = literal[2].decode()
        url = read(spelled, Quoting.HTML)
        if form := form_of(tag.name, name, url):
            # No quoting spells two grammars at once; LITERAL refuses what needs an escape.
            self.add(start, stop, form, Quoting.LITERAL if url == spelled else Quoting.HTML)

    def style(self, attribute: Attribute) -> None:
        for start, stop in css_urls(self.pieces.text, attribute.start, attribute.stop):
            self.add(start, stop, Form.STYLE, Quoting.STYLE)

    def srcset(self, attribute: Attribute) -> None:
        for start, stop in srcset_urls(self.pieces.text, attribute.start, attribute.stop):
            self.add(start, stop, Form.SRCSET, Quoting.SRCSET)


_MARKDOWN_VALUES = (b"", b"1", b"block", b"span")


def holds_markdown(pieces: JoinedText) -> bool:
    """Return True if a tag says so by `markdown="1"`, as in Python-Markdown and kramdown."""
    text = pieces.text
    if b"markdown" not in text:
        return False
    for tag in tags(text):
        for attribute in tag.attributes:
            value = text[attribute.start : attribute.stop]
            if attribute.name == b"markdown" and value in _MARKDOWN_VALUES:
                return True
    return False


def between_tags(pieces: JoinedText) -> Iterator[tuple[int, int]]:
    """Yield the source ranges of the text of a block, without its tags and its indentation."""
    done = 0
    # `<https://…>` is no tag: it is the address of an image or a link.
    ends = [(tag.start, tag.stop) for tag in tags(pieces.text) if b":" not in tag.name]
    for start, stop in [*ends, (len(pieces.text), 0)]:
        for line in _LINE.finditer(pieces.text, done, start):
            if span := pieces.span(*line.span()):
                yield span
        done = stop


def stripped(text: bytes, start: int, stop: int) -> tuple[int, int]:
    """Return the range without the blanks at its ends, which browsers ignore in URLs."""
    value = text[start:stop]
    return start + len(value) - len(value.lstrip(_BLANKS)), start + len(value.rstrip(_BLANKS))


def srcset_urls(text: bytes, start: int, stop: int) -> Iterator[tuple[int, int]]:
    """Yield the ranges of the URLs in a `srcset`. A URL may hold commas, but not end in one."""
    value = text[start:stop]
    if b"&" in value:  # blanks and commas count also where they are entities
        value = _SRCSET_ENTITY.sub(_srcset_mark, value)
    at = 0
    while match := _SRCSET_URL.match(value, at):
        first, at = match.span(1)
        last = first + len(match[1].rstrip(b","))
        if last == at and (descriptors := _DESCRIPTORS.match(value, at)):
            at = descriptors.end()
        yield start + first, start + last


def _srcset_mark(entity: re.Match[bytes]) -> bytes:
    return (b" " if entity["blank"] else b",") * len(entity[0])


def css_urls(text: bytes, start: int, stop: int) -> Iterator[tuple[int, int]]:
    """Yield the ranges of the URLs in `url(…)`."""
    for match in _CSS_URL.finditer(text, start, stop):
        first, last = match.span(match.lastindex or 0)
        if last > first:
            yield first, last


def form_of(
    tag: bytes,
    attribute: bytes,
    url: str,
    values: Mapping[bytes, bytes] = MappingProxyType({}),
    *,
    is_jsx: bool = False,
) -> Form | None:
    """Return the form of a URL in this attribute, or None if it is no image and no link.

    `values` are the tag's attributes as they are written, by names in lower case. In JSX every
    name with a capital is a component, also `<A>`.
    """
    name = tag.lower()
    if not url:
        return None
    if (name, attribute) in _LINKS:
        return Form.LINK
    if name in (b"img", b"image") and attribute in _IMAGE_ATTRIBUTES:
        return Form.HTML
    if attribute in (b"poster", b"background") and not _is_component(tag):
        return Form.HTML
    declaring = _DECLARED.get((name, attribute), ())
    if any(_IS_DECLARED.fullmatch(values.get(other, b"").strip()) for other in declaring):
        return Form.HTML
    if (name, attribute) in _SOMETIMES_IMAGES:
        return Form.HTML if has_image_path(url) else None
    if _is_component(tag) or (is_jsx and tag[:1].isupper()):
        return form_by_name(Form.HTML, url, tag.decode(), attribute.decode())
    if attribute.startswith(b"data-") and "/" in url:
        form = form_by_name(Form.HTML, url, attribute.decode())
        return form if form is Form.HTML else None
    return None


def _is_component(tag: bytes) -> bool:
    """Return True for `<Card>`, `<my-card>` and `<Ui.Card>`, which are not HTML's own elements."""
    return b"-" in tag or b"." in tag or (tag[:1].isupper() and not tag.isupper())
