"""Rules that recognise URLs, image URLs, and the end of a URL in plain text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from mirror.model import Form
from mirror.urls.address import Url
from mirror.urls.suffixes import IMAGE_SUFFIXES

# Hosts append their style behind the name: `a.png!small`, `a.jpg@!webp`, `a.png%21small`.
_IMAGE_PATH = re.compile(rf"[^?#]*\.(?:{IMAGE_SUFFIXES})(?:@?(?:!|%21)[^/?#]*)?(?:[?#]|$)", re.I)
_PATH_END = re.compile(r"[?#]")
_ABSOLUTE = re.compile(r"(?:https?:)?//[^\s/?#]", re.I)
_UNLIKELY = re.compile(r"[\s<>\"'`\\^|{}]|!\[|\]\(")
# A video, a sound, a document, a program, a page: no picture, whatever it is named.
_OTHER_PATH = re.compile(
    r"[^?#]*\.(?:mp4|m4v|webm|mov|mkv|avi|flv|wmv|ogv|m3u8|mp3|m4a|wav|flac|aac|opus|ogg|pdf|docx?|xlsx?"
    r"|pptx?|epub|mobi|txt|md|csv|xml|json|ya?ml|toml|zip|gz|tgz|bz2|xz|7z|rar|tar|dmg|exe|apk|iso"
    r"|html?|css|js|mjs|ts|woff2?|ttf|otf)(?:\?(?P<query>[^#]*))?(?:#.*)?",
    re.I | re.S,
)
# A host can make a picture of a video or a document: OSS, COS, Qiniu, Cloudinary.
_MAKES_PICTURE = re.compile(r"process|snapshot|vframe|preview|image|format=", re.I)

# What a site's generator replaces: Liquid, Nunjucks, Hugo, ERB, template literals.
_TEMPLATE = re.compile(r"\{[{%#]|<%|\$\{")

# Words of a name: `og_image`, `coverImage`, `cover-url`, `OGImage`.
_WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+")
_PICTURE_WORD = re.compile(
    r"\w*(?:image|img|thumb|banner|photo|avatar|poster|background|screenshot|galler(?:y|ies)|favicon"
    r"|picture|wallpaper)\w*"
    r"|(?:user|profile|site|head(?:er)?|top|post|page|main|book|album|blog|nav|index|touch|brand)?"
    r"(?:cover|pic|icon|logo|hero|bg|teaser)(?:s|url|uri|src|path|file)?"
    r"|figures?|featured?"
)
_PICTURE_NAME = re.compile(
    r"(?i:src|og|medias?|media[_-]?(?:url|src|path|file))"
    r"|.*(?:封面|图片|圖片|头像|頭像|背景|缩略图|縮圖|海报|图标|截图|插图|配图|题图|首图|横幅)(?:图|地址|链接)?",
    re.S,
)
# A name that ends in one of these means a page about a picture or beside it: `image_credit`.
_PAGE_WORDS = frozenset(
    "attribution attributions author authors copyright creator credit credits homepage licence"
    " license owner permalink photographer user users website".split()
)
_AFTER_PAGE_WORD = frozenset("link page url".split())
_MEDIA_WORDS = frozenset(
    "audio bilibili codepen embed frame iframe music pdf player podcast script video vimeo"
    " youtube".split()
)
_ADDRESS_NAME = re.compile(
    r"path|url|uri|src|href|file|filename|filepath|source|location|address|original|default|value"
    r"|full|large|medium|small|light|dark|desktop|tablet|mobile|wide|square|retina|webp|[1-4]x",
    re.I,
)
_LINK_NAME = re.compile(r"href|link|to|target|permalink|canonical|website|homepage|repo", re.I)
_TEXT_NAME = re.compile(
    r"title|alt(?:[_-]?text)?|caption|class|id|name|description|summary|xmlns(?::.*)?", re.I
)

IMAGE_DIRECTIVES = frozenset(b"figure image".split())
"""The directives of MyST whose argument is an image."""

# A URL in running text: ends at blanks, brackets, quotes and CJK punctuation. A backslash escapes.
_STOP = rb"\x00-\x20\x7f<>\"'`\\^{}|\[\]"
_RUN = (
    rb"(?:[^" + _STOP + rb"\x80-\xff]+|\\[!-/:-@\[-`{-~]"
    rb"|(?!\xe2\x80|\xe3\x80|\xef[\xbc\xbd])[\xc2-\xf4][\x80-\xbf]+)+"
)
_BARE_URL = re.compile(rb"(?<![A-Za-z0-9+.-])https?://" + _RUN, re.I)
_QUOTED_URL = re.compile(rb"(?<![A-Za-z0-9+.:/-])(?:https?:)?//" + _RUN, re.I)
_PARENTHESIS = re.compile(rb"\\.|[()]", re.S)
_TRAILING = b"?!.,:;*_~&"
_BEFORE_IMAGE = re.compile(rb"!\[[^\[\]\r\n]*\]\([ \t]*<?$|\bsrc=[\"']?$", re.I)
# Bytes that are searched in front of each address. Behind a longer alternative text it is an image
# only if its path ends like one.
_MAX_BEFORE = 200
_MAX_NAME = 100  # characters of a key; thousands of them are remembered


def is_image_link(url: Url) -> bool:
    """Return True if the path ends in an image extension, or in one and a host's `!style`."""
    return has_image_path(url.raw)


