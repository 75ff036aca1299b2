"""Values and long texts, as messages quote them."""

from __future__ import annotations

from reprlib import Repr

from mirror.urls.redact import hide_secrets

# Characters of a quoted text. A header of a file of ours and most addresses are shorter; a line of
# the manifest, of some 500 characters, would fill six lines of a screen.
_LENGTH = 100
# Characters of a text that are searched for secrets. They are hidden before the text is cut, since
# a part of one would not be recognised; no address that servers take is longer.
_SEARCHED = 8192
REASON_LENGTH = 200
"""Characters of the reason that a host or a bucket states itself: three lines of a terminal."""


def quoted(value: object) -> str:
    """Return a value on one line, without secrets; a large or deep one is cut.

    Control and bidi characters are escaped. A long text keeps its start, with `…` behind it.
    """
    try:
        return _QUOTES.repr(value)
    except ValueError:  # more digits than Python writes out
        return "a number that is too long"


class _Quotes(Repr):
    def repr_str(self, x: str, level: int) -> str:
        text = hide_secrets(x[:_SEARCHED])
        return repr(text) if len(text) <= _LENGTH else f"{text[:_LENGTH]!r}…"


_QUOTES = _Quotes()
_QUOTES.maxother = _LENGTH


def shortened(text: str, length: int) -> str:
    """Return `text`, without its middle if it is longer than `length` characters.

    The two ends of a path, an address or a message tell the most.
    """
    if len(text) <= length:
        return text
    head = length * 2 // 5
    return f"{text[:head]}…{text[head + 1 - length :]}"
