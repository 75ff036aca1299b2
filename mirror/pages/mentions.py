"""Every place of a text that spells an address of a source, however it is spelled."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Iterable, Iterator, Sequence
from enum import Enum
from heapq import merge
from operator import itemgetter
from typing import NamedTuple
from urllib.parse import unquote

from mirror.markdown import (
    DRAWN_LANGUAGES,
    Attribute,
    HtmlTag,
    is_drawn_language,
    read,
    tags,
    trimmed,
)
from mirror.model import Quoting
from mirror.pages.pictures import is_page_link, is_shown_address, names_picture
from mirror.urls.address import Url, parse
from mirror.urls.sources import Source


class Mention(NamedTuple):
    """A place of a text that spells an address of a source: half-open range of bytes."""

    start: int
    stop: int
    url: Url


# `/` and `:` as HTML, percent-encoding (also of what is encoded), JSON and JavaScript spell them.
_SLASH = rb"(?:\\?/|%(?:25){0,4}2f|&#(?:0{0,4}47|x0{0,4}2f);?|&sol;|\\u002f|\\x2f)"
_COLON = rb"(?:\\?:|%(?:25){0,4}3a|&#(?:0{0,4}58|x0{0,4}3a);?|&colon;|\\u003a|\\x3a)"
_BEFORE_HOST = re.compile(
    rb"(?:https?" + _COLON + rb")?" + _SLASH + rb"{2}(?:[^\s/\"'<>@]{1,200}@)?\Z"
)
# A host without a scheme in another address, as image proxies take it: `?url=host/a.png`, and of
# WordPress and Statically `https://i0.wp.com/host/a.png`.
_WITHIN = re.compile(
    rb"(?:" + _SLASH + rb"){2}(?:[^\s\"'<>]{2,250}(?:=|%(?:25){0,4}3d)"
    rb"|i[0-3]\.wp\.com" + _SLASH + rb"|cdn\.statically\.io" + _SLASH + rb"img" + _SLASH + rb")\Z"
)
_BEFORE_BYTES = 300  # more than the longest text that the pattern takes
_AFTER_HOST = re.compile(rb"(?![a-z0-9_-]|\.[a-z0-9])")
_MAX_REST = 1000  # bytes: no address of a picture is longer, and a hostile text is read once
# The rest of an address ends at blanks, quotes, brackets, CJK punctuation and quotes in HTML.
_REST = re.compile(
    rb"(?>(?:[^\x00-\x20\x7f<>\"'`\\^{}|\[\]&\x80-\xff]++"
    rb"|\\/|\\u00(?!0|1|2[027]|3[ce])[0-9a-f]{2}|&(?!(?:quot|lt|gt|apos|#0?3[49]|#6[02]|#x2[27]|#x3[ce]);)"
    rb"|(?!\xe2\x80|\xe3\x80|\xef[\xbc\xbd])[\xc2-\xf4][\x80-\xbf]{1,3})*)",
    re.I,
)
# Encoded as one parameter of another address, it ends where that parameter does.
_ENCODED_REST = re.compile(rb"(?>(?:[a-z0-9._~!*-]++|%[0-9a-f]{2})*)", re.I)
_PART_REST = re.compile(rb"[^\x00-\x20\x7f<>\"'`\\^{}|\[\]&]*+")
_ENCODED_SLASH = re.compile("%(?:25)*2f", re.I)
_JSON_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|([/:]))")


# Documents inside of an address, which browsers read as style sheet, page or script. An SVG is not
# among them: inside of a picture it may ask for nothing.
_DOCUMENT = re.compile(
    rb"data:(?:text/(?:css|html|javascript)|application/(?:(?:x-)?javascript|xhtml\+xml))"
    rb"(?:;[^\s,;\"'<>]{0,100}){0,3};base64,(?P<body>[a-z0-9+/_-]++)",
    re.I,
)

# What stands before an address without a host: nothing, a quote, `(`, `=`, `,`, `>` or a blank.
_BEFORE_ROOTED = rb"(?:(?<![^\"'(=,>`\s])|(?<=&quot;))"


def without_overlaps(mentions: Iterable[Mention]) -> Iterator[Mention]:
    """Yield the mentions, which come in order, but for those that begin within one before."""
    done = 0
    for mention in mentions:
        if mention.start >= done:
            done = mention.stop
            yield mention


class MentionFinder:
    """Finds addresses of sources in any text. Takes time in proportion to the text.

    So it finds those that begin with one of `others`: an http(s) URL, or a path from the root.
    """

    def __init__(self, sources: Iterable[Source], others: Iterable[str] = ()) -> None:
        texts = [*(text for source in sources for text in source.match), *others]
        matches = (parse(text) for text in texts)
        self._prefixes = [(parts.host, parts.path) for parts in matches if parts is not None]
        rooted = {text for text in texts if re.match(r"/[^/]", text)}
        self._rooted = _rooted_pattern(rooted) if rooted else None
        self._path_chars = 3 * max((len(path) for _, path in self._prefixes), default=0)
        names = {host.partition(":")[0] for host, _ in self._prefixes}
        self._hosts = {name.encode() for host in names for name in (host, _unicode_host(host))}

    def find(self, text: bytes) -> Iterator[Mention]:
        """Return the mentions in UTF-8 text, in order and without overlaps."""
        ways = (self._with_host(text), self._without_host(text), self._in_documents(text))
        return without_overlaps(merge(*ways, key=itemgetter(0)))

    def _without_host(self, text: bytes) -> Iterator[Mention]:
        for match in self._rooted.finditer(text) if self._rooted is not None else ():
            yield _read(text, match.start(), match.end())

    def _in_documents(self, text: bytes) -> Iterator[Mention]:
        """Yield the first mention of each `data:` address of a document in Base64."""
        for match in _DOCUMENT.finditer(text):
            body = match["body"]
            whole = body[: len(body) - (len(body) % 4 == 1)]  # one digit too many is no byte
            document = b64decode(whole + b"===", altchars=b"-_")
            if (mention := next(self.find(document), None)) is not None:
                yield Mention(match.start(), match.end(), mention.url)

    def _with_host(self, text: bytes) -> Iterator[Mention]:
        lower = text.lower()  # as long: only ASCII letters change
        done = 0
        for start, stop in merge(*(_places(lower, host) for host in self._hosts)):
            if start < done or not _AFTER_HOST.match(lower, stop):
                continue
            first = max(done, start - _BEFORE_BYTES)
            before = _BEFORE_HOST.search(lower[first:start])
            if before is not None:
                mention = _read(text, first + before.start(), stop)
            elif _WITHIN.search(lower[first:start]):
                mention = _read_within(text, start, stop)
            else:
                continue
            if self._is_of_source(mention.url):
                done = mention.stop
                yield mention

    def _is_of_source(self, url: Url) -> bool:
        path = url.raw.find("/", url.raw.find("//") + 2)
        # As far as a prefix can reach, each of its bytes percent-encoded: a path may be long.
        parts = parse(url.raw[: path + self._path_chars] if path >= 0 else url.raw)
        return parts is not None and any(
            parts.host == host and parts.path.startswith(path) for host, path in self._prefixes
        )

    def may_be_in(self, text: bytes) -> bool:
        """Return False only if no address of a source can be in these bytes of any encoding."""
        lower = text.lower()
        return (
            text[:2] in (b"\xff\xfe", b"\xfe\xff")
            or any(host in lower for host in self._hosts)
            or (self._rooted is not None and self._rooted.search(text) is not None)
            or (b";base64," in lower and next(self._in_documents(text), None) is not None)
        )


def _rooted_pattern(prefixes: Iterable[str]) -> re.Pattern[bytes]:
    """Return what finds paths that begin with one of `prefixes`, also with slashes as in JSON."""
    paths = (re.escape(prefix.rstrip("/") + "/").replace("/", r"\\?/") for prefix in prefixes)
    return re.compile(_BEFORE_ROOTED + b"(?:" + "|".join(paths).encode() + b")")


def _places(text: bytes, word: bytes) -> Iterator[tuple[int, int]]:
    at = text.find(word)
    while at >= 0:
        yield at, at + len(word)
        at = text.find(word, at + len(word))


def _unicode_host(host: str) -> str:
    """The name as people write it: `xn--…` decoded."""
    try:
        return ".".join(
            label[4:].encode().decode("punycode") if label.startswith("xn--") else label
            for label in host.split(".")
        )
    except UnicodeError:
        return host


def _read(text: bytes, start: int, host_stop: int) -> Mention:
    """Read the address that starts at `start` and whose host ends at `host_stop`."""
    is_encoded = _ENCODED_SLASH.search(text[start:host_stop].decode()) is not None
    rest = (_ENCODED_REST if is_encoded else _REST).match(text, host_stop, host_stop + _MAX_REST)
    stop = rest.end() if rest else host_stop
    stop = trimmed(text, start, stop)
    kept = text[start:stop].decode(errors="replace")
    if is_encoded:
        kept = _unquoted(kept)
    if "\\" in kept:
        kept = _JSON_ESCAPE.sub(lambda m: m[3] or chr(int(m[1] or m[2], 16)), kept)
    return Mention(start, stop, Url(read(kept, Quoting.HTML)))


def _read_within(text: bytes, start: int, host_stop: int) -> Mention:
    """Read an address without a scheme that stands in another one and ends where its part does."""
    is_encoded = _ENCODED_SLASH.match(text[host_stop : host_stop + _BEFORE_BYTES].decode("latin-1"))
    end = _ENCODED_REST if is_encoded else _PART_REST
    rest = end.match(text, host_stop, host_stop + _MAX_REST)
    stop = rest.end() if rest else host_stop
    kept = text[start:stop].decode(errors="replace")
    kept = _unquoted(kept) if is_encoded else kept
    return Mention(start, stop, Url("//" + read(kept, Quoting.HTML)))


def _unquoted(address: str) -> str:
    """Decode an address that is encoded as a parameter, perhaps several times."""
    while (
        _ENCODED_SLASH.search(address[:_BEFORE_BYTES]) and (decoded := unquote(address)) != address
    ):
        address = decoded
    return address


# --- In HTML ----------------------------------------------------------------------------------


class Use(Enum):
    """The use that a page makes of an address."""

    ASKED = "the page asks for it, or a script may"
    LINK = "a reader or a search engine may follow it"
    TEXT = "readers see it as text"
    CODE = "it stands in code or in a comment"


_CODE = frozenset(b"pre code samp kbd".split())
# Classes of blocks of code that scripts make pictures of.
_DRAWN = re.compile(rb"(?:\A|\s)(?:lang(?:uage)?-)?(?:" + DRAWN_LANGUAGES + rb")(?:\Z|\s)", re.I)
_LANGUAGE = re.compile(rb"(?:\A|\s)(lang(?:uage)?-\S+)")
_LINKS = frozenset({(b"a", b"href"), (b"area", b"href"), (b"form", b"action")})
# What stands before the address of a page in a feed, a sitemap, JSON and JSON-LD.
_BEFORE_LINK = re.compile(
    rb"<(?:atom:)?(?:link|guid|id|loc|comments|docs)(?:\s[^<>]*)?>\s*(?:<!\[CDATA\[)?\Z"
    rb"|\"(?:@id|id|url|href|link|permalink|(?:home_page|feed|external)_url)\"\s*:\s*\"\Z",
    re.I,
)
_TEXT_ELEMENTS = frozenset(b"title textarea".split())
_TEXT_ATTRIBUTES = frozenset(
    b"alt title aria-label label placeholder summary value data-clipboard-text".split()
)


def mention_uses(page: bytes, mentions: Iterable[Mention]) -> Iterator[tuple[Mention, Use]]:
    """Yield each mention in an HTML page in UTF-8, in order, with what the page does with it."""
    waiting = list(mentions)[::-1]
    inside = _Inside()
    for tag in tags(page) if waiting else ():
        while waiting and waiting[-1].start < tag.start:
            mention = waiting.pop()
            yield mention, _link_or(inside.use, page, mention.start)
        while waiting and waiting[-1].start < tag.stop:
            mention = waiting.pop()
            is_content = inside.is_raw and not tag.name  # CDATA in the style sheet of an SVG
            yield mention, inside.use if is_content else _in_tag(page, tag, mention)
        inside.enter(page, tag)
    while waiting:
        yield waiting.pop(), inside.use


def _link_or(use: Use, text: bytes, start: int) -> Use:
    """Return `LINK` for what is asked for where the address of a page stands, else `use`."""
    before = text[max(0, start - _BEFORE_BYTES) : start]
    return Use.LINK if use is Use.ASKED and _BEFORE_LINK.search(before) else use


class _Inside:
    """The elements that are open."""

    def __init__(self) -> None:
        self._code = 0
        self._raw = b""
        self._drawn: list[bytes] = []  # the names of a block that a script draws, and within it

    @property
    def is_raw(self) -> bool:
        return bool(self._raw)

    @property
    def use(self) -> Use:
        if self._drawn:
            return Use.ASKED
        if self._raw:
            return Use.TEXT if self._raw in _TEXT_ELEMENTS else Use.ASKED
        return Use.CODE if self._code else Use.TEXT

    def enter(self, page: bytes, tag: HtmlTag) -> None:
        name = tag.name.lower()
        if self._drawn and name in self._drawn:
            if tag.closes:
                self._drawn.remove(name)
            else:
                self._drawn.append(name)
        elif not tag.closes and any(
            attribute.name == b"class"
            and _may_be_drawn(name, page[attribute.start : attribute.stop])
            for attribute in tag.attributes
        ):
            self._drawn = [name]
        if name in _CODE:
            self._code = max(0, self._code - 1) if tag.closes else self._code + 1
        if name in (b"script", b"style", *_TEXT_ELEMENTS):
            self._raw = b"" if tag.closes else name


def _may_be_drawn(element: bytes, classes: bytes) -> bool:
    """Return True for an element of such a class, and for code in no language that is known."""
    if _DRAWN.search(classes):
        return True
    language = _LANGUAGE.search(classes) if element in (b"pre", b"code") else None
    return language is not None and is_drawn_language(language[1])


def _in_tag(page: bytes, tag: HtmlTag, mention: Mention) -> Use:
    if not tag.name:
        return Use.CODE
    for attribute in tag.attributes:
        if attribute.start <= mention.start < attribute.stop:
            return _in_attribute(page, tag, attribute)
    return Use.ASKED


def _in_attribute(page: bytes, tag: HtmlTag, attribute: Attribute) -> Use:
    name = tag.name.lower()
    if attribute.name in _TEXT_ATTRIBUTES:
        return Use.TEXT
    if name == b"meta" and not names_picture(page, tag, attribute):
        return Use.TEXT
    if name == b"a" and is_shown_address(page, tag):
        return Use.TEXT
    is_link = (name, attribute.name) in _LINKS or (name == b"link" and is_page_link(page, tag))
    return Use.LINK if is_link else Use.ASKED


# --- Beside HTML ------------------------------------------------------------------------------

# Each takes a string that nothing closes up to the end, so that no text is searched twice.
_XML_TEXT = re.compile(rb"<!\[CDATA\[(?P<verbatim>(?>.*?(?=\]\]>|\Z)))|>(?P<escaped>[^<]++)", re.S)
_JSON_STRING = re.compile(rb"\"(?P<json>(?:[^\"\\]|\\.)*+)\"?", re.S)
# Only one that starts with a tag: where a quote opens or closes a string, a script alone can tell.
_SCRIPT_STRING = re.compile(
    rb"\"(?P<double><[A-Za-z](?:[^\"\\\n]|\\.)*+)|'(?P<single><[A-Za-z](?:[^'\\\n]|\\.)*+)"
    rb"|`(?P<template><[A-Za-z](?:[^`\\]|\\.)*+)",
    re.S,
)
_STRINGS = {
    **dict.fromkeys((".xml", ".rss", ".atom"), _XML_TEXT),
    **dict.fromkeys((".json", ".webmanifest"), _JSON_STRING),
    **dict.fromkeys((".js", ".mjs"), _SCRIPT_STRING),
}
_TAG = re.compile(rb"<[A-Za-z!/]")
# What stands before the text of an article. Feed readers and searches show it as it is if it has no
# tag: RSS 2.0, RFC 4287 (Atom) and JSON Feed 1.1. A `content` of JSON may be Markdown for a script.
_BEFORE_PROSE = re.compile(
    rb"<(?:[a-z]+:)?(?:description|encoded|content|summary|subtitle|title)(?:\s[^<>]*)?>"
    rb"\s*(?:<!\[CDATA\[)?\Z"
    rb"|\"(?:description|content_text|summary|excerpt|title)\"\s*:\s*\"\Z",
    re.I,
)
# Bytes that are searched in front of each string, enough for an element with some attributes.
_BEFORE_PROSE_BYTES = 300
# Before the text of a page in MkDocs' search index. All tags are taken out of it, so one that is
# there stood in code; what shows it escapes it: mkdocs/contrib/search/templates/search/main.js.
_BEFORE_PLAIN = re.compile(rb"\"location\"\s*:\s*\"[^\"\\]*\"\s*,\s*\"text\"\s*:\s*\"\Z")
# A word of a sentence stands before an address that is text, and no `![](`, `src=` or `[name]:`.
_SENTENCE = re.compile(rb"(?<!\]:)[ \t\r\n]+\Z|[\x80-\xff]\Z")
_BEFORE_SENTENCE = 100  # bytes that are searched: more blanks than anybody puts between two words


def string_uses(suffix: str, text: bytes, finder: MentionFinder) -> Iterator[tuple[Mention, Use]]:
    """Yield each mention in a feed, a search index, a script or the like, with its use.

    What readers see of such a file is HTML in its strings, or a sentence. `suffix` is that of the
    file's name. An address that is a whole string is one that a script may ask for.
    """
    strings = _STRINGS.get(suffix.lower())
    mentions = list(finder.find(text))[::-1]
    for string in strings.finditer(text) if strings is not None and mentions else ():
        start, stop = string.span(string.lastgroup or 0)
        while mentions and mentions[-1].start < start:
            yield mentions.pop(), Use.ASKED
        inside = []
        while mentions and mentions[-1].start < stop:
            inside.append(mentions.pop())
        if inside:
            yield from _in_string(string, inside, finder)
    while mentions:
        yield mentions.pop(), Use.ASKED


def _in_string(
    string: re.Match[bytes], mentions: Sequence[Mention], finder: MentionFinder
) -> Iterator[tuple[Mention, Use]]:
    """Yield the mentions of a string with their uses, and with the addresses that it stands for."""
    fragment = _decoded(string)
    inner = list(finder.find(fragment))
    if len(inner) != len(mentions):
        yield from ((mention, Use.ASKED) for mention in mentions)
        return
    start = string.start(string.lastgroup or 0)
    if _BEFORE_PLAIN.search(string.string[max(0, start - _BEFORE_PROSE_BYTES) : start]):
        yield from ((mention, Use.TEXT) for mention in mentions)
        return
    is_html = _TAG.search(fragment) is not None or _is_prose(string)
    uses = mention_uses(fragment, inner) if is_html else _in_words(fragment, inner)
    for mention, (decoded, use) in zip(mentions, uses, strict=True):
        use = use if mention.start > start else _link_or(use, string.string, start)
        yield mention._replace(url=decoded.url), use


def _is_prose(string: re.Match[bytes]) -> bool:
    """Return True for the text of an article in a feed or a search index."""
    start = string.start(string.lastgroup or 0)
    before = string.string[max(0, start - _BEFORE_PROSE_BYTES) : start]
    return _BEFORE_PROSE.search(before) is not None


_STRING_ESCAPE = re.compile(rb"\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|(.))", re.S)


def _decoded(string: re.Match[bytes]) -> bytes:
    kind = string.lastgroup or ""
    text = string[kind]
    if kind == "verbatim":
        return text
    if kind == "escaped":
        return read(text.decode(), Quoting.HTML).encode()
    return _STRING_ESCAPE.sub(_unescaped, text)


_CONTROLS = {b"n": b"\n", b"t": b"\t", b"r": b"\r", b"b": b" ", b"f": b" "}


def _unescaped(escape: re.Match[bytes]) -> bytes:
    if digits := escape[1] or escape[2]:
        return chr(int(digits, 16)).encode(errors="replace")
    return _CONTROLS.get(escape[3], escape[3])


def _in_words(text: bytes, mentions: Sequence[Mention]) -> Iterator[tuple[Mention, Use]]:
    is_list = not text[: mentions[0].start].strip()  # as in a `srcset`
    for mention in mentions:
        before = text[max(0, mention.start - _BEFORE_SENTENCE) : mention.start]
        is_text = not is_list and before.strip() and _SENTENCE.search(before)
        yield mention, Use.TEXT if is_text else Use.ASKED
