"""The colour space of a picture: equal pixels in two colour spaces are two different pictures."""

from __future__ import annotations

from functools import lru_cache
from io import BytesIO

import numpy as np
from PIL import Image, ImageCms

from mirror.pictures.sniff import jpeg_profiles, png_colour_chunks

# The values of gAMA and cHRM that the PNG specification (section 11.3.2.5) gives for sRGB.
_SRGB_GAMMA = 0.45455
_SRGB_PRIMARIES = (0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)
_SRGB_TOLERANCE = 0.002  # bounds how programs round those numbers; not measured
# Codes of ITU-T H.273 that browsers show as sRGB: BT.709 or unspecified primaries, and a transfer
# of BT.709, unspecified, BT.601 or sRGB.
_SRGB_PRIMARIES_CODES = (b"\0\1", b"\0\2")
_SRGB_TRANSFER_CODES = (b"\0\1", b"\0\2", b"\0\6", b"\0\x0d")
_MAX_SHIFT = 3  # levels a profile may move a colour by and still count as sRGB; not measured


def colour_space(data: bytes, image: Image.Image) -> bytes:
    """Return bytes that name the colour space, empty for sRGB and for pictures that name none.

    Where a file contradicts itself, or has a profile that Pillow does not find, they are what it
    says: browsers may take another part of it than Pillow.
    """
    if unclear := _unclear_space(data, image):
        return unclear
    if profile := bytes(image.info.get("icc_profile") or b""):
        return b"" if _is_srgb(profile, image.mode) else profile
    if image.format == "PNG":
        return _png_space(data, image)
    if image.format == "AVIF" and (at := data.find(b"colrnclx")) >= 0:
        primaries, transfer = data[at + 8 : at + 10], data[at + 10 : at + 12]
        is_srgb = primaries in _SRGB_PRIMARIES_CODES and transfer in _SRGB_TRANSFER_CODES
        return b"" if is_srgb else data[at : at + 12]
    return b""


def _unclear_space(data: bytes, image: Image.Image) -> bytes:
    """Return what a file says that says it twice, or where Pillow does not look. Else nothing."""
    if image.format == "PNG":
        chunks = png_colour_chunks(data)
        is_clear = len({kind for kind, _ in chunks}) == len(chunks)
        return b"" if is_clear else b"".join(kind + body for kind, body in chunks)
    if image.format in ("JPEG", "MPO"):
        parts = jpeg_profiles(data)
        profile = b"".join(part[2:] for part in sorted(parts))  # behind a number and the count
        is_clear = profile == bytes(image.info.get("icc_profile") or b"")
        return b"" if is_clear else b"".join(parts)
    return b""


def _png_space(data: bytes, image: Image.Image) -> bytes:
    """Read the chunks in front of the pixels: cICP, then sRGB, then gAMA and cHRM."""
    if (cicp := dict(png_colour_chunks(data)).get(b"cICP")) is not None:
        return b"cICP" + cicp
    if "srgb" in image.info:
        return b""
    gamma = image.info.get("gamma", _SRGB_GAMMA)
    primaries = image.info.get("chromaticity", _SRGB_PRIMARIES)
    space, srgb = (gamma, *primaries), (_SRGB_GAMMA, *_SRGB_PRIMARIES)
    if len(space) == len(srgb) and all(map(_is_near, space, srgb)):
        return b""
    return repr(space).encode()


def _is_near(value: float, expected: float) -> bool:
    return abs(value - expected) <= _SRGB_TOLERANCE


@lru_cache(maxsize=64)  # profiles: those of some cameras and screens
def _is_srgb(profile: bytes, mode: str) -> bool:
    """Return True if the profile leaves a set of colours where sRGB has them.

    The colours are converted and measured, because profiles of one name differ.
    """
    mode = "L" if mode in ("1", "L", "LA") else "RGB"
    levels = np.linspace(0, 255, 6).astype(np.uint8)
    if mode == "L":
        colours = Image.fromarray(np.arange(256, dtype=np.uint8)[None])
    else:
        cube = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(1, -1, 3)
        colours = Image.fromarray(cube)
    try:
        converted = ImageCms.profileToProfile(
            colours, BytesIO(profile), ImageCms.createProfile("sRGB"), outputMode="RGB"
        )
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return False
    if converted is None:
        return False
    shift = np.abs(np.asarray(converted).astype(int) - np.asarray(colours.convert("RGB")))
    return bool(shift.max() <= _MAX_SHIFT)
