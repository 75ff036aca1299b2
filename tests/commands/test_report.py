"""The report of a site, and its page in a real browser."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from support.commands import BUCKET, picture, run
from support.reports import HOSTILE, NOON, example, parse, png, text_of
from support.sites import Blog, Silent
from support.slides import deck
from typer.testing import CliRunner

from mirror.cli import app
from mirror.config import load_config
from mirror.engine import Threads
from mirror.host import ImageHost
from mirror.model import Finding, Rule
from mirror.pipeline.parts import Parts, open_parts
from mirror.pipeline.report import make_report
from mirror.pipeline.sync import SyncOptions, sync
from mirror.repeats.evidence import RULE
from mirror.report import (
    PostLine,
    Report,
    Totals,
    page,
)

# --- From a site --------------------------------------------------------------------------------


@pytest.fixture
def host() -> Iterator[ImageHost]:
    first, other = deck(2)
    with ImageHost(
        {
            "a/第1页.png": png(first.draw()),
            "a/copy.png": png(replace(first, size=(960, 540)).draw().resize((960, 540))),
            "b/other.png": png(other.draw()),
            "logo.svg": b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        }
    ) as running:
        yield running


@pytest.fixture
def root(tmp_path: Path, host: ImageHost) -> Path:
    (tmp_path / "posts").mkdir()
    lines = [
        f"![x]({host.base_url}{path})\n"
        for path in (quote("a/第1页.png"), "b/other.png", "logo.svg", "gone.png")
    ]
    (tmp_path / "posts" / "文.md").write_text("\n".join(lines) + "![y](https://else.where/z.png)\n")
    (tmp_path / "mirror.toml").write_text(
        f'[posts]\npaths = ["posts"]\n'
        f'[[source]]\nname = "old"\nmatch = ["{host.base_url}"]\nfetch = "{host.base_url}"\n'
        '[[destination]]\nname = "public"\nurl = "file:public"\n'
        'public_url = "https://img.example.com"\n[fetch]\nretries = 0\n'
    )
    return tmp_path


def run_sync(root: Path) -> Parts:
    site = open_parts(load_config(root / "mirror.toml"))
    with site.lock("test"):
        result = sync(site, Threads(), SyncOptions(), Silent())
        site.state.last_sync.save(result.summary, result.findings)
    return site


def collected(root: Path) -> Report:
    return make_report(open_parts(load_config(root / "mirror.toml")), Threads(), (), Silent(), NOON)


def test_a_report_of_a_site_shows_pictures_hosts_and_failures(root: Path, host: ImageHost) -> None:
    run_sync(root)
    report = collected(root)
    assert report.totals == Totals(1, 5, 4, 1, 0, 3, 0, report.totals.size, 0, 3)
    ours = host.base_url.split("/")[2]
    assert [(h.name, h.source, h.images, h.mirrored) for h in report.hosts] == [
        (ours, "old", 4, 3),
        ("else.where", "", 1, 0),
    ]
    assert [p.name for p in report.pictures] == ["第1页.png", "other.png", "logo.svg"]
    assert [p.lines for p in report.pictures] == [
        (PostLine("posts/文.md", line),) for line in (1, 3, 5)
    ]
    assert [bool(p.thumbnail) for p in report.pictures] == [True, True, False]
    assert "SVG" in report.pictures[2].no_preview
    assert [f.rule for f in report.findings] == [Rule.SVG_STORED, Rule.NOT_FETCHED]
    assert report.growth[-1].count == 3
    text = "".join(page(report))
    parse(text)
    assert "alert(1)" not in text


def test_a_report_before_the_first_sync_says_what_is_missing(root: Path) -> None:
    report = collected(root)
    assert report.totals.missing == report.totals.images == 4
    assert report.last_sync is None
    assert {f.rule for f in report.findings} == {Rule.NOT_MIRRORED}
    parse("".join(page(report)))


def test_repeats_stand_side_by_side_with_their_evidence(root: Path, host: ImageHost) -> None:
    post = root / "posts" / "文.md"
    post.write_text(post.read_text() + f"\n![again]({host.base_url}a/copy.png)\n")
    site = run_sync(root)
    manifest, _ = site.manifest.load()
    by_name = {a.sources[0].rpartition("/")[2]: a for a in manifest.assets.values()}
    kept, copy = by_name[quote("第1页.png")], by_name["copy.png"]
    repeat = replace(copy, key=None, alias_of=kept.digest)
    _, old = site.manifest.load()
    site.manifest.save(manifest.replacing({copy.digest: repeat}), old)
    pair = sorted((kept.digest.hex, copy.digest.hex))
    line = {"rule": RULE, "pair": pair, "distance": 2, "tier": "T0", "luma": 0.5}
    (root / "manifests" / "ledger.jsonl").write_text(json.dumps(line) + "\n")
    report = collected(root)
    [group] = report.groups
    assert group.canonical.name == "第1页.png"
    [repeat] = group.repeats
    assert repeat.picture.name == "copy.png"
    assert repeat.evidence
    assert repeat.evidence.tier == "T0"
    assert copy.digest not in {p.blob.digest for p in report.pictures}
    (root / "manifests" / "ledger.jsonl").unlink()
    assert collected(root).groups[0].repeats[0].evidence is None
    (root / "manifests" / "reviews.txt").write_text(f"merge {pair[0]} {pair[1]}\n")
    assert collected(root).groups[0].repeats[0].is_reviewed


def test_rewritten_posts_still_show_their_pictures(root: Path) -> None:
    site = run_sync(root)
    manifest, _ = site.manifest.load()
    post = root / "posts" / "文.md"
    text = post.read_text()
    for asset in manifest.assets.values():
        target = site.destinations[0].public_url(asset.key) if asset.key else None
        assert target
        text = text.replace(asset.sources[0], target)
    post.write_text(text)
    report = collected(root)
    assert [p.lines for p in report.pictures] == [
        (PostLine("posts/文.md", line),) for line in (1, 3, 5)
    ]
    assert report.hosts[0].mirrored == 3


def test_the_hosts_name_the_public_address_of_the_mirror(root: Path) -> None:
    site = run_sync(root)
    manifest, _ = site.manifest.load()
    (first, *_) = manifest.assets.values()
    assert first.key
    post = root / "posts" / "文.md"
    post.write_text(
        f"![]({site.destinations[0].public_url(first.key)})\n![](https://else.where/z.png)"
    )
    report = collected(root)
    by_name = {host.name: host for host in report.hosts}
    assert by_name["img.example.com"].is_mirror
    assert not by_name["else.where"].is_mirror
    assert report.totals.images == 3  # of the source; those of the mirror are no others
    rows = [row for row in parse("".join(page(report))).iter("tr") if row.find("td") is not None]
    sources = {text_of(row.find("th")): text_of(row.find("td")) for row in rows}
    assert sources["img.example.com"] == "mirror"
    assert sources["else.where"] == "none"


def test_a_lost_original_and_a_lost_state_cost_their_part_of_the_page_only(root: Path) -> None:
    site = run_sync(root)
    for path in site.archive.root.glob("data/*/*.png"):
        path.write_bytes(b"rotten")
    shutil.rmtree(root / ".mirror")
    report = collected(root)
    assert {p.thumbnail for p in report.pictures} == {None}
    assert "archive" in report.pictures[0].no_preview
    assert report.last_sync is None
    parse("".join(page(report)))


def test_what_was_mirrored_since_is_no_failure_any_more(root: Path, host: ImageHost) -> None:
    run_sync(root)
    kept = (root / ".mirror" / "last-sync.jsonl").read_bytes()
    host.put("gone.png", png(deck(3)[2].draw()))
    run_sync(root)
    (root / ".mirror" / "last-sync.jsonl").write_bytes(kept + b"not json\n{}\n[1]\n")
    assert Rule.NOT_FETCHED not in {f.rule for f in collected(root).findings}


def test_the_last_sync_comes_back_as_it_was(root: Path) -> None:
    site = open_parts(load_config(root / "mirror.toml"))
    (root / ".mirror").mkdir()
    findings = (
        Finding(Rule.NOT_FETCHED, "https://a/b.png", "404", "文.md", 3, 5),
        Finding(Rule.SVG_STORED, "https://a/c.svg", "an SVG"),
    )
    site.state.last_sync.save({"posts": 1}, findings)
    last = site.state.last_sync.load()
    assert last
    assert last.findings == findings


# --- The command --------------------------------------------------------------------------------


def test_the_command_writes_one_file_and_equal_sites_make_equal_pages(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_sync(root)
    monkeypatch.chdir(root)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1714564800")
    runner = CliRunner()
    done = runner.invoke(app, ["report", "--quiet"])
    assert done.exit_code == 0, done.output
    assert "3 pictures, 0 repeats" in done.stdout
    first = (root / "mirror-report.html").read_bytes()
    parse(first.decode())
    assert b"2024-05-01 12:00 UTC" in first
    piped = runner.invoke(app, ["report", "--quiet", "--output", "-"])
    assert piped.stdout_bytes == first
    result = runner.invoke(app, ["report", "--json", "--output", "other.html"])
    assert json.loads(result.stdout.splitlines()[-1])["path"] == "other.html"


# --- In a browser -------------------------------------------------------------------------------


@pytest.fixture
def address(tmp_path: Path) -> str:
    path = tmp_path / "report.html"
    path.write_text("".join(page(example(HOSTILE))), encoding="utf-8")
    return path.as_uri()


class Shown:
    """A page in a tab, with whatever it asked for or complained of."""

    def __init__(self, browser: Any, address: str, **options: Any) -> None:
        self.context = browser.new_context(**options)
        self.page = self.context.new_page()
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: self.complaints.append(dialog.message))
        self.page.goto(address)

    def tab(self) -> str:
        self.page.keyboard.press("Tab")
        return str(
            self.page.evaluate(
                "document.activeElement.ariaLabel || document.activeElement.id"
                " || document.activeElement.textContent"
            )
        )


@pytest.fixture
def shown(browser: Any, address: str) -> Iterator[Shown]:
    tab = Shown(browser, address)
    yield tab
    tab.context.close()


def test_a_browser_shows_the_page_without_network_or_complaint(shown: Shown, address: str) -> None:
    shown.page.evaluate(
        "Promise.all([...document.images].map((one) => (one.loading = 'eager', one.decode())))"
    )
    assert shown.requests == [address]
    assert shown.complaints == []


def test_the_keyboard_reaches_everything_in_the_order_of_the_page(shown: Shown) -> None:
    assert shown.tab() == "Skip to the content"
    sections = [shown.tab().split()[0] for _ in range(7)]
    assert sections == ["Summary", "Hosts", "Findings", "Repeats", "Kept", "Growth", "Pictures"]
    assert [shown.tab() for _ in range(3)] == [
        "Images by host",
        "Image not fetched",
        "SVG can run script",
    ]
    reached = [shown.tab() for _ in range(12)]
    assert reached.index("Figures") < reached.index("words")


def test_the_skip_link_leads_past_the_navigation(shown: Shown) -> None:
    shown.tab()
    shown.page.keyboard.press("Enter")
    assert shown.page.evaluate("document.activeElement.id") == "main"
    assert shown.tab() == "Images by host"


def test_the_filter_leaves_what_has_all_words(shown: Shown) -> None:
    field = shown.page.get_by_role("searchbox")
    tiles = shown.page.locator("#tiles li.tile:visible")
    assert tiles.count() == 2
    field.fill("ONERROR -1.png")
    shown.page.get_by_text("1 of 2 shown").wait_for()
    assert tiles.count() == 1
    field.fill("")
    tiles.nth(1).wait_for()
    assert tiles.count() == 2


def test_light_and_dark_follow_the_reader_and_narrow_screens_do_not_scroll_sideways(
    browser: Any, address: str
) -> None:
    grounds = []
    for scheme, width in (("light", 1280), ("dark", 1280), ("light", 360)):
        tab = Shown(browser, address, color_scheme=scheme, viewport={"width": width, "height": 800})
        grounds.append(tab.page.evaluate("getComputedStyle(document.body).backgroundColor"))
        assert tab.page.evaluate("document.documentElement.scrollWidth") <= width
        tab.context.close()
    assert grounds[0] == grounds[2] != grounds[1]


def test_all_is_there_without_script(browser: Any, address: str) -> None:
    tab = Shown(browser, address, java_script_enabled=False)
    assert tab.page.locator("#tiles li.tile").count() == 2
    assert not tab.page.get_by_role("searchbox").is_visible()
    tab.context.close()


# --- What the last sync found of mirrored pictures ------------------------------------------------


@pytest.fixture
def repointed(blog: Blog) -> Blog:
    """A post whose two pictures are mirrored."""
    for number, name in enumerate(("a.png", "b.png")):
        blog.host.put(name, picture(number))
    blog.write("post.md", f"![]({BUCKET}a.png)\n\n![]({BUCKET}b.png)\n\n![]({BUCKET}a.png)\n")
    assert run(blog, "sync").code == 0
    assert run(blog, "rewrite").code == 0
    return blog


def told(blog: Blog) -> list[tuple[Rule, str]]:
    """Return the rule and the message of each finding that the report shows."""
    report = make_report(blog.site, Threads(), (), Silent(), NOON)
    return [(finding.rule, finding.message) for finding in report.findings]


def test_a_mirrored_picture_that_is_gone_at_its_source_is_said_to_be_safe(repointed: Blog) -> None:
    for name in ("a.png", "b.png"):
        repointed.host.remove(name)
    ended = run(repointed, "sync", "--refresh")
    assert ended.code == 3
    assert ended.out.count("[M201]") == 2
    assert "its picture is safe in archive and mirror; its source was asked again:" in ended.out
    assert "HTTP 404" in ended.out
    assert "(shown 2 times)" in ended.out
    assert "[[ignore]]" not in ended.out
    findings = told(repointed)
    assert [rule for rule, _ in findings] == [Rule.NOT_FETCHED] * 2
    assert all(message in ended.out for _, message in findings)
    assert run(repointed, "report").code == 0
    text = (repointed.root / "mirror-report.html").read_text()
    assert "Every image is mirrored, and 2 findings to look at." in text
    assert "Nothing to report" not in text
    assert run(repointed, "sync").code == 0
    assert told(repointed) == []


def test_a_picture_that_is_gone_everywhere_is_not_said_to_be_safe(repointed: Blog) -> None:
    repointed.host.remove("a.png")
    for original in (repointed.root / "archive" / "data").rglob("*.png"):
        original.unlink()
    ended = run(repointed, "sync", "--refresh")
    assert ended.code == 3
    assert "its original is not in the archive" in ended.out
    assert "is safe" not in ended.out
    assert "[[ignore]]" not in ended.out


def test_a_picture_that_was_never_fetched_is_still_advised_to_be_ignored(repointed: Blog) -> None:
    repointed.write("more.md", f"![]({BUCKET}never.png)\n")
    ended = run(repointed, "sync", "--refresh")
    assert "if it is known to be gone, list it under [[ignore]]" in ended.out
    assert "is safe" not in ended.out


def test_a_shard_says_as_well_that_a_mirrored_picture_is_safe(repointed: Blog) -> None:
    repointed.host.remove("a.png")
    ended = run(repointed, "sync", "--refresh", "--shard", "1/1")
    assert "its picture is safe in archive and mirror" in ended.out
    assert "[[ignore]]" not in ended.out
    taken = run(repointed, "sync", "--refresh")
    assert taken.out.count("its picture is safe in archive and mirror") == 1


def test_a_picture_that_is_held_back_is_shown_until_just_this_one_is_accepted(
    repointed: Blog,
) -> None:
    repointed.host.put("a.png", picture(7))
    run(repointed, "sync", "--refresh")
    assert [rule for rule, _ in told(repointed)] == [Rule.SOURCE_CHANGED]
    assert run(repointed, "accept", f"{BUCKET}a.png").code == 0
    assert told(repointed) == []
    assert run(repointed, "sync").code == 0
    assert run(repointed, "rewrite").code == 0
    repointed.host.put("a.png", picture(8))
    assert run(repointed, "sync", "--refresh").code == 3
    (finding,) = told(repointed)
    assert finding[0] is Rule.SOURCE_CHANGED
    assert "the host serves another picture now" in finding[1]
