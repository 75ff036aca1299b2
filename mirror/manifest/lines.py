"""One line of the manifest: an asset as text, and back.

msgspec reads the lines: it checks the members and their types while it parses. Of 100,000 lines,
`loads` takes 0.91 s this way and `load_objects` 0.46 s; a regular expression for the lines that
`dumps` writes, with `json` for the others, took 0.94 s and 0.43 s (medians of CPU, Python 3.11).
"""

from __future__ import annotations

import json
import re
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import msgspec

from mirror.model import EXTENSIONS, Asset, Blob, Digest, Fingerprint, Key, is_reserved
from mirror.quotes import quoted
from mirror.records import REMARKS, RecordError
from mirror.urls.address import Address, canonical, identity, is_canonical
from mirror.urls.redact import hide_secrets

HEADER = {"format": "mirror-manifest", "version": 1}
HEADER_TEXT = json.dumps(HEADER)
"""The first line of each file of a manifest, without its end."""
LinePlace = tuple[str, int]
"""The file of a line, empty for a text that is in no file, and the number of the line."""
_TYPES = {name: name for name in EXTENSIONS}  # one string for all assets of a type
_MARKERS = ("<<<<<<<", "=======", ">>>>>>>", "|||||||")
_MAX_SIZE = 2**63 - 1  # bytes: the largest number that Parquet, SQL and most readers hold
_MAX_SIDE = 2**31 - 1  # pixels; no format has more
_KEY_PART = r"(?!\.{1,2}(?:/|\Z))[^/\\\x00-\x1f\x7f\ud800-\udfff]++"
_KEY = re.compile(rf"{_KEY_PART}(?:/{_KEY_PART})*")
# The texts of msgspec's errors: `Expected `int`, got `str` - at `$.size``, and so on.
_MISFIT = re.compile(r"Expected (?P<types>.*) - at `\$\.(?P<member>\w+)")
_UNKNOWN = re.compile(r"unknown field `(.*)`", re.DOTALL)
_MISSING = re.compile(r"missing required field `(.*)`")
_quote = json.JSONEncoder(ensure_ascii=False).encode


class ManifestError(RecordError):
    """The manifest cannot be used: the line, what was expected, what was found, what to do."""


class BlobMembers(msgspec.Struct, kw_only=True, gc=False):
    """The members of a line that describe the bytes of a picture."""

    sha256: str
    md5: str
    size: int
    media_type: str
    width: int | None
    height: int | None
    fingerprint: str | None

    def check_blob(self) -> None:
        """Raise `ValueError` for a member that `dump_blob` cannot have written."""
        fingerprint = self.fingerprint
        # One look at all digits: a regular expression for each takes three times as long.
        digits = self.md5 + self.sha256 + (fingerprint or "")
        if (
            len(self.md5) != 32
            or len(self.sha256) != 64
            or (fingerprint is not None and len(fingerprint) != 64)
            or not _is_hex(digits)
        ):
            _check_hex(self.md5, 32, "MD5")
            _check_hex(self.sha256, 64, "SHA-256")
            _check_hex(fingerprint or "", 64, "256-bit fingerprint")
        if not 0 <= self.size <= _MAX_SIZE:
            raise ValueError(f"size: expected a number of bytes, got {self.size}")
        if self.media_type not in _TYPES:
            expected = ", ".join(EXTENSIONS)
            raise ValueError(f"media_type: expected one of {expected}, got {self.media_type!r}")
        if self.width is not None and not 1 <= self.width <= _MAX_SIDE:
            raise ValueError(f"width: expected a number of pixels or null, got {self.width}")
        if self.height is not None and not 1 <= self.height <= _MAX_SIDE:
            raise ValueError(f"height: expected a number of pixels or null, got {self.height}")

    def blob(self) -> Blob:
        """Return the blob; the members were checked."""
        bits = self.fingerprint
        return Blob(
            Digest(self.sha256),
            self.md5,
            self.size,
            _TYPES[self.media_type],
            self.width,
            self.height,
            Fingerprint(int(bits, 16)) if bits is not None else None,
        )


