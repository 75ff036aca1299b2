"""URLs in MDX."""

from __future__ import annotations

from mirror.markdown import find_references
from mirror.model import Form


def test_jsx_is_a_form_of_mdx_only() -> None:
    text = b'<Card img="//h/a" />\n\n<img src={"b"} />\n'
    forms = [[r.form for r in find_references(text, p).references] for p in ("a.md", "a.MDX")]
    assert forms == [[Form.HTML], [Form.JSX, Form.JSX]]


def test_a_destination_in_angles_is_no_tag_of_mdx() -> None:
    text = b'![a](<https://h/a.png> "t") [b](<https://h/b.png>) <A src="//h/c.png" /> ![](<//h/d>)'
    urls = [ref.url.raw for ref in find_references(text, "a.mdx").references]
    assert urls == ["https://h/a.png", "https://h/b.png", "//h/c.png", "//h/d"]
