"""What `verify` tells other programs when nothing could be compared at all."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import cmarkgfm
import html5lib
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from junitparser import Error, JUnitXml
from support.check_reports import texts
from support.commands import BUCKET, CommandResult, filled, run
from support.sarif_schema import SCHEMA
from support.sites import Blog
from support.workflow_commands import Command, obey

from mirror import formats
from mirror.formats import FileLocation, SetupFailure

MANIFEST = "manifests/images.jsonl"
FORMATS = ("junit", "sarif", "github")
Break = Callable[[Path], object]


def _conflict(root: Path) -> None:
    path = root / MANIFEST
    path.write_text(path.read_text().replace("\n", "\n<<<<<<< HEAD\n", 1))


def _markers(name: str, root: Path) -> None:
    (root / "manifests" / name).write_text("<<<<<<< HEAD\n=======\n>>>>>>> main\n")


def _no_toml(root: Path) -> None:
    path = root / "mirror.toml"
    path.write_text("# mine\n[posts\n" + path.read_text())


def _unknown_key(root: Path) -> None:
    path = root / "mirror.toml"
    path.write_text(path.read_text().replace("[[source]]", "[[sauce]]"))


BROKEN = [
    pytest.param(_conflict, (MANIFEST, 2), "merge conflict marker", id="conflict"),
    pytest.param(
        lambda root: (root / MANIFEST).unlink(), (MANIFEST, None), "there is no man", id="missing"
    ),
    *(
        pytest.param(partial(_markers, name), (f"manifests/{name}", 1), words, id=name)
        for name, words in (
            ("ledger.jsonl", "expected evidence"),
            ("redirects.jsonl", "asks the host again"),
            ("rewrites.jsonl", "expected JSON"),
            ("reviews.txt", "expected `split SHA256`"),
        )
    ),
    pytest.param(_no_toml, ("mirror.toml", 2), "not valid TOML", id="no TOML"),
    pytest.param(_unknown_key, ("mirror.toml", None), "sauce: unknown key", id="unknown key"),
    pytest.param(lambda root: (root / "mirror.toml").unlink(), None, "no mirror.toml", id="none"),
]


@pytest.fixture
def synced(blog: Blog, monkeypatch: pytest.MonkeyPatch) -> Blog:
    for name in ("GITHUB_WORKSPACE", "GITHUB_STEP_SUMMARY", "MIRROR_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    filled(blog, "a.png")
    (blog.root / ".git").mkdir()
    return blog


def _junit(ran: CommandResult) -> Error:
    xml = JUnitXml.fromstring(ran.out.encode())
    assert (xml.tests, xml.failures, xml.errors) == (1, 0, 1)
    ((case,),) = xml
    (error,) = case.result
    assert isinstance(error, Error)
    return error


def _sarif(text: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The one result and the one notification of a log that says that the run failed."""
    log = json.loads(text)
    SCHEMA.validate(log)
    (run_,) = log["runs"]
    (invocation,) = run_["invocations"]
    (notification,) = invocation["toolExecutionNotifications"]
    (result,) = run_["results"]
    assert invocation["executionSuccessful"] is False
    assert invocation["exitCode"] == 2
    assert (notification["level"], result["level"]) == ("error", "error")
    assert run_["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
    return result, notification


def _github(line: str) -> Command:
    command = obey(line)
    assert command is not None
    assert (command.name, command.properties["title"]) == ("error", "nothing was compared")
    return command


@pytest.mark.parametrize(("spoil", "place", "words"), BROKEN)
def test_what_stops_a_run_is_told_in_every_format(
    synced: Blog,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
    spoil: Break,
    place: tuple[str, int | None] | None,
    words: str,
) -> None:
    summary = tmp_path_factory.mktemp("runner") / "summary.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    spoil(synced.root)
    ran = {form: run(synced, "verify", "--posts", "--format", form) for form in FORMATS}
    for output in ran.values():
        assert output.code == 2
        assert words in output.err
    assert words in _junit(ran["junit"]).message

    result, notification = _sarif(ran["sarif"].out)
    assert words in result["message"]["text"]
    assert notification["message"] == result["message"]
    command = _github(ran["github"].out.strip("\n"))
    assert words in command.text
    assert words in summary.read_text().replace("\\", "")
    if place is None:
        assert "locations" not in result
        assert command.properties.keys() == {"title"}
        return
    (location,) = result["locations"]
    physical = location["physicalLocation"]
    assert notification["locations"] == [location]
    assert physical["artifactLocation"]["uri"] == place[0]
    assert physical.get("region", {}).get("startLine") == place[1]
    assert command.properties["file"] == place[0]
    assert command.properties["line"] == str(place[1] or 1)
    assert command.text.startswith(f"{place[0]}: ")
    assert f'file="{place[0]}"' in ran["junit"].out


def test_a_site_in_a_folder_of_the_repository_is_named_from_its_root(
    synced: Blog, monkeypatch: pytest.MonkeyPatch
) -> None:
    _conflict(synced.root)
    monkeypatch.setenv("GITHUB_WORKSPACE", str(synced.root.parent))
    ran = run(synced, "verify", "--format", "github")
    assert _github(ran.out.strip("\n")).properties["file"] == f"{synced.root.name}/{MANIFEST}"


def test_a_wrong_argument_is_told_without_a_place(synced: Blog) -> None:
    ran = run(synced, "verify", "--sample", "9", "--format", "github")
    assert _github(ran.out.strip("\n")).text.startswith("--sample: expected a part such as 2/3")
    ran = run(synced, "verify", "--config", "other.toml", "--format", "sarif")
    assert "other.toml: no such" in _sarif(ran.out)[0]["message"]["text"]


def test_text_and_json_stay_as_they_are(synced: Blog) -> None:
    _conflict(synced.root)
    assert run(synced, "verify").out == ""
    (event,) = run(synced, "verify", "--format", "json").events
    assert (event["type"], event["exit_code"]) == ("error", 2)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize(("spoil", "place", "words"), BROKEN)
def test_the_file_that_a_runner_collects_is_written(
    synced: Blog, spoil: Break, place: object, words: str, form: str
) -> None:
    spoil(synced.root)
    ran = run(synced, "verify", "--format", form, "-o", "report")
    assert (ran.code, ran.out) == (2, "")
    assert words in (synced.root / "report").read_text()


def test_without_a_configuration_no_file_that_is_there_is_replaced(synced: Blog) -> None:
    """Nobody knows then which files are posts."""
    _no_toml(synced.root)
    files = [path for path in synced.root.rglob("*") if path.is_file()]
    before = {path: path.read_bytes() for path in files}
    for output in ("posts/post.md", "mirror.toml", MANIFEST):
        ran = run(synced, "verify", "--format", "junit", "-o", output)
        assert ran.code == 2
        assert "not valid TOML" in ran.err
    assert {path: path.read_bytes() for path in files} == before


def test_an_output_that_is_the_users_stays_also_when_the_manifest_is_broken(synced: Blog) -> None:
    _conflict(synced.root)
    post = (synced.root / "posts" / "post.md").read_bytes()
    assert run(synced, "verify", "--format", "sarif", "-o", "posts/post.md").code == 2
    assert run(synced, "verify", "--format", "sarif", "-o", "manifests/new").code == 2
    assert (synced.root / "posts" / "post.md").read_bytes() == post
    assert not (synced.root / "manifests" / "new").exists()


def test_the_report_of_an_earlier_run_is_replaced(synced: Blog) -> None:
    assert run(synced, "verify", "--format", "junit", "-o", "report").code == 0
    _conflict(synced.root)
    assert run(synced, "verify", "--format", "junit", "-o", "report").code == 2
    assert "<error " in (synced.root / "report").read_text()


def test_what_is_compared_holds_no_such_error(synced: Blog) -> None:
    synced.write("later.md", f"![]({BUCKET}new.png)\n")
    for form in FORMATS:
        ran = run(synced, "verify", "--posts", "--format", form)
        assert ran.code == 1
        assert "nothing was compared" not in ran.out.lower()


@settings(max_examples=30)
@given(message=texts, path=texts, line=st.none() | st.integers(1, 10**6))
def test_hostile_words_stay_words(message: str, path: str, line: int | None) -> None:
    failure = SetupFailure(message, 2, FileLocation(path.encode("utf-8", "replace").decode(), line))
    ((case,),) = JUnitXml.fromstring(formats.junit_xml_of_failure(failure).encode())
    assert len(case.result) == 1
    result, _ = _sarif(formats.sarif_log_of_failure(failure))
    assert "](" not in result["message"]["text"]
    line_ = formats.github_annotation_of_failure(failure)
    assert "\n" not in line_
    command = _github(line_)
    assert command.text == message
    assert command.properties.keys() == {"file", "line", "title"}
    summary = formats.job_summary_of_failure(failure).encode("utf-8", "replace").decode()
    page = cmarkgfm.github_flavored_markdown_to_html(summary)
    tree = html5lib.parseFragment(page, namespaceHTMLElements=False)
    assert {element.tag for element in tree.iter()} <= {"DOCUMENT_FRAGMENT", "h3", "p"}
