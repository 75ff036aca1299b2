"""What a URL asks of whom, as a browser would, and which addresses are not for us. Pure."""

from __future__ import annotations

import base64
import ipaddress
import re
from dataclasses import dataclass, field
from urllib.parse import quote, unquote_to_bytes, urljoin

from mirror.fetch.errors import FetchError, Kind
from mirror.urls.address import Url

# What the URL standard leaves as it is; everything else is percent-encoded as UTF-8. `%` stays
# even where no two digits follow it: what is encoded already must not be encoded again.
_PATH = "!$%&'()*+,-./:;=@[]_|~"
_QUERY = _PATH.replace("'", "") + "?\\^`{}"
_DEFAULT_PORTS = {"http": 80, "https": 443}
_OTHER_SCHEMES = frozenset("blob data file ftp gopher javascript mailto s3 sftp ws wss".split())
_SPLIT = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*):(?P<rest>.*)", re.DOTALL)
_PORT = re.compile(r"[0-9]{0,5}")
_HOST = re.compile(r"\[[0-9a-f:.]+\]|[0-9a-z_.-]+")


@dataclass(frozen=True, slots=True)
class Target:
    """One hop: where to connect and what to ask for."""

    scheme: str
    host: str  # ASCII, lower case, an IPv6 address without brackets
    port: int
    path: str  # with the query, as it goes over the wire
    authorization: str | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, raw: str) -> Target:
        """Read a URL as a browser would; raise `FetchError` for one that is no http(s) URL."""
        text = raw.strip("".join(map(chr, range(0x21)))).translate({9: None, 10: None, 13: None})
        text = text.partition("#")[0]
        match = _SPLIT.fullmatch(text)
        scheme = match["scheme"].lower() if match else "https"
        front, mark, query = (match["rest"] if match else text).partition("?")
        front = front.replace("\\", "/")
        if scheme not in _DEFAULT_PORTS or not front.startswith("//"):
            raise FetchError(
                f"expected an http:// or https:// URL, found {_what_it_is(raw)}", Kind.REFUSED
            )
        authority, slash, path = front[2:].partition("/")
        userinfo, at, place = authority.rpartition("@")
        host, port = _place(place, _DEFAULT_PORTS[scheme])
        asked = quote(_without_dots(slash + path), safe=_PATH, errors="replace")
        if mark:
            asked += "?" + quote(query, safe=_QUERY, errors="replace")
        return cls(scheme, host, port, asked, _basic(userinfo) if at else None)

    @property
    def written_port(self) -> int | None:
        """The port, unless it goes without saying."""
        return None if self.port == _DEFAULT_PORTS[self.scheme] else self.port

    @property
    def netloc(self) -> str:
        """Host and port as in a Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.written_port is None else f"{host}:{self.port}"

    @property
    def shown(self) -> str:
        """The URL for messages, without secrets."""
        return str(Url(f"{self.scheme}://{self.netloc}{self.path}"))

    def redirected(self, location: str) -> Target:
        """The next hop, never from https down to http; credentials in `location` are ignored."""
        here = f"{self.scheme}://{self.netloc}{self.path}"
        try:
            target = Target.parse(urljoin(here, location.strip().replace("\\", "/")))
        except ValueError:
            raise FetchError("expected a URL in Location, found none", Kind.REFUSED) from None
        if self.scheme == "https" and target.scheme == "http":
            raise FetchError(
                f"redirected from https to {target.shown}, which is not encrypted; "
                "not followed. Point the source at an https address",
                Kind.REFUSED,
            )
        return Target(target.scheme, target.host, target.port, target.path)

    def may_know(self, other: Target) -> bool:
        """Whether headers meant for this hop may go to `other`: the same origin.

        The step from http to https of the same host counts as the same.
        """
        if self.host != other.host:
            return False
        return (self.scheme, self.port) == (other.scheme, other.port) or (
            (self.scheme, self.port, other.scheme, other.port) == ("http", 80, "https", 443)
        )


def _what_it_is(raw: str) -> str:
    """A scheme of the known ones at most: what is no URL of ours may still hold a secret."""
    scheme = raw.strip().partition(":")[0].lower()
    return f"{scheme}:" if scheme in _OTHER_SCHEMES else "something else"


def _place(place: str, default_port: int) -> tuple[str, int]:
    host, colon, digits = place.rpartition(":")
    if not colon or place.endswith("]"):
        host, digits = place, ""
    host = unquote_to_bytes(host).decode("utf-8", "replace").lower().replace("\u3002", ".")
    if not host.isascii():
        try:
            host = host.encode("idna").decode("ascii")
        except UnicodeError:
            host = ""
    is_number = _PORT.fullmatch(digits)
    port = int(digits) if digits and is_number else default_port
    if not _HOST.fullmatch(host) or not is_number or not 0 < port < 65536:
        raise FetchError(
            "expected a host name, an address and perhaps a port behind `//`, found neither; "
            "correct the URL in the post",
            Kind.REFUSED,
        )
    return host.strip("[]").rstrip("."), port


def _basic(userinfo: str) -> str:
    name, _, password = userinfo.partition(":")
    pair = unquote_to_bytes(name) + b":" + unquote_to_bytes(password)
    return "Basic " + base64.b64encode(pair).decode()


def _without_dots(path: str) -> str:
    """Remove `.` and `..` segments, also the percent-encoded ones; empty segments stay."""
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


# --- The guard --------------------------------------------------------------------------------

# IANA's special-purpose registries, written out: what `ipaddress` calls private differs between
# versions of Python. 168.63.129.16 is Azure's virtual host, a public number for a private service.
_NOT_FOR_US_V4 = tuple(
    map(
        ipaddress.IPv4Network,
        """0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 168.63.129.16/32 169.254.0.0/16
        172.16.0.0/12 192.0.0.0/24 192.0.2.0/24 192.88.99.0/24 192.168.0.0/16 198.18.0.0/15
        198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 240.0.0.0/4""".split(),
    )
)
# Of IPv6 only what is handed out to networks, less Teredo and its kin, documentation and 6to4.
_GLOBAL_V6 = ipaddress.IPv6Network("2000::/3")
_NOT_FOR_US_V6 = tuple(
    map(ipaddress.IPv6Network, "2001::/23 2001:db8::/32 2002::/16 3fff::/20".split())
)
# DNS64 gives every IPv4 host such an address in networks that have IPv6 alone.
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")

_PRIVATE_NAME = re.compile(
    r"(?:.*\.)?(?:localhost|local|internal|intranet|lan|corp|home|home\.arpa|localdomain)|[^.]+"
)
# What the C library reads as an IPv4 address: one to four numbers, decimal, octal or hexadecimal.
_NUMERIC_NAME = re.compile(r"(?:0x[0-9a-f]*|\d+)(?:\.(?:0x[0-9a-f]*|\d+)){0,3}")


def is_private(address: str) -> bool:
    """Whether a numeric address is anything but one host on the public internet."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return True
    if isinstance(ip, ipaddress.IPv4Address):
        return any(ip in network for network in _NOT_FOR_US_V4)
    if ip in _NAT64:
        return is_private(str(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)))
    return ip not in _GLOBAL_V6 or any(ip in network for network in _NOT_FOR_US_V6)


