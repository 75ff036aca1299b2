"""What is asked for, and which addresses may be."""

from __future__ import annotations

import socket
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.fetching import (
    PATIENT,
    PNG,
    Clock,
    body,
    failure,
    fetcher_for,
)
from support.misbehaving import MisbehavingHost

from mirror.fetch import FetchError, Kind
from mirror.fetch.addresses import Guard, HttpUrl, is_private
from mirror.fetch.fetcher import Fetcher
from mirror.host import ImageHost
from mirror.urls.address import Url

# --- What goes over the wire ----------------------------------------------------------------------

WIRE = [
    ("/a.png", "/a.png"),
    ("", "/"),
    ("?x", "/?x"),
    ("/图片.png", "/%E5%9B%BE%E7%89%87.png"),
    ("/a b.png", "/a%20b.png"),
    ("/a%20b.png", "/a%20b.png"),
    ("/a%2Fb%2fc.png", "/a%2Fb%2fc.png"),
    ("/100%.png", "/100%.png"),
    ("/%zz.png", "/%zz.png"),
    ("/%E5%9B%BE 图.png", "/%E5%9B%BE%20%E5%9B%BE.png"),
    ("/a+b.png", "/a+b.png"),
    ("/a.png!style", "/a.png!style"),
    ("/@user/a.png@!thumb", "/@user/a.png@!thumb"),
    ("/a(1),b;c='d'&e=$*~.png", "/a(1),b;c='d'&e=$*~.png"),
    ("/a//b.png", "/a//b.png"),
    ("/a/./b/../c.png", "/a/c.png"),
    ("/a/%2e%2E/c.png", "/c.png"),
    ("/../../c.png", "/c.png"),
    ("/a/..", "/"),
    ("/a..b/.c.png", "/a..b/.c.png"),
    ("/a\\b.png", "/a/b.png"),
    ('/"<>`{}.png', "/%22%3C%3E%60%7B%7D.png"),
    ("/a|b[1]^.png", "/a|b[1]%5E.png"),
    ("/a.png?x-oss-process=image/resize,w_800", "/a.png?x-oss-process=image/resize,w_800"),
    ("/a.png?imageView2/2/w/800|imageslim", "/a.png?imageView2/2/w/800|imageslim"),
    ("/a.png?q=图 '", "/a.png?q=%E5%9B%BE%20%27"),
    ("/a.png?a=%2B+&&b", "/a.png?a=%2B+&&b"),
    ("/a.png?", "/a.png?"),
    ("/a.png?b?c/../d", "/a.png?b?c/../d"),
    ("/a.png#b?c", "/a.png"),
    (" /a.png".strip() + "\n", "/a.png"),
    ("/a\t.p\nng", "/a.png"),
    ("/\U0001f600.png", "/%F0%9F%98%80.png"),
]


@pytest.mark.parametrize(("written", "asked"), WIRE)
def test_a_url_is_asked_for_as_a_browser_would(
    written: str, asked: str, host: MisbehavingHost, fetcher: Fetcher
) -> None:
    failure_or_body = partial(fetcher.fetch, Url(host.base_url.rstrip("/") + written))
    try:
        failure_or_body()
    except FetchError as error:
        assert error.status == 404, error  # noqa: PT017
    assert host.received[-1].target == asked


_ENCODED = st.lists(
    st.one_of(
        st.sampled_from("abz019-_~!$&'()*+,;=:@|[]"),
        st.integers(0, 255).filter(lambda byte: byte != ord(".")).map("%{:02X}".format),
        st.integers(0, 255).filter(lambda byte: byte != ord(".")).map("%{:02x}".format),
        st.sampled_from(["/", "//", "%", "%zz", "?", "?a=%2B+&b"]),
    ),
    max_size=20,
).map("".join)


@settings(max_examples=50, deadline=None)
@given(_ENCODED)
def test_an_encoded_path_reaches_the_wire_byte_for_byte(path: str) -> None:
    front, mark, query = path.partition("?")
    path = "/x" + front + mark + query.replace("'", "%27")  # a browser encodes it in a query
    with ImageHost({}) as host, fetcher_for(host, retries=0) as fetcher:
        with suppress(FetchError):
            fetcher.fetch(Url(host.base_url.rstrip("/") + path))
        assert host.received[-1].target == path


