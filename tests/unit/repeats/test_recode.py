"""The quantisers of a WebP, and copies by coders that are installed."""

from __future__ import annotations

import shutil

import pytest
from support.codings import PICTURE, SLIDE
from support.slides import encode, with_digit_changed

from benchmarks.coders import piped
from mirror.repeats.compare import compare
from mirror.repeats.recode import quantisers


@pytest.mark.parametrize("quality", [1, 40, 75, 100])
def test_quantisers_of_a_webp_fall_as_its_quality_rises(quality):
    coarse, fine = (quantisers(encode(PICTURE, "WEBP", quality=q)) for q in (quality - 1, quality))
    assert coarse[0] >= fine[0]
    assert 0 <= fine[0] <= 127
    assert quantisers(encode(PICTURE, "WEBP", lossless=True)) == ()


@pytest.mark.parametrize("kept", range(12, 60, 4))
def test_quantisers_of_a_webp_cut_short_are_read_without_an_error(kept):
    assert isinstance(quantisers(encode(PICTURE, "WEBP")[:kept]), tuple)


COMMANDS = {
    "libjpeg, floating point": (["cjpeg", "-dct", "float", "-quality", "75"], "PPM"),
    "libjpeg, fast": (["cjpeg", "-dct", "fast", "-quality", "75"], "PPM"),
    "pngquant": (["pngquant", "--nofs", "128", "-"], "PNG"),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_copy_by_an_installed_coder_is_the_same_picture(name):
    command, coding = COMMANDS[name]
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    copy = piped(command, coding, SLIDE.draw())
    assert compare(encode(SLIDE.draw()), copy, 0).tier == "T0"
    assert not compare(encode(with_digit_changed(SLIDE).draw()), copy, 0).same
