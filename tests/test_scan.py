"""Which files are posts, and which of their references count."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from sites import BUCKET

from mirror.config import ConfigError, Posts
from mirror.model import Form, Rule
from mirror.pipeline.scan import host_table, scan
from mirror.posts import find_posts


def names(root, include=None, exclude=(), paths=()):
    default = Posts(())
    posts = Posts((root,), include or default.include, exclude)
    found, findings = find_posts(posts, root, paths)
    return [post.name for post in found], findings


@pytest.fixture
def tree(tmp_path):
    for name in ("a.md", "b/c.markdown", "b/d.mdx", "b/e/f.md", "b/note.txt", ".git/x.md",
                 "node_modules/y.md", "旧.md"):  # fmt: skip
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    return tmp_path


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


def test_links_count_when_they_lead_to_an_image_or_to_what_is_shown_as_one(blog):
    blog.write(
        "a.md",
        f"[full]({BUCKET}big.PNG) [page]({BUCKET}page) [file]({BUCKET}shown) {BUCKET}bare.png\n",
    )
    blog.write("b.md", f"![]({BUCKET}shown)\n")
    scanned = scan(*blog.site.posts.find())
    found = [(ref.form, ref.url.raw.removeprefix(BUCKET)) for _, ref in scanned.references()]
    assert found == [
        (Form.LINK, "big.PNG"),
        (Form.LINK, "shown"),
        (Form.AUTOLINK, "bare.png"),
        (Form.INLINE, "shown"),
    ]


def test_spans_are_the_bytes_of_the_url_in_the_file(blog):
    text = f"\ufeff图 ![图](<{BUCKET}图.png>)\r\n".encode()
    blog.write("a.md", text)
    ((_, ref),) = scan(*blog.site.posts.find()).references()
    assert text[ref.span.start : ref.span.stop].decode() == f"{BUCKET}图.png"
    assert (ref.line, ref.column) == (1, 9)  # the byte order mark is no character


def test_a_post_that_is_no_text_is_a_finding_and_the_rest_goes_on(blog):
    blog.write("a.md", b"\x00\xff\x00binary")
    blog.write("b.md", f"![]({BUCKET}a.png)")
    scanned = scan(*blog.site.posts.find())
    assert [finding.rule for finding in scanned.findings] == [Rule.POST_UNREADABLE]
    assert len(list(scanned.references())) == 1


def test_hosts_are_summed_up(blog):
    blog.write("a.md", f"![]({BUCKET}a.png) ![]({BUCKET}a.png#x) ![](//i.example/b.png) ![](c.png)")
    blog.write("b.md", f"![]({BUCKET}b.png)")
    rows = host_table(scan(*blog.site.posts.find()), blog.config.locator())
    assert [(row.name, row.images, row.references, row.posts, row.source) for row in rows] == [
        ("blog.oss-cn-beijing.aliyuncs.com", 2, 3, 2, "blog"),
        ("i.example", 1, 1, 1, ""),
        ("(local)", 1, 1, 1, ""),
    ]


POSTS = Path(__file__).parents[2] / "shared" / "posts"


@pytest.mark.skipif(not POSTS.is_dir(), reason="the two real posts are not beside the repository")
def test_the_two_real_posts_have_354_references_to_347_images(blog):
    blog.configure()
    for path in POSTS.glob("*.md"):
        blog.write(path.name, path.read_bytes())
    scanned = scan(*blog.site.posts.find())
    assert sum(1 for _ in scanned.references()) == 354
    assert len({ref.url.raw for _, ref in scanned.references()}) == 347


def test_a_folder_that_can_be_listed_and_not_entered_has_unreadable_posts(tree, monkeypatch):
    def refused(self: Path, *, follow_symlinks: bool = True) -> os.stat_result:
        if tree / "b" / "e" in self.parents:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self))
        return os.stat(self, follow_symlinks=follow_symlinks)  # noqa: PTH116

    monkeypatch.setattr(Path, "stat", refused)
    posts, findings = find_posts(Posts((tree,)), tree)
    assert [post.name for post in posts] == ["a.md", "b/c.markdown", "b/d.mdx", "b/e/f.md", "旧.md"]
    assert findings == []
    (finding,) = scan(posts).findings
    assert (finding.rule, finding.post) == (Rule.POST_UNREADABLE, "b/e/f.md")
    assert "Permission denied" in finding.message
