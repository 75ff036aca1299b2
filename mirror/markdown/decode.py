"""Decoding of a file to UTF-8 text without loss, and the way back.

The grammars of this package work on UTF-8 and its byte offsets, because the parsers report
those. `PositionCounter` turns them into places in the file at the end, in one forward pass.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

_BOM = "\ufeff"
_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}

_SAVE = "save it as UTF-8, or `exclude` it if it is no text"


class NotTextError(ValueError):
    """The bytes are not text. `line` and `column` are None where the trouble has no place."""

    def __init__(self, message: str, line: int | None = None, column: int | None = None) -> None:
        super().__init__(message)
        self.line = line
        self.column = column


@dataclass(frozen=True, slots=True)
class PostText:
    """A post as UTF-8 without the byte order marks before it; `bom_size` is their length there."""

    utf8: bytes
    encoding: str
    bom_size: int = 0


def decode(data: bytes) -> PostText:
    """Decode a post with an encoding that encodes the text to exactly `data` again.

    A byte order mark decides. Without one, UTF-8 is tried, then GB18030. Raise `NotTextError` if
    no encoding fits or the text has a NUL character.
    """
    encoding = _marked_encoding(data)
    if encoding is None:
        encoding = "utf-8" if _decodes(data, "utf-8") else "gb18030"
    try:
        text = data.decode(encoding)
        same = text.encode(encoding) == data
    except UnicodeError as error:
        raise _not_text(data) from error
    if not same or (encoding == "gb18030" and _is_damaged_utf8(data)):
        raise _not_text(data)
    body = text.lstrip(_BOM)  # editors write several, and Hugo reads front matter behind them
    post_text = PostText(body.encode(), encoding, len(data) - len(body.encode(encoding)))
    if (nul := post_text.utf8.find(b"\0")) >= 0:
        _, line, column = PositionCounter(post_text).advance(nul)
        message = (
            "holds a NUL character, so it is no text; delete it, save the post as UTF-8 if it is "
            "UTF-16, or `exclude` the post"
        )
        raise NotTextError(message, line, column)
    return post_text


def _marked_encoding(data: bytes) -> str | None:
    """Return the encoding that a byte order mark names; `None` without a mark."""
    for mark, encoding in _MARKS.items():
        if data.startswith(mark):
            return encoding
    return None


def _decodes(data: bytes, encoding: str) -> bool:
    try:
        data.decode(encoding)
    except UnicodeError:
        return False
    return True


def _is_damaged_utf8(data: bytes) -> bool:
    # Three bytes that are valid UTF-8 are rare in GB18030 text and common in damaged UTF-8.
    text = data.decode(errors="replace")
    return len(re.findall(r"[\u0800-\ufffc]", text)) > text.count("\ufffd")


def _not_text(data: bytes) -> NotTextError:
    marked = _marked_encoding(data)
    encoding = marked or "utf-8"
    try:
        data.decode(encoding)
    except UnicodeDecodeError as error:
        before = data[: error.start].decode(encoding, errors="replace").lstrip(_BOM)
        _, line, column = PositionCounter(PostText(before.encode(), "utf-8")).advance(
            len(before.encode())
        )
        byte = f"byte 0x{data[error.start]:02x} at offset {error.start}"
        names = "not " + encoding.upper() if marked else "neither UTF-8 nor GB18030"
        return NotTextError(f"is {names}: {byte}; {_SAVE}", line, column)
    return NotTextError(f"does not survive decoding and encoding as {encoding}; {_SAVE}")


class PositionCounter:
    """Converter of ascending UTF-8 offsets to places in the file: one pass for all calls."""

    def __init__(self, text: PostText) -> None:
        self._text = text
        self._offset = 0
        self._file_offset = text.bom_size
        self._line = 1
        self._column = 1

    def advance(self, offset: int) -> tuple[int, int, int]:
        """Return file offset, line and column of `offset`, which is not less than the last one.

        Lines and columns count from 1, columns in characters.
        """
        piece = self._text.utf8[self._offset : offset]
        last_break = max(piece.rfind(b"\n"), piece.rfind(b"\r"))
        if last_break >= 0:
            self._line += piece.count(b"\n") + piece.count(b"\r") - piece.count(b"\r\n")
            self._column = 1
        self._column += len(piece[last_break + 1 :].decode())
        if self._text.encoding == "utf-8":
            self._file_offset += len(piece)
        else:
            self._file_offset += len(piece.decode().encode(self._text.encoding))
        self._offset = offset
        return self._file_offset, self._line, self._column
