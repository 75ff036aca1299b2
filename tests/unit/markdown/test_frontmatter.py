"""URLs in front matter: found, located or reported."""

from __future__ import annotations

import json

import pytest
import yaml
from support.growth import assert_linear

from mirror.markdown import find_references, frontmatter, read
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


FRONT_MATTER = [
    pytest.param("---\n标题: x\n---\n", "yaml", id="a key that is not ASCII"),
    pytest.param("---\n{title: x}\n---\n", "yaml", id="a flow map"),
    pytest.param("---\n\n# remark\n? a\n: b\n---\n", "yaml", id="a remark and a long key"),
    pytest.param("---\n'a b': c\n---\n", "yaml", id="a quoted key"),
    pytest.param("---\n\ttitle: \x07\n---\n", "yaml", id="characters that YAML refuses"),
    pytest.param("---\na: [\n---\n", "yaml", id="broken behind its first key"),
    pytest.param("+++\n[a]\n+++\n", "toml", id="a table"),
    pytest.param("+++\n[[a.'b c']]\n+++\n", "toml", id="an array of tables"),
    pytest.param('+++\n# remark\n\n"标题" = """\na"""\n+++\n', "toml", id="a string of two lines"),
    pytest.param("+++\na = //\n+++\n", "toml", id="broken behind its key"),
    pytest.param("+++\n标题 = 'x'\n+++\n", "toml", id="a key without the quotes that it needs"),
    pytest.param('{"标题": 1}', "json", id="JSON"),
    pytest.param("---\n标题: x\n", "unclosed", id="never closed"),
    pytest.param("---\ntext\n---\n", "", id="text"),
    pytest.param("---\n![](https://h/a.png): x\n---\n", "", id="an image"),
    pytest.param("---\n[a]: https://h/a.png\n---\n", "", id="a definition"),
    pytest.param("---\n- a: b\n---\n", "", id="a list"),
    pytest.param("---\n{{ tag }}\n---\n", "", id="a tag of a template"),
    pytest.param("---\n{: .class}\n---\n", "", id="attributes of kramdown"),
    pytest.param("---\n---\n", "", id="nothing"),
    pytest.param("+++\ntext\n+++\n", "", id="text between plus signs"),
    pytest.param("+++\n+++\n", "", id="nothing between plus signs"),
    pytest.param("{text}", "", id="braces"),
    pytest.param("text\n---\na: b\n---\n", "", id="not at the start"),
]


@pytest.mark.parametrize(("text", "kind"), FRONT_MATTER)
def test_the_parser_decides_what_is_front_matter(text: str, kind: str) -> None:
    assert frontmatter.split(text.encode()).kind == kind


PICTURE = "https://h/p"
PAGE = "https://h/q"
NESTED = [
    pytest.param(f"image: {{path: {PICTURE}, alt: x}}", id="path"),
    pytest.param(f"cover:\n- url: {PICTURE}\n  link: {PAGE}", id="list"),
    pytest.param(f"image:\n  sizes:\n    large: {PICTURE}", id="a key between them"),
    pytest.param(f"author:\n  url: {PAGE}\n  avatar:\n    src: {PICTURE}", id="avatar"),
    pytest.param(f"header:\n  teaser: {PICTURE}\n  url: {PAGE}", id="teaser"),
    pytest.param(f"image:\n  author:\n    url: {PAGE}\n  file: {PICTURE}", id="author"),
    pytest.param(f"image: {{credit: {PAGE}, name: {PAGE}, uri: {PICTURE}}}", id="credit"),
    pytest.param(f"image: {{url: {PICTURE}}}\nurl: {PAGE}", id="a sibling"),
]


@pytest.mark.parametrize("text", NESTED)
@pytest.mark.parametrize("kind", ["yaml", "json", "toml"])
def test_a_picture_key_above_counts_in_each_language(text: str, kind: str) -> None:
    value = yaml.safe_load(text)
    spelled = {"yaml": yaml.safe_dump, "json": json.dumps, "toml": _toml}[kind](value)
    references = find_references(spelled.encode(), f"a.{kind}").references
    images = [ref.url.raw for ref in references if ref.form is Form.FRONT_MATTER]
    assert images == [PICTURE] * text.count(PICTURE)
    assert all(ref.form is Form.LINK for ref in references if ref.url.raw == PAGE)


def _toml(table: dict[str, object], header: str = "") -> str:
    """A document with a header for each table and inline tables in lists."""
    lines = [f"[{header}]"] if header else []
    inner = []
    for key, value in table.items():
        if isinstance(value, dict):
            inner.append(_toml(value, f"{header}.{key}".lstrip(".")))
        else:
            spelled = json.dumps(value).replace('": ', '" = ')
            lines.append(f"{key} = {spelled}")
    return "\n".join((*lines, *inner)) + "\n"


TOML = [
    pytest.param(f"banner.src = '{PICTURE}'\nurl = '{PAGE}'", id="a dotted key"),
    pytest.param(f"[image]\n'path' = '{PICTURE}'\n[x]\npath = '{PAGE}'", id="the next table"),
    pytest.param(f"[[a.cover]]\nurl = '{PICTURE}'\n[[a.b]]\nurl = '{PAGE}'", id="arrays of tables"),
    pytest.param(
        f"a = {{ image.url = '{PICTURE}', url = '{PAGE}', b = [ 1.5, {{ url = '{PAGE}' }} ] }}",
        id="inline tables",
    ),
    pytest.param(f"covers = [\n  '{PICTURE}', # ]\n]\nurl = '{PAGE}'", id="an array over lines"),
    pytest.param(
        f"image = {{ url = '{PICTURE}' }}\nc = {{ url = '{PAGE}' }}\nd = 1979-05-27", id="values"
    ),
]


