"""URLs in YAML, TOML and JSON: front matter, data files, tags that hold YAML.

Each URL gets its span; nothing is serialised again. Every string that is a URL as a whole is
judged, whatever its key. Image URLs within longer text, such as an excerpt in HTML, are found and
not rewritten. YAML is read as a stream of events, so aliases, tags and deep nesting build nothing.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import yaml

from mirror.markdown.results import GrammarResult, Problem, UrlSpan, is_within, merge_ranges
from mirror.markdown.spelling import read
from mirror.markdown.urls import (
    form_by_name,
    has_image_path,
    is_absolute,
    is_below_picture,
    quoted_urls,
)
from mirror.model import Form, Quoting, Rule

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the parser in C is ten times as fast

_FENCED = re.compile(rb"(---|\+\+\+)[ \t]*(?:\r\n|\n|\r)")
_CLOSING = {
    b"---": re.compile(rb"(?<=[\r\n])(?:---|\.\.\.)[ \t]*(?=[\r\n]|\Z)"),
    b"+++": re.compile(rb"(?<=[\r\n])\+\+\+[ \t]*(?=[\r\n]|\Z)"),
}
# A first key that every YAML parser reads as one, which saves asking it.
_PLAIN_KEY = re.compile(rb"[A-Za-z_][\w-]*:[ \r\n]")
# The parser refuses these wherever they stand, and a tab before a key.
_REFUSED = re.compile(rb"[\x00-\x09\x0b\x0c\x0e-\x1f\x7f]")
_TOML_STATEMENT = re.compile(rb"(?:[ \t]*(?:#[^\n]*|\r)?\n)*([^\r\n]+)")
_JSON_OBJECT = re.compile(rb"\{\s*\"")
_WORTH_READING = re.compile(
    rb"(?i)//|\\/|\\u|\.(?:png|jp|gif|webp|avif|bmp|tif|ico|svg|apng|heic|jfif)"
)
# Hexo takes YAML that only a closing line ends, and JSON without braces up to `;;;`. Pelican and
# Python-Markdown take `Key: value` lines up to a blank line. A first key of posts tells them from
# a paragraph.
_POST_KEY = rb"(?i:title|layout|date|permalink|slug)"
_UNOPENED = re.compile(
    _POST_KEY + rb"[ \t]*:(?>(?s:.)*?\n(?=---[ \t]*\r?$|[ \t]*\r?$))"
    rb"(?:(?P<yaml>---[ \t]*(?=[\r\n]|\Z))|(?P<header>[ \t]*(?=[\r\n]|\Z)))",
    re.M,
)
_BARE_JSON = re.compile(rb"(?:;;;[ \t]*\r?\n)?(?=\s*\")")
_BARE_JSON_END = re.compile(rb"(?<=\n);;;+[ \t]*(?=[\r\n]|\Z)")
_COMMENT = re.compile(rb"(?:^|(?<=[ \t]))#[^\r\n]*", re.M)
# YAML takes 1 s a MiB: the front matter of a post a quarter of it at most, and a data file 16 s.
_MAX_BYTES = 1 << 18
_MAX_FILE_BYTES = 1 << 24
_MAX_DEPTH = 100  # collections in collections: no front matter is as deep, and each one is kept
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
    rb"^[ \t]*(?:-[ \t]+)?([\w.\x80-\xff-]+):[ \t]+"
    rb"(?:\"([^\"\\\r\n]+)\"|'([^'\r\n]+)'|([^\s\"'\[{&*!|>%@`#]\S*))[ \t]*(?:#[^\r\n]*)?\r?$",
    re.M,
)
# Obsidian's banner plugins take an embed for an address.
_EMBED = re.compile(r"!?\[\[([^\[\]|\s]+)(?:\|[^\[\]]*)?\]\]")
_JSON_TOKEN = re.compile(rb"\"([^\"\\]*(?:\\.[^\"\\]*)*)\"|[{}\[\],:]")
_TOML_TOKEN = re.compile(
    rb"#[^\n]*|\"\"\"(?P<escapes>(?:[^\"\\]|\\.|\"{1,2}(?!\"))*)\"\"\"|'''(?P<raws>(?:[^']|'{1,2}(?!'))*)'''"
    rb"|\"(?P<escape>[^\"\\\n]*(?:\\.[^\"\\\n]*)*)\"|'(?P<raw>[^'\n]*)'|[\[\]{}=,.\n]|[^\s\[\]{}=,.\"'#]+",
    re.S,
)


class FrontMatter(NamedTuple):
    """The range of the front matter in a post, and the offset of the body.

    The body begins at 0 where only some generators take the start of the post for front matter.
    """

    # "yaml", "toml", "json", "header"; "" for none, "unclosed" without an end
    kind: str
    start: int
    stop: int
    body: int


def split(source: bytes) -> FrontMatter:
    """Find the front matter, which can only be the very first thing in a post.

    The parser of its language decides: what it reads as anything but a mapping is Markdown.
    """
    if fence := _FENCED.match(source):
        kind, is_mapping = _FENCES[fence[1]]
        closing = _CLOSING[fence[1]].search(source, fence.end())
        stop = closing.start() if closing else len(source)
        if is_mapping(source[fence.end() : stop]):
            if closing:
                return FrontMatter(kind, fence.end(), stop, closing.end())
            return FrontMatter("unclosed", 0, stop, stop)
    elif _JSON_OBJECT.match(source):
        if (stop := _json_end(source)) < 0:
            return FrontMatter("unclosed", 0, len(source), len(source))
        return FrontMatter("json", 0, stop, stop)
    elif block := _bare_json(source) or _unopened(source):
        return block
    return FrontMatter("", 0, 0, 0)


def _bare_json(source: bytes) -> FrontMatter | None:
    opening = _BARE_JSON.match(source)
    closing = _BARE_JSON_END.search(source, opening.end()) if opening else None
    if opening is None or closing is None:
        return None
    try:
        json.loads(_in_braces(source[opening.end() : closing.start()]))
    except (ValueError, RecursionError):
        return None
    return FrontMatter("json", opening.end(), closing.start(), 0)


def _in_braces(text: bytes) -> bytes:
    return text if text.lstrip().startswith(b"{") else b"{" + text + b"}"


def _unopened(source: bytes) -> FrontMatter | None:
    block = _UNOPENED.match(source)
    kind = block.lastgroup if block else None
    if block is None or kind is None:
        return None
    stop = block.start(kind)
    if kind == "yaml" and not _is_valid_yaml(source[:stop]):
        return None
    return FrontMatter(kind, 0, stop, 0)


def _is_valid_yaml(text: bytes) -> bool:
    try:
        return is_yaml_mapping(text) and bool(list(_yaml_values(text)))
    except (ValueError, yaml.YAMLError):
        return False


def is_yaml_mapping(text: bytes) -> bool:
    """Return True if YAML begins with the key of a mapping. What follows may be broken."""
    if _PLAIN_KEY.match(text):
        return True
    try:
        events = yaml.parse(_REFUSED.sub(b" ", text), Loader=_LOADER)
        nodes = (event for event in events if isinstance(event, yaml.NodeEvent))
        if not isinstance(next(nodes, None), yaml.MappingStartEvent):
            return False
        # `{{ tag }}` is a mapping whose key is a mapping, `{: .class}` has an empty key.
        key = next(nodes, None)
        return isinstance(key, yaml.ScalarEvent) and key.value != ""
    except yaml.YAMLError:
        return False


def _is_toml_table(text: bytes) -> bool:
    """Return True if TOML begins with a table or a key. What follows may be broken."""
    statement = _TOML_STATEMENT.match(text)
    if not statement or statement[1].count(b".") > _MAX_DOTS:
        return False
    key, is_value, _ = statement[1].decode().partition("=")
    try:
        return bool(tomllib.loads(f"{key}= 0" if is_value else key))
    except (ValueError, RecursionError):
        return bool(is_value) and len(key.split()) == 1  # a broken key: `标题 =` needs quotes


_FENCES = {b"---": ("yaml", is_yaml_mapping), b"+++": ("toml", _is_toml_table)}


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
    if block.kind == "unclosed":
        message = "front matter is opened here and never closed, so the post stays as it is"
        result.problems.append(Problem(0, message, Rule.FRONT_MATTER_BROKEN))
    elif block.kind:
        text = source[block.start : block.stop]
        _find(result, text, block.start, block.kind, "front matter", _MAX_BYTES)
    return result


def find_in_file(source: bytes, kind: str) -> GrammarResult:
    """Find URLs in a data file, which is read as front matter is."""
    result = GrammarResult()
    _find(result, source, 0, kind, "the file", _MAX_FILE_BYTES)
    return result


def find_in_tag(source: bytes, start: int, stop: int, result: GrammarResult) -> None:
    """Find URLs in the YAML between a template tag and its end; they become shortcodes."""
    values = GrammarResult()
    _find(values, source[start:stop], start, "yaml", "the text of the tag", _MAX_BYTES)
    for item in values.urls:
        is_value = item.form is Form.FRONT_MATTER
        result.urls.append(item._replace(form=Form.SHORTCODE) if is_value else item)
    result.problems += values.problems


def _find(
    result: GrammarResult, text: bytes, offset: int, kind: str, name: str, max_bytes: int
) -> None:
    if not _WORTH_READING.search(text):
        return
    try:
        if len(text) > max_bytes:
            raise ValueError(f"longer than {max_bytes} bytes")
        values = list(_VALUES[kind](text))
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        message = f"{name} is no valid {kind.upper()} ({reason})"
        result.problems.append(Problem(offset, message, Rule.FRONT_MATTER_BROKEN))
        values = list(_lines(text)) if kind == "yaml" else []
    else:
        if kind in ("yaml", "toml"):
            _find_in_comments(result, text, offset, values)
    for value in values:
        _add_value(result, text, offset, value)


def _find_in_comments(
    result: GrammarResult, text: bytes, offset: int, values: Iterable[_StringValue]
) -> None:
    """Add the URLs in comments as quoted. A `#` behind a blank opens one, unless in a value."""
    strings = merge_ranges((value.start, value.stop) for value in values)
    comments = GrammarResult()
    for comment in _COMMENT.finditer(text):
        if not is_within(comment.start(), strings):
            comments.add_quoted(text, *comment.span(), Form.COMMENT)
    result.urls += [item.shifted(offset) for item in comments.urls]


class _StringValue(NamedTuple):
    """A string value: its key, its value by the parser, and the range that spells it."""

    key: str
    below_picture: bool
    value: str
    start: int
    stop: int
    quoting: Quoting


class _Collection:
    """An open mapping or sequence, and the key that the next value goes under.

    `below_picture`: a key above the collection is one of a picture.
    """

    def __init__(self, key: str, *, below_picture: bool, is_mapping: bool, is_flow: bool) -> None:
        self.key = key
        self.below_picture = below_picture
        self.is_mapping = is_mapping
        self.is_flow = is_flow
        self.expects_key = is_mapping

    def inner(self, *, is_mapping: bool, is_flow: bool = False) -> _Collection:
        """Return the collection that is the next value. A sequence hands its key on."""
        below = self.below_picture
        if self.is_mapping:
            below = is_below_picture(self.key, above=below)
        return _Collection(self.key, below_picture=below, is_mapping=is_mapping, is_flow=is_flow)


def _root() -> _Collection:
    return _Collection("", below_picture=False, is_mapping=False, is_flow=False)


def _add_value(result: GrammarResult, text: bytes, offset: int, item: _StringValue) -> None:
    key, below_picture, value, start, stop, quoting = item
    if embed := _EMBED.fullmatch(value.strip()):
        value, quoting = embed[1], Quoting.LITERAL
        start = text.find(b"[[", start, stop) + 2
        stop = start + len(value.encode())
    words = value.split()
    form = None
    if words:
        form = form_by_name(Form.FRONT_MATTER, words[0], key, below_picture=below_picture)
    if form is None or len(words) > 1:
        _add_urls_of_text(result, text, offset, value, start, stop)
    if form is None:
        return
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


def _add_urls_of_text(
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
        span = offset + at, offset + done
        result.urls.append(UrlSpan(*span, url.decode(), Form.AUTOLINK, Quoting.TEXT))


def _yaml_values(text: bytes) -> Iterator[_StringValue]:
    characters = text.decode()
    offsets = _Offsets(characters)
    open_ = [_root()]
    for event in yaml.parse(characters, Loader=_LOADER):
        if isinstance(event, yaml.CollectionEndEvent):
            open_.pop()
        elif isinstance(event, yaml.NodeEvent):
            collection = open_[-1]
            is_key = collection.expects_key
            if is_key:
                collection.key = getattr(event, "value", "")
            collection.expects_key = collection.is_mapping and not is_key
            if isinstance(event, yaml.CollectionStartEvent):
                if len(open_) > _MAX_DEPTH:
                    raise ValueError(f"nested more than {_MAX_DEPTH} deep")
                is_mapping = isinstance(event, yaml.MappingStartEvent)
                open_.append(
                    collection.inner(is_mapping=is_mapping, is_flow=bool(event.flow_style))
                )
            elif isinstance(event, yaml.ScalarEvent) and not is_key:
                yield _yaml_scalar(characters, event, collection, offsets)


class _Offsets:
    """Converter of ascending character offsets to UTF-8 offsets."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._characters = self._bytes = 0

    def __call__(self, offset: int) -> int:
        self._bytes += len(self._text[self._characters : offset].encode())
        self._characters = offset
        return self._bytes


