"""JUnit XML, as GitLab, Jenkins and others read it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from xml.sax.saxutils import escape, quoteattr

from mirror.formats.check import NOTHING_COMPARED, CheckReport, SetupFailure
from mirror.model import Finding, Layer, Outcome
from mirror.urls.redact import printable

_ELEMENTS = {
    Outcome.DIFFERENCE: "failure",
    Outcome.FAILURE: "error",
    Outcome.REFUSED: "error",
    Outcome.UNCHECKED: "skipped",
}
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit_xml(report: CheckReport) -> str:
    """Return one suite a layer, with one case for each object, original or post checked.

    A reference in a post is a case only if it has a finding. A difference is a failure, failed
    work is an error, an unchecked item is skipped, and a warning passes with its text as output.
    """
    suites = [_suite(report, layer) for layer in report.layers]
    totals: Counter[str] = Counter()
    for counts, _ in suites:
        totals += counts
    time = f'time="{report.seconds:.3f}"'
    lines = [f'<testsuites name="mirror verify" {_counts(totals, skipped=False)} {time}>']
    for layer, (counts, cases) in zip(report.layers, suites, strict=True):
        lines.append(f'<testsuite name={_attribute(layer.name)} {_counts(counts)} time="0">')
        lines += cases
        lines.append("</testsuite>")
    lines.append("</testsuites>")
    return _document(lines)


def _suite(report: CheckReport, layer: Layer) -> tuple[Counter[str], list[str]]:
    """Return the number of cases by result, and their XML."""
    by_case: dict[str, list[Finding]] = {}
    for finding in layer.findings:
        by_case.setdefault(_case_name(finding), []).append(finding)
    named = set[str]()  # what a finding is about has its case already
    for finding in layer.findings:
        named |= {printable(finding.subject), printable(finding.post or finding.subject)}
    cases = list(by_case.items())
    cases += [(name, []) for name in map(printable, layer.subjects) if name not in named]
    counts: Counter[str] = Counter()
    lines = []
    for name, findings in cases:
        counts += Counter(["tests", _case_result(findings)])
        lines.append(_case(report, layer, name, findings))
    return counts, lines


def _case_name(finding: Finding) -> str:
    """Return a name that findings about one object share, and each place in a post has alone."""
    if finding.post is None or finding.place == finding.subject:
        return finding.subject
    return f"{finding.place} {finding.subject}"


def _case_result(findings: Iterable[Finding]) -> str:
    """Return the worst result of `findings`; `passed` without any."""
    results = {_ELEMENTS.get(finding.rule.outcome, "passed") for finding in findings}
    return next((name for name in ("failure", "error", "skipped") if name in results), "passed")


def _case(report: CheckReport, layer: Layer, name: str, findings: Sequence[Finding]) -> str:
    start = f"<testcase classname={_attribute(f'mirror.{layer.name}')} name={_attribute(name)}"
    if not findings:
        return f'{start} time="0"/>'
    first, result = findings[0], _case_result(findings)
    if (location := report.locate(first)) is not None:
        start += f" file={_attribute(printable(location.path))}"
    body = _text("\n".join(f"{finding.message} [{finding.rule.id}]" for finding in findings))
    if result == "passed":
        element = f"<system-out>{body}</system-out>"
    else:
        kind = f"type={_attribute(f'{first.rule.id} {first.rule.slug}')}"
        element = f"<{result} {kind} message={_attribute(first.message)}>{body}</{result}>"
    return f'{start} time="0">{element}</testcase>'


def _counts(counts: Counter[str], *, skipped: bool = True) -> str:
    """Return the attributes of a suite. Most schemas have no `skipped` for the root."""
    names = {"tests": "tests", "failures": "failure", "errors": "error"}
    if skipped:
        names["skipped"] = "skipped"
    return " ".join(f'{name}="{counts[result]}"' for name, result in names.items())


def _attribute(text: str) -> str:
    return quoteattr(_NOT_XML.sub("\ufffd", text))


def _text(text: str) -> str:
    return escape(_NOT_XML.sub("\ufffd", text))


def junit_xml_of_failure(failure: SetupFailure) -> str:
    """Return one case, which is an error: a report without cases would look like a success."""
    counts = 'tests="1" failures="0" errors="1"'
    start = f'<testcase classname="mirror.setup" name="{NOTHING_COMPARED}"'
    if failure.location is not None:
        start += f" file={_attribute(printable(failure.location.path))}"
    error = f"message={_attribute(failure.message)}>{_text(failure.message)}"
    lines = [f'<testsuites name="mirror verify" {counts} time="0">']
    lines.append(f'<testsuite name="setup" {counts} skipped="0" time="0">')
    lines.append(f'{start} time="0"><error type="setup" {error}</error></testcase>')
    lines += ["</testsuite>", "</testsuites>"]
    return _document(lines)


def _document(lines: Iterable[str]) -> str:
    """Return the lines as an XML document. It is ASCII, which is right in every encoding."""
    text = "\n".join(('<?xml version="1.0" encoding="UTF-8"?>', *lines, ""))
    return text.encode("ascii", "xmlcharrefreplace").decode()
