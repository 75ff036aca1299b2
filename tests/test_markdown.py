"""The Markdown part from outside: forms, places, encodings, bad input, amount of work."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import hostile
import pytest

from mirror.markdown import find_references, is_image_link, spell, splice
from mirror.model import Form, Quoting, Rule, Span
from mirror.urls.address import Url

FORMS = [
    pytest.param("![](u)", [("u", Form.INLINE)], id="image"),
    pytest.param("[](u)", [("u", Form.LINK)], id="link"),
    pytest.param("[![](u)](v)", [("u", Form.INLINE), ("v", Form.LINK)], id="linked image"),
    pytest.param("![][k] [x][k]\n\n[k]: u", [("u", Form.REFERENCE)], id="image and link"),
    pytest.param("[k]\n\n[k]: u", [("u", Form.LINK)], id="definition of a link"),
    pytest.param("[k]: u.png", [("u.png", Form.LINK)], id="definition that is not used"),
    pytest.param("<http://h/x>", [("http://h/x", Form.AUTOLINK)], id="autolink"),
    pytest.param("http://h/x.", [("http://h/x", Form.AUTOLINK)], id="bare URL"),
    pytest.param("(http://h/x_(1)) ", [("http://h/x_(1)", Form.AUTOLINK)], id="parentheses"),
    pytest.param("见http://h/x，然后", [("http://h/x", Form.AUTOLINK)], id="CJK punctuation"),
    pytest.param("http://h/a\\_b", [("http://h/a_b", Form.AUTOLINK)], id="escape in a bare URL"),
    pytest.param("![](//h/a.png =3x2)", [], id="size behind a relative scheme"),
    pytest.param(
        "![](http://h/a.png =3x2)", [("http://h/a.png", Form.AUTOLINK)], id="size behind it"
    ),
    pytest.param("`//h/a.png`", [("//h/a.png", Form.CODE)], id="code span"),
    pytest.param("`http://h/a`", [], id="no image in a code span"),
    pytest.param("`![](http://h/a)`", [("http://h/a", Form.CODE)], id="image syntax in code"),
    pytest.param("    ![](http://h/a.png)", [("http://h/a.png", Form.CODE)], id="indented code"),
    pytest.param("<!-- http://h/a.png -->", [("http://h/a.png", Form.COMMENT)], id="comment"),
    pytest.param(
        "<code><img src=http://h/a></code>", [("http://h/a", Form.CODE)], id="img in code"
    ),
    pytest.param("<code>![](http://h/a)</code>", [("http://h/a", Form.CODE)], id="image in code"),
    pytest.param("<img src=u srcset='v 2x'>", [("u", Form.HTML), ("v", Form.SRCSET)], id="img"),
    pytest.param("<p style='x:url(u)'>", [("u", Form.STYLE)], id="style"),
    pytest.param("<a href=u>", [("u", Form.LINK)], id="anchor"),
    pytest.param("<td>http://h/x</td>", [("http://h/x", Form.AUTOLINK)], id="text in HTML"),
    pytest.param("{{< img u.png >}}", [("u.png", Form.SHORTCODE)], id="shortcode"),
    pytest.param("{{< x link=//h/p >}}", [("//h/p", Form.LINK)], id="link of a shortcode"),
    pytest.param("---\nx: u.png\n---\n", [("u.png", Form.FRONT_MATTER)], id="front matter"),
    pytest.param("---\nx: //h/u\n---\n", [("//h/u", Form.LINK)], id="link in front matter"),
    pytest.param("{% img http://h/u %}", [("http://h/u", Form.SHORTCODE)], id="tag"),
]


@pytest.mark.parametrize(("text", "expected"), FORMS)
def test_each_form_is_told_apart(text: str, expected: list[tuple[str, Form]]) -> None:
    scan = find_references(text.encode(), "a.md")
    assert [(r.url.raw, r.form) for r in scan.references] == expected
    assert scan.findings == ()


def test_jsx_is_a_form_of_mdx_only() -> None:
    text = b'<Card img="//h/a" />\n\n<img src={"b"} />\n'
    forms = [[r.form for r in find_references(text, p).references] for p in ("a.md", "a.MDX")]
    assert forms == [[Form.HTML], [Form.JSX, Form.JSX]]


def test_a_place_is_bytes_of_the_file_and_characters_of_a_line() -> None:
    data = "\ufeff---\ncover: //h/图.png\n---\r\n图![](u)\r\r\n\n> 😀 ![](<ü>)".encode()
    places = [
        (r.spelling, r.span, r.line, r.column) for r in find_references(data, "a.md").references
    ]
    assert places == [
        ("//h/图.png", Span(14, 25), 2, 8),
        ("u", Span(38, 39), 4, 6),
        ("ü", Span(56, 58), 7, 10),
    ]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://h/a.png", True),
        ("a.JPEG?x=1#f", True),
        ("//h/a.png!small", True),
        ("//h/a.jpg@!webp?x", True),
        ("http://h/a.png%21w200", True),
        ("http://h/a.png/b", False),
        ("http://h/a.html?x=.png", False),
        ("http://h/a.pngx", False),
        ("http://h/#a.png", False),
        ("", False),
    ],
)
def test_an_image_link_is_known_by_its_path(url: str, expected: bool) -> None:
    assert is_image_link(Url(url)) is expected


@pytest.mark.parametrize("quoting", Quoting)
@pytest.mark.parametrize("url", ["", "http://h/\n", "http://h/\0", "http://h/\x7f", "h\u2028"])
def test_what_no_post_may_hold_is_not_spelled(url: str, quoting: Quoting) -> None:
    with pytest.raises(ValueError, match="control character"):
        spell(url, quoting)


@pytest.mark.parametrize(
    ("url", "quoting"),
    [
        ("http://h/a b", Quoting.SRCSET),
        ("http://h/a,", Quoting.SRCSET),
        ("http://h/a: b", Quoting.YAML_PLAIN),
        ("true", Quoting.YAML_PLAIN),
        ("1.5", Quoting.YAML_PLAIN),
        ("- a.png", Quoting.YAML_PLAIN),
        ("http://h/a,b", Quoting.YAML_FLOW),
        ('http://h/"', Quoting.LITERAL),
        ("http://h/<", Quoting.TEXT),
    ],
)
def test_what_a_syntax_cannot_say_is_an_error(url: str, quoting: Quoting) -> None:
    with pytest.raises(ValueError, match=quoting.value.replace("[", r"\[")):
        spell(url, quoting)


@pytest.mark.parametrize("quoting", Quoting)
def test_a_plain_address_is_spelled_as_it_is(quoting: Quoting) -> None:
    url = "https://img.test/ab/0~9/a_b-c.png"
    assert spell(url, quoting) == url


@pytest.mark.parametrize(
    "spans",
    [[(2, 4), (3, 5)], [(3, 4), (1, 2)], [(4, 3)], [(0, 99)], [(-1, 2)]],
    ids=["overlap", "order", "backwards", "behind the end", "before the start"],
)
def test_edits_that_make_no_sense_are_an_error(spans: list[tuple[int, int]]) -> None:
    with pytest.raises(ValueError, match="expected an edit within bytes"):
        splice(b"0123456789", "utf-8", [(Span(*span), "x") for span in spans])


UNREADABLE = [
    pytest.param(b"x\ny\0z", "NUL", 2, 2, id="NUL"),
    pytest.param(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "NUL", 3, 1, id="a picture"),
    pytest.param("好的图片。\n".encode() + b"\xe5\xa5", "neither", 2, 1, id="cut UTF-8"),
    pytest.param(b"a\xff![](u)", "0xff at offset 1", 1, 2, id="a byte of no encoding"),
    pytest.param(b"\xff\xfea", "UTF-16", 1, 1, id="half a UTF-16 character"),
    pytest.param(b"\xef\xbb\xbf\xff", "UTF-8", 1, 1, id="no UTF-8 behind its mark"),
]


@pytest.mark.parametrize(("data", "message", "line", "column"), UNREADABLE)
def test_a_post_that_is_no_text_has_one_finding_that_says_where(
    data: bytes, message: str, line: int, column: int
) -> None:
    scan = find_references(data, "dir/a.md")
    assert scan.references == ()
    (finding,) = scan.findings
    assert finding.rule is Rule.POST_UNREADABLE
    assert message in finding.message
    assert finding.place == f"dir/a.md:{line}:{column}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("---\na: b\n![](u)", "never closed"),
        ('{"a": "b"\n![](u)', "never closed"),
        ("---\na: [//h/a.png\n---\n", "no valid YAML"),
        ("+++\na = //h\n+++\n", "no valid TOML"),
        ('{"a": //h }\n', "no valid JSON"),
        ("---\na: //h\nb: " + "[" * 200 + "]" * 200 + "\n---\n", "nested more than"),
    ],
)
def test_front_matter_that_cannot_be_read_is_told(text: str, message: str) -> None:
    (finding,) = find_references(text.encode(), "a.md").findings
    assert finding.rule is Rule.FRONT_MATTER_BROKEN
    assert message in finding.message
    assert finding.line == (
        2 if text[:3] in ("---", "+++") and "valid" in message else finding.line
    )


def test_an_image_in_a_heading_without_an_id_is_told() -> None:
    text = b"# ![](//h/a.png)\n\n# ![](//h/b.png) {#id}\n\n![](//h/c.png)\n"
    (finding,) = find_references(text, "a.md").findings
    assert (finding.rule, finding.line) == (Rule.HEADING_ANCHOR, 1)


def test_an_address_that_cannot_be_located_is_told_and_left() -> None:
    scan = find_references(b'> <div>\n> <img src="a\n> b.png">', "a.md")
    assert scan.references == ()
    (finding,) = scan.findings
    assert (finding.rule, finding.line) == (Rule.SPAN_UNVERIFIED, 2)


UNLOCATED = [
    pytest.param("---\ncover: >-\n  //h/a\n  b.png\n---\n", "a.md", 2, id="folded block"),
    pytest.param("---\nx: |\n    //h/a.png\n    //h/b.png\n---\n", "a.md", 2, id="two in a block"),
    pytest.param("---\nx:\n- //h/a\n  b.png\n---\n", "a.md", 3, id="folded plain scalar"),
    pytest.param("---\nx: '//h/a.png\n\n  b'\n---\n", "a.md", 2, id="folded quoted scalar"),
    pytest.param('---\nx: "//h/a.png\\n"\n---\n', "a.md", 2, id="an escape behind it"),
    pytest.param('+++\nx = """\n//h/a.png\n//h/b.png"""\n+++\n', "a.md", 3, id="TOML"),
    pytest.param(
        '+++\nx = """\\\n//h/a.png\\\n"""\n+++\n', "a.md", 3, id="the end of a line in TOML"
    ),
    pytest.param('{"x": "//h/a.png\\t//h/b.png"}', "a.md", 1, id="JSON"),
    pytest.param('<img srcSet={"\\/\\/h/a.png 2x"} />', "a.mdx", 1, id="an escape in srcSet"),
    pytest.param("<i style={{x: 'url(\\'//h/a.png\\')'}} />", "a.mdx", 1, id="an escape in style"),
    pytest.param("<i style={{x: 'url(\"//h/a b.png\")'}} />", "a.mdx", 1, id="a blank in style"),
]


