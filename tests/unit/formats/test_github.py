"""Annotations are obeyed as GitHub's runner does; a job summary is rendered as GitHub does."""

from __future__ import annotations

import re

import cmarkgfm
import html5lib
from hypothesis import given
from hypothesis import strategies as st
from support.check_reports import IN_POST, UNCHECKED, findings, report, reports, texts
from support.workflow_commands import obey

from mirror import formats
from mirror.formats import CheckReport
from mirror.model import Finding, Outcome, Rule
from mirror.urls.redact import printable


@given(report=reports)
def test_annotations_are_obeyed_as_meant(report: CheckReport) -> None:
    commands, rest = formats.github_annotations(report)
    assert len(commands) + len(rest) == len(report.findings)
    obeyed = [obey(line) for line in commands]
    names = [command.name for command in obeyed if command]
    assert len(names) == len(commands)
    assert names.count("error") <= 10
    assert names.count("warning") <= 10
    said = {(command.text, command.properties["title"]) for command in obeyed if command}
    assert said <= {
        (f"{f.subject}: {f.message}", f"{f.rule.slug} [{f.rule.id}]") for f in report.findings
    }
    for command in obeyed:
        assert command
        assert set(command.properties) <= {"file", "line", "col", "title"}
        assert all(
            value.isdecimal() for n, value in command.properties.items() if n in ("line", "col")
        )


def test_an_annotation_marks_its_line() -> None:
    (line, other), rest = formats.github_annotations(report(UNCHECKED, IN_POST))
    assert line == (
        "::error file=posts/图 1.md,line=3,col=5,title=image-not-mirrored [M105]"
        "::https://x/a.png: is not mirrored"
    )
    assert other == "::warning title=destination-not-reachable [M306]::r2: no answer"
    assert rest == []


def test_what_is_over_the_limit_is_left_for_the_log_and_the_most_important_comes_first() -> None:
    many = [Finding(Rule.SVG_STORED, f"s{n}", "x") for n in range(12)]
    many += [Finding(Rule.OBJECT_MISSING, f"m{n}", "x") for n in range(12)]
    many += [UNCHECKED]
    commands, rest = formats.github_annotations(report(*many))
    assert [obey(line).name for line in commands] == ["error"] * 10 + ["warning"] * 10  # type: ignore[union-attr]
    assert "r2: no answer" in commands[10]
    assert [finding.subject for finding in rest] == ["m10", "m11", "s9", "s10", "s11"]
    assert formats.job_summary(report(*many)).count("\n| ") == 2 + len(many)


@given(verdict=texts, findings=st.lists(findings, max_size=4))
def test_a_job_summary_shows_text_as_it_is(verdict: str, findings: list[Finding]) -> None:
    whole = report(*findings, verdict=f"v{verdict}")
    page = cmarkgfm.github_flavored_markdown_to_html(
        formats.job_summary(whole).encode("utf-8", "replace").decode()
    )
    tree = html5lib.parseFragment(page, namespaceHTMLElements=False)
    tags = {element.tag for element in tree.iter()} - {"DOCUMENT_FRAGMENT"}
    assert tags <= {"h3", "p", "table", "thead", "tbody", "tr", "th", "td"}
    shown = [_shown("".join(cell.itertext())) for cell in tree.iter("td")]
    expected = []
    for finding in sorted(findings, key=lambda f: list(_ORDER).index(f.rule.outcome)):
        place = whole.locate(finding)
        said = place is None or finding.subject == printable(finding.post or "")
        about = "" if said else f"{finding.subject}: "
        expected += [f"{finding.rule.id} {finding.rule.slug}", str(place or finding.subject)]
        expected.append(about + finding.message)
    assert shown == [_shown(printable(text)) for text in expected]


_ORDER = (
    Outcome.DIFFERENCE,
    Outcome.FAILURE,
    Outcome.REFUSED,
    Outcome.UNCHECKED,
    Outcome.WARNING,
)


def _shown(text: str) -> str:
    """HTML makes one blank of several, and cmark shows what is no character as a sign."""
    text = text.encode("utf-8", "replace").decode()
    return " ".join(re.sub("[\ufffe\uffff\ufdd0-\ufdef]", "\ufffd", text).split())


def test_a_job_summary_stays_within_what_github_takes() -> None:
    many = [Finding(Rule.OBJECT_MISSING, f"{n}.png", "x" * 1000) for n in range(2000)]
    text = formats.job_summary(report(*many))
    assert len(text.encode()) < 2**20
    assert re.search(r"^and [\d,]+ more; ", text, re.MULTILINE)
