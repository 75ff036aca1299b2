"""A site whose manifest has outgrown one file: every command reads and writes its parts."""

from __future__ import annotations

import json
import re
import subprocess
from functools import partial
from pathlib import Path

import pytest
from support.commands import filled, picture, run
from support.sites import BUCKET, Blog
from support.workflow_commands import obey

from mirror.manifest import PARTS, ManifestFile
from mirror.pipeline import parts

NAMES = ("a.png", "b.png", "c.png")


@pytest.fixture
def site(blog: Blog, monkeypatch: pytest.MonkeyPatch) -> Blog:
    for name in ("GITHUB_WORKSPACE", "GITHUB_STEP_SUMMARY"):
        monkeypatch.delenv(name, raising=False)
    filled(blog, NAMES[0])
    monkeypatch.setattr(parts, "ManifestFile", partial(ManifestFile, split_bytes=1_000))
    for seed, name in enumerate(NAMES):
        blog.host.put(name, picture(seed))
    blog.write("post.md", "".join(f"![](<{BUCKET}{name}>)\n\n" for name in NAMES))
    ran = run(blog, "sync")
    assert ran.code == 0, ran.err
    assert "[M221]" in ran.out + ran.err
    assert "images/00.jsonl to ff.jsonl" in ran.out + ran.err
    assert not (blog.root / "manifests" / "images.jsonl").exists()
    assert all((blog.root / "manifests" / name).is_file() for name in PARTS)
    return blog


def places(blog: Blog) -> dict[str, tuple[str, int]]:
    """The file and the line of each source, read without the program."""
    found = {}
    for name in PARTS:
        path = blog.root / "manifests" / name
        for number, line in enumerate(path.read_text().splitlines()[1:], 2):
            asset = json.loads(line)
            for url in asset["sources"]:
                found[url.removeprefix(BUCKET)] = (f"manifests/{name}", number)
    return found


def line_of(blog: Blog, name: str) -> dict[str, object]:
    file, number = places(blog)[name]
    return json.loads((blog.root / file).read_text().splitlines()[number - 1])


def test_a_run_that_finds_nothing_new_writes_no_part(site: Blog) -> None:
    before = {name: (site.root / "manifests" / name).stat().st_ino for name in PARTS}
    ran = run(site, "sync")
    assert (ran.code, "M221" in ran.out + ran.err) == (0, False)
    assert {name: (site.root / "manifests" / name).stat().st_ino for name in PARTS} == before


