"""Promises of the Markdown part, over documents made of the grammar's hard parts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html.entities import html5
from urllib.parse import unquote

import html5lib
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from support import oracle

from mirror.markdown import find_references, read, spell, splice
from mirror.markdown.html import tags
from mirror.markdown.urls import form_by_name, is_absolute
from mirror.model import Form, Quoting, Reference, Span

LIGHT = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])

URLS = (
    "http://h/a.png",
    "https://h/图/a_(1).png?x=1&y=2",
    "//h/*b*.jpg!small",
    "images/c.gif",
    "http://h/a&amp;b.png",
    "http://h/d%20e.png#f",
)
MARKS = tuple(
    (
        "![ ]( ) [ ] ( < > ` `` ** * _ ~~ \\ \\] \\) \" ' & &amp; | ! ]( ![ ]: ][ []() : # > "
        "<code> </code> <b> </b> <img /> <!-- --> <pre> </pre> <img src=\" <a href='"
    ).split(" ")
)
LAYOUT = (
    " ",
    "\n",
    "\n\n",
    "\n> ",
    "\n- ",
    "\n    ",
    "\n\t",
    "  ",
    "\n>\n> ",
    "\r\n",
    "\n1. ",
    "x",
)
LAYOUT += (
    "\n```\n",
    "\n| a | b |\n|---|---|\n| ",
    " | ",
    "\n[k]: ",
    "[k]",
    "![k]",
    "\n<div>\n",
    "图",
)

HTML = (
    "<img |src|=|'|\"|a.png|>|/| |\n|<!--|-->|--!>|<b |</b>|<IMG|x|&amp;|&amp|<script>|</script>"
    "|<?|<!| src=u| src='v'|<title>|</title |\t"
).split("|")

soup = st.lists(st.sampled_from(URLS + MARKS + LAYOUT), max_size=24).map("".join)
generator_soup = st.lists(
    st.sampled_from(
        (*URLS, *MARKS, *LAYOUT, "{{< figure src=\"", "\" >}}", "{% img ", " %}", "{% raw %}",
         "{% endraw %}", "---\n", "cover: ", "+++\n", "{\"a\":", "\0", "<script>", "</script>",
         "import x\n", "{", "}", "<Card img={'", "'}/>", "\ufeff"),
    ),
    max_size=24,
).map("".join)  # fmt: skip

destination = st.sampled_from(
    (*URLS[:2], "<http://h/a b.png>", "<https://h/(.png>", "http://h/\\(.png", "http://h/a\\_b.png")
)
alt = st.lists(
    st.sampled_from(
        ("x", "[y]", "\\]", "`](`", "*z*", "<b>", "![i](http://h/i.png)", "\n", "&lt;")
    ),
    max_size=4,
).map("".join)
title = st.sampled_from(("", ' "t"', " 't (u) '", " (v)", ' "](w"', "\n"))
image = st.builds("![{}]({}{})".format, alt, destination, title)
linked = st.builds("[{}]({}{})".format, image, destination, title)
defined = st.builds("![{}][l]\n\n[L]:{}{}\n\n".format, alt, st.just(" "), destination)
tag = st.builds(
    "<img{}src={}>".format,
    st.sampled_from((" ", "\n", " alt='>' ", " data-x=1 ")),
    st.sampled_from(
        ('"http://h/a.png"', "'http://h/&quot;.png'", "http://h/c.png", '" //h/d.png "')
    ),
)
paragraph = st.lists(
    st.one_of(image, linked, tag, defined, st.sampled_from(LAYOUT)), max_size=4
).map(" ".join)


def _in_container(text: str, first: str, rest: str) -> str:
    return first + text.replace("\n", "\n" + rest)


document = st.builds(
    _in_container,
    paragraph,
    *map(
        st.sampled_from,
        (("", "> ", "- ", "1. > ", "> > ", "# "), ("", "> ", "  ", "   > ", "> > ")),
    ),
)


# `[k]: ![](<a b>)` is a paragraph with an image, and a definition as soon as the blank goes.
NEARLY_DEFINED = re.compile(r"\]:[\s>]*!?\[")


def shown_by_both(text: str) -> set[str]:
    """The images of a page on which two renderers agree; where they do not, nothing can be said."""
    one, other = (oracle.images(render(text)) for render in oracle.RENDERERS.values())
    urls = [unquote(url.strip()) for url in one]
    assume(urls == [unquote(url.strip()) for url in other])
    return set(urls) - {""}


def scan(text: str) -> tuple[Reference, ...]:
    return find_references(text.encode(), "post.md").references


def rewritable(references: Sequence[Reference]) -> list[Reference]:
    return [r for r in references if r.form.is_rewritten and is_absolute(r.url.raw)]


def rewrite(text: str) -> str:
    edits = [(r.span, spell(oracle.target(r.url.raw), r.quoting)) for r in rewritable(scan(text))]
    return splice(text.encode(), "utf-8", edits).decode()


@given(st.one_of(generator_soup, soup, document), st.sampled_from(("a.md", "a.mdx")))
@LIGHT
def test_references_are_disjoint_slices_that_read_as_their_url(text: str, post: str) -> None:
    data = text.encode()
    scan = find_references(data, post)
    stop = 0
    for reference in scan.references:
        assert stop <= reference.span.start < reference.span.stop
        stop = reference.span.stop
        assert data[reference.span.start : stop].decode() == reference.spelling
        if "\\|" not in reference.spelling:  # in a table cell it is `|` before all else
            assert read(reference.spelling, reference.quoting) == reference.url.raw
        before = text[: len(data[: reference.span.start].decode())]
        assert reference.line == len(before.replace("\r\n", "\n").replace("\r", "\n").split("\n"))


@given(st.one_of(generator_soup, soup), st.sampled_from(("a.md", "a.mdx")))
@LIGHT
def test_rewriting_to_the_same_spelling_changes_no_byte(text: str, post: str) -> None:
    data = text.encode()
    scan = find_references(data, post)
    assert splice(data, "utf-8", []) == data
    assert splice(data, "utf-8", [(r.span, r.spelling) for r in scan.references]) == data


@given(st.one_of(soup, document))
@LIGHT
def test_a_rewritten_post_holds_the_mapped_list_and_reverts_to_the_same_bytes(text: str) -> None:
    assume(not NEARLY_DEFINED.search(text))
    before = rewritable(scan(text))
    after = rewrite(text)
    rewritten = rewritable(scan(after))
    assert [r.url.raw for r in rewritten] == [oracle.target(r.url.raw) for r in before]
    edits = [(new.span, old.spelling) for new, old in zip(rewritten, before, strict=True)]
    assert splice(after.encode(), "utf-8", edits) == text.encode()


@given(st.one_of(soup, document))
@LIGHT
def test_nothing_changes_but_addresses_in_two_independent_renderers(text: str) -> None:
    text = "\n" + text
    assume(not NEARLY_DEFINED.search(text))
    shown_by_both(text)
    assert list(oracle.differences(text, rewrite(text))) == []


@given(st.one_of(soup, document))
@LIGHT
def test_every_image_that_two_independent_renderers_show_is_found(text: str) -> None:
    text = "\n" + text
    shown = shown_by_both(text)
    assert shown <= {unquote(r.url.raw) for r in scan(text) if r.form.is_rewritten}


@given(st.lists(st.sampled_from(HTML), max_size=14).map("".join))
@LIGHT
def test_attributes_are_those_of_a_browsers_tokenizer(text: str) -> None:
    page = html5lib.parseFragment(text, namespaceHTMLElements=False)
    expected = [image.get("src") for image in page.iter("img") if image.get("src")]
    data = text.encode()
    urls = [
        read(data[a.start : a.stop].decode(), Quoting.HTML)
        for tag in tags(data)
        if tag.name.lower() == b"img" and not tag.closes
        for a in tag.attributes
        if a.name == b"src" and a.start < a.stop
    ]
    assert urls == expected


@given(
    st.sampled_from([name for name in html5 if name[-1] != ";"]), st.text("=;a1&-_% ", max_size=3)
)
def test_names_in_attributes_are_read_as_a_browser_does(name: str, rest: str) -> None:
    value = f"//h/a?q=1&{name}{rest}"
    page = html5lib.parseFragment(f'<img src="{value}">', namespaceHTMLElements=False)
    assert read(value, Quoting.HTML) == page.find("img").get("src")


@given(st.binary(max_size=200), st.sampled_from(("a.md", "b.mdx", "c.markdown")))
@LIGHT
def test_no_bytes_are_an_exception(data: bytes, post: str) -> None:
    scan = find_references(data, post)
    assert scan.findings or scan.encoding
    if scan.encoding:
        assert data.decode(scan.encoding).encode(scan.encoding) == data


@given(generator_soup, st.sampled_from(("utf-16-le", "utf-16-be", "gb18030", "utf-8")))
@LIGHT
def test_an_encoding_moves_places_and_changes_nothing_else(text: str, encoding: str) -> None:
    text = "标题\n\n" + text.replace("\0", "").replace("\ufeff", "")
    mark = "\ufeff" if encoding.startswith("utf") else ""
    data = (mark + text).encode(encoding)
    plain = find_references(text.encode(), "a.md").references
    other = find_references(data, "a.md")
    assert other.encoding == encoding
    facts = [(r.url, r.line, r.column, r.form, r.spelling) for r in plain]
    assert [(r.url, r.line, r.column, r.form, r.spelling) for r in other.references] == facts
    for r in other.references:
        assert data[r.span.start : r.span.stop].decode(encoding) == r.spelling


URL_TEXT = st.text(
    st.characters(min_codepoint=0x20, exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1
) | st.text("ab/.:&<>()[]{}|`\\\"' =#;,", min_size=1)


@given(URL_TEXT, st.sampled_from(Quoting))
@LIGHT
def test_what_is_spelled_reads_as_the_url(url: str, quoting: Quoting) -> None:
    try:
        spelled = spell(url, quoting)
    except ValueError:
        return
    assert read(spelled, quoting) == url


SETTINGS = [
    (Quoting.BARE, "![`<a '\"](", ")"),
    (Quoting.ANGLE, "![`[](<", ">)"),
    (Quoting.HTML, '`<img src="', '">'),
    (Quoting.HTML_BARE, "<img src=", " alt='>'>"),
    (Quoting.SRCSET, "<img srcset='", " 2x, //h/x.png 3x'>"),
    (Quoting.STYLE, "<p style='background: url(", ") red'>"),
    (Quoting.YAML_PLAIN, "---\nimage: ", "\nb: 1\n---\n"),
    (Quoting.YAML_FLOW, "---\nimage: [", ", b]\n---\n"),
    (Quoting.SINGLE, "---\nimage: '", "'\n---\n"),
    (Quoting.ESCAPED, '+++\nimage = "', '"\n+++\n'),
    (Quoting.LITERAL, '{{< img src="', '" >}}'),
    (Quoting.LITERAL, "---\nimage: >-\n  ", "\nb: 1\n---\n"),
    (Quoting.LITERAL, "---\nimages:\n- |2\n     ", "\n\n# b\n- c\n---\n"),
    (Quoting.ESCAPED, '---\nimage: "\n  ', '\n"\n---\n'),
    (Quoting.ESCAPED, '+++\nimage = """\n', '"""\n+++\n'),
    (Quoting.LITERAL, "+++\nimage = '''\n", "\n'''\n+++\n"),
]


@given(URL_TEXT, st.sampled_from(SETTINGS))
@example(",", SETTINGS[10])
@LIGHT
def test_what_is_spelled_is_found_again_where_it_stands(
    tail: str, setting: tuple[Quoting, str, str]
) -> None:
    quoting, head, end = setting
    url = "https://h/" + tail
    try:
        spelled = spell(url, quoting)
    except ValueError:
        return
    post = head + spelled + end
    assume(form_by_name(Form.FRONT_MATTER, url, "image") is not None)
    assume(not re.search("[\ufffe\uffff]", url))  # YAML has no such characters
    span = Span(len(head.encode()), len((head + spelled).encode()))
    assert (url, span) in [(r.url.raw, r.span) for r in scan(post)]
    assert Form.AUTOLINK not in [r.form for r in scan(post) if r.span == span]
