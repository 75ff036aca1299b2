"""Small pictures of pictures."""

from __future__ import annotations

from io import BytesIO
from random import Random

import pytest
from PIL import Image
from support.reports import SLIDE, png
from support.slides import deck

from mirror.pictures.decode import ImageError, ImageLimits, ImageTooLargeError
from mirror.pictures.thumbnail import thumbnail


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
