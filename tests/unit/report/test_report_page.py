"""The page of a report, read by a real parser."""

from __future__ import annotations

import re
import sys
from base64 import b64encode
from collections import Counter
from dataclasses import replace
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.reports import HOSTILE, NOON, example, parse, picture, text_of

from mirror.model import Finding, Rule, Thumbnail
from mirror.report import (
    HostTotals,
    PostLine,
    Report,
    Totals,
    page,
    thumbnail_bytes,
)
from mirror.report.html import tag


@pytest.fixture(scope="module")
def tree() -> Any:
    return parse("".join(page(example())))


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
        pytest.param(
            Totals(images=5, ignored=4),
            (),
            "Every image of your sources is mirrored, except 4 that are ignored, as configured.",
            id="ignored",
        ),
        pytest.param(
            Totals(images=5, ignored=1),
            (Finding(Rule.NOT_FETCHED, "https://a/b.png", "404"),),
            "Every image is mirrored, except 1 that is ignored, as configured, and 1 finding to "
            "look at.",
            id="ignored, and a finding",
        ),
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


def test_what_the_page_has_no_room_for_is_counted_and_the_way_to_it_named() -> None:
    report = Report("t", NOON, pictures=[picture(1)], pictures_left_out=1999, groups_left_out=7)
    text = "".join(page(report))
    assert "The first 1 of 2,000 pictures" in text
    assert "mirror report PATHS" in text
    assert "lists the 7 more" in text
    assert "The first" not in "".join(page(Report("t", NOON, pictures=[picture(1)])))


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
