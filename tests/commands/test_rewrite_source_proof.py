"""An address that somebody put on a line of the manifest shows a post no picture it never gave."""

from __future__ import annotations

import json
import shutil

import pytest
from support.commands import run
from support.faults import picture
from support.sites import BUCKET, Blog

from mirror.pipeline.rewrite import RewriteResult
from mirror.pipeline.sync import SyncResult

RIGHT, OTHER = picture(1), picture(2)


@pytest.fixture
def site(blog: Blog) -> Blog:
    """A site with one mirrored picture; the host has another one that no post shows yet."""
    blog.host.put("right.png", RIGHT)
    blog.host.put("other.png", OTHER)
    blog.write("old.md", "![](BUCKET/right.png)\n")
    blog.sync()
    blog.rewrite()
    return blog


def move(site: Blog, name: str, holder: str) -> None:
    """Write the address of `name` on the line of `holder` alone, as a pull request may."""
    path = site.root / "manifests" / "images.jsonl"
    header, *lines = path.read_text().splitlines()
    assets = [json.loads(line) for line in lines]
    for asset in assets:
        urls = {*asset["sources"]} - {BUCKET + name}
        if BUCKET + holder in urls:
            urls.add(BUCKET + name)
        asset["sources"] = sorted(urls)
    path.write_text("\n".join([header, *map(json.dumps, assets)]) + "\n")


def rules(found: RewriteResult | SyncResult) -> set[str]:
    return {finding.rule.slug for finding in found.findings}


def test_a_forged_source_gives_a_new_post_no_picture(site: Blog) -> None:
    move(site, "other.png", "right.png")
    site.write("new.md", "![](BUCKET/other.png)\n")
    assert "source-not-proven" in rules(site.rewrite())
    assert site.read("new.md") == f"![]({BUCKET}other.png)\n"


def test_sync_asks_the_host_and_holds_its_picture_back(site: Blog) -> None:
    move(site, "other.png", "right.png")
    site.write("new.md", "![](BUCKET/other.png)\n")
    ran = run(site, "sync")
    assert ran.code == 3
    assert "M215" in ran.out
    assert "mirror accept" in ran.out
    site.rewrite()
    assert site.read("new.md") == f"![]({BUCKET}other.png)\n"
    assert run(site, "accept", f"{BUCKET}other.png").code == 0
    assert run(site, "sync").code == 0
    assert run(site, "rewrite").code == 0
    assert site.asset("other.png")["key"] in site.read("new.md")
    assert site.asset("right.png")["key"] in site.read("old.md")


def test_sync_takes_the_line_where_the_host_confirms_it(site: Blog) -> None:
    """A colleague's sync found the same bytes under a second address."""
    site.host.put("copy.png", RIGHT)
    move(site, "copy.png", "right.png")
    site.write("new.md", "![](BUCKET/copy.png)\n")
    assert "source-not-proven" in rules(site.rewrite())
    assert run(site, "sync").code == 0
    assert run(site, "rewrite").code == 0
    assert site.asset("right.png")["key"] in site.read("new.md")
    site.write("more.md", "![](BUCKET/copy.png)\n")
    asked = site.host.requests.total()
    site.sync()
    assert site.host.requests.total() == asked


def test_a_person_settles_it_where_the_host_is_gone(site: Blog) -> None:
    move(site, "lost.png", "right.png")
    site.write("new.md", "![](BUCKET/lost.png)\n")
    ran = run(site, "sync")
    assert ran.code == 3
    assert "never came from it here" in ran.out
    assert "never came from it here" in run(site, "sync").out
    assert run(site, "accept", f"{BUCKET}lost.png").code == 0
    assert run(site, "sync").code == 0
    assert run(site, "rewrite").code == 0
    assert site.asset("right.png")["key"] in site.read("new.md")


def test_a_merge_that_moves_an_address_to_another_picture_is_seen(site: Blog) -> None:
    site.write("other.md", "![](BUCKET/other.png)\n")
    site.sync()
    move(site, "other.png", "right.png")
    assert "source-not-proven" in rules(site.rewrite())
    assert site.read("other.md") == f"![]({BUCKET}other.png)\n"
    assert "source-not-proven" in rules(site.sync())


def test_a_new_clone_without_an_archive_believes_the_manifest(site: Blog) -> None:
    site.write("other.md", "![](BUCKET/other.png)\n![](BUCKET/right.png)\n")
    site.sync()
    shutil.rmtree(site.root / "archive")
    shutil.rmtree(site.root / ".mirror")
    site.host.remove("other.png")
    found = site.rewrite()
    assert not found.findings
    assert BUCKET not in site.read("other.md")


def test_an_archive_that_repair_filled_believes_it_too(site: Blog) -> None:
    site.write("other.md", "![](BUCKET/other.png)\n")
    site.sync()
    shutil.rmtree(site.root / "archive")
    shutil.rmtree(site.root / ".mirror")
    assert run(site, "repair").code == 0
    assert run(site, "sync").code == 0
    assert not site.rewrite().findings


def test_a_line_that_a_kill_tore_takes_no_other_along(site: Blog) -> None:
    path = site.root / "archive" / "sources.txt"
    lines = path.read_bytes()
    assert lines.endswith(f"  {BUCKET}right.png\n".encode())
    path.write_bytes(lines + b"0123")
    site.write("other.md", "![](BUCKET/other.png)\n")
    site.sync()
    assert path.read_text().splitlines()[-1].endswith(f"  {BUCKET}other.png")
    before = path.read_bytes()
    site.sync()
    assert path.read_bytes() == before


def test_another_spelling_of_a_known_object_needs_no_question(site: Blog) -> None:
    site.write("same.md", f"![]({BUCKET.replace('https:', '')}right.png)\n")
    assert "source-not-proven" not in rules(site.rewrite())
    assert BUCKET not in site.read("same.md")


def test_verify_names_what_the_archive_never_saw(site: Blog) -> None:
    ran = run(site, "verify", "--archive")
    assert "M216" not in ran.out
    move(site, "other.png", "right.png")
    ran = run(site, "verify", "--archive")
    assert ran.code == 0
    (line,) = [line for line in ran.out.splitlines() if "M216" in line]
    assert f"{BUCKET}other.png" in line
    assert "line 2 of images.jsonl" in line
