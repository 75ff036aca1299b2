"""The numbers that `sync`, `dupes`, `report`, `verify` and `restore` give of one site."""

from __future__ import annotations

import re

from support.commands import BUCKET, run
from support.sites import Blog
from support.slides import deck, encode

ALL = (
    "8 images in the manifest: 5 pictures; 3 are repeats of another "
    "(2 of the same bytes, 1 that looks alike)"
)


def fill(blog: Blog) -> None:
    """Eight images that are five pictures; one that is gone, and one that is ignored."""
    blog.configure(more=f'[[ignore]]\nurl = "{BUCKET}ignored.png"\n[fetch]\nretries = 0\n')
    slides = [encode(slide.draw()) for slide in deck(5)]
    for name, data in zip("abcde", slides, strict=True):
        blog.host.put(f"{name}.png", data)
    copy = encode(deck(1)[0].draw(), "JPEG", quality=80)
    for name, data in (("a2.png", slides[0]), ("a3.jpg", copy), ("a4.jpg", copy)):
        blog.host.put(name, data)
    names = "a.png a2.png a3.jpg a4.jpg a.png b.png c.png d.png e.png gone.png ignored.png"
    blog.write("post.md", "".join(f"![]({BUCKET}{name})\n\n" for name in names.split()))


def cells(page: str) -> dict[str, str]:
    """The totals of a report."""
    summary = page.partition('id="summary"')[2].partition("</section>")[0]
    return dict(re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", summary))


def test_all_commands_give_one_number_for_one_thing(blog: Blog) -> None:
    fill(blog)
    out = run(blog, "sync").out
    assert "11 image references in 1 post: 10 images of your sources\n" in out
    assert "fetched 8 (" in out
    assert "0 known already, 1 ignored, 1 failed\n" in out
    assert f"\nstored 5 new objects in site\n{ALL}\n" in out
    assert run(blog, "dupes").out.endswith(f"\n{ALL}\n")
    assert "8 images in the manifest (3 repeats), 5 objects checked in site, 5 read back" in (
        run(blog, "verify").out
    )
    assert ": 10 images: 5 pictures, 3 repeats, 1 ignored, 1 not mirrored; " in (
        run(blog, "report").out
    )
    assert "restored 8 files" in run(blog, "restore", blog.root / "out").out
    assert "looked at 6 originals and 5 objects" in run(blog, "repair").out
    totals = cells((blog.root / "mirror-report.html").read_text())
    assert {name: value for name, value in totals.items() if "originals" not in name} == {
        "posts": "1",
        "image references in them": "11",
        "images of your sources": "10",
        "not mirrored": "1",
        "ignored, as configured": "1",
        "different pictures": "5",
        "repeats of the same bytes": "2",
        "repeats that look alike": "1",
    }
    assert "of 6 originals" in totals


def test_the_numbers_stay_when_the_posts_show_the_mirror(blog: Blog) -> None:
    fill(blog)
    run(blog, "sync")
    run(blog, "rewrite")
    out = run(blog, "sync").out
    assert "2 images of your sources; 5 pictures shown from the mirror already\n" in out
    assert ALL in out
    assert ALL in run(blog, "dupes").out


def test_a_difference_has_its_reason(blog: Blog) -> None:
    fill(blog)
    run(blog, "sync")
    blog.host.put("e.png", encode(deck(7)[6].draw()))
    run(blog, "sync", "--refresh")
    run(blog, "accept", f"{BUCKET}e.png")
    run(blog, "sync")
    assert (
        "8 images in the manifest (3 repeats), 6 objects checked in site (1 kept from before)"
        in (run(blog, "verify").out)
    )
    run(blog, "report")
    totals = cells((blog.root / "mirror-report.html").read_text())
    assert totals["different pictures"] == "5"
    assert totals["pictures that no address gives now"] == "1"


def test_json_counts_as_the_text_does(blog: Blog) -> None:
    fill(blog)
    assert run(blog, "sync", "--json").summary["repeats"] == 3
    summary = run(blog, "dupes", "--json").summary
    assert summary == {
        "type": "summary",
        "groups": 1,
        "images": 8,
        "repeats": 3,
        "same_bytes": 2,
        "look_alike": 1,
        "near": summary["near"],
    }
    summary = run(blog, "verify", "--json").summary
    assert (summary["assets"], summary["images"], summary["repeats"]) == (6, 8, 3)
    summary = run(blog, "report", "--json").summary
    assert (summary["pictures"], summary["repeats"], summary["missing"]) == (5, 3, 1)


def test_objects_of_several_destinations_are_counted_in_each(blog: Blog) -> None:
    blog.configure(more='[[destination]]\nname = "two"\nurl = "file:two"\n')
    blog.host.put("a.png", encode(deck(1)[0].draw()))
    blog.write("post.md", f"![]({BUCKET}a.png)\n")
    run(blog, "sync")
    assert "1 image in the manifest, 1 object checked in each of site, two" in (
        run(blog, "verify").out
    )


def test_two_paths_to_one_mirrored_picture_show_one(blog: Blog) -> None:
    blog.host.put("a.png", encode(deck(1)[0].draw()))
    for name in ("post.md", "below/post.md"):
        blog.write(name, f"![]({BUCKET}a.png)\n")
    text = (blog.root / "mirror.toml").read_text()
    text = text.replace('public_url = "/images"', 'links = "relative"')
    (blog.root / "mirror.toml").write_text(text)
    run(blog, "sync")
    assert run(blog, "rewrite").code == 0
    assert "2 image references in 2 posts: 0 images of your sources; 1 picture shown" in (
        run(blog, "sync").out
    )