@pytest.mark.parametrize(("text", "post", "line"), UNLOCATED)
def test_what_cannot_be_located_in_a_string_is_told(text: str, post: str, line: int) -> None:
    scan = find_references(text.encode(), post)
    assert not any(reference.form.is_rewritten for reference in scan.references)
    assert [(f.rule, f.line) for f in scan.findings] == [(Rule.SPAN_UNVERIFIED, line)]


@pytest.mark.parametrize(
    ("text", "urls"),
    [
        ("---\ntext: |\n  see //h/a.png\n  and //h/b.png\n---\n", ["//h/a.png", "//h/b.png"]),
        ("---\ntitle: //h/a.png and more\nlink: //h/page with text\n---\n", ["//h/a.png"]),
        ("---\nx: a.png b.png\ny: https://h/page\nz: >-\n---\n//\n", []),
        ('---\nexcerpt: \'<img src="https://h/a"> <a href="//h/b">\'\n---\n', ["https://h/a"]),
        ('+++\ndesc = """\n![a](https://h/图.png)\n"""\n+++\n', ["https://h/图.png"]),
        ("---\ndesc: '![a](//h/a.png)'\n---\n", ["//h/a.png"]),
        ('{"desc": "see (https://h/a.png), please"}\n', ["https://h/a.png"]),
        (
            '{"a": "<img src=\\"https://h/a.png\\"> \\u4e2d //h/b.png"}\n',
            ["https://h/a.png", "//h/b.png"],
        ),
        ('---\na: "<img src=\\"https://h/a.png\\"> t"\n---\n', ["https://h/a.png"]),
        ("---\na: 'it''s https://h/a.png ok'\n---\n", ["https://h/a.png"]),
    ],
)
def test_images_in_a_text_in_front_matter_are_found_and_not_rewritten(
    text: str, urls: list[str]
) -> None:
    data = text.encode()
    scan = find_references(data, "a.md")
    in_text = [ref for ref in scan.references if ref.form is Form.AUTOLINK]
    assert [ref.url.raw for ref in in_text] == urls
    assert [data[ref.span.start : ref.span.stop].decode() for ref in in_text] == urls
    assert scan.findings == ()


