"""Whose turn it is when a run may only ask for so many images."""

from __future__ import annotations

import shutil

import pytest
from support import slides

from mirror.engine import Serial
from mirror.manifest import ManifestError
from mirror.model import Rule
from mirror.pipeline.repair import RepairOptions, repair
from mirror.pipeline.restore import restore

NAMES = [f"{name}.png" for name in "cadbe"]


@pytest.fixture
def known(blog):
    """Five images that a sync has fetched, in an order of their own."""
    for name, slide in zip(NAMES, slides.deck(5), strict=True):
        blog.host.put(name, slides.encode(slide.draw()))
    blog.write("post.md", "".join(f"![](BUCKET/{name})\n" for name in NAMES))
    blog.sync()
    return blog


def asked(blog, limit, **options):
    """The images that a run asks for, in alphabetical order: they are asked for at once."""
    blog.host.received.clear()
    blog.sync(limit=limit, **options)
    return "".join(sorted(request.key[0] for request in blog.host.received))


def test_a_limited_refresh_goes_round_all_images_in_turn(known):
    rounds = [asked(known, 2, refresh=True) for _ in range(6)]
    assert rounds == ["ac", "bd", "ce", "ad", "be", "ac"]


def test_an_image_that_was_never_asked_for_comes_first(known):
    known.host.put("new.png", slides.encode(slides.deck(6)[5].draw()))
    known.write("more.md", "![](BUCKET/new.png)\n")
    assert asked(known, 1, refresh=True) == "n"
    assert asked(known, 1, refresh=True) == "c"


def test_a_dead_image_does_not_keep_others_from_their_turn(blog):
    blog.host.put("alive.png", slides.encode(slides.deck(1)[0].draw()))
    blog.write("post.md", "![](BUCKET/dead.png)\n![](BUCKET/alive.png)\n")
    rounds = [asked(blog, 1) for _ in range(3)]
    assert rounds == ["d", "a", "d"]


def test_a_failure_forgets_nothing_that_the_host_said(known):
    known.host.remove("c.png")
    assert asked(known, 1, refresh=True) == "c"
    known.host.put("c.png", slides.encode(slides.deck(1)[0].draw()))
    asked(known, 5, refresh=True)
    assert all("if-none-match" in request.headers for request in known.host.received)


def test_whose_turn_it_is_may_be_deleted_and_is_in_no_manifest(known):
    manifests = {path: path.read_bytes() for path in (known.root / "manifests").iterdir()}
    assert asked(known, 2, refresh=True) == "ac"
    shutil.rmtree(known.root / ".mirror")
    assert asked(known, 2, refresh=True) == "ac"
    assert asked(known, 2, refresh=True) == "bd"
    assert {path: path.read_bytes() for path in (known.root / "manifests").iterdir()} == manifests


def test_a_dry_run_takes_no_turn(known):
    planned = [known.sync(dry_run=True, refresh=True, limit=2).planned for _ in range(2)]
    assert planned[0] == planned[1]
    assert asked(known, 2, refresh=True) == "ac"


def test_pictures_that_only_repointed_posts_show_are_asked_for_too(known):
    known.rewrite()
    assert asked(known, None, refresh=True) == "abcde"
    assert asked(known, None) == ""
    assert asked(known, 2, refresh=True) != ""


def test_a_lost_manifest_is_said_by_whoever_needs_it(known):
    known.rewrite()
    for path in (known.root / "manifests").iterdir():
        path.unlink()
    for work in (
        known.revert,
        lambda: restore(known.site, Serial(), known.root / "out", known.progress),
        lambda: repair(known.site, Serial(), RepairOptions(), known.progress),
    ):
        with pytest.raises(ManifestError, match="there is no manifest"):
            work()
    (finding,) = known.sync().findings
    assert finding.rule is Rule.UNKNOWN_TARGET
    assert "and so do 4 more, but no manifest knows" in finding.message
    assert finding.place == "posts/post.md:1:5"
    with pytest.raises(ManifestError, match="there is no manifest"):
        restore(known.site, Serial(), known.root / "out", known.progress)
    known.host.put("new.png", slides.encode(slides.deck(6)[5].draw()))
    known.write("more.md", "![](BUCKET/new.png)\n")
    for _ in range(2):
        assert [one.rule for one in known.sync().findings] == [Rule.UNKNOWN_TARGET]
