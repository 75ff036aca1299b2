"""URLs in the tags and marks that a site generator or an editor adds to Markdown.

Hugo: `{{< name key="value" >}}` and `{{% … %}}`. Jekyll, Hexo and other Liquid or Nunjucks:
`{% name words %}`. Components of Nuxt and remark: `::name{key="value"}`. DocFX:
`:::image source="…":::`. MyST: `:::{figure} …`. Obsidian: `![[…]]`, Dataview: `cover:: …`. None is
Markdown, so the text outside of code is searched for them.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from mirror.markdown import frontmatter
from mirror.markdown.results import GrammarResult, is_within, merge_ranges
from mirror.markdown.urls import (
    IMAGE_DIRECTIVES,
    form_by_name,
    has_image_path,
    is_picture_name,
)
from mirror.model import Form, Quoting

_OPENING = re.compile(rb"\{(?:\{([<%])|%)-?[ \t\r\n]*+(/?[A-Za-z_][\w.\-/]*+)")
# No tag holds the start of another or a blank line; `{%` in a formula stays a formula.
_END = re.compile(rb"[>%]\}\}|%\}|\{[{%]|\n[ \t]*+\r?\n")
_KEY = rb"(?:([\w.\-]+)[ \t\r\n]*=[ \t\r\n]*)?"
_VALUES = rb"'([^']*)'|`([^`]*)`|([^\s\"'`]+)"
_PARAMETER = re.compile(_KEY + rb"(?:\"((?:[^\"\\]|\\.)*+)\"|" + _VALUES + rb"|(\"))", re.S)
_UNCLOSED = 6  # the group of a quote that nothing closes; behind it no other one is closed either
_NEVER = rb"(?!)()"  # in place of a string in such quotes, so that the groups keep their numbers
_PARAMETER_BEHIND_QUOTE = re.compile(_KEY + rb"(?:" + _NEVER + rb"|" + _VALUES + rb")")
_COMMA = re.compile(rb"[ \t\r\n]*+,[ \t\r\n]*+")
_BLANK = re.compile(rb"\s")
_NEXT_URL = re.compile(rb"(?i:https?:)?//")
# DPlayer's "pic=URL", Stellar's icon:URL.
_PREFIX = re.compile(rb"([A-Za-z][\w-]*)(?:=|:(?!//))")
_CODE_NAMES = frozenset(b"highlight codeblock".split())
_COMMENT_NAMES = frozenset(b"comment".split())
_RAW_NAMES = frozenset(b"raw verbatim".split())
_YAML_NAMES = frozenset(b"aplayerlist flink".split())
_NO_MARKDOWN = _CODE_NAMES | _COMMENT_NAMES
_VISIBLE = re.compile(rb"\S")
_PAIRED = _YAML_NAMES | _CODE_NAMES | _COMMENT_NAMES | _RAW_NAMES

_EMBED = re.compile(rb"(?<!\\)!\[\[([^\s\[\]|\\]+)(?:\\?\|[^\[\]\r\n]*)?\]\]")
_BRACES = re.compile(rb"\{([^{}=]*=[^{}]*)\}")
_COMPONENT = re.compile(rb"(?<![\w:/\\]):+([A-Za-z][\w-]*)(?:\[[^\[\]\r\n]*\])?\Z")  # before braces
_DOCFX = re.compile(
    rb":::[ \t]*(image|icon)[ \t]((?>.*?(?=:::|\r(?!\n)|\r?\n[ \t]*\r?\n|\Z))):::", re.S
)
_ATTRIBUTE = re.compile(
    rb"(?<![\w:.-])([A-Za-z][\w-]*)[ \t]*=[ \t]*(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'=}]+))"
)
_BLANK_LINE = re.compile(rb"\n[ \t]*+\r?\n")
_PROPERTIES = re.compile(
    rb"^[ \t]*::+[A-Za-z][^\r\n]*\r?\n[ \t]*---[ \t]*\r?\n(.*?)^[ \t]*---[ \t]*\r?$", re.M | re.S
)
_COLON_DIRECTIVE = re.compile(
    rb"^[ \t>]*:{3,}[ \t]*\{(\w[\w:+.-]*)\}[ \t]*([^\s\\]*)[^\n]*(?:\n|\Z)", re.M
)
_OPTION = re.compile(rb"[ \t>]*:([\w-]+):[ \t]+([^\s\\]+)[ \t]*\r?(?:\n|\Z)")
_FIELD = re.compile(rb"::[ \t]+\"?([^\s\[\]()<>|\"]++)\"?(?=[ \t]*(?:[\r\n]|\Z)|[\])])")
_FIELD_KEY = re.compile(
    rb"(?:[ \t>]*(?:(?:[-*+]|\d+[.)])[ \t]+(?:\[.\][ \t]+)?)?|.*[\[(])"
    rb"[*_]*([\w\x80-\xff][^:*\[\](){}`]*?)[*_]*",
    re.S,
)
# What stands before the URL in each of these.
_BEFORE_URL = re.compile(rb"(?:\[\[|[=\"']|[:}\-][ \t]+)\Z")
_MAX_BLANKS = 20  # bytes of it; nobody puts more blanks behind a colon
_WEB = re.compile(rb"(?i)https?://")
_WEB_OR_PATH = re.compile(rb"(?i)https?://|/(?!/)")
_VALUE_IS_PATH = re.compile(rb"(?:[=\"']|[:}][ \t]{1,20})/(?!/)")
_MAX_BEFORE = 200  # bytes in front of braces or a value, which hold a tag's or a key's name


class _TemplateTag(NamedTuple):
    start: int
    stop: int
    is_hugo: bool
    name: bytes
    arguments: tuple[int, int]


def find(body: bytes, masks: Sequence[tuple[int, int]], bare_urls: Iterable[int]) -> GrammarResult:
    """Find URLs in the tags outside of `masks`.

    `bare_urls` are the offsets of the http and https URLs that Markdown takes for text. The text is
    searched for the syntax of editors only if one of these URLs stands as in such syntax, for
    components and directives also if a path from the root does, and for YAML in any case. The
    result's `masks` are the ranges that tags turn into code or comments.
    """
    result = GrammarResult()
    if b"{" in body and (b"{{" in body or b"{%" in body):
        _find_tags(body, merge_ranges(masks), result)
    if b"::" in body and b"\n---" in body:
        _properties(body, merge_ranges((*masks, *result.masks)), result)
    has_url = any(
        _BEFORE_URL.search(body[max(0, start - _MAX_BLANKS) : start]) for start in bare_urls
    )
    if has_url or _VALUE_IS_PATH.search(body):
        merged = merge_ranges((*masks, *result.masks))
        if b"{" in body:
            _components(body, merged, result)
        if b"::" in body:
            _docfx(body, merged, result)
            _colon_directives(body, merged, result)
        if has_url and b"![[" in body:
            _embeds(body, merged, result)
        if has_url and b"::" in body:
            _fields(body, merged, result)
    return result


def without_torn_code(body: bytes, masks: Iterable[tuple[int, int]]) -> bytes:
    """Return `body` with blanks in place of the code in tags that would swallow the text behind.

    A generator takes the code between two tags out before it reads Markdown. Read as Markdown, the
    code may open a fence or a `<pre>` that goes on behind the closing tag. `masks` are the ranges
    that Markdown takes for code and comments in the whole `body`. A mask that begins between two
    tags and holds the closing one shows such code, if no mask holds the opening one. Without such
    code `body` comes back as it is. Behind the first such tags the masks prove nothing, so the code
    of all later ones is blanked as well.
    """
    if not any(name in body for name in _NO_MARKDOWN):
        return body
    merged = merge_ranges(masks)
    starts = [start for start, _ in merged]
    torn: list[tuple[int, int]] = []
    tags = list(_tags(body))
    names = {tag.name for tag in tags}
    opened: _TemplateTag | None = None
    for tag in tags:
        if opened is None:
            is_paired = tag.name in _NO_MARKDOWN and not names.isdisjoint(_closing(tag.name))
            if is_paired and (torn or not is_within(tag.start, merged)):
                opened = tag
        elif tag.name in _closing(opened.name):
            if torn or (
                is_within(tag.start, merged)
                and starts[bisect_right(starts, tag.start) - 1] >= opened.stop
            ):
                torn.append((opened.stop, tag.start))
            opened = None
    pieces = []
    done = 0
    for start, stop in torn:
        pieces += [body[done:start], _VISIBLE.sub(b" ", body[start:stop])]
        done = stop
    return b"".join((*pieces, body[done:]))


def _find_tags(body: bytes, masks: Sequence[tuple[int, int]], result: GrammarResult) -> None:
    tags = [tag for tag in _tags(body) if not is_within(tag.start, masks)]
    names = {tag.name for tag in tags}
    opened: _TemplateTag | None = None
    for tag in tags:
        if opened is None:
            if tag.name in _PAIRED and not names.isdisjoint(_closing(tag.name)):
                opened = tag
            else:
                _arguments(body, tag, result)
        elif tag.name in _closing(opened.name):
            if opened.name in _YAML_NAMES:
                frontmatter.find_in_tag(body, opened.stop, tag.start, result)
            elif opened.name not in _RAW_NAMES:
                form = Form.COMMENT if opened.name in _COMMENT_NAMES else Form.CODE
                result.add_quoted(body, opened.start, tag.stop, form)
            opened = None


def _closing(name: bytes) -> tuple[bytes, bytes]:
    return b"end" + name, b"/" + name


def _tags(body: bytes) -> Iterator[_TemplateTag]:
    at = 0
    while opening := _OPENING.search(body, at):
        at = opening.end()
        mark, name = opening.groups()
        end = _END.search(body, at)
        if end and end[0] == ((mark.replace(b"<", b">") + b"}}") if mark else b"%}"):
            yield _TemplateTag(opening.start(), end.end(), bool(mark), name, (at, end.start()))
            at = end.end()


def _arguments(body: bytes, tag: _TemplateTag, result: GrammarResult) -> None:
    for match in _parameters(body, *tag.arguments):
        key, _, single, *_ = match.groups()
        start, stop = match.span(match.lastindex or 0)
        if tag.is_hugo and single is not None:
            continue  # no quotes to Hugo: the page shows something else
        if body.find(b"\\", start, stop) >= 0:
            continue
        # Hexo splits a tag at blanks, so that a comma may end an argument. Hugo's end at a quote.
        items = list(_list_items(body, start, stop, may_end_in_comma=not tag.is_hugo))
        if any(_BLANK.search(body, *item) for item in items):
            continue  # a sentence
        for first, last in items:
            name = key
            if prefix := _PREFIX.match(body, first, last):
                name, first = prefix[1], prefix.end()
            names = (tag.name.decode(), name.decode()) if name else (tag.name.decode(),)
            if form := form_by_name(Form.SHORTCODE, body[first:last].decode(), *names):
                result.add(body, first, last, form, Quoting.LITERAL)


def _parameters(body: bytes, at: int, stop: int) -> Iterator[re.Match[bytes]]:
    pattern = _PARAMETER
    while match := pattern.search(body, at, stop):
        at = match.end()
        if match.lastindex == _UNCLOSED:
            pattern = _PARAMETER_BEHIND_QUOTE
        else:
            yield match


def _list_items(
    body: bytes, start: int, stop: int, *, may_end_in_comma: bool
) -> Iterator[tuple[int, int]]:
    """Yield the items of `a.png,b.png` and `URL, alt=x`; a comma within a URL splits nothing."""
    first = done = start
    has_query = False
    for comma in _COMMA.finditer(body, start, stop):
        part = body[done : comma.start()]
        has_query = has_query or b"?" in part
        done = comma.end()
        if done == stop and not may_end_in_comma:
            break
        is_last = done == stop or len(comma[0]) > 1 or _NEXT_URL.match(body, done)
        is_name_next = not has_query and _PREFIX.match(body, done, stop)
        if is_last or is_name_next or (not has_query and has_image_path(part.decode())):
            yield first, comma.start()
            first, has_query = done, False
    yield first, stop


def _embeds(body: bytes, masks: Sequence[tuple[int, int]], result: GrammarResult) -> None:
    for embed in _EMBED.finditer(body):
        is_web = _WEB.match(embed[1])
        if is_web and not is_within(embed.start(), masks):
            _add(body, *embed.span(1), Form.INLINE, result, "image")


def _components(body: bytes, masks: Sequence[tuple[int, int]], result: GrammarResult) -> None:
    for braces in _BRACES.finditer(body):
        before = body[max(0, braces.start() - _MAX_BEFORE) : braces.start()]
        component = _COMPONENT.search(before)
        if component and not _BLANK_LINE.search(braces[1]) and not is_within(braces.start(), masks):
            _attributes(body, *braces.span(1), component[1], result)


def _docfx(body: bytes, masks: Sequence[tuple[int, int]], result: GrammarResult) -> None:
    for image in _DOCFX.finditer(body):
        if not is_within(image.start(), masks):
            _attributes(body, *image.span(2), image[1], result)


def _attributes(body: bytes, start: int, stop: int, tag: bytes, result: GrammarResult) -> None:
    for attribute in _ATTRIBUTE.finditer(body, start, stop):
        span = attribute.span(attribute.lastindex or 0)
        _add(body, *span, Form.SHORTCODE, result, tag.decode(), attribute[1].decode())


def _properties(body: bytes, masks: Sequence[tuple[int, int]], result: GrammarResult) -> None:
    """Find the images in the YAML between `---` lines with which a component of Nuxt may begin."""
    for properties in _PROPERTIES.finditer(body):
        is_yaml = frontmatter.is_yaml_mapping(properties[1])
        if is_yaml and not is_within(properties.start(1), masks):
            frontmatter.find_in_tag(body, *properties.span(1), result)


def _colon_directives(body: bytes, masks: Sequence[tuple[int, int]], result: GrammarResult) -> None:
    for directive in _COLON_DIRECTIVE.finditer(body):
        if is_within(directive.end() - 1, masks):
            continue
        if directive[1] in IMAGE_DIRECTIVES:
            _add(body, *directive.span(2), Form.SHORTCODE, result, directive[1].decode())
        at = directive.end()
        while option := _OPTION.match(body, at):
            at = option.end()
            _add(body, *option.span(2), Form.SHORTCODE, result, option[1].decode())


def _fields(body: bytes, masks: Sequence[tuple[int, int]], result: GrammarResult) -> None:
    """Find the fields of Dataview whose key is one of pictures; others are text for readers."""
    for field in _FIELD.finditer(body):
        before = body[max(0, field.start() - _MAX_BEFORE) : field.start()]
        key = _FIELD_KEY.fullmatch(before.rpartition(b"\n")[2])
        name = key[1].decode(errors="replace") if key else ""
        is_web = _WEB.match(field[1])
        if is_web and is_picture_name(name) and not is_within(field.start(), masks):
            _add(body, *field.span(1), Form.FRONT_MATTER, result, name)


def _add(
    body: bytes, start: int, stop: int, form: Form, result: GrammarResult, *names: str
) -> None:
    named = form_by_name(form, body[start:stop].decode(), *names)
    if named and _WEB_OR_PATH.match(body, start, stop):
        result.add(body, start, stop, named, Quoting.LITERAL)
