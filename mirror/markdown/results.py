"""Values that the grammars return, in UTF-8 offsets, before they become `Reference` values."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import NamedTuple

from mirror.markdown.spelling import read
from mirror.markdown.urls import quoted_urls
from mirror.model import Form, Quoting, Rule


class UrlSpan(NamedTuple):
    """A URL and the half-open range of UTF-8 offsets that spells it."""

    start: int
    stop: int
    url: str
    form: Form
    quoting: Quoting

    def shifted(self, by: int) -> UrlSpan:
        return self._replace(start=self.start + by, stop=self.stop + by) if by else self


class Problem(NamedTuple):
    """A message for the user and the offset it is about. It becomes a `Finding`."""

    start: int
    message: str
    rule: Rule = Rule.SPAN_UNVERIFIED

    def shifted(self, by: int) -> Problem:
        return self._replace(start=self.start + by)


@dataclass(slots=True)
class GrammarResult:
    """The output of one grammar. `masks` are the ranges of code, comments and verbatim text."""

    urls: list[UrlSpan] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    masks: list[tuple[int, int]] = field(default_factory=list)

    def add(self, source: bytes, start: int, stop: int, form: Form, quoting: Quoting) -> None:
        """Add the URL that the range spells. The caller has checked that the range is one URL."""
        url = read(source[start:stop].decode(), quoting)
        self.urls.append(UrlSpan(start, stop, url, form, quoting))

    def add_quoted(self, source: bytes, start: int, stop: int, form: Form) -> None:
        """Mask the range, which is code or a comment, and add the image URLs in it."""
        self.masks.append((start, stop))
        for url_start, url_stop in quoted_urls(source, start, stop):
            self.add(source, url_start, url_stop, form, Quoting.TEXT)

    def counts(self) -> tuple[int, int, int]:
        return len(self.urls), len(self.problems), len(self.masks)

    def drop_since(self, counts: tuple[int, int, int], start: int) -> None:
        """Drop what was added since the `counts` and stands at or behind `start`."""
        urls, problems, masks = counts
        self.urls[urls:] = [item for item in self.urls[urls:] if item.start < start]
        self.problems[problems:] = [item for item in self.problems[problems:] if item.start < start]
        self.masks[masks:] = [item for item in self.masks[masks:] if item[0] < start]

    def extend(self, other: GrammarResult) -> None:
        self.urls += other.urls
        self.problems += other.problems
        self.masks += other.masks


def merge_ranges(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the same offsets as ascending ranges that do not touch."""
    merged: list[tuple[int, int]] = []
    for start, stop in sorted(ranges):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(stop, merged[-1][1]))
        else:
            merged.append((start, stop))
    return merged


def is_within(offset: int, ranges: Sequence[tuple[int, int]]) -> bool:
    """Return True if one of the ascending ranges contains the offset."""
    index = bisect_right(ranges, offset, key=itemgetter(0)) - 1
    return index >= 0 and offset < ranges[index][1]


class JoinedText:
    """Spans of a source joined to one text, with a map from its offsets to those of the source.

    Parsers report the lines of a block without the prefixes of its containers (`> `, the
    indentation of a list item). The joined lines are read as one text, and a range in that text
    is mapped back to the source.
    """

    def __init__(self, source: bytes, spans: Iterable[tuple[int, int]]) -> None:
        joined: list[tuple[int, int]] = []
        for start, stop in spans:
            # Parsers leave out the \r of a line end. The spans around it are still contiguous.
            if joined and source[joined[-1][1] : start] in (b"", b"\r"):
                joined[-1] = (joined[-1][0], stop)
            else:
                joined.append((start, stop))
        self.text = b"".join([source[start:stop] for start, stop in joined])
        self._origins = [start for start, _ in joined]
        self._offsets = [0]
        for start, stop in joined:
            self._offsets.append(self._offsets[-1] + stop - start)

    def origin(self, offset: int) -> int:
        """Return the source offset of an offset in the text."""
        index = bisect_right(self._offsets, offset) - 1
        if index >= len(self._origins):  # the end of the text
            return self._origins[-1] + self._offsets[-1] - self._offsets[-2]
        return self._origins[index] + offset - self._offsets[index]

    def span(self, start: int, stop: int) -> tuple[int, int] | None:
        """Return the source range, or None if a container's prefix interrupts it."""
        origin = self.origin(start)
        if stop > start and self.origin(stop - 1) - origin != stop - 1 - start:
            return None
        return origin, origin + stop - start

    def to_source(self, result: GrammarResult) -> GrammarResult:
        """Return `result`, whose offsets are of the text, with offsets of the source.

        A URL that a container's prefix interrupts is left out.
        """
        spans = ((item, self.span(item.start, item.stop)) for item in result.urls)
        return GrammarResult(
            [item._replace(start=span[0], stop=span[1]) for item, span in spans if span],
            [item._replace(start=self.origin(item.start)) for item in result.problems],
            [(self.origin(start), self.origin(stop)) for start, stop in result.masks],
        )
