"""One drawn slide, decoded and in every coding, for tests of pictures."""

from __future__ import annotations

from io import BytesIO

from PIL import Image
from support.lazy import Lazy
from support.slides import animation, deck, encode

SLIDE = deck(3)[2]
PICTURE = SLIDE.draw()
PNG = encode(PICTURE)
CODINGS = Lazy(
    {
        "PNG": lambda: PNG,
        "JPEG": lambda: encode(PICTURE, "JPEG"),
        "GIF": lambda: encode(PICTURE, "GIF"),
        "WebP": lambda: encode(PICTURE, "WEBP"),
        "AVIF": lambda: encode(PICTURE.resize((320, 180)), "AVIF"),
        "BMP": lambda: encode(PICTURE.resize((320, 180)), "BMP"),
        "TIFF": lambda: encode(PICTURE.resize((320, 180)), "TIFF"),
        "animated GIF": lambda: animation(
            [PICTURE.resize((320, 180)).rotate(n) for n in (0, 9, 20)]
        ),
        "animated WebP": lambda: animation(
            [PICTURE.resize((320, 180)).rotate(n) for n in (0, 9, 20)], "WEBP"
        ),
        "animated PNG": lambda: animation(
            [PICTURE.resize((320, 180)).rotate(n) for n in (0, 9, 20)], "PNG"
        ),
    }
)


def decoded(data: bytes) -> Image.Image:
    with Image.open(BytesIO(data)) as image:
        return image.convert("RGB")
