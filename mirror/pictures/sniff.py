"""Bytes -> the kind of file they are, read from the bytes themselves. No third party.

Used where Pillow does not decide: SVG, which has no pixels here, pictures that were cut short, and
the name of what arrived instead of a picture.
"""

from __future__ import annotations

import re

from mirror.urls.redact import printable

_HEAD = 4096  # bytes of a text that `describe` reads; bounds its work
_PROLOG = 1 << 16  # bytes that may hold the root of an SVG: licences and entity lists precede it

# First bytes of what hosts send in place of a picture, or of pictures nobody's browser shows.
_MAGIC = (
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b", "gzip data"),
    (b"8BPS", "a Photoshop document"),
    (b"\x00\x00\x00\x0cjP", "a JPEG 2000 picture"),
    (b"\xff\x0a", "a JPEG XL picture"),
    (b"%!PS", "a PostScript document"),
    (b"\x1aE\xdf\xa3", "a Matroska or WebM video"),
)
_PICTURES = (
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"GIF8", "GIF"),
    (b"BM", "BMP"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
    (b"\x00\x00\x01\x00", "ICO"),
)
_TAG_NAME = re.compile(r"<([A-Za-z_][\w.:-]{0,99})")
_ERROR_CODE = re.compile(r"<(?:Code|Message)>\s*([^<]{1,80})", re.IGNORECASE)
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


def _is_cut_png(data: bytes) -> bool:
    """Return True if the chunks of a PNG end before a whole IEND."""
    at = 8
    while data[at + 4 : at + 8] not in (b"IEND", b""):
        at += 12 + int.from_bytes(data[at : at + 4], "big")
    return len(data) < at + 12


def _is_cut_jpeg(data: bytes) -> bool:
    """Return True if no end-of-image marker follows the first scan of a JPEG.

    An upload that was never finished may leave zeros there, which a decoder shows as grey.
    """
    fill, start_of_scan, end_of_image = b"\xff", b"\xda", b"\xd9"
    at = 2
    # Each segment names its length, up to the first scan.
    while data[at : at + 1] == fill and (kind := data[at + 1 : at + 2]) not in (start_of_scan, b""):
        at += 1 if kind == fill else 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return data[at : at + 2] == fill + start_of_scan and data.find(fill + end_of_image, at) < 0


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


def is_svg(data: bytes) -> bool:
    """Return True if `data` is text whose root element is `svg`. Entities are never expanded."""
    return _root_element(_text(data[:_PROLOG])).rpartition(":")[2] == "svg"


def is_whole_svg(data: bytes) -> bool:
    """Return True if the root element of an SVG is closed, so that nothing was cut off."""
    text = _text(data).rstrip()
    end = len(text)
    while text.endswith("-->", 0, end) and (start := text.rfind("<!--", 0, end)) >= 0:
        end = start
        while end and text[end - 1].isspace():
            end -= 1
    return bool(_SVG_END.fullmatch(text, max(text.rfind("<", 0, end), 0), end))


def describe(data: bytes) -> str:
    """Return a name for bytes that are no picture, safe to print: "an HTML page", "JSON", …"""
    if not data.strip():
        return "only blanks" if data else "nothing: the body is empty"
    for magic, name in _MAGIC:
        if data.startswith(magic):
            return name
    if data[4:8] == b"ftyp":
        return f"a video or HEIF picture (brand {printable(data[8:12].decode('latin-1'))!r})"
    text = _text(data[:_HEAD]).lstrip("\ufeff \t\r\n")
    if text and all(char.isprintable() or char.isspace() for char in text[:80]):
        return _describe_text(text)
    return f"{len(data):,} bytes that begin {data[:8].hex()}"


def _describe_text(text: str) -> str:
    begin = printable(text[:40])
    root = _root_element(text).lower()
    if text[:14].lower() == "<!doctype html" or root in ("html", "head", "body", "script"):
        return "an HTML page"
    if root:
        code = _ERROR_CODE.search(text)
        return "an XML document" + (f" that says {printable(code[1].strip())!r}" if code else "")
    return f"{'JSON' if text[0] in '{[' else 'text'} that begins {begin!r}"


def _text(data: bytes) -> str:
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", "replace")
    return data.decode("utf-8", "replace")


def _root_element(text: str) -> str:
    """Return the name of the first element behind the declaration, comments and a DOCTYPE.

    Empty if there is none.
    """
    text = text.lstrip("\ufeff \t\r\n")
    while text:
        if text.startswith("<?"):
            end = "?>"
        elif text.startswith("<!--"):
            end = "-->"
        elif text[:9].upper() == "<!DOCTYPE":
            bracket, close = text.find("["), text.find(">")
            end = "]>" if 0 <= bracket < close else ">"
        else:
            break
        _, separator, text = text.partition(end)
        text = text.lstrip() if separator else ""
    match = _TAG_NAME.match(text)
    return match[1] if match else ""
