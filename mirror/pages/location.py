"""An address in a page -> the place where it leads, as a browser resolves it.

The rules are those of the WHATWG URL standard, as far as http, https and relative addresses need
them: blanks around an address and line breaks in it do not count, `\\` is `/`, `%2e` is a dot.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import quote, unquote

from mirror.urls.address import UrlParts, parse, without_dots

_AROUND = "".join(map(chr, range(0x21)))
_INSIDE = re.compile(r"[\t\n\r]+")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")


class Location(NamedTuple):
    """An address resolved: `host` is empty on the site itself, `scheme` where the page left it out.

    `path` is absolute and spelled as in the page, `query` comes with its `?`.
    """

    scheme: str
    host: str
    path: str
    query: str = ""

    @property
    def url(self) -> str:
        """The whole as one URL: absolute, `//…` or a path."""
        scheme = f"{self.scheme}:" if self.scheme else ""
        start = f"{scheme}//{self.host}" if self.host else ""
        return start + self.path + self.query


@dataclass(frozen=True, slots=True)
class SiteAddress:
    """The address of a built site. `path` starts and ends in `/`; `host` may be unknown: ""."""

    host: str = ""
    path: str = "/"

    @classmethod
    def read(cls, text: str) -> SiteAddress:
        """Read `https://example.com/blog/` or a path; raise `ValueError` for anything else."""
        if (parts := parse(text)) is not None:
            return cls(parts.host, _folder(parts.path))
        if re.match(r"[^\s:?#\\]*\Z", text) is None or text.startswith("//"):
            raise ValueError(f"expected a path such as /blog/, or https://…, got {text!r}")
        return cls("", _folder(f"/{text.strip('/')}"))

    def page(self, name: str) -> Location:
        """Return the location of a file of the site, by its name below the site's folder."""
        return Location("", "", self.path + quote(name, errors="surrogateescape"))

    def name_of(self, location: Location) -> str | None:
        """Return the file's name that a location of this site asks for; `None` outside the path.

        It is decoded and may be anything: `..` and NUL too.
        """
        if location.host or not location.path.startswith(self.path):
            return None
        return unquote(location.path[len(self.path) :], errors="surrogateescape")


def _folder(path: str) -> str:
    return f"{path.rstrip('/')}/"


def resolve_base(href: str | None, page: Location, site: SiteAddress) -> Location:
    """Return what addresses of a page count from: its `<base href>`, or the page itself."""
    return (resolve(href, page, site) if href is not None else None) or page


def resolve(text: str, base: Location, site: SiteAddress) -> Location | None:
    """Return where `text` leads from a page at `base`; `None` for what asks no server.

    Such are `data:` and other schemes, an empty address, and a fragment of the page itself.
    """
    text = _INSIDE.sub("", text.strip(_AROUND)).partition("#")[0]
    scheme = ""
    if (named := _SCHEME.match(text)) is not None:
        scheme, text = named[1].lower(), text[named.end() :]
        if scheme not in ("http", "https"):
            return None
    path, mark, query = text.partition("?")
    path = path.replace("\\", "/")
    query = mark + query
    if path.startswith("//") or (scheme and path.startswith("/")):
        return _absolute(scheme, path.lstrip("/"), query, site)
    if not path:
        return None
    if not path.startswith("/"):
        path = base.path.rpartition("/")[0] + "/" + path
    return Location(base.scheme, base.host, without_dots(path), query)


def _absolute(scheme: str, rest: str, query: str, site: SiteAddress) -> Location | None:
    host, slash, path = rest.partition("/")
    parts: UrlParts | None = parse(f"{scheme or 'https'}://{host}/")
    if parts is None:
        return None
    if parts.host == site.host:
        return Location("", "", without_dots(slash + path or "/"), query)
    authority = f"{host.rpartition('@')[0]}@{parts.host}" if "@" in host else parts.host
    return Location(scheme, authority, without_dots(slash + path or "/"), query)
