"""URLs in front matter: YAML, TOML and JSON. Each URL gets its span; nothing is serialised again.

Every string that is a URL as a whole is judged, whatever its key. Image URLs within longer text,
such as an excerpt in HTML, are found and not rewritten. YAML is read as a stream of
events, so aliases, tags and deep nesting build nothing.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from typing import Any, NamedTuple

import yaml

from mirror.markdown.results import GrammarResult, Problem, UrlSpan
from mirror.markdown.spelling import read
from mirror.markdown.urls import form_by_name, has_image_path, is_absolute, quoted_urls
from mirror.model import Form, Quoting, Rule

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the parser in C is ten times as fast

_FENCED = re.compile(rb"(---|\+\+\+)[ \t]*(?:\r\n|\n|\r)")
_CLOSING = {
    b"---": re.compile(rb"(?<=[\r\n])(?:---|\.\.\.)[ \t]*(?=[\r\n]|\Z)"),
    b"+++": re.compile(rb"(?<=[\r\n])\+\+\+[ \t]*(?=[\r\n]|\Z)"),
}
# What follows a fence in front matter; after a thematic break there is a paragraph, or whatever.
_FIRST_KEY = re.compile(rb"(?:[ \t]*(?:#[^\r\n]*)?(?:\r\n|\n|\r))*[\w\"'-][^\r\n:=]*[:=]")
_JSON_OBJECT = re.compile(rb"\{\s*\"")
_WORTH_READING = re.compile(
    rb"(?i)//|\\/|\\u|\.(?:png|jp|gif|webp|avif|bmp|tif|ico|svg|apng|heic|jfif)"
)
_MAX_BYTES = 1 << 18
_MAX_DEPTH = 100
_MAX_DOTS = 200  # in a line of TOML; dotted keys cost their parser the square of it

_YAML_STYLES = {
    "": Quoting.YAML_PLAIN,
    "'": Quoting.SINGLE,
    '"': Quoting.ESCAPED,
    "|": Quoting.LITERAL,
    ">": Quoting.LITERAL,
}
# Blanks and line ends around an address in a string; a `\` takes a line end out of it.
_PADDING = re.compile(rb"(?:\\?[ \t\r\n])*+")
_YAML_LINE = re.compile(
    rb"^[ \t]*(?:-[ \t]+)?([\w.-]+):[ \t]+"
    rb"(?:\"([^\"\\\r\n]+)\"|'([^'\r\n]+)'|([^\s\"'\[{&*!|>%@`#]\S*))[ \t]*(?:#[^\r\n]*)?\r?$",
    re.M,
)
_JSON_STRING = re.compile(rb"\"([^\"\\]*(?:\\.[^\"\\]*)*)\"(\s*:)?")
_TOML_TOKEN = re.compile(
    rb"#[^\n]*|\"\"\"(?P<escapes>(?:[^\"\\]|\\.|\"{1,2}(?!\"))*)\"\"\"|'''(?P<raws>(?:[^']|'{1,2}(?!'))*)'''"
    rb"|\"(?P<escape>[^\"\\\n]*(?:\\.[^\"\\\n]*)*)\"|'(?P<raw>[^'\n]*)'|[\[\]{}=,.\n]|[^\s\[\]{}=,.\"'#]+",
    re.S,
)


class FrontMatter(NamedTuple):
    """The range of the front matter in a post, and the offset of the body."""

    kind: str  # "yaml", "toml", "json"; "" for none, "half" for one that is opened and not closed
    start: int
    stop: int
    body: int


def split(source: bytes) -> FrontMatter:
    """Find the front matter, which can only be the very first thing in a post."""
    if fence := _FENCED.match(source):
        closing = _CLOSING[fence[1]].search(source, fence.end())
        stop = closing.start() if closing else len(source)
        if _FIRST_KEY.match(source, fence.end(), stop):
            kind = "yaml" if fence[1] == b"---" else "toml"
            if closing:
                return FrontMatter(kind, fence.end(), stop, closing.end())
            return FrontMatter("half", 0, stop, stop)
    elif _JSON_OBJECT.match(source):
        if (stop := _json_end(source)) < 0:
            return FrontMatter("half", 0, len(source), len(source))
        return FrontMatter("json", 0, stop, stop)
    return FrontMatter("", 0, 0, 0)


def _json_end(source: bytes) -> int:
    """Return the end of the first object, or -1 if its braces never balance."""
    depth = 0
    for token in re.finditer(rb"\"[^\"\\]*(?:\\.[^\"\\]*)*\"|[{}]|\"", source, re.S):
        if token[0] == b'"':
            break
        depth += {b"{": 1, b"}": -1}.get(token[0], 0)
        if not depth:
            return token.end()
    return -1


def find(source: bytes, block: FrontMatter) -> GrammarResult:
    """Find URLs in the front matter.

    Front matter that its parser refuses is a problem; YAML is then searched line by line.
    """
    result = GrammarResult()
    if block.kind == "half":
        message = "front matter is opened here and never closed, so the post stays as it is"
        result.problems.append(Problem(0, message, Rule.FRONT_MATTER_BROKEN))
    elif _WORTH_READING.search(source, block.start, block.stop):
        text = source[block.start : block.stop]
        try:
            if len(text) > _MAX_BYTES:
                raise ValueError(f"longer than {_MAX_BYTES} bytes")
            values = list(_VALUES[block.kind](text))
        except (ValueError, RecursionError, yaml.YAMLError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            message = f"front matter is no valid {block.kind.upper()} ({reason})"
            result.problems.append(Problem(block.start, message, Rule.FRONT_MATTER_BROKEN))
            values = list(_lines(text)) if block.kind == "yaml" else []
        _judge(result, text, block.start, values)
    return result


class _StringValue(NamedTuple):
    """A string value: its key, its value by the parser, and the range that spells it."""

    key: str
    value: str
    start: int
    stop: int
    quoting: Quoting


def _judge(result: GrammarResult, text: bytes, offset: int, values: list[_StringValue]) -> None:
    for key, value, start, stop, quoting in values:
        words = value.split()
        form = form_by_name(Form.FRONT_MATTER, words[0], key) if words else None
        if form is None or len(words) > 1:
            _judge_text(result, text, offset, value, start, stop)
        if form is None:
            continue
        if padding := _PADDING.match(text, start, stop):
            start = padding.end()
        stop = start + len(text[start:stop].rstrip())
        if len(words) == 1 and read(text[start:stop].decode(), quoting) == words[0]:
            result.urls.append(UrlSpan(offset + start, offset + stop, words[0], form, quoting))
        elif len(words) == 1:
            message = "the address in the front matter could not be located, so it stays"
            result.problems.append(Problem(offset + start, message))
        elif is_absolute(words[0]) and (form is not Form.LINK or has_image_path(words[-1])):
            message = "an address in the front matter is followed by more text, so it stays"
            result.problems.append(Problem(offset + start, message))


def _judge_text(
    result: GrammarResult, text: bytes, offset: int, value: str, start: int, stop: int
) -> None:
    """Find image URLs within longer text, such as an excerpt."""
    words = value.encode()
    done = start
    for first, last in quoted_urls(words, 0, len(words)):
        url = words[first:last]
        at = text.find(url, done, stop)
        if at < 0:
            message = "an image is named in the front matter with escapes: it is not mirrored"
            result.problems.append(Problem(offset + start, message))
            return
        done = at + len(url)
        stands = (offset + at, offset + done)
        result.urls.append(UrlSpan(*stands, url.decode(), Form.AUTOLINK, Quoting.TEXT))


def _yaml_values(text: bytes) -> Iterator[_StringValue]:
    characters = text.decode()
    offsets = _Offsets(characters)
    open_: list[_Collection] = []
    for event in yaml.parse(characters, Loader=_LOADER):
        if isinstance(event, yaml.CollectionEndEvent):
            open_.pop()
        elif isinstance(event, yaml.NodeEvent):
            is_key, key = open_[-1].take(event) if open_ else (False, "")
            if isinstance(event, yaml.CollectionStartEvent):
                if len(open_) == _MAX_DEPTH:
                    raise ValueError(f"nested more than {_MAX_DEPTH} deep")
                is_mapping = isinstance(event, yaml.MappingStartEvent)
                open_.append(_Collection(is_mapping, bool(event.flow_style), key))
            elif isinstance(event, yaml.ScalarEvent) and not is_key:
                in_flow = bool(open_) and open_[-1].is_flow
                yield _yaml_scalar(characters, event, key, in_flow, offsets)


class _Collection:
    """An open mapping or sequence, and the key that the next value goes under."""

    def __init__(self, is_mapping: bool, is_flow: bool, key: str) -> None:
        self.is_mapping = is_mapping
        self.is_flow = is_flow
        self.key = key
        self.expects_key = is_mapping

    def take(self, event: Any) -> tuple[bool, str]:
        """Return True if the node is a key, and the key that the node belongs to."""
        if not self.is_mapping:
            return False, self.key
        is_key, self.expects_key = self.expects_key, not self.expects_key
        if is_key:
            self.key = getattr(event, "value", "")
        return is_key, self.key


class _Offsets:
    """Converter of ascending character offsets to UTF-8 offsets."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._characters = self._bytes = 0

    def __call__(self, offset: int) -> int:
        self._bytes += len(self._text[self._characters : offset].encode())
        self._characters = offset
        return self._bytes


