"""The page is read by a real parser and shown in a real browser."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from hashlib import sha256
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import quote

import html5lib
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from support.slides import Slide, deck
from typer.testing import CliRunner

from mirror.cli import app
from mirror.config import load_config
from mirror.engine import Threads
from mirror.host import ImageHost
from mirror.model import Blob, Digest, Finding, Rule, Thumbnail
from mirror.pictures.decode import ImageError, ImageLimits, ImageTooLargeError
from mirror.pictures.thumbnail import thumbnail
from mirror.pipeline.parts import Parts, open_parts
from mirror.pipeline.progress import Silent
from mirror.pipeline.report import collect, growth
from mirror.pipeline.sync import SyncOptions, sync
from mirror.repeats.evidence import RULE, Evidence, Pair, Refusal
from mirror.report import (
    Growth,
    HostTotals,
    LookAlikes,
    PictureTile,
    PostLine,
    RepeatTile,
    Report,
    TileGroup,
    Totals,
    page,
    thumbnail_bytes,
)
from mirror.report.html import tag

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
HOSTILE = (
    '"><script>alert(1)</script><img src=x onerror=alert(2)>&amp;\u202egnp.exe\x1b[31m</style>'
)


def png(image: Image.Image) -> bytes:
    stream = BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


SLIDE = png(Slide("A title", ("one", "two")).draw())


def picture(number: int, text: str = "图 one", small: Thumbnail | None = None) -> PictureTile:
    digest = Digest(sha256(str(number).encode()).hexdigest())
    return PictureTile(
        Blob(digest, "0" * 32, 48_213 + number, "image/png", 1280, 720, None),
        (f"https://old.example.com/note/{quote(text)}-{number}.png",),
        (PostLine(f"content/posts/{text}.md", number + 1), PostLine("b.md", 3)),
        f"https://img.example.com/{digest}.png",
        small,
        "" if small else "not in the archive",
    )


def example(text: str = "图 one") -> Report:
    """A page with everything on it; `text` stands wherever somebody else's text does."""
    small = thumbnail(SLIDE, 2000)
    one, two, three, four = (picture(n, text, small if n else None) for n in range(4))
    pair = Pair.of(one.blob.digest, two.blob.digest)
    return Report(
        title=f"Images of {text}",
        made=NOON,
        totals=Totals(2, 9, 5, 1, 1, 4, 1, 200_000),
        hosts=(
            HostTotals(text, text, 5, 4, 1, 200_000, 8, 2),
            HostTotals("other.example.com", references=1),
        ),
        findings=(
            Finding(Rule.NOT_FETCHED, text, text, text, 3, 5),
            Finding(Rule.SVG_STORED, f"https://old.example.com/{text}", text),
        ),
        last_sync=NOON,
        groups=(
            TileGroup(
                one,
                (
                    RepeatTile(two, Evidence(pair, 2, "T0", None, (0.5, 0.01, 0.0, 0.0, 0.25))),
                    RepeatTile(three, is_reviewed=True),
                    RepeatTile(four),
                ),
            ),
        ),
        look_alikes=(LookAlikes(one, two, Evidence(pair, 4, None, Refusal.PIXELS)),),
        look_alike_count=7,
        growth=(Growth("2024-04", 3, 100_000), Growth("2024-05", 4, 200_000)),
        pictures=(one, two),
    )


def parse(text: str) -> Any:
    """The tree a browser would build; an error of syntax is an error here."""
    parser = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False)
    return parser.parse(text)


def text_of(element: Any) -> str:
    return "".join(element.itertext())


@pytest.fixture(scope="module")
def tree() -> Any:
    return parse("".join(page(example())))


# --- The page -----------------------------------------------------------------------------------


