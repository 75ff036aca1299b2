"""Find the URL of every image and link in a post, with its byte span. Pure: bytes in, values out.

A data file that the settings name is read here too: all of it as front matter.

Others use these names:

- `find_references` returns the `Scan` of a post: its encoding, references and findings.
- `spell` returns a URL as one syntax must write it, `read` does the reverse.
- `splice` replaces spans of a post and leaves every other byte as it is.
- `as_browsers_read` returns the URL that a browser asks for, of one with backslashes.
- `is_image_link` tells a link to an image from a link to a page.
- `render` returns the HTML that CommonMark makes of a post.
- `find_drawn` returns the parts of a post that a plugin may show as something else than text.

Read the files in this order:

1. `decode`: bytes of a file to UTF-8 text, and UTF-8 offsets to places in the file.
2. `urls`: the rules for what is a URL and what is an image. `spelling`: how each syntax writes
   a URL.
3. `results`: the values that every grammar returns.
4. `frontmatter`, `commonmark`, `html`, `mdx`, `generators`: one grammar each.
5. `find_references` below, which joins them: it decodes the post, splits off the front matter,
   reads the body as Markdown or MDX, then searches it for the tags of site generators.
6. `fences`, `languages` and `drawn`: the parts that may be shown as something else than text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from operator import itemgetter
from pathlib import PurePosixPath

from mirror.markdown import commonmark, frontmatter, generators, mdx
from mirror.markdown.decode import NotTextError, PositionCounter, PostText, decode
from mirror.markdown.drawn import DrawnParts, find_drawn
from mirror.markdown.fences import DRAWN_LANGUAGES, is_drawn_language
from mirror.markdown.html import Attribute, HtmlTag, css_urls, srcset_urls, stripped, tags
from mirror.markdown.results import GrammarResult, Problem, UrlSpan, is_within, merge_ranges
from mirror.markdown.spelling import read, spell
from mirror.markdown.splice import splice
from mirror.markdown.urls import as_browsers_read, has_image_path, is_image_link, trimmed
from mirror.model import Finding, Form, Reference, Rule, Span
from mirror.urls.address import Url

__all__ = [
    "DRAWN_LANGUAGES",
    "Attribute",
    "DrawnParts",
    "HtmlTag",
    "Scan",
    "as_browsers_read",
    "css_urls",
    "find_drawn",
    "find_references",
    "has_image_path",
    "is_drawn_language",
    "is_image_link",
    "is_within",
    "read",
    "render",
    "spell",
    "splice",
    "srcset_urls",
    "stripped",
    "tags",
    "trimmed",
]


@dataclass(frozen=True, slots=True)
class Scan:
    """The references and findings of a post. `encoding` decodes and encodes it without loss.

    References and findings are in the order of the file; the references' spans do not overlap.
    """

    encoding: str
    references: tuple[Reference, ...]
    findings: tuple[Finding, ...]


class _TooManyMarksError(Exception):
    """The markup of a post would take too much memory; the message says how much there may be."""


_LONE_CR = re.compile(rb"\r(?!\n)")
_DATA_SUFFIXES = {".yml": "yaml", ".yaml": "yaml", ".toml": "toml", ".json": "json"}
_QUOTED_FORMS = (Form.CODE, Form.COMMENT)
# The parser and its results take up to 120 bytes of memory for each of these, and 600 for each
# address. Text has one mark in 30 bytes, and a picture in base64 one in 76.
_MARKS = (*(bytes([byte]) for byte in b"[]<>*_`!\\|&#-\n"), b". ", b") ", b"+ ")
_MARKS_OF_ADDRESS = 5
_MAX_MARKS = 1 << 22


def _check_marks(text: bytes) -> None:
    """Raise `_TooManyMarksError` for a post whose markup would take a gigabyte of memory."""
    if len(text) <= _MAX_MARKS:
        return
    count = sum(map(text.count, _MARKS)) + _MARKS_OF_ADDRESS * text.count(b"://")
    if count > _MAX_MARKS:
        raise _TooManyMarksError(
            f"expected at most {_MAX_MARKS:,} marks of Markdown in a post, such as `[` and `<`, "
            f"found {count:,}; split it"
        )


def find_references(data: bytes, post: str) -> Scan:
    """Find all URLs of `post`, its relative path. The suffix selects the grammar.

    `.mdx` is MDX; `.yml`, `.yaml`, `.toml` and `.json` are data; all others are Markdown.

    Never raises: a post that is no text has no references and one finding.
    """
    try:
        post_text = decode(data)
        # Parsers treat a lone CR as a line end in some places only. No offset moves.
        text = _LONE_CR.sub(b"\n", post_text.utf8)
        suffix = PurePosixPath(post).suffix.lower()
        if kind := _DATA_SUFFIXES.get(suffix):
            result = frontmatter.find_in_file(text, kind)
        else:
            _check_marks(text)
            result = _find(text, is_mdx=suffix == ".mdx")
    except NotTextError as error:
        finding = Finding(Rule.POST_UNREADABLE, post, str(error), post, error.line, error.column)
        return Scan("", (), (finding,))
    except commonmark.ParserError as error:
        message = f"the Markdown parser fails on it, so it stays as it is: {error}"
        return _unread(post_text.encoding, post, message)
    except _TooManyMarksError as error:
        return _unread(post_text.encoding, post, f"it stays as it is: {error}")
    return Scan(
        post_text.encoding,
        tuple(_references(post_text, _without_overlaps(result.urls))),
        tuple(_findings(post_text, post, result.problems)),
    )


def _unread(encoding: str, post: str, message: str) -> Scan:
    """Return the scan of a post that is text and whose markup is not read."""
    return Scan(encoding, (), (Finding(Rule.POST_UNREADABLE, post, message, post),))


def render(utf8: bytes, post: str) -> bytes:
    """Return the page that CommonMark makes of a post in UTF-8.

    It is empty for MDX, for data, and where the parser fails.
    """
    if PurePosixPath(post).suffix.lower() in {".mdx", *_DATA_SUFFIXES}:
        return b""
    try:
        return commonmark.render(_LONE_CR.sub(b"\n", utf8[frontmatter.split(utf8).body :]))
    except commonmark.ParserError:
        return b""


def _find(utf8: bytes, *, is_mdx: bool) -> GrammarResult:
    block = frontmatter.split(utf8)
    body = utf8[block.body :]
    grammar = mdx if is_mdx else commonmark
    inner = grammar.find(body)
    readable = generators.without_torn_code(body, inner.masks)
    if readable != body:
        inner = grammar.find(readable)
    bare_urls = (item.start for item in inner.urls if item.form is Form.AUTOLINK)
    tags = generators.find(body, inner.masks, bare_urls)
    masks = merge_ranges((*inner.masks, *tags.masks))
    # A mask hides URLs of the page; those that code and comments quote are reported as quoted.
    unmasked = [
        item
        for item in inner.urls
        if item.form in _QUOTED_FORMS or not is_within(item.start, masks)
    ]
    result = frontmatter.find(utf8, block)
    result.urls += [item.shifted(block.body) for item in (*unmasked, *tags.urls)]
    problems = (*inner.problems, *tags.problems)
    result.problems += [problem.shifted(block.body) for problem in problems]
    return result


def _without_overlaps(url_spans: list[UrlSpan]) -> list[UrlSpan]:
    """Return the spans in order. Of two that overlap, a rewritten one wins, else the first."""
    kept: list[UrlSpan] = []
    for item in sorted(url_spans, key=itemgetter(0)):
        if not kept or item.start >= kept[-1].stop:
            kept.append(item)
        elif item.form.is_rewritten and not kept[-1].form.is_rewritten:
            kept[-1] = item
    return kept


def _references(post_text: PostText, url_spans: Iterable[UrlSpan]) -> Iterable[Reference]:
    position = PositionCounter(post_text)
    for item in url_spans:
        start, line, column = position.advance(item.start)
        stop, _, _ = position.advance(item.stop)
        spelling = post_text.utf8[item.start : item.stop].decode()
        url = Url(item.url)
        yield Reference(url, Span(start, stop), line, column, item.form, item.quoting, spelling)


def _findings(post_text: PostText, post: str, problems: list[Problem]) -> Iterable[Finding]:
    position = PositionCounter(post_text)
    for problem in sorted(problems, key=itemgetter(0)):
        _, line, column = position.advance(problem.start)
        yield Finding(problem.rule, post, problem.message, post, line, column)
