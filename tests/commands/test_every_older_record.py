"""Records of a version that took less for a secret: each command reads them, and shows none."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from support.commands import BUCKET, picture, run
from support.sites import Blog

REMARK = "a URL of the manifest is read as"
COMMANDS = (
    "sync|sync --refresh|sync --json|rewrite --dry-run|verify --posts --archive|verify --offline"
    "|leftovers|dupes|repair|restore out|prune|report|doctor"
)


@pytest.fixture
def old(blog: Blog) -> Blog:
    """A blog whose records have the address of one picture with its secret."""
    for seed, name in enumerate(("a.png", "b.png", "c.png")):
        blog.host.put(name, picture(seed))
    blog.write("post.md", "![](BUCKET/a.png?rlkey=planted-1&v=2)\n\n![](BUCKET/b.png)\n")
    run(blog, "sync")
    redirects = blog.root / "manifests" / "redirects.jsonl"
    digest = blog.asset("b.png")["sha256"]
    lines = [{"format": "mirror-redirects", "version": 1}]
    for name in ("x", "y"):
        url = f"{BUCKET}{name}.png?rlkey=planted-1"
        final = "https://h.example/gone.png?rlkey=planted-1"
        lines.append({"source": url, "final_url": final, "sha256": digest})
    redirects.write_text("".join(json.dumps(line) + "\n" for line in lines))
    for path in (blog.root / "manifests" / "images.jsonl", blog.root / "archive" / "sources.txt"):
        text = path.read_text()
        assert "rlkey=hidden-" in text
        path.write_text(re.sub("hidden-[0-9a-f]{32}", "planted-1", text))
    return blog


@pytest.mark.parametrize("command", COMMANDS.split("|"))
def test_each_command_reads_on_and_says_so_once(old: Blog, command: str) -> None:
    ran = run(old, *command.split())
    # A post whose URL has a secret stays as it is, which is a failure of `rewrite`.
    assert ran.code in ((0, 3) if "rewrite" in command else (0, 1)), ran
    assert "planted" not in ran.out + ran.err
    assert (ran.out + ran.err).count(REMARK) == 1
    for path in old.root.glob("*.html"):
        assert "planted" not in path.read_text()


def test_the_next_sync_writes_what_is_known_now(old: Blog) -> None:
    asked = old.asked
    assert run(old, "sync").code == 0
    assert old.asked == asked  # nothing is taken for new
    text = (old.root / "manifests" / "images.jsonl").read_text()
    assert "rlkey=hidden-" in text
    assert "planted" not in text
    assert REMARK not in run(old, "sync").err


def test_the_next_sync_leaves_no_old_secret_in_the_record_of_the_archive(old: Blog) -> None:
    path = old.root / "archive" / "sources.txt"
    before = path.read_text()
    path.write_text(f"# of another program\n{before}")
    assert run(old, "sync").code == 0
    text = path.read_text()
    assert re.sub("hidden-[0-9a-f]{32}", "planted-1", text) == f"# of another program\n{before}"
    assert "rlkey=hidden-" in text
    assert "M215" not in run(old, "rewrite", "--drop-secrets").out
    assert run(old, "sync").code == 0
    assert path.read_text() == text


def test_a_picture_is_still_proven_to_be_that_of_its_address(old: Blog) -> None:
    """The record of the archive has the address as the older version spelled it."""
    ran = run(old, "rewrite", "--drop-secrets")
    assert "M215" not in ran.out
    assert "/images/" in old.read("post.md")
    assert BUCKET not in old.read("post.md")


def test_the_findings_of_an_older_run_are_shown_without_their_secrets(old: Blog) -> None:
    path = Path(old.root / ".mirror" / "last-sync.jsonl")
    url = f"{BUCKET}c.png?rlkey=planted-1"
    line = {"type": "finding", "rule": "M201", "subject": url, "message": f"{url}: gone"}
    path.write_text(json.dumps(line) + "\n")
    assert run(old, "report").code == 0
    text = (old.root / "mirror-report.html").read_text()
    assert "c.png?rlkey=hidden-" in text
    assert "planted" not in text
