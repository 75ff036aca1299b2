"""Annotations for the log of a GitHub workflow, and Markdown for its job summary.

https://docs.github.com/actions/reference/workflow-commands-for-github-actions
"""

from __future__ import annotations

import re
from collections import Counter

from mirror.formats.check import (
    ERROR_OUTCOMES,
    NOTHING_COMPARED,
    CheckReport,
    FileLocation,
    SetupFailure,
)
from mirror.model import Finding, Outcome, Rule
from mirror.urls.redact import printable

ANNOTATIONS = 10
"""GitHub shows so many errors, and as many warnings, of one step."""

_SUMMARY_BYTES = 900_000  # GitHub drops a job summary of more than 1 MiB as a whole
_PUNCTUATION = re.compile(r"[!-/:-@\[-`{-~]")


def github_annotations(report: CheckReport) -> tuple[list[str], list[Finding]]:
    """Return workflow commands, most important first, and the findings beyond the limit.

    Settings are among the latter: they are the same in each run, and have no line to be marked.
    """
    commands, rest = [], []
    counts: Counter[str] = Counter()
    for finding in sorted(report.findings, key=_importance):
        if finding.rule is Rule.SETTING_OPENS:
            rest.append(finding)
            continue
        kind = "error" if finding.rule.outcome in ERROR_OUTCOMES else "warning"
        counts[kind] += 1
        if counts[kind] > ANNOTATIONS:
            rest.append(finding)
        else:
            commands.append(_command(kind, finding, report.locate(finding)))
    return commands, rest


def _importance(finding: Finding) -> int:
    return (*ERROR_OUTCOMES, Outcome.UNCHECKED, Outcome.WARNING).index(finding.rule.outcome)


def _command(kind: str, finding: Finding, location: FileLocation | None) -> str:
    properties = {"title": f"{finding.rule.slug} [{finding.rule.id}]"}
    if location is not None:
        known = {"file": printable(location.path), "line": location.line, "col": location.column}
        place = {name: str(value) for name, value in known.items() if value}
        properties = place | properties
    listed = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    return f"::{kind} {listed}::{_data(f'{finding.subject}: {finding.message}')}"


def _data(text: str) -> str:
    # The runner ends a command at a line break, and takes `%` for the start of an escape.
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def job_summary(report: CheckReport) -> str:
    """Return Markdown: the verdict, and a table of the findings.

    All text from posts and servers is escaped: it makes no link, no image and no mention.
    """
    lines = ["### mirror verify", "", _markdown(report.verdict), ""]
    findings = sorted(report.findings, key=_importance)
    if findings:
        lines += ["| rule | where | what |", "| --- | --- | --- |"]
    size = 0
    for number, finding in enumerate(findings):
        row = _row(report, finding)
        size += len(row.encode("utf-8", "replace"))
        if size > _SUMMARY_BYTES:
            left = len(findings) - number
            lines += ["", f"and {left:,} more; `mirror verify --format json` lists all"]
            break
        lines.append(row)
    return "\n".join(lines) + "\n\n"


def _row(report: CheckReport, finding: Finding) -> str:
    location = report.locate(finding)
    message = finding.message
    # Without a location the subject has the second cell; a post as subject is in its location.
    if location is not None and finding.subject != printable(finding.post or ""):
        message = f"{finding.subject}: {message}"
    cells = f"{finding.rule.id} {finding.rule.slug}", str(location or finding.subject), message
    return f"| {' | '.join(map(_markdown, cells))} |"


def _markdown(text: str) -> str:
    """Escape every character that Markdown might give a meaning to."""
    return _PUNCTUATION.sub(r"\\\g<0>", printable(text))


def github_annotation_of_failure(failure: SetupFailure) -> str:
    """Return a workflow command that marks the file, at its first line if none is known."""
    properties = [("title", NOTHING_COMPARED)]
    if (location := failure.location) is not None:
        column = [("col", str(location.column))] if location.column else []
        where = [("file", printable(location.path)), ("line", str(location.line or 1)), *column]
        properties = where + properties
    listed = ",".join(f"{name}={_property(value)}" for name, value in properties)
    return f"::error {listed}::{_data(failure.message)}"


def job_summary_of_failure(failure: SetupFailure) -> str:
    message = _markdown(failure.message)
    return f"### mirror verify\n\n{NOTHING_COMPARED.capitalize()}: {message}\n\n"
