"""URLs in the tags of site generators."""

from __future__ import annotations

from mirror.markdown import find_references
from mirror.model import Form


def test_a_comma_behind_a_word_of_a_tag_is_no_part_of_it() -> None:
    (found,) = find_references(b"{% image https://h/a.png, alt=x %}", "a.md").references
    assert (found.url.raw, found.form) == ("https://h/a.png", Form.SHORTCODE)
