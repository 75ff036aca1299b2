"""URLs in front matter: found, located or reported."""

from __future__ import annotations

import pytest

from mirror.markdown import find_references
from mirror.model import Form, Rule


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