def has_image_path(url: str) -> bool:
    return _IMAGE_PATH.match(url) is not None


def is_absolute(url: str) -> bool:
    """Return True if the URL names a host: http, https or protocol-relative."""
    return _ABSOLUTE.match(url) is not None


def is_template(url: str) -> bool:
    """Return True if the address is not known before the site's generator has read the post."""
    return _TEMPLATE.search(url) is not None


def as_browsers_read(url: str) -> str:
    """Return the URL of an attribute with the slashes that browsers take backslashes for.

    Only in a path: https://url.spec.whatwg.org/#path-state. Markdown writes `%5C` instead.
    """
    if "\\" not in url:
        return url
    end = _PATH_END.search(url)
    stop = end.start() if end else len(url)
    return url[:stop].replace("\\", "/") + url[stop:]


def is_other_file(url: str) -> bool:
    """Return True if the path ends in the suffix of a video, a sound, a document or the like."""
    match = _OTHER_PATH.fullmatch(url)
    return match is not None and not _MAKES_PICTURE.search(match["query"] or "")


def is_picture_name(name: str) -> bool:
    """Return True if a key, a tag or an attribute of this name has a picture as its value.

    Words count, not parts of words: `og_image` and `coverUrl`, not `topic` or `discover`.
    """
    return _is_picture_name(name[:_MAX_NAME])


@lru_cache(maxsize=1 << 12)  # keys: those of a site's front matter and its shortcodes
def _is_picture_name(name: str) -> bool:
    words = _words(name)
    if _is_page_name(words):
        return False
    return any(map(_PICTURE_WORD.fullmatch, words)) or _PICTURE_NAME.fullmatch(name) is not None


def is_below_picture(name: str, *, above: bool) -> bool:
    """Return True if the value of this key describes a picture.

    `above` is True if the key itself stands in such a value. The author of a picture is no picture.
    """
    return is_picture_name(name) or (above and not _is_page_name(_words(name)))


def _words(name: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(name[:_MAX_NAME])]


def _is_page_name(words: list[str]) -> bool:
    while words and words[-1] in _AFTER_PAGE_WORD:
        words = words[:-1]
    return bool(words) and words[-1] in _PAGE_WORDS


def form_by_name(form: Form, url: str, *names: str, below_picture: bool = False) -> Form | None:
    """Return the form of a value by its path and its names (a key; a tag and its attribute).

    A URL with an image path has `form`. So has another URL with a host if one of the names is a
    name of pictures, such as `cover`, or if the name is `path`, `url` or the like and stands
    `below_picture`. Any other URL with a host is a link. `None` if the value is neither.
    """
    if not url or _UNLIKELY.search(url) or _TEXT_NAME.fullmatch(names[-1]):
        return None
    if has_image_path(url):
        return form
    if not is_absolute(url):
        return None
    if is_other_file(url):
        return Form.LINK
    if below_picture and _ADDRESS_NAME.fullmatch(names[-1]):
        return form
    if _LINK_NAME.fullmatch(names[-1]) or _names_other_media(names):
        return Form.LINK
    return form if any(map(is_picture_name, names)) else Form.LINK


def _names_other_media(names: tuple[str, ...]) -> bool:
    """Return True for the `src` of a video, a frame or a program."""
    *tags, last = names
    return last.lower() == "src" and any(not _MEDIA_WORDS.isdisjoint(_words(tag)) for tag in tags)


def bare_urls(source: bytes, start: int, stop: int) -> Iterator[tuple[int, int]]:
    """Yield the ranges of the http and https URLs in running text."""
    for match in _BARE_URL.finditer(source, start, stop):
        yield match.start(), trimmed(source, *match.span())


def quoted_urls(source: bytes, start: int, stop: int) -> Iterator[tuple[int, int]]:
    """Yield the ranges of the image URLs in code or a comment.

    Such a URL has a host, and an image path or image syntax before it.
    """
    if source.find(b"//", start, stop) < 0:
        return
    for match in _QUOTED_URL.finditer(source, start, stop):
        first, last = match.start(), trimmed(source, *match.span())
        before = source[max(start, first - _MAX_BEFORE) : first]
        url = source[first:last].decode()
        if is_absolute(url) and (has_image_path(url) or _BEFORE_IMAGE.search(before)):
            yield first, last


def trimmed(source: bytes, start: int, stop: int) -> int:
    """Return `stop` moved before punctuation, and before parentheses that the URL did not open.

    Behind `](` the URL ends at the parenthesis that closes that one.
    """
    if source.endswith(b"](", 0, start):
        stop = _closing(source, start, stop)
    surplus = source.count(b")", start, stop) - source.count(b"(", start, stop)
    while stop > start:
        last = source[stop - 1]
        if last == 0x29 and surplus > 0:
            surplus -= 1
        elif last not in _TRAILING:
            break
        stop -= 1
    return stop


def _closing(source: bytes, start: int, stop: int) -> int:
    depth = 0
    for mark in _PARENTHESIS.finditer(source, start, stop):
        depth += {b"(": 1, b")": -1}.get(mark[0], 0)
        if depth < 0:
            return mark.start()
    return stop
