"""URLs, read as a browser reads them, and the guard against private addresses. Pure."""

from __future__ import annotations

import base64
import ipaddress
import re
from dataclasses import dataclass, field
from urllib.parse import quote, unquote_to_bytes, urljoin

from mirror.fetch.errors import FetchError, Kind
from mirror.urls.address import Url, ascii_host, without_dots

# Characters that the URL standard leaves as they are; all others are percent-encoded as UTF-8.
# `%` stays even where no two digits follow it, because an encoded path must not change.
_PATH = "!$%&'()*+,-./:;=@[]_|~"
_QUERY = _PATH.replace("'", "") + "?\\^`{}"
_MAX_URL_LENGTH = 65_536  # as httpx has it; hosts refuse far shorter ones
DEFAULT_PORTS = {"http": 80, "https": 443}
_OTHER_SCHEMES = frozenset("blob data file ftp gopher javascript mailto s3 sftp ws wss".split())
_SPLIT = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*):(?P<rest>.*)", re.DOTALL)
_PORT = re.compile(r"[0-9]{0,5}")
_HOST = re.compile(r"\[[0-9a-f:.]+\]|[0-9a-z_.-]+")

_POST_REMEDY = "correct the URL in the post"
_REDIRECT_REMEDY = "the host redirects there, and only the host can correct it"


@dataclass(frozen=True, slots=True)
class HttpUrl:
    """Scheme, host, port and path of one request."""

    scheme: str
    host: str  # ASCII, lower case, an IPv6 address without brackets
    port: int
    path: str  # with the query, percent-encoded, as it is sent
    authorization: str | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, raw: str, remedy: str = _POST_REMEDY) -> HttpUrl:
        """Read a URL as a browser does; raise `FetchError` if it is no http(s) URL."""
        text = raw.strip("".join(map(chr, range(0x21)))).translate({9: None, 10: None, 13: None})
        text = text.partition("#")[0]
        match = _SPLIT.fullmatch(text)
        scheme = match["scheme"].lower() if match else "https"
        front, mark, query = (match["rest"] if match else text).partition("?")
        front = front.replace("\\", "/")
        if scheme not in DEFAULT_PORTS or not front.startswith("//"):
            raise FetchError(
                f"expected an http:// or https:// URL, found {_other_scheme(raw)}", Kind.REFUSED
            )
        authority, slash, path = front[2:].partition("/")
        userinfo, at, place = authority.rpartition("@")
        host, port = _host_and_port(place, DEFAULT_PORTS[scheme], remedy)
        encoded = quote(without_dots(slash + path), safe=_PATH, errors="replace")
        if mark:
            encoded += "?" + quote(query, safe=_QUERY, errors="replace")
        http_url = cls(scheme, host, port, encoded, _basic(userinfo) if at else None)
        if len(http_url.url) > _MAX_URL_LENGTH:
            raise FetchError(
                f"expected a URL of at most {_MAX_URL_LENGTH:,} characters, found a longer one; "
                f"{remedy}",
                Kind.REFUSED,
            )
        return http_url

    @property
    def written_port(self) -> int | None:
        """The port, or `None` if it is the scheme's default."""
        return None if self.port == DEFAULT_PORTS[self.scheme] else self.port

    @property
    def netloc(self) -> str:
        """Host and port, as the Host header has them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.written_port is None else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """The URL of the request, without credentials and percent-encoded."""
        return f"{self.scheme}://{self.netloc}{self.path}"

    @property
    def redacted_url(self) -> str:
        """The URL without secrets, for messages."""
        return str(Url(self.url))

    def redirected(self, location: str) -> HttpUrl:
        """Return the URL that `location` names, without credentials.

        Raise `FetchError` for a redirect from https to http.
        """
        try:
            target = urljoin(self.url, location.strip().replace("\\", "/"))
        except ValueError:
            raise FetchError(
                f"expected a URL that can be read, found none; {_REDIRECT_REMEDY}", Kind.REFUSED
            ) from None
        http_url = HttpUrl.parse(target, _REDIRECT_REMEDY)
        if self.scheme == "https" and http_url.scheme == "http":
            raise FetchError(
                f"redirected from https to {http_url.redacted_url}, which is not encrypted; "
                "not followed. Point the source at an https address",
                Kind.REFUSED,
            )
        return HttpUrl(http_url.scheme, http_url.host, http_url.port, http_url.path)

    def shares_headers_with(self, other: HttpUrl) -> bool:
        """Return True if headers for this URL may also go to `other`, of the same origin.

        Port 80 of http and port 443 of https of one host count as the same origin.
        """
        if self.host != other.host:
            return False
        return (self.scheme, self.port) == (other.scheme, other.port) or (
            (self.scheme, self.port, other.scheme, other.port) == ("http", 80, "https", 443)
        )


def _other_scheme(raw: str) -> str:
    """Return the scheme if it is a known one: any other text may contain a secret."""
    scheme = raw.strip().partition(":")[0].lower()
    return f"{scheme}:" if scheme in _OTHER_SCHEMES else "something else"


def _host_and_port(place: str, default_port: int, remedy: str) -> tuple[str, int]:
    host, colon, digits = place.rpartition(":")
    if not colon or place.endswith("]"):
        host, digits = place, ""
    host = ascii_host(host) or ""
    is_number = _PORT.fullmatch(digits)
    port = int(digits) if digits and is_number else default_port
    if not _HOST.fullmatch(host) or not is_number or not 0 < port < 65536:
        raise FetchError(
            "expected a host name, an address and perhaps a port behind `//`, found neither; "
            f"{remedy}",
            Kind.REFUSED,
        )
    return host.strip("[]").rstrip("."), port


def _basic(userinfo: str) -> str:
    name, _, password = userinfo.partition(":")
    pair = unquote_to_bytes(name) + b":" + unquote_to_bytes(password)
    return "Basic " + base64.b64encode(pair).decode()


# --- The guard --------------------------------------------------------------------------------

# IANA's special-purpose registries are written out, because `ipaddress` differs between versions of
# Python. 168.63.129.16 is a public address that Azure uses for a private service.
_SPECIAL_V4 = tuple(
    map(
        ipaddress.IPv4Network,
        """0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 168.63.129.16/32 169.254.0.0/16
        172.16.0.0/12 192.0.0.0/24 192.0.2.0/24 192.88.99.0/24 192.168.0.0/16 198.18.0.0/15
        198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 240.0.0.0/4""".split(),
    )
)
# Of IPv6, only the range assigned to networks is public, without Teredo, documentation and 6to4.
_GLOBAL_V6 = ipaddress.IPv6Network("2000::/3")
_SPECIAL_V6 = tuple(
    map(ipaddress.IPv6Network, "2001::/23 2001:db8::/32 2002::/16 3fff::/20".split())
)
# In networks with IPv6 only, DNS64 gives every IPv4 host such an address.
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")

_PRIVATE_NAME = re.compile(
    r"(?:.*\.)?(?:localhost|local|internal|intranet|lan|corp|home|home\.arpa|localdomain)|[^.]+"
)
# The C library reads one to four numbers, decimal, octal or hexadecimal, as an IPv4 address.
_NUMERIC_NAME = re.compile(r"(?:0x[0-9a-f]*|\d+)(?:\.(?:0x[0-9a-f]*|\d+)){0,3}")


def is_private(address: str) -> bool:
    """Return True if a numeric address is not that of one host on the public internet."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return True
    if isinstance(ip, ipaddress.IPv4Address):
        return any(ip in network for network in _SPECIAL_V4)
    if ip in _NAT64:
        return is_private(str(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)))
    return ip not in _GLOBAL_V6 or any(ip in network for network in _SPECIAL_V6)