def _yaml_scalar(text: str, event: Any, key: str, in_flow: bool, offsets: _Offsets) -> _StringValue:
    quoting = _YAML_STYLES[event.style or ""]
    if quoting is Quoting.YAML_PLAIN and in_flow:
        quoting = Quoting.YAML_FLOW
    # The mark is before an anchor, a tag or the `>-` of a block, and behind the blanks that follow.
    piece = text[event.start_mark.index : event.end_mark.index].rstrip()
    stop = event.start_mark.index + len(piece)
    if event.style in ("'", '"'):
        start = event.start_mark.index + piece.find(event.style) + 1
        stop -= 1
    else:
        value = event.value.strip()
        start = stop - len(value) if piece.endswith(value) else event.start_mark.index
    return _StringValue(key, event.value, offsets(start), offsets(stop), quoting)


def _lines(text: bytes) -> Iterator[_StringValue]:
    """Return the `key: value` lines of text that is not valid YAML, such as a template."""
    for match in _YAML_LINE.finditer(text):
        group = match.lastindex or 0
        quoting = {2: Quoting.ESCAPED, 3: Quoting.SINGLE}.get(group, Quoting.YAML_PLAIN)
        yield _StringValue(match[1].decode(), match[group].decode(), *match.span(group), quoting)


def _toml_values(text: bytes) -> Iterator[_StringValue]:
    if max(line.count(b".") for line in text.split(b"\n")) > _MAX_DOTS:
        raise ValueError(f"a line with more than {_MAX_DOTS} dots")
    strings = _strings_in(tomllib.loads(text.decode().replace("\r\n", "\n")))
    key = word = ""
    depth, in_value = 0, False
    for token in _TOML_TOKEN.finditer(text):
        kind, piece = token.lastgroup, token[0]
        if kind is None:
            if piece in (b"[", b"{"):
                depth += in_value
            elif piece in (b"]", b"}"):
                depth -= in_value
            elif piece == b"=":
                key, in_value = word, True
            elif piece == b"\n":
                in_value = in_value and depth > 0
            elif piece not in (b".", b",") and not piece.startswith(b"#"):
                word = piece.decode()
            continue
        quoting = Quoting.LITERAL if kind.startswith("raw") else Quoting.ESCAPED
        value = " ".join(read(token[kind].decode(), quoting).split())
        follows = text[token.end() : token.end() + 80].lstrip(b" \t")
        if not in_value or follows.startswith((b"=", b".")):
            word = value
        else:  # an empty range makes a problem of a value that the parser lacks
            span = token.span(kind) if value in strings else (token.start(), token.start())
            yield _StringValue(key, value, *span, quoting)


def _strings_in(value: Any) -> set[str]:
    """Return all strings of a document, with each run of white space as one blank."""
    strings: set[str] = set()
    todo = [value]
    while todo:
        match todo.pop():
            case str() as text:
                strings.add(" ".join(text.split()))
            case dict() as table:
                todo += table.values()
            case list() as array:
                todo += array
    return strings


def _json_values(text: bytes) -> Iterator[_StringValue]:
    json.loads(text)
    key = ""
    for token in _JSON_STRING.finditer(text):
        value = json.loads(b'"' + token[1] + b'"')
        if token[2]:
            key = value
        else:
            yield _StringValue(key, value, *token.span(1), Quoting.ESCAPED)


_VALUES = {"yaml": _yaml_values, "toml": _toml_values, "json": _json_values}
