"""JUnit XML is given to a reader of JUnit XML."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import given
from junitparser import Error, Failure, JUnitXml, Skipped
from support.check_reports import IN_POST, MISSING, SVG, UNCHECKED, report, reports

from mirror import formats
from mirror.formats import CheckReport
from mirror.model import Finding, Layer, Rule


def cases(text: str) -> dict[str, list[Any]]:
    """What junitparser makes of it: each case and what became of it."""
    xml = JUnitXml.fromstring(text.encode())
    return {f"{suite.name}: {case.name}": list(case.result) for suite in xml for case in suite}


def test_each_outcome_is_what_a_test_report_calls_it() -> None:
    failed = Finding(Rule.POST_UNREADABLE, "b.md", "cannot be read", "b.md")
    layers = [
        Layer("posts", ["a.md", "b.md", "posts/图 1.md"], [failed, IN_POST]),
        Layer("destination r2", ["ab/a.png", "ab/b.png"], [MISSING, SVG]),
        Layer("destination down", [], [UNCHECKED]),
    ]
    text = formats.junit_xml(report(layers=layers, seconds=1.5))
    results_by_case = cases(text)
    assert {
        name: [type(result) for result in results] for name, results in results_by_case.items()
    } == {
        "posts: b.md": [Error],
        "posts: posts/图 1.md:3:5 https://x/a.png": [Failure],
        "posts: a.md": [],
        "destination r2: ab/a.png": [Failure],
        "destination r2: https://x/a.svg": [],
        "destination r2: ab/b.png": [],
        "destination down: r2": [Skipped],
    }
    failure = results_by_case["destination r2: ab/a.png"][0]
    assert failure.message == "missing in r2"
    assert failure.type == "M301 object-missing"
    xml = JUnitXml.fromstring(text.encode())
    assert (xml.tests, xml.failures, xml.errors) == (7, 2, 1)
    assert [suite.skipped for suite in xml] == [0, 0, 1]


def test_findings_about_one_object_share_a_case() -> None:
    other = Finding(Rule.PUBLIC_ATTACHMENT, "ab/a.png", "is sent as attachment")
    (result,) = cases(formats.junit_xml(report(MISSING, other)))["destination r2: ab/a.png"]
    assert result.text == "missing in r2 [M301]\nis sent as attachment [M403]"


@given(report=reports)
def test_junit_is_xml_that_counts_what_it_holds(report: CheckReport) -> None:
    xml = JUnitXml.fromstring(formats.junit_xml(report).encode())
    assert [suite.name for suite in xml] == [_in_xml(layer.name) for layer in report.layers]
    for suite in xml:
        results = [result for case in suite for result in case.result]
        assert suite.tests == len(list(suite))
        assert suite.failures == sum(isinstance(result, Failure) for result in results)
        assert suite.errors == sum(isinstance(result, Error) for result in results)
        assert suite.skipped == sum(isinstance(result, Skipped) for result in results)


def _in_xml(text: str) -> str:
    return re.sub("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\ufffd", text)
