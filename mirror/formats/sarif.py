"""SARIF 2.1.0, as code scanning services read it.

https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
"""

from __future__ import annotations

import json
from collections import Counter
from hashlib import sha256
from typing import Any
from urllib.parse import quote

import mirror
from mirror.formats.check import NOTHING_COMPARED, CheckReport, FileLocation, SetupFailure
from mirror.model import Finding, Outcome, Rule

SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_FINGERPRINT_NAME = "mirrorFinding/v1"
_LEVELS = {Outcome.WARNING: "warning", Outcome.UNCHECKED: "none"}


def sarif_log(report: CheckReport) -> str:
    """Return a log of one run."""
    rules = list(Rule)
    indexes = {rule: number for number, rule in enumerate(rules)}
    counts: Counter[str] = Counter()
    results = []
    for finding in report.findings:
        digest = finding_fingerprint(finding)
        counts[digest] += 1
        result = _result(report, finding, indexes[finding.rule])
        results.append(
            result | {"partialFingerprints": {_FINGERPRINT_NAME: f"{digest}:{counts[digest]}"}}
        )
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


def finding_fingerprint(finding: Finding) -> str:
    """Return a digest of rule, post and subject, which stays when lines move."""
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


def _result(report: CheckReport, finding: Finding, rule: int) -> dict[str, Any]:
    text = f"{finding.subject}: {finding.message}"
    result: dict[str, Any] = {
        "ruleId": finding.rule.id,
        "ruleIndex": rule,
        "level": _LEVELS.get(finding.rule.outcome, "error"),
        "message": _message(text),
    }
    if finding.rule.outcome is Outcome.UNCHECKED:
        result["kind"] = "open"  # "there was not enough information to decide"
    place: dict[str, Any] = {
        "logicalLocations": [{"fullyQualifiedName": finding.subject, "kind": "resource"}]
    }
    if (location := report.locate(finding) or _manifest(report)) is not None:
        place["physicalLocation"] = _physical(location)
    return result | {"locations": [place]}


def _message(text: str) -> dict[str, str]:
    """Return a message in which `[words](address)`, maybe of a stranger, makes no link."""
    return {"text": text.replace("](", "] (")}


def _manifest(report: CheckReport) -> FileLocation | None:
    """Return the location of a finding that has none: services hide a result without a file."""
    return FileLocation(report.manifest) if report.manifest else None


def _physical(location: FileLocation) -> dict[str, Any]:
    uri = quote(location.path.encode("utf-8", "surrogateescape"), safe="/-._~")
    physical: dict[str, Any] = {"artifactLocation": {"uri": uri, "uriBaseId": "%SRCROOT%"}}
    if location.line is not None:
        region = {"startLine": location.line}
        physical["region"] = region | ({"startColumn": location.column} if location.column else {})
    return physical


def sarif_log_of_failure(failure: SetupFailure) -> str:
    """Return a log with one notification and one result.

    The standard asks for a notification; services show results only.
    """
    log = json.loads(sarif_log(CheckReport((), "", failure.exit_code)))
    run = log["runs"][0]
    error: dict[str, Any] = {"level": "error", "message": _message(failure.message)}
    if failure.location is not None:
        error["locations"] = [{"physicalLocation": _physical(failure.location)}]
    rules = run["tool"]["driver"]["rules"]
    rules.append({"id": "setup", "shortDescription": {"text": NOTHING_COMPARED.capitalize()}})
    run["invocations"][0]["toolExecutionNotifications"] = [error]
    identity = {
        "ruleId": "setup",
        "ruleIndex": len(rules) - 1,
        "partialFingerprints": {_FINGERPRINT_NAME: "1"},
    }
    run["results"] = [error | identity]
    return json.dumps(log, indent=1) + "\n"