def test_the_page_loads_nothing_and_runs_only_its_own_script(tree: Any) -> None:
    [policy] = [
        meta.get("content")
        for meta in tree.iter("meta")
        if meta.get("http-equiv") == "Content-Security-Policy"
    ]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    assert rules["img-src"] == "data:"
    for element, rule in (("style", "style-src"), ("script", "script-src")):
        [only] = list(tree.iter(element))
        digest = b64encode(sha256(text_of(only).encode()).digest()).decode()
        assert rules[rule] == f"'sha256-{digest}'"
    for element in tree.iter():
        for name, value in element.attrib.items():
            assert not name.startswith("on")
            assert name != "style"
            if name == "src":
                assert value.startswith("data:image/webp;base64,")
            if name == "href":
                assert value.startswith(("#", "https://img.example.com/", "data:,"))


def test_the_page_has_landmarks_headings_and_names_for_those_who_listen(tree: Any) -> None:
    body = tree.find("body")
    assert tree.get("lang") == "en"
    assert [len(list(body.iter(name))) for name in ("header", "nav", "main", "footer", "h1")] == [
        1
    ] * 5
    levels = [int(e.tag[1]) for e in body.iter() if re.fullmatch(r"h\d", str(e.tag))]
    assert all(later - level <= 1 for level, later in pairwise(levels))
    ids = [element.get("id") for element in tree.iter() if element.get("id")]
    assert len(ids) == len(set(ids))
    assert {a.get("href")[1:] for a in tree.find("body/nav").iter("a")} <= set(ids)
    for section in body.iter("section"):
        assert section.get("aria-labelledby") in ids
    for image in body.iter("img"):
        assert image.get("alt")
        assert image.get("width")
        assert image.get("height")
    for table in body.iter("table"):
        assert text_of(table.find("caption"))
        assert {cell.get("scope") for cell in table.iter("th")} == {"col", "row"}
    assert {label.get("for") for label in body.iter("label")} == {"words"}


def test_the_page_says_what_there_is_to_say(tree: Any) -> None:
    said = text_of(tree.find("body"))
    for words in (
        "1 of 5 images is not mirrored",
        "Image not fetched: 1",
        "SVG can run script: 1",
        "A copy, resized or saved again",
        "2 of 256 bits apart",
        "A person said so",
        "No evidence is on record",
        "7 pairs whose fingerprints are close",
        "Shown: the nearest 1.",
        "content/posts/图 one.md:1",
        "1,280 × 720 · PNG · 48.2 kB",
        "not in the archive",
        "2024-05",
        "200.0 kB",
    ):
        assert words in said


@pytest.mark.parametrize(
    ("totals", "findings", "says"),
    [
        pytest.param(Totals(images=5), (), "Every image of your sources is mirrored.", id="all"),
        pytest.param(Totals(images=5, missing=2), (), "2 of 5 images are not mirrored.", id="some"),
        pytest.param(Totals(), (), "No image of your sources was found in the posts.", id="none"),
        pytest.param(
            Totals(images=5),
            (Finding(Rule.NOT_STORED, "k", "full"),),
            "Every image is mirrored, and 1 finding to look at.",
            id="a destination is full",
        ),
        pytest.param(
            Totals(images=5),
            (Finding(Rule.SVG_STORED, "k", "script"),),
            "Every image of your sources is mirrored.",
            id="a warning is no failure",
        ),
    ],
)
def test_the_first_line_is_the_verdict(
    totals: Totals, findings: tuple[Finding, ...], says: str
) -> None:
    tree = parse("".join(page(Report("t", NOON, totals, findings=findings))))
    verdict = tree.find("body/header/p[2]")
    assert text_of(verdict)[1:] == says


def test_hostile_text_stays_text() -> None:
    tree = parse("".join(page(example(HOSTILE))))
    plain = parse("".join(page(example())))
    assert Counter(e.tag for e in tree.iter()) == Counter(e.tag for e in plain.iter())
    said = text_of(tree.find("body"))
    assert "<script>alert(1)</script>" in said
    assert "\u202e" not in said
    assert "\x1b" not in said
    assert "\\u202egnp.exe\\x1b[31m" in said