NOTES = [
    ('!!! note "T"\n\n    ![](//h/a.png)\n\n    text\n\n        ![](//h/c.png)\n', "a.png"),
    ("!!! note\n    text\n\n    ![](//h/a.png)\n\nend\n\n    ![](//h/c.png)\n", "a.png"),
    ('=== "A"\n\n    ![](//h/a.png)\n\n=== "B"\n\n    ??? x\n\n        ![](//h/b)\n', "a.png b"),
    ("1. x\n\n    !!! note\n\n        ![](//h/a.png)\n", "a.png"),
    ("> ???+ note\r\n>\r\n>     图\r\n>     ![](//h/a.png)\r\n", "a.png"),
    ("!!! note\n\n    ```\n    ![](//h/c.png)\n    ```\n", ""),
    ("!!!\n\n    ![](//h/c.png)\n\nwhat?\n\n    ![](//h/c.png)\n", ""),
    ('<figure markdown="span">\n  ![x](//h/a){ width="3" }\n  <p>x</p>\n</figure>\n', "a"),
    ("> <div class=x markdown>\n> text\n>   ![](<//h/a>) <img src='//h/b'>\n> </div>\n", "a b"),
    ('<div markdown="1">\n![](<https://h/a> "t")\n![y](<//h/b>)\n</div>\n', "https://h/a b"),
    ('<div markdown="0">\n![](//h/c.png)\n</div>\n', ""),
    ("<div title='<p markdown=1>'>\n![](//h/c.png)\n</div>\n", ""),
    ('<div markdown="1" \n', ""),
    ("a\r\r![](//h/a.png)\r```\r![](//h/c.png)\r```\r", "a.png"),
    ("    code\r\r[r]: //h/a.png\r\r![r]\r", "a.png"),
    ("<div markdown=1>\n<pre>![](//h/c.png)</pre>\n</div>\n", ""),
    ("<div class='markdown'>\n![](//h/c.png)\n</div>\n", ""),
]  # fmt: skip


