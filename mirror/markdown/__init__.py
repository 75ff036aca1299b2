"""Every URL of an image or a link in a post, to the byte: Markdown, HTML, front matter, MDX.

`find_references` reads, `splice` writes, `spell` says how. Pure: bytes in, values out.

A post is decoded (`decode`), its front matter cut off (`frontmatter`), the body parsed once
(`commonmark`, which hands HTML to `html`; or `mdx`), and searched for the tags of site
generators (`generators`). Each grammar gives `Found` values in UTF-8 offsets (`found`), which
become references here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from operator import itemgetter
from pathlib import PurePosixPath

from mirror.markdown import commonmark, frontmatter, generators, mdx
from mirror.markdown.decode import NotTextError, Source, Walk, decode, splice
from mirror.markdown.found import Findings, Found, Problem, is_within, merged
from mirror.markdown.spell import read, spell
from mirror.markdown.urls import is_image_link
from mirror.model import Finding, Form, Reference, Rule, Span
from mirror.urls.address import Url

__all__ = ["Scan", "find_references", "is_image_link", "read", "spell", "splice"]


@dataclass(frozen=True, slots=True)
class Scan:
    """What a post holds. Decoding and encoding it with `encoding` gives the same bytes.

    References and findings are in the order of the file; the references' spans do not overlap.
    """

    encoding: str
    references: tuple[Reference, ...]
    findings: tuple[Finding, ...]


_LONE_CR = re.compile(rb"\r(?!\n)")


def find_references(data: bytes, post: str) -> Scan:
    """Find all URLs of `post`, its relative path; the suffix `.mdx` selects MDX.

    Never raises: a post that is no text has no references and one finding.
    """
    try:
        source = decode(data)
        # Parsers take a CR alone for a line end in some places only. No offset changes.
        text = _LONE_CR.sub(b"\n", source.utf8)
        result = _find(text, is_mdx=PurePosixPath(post).suffix.lower() == ".mdx")
    except NotTextError as error:
        finding = Finding(Rule.POST_UNREADABLE, post, str(error), post, error.line, error.column)
        return Scan("", (), (finding,))
    except commonmark.ParserError as error:
        message = f"the Markdown parser fails on it, so it stays as it is: {error}"
        return Scan(source.encoding, (), (Finding(Rule.POST_UNREADABLE, post, message, post),))
    return Scan(
        source.encoding,
        tuple(_references(source, _without_overlaps(result.found))),
        tuple(_findings(source, post, result.problems)),
    )


def _find(utf8: bytes, *, is_mdx: bool) -> Findings:
    block = frontmatter.split(utf8)
    body = utf8[block.body :]
    inner = mdx.find(body) if is_mdx else commonmark.find(body)
    tags = Findings()
    if b"{{" in body or b"{%" in body:
        tags = generators.find(body, merged(inner.masks))
    masks = merged((*inner.masks, *tags.masks))
    shown = [f for f in inner.found if f.form in _QUOTED or not is_within(f.start, masks)]
    result = frontmatter.find(utf8, block)
    result.found += [f.moved(block.body) for f in (*shown, *tags.found)]
    result.problems += [p.moved(block.body) for p in inner.problems]
    return result


_QUOTED = (Form.CODE, Form.COMMENT)


def _without_overlaps(found: list[Found]) -> list[Found]:
    """In order; where two grammars claim the same bytes, markup wins over text."""
    kept: list[Found] = []
    for item in sorted(found, key=itemgetter(0)):
        if not kept or item.start >= kept[-1].stop:
            kept.append(item)
        elif item.form.is_rewritten and not kept[-1].form.is_rewritten:
            kept[-1] = item
    return kept


def _references(source: Source, found: Iterable[Found]) -> Iterable[Reference]:
    walk = Walk(source)
    for item in found:
        start, line, column = walk.advance(item.start)
        stop, _, _ = walk.advance(item.stop)
        spelling = source.utf8[item.start : item.stop].decode()
        url = Url(item.url)
        yield Reference(url, Span(start, stop), line, column, item.form, item.quoting, spelling)


def _findings(source: Source, post: str, problems: list[Problem]) -> Iterable[Finding]:
    walk = Walk(source)
    for problem in sorted(problems, key=itemgetter(0)):
        _, line, column = walk.advance(problem.start)
        yield Finding(problem.rule, post, problem.message, post, line, column)
