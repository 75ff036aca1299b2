"""Bytes -> decoded frames, with limits taken from the headers. The one place that opens pictures.

Every call ends in `ImageError` or in pixels; no warning of Pillow leaves this module.
"""

from __future__ import annotations

import logging
import struct
import threading
import warnings
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    IcoImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)

from mirror.documents import describe, remedy_for
from mirror.pictures.colour import colour_space
from mirror.pictures.rows import CodedFrame, check_rows, coded_frames, is_interlaced
from mirror.pictures.sniff import (
    SIGNATURE_TYPES,
    has_more_chunks,
    has_unclear_turn,
    is_bare_webp,
    is_cut_short,
    is_icon_set,
    is_lossy_webp,
    is_whole_gif,
    palette_size,
    picture_format,
    png_fault,
    png_of,
    scan_count,
    without_broken_chunks,
)
from mirror.urls.redact import printable

# What Pillow logs about a damaged TIFF it raises as well.
logging.getLogger("PIL").addHandler(logging.NullHandler())

# Diagram editors keep the whole drawing in a compressed text chunk, often over Pillow's 1 MiB.
PngImagePlugin.MAX_TEXT_CHUNK = PngImagePlugin.MAX_TEXT_MEMORY

# glibc keeps freed blocks of up to 32 MiB for the thread that had them, and Pillow's have 16: after
# eight large pictures in eight threads 4.7 GB stayed taken. Larger ones go back to the system.
Image.core.set_block_size(64 << 20)  # type: ignore[attr-defined]  # a C module, not exported

# Imported by name, so that Pillow never goes looking for the other thirty of its decoders.
_FORMATS = tuple(
    plugin.format
    for plugin in (
        PngImagePlugin.PngImageFile,
        JpegImagePlugin.JpegImageFile,
        GifImagePlugin.GifImageFile,
        WebPImagePlugin.WebPImageFile,
        AvifImagePlugin.AvifImageFile,
        BmpImagePlugin.BmpImageFile,
        TiffImagePlugin.TiffImageFile,
        IcoImagePlugin.IcoImageFile,
    )
)
_MEDIA_TYPES = {name.upper(): media_type for name, media_type in SIGNATURE_TYPES.items()} | {
    "MPO": "image/jpeg"  # a JPEG with more pictures behind the first, which browsers ignore
}
_ORIENTATION = 0x0112  # the tag in EXIF
_DENSITY = (0x011A, 0x011B)  # XResolution and YResolution
_EXIF_DETAILS = 0x8769  # the directory of these two:
_PIXELS = (0xA002, 0xA003)  # PixelXDimension and PixelYDimension
# Pixels an inch of a picture that browsers show as large as its pixels, which is how the HTML
# standard prepares an image for presentation: https://github.com/whatwg/html/pull/5574
_DEFAULT_DENSITY = 72
# What Pillow raises over an EXIF block that makes no sense, and what its values may do.
_BROKEN_EXIF = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    ArithmeticError,
    LookupError,
    struct.error,
)
_LYING = range(5, 9)  # orientations whose stored width is the height of the upright picture
_INVERSE = {6: 8, 8: 6}  # the orientations that do not undo themselves
_PNG_DEPTH_AT = 24  # the byte of IHDR that holds the bits of a sample
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class ImageError(Exception):
    """No picture, or one that does not decode whole; the message names what the bytes are."""


class ForeignFormatError(ImageError):
    """A whole file of a type that no page shows as a picture; the message says what helps."""


class ImageTooLargeError(ImageError):
    """A picture over a limit, refused before its pixels took memory."""


# An animation may have so many times the pixels of one picture in all its frames: 2,000,000,000 by
# default, or 960 frames of 1920 x 1080, which take some ten seconds to decode.
_ANIMATION = 20
# A frame counts as so many pixels at least: opening one takes as long as decoding these.
_LEAST_FRAME = 20_000
# Encoders write ten scans, optimisers some sixty. Each takes a pass over the whole picture.
_MAX_SCANS = 200
# Encoders fill chunks of 8 KiB or more. Pillow takes 16 microseconds for each, however small it is.
_MAX_CHUNKS = 100_000


@dataclass(frozen=True, slots=True)
class ImageLimits:
    """Limits of one picture. One frame is decoded at a time, so memory follows `max_pixels`."""

    max_pixels: int = 100_000_000

    def check(self, size: tuple[int, int], frames: int = 1) -> None:
        """Raise `ImageTooLargeError` if that many frames of that size are over the limit."""
        width, height = size
        if width * height > self.max_pixels:
            raise ImageTooLargeError(
                f"{width} x {height} is {width * height:,} pixels, over the limit of "
                f"{self.max_pixels:,}; raise max_pixels in [fetch]"
            )
        # A frame costs some work however small it is.
        total = frames * max(width * height, _LEAST_FRAME)
        if frames > 1 and total > _ANIMATION * self.max_pixels:
            raise ImageTooLargeError(
                f"{frames:,} frames or more of {width} x {height} are over {_ANIMATION} times the "
                f"limit of {self.max_pixels:,} pixels; raise max_pixels in [fetch]"
            )


