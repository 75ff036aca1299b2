"""The corpora of the benchmark."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from support.slides import deck

from benchmarks import common, sync


def test_a_slide_is_built_from_the_top_and_ends_whole() -> None:
    slide = deck(1)[0].draw()
    steps = list(sync.built([slide]))
    assert len(steps) == sync.STEPS
    assert steps[-1].tobytes() == slide.tobytes()
    height = slide.height // sync.STEPS
    top = (0, 0, slide.width, height)
    assert all(step.crop(top).tobytes() == slide.crop(top).tobytes() for step in steps)
    assert steps[0].crop((0, height, *slide.size)).getcolors(1) is not None


def test_pictures_of_a_folder_are_taken_again_turned(tmp_path: Path) -> None:
    picture = Image.new("RGB", (2, 2))
    picture.putdata([(0, 0, 0), (80, 0, 0), (0, 160, 0), (0, 0, 240)])
    picture.save(tmp_path / "a.png")
    taken = [image.tobytes() for image in sync.slides(tmp_path, len(sync.TURNS))]
    assert taken[0] == picture.tobytes()
    assert len(set(taken)) == len(taken)
    with pytest.raises(common.BenchError, match="too few"):
        list(sync.slides(tmp_path, len(sync.TURNS) + 1))


def test_slides_are_drawn_where_no_folder_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH_SLIDES", "/slides")
    assert common.slides_folder() == Path("/slides")
    monkeypatch.delenv("BENCH_SLIDES")
    monkeypatch.setattr(common, "SLIDES", Path("/nowhere"))
    assert common.slides_folder() is None
    assert len(list(sync.slides(None, 2))) == 2
