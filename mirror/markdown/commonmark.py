"""URLs in CommonMark: images, links, definitions, autolinks, code. `html` reads the HTML in it.

The parser reports what the address of an image is and where the whole image stands, not where the
address stands in it. This module locates the address, and accepts a range only if its bytes read
as the address that the parser reported.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pyromark

from mirror.markdown import html
from mirror.markdown.results import GrammarResult, JoinedText, Problem, UrlSpan
from mirror.markdown.spelling import read
from mirror.markdown.urls import (
    IMAGE_DIRECTIVES,
    bare_urls,
    form_by_name,
    is_absolute,
    is_template,
)
from mirror.model import Form, Quoting, Rule

# Front matter is cut off before: the parser's own option takes any pair of `---` lines anywhere
# for metadata. Footnotes and tables are on because they decide what is an image; mathematics and
# the like would only hide text.
_PARSER = pyromark.Markdown(
    options=pyromark.Options.ENABLE_TABLES
    | pyromark.Options.ENABLE_FOOTNOTES
    | pyromark.Options.ENABLE_STRIKETHROUGH
    | pyromark.Options.ENABLE_TASKLISTS
)

# Blanks before a destination; behind a line end also the prefix of a quote.
_GAP = re.compile(rb"[ \t]*(?:(?:\r\n|\n|\r)[ \t]*(?:>[ \t]*)*)*")
_ANGLE = re.compile(rb"<([^<>\\\r\n]*(?:\\[^\r\n][^<>\\\r\n]*)*)>")
_BARE = re.compile(rb"[^\\()\x00-\x20\x7f]+|\\[!-/:-@\[-`{-~]|[\\()]")
_LABEL = re.compile(rb"\[[^\[\]\\]*(?:\\.[^\[\]\\]*)*\]:", re.S)
# A destination that cannot be mistaken: nothing in it could end it, or belong to a title.
_PLAIN_URL = re.compile(r"[^\s\"'()<>\[\]\\&|\x00-\x1f]+")
_CAPITAL_END = re.compile(rb"</(?=[a-z]*[A-Z])(?i:pre|script|style|textarea)>")

# An indented block behind one of these is no code: notes and tabs of Python-Markdown's extensions
# (MkDocs), `!!! note "Title"`, `??? tip`, `=== "Tab"`. They may stand in the last line of a
# paragraph that began before.
_ADMONITION = re.compile(rb"(?:\A|\n[ \t]*)((?:!!!|\?\?\?\+?|===[!+]?)[ \t]+[\"\w][^\n]*\n?)")
_NOTE_INDENTATION = 4  # columns, as Python-Markdown has it
# Nor is one behind the definition of a term, in the same paragraph or in the one before it
# (kramdown, Goldmark, Python-Markdown, Pandoc, which also takes `~`).
_DEFINITION = re.compile(rb"(?:\A|\n)[ \t>]*[:~][ \t]")
# A fence of MyST that holds Markdown: ```{note}. Many others hold programs: {r}, {code-block}.
_DIRECTIVE = re.compile(rb"[ \t]*[`~]{3,}[ \t]*\{([\w:+.-]+)\}[ \t]*([^\r\n]*)")
_OPTION = re.compile(rb"[ \t]*:([\w-]+):[ \t]*([^\s\\]*)[^\n]*\n")
_MARKDOWN_DIRECTIVES = IMAGE_DIRECTIVES | frozenset(
    b"admonition attention aside blockquote card card-carousel caution centered container danger"
    b" definition deprecated details div dropdown epigraph error example exercise exercise-start"
    b" figure-md glossary grid grid-item grid-item-card highlights hint important list-table"
    b" margin note panels prf:definition prf:example prf:proof prf:remark prf:theorem pull-quote"
    b" seealso sidebar solution subfigure tab tab-item tab-set tabbed table tip todo topic"
    b" versionadded versionchanged warning".split()
)
# Of Markdown within blocks. Each level is parsed once more: 57 KB of notes, 20 deep, take 0.17 s.
_MAX_DEPTH = 20

_INLINE = frozenset({"Emphasis", "Strong", "Strikethrough", "Superscript", "Subscript"})
_REFERENCE_TYPES = frozenset({"Reference", "Collapsed", "Shortcut"})


class ParserError(Exception):
    """The parser itself failed on this text."""


def find(body: bytes, depth: int = 0, *, in_note: bool = False) -> GrammarResult:
    """Find URLs in Markdown without front matter.

    `masks` are the ranges of code, comments and verbatim HTML. `depth` counts the blocks of
    Markdown that this one lies in. `in_note` is True in a note of Python-Markdown, which looks for
    blocks of HTML before it removes the indentation of notes. So a note has no blocks of HTML, and
    the text between its tags is Markdown.
    """
    body = _with_small_ends(body)
    text = body.decode()
    reader = _EventReader(body, depth, in_note=in_note)
    with _parser_errors():
        events = _PARSER.events_with_range(text, merge_text=True)
        definitions = _PARSER.reference_definitions(text) if b"]:" in body else {}
        reader.run(events)
    reader.definitions(definitions)
    return reader.result


def render(body: bytes) -> bytes:
    """Return the page of Markdown without front matter."""
    with _parser_errors():
        return _PARSER.html(_with_small_ends(body).decode()).encode()


def _with_small_ends(body: bytes) -> bytes:
    """Return `body` with `</PRE>` in small letters: this parser sees no other end of such a block.

    No offset moves.
    """
    return _CAPITAL_END.sub(lambda end: end[0].lower(), body)


@contextmanager
def _parser_errors() -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        # A panic in the parser is no `Exception`, and a post must not stop the run.
        if type(error).__name__ != "PanicException":
            raise
        raise ParserError(str(error)) from error


class _EventReader:
    """One pass over the events of a post."""

    def __init__(self, body: bytes, depth: int, *, in_note: bool) -> None:
        self.body = body
        self.depth = depth
        self.in_note = in_note
        self.result = GrammarResult()
        self.open: list[tuple[str, dict[str, Any], dict[str, int]]] = []  # images and links
        self.used: dict[str, Form] = {}  # labels, folded
        self.html: list[tuple[int, int]] = []  # lines of the HTML block
        self.tags: list[tuple[int, int]] = []  # inline HTML of the paragraph
        self.in_code = False
        self.paragraph = b""  # the paragraph right before the current block
        self.paragraph_at = 0
        self.results_before = self.result.counts()  # when the paragraph began
        self.has_term = False  # another paragraph is right before that one
        self.note: list[tuple[int, int]] | None = None  # lines of a block that is no code
        self.images = 0  # open images; HTML in an alt text is not shown
        self.tables = 0
        self.heading: dict[str, int] | None = None
        self.last: dict[str, int] = {}

    def run(self, events: Any) -> None:
        for event, place in events:
            if not isinstance(event, str):
                kind, value = event.popitem()  # its only member
                if kind == "Text":
                    if self.note is not None:
                        self.note += _lines(self.body, value, place["start"], place["end"])
                    elif "//" in value and not self.in_code:
                        self.text(place["start"], place["end"])
                elif kind == "Start":
                    self.start(value, place)
                elif kind == "End":
                    self.end(value, place)
                elif kind == "Html":
                    self.html.append((place["start"], place["end"]))
                elif kind == "InlineHtml":
                    if not self.images:
                        self.tags += _lines(self.body, value, place["start"], place["end"])
                elif kind == "Code":
                    self.result.add_quoted(self.body, place["start"], place["end"], Form.CODE)
            self.last = place

    def start(self, value: Any, place: dict[str, int]) -> None:
        if isinstance(value, str):
            if value not in _INLINE:
                self.finish_paragraph()
                self.results_before = self.result.counts()
            return
        name, data = value.popitem()
        if name in ("Image", "Link"):
            self.open.append((name, data, place))
            self.images += name == "Image"
            return
        self.finish_paragraph()
        if name == "CodeBlock":
            self.in_code = True
            if self.depth < _MAX_DEPTH and self.holds_markdown(data, place):
                self.note = []
        elif name == "Table":
            self.tables += 1
        elif name == "Heading":
            self.heading = place

    def end(self, value: Any, place: dict[str, int]) -> None:
        if value in ("Image", "Link"):
            self.link(*self.open.pop())
            self.images -= value == "Image"
        elif not isinstance(value, str) or value not in _INLINE:
            self.finish_paragraph()
            if value == "CodeBlock" and self.note is not None:
                self.finish_note(self.note, place)
                self.in_code, self.note = False, None
                return  # a further definition of a term may follow
            if value == "CodeBlock":
                self.in_code = False
                self.result.add_quoted(self.body, place["start"], place["end"], Form.CODE)
            elif value == "HtmlBlock":
                self.finish_html()
            elif value == "Table":
                self.tables -= 1
            elif not isinstance(value, str) and "Heading" in value:
                self.heading = None
            is_paragraph = value == "Paragraph"
            self.has_term = bool(self.paragraph)
            self.paragraph = self.body[place["start"] : place["end"]] if is_paragraph else b""
            self.paragraph_at = place["start"]

    # --- images and links ---------------------------------------------------------------------

    def link(self, name: str, data: dict[str, Any], place: dict[str, int]) -> None:
        form = Form.INLINE if name == "Image" else Form.LINK
        kind, url = data["link_type"], data["dest_url"]
        start, stop = place["start"], place["end"]
        if kind == "Inline":
            content = start + (2 if name == "Image" else 1)
            if self.last is not place:
                content = max(content, self.last["end"])
            self.destination(url, form, start, content, stop)
            if self.heading and form is Form.INLINE and is_absolute(url):
                self.in_heading(self.heading, start)
        elif kind in _REFERENCE_TYPES:
            label = _fold(data["id"])
            if name == "Image" or label not in self.used:
                self.used[label] = Form.REFERENCE if name == "Image" else Form.LINK
        elif kind == "Autolink":
            self.result.add(self.body, start + 1, stop - 1, Form.AUTOLINK, Quoting.TEXT)

    def destination(self, url: str, form: Form, start: int, content: int, stop: int) -> None:
        if not url or is_template(url):
            return
        if _PLAIN_URL.fullmatch(url):
            spelled = url.encode()
            if self.body.endswith(b"](" + spelled + b")", content, stop):
                first = stop - 1 - len(spelled)
                self.result.urls.append(UrlSpan(first, stop - 1, url, form, Quoting.BARE))
                return
        bracket = self.body.find(b"](", content, stop)
        self.locate(url, form, bracket + 2 if bracket >= 0 else stop, stop, start)

    def locate(self, url: str, form: Form, at: int, stop: int, subject: int) -> None:
        """Find the destination from `at` on, or report the trouble at `subject`."""
        if span := _destination(self.body, at, stop):
            first, last, quoting = span
            spelled = self.body[first:last].decode()
            # In a cell `\|` is `|` before anything else is read.
            in_cell = self.tables and read(spelled.replace("\\|", "|"), quoting) == url
            if in_cell or read(spelled, quoting) == url:
                self.result.urls.append(UrlSpan(first, last, url, form, quoting))
                return
        message = "the address that the parser reports could not be located, so it stays"
        self.result.problems.append(Problem(subject, message))

    def in_heading(self, heading: dict[str, int], start: int) -> None:
        if self.body.find(b"{#", heading["start"], heading["end"]) < 0:
            message = (
                "stands in a heading: a generator that makes the heading's anchor from its text "
                "(Hugo) makes another one from a new address; give the heading an {#id} to keep it"
            )
            self.result.problems.append(Problem(start, message, Rule.HEADING_ANCHOR))

    def definitions(self, definitions: dict[str, Any]) -> None:
        """Add each definition once. The first of a label counts. An unused one is a link."""
        for label, definition in definitions.items():
            start, stop = definition["span"]["start"], definition["span"]["end"]
            url = definition["dest"]
            if not url or label.startswith("^") or is_template(url):
                continue
            match = _LABEL.match(self.body, start, stop)
            form = self.used.get(_fold(label), Form.LINK)
            self.locate(url, form, match.end() if match else stop, stop, start)

    # --- text, code, HTML ---------------------------------------------------------------------

    def text(self, start: int, stop: int) -> None:
        for first, last in bare_urls(self.body, start, stop):
            self.result.add(self.body, first, last, Form.AUTOLINK, Quoting.BARE)

    def finish_html(self) -> None:
        if self.html:
            pieces = JoinedText(self.body, self.html)
            self.result.extend(html.find(pieces, self.body, is_block=True))
            if self.depth < _MAX_DEPTH and (self.in_note or html.holds_markdown(pieces)):
                self.nested_markdown(JoinedText(self.body, html.between_tags(pieces)))
            self.html = []

    def holds_markdown(self, kind: Any, place: dict[str, int]) -> bool:
        """Return True for a code block of CommonMark that other tools read as Markdown."""
        if kind != "Indented":
            directive = _DIRECTIVE.match(self.body, place["start"], place["end"])
            return directive is not None and directive[1] in _MARKDOWN_DIRECTIVES
        if _ADMONITION.search(self.paragraph):
            return True
        # The first line of a paragraph is a definition only behind a paragraph that is its term.
        return _DEFINITION.search(self.paragraph, 0 if self.has_term else 1) is not None

    def whole_note(self, end: int) -> list[tuple[int, int]]:
        """Return the lines of the note that ends at `end`, without their indentation.

        CommonMark takes the lines before the first blank one for text of the paragraph. They may
        open a list or a fence that goes on behind it, so what was found there as text is dropped.
        """
        marks = list(_ADMONITION.finditer(self.paragraph))
        if not marks:
            return []
        at, stop = (self.paragraph_at + place for place in marks[-1].span(1))
        before = self.body[self.body.rfind(b"\n", 0, at) + 1 : at]
        column = len(before.decode().expandtabs(_NOTE_INDENTATION)) + _NOTE_INDENTATION
        lines = []
        while stop < end:
            first = _past_column(self.body, stop, column)
            stop = self.body.find(b"\n", stop) + 1 or len(self.body)
            if first < 0:
                return []  # the note ends here
            lines.append((min(first, stop), stop))
        if not lines or b">" in before:
            return []
        self.result.drop_since(self.results_before, lines[0][0])
        return lines

    def finish_note(self, lines: list[tuple[int, int]], place: dict[str, int]) -> None:
        directive = _DIRECTIVE.match(self.body, place["start"], place["end"])
        if directive is None:
            lines = self.whole_note(place["end"]) or lines
        pieces = JoinedText(self.body, lines)
        if directive and directive[1] in IMAGE_DIRECTIVES:
            argument = directive[2].rstrip()
            self.shortcode(argument, directive.start(2), directive[1], Quoting.BARE)
        if directive:
            self.options(pieces)
        if lines:
            is_note = directive is None and _ADMONITION.search(self.paragraph) is not None
            self.nested_markdown(pieces, in_note=self.in_note or is_note)

    def options(self, pieces: JoinedText) -> None:
        """Read the lines `:name: value` that a directive begins with."""
        at = 0
        while option := _OPTION.match(pieces.text, at):
            at = option.end()
            start = pieces.origin(option.start(2))
            self.shortcode(option[2], start, option[1], Quoting.LITERAL)

    def shortcode(self, word: bytes, start: int, name: bytes, quoting: Quoting) -> None:
        url = read(word.decode(), quoting)
        if form := form_by_name(Form.SHORTCODE, url, name.decode()):
            span = start, start + len(word)
            self.result.urls.append(UrlSpan(*span, url, form, quoting))

    def nested_markdown(self, pieces: JoinedText, *, in_note: bool = False) -> None:
        """Read a block as Markdown, as other tools than CommonMark do."""
        inner = find(pieces.text, self.depth + 1, in_note=in_note)
        self.result.extend(pieces.to_source(inner))

    def finish_paragraph(self) -> None:
        if self.tags:
            self.result.extend(
                html.find(JoinedText(self.body, self.tags), self.body, is_block=False)
            )
            self.tags = []


def _fold(label: str) -> str:
    """Return a label as labels are compared: case folded, each run of blanks as one."""
    return " ".join(label.split()).casefold()


def _destination(body: bytes, at: int, stop: int) -> tuple[int, int, Quoting] | None:
    gap = _GAP.match(body, at, stop)
    at = gap.end() if gap else at
    if angle := _ANGLE.match(body, at, stop):
        # A title needs a blank before it; this parser does without, and others see no image.
        is_whole = angle.end() == stop or body[angle.end()] in b" \t\r\n)"
        return (angle.start(1), angle.end(1), Quoting.ANGLE) if is_whole else None
    depth, end = 0, at
    while token := _BARE.match(body, end, stop):
        depth += {b"(": 1, b")": -1}.get(token[0], 0)
        if depth < 0:
            break
        end = token.end()
    return (at, end, Quoting.BARE) if end > at else None


def _past_column(body: bytes, at: int, column: int) -> int:
    """Return where a line goes on behind its blanks up to the column, or where a blank one ends.

    -1 where other text begins before the column.
    """
    reached = 0
    while reached < column and body[at : at + 1] in (b" ", b"\t"):
        reached += 1 if body[at] == ord(" ") else _NOTE_INDENTATION - reached % _NOTE_INDENTATION
        at += 1
    return at if reached >= column or body[at : at + 1] in (b"\r", b"\n", b"") else -1


def _lines(body: bytes, text: str, start: int, stop: int) -> list[tuple[int, int]]:
    """Return the ranges of the lines of `text`, without the prefixes of containers between them."""
    value = text.encode()
    if stop - start == len(value):
        return [(start, stop)]
    spans = []
    for line in value.splitlines(keepends=True):
        words = line.rstrip(b"\r\n")
        start = body.find(words, start, stop)
        if start < 0:
            return []
        end = start + len(words)
        if len(words) < len(line):  # the parser may have made another line end of it
            end = body.find(b"\n", end, stop) + 1 or stop
            start = start if words else end - 1
        spans.append((start, end))
        start = end
    return spans
