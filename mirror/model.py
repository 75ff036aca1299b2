"""The values that flow through mirror. Frozen, checked where they are parsed, no I/O."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from typing import Any, NewType, Self

from mirror.urls.address import Address, Url
from mirror.urls.redact import printable

Key = NewType("Key", str)
"""Name of an object in a store: a relative POSIX path."""
OCTETS = "application/octet-stream"

_RESERVED = (".mirror/", ".mirror-probe/")


def is_reserved(key: str) -> bool:
    """Return True for files that mirror keeps in a destination beside the objects.

    These are the indexes of the sites, and test objects of `mirror doctor` that it was unable to
    delete. No image has such a key, in any letter case: some file systems ignore the case.
    """
    return key.casefold().startswith(_RESERVED)


class Form(StrEnum):
    """The syntax of a reference; `scan --json` prints the value."""

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
        """True if the URL is markup; visible text, code and comments stay as they are."""
        return self not in (Form.AUTOLINK, Form.CODE, Form.COMMENT)

    @property
    def is_rendered(self) -> bool:
        """True if a reader sees it, so that it is mirrored; code and comments are only quoted."""
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

    def place_in(self, post: str) -> Place:
        """Return the place of this reference in the post of that name."""
        return Place(post, self.line, self.column)


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
    it in posts; with both it was stored before a better copy came. `former_sources` are addresses
    whose host serves another picture now, which a person accepted.
    """

    blob: Blob
    sources: tuple[Address, ...] = ()
    key: Key | None = None
    alias_of: Digest | None = None
    former_sources: tuple[Address, ...] = ()

    @property
    def origins(self) -> tuple[Address, ...]:
        """Every address that this picture was found under, now or before."""
        return (*self.sources, *self.former_sources)

    @property
    def digest(self) -> Digest:
        return self.blob.digest


@dataclass(frozen=True, slots=True)
class HeldImage:
    """A picture that came for an address and is not taken before a person accepts it."""

    address: Address
    blob: Blob


class Outcome(Enum):
    """The meaning of a finding for the exit code: see `exit_code` in `mirror.cli.common`."""

    DIFFERENCE = "difference"  # a check found something
    FAILURE = "failure"  # an image or a post could not be worked on
    UNCHECKED = "unchecked"  # neither fine nor broken: nobody could look
    WARNING = "warning"  # worth knowing; nothing is missing
    REFUSED = "refused"  # stopped for safety


class Rule(Enum):
    """Kind of a finding: a stable id, a name, what it means for the exit code.

    M1 posts, M2 manifest and archive, M3 destinations, M4 public addresses, M5 safety,
    M6 the built site.
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
    OBJECT_NOT_PROVEN = "M111", "object-not-proven", Outcome.FAILURE
    NO_POSTS = "M112", "no-posts", Outcome.WARNING
    POSTS_UNCHECKED = "M113", "posts-not-checked", Outcome.UNCHECKED
    FILE_UNCHECKED = "M114", "file-not-checked", Outcome.UNCHECKED
    SECRET_KEPT = "M115", "secret-cannot-be-reverted", Outcome.FAILURE
    REPEAT_NOT_PROVEN = "M116", "repeat-not-proven", Outcome.FAILURE
    ENTRY_UNUSED = "M117", "entry-matches-nothing", Outcome.WARNING
    FORMER_TARGET = "M118", "former-mirrored-url", Outcome.DIFFERENCE
    TAKEN_FOR_BUILT = "M119", "folder-taken-for-built", Outcome.WARNING
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
    REDIRECTED_TOGETHER = "M212", "redirected-to-one-picture", Outcome.FAILURE
    TOLD_APART = "M213", "pictures-told-apart", Outcome.WARNING
    ARCHIVE_UNCHECKED = "M211", "archive-not-checked", Outcome.UNCHECKED
    DECISION = "M214", "decision-of-a-person", Outcome.WARNING
    SOURCE_NOT_PROVEN = "M215", "source-not-proven", Outcome.FAILURE
    SOURCE_MOVED = "M216", "source-of-a-known-picture", Outcome.WARNING
    SHARD_NOT_TAKEN = "M217", "shard-not-taken", Outcome.FAILURE
    SHARD_MISSING = "M218", "shard-missing", Outcome.WARNING
    SHARD_TWICE = "M220", "shard-run-twice", Outcome.WARNING
    HOST_LIMIT = "M219", "host-limit-exceeded", Outcome.WARNING
    MANIFEST_FILES = "M221", "manifest-in-other-files", Outcome.WARNING
    HELD_NOT_SHOWN = "M222", "held-picture-not-shown", Outcome.WARNING
    ARCHIVE_UNLISTED = "M223", "archive-lists", Outcome.DIFFERENCE
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
    SETTING_OPENS = "M507", "setting-opens-access", Outcome.WARNING
    SETTING_HIDES = "M508", "setting-hides-images", Outcome.WARNING
    PAGE_SHOWS_SOURCE = "M601", "page-shows-source", Outcome.DIFFERENCE
    PAGE_TARGET_UNKNOWN = "M602", "page-mirrored-url-unknown", Outcome.DIFFERENCE
    PAGE_FILE_MISSING = "M603", "page-image-missing", Outcome.DIFFERENCE
    PAGE_FORMER_TARGET = "M604", "page-former-mirrored-url", Outcome.DIFFERENCE
    PAGE_OTHER_HOST = "M605", "page-shows-other-host", Outcome.WARNING
    SITE_UNCHECKED = "M606", "site-not-checked", Outcome.UNCHECKED
    SITE_PATH_ASSUMED = "M607", "site-path-assumed", Outcome.WARNING
    SITE_SHOWS_FEW = "M608", "site-shows-few", Outcome.WARNING

    def __init__(self, id: str, slug: str, outcome: Outcome) -> None:
        self.id = id
        self.slug = slug
        self.outcome = outcome


class Advice(Enum):
    """The decision that a finding asks a person for."""

    ACCEPT = "accept"  # a picture waits; `mirror accept` takes it
    IGNORE = "ignore"  # an image that is known to be gone is listed under [[ignore]]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing a person is told: what it is about, what was expected and found, what to do.

    `subject` is a post, an address, a key or a store's name, already printable; `post`, `line`
    and `column` say where in the posts it shows. `advice` is what the message explains.
    """

    rule: Rule
    subject: str
    message: str
    post: str | None = None
    line: int | None = None
    column: int | None = None
    advice: Advice | None = None

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
class Place:
    """A place in a post that shows an image; `line` and `column` count from 1."""

    post: str
    line: int
    column: int

    def finding(
        self, rule: Rule, subject: str, message: str, advice: Advice | None = None
    ) -> Finding:
        return Finding(rule, subject, message, self.post, self.line, self.column, advice)


@dataclass(frozen=True, slots=True)
class Layer:
    """One thing a check compared with the manifest: the posts, the archive, a destination.

    `subjects` are the posts, keys or digests that were looked at, for one reading; what `findings`
    does not mention was found right.
    """

    name: str
    subjects: Iterable[str]
    findings: Sequence[Finding]
