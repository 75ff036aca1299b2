"""All grammars together: forms, strings that cannot be located, amount of work."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from support import pathological
from support.growth import assert_linear

from mirror.markdown import find_references
from mirror.model import Form, Rule

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
    pytest.param(
        "<pre style='x:url(u)'><img srcset='//h/a 2x'></pre>",
        [("u", Form.STYLE), ("//h/a", Form.CODE)],
        id="pre with a background and an image",
    ),
    pytest.param("<iframe src='u.png' style='x:url(v)'></iframe>", [("v", Form.STYLE)], id="frame"),
    pytest.param("<img src=u srcset='v 2x'>", [("u", Form.HTML), ("v", Form.SRCSET)], id="img"),
    pytest.param("<p style='x:url(u)'>", [("u", Form.STYLE)], id="style"),
    pytest.param("<a href=u>", [("u", Form.LINK)], id="anchor"),
    pytest.param("<td>http://h/x</td>", [("http://h/x", Form.AUTOLINK)], id="text in HTML"),
    pytest.param("{{< img u.png >}}", [("u.png", Form.SHORTCODE)], id="shortcode"),
    pytest.param("{{< x link=//h/p >}}", [("//h/p", Form.LINK)], id="link of a shortcode"),
    pytest.param("---\nx: u.png\n---\n", [("u.png", Form.FRONT_MATTER)], id="front matter"),
    pytest.param("---\nx: //h/u\n---\n", [("//h/u", Form.LINK)], id="link in front matter"),
    pytest.param("{% img http://h/u %}", [("http://h/u", Form.SHORTCODE)], id="tag"),
    pytest.param("![[http://h/u|9]]", [("http://h/u", Form.INLINE)], id="embed of Obsidian"),
    pytest.param("cover:: http://h/u", [("http://h/u", Form.FRONT_MATTER)], id="field of Dataview"),
    pytest.param(
        '- [ ] **cover**:: "http://h/u"', [("http://h/u", Form.FRONT_MATTER)], id="field of a task"
    ),
    pytest.param("<Foo-Video src=//h/u>", [("//h/u", Form.LINK)], id="src of a video"),
    pytest.param("<Foo-Image src=//h/u>", [("//h/u", Form.HTML)], id="src of a picture"),
    pytest.param("{{< iframe src=//h/u >}}", [("//h/u", Form.LINK)], id="src of a frame"),
    pytest.param("::x{img=http://h/u}", [("http://h/u", Form.SHORTCODE)], id="component of Nuxt"),
    pytest.param(
        ':::image source="http://h/u":::', [("http://h/u", Form.SHORTCODE)], id="image of DocFX"
    ),
    pytest.param("```{image} u.png\n```", [("u.png", Form.SHORTCODE)], id="directive of MyST"),
    pytest.param("<img :src=\"'u'\">", [("u", Form.HTML)], id="string bound by Vue"),
    pytest.param("![](http://h/a.mp4)", [("http://h/a.mp4", Form.INLINE)], id="image of a video"),
    pytest.param("<img src='a\\b?c\\d'>", [("a/b?c\\d", Form.HTML)], id="backslash in a path"),
]


@pytest.mark.parametrize(("text", "expected"), FORMS)
def test_each_form_is_told_apart(text: str, expected: list[tuple[str, Form]]) -> None:
    scan = find_references(text.encode(), "a.md")
    assert [(r.url.raw, r.form) for r in scan.references] == expected
    assert scan.findings == ()


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
    small, large = (list(pathological.posts(size)) for size in (1_000, 4_000))
    for (name, short), (_, long) in zip(small, large, strict=True):
        if len(short) < len(long) < 100_000:
            growth = _calls(long.encode(), post) / (_calls(short.encode(), post) + 300)
            assert growth < 1.5 * len(long) / len(short), name


SLOW = [
    pytest.param("a.md", '{{< x "', '\\"', " >}}", id="escaped quotes in a shortcode"),
    pytest.param("a.md", "{% x ", '\\"', " %}", id="escaped quotes in a tag"),
    pytest.param("a.md", "{% x ", "a,", " %}", id="a list in a tag"),
    pytest.param("a.mdx", "", "{/*", "", id="comments that nothing closes"),
    pytest.param("a.mdx", "", "{a/*}", "", id="a comment in each expression"),
    pytest.param("a.mdx", '{"', '\\"', "", id="escaped quotes in an expression"),
    pytest.param("a.mdx", "", '{\\"}', "", id="an escaped quote in each expression"),
    pytest.param("a.mdx", "", "{'x\n", "", id="a quote in each line"),
    pytest.param("a.md", '"https://h ', ":a{a=", "", id="components that nothing closes"),
    pytest.param("a.md", '"https://h\n', "::a\n---\n", "", id="properties that nothing closes"),
    pytest.param("a.md", '"https://h ', "cover:: //a", "", id="fields"),
]


@pytest.mark.parametrize(("post", "before", "repeated", "after"), SLOW)
def test_time_grows_with_the_length_within_a_pattern(
    post: str, before: str, repeated: str, after: str
) -> None:
    assert_linear(
        lambda count: find_references((before + repeated * count + after).encode(), post), 5_000
    )


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
    "escaped quotes": '{{< x "' + '\\\\"' * 1_000_000 + " >}}",
}
for name, text in posts.items():
    print(name, len(find_references(text.encode(), "a.md").references))
"""


def test_large_posts_take_seconds_of_a_processor() -> None:
    """Work that grew with the square of these would take hours; the kernel ends it at a minute."""
    tests = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", LARGE, str(tests), str(tests.parent)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "a line 131578" in done.stdout
    assert "definitions 100000" in done.stdout


DENSE = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
sys.path[:0] = sys.argv[1:]
from mirror.markdown import find_references
marks = ("[", "<", "![](u)", "1. ", "+ ", "https://a/ ", "*a", "x\\n\\n")
for number, mark in enumerate(marks):
    text = (mark * (1 << 23))[: 1 << 26]
    scan = find_references(text.encode(), ("a.md", "a.mdx")[number % 2])
    print(repr(mark), *(found.message for found in scan.findings))
print(len(find_references(b"![](https://h/a.png)" + b"A" * (1 << 26), "a.md").references))
"""


def test_a_post_of_marks_alone_takes_no_gigabyte() -> None:
    """The parser would end the process, not the post: it has no error for a lack of memory."""
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-c", DENSE, str(root)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    *dense, large = done.stdout.splitlines()
    assert len(dense) == 8
    assert all("expected at most 4,194,304 marks of Markdown" in line for line in dense), dense
    assert large == "1"
