"""Bytes of a picture -> `Blob`, the facts about them."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import md5, sha256
from typing import TypeAlias

from PIL import Image

from mirror.model import Blob, Digest, Fingerprint
from mirror.pictures.decode import ImageError, ImageLimits, Picture, on_white
from mirror.pictures.phash import Grey, fingerprint, shrink
from mirror.pictures.sniff import SIGNATURE_TYPES, is_svg, is_whole_svg, picture_format

Watch: TypeAlias = Callable[[Digest, Picture, Image.Image, Grey, Image.Image], None]
"""Takes a digest, its picture, the first frame, that frame in grey, and the grey one shrunk.

The grey one is upright, on white.
"""


def inspect(
    data: bytes,
    limits: ImageLimits = ImageLimits(),  # noqa: B008  (frozen)
    watch: Watch | None = None,
) -> Blob:
    """Decode every frame of `data` and return its facts, all taken from the bytes.

    Formats: PNG, JPEG, GIF, WebP, AVIF, BMP, TIFF, ICO, and SVG, which has no pixels. Bytes behind
    a whole picture are ignored. The fingerprint is that of the first frame, upright, on white.
    `watch` is shown what was decoded, so that nobody has to decode it again. Raise `ImageError` for
    anything else and `ImageTooLargeError` for a picture over `limits`.
    """
    if picture_format(data) is None and is_svg(data):
        if not is_whole_svg(data):
            raise ImageError("SVG, damaged or cut short: its root element is not closed")
        return _blob(data, "image/svg+xml", None, None)
    picture = Picture(data, limits)
    bits: Fingerprint | None = None
    size = picture.size
    digest = _digest(data)
    with picture.decoding_room():
        for image, _ in picture.frames():
            if bits is None:
                grey = Grey.of(picture.upright(on_white(image).convert("L")))
                small = shrink(grey)
                bits = fingerprint(small)
                if watch is not None:
                    watch(digest, picture, image, grey, small)
    return _blob(data, picture.media_type, size, bits, digest)


def damaged_blob(data: bytes) -> Blob | None:
    """Return the facts about a damaged picture, known by its first bytes; `None` for others.

    It has neither size in pixels nor fingerprint, so it is like no other picture.
    """
    name = picture_format(data)
    media_type = SIGNATURE_TYPES.get(name) if name is not None else None
    if media_type is None and is_svg(data):
        media_type = "image/svg+xml"
    return _blob(data, media_type, None, None) if media_type is not None else None


def _digest(data: bytes) -> Digest:
    return Digest(sha256(data).hexdigest())


def _blob(
    data: bytes,
    media_type: str,
    size: tuple[int, int] | None,
    bits: Fingerprint | None,
    digest: Digest | None = None,
) -> Blob:
    width, height = size or (None, None)
    return Blob(
        digest=digest or _digest(data),
        md5=md5(data, usedforsecurity=False).hexdigest(),
        size=len(data),
        media_type=media_type,
        width=width,
        height=height,
        fingerprint=bits,
    )
