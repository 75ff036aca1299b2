"""Patterns with `*` and `?`, as regular expressions that take little time for any text.

A plain translation of `*a*a*a*b` tries every way to share a text among the stars: with four of
them, a name of 400 letters takes half a minute, and both may come with anybody's commit. Of all
places where a star may end, the first one at which the text behind it fits is as good as any later
one. So the two are an atomic group, which is not tried again. Only the last star has to find the
end of the text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

# A wildcard, as an expression that takes as little as it can, and the expression behind it.
_Piece = tuple[str, str]


def compile_text_glob(pattern: str) -> re.Pattern[str]:
    """Compile a pattern of texts: `*` is any text, `?` any character."""
    first, *rest = re.split(r"\*+", pattern)
    pieces = [("", _literal(first, ".")), *((".*?", _literal(text, ".")) for text in rest)]
    return re.compile(_joined(pieces, is_last=True), re.DOTALL)


def compile_path_glob(pattern: str) -> re.Pattern[str]:
    """Compile a pattern of paths: `**/` is any number of folders, `**` any text.

    `*` and `?` stay inside one name.
    """
    # Stars that cross folders are the outer level: what stands between two of them holds others.
    groups: list[tuple[str, list[_Piece]]] = [("", [("", "")])]
    for part in re.split(r"((?<![^/])\*\*/|\*+)", pattern):
        if part == "**/":
            groups.append(("(?:.*?/)??", [("", "")]))
        elif part.startswith("**"):
            groups.append((".*?", [("", "")]))
        elif part == "*":
            groups[-1][1].append(("[^/]*?", ""))
        else:
            pieces = groups[-1][1]
            pieces[-1] = (pieces[-1][0], _literal(part, "[^/]"))
    last = len(groups) - 1
    outer = [
        (star, _joined(inner, is_last=number == last))
        for number, (star, inner) in enumerate(groups)
    ]
    return re.compile(_joined(outer, is_last=True), re.DOTALL)


def _literal(text: str, character: str) -> str:
    return character.join(map(re.escape, text.split("?")))


def _joined(pieces: Sequence[_Piece], *, is_last: bool) -> str:
    """Return one expression; with `is_last`, nothing stands behind it."""
    *before, last = (f"(?>{star}{text})" if star else text for star, text in pieces)
    return "".join((*before, "".join(pieces[-1]) if is_last else last))
