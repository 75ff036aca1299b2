"""The files that are posts."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from mirror.config import ConfigError, PostSettings
from mirror.model import Rule
from mirror.pipeline.scan import scan
from mirror.posts import find_posts


def names(root, include=None, exclude=(), paths=()):
    default = PostSettings(())
    posts = PostSettings((root,), include or default.include, exclude)
    found, findings = find_posts(posts, root, paths, ())
    return [post.name for post in found], findings


@pytest.fixture
def tree(tmp_path):
    for name in ("a.md", "b/c.markdown", "b/d.mdx", "b/e/f.md", "b/note.txt", ".git/x.md",
                 "node_modules/y.md", "旧.md"):  # fmt: skip
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    return tmp_path


def test_patterns_count_from_the_configured_folder_also_where_a_path_in_it_is_named(
    tree: Path,
) -> None:
    include = ("b/**/*.md", "*.md")
    assert names(tree, include)[0] == ["a.md", "b/e/f.md", "旧.md"]
    assert names(tree, include, paths=(tree / "b",))[0] == ["b/e/f.md"]
    assert names(tree, include, exclude=("b/e/**",), paths=(tree / "b",))[0] == []


def test_patterns_count_from_the_nearest_of_two_configured_folders(tree: Path) -> None:
    posts = PostSettings((tree, tree / "b"), ("e/*.md",))
    for paths in ((), (tree / "b",), (tree / "b" / "e",)):
        assert [post.name for post in find_posts(posts, tree, paths, ())[0]] == ["b/e/f.md"]


def test_a_folder_that_is_named_again_is_read_once(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    walked: list[str] = []
    walk = os.walk
    monkeypatch.setattr(
        os, "walk", lambda top, **more: walked.append(str(top)) or walk(top, **more)
    )
    again = tree / "b" / ".."
    posts = find_posts(PostSettings((tree, again, tree)), tree, (), ())[0]
    assert [post.name for post in find_posts(PostSettings((tree,)), tree, (), ())[0]] == [
        post.name for post in posts
    ]
    assert walked == [str(tree)] * 2


def test_a_pattern_that_matches_nothing_is_named(tree: Path) -> None:
    include = ("**/*.md", "data/*.yml", "**/*.mdx", "a.md")
    posts, findings = names(tree, include)
    assert "a.md" in posts
    assert [(finding.rule, finding.subject) for finding in findings] == [
        (Rule.ENTRY_UNUSED, "[posts].include")
    ]
    assert "'data/*.yml' matches no file" in findings[0].message
    assert names(tree, include, paths=(tree / "b",))[1] == []
    assert names(tree)[1] == []


def test_a_link_that_leads_back_to_itself_is_no_post(tree: Path) -> None:
    (tree / "loop.md").symlink_to("loop.md")
    (tree / "there.md").symlink_to("back.md")
    (tree / "back.md").symlink_to("there.md")
    assert names(tree)[0] == ["a.md", "b/c.markdown", "b/d.mdx", "b/e/f.md", "旧.md"]


@pytest.mark.parametrize(
    ("include", "exclude", "expected"),
    [
        (None, (), ["a.md", "b/c.markdown", "b/d.mdx", "b/e/f.md", "旧.md"]),
        (("*.md",), (), ["a.md", "旧.md"]),
        (("b/**/*.md",), (), ["b/e/f.md"]),
        (("**/*.md",), ("b/**",), ["a.md", "旧.md"]),
        (("**/?.md",), ("a.md",), ["b/e/f.md", "旧.md"]),
        (("**",), ("**/*.md*", "b/*.m*"), ["b/note.txt"]),
    ],
)
def test_patterns_choose_the_posts(tree, include, exclude, expected):
    assert names(tree, include, exclude)[0] == expected


def test_a_file_that_is_named_is_a_post_whatever_it_is_called(tree):
    assert names(tree, paths=[tree / "b" / "note.txt", tree / "b" / "e"])[0] == [
        "b/e/f.md",
        "b/note.txt",
    ]


def test_a_path_that_is_not_there_is_named(tree):
    with pytest.raises(ConfigError, match=r"nowhere: no such file or folder \(named in PATHS\)"):
        names(tree, paths=[tree / "nowhere"])


def test_links_out_of_the_tree_are_findings_and_links_inside_are_no_second_post(tree, tmp_path):
    outside = tmp_path.parent / f"{tmp_path.name}-outside"
    outside.mkdir()
    (outside / "secret.md").write_text("x")
    (tree / "file.md").symlink_to(outside / "secret.md")
    (tree / "folder").symlink_to(outside)
    (tree / "inside.md").symlink_to(tree / "a.md")
    found, findings = names(tree)
    assert found == ["a.md", "b/c.markdown", "b/d.mdx", "b/e/f.md", "旧.md"]
    assert [(f.rule, f.subject) for f in findings] == [
        (Rule.POST_IS_LINK, "folder"),
        (Rule.POST_IS_LINK, "file.md"),
    ]


def test_a_folder_that_can_be_listed_and_not_entered_has_unreadable_posts(tree, monkeypatch):
    def refused(self: Path, *, follow_symlinks: bool = True) -> os.stat_result:
        if tree / "b" / "e" in self.parents:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self))
        return os.stat(self, follow_symlinks=follow_symlinks)  # noqa: PTH116

    open_file = os.open

    def refused_below(path: str, *args: Any, **options: Any) -> int:
        if path == "f.md":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        return open_file(path, *args, **options)

    monkeypatch.setattr(Path, "stat", refused)
    monkeypatch.setattr(os, "open", refused_below)
    posts, findings = find_posts(PostSettings((tree,)), tree, (), ())
    assert [post.name for post in posts] == ["a.md", "b/c.markdown", "b/d.mdx", "b/e/f.md", "旧.md"]
    assert findings == []
    (finding,) = scan(posts).findings
    assert (finding.rule, finding.post) == (Rule.POST_UNREADABLE, "b/e/f.md")
    assert "Permission denied" in finding.message
