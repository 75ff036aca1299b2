"""Addresses: a URL taken apart, its canonical form, its identity. Pure.

Two spellings of one object (`//`, upper-case host, default port, raw or percent-encoded path, a
signature in the query) have one `Address`. Two objects never share one, whatever they look like.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NewType
from urllib.parse import quote, unquote_to_bytes

from mirror.urls.redact import (
    JWT_MARK,
    path_without_secrets,
    printable,
    query_without_secrets,
    without_secrets,
)

Address = NewType("Address", str)
"""A URL in canonical form and without secrets: printable ASCII, safe to store and to show."""


@dataclass(frozen=True, slots=True, order=True, repr=False)
class Url:
    """A URL as a post spells it, escapes and entities resolved.

    It may hold a signature. Printing it is safe: `str()` and `repr()` show no secret and no control
    character. `raw` is for requests. The text of a post holds secrets as well, and is not printed.
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


_URL = re.compile(
    r"(?:(?P<scheme>https?):)?//(?:[^/?#]*@)?(?P<host>\[[0-9A-Fa-f:.]+\]|[^/?#:@\[\]\s\\]+)"
    r"(?::(?P<port>\d{0,5}))?(?P<path>/[^?#]*)?(?:\?(?P<query>[^#]*))?(?:#.*)?",
    re.IGNORECASE | re.DOTALL,
)
_HOST = re.compile(r"[\w.\-\[\]:]+", re.ASCII)
_PORTS = {"http": "80", "https": "443"}
_SEGMENT = "-._~!$&'()*+,;=:@"  # RFC 3986 pchar: what may stand unescaped in a path segment
# What RFC 3986 reserves stays as it is spelled: to Amazon `+` is a blank and `%2B` a plus, to OSS
# `!` begins a style. Not `'()*`, which encoders do not agree on and no server tells apart.
_RESERVED = re.compile("(%(?:2[146BC]|3[ABD]|40))", re.IGNORECASE)
_QUERY = _SEGMENT + "/?%|"  # `%` stays: a query is compared as its host wrote it
# Most addresses: seen to be canonical without taking them apart. A manifest may have millions.
_PLAIN = re.compile(
    r"https?://[a-z0-9_-]+(?:\.[a-z0-9_-]+)*(?!.*%(?!20|[89A-F][0-9A-F]))"
    r"(?:/(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._~%-]++)+"
)
# Paths that `_path` leaves as they are: no dot segment, and nothing to escape or to respell.
_PLAIN_PATH = re.compile(rf"(?:/(?!\.{{1,2}}(?:/|\Z))[A-Za-z0-9{re.escape(_SEGMENT)}]*+)+")


@dataclass(frozen=True, slots=True, repr=False)
class UrlParts:
    """A URL taken apart, in canonical form."""

    scheme: str  # "" when the post leaves it to the page
    host: str  # with a port that is not the default one
    path: str
    query: str

    def url(self, scheme: str) -> str:
        return f"{scheme}://{self.host}{self.path}" + (f"?{self.query}" if self.query else "")

    def address(self, scheme: str) -> Address:
        return Address(self.url(scheme))

    def __repr__(self) -> str:
        return f"UrlParts({str(Url(self.url(self.scheme or 'https')))!r})"

    @property
    def public(self) -> UrlParts:
        """The same without secrets."""
        path = path_without_secrets(self.path)
        if path != self.path:
            path = _path(path)  # what is left may be a dot
        query = query_without_secrets(path, "", self.query)
        if (path, query) == (self.path, self.query):
            return self
        return UrlParts(self.scheme, self.host, path, query)


def parse(text: str) -> UrlParts | None:
    """Take an absolute or `//` URL apart, secrets included; `None` for anything else."""
    if _PLAIN.fullmatch(text) and JWT_MARK not in text:
        scheme, _, rest = text.partition("://")
        host, slash, path = rest.partition("/")
        return UrlParts(scheme, host, slash + path, "")
    match = _URL.fullmatch(text.strip(" \t\n\r"))
    if match is None:
        return None
    scheme = (match["scheme"] or "").lower()
    host = (ascii_host(match["host"]) or "").rstrip(".")
    if not _HOST.fullmatch(host):
        return None
    if (port := (match["port"] or "").lstrip("0")) and port != _PORTS[scheme or "https"]:
        if int(port) > 65535:
            return None
        host = f"{host}:{port}"
    return UrlParts(scheme, host, _path(match["path"] or "/"), _query(match["query"] or ""))


def ascii_host(host: str) -> str | None:
    """Return a host in lower-case ASCII as browsers send it; `None` if it is no domain name.

    UTS 46, non-transitional, without the rules for registrars: `faß.de` is `xn--fa-hia.de`, and a
    label may hold `_`. Percent-encoding is decoded first.
    """
    if "%" in host:
        host = unquote_to_bytes(host).decode("utf-8", "replace")
        if ":" in host:  # a port or an IPv6 address cannot be encoded
            return None
    if host.isascii():
        return host.lower()
    import idna  # its tables take 10 ms to load, and few hosts need them

    try:
        mapped = idna.uts46_remap(host, std3_rules=False, transitional=False)
        labels = [
            label if label.isascii() else f"xn--{label.encode('punycode').decode('ascii')}"
            for label in mapped.split(".")
        ]
    except UnicodeError:  # of which idna's errors are a kind
        return None
    return ".".join(labels)


def _path(path: str) -> str:
    if _PLAIN_PATH.fullmatch(path):
        return path
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
    return quote(query.encode("utf-8", "surrogatepass"), safe=_QUERY) if query else ""


def without_dots(path: str) -> str:
    """Return `path` without `.` and `..` segments, plain or percent-encoded.

    Empty segments stay.
    """
    if "." not in path and "%2" not in path:
        return path or "/"
    segments: list[str] = []
    raw = path.split("/")[1:]
    for number, segment in enumerate(raw, 1):
        plain = segment.replace("%2e", ".").replace("%2E", ".")
        if plain not in (".", ".."):
            segments.append(segment)
            continue
        if plain == "..":
            del segments[-1:]
        if number == len(raw):
            segments.append("")
    return "/" + "/".join(segments)


def canonical(text: str) -> Address | None:
    """Return the address of an absolute or `//` URL (as https), or `None` for anything else."""
    if _PLAIN.fullmatch(text) and JWT_MARK not in text:
        return Address(text)
    parts = parse(text)
    return parts.public.address(parts.scheme or "https") if parts else None


def is_canonical(text: str) -> bool:
    """Return True if `text` is an `Address`, spelled as `canonical` would spell it."""
    return canonical(text) == text


def identity(address: str) -> str:
    """Return the address without its scheme: two addresses are compared by it."""
    return address.partition("//")[2]


def host_of(address: str) -> str:
    """Return the host of an address, with a port that is not the default one."""
    return identity(address).partition("/")[0]


def decoded_path(path: str) -> str:
    """Return a percent-encoded path as text; two paths never become one text.

    What is no UTF-8, such as a name in GBK, stays percent-encoded. So does a `%` that two
    hexadecimal digits follow.
    """
    pieces = re.split("((?:%[0-9A-Fa-f]{2})+)", path)
    for number in range(1, len(pieces), 2):
        text = unquote_to_bytes(pieces[number]).decode("utf-8", "surrogateescape")
        pieces[number] = "".join(
            f"%{ord(char) - 0xDC00:02X}" if "\udc80" <= char <= "\udcff" else char
            for char in text.replace("%", "%25")
        )
    return re.sub("%25(?![0-9A-Fa-f]{2})", "%", "".join(pieces))
