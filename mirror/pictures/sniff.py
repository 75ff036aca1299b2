"""Bytes -> the kind of file they are, read from the bytes themselves. No third party.

Used where Pillow does not decide: SVG, which has no pixels here, and pictures that were cut short.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from itertools import chain, islice
from zlib import crc32

from mirror.documents import root_element, text_of

_PROLOG = 1 << 16  # bytes that may hold the root of an SVG: licences and entity lists precede it

_PICTURES = (
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"GIF8", "GIF"),
    (b"BM", "BMP"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
    (b"\x00\x00\x01\x00", "ICO"),
)
# The media types of the formats that `picture_format` names.
SIGNATURE_TYPES = {
    "PNG": "image/png",
    "JPEG": "image/jpeg",
    "GIF": "image/gif",
    "BMP": "image/bmp",
    "TIFF": "image/tiff",
    "ICO": "image/x-icon",
    "WebP": "image/webp",
    "AVIF": "image/avif",
}
_SVG_TAIL = re.compile(r"(?:--|\?)>\Z")
_SVG_END = re.compile(r"</(?:[\w.-]+:)?svg\s*>|<(?:[\w.-]+:)?svg\b[^<>]*/>")


def picture_format(data: bytes) -> str | None:
    """Return the picture format whose signature `data` begins with; the rest may be damaged."""
    for magic, name in _PICTURES:
        if data.startswith(magic):
            return name
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WebP"
    if data[4:12] in (b"ftypavif", b"ftypavis"):
        return "AVIF"
    return None


def is_cut_short(data: bytes) -> bool:
    """Return True if `data` is a PNG or a JPEG without its end, which Pillow would accept."""
    match picture_format(data):
        case "PNG":
            return _is_cut_png(data)
        case "JPEG":
            return _is_cut_jpeg(data)
    return False


# --- PNG ------------------------------------------------------------------------------------------

# The lengths that the PNG specification gives to ancillary chunks of a fixed length.
_CHUNK_LENGTHS = {
    b"cHRM": range(32, 33),
    b"gAMA": range(4, 5),
    b"pHYs": range(9, 10),
    b"sBIT": range(1, 5),
    b"sRGB": range(1, 2),
    b"tIME": range(7, 8),
    b"tRNS": range(1, 257),
}
_ANIMATION_CHUNKS = frozenset({b"acTL", b"fcTL", b"fdAT"})


def without_broken_chunks(data: bytes) -> bytes:
    """Return a PNG without the ancillary chunks that browsers ignore: a wrong CRC or length.

    Chunks that hold pixels, also those of an animation, stay as they are. So does anything that is
    no PNG.
    """
    if picture_format(data) != "PNG":
        return data
    broken = [place for kind, place in png_chunks(data) if _is_ignored(data, kind, place)]
    pieces, at = [], 0
    for start, stop in broken:
        pieces.append(data[at:start])
        at = stop
    return b"".join((*pieces, data[at:])) if broken else data


def _is_ignored(data: bytes, kind: bytes, place: tuple[int, int]) -> bool:
    is_ancillary = kind[:1].islower() and kind not in _ANIMATION_CHUNKS
    start, stop = place
    if not is_ancillary or stop > len(data):
        return False
    length = stop - start - 12
    if length not in _CHUNK_LENGTHS.get(kind, range(length, length + 1)):
        return True
    return crc32(memoryview(data)[start + 4 : stop - 4]).to_bytes(4, "big") != data[stop - 4 : stop]


def png_chunks(data: bytes) -> Iterator[tuple[bytes, tuple[int, int]]]:
    """Yield the type of each chunk up to IEND, and where the whole chunk begins and ends."""
    at = 8
    while kind := data[at + 4 : at + 8]:
        stop = at + 12 + int.from_bytes(data[at : at + 4], "big")
        yield kind, (at, stop)
        if kind == b"IEND":
            return
        at = stop


_PALETTE_COLOURS = b"\3"  # the type of colour whose pixels are numbers of a palette
_WIDTH_AT, _COLOUR_AT, _COMPRESSION_AT = 16, 25, 26  # bytes of IHDR, which follows the signature
_HEADER_BYTES = 33  # of the signature and the whole IHDR
_PALETTE_BYTES = range(3, 3 * 256 + 1)


def png_fault(data: bytes) -> str | None:
    """Return why browsers show no pixel of a PNG that Pillow decodes, `None` where they do.

    Pillow passes over what stands in front of the pixels and must not be passed over: the kinds of
    chunk that begin with a capital letter, and the ways of coding in the header.
    """
    has_palette = False
    for kind, (start, stop) in png_chunks(data):
        length = stop - start - 12
        if start + 8 == _WIDTH_AT:
            if kind != b"IHDR" or length != 13 or len(data) < _HEADER_BYTES:
                return "expected a header of 13 bytes at its beginning"
            if data[_COMPRESSION_AT]:
                return f"its compression {data[_COMPRESSION_AT]} is unknown"
        elif kind == b"IDAT":
            break
        elif kind == b"PLTE":
            if has_palette:
                return "it has two palettes"
            if length not in _PALETTE_BYTES:
                return f"its palette has {length:,} bytes"
            has_palette = True
        elif kind[:1].isupper():
            return f"its chunk {kind!r} is unknown or out of place"
    if data[_COLOUR_AT : _COLOUR_AT + 1] == _PALETTE_COLOURS and not has_palette:
        return "its palette is missing"
    return None


def palette_size(data: bytes) -> int:
    """Return the number of colours in the palette of a PNG; 0 without one."""
    places = (place for kind, place in png_chunks(data) if kind == b"PLTE")
    start, stop = next(places, (0, 12))
    return (stop - start - 12) // 3


def has_more_chunks(data: bytes, count: int) -> bool:
    """Return True if a PNG has more than so many chunks up to IEND. No more of them are read."""
    return next(islice(png_chunks(data), count, None), None) is not None


def png_of(data: bytes) -> bytes | None:
    """Return a PNG, or the one that an icon of one picture holds; `None` for anything else."""
    name = picture_format(data)
    if name == "ICO" and not is_icon_set(data):
        size, start = (int.from_bytes(data[at : at + 4], "little") for at in (14, 18))
        data = data[start : start + size]
        name = picture_format(data)
    return data if name == "PNG" else None


def _is_cut_png(data: bytes) -> bool:
    """Return True if the chunks of a PNG end before a whole IEND."""
    kind, stop = b"", 0
    for kind, (_, stop) in png_chunks(data):  # noqa: B007  (the last)
        pass
    return kind != b"IEND" or stop > len(data)


# --- JPEG, GIF, WebP ------------------------------------------------------------------------------

_START_OF_SCAN, _END_OF_IMAGE = b"\xff\xda", b"\xff\xd9"


def _is_cut_jpeg(data: bytes) -> bool:
    """Return True if no end-of-image marker follows the first scan of a JPEG.

    An upload that was never finished may leave zeros there, which a decoder shows as grey.
    """
    at = _first_scan(data)
    return data.startswith(_START_OF_SCAN, at) and data.rfind(_END_OF_IMAGE, at) < 0


_AFTER_SEGMENTS = (_START_OF_SCAN, b"\xff")


def _jpeg_segments(data: bytes) -> Iterator[tuple[bytes, tuple[int, int]]]:
    """Yield the marker of each segment up to the first scan, and where it begins and ends.

    A fill byte between two segments counts as one, with the marker `ff ff`.
    """
    at = 2
    while data[at : at + 1] == b"\xff" and (marker := data[at : at + 2]) not in _AFTER_SEGMENTS:
        is_fill = marker == b"\xff\xff"
        stop = at + (1 if is_fill else 2 + int.from_bytes(data[at + 2 : at + 4], "big"))
        yield marker, (at, stop)
        at = stop


def _first_scan(data: bytes) -> int:
    """Return where the first scan of a JPEG begins, or where its segments end without one."""
    return max((stop for _, (_, stop) in _jpeg_segments(data)), default=2)


def scan_count(data: bytes) -> int:
    """Return how many scans a JPEG has. A decoder passes over the whole picture for each."""
    return data.count(_START_OF_SCAN, _first_scan(data))


_GRAPHIC_CONTROL = b"!\xf9"


def is_whole_gif(data: bytes) -> bool:
    """Return True unless a GIF ends inside a block. Browsers do not miss its trailer."""
    at = 13 + _colour_table_size(data[10:11])
    is_announced = False  # a frame: a graphic control stands before it
    while (kind := data[at : at + 1]) in (b"!", b","):
        is_announced = data[at : at + 2] == _GRAPHIC_CONTROL
        if kind == b"!":
            at += 2
        else:
            at += 10 + _colour_table_size(data[at + 9 : at + 10]) + 1
        while size := int.from_bytes(data[at : at + 1], "big"):
            at += 1 + size
        at += 1
    return at <= len(data) and not is_announced


def _colour_table_size(flags: bytes) -> int:
    value = int.from_bytes(flags, "big")
    return 3 << (value & 7) + 1 if value & 0x80 else 0


def is_lossy_webp(data: bytes) -> bool:
    """Return True if `data` is a WebP whose first frame was coded with loss."""
    if picture_format(data) != "WebP":
        return False
    at = 12
    while (kind := data[at : at + 4]) not in (b"VP8 ", b"VP8L", b""):
        # A frame of an animation wraps its own chunks behind 16 bytes of placement.
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        at += 24 if kind == b"ANMF" else 8 + size + size % 2
    return kind == b"VP8 "


# Bits of the flags of VP8X and of a frame: https://www.rfc-editor.org/rfc/rfc9649#section-2.7
_WEBP_ANIMATED, _WEBP_ALPHA = 0x02, 0x10
_WEBP_DISPOSED = 0x01  # the place of the frame is made background behind it


def is_bare_webp(data: bytes) -> bool:
    """Return True if a WebP animation may show its background and says that it is opaque.

    Pillow makes such places black, and browsers make them transparent.
    """
    if picture_format(data) != "WebP" or data[12:16] != b"VP8X":
        return False
    flags = data[20]
    if not flags & _WEBP_ANIMATED or flags & _WEBP_ALPHA:
        return False
    canvas, at, is_first = data[24:30], 12, True
    while kind := data[at : at + 4]:
        if kind == b"ANMF":
            place, size = data[at + 8 : at + 14], data[at + 14 : at + 20]
            is_disposed = data[at + 23] & _WEBP_DISPOSED
            if is_disposed or (is_first and (any(place) or size != canvas)):
                return True
            is_first = False
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        at += 8 + length + length % 2
    return False


def is_icon_set(data: bytes) -> bool:
    """Return True if an icon has several pictures. Which one is shown, each browser decides."""
    return picture_format(data) == "ICO" and data[4:6] != b"\1\0"


_EXIF_PART = b"Exif\0\0"
_BYTE_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}
_ENTRY_BYTES = 12  # of a directory of EXIF: tag, type, count, value
_ORIENTATION = 0x0112
_BYTE, _SHORT, _LONG = 1, 3, 4  # types of EXIF


def has_unclear_turn(data: bytes) -> bool:
    """Return True if programs differ in whether the EXIF of a JPEG turns it.

    Browsers obey an orientation that is one 16-bit number, as the standard has it. Pillow takes
    other types, the last of two, and none from a directory that is cut off.
    """
    if picture_format(data) != "JPEG":
        return False
    blocks = [
        data[start + 4 + len(_EXIF_PART) : stop]
        for marker, (start, stop) in _jpeg_segments(data)
        if marker == b"\xff\xe1" and data.startswith(_EXIF_PART, start + 4)
    ]
    turns = list(chain.from_iterable(map(_turns, blocks)))
    return bool(turns) and (len(blocks) > 1 or len(turns) > 1 or turns[0])


def _turns(block: bytes) -> Iterator[bool]:
    """Yield for each orientation in the first directory of EXIF whether it is read differently."""
    if (order := _BYTE_ORDERS.get(block[:4])) is None or len(block) < 8:
        return
    (at,) = struct.unpack_from(f"{order}I", block, 4)
    if at + 2 > len(block):
        return
    (count,) = struct.unpack_from(f"{order}H", block, at)
    stop = at + 2 + count * _ENTRY_BYTES
    is_cut = stop + 4 > len(block)  # the place of the next directory follows
    for entry in range(at + 2, min(stop, len(block) - _ENTRY_BYTES + 1), _ENTRY_BYTES):
        tag, kind, values = struct.unpack_from(f"{order}HHI", block, entry)
        if tag != _ORIENTATION:
            continue
        is_one = values == 1 and kind in (_BYTE, _SHORT, _LONG)
        may_turn = not is_one or any(2 <= byte <= 8 for byte in block[entry + 8 : entry + 12])
        yield may_turn and (is_cut or kind != _SHORT or not is_one)


_PROFILE_PART = b"ICC_PROFILE\0"


def jpeg_profiles(data: bytes) -> list[bytes]:
    """Return the segments of a JPEG that hold a part of a colour profile, in their order."""
    return [
        data[start + 4 + len(_PROFILE_PART) : stop]
        for marker, (start, stop) in _jpeg_segments(data)
        if marker == b"\xff\xe2" and data.startswith(_PROFILE_PART, start + 4)
    ]


_COLOUR_CHUNKS = frozenset({b"cICP", b"iCCP", b"sRGB", b"gAMA", b"cHRM"})


def png_colour_chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    """Return the chunks in front of the pixels of a PNG that say what its colours are."""
    chunks = []
    for kind, (start, stop) in png_chunks(data):
        if kind == b"IDAT":
            break
        if kind in _COLOUR_CHUNKS:
            chunks.append((kind, data[start + 8 : stop - 4]))
    return chunks


def is_svg(data: bytes) -> bool:
    """Return True if `data` is text whose root element is `svg`. Entities are never expanded."""
    return root_element(text_of(data[:_PROLOG])) == "svg"


def is_whole_svg(data: bytes) -> bool:
    """Return True if the root element of an SVG is closed, so that nothing was cut off.

    Comments and processing instructions may follow it.
    """
    text = text_of(data).rstrip()
    end = len(text)
    while (tail := _SVG_TAIL.search(text, max(end - 3, 0), end)) is not None:
        start = text.rfind("<!--" if tail[0] == "-->" else "<?", 0, end)
        if start < 0:
            break
        end = start
        while end and text[end - 1].isspace():
            end -= 1
    return bool(_SVG_END.fullmatch(text, max(text.rfind("<", 0, end), 0), end))
