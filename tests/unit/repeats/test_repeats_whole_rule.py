"""Search, comparison and choice together on a drawn deck."""

from __future__ import annotations

from PIL import Image
from support.pairs import choose
from support.slides import THEMES, builds, deck, encode, turned, with_digit_changed

from mirror.pictures.blob import inspect
from mirror.repeats.choose import judge_waves
from mirror.repeats.compare import compare
from mirror.repeats.search import find_candidates

LANCZOS = Image.Resampling.LANCZOS


def choice_of(pictures: dict[str, bytes]) -> dict[str, str]:
    blobs = {name: inspect(data) for name, data in pictures.items()}
    by_digest = {blob.digest: name for name, blob in blobs.items()}
    data = {blob.digest: pictures[name] for name, blob in blobs.items()}

    def judge(asked):
        return [compare(data[p.pair.first], data[p.pair.second], p.distance) for p in asked]

    chosen = judge_waves(choose(blobs.values(), find_candidates(list(blobs.values()), ())), judge)
    return {by_digest[digest]: by_digest[canonical] for digest, canonical in chosen.items()}


def test_a_deck_with_builds_and_copies_keeps_each_slide_once():
    slides = deck(4, seed=3, theme=THEMES[1])
    pictures = {f"build {n}": encode(s.draw()) for n, s in enumerate(builds(slides[0]))}
    pictures |= {f"slide {s.page}": encode(s.draw()) for s in slides[1:]}
    pictures["digit"] = encode(with_digit_changed(slides[2]).draw(), "JPEG", quality=85)
    expected = {name: name for name in pictures}
    copied = slides[1].draw()
    pictures["copy, JPEG"] = encode(copied, "JPEG", quality=75)
    pictures["copy, half"] = encode(copied.resize((640, 360), LANCZOS))
    pictures["copy, WebP"] = encode(copied, "WEBP", quality=85)
    pictures["copy, turned"] = turned(copied)
    expected |= dict.fromkeys((name for name in pictures if "copy" in name), "slide 2")
    assert choice_of(pictures) == expected