@pytest.mark.parametrize("text", TOML)
@pytest.mark.parametrize("line_end", ["\n", "\r\n"], ids=["LF", "CRLF"])
def test_keys_of_toml_are_those_above_a_value(text: str, line_end: str) -> None:
    data = text.replace("\n", line_end).encode()
    forms = {PICTURE: Form.FRONT_MATTER, PAGE: Form.LINK}
    scan = find_references(data, "a.toml")
    assert scan.findings == ()
    assert [ref.form for ref in scan.references] == [forms[ref.url.raw] for ref in scan.references]
    assert len(scan.references) == text.count("https://")


DATA = [
    pytest.param("a.yml", "- name: A\n  avatar: //h/a\n- 'https://h/b.png'\n", 2, id="YAML"),
    pytest.param("A.YAML", "%YAML 1.1\n---\ncover: //h/a\n---\nicon: //h/b\n", 2, id="documents"),
    pytest.param("a.toml", "[[links]]\navatar = '//h/a'\n", 1, id="TOML"),
    pytest.param("a.json", '[{"avatar": "https:\\/\\/h/a"}, "//h/b.png"]', 2, id="JSON"),
    pytest.param("a.yml", "# ![](//h/a.png)\nx: text\n", 0, id="Markdown in a data file"),
    pytest.param("a.json", "", 0, id="nothing"),
]


@pytest.mark.parametrize(("name", "text", "count"), DATA)
def test_a_data_file_is_read_as_front_matter_is(name: str, text: str, count: int) -> None:
    scan = find_references(text.encode(), name)
    forms = [ref.form for ref in scan.references if ref.form is not Form.COMMENT]
    assert forms == [Form.FRONT_MATTER] * count
    for ref in scan.references:
        assert read(ref.spelling, ref.quoting) == ref.url.raw
    assert scan.findings == ()


@pytest.mark.parametrize(
    ("name", "text", "count"),
    [("a.yml", "a: [\nb: //h/a.png\n", 1), ("a.json", '["//h/a.png"', 0), ("a.toml", "//", 0)],
)
def test_a_data_file_that_is_broken_is_told(name: str, text: str, count: int) -> None:
    scan = find_references(text.encode(), name)
    (finding,) = scan.findings
    assert finding.rule is Rule.FRONT_MATTER_BROKEN
    assert finding.message.startswith("the file is no valid")
    assert len(scan.references) == count


def test_a_large_data_file_is_read() -> None:
    data = b"- avatar: https://h/a.png\n" * 20_000
    assert len(find_references(data, "a.yml").references) == 20_000


@pytest.mark.parametrize(
    ("value", "is_rewritten"),
    [("'![[//h/a|3]]'", True), ('"![[//h/a.png]]"', True), ('"![[\\u002f/h/a.png]]"', False)],
)
def test_an_embed_as_a_value_is_its_address(value: str, is_rewritten: bool) -> None:
    scan = find_references(f"---\nbanner: {value}\n---\n".encode(), "a.md")
    assert [ref.form for ref in scan.references] == [Form.FRONT_MATTER] * is_rewritten
    assert [f.rule for f in scan.findings] == [Rule.SPAN_UNVERIFIED] * (not is_rewritten)


B = "https://h/b.png"


@pytest.mark.parametrize(
    ("text", "forms"),
    [
        pytest.param("title: x\ncover: URL\n---\n\nbody\n", "front-matter", id="hexo"),
        pytest.param("title: x\r\ncover: URL\r\n---\r\nbody\r\n", "front-matter", id="crlf"),
        pytest.param('"title": "x",\n"cover": "URL"\n;;;\nbody\n', "front-matter", id="json"),
        pytest.param(';;;\n"a": [1],\n"cover": "URL"\n;;;\nbody\n', "front-matter", id="opened"),
        pytest.param("Title: x\nCover: URL\n\nbody\n", "front-matter", id="pelican"),
        pytest.param("Title: x\nSummary: ![](URL)\n\nbody\n", "inline", id="markdown in a header"),
        pytest.param("title: x\n![](URL)\n\nbody\n", "inline", id="a paragraph"),
        pytest.param("note: x\ncover: URL\n---\n\nbody\n", "autolink", id="a heading"),
        pytest.param("title: [x\ncover: URL\n---\n\nbody\n", "autolink", id="no yaml"),
        pytest.param('"cover": "URL",\n;;;\nbody\n', "autolink", id="no json"),
        pytest.param("---\n# cover: URL\ntitle: x\n---\n", "comment", id="a comment in yaml"),
        pytest.param("---\ntitle: x # URL\n---\n", "comment", id="a comment behind a value"),
        pytest.param("---\ntitle: 'x # URL'\n---\n", "autolink", id="no comment in a string"),
        pytest.param("---\ntitle: |\n  # URL\n---\n", "autolink", id="no comment in a block"),
        pytest.param("+++\ntitle = 'x'\n# cover = 'URL'\n+++\n", "comment", id="a comment in toml"),
    ],
)
def test_what_only_some_generators_take_for_front_matter(text: str, forms: str) -> None:
    data = text.replace("URL", B).encode()
    references = find_references(data, "a.md").references
    assert [(ref.form.value, ref.url.raw) for ref in references] == [(forms, B)]
    assert find_references(data, "a.md").findings == ()


@pytest.mark.parametrize("line", [b"a: b\n", b"\n", b"---x\n", b'"a": 1,\n', b";;\n", b"# x\n"])
def test_such_front_matter_takes_time_in_proportion_to_the_text(line: bytes) -> None:
    def run(size: int) -> None:
        for opening in (b"title: x\n", b'"a": 1,\n', b"---\ntitle: x\n"):
            frontmatter.split(opening + line * (size // len(line)))

    assert_linear(run, 50_000)
