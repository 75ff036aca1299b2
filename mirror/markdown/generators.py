"""URLs in what a site generator expands before or beside Markdown.

Hugo: `{{< name key="value" >}}` and `{{% … %}}`. Jekyll, Hexo and other Liquid or Nunjucks:
`{% name words %}`. Neither is Markdown, so the text outside of code is searched for them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from mirror.markdown.results import GrammarResult, is_within
from mirror.markdown.urls import form_by_name
from mirror.model import Form, Quoting

_OPENING = re.compile(rb"\{(?:\{([<%])|%)-?[ \t\r\n]*+(/?[A-Za-z_][\w.\-/]*+)")
# No tag holds the start of another or a blank line; `{%` in a formula stays a formula.
_END = re.compile(rb"[>%]\}\}|%\}|\{[{%]|\n[ \t]*+\r?\n")
_PARAMETER = re.compile(
    rb"(?:([\w.\-]+)[ \t\r\n]*=[ \t\r\n]*)?"
    rb"(?:\"((?:[^\"\\]|\\.)*)\"|'([^']*)'|`([^`]*)`|([^\s\"'`]+))",
    re.S,
)
_CODE_NAMES = frozenset(b"highlight codeblock".split())
_COMMENT_NAMES = frozenset(b"comment".split())
_RAW_NAMES = frozenset(b"raw verbatim".split())
_PAIRED = _CODE_NAMES | _COMMENT_NAMES | _RAW_NAMES


class _TemplateTag(NamedTuple):
    start: int
    stop: int
    is_hugo: bool
    name: bytes
    arguments: tuple[int, int]


def find(body: bytes, masks: Sequence[tuple[int, int]]) -> GrammarResult:
    """Find URLs in the tags outside of `masks`, which ascend.

    The result's `masks` are what tags turn into code or comments.
    """
    result = GrammarResult()
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
            if opened.name not in _RAW_NAMES:
                form = Form.COMMENT if opened.name in _COMMENT_NAMES else Form.CODE
                result.add_quoted(body, opened.start, tag.stop, form)
            opened = None
    return result


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
    for match in _PARAMETER.finditer(body, *tag.arguments):
        key, _, single, *_ = match.groups()
        start, stop = match.span(match.lastindex or 0)
        if tag.is_hugo and single is not None:
            continue  # no quotes to Hugo: the page shows something else
        if match.lastindex == 5:  # without quotes: Stellar's `{% image URL, alt=x %}`
            stop -= body.endswith(b",", start, stop)
        value = body[start:stop]
        if b"\\" in value:
            continue
        names = (tag.name.decode(), key.decode()) if key else (tag.name.decode(),)
        if form := form_by_name(Form.SHORTCODE, value.decode(), *names):
            result.add(body, start, stop, form, Quoting.LITERAL)
