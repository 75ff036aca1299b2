"""Fenced code: where it ends, and what of it is shown as something else, such as a diagram."""

from __future__ import annotations

import re
from collections.abc import Iterator

FENCE = rb"^[ \t>]*(?:[-*+][ \t]+|\d+[.)][ \t]+)?(?P<fence>`{3,}(?=[^`\r\n]*\r?$)|~{3,})"
"""The beginning of fenced code, as a regular expression with `re.M`."""
DRAWN_LANGUAGES = (
    rb"mermaid|markmap|plantuml|puml|graphviz|dot|flowchart|flow|echarts|chart|vega(?:-lite)?|kroki"
    rb"|d2|svgbob|wavedrom|sequence|mindmap|mindmap2|component|card|cards|gallery|excalidraw|drawio"
)
"""Languages of what a generator or a script draws, as alternatives of a regular expression."""
_DRAWN = re.compile(rb"(?:\{?\.?)?(?:" + DRAWN_LANGUAGES + rb")\b|.*\blive\b", re.I)
# The containers of VitePress, VuePress and MDC that show code in them as code.
_KEEPS_CODE = frozenset(
    b"tip info warning danger details note important caution success error question example quote "
    b"raw v-pre code-group code-tabs tabs tab center left right callout admonition hint".split()
)
_MARK = re.compile(
    FENCE + rb"[ \t]*(?P<info>[^\r\n]*)|^[ \t>]*:{3,}[ \t]*\{?(?P<name>[\w-]*)", re.M
)


def fence_end(text: bytes, opening: re.Match[bytes]) -> int:
    """Return where the fenced code of a match of `FENCE` ends: with `text` if nothing closes it."""
    mark = opening["fence"]
    closing = re.compile(rb"^[ \t>]*" + re.escape(mark[:1]) + rb"{%d,}[ \t]*\r?$" % len(mark), re.M)
    end = closing.search(text, opening.end())
    return end.end() if end is not None else len(text)


def drawn_fences(text: bytes) -> Iterator[tuple[int, int]]:
    """Yield the ranges of fences in UTF-8 Markdown that may be shown as something else than code.

    So is one in a `:::` container that is not known to leave its code alone.
    """
    containers: list[bytes] = []
    at = 0
    while mark := _MARK.search(text, at):
        at = mark.end()
        if mark["fence"] is None:
            if mark["name"]:
                containers.append(mark["name"].lower())
            elif containers:
                containers.pop()
            continue
        stop = fence_end(text, mark)
        if _DRAWN.match(mark["info"]) or not _KEEPS_CODE.issuperset(containers):
            yield at, stop
        at = stop