@settings(max_examples=40, deadline=None)
@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=60))
def test_no_text_adds_or_removes_an_element(text: str) -> None:
    def shape(text: str) -> list[tuple[str, tuple[str, ...]]]:
        report = replace(example_without_pictures, findings=[Finding(Rule.NOT_FETCHED, text, text)])
        report = replace(report, hosts=[HostTotals(text, text)], pictures=[picture(1, text)])
        return [(str(e.tag), tuple(e.attrib)) for e in parse("".join(page(report))).iter()]

    assert shape(text) == shape("x")


example_without_pictures = Report("x", NOON, Totals(1, 1, 1))


@pytest.mark.parametrize(
    ("element", "attributes"),
    [
        ("a", {"href": "javascript:alert(1)"}),
        ("a", {"href": "file:///etc/passwd"}),
        ("img", {"src": "data:image/svg+xml,<svg/>"}),
        ("p", {"style": "x"}),
        ("p", {"onclick": "x"}),
        ("p", {"a b": "x"}),
    ],
)
def test_markup_that_runs_or_leads_astray_cannot_be_built(
    element: str, attributes: dict[str, str]
) -> None:
    with pytest.raises(ValueError, match=r"attribute|leads"):
        tag(element, **attributes)


def test_a_mirrored_image_on_a_path_of_the_site_is_no_link() -> None:
    here = replace(picture(1), url="/images/a.png")
    tree = parse("".join(page(Report("t", NOON, pictures=[here]))))
    assert not list(tree.find("body/main").iter("a"))


def test_five_thousand_pictures_stay_below_20_megabytes() -> None:
    """With the largest thumbnails allowed, Chinese names, and four places each."""
    allowed = thumbnail_bytes(5000)
    assert allowed
    small = Thumbnail(Random(1).randbytes(allowed), "image/webp", 240, 135)
    long = picture(1, "云原生大会现场图片" * 3, small)
    many = [
        replace(
            long, lines=tuple(PostLine("content/posts/2021/云原生大会.md", n) for n in range(9))
        )
    ] * 5000
    sizes = [len(piece.encode()) for piece in page(Report("t", NOON, pictures=many))]
    assert 15_000_000 < sum(sizes) < 20_000_000
    assert max(sizes) < 100_000  # it streams


@pytest.mark.parametrize("count", [0, 1, 500, 5000, 20_000])
def test_thumbnails_share_what_room_there_is(count: int) -> None:
    allowed = thumbnail_bytes(count)
    assert allowed
    assert 500 <= allowed <= 12_000
    assert count * allowed <= 10_700_000


def test_too_many_pictures_get_no_thumbnails_rather_than_a_page_nobody_can_open() -> None:
    assert thumbnail_bytes(1_000_000) is None


def test_colours_can_be_told_apart_as_the_guidelines_ask() -> None:
    """WCAG 2.2 AA: 4.5 to 1 for text, in both modes."""
    style = (Path(sys.modules["mirror.report"].__path__[0]) / "style.css").read_text()
    light, dark = (
        dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block))
        for block in re.findall(r":root \{(.*?)\}", style, re.DOTALL)
    )
    for colours in (light, light | dark):
        for ink, grounds in {
            "ink": ("page", "card", "well"),
            "soft": ("page", "card", "well"),
            "accent": ("page", "card"),
            "good": ("good-ground",),
            "bad": ("bad-ground",),
            "note": ("note-ground",),
        }.items():
            for ground in grounds:
                assert _contrast(colours[ink], colours[ground]) >= 4.5, (ink, ground)


def _contrast(one: str, other: str) -> float:
    def luminance(colour: str) -> float:
        levels = (int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5))
        red, green, blue = (
            level / 12.92 if level <= 0.04045 else ((level + 0.055) / 1.055) ** 2.4
            for level in levels
        )
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


# --- Thumbnails ---------------------------------------------------------------------------------


