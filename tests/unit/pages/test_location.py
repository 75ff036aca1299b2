"""Where an address leads, as browsers resolve it: cases of the WHATWG URL standard."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.pages import Location, SiteAddress, resolve

SITE = SiteAddress.read("https://e.com/blog/")
PAGE = SITE.page("a/b.html")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("c.png", "/blog/a/c.png"),
        ("./c.png?x=1#y", "/blog/a/c.png?x=1"),
        ("../c.png", "/blog/c.png"),
        ("../../../../c.png", "/c.png"),
        ("%2e%2E/c.png", "/blog/c.png"),
        ("/c.png", "/c.png"),
        ("\\c.png", "/c.png"),
        (" \n/c.p\tng\n ", "/c.png"),
        ("//cdn.com/c.png", "//cdn.com/c.png"),
        ("\\\\cdn.com\\c.png", "//cdn.com/c.png"),
        ("https://cdn.com", "https://cdn.com/"),
        ("HTTPS:cdn.png", "/blog/a/cdn.png"),
        ("https:/cdn.com/x", "https://cdn.com/x"),
        ("https:///cdn.com/x", "https://cdn.com/x"),
        ("http://CDN.com:80/a/../c.png", "http://cdn.com/c.png"),
        ("https://e.com/blog/c.png", "/blog/c.png"),
        ("//E.COM:443/c.png", "/c.png"),
        ("https://cdn.com/c\\d.png?q=\\", "https://cdn.com/c/d.png?q=\\"),
        ("图 1.png", "/blog/a/图 1.png"),
        ("a..b/c.png", "/blog/a/a..b/c.png"),
        ("c/.", "/blog/a/c/"),
    ],
)
def test_an_address_leads_where_a_browser_goes(text: str, expected: str) -> None:
    location = resolve(text, PAGE, SITE)
    assert location is not None
    assert location.url == expected


@pytest.mark.parametrize(
    "text",
    ["", " ", "#icon", "data:image/png;base64,AA", "javascript:alert(1)", "blob:https://e/1"],
)
def test_what_asks_no_server_leads_nowhere(text: str) -> None:
    assert resolve(text, PAGE, SITE) is None


@pytest.mark.parametrize("text", ["https://", "//", "https://[::", "//a b/c", "http://x:99999/"])
def test_what_is_no_address_leads_nowhere(text: str) -> None:
    assert resolve(text, PAGE, SITE) is None


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/blog/a%20b.png", "a b.png"),
        ("/blog/%E5%9B%BE.png", "图.png"),
        ("/blog/", ""),
        ("/other/a.png", None),
        ("/blogger/a.png", None),
        ("/blog/..%2f..%2fetc", "../../etc"),
    ],
)
def test_the_name_of_a_file_is_decoded_and_counts_from_the_base(
    path: str, name: str | None
) -> None:
    assert SITE.name_of(Location("", "", path)) == name


def test_another_host_has_no_file_of_the_site() -> None:
    assert SITE.name_of(Location("https", "cdn.com", "/blog/a.png")) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/blog/", SiteAddress("", "/blog/")),
        ("blog", SiteAddress("", "/blog/")),
        ("/", SiteAddress()),
        ("", SiteAddress()),
        ("http://E.com:8080/a", SiteAddress("e.com:8080", "/a/")),
    ],
)
def test_a_site_address_is_a_path_or_a_url(text: str, expected: SiteAddress) -> None:
    assert SiteAddress.read(text) == expected


@pytest.mark.parametrize("text", ["file:///a", "/a?b", "a b", "//"])
def test_anything_else_is_no_site_address(text: str) -> None:
    with pytest.raises(ValueError, match="expected a path"):
        SiteAddress.read(text)


@given(st.text(alphabet="./\\%2eE:?#@[]ah \n\t图", max_size=20))
def test_a_location_of_the_site_has_no_dots_and_a_host_no_path(text: str) -> None:
    location = resolve(text, PAGE, SITE)
    if location is not None:
        assert location.path.startswith("/")
        assert not {".", ".."} & set(location.path.split("/"))
        assert "/" not in location.host
