"""Markdown: headings, notes and tabs of Python-Markdown, definition lists."""

from __future__ import annotations

import pyromark
import pytest

from mirror.markdown import find_references
from mirror.model import Form, Rule


def test_an_image_in_a_heading_without_an_id_is_told() -> None:
    text = b"# ![](//h/a.png)\n\n# ![](//h/b.png) {#id}\n\n![](//h/c.png)\n"
    (finding,) = find_references(text, "a.md").findings
    assert (finding.rule, finding.line) == (Rule.HEADING_ANCHOR, 1)


NOTES = [
    ('!!! note "T"\n\n    ![](//h/a.png)\n\n    text\n\n        ![](//h/c.png)\n', "a.png"),
    ("!!! note\n    text\n\n    ![](//h/a.png)\n\nend\n\n    ![](//h/c.png)\n", "a.png"),
    ('=== "A"\n\n    ![](//h/a.png)\n\n=== "B"\n\n    ??? x\n\n        ![](//h/b)\n', "a.png b"),
    ("1. x\n\n    !!! note\n\n        ![](//h/a.png)\n", "a.png"),
    ("> ???+ note\r\n>\r\n>     图\r\n>     ![](//h/a.png)\r\n", "a.png"),
    ("!!! note\n\n    ```\n    ![](//h/c.png)\n    ```\n", ""),
    ("!!! note\n    - x\n\n        <img src=//h/a.png>\n\n      ![](//h/b)\n", "a.png b"),
    ("!!! note\n    - ![](//h/a.png)\n        - x\n\n            ![](//h/b)\n", "a.png b"),
    ("!!! note\n    ``` c\n    int x;\n\n    y;\n    ```\n    ![](//h/a.png)\n", "a.png"),
    ("??? x\n\t```\n\t![](//h/c.png)\n\n\tx\n\t```\n\t![](//h/a.png)\n", "a.png"),
    ("- x\n\n    !!! note\r\n        ```\r\n\n        ```\n        ![](//h/a.png)\n", "a.png"),
    ("text\n!!! note\n    - x\n\n        ![](//h/a.png)\n\nend\n\n    code\n", "a.png"),
    ('!!! note "![](//h/a.png)"\n    ![](//h/b)\n\n    ![](//h/d)\n', "a.png b d"),
    ("* x\n\n    !!! x\n        * x\n\n            ??? x\n                ![](//h/a)\n", "a"),
    ("!!! note\n    x\ny\n\n    ![](//h/a.png)\n", "a.png"),
    ("!!! note\n    <center>\n    ![](//h/a)\n    </center>\n\n    <p>\n    ![](//h/b)\n", "a b"),
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


def test_notes_in_notes_end_somewhere() -> None:
    lines = [f"{' ' * 4 * n}!!! note\n\n" for n in range(60)]
    scan = find_references("".join([*lines, " " * 240, "![](//h/a.png)\n"]).encode(), "a.md")
    assert [ref.form for ref in scan.references] == [Form.CODE]


DEFINITIONS = pyromark.Markdown(
    options=pyromark.Options.ENABLE_DEFINITION_LIST | pyromark.Options.ENABLE_TABLES
)


@pytest.mark.parametrize(
    "text",
    [
        "Term\n: ![](a)\n: ![](b)\n",
        "Term\n\n:   text\n\n    ![](a)\n\n    - ![](b)\n\n      ![](c)\n\n:   d\n\n    ![](e)\n",
        "Term\nTwo\n: - ![](a)\n\n    > ![](b)\n\ntext\n",
        "> Term\n> : text\n>\n>     ![](a)\n>\n>     | x |\n>     | - |\n>     | ![](b) |\n",
        "- Term\n  : text\n\n      ![](a)\n\n- Term\n  : ![](b)\n",
        "Term\n: text\n\n    Inner\n    : text\n\n        ![](a)\n",
        "Term\n: text\n\n    ```\n    code\n    ```\n\n    ![](a)\n",
        "Term\r\n: text\r\n\r\n    ![](a)\r\n",
    ],
)
def test_images_of_both_readings_of_a_definition_are_found(text: str) -> None:
    """CommonMark has no definition lists; the parser can read them as other tools do."""
    expected = {
        value["Image"]["dest_url"]
        for event, _ in DEFINITIONS.events_with_range(text)
        if isinstance(event, dict) and isinstance(value := event.get("Start"), dict)
        if "Image" in value
    }
    references = find_references(text.encode(), "a.md").references
    assert expected
    assert {ref.url.raw for ref in references if ref.form is Form.INLINE} >= expected