@given(st.text(st.characters(codec="utf-8", exclude_characters="?#\\"), max_size=30))
def test_what_is_asked_for_is_stable_under_asking_again(path: str) -> None:
    once = HttpUrl.parse(f"http://h/{path}").path
    assert once.isascii()
    assert not any(c.isspace() for c in once)
    assert HttpUrl.parse(f"http://h{once}").path == once


@given(st.text(max_size=40))
def test_any_text_is_an_endpoint_or_refused(text: str) -> None:
    for raw in (text, f"http:{text}", f"http://{text}", f"http://h/{text}"):
        try:
            http_url = HttpUrl.parse(raw)
        except FetchError as error:
            assert error.kind is Kind.REFUSED  # noqa: PT017
        else:
            assert http_url.host.isascii()
            assert http_url.path.startswith(("/", "?"))


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        ("http://EXAMPLE.com./", "example.com", 80),
        ("HTTPS://Example.COM:443/", "example.com", 443),
        ("//example.com/", "example.com", 443),
        ("http://例子.中国:8080/", "xn--fsqu00a.xn--fiqs8s", 8080),
        ("http://例子。中国/", "xn--fsqu00a.xn--fiqs8s", 80),
        ("http://a%2Eb/", "a.b", 80),
        ("http://[2606:4700::1111]:80/", "2606:4700::1111", 80),
        ("http://a@b:c@host/", "host", 80),
        ("http://good.example\\@evil.example/", "good.example", 80),
        ("http://h:/", "h", 80),
    ],
)
def test_the_host_of_a_url(url: str, host: str, port: int) -> None:
    http_url = HttpUrl.parse(url)
    assert (http_url.host, http_url.port) == (host, port)


@pytest.mark.parametrize(
    "url",
    [
        "a.png",
        "/a.png",
        "ftp://h/a.png",
        "file:///etc/passwd",
        "data:image/png;base64,AAAA",
        "gopher://h/",
        "http:a.png",
        "http://",
        "http://:80/",
        "http://h:port/",
        "http://h:0/",
        "http://h:65536/",
        "http://h:٣/",
        "http://h:" + "9" * 5000 + "/",
        "http://h ost/",
        "http://h%00/",
        "http://[::1/",
        "http://h\u0000/",
        "",
    ],
)
def test_what_is_no_http_url_is_refused(url: str, fetcher: Fetcher) -> None:
    assert failure(fetcher, url).kind is Kind.REFUSED


# --- The guard ------------------------------------------------------------------------------------

PRIVATE = """
    0.0.0.0 0.1.2.3 10.0.0.1 100.64.0.1 100.100.100.200 127.0.0.1 127.255.255.255 168.63.129.16
    169.254.169.254 172.16.0.1 172.31.255.255 192.0.0.1 192.0.2.1 192.88.99.1 192.168.1.1
    198.18.0.1 198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255
    :: ::1 ::7f00:1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:8.8.8.8 64:ff9b::7f00:1
    64:ff9b::169.254.169.254 64:ff9b:1::808:808 100::1 2001::1 2001:0:53aa:64c::1 2001:db8::1
    2002:7f00:1::1 2002:808:808::1 3fff::1 fc00::1 fd00::1 fe80::1 fe80::1%eth0 fec0::1 ff02::1
    4000::1 nonsense 1.2.3
""".split()
PUBLIC = """
    1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.1 100.63.255.255 100.128.0.1 172.15.0.1 172.32.0.1
    192.0.1.1 198.20.0.1 223.255.255.255 2606:4700::1111 2400:3200::1 2a00:1450::1
    64:ff9b::8.8.8.8
""".split()


