"""From a URL in a post to the object it means: canonical addresses, sources, renditions. Pure.

Two spellings of one object (`//`, upper-case host, default port, raw or percent-encoded path, a
signature in the query) have one `Address`. Two objects never share one, whatever they look like:
equal paths on two hosts stay two addresses unless one `fetch` base serves both.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import quote, unquote_to_bytes

from mirror.model import Address, Url, path_without_secrets, query_without_secrets

_URL = re.compile(
    r"(?:(?P<scheme>https?):)?//(?:[^/?#]*@)?(?P<host>\[[0-9A-Fa-f:.]+\]|[^/?#:@\[\]\s\\]+)"
    r"(?::(?P<port>\d{0,5}))?(?P<path>/[^?#]*)?(?:\?(?P<query>[^#]*))?(?:#.*)?",
    re.IGNORECASE | re.DOTALL,
)
_PORTS = {"http": "80", "https": "443"}
_SEGMENT = "-._~!$&'()*+,;=:@"  # RFC 3986 pchar: what may stand unescaped in a path segment
# What RFC 3986 reserves stays as it is spelled: to Amazon `+` is a blank and `%2B` a plus, to OSS
# `!` begins a style. Not `'()*`, which encoders do not agree on and no server tells apart.
_RESERVED = re.compile("(%(?:2[146BC]|3[ABD]|40))", re.IGNORECASE)
_QUERY = _SEGMENT + "/?%|"  # `%` stays: a query is compared as its host wrote it
# Most addresses: seen to be canonical without taking them apart. A manifest may have millions.
_PLAIN = re.compile(
    r"https?://[a-z0-9_-]+(?:\.[a-z0-9_-]+)*"
    r"(?:/(?!\.{1,2}(?:/|\Z))(?:[A-Za-z0-9._~-]++|%(?:20|[89A-F][0-9A-F]))++)+"
)

# Image processing. Aliyun OSS `x-oss-process=image/resize,w_800`; Qiniu and Tencent COS
# `imageView2/2/w/800`, `imageMogr2/thumbnail/…`, `imageslim`; named styles behind the name.
_PROCESS = re.compile(
    r"x-oss-process=|x-cos-process=|image(?:View2|Mogr2|slim|Ave|MogrV2)\b|watermark/", re.I
)
_STYLE = re.compile(
    r"(?P<name>\.(?:png|jpe?g|gif|webp|bmp|svg|avif|tiff?|ico|heic))(?:@?![^/!]+)$", re.I
)
# Operations after which it is another picture, not the same one smaller: such a post keeps it.
# OSS: documented list of /image operations; `m_fill` cuts and `m_pad` adds a border. Qiniu and COS:
# imageView2 modes 1 and 5 cut to the size asked for.
_CHANGES = re.compile(
    r"watermark|crop|circle|rounded-corners|roundPic|blur|bright|contrast|sharpen|rotate|m_fill|m_pad"
    r"|imageView2/[15]\b|scrop|iradius",
    re.I,
)
_VERSION = re.compile(r"(?:^|&)versionId=", re.I)


@dataclass(frozen=True, slots=True)
class _Parts:
    """A URL taken apart, in canonical form."""

    scheme: str  # "" when the post leaves it to the page
    host: str  # with a port that is not the default one
    path: str
    query: str

    def url(self, scheme: str) -> str:
        return f"{scheme}://{self.host}{self.path}" + (f"?{self.query}" if self.query else "")

    def address(self, scheme: str) -> Address:
        return Address(self.url(scheme))

    @property
    def public(self) -> _Parts:
        """The same without secrets."""
        path = path_without_secrets(self.path)
        if path != self.path:
            path = _path(path)  # what is left may be a dot
        query = query_without_secrets(path, "", self.query)
        return _Parts(self.scheme, self.host, path, query)


def _parse(text: str) -> _Parts | None:
    """Without secrets."""
    full = _parse_full(text)
    return full.public if full else None


def _parse_full(text: str) -> _Parts | None:
    match = _URL.fullmatch(text.strip(" \t\n\r"))
    if match is None:
        return None
    scheme = (match["scheme"] or "").lower()
    host = match["host"].lower().rstrip(".")
    if not host.isascii():
        try:
            host = host.encode("idna").decode("ascii")
        except UnicodeError:
            return None
    if not host or not re.fullmatch(r"[\w.\-\[\]:]+", host, re.ASCII):
        return None
    if (port := (match["port"] or "").lstrip("0")) and port != _PORTS[scheme or "https"]:
        if int(port) > 65535:
            return None
        host = f"{host}:{port}"
    return _Parts(scheme, host, _path(match["path"] or "/"), _query(match["query"] or ""))


def _path(path: str) -> str:
    segments: list[str] = []
    for raw in path.split("/")[1:]:
        parts = enumerate(_RESERVED.split(raw))
        segment = "".join(part.upper() if i % 2 else _respelled(part) for i, part in parts)
        if segment == "..":
            del segments[-1:]
        elif segment != ".":
            segments.append(segment)
    if path.rpartition("/")[2] in (".", ".."):
        segments.append("")
    return "/" + "/".join(segments)


def _respelled(text: str) -> str:
    return quote(unquote_to_bytes(text.encode("utf-8", "surrogatepass")), safe=_SEGMENT)


def _query(query: str) -> str:
    return quote(query.encode("utf-8", "surrogatepass"), safe=_QUERY)


def is_processed(text: str) -> bool:
    """Whether a URL or request path asks for image processing: what comes is made on the fly."""
    path, _, query = text.partition("?")
    return any(map(_PROCESS.match, query.split("&"))) or bool(_STYLE.search(path))


def canonical(text: str) -> Address | None:
    """Return the address of an absolute or `//` URL (as https), or `None` for anything else."""
    parts = _parse(text)
    return parts.address(parts.scheme or "https") if parts else None


def is_canonical(text: str) -> bool:
    """Whether `text` is an `Address`, spelled as `canonical` would spell it."""
    return bool(_PLAIN.fullmatch(text)) or canonical(text) == text


def identity(address: str) -> str:
    """What is compared: the address without its scheme."""
    return address.partition("//")[2]


@dataclass(frozen=True, slots=True)
class Source:
    """One `[[source]]`: which URLs are ours to mirror, and how they are read."""

    name: str
    match: tuple[str, ...]
    fetch: str | None = None
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    variants: Literal["rendition", "original"] = "rendition"
    trust_svg: bool = False
    endpoint_url: str | None = None
    region: str | None = None
    profile: str | None = None


@dataclass(frozen=True, slots=True)
class Located:
    """One picture a post asks for: how the manifest calls it and where it is read.

    `bucket_key` is set instead of `request` when it is read from `s3://`. `original` is the
    unprocessed object behind a rendition: archived too, because a style can vanish with its host.
    """

    source: Source
    address: Address
    request: Url
    bucket_key: str | None = None
    original: Located | None = None

    @property
    def asked(self) -> str:
        """What one request is made for: equal for two addresses served by one object."""
        return f"{self.source.name}\0{self.bucket_key}" if self.bucket_key else self.request.raw


@dataclass(frozen=True, slots=True)
class _Prefix:
    scheme: str
    host: str
    path: str
    source: Source


class Locator:
    """Decides which source a URL belongs to; the longest matching prefix wins, then the first."""

    def __init__(self, sources: Iterable[Source]) -> None:
        """Raise `ValueError` that names a prefix which is no http(s) or `//` URL."""
        self._by_host: dict[str, list[_Prefix]] = {}
        for source in sources:
            for text in source.match:
                if (parts := _parse(text)) is None or parts.query:
                    raise ValueError(
                        f"source {source.name!r}: match {text!r} is not a URL prefix such as "
                        f"https://bucket.oss-cn-beijing.aliyuncs.com/"
                    )
                prefix = _Prefix(parts.scheme or "https", parts.host, parts.path, source)
                self._by_host.setdefault(parts.host, []).append(prefix)
        for prefixes in self._by_host.values():
            prefixes.sort(key=lambda prefix: -len(prefix.path))
        self._seen: dict[str, Located | None] = {}

    def locate(self, url: Url) -> Located | None:
        """Return what `url` means, or `None` when no source matches it."""
        if url.raw not in self._seen:
            self._seen[url.raw] = self._locate(url.raw)
        return self._seen[url.raw]

    def known(self, text: str) -> Address | None:
        """The address of a URL as its source would record it; canonical when none matches."""
        located = self.locate(Url(text))
        return located.address if located else canonical(text)

    def source_of(self, address: Address) -> Source | None:
        """The source that a recorded address belongs to, as long as the configuration has it."""
        located = self.locate(Url(address))
        return located.source if located else None

    def _locate(self, raw: str) -> Located | None:
        if (full := _parse_full(raw)) is None:
            return None
        parts = full.public
        for prefix in self._by_host.get(parts.host, ()):
            if parts.path.startswith(prefix.path):
                return _located(prefix, parts, full)
        return None


def _located(prefix: _Prefix, parts: _Parts, full: _Parts) -> Located:
    """`full` has the secrets that the request needs."""
    plain = _unprocessed(parts)
    if plain is None:
        return _one(prefix, parts, full)
    original = _one(prefix, plain, plain)
    if prefix.source.variants == "original" and not _CHANGES.search(_processing(parts, plain)):
        return original
    rendition = _one(prefix, parts, full)
    if rendition.bucket_key is not None:
        # A bucket stores the original and cannot process it: the rendition is asked of its host.
        rendition = Located(prefix.source, rendition.address, Url(rendition.address))
    return Located(prefix.source, rendition.address, rendition.request, None, original)


def _one(prefix: _Prefix, parts: _Parts, full: _Parts) -> Located:
    source = prefix.source
    address = parts.address(prefix.scheme)
    is_bucket = source.fetch is not None and source.fetch.startswith("s3://")
    if source.fetch is None or (is_bucket and _VERSION.search(parts.query)):
        # Also for one version of an object, which only its host is asked for.
        return Located(source, address, Url(full.url(prefix.scheme)))
    rest = (parts if is_bucket else full).path[len(prefix.path) :]
    if not prefix.path.endswith("/"):
        rest = rest.removeprefix("/")
    if is_bucket:
        inside = source.fetch.removeprefix("s3://").partition("/")[2].strip("/")
        key = unquote_to_bytes(rest).decode("utf-8", "surrogateescape")
        return Located(source, address, Url(address), f"{inside}/{key}" if inside else key)
    query = f"?{full.query}" if full.query else ""
    return Located(source, address, Url(f"{source.fetch.rstrip('/')}/{rest}{query}"))


def _unprocessed(parts: _Parts) -> _Parts | None:
    """The address without image processing, or `None` when nothing is processed."""
    pairs = [pair for pair in parts.query.split("&") if not _PROCESS.match(pair)]
    path = _STYLE.sub(r"\g<name>", parts.path)
    plain = _Parts(parts.scheme, parts.host, path, "&".join(pairs))
    return None if plain == parts else plain


def _processing(parts: _Parts, plain: _Parts) -> str:
    """Only what is asked for, so that `crop` in a file's name is no operation."""
    return parts.query if parts.query != plain.query else ""
