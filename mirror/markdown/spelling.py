"""Spelling of a URL in each syntax of a post, and the reading of such spelling.

`read(spell(url, quoting), quoting) == url`. A character that could end the syntax, or pair with a
stray mark before the URL, is written as an escape.
"""

from __future__ import annotations

import html
import re
from html.entities import html5

from mirror.markdown.urls import has_image_path
from mirror.model import Quoting

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_ENTITY = re.compile(r"&(?:#(\d{1,7})|#[xX]([0-9a-fA-F]{1,6})|([A-Za-z][A-Za-z0-9]*));")
_MARKDOWN_ESCAPE = re.compile(rf"\\([!-/:-@\[-`{{-~])|{_ENTITY.pattern}")
_ATTRIBUTE_ENTITY = re.compile(
    r"&(?:#[0-9]+;?|#[xX][0-9a-fA-F]+;?|([A-Za-z][A-Za-z0-9]*+)(;|(?!=)))"
)
_CSS_ESCAPE = re.compile(r"\\(?:([0-9a-fA-F]{1,6})[ \t\n\f\r]?|\r?\n|[\f\r]|(.))")
_STRING_ESCAPE = re.compile(
    r"\\(?:u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|x([0-9a-fA-F]{2})|u\{([0-9a-fA-F]{1,6})\}"
    r"|\r?\n[ \t]*|(.))"  # at the end of a line the string goes on in the next
)
_STRING_LETTERS = {"a": "\a", "b": "\b", "t": "\t", "n": "\n", "v": "\v", "f": "\f", "r": "\r"}

# Characters that get an escape. Markdown: they open or close code, HTML, brackets, table cells and
# template tags, also for a mark that stands before the URL. Brackets and braces pair with others.
_MARKDOWN_MARKS = r"<>\[\]{}|`\\\"'"
_AMBIGUOUS = r"&(?=#[0-9xX]|[A-Za-z][A-Za-z0-9]*;)"
_MARKS = {
    Quoting.BARE: re.compile(rf"[ {_MARKDOWN_MARKS}]|{_AMBIGUOUS}"),
    Quoting.ANGLE: re.compile(rf"[{_MARKDOWN_MARKS}]|{_AMBIGUOUS}"),
    Quoting.HTML: re.compile(r"[&\"'<>`{}|]"),
    Quoting.HTML_BARE: re.compile(r"[ &\"'<>`{}|=]"),
    Quoting.SRCSET: re.compile(r"[&\"'<>`{}|=]"),
}
_CSS_MARKS = re.compile(r"[ &\"'<>`{}|=()\\]")
_STRING_MARKS = re.compile(r"[\"'`\\{}]")
# No escape exists here, so nothing may occur that could end the string or the word.
_LITERAL = re.compile(r"[^\s\"'`\\{}<>|]+")
_PLAIN = re.compile(r"(?=[^?#]*[A-Za-z/\u0080-\uffff])[A-Za-z0-9/._~\u00a1-\U0010ffff]\S*[^\s:]")
_FLOW_INDICATOR = re.compile(r"[,\[\]{}]")
_MAX_PARENTHESES = 8  # parsers give up at 32


def spell(url: str, quoting: Quoting) -> str:
    """Return `url` as it must be written in that syntax.

    Raise `ValueError` for an empty URL, control characters, and what the syntax cannot say.
    """
    if not url or _CONTROL.search(url):
        raise ValueError("a URL in a post is not empty and holds no control character")
    match quoting:
        case Quoting.BARE:
            text = _with_entities(url, quoting)
            return text if _is_balanced(url) else text.replace("(", "&#40;").replace(")", "&#41;")
        case Quoting.ANGLE | Quoting.HTML | Quoting.HTML_BARE:
            return _with_entities(url, quoting)
        case Quoting.SRCSET:
            _require(not re.search(r"\s|^,|,$", url), quoting)
            return _with_entities(url, quoting)
        case Quoting.STYLE:
            return _CSS_MARKS.sub(lambda m: f"\\{ord(m[0]):06x}", url)
        case Quoting.ESCAPED:
            return _STRING_MARKS.sub(lambda m: f"\\u{ord(m[0]):04x}", url)
        case Quoting.SINGLE:
            return url.replace("'", "''")
        case Quoting.YAML_PLAIN:
            _require(_is_plain(url), quoting)
        case Quoting.YAML_FLOW:
            _require(_is_plain(url) and not _FLOW_INDICATOR.search(url), quoting)
        case Quoting.LITERAL:
            _require(is_word(url), quoting)
        case Quoting.TEXT:
            _require(not re.search(r"[\s<>]", url), quoting)
    return url


