"""No line of a pull request or a bad merge moves a post to another picture."""

from __future__ import annotations

import json
import shutil
from hashlib import sha256

import pytest
from support import slides
from support.commands import run
from support.lazy import Lazy
from support.sites import BUCKET

from mirror.model import Rule
from mirror.repeats import RULE
from mirror.repeats import compare as comparing

PAGES = [page.draw() for page in slides.deck(3)]
PICTURES = Lazy(
    {
        "a.png": lambda: slides.encode(PAGES[0]),
        "a.jpg": lambda: slides.encode(PAGES[0], "JPEG", quality=75),
        "large.png": lambda: slides.encode(PAGES[0].resize((1920, 1080))),
        "twice.png": lambda: slides.encode(PAGES[0].resize((2560, 1440))),
        "b.png": lambda: slides.encode(PAGES[1]),
    }
)


@pytest.fixture
def repointed(blog):
    """Two different slides, mirrored, and a post that was repointed."""
    return shown(blog, "a.png", "b.png")


def shown(blog, *names):
    for name in names:
        blog.host.put(name, PICTURES[name])
    blog.write("post.md", "".join(f"![]({BUCKET}{name})\n\n" for name in names))
    assert not blog.sync().findings
    assert not blog.rewrite().findings
    return blog


def change(blog, name, **members):
    """Edit the line of the manifest that has `name`; `None` drops a member."""
    path = blog.root / "manifests" / "images.jsonl"
    header, *lines = path.read_text().splitlines()
    line = blog.asset(name)
    order = ["sha256", "md5", "size", "media_type", "width", "height", "fingerprint"]
    order += ["key", "alias_of", "sources"]
    changed = {member: value for member, value in (line | members).items() if value is not None}
    text = json.dumps({member: changed[member] for member in order if member in changed})
    lines = [text if json.loads(old) == line else old for old in lines]
    path.write_text("\n".join([header, *lines]) + "\n")


def digest(name):
    return sha256(PICTURES[name]).hexdigest()


def forge(blog, *names):
    """Write the line of the ledger by which two pictures are the same."""
    pair = sorted(map(digest, names))
    line = {"rule": RULE, "pair": pair, "distance": 0, "tier": "X3"}
    with (blog.root / "manifests" / "ledger.jsonl").open("a") as file:
        file.write(json.dumps(line) + "\n")


def stays(blog, *names):
    """The posts stay, and the findings name both pictures."""
    before = blog.read("post.md")
    result = blog.rewrite()
    assert {finding.rule for finding in result.findings} == {Rule.REPEAT_NOT_PROVEN}
    assert blog.read("post.md") == before
    for finding in result.findings:
        assert all(digest(name) in finding.message for name in names)
    return result


def test_a_hostile_alias_moves_nothing(repointed):
    change(repointed, "a.png", alias_of=digest("b.png"))
    assert len(stays(repointed, "a.png", "b.png").findings) == 1
    assert run(repointed, "rewrite", "--quiet").code == 3


def test_a_forged_line_of_the_ledger_is_no_evidence(repointed):
    change(repointed, "a.png", alias_of=digest("b.png"))
    forge(repointed, "a.png", "b.png")
    stays(repointed, "a.png", "b.png")


def test_forged_facts_of_the_manifest_are_no_evidence(repointed):
    facts = {"fingerprint": repointed.asset("b.png")["fingerprint"]}
    change(repointed, "a.png", alias_of=digest("b.png"), width=1, height=1, **facts)
    stays(repointed, "a.png", "b.png")


def test_sources_that_were_swapped_move_nothing(repointed):
    a, b = (repointed.asset(name) for name in ("a.png", "b.png"))
    change(repointed, "a.png", sources=[])
    change(repointed, "b.png", sources=sorted(a["sources"] + b["sources"]))
    stays(repointed, "a.png", "b.png")


def test_the_way_out_of_an_address_on_two_lines_ends_green(repointed):
    """Two branches found two pictures at one address, and a merge kept both lines."""
    a, b = (repointed.asset(name) for name in ("a.png", "b.png"))
    repointed.host.put("a.png", PICTURES["b.png"])
    change(repointed, "b.png", sources=sorted(a["sources"] + b["sources"]))
    ran = run(repointed, "verify", "--posts")
    assert (ran.code, "take it off the line" in ran.err) == (2, True)
    path = repointed.root / "manifests" / "images.jsonl"
    lines = map(json.loads, path.read_text().splitlines())
    lines = [line | {"sources": []} if line.get("key") == a["key"] else line for line in lines]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert run(repointed, "verify", "--posts").code == 0
    (finding,) = stays(repointed, "a.png", "b.png").findings
    assert "`mirror rewrite --revert`" in finding.message
    assert "`mirror sync`" in finding.message
    assert "`former_sources`" in finding.message
    for command in (["rewrite", "--revert"], ["sync"], ["rewrite"], ["verify", "--posts"]):
        assert run(repointed, *command).code == 0, command
    assert repointed.read("post.md").count(b["key"]) == 2