@pytest.mark.parametrize(("text", "names"), NOTES)
def test_notes_and_tabs_of_python_markdown_hold_markdown(text: str, names: str) -> None:
    data = text.encode()
    scan = find_references(data, "a.md")
    shown = [ref for ref in scan.references if ref.form.is_rewritten]
    expected = [name if ":" in name else f"//h/{name}" for name in names.split()]
    assert [ref.url.raw for ref in shown] == expected
    assert all(data[ref.span.start : ref.span.stop].decode() == ref.url.raw for ref in shown)
    assert scan.findings == ()


def test_an_escape_in_css_ends_no_url() -> None:
    styles = (r"x:url(https://h/a\)b.png)", r'x:url("//h/\"c.png")')
    text = " ".join(f"<b style='{style}'>" for style in styles)
    found = [ref.url.raw for ref in find_references(text.encode(), "a.md").references]
    assert found == ["https://h/a)b.png", '//h/"c.png']


def test_a_destination_in_angles_is_no_tag_of_mdx() -> None:
    text = b'![a](<https://h/a.png> "t") [b](<https://h/b.png>) <A src="//h/c.png" /> ![](<//h/d>)'
    found = [ref.url.raw for ref in find_references(text, "a.mdx").references]
    assert found == ["https://h/a.png", "https://h/b.png", "//h/c.png", "//h/d"]