@dataclass(frozen=True, slots=True)
class Guard:
    """Rule for the hosts that may be connected to.

    `exempt` holds `host` or `host:port`, in lower case.
    """

    exempt: frozenset[str] = frozenset()
    allow_private_hosts: bool = False

    def is_exempt(self, host: str, port: int) -> bool:
        """Return True if this host may have any address."""
        spelled = f"[{host}]" if ":" in host else host
        return self.allow_private_hosts or not self.exempt.isdisjoint(
            (host, spelled, f"{spelled}:{port}")
        )

    def allowed(self, host: str, port: int, addresses: list[str]) -> list[str]:
        """Return the addresses that may be connected to; raise `FetchError` if there are none."""
        if self.is_exempt(host, port):
            return addresses
        if public := [address for address in addresses if not is_private(address)]:
            return public
        raise _refusal(host, addresses[0])

    def check_name(self, host: str, port: int) -> None:
        """Raise `FetchError` for a name that is private whatever a proxy resolves it to."""
        if self.is_exempt(host, port):
            return
        literal = ":" in host or re.fullmatch(r"\d+(?:\.\d+){3}", host)
        if is_private(host) if literal else _is_private_name(host):
            raise _refusal(host, host)


def names_private_host(url: str) -> bool:
    """Return True if the host of a URL is private by its name or number; nobody is asked.

    A name that only resolves to a private address is not known to be one.
    """
    try:
        http_url = HttpUrl.parse(url)
        Guard().check_name(http_url.host, http_url.port)
    except FetchError:
        return True
    return False


def _is_private_name(host: str) -> bool:
    return bool(_NUMERIC_NAME.fullmatch(host) or _PRIVATE_NAME.fullmatch(host))


def _refusal(host: str, address: str) -> FetchError:
    place = host if host == address else f"{host} at {address}"
    return FetchError(
        f"refused to connect: expected a host on the public internet, found {place}, "
        "a private or reserved address. If it is yours, name it in `fetch` of a [[source]] "
        "or set allow_private_hosts",
        Kind.REFUSED,
    )
