"""A picture -> a small WebP of it, of a bounded number of bytes."""

from __future__ import annotations

from io import BytesIO

from PIL import Image

from mirror.model import Thumbnail
from mirror.pictures.decode import ImageError, ImageLimits, Picture, on_white

# Box and WebP quality, the finest first. Text in a slide is legible down to about the third.
_STEPS = (
    ((360, 270), 70),
    ((320, 240), 55),
    ((280, 210), 45),
    ((240, 180), 40),
    ((240, 180), 28),
    ((200, 150), 28),
    ((160, 120), 30),
    ((96, 72), 20),
    ((32, 24), 10),
)
_BYTES_A_PIXEL = 0.25  # what takes more than this is not worth a try


def thumbnail(
    data: bytes,
    max_bytes: int,
    limits: ImageLimits = ImageLimits(),  # noqa: B008  (frozen)
) -> Thumbnail:
    """The first frame, upright, on white, never enlarged, in at most `max_bytes`.

    Raise `ImageError` for what does not decode (SVG too: it has no pixels) or fits at no size.
    """
    picture = Picture(data, limits)
    # What a JPEG's decoder need not do for a small picture is most of its work.
    picture.draft(_STEPS[0][0])
    frame, _ = next(picture.frames())
    image = picture.upright(on_white(frame))
    for box, quality in _STEPS:
        if box[0] * box[1] * _BYTES_A_PIXEL / 4 > max_bytes:
            continue
        image.thumbnail(box, Image.Resampling.LANCZOS, reducing_gap=2.0)
        stream = BytesIO()
        image.save(stream, "WEBP", quality=quality, method=4)
        if stream.tell() <= max_bytes:
            return Thumbnail(stream.getvalue(), "image/webp", *image.size)
    raise ImageError(f"no thumbnail of it is within {max_bytes} bytes")
