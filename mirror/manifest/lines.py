"""One line of the manifest: an asset as text, and back."""

from __future__ import annotations

import json
import re
from array import array
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from mirror.model import EXTENSIONS, Asset, Blob, Digest, Fingerprint, Key, is_reserved
from mirror.records import RecordError
from mirror.urls.address import Address, canonical, identity, is_canonical
from mirror.urls.redact import hide_secrets

HEADER = {"format": "mirror-manifest", "version": 1}
_MD5 = re.compile(r"[0-9a-f]{32}")
_UNSAFE_ONES = r"\\\x00-\x1f\x7f\ud800-\udfff"
_UNSAFE = re.compile(f"[{_UNSAFE_ONES}]")
_CONFLICT = ("<<<<<<<", "=======", ">>>>>>>", "|||||||")
_MEMBERS = (
    "sha256 md5 size media_type width height fingerprint key alias_of sources former_sources"
).split()
_KNOWN = frozenset(_MEMBERS)
_quote = json.JSONEncoder(ensure_ascii=False).encode


class ManifestError(RecordError):
    """The manifest cannot be used: the line, what was expected, what was found, what to do."""


class UnusualError(Exception):
    """A manifest that `loads` has to read: it is wrong, or not in the order `dumps` gives it."""


class _Among:
    """What has to hold among lines, in little memory.

    Hashes stand for what must differ, so it may, rarely, be overcautious.
    """

    def __init__(self) -> None:
        self._last = ""
        self._sources = [array("q") for _ in range(16)]  # in parts: a set of all would be large
        self._owners = array("q")  # assets with an object of their own
        self._shown = set[int]()  # what repeats are shown as
        self._linked = set[int]()  # repeats with an object of their own

    def add(self, sha256: str, key: str | None, alias: str | None, urls: Iterable[str]) -> None:
        """Raise `UnusualError` if this line does not come after the one before."""
        if sha256 <= self._last:
            raise UnusualError
        self._last = sha256
        for url in urls:
            source = hash(identity(url))
            self._sources[source & 15].append(source)
        if key is not None:
            self._owners.append(hash(sha256))
        if alias is not None:
            self._shown.add(hash(alias))
            if key is not None:
                self._linked.add(hash(sha256))

    def add_asset(self, asset: Asset) -> None:
        alias = asset.alias_of.hex if asset.alias_of is not None else None
        self.add(asset.blob.digest.hex, asset.key, alias, asset.sources)

    def check(self) -> None:
        """Raise `UnusualError` if a source stands twice, or a repeat shows none or a repeat."""
        if self._shown & self._linked:
            raise UnusualError
        self._shown.difference_update(self._owners)
        if self._shown or any(len(set(part)) < len(part) for part in self._sources):
            raise UnusualError


def parse(lines: Iterable[str]) -> Iterator[tuple[int, Asset]]:
    """Yield line number and asset, a line at a time; checks each line, not lines against others."""
    for number, line in _numbered(lines):
        if (usual := _read_usual(line)) is not None:
            yield number, _usual_asset(usual)
        elif line.strip():
            yield number, _parse_asset(number, _load_object(number, line))


def select(
    lines: Iterable[str],
    keys: Collection[str] = (),
    sources: Collection[str] = (),
    digests: Collection[str] = (),
) -> Iterator[Asset]:
    """Those with one of `keys`, `sources` (by `sources.identity`) or `digests`; like `parse`."""

    def is_wanted(digest: str, key: str | None, urls: Iterable[str]) -> bool:
        return key in keys or digest in digests or any(identity(url) in sources for url in urls)

    for number, line in _numbered(lines):
        if (usual := _read_usual(line)) is not None:
            _, sha256, *_, key, _, urls = usual
            if is_wanted(sha256, key, urls):
                yield _usual_asset(usual)
        elif line.strip():
            asset = _parse_asset(number, _load_object(number, line))
            if is_wanted(asset.digest.hex, asset.key, asset.sources):
                yield asset


