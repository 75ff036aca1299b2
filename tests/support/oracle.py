"""What may differ between a post and its rewritten self, judged without the code under test.

Two renderers that share no code (markdown-it-py, and cmark-gfm in C) draw both versions: the
pages must be the same but for addresses in attributes that hold addresses. Front matter is loaded
by its own parsers, and a walk over the characters finds whatever the pages do not show.
"""

from __future__ import annotations

import hashlib
import html
import json
import re
import tomllib
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any
from urllib.parse import unquote

import cmarkgfm
import yaml
from cmarkgfm.cmark import Options
from markdown_it import MarkdownIt

TARGET = re.compile(r"https://mirror\.test/[0-9a-f]{16}\.png")
# A tag of a site generator, as a page shows it that was made without the generator.
_GENERATOR_TAG = re.compile(
    r"\{\{(?:&lt;|<|%)(?:(?!\{[{%]).)*?(?:&gt;|>|%)\}\}|\{%(?:(?!\{[{%]).)*?%\}", re.S
)
_TAG = re.compile(r"""(<(?:[^<>"']|"[^"]*"|'[^']*')*>)""")
_FRONT_MATTER = re.compile(
    r"(---|\+\+\+)[ \t]*\r?\n(.*?)^(?:\1|\.\.\.)[ \t]*(?:\r?\n|\Z)", re.S | re.M
)
_URL_ATTRIBUTES = set(
    "src href srcset poster style background data-src data-original data-srcset data-lazy-src "
    "img image cover data-background".split()
)
_VERBATIM = {"pre", "code", "script", "style", "textarea", "template", "xmp", "title", "samp"}

_MARKDOWN_IT = MarkdownIt("commonmark").enable(["table", "strikethrough"])
_MARKDOWN_IT.normalizeLink = lambda url: url  # type: ignore[method-assign]
_MARKDOWN_IT.validateLink = lambda url: True  # type: ignore[method-assign]


def target(url: str) -> str:
    """The address that stands for `url` in these tests, however it is percent-encoded."""
    return f"https://mirror.test/{hashlib.sha256(unquote(url).encode()).hexdigest()[:16]}.png"


def markdown_it(text: str) -> str:
    return str(_MARKDOWN_IT.render(text))


def cmark(text: str) -> str:
    options = Options.CMARK_OPT_UNSAFE | Options.CMARK_OPT_FOOTNOTES
    return str(cmarkgfm.markdown_to_html_with_extensions(text, options, ["table", "strikethrough"]))


RENDERERS = {"markdown-it": markdown_it, "cmark-gfm": cmark}


def split(text: str) -> tuple[str, str, str]:
    """Kind and text of the front matter, and the body."""
    if match := _FRONT_MATTER.match(text):
        return {"---": "yaml", "+++": "toml"}[match[1]], match[2], text[match.end() :]
    if re.match(r"\{\s*\"", text):
        _, stop = json.JSONDecoder().raw_decode(text)
        return "json", text[:stop], text[stop:]
    return "", "", text


class _Parser(HTMLParser):
    def parse_marked_section(self, i: int, report: int = 1) -> int:
        """Take `<![…` for a bogus comment, as browsers do; the library gives up on it."""
        return self.parse_bogus_comment(i)


