"""One drawn slide, decoded and in every coding, for tests of pictures."""

from __future__ import annotations

from io import BytesIO

from PIL import Image
from support.slides import animation, deck, encode

SLIDE = deck(3)[2]
PICTURE = SLIDE.draw()
PNG = encode(PICTURE)
CODINGS = {
    "PNG": PNG,
    "JPEG": encode(PICTURE, "JPEG"),
    "GIF": encode(PICTURE, "GIF"),
    "WebP": encode(PICTURE, "WEBP"),
    "AVIF": encode(PICTURE.resize((320, 180)), "AVIF"),
    "BMP": encode(PICTURE.resize((320, 180)), "BMP"),
    "TIFF": encode(PICTURE.resize((320, 180)), "TIFF"),
    "animated GIF": animation([PICTURE.resize((320, 180)).rotate(n) for n in (0, 9, 20)]),
    "animated WebP": animation([PICTURE.resize((320, 180)).rotate(n) for n in (0, 9, 20)], "WEBP"),
    "animated PNG": animation([PICTURE.resize((320, 180)).rotate(n) for n in (0, 9, 20)], "PNG"),
}


def decoded(data: bytes) -> Image.Image:
    with Image.open(BytesIO(data)) as image:
        return image.convert("RGB")
