"""No command reads or writes through a link that a repository brings along."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support.commands import run
from support.faults import picture
from support.sites import Blog

COMMANDS = (
    ("sync",), ("rewrite",), ("rewrite", "--revert"), ("verify", "--posts", "--archive"),
    ("verify", "--offline"), ("repair",), ("restore", "restored"), ("prune", "--yes"),
    ("dupes",), ("report",), ("doctor",), ("leftovers",), ("accept", "https://h.example/a.png"),
    ("scan",),
)  # fmt: skip


@pytest.fixture
def site(blog: Blog) -> Blog:
    blog.host.put("a.png", picture(1))
    blog.write("post.md", "![](BUCKET/a.png)\n")
    blog.sync()
    return blog


def listing(folder: Path) -> dict[str, bytes | None]:
    paths = sorted(folder.rglob("*"))
    return {str(path): path.read_bytes() if path.is_file() else None for path in paths}


@pytest.mark.parametrize("name", ["archive", "manifests", ".mirror", "static/images", "posts"])
def test_a_planted_folder_is_named_and_nothing_is_written(
    site: Blog, tmp_path_factory: pytest.TempPathFactory, name: str
) -> None:
    outside = tmp_path_factory.mktemp("outside")
    folder = site.root / name
    shutil.copytree(folder, outside / "copy")
    shutil.rmtree(folder)
    folder.symlink_to(outside / "copy")
    before = listing(outside)
    for command in COMMANDS:
        ran = run(site, *command)
        assert ran.code == 2, command
        assert f"{folder} is a symbolic link to {outside / 'copy'}" in ran.err, command
        assert "name the place that it leads to" in ran.err
    assert listing(outside) == before


def test_a_link_of_the_user_outside_of_the_repository_is_followed(
    site: Blog, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("outside")
    (outside / "disk").mkdir()
    (outside / "data").symlink_to("disk")
    path = site.root / "mirror.toml"
    text = path.read_text()
    path.write_text(f'{text}\n[archive]\npath = "{outside / "data" / "archive"}"\n')
    assert run(site, "repair").code == 0
    assert (outside / "disk" / "archive" / "bagit.txt").exists()


@pytest.mark.parametrize("options", [("report", "-o"), ("verify", "--format=junit", "--output")])
def test_an_output_that_is_named_follows_no_planted_link(
    site: Blog, tmp_path_factory: pytest.TempPathFactory, options: tuple[str, ...]
) -> None:
    outside = tmp_path_factory.mktemp("outside")
    victim = outside / "victim"
    victim.write_text("mine")
    (site.root / "out").symlink_to(victim)
    (site.root / "folder").symlink_to(outside)
    for name in ("out", "folder/victim", "folder/new"):
        ran = run(site, *options, str(site.root / name))
        assert ran.code == 2
        assert "symbolic link" in ran.err
    assert [path.name for path in outside.iterdir()] == ["victim"]
    assert victim.read_text() == "mine"
    (outside / "link").symlink_to(victim)
    assert run(site, *options, str(outside / "link")).code == 0
    assert victim.read_text() != "mine"


def test_restore_follows_no_planted_link(
    site: Blog, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("outside")
    (site.root / "restored").symlink_to(outside)
    ran = run(site, "restore", str(site.root / "restored"))
    assert ran.code == 2
    assert not list(outside.iterdir())
