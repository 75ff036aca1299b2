"""Going through all posts: a URL that cannot stand somewhere is named, and the others move."""

from __future__ import annotations

import pytest

from mirror.model import Rule
from mirror.pipeline import post_edit
from mirror.pipeline import rewrite as rewriting
from mirror.pipeline.scan import scan
from mirror.pipeline.targets import ByMap


@pytest.mark.parametrize(
    ("line", "url"),
    [
        pytest.param(
            '<img srcSet={"https://h.example/b.png 1x, https://h.example/a.png 2x"} />',
            "https://x.example/a,",
            id="a comma at the end, in a srcSet",
        ),
        pytest.param(
            '<div style={{backgroundImage: "url(https://h.example/a.png)"}} />',
            "https://x.example/a(1).png",
            id="brackets in url()",
        ),
    ],
)
def test_a_url_that_cannot_stand_in_a_string_is_named_with_its_place(blog, line, url):
    text = f"![](https://h.example/z.png)\n\n{line}\n\n![](https://h.example/y.png)\n"
    path = blog.write("post.mdx", text)
    new = {f"https://h.example/{name}.png": f"https://x.example/{name}.png" for name in "yz"}
    inputs = rewriting.RewriteInput(scan(*blog.site.posts.find()), blog.progress, True)
    result = rewriting.rewrite(inputs, ByMap(new | {"https://h.example/a.png": url}))
    (finding,) = result.findings
    assert finding.rule is Rule.POST_NOT_WRITTEN
    assert finding.place == f"posts/post.mdx:3:{line.index('https://h.example/a') + 1}"
    assert url in finding.message
    assert "write this image as" in finding.message
    moved = text.replace("//h.example/z", "//x.example/z").replace("//h.example/y", "//x.example/y")
    assert path.read_text() == moved


@pytest.mark.parametrize("count", [3, 19, 100])
def test_each_of_several_is_named_and_the_others_move(blog, count):
    lines = [
        f'<div style={{{{backgroundImage: "url(https://h.example/{n}.png)"}}}} />\n'
        for n in range(count)
    ]
    text = "![](https://h.example/z.png)\n\n" + "\n".join(lines)
    path = blog.write("post.mdx", text)
    new = {f"https://h.example/{n}.png": f"https://x.example/{n}(1).png" for n in range(count)}
    inputs = rewriting.RewriteInput(scan(*blog.site.posts.find()), blog.progress, True)
    by_map = ByMap(new | {"https://h.example/z.png": "https://x.example/z.png"})
    result = rewriting.rewrite(inputs, by_map)
    assert sorted(finding.line for finding in result.findings) == list(range(3, 3 + 2 * count, 2))
    assert path.read_text() == text.replace("//h.example/z", "//x.example/z")


def test_where_it_takes_too_many_tries_the_post_is_kept_as_it_is(blog, monkeypatch):
    monkeypatch.setattr(post_edit, "_MOST_TRIES", 2)
    text = "![](https://h.example/z.png)\n\n" + "\n".join(
        f'<div style={{{{backgroundImage: "url(https://h.example/{n}.png)"}}}} />\n'
        for n in range(100)
    )
    path = blog.write("post.mdx", text)
    new = {f"https://h.example/{n}.png": f"https://x.example/{n}(1).png" for n in range(100)}
    inputs = rewriting.RewriteInput(scan(*blog.site.posts.find()), blog.progress, True)
    by_map = ByMap(new | {"https://h.example/z.png": "https://x.example/z.png"})
    result = rewriting.rewrite(inputs, by_map)
    assert result.findings[-1].subject == "posts/post.mdx"
    assert path.read_text() == text
