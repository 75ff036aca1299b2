"""What is said where a URL cannot stand."""

from __future__ import annotations

import pytest

from mirror.model import Rule
from mirror.pipeline import rewrite as rewriting
from mirror.pipeline.scan import scan


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
    context = rewriting.Context(scan(*blog.site.posts.find()), blog.progress, True)
    result = rewriting.rewrite(context, rewriting.ByMap(new | {"https://h.example/a.png": url}))
    (finding,) = result.findings
    assert finding.rule is Rule.POST_NOT_WRITTEN
    assert finding.place == f"posts/post.mdx:3:{line.index('https://h.example/a') + 1}"
    assert url in finding.message
    assert "write this image as" in finding.message
    assert path.read_text() == text