def _yaml_scalar(text: str, event: Any, collection: _Collection, offsets: _Offsets) -> _StringValue:
    quoting = _YAML_STYLES[event.style or ""]
    if quoting is Quoting.YAML_PLAIN and collection.is_flow:
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
    below = collection.below_picture
    span = offsets(start), offsets(stop)
    return _StringValue(collection.key, below, event.value, *span, quoting)


def _lines(text: bytes) -> Iterator[_StringValue]:
    """Yield the `key: value` lines of text that is not valid YAML, such as a template."""
    for match in _YAML_LINE.finditer(text):
        group = match.lastindex or 0
        quoting = {2: Quoting.ESCAPED, 3: Quoting.SINGLE}.get(group, Quoting.YAML_PLAIN)
        key, value = match[1].decode(), match[group].decode()
        yield _StringValue(key, False, value, *match.span(group), quoting)


def _toml_values(text: bytes) -> Iterator[_StringValue]:
    if max(line.count(b".") for line in text.split(b"\n")) > _MAX_DOTS:
        raise ValueError(f"a line with more than {_MAX_DOTS} dots")
    strings = _strings_in(tomllib.loads(text.decode().replace("\r\n", "\n")))
    reader = _TomlReader()
    for token in _TOML_TOKEN.finditer(text):
        if token.lastgroup is None:
            reader.mark(token[0].decode())
            continue
        kind = token.lastgroup
        quoting = Quoting.LITERAL if kind.startswith("raw") else Quoting.ESCAPED
        value = " ".join(read(token[kind].decode(), quoting).split())
        if not reader.in_value:
            reader.keys.append(value)
        else:  # an empty range makes a problem of a value that the parser lacks
            span = token.span(kind) if value in strings else (token.start(), token.start())
            collection = reader.open[-1]
            yield _StringValue(collection.key, collection.below_picture, value, *span, quoting)