@pytest.mark.parametrize(
    "text",
    [
        '{"a": "see https:\\/\\/h\\/a.png for"}\n',
        '---\na: "see \\x68ttps://h/a.png"\n---\n',
    ],
)
def test_an_image_spelled_with_escapes_in_a_text_is_told(text: str) -> None:
    scan = find_references(text.encode(), "a.md")
    assert [finding.rule for finding in scan.findings] == [Rule.SPAN_UNVERIFIED]
    assert scan.references == ()


def test_a_comma_behind_a_word_of_a_tag_is_no_part_of_it() -> None:
    (found,) = find_references(b"{% image https://h/a.png, alt=x %}", "a.md").references
    assert (found.url.raw, found.form) == ("https://h/a.png", Form.SHORTCODE)


def test_notes_in_notes_end_somewhere() -> None:
    lines = [f"{' ' * 4 * n}!!! note\n\n" for n in range(60)]
    scan = find_references("".join([*lines, " " * 240, "![](//h/a.png)\n"]).encode(), "a.md")
    assert [ref.form for ref in scan.references] == [Form.CODE]


def _calls(data: bytes, post: str) -> int:
    """How many functions a scan calls: its work, whatever the clock says."""
    count = 0

    def step(frame: object, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(step)
    try:
        find_references(data, post)
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize("post", ["a.md", "a.mdx"])
def test_work_grows_with_the_length_of_hostile_posts(post: str) -> None:
    small, large = (list(hostile.posts(size)) for size in (1_000, 4_000))
    for (name, short), (_, long) in zip(small, large, strict=True):
        if len(short) < len(long) < 100_000:
            growth = _calls(long.encode(), post) / (_calls(short.encode(), post) + 300)
            assert growth < 1.5 * len(long) / len(short), name


LARGE = """
import resource, sys
resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
sys.path[:0] = sys.argv[1:]
from mirror.markdown import find_references
posts = {
    "a line": "![a](https://h/a.png) text `code` <b> " * (5_000_000 // 38),
    "brackets": "[" * 10_000 + "![" * 10_000 + "](a)" * 10_000,
    "definitions": "".join(f"[k{i}]: h/{i}\\n" for i in range(100_000)) + "![][k1]",
    "openings": "![](<<a b='<!--`{{<{%" * 50_000,
    "a word": "{% " + "a" * 1_000_000,
    "blanks": "[k]:" + " " * 1_000_000,
}
for name, text in posts.items():
    print(name, len(find_references(text.encode(), "a.md").references))
"""


def test_large_posts_take_seconds_of_a_processor() -> None:
    """Work that grew with the square of these would take hours; the kernel ends it at a minute."""
    here = Path(__file__).parent
    done = subprocess.run(
        [sys.executable, "-c", LARGE, str(here), str(here.parent)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "a line 131578" in done.stdout
    assert "definitions 100000" in done.stdout
