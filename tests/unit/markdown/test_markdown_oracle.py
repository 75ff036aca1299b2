"""Against renderers that share no code with the parser: specifications, and whole real blogs."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest
from support import oracle

from mirror.markdown import Scan, find_references, spell, splice
from mirror.markdown.urls import is_absolute
from mirror.model import Form, Reference

TESTS = Path(__file__).parents[2]
BLOGS = TESTS.parents[1] / "shared" / "corpus" / "markdown-blogs.tar.gz"
IMAGES = {Form.INLINE, Form.REFERENCE, Form.HTML}

# Found on purpose where the page shows none: an image in another's alt text, and a component.
BEYOND_THE_PAGE = {"![foo ![bar](/url)](/url2)\n", 'Foo <responsive-image src="foo.jpg" />\n'}


@pytest.mark.parametrize("name", ["commonmark-0.31.2", "gfm-0.29"])
def test_the_images_of_the_specification_are_found_and_no_other(name: str) -> None:
    lines = (TESTS / "data" / "spec" / f"{name}.jsonl").read_text().split("\n")
    shown = 0
    for example in map(json.loads, filter(None, lines)):
        scan = find_references(example["markdown"].encode(), "a.md")
        urls = [unquote(r.url.raw) for r in scan.references if r.form in IMAGES]
        expected = [unquote(url) for url in oracle.images(example["html"])]
        shown += len(expected)
        assert scan.findings == ()
        if example["markdown"] in BEYOND_THE_PAGE:
            assert set(expected) < set(urls)
        else:
            assert set(urls) == set(expected), example
    assert shown == 23


def rewritable(scan: Scan) -> list[Reference]:
    return [r for r in scan.references if r.form.is_rewritten and is_absolute(r.url.raw)]


def rewrite(data: bytes, scan: Scan) -> bytes:
    edits = [(r.span, spell(oracle.target(r.url.raw), r.quoting)) for r in rewritable(scan)]
    return splice(data, scan.encoding, edits)


SAMPLE = """---
cover: https://h/a.png
thumbnail: >-
  https://h/b.png
---
# ![https://h/a.png](https://h/a.png)

`![](https://h/a.png)` <!-- https://h/a.png --> <img alt="https://h/a.png" src="https://h/a.png">

{% img https://h/a.png %} [![](https://h/a.png?x=1&amp;y=2)](<https://h/a b.png>)
"""


def test_the_oracle_is_silent_on_a_rewrite() -> None:
    data = SAMPLE.encode()
    after = rewrite(data, find_references(data, "a.md")).decode()
    assert after.count("mirror.test") == 7
    assert list(oracle.differences(SAMPLE, after)) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param("https://h/a.png", oracle.target("https://h/a.png"), id="careless replace"),
        pytest.param("](https://h/a.png)", "](https://h/b.png)", id="wrong picture"),
        pytest.param("cover: https://h/a.png", "cover: https://h/b.png", id="front matter"),
        pytest.param("---\n#", "---\n\n#", id="a byte the pages do not show"),
        pytest.param("<!-- ", "<!--", id="a comment"),
    ],
)
def test_the_oracle_tells_a_change_that_must_not_be(old: str, new: str) -> None:
    assert list(oracle.differences(SAMPLE, SAMPLE.replace(old, new))) != []


def blogs() -> Iterator[tuple[str, bytes]]:
    with tarfile.open(BLOGS) as archive:
        for member in archive:
            if file := archive.extractfile(member):
                yield member.name, file.read()


@pytest.mark.skipif(not BLOGS.exists(), reason="the folder ../shared with real blogs is not here")
def test_nine_real_blogs_are_rewritten_and_reverted_to_the_byte() -> None:
    rewritten = 0
    for post, data in blogs():
        scan = find_references(data, post)
        assert not [f for f in scan.findings if f.rule.slug != "heading-anchor-changes"], post
        after = rewrite(data, scan)
        again = scan if after == data else find_references(after, post)
        before, references = rewritable(scan), rewritable(again)
        targets = [oracle.target(r.url.raw) for r in before]
        assert [r.url.raw for r in references] == targets, post
        rewritten += len(before)
        edits = [(new.span, old.spelling) for new, old in zip(references, before, strict=True)]
        assert splice(after, scan.encoding, edits) == data
        texts = [d.decode(scan.encoding).removeprefix("\ufeff") for d in (data, after)]
        if data != after and len(data) < 40_000:  # the renderers are slow
            assert list(oracle.differences(texts[0], texts[1])) == [], post
        if not post.endswith(".mdx"):
            shown = oracle.images(oracle.cmark(oracle.split(texts[1])[2]))
            assert [u for u in shown if is_absolute(u) and u not in targets] == [], post
    assert rewritten > 15_000
