"""Findings -> text for the programs that show them: JUnit XML, SARIF, GitHub. Pure."""

from __future__ import annotations

import json
import posixpath
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import escape, quoteattr

import mirror
from mirror.model import Finding, Layer, Outcome, Rule, printable

SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
ANNOTATIONS = 10
"""GitHub shows so many errors, and as many warnings, of one step."""

_SUMMARY_BYTES = 900_000  # GitHub drops a step's summary over 1 MiB, all of it
_ERRORS = (Outcome.DIFFERENCE, Outcome.FAILURE, Outcome.REFUSED)


@dataclass(frozen=True, slots=True)
class Report:
    """What a check found, and where that stands in the repository.

    `folder` is that of `mirror.toml` and `manifest` the manifest, both relative to the root of
    the repository, with `/`; `lines` are the lines of the manifest that keys and digests stand
    on. `verdict` is the whole in one line.
    """

    layers: Sequence[Layer]
    verdict: str
    exit_code: int
    seconds: float = 0
    folder: str = ""
    manifest: str = ""
    lines: Mapping[str, int] = field(default_factory=dict)

    @property
    def findings(self) -> list[Finding]:
        return [finding for layer in self.layers for finding in layer.findings]

    def place(self, finding: Finding) -> Place | None:
        """Where a finding is shown: its post, else its line of the manifest."""
        if finding.post is not None:
            path = posixpath.normpath(posixpath.join(self.folder, finding.post))
            return Place(path, finding.line, finding.column)
        if (line := self.lines.get(finding.subject)) is not None:
            return Place(self.manifest, line)
        return None


@dataclass(frozen=True, slots=True)
class Place:
    """A file of the repository; `line` and `column` count characters from 1."""

    path: str
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        return ":".join(str(part) for part in (self.path, self.line, self.column) if part)


# --- JUnit XML --------------------------------------------------------------------------------

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


# --- SARIF ------------------------------------------------------------------------------------

_LEVELS = {Outcome.WARNING: "warning", Outcome.UNCHECKED: "none"}


def sarif(report: Report) -> str:
    """A SARIF 2.1.0 log, as code scanning services read it."""
    rules = list(Rule)
    places = {rule: number for number, rule in enumerate(rules)}
    seen: Counter[str] = Counter()
    results = []
    for finding in report.findings:
        digest = fingerprint(finding)
        seen[digest] += 1
        result = _result(report, finding, places[finding.rule])
        results.append(result | {"partialFingerprints": {_PRINT: f"{digest}:{seen[digest]}"}})
    driver = {
        "name": "mirror",
        "semanticVersion": mirror.__version__,
        "rules": [_rule(rule) for rule in rules],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "invocations": [
            {"executionSuccessful": report.exit_code in (0, 1), "exitCode": report.exit_code}
        ],
        "results": results,
    }
    log = {"$schema": SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(log, indent=1) + "\n"


_PRINT = "mirrorFinding/v1"


def fingerprint(finding: Finding) -> str:
    """Tells a finding from others when lines move: its rule, its post, and what it is about."""
    identity = (finding.rule.id, finding.post or "", finding.subject)
    return sha256("\0".join(identity).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _rule(rule: Rule) -> dict[str, Any]:
    words = rule.slug.replace("-", " ")
    return {
        "id": rule.id,
        "name": "".join(word.capitalize() for word in words.split()),
        "shortDescription": {"text": words.capitalize()},
        "defaultConfiguration": {"level": _LEVELS.get(rule.outcome, "error")},
    }


def _result(report: Report, finding: Finding, rule: int) -> dict[str, Any]:
    text = f"{finding.subject}: {finding.message}"
    result: dict[str, Any] = {
        "ruleId": finding.rule.id,
        "ruleIndex": rule,
        "level": _LEVELS.get(finding.rule.outcome, "error"),
        # `[words](address)` is a link in a SARIF message, and these words are not ours.
        "message": {"text": text.replace("](", "] (")},
    }
    if finding.rule.outcome is Outcome.UNCHECKED:
        result["kind"] = "open"  # "there was not enough information to decide"
    location: dict[str, Any] = {
        "logicalLocations": [{"fullyQualifiedName": finding.subject, "kind": "resource"}]
    }
    if (place := report.place(finding) or _manifest(report)) is not None:
        location["physicalLocation"] = _physical(place)
    return result | {"locations": [location]}


def _manifest(report: Report) -> Place | None:
    """What stands for a finding without a place: services show none that has no file."""
    return Place(report.manifest) if report.manifest else None


def _physical(place: Place) -> dict[str, Any]:
    uri = quote(place.path.encode("utf-8", "surrogateescape"), safe="/-._~")
    physical: dict[str, Any] = {"artifactLocation": {"uri": uri, "uriBaseId": "%SRCROOT%"}}
    if place.line is not None:
        region = {"startLine": place.line}
        physical["region"] = region | ({"startColumn": place.column} if place.column else {})
    return physical


# --- GitHub -----------------------------------------------------------------------------------


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


# --- A run that ended before anything was compared --------------------------------------------

_STOPPED = "nothing was compared"


@dataclass(frozen=True, slots=True)
class Stopped:
    """Why nothing was compared, and which file is to be put right, if that is known."""

    message: str
    exit_code: int
    place: Place | None = None


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


def stopped_sarif(stopped: Stopped) -> str:
    """The standard's word is a notification; what services show is a result, so it is both."""
    log = json.loads(sarif(Report((), "", stopped.exit_code)))
    run = log["runs"][0]
    told: dict[str, Any] = {
        "level": "error",
        "message": {"text": stopped.message.replace("](", "] (")},
    }
    if stopped.place is not None:
        told["locations"] = [{"physicalLocation": _physical(stopped.place)}]
    rules = run["tool"]["driver"]["rules"]
    rules.append({"id": "setup", "shortDescription": {"text": _STOPPED.capitalize()}})
    run["invocations"][0]["toolExecutionNotifications"] = [told]
    about = {"ruleId": "setup", "ruleIndex": len(rules) - 1, "partialFingerprints": {_PRINT: "1"}}
    run["results"] = [told | about]
    return json.dumps(log, indent=1) + "\n"


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
