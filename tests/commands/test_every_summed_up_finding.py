"""Many findings of one kind, summed up in text and listed where all of them are asked for."""

from __future__ import annotations

from shutil import rmtree

import pytest
from support.commands import BUCKET, filled, run
from support.sites import Blog

from mirror.console import Style, group_findings
from mirror.model import Finding, Rule

NAMES = [f"{number}.png" for number in range(12)]


@pytest.fixture
def emptied(blog: Blog) -> Blog:
    """A backup of a dozen images whose destination lost them all."""
    filled(blog, *NAMES)
    rmtree(blog.root / "static" / "images")
    (blog.root / "static" / "images").mkdir()
    return blog


@pytest.mark.parametrize("command", ["verify", "rewrite"])
def test_what_an_empty_destination_lacks_is_one_line(emptied: Blog, command: str) -> None:
    short, full = run(emptied, command), run(emptied, command, "--verbose")
    events = run(emptied, command, "--json")
    rule, count = {"verify": ("[M301]", "12 objects"), "rewrite": ("[M111]", "12 images")}[command]
    (line,) = [line for line in short.out.splitlines() if rule in line]
    assert count in line
    assert "--verbose lists all" in short.out
    assert full.out.count(rule) == 12
    assert "--verbose" not in full.out
    assert len(events.rules) == 12
    assert short.code == full.code == events.code != 0


def test_an_empty_destination_is_called_empty(emptied: Blog) -> None:
    assert "missing in site, which is empty;" in run(emptied, "verify").out
    run(emptied, "sync")
    next((emptied.root / "static" / "images").rglob("*.png")).unlink()
    short = run(emptied, "verify").out
    assert "empty" not in short
    assert "--verbose" not in short


def test_a_host_that_does_not_answer_is_one_line(blog: Blog) -> None:
    blog.write("post.md", "".join(f"![]({BUCKET}{name})\n\n" for name in NAMES))
    text = (blog.root / "mirror.toml").read_text()
    text = text.replace(blog.host.base_url, "http://127.0.0.1:9/") + "[fetch]\nretries = 0\n"
    (blog.root / "mirror.toml").write_text(text)
    short = run(blog, "sync")
    (line,) = [line for line in short.out.splitlines() if "[M201]" in line]
    assert "blog.oss-cn-beijing.aliyuncs.com: 12 images, the first posts/post.md:1:5 " in line
    assert "no connection to 127.0.0.1:9" in line
    assert short.code == 3
    assert run(blog, "sync", "--verbose").out.count("[M201]") == 12


def test_what_repair_cannot_find_is_one_line(emptied: Blog) -> None:
    rmtree(emptied.root / "archive")
    for name in NAMES:
        emptied.host.remove(name)
    short = run(emptied, "repair")
    assert short.out.count("[M307]") == 1
    assert run(emptied, "repair", "--verbose").out.count("[M307]") == 12


def test_images_that_posts_show_several_times_are_of_the_same_kind(blog: Blog) -> None:
    """The message of such a finding ends with `(shown 2 times)`."""
    blog.configure(more="[fetch]\nretries = 0\n")
    blog.write("post.md", "".join(f"![]({BUCKET}{name})\n\n" for name in (*NAMES, *NAMES[:3])))
    (line,) = [line for line in run(blog, "sync").out.splitlines() if "[M201]" in line]
    assert "12 images, the first" in line
    (line,) = [line for line in run(blog, "verify", "--posts").out.splitlines() if "[M105]" in line]
    assert "12 images in 15 places, the first" in line


def test_how_often_a_host_was_asked_makes_no_other_kind() -> None:
    findings = [
        Finding(Rule.NOT_FETCHED, f"{BUCKET}{number}.png", f"no connection (tried {number} times)")
        for number in range(2, 5)
    ]
    assert len(list(group_findings(findings))) == 1


def test_links_of_a_built_site_are_not_counted_as_images() -> None:
    findings = [Finding(Rule.PAGE_SHOWS_SOURCE, f"{BUCKET}{n}", "a link") for n in range(2)]
    assert ": 2 addresses in 4 places, the first" in Style(False, True).group(findings * 2)
