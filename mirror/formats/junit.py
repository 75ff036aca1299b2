"""JUnit XML of a check."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from xml.sax.saxutils import escape, quoteattr

from mirror.formats.report import _STOPPED, Report, Stopped
from mirror.model import Finding, Layer, Outcome
from mirror.urls.redact import printable

_ELEMENTS = {
    Outcome.DIFFERENCE: "failure",
    Outcome.FAILURE: "error",
    Outcome.REFUSED: "error",
    Outcome.UNCHECKED: "skipped",
}
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(report: Report) -> str:
    """One suite a layer; one case for each object, original or post that was looked at.

    What a post shows is a case of its own when there is something to say about it. A difference
    is a failure, what could not be worked on an error, what could not be checked is skipped, and
    a warning passes with its text as output.
    """
    suites = [_suite(report, layer) for layer in report.layers]
    totals: Counter[str] = Counter()
    for counts, _ in suites:
        totals += counts
    time = f'time="{report.seconds:.3f}"'
    lines = ['<?xml version="1.0" encoding="UTF-8"?>']
    lines.append(f'<testsuites name="mirror verify" {_counts(totals, skipped=False)} {time}>')
    for layer, (counts, cases) in zip(report.layers, suites, strict=True):
        lines.append(f'<testsuite name={_attribute(layer.name)} {_counts(counts)} time="0">')
        lines += cases
        lines.append("</testsuite>")
    lines.append("</testsuites>\n")
    # In ASCII, which is right whatever encoding it is written in.
    return "\n".join(lines).encode("ascii", "xmlcharrefreplace").decode()


def _suite(report: Report, layer: Layer) -> tuple[Counter[str], list[str]]:
    """How many cases there are, by what became of them, and their XML."""
    told: dict[str, list[Finding]] = {}
    for finding in layer.findings:
        told.setdefault(_case_name(finding), []).append(finding)
    named = {printable(name) for f in layer.findings for name in (f.subject, f.post or f.subject)}
    cases = list(told.items())
    cases += [(name, []) for name in map(printable, layer.subjects) if name not in named]
    counts: Counter[str] = Counter()
    lines = []
    for name, findings in cases:
        counts += Counter(["tests", _element(findings)])
        lines.append(_case(report, layer, name, findings))
    return counts, lines


def _case_name(finding: Finding) -> str:
    """Findings about one object share a case; each place in a post has its own."""
    if finding.post is None or finding.place == finding.subject:
        return finding.subject
    return f"{finding.place} {finding.subject}"


def _element(findings: Iterable[Finding]) -> str:
    """What became of a case: the worst that was found; `passed` without any."""
    found = {_ELEMENTS.get(finding.rule.outcome, "passed") for finding in findings}
    return next((one for one in ("failure", "error", "skipped") if one in found), "passed")


def _case(report: Report, layer: Layer, name: str, findings: Sequence[Finding]) -> str:
    start = f"<testcase classname={_attribute(f'mirror.{layer.name}')} name={_attribute(name)}"
    if not findings:
        return f'{start} time="0"/>'
    first, element = findings[0], _element(findings)
    if (place := report.place(first)) is not None:
        start += f" file={_attribute(printable(place.path))}"
    body = _text("\n".join(f"{one.message} [{one.rule.id}]" for one in findings))
    if element == "passed":
        told = f"<system-out>{body}</system-out>"
    else:
        about = f"type={_attribute(f'{first.rule.id} {first.rule.slug}')}"
        told = f"<{element} {about} message={_attribute(first.message)}>{body}</{element}>"
    return f'{start} time="0">{told}</testcase>'


def _counts(counts: Counter[str], *, skipped: bool = True) -> str:
    """The attributes of a suite; that of all suites has no `skipped` in most schemas."""
    names = {"tests": "tests", "failures": "failure", "errors": "error"}
    names |= {"skipped": "skipped"} if skipped else {}
    return " ".join(f'{name}="{counts[one]}"' for name, one in names.items())


def _attribute(text: str) -> str:
    return quoteattr(_NOT_XML.sub("\ufffd", text))


def _text(text: str) -> str:
    return escape(_NOT_XML.sub("\ufffd", text))


def stopped_junit(stopped: Stopped) -> str:
    """One case, which is an error: a report without cases looks as if all were well."""
    counts = 'tests="1" failures="0" errors="1"'
    start = f'<testcase classname="mirror.setup" name="{_STOPPED}"'
    if stopped.place is not None:
        start += f" file={_attribute(printable(stopped.place.path))}"
    told = f"message={_attribute(stopped.message)}>{_text(stopped.message)}"
    lines = ['<?xml version="1.0" encoding="UTF-8"?>']
    lines.append(f'<testsuites name="mirror verify" {counts} time="0">')
    lines.append(f'<testsuite name="setup" {counts} skipped="0" time="0">')
    lines.append(f'{start} time="0"><error type="setup" {told}</error></testcase>')
    lines += ["</testsuite>", "</testsuites>\n"]
    return "\n".join(lines).encode("ascii", "xmlcharrefreplace").decode()