@pytest.mark.parametrize(
    "arguments",
    [
        ("verify", "--posts", "--archive"),
        ("rewrite", "--dry-run"),
        ("dupes",),
        ("prune",),
        ("leftovers",),
        ("report", "--output", "page.html"),
        ("export", "--parquet", "images.parquet"),
        ("restore", "restored"),
        ("repair",),
        ("doctor",),
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_command_takes_parts_for_one_file(site: Blog, arguments: tuple[str, ...]) -> None:
    split = run(site, *arguments)
    for made in ("page.html", "images.parquet"):
        (site.root / made).unlink(missing_ok=True)
    parts = [site.root / "manifests" / name for name in PARTS]
    lines = sorted(line for path in parts for line in path.read_text().splitlines()[1:])
    header = parts[0].read_text().splitlines()[0]
    for path in parts:
        path.unlink()
    parts[0].parent.rmdir()
    text = "".join(f"{line}\n" for line in [header, *lines])
    (site.root / "manifests" / "images.jsonl").write_text(text)
    (site.root / "restored").rename(site.root / "other") if arguments[0] == "restore" else None
    whole = run(site, *arguments)
    seconds = r"\d+(\.\d+)? m?s"
    assert (split.code, re.sub(seconds, "", split.out)) == (
        whole.code,
        re.sub(seconds, "", whole.out),
    )


def test_posts_are_rewritten_and_reverted(site: Blog) -> None:
    before = site.read("post.md")
    assert run(site, "rewrite").code == 0
    assert BUCKET not in site.read("post.md")
    assert run(site, "verify", "--posts").code == 0
    assert run(site, "rewrite", "--revert").code == 0
    assert site.read("post.md") == before


@pytest.mark.parametrize("form", ["github", "sarif"])
def test_a_finding_is_placed_in_its_part(site: Blog, form: str) -> None:
    (site.root / "static" / "images" / str(line_of(site, "b.png")["key"])).unlink()
    file, number = places(site)["b.png"]
    ran = run(site, "verify", "--format", form)
    assert ran.code == 1
    if form == "github":
        commands = [command for text in ran.out.splitlines() if (command := obey(text))]
        found = [(c.properties.get("file"), c.properties.get("line")) for c in commands]
        assert (file, str(number)) in found
    else:
        (result,) = json.loads(ran.out)["runs"][0]["results"]
        place = result["locations"][0]["physicalLocation"]
        assert place["artifactLocation"]["uri"] == file
        assert place["region"]["startLine"] == number


def test_a_broken_line_is_placed_in_its_part(site: Blog) -> None:
    file, number = places(site)["b.png"]
    path = site.root / file
    path.write_text(path.read_text().replace('"size": ', '"size": -'))
    ran = run(site, "verify", "--format", "github")
    (command,) = (command for text in ran.out.splitlines() if (command := obey(text)))
    assert (command.properties["file"], command.properties["line"]) == (file, str(number))


def test_a_part_is_not_replaced_by_output(site: Blog) -> None:
    path = Path("manifests", PARTS[3])
    ran = run(site, "export", "--parquet", path)
    assert (ran.code, "belongs to manifest" in ran.err) == (2, True)


# --- In git ---------------------------------------------------------------------------------------


def git(folder: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    identity = ("-c", "user.name=a", "-c", "user.email=a@b.example", "-c", "commit.gpgsign=false")
    command = ["git", *identity, *arguments]
    return subprocess.run(command, cwd=folder, check=False, capture_output=True)


def commit(blog: Blog) -> None:
    git(blog.root, "add", "manifests", "posts", "mirror.toml")
    assert git(blog.root, "commit", "--quiet", "--message=x").returncode == 0


def add_source(blog: Blog, name: str, address: str) -> None:
    file, number = places(blog)[name]
    path = blog.root / file
    lines = path.read_text().splitlines()
    asset = json.loads(lines[number - 1])
    lines[number - 1] = json.dumps(asset | {"sources": sorted([*asset["sources"], address])})
    path.write_text("".join(f"{line}\n" for line in lines))


def test_an_address_added_since_a_commit_is_named_with_its_part(site: Blog) -> None:
    git(site.root, "init", "--quiet", "--initial-branch=main")
    commit(site)
    git(site.root, "switch", "--quiet", "--create=change")
    assert "M216" not in run(site, "verify", "--offline", "--since", "main").out
    add_source(site, "b.png", "https://h.example/x.png")
    ran = run(site, "verify", "--offline", "--since", "main")
    file, number = places(site)["b.png"]
    assert f"{file}:{number}" in ran.out + ran.err
    assert "https://h.example/x.png" in ran.out + ran.err


def test_moving_to_parts_is_no_change_since_a_commit(blog: Blog, monkeypatch) -> None:
    filled(blog, *NAMES)
    git(blog.root, "init", "--quiet", "--initial-branch=main")
    commit(blog)
    git(blog.root, "switch", "--quiet", "--create=change")
    monkeypatch.setattr(parts, "ManifestFile", partial(ManifestFile, split_bytes=1_000))
    filled_post = blog.read("post.md")
    blog.host.put("new.png", picture(9))
    blog.write("post.md", f"{filled_post}![](<{BUCKET}new.png>)\n")
    assert "M221" in "".join(run(blog, "sync").out)
    assert "M216" not in run(blog, "verify", "--offline", "--since", "main").out
    add_source(blog, "b.png", "https://h.example/x.png")
    assert "https://h.example/x.png" in run(blog, "verify", "--offline", "--since", "main").out
