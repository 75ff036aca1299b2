"""A source that matches nothing is named: its `match` may be misspelled."""

from __future__ import annotations

import re
from shutil import copytree

import pytest
from support.commands import BUCKET, filled, picture, run
from support.sites import Blog

TYPO = "https://blog.oss-cn-beijing.aliyun.com/"


def misspell(blog: Blog) -> None:
    path = blog.root / "mirror.toml"
    text = path.read_text()
    assert BUCKET in text
    path.write_text(text.replace(BUCKET, TYPO))


@pytest.mark.parametrize("command", ["sync", "leftovers"])
def test_a_source_that_matches_no_image_is_named(blog: Blog, command: str) -> None:
    blog.host.put("a.png", picture(1))
    blog.write("post.md", f"![]({BUCKET}a.png)\n")
    misspell(blog)
    ran = run(blog, command)
    assert ran.code == 0
    assert (
        f"source blog: no image in the posts and none in the manifest begins with {TYPO}" in ran.out
    )
    assert run(blog, "sync").code == 0
    ended = run(blog, "verify", "--posts")
    assert ended.code == 3
    assert "nothing to compare" in ended.out
    assert "agree" not in ended.out


def test_a_finished_site_does_not_all_agree_where_no_source_matches_it(blog: Blog) -> None:
    filled(blog, "a.png")
    run(blog, "rewrite")
    site = blog.root / "public"
    (shown,) = re.findall(r"/images/[\w/.]+", blog.read("post.md"))
    copytree(blog.root / "static" / "images", site / "images")
    (site / "index.html").write_text(f'<img src="{shown}">')
    command = ["verify", "--posts", "--site", "public"]
    assert ": all agree" in run(blog, *command).out
    misspell(blog)
    ended = run(blog, *command)
    assert "M117" in ended.out
    assert "all agree" not in ended.out
    assert "M117" in run(blog, "sync").out


def test_a_source_whose_images_are_all_repointed_is_matched_by_the_manifest(blog: Blog) -> None:
    filled(blog, "a.png")
    run(blog, "rewrite")
    for command in (["sync"], ["verify", "--posts"], ["leftovers"]):
        ran = run(blog, *command)
        assert (ran.code, "M117" in ran.out) == (0, False), command


def test_paths_say_nothing_of_the_other_posts(blog: Blog) -> None:
    blog.write("post.md", "no picture\n")
    assert "M117" not in run(blog, "sync").out
    blog.write("other.md", "![](https://other.example/a.png)\n")
    assert "M117" in run(blog, "sync").out
    assert "M117" not in run(blog, "sync", "posts/post.md").out


# --- Mirrored addresses that nothing knows ----------------------------------------------------


def test_revert_names_a_mirrored_address_that_no_line_knows(blog: Blog) -> None:
    filled(blog, "a.png")
    run(blog, "rewrite")
    key = blog.asset("a.png")["key"]
    text = blog.read("post.md")
    blog.write("post.md", text + "\n" + text.replace(key[:8], "ffffffff"))
    ran = run(blog, "rewrite", "--revert")
    assert ran.code == 3
    assert ran.out.count("M107") == 1
    assert "posts/post.md:" in ran.out
    assert "looks mirrored, but no line of manifests/ names it" in ran.out
    assert f"![](<{BUCKET}a.png>)" in blog.read("post.md")


def test_rewrite_without_a_manifest_says_that_it_was_lost(blog: Blog) -> None:
    filled(blog, "a.png")
    run(blog, "rewrite")
    (blog.root / "manifests" / "images.jsonl").unlink()
    ran = run(blog, "rewrite")
    assert ran.code == 2
    assert "there is no manifest" in ran.err