class _TomlReader:
    """State of a valid document between two tokens.

    `open` are the table of the last header and the arrays and inline tables in it; `keys` are
    the parts of a dotted key or of a header so far.
    """

    def __init__(self) -> None:
        self.open = [_collection_of([])]
        self.bases = [False]  # what `below_picture` is in each of `open`, before a dotted key
        self.keys: list[str] = []
        self.in_value = False

    def mark(self, piece: str) -> None:
        top = self.open[-1]
        match piece:
            case "=":
                self._assign()
            case "[" | "{" if self.in_value:
                self.open.append(top.inner(is_mapping=piece == "{"))
                self.bases.append(self.open[-1].below_picture)
                self.in_value = piece == "["
            case "]" if not self.in_value and len(self.open) == 1:
                if self.keys:  # the second of `]]` ends nothing
                    self.open = [_collection_of(self.keys)]
                    self.bases = [self.open[-1].below_picture]
                self.keys = []
            case "]" | "}":
                self.open.pop()
                self.bases.pop()
                self.keys, self.in_value = [], True
            case ",":
                self.keys, self.in_value = [], not top.is_mapping
            case "\n":
                if len(self.open) == 1:
                    self.keys, self.in_value = [], False
            case _ if piece not in ("[", ".") and not piece.startswith("#") and not self.in_value:
                self.keys.append(piece)

    def _assign(self) -> None:
        top, below = self.open[-1], self.bases[-1]
        *above, top.key = self.keys or [""]
        for key in above:
            below = is_below_picture(key, above=below)
        top.below_picture = below
        self.keys, self.in_value = [], True


def _collection_of(header: list[str]) -> _Collection:
    """Return the table of a header such as `[params.cover]`."""
    table = _Collection("", below_picture=False, is_mapping=True, is_flow=False)
    for key in header:
        table.below_picture = is_below_picture(key, above=table.below_picture)
    return table


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
    is_bare = text.lstrip().startswith(b'"')  # Hexo puts the braces around it
    json.loads(_in_braces(text) if is_bare else text)
    open_ = [_root().inner(is_mapping=True)] if is_bare else [_root()]
    for token in _JSON_TOKEN.finditer(text):
        top, piece = open_[-1], token[0]
        if piece in (b"{", b"["):
            open_.append(top.inner(is_mapping=piece == b"{"))
        elif piece in (b"}", b"]"):
            open_.pop()
        elif piece in (b",", b":"):
            top.expects_key = top.is_mapping and piece == b","
        else:
            value = json.loads(b'"' + token[1] + b'"')
            if top.expects_key:
                top.key = value
            else:
                below, span = top.below_picture, token.span(1)
                yield _StringValue(top.key, below, value, *span, Quoting.ESCAPED)


_VALUES = {
    "yaml": _yaml_values,
    "toml": _toml_values,
    "json": _json_values,
    "header": _lines,
}
