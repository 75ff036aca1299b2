"""What is wrong before a run begins, or ends it, is said in plain words and with its exit code."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.commands import BUCKET, filled, picture, run
from support.faults import MIRROR
from support.sites import Blog


def mirror(
    folder: Path, *arguments: str | bytes, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    kept = {name: text for name, text in os.environ.items() if not name.startswith("MIRROR_")}
    kept |= {"CI": "", "GITHUB_ACTIONS": "", "HOME": str(folder), "PYTHONUTF8": "1"}
    return subprocess.run(
        [MIRROR, *arguments],
        cwd=folder,
        env=kept | (environment or {}),
        capture_output=True,
        text=True,
        errors="surrogateescape",
        check=False,
    )


def ends(done: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    said = done.stdout + done.stderr
    assert done.returncode == code, said
    assert "Traceback" not in said
    for word in words:
        assert word in said


# --- Folders ----------------------------------------------------------------------------------


def test_init_names_a_folder_that_toml_cannot_hold(tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"posts\xe9")
    folder.mkdir()
    (folder / "a.md").write_text(f"![]({BUCKET}a.png)\n")
    ends(mirror(tmp_path, "init", b"posts\xe9"), 2, "posts\\udce9", "UTF-8")
    assert not (tmp_path / "mirror.toml").exists()
    ends(mirror(folder, "init"), 0)


@pytest.mark.parametrize("below", ["file", "file/d", "/proc/nowhere/d"])
def test_the_demo_names_a_folder_it_cannot_write(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").touch()
    ends(mirror(tmp_path, "demo", below), 2, f"{below}: cannot be written")


def test_the_demo_names_a_missing_place_for_temporary_files(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _NO_TEMPORARY, "demo"], capture_output=True, text=True, check=False
    )
    ends(done, 2, "a temporary folder: cannot be written")


_NO_TEMPORARY = """
import tempfile, mirror.main
tempfile._candidate_tempdir_list = lambda: ["/proc/nowhere"]
mirror.main.main()
"""


@pytest.mark.parametrize("command", [["scan"], ["sync"], ["init"], ["demo"], ["sync", "--json"]])
def test_a_current_folder_that_is_gone_is_no_bug(tmp_path: Path, command: list[str]) -> None:
    script = 'mkdir gone && cd gone && rmdir ../gone && exec "$0" "$@"'
    done = subprocess.run(
        ["sh", "-c", script, MIRROR, *command], cwd=tmp_path, capture_output=True, text=True
    )
    ends(done, 2, "the current folder is gone")


# --- Words ------------------------------------------------------------------------------------


def test_without_a_configuration_nobody_speaks_of_its_tables(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "notes").mkdir()
    for arguments in (["scan"], ["scan", "notes"]):
        done = mirror(tmp_path, *arguments)
        ends(done, 0, ".markdown", arguments[-1] if arguments[1:] else str(tmp_path))
        assert "[posts]" not in done.stderr
    (tmp_path / "mirror.toml").write_text("")
    assert "of [posts]" in mirror(tmp_path, "scan").stderr


def test_sync_says_which_number_is_which(blog: Blog) -> None:
    filled(blog, "a.png")
    blog.write("post.md", f"![]({BUCKET}a.png) ![](local.png) ![](https://b.example/b.png)\n")
    said = run(blog, "sync").out.splitlines()[0]
    assert said == "3 image references in 1 post: 1 image of your sources"


def test_dupes_counts_in_the_singular_and_says_that_there_is_nothing(blog: Blog) -> None:
    filled(blog, "a.png")
    assert run(blog, "dupes", "--near").out == "0 pairs that looked alike, kept apart\n"
    assert run(blog, "dupes", "--near", "--json").out == ""
    blog.host.put("b.png", picture(0))  # what `filled` draws first
    blog.write("more.md", f"![]({BUCKET}b.png)\n")
    blog.sync()
    assert run(blog, "dupes").out == (
        "2 images in the manifest: 1 picture; 1 is a repeat of another (1 of the same bytes)\n"
    )


def test_the_verdict_says_that_the_archive_was_read(blog: Blog) -> None:
    filled(blog, "a.png", "b.png")
    ran = run(blog, "verify", "--offline", "--archive")
    assert "2 images in the manifest, the archive read, 2 references in the posts" in ran.out
    ran = run(blog, "verify", "--archive", "--sample", "1/2")
    assert " of 2 originals in the archive read: manifest, site and archive agree" in ran.out
    assert "archive" not in run(blog, "verify").out


def test_a_sample_of_nothing_is_refused(blog: Blog) -> None:
    filled(blog, "a.png")
    ran = run(blog, "verify", "--offline", "--sample", "1/2")
    assert (ran.code, ran.out) == (2, "")
    assert "--sample" in ran.err
    assert "--archive" in ran.err
    assert run(blog, "verify", "--offline", "--archive", "--sample", "1/2").code == 0


# --- A bug ------------------------------------------------------------------------------------

_BUG = """
import mirror.cli, mirror.main
def run():
    raise KeyError("https://h.example/a?Signature=planted&OSSAccessKeyId=LTAIplanted\\n::error::x")
