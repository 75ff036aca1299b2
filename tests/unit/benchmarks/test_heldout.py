"""The benchmarks that run the rule over documents, pictures and small type it was not made from."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from PIL import Image
from support import slides

from benchmarks import lookalikes
from benchmarks.heldout import Document, Material, documents, is_large, rendered, words

ROOT = Path(__file__).parents[3]


def pdf(*texts: str) -> bytes:
    """A PDF with one line of text on each page, wider than high."""
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Count %d/Kids[%s]>>"
        % (len(texts), b" ".join(b"%d 0 R" % (4 + 2 * n) for n in range(len(texts)))),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ]
    for text in texts:
        drawn = b"BT /F 24 Tf 40 90 Td (%s) Tj ET" % text.encode()
        page = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 320 180]/Contents %d 0 R" % (
            len(objects) + 2
        )
        objects += [page + b"/Resources<</Font<</F 3 0 R>>>>>>"]
        objects += [b"<</Length %d>>stream\n%s\nendstream" % (len(drawn), drawn)]
    body, places = b"%PDF-1.4\n", []
    for number, item in enumerate(objects, start=1):
        places.append(len(body))
        body += b"%d 0 obj%sendobj\n" % (number, item)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    size = len(objects) + 1
    return body + (
        b"xref\n0 %d\n0000000000 65535 f \n%strailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF"
        % (size, table, size, len(body))
    )


def test_words_and_pixels_are_the_labels(tmp_path: Path) -> None:
    slide, other = slides.deck(2)
    material = Material()
    for name, page, text in (
        ("a", slide, ("one", "two")),
        ("pixels", slide, ("hidden",)),
        ("words", replace(slide, page=9), ("one", "two")),
        ("neither", other, ("three",)),
    ):
        path = tmp_path / f"{name}.png"
        page.draw().save(path)
        material.add(path, name, text)
    first, *others = material.items
    assert [material.verdict(first, item) for item in others] == ["same", "look", "wrong"]


def test_a_picture_that_only_equal_pixels_can_merge_is_left_out(tmp_path: Path) -> None:
    sizes = {(400, 200): True, (399, 399): False, (800, 199): False}
    for size in sizes:
        slides.Slide("x", size=size).draw().save(tmp_path / f"{size[0]}.png")
    assert {size: is_large(tmp_path / f"{size[0]}.png") for size in sizes} == sizes


def test_a_document_becomes_pages_with_their_words(tmp_path: Path) -> None:
    if shutil.which("pdftoppm") is None:
        pytest.skip("poppler-utils is missing")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "talk.pdf").write_bytes(pdf("page one", "page two", "the end"))
    (tmp_path / "in" / "broken.pdf").write_bytes(b"%PDF-1.4")
    [talk] = documents(tmp_path)
    assert (talk.name, talk.pages, talk.is_slides) == ("in_talk", 3, True)
    assert words(talk)[:3] == [("page", "one"), ("page", "two"), ("the", "end")]
    paths = rendered(talk, tmp_path / "pages", width=640, most=2)
    material = Material()
    material.add_pages(talk, paths)
    assert [(item.blob.width, item.blob.height) for item in material.items] == [(640, 360)] * 2
    assert material.verdict(*material.items) == "wrong"


def test_few_or_high_pages_are_no_slides() -> None:
    talk = Document(Path("a.pdf"), "a", pages=3, width=320, height=180)
    assert talk.is_slides
    assert not replace(talk, pages=2).is_slides
    assert not replace(talk, width=180, height=320).is_slides


def test_the_run_tells_merges_apart_by_their_labels(tmp_path: Path) -> None:
    (tmp_path / "shown").mkdir()
    pages = [replace(slide, size=(640, 360)).draw() for slide in slides.deck(4)]
    for number, page in enumerate(pages):
        page.save(tmp_path / f"{number}.png")
    pages[0].save(tmp_path / "equal.png", compress_level=1)
    pages[1].save(tmp_path / "copy.jpg", quality=80)
    command = [sys.executable, "-m", "benchmarks", "heldout", tmp_path, "--sample", "1"]
    ran = subprocess.run(
        [*command, "--show", tmp_path / "shown"], cwd=ROOT, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "0 documents of 0 pages, 6 pictures; 5 with distinct pixels, 15 pairs" in ran.stdout
    assert "merged 2: same 1, look 1, wrong 0" in ran.stdout
    assert "LOOK copy.jpg, 1.png: T0" in ran.stdout
    assert "wrong merges in all: 0;" in ran.stdout
    assert (tmp_path / "shown" / "look-001.png").exists()


def test_lookalikes_differ_in_one_character_and_in_pixels(tmp_path: Path) -> None:
    random = Random(1)
    origin = lookalikes.page(random)
    for variant in lookalikes.variants(origin, random):
        changed = [
            (one, other)
            for before, after in zip(origin.lines, variant.lines, strict=True)
            for one, other in zip(before, after, strict=True)
            if one != other
        ]
        assert [lookalikes.SWAPS[one] for one, _ in changed] == [other for _, other in changed]
        assert len(changed) == 1
    lookalikes.write([origin], tmp_path, random)
    labels = [line.split("\t") for line in (tmp_path / "labels.tsv").read_text().splitlines()]
    assert len(labels) > 10
    for one, other, label in labels:
        with Image.open(tmp_path / one) as left, Image.open(tmp_path / other) as right:
            assert label == "different"
            assert left.tobytes() != right.tobytes()
