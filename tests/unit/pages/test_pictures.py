"""Where a page asks for pictures. An oracle, html5lib, sees the same `src` values."""

from __future__ import annotations

import html5lib
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.growth import assert_linear

from mirror.pages import find_pictures, find_style_pictures


def urls(page: str) -> list[str]:
    return [address.url for address in find_pictures(page.encode()).pictures]


@pytest.mark.parametrize(
    "page",
    [
        '<img src="P">',
        "<img src=P>",
        "<IMG SRC = 'P' >",
        '<img alt="a > b" src=" P\n">',
        '<img srcset="P">',
        '<picture><source srcset="P 2x"></picture>',
        '<video poster="P"></video>',
        '<input type="IMAGE" src="P">',
        '<p style="background: url(P)">',
        "<p style=\"background: url('P')\">",
        '<p style="background: url(&quot;P&quot;)">',
        '<p style="background: url(&quot;data:image/png,a&#34;), url(&#x22;P&quot;)">',
        '<p style="background: url(&quot;data:image/png,a), url(P)">',
        "<style>a { background: url(P) }</style>",
        "<style>a { background: url(P) }",
        '<img data-src="P">',
        '<img data-original="P">',
        '<img data-srcset="P 1x">',
        '<img data-lazy-src="P">',
        '<div data-bg="P"></div>',
        '<link rel="icon" href="P">',
        '<link rel="shortcut icon" href="P">',
        '<link rel="apple-touch-icon" href="P">',
        '<link rel="preload" as="image" href="P">',
        '<link rel="preload" as="image" imagesrcset="P 2x">',
        '<meta property="og:image" content="P">',
        '<meta name="twitter:image" content="P">',
        '<svg><image href="P"/></svg>',
        '<svg><image xlink:href="P"/></svg>',
        '<svg><use href="P"></use></svg>',
        '<svg><title>x <img src="P"></title></svg>',
        '<svg/><title><img src="no"></title><img src="P">',
        "<svg><textarea><!--</textarea></svg><!-- --><img src=P>",
        "<svg><desc><textarea><img src=no></textarea></desc><textarea></svg><img src=P>",
        "<math><mi><title><img src=no></title></mi><iframe></math><img src=P>",
        "<svg><p><title><img src=no></title><img src=P>",
        "<svg><![CDATA[ > <img src=no> ]]></svg><img src=P>",
        "<svg><style><![CDATA[ a > b { background: url(P) } ]]></style></svg>",
        '<noscript><img src="P"></noscript>',
        '<table background="P">',
        '<object data="P"></object>',
        '<a href="P">large</a>',
        '<div><p><img src="P"',  # what follows closes it
        "<p <b><img src=P>",
        "<![CDATA[ x > <img src=P> ]]>",
        "<template><img src=no></template><img src=P>",
    ],
)
def test_every_way_to_show_a_picture_is_found(page: str) -> None:
    assert urls(page.replace("P", "/a.png?x=1&amp;y=2") + "<p>x</p>") == ["/a.png?x=1&y=2"]


@pytest.mark.parametrize(
    "page",
    [
        '<script>"<img src=a.png>"</script>',
        "<!-- <img src=a.png> -->",
        "<textarea><img src=a.png></textarea>",
        "<title><img src=a.png></title>",
        "<script><img src=a.png>",
        "&lt;img src=a.png&gt;",
        "<template><img src=a.png></template>",
        '<a href="https://e/a.png">https://e/a.png</a>',
        '<a href="https://e/?a=1&amp;b.png">https://e/?a=1&amp;b.png</a>',
        '<a href="/page">x</a>',
        '<link rel="stylesheet" href="a.css">',
        '<link rel="preload" as="font" href="a.woff">',
        '<meta name="description" content="a.png">',
        '<meta property="og:image:width" content="200">',
        '<input type="text" src="a.png">',
        "<style>@font-face { src: url(a.woff2) }</style>",
        "<style>/* url(a.png) */</style>",
        '<p style="background: url(&quot;data:image/svg+xml,%3Cg filter=url(%23b)/%3E&quot;)">',
        '<video src="a.mp4"></video>',
        '<img src="a.png',  # the page ends within the tag
    ],
)
def test_what_is_no_picture_of_the_page_is_not(page: str) -> None:
    assert urls(page) == []


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("0; url=https://h/a.png", ["https://h/a.png"]),
        ("5;URL='a b.png'", ["a b.png"]),
        ("0, a.png?x=1&amp;y=2", ["a.png?x=1&y=2"]),
        ("0;url=page.html", []),
        ("30", []),
    ],
)
def test_a_page_may_lead_on_to_a_picture(content: str, expected: list[str]) -> None:
    assert urls(f'<meta http-equiv="Refresh" content="{content}">') == expected
    assert urls(f'<meta name="refresh" content="{content}">') == []


