"""URLs in the tags of site generators."""

from __future__ import annotations

import pytest

from mirror.markdown import find_references
from mirror.model import Form, Rule


def test_a_comma_behind_a_word_of_a_tag_is_no_part_of_it() -> None:
    (reference,) = find_references(b"{% image https://h/a.png, alt=x %}", "a.md").references
    assert (reference.url.raw, reference.form) == ("https://h/a.png", Form.SHORTCODE)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("a.png,b.png", ["a.png", "b.png"]),
        ("a.png , b.png,", ["a.png", "b.png"]),
        ("https://h/a.png,https://h/b.jpg!small,c.gif", 3),
        ("https://h/w_1,h_2/a.png,w=3", ["https://h/w_1,h_2/a.png"]),
        ("https://h/a.png?x=1,y=2,w_3", ["https://h/a.png?x=1,y=2,w_3"]),
        ("https://h/a.png?x=1, width=2", ["https://h/a.png?x=1"]),
        ("https://h/a.png?x=1,//h/b", ["https://h/a.png?x=1", "//h/b"]),
        ("'https://h/a,b.png' \"https://h/c.png, https://h/d.png\"", 3),
        (
            '"pic=https://h/a" "cover:b.png" icon=https://h/c',
            ["https://h/a", "b.png", "https://h/c"],
        ),
        ("https://h/a.png?to=b.png", ["https://h/a.png?to=b.png"]),
        ('"text, with a comma" a.png', ["a.png"]),
        ("a\\,b.png", []),
        ('"see a text, https://h/a.png"', []),
        ('"https://h/a.png, a text"', []),
    ],
)
def test_words_and_lists_of_a_tag_are_taken_apart(
    arguments: str, expected: list[str] | int
) -> None:
    references = find_references(f"{{% gallery {arguments} %}}".encode(), "a.md").references
    urls = [ref.url.raw for ref in references if ref.form is Form.SHORTCODE]
    assert (urls if isinstance(expected, list) else len(urls)) == expected


def test_yaml_of_a_tag_that_is_broken_is_told() -> None:
    text = "{% flink %}\n- avatar: https://h/a\n  b: [\n{% endflink %}"
    scan = find_references(text.encode(), "a.md")
    assert [ref.form for ref in scan.references] == [Form.SHORTCODE]
    assert [finding.rule for finding in scan.findings] == [Rule.FRONT_MATTER_BROKEN]
    assert scan.findings[0].message.startswith("the text of the tag is no valid YAML")


@pytest.mark.parametrize(
    "text",
    [
        "![[https://h/a.png]]",
        "cover:: https://h/a.png",
        ':::image source="https://h/a.png":::',
        "::card{image=https://h/a.png}",
        ":::{figure} https://h/a.png",
        "::card\n---\nimage: https://h/a.png\n---\n::",
        "{% img https://h/a.png %}",
    ],
)
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("```\n", "\n```"),
        ("<!--\n", "\n-->"),
        ("<pre>\n", "\n</pre>"),
        ("{% comment %}\n\n", "\n\n{% endcomment %}"),
        ("{% highlight %}\n\n", "\n\n{% endhighlight %}"),
    ],
)
def test_code_and_comments_hide_the_syntax_of_editors(text: str, before: str, after: str) -> None:
    visible = find_references(text.encode(), "a.md").references
    hidden = find_references(f"{before}{text}{after}".encode(), "a.md").references
    assert [ref.form.is_rewritten for ref in visible] == [True]
    assert [ref.form.is_rendered for ref in hidden] == [False]


OPEN = ["<pre>", "<!-- x", "```", "~~~~ md", "<script>", "<style>", "<textarea>", "<?php"]
CODE_TAGS = [
    ("{{< highlight html >}}", "{{< /highlight >}}"),
    ("{% highlight html %}", "{% endhighlight %}"),
    ("{% codeblock %}", "{% endcodeblock %}"),
    ("{% comment %}", "{% endcomment %}"),
]


@pytest.mark.parametrize("text", OPEN)
@pytest.mark.parametrize(("first", "last"), CODE_TAGS)
@pytest.mark.parametrize("suffix", [".md", ".markdown"])
def test_code_in_a_tag_begins_nothing_behind_it(
    text: str, first: str, last: str, suffix: str
) -> None:
    """The generator takes the code out before it reads Markdown, as Hugo and Jekyll do."""
    code = f"{first}\n{text}\n![](https://h/code.png)\n{last}\n\n"
    post = f"{code}![](https://h/a.png)\n\n{code}![](https://h/b.png)\n"
    references = find_references(post.encode(), f"a{suffix}").references
    seen = [ref.url.raw for ref in references if ref.form.is_rendered]
    assert seen == ["https://h/a.png", "https://h/b.png"]
    quoted = {ref.form for ref in references if ref.url.raw == "https://h/code.png"}
    assert quoted <= {Form.CODE, Form.COMMENT}
    spans = [post[ref.span.start : ref.span.stop] for ref in references]
    assert spans == [ref.url.raw for ref in references]


def test_a_tag_that_code_quotes_takes_no_code_out() -> None:
    post = "```\n{{< highlight >}}\n<pre>\n{{< /highlight >}}\n```\n\n![](https://h/a.png)\n"
    (reference,) = find_references(post.encode(), "a.md").references
    assert reference.form is Form.INLINE
    quoted = "```\n{% highlight %}\n```\n\n```\n![](https://h/a.png)\n{% endhighlight %}\n```\n"
    (reference,) = find_references(quoted.encode(), "a.md").references
    assert reference.form is Form.CODE