class _WarningFilter:
    """Silences Pillow's warnings while any thread is inside.

    With `warnings.catch_warnings` alone, one thread would restore the filters of another.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._saved: warnings.catch_warnings[None] | None = None

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                self._saved = warnings.catch_warnings()
                self._saved.__enter__()
                # A warning with a stack level carries the name of the module that called Pillow.
                warnings.filterwarnings("ignore", module=r"PIL\.|mirror\.(pictures|repeats)\.")
            self._inside += 1

    def __exit__(self, *exc_info: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside and self._saved is not None:
                self._saved.__exit__(None, None, None)
                self._saved = None


_pillow_warnings = _WarningFilter()

# A frame, its copies while it is put on white and turned grey: bytes for each pixel, measured.
_BYTES_PER_PIXEL = 16
# Bytes that all threads together may decode at once. One picture may take more, alone.
_BUDGET = 1 << 30


class DecodingBudget:
    """Lets a thread decode when the bytes that others decode leave room for its own."""

    def __init__(self, size: int) -> None:
        self._room = threading.Condition()
        self._size = size
        self._taken = 0

    @contextmanager
    def taking(self, size: int) -> Iterator[None]:
        with self._room:
            self._room.wait_for(lambda: not self._taken or self._taken + size <= self._size)
            self._taken += size
        try:
            yield
        finally:
            with self._room:
                self._taken -= size
                self._room.notify_all()


_decoding_budget = DecodingBudget(_BUDGET)


@contextmanager
def _decoding(format_name: str) -> Iterator[None]:
    """Turn whatever a decoder raises over hostile bytes into `ImageError`."""
    try:
        with _pillow_warnings:
            yield
    except ImageError:
        raise
    except (Image.DecompressionBombError, MemoryError) as error:
        raise ImageTooLargeError(f"{format_name}: too many pixels ({error})") from error
    except Exception as error:  # decoders raise anything; none of our own code runs in here
        raise ImageError(f"{format_name}, damaged or cut short: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "its header makes no sense"
    return printable(str(error)) or type(error).__name__


class Picture:
    """An opened picture: its header is read, its pixels are not."""

    def __init__(self, data: bytes, limits: ImageLimits) -> None:
        """Raise `ImageError` unless `data` begins like a picture within `limits`."""
        self._name = picture_format(data)
        if self._name is None:
            problem = f"expected a picture, found {describe(data)}"
            if (remedy := remedy_for(data)) is not None:
                raise ForeignFormatError(f"{problem}; {remedy}")
            raise ImageError(problem)
        png = png_of(data)
        if png is not None and has_more_chunks(png, _MAX_CHUNKS):
            raise ImageTooLargeError(f"PNG with more than {_MAX_CHUNKS:,} chunks")
        if is_cut_short(data):
            raise ImageError(f"{self._name}, cut short: its end is missing")
        if self._name == "JPEG" and (scans := scan_count(data)) > _MAX_SCANS:
            raise ImageTooLargeError(f"JPEG with {scans:,} scans, over the limit of {_MAX_SCANS}")
        if png is not None and (fault := png_fault(png)) is not None:
            raise ImageError(f"PNG that browsers do not show: {fault}")
        self._limits = limits
        data = without_broken_chunks(data)
        self.data = data
        self._raise_pillows_limit()
        with _decoding(self._name):
            self._file: ImageFile.ImageFile = Image.open(BytesIO(data), formats=_FORMATS)
            self._check(1)
            self.media_type = _MEDIA_TYPES[self._file.format or ""]
            self.mode = self._file.mode
            self.orientation = self._read_orientation()
            self.is_deep = self.mode.startswith(("I", "F")) or (
                self.media_type == "image/png" and data[_PNG_DEPTH_AT] == 16
            )
            self.is_still = self._file.format == "MPO" or not getattr(
                self._file, "is_animated", False
            )

    def _raise_pillows_limit(self) -> None:
        # Pillow's own limit (an error at twice this value) still holds, for sizes that show only
        # inside a decoder: an icon's embedded PNG, a GIF frame beyond its canvas.
        if Image.MAX_IMAGE_PIXELS is not None:
            Image.MAX_IMAGE_PIXELS = max(Image.MAX_IMAGE_PIXELS, self._limits.max_pixels)

    def _check(self, frames: int) -> None:
        width, height = self._file.size
        if not (width and height):
            raise ImageError(f"{self._name} of {width} x {height} pixels")
        self._limits.check((width, height), frames)

    def _read_orientation(self) -> int:
        """Return the EXIF orientation, 1 to 8. Browsers ignore that of XMP, and so does this."""
        block = self._file.info.get("exif")
        if not block or self.media_type == "image/tiff":  # Pillow turns a TIFF while loading
            return 1
        exif = Image.Exif()
        try:
            exif.load(block)
            value = exif.get(_ORIENTATION, 1)
        except _BROKEN_EXIF:
            return 1  # browsers ignore a broken EXIF block too
        return value if value in _TURNS else 1

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the upright picture."""
        width, height = self._file.size
        return (height, width) if self.orientation in _LYING else (width, height)

    @property
    def colours(self) -> bytes:
        """The colour space and the size to show; empty for sRGB at the size of the pixels.

        Equal pixels look alike only where these are equal, too.
        """
        if any(unclear(self.data) for unclear in (is_bare_webp, is_icon_set, has_unclear_turn)):
            # Browsers show other pixels than Pillow, so only equal bytes look alike.
            return sha256(self.data).digest()
        return colour_space(self.data, self._file) + self._shown_size()

    def _shown_size(self) -> bytes:
        """Return the size that EXIF makes browsers show a picture at, empty for its own.

        https://html.spec.whatwg.org/multipage/images.html#density-corrected-natural-width-and-height
        """
        block = self._file.info.get("exif")
        if not block or self.media_type == "image/tiff":
            return b""
        exif = Image.Exif()
        try:
            exif.load(block)
            details = exif.get_ifd(_EXIF_DETAILS)
            densities = [float(exif[tag]) for tag in _DENSITY]
            shown = [int(details[tag]) for tag in _PIXELS]
            size = [
                side * _DEFAULT_DENSITY / n
                for side, n in zip(self._file.size, densities, strict=True)
            ]
        except _BROKEN_EXIF:
            return b""
        is_obeyed = all(abs(a - b) < 1 for a, b in zip(shown, size, strict=True))
        return f"shown at {shown}".encode() if is_obeyed and shown != [*self._file.size] else b""

    @property
    def coding(self) -> tuple[Hashable, ...]:
        """The way the pixels were made into bytes. Equal codings explain no difference of pixels.

        Everything without loss is one coding, whatever the format.
        """
        if self.media_type == "image/jpeg":
            return ("jpeg", self.sampling, *(tuple(self.tables[n]) for n in sorted(self.tables)))
        if self.media_type == "image/avif" or is_lossy_webp(self.data):
            return (self.media_type,)
        return ("palette",) if self.mode in ("P", "PA", "1") else ("exact",)

    @property
    def tables(self) -> dict[int, list[int]]:
        """Quantisation tables of a JPEG by number; empty for anything else."""
        tables: dict[int, list[int]] = getattr(self._file, "quantization", {})
        return tables

    @property
    def sampling(self) -> int:
        """Chroma sampling of a JPEG as Pillow counts it; -1 for one component or an odd one."""
        return JpegImagePlugin.get_sampling(self._file)

    @cached_property
    def components(self) -> list[Component]:
        """The components of the JPEG, decoded once."""
        return components(self.data)

    @property
    def plays(self) -> int | None:
        """Number of times that an animation is played before it stops; `None` if it never does."""
        if self.is_still:
            return 1
        loop = self._file.info.get("loop")
        if self.media_type == "image/gif":  # without the block that says so it is played once
            return 1 if loop is None else None if loop == 0 else int(loop) + 1
        return int(loop) if loop else None

    @contextmanager
    def decoding_room(self) -> Iterator[None]:
        """Wait until the memory that a frame takes is free, and give it back with the pixels."""
        width, height = self._file.size
        with _decoding_budget.taking(width * height * _BYTES_PER_PIXEL):
            try:
                yield
            finally:
                self._file.close()

    def draft(self, size: tuple[int, int]) -> None:
        """Allow frames smaller than the picture, at least `size`, where that decodes faster."""
        with _decoding(str(self._name)):
            self._file.draft(None, size)

    def frames(self) -> Iterator[tuple[Image.Image, float]]:
        """Yield each frame, decoded whole, with its delay in milliseconds.

        A frame is valid until the next one is taken, and is not yet turned upright.
        """
        index = 0
        png = png_of(self.data)
        coded = iter(()) if png is None else coded_frames(png)
        while True:
            with _decoding(str(self._name)):
                try:
                    if index != self._file.tell():
                        self._file.seek(index)
                except EOFError:
                    self._check_last_frame()
                    return
                self._check(index + 1)
                self._file.load()
                if png is not None and (frame := next(coded, None)) is not None:
                    self._check_pixels(png, frame)
                delay = float(self._file.info.get("duration") or 0)
            yield self._file, delay
            if self.is_still:
                return
            index += 1

    def _check_pixels(self, png: bytes, frame: CodedFrame) -> None:
        """Raise an error if a PNG lacks rows of the loaded frame, or colours of its palette.

        Pillow fills such rows in, and makes such colours black; some browsers take the last one.
        The last row of an interlaced PNG may be there while others are missing.
        """
        width, height = self._file.size
        last_row = self._file.crop((0, height - 1, width, height))
        if frame.number or is_interlaced(png) or not any(last_row.tobytes()):
            check_rows(png, frame)
        if self._file.mode == "P":
            colour, last = int(np.max(self._file.getextrema())), palette_size(png) - 1
            if colour > last:
                problem = f"a pixel has colour {colour} of a palette that ends at {last}"
                raise ImageError(f"PNG, damaged: {problem}")

    def _check_last_frame(self) -> None:
        # Pillow takes the end of the bytes for the end of the animation.
        if self._name == "GIF" and not is_whole_gif(self.data):
            raise ImageError("GIF, cut short: the last frames of the animation are missing")

    def upright(self, image: Image.Image) -> Image.Image:
        """Return a frame of this picture, in any mode, turned as its EXIF orientation asks."""
        turn = _TURNS.get(self.orientation)
        return image if turn is None else image.transpose(turn)

    def through_jpeg(self, image: Image.Image, **options: Any) -> Image.Image | None:
        """Return an upright image after coding and decoding as a JPEG stored as this picture is.

        The blocks of a JPEG lie on the stored picture, so it is turned before and turned back
        after. `None` where Pillow cannot write it with these options.
        """
        turn = _TURNS.get(_INVERSE.get(self.orientation, self.orientation))
        stream = BytesIO()
        try:
            (image if turn is None else image.transpose(turn)).save(stream, "JPEG", **options)
            decoded = Image.open(stream, formats=("JPEG",))
            decoded.load()
        except (OSError, ValueError, TypeError):
            return None
        return self.upright(decoded)


