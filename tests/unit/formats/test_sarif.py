"""SARIF is compared with the schema of the standard."""

from __future__ import annotations

import json
from urllib.parse import unquote

from hypothesis import given, settings
from support.check_reports import IN_POST, MISSING, UNCHECKED, report, reports
from support.sarif_schema import SCHEMA

from mirror import formats
from mirror.formats import CheckReport, FileLocation
from mirror.formats.sarif import finding_fingerprint
from mirror.model import Finding, Rule


@settings(max_examples=20)
@given(report=reports)
def test_sarif_is_what_the_standard_says(report: CheckReport) -> None:
    log = json.loads(formats.sarif_log(report))
    SCHEMA.validate(log)
    (run,) = log["runs"]
    assert len(run["results"]) == len(report.findings)
    for result in run["results"]:
        assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
        assert ("kind" in result) == (result["level"] == "none")
        assert "](" not in result["message"]["text"]
    prints = [json.dumps(result["partialFingerprints"]) for result in run["results"]]
    assert len(set(prints)) == len(prints)


def test_a_result_has_its_place() -> None:
    changes = {"folder": "blog", "manifest": "blog/manifests/images.jsonl"}
    whole = report(
        IN_POST,
        MISSING,
        UNCHECKED,
        places={"ab/a.png": FileLocation("blog/manifests/images.jsonl", 7)},
        **changes,
    )
    results = json.loads(formats.sarif_log(whole))["runs"][0]["results"]
    places = [result["locations"][0]["physicalLocation"] for result in results]
    uris = [unquote(place["artifactLocation"]["uri"]) for place in places]
    assert uris == ["blog/posts/图 1.md"] + ["blog/manifests/images.jsonl"] * 2
    assert [place.get("region") for place in places] == [
        {"startLine": 3, "startColumn": 5},
        {"startLine": 7},
        None,
    ]
    assert [result["level"] for result in results] == ["error", "error", "none"]
    assert [result.get("kind") for result in results] == [None, None, "open"]


def test_a_finding_stays_the_same_one_when_lines_move() -> None:
    moved = Finding(IN_POST.rule, IN_POST.subject, "in other words", IN_POST.post, 99, 1)
    assert finding_fingerprint(moved) == finding_fingerprint(IN_POST)
    others = [
        Finding(Rule.NOT_REPOINTED, IN_POST.subject, "", IN_POST.post),
        Finding(IN_POST.rule, "https://x/b.png", "", IN_POST.post),
        Finding(IN_POST.rule, IN_POST.subject, "", "posts/b.md"),
    ]
    prints = {finding_fingerprint(finding) for finding in [IN_POST, *others]}
    assert len(prints) == 4
