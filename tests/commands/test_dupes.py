"""Groups of repeats, their evidence, and what people decide of them."""

from __future__ import annotations

import json

import pytest
from support import slides
from typer.testing import CliRunner

from mirror.cli import app
from mirror.repeats.ledger import LEDGER, Ledger


@pytest.fixture
def repeated(blog, monkeypatch):
    """Two slides of one template, one of them saved again as JPEG."""
    first, second = (page.draw() for page in slides.deck(2))
    blog.host.put("one.png", slides.encode(first))
    blog.host.put("two.png", slides.encode(second))
    blog.host.put("one.jpg", slides.encode(first, "JPEG", quality=70))
    images = "![](BUCKET/one.png) ![](BUCKET/two.png) ![](BUCKET/one.jpg)\n"
    blog.write("post.md", images)
    blog.sync()
    monkeypatch.chdir(blog.root)
    return blog


def dupes(*arguments):
    result = CliRunner().invoke(app, ["dupes", *arguments])
    return result.exit_code, result.stdout


def test_a_group_names_the_kept_picture_its_repeats_and_why(repeated):
    code, out = dupes("--json")
    group, summary = map(json.loads, out.splitlines())
    assert code == 0
    assert group["kept"]["sha256"] == repeated.asset("one.png")["sha256"]
    (repeat,) = group["repeats"]
    assert repeat["sha256"] == repeated.asset("one.jpg")["sha256"]
    assert (repeat["tier"], repeat["refusal"]) == ("T0", None)
    assert repeat["luma"] <= 1.5
    assert (summary["groups"], summary["repeats"]) == (1, 1)
    assert "A copy, resized or saved again: that explains every pixel." in dupes()[1]


def test_the_evidence_is_kept_and_no_pair_is_judged_twice(repeated, monkeypatch):
    ledger = repeated.root / "manifests" / "ledger.jsonl"
    before = ledger.read_bytes()
    monkeypatch.setattr("mirror.pipeline.dedupe.CompareJob.__call__", lambda *_: 1 / 0)
    (repeated.root / "manifests" / "images.jsonl").unlink()
    repeated.sync()
    assert ledger.read_bytes() == before
    assert repeated.asset("one.jpg")["alias_of"]


def test_a_split_is_obeyed_and_a_merge_takes_it_back(repeated):
    copy, slide = repeated.asset("one.jpg")["sha256"], repeated.asset("one.png")["sha256"]
    reviews = repeated.root / "manifests" / "reviews.txt"
    reviews.write_text("# looked at on the wall\n")
    assert dupes("--split", copy[:10])[0] == 0
    assert reviews.read_text() == f"# looked at on the wall\nsplit {copy}\n"
    repeated.sync()
    assert "alias_of" not in repeated.asset("one.jpg")
    assert dupes("--merge", copy, slide)[0] == 0
    repeated.sync()
    assert repeated.asset("one.jpg")["alias_of"] == slide
    assert repeated.asset("one.jpg")["key"] in repeated.objects()


def test_a_decision_is_json_where_json_was_asked_for(repeated):
    copy, slide = repeated.asset("one.jpg")["sha256"], repeated.asset("one.png")["sha256"]
    code, out = dupes("--split", copy, "--merge", copy, slide, "--json")
    assert code == 0
    lines = [json.loads(line) for line in out.splitlines()]
    assert [line["line"] for line in lines] == [f"split {copy}", f"merge {copy} {slide}"]
    assert {line["type"] for line in lines} == {"review"}


def test_a_picture_is_not_merged_with_itself(repeated):
    slide = repeated.asset("one.png")["sha256"]
    with pytest.raises(Exception, match="takes two pictures"):
        CliRunner().invoke(app, ["dupes", "--merge", slide, slide[:12]], catch_exceptions=False)
    assert not (repeated.root / "manifests" / "reviews.txt").exists()


def test_an_unknown_picture_cannot_be_decided_on(repeated):
    with pytest.raises(Exception, match="no image in the manifest"):
        CliRunner().invoke(app, ["dupes", "--split", "0" * 64], catch_exceptions=False)


def test_a_broken_review_is_named_with_its_line(repeated):
    (repeated.root / "manifests" / "reviews.txt").write_text("split x\n")
    with pytest.raises(Exception, match=r"reviews\.txt: line 1"):
        repeated.sync()


def test_a_line_that_a_kill_tore_is_left_behind(repeated):
    ledger = repeated.root / "manifests" / "ledger.jsonl"
    whole = ledger.read_text()
    ledger.write_text(whole + '{"rule": 1, "pa')
    assert len(Ledger.load(repeated.site.config.manifest / LEDGER).evidence) == whole.count("\n")


def test_near_lists_what_was_proposed_and_refused(repeated):
    page = slides.deck(6)[2]
    assert page.table
    for name, slide in (("t1.png", page), ("t2.png", slides.with_digit_changed(page))):
        repeated.host.put(name, slides.encode(slide.draw()))
    repeated.write("more.md", "![](BUCKET/t1.png) ![](BUCKET/t2.png)")
    repeated.sync()
    (near,) = map(json.loads, dupes("--near", "--json")[1].splitlines())
    assert near["refusal"] == "same size and coding, other pixels"
    assert {repeated.asset(f"t{n}.png")["sha256"] for n in (1, 2)} == set(near["pair"])


def test_near_ranks_what_a_person_might_merge_first(repeated):
    """A copy by a coder that cannot be retraced comes before the next number in a table."""
    page = slides.deck(6)[2]
    picture = page.draw()
    for name, data in {
        "page.png": slides.encode(picture),
        "page.avif": slides.encode(picture, "AVIF", quality=60),
        "number.jpg": slides.encode(slides.with_digit_changed(page).draw(), "JPEG", quality=85),
    }.items():
        repeated.host.put(name, data)
    repeated.write("more.md", "![](BUCKET/page.png) ![](BUCKET/page.avif) ![](BUCKET/number.jpg)")
    repeated.sync()
    first, *others = map(json.loads, dupes("--near", "--json")[1].splitlines())
    copies = {repeated.asset(name)["sha256"] for name in ("page.png", "page.avif")}
    assert set(first["pair"]) == copies
    assert all(first["luma"] < other["luma"] for other in others if "luma" in other)


def test_near_leaves_out_what_an_origin_ties(repeated):
    slide = slides.deck(1)[0].draw()
    repeated.host.put("twice.png", slides.encode(slide.resize((2560, 1440))))
    repeated.host.put("one.webp", slides.encode(slide, "WEBP", quality=80))
    repeated.write("more.md", "![](BUCKET/twice.png) ![](BUCKET/one.webp)")
    repeated.sync()
    twice = repeated.asset("twice.png")["sha256"]
    members = [repeated.asset(name) for name in ("one.png", "one.jpg", "one.webp")]
    assert {member["alias_of"] for member in members} == {twice}
    ours = {twice, *(member["sha256"] for member in members)}
    near = [json.loads(line) for line in dupes("--near", "--json")[1].splitlines()]
    assert not [pair for pair in near if set(pair["pair"]) <= ours]
    summary = json.loads(dupes("--json")[1].splitlines()[-1])
    assert summary["near"] == len(near)
