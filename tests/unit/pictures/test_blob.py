"""The facts that `inspect` reads from the bytes of a picture."""

from __future__ import annotations

from hashlib import md5, sha256
from io import BytesIO

import imagehash
import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps
from support.codings import PICTURE, PNG
from support.slides import animation, encode

from mirror.pictures.blob import inspect


def _hash(image: Image.Image) -> str:
    return str(imagehash.phash(image, hash_size=16))


def test_inspect_reads_every_fact_from_the_bytes():
    blob = inspect(PNG)
    assert blob.digest.hex == sha256(PNG).hexdigest()
    assert blob.md5 == md5(PNG, usedforsecurity=False).hexdigest()
    assert blob.size == len(PNG)
    assert (blob.media_type, blob.width, blob.height) == ("image/png", 1280, 720)
    assert str(blob.fingerprint) == _hash(PICTURE)


@pytest.mark.parametrize(
    ("coding", "media_type"),
    [
        ("PNG", "image/png"),
        ("JPEG", "image/jpeg"),
        ("GIF", "image/gif"),
        ("WEBP", "image/webp"),
        ("AVIF", "image/avif"),
        ("BMP", "image/bmp"),
        ("TIFF", "image/tiff"),
        ("ICO", "image/x-icon"),
    ],
)
def test_media_type_and_fingerprint_for_each_format(coding, media_type):
    image = PICTURE.resize((256, 144))
    data = encode(image, coding, sizes=[(256, 144)])
    blob = inspect(data)
    with Image.open(BytesIO(data)) as decoded:
        assert str(blob.fingerprint) == _hash(decoded.convert("RGB"))
    assert blob.media_type == media_type
    assert (blob.width, blob.height) == (256, 144)


def test_a_jpeg_with_more_pictures_behind_it_is_a_jpeg():
    data = animation([PICTURE, PICTURE.rotate(180)], "MPO")
    blob = inspect(data)
    assert blob.media_type == "image/jpeg"


@pytest.mark.parametrize("trailing", [b"\0" * 40, b"<?php evil() ?>", PNG[:100]])
def test_trailing_data_after_a_whole_picture_is_accepted(trailing):
    for data in (PNG, encode(PICTURE, "JPEG"), encode(PICTURE, "GIF")):
        blob = inspect(data + trailing)
        assert blob.media_type == inspect(data).media_type
        assert blob.digest.hex == sha256(data + trailing).hexdigest()


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_fingerprint_is_imagehash_on_white_for_each_png_mode(mode):
    image = PICTURE.convert("L") if mode == "I;16" else PICTURE.convert(mode)
    if mode == "I;16":
        image = Image.fromarray(np.asarray(image).astype(np.uint16) * 257)
    expected = PICTURE.convert("L") if mode == "I;16" else image.convert("RGB")
    assert str(inspect(encode(image)).fingerprint) == _hash(expected)


def test_transparent_pixels_are_hashed_on_white():
    image = PICTURE.convert("RGBA")
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    white = Image.new("RGBA", image.size, "white")
    expected = _hash(Image.alpha_composite(white, image).convert("RGB"))
    assert str(inspect(encode(image)).fingerprint) == expected
    assert expected != _hash(PICTURE)


def test_a_palette_with_transparency_is_laid_on_white():
    image = Image.new("P", (300, 300), 1)
    image.putpalette([0, 0, 0, 255, 0, 0])
    image.paste(0, (50, 50, 200, 120))
    data = encode(image, transparency=bytes([128, 255]))
    red = Image.new("RGB", (300, 300), "red")
    red.paste((127, 127, 127), (50, 50, 200, 120))
    assert str(inspect(data).fingerprint) == _hash(red)


def test_cmyk_jpeg_is_hashed_as_rgb():
    data = encode(PICTURE.convert("CMYK"), "JPEG", quality=95)
    assert inspect(data).fingerprint.distance(inspect(PNG).fingerprint) <= 10


@pytest.mark.parametrize("orientation", range(1, 9))
def test_width_height_and_fingerprint_are_those_of_the_upright_picture(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = PICTURE.resize((320, 180))
    data = encode(image, exif=exif.tobytes())
    image.info["exif"] = exif.tobytes()
    upright = ImageOps.exif_transpose(image)
    blob = inspect(data)
    assert (blob.width, blob.height) == upright.size
    assert str(blob.fingerprint) == _hash(upright)


def test_an_animation_is_hashed_by_its_first_frame():
    frames = [PICTURE, PICTURE.rotate(180)]
    assert inspect(animation(frames)).fingerprint == inspect(encode(PICTURE, "GIF")).fingerprint


def test_an_icc_profile_changes_nothing():
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert inspect(encode(PICTURE, icc_profile=profile)).fingerprint == inspect(PNG).fingerprint
