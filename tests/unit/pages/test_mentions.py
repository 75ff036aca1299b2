"""Addresses of sources in text of any kind, however they are spelled."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from html import escape
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.growth import assert_linear

from mirror.pages import Mention, MentionFinder, Use, mention_uses, string_uses
from mirror.urls.address import Url
from mirror.urls.sources import Source

FINDER = MentionFinder(
    [
        Source("blog", ("https://img.e-x.com/blog/",)),
        Source("port", ("http://other.com:8080/",)),
        Source("idn", ("https://图片.cn/",)),
    ]
)
A = "https://img.e-x.com/blog/a.png"


def mentions(text: str) -> list[Mention]:
    return list(FINDER.find(text.encode()))


def urls(text: str) -> list[str]:
    return [mention.url.raw for mention in mentions(text)]


@pytest.mark.parametrize(
    ("text", "url"),
    [
        (f"see {A}.", A),
        (f"({A})", A),
        (f"x={A}", A),
        (f'"{A}"', A),
        (f"<{A}>", A),
        (f"{A}，好", A),
        (f"{A}?x=1&amp;y=2", f"{A}?x=1&y=2"),
        ("http://img.e-x.com/blog/a(1).png", "http://img.e-x.com/blog/a(1).png"),
        ("//IMG.E-X.com/blog/A.png)", "//IMG.E-X.com/blog/A.png"),
        ("https://img.e-x.com:443/blog/a", "https://img.e-x.com:443/blog/a"),
        ("https://img.e-x.com/blog/图.png", "https://img.e-x.com/blog/图.png"),
        ("https://me:word@img.e-x.com/blog/a", "https://me:word@img.e-x.com/blog/a"),
        ("https://img.e-x.com/blog/{{ name }}", "https://img.e-x.com/blog/"),
        (json.dumps(A).replace("/", "\\/"), A),
        ('"https:\\u002f\\u002fimg.e-x.com\\u002fblog\\u002fa.png\\u0022"', A),
        (f"https://proxy/?url={quote(A, safe='')}&w=3", A),
        (f"https://proxy/?url={quote(quote(A, safe=''), safe='')}&w=3", A),
        ("https&#58;&#x2F;&#47;img.e-x.com&#47;blog/a.png&quot;", A),
        (f"&lt;img src=&quot;{A}&quot;&gt;", A),
        ("http://other.com:8080/a", "http://other.com:8080/a"),
        ("https://图片.cn/a.png", "https://图片.cn/a.png"),
        ("https://proxy/?url=img.e-x.com/blog/a.png&w=3", "//img.e-x.com/blog/a.png"),
        ("//proxy/?w=3&amp;url=img.e-x.com%2Fblog%2Fa.png", "//img.e-x.com/blog/a.png"),
        ("https://proxy/?url%3Dimg.e-x.com%252Fblog%252Fa.png", "//img.e-x.com/blog/a.png"),
        ("https://i0.wp.com/img.e-x.com/blog/a.png?w=3", "//img.e-x.com/blog/a.png?w=3"),
        ("https://cdn.statically.io/img/img.e-x.com/blog/a", "//img.e-x.com/blog/a"),
    ],
)
def test_a_mention_is_found_however_it_is_spelled(text: str, url: str) -> None:
    assert urls(text) == [url]


@pytest.mark.parametrize("encoded", [base64.b64encode, base64.urlsafe_b64encode])
def test_a_document_within_an_address_is_read(encoded: Callable[[bytes], bytes]) -> None:
    sheet = f"data:text/css;base64,{encoded(f'p {{ background: url({A}) }}?>?~'.encode()).decode()}"
    page = f"data:text/html;charset=utf-8;base64,{encoded(sheet.encode()).decode().rstrip('=')}"
    for document in (sheet, page):
        text = f'<link href="{document}">'
        assert mentions(text) == [Mention(12, 12 + len(document.rstrip("=")), Url(A))]
        assert FINDER.may_be_in(text.encode())


def test_a_picture_within_an_address_asks_for_nothing() -> None:
    drawing = base64.b64encode(f'<svg><image href="{A}"/></svg>'.encode()).decode()
    assert not urls(f'<img src="data:image/svg+xml;base64,{drawing}">')


def test_an_international_name_is_found_in_ascii_too() -> None:
    name = "图片".encode("punycode").decode()
    assert urls(f"//xn--{name}.cn/a") == [f"//xn--{name}.cn/a"]


@pytest.mark.parametrize(
    "text",
    [
        "https://img.e-x.com/other/a.png",
        "https://img.e-x.com.evil.org/blog/a.png",
        "https://cdn-img.e-x.com/blog/a.png",
        "https://a.img.e-x.com/blog/a.png",
        "img.e-x.com/blog/a.png",
        "me@img.e-x.com",
        "https://other.com/a.png",
        "https://other.com:8081/a.png",
        "https://evil.org/img.e-x.com/blog/a.png",
    ],
)
def test_an_address_of_somebody_else_is_no_mention(text: str) -> None:
    assert mentions(text) == []


def test_each_of_many_is_found_where_it_stands() -> None:
    text = f"a {A} b\n图 //img.e-x.com/blog/b.png, {A}?x"
    data = text.encode()
    places = mentions(text)
    assert [data[m.start : m.stop].decode() for m in places] == [
        A,
        "//img.e-x.com/blog/b.png",
        f"{A}?x",
    ]


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=30))
def test_encoders_hide_nothing(name: str) -> None:
    url = "https://img.e-x.com/blog/" + quote(name)
    for text in (
        json.dumps({"a": url}),
        json.dumps({"a": url}).replace("/", "\\/"),
        f'<img src="{escape(url)}">',
        f"?u={quote(url, safe='')}&x",
        f"- [x]: <{url}>",
    ):
        (mention,) = mentions(text)
        assert mention.url.raw.startswith(url.rstrip("?!.,:;*_~&"))


@pytest.mark.parametrize(
    "piece",
    [A, "//img.e-x.com", "https://img.e-x.com/blog/(", "img.e-x.com", "//", "%25", "a", "&#47;"],
)
def test_time_grows_with_the_text(piece: str) -> None:
    assert_linear(lambda size: list(FINDER.find(piece.encode() * (size // len(piece)))), 50_000)


@pytest.mark.parametrize(
    ("page", "use"),
    [
        ("<img src='U'>", Use.ASKED),
        ("<img alt='U'>", Use.TEXT),
        ("<img data-anything='U'>", Use.ASKED),
        ("<a href='U'>x</a>", Use.LINK),
        ("<form action='U'></form>", Use.LINK),
        ("<link rel='canonical' href='U'>", Use.LINK),
        ("<link rel='preload' as='image' href='U'>", Use.ASKED),
        ("<link rel='preconnect' href='U'>", Use.ASKED),
        ('<script type="application/ld+json">{"@id": "U"}</script>', Use.LINK),
        ("<p>U</p>", Use.TEXT),
        ("U", Use.TEXT),
        ("<pre><b>x</b>U</pre>", Use.CODE),
        ("<code>U</code>", Use.CODE),
        ("<pre></pre>U", Use.TEXT),
        ("<!-- U -->", Use.CODE),
        ("<script>f('U')</script>", Use.ASKED),
        ("<script>f('U')", Use.ASKED),
        ("<style>a { b: url(U) }</style>", Use.ASKED),
        ("<title>U</title>", Use.TEXT),
        ("<svg><style><![CDATA[ a > b { background: url(U) } ]]></style></svg>", Use.ASKED),
        ("<svg><![CDATA[ > U ]]></svg>", Use.CODE),
        ("<![CDATA[ > U ]]>", Use.TEXT),
        ("<meta property='og:image' content='U'>", Use.ASKED),
        ("<meta name='description' content='U'>", Use.TEXT),
        ("<pre><img src='U'></pre>", Use.ASKED),
    ],
)
def test_what_a_page_does_with_an_address(page: str, use: Use) -> None:
    data = page.replace("U", A).encode()
    assert [kind for _, kind in mention_uses(data, FINDER.find(data))] == [use]


def test_the_link_around_a_bare_address_is_text() -> None:
    data = f"<a href='{A}'>{A}</a>".encode()
    assert [use for _, use in mention_uses(data, FINDER.find(data))] == [Use.TEXT, Use.TEXT]


def in_strings(name: str, text: str) -> list[tuple[str, Use]]:
    """Return the address and the use of each mention in a file of this suffix."""
    return [(mention.url.raw, use) for mention, use in string_uses(name, text.encode(), FINDER)]


HTML = "<p>x <img src='U'></p><pre>&lt;img src='U'&gt;</pre><p>at U now</p>".replace("U", A)
HTML_USES = [(A, Use.ASKED), (A, Use.CODE), (A, Use.TEXT)]


@pytest.mark.parametrize(
    ("suffix", "text"),
    [
        (".xml", f"<rss><description>{escape(HTML)}</description></rss>"),
        (".rss", f"<rss><description><![CDATA[{HTML}]]></description></rss>"),
        (".json", json.dumps([{"title": "x", "content": HTML}])),
        (".JSON", json.dumps([{"content": HTML}]).replace("/", "\\/").replace("<", "\\u003c")),
        (".js", f"f({json.dumps(HTML)}, 3)"),
        (".mjs", f"f(`{HTML}`, 3)"),
    ],
)
def test_html_in_a_string_counts_as_html(suffix: str, text: str) -> None:
    assert in_strings(suffix, text) == HTML_USES


@pytest.mark.parametrize(
    ("suffix", "text", "use"),
    [
        (".json", '{"text": "see U for it"}', Use.TEXT),
        (".json", '{"text": "看U"}', Use.TEXT),
        (".json", '{"image": "U"}', Use.ASKED),
        (".json", '{"images": "U 1x, U 2x"}', Use.ASKED),
        (".json", '{"raw": "an image ![](U)"}', Use.ASKED),
        (".json", '{"raw": "an image ![][1]\\n\\n[1]: U"}', Use.ASKED),
        (".json", '{"U": 1}', Use.ASKED),
        (
            ".json",
            '{"docs":[{"location":"a/#b","text":"<img src=\\"U\\">","title":"x"}]}',
            Use.TEXT,
        ),
        (".json", '{"docs":[{"location":"a/","text":"![](U)","title":"x"}]}', Use.TEXT),
        (".json", '{"items":[{"location":"U","text":""}]}', Use.ASKED),
        (".json", '{"url": "U", "image": ""}', Use.LINK),
        (".xml", "<item><guid isPermaLink='true'>U</guid></item>", Use.LINK),
        (".xml", "<url><loc>U</loc></url>", Use.LINK),
        (".json", '{"text": "not closed U', Use.TEXT),
        (".webmanifest", '{"icons": [{"src": "U"}]}', Use.ASKED),
        (".xml", "<image:loc>U</image:loc>", Use.ASKED),
        (".xml", '<enclosure url="U"/>', Use.ASKED),
        (".xml", "<summary>see U</summary>", Use.TEXT),
        (".xml", "<description>write\n![a](U) </description>", Use.TEXT),
        (".xml", "<description>![a][1] [1]: U</description>", Use.TEXT),
        (".xml", '<content type="html">\n<![CDATA[![a](U)]]></content>', Use.TEXT),
        (".xml", "<content:encoded>url(U)</content:encoded>", Use.TEXT),
        (".xml", "<description>&amp;lt;img src='U'&amp;gt;</description>", Use.TEXT),
        (".xml", "<description>&lt;img src='U'&gt;</description>", Use.ASKED),
        (".xml", "<description/><image:loc>a ![](U)</image:loc>", Use.ASKED),
        (".xml", '<content src="U"/>', Use.ASKED),
        (".xml", "<image><title>a</title><url>U</url></image>", Use.ASKED),
        (".json", '{"summary": "write ![a](U)"}', Use.TEXT),
        (".json", '{"content_text" : "![a](U)"}', Use.TEXT),
        (".json", '{"summary": "<p><img src=U></p>"}', Use.ASKED),
        (".json", '{"summary": "\\u003cimg src=U\\u003e"}', Use.ASKED),
        (".json", '{"title": "a", "image": "U"}', Use.ASKED),
        (".js", "a = 'see U'", Use.ASKED),
        (".js", "a = /'/; f(\"U\"); b = 'x'", Use.ASKED),
        (".js", "f('<img src=\"U\">')", Use.ASKED),
        (".js", "f('<p>see U</p>')", Use.TEXT),
        (".css", "a { background: url(U) }", Use.ASKED),
        (".svg", '<image href="U"/>', Use.ASKED),
    ],
)
def test_a_string_is_text_where_readers_see_a_sentence(suffix: str, text: str, use: Use) -> None:
    assert {found for _, found in in_strings(suffix, text.replace("U", A))} == {use}


def test_text_beside_html_of_a_feed_is_text_and_its_image_is_not() -> None:
    text = f"<description>![a]({A}) &lt;img src='{A}'/&gt;</description>"
    assert [use for _, use in in_strings(".xml", text)] == [Use.TEXT, Use.ASKED]


@pytest.mark.parametrize("piece", ['\\"', '"', "<![CDATA[", ">", "<a", "'<a", f'"{A} ', f">{A} "])
@pytest.mark.parametrize("suffix", [".json", ".xml", ".js"])
def test_strings_take_time_in_proportion_to_the_text(suffix: str, piece: str) -> None:
    def run(size: int) -> None:
        in_strings(suffix, f'"{A}"' + piece * (size // len(piece)) + A)

    assert_linear(run, 50_000)


@pytest.mark.parametrize(
    "block",
    [
        '<pre class="mermaid">A@{{ img: "{}" }}</pre>',
        '<pre class="mermaid"><code>A@{{ img: "{}" }}</code></pre>',
        '<pre><code class="hljs language-mermaid">A@{{ img: "{}" }}</code></pre>',
        '<div class="markmap"><pre>![]({})</pre></div>',
        '<pre><code class="language-timeline">{}</code></pre>',
        '<pre class="lang-gallery">{}</pre>',
    ],
)
def test_what_a_script_draws_is_asked_for(block: str) -> None:
    page = (block.format(A) + f"<pre>{A}</pre><p>{A}</p>").encode()
    uses = [use for _, use in mention_uses(page, FINDER.find(page))]
    assert uses == [Use.ASKED, Use.CODE, Use.TEXT]


@pytest.mark.parametrize(
    "block",
    [
        '<pre><code class="hljs language-js">{}</code></pre>',
        '<pre class="language-text highlighter-rouge">{}</pre>',
        '<div class="lang-en"><pre>{}</pre></div>',
    ],
)
def test_code_in_a_known_language_is_code(block: str) -> None:
    page = block.format(A).encode()
    assert [use for _, use in mention_uses(page, FINDER.find(page))] == [Use.CODE]