def test_a_former_source_keeps_the_post_at_its_picture_without_a_word(repointed):
    """A person kept both pictures of one address: posts that show the old one stay for good."""
    a, b = (repointed.asset(name) for name in ("a.png", "b.png"))
    change(repointed, "b.png", sources=sorted(a["sources"] + b["sources"]))
    path = repointed.root / "manifests" / "images.jsonl"
    path.write_text(
        path.read_text().replace(
            f'"key": "{a["key"]}", "sources": ["{BUCKET}a.png"]',
            f'"key": "{a["key"]}", "sources": [], "former_sources": ["{BUCKET}a.png"]',
        )
    )
    before = repointed.read("post.md")
    repointed.host.put("a.png", PICTURES["b.png"])
    repointed.write("new.md", f"![]({BUCKET}a.png)\n")
    for command in (["sync"], ["rewrite"], ["rewrite", "--check"], ["verify", "--posts"]):
        ran = run(repointed, *command)
        assert (ran.code, "M116" in ran.out) == (0, False), (command, ran)
    assert repointed.read("post.md") == before
    assert b["key"] in repointed.read("new.md")
    config = repointed.root / "mirror.toml"
    config.write_text(config.read_text().replace('"/images"', '"/pictures"'))
    assert run(repointed, "rewrite").code == 0
    assert f"/pictures/{a['key']}" in repointed.read("post.md")


def test_a_split_ends_the_findings_on_a_repeat_that_is_none(repointed):
    change(repointed, "a.png", alias_of=digest("b.png"))
    (finding,) = stays(repointed, "a.png", "b.png").findings
    assert "`mirror dupes --split` with the first" in finding.message
    for command in (["dupes", "--split", digest("a.png")], ["sync"], ["rewrite"]):
        assert run(repointed, *command).code == 0, command
    assert repointed.asset("a.png")["key"] in repointed.read("post.md")


@pytest.mark.parametrize(
    ("lost", "says"),
    [
        ("a.png", "shows a mirrored address that no line of the manifest names"),
        ("a.jpg", f"goes on showing picture {digest('a.png')}, which the manifest has"),
    ],
)
def test_a_line_that_is_gone_is_not_said_to_wait_for_sync(blog, lost, says):
    shown(blog, "a.png", "a.jpg" if lost == "a.jpg" else "b.png")
    path = blog.root / "manifests" / "images.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    gone = json.dumps(blog.asset(lost)["sources"])
    path.write_text("".join(line for line in lines if gone not in line))
    ran = run(blog, "rewrite", "--check")
    assert f"no line of the manifest has this address any more, and the post {says}" in ran.out
    assert "not mirrored yet" not in ran.out
    assert run(blog, "rewrite", "--revert").code == 0
    assert f"![]({BUCKET}{lost})" in blog.read("post.md")


def test_an_edited_line_of_the_memory_moves_nothing(repointed):
    path = repointed.root / "manifests" / "rewrites.jsonl"
    path.write_text(path.read_text().replace(f"{BUCKET}a.png", f"{BUCKET}b.png"))
    stays(repointed, "a.png", "b.png")


def test_an_edited_line_of_the_memory_repoints_no_url_of_others(repointed):
    path = repointed.root / "manifests" / "rewrites.jsonl"
    old = "/images/" + repointed.asset("a.png")["key"]
    path.write_text(path.read_text().replace(old, "https://other.example/x.png"))
    text = repointed.read("post.md").replace(old, "https://other.example/x.png")
    repointed.write("post.md", text)
    stays(repointed)


def test_a_true_alias_moves_the_post_once_the_pictures_were_compared(blog, monkeypatch):
    compared = counted(monkeypatch)
    shown(blog, "a.png")
    blog.host.put("large.png", PICTURES["large.png"])
    blog.write("later.md", f"![]({BUCKET}large.png)\n")
    blog.write("again.md", blog.read("post.md"))
    blog.sync()
    assert blog.asset("a.png")["alias_of"] == digest("large.png")
    (blog.root / "manifests" / "ledger.jsonl").unlink()
    compared.clear()
    assert not blog.rewrite().findings
    assert blog.asset("large.png")["key"] in blog.read("post.md")
    assert blog.asset("large.png")["key"] in blog.read("again.md")
    assert len(compared) == 1
    assert blog.rewrite().changed == []
    assert len(compared) == 1


def test_a_family_is_repointed_at_what_was_made_from_the_same_origin(blog):
    names = ("a.png", "a.jpg", "twice.png")
    shown(blog, *names)
    assert blog.asset("a.jpg")["alias_of"] == digest("twice.png")
    assert blog.read("post.md").count(blog.asset("twice.png")["key"]) == len(names)
    assert blog.rewrite().changed == []


def test_an_origin_of_one_side_only_proves_no_family(blog):
    shown(blog, "a.png", "twice.png", "b.png")
    change(blog, "b.png", alias_of=digest("twice.png"))
    stays(blog, "b.png", "twice.png")


