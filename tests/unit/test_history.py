"""The files of a repository before a change."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.runners import git

from mirror.config import ConfigError
from mirror.history import Before, tracked_file


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A site in a folder of a repository, on a branch that left `main` before its last commit."""
    site = tmp_path / "site"
    (site / "parts").mkdir(parents=True)
    (site / "a.txt").write_text("before\n")
    (site / "parts" / "名.txt").write_text("")
    git(tmp_path, "init", "--quiet", "--initial-branch=main")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "-m", "first")
    git(tmp_path, "checkout", "--quiet", "-b", "change")
    (site / "a.txt").write_text("after\n")
    (site / "new.txt").write_text("")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "-m", "change")
    git(tmp_path, "checkout", "--quiet", "main")
    (site / "a.txt").write_text("of another\n")
    git(tmp_path, "commit", "--quiet", "-am", "second")
    git(tmp_path, "checkout", "--quiet", "change")
    return site


def test_files_are_read_as_they_were_where_the_branches_parted(site: Path) -> None:
    before = Before.since("main", site)
    assert before.read(site / "a.txt") == "before\n"
    assert before.read(site / "new.txt") == ""
    assert before.names(site) == {"a.txt", "parts"}
    assert before.names(site / "parts") == {"名.txt"}
    assert before.names(site / "nowhere") == set()
    assert before.names(site.parent) == {"site"}


def test_a_folder_outside_of_the_repository_had_nothing(site: Path) -> None:
    before = Before.since("main", site)
    assert before.read(site.parent.parent / "a.txt") == ""


@pytest.mark.parametrize("name", ["nowhere", "", "--help", "-h", "main:site/a.txt", "main..change"])
def test_what_is_no_commit_is_named(site: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=r"--since: .* is in no git repository that has"):
        Before.since(name, site)


def test_outside_of_a_repository_it_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is in no git repository"):
        Before.since("main", tmp_path)


def test_without_git_it_is_said(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ConfigError, match="git cannot be run: No such file"):
        Before.since("main", site)


def test_no_program_of_the_checkout_is_run(site: Path) -> None:
    """Settings of the repository that name programs: a filter, a monitor, a pager."""
    mark = site.parent.parent / "mark"
    program = f"touch {mark}; cat"
    (site / ".gitattributes").write_text("* filter=x diff=x\n")
    for key in (
        "filter.x.smudge",
        "filter.x.clean",
        "diff.x.textconv",
        "core.fsmonitor",
        "core.pager",
    ):
        git(site, "config", key, program)
    mark.unlink(missing_ok=True)
    before = Before.since("main", site)
    assert before.read(site / "a.txt") == "before\n"
    assert before.names(site) == {"a.txt", "parts"}
    assert before.names(site / "parts") == {"名.txt"}
    assert not mark.exists()


@pytest.mark.parametrize("inner", ["state", "."])
def test_a_bare_repository_in_the_checkout_hides_no_tracked_file(site: Path, inner: str) -> None:
    state = site / "state"
    state.mkdir()
    (state / "journal.jsonl").write_text("")
    assert tracked_file(state) is None
    git(site, "add", "--force", "state")
    git(site / inner, "init", "--quiet", "--bare", ".")
    assert (site / inner / "HEAD").exists()
    assert tracked_file(state) == state / "journal.jsonl"


def test_a_tracked_file_is_named_whatever_its_case(site: Path) -> None:
    (site / "State").mkdir()
    (site / "State" / "a").write_text("")
    git(site, "add", ".")
    assert tracked_file(site / "state") == site / "State" / "a"