class Line(BlobMembers, kw_only=True, forbid_unknown_fields=True, gc=False):
    """The members of a line, in the order in which `dumps` writes them."""

    key: str | None = None
    alias_of: str | None = None
    sources: list[str]
    former_sources: list[str] = []

    def check(self) -> None:
        """Raise `ValueError` for a member that `dumps` of no version can have written."""
        self.check_blob()
        self.sources = _addresses("sources", self.sources)
        if self.former_sources:
            self.former_sources = _addresses("former_sources", self.former_sources)
        if self.key is not None and not is_safe_key(self.key):
            raise ValueError(f"key: expected a relative path without `..`, got {self.key!r}")
        if self.key is not None and is_reserved(self.key):
            raise ValueError(f"key: expected none below `.mirror/`, got {self.key!r}")
        if self.alias_of is not None:
            _check_hex(self.alias_of, 64, "SHA-256")

    def asset(self) -> Asset:
        """Return the asset; the members were checked."""
        return Asset(
            self.blob(),
            tuple(map(Address, self.sources)),
            Key(self.key) if self.key is not None else None,
            Digest(self.alias_of) if self.alias_of is not None else None,
            tuple(map(Address, self.former_sources)),
        )


_decode = msgspec.json.Decoder(Line).decode


def _is_hex(text: str) -> bool:
    """Return True if `text` is lower-case hex digits, an even number of them."""
    try:
        return bytes.fromhex(text).hex() == text
    except ValueError:
        return False


def _check_hex(text: str, count: int, kind: str) -> None:
    if len(text) != count or not _is_hex(text):
        raise ValueError(f"expected {count} lower-case hex digits ({kind}), got {text!r}")


def _explain(error: ValueError, text: str) -> str:
    """Return the words for an error of msgspec, or of `check`."""
    message = str(error)
    if not isinstance(error, (msgspec.DecodeError, UnicodeError)):
        return message
    if match := _MISFIT.match(message):
        return f"{match['member']}: expected {match['types']}"
    if match := _UNKNOWN.search(message):
        return f"unknown member {match[1]!r}; expected {', '.join(Line.__struct_fields__)}"
    if match := _MISSING.search(message):
        return f"{match[1]!r} is missing"
    return f"expected a JSON object, got {quoted(text)} ({message})"


def read_lines(texts: Iterable[str], file: str = "") -> Iterator[tuple[LinePlace, Line]]:
    """Yield the place of each line behind the header, and its members, checked.

    Blank lines are left out. What must hold among lines is not checked. Raise `ManifestError`.
    """
    numbered = enumerate(texts, 1)
    _check_header(next(numbered, (1, ""))[1], file)
    for number, text in numbered:
        if not text or text.isspace():
            continue
        try:
            line: Line = _decode(text)
            line.check()
        except ValueError as error:
            _refuse_marker((file, number), text)
            raise line_error((file, number), _explain(error, text)) from error
        yield (file, number), line


def parse(texts: Iterable[str]) -> Iterator[tuple[LinePlace, Asset]]:
    """Yield the place of each line and its asset, as `read_lines` reads them."""
    return ((place, line.asset()) for place, line in read_lines(texts))


def select(
    lines: Iterable[Line],
    keys: Container[str] = (),
    sources: Container[str] = (),
    digests: Container[str] = (),
) -> Iterator[Line]:
    """Yield the lines with one of `keys`, `digests` or `sources`; `sources` are identities."""
    for line in lines:
        if (
            line.key in keys
            or line.sha256 in digests
            or any(identity(url) in sources for url in line.sources)
        ):
            yield line


def _check_header(text: str, file: str) -> None:
    place = (file, 1)
    if text.startswith("\ufeff"):
        raise line_error(place, "starts with a byte order mark; save the file as UTF-8 without one")
    _refuse_marker(place, text)
    try:
        header = msgspec.json.decode(text)
    except (ValueError, RecursionError):
        header = None
    if header != HEADER:
        raise line_error(
            place,
            f"expected {HEADER_TEXT}, got {quoted(text)}; another version needs another mirror",
        )


def _refuse_marker(place: LinePlace, text: str) -> None:
    if text.startswith(_MARKERS):
        raise line_error(
            place,
            f"merge conflict marker {text[:7]!r}; both sides' image lines may stay: "
            "delete the marker lines, and of two lines with one sha256 keep one",
        )


