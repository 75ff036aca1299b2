"""The sources of a configuration, and the object that a URL of theirs means. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Literal
from urllib.parse import unquote_to_bytes

from mirror.urls.address import Address, Url, UrlParts, canonical, parse
from mirror.urls.suffixes import IMAGE_SUFFIXES

# Image processing. Aliyun OSS `x-oss-process=image/resize,w_800`; Qiniu and Tencent COS
# `imageView2/2/w/800`, `imageMogr2/thumbnail/…`, `imageslim`; named styles behind the name.
_PROCESS = re.compile(
    r"x-oss-process=|x-cos-process=|image(?:View2|Mogr2|slim|Ave|MogrV2)\b|watermark/", re.I
)
_STYLE = re.compile(rf"(?P<name>\.(?:{IMAGE_SUFFIXES}))(?:@?![^/!]+)$", re.I)
# Operations after which it is another picture, not the same one smaller: such a post keeps it.
# OSS: documented list of /image operations; `m_fill` cuts and `m_pad` adds a border. Qiniu and COS:
# imageView2 modes 1 and 5 cut to the size asked for.
_CHANGES = re.compile(
    r"watermark|crop|circle|rounded-corners|roundPic|blur|bright|contrast|sharpen|rotate|m_fill|m_pad"
    r"|imageView2/[15]\b|scrop|iradius",
    re.I,
)
_MOST_SEEN = 2**14  # images, in 10 MB; to locate one again takes 6 µs
_VERSION = re.compile(r"(?:^|&)versionId=", re.I)


def is_processed(text: str) -> bool:
    """Return True if a URL or request path asks a host to process the image."""
    if "?" not in text and "!" not in text:
        return False
    path, _, query = text.partition("?")
    return any(map(_PROCESS.match, query.split("&"))) or bool(_STYLE.search(path))


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

    @property
    def bucket(self) -> str | None:
        """Name of the bucket of `fetch = "s3://bucket/prefix"`."""
        return self._bucket_and_prefix[0] or None

    @property
    def bucket_prefix(self) -> str:
        """Start of the keys in it, without a slash at either end."""
        return self._bucket_and_prefix[1].strip("/")

    @property
    def _bucket_and_prefix(self) -> tuple[str, str]:
        is_bucket = self.fetch is not None and self.fetch.startswith("s3://")
        bucket, _, prefix = (self.fetch or "").removeprefix("s3://").partition("/")
        return (bucket, prefix) if is_bucket else ("", "")


@dataclass(frozen=True, slots=True)
class SourceImage:
    """One picture a post asks for: how the manifest calls it and where it is read.

    `bucket_key` is used instead of `fetch_url` when it is read from `s3://`. `fallback_url` has the
    other scheme, where the post does not insist on https. `original` is the unprocessed object
    behind a rendition: archived too, because a style can vanish with its host.
    """

    source: Source
    address: Address
    fetch_url: Url
    bucket_key: str | None = None
    original: SourceImage | None = None
    fallback_url: Url | None = None

    @property
    def object_name(self) -> str:
        """Name of the object that is read: equal for two addresses that one object serves."""
        return f"{self.source.name}\0{self.bucket_key}" if self.bucket_key else self.fetch_url.raw


@dataclass(frozen=True, slots=True)
class _Prefix:
    scheme: str
    host: str
    path: str
    source: Source

    def covers(self, path: str) -> bool:
        """Return True for the path itself and what is below it: `/note` is not `/notebook`."""
        return path == self.path or path.startswith(self.path.rstrip("/") + "/")


class Locator:
    """Finds the source that a URL belongs to; the longest matching prefix wins, then the first.

    A prefix ends where a segment of the path ends: `https://cdn/note` matches `/note/a.png`, not
    `/notebook/a.png`, with `fetch` and without.

    Equal paths on two hosts stay two addresses unless one `fetch` base serves both.
    """

    def __init__(self, sources: Iterable[Source]) -> None:
        """Raise `ValueError` that names a prefix which is no http(s) or `//` URL."""
        self._sources = tuple(sources)
        self._by_host: dict[str, list[_Prefix]] = {}
        for source in self._sources:
            for text in source.match:
                full = parse(text)
                if full is None or (parts := full.public).query:
                    raise ValueError(
                        f"source {source.name!r}: match {text!r} is not a URL prefix such as "
                        f"https://bucket.oss-cn-beijing.aliyuncs.com/"
                    )
                prefix = _Prefix(parts.scheme or "https", parts.host, parts.path, source)
                self._by_host.setdefault(parts.host, []).append(prefix)
        for prefixes in self._by_host.values():
            prefixes.sort(key=lambda prefix: -len(prefix.path))
        self._seen: dict[str, SourceImage | None] = {}  # what was located last

    def __reduce__(self) -> tuple[type[Locator], tuple[tuple[Source, ...]]]:
        return Locator, (self._sources,)

    def locate(self, url: Url) -> SourceImage | None:
        """Return the image that `url` means, or `None` when no source matches it."""
        if url.raw not in self._seen:
            if len(self._seen) == _MOST_SEEN:
                self._seen.clear()
            self._seen[url.raw] = self._locate(url.raw)
        return self._seen[url.raw]

    def address_of(self, text: str) -> Address | None:
        """Return the address that the source records for a URL; canonical when none matches."""
        located = self.locate(Url(text))
        return located.address if located else canonical(text)

    def source_of(self, address: Address) -> Source | None:
        """Return the source of a recorded address, if the configuration still has it."""
        located = self.locate(Url(address))
        return located.source if located else None

    def _locate(self, raw: str) -> SourceImage | None:
        if (full := parse(raw)) is None:
            return None
        parts = full.public
        for prefix in self._by_host.get(parts.host, ()):
            if prefix.covers(parts.path):
                return _source_image(prefix, parts, full)
        return None


def _source_image(prefix: _Prefix, parts: UrlParts, full: UrlParts) -> SourceImage:
    """Return the image at an address; `full` has the secrets that the request needs."""
    plain = _unprocessed(parts)
    if plain is None:
        return _image_at(prefix, parts, full)
    original = _image_at(prefix, plain, plain)
    if prefix.source.variants == "original" and not _CHANGES.search(_processing(parts, plain)):
        return original
    rendition = _image_at(prefix, parts, full)
    if rendition.bucket_key is not None:
        # A bucket stores the original and cannot process it: the rendition is asked of its host.
        rendition = SourceImage(prefix.source, rendition.address, Url(rendition.address))
    return replace(rendition, bucket_key=None, original=original)


def _image_at(prefix: _Prefix, parts: UrlParts, full: UrlParts) -> SourceImage:
    source = prefix.source
    address = parts.address(prefix.scheme)
    if source.fetch is None or (source.bucket and _VERSION.search(parts.query)):
        # Also for one version of an object, which only its host is asked for.
        scheme = full.scheme or prefix.scheme
        other = "https" if scheme == "http" else "http"
        may_fall_back = "http" in (full.scheme or "http", prefix.scheme)
        fallback = Url(full.url(other)) if may_fall_back else None
        return SourceImage(source, address, Url(full.url(scheme)), fallback_url=fallback)
    rest = full.path[len(prefix.path) :]
    if prefix.path.endswith("/"):
        rest = "/" + rest
    if source.bucket:
        prefix_in_bucket = f"{source.bucket_prefix}/" if source.bucket_prefix else ""
        key = unquote_to_bytes(rest[1:]).decode("utf-8", "surrogateescape")
        return SourceImage(source, address, Url(address), prefix_in_bucket + key)
    query = f"?{full.query}" if full.query else ""
    return SourceImage(source, address, Url(f"{source.fetch.rstrip('/')}{rest}{query}"))


def _unprocessed(parts: UrlParts) -> UrlParts | None:
    """Return the address without image processing; `None` if it asks for none."""
    if not parts.query and "!" not in parts.path:
        return None
    pairs = [pair for pair in parts.query.split("&") if not _PROCESS.match(pair)]
    path = _STYLE.sub(r"\g<name>", parts.path)
    plain = UrlParts(parts.scheme, parts.host, path, "&".join(pairs))
    return None if plain == parts else plain


def _processing(parts: UrlParts, plain: UrlParts) -> str:
    """Return the processing that the query asks for; a `crop` in a file's name is none."""
    return parts.query if parts.query != plain.query else ""
