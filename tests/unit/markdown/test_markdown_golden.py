"""Cases as plain Markdown (tests/data/README.md): what a rewrite changes, and what it leaves."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from mirror.markdown import find_references, is_image_link, spell, splice
from mirror.model import Form

GOLDEN = Path(__file__).parents[2] / "data" / "golden"
CASE = re.compile(
    r"^## (?P<title>.+)\n(?:(?!~~~~~~~~|## ).*\n)*"
    r"~~~~~~~~ (?P<kind>before|same) ?(?P<post>\S*)\n(?P<before>(?:.*\n)*?)~~~~~~~~\n"
    r"(?:\n*~~~~~~~~ after\n(?P<after>(?:.*\n)*?)~~~~~~~~\n)?",
    re.M,
)
OLD_HOST = re.compile(r"(?:https?:)?//old\.test/")


def cases() -> Iterator[tuple[str, str, str, str]]:
    """Title, post, text before and after."""
    for file in sorted(GOLDEN.glob("*.md")):
        for case in CASE.finditer(file.read_text()):
            before = case["before"]
            after = case["after"] if case["kind"] == "before" else before
            yield f"{file.stem}: {case['title']}", case["post"] or "a.md", before, after


CASES = list(cases())


def rewrite(data: bytes, post: str) -> bytes:
    scan = find_references(data, post)
    edits = []
    for reference in scan.references:
        target = OLD_HOST.sub("https://new.test/", reference.url.raw, count=1)
        is_image = reference.form is not Form.LINK or is_image_link(reference.url)
        if reference.form.is_rewritten and is_image and OLD_HOST.match(reference.url.raw):
            edits.append((reference.span, spell(target, reference.quoting)))
    return splice(data, scan.encoding, edits)


@pytest.mark.parametrize(
    ("post", "before", "after"), [pytest.param(*rest, id=title) for title, *rest in CASES]
)
@pytest.mark.parametrize("line_end", ["\n", "\r\n"], ids=["LF", "CRLF"])
def test_a_rewrite_changes_these_bytes_and_no_other(
    post: str, before: str, after: str, line_end: str
) -> None:
    before, after = before.replace("\n", line_end), after.replace("\n", line_end)
    assert rewrite(before.encode(), post).decode() == after
    assert rewrite(after.encode(), post).decode() == after


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be", "gb18030"])
def test_cases_hold_in_every_encoding(encoding: str) -> None:
    mark = "" if encoding == "gb18030" else "\ufeff"
    for title, post, before, after in CASES:
        # Characters whose second byte in GB18030 is a bracket, a backtick or a backslash.
        text, wanted = (t + "\n\n乗乚乛乣乧\n" for t in (before, after))
        data = (mark + text).encode(encoding)
        assert rewrite(data, post) == (mark + wanted).encode(encoding), title


def test_there_are_enough_cases_and_as_many_that_must_not_change() -> None:
    same = sum(before == after for _, _, before, after in CASES)
    assert same >= 80
    assert len(CASES) - same >= 80


def test_the_case_files_hold_no_case_that_is_not_read() -> None:
    titles = sum(len(re.findall(r"^## ", f.read_text(), re.M)) for f in GOLDEN.glob("*.md"))
    assert titles == len(CASES) == len({title for title, *_ in CASES})