class _Images(_Parser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.verbatim: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        source = dict(reversed(attrs)).get("src")  # of two with one name the first counts
        if tag == "img" and source and not self.verbatim:
            self.found.append(source)
        if tag in _VERBATIM:
            self.verbatim.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if tag in self.verbatim:
            del self.verbatim[self.verbatim.index(tag) :]


def images(page: str) -> list[str]:
    """`src` of every picture a page shows, outside of code, in order."""
    if "<img" not in page.lower():  # the parser is slow
        return []
    parser = _Images()
    parser.feed(page)
    parser.close()
    return parser.found


def differences(before: str, after: str) -> Iterator[str]:
    """What is different and should not be. Nothing, for a rewrite to `target` of each URL."""
    kind, old_block, old_body = split(before)
    new_kind, new_block, new_body = split(after)
    if kind != new_kind:
        yield f"front matter was {kind or 'absent'} and is {new_kind or 'absent'}"
        return
    yield from _value_differences(_load(kind, old_block), _load(kind, new_block))
    for name, render in RENDERERS.items():
        for difference in _page_differences(render(old_body), render(new_body)):
            yield f"{name}: {difference}"
    yield from _walk_differences(before, after)


def _load(kind: str, block: str) -> Any:
    try:
        match kind:
            case "yaml":
                return yaml.load(block, Loader=yaml.BaseLoader)  # noqa: S506  (strings only)
            case "toml":
                return tomllib.loads(block.replace("\r\n", "\n"))
            case "json":
                return json.loads(block)
    except (yaml.YAMLError, ValueError):
        return None
    return None


def _value_differences(old: Any, new: Any) -> Iterator[str]:
    if isinstance(old, dict) and isinstance(new, dict) and list(old) == list(new):
        for key in old:
            yield from _value_differences(old[key], new[key])
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for pair in zip(old, new, strict=True):
            yield from _value_differences(*pair)
    elif old != new and not (isinstance(old, str) and new == target(old)):
        yield f"front matter: {old!r} became {new!r}"


def _page_differences(old: str, new: str) -> Iterator[str]:
    old_pieces, new_pieces = _TAG.split(old), _TAG.split(new)
    if len(old_pieces) != len(new_pieces):
        yield f"{len(old_pieces)} pieces of HTML became {len(new_pieces)}"
        return
    for a, b in zip(old_pieces, new_pieces, strict=True):
        if a == b or (a.startswith("<") and _is_same_tag(a, b)):
            continue
        if _GENERATOR_TAG.sub("{}", a) != _GENERATOR_TAG.sub("{}", b):
            yield f"{a!r} became {b!r}"


class _Tag(_Parser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.seen: list[tuple[str, list[tuple[str, str | None]]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, attrs))


def _is_same_tag(old: str, new: str) -> bool:
    if old.startswith("<!--"):
        return False
    a, b = _Tag(old).seen, _Tag(new).seen
    if len(a) != 1 or len(b) != 1 or a[0][0] != b[0][0] or len(a[0][1]) != len(b[0][1]):
        return False
    return all(
        name == other and (value == changed or _is_mapped(name, value, changed))
        for (name, value), (other, changed) in zip(a[0][1], b[0][1], strict=True)
    )


def _is_mapped(name: str, old: str | None, new: str | None) -> bool:
    if name not in _URL_ATTRIBUTES or not old or not new:
        return False
    if name in ("srcset", "style"):  # the new value, with the old addresses put back
        pieces = re.split(TARGET, new)
        return re.fullmatch(r"(\S+?)".join(map(re.escape, pieces)), old, re.S) is not None
    return new.strip() == target(old.strip())


def _walk_differences(before: str, after: str) -> Iterator[str]:
    at = done = 0
    for new in [*TARGET.finditer(after), None]:
        stop = new.start() if new else len(after)
        kept = after[done:stop]
        if before[at : at + len(kept)] != kept:
            yield f"the text before character {stop} is not what it was: {kept[-60:]!r}"
            return
        at += len(kept)
        if new is None:
            if at != len(before):
                yield f"the end differs: {before[at : at + 60]!r}"
            return
        done = new.end()
        if before.startswith(new[0], at):
            at += len(new[0])
            continue
        length = _spelling(before, at, new[0])
        if not length:
            yield f"{before[at : at + 60]!r} does not spell the source of {new[0]}"
            return
        at += length


def _spelling(text: str, at: int, new: str) -> int:
    """Length of the longest URL spelled at this place whose target is `new`, or 0.

    The longest, because `&` and `&amp` say what `&amp;` says.
    """
    best = 0
    for length in range(1, 4000):
        if at + length > len(text) or (best and length > best + 9):
            break
        written = text[at : at + length]
        unescaped = re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", written)
        readings = {written, html.unescape(written), html.unescape(unescaped)}
        if new in map(target, readings):
            best = length
    return best
