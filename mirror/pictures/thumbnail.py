"""A picture -> a small WebP of it, of a bounded number of bytes."""

from __future__ import annotations

from io import BytesIO

from PIL import Image

from mirror.model import Thumbnail
from mirror.pictures.decode import ImageError, ImageLimits, Picture, on_white

# Box in pixels and WebP quality, the finest first. The text of a slide stays legible down to about
# the third.
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
# Bytes for each pixel of a box. A box that is over `max_bytes` even so is skipped, which saves the
# coding. An estimate, not measured.
_LEAST_BYTES_PER_PIXEL = 1 / 16


def thumbnail(
    data: bytes,
    max_bytes: int,
    limits: ImageLimits = ImageLimits(),  # noqa: B008  (frozen)
) -> Thumbnail:
    """Return the first frame, upright, on white, never enlarged, in at most `max_bytes`.

    Raise `ImageError` for bytes that do not decode (SVG too: it has no pixels) and for a picture
    that is over `max_bytes` at every size.
    """
    picture = Picture(data, limits)
    # A JPEG decodes several times as fast at a part of its size.
    picture.draft(_STEPS[0][0])
    frame, _ = next(picture.frames())
    image = picture.upright(on_white(frame))
    for box, quality in _STEPS:
        if box[0] * box[1] * _LEAST_BYTES_PER_PIXEL > max_bytes:
            continue
        image.thumbnail(box, Image.Resampling.LANCZOS, reducing_gap=2.0)
        stream = BytesIO()
        image.save(stream, "WEBP", quality=quality, method=4)
        if stream.tell() <= max_bytes:
            return Thumbnail(stream.getvalue(), "image/webp", *image.size)
    raise ImageError(f"no thumbnail of it is within {max_bytes} bytes")