@dataclass(frozen=True, slots=True)
class Guard:
    """Decides which hosts may be asked. `exempt` holds `host` or `host:port`, lower case."""

    exempt: frozenset[str] = frozenset()
    allow_private_hosts: bool = False

    def lets_pass(self, host: str, port: int) -> bool:
        """Whether the addresses of this host need no check."""
        spelled = f"[{host}]" if ":" in host else host
        return self.allow_private_hosts or not self.exempt.isdisjoint(
            (host, spelled, f"{spelled}:{port}")
        )

    def allowed(self, host: str, port: int, addresses: list[str]) -> list[str]:
        """Return the addresses that may be connected to; raise `FetchError` when none is left."""
        if self.lets_pass(host, port):
            return addresses
        if public := [address for address in addresses if not is_private(address)]:
            return public
        raise _refusal(host, addresses[0])

    def check_name(self, host: str, port: int) -> None:
        """Refuse names that are private whatever a proxy resolves them to."""
        if self.lets_pass(host, port):
            return
        literal = ":" in host or re.fullmatch(r"\d+(?:\.\d+){3}", host)
        if is_private(host) if literal else _is_private_name(host):
            raise _refusal(host, host)


def _is_private_name(host: str) -> bool:
    return bool(_NUMERIC_NAME.fullmatch(host) or _PRIVATE_NAME.fullmatch(host))


def _refusal(host: str, address: str) -> FetchError:
    found = host if host == address else f"{host} at {address}"
    return FetchError(
        f"refused to connect: expected a host on the public internet, found {found}, "
        "a private or reserved address. If it is yours, name it in `fetch` of a [[source]] "
        "or set allow_private_hosts",
        Kind.REFUSED,
    )
