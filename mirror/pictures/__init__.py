"""Pictures: bytes -> the facts about them, decoded frames, and a thumbnail. Pillow's one room.

Read in this order:

- `sniff`: what the first bytes are, without any library
- `rows`: whether the pixels of a PNG reach its last row
- `decode`: bytes -> `Picture` -> frames, within limits taken from the headers
- `colour`: the colour space that the numbers of a picture belong to
- `phash`: a decoded frame -> the fingerprint
- `blob`: bytes -> `Blob`, all of the above in one call
- `thumbnail`: bytes -> a small WebP

Importing this page loads Pillow and numpy.
"""

from mirror.pictures.blob import damaged_blob, inspect
from mirror.pictures.decode import (
    Component,
    DecodingBudget,
    ForeignFormatError,
    ImageError,
    ImageLimits,
    ImageTooLargeError,
    Picture,
    components,
    has_alpha,
    on_white,
)
from mirror.pictures.phash import Grey, shrink
from mirror.pictures.thumbnail import thumbnail

__all__ = [
    "Component",
    "DecodingBudget",
    "ForeignFormatError",
    "Grey",
    "ImageError",
    "ImageLimits",
    "ImageTooLargeError",
    "Picture",
    "components",
    "damaged_blob",
    "has_alpha",
    "inspect",
    "on_white",
    "shrink",
    "thumbnail",
]
