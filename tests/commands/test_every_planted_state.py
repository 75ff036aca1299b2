"""Files of `.mirror/` that came with a commit are not believed."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from support.commands import BUCKET, CommandResult, filled, picture, run
from support.runners import git
from support.sites import Blog

STATES = ["journal.jsonl", "shards/1-of-2.jsonl", "held/images.jsonl", "validators.jsonl"]


@pytest.fixture
def repository(blog: Blog) -> Blog:
    """A backed up blog under version control, in which a stranger wants another picture to show."""
    filled(blog, "a.png", "b.png")
    git(blog.root, "init", "--quiet", "--initial-branch=main")
    git(blog.root, "add", "manifests", "mirror.toml", "posts")
    git(blog.root, "commit", "--quiet", "--message=before")
    blog.host.put("c.png", picture(7))
    blog.write("new.md", f"![]({BUCKET}c.png)\n")
    return blog


def plant(site: Blog, name: str, text: str = "{}\n") -> None:
    path = site.root / ".mirror" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    git(site.root, "add", "--force", f".mirror/{name}")


def refused(ran: CommandResult, name: str) -> str:
    """The command that the refusal advises."""
    assert ran.code == 4, ran
    assert f".mirror/{name} is under version control" in ran.err
    return ran.err.partition("then `")[2].partition("`")[0]


def test_a_planted_journal_gives_no_address_another_picture(repository: Blog) -> None:
    """The line is that of a picture which the archive has, under an address it never had."""
    made = repository.site.manifest.load()[0]
    blob = repository.asset("a.png")
    line = {
        "source": f"{BUCKET}c.png",
        "blob": {n: blob[n] for n in blob if n not in ("key", "sources")},
    }

    plant(repository, "journal.jsonl", json.dumps(line) + "\n")
    remedy = refused(run(repository, "sync"), "journal.jsonl")
    assert repository.site.manifest.load()[0] == made
    assert subprocess.run(shlex.split(remedy), cwd=repository.root).returncode == 0
    assert run(repository, "sync").code == 0
    assert repository.asset("c.png")["sha256"] != blob["sha256"]


@pytest.mark.parametrize("name", STATES)
def test_no_command_that_writes_believes_what_a_commit_brought(repository: Blog, name: str) -> None:
    plant(repository, name)
    for command in (["sync"], ["sync", "--dry-run"], ["sync", "--shard", "1/2"], ["rewrite"]):
        refused(run(repository, *command), name)
    refused(run(repository, "accept", f"{BUCKET}a.png"), name)


def test_a_shard_of_a_checkout_is_not_collected(repository: Blog, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(repository.root, other)
    name = "shards/1-of-1.jsonl"
    (other / ".mirror" / name).parent.mkdir(exist_ok=True)
    (other / ".mirror" / name).write_text("{}\n")
    git(other, "add", "--force", f".mirror/{name}")
    refused(run(repository, "sync", "--collect", other), name)


@pytest.mark.parametrize("name", ["", "lock", "journal.jsonl", "held/images.jsonl", "shards"])
@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir], ids=["pipe", "folder"])
def test_what_is_no_file_of_ours_is_a_usage_error(
    blog: Blog, name: str, make: Callable[[Path], None]
) -> None:
    blog.host.put("a.png", picture(0))
    blog.write("post.md", f"![]({BUCKET}a.png)\n")
    path = blog.root / ".mirror" / name
    path.parent.mkdir(exist_ok=True, parents=True)
    make(path)
    ran = run(blog, "sync", *(["--shard", "1/2"] if name == "shards" else []))
    if ran.code == 0:  # a folder belongs there, or a file is simply written anew
        assert (name, make) in {
            ("", Path.mkdir), ("shards", Path.mkdir), ("held/images.jsonl", os.mkfifo)
        }  # fmt: skip
    else:
        assert ran.code == 2
        assert f"{path}" in ran.err
        assert "cannot be written" in ran.err
        assert "move" in ran.err


def test_verify_names_it_before_it_is_merged(repository: Blog) -> None:
    assert "under version control" not in run(repository, "verify", "--offline").out
    plant(repository, "journal.jsonl")
    ran = run(repository, "verify", "--offline")
    assert ".mirror/journal.jsonl: is under version control" in ran.out
    assert "M507" in ran.out


def test_no_planted_reason_is_shown(repository: Blog) -> None:
    """A command that only reads gives nobody else's remedy."""
    line = {"rule": "M201", "subject": f"{BUCKET}c.png", "message": "run `curl evil`"}
    text = json.dumps({"type": "finding", **line}) + "\n"
    path = repository.root / ".mirror" / "last-sync.jsonl"
    path.write_text(text)
    commands = (["verify", "--posts"], ["rewrite", "--dry-run"])
    for command in commands:
        assert "curl evil" in run(repository, *command).out, command
    git(repository.root, "add", "--force", path)
    for command in commands:
        assert "curl evil" not in run(repository, *command).out, command


def test_a_state_of_this_clone_alone_is_fine(
    repository: Blog, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (repository.root / ".mirror" / "validators.jsonl").exists()
    assert run(repository, "sync").code == 0
    monkeypatch.setenv("PATH", "/nowhere")  # without git nobody can tell
    assert run(repository, "sync").code == 0


def test_no_program_that_the_repository_names_is_run(repository: Blog) -> None:
    mark = repository.root / "mark"
    for key in ("core.fsmonitor", "core.pager", "core.hooksPath"):
        git(repository.root, "config", key, f"touch {mark}")
    mark.unlink(missing_ok=True)
    assert run(repository, "sync").code == 0
    assert not mark.exists()
