"""Editing one post: what is spliced in reads back as intended, or the post stays as it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from mirror.markdown import find_references
from mirror.model import Finding, Form, Rule
from mirror.pipeline.post_edit import Edit, PostEdit, edit_post, edit_where_possible, point_back
from mirror.pipeline.scan import ScannedPost, SiteScan
from mirror.posts import Post
from mirror.rewrites import Rewrite

SOURCE = "https://h.example/a.png"
# A post in each syntax; `@` is the mirrored URL.
POSTS = {
    "markdown": "x ![x](@) y\n",
    "angle brackets": "x ![x](<@>) y\n",
    "a title": 'x ![x](@ "t") y\n',
    "a definition": "![x][1]\n\n[1]: @\n",
    "html": '<img src="@">\n',
    "html without quotes": "<img src=@ width=3>\n",
    "srcset": '<img srcset="@ 1x, b.png 2x">\n',
    "style": "<p style=\"background:url('@')\">x</p>\n",
    "a link": "[x](@)\n",
    "yaml": "---\ncover: @\n---\n",
    "yaml in quotes": '---\ncover: "@"\n---\n',
    "yaml in single quotes": "---\ncover: '@'\n---\n",
    "yaml in a list": "---\nimages: [@, b.png]\n---\n",
    "toml": "+++\ncover = '@'\n+++\n",
    "json": '{"cover": "@"}\n',
    "hugo": '{{< figure src="@" >}}\n',
    "liquid": "{% image @ %}\n",
    "a table": "| a |\n| - |\n| ![](@) |\n",
}
MDX = {
    "a tag": '<Image src="@" />\n',
    "an expression": '<Image src={"@"} />\n',
    "a template": "<Image src={`@`} />\n",
}
CASES = [
    pytest.param(text, f"post.{suffix}", id=f"{name} in {suffix}")
    for posts, suffix in ((POSTS, "md"), (MDX, "mdx"))
    for name, text in posts.items()
]
CRAFTED = [
    "https://h.example/a.png) <script>alert(1)</script> (",
    "https://h.example/a.png> <script>alert(1)</script> <",
    'https://h.example/a.png" onerror="alert(1)',
    "https://h.example/a.png' onerror='alert(1)",
    "https://h.example/a.png onerror=alert(1)",
    "https://h.example/a.png 1x, https://evil.example/b.png",
    "https://h.example/a.png'); background:url('https://evil.example/b.png",
    'https://h.example/a.png"\nlayout: "evil',
    "https://h.example/a.png'\nlayout: 'evil",
    "https://h.example/a.png\nlayout: evil",
    "https://h.example/a.png, evil.png",
    'https://h.example/a.png", "layout": "evil',
    'https://h.example/a.png" >}}<script>alert(1)</script>{{< x y="',
    "https://h.example/a.png %}<script>alert(1)</script>{% x",
    "https://h.example/a.png` + alert(1) + `",
    'https://h.example/a.png" + alert(1) + "',
    'https://h.example/a.png"} onError={"alert(1)',
    "https://h.example/{{site.secret}}.png",
    "https://h.example/{{<x>}}.png",
    "https://h.example/${alert(1)}.png",
    "https://h.example/a.png\n\n<script>alert(1)</script>",
    "https://h.example/a.png |\n\n<script>alert(1)</script>",
    "&#106;avascript:alert(1)",
]


def scanned(text: str, name: str) -> ScannedPost:
    posts = SiteScan()
    posts.add(Post(name, Path(name)), text.encode())
    return posts.posts[0]


@pytest.mark.parametrize(("text", "name"), CASES)
def test_the_source_is_put_back_in_every_syntax(text: str, name: str) -> None:
    post = scanned(text.replace("@", "/m/a.png"), name)
    ref = next(ref for ref in post.references if ref.url.raw == "/m/a.png")
    data = text.replace("@", "/m/a.png").encode()
    edit = edit_post(post, data, [Edit(ref, SOURCE, SOURCE)])
    assert isinstance(edit, PostEdit)
    assert edit.after.data == text.replace("@", SOURCE).encode()


@pytest.mark.parametrize("crafted", CRAFTED)
@pytest.mark.parametrize(("text", "name"), CASES)
def test_no_text_that_is_spliced_in_goes_on_behind_the_url(
    text: str, name: str, crafted: str
) -> None:
    """Whatever a line says was there: all of it is one URL, and it reads as the source, or none."""
    data = text.replace("@", "/m/a.png").encode()
    post = scanned(data.decode(), name)
    ref = next(ref for ref in post.references if ref.url.raw == "/m/a.png")
    for source, spelling in ((SOURCE, crafted), (crafted, "")):
        edits = [Edit(ref, spelling or source, source)]
        for respell in (False, True):
            line = Rewrite(name, "/m/a.png", source, "", "", spelling)
            edits = [
                e for e in point_back(post, {ref: line}, respell=respell) if isinstance(e, Edit)
            ]
            edit = edit_post(post, data, edits)
            if edit is None or isinstance(edit, Finding):
                continue
            after = find_references(edit.after.data, name).references
            urls = [
                source if reference == ref else reference.url.raw for reference in post.references
            ]
            assert [reference.url.raw for reference in after] == urls
            assert [reference.form for reference in after] == [
                reference.form for reference in post.references
            ]
            (place,) = [n for n, reference in enumerate(post.references) if reference == ref]
            start, stop = after[place].span.start, after[place].span.stop
            assert edit.after.data[:start] == data[: ref.span.start]
            assert edit.after.data[stop:] == data[ref.span.stop :]
            written = edit.after.data[start:stop].decode()
            # A string of YAML or JavaScript is data: nothing in it is a tag.
            is_string = name == "post.mdx" or ref.form is Form.FRONT_MATTER
            assert is_string or "<script" not in written
            assert "{{" not in written
            assert "${" not in written


@pytest.mark.parametrize(
    ("text", "spelling"),
    [
        ("![x](@)\n", CRAFTED[0]),
        ("![x](<@>)\n", CRAFTED[1]),
        ("![](@)\n", "https://h.example/a.png 't') <b>bold</b> <!-- ![](<b> \"-->"),
        ('<img src="@">\n', CRAFTED[2]),
        ("---\ncover: @\n---\n", "https://h.example/a.png # layout: evil"),
        ("---\ncover: '@'\n---\n", CRAFTED[8]),
        ('---\ncover: "@"\n---\n', CRAFTED[7]),
        ('+++\ncover = "@"\n+++\n', 'https://h.example/a.png"\nlayout = "evil'),
    ],
)
def test_markup_behind_the_url_is_a_finding_even_if_the_same_urls_are_found(
    text: str, spelling: str
) -> None:
    data = text.replace("@", "/m/a.png").encode()
    post = scanned(data.decode(), "a.md")
    result = edit_post(post, data, [Edit(post.references[0], spelling, SOURCE)])
    assert isinstance(result, Finding)
    assert result.rule is Rule.POST_NOT_WRITTEN


def test_a_source_that_cannot_be_spelled_where_it_belongs_is_a_finding() -> None:
    post = scanned('{{< figure src="/m/a.png" >}}\n', "a.md")
    (ref,) = post.references
    line = Rewrite("a.md", "/m/a.png", "https://h.example/a b.png", "", "")
    (finding,) = point_back(post, {ref: line}, respell=True)
    assert isinstance(finding, Finding)
    assert finding.rule is Rule.POST_NOT_WRITTEN
    assert finding.place == "a.md:1:17"


ONLY_WHOLE_ADDRESSES = [
    ("![[@]]", "p.md"),
    ("![[@|300]]", "p.md"),
    ("cover:: @", "p.md"),
    ("x [cover:: @] y", "p.md"),
    ("<G images={['@']} />", "p.mdx"),
    ("export const cover = '@'", "p.mdx"),
]
PATHS_TOO = [
    ('::video{poster="@"}\n::', "p.md"),
    ("text :img{src=@} text", "p.md"),
    ("<Card :image=\"'@'\" />", "p.md"),
    ("<Card image='@' />", "p.md"),
    (":::{card}\n:img-top: @\n:::", "p.md"),
    (":::{figure} @\n:name: x\n:::", "p.md"),
    (':::image type="content" source="@" alt-text="x":::', "p.md"),
    ("::card{image=@}\n::", "p.md"),
    ("::card\n---\nimage: @\n---\n::", "p.md"),
    ("```{figure} @\n```", "p.md"),
    ('---\nbanner: "![[@]]"\n---\n', "p.md"),
    ("{% img @ %}", "p.md"),
    ('{% dplayer "url=https://v.example/a.mp4" "pic=@" %}', "p.md"),
    ("{% link a, https://x.example/, icon:@ %}", "p.md"),
    ("{% flink %}\n- link_list:\n  - avatar: @\n{% endflink %}", "p.md"),
    ("<img :src=\"'@'\">", "p.md"),
    ("<img src={'@'} />", "p.mdx"),
]


@pytest.mark.parametrize("count", [1, 30])
@pytest.mark.parametrize(("text", "name"), [*ONLY_WHOLE_ADDRESSES, *PATHS_TOO])
def test_what_cannot_hold_a_path_is_named_and_the_rest_moves(
    text: str, name: str, count: int
) -> None:
    count = 1 if text.startswith("---") else count
    body = "\n\n".join([text] * count) + "\n\n![](@ 'x')\n\nlast ![](@)\n"
    data = body.replace("@", SOURCE).encode()
    post = scanned(data.decode(), name)
    assert [ref.url.raw for ref in post.references if ref.form.is_rewritten].count(
        SOURCE
    ) == count + 2
    new = "/m/a.png"
    edits = [Edit(ref, new, new) for ref in post.references if ref.url.raw == SOURCE]
    *findings, edit = sorted(edit_where_possible(post, data, edits), key=_is_edit)
    assert isinstance(edit, PostEdit)
    stays = count if (text, name) in ONLY_WHOLE_ADDRESSES else 0
    assert [finding.place for finding in findings] == [
        f"{name}:{each.reference.line}:{each.reference.column}" for each in edits[:stays]
    ]
    assert edit.after.data.decode().count(SOURCE) == stays
    again = find_references(edit.after.data, name).references
    written = [ref for ref in again if ref.url.raw == new]
    assert len(written) == edit.after.data.decode().count(new) == count + 2 - stays


def _is_edit(result: PostEdit | Finding) -> bool:
    return isinstance(result, PostEdit)