@pytest.mark.parametrize("address", PRIVATE)
def test_a_private_or_reserved_address_is_private(address: str) -> None:
    assert is_private(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_not_private(address: str) -> None:
    assert not is_private(address)


SPELLINGS = """
    127.0.0.1 127.1 127.0.1 0x7f000001 0x7f.1 2130706433 017700000001 0177.0.0.01 127.0.0.1.
    localhost LOCALHOST localhost. [::1] [::] 0 0.0.0.0 [::ffff:127.0.0.1] [::ffff:7f00:1]
    [0:0:0:0:0:0:0:1] １２７.0.0.1 127。0。0。1 127.0.0.%31
""".split()


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("through_proxy", [False, True], ids=["direct", "proxy"])
def test_no_spelling_of_loopback_is_connected_to(
    spelling: str, through_proxy: bool, monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    with MisbehavingHost({"a.png": PNG}) as host:
        if through_proxy:
            monkeypatch.setenv("HTTP_PROXY", host.base_url)
        with Fetcher(replace(PATIENT, retries=0), sleep=clock.sleep) as fetcher:
            error = failure(fetcher, f"http://{spelling}:{host.port}/a.png")
        assert error.kind in (Kind.REFUSED, Kind.TRANSIENT)  # transient: no name to the resolver
        assert not host.received


def test_the_address_checked_is_the_address_connected_to(
    monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    """A name that is public when checked and loopback when asked again gains nothing."""
    asked: list[str] = []
    responses = iter(["93.184.216.34", "127.0.0.1", "127.0.0.1"])
    real = socket.getaddrinfo
    connected: list[str] = []

    def rebinding(host: Any, port: Any, *rest: Any, **options: Any) -> Any:
        if host != "rebind.example":
            connected.append(host)
            return real("127.0.0.1", 1, *rest, **options)  # whatever is dialled ends at once
        asked.append(host)
        return real(next(responses), port, *rest, **options)

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    with Fetcher(replace(PATIENT, retries=1), sleep=clock.sleep) as fetcher:
        error = failure(fetcher, "http://rebind.example/a.png")
    assert connected == ["93.184.216.34"]
    assert error.kind is Kind.REFUSED
    assert len(asked) == 2


def test_of_mixed_addresses_only_the_public_ones_are_tried() -> None:
    guard = Guard()
    assert guard.allowed("h", 80, ["10.0.0.1", "8.8.8.8", "::1"]) == ["8.8.8.8"]
    with pytest.raises(FetchError):
        guard.allowed("h", 80, ["10.0.0.1", "::1"])


@pytest.mark.parametrize(
    ("exempt", "passes"),
    [
        ("127.0.0.1", True),
        ("127.0.0.1:{port}", True),
        ("127.0.0.1:1", False),
        ("localhost", False),
        ("", False),
    ],
)
def test_only_the_exempt_host_may_be_private(
    exempt: str, passes: bool, host: MisbehavingHost
) -> None:
    with Fetcher(PATIENT, exempt_hosts=[exempt.format(port=host.port)]) as fetcher:
        if passes:
            body(fetcher, host.base_url + "a.png")
        else:
            assert failure(fetcher, host.base_url + "a.png").kind is Kind.REFUSED


def test_private_hosts_can_be_allowed(host: MisbehavingHost) -> None:
    with Fetcher(replace(PATIENT, allow_private_hosts=True)) as fetcher:
        assert body(fetcher, host.base_url + "a.png").data == PNG


@pytest.mark.parametrize(
    ("name", "is_refused"),
    [
        ("localhost", True),
        ("a.localhost", True),
        ("printer.local", True),
        ("metadata.google.internal", True),
        ("wiki", True),
        ("nas.home.arpa", True),
        ("10.0.0.1", True),
        ("2130706433", True),
        ("0x7f.1", True),
        ("::1", True),
        ("8.8.8.8", False),
        ("2606:4700::1111", False),
        ("img.example.com", False),
        ("local.example.com", False),
    ],
)
def test_behind_a_proxy_the_name_itself_is_judged(name: str, is_refused: bool) -> None:
    if is_refused:
        with pytest.raises(FetchError):
            Guard().check_name(name, 80)
        Guard(frozenset({name})).check_name(name, 80)
    else:
        Guard().check_name(name, 80)


@pytest.mark.parametrize(
    "location",
    ["http://host:0/a.png", "http://host:99999/a.png", "http://[::1/a.png", "/" + "a" * 70_000],
)
def test_a_redirect_that_leads_nowhere_does_not_blame_the_post(location: str) -> None:
    with pytest.raises(FetchError, match="the host redirects there") as caught:
        HttpUrl.parse("http://host/a.png").redirected(location)
    assert "post" not in str(caught.value)