def test_a_split_origin_ties_no_family(blog):
    shown(blog, "a.png", "a.jpg", "twice.png")
    (blog.root / "manifests" / "reviews.txt").write_text(f"split {digest('a.png')}\n")
    (blog.root / "manifests" / "rewrites.jsonl").unlink()
    blog.write("again.md", f"![]({BUCKET}a.jpg)\n")
    result = blog.rewrite()
    assert {finding.rule for finding in result.findings} == {Rule.REPEAT_NOT_PROVEN}
    assert BUCKET in blog.read("again.md")


def counted(monkeypatch):
    compared, compare = [], comparing.compare
    monkeypatch.setattr(comparing, "compare", lambda *a: compared.append(a) or compare(*a))
    return compared


def test_a_destination_is_enough_where_the_archive_is_gone(blog):
    shown(blog, "a.png")
    blog.host.put("large.png", PICTURES["large.png"])
    blog.write("later.md", f"![]({BUCKET}large.png)\n")
    blog.sync()
    shutil.rmtree(blog.root / "archive")
    assert not blog.rewrite().findings
    assert blog.asset("large.png")["key"] in blog.read("post.md")


def test_what_cannot_be_compared_stays(repointed):
    change(repointed, "a.png", alias_of=digest("b.png"))
    shutil.rmtree(repointed.root / "archive")
    (repointed.root / "static" / "images" / repointed.asset("a.png")["key"]).unlink()
    stays(repointed, "a.png", "b.png")


def test_a_smaller_picture_takes_no_place_of_a_larger(blog):
    shown(blog, "large.png", "b.png")
    blog.host.put("a.png", PICTURES["a.png"])
    blog.write("later.md", f"![]({BUCKET}a.png)\n")
    blog.sync()
    key = blog.asset("large.png")["key"].replace(digest("large.png"), digest("a.png"))
    (blog.root / "static" / "images" / key).parent.mkdir(parents=True, exist_ok=True)
    (blog.root / "static" / "images" / key).write_bytes(PICTURES["a.png"])
    change(blog, "a.png", alias_of=None, key=key)
    change(blog, "large.png", alias_of=digest("a.png"), width=1, height=1)
    (blog.root / "posts" / "later.md").unlink()
    result = stays(blog, "large.png", "a.png")
    assert "smaller" in result.findings[0].message


def test_a_merge_of_a_person_moves_the_post(repointed):
    change(repointed, "a.png", alias_of=digest("b.png"))
    line = f"merge {digest('a.png')} {digest('b.png')}\n"
    (repointed.root / "manifests" / "reviews.txt").write_text(line)
    assert not repointed.rewrite().findings
    key = repointed.asset("b.png")["key"]
    assert repointed.read("post.md").count(key) == 2


def test_an_accepted_picture_moves_the_post_to_it(repointed):
    a, b = (repointed.asset(name) for name in ("a.png", "b.png"))
    change(repointed, "a.png", sources=[])
    change(repointed, "b.png", sources=sorted(a["sources"] + b["sources"]))
    line = f"accept {BUCKET}a.png {digest('b.png')}\n"
    (repointed.root / "manifests" / "reviews.txt").write_text(line)
    assert not repointed.rewrite().findings
    assert repointed.read("post.md").count(b["key"]) == 2


@pytest.mark.parametrize("forged", [False, True])
def test_a_source_is_pointed_at_its_own_object_if_its_alias_is_not_proven(repointed, forged):
    change(repointed, "a.png", alias_of=digest("b.png"))
    if forged:
        forge(repointed, "a.png", "b.png")
    repointed.write("new.md", f"![]({BUCKET}a.png)\n")
    repointed.rewrite()
    assert repointed.asset("a.png")["key"] in repointed.read("new.md")


def test_a_source_without_an_object_of_its_own_stays_if_its_alias_is_not_proven(repointed):
    change(repointed, "a.png", alias_of=digest("b.png"), key=None)
    (repointed.root / "posts" / "post.md").unlink()
    text = f"![]({BUCKET}a.png)\n"
    repointed.write("new.md", text)
    result = repointed.rewrite()
    assert [finding.rule for finding in result.findings] == [Rule.REPEAT_NOT_PROVEN]
    assert digest("a.png") in result.findings[0].message
    assert repointed.read("new.md") == text


def test_a_repointed_post_whose_object_the_manifest_lost_stays(repointed):
    change(repointed, "a.png", key=repointed.asset("a.png")["key"].replace(".png", "-x.png"))
    stays(repointed)


def test_a_destination_that_moved_takes_its_posts_along(repointed):
    config = repointed.root / "mirror.toml"
    text = config.read_text().replace('public_url = "/images"', 'public_url = "/pictures"')
    config.write_text(text)
    assert not repointed.rewrite().findings
    assert repointed.read("post.md").count("(/pictures/") == 2
    # The own picture goes along, whatever the manifest says meanwhile.
    config.write_text(text.replace("/pictures", "/new"))
    change(repointed, "a.png", alias_of=digest("b.png"))
    repointed.rewrite()
    assert f"/new/{repointed.asset('a.png')['key']}" in repointed.read("post.md")