def read(text: str, quoting: Quoting) -> str:
    """Return the URL that `text` spells in that syntax."""
    match quoting:
        case Quoting.BARE | Quoting.ANGLE:
            return _MARKDOWN_ESCAPE.sub(_markdown_character, text) if _has_escape(text) else text
        case Quoting.HTML | Quoting.HTML_BARE | Quoting.SRCSET:
            return _ATTRIBUTE_ENTITY.sub(_attribute_character, text) if "&" in text else text
        case Quoting.STYLE:
            return _CSS_ESCAPE.sub(_css_character, read(text, Quoting.HTML))
        case Quoting.ESCAPED:
            return _read_string(text)
        case Quoting.SINGLE:
            return text.replace("''", "'")
        case Quoting.YAML_PLAIN | Quoting.YAML_FLOW | Quoting.LITERAL | Quoting.TEXT:
            return text


def is_word(url: str) -> bool:
    """Return True if every kind of string spells the URL as it is, in one word."""
    return _LITERAL.fullmatch(url) is not None


def _require(holds: bool, quoting: Quoting) -> None:
    if not holds:
        raise ValueError(f"the URL cannot be written as a {quoting.value}")


def _with_entities(url: str, quoting: Quoting) -> str:
    return _MARKS[quoting].sub(lambda m: "&amp;" if m[0] == "&" else f"&#{ord(m[0])};", url)


def _is_balanced(url: str) -> bool:
    depth = deepest = 0
    for mark in re.findall(r"[()]", url):
        depth += 1 if mark == "(" else -1
        deepest = max(deepest, depth)
        if depth < 0:
            return False
    return depth == 0 and deepest <= _MAX_PARENTHESES


def _is_plain(url: str) -> bool:
    # Without a slash or a file name it may be a number, a date or a boolean to YAML.
    return _PLAIN.fullmatch(url) is not None and ("/" in url or has_image_path(url))


def _has_escape(text: str) -> bool:
    return "\\" in text or "&" in text


def _character(code: int) -> str:
    valid = 0 < code < 0x110000 and not 0xD800 <= code < 0xE000
    return chr(code) if valid else "\ufffd"


def _markdown_character(match: re.Match[str]) -> str:
    escaped, decimal, hexadecimal, name = match.groups()
    if escaped:
        return escaped
    if name:
        return html5.get(name + ";", match[0])
    return _character(int(decimal) if decimal else int(hexadecimal, 16))


def _attribute_character(match: re.Match[str]) -> str:
    # In an attribute a name without its semicolon counts only where no `=`, letter or digit
    # follows, so that `?a=1&copy=2` and `&param=1` stay what they are.
    name, semicolon = match.groups()
    if name is None:
        return html.unescape(match[0])
    return html5.get(name + semicolon, match[0])


def _css_character(match: re.Match[str]) -> str:
    code, character = match.groups()
    if code:
        return _character(int(code, 16))
    return character or ""  # an escaped line end is nothing


def _read_string(text: str) -> str:
    if "\\" not in text:
        return text
    decoded = _STRING_ESCAPE.sub(_string_character, text)
    # \ud83d\ude00: two escapes, one character.
    return decoded.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _string_character(match: re.Match[str]) -> str:
    *codes, letter = match.groups()
    if letter:
        return _STRING_LETTERS.get(letter, letter)
    digits = next(filter(None, codes), None)
    if digits is None:
        return ""
    code = int(digits, 16)
    return chr(code) if code < 0x110000 else "\ufffd"
