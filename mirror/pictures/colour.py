"""What a picture's numbers mean as colours, as far as it changes what a reader sees.

Equal pixels under different profiles are two different pictures.
"""

from __future__ import annotations

from functools import lru_cache
from io import BytesIO

import numpy as np
from PIL import Image, ImageCms

_SRGB_GAMMA = 0.45455
_SRGB_PRIMARIES = (0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)
_SAME_COLOUR = 3  # levels a profile may move a colour by and still count as sRGB


def colour_space(data: bytes, image: Image.Image) -> bytes:
    """A name of the colour space, empty for sRGB and for pictures that name none."""
    if profile := bytes(image.info.get("icc_profile") or b""):
        return b"" if _is_srgb(profile, image.mode) else profile
    if image.format == "PNG":
        return _png_space(data, image)
    if image.format == "AVIF" and (at := data.find(b"colrnclx")) >= 0:
        primaries, transfer = data[at + 8 : at + 10], data[at + 10 : at + 12]
        known = primaries in (b"\0\1", b"\0\2") and transfer in (
            b"\0\1",
            b"\0\2",
            b"\0\6",
            b"\0\x0d",
        )
        return b"" if known else data[at : at + 12]
    return b""


def _png_space(data: bytes, image: Image.Image) -> bytes:
    """From the chunks in front of the pixels: cICP, then sRGB, then gAMA and cHRM."""
    before_pixels = data[: data.find(b"IDAT")]
    if (at := before_pixels.find(b"cICP")) >= 0:
        return before_pixels[at : at + 8]
    if "srgb" in image.info:
        return b""
    gamma = image.info.get("gamma", _SRGB_GAMMA)
    primaries = image.info.get("chromaticity", _SRGB_PRIMARIES)
    found, usual = (gamma, *primaries), (_SRGB_GAMMA, *_SRGB_PRIMARIES)
    if len(found) == len(usual) and np.allclose(found, usual, atol=0.002):
        return b""
    return repr(found).encode()


@lru_cache(maxsize=64)
def _is_srgb(profile: bytes, mode: str) -> bool:
    """Whether the profile leaves a set of colours where sRGB has them: measured, not by name."""
    mode = "L" if mode in ("1", "L", "LA") else "RGB"
    levels = np.linspace(0, 255, 6).astype(np.uint8)
    if mode == "L":
        colours = Image.fromarray(np.arange(256, dtype=np.uint8)[None])
    else:
        cube = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(1, -1, 3)
        colours = Image.fromarray(cube)
    try:
        seen = ImageCms.profileToProfile(
            colours, BytesIO(profile), ImageCms.createProfile("sRGB"), outputMode="RGB"
        )
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return False
    if seen is None:
        return False
    moved = np.abs(np.asarray(seen).astype(int) - np.asarray(colours.convert("RGB")))
    return bool(moved.max() <= _SAME_COLOUR)
