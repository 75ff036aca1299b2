"""SARIF of a check."""

from __future__ import annotations

import json
from collections import Counter
from hashlib import sha256
from typing import Any
from urllib.parse import quote

import mirror
from mirror.formats.report import _STOPPED, Place, Report, Stopped
from mirror.model import Finding, Outcome, Rule

SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
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