def line_error(place: LinePlace, message: str) -> ManifestError:
    """Return the error for a line. The message may quote it: secrets are cut out."""
    file, number = place
    error = hide_secrets(f"line {number}: {message}")
    return ManifestError(f"{file}: {error}" if file else error)


def dump_line(asset: Asset) -> str:
    """Return the line of an asset, without the line end."""
    blob = asset.blob
    width = "null" if blob.width is None else blob.width
    height = "null" if blob.height is None else blob.height
    fingerprint = f'"{blob.fingerprint}"' if blob.fingerprint is not None else "null"
    key = f', "key": {_quote(asset.key)}' if asset.key is not None else ""
    alias = f', "alias_of": "{asset.alias_of}"' if asset.alias_of is not None else ""
    sources = ", ".join(map(_quote, sorted(asset.sources)))
    former = ", ".join(map(_quote, sorted(asset.former_sources)))
    former = f', "former_sources": [{former}]' if former else ""
    return (
        f'{{"sha256": "{blob.digest.hex}", "md5": "{blob.md5}", "size": {blob.size}, '
        f'"media_type": "{blob.media_type}", "width": {width}, "height": {height}, '
        f'"fingerprint": {fingerprint}{key}{alias}, "sources": [{sources}]{former}}}'
    )


def dump_blob(blob: Blob) -> dict[str, Any]:
    """Return the members of a line that describe its bytes alone."""
    members: dict[str, Any] = json.loads(dump_line(Asset(blob)))
    del members["sources"]
    return members


def load_blob(raw: Mapping[str, Any]) -> Blob:
    """Return the blob of which `dump_blob` wrote these members; raise `ValueError` for others."""
    members = msgspec.convert(raw, BlobMembers)
    members.check_blob()
    return members.blob()


def _addresses(member: str, urls: list[str]) -> list[str]:
    """Return the addresses that the URLs spell, each once; raise `ValueError` for another text.

    Another version may have spelled an address in another way, or have taken no secret for one.
    """
    if all(map(is_canonical, urls)):
        return urls
    spelled: dict[str, str] = {}
    for url in urls:
        address = canonical(url)
        if address is None:
            raise ValueError(f"{member}: expected URLs, got {url!r}")
        if address != url:
            REMARKS.tell(
                f"a URL of the manifest is read as {address}, and so are others like it: mirror "
                "spells it in this way now, and hides its secrets. The next `mirror sync` writes "
                "it so; a secret that stood there stays in the history of git",
                topic="spelling",
            )
        spelled.setdefault(identity(address), address)
    return [*spelled.values()]


def is_safe_key(key: str) -> bool:
    """Return True if `key` is a relative path that stays below the folder it is joined to.

    The manifest is input too, so every key that is read is checked.
    """
    return _KEY.fullmatch(key) is not None


def is_address(url: object) -> bool:
    """Return True if `url` is a text that is an `Address`."""
    return isinstance(url, str) and is_canonical(url)


def united(first: Asset, second: Asset) -> Asset | None:
    """Return one asset for two lines of the same bytes, as a union merge of branches leaves them.

    It has the sources of both. `None` if they contradict each other: in the facts about the bytes,
    in the key or in the picture that stands for this one.
    """
    if first.blob != second.blob:
        return None
    if _contradict(first.key, second.key) or _contradict(first.alias_of, second.alias_of):
        return None
    sources = with_sources(first, second.sources)
    former = {*first.former_sources, *second.former_sources} - set(sources.sources)
    return replace(
        sources,
        key=first.key or second.key,
        alias_of=first.alias_of or second.alias_of,
        former_sources=tuple(sorted(former)),
    )


def _contradict(first: object | None, second: object | None) -> bool:
    """Return True if both values are given and differ."""
    return first is not None and second is not None and first != second


def with_sources(asset: Asset, more: Iterable[Address]) -> Asset:
    """Return `asset` with the sources `more` added.

    No source is dropped. Of two that differ in the scheme only, the asset's own stays.
    """
    merged = {identity(url): url for url in (*more, *asset.sources)}
    return replace(asset, sources=tuple(sorted(merged.values())))
