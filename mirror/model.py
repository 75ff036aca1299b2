"""The values that flow through mirror. Frozen, checked where they are parsed, no I/O.

post -> `Reference` -> `Address` -> bytes -> `Blob` -> `Asset` -> manifest. Whatever a person
should be told on the way is a `Finding`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from functools import partial
from typing import Any, NewType, Self
from urllib.parse import unquote

Key = NewType("Key", str)
"""Name of an object in a store: a relative POSIX path."""

Address = NewType("Address", str)
"""A URL in canonical form and without secrets: printable ASCII, safe to store and to show."""

OCTETS = "application/octet-stream"

# --- URLs -------------------------------------------------------------------------------------

# Query parameters that grant access. Names are compared in lower case. The prefixes are those of
# SigV4 and its kin: Amazon, Google, Aliyun OSS, Tencent COS, Huawei OBS, Volcengine TOS.
_SECRET_PREFIXES = ("x-amz-", "x-goog-", "x-oss-", "x-cos-", "x-obs-", "x-tos-", "q-")
_SECRET_NAMES = frozenset(
    "accesskeyid access_key access_token accesstoken api_key apikey auth auth_key authkey "
    "authorization awsaccesskeyid credential expires googleaccessid jsessionid jwt key-pair-id "
    "ossaccesskeyid password passwd phpsessid policy secret security-token session sig sign "
    "signature token".split()
)
_SECRET_ENDS = re.compile(
    r".*(?:token|secret|signature|password|passwd|credential|access[_-]?key(?:[_-]?id)?"
    r"|(?:api|app|subscription)[_-]?key)"
)
_PUBLIC_NAMES = frozenset({"x-oss-process"})
_SECRET_VALUE = re.compile(
    r"(?:AKIA|ASIA)[0-9A-Z]{16}|LTAI[0-9A-Za-z]{12,}|AKID[0-9A-Za-z]{13,}"
    r"|gh[pousr]_[0-9A-Za-z]{20,}|eyJ[\w-]{8,}\.[\w-]{8,}\.|AIza[\w-]{35}"
)
# A `key` may be the name of the picture, and two pictures must not become one: it is a secret by
# its shape, or where maps are drawn for whoever has one (Google, AMap, Tencent, Baidu).
_MAP = re.compile(r"/(?:staticmap|staticimage|streetview)(?![^/])", re.I)
_MAP_KEYS = frozenset({"ak", "key"})
# Companions that mean nothing unless the other name is there too: Qiniu's deadline, Azure's SAS.
_COMPANIONS = {
    "e": "token",
    **dict.fromkeys("se sp sv sr st spr ss srt skoid sktid".split(), "sig"),
}
# Browsers take `\` for `/`, and what stands before the last `@` for the password.
_USERINFO = re.compile(r"^(\s*(?:[A-Za-z][A-Za-z0-9+.-]*:)?[/\\]{2})[^/\\?#]*@")
# A parameter of a URL that is itself the value of a parameter, or a part of the path, as image
# proxies take it.
_NESTED = re.compile(
    r"(?:[?&]|%(?:25)*(?:3F|26|3B))(?P<name>[\w.-]+)(?:=|%(?:25)*3D)(?:(?!&|%(?:25)*(?:26|23)).)*",
    re.IGNORECASE | re.DOTALL,
)
_VALUE = re.compile(r"=|%(?:25)*3D", re.I)
_SEPARATOR = re.compile(r"&(?:amp;)?")
_NESTED_QUERY = re.compile(r"%(?:25)*3F[^/]*", re.I)
# A parameter of the path itself: `;jsessionid=…`.
_IN_PATH = re.compile(
    r"(?:;|%(?:25)*3B)(?P<name>[\w.-]+)(?:=|%(?:25)*3D)(?:(?![;/]|%(?:25)*3B).)*",
    re.IGNORECASE | re.DOTALL,
)
# Control, format (bidi) and line-separator characters must never reach a terminal raw.
_UNPRINTABLE = re.compile(
    r"[\x00-\x1f\x7f-\xa0\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    r"\ufeff\ufff9-\ufffb\ud800-\udfff]"
)


def without_secrets(text: str) -> str:
    """Return the URL `text` with userinfo and access-granting parameters cut out.

    Everything else comes back as it was, in its order, so a URL without secrets is unchanged.
    """
    return _settled(_cut, text)


def _settled(cut: Callable[[str], str], text: str) -> str:
    """Cut until nothing changes: what a cut leaves may read as another secret."""
    while (left := cut(text)) != text:
        text = left
    return text


def _cut(text: str) -> str:
    text = _USERINFO.sub(r"\1", text)
    rest, hash_, fragment = text.partition("#")
    head, mark, query = rest.partition("?")
    query = query_without_secrets(head, mark, query)
    return path_without_secrets(head) + query + query_without_secrets("", hash_, fragment)


def path_without_secrets(path: str) -> str:
    """The same for a path alone."""
    return _settled(_cut_path, path) if _VALUE.search(path) else path


def _cut_path(path: str) -> str:
    path = _NESTED_QUERY.sub(lambda m: _NESTED.sub(_kept, m[0]), path)
    return _IN_PATH.sub(_kept, path)


def query_without_secrets(path: str, mark: str, query: str) -> str:
    """`mark` and what is left of the parameters behind it; nothing when nothing is left."""
    if not query:
        return mark
    left = _settled(partial(_cut_query, path), query)
    return mark + left if left else ""


def _cut_query(path: str, query: str) -> str:
    more = _MAP_KEYS if _MAP.search(path) else ()
    pairs = [_NESTED.sub(_kept, pair) for pair in _SEPARATOR.split(query)]
    names = {_parameter(pair) for pair in pairs}
    kept = [
        separator + pair
        for separator, pair in zip(["", *_SEPARATOR.findall(query)], pairs, strict=True)
        if _parameter(pair) not in more and not _is_secret(pair, names)
    ]
    return _SEPARATOR.sub("", kept[0], count=1) + "".join(kept[1:]) if kept else ""


def _kept(match: re.Match[str]) -> str:
    is_secret = _is_secret_name(match["name"].lower()) or looks_secret(match[0])
    return "" if is_secret else match[0]


def looks_secret(text: str) -> bool:
    """Whether `text` holds a key by its shape alone: AWS, Aliyun, Tencent, GitHub, JWT, Google."""
    return bool(_SECRET_VALUE.search(text))


def _is_secret(pair: str, names: set[str]) -> bool:
    name = _parameter(pair)
    return _is_secret_name(name) or _COMPANIONS.get(name) in names or looks_secret(pair)


def _parameter(pair: str) -> str:
    return unquote(pair.partition("=")[0]).lower()


def _is_secret_name(name: str) -> bool:
    """Whether a parameter of that name grants access; lower case."""
    if name in _PUBLIC_NAMES:
        return False
    return (
        name in _SECRET_NAMES
        or name.startswith(_SECRET_PREFIXES)
        or _SECRET_ENDS.fullmatch(name) is not None
    )


_ANY_URL = re.compile(r"(?:https?:)?//[^\s\"'<>]+")


def hide_secrets(text: str) -> str:
    """`text`, such as a traceback, without the secrets of any URL in it."""
    return _SECRET_VALUE.sub("…", _ANY_URL.sub(lambda m: without_secrets(m[0]), text))


def printable(text: str) -> str:
    """Return `text` with control, bidi and blank-like characters escaped, plain blanks kept."""
    return _UNPRINTABLE.sub(lambda m: m[0].encode("unicode_escape").decode(), text)


@dataclass(frozen=True, slots=True, order=True, repr=False)
class Url:
    """A URL as a post spells it, escapes and entities resolved.

    It may hold a signature, so this is the one type that carries such text, and the only way to
    print it is safe: `str()` shows no secret and no control character. `raw` is for requests.
    """

    raw: str

    @property
    def public(self) -> str:
        """The URL without secrets, otherwise character by character as written."""
        return without_secrets(self.raw)

    @property
    def fragment(self) -> str:
        """`#…` without secrets, or nothing: no part of the address, kept behind a new one."""
        _, mark, rest = self.public.partition("#")
        return mark + rest

    def __str__(self) -> str:
        return printable(self.public)

    def __repr__(self) -> str:
        return f"Url({str(self)!r})"


# --- Posts ------------------------------------------------------------------------------------


class Form(StrEnum):
    """How a reference is written; the value is what `scan --json` prints."""

    INLINE = "inline"
    REFERENCE = "reference"
    HTML = "html"
    SRCSET = "srcset"
    STYLE = "style"
    FRONT_MATTER = "front-matter"
    SHORTCODE = "shortcode"
    JSX = "jsx"
    LINK = "link"
    AUTOLINK = "autolink"
    CODE = "code"
    COMMENT = "comment"

    @property
    def is_rewritten(self) -> bool:
        """Whether the URL is markup; visible text, code and comments stay as they are."""
        return self not in (Form.AUTOLINK, Form.CODE, Form.COMMENT)

    @property
    def is_rendered(self) -> bool:
        """Whether a reader sees it, so that it is mirrored; code and comments are only quoted."""
        return self not in (Form.CODE, Form.COMMENT)


class Quoting(Enum):
    """The syntax a URL stands in, which decides how another URL must be spelled there."""

    BARE = "markdown destination"
    ANGLE = "markdown destination in angle brackets"
    HTML = "html attribute in quotes"
    HTML_BARE = "html attribute without quotes"
    SRCSET = "candidate in srcset"
    STYLE = "css url() in a style attribute"
    YAML_PLAIN = "yaml plain scalar"
    YAML_FLOW = "yaml plain scalar inside [ ] or { }"
    SINGLE = "string whose quote is doubled"
    ESCAPED = "string with backslash escapes"
    LITERAL = "string or word without escapes"
    TEXT = "plain text"


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """Half-open range of byte offsets in a post's file."""

    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Reference:
    """One occurrence of an image URL in a post.

    `span` covers exactly the bytes that spell the URL; `line` and `column` count characters
    from 1. `url` is the decoded value, `spelling` the text of the span as the file has it.
    """

    url: Url
    span: Span
    line: int
    column: int
    form: Form
    quoting: Quoting = Quoting.BARE
    spelling: str = field(default="", repr=False)


