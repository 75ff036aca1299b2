"""Which bytes may be stored for a line of the manifest."""

from __future__ import annotations

from io import BytesIO

import pytest
from PIL import Image

from mirror.model import EXTENSIONS, Asset, Key
from mirror.pictures.blob import inspect
from mirror.pictures.decode import ImageLimits
from mirror.pipeline.repair import extension_fits, picture_mismatch

SVG = "image/svg+xml"


def png() -> bytes:
    stream = BytesIO()
    Image.new("RGB", (8, 8), "red").save(stream, "PNG")
    return stream.getvalue()


@pytest.mark.parametrize(("media_type", "extension"), EXTENSIONS.items())
def test_the_extension_of_each_type_fits(media_type: str, extension: str) -> None:
    assert extension_fits(Key(f"ab/x{extension}"), media_type)


@pytest.mark.parametrize(
    ("key", "media_type", "fits"),
    [
        pytest.param("a.JPEG", "image/jpeg", True, id="another extension of the type"),
        pytest.param("a.jpg", "image/webp", True, id="another picture, which browsers recognise"),
        pytest.param("a", "image/png", True, id="no extension"),
        pytest.param("a", SVG, True, id="no extension, SVG"),
        pytest.param("a.jpg!small", "image/jpeg", True, id="the style of a host"),
        pytest.param("my.photo-ab12", "image/png", True, id="a dot in the name"),
        pytest.param("a.png", SVG, False, id="SVG as PNG"),
        pytest.param("a.webp", SVG, False, id="SVG as WebP"),
        pytest.param("a.apng", SVG, False, id="SVG as APNG"),
        pytest.param("a.svg", "image/png", False, id="PNG as SVG"),
        pytest.param("a.svgz", "image/png", False, id="PNG as compressed SVG"),
        pytest.param("a.html", "image/png", False, id="PNG as a page"),
        pytest.param("a.HTM", "image/gif", False, id="GIF as a page, in capitals"),
        pytest.param("a.js", "image/bmp", False, id="BMP as a script"),
        pytest.param("a.png.html", "image/png", False, id="the last extension counts"),
    ],
)
def test_an_extension_fits_if_a_server_would_send_a_picture_of_that_kind(
    key: str, media_type: str, fits: bool
) -> None:
    assert extension_fits(Key(key), media_type) is fits


def test_a_picture_is_what_its_line_says() -> None:
    blob = inspect(png())
    assert picture_mismatch(Asset(blob, key=Key("x.png")), png(), ImageLimits()) is None
    assert picture_mismatch(Asset(blob), png(), ImageLimits()) is None


def test_a_picture_over_the_limits_is_no_match() -> None:
    mismatch = picture_mismatch(Asset(inspect(png())), png(), ImageLimits(max_pixels=10))
    assert mismatch is not None
    assert "expected a picture of type image/png" in mismatch
