"""Decoding of a file of any kind to UTF-8."""

from __future__ import annotations

import codecs
import re

_SAMPLE = 8000  # bytes in which Git, too, looks for a NUL before it calls a file binary
_STRAY = 50  # a text has at most one NUL in so many bytes
_WIDE = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
# What pages and style sheets in legacy encodings say of themselves, where browsers look for it.
_DECLARED = re.compile(
    rb"charset[\s=\"']{1,9}((?:gb(?:2312|k|18030))|big5|shift_jis|euc-(?:jp|kr)"
    rb"|windows-125\d|iso-8859-\d{1,2}|koi8-[ru])\b",
    re.I,
)
_DECLARED_WITHIN = 1024  # bytes: https://html.spec.whatwg.org/#charset
_ENCODINGS = ("utf-8", "gb18030", "latin-1")  # the last one decodes anything


def is_binary(data: bytes) -> bool:
    """Return True if the first bytes of a file are those of no text.

    A page may have a stray NUL, such as the end of a string in a listing. Browsers show it.
    """
    sample = data[:_SAMPLE]
    nuls = sample.count(0)
    if not nuls or data[:2] in _WIDE:
        return False
    return nuls * _STRAY > len(sample) or not _begins_as_utf8(sample)


def _begins_as_utf8(data: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(data)
    except UnicodeDecodeError:
        return False
    return True


def utf8_text(data: bytes) -> bytes | None:
    """Return a file as UTF-8 without its byte order mark; `None` for what is no text.

    A mark decides, then what a page says of itself, then what can be decoded: UTF-8, GB18030,
    Latin-1. So damaged text is read too: nothing is written back.
    """
    if is_binary(data):
        return None
    if (wide := _WIDE.get(data[:2])) is not None:
        return data[2:].decode(wide, "replace").encode()
    data = data.removeprefix(codecs.BOM_UTF8)
    declared = _DECLARED.search(data[:_DECLARED_WITHIN])
    first = (declared[1].decode(),) if declared is not None else ()
    for encoding in (*first, *_ENCODINGS):
        try:
            text = data.decode(encoding)
        except (UnicodeDecodeError, LookupError):
            continue
        return data if encoding == "utf-8" else text.encode()
    return None
