"""What a change of `[dedupe].mode` means for pictures that are in the manifest already."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from support import slides
from support.lazy import Lazy
from support.sites import BUCKET

from mirror.console import LogProgress
from mirror.engine import Serial
from mirror.manifest import Manifest
from mirror.model import Digest, Rule
from mirror.pipeline import dedupe as stage
from mirror.repeats.evidence import Candidate, Evidence, Mode, Pair, Refusal, Scope
from mirror.repeats.ledger import LEDGER, Ledger

SLIDE = slides.deck(2)[0].draw()
BETTER = SLIDE.resize((2560, 1440))
# Each found by one mode and not by the narrower ones; the last two by none.
PICTURES = Lazy(
    {
        "slide.png": lambda: slides.encode(SLIDE),
        "again.png": lambda: slides.encode(SLIDE, compress_level=1),
        "copy.jpg": lambda: slides.encode(SLIDE, "JPEG", quality=80),
        "other.png": lambda: slides.encode(slides.deck(2)[1].draw()),
    }
)


@pytest.fixture
def shown(blog):
    for name, data in PICTURES.items():
        blog.host.put(name, data)
    blog.write("post.md", " ".join(f"![](BUCKET/{name})" for name in PICTURES))
    return blog


def under(blog, mode: str):
    """Sync with that mode and return what the change of mode meant."""
    blog.configure(more=f'[dedupe]\nmode = "{mode}"')
    blog.progress.events.clear()
    blog.sync()
    changes = [members for type, members in blog.progress.events if type == "mode"]
    return changes[0] if changes else None


def groups(blog) -> set[frozenset[str]]:
    """The names that one picture is shown for, wherever there are several."""
    names_by_picture: dict[str, set[str]] = {}
    for name in (*PICTURES, "better.png"):
        for asset in blog.assets:
            if any(url.endswith(name) for url in asset["sources"]):
                names_by_picture.setdefault(asset.get("alias_of", asset["sha256"]), set()).add(name)
    return {frozenset(names) for names in names_by_picture.values() if len(names) > 1}


def state(blog) -> tuple[list, dict, bytes]:
    ledger = blog.root / "manifests" / "ledger.jsonl"
    return blog.assets, blog.objects(), ledger.read_bytes() if ledger.exists() else b""


PAIR = frozenset({"slide.png", "again.png"})
ALL = PAIR | {"copy.jpg"}


@pytest.mark.parametrize(
    ("first", "then", "before", "after"),
    [
        ("off", "exact", set(), {PAIR}),
        ("off", "perceptual", set(), {ALL}),
        ("exact", "perceptual", {PAIR}, {ALL}),
    ],
)
def test_a_wider_mode_looks_again_at_what_is_settled(shown, first, then, before, after):
    under(shown, first)
    assert groups(shown) == before
    keys = {asset["sha256"]: asset["key"] for asset in shown.assets if "key" in asset}
    stored = shown.objects()
    change = under(shown, then)
    assert groups(shown) == after
    assert (change["before"], change["now"]) == (first, then)
    assert change["compared_again"] == len(PICTURES)
    assert change["merged_again"] == len(keys) - sum("alias_of" not in a for a in shown.assets)
    assert {a["sha256"]: a["key"] for a in shown.assets if "key" in a} == keys
    assert shown.objects() == stored


def test_looking_again_ends_with_what_one_run_in_that_mode_finds(shown):
    under(shown, "exact")
    under(shown, "perceptual")
    kept = {asset["sha256"]: asset.get("alias_of") for asset in shown.assets}
    (shown.root / "manifests" / "images.jsonl").unlink()
    under(shown, "perceptual")
    assert {asset["sha256"]: asset.get("alias_of") for asset in shown.assets} == kept


def test_looking_again_is_done_once_a_run_finds_nothing_more(shown, monkeypatch):
    under(shown, "exact")
    assert under(shown, "perceptual")["merged_again"] == 1
    # Only what a saved manifest holds counts: had this run been killed, the next would look too.
    assert under(shown, "perceptual")["merged_again"] == 0
    settled = state(shown)
    monkeypatch.setattr(stage.CompareJob, "__call__", lambda *_: 1 / 0)
    assert under(shown, "perceptual") is None
    assert state(shown) == settled


def test_a_kill_before_the_manifest_is_saved_loses_no_look(shown):
    under(shown, "exact")
    manifest = shown.root / "manifests" / "images.jsonl"
    before = manifest.read_bytes()
    under(shown, "perceptual")
    after = manifest.read_bytes()
    manifest.write_bytes(before)
    under(shown, "perceptual")
    assert manifest.read_bytes() == after


def test_what_cannot_be_read_is_looked_at_again_until_it_can(shown):
    under(shown, "off")
    (copy,) = (shown.root / "archive").rglob("*.jpg")
    (stored,) = (shown.root / "static").rglob("*.jpg")
    data = copy.read_bytes()
    for path in (copy, stored):
        path.write_bytes(b"damaged" + bytes(len(data) - 7))
    for merged in (1, 0, 0):
        assert under(shown, "perceptual")["merged_again"] == merged
        assert groups(shown) == {PAIR}
    copy.write_bytes(data)
    assert under(shown, "perceptual")["merged_again"] == 1
    assert groups(shown) == {ALL}


def test_a_clone_without_an_archive_misses_no_repeat(shown):
    name = "copy.jpg"
    shown.write(
        "post.md",
        "".join(f"![](BUCKET/{shown_name})\n" for shown_name in PICTURES if shown_name != name),
    )
    shown.sync()
    assert groups(shown) == {PAIR}
    shutil.rmtree(shown.root / "archive")
    shutil.rmtree(shown.root / ".mirror")
    shown.write("more.md", f"![](BUCKET/{name})\n")
    shown.sync()
    assert groups(shown) == {ALL}


@pytest.mark.parametrize(("mode", "kept"), [("exact", 1), ("off", 2)])
def test_a_narrower_mode_takes_nothing_back_and_says_so(shown, mode, kept):
    under(shown, "perceptual")
    before = shown.assets, shown.objects()
    change = under(shown, mode)
    assert (change["now"], change["kept_repeats"], change["compared_again"]) == (mode, kept, 0)
    assert (shown.assets, shown.objects()) == before
    assert under(shown, mode) is None
    assert (shown.assets, shown.objects()) == before


def test_a_new_picture_is_compared_as_the_mode_of_its_run_says_and_again_when_that_widens(shown):
    under(shown, "perceptual")
    under(shown, "exact")
    shown.host.put("better.png", slides.encode(BETTER))
    shown.write("more.md", "![](BUCKET/better.png)")
    under(shown, "exact")
    assert groups(shown) == {ALL}
    slide = shown.asset("slide.png")
    under(shown, "perceptual")
    better = shown.asset("better.png")["sha256"]
    assert shown.asset("slide.png") == slide | {"alias_of": better}
    assert shown.asset("again.png")["alias_of"] == better
    settled = shown.assets
    under(shown, "perceptual")
    assert shown.assets == settled


def test_the_default_mode_leaves_no_line_until_it_follows_another(shown):
    ledger = shown.root / "manifests" / "ledger.jsonl"
    under(shown, "perceptual")
    assert "mode" not in ledger.read_text()
    under(shown, "off")
    under(shown, "perceptual")
    assert Ledger.load(shown.site.config.manifest / LEDGER).mode is Mode.PERCEPTUAL
    assert ledger.read_text().count("mode") == 2


def test_reviews_stand_whatever_the_mode(shown):
    under(shown, "off")
    split = shown.asset("copy.jpg")["sha256"]
    (shown.root / "manifests" / "reviews.txt").write_text(f"split {split}\n")
    under(shown, "perceptual")
    assert groups(shown) == {PAIR}


SECOND = """
[[source]]
name = "second"
match = ["{bucket}second/"]
fetch = "{fetch}/second"
"""


def test_within_a_source_repeats_of_others_are_found_by_a_later_run(blog):
    blog.configure(more=SECOND.format(bucket=BUCKET, fetch=blog.host.base_url.rstrip("/")))
    names = ["slide.png", "again.png", "second/again.png", "second/copy.jpg"]
    data = [PICTURES[name.rpartition("/")[2]] for name in names]
    data[2] += b"\0"  # equal bytes would be one picture
    for name, bytes_ in zip(names, data, strict=True):
        blog.host.put(name, bytes_)
    blog.write("post.md", " ".join(f"![](BUCKET/{name})" for name in names))

    def alike() -> set[frozenset[str]]:
        found: dict[str, set[str]] = {}
        for asset in blog.assets:
            shown = {url.removeprefix(BUCKET) for url in asset["sources"]}
            found.setdefault(asset.get("alias_of", asset["sha256"]), set()).update(shown)
        return set(map(frozenset, found.values()))

    blog.sync(scope=Scope.SOURCE)
    assert alike() == {frozenset(names[:2]), frozenset(names[2:])}
    kept = state(blog)
    blog.sync(scope=Scope.SOURCE)
    assert state(blog) == kept
    blog.sync()
    assert alike() == {frozenset(names)}


def test_pictures_that_vanish_during_the_comparison_cost_only_their_own_pairs(shown, monkeypatch):
    find = stage.find_copy

    def vanishing(archive, destinations, asset):
        if asset.blob.media_type == "image/jpeg":
            for path in (shown.root / "archive").rglob("*.jpg"):
                path.unlink()
        return find(archive, destinations, asset)

    monkeypatch.setattr(stage, "find_copy", vanishing)
    result = shown.sync()
    assert groups(shown) == {PAIR}
    (finding,) = result.findings
    lost = shown.asset("copy.jpg")["sha256"]
    assert finding.rule is Rule.NOT_STORED
    assert lost in finding.subject
    ledger = Ledger.load(shown.site.config.manifest / LEDGER)
    assert not [pair for pair, e in ledger.evidence.items() if e.same and lost in str(pair)]


def test_pairs_that_sketches_refuse_read_no_byte(blog, monkeypatch):
    read = []
    find = stage.find_copy
    monkeypatch.setattr(stage, "find_copy", lambda *a: read.append(a[2]) or find(*a))
    second = SLIDE.copy()
    second.paste("red", (400, 300, 420, 316))
    blog.host.put("one.png", slides.encode(SLIDE))
    blog.host.put("two.jpg", slides.encode(second, "JPEG", quality=88))
    blog.write("post.md", "![](BUCKET/one.png) ![](BUCKET/two.jpg)")
    blog.sync()
    assert "other pixels" in (blog.root / "manifests" / "ledger.jsonl").read_text()
    assert read == []


def test_the_ledger_takes_early_evidence_only_where_it_is_asked_for(tmp_path: Path) -> None:
    """Else it would depend on how much was compared before the last picture came."""
    one, two, other = (Digest(letter * 64) for letter in "abc")
    early = {
        pair: Evidence(pair, 3, refusal=Refusal.PIXELS)
        for pair in (Pair.of(one, two), Pair.of(one, other))
    }
    ledger = Ledger(tmp_path / LEDGER)
    job: Any = None  # is not asked
    judge = stage.Judge(job, Manifest(), Serial(), ledger, early, LogProgress(quiet=True))
    assert judge([Candidate(Pair.of(one, two), 3)]) == [early[Pair.of(one, two)]]
    assert ledger.evidence.keys() == {Pair.of(one, two)}
