"""What the grammars hand back, in UTF-8 offsets, before it becomes a `Reference`."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import NamedTuple

from mirror.markdown.spell import read
from mirror.markdown.urls import quoted_urls
from mirror.model import Form, Quoting, Rule


class Found(NamedTuple):
    """A URL and the half-open range of UTF-8 offsets that spells it."""

    start: int
    stop: int
    url: str
    form: Form
    quoting: Quoting

    def moved(self, by: int) -> Found:
        return self._replace(start=self.start + by, stop=self.stop + by) if by else self


class Problem(NamedTuple):
    """Something at an offset that a person should know."""

    start: int
    message: str
    rule: Rule = Rule.SPAN_UNVERIFIED

    def moved(self, by: int) -> Problem:
        return self._replace(start=self.start + by)


@dataclass(slots=True)
class Findings:
    """What one grammar found. `masks` are the ranges of code, comments and verbatim text."""

    found: list[Found] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    masks: list[tuple[int, int]] = field(default_factory=list)

    def quote(self, source: bytes, start: int, stop: int, form: Form) -> None:
        """Mask the range, and list the images that are named in it."""
        self.masks.append((start, stop))
        for first, last in quoted_urls(source, start, stop):
            self.add(source, first, last, form, Quoting.TEXT)

    def take(self, other: Findings) -> None:
        self.found += other.found
        self.problems += other.problems
        self.masks += other.masks

    def add(self, source: bytes, start: int, stop: int, form: Form, quoting: Quoting) -> None:
        """Take what stands in the range at its word."""
        url = read(source[start:stop].decode(), quoting)
        self.found.append(Found(start, stop, url, form, quoting))


def merged(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """The same offsets as ascending ranges that do not touch."""
    result: list[tuple[int, int]] = []
    for start, stop in sorted(ranges):
        if result and start <= result[-1][1]:
            result[-1] = (result[-1][0], max(stop, result[-1][1]))
        else:
            result.append((start, stop))
    return result


def is_within(offset: int, ranges: Sequence[tuple[int, int]]) -> bool:
    """Whether one of the ascending ranges holds the offset."""
    index = bisect_right(ranges, offset, key=itemgetter(0)) - 1
    return index >= 0 and offset < ranges[index][1]


class Pieces:
    """Text cut out of a source, and where each part of it stands there.

    Parsers report the lines of a block without the prefixes of its containers (`> `, blanks of a
    list item). The joined lines can be read as one text, and a range in it found in the source.
    """

    def __init__(self, source: bytes, spans: Iterable[tuple[int, int]]) -> None:
        joined: list[tuple[int, int]] = []
        for start, stop in spans:
            # Parsers leave the \r of a line end out; what it separates is contiguous all the same.
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
        """The place in the source of `offset` in the text."""
        index = bisect_right(self._offsets, offset) - 1
        if index >= len(self._origins):  # the very end
            return self._origins[-1] + self._offsets[-1] - self._offsets[-2]
        return self._origins[index] + offset - self._offsets[index]

    def span(self, start: int, stop: int) -> tuple[int, int] | None:
        """The range of the source, or None where a container's prefix lies within."""
        first = self.origin(start)
        if stop > start and self.origin(stop - 1) - first != stop - 1 - start:
            return None
        return first, first + stop - start

    def placed(self, inner: Findings) -> Findings:
        """What was found in the text, as places in the source.

        A URL is in one piece: what is cut away are the beginnings of lines.
        """
        spans = ((one, self.span(one.start, one.stop)) for one in inner.found)
        return Findings(
            [one._replace(start=span[0], stop=span[1]) for one, span in spans if span],
            [one._replace(start=self.origin(one.start)) for one in inner.problems],
            [(self.origin(start), self.origin(stop)) for start, stop in inner.masks],
        )