mirror.cli.run = run
mirror.main.main()
"""


@pytest.mark.parametrize("runner", ["CI", "GITHUB_ACTIONS", None])
def test_a_crash_is_told_where_nobody_gets_at_its_log(tmp_path: Path, runner: str | None) -> None:
    environment = os.environ | {"CI": "", "GITHUB_ACTIONS": "", "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", _BUG, "sync"],
        cwd=tmp_path,
        env=environment | ({runner: "true"} if runner else {}),
        capture_output=True,
        text=True,
        check=False,
    )
    (log,) = tmp_path.glob("crash-*.log")
    assert done.returncode == 70
    assert done.stdout == ""
    assert ("Traceback" in done.stderr) is (runner is not None)
    assert ("mirror sync\n" in done.stderr) is (runner is not None)
    assert done.stderr.splitlines()[-1].endswith(f"details are in {log}")
    assert "KeyError" in log.read_text()
    assert "planted" not in done.stderr + log.read_text()
    assert not any(line.startswith("::") for line in done.stderr.splitlines())


def test_a_crash_without_a_place_for_its_log_is_still_a_bug(tmp_path: Path) -> None:
    nowhere = 'import tempfile\ntempfile._candidate_tempdir_list = lambda: ["/proc/nowhere"]\n'
    done = subprocess.run(
        [sys.executable, "-c", nowhere + _BUG, "sync"],
        cwd=tmp_path,
        env=os.environ | {"CI": "", "GITHUB_ACTIONS": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    ends(done, 70, "details are in no file")


def test_a_crash_log_is_not_written_through_a_planted_link(tmp_path: Path) -> None:
    for name in ("site", "outside", "temporary"):
        (tmp_path / name).mkdir()
    (tmp_path / "site" / ".mirror").symlink_to(tmp_path / "outside")
    done = subprocess.run(
        [sys.executable, "-c", _BUG, "sync"],
        cwd=tmp_path / "site",
        env=os.environ | {"CI": "", "GITHUB_ACTIONS": "", "TMPDIR": str(tmp_path / "temporary")},
        capture_output=True,
        text=True,
        check=False,
    )
    ends(done, 70, "details are in")
    assert not list((tmp_path / "outside").iterdir())
    assert len(list((tmp_path / "temporary").glob("crash-*.log"))) == 1


@pytest.mark.parametrize("command", [["dupes"], ["sync", "--json"], ["verify", "--offline"]])
def test_a_line_without_end_is_quoted_in_part(blog: Blog, command: list[str]) -> None:
    filled(blog, "a.png")
    (blog.root / "manifests" / "reviews.txt").write_text("a" * 1_000_000)
    ran = run(blog, *command)
    assert ran.code == 2
    assert "line 1: expected `split SHA256`" in ran.out + ran.err
    assert len(ran.out + ran.err) < 20_000
