"""URLs in HTML tags."""

from __future__ import annotations

import pytest

from mirror.markdown import find_references
from mirror.model import Rule


def test_an_address_that_cannot_be_located_is_told_and_left() -> None:
    scan = find_references(b'> <div>\n> <img src="a\n> b.png">', "a.md")
    assert scan.references == ()
    (finding,) = scan.findings
    assert (finding.rule, finding.line) == (Rule.SPAN_UNVERIFIED, 2)


def test_an_escape_in_css_ends_no_url() -> None:
    styles = (r"x:url(https://h/a\)b.png)", r'x:url("//h/\"c.png")')
    text = " ".join(f"<b style='{style}'>" for style in styles)
    urls = [ref.url.raw for ref in find_references(text.encode(), "a.md").references]
    assert urls == ["https://h/a)b.png", '//h/"c.png']


def test_a_path_in_an_attribute_for_scripts_is_an_image_as_its_whole_address_is() -> None:
    text = '<b data-bg="https://h/a.png"></b><b data-bg="/images/a.png"></b><b data-x="a/b"></b>'
    urls = [ref.url.raw for ref in find_references(text.encode(), "a.md").references]
    assert urls == ["https://h/a.png", "/images/a.png"]


@pytest.mark.parametrize(
    "text",
    [
        '<img src="https://h/{{ site.name }}/a.png">',
        "x <img src='https://h/badge.svg?url={{ url | url_encode }}&style=flat'> y",
        '<a href="https://h/{% if x %}a{% endif %}.png">x</a>',
        "<img src=https://h/${x}/a.png>",
        '<img src="https://h/<%= x %>.png">',
        "<p style=\"background: url('https://h/{{x}}.png')\">",
        '<img srcset="https://h/{{x}}.png 2x">',
        "![](https://h/${x}/a.png)",
        "![](<https://h/{{ x }}/a.png>)",
    ],
)
def test_an_address_that_a_generator_makes_is_no_image(text: str) -> None:
    assert find_references(text.encode(), "a.md").references == ()
