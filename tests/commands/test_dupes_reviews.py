"""What a person's decision about one picture means for the pictures that it stands for."""

from __future__ import annotations

import json

import pytest
from support import slides
from support.lazy import Lazy
from typer.testing import CliRunner

from mirror.cli import app
from mirror.model import Digest
from mirror.repeats.evidence import Evidence, Pair, Refusal
from mirror.repeats.groups import find_groups

ONE, TWO = (page.draw() for page in slides.deck(2))
# Nothing but a person would take the larger ones for the slides.
PICTURES = Lazy(
    {
        "one.png": lambda: slides.encode(ONE),
        "one.jpg": lambda: slides.encode(ONE, "JPEG", quality=70),
        "two.png": lambda: slides.encode(TWO),
        "two.jpg": lambda: slides.encode(TWO, "JPEG", quality=70),
        "large.png": lambda: slides.encode(slides.deck(3)[2].draw().resize((2560, 1440))),
    }
)


@pytest.fixture
def grouped(blog, monkeypatch):
    """Two slides, a copy of each, and a larger picture."""
    for name, data in PICTURES.items():
        blog.host.put(name, data)
    blog.write("post.md", "".join(f"![](BUCKET/{name})\n" for name in PICTURES))
    blog.sync()
    monkeypatch.chdir(blog.root)
    assert shown(blog) == {"one.jpg": "one.png", "two.jpg": "two.png"}
    return blog


def shown(blog):
    """Which picture stands for which, by name; none stands for one that stands for another."""
    names = {blog.asset(name)["sha256"]: name for name in PICTURES}
    canonicals = {name: names.get(blog.asset(name).get("alias_of")) for name in PICTURES}
    aliases = {name: kept for name, kept in canonicals.items() if kept is not None}
    assert not aliases.keys() & set(aliases.values())
    assert all("key" in blog.asset(kept) for kept in aliases.values())
    return aliases


def dupes(blog, *arguments):
    hashes = [blog.asset(word)["sha256"] if word in PICTURES else word for word in arguments]
    result = CliRunner().invoke(app, ["dupes", *hashes])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_what_a_picture_stands_for_goes_with_it(grouped):
    said = dupes(grouped, "--merge", "one.png", "large.png")
    assert "one group of 3 pictures" in said
    grouped.sync()
    before = grouped.assets
    assert shown(grouped) == {
        "one.png": "large.png", "one.jpg": "large.png", "two.jpg": "two.png"
    }  # fmt: skip
    grouped.sync()
    assert grouped.assets == before


def test_two_groups_become_one_whichever_of_them_is_named(grouped):
    event = json.loads(dupes(grouped, "--merge", "one.jpg", "two.jpg", "--json"))
    assert len(event["also"]) == 2
    grouped.sync()
    aliases = shown(grouped)
    assert len(aliases) == 3
    (kept,) = set(aliases.values())
    assert kept in ("one.png", "two.png")


def test_what_came_with_a_picture_goes_with_it_again(grouped):
    dupes(grouped, "--merge", "one.png", "large.png")
    grouped.sync()
    grouped.rewrite()
    assert "parted as well: 1 repeat" in dupes(grouped, "--split", "one.png")
    grouped.sync()
    assert shown(grouped) == {"two.jpg": "two.png"}
    assert grouped.asset("one.jpg")["key"] in grouped.objects()
    grouped.rewrite()
    lines = grouped.read("post.md").split()
    assert len(set(lines)) == 4
    before = grouped.assets
    grouped.sync()
    assert grouped.assets == before


def test_a_decision_that_was_obeyed_halfway_is_obeyed_whole(grouped):
    """As a manifest that was written before groups went together."""
    dupes(grouped, "--merge", "one.png", "large.png")
    path = grouped.root / "manifests" / "images.jsonl"
    header, *lines = path.read_text().splitlines(keepends=True)
    large, one = (grouped.asset(name)["sha256"] for name in ("large.png", "one.png"))
    alias = f'"alias_of": "{large}", "sources"'
    lines = [
        line.replace('"sources"', alias) if line.startswith(f'{{"sha256": "{one}"') else line
        for line in lines
    ]
    path.write_text(header + "".join(lines))
    grouped.sync()
    assert shown(grouped)["one.jpg"] == "large.png"


def test_who_merged_is_told_and_not_why_the_pixels_were_against_it(grouped):
    first, second = (Digest(grouped.asset(name)["sha256"]) for name in ("one.png", "large.png"))
    dupes(grouped, "--merge", "one.png", "large.png")
    grouped.sync()
    against = Evidence(Pair.of(first, second), 9, refusal=Refusal.PIXELS)
    manifest, _ = grouped.site.manifest.load()
    (group,) = (group for group in find_groups(manifest, [against]) if group.kept.digest == second)
    assert [evidence for _, evidence in group.members] == [None, None]
    assert dupes(grouped).count("A person said so.") == 2


def test_a_decision_that_holds_is_not_written_again(grouped):
    path = grouped.root / "manifests/reviews.txt"
    for decision in (
        ["--split", "one.jpg"],
        ["--split", "one.jpg", "--split", "one.jpg"],
        ["--merge", "two.png", "large.png"],
        ["--merge", "large.png", "two.png"],
        ["--split", "one.jpg"],
    ):
        dupes(grouped, *decision)
    lines = path.read_text().splitlines()
    assert [line.split()[0] for line in lines] == ["split", "merge"]
    dupes(grouped, "--split", "two.png")  # takes the merge back
    dupes(grouped, "--merge", "two.png", "large.png")
    assert len(path.read_text().splitlines()) == 4
