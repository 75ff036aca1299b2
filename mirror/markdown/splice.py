"""The edit of a file: some of its bytes are replaced, and no other byte changes."""

from __future__ import annotations

from collections.abc import Iterable

from mirror.model import Span


def splice(data: bytes, encoding: str, edits: Iterable[tuple[Span, str]]) -> bytes:
    """Return `data` with each span replaced by its text in `encoding`.

    Every byte outside the spans comes back unchanged. Spans that overlap, run backwards, are out
    of order or leave the file are a `ValueError`, as is text the encoding cannot spell.
    """
    pieces: list[bytes] = []
    done = 0
    for span, text in edits:
        if not done <= span.start <= span.stop <= len(data):
            raise ValueError(
                f"expected an edit within bytes {done} to {len(data)}, "
                f"got {span.start} to {span.stop}"
            )
        pieces += data[done : span.start], text.encode(encoding)
        done = span.stop
    return b"".join((*pieces, data[done:]))
