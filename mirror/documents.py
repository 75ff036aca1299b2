"""What arrives in place of a picture: its name, and what an error document says. Pure.

`document_type` tells a document from what may be a picture. `describe` names anything that is no
picture, and `remedy_for` says what a user can do about it.
"""

from __future__ import annotations

import codecs
import json
import re

from mirror.quotes import quoted
from mirror.urls.redact import printable

# Bytes that are searched. The root of a page and the members of an error document are in the first
# kilobyte; the rest bounds the work for a body of any size.
_HEAD = 4096
_BLANKS = "\ufeff \t\r\n"
_BYTE_ORDER_MARKS = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_HTML = "an HTML page"
_XML = "an XML document"
_JSON = "JSON"
_HTML_ROOTS = frozenset("html head body script title meta center".split())
_HTML_DOCTYPE = re.compile(r"<!doctype\s+html\b", re.IGNORECASE)
# What may stand before the root of an XML document.
_PREAMBLE = re.compile(
    r"(?:<\?.*?\?>|<!--.*?-->|<!doctype\s[^>\[]*(?:\[.*?\]\s*)?>)\s*", re.DOTALL | re.IGNORECASE
)
_ELEMENT = re.compile(r"<(?:[A-Za-z_][\w.-]*:)?([A-Za-z_][\w.-]*)")


def document_type(data: bytes) -> str | None:
    """Return the name of the document that `data` is, or `None` if it may be a picture.

    SVG counts as a picture. Other bytes are left to the decoder.
    """
    if not data:
        return "nothing: the body is empty"
    if data.isspace():
        return "only blanks"
    start = data[:_HEAD].lstrip()
    if not start.startswith((b"<", b"{", b"[", *_BYTE_ORDER_MARKS)):
        return None
    text = text_of(start).lstrip(_BLANKS)
    if text[:1] in ("{", "["):
        return _JSON
    root = root_element(text).lower()
    if root in _HTML_ROOTS or _HTML_DOCTYPE.match(text):
        return _HTML
    return _XML if root not in ("", "svg") else None


def is_html(data: bytes) -> bool:
    """Return True for what begins as an HTML page does."""
    return document_type(data) == _HTML


def root_element(text: str) -> str:
    """Return the name of the first element behind the declaration, comments and a DOCTYPE.

    It comes without its namespace, and is empty if there is none. Entities are never expanded.
    """
    at = len(text) - len(text.lstrip(_BLANKS))
    while match := _PREAMBLE.match(text, at):
        at = match.end()
    element = _ELEMENT.match(text, at)
    return element[1] if element else ""


def text_of(data: bytes) -> str:
    """Return `data` as text: UTF-16 if its byte order mark says so, else UTF-8."""
    is_wide = data.startswith(_BYTE_ORDER_MARKS[1:])
    return data.decode("utf-16" if is_wide else "utf-8", "replace")


# --- Names and remedies ---------------------------------------------------------------------------

_CONVERT = "convert it to a format of the web, such as PNG, or list it under [[ignore]]"
_NO_VIDEO = "videos are not mirrored: list it under [[ignore]]"
# First bytes of what hosts send in place of a picture, or of pictures nobody's browser shows; the
# name, and what a user can do.
_MAGIC = (
    (b"%PDF", "a PDF document", _CONVERT),
    (b"PK\x03\x04", "a ZIP archive", None),
    (b"\x1f\x8b", "gzip data", None),
    (b"8BPS", "a Photoshop document", _CONVERT),
    (b"\x00\x00\x00\x0cjP", "a JPEG 2000 picture", _CONVERT),
    (b"\xff\x0a", "a JPEG XL picture", _CONVERT),
    (b"%!PS", "a PostScript document", _CONVERT),
    (b"\x1aE\xdf\xa3", "a Matroska or WebM video", _NO_VIDEO),
)
# Brands of ISO/IEC 23008-12, annex B, and those of its structural specification.
_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_SAMPLE = 80  # characters; a text shows in its first line that it is none
_BEGINNING = 40  # characters of a text that a message quotes: enough to know it by


def describe(data: bytes) -> str:
    """Return a name for bytes that are no picture, safe to print: "an HTML page", "JSON", …"""
    name, _ = _signed(data)
    if name is not None:
        return name
    kind = document_type(data)
    if not data or data.isspace():
        return str(kind)
    text = text_of(data[:_HEAD]).lstrip(_BLANKS)
    if not text or not all(char.isprintable() or char.isspace() for char in text[:_SAMPLE]):
        return f"{len(data):,} bytes that begin {data[:8].hex()}"
    if kind == _HTML:
        return kind
    if kind == _XML:
        said = error_code(data) or stated_reason(data)
        return f"{kind} that says {quoted(said)}" if said else kind
    return f"{kind or 'text'} that begins {printable(text[:_BEGINNING])!r}"


def remedy_for(data: bytes) -> str | None:
    """Return what a user can do about a file that is whole and no picture of the web.

    Return `None` for anything else, such as an error page.
    """
    _, remedy = _signed(data)
    return remedy


def _signed(data: bytes) -> tuple[str | None, str | None]:
    """Return the name of a file that is known by its first bytes, and what a user can do."""
    for magic, name, remedy in _MAGIC:
        if data.startswith(magic):
            return name, remedy
    if data[4:8] != b"ftyp":
        return None, None
    is_heic = data[8:12] in _HEIC_BRANDS
    brand = printable(data[8:12].decode("latin-1"))
    name = "a HEIC picture" if is_heic else "a video"
    return f"{name} (brand {brand!r})", _CONVERT if is_heic else _NO_VIDEO


# --- What an error document says ------------------------------------------------------------------

_CODE = re.compile(rb"<Code>\s*([A-Z][A-Za-z]{2,63}(?:\.[A-Za-z]{1,63})?)\s*</Code>")
_ENDPOINT = re.compile(rb"<Endpoint>\s*([A-Za-z0-9][A-Za-z0-9.:-]{2,253})\s*</Endpoint>")
_MESSAGE = re.compile(r"<Message>\s*([^<]+?)\s*</Message>", re.IGNORECASE)
_REASON_NAMES = ("message", "msg", "error_description", "error", "detail", "reason")
_LINE_LENGTH = 200  # characters; a longer line is a page and no message


def error_code(body: bytes) -> str | None:
    """Return `Code` of an XML error document, the form that OSS, S3 and COS use."""
    match = _CODE.search(body, 0, _HEAD)
    return match[1].decode() if match else None


def named_endpoint(body: bytes) -> str | None:
    """Return the host that an XML error document names as the right one, as OSS and S3 do."""
    match = _ENDPOINT.search(body, 0, _HEAD)
    return match[1].decode() if match else None


def stated_reason(body: bytes) -> str | None:
    """Return the reason that a host gives in an error body, on one line; `None` without one.

    It is the message of an XML document, a message of JSON, or a text of one line. It may repeat
    the URL.
    """
    text = body[:_HEAD].decode("utf-8", "replace").strip("\ufeff \t\r\n")
    if match := _MESSAGE.search(text):
        return _on_one_line(match[1])
    if text[:1] == "{":
        return _reason_in_json(text)
    is_line = text.isprintable() and 0 < len(text) <= _LINE_LENGTH and text[0] not in "<["
    return text if is_line else None


def _reason_in_json(text: str) -> str | None:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return None
    for holder in (document, document.get("error")):
        for name in _REASON_NAMES if isinstance(holder, dict) else ():
            if isinstance(reason := holder.get(name), str) and reason.strip():
                return _on_one_line(reason)
    return None


def _on_one_line(text: str) -> str | None:
    return " ".join(text.split()) or None