def _numbered(lines: Iterable[str]) -> Iterator[tuple[int, str]]:
    """The lines behind the first, which says what they are, and their numbers."""
    numbered = enumerate(lines, 1)
    _, first = next(numbered, (1, ""))
    if first.startswith("\ufeff"):
        raise _error(1, "starts with a byte order mark; save the file as UTF-8 without one")
    if _load_object(1, first) != HEADER:
        expected = json.dumps(HEADER)
        raise _error(
            1, f"expected {expected}, got {first[:80]!r}; another version needs another mirror"
        )
    return numbered


# A line as `dumps` writes it when nothing in it has to be escaped. What is hexadecimal and what is
# an address is looked at afterwards.
_USUAL = re.compile(
    r'\{{"sha256": "([^"]{{64}})", "md5": "([^"]{{32}})", "size": (0|{number}), '
    r'"media_type": "({types})", "width": (?:null|({number})), "height": (?:null|({number})), '
    r'"fingerprint": (?:null|"([^"]{{64}})")(?:, "key": "({part}(?:/{part})*+)")?'
    r'(?:, "alias_of": "([^"]{{64}})")?, "sources": \[(?:"([^"]*(?:", "[^"]*)*)")?\]\}}'.format(
        number="[1-9][0-9]{0,17}",
        types="|".join(map(re.escape, EXTENSIONS)),
        part=rf'(?![./])[^"/{_UNSAFE_ONES}]++',
    )
)
_TYPES = {name: name for name in EXTENSIONS}  # one string for all assets
# MD5 and SHA-256 in one, SHA-256, MD5, size, type, width, height, fingerprint, key, alias, sources.
_Usual = tuple[
    bytes, str, str, str, str, str | None, str | None, str | None, str | None, str | None, list[str]
]


def _read_usual(line: str) -> _Usual | None:
    """The quick way for most lines; `None` for all others, right or wrong."""
    if (match := _USUAL.fullmatch(line)) is None:
        return None
    sha256, md5, size, media_type, width, height, fingerprint, key, alias, sources = match.groups()
    digits = md5 + sha256 + (fingerprint or "") + (alias or "")
    try:
        digests = bytes.fromhex(digits)
    except ValueError:
        return None
    urls = sources.split('", "') if sources is not None else []
    if digests.hex() != digits or not all(map(is_canonical, urls)):
        return None
    digests = digests[:48]
    return digests, sha256, md5, size, media_type, width, height, fingerprint, key, alias, urls


def _usual_asset(usual: _Usual) -> Asset:
    _, sha256, md5, size, media_type, width, height, fingerprint, key, alias, urls = usual
    blob = Blob(
        Digest(sha256),
        md5,
        int(size),
        _TYPES[media_type],
        int(width) if width is not None else None,
        int(height) if height is not None else None,
        Fingerprint(int(fingerprint, 16)) if fingerprint is not None else None,
    )
    return Asset(
        blob,
        tuple(map(Address, urls)),
        Key(key) if key is not None else None,
        Digest(alias) if alias is not None else None,
    )


def _dump(asset: Asset) -> str:
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
    """The members of an asset line that describe its bytes alone."""
    members: dict[str, Any] = json.loads(_dump(Asset(blob)))
    del members["sources"]
    return members


def load_blob(raw: Mapping[str, Any]) -> Blob:
    """Inverse of `dump_blob`; raise `ValueError` or `KeyError` for what it did not write."""
    fingerprint = raw["fingerprint"]
    if not isinstance(raw["md5"], str) or not _MD5.fullmatch(raw["md5"]):
        raise ValueError(f"md5: expected 32 lower-case hex digits, got {raw['md5']!r}")
    if type(raw["size"]) is not int or not 0 <= raw["size"] < 2**63:
        raise ValueError(f"size: expected a number of bytes, got {raw['size']!r}")
    if not isinstance(raw["media_type"], str) or raw["media_type"] not in EXTENSIONS:
        known = ", ".join(EXTENSIONS)
        raise ValueError(f"media_type: expected one of {known}, got {raw['media_type']!r}")
    for name in ("width", "height"):
        if raw[name] is not None and (type(raw[name]) is not int or raw[name] < 1):
            raise ValueError(f"{name}: expected a number of pixels or null, got {raw[name]!r}")
    return Blob(
        digest=Digest.parse(raw["sha256"]),
        md5=raw["md5"],
        size=raw["size"],
        media_type=raw["media_type"],
        width=raw["width"],
        height=raw["height"],
        fingerprint=Fingerprint.parse(fingerprint) if fingerprint is not None else None,
    )


