"""GitHub's workflow commands and job summary of a check."""

from __future__ import annotations

import re
from collections import Counter

from mirror.formats.report import _ERRORS, _STOPPED, _SUMMARY_BYTES, Place, Report, Stopped
from mirror.model import Finding, Outcome
from mirror.urls.redact import printable

ANNOTATIONS = 10
"""GitHub shows so many errors, and as many warnings, of one step."""


def github(report: Report) -> tuple[list[str], list[Finding]]:
    """Workflow commands that mark lines of a change, and the findings there are too many for."""
    commands, rest = [], []
    shown: Counter[str] = Counter()
    for finding in sorted(report.findings, key=_importance):
        kind = "error" if finding.rule.outcome in _ERRORS else "warning"
        shown[kind] += 1
        if shown[kind] > ANNOTATIONS:
            rest.append(finding)
        else:
            commands.append(_command(kind, finding, report.place(finding)))
    return commands, rest


def _importance(finding: Finding) -> int:
    return (*_ERRORS, Outcome.UNCHECKED, Outcome.WARNING).index(finding.rule.outcome)


def _command(kind: str, finding: Finding, place: Place | None) -> str:
    properties = {"title": f"{finding.rule.slug} [{finding.rule.id}]"}
    if place is not None:
        known = {"file": printable(place.path), "line": place.line, "col": place.column}
        properties = {n: str(value) for n, value in known.items() if value} | properties
    listed = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    return f"::{kind} {listed}::{_data(f'{finding.subject}: {finding.message}')}"


def _data(text: str) -> str:
    """The runner ends a command at a line break, and takes `%` for the start of an escape."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


_PUNCTUATION = re.compile(r"[!-/:-@\[-`{-~]")


def job_summary(report: Report) -> str:
    """Markdown for the page of a run: the verdict, and a table of what was found.

    All text of others is escaped, so that it shows as it is: no link, no image, no mention.
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


def _row(report: Report, finding: Finding) -> str:
    place = report.place(finding)
    what = finding.message
    # The subject is said already where it stands for the place, or is the post.
    if place is not None and finding.subject != printable(finding.post or ""):
        what = f"{finding.subject}: {what}"
    cells = f"{finding.rule.id} {finding.rule.slug}", str(place or finding.subject), what
    return f"| {' | '.join(map(_markdown, cells))} |"


def _markdown(text: str) -> str:
    """Text as it is: every character that Markdown might give a meaning to is escaped."""
    return _PUNCTUATION.sub(r"\\\g<0>", printable(text))


def stopped_github(stopped: Stopped) -> str:
    """A workflow command that marks the file, at its first line if nothing better is known."""
    properties = [("title", _STOPPED)]
    if (place := stopped.place) is not None:
        column = [("col", str(place.column))] if place.column else []
        where = [("file", printable(place.path)), ("line", str(place.line or 1)), *column]
        properties = where + properties
    listed = ",".join(f"{name}={_property(value)}" for name, value in properties)
    return f"::error {listed}::{_data(stopped.message)}"


def stopped_summary(stopped: Stopped) -> str:
    """Markdown for the page of a run."""
    message = _markdown(stopped.message)
    return f"### mirror verify\n\n{_STOPPED.capitalize()}: {message}\n\n"