# --- Pictures ---------------------------------------------------------------------------------


_HEX_64 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, order=True)
class Digest:
    """SHA-256 of some bytes, 64 lower-case hex digits."""

    hex: str

    @classmethod
    def parse(cls, text: object) -> Self:
        """Raise `ValueError` for anything but 64 lower-case hex digits."""
        if not isinstance(text, str) or not _HEX_64.fullmatch(text):
            raise ValueError(f"expected 64 lower-case hex digits (SHA-256), got {text!r}")
        return cls(text)

    def __str__(self) -> str:
        return self.hex


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """256-bit perceptual hash: imagehash `phash(hash_size=16)` of the upright picture."""

    bits: int

    @classmethod
    def parse(cls, text: object) -> Self:
        """Raise `ValueError` for anything but 64 lower-case hex digits."""
        if not isinstance(text, str) or not _HEX_64.fullmatch(text):
            raise ValueError(
                f"expected 64 lower-case hex digits (256-bit fingerprint), got {text!r}"
            )
        return cls(int(text, 16))

    def __str__(self) -> str:
        return f"{self.bits:064x}"

    def distance(self, other: Fingerprint) -> int:
        """Hamming distance in bits, 0 to 256."""
        return (self.bits ^ other.bits).bit_count()


@dataclass(frozen=True, slots=True)
class Blob:
    """Facts about some bytes, read from the bytes alone.

    `width` and `height` are those of the upright picture. A picture without pixels of its own
    (SVG) has neither them nor a fingerprint.
    """

    digest: Digest
    md5: str
    size: int
    media_type: str
    width: int | None
    height: int | None
    fingerprint: Fingerprint | None

    @property
    def pixels(self) -> int:
        """Number of pixels of one frame; 0 without pixels."""
        return (self.width or 0) * (self.height or 0)


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A small picture of a picture, for people to look at."""

    data: bytes = field(repr=False)
    media_type: str
    width: int
    height: int


EXTENSIONS = {
    "image/png": ".png",
    "image/jpeg": ".jpg",
    "image/gif": ".gif",
    "image/webp": ".webp",
    "image/avif": ".avif",
    "image/bmp": ".bmp",
    "image/tiff": ".tiff",
    "image/x-icon": ".ico",
    "image/svg+xml": ".svg",
}
"""Every media type that counts as an image, and the one extension its objects have."""


@dataclass(frozen=True, slots=True)
class Asset:
    """One line of the manifest: a blob, where it is stored, where it was found.

    With `key` it is an object in every destination; with `alias_of` another picture stands for
    it in posts; with both it was stored before a better copy came.
    """

    blob: Blob
    sources: tuple[Address, ...] = ()
    key: Key | None = None
    alias_of: Digest | None = None

    @property
    def digest(self) -> Digest:
        return self.blob.digest


# --- Findings ---------------------------------------------------------------------------------


class Outcome(Enum):
    """What a finding means for the exit code: see `mirror.cli.exit_code`."""

    DIFFERENCE = "difference"  # a check found something
    FAILURE = "failure"  # an image or a post could not be worked on
    UNCHECKED = "unchecked"  # neither fine nor broken: nobody could look
    WARNING = "warning"  # worth knowing; nothing is missing
    REFUSED = "refused"  # stopped for safety


class Rule(Enum):
    """Kind of a finding: a stable id, a name, what it means for the exit code.

    M1 posts, M2 manifest and archive, M3 destinations, M4 public addresses, M5 safety.
    """

    POST_UNREADABLE = "M101", "post-unreadable", Outcome.FAILURE
    POST_CHANGED = "M102", "post-changed-meanwhile", Outcome.FAILURE
    POST_NOT_WRITTEN = "M103", "post-not-written", Outcome.FAILURE
    SPAN_UNVERIFIED = "M104", "reference-not-located", Outcome.WARNING
    NOT_MIRRORED = "M105", "image-not-mirrored", Outcome.DIFFERENCE
    UNKNOWN_TARGET = "M106", "mirrored-url-unknown", Outcome.DIFFERENCE
    NOT_REVERTED = "M107", "reference-not-reverted", Outcome.FAILURE
    FRONT_MATTER_BROKEN = "M108", "front-matter-unparsed", Outcome.WARNING
    HEADING_ANCHOR = "M109", "heading-anchor-changes", Outcome.WARNING
    NOT_REPOINTED = "M110", "reference-not-repointed", Outcome.WARNING
    NOT_PROVEN = "M111", "object-not-proven", Outcome.FAILURE
    NO_POSTS = "M112", "no-posts", Outcome.WARNING
    POSTS_UNCHECKED = "M113", "posts-not-checked", Outcome.UNCHECKED
    NOT_FETCHED = "M201", "image-not-fetched", Outcome.FAILURE
    NOT_AN_IMAGE = "M202", "not-an-image", Outcome.FAILURE
    SOURCE_CHANGED = "M203", "source-changed", Outcome.FAILURE
    ORIGINAL_UNREADABLE = "M204", "original-not-readable", Outcome.WARNING
    SUSPECT_NOTICE = "M205", "one-picture-many-urls", Outcome.WARNING
    ARCHIVE_MISSING = "M206", "archive-missing", Outcome.DIFFERENCE
    ARCHIVE_DAMAGED = "M207", "archive-damaged", Outcome.DIFFERENCE
    KEY_TAKEN = "M208", "key-taken", Outcome.FAILURE
    NOT_RESTORED = "M209", "image-not-restored", Outcome.FAILURE
    REPEAT_RESTORED = "M210", "restored-from-its-repeat", Outcome.WARNING
    ARCHIVE_UNCHECKED = "M211", "archive-not-checked", Outcome.UNCHECKED
    OBJECT_MISSING = "M301", "object-missing", Outcome.DIFFERENCE
    OBJECT_DIFFERENT = "M302", "object-different", Outcome.DIFFERENCE
    OBJECT_EXTRA = "M303", "object-extra", Outcome.DIFFERENCE
    OBJECT_UNCHECKED = "M304", "object-not-checked", Outcome.UNCHECKED
    NOT_STORED = "M305", "object-not-stored", Outcome.FAILURE
    DESTINATION_UNREACHABLE = "M306", "destination-not-reachable", Outcome.UNCHECKED
    NOT_REPAIRED = "M307", "object-not-repaired", Outcome.FAILURE
    NOT_DELETED = "M308", "object-not-deleted", Outcome.FAILURE
    PUBLIC_DIFFERENT = "M401", "public-url-different", Outcome.DIFFERENCE
    PUBLIC_MISSING = "M402", "public-url-missing", Outcome.DIFFERENCE
    PUBLIC_ATTACHMENT = "M403", "public-url-downloads", Outcome.DIFFERENCE
    PUBLIC_UNCHECKED = "M404", "public-url-not-checked", Outcome.UNCHECKED
    PUBLIC_REFERER = "M405", "public-url-needs-referer", Outcome.WARNING
    POST_IS_LINK = "M501", "post-is-a-link", Outcome.FAILURE
    ADDRESS_REFUSED = "M502", "address-refused", Outcome.FAILURE
    TOO_LARGE = "M503", "over-a-limit", Outcome.FAILURE
    SVG_STORED = "M504", "svg-can-run-script", Outcome.WARNING
    SECRET_IN_POST = "M505", "signature-in-post", Outcome.WARNING
    PRUNE_REFUSED = "M506", "prune-refused", Outcome.REFUSED

    def __init__(self, id: str, slug: str, outcome: Outcome) -> None:
        self.id = id
        self.slug = slug
        self.outcome = outcome


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing a person is told: what it is about, what was expected and found, what to do.

    `subject` is a post, an address, a key or a store's name, already printable; `post`, `line`
    and `column` say where in the posts it shows.
    """

    rule: Rule
    subject: str
    message: str
    post: str | None = None
    line: int | None = None
    column: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "subject", printable(self.subject))
        object.__setattr__(self, "message", printable(self.message))

    @property
    def place(self) -> str:
        """`post:line:column` as far as known, or the subject."""
        parts = [p for p in (self.post, self.line, self.column) if p is not None]
        return printable(":".join(map(str, parts))) if parts else self.subject

    def as_json(self) -> dict[str, Any]:
        """A JSON object without empty members."""
        return dict(self._members())

    def _members(self) -> Iterator[tuple[str, Any]]:
        yield "rule", self.rule.id
        yield "name", self.rule.slug
        yield "outcome", self.rule.outcome.value
        yield "subject", self.subject
        yield "message", self.message
        for name in ("post", "line", "column"):
            if (value := getattr(self, name)) is not None:
                yield name, value


@dataclass(frozen=True, slots=True)
class Layer:
    """One thing a check compared with the manifest: the posts, the archive, a destination.

    `subjects` are the posts, keys or digests that were looked at, for one reading; what `findings`
    does not mention was found right.
    """

    name: str
    subjects: Iterable[str]
    findings: Sequence[Finding]