@dataclass(frozen=True, slots=True)
class Component:
    """One plane of a JPEG, at the size its blocks have, and their quantisation table."""

    plane: NDArray[np.uint8]
    table: NDArray[np.float64]  # 8x8
    halved: bool  # in both directions

    def rows(self, top: int, count: int) -> Component:
        """Return the part for so many rows of the picture from `top`, which is even."""
        step = 2 if self.halved else 1
        return replace(self, plane=self.plane[top // step : -(-(top + count) // step)])


def components(data: bytes) -> list[Component]:
    """Return luma and, of a colour JPEG, both chromas.

    Empty for a damaged JPEG, also one whose tables hold a zero, and for a sampling other than 4:4:4
    and 4:2:0.
    """
    try:
        with _decoding("JPEG"):
            file = Image.open(BytesIO(data), formats=("JPEG",))
            layers: list[tuple[int, int, int, int]] = getattr(file, "layer", [])
            tables: dict[int, list[int]] = getattr(file, "quantization", {})
            sampling = JpegImagePlugin.get_sampling(file)
            if any(0 in table for table in tables.values()):
                return []
            if len(layers) == 1:
                planes = [_drafted(data, "L", 1)]
            elif len(layers) == 3 and sampling == 0:
                planes = list(_drafted(data, "YCbCr", 1).split())
            elif len(layers) == 3 and sampling == 2:
                # At half the size a decoder returns the halved planes unchanged.
                planes = [_drafted(data, "L", 1), *_drafted(data, "YCbCr", 2).split()[1:]]
            else:
                return []
            return [
                Component(
                    np.asarray(plane),
                    np.reshape(np.array(tables[layer[3]], np.float64), (8, 8)),
                    plane.size != planes[0].size,
                )
                for plane, layer in zip(planes, layers, strict=True)
            ]
    except ImageError:
        return []


def _drafted(data: bytes, mode: str, scale: int) -> Image.Image:
    file = Image.open(BytesIO(data), formats=("JPEG",))
    file.draft(mode, (file.width // scale, file.height // scale))
    file.load()
    return file


def has_alpha(image: Image.Image) -> bool:
    """Return True if a pixel of a decoded frame is not opaque."""
    if "transparency" in image.info:
        return True
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La"):
        low, _ = image.getchannel(image.mode[-1]).getextrema()
        return bool(low != 255)
    return False


def on_white(image: Image.Image) -> Image.Image:
    """Return a decoded frame as RGB, or as L when it is grey, on white where it is not opaque.

    16-bit grey keeps its high byte; CMYK goes through Pillow's plain conversion, without a profile.
    """
    with _decoding(image.mode):
        if has_alpha(image):
            rgba = image.convert("RGBA")
            return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
        if image.mode.startswith("I;16"):
            return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
        if image.mode in ("RGB", "L"):
            return image
        if image.mode in ("1", "LA"):
            return image.convert("L")
        return image.convert("RGB")