@pytest.mark.parametrize("max_bytes", [12_000, 2_000, 600])
def test_a_thumbnail_is_within_its_bytes_and_keeps_its_shape(max_bytes: int) -> None:
    for slide in deck(3):
        small = thumbnail(png(slide.draw()), max_bytes)
        assert len(small.data) <= max_bytes
        with Image.open(BytesIO(small.data)) as image:
            assert image.size == (small.width, small.height)
        assert abs(small.width / small.height - 16 / 9) < 0.06


def test_a_small_picture_is_not_enlarged() -> None:
    small = thumbnail(png(Image.new("RGB", (20, 10), "red")), 4000)
    assert (small.width, small.height) == (20, 10)


def test_a_thumbnail_is_upright_and_on_white() -> None:
    turned = Image.new("RGB", (400, 200), "blue")
    exif = turned.getexif()
    exif[0x0112] = 6
    stream = BytesIO()
    turned.save(stream, "JPEG", exif=exif)
    small = thumbnail(stream.getvalue(), 4000)
    assert small.height > small.width
    clear = thumbnail(png(Image.new("RGBA", (50, 50), (0, 0, 0, 0))), 4000)
    with Image.open(BytesIO(clear.data)) as image:
        assert image.convert("RGB").getpixel((25, 25)) == (255, 255, 255)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"<svg xmlns='http://www.w3.org/2000/svg'/>", id="SVG has no pixels"),
        pytest.param(SLIDE[:-40], id="cut short"),
        pytest.param(b"", id="nothing"),
        pytest.param(b"<html>not found</html>", id="an error page"),
    ],
)
def test_what_does_not_decode_has_no_thumbnail(data: bytes) -> None:
    with pytest.raises(ImageError):
        thumbnail(data, 4000)


def test_a_picture_over_the_limits_is_not_decoded() -> None:
    with pytest.raises(ImageTooLargeError):
        thumbnail(SLIDE, 4000, ImageLimits(max_pixels=1000))


def test_noise_that_fits_at_no_size_is_said_so() -> None:
    noise = Image.frombytes("RGB", (512, 512), Random(2).randbytes(512 * 512 * 3))
    with pytest.raises(ImageError, match="within 50 bytes"):
        thumbnail(png(noise), 50)


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
    return collect(open_parts(load_config(root / "mirror.toml")), Threads(), (), Silent(), NOON)


def test_a_report_of_a_site_shows_pictures_hosts_and_failures(root: Path, host: ImageHost) -> None:
    run_sync(root)
    report = collected(root)
    assert report.totals == Totals(1, 5, 4, 1, 0, 3, 0, report.totals.size)
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
    assets = dict(manifest.assets)
    assets[copy.digest] = replace(copy, key=None, alias_of=kept.digest)
    _, old = site.manifest.load()
    site.manifest.save(replace(manifest, assets=assets), old)
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


@pytest.mark.parametrize(
    ("days", "labels"),
    [
        ([date(2024, 1, 5), date(2024, 1, 5), date(2024, 2, 1)], ["2024-01-05", "2024-02-01"]),
        ([date(2020 + n // 12, n % 12 + 1, 3) for n in range(60)], ["2020-01", "2024-12"]),
    ],
)
def test_growth_is_told_by_day_or_month(days: list[date], labels: list[str]) -> None:
    moments = [datetime(d.year, d.month, d.day, 23, tzinfo=UTC).timestamp() for d in days]
    points = growth((moment, 10) for moment in reversed(moments))
    assert [points[0].label, points[-1].label] == labels
    assert points[-1].count == len(days)
    assert points[-1].size == 10 * len(days)
    assert [p.count for p in points] == sorted(p.count for p in points)


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
    told = runner.invoke(app, ["report", "--json", "--output", "other.html"])
    assert json.loads(told.stdout.splitlines()[-1])["path"] == "other.html"


# --- In a browser -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
    if found is None:
        pytest.skip("no Chromium on this machine; Debian has it as `chromium`")
    api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    with api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=found, args=sandbox)
        yield running
        running.close()


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
