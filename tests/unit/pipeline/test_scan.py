"""Which files are posts, and which of their references count."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.sites import BUCKET

from mirror.model import Form, Rule
from mirror.pipeline.scan import host_table, scan


def test_links_count_when_they_lead_to_an_image_or_to_what_is_shown_as_one(blog):
    blog.write(
        "a.md",
        f"[full]({BUCKET}big.PNG) [page]({BUCKET}page) [file]({BUCKET}shown) {BUCKET}bare.png\n",
    )
    blog.write("b.md", f"![]({BUCKET}shown)\n")
    scanned = scan(*blog.site.posts.find())
    references = [(ref.form, ref.url.raw.removeprefix(BUCKET)) for _, ref in scanned.references()]
    assert references == [
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


POSTS = Path(__file__).parents[4] / "shared" / "posts"


@pytest.mark.skipif(not POSTS.is_dir(), reason="the two real posts are not beside the repository")
def test_the_two_real_posts_have_354_references_to_347_images(blog):
    blog.configure()
    for path in POSTS.glob("*.md"):
        blog.write(path.name, path.read_bytes())
    scanned = scan(*blog.site.posts.find())
    assert sum(1 for _ in scanned.references()) == 354
    assert len({ref.url.raw for _, ref in scanned.references()}) == 347