def _parse_asset(number: int, raw: dict[str, Any]) -> Asset:
    if not raw.keys() <= _KNOWN:
        unknown = min(raw.keys() - _KNOWN)
        raise _error(number, f"unknown member {unknown!r}; expected {', '.join(_MEMBERS)}")
    try:
        blob = load_blob(raw)
        sources = raw["sources"]
        key = raw.get("key")
        alias = raw.get("alias_of")
        former = raw.get("former_sources", [])
        _check_addresses("sources", sources)
        _check_addresses("former_sources", former)
        if key is not None and (not isinstance(key, str) or not is_safe_key(key)):
            raise ValueError(f"key: expected a relative path without `..`, got {key!r}")
        if key is not None and is_reserved(key):
            raise ValueError(f"key: expected none below `.mirror/`, got {key!r}")
        return Asset(
            blob,
            tuple(map(Address, sources)),
            Key(key) if key is not None else None,
            Digest.parse(alias) if alias is not None else None,
            tuple(map(Address, former)),
        )
    except KeyError as error:
        raise _error(number, f"{error.args[0]!r} is missing") from error
    except ValueError as error:
        raise _error(number, str(error)) from error


def _check_addresses(member: str, urls: object) -> None:
    if not isinstance(urls, list):
        raise ValueError(f"{member}: expected a list of canonical URLs, got {urls!r}")
    for url in urls:
        if not is_address(url):
            known = canonical(url) if isinstance(url, str) else None
            # The text may hold a secret, which is not printed.
            actual = f"another spelling, or a secret, in {known!r}" if known else repr(url)
            raise ValueError(f"{member}: expected canonical URLs, got {actual}")


def is_safe_key(key: str) -> bool:
    """Whether `key` is a relative path that stays where it is put. The manifest is input too."""
    return {"", ".", ".."}.isdisjoint(key.split("/")) and not _UNSAFE.search(key)


def is_address(url: object) -> bool:
    """Whether `url` is an `Address`, and not just any text."""
    return isinstance(url, str) and is_canonical(url)


def _load_object(number: int, line: str) -> dict[str, Any]:
    if line.startswith(_CONFLICT):
        raise _error(
            number,
            f"merge conflict marker {line[:7]!r}; both sides' image lines may stay: "
            "delete the marker lines, and of two lines with one sha256 keep one",
        )
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise _error(number, f"expected a JSON object, got {line[:80]!r} ({error})") from error
    if not isinstance(value, dict):
        raise _error(number, f"expected a JSON object, got {line[:80]!r}")
    return value


def _error(number: int, message: str) -> ManifestError:
    # What stands on the line is quoted, and somebody may have put a signed URL there by hand.
    return ManifestError(hide_secrets(f"line {number}: {message}"))


def united(first: Asset, second: Asset) -> Asset | None:
    """Return one asset for two lines of the same bytes, as a union merge of branches leaves them.

    It has the sources of both. `None` if they contradict each other: in the facts about the bytes,
    in the key or in the picture that stands for this one.
    """
    if first.blob != second.blob:
        return None
    keys = {asset.key for asset in (first, second)} - {None}
    aliases = {asset.alias_of for asset in (first, second)} - {None}
    if len(keys) > 1 or len(aliases) > 1:
        return None
    sources = with_sources(first, second.sources)
    former = {*first.former_sources, *second.former_sources} - set(sources.sources)
    return replace(
        sources,
        key=next(iter(keys), None),
        alias_of=next(iter(aliases), None),
        former_sources=tuple(sorted(former)),
    )


def with_sources(asset: Asset, more: Iterable[Address]) -> Asset:
    """`asset` found under `more` addresses too; none is ever dropped, none stands twice."""
    merged = {identity(url): url for url in (*more, *asset.sources)}
    return replace(asset, sources=tuple(sorted(merged.values())))
