"""`mirror verify --format`: what other programs read is given to a real reader of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from junitparser import JUnitXml
from support.commands import BUCKET, filled, run
from support.sarif_schema import SCHEMA
from support.sites import Blog
from support.workflow_commands import obey


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
    places = {
        result["ruleId"]: result["locations"][0]["physicalLocation"] for result in run_["results"]
    }
    assert places["M105"]["artifactLocation"]["uri"] == "posts/later.md"
    assert places["M105"]["region"] == {"startLine": 3, "startColumn": 5}
    assert places["M301"]["artifactLocation"]["uri"] == "manifests/images.jsonl"
    assert places["M301"]["region"] == {"startLine": line_of(broken, "b.png")}


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