def test_candidates_are_told_apart_and_each_has_its_place() -> None:
    page = '<p>图</p>\n<img srcset="a.png 1x,\n b,c.png 2x , d.png">'.encode()
    pictures = find_pictures(page).pictures
    assert [address.url for address in pictures] == ["a.png", "b,c.png", "d.png"]
    assert [page[a.start : a.start + len(a.url)].decode() for a in pictures] == [
        address.url for address in pictures
    ]


def test_blanks_and_commas_of_a_srcset_may_be_entities() -> None:
    assert urls('<img srcset="a.png&#32;1x&#44; b.png 2x">') == ["a.png", "b.png"]
    page = '<img srcset="a&#44;b.png&#44;&#x20;c.png&Tab;2x&comma;d.png, &#320;.png">'
    assert urls(page) == ["a,b.png", "c.png", "d.png", "ŀ.png"]


def test_the_first_base_counts_and_style_sheets_are_named() -> None:
    page = b'<base target=_top><base href="/x/"><base href="/y/"><link rel=stylesheet href="a.css">'
    page_pictures = find_pictures(page)
    assert page_pictures.base == "/x/"
    assert [sheet.url for sheet in page_pictures.style_sheets] == ["a.css"]


def test_a_style_sheet_asks_for_pictures_and_imports_others() -> None:
    css = b'@import "b.css"; @import url(c.css);\na{b:url( "a.png" )} @font-face{src:url(f.woff)}'
    css += b" /* url(no.png) */ b{background:url('line\\\n/b.png')}"
    page_pictures = find_style_pictures(css)
    assert [address.url for address in page_pictures.pictures] == ["a.png", "line/b.png"]
    assert [address.url for address in page_pictures.style_sheets] == ["b.css", "c.css"]


@given(
    st.lists(
        st.sampled_from(
            '<img src=a>|<img src="b>|\'|"|<!--|-->|<p|>|<script>|</script>|<style>|</style>'
            "|<textarea>|</title>|x|</|<b/>|=| |<!x".split("|")
        ),
        max_size=12,
    )
)
@example(["<script>", "<!--", "<script>", "</script>", "<img src=a>"])
@example(["<script>", "<!--", "<script>", "</script>", "</script>", "<img src=a>"])
@example(["<script>", "<!--", ">", "<script>", "</script>", "<img src=a>"])
@example(["<script>", "<!--", "<script>", "-->", "</script>", "<img src=a>"])
def test_a_parser_sees_the_same_images(pieces: list[str]) -> None:
    page = "".join(pieces)
    tree = html5lib.parse(f"<body>{page}", treebuilder="dom", namespaceHTMLElements=False)
    expected = [img.getAttribute("src") for img in tree.getElementsByTagName("img")]
    assert urls(f"<body>{page}") == [url.strip() for url in expected]


@pytest.mark.parametrize(
    "piece",
    '<img src=a>|<|<a|<!--|url(|<style>url(\'|<a href="|<a href=x.png>|&|<p |<img srcset="|x,'
    "|<script>|<template>|<![CDATA[|<svg>|<svg><![CDATA[|<svg><title>|</ "
    "|<b style='url(\"'>|@import |/*|&quot;data:".split("|"),
)
def test_time_grows_with_the_page(piece: str) -> None:
    def run(size: int) -> None:
        find_pictures(piece.encode() * (size // len(piece)))
        find_style_pictures(piece.encode() * (size // len(piece)))

    assert_linear(run, 50_000)
