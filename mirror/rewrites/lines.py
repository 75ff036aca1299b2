"""One line of `rewrites.jsonl`: a rewritten reference as text, and back.

The file may come with a stranger's pull request, and `--revert` writes what stands in it into
posts. So each line is checked: it can only spell an address of an image.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from operator import attrgetter
from typing import overload

from mirror.model import Quoting
from mirror.quotes import quoted
from mirror.records import RecordError, split_lines
from mirror.urls.address import Url, parse

HEADER = {"format": "mirror-rewrites", "version": 1}
FILE_NAME = "rewrites.jsonl"

# With 16 or with 64, a million rewritten references take as much memory. All lines of one pack are
# mostly read for its post, and one line for a post in another pack.
_PACKED_TOGETHER = 32
_PACKS_AT_HAND = 64
_LEVEL = 1  # of zlib: the fastest
_REQUIRED = {"post", "target", "source", "before", "after"}
_MARKERS = ("<<<<<<<", "=======", ">>>>>>>")
# A byte of a file name that is no UTF-8 is read as one of U+DC80 to U+DCFF. No other half of a
# surrogate pair is ever written.
_NO_NAME = re.compile("[\ud800-\udc7f\udd00-\udfff]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_HAS_SCHEME_OR_HOST = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:|//")


class RewritesError(RecordError):
    """The file cannot be used: the line, what was expected, what was found."""


@dataclass(frozen=True, slots=True)
class Rewrite:
    """One rewritten reference: `source` is the URL that stood where `target` stands now.

    A relative `target` counts from the folder of `mirror.toml`, so that the post can move.
    `before` and `after` are short digests of the text around it in the rewritten post.
    `spelling` is the text that the post had for `source`, empty if that is the URL itself.
    """

    post: str
    target: str
    source: str
    before: str
    after: str
    spelling: str = ""


class Rewrites(Sequence[Rewrite]):
    """Rewritten references, compressed 32 at a time: they take a third of their texts."""

    def __init__(self, rewrites: Iterable[Rewrite] = ()) -> None:
        self._packed: list[bytes] = []
        self._last: list[Rewrite] = []
        for rewrite in rewrites:
            self.append(rewrite)

    def append(self, rewrite: Rewrite) -> None:
        self._last.append(rewrite)
        if len(self._last) == _PACKED_TOGETHER:
            self._packed.append(_pack(self._last))
            self._last = []

    def __len__(self) -> int:
        return len(self._packed) * _PACKED_TOGETHER + len(self._last)

    @overload
    def __getitem__(self, place: int) -> Rewrite: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Rewrite]: ...
    def __getitem__(self, place: int | slice) -> Rewrite | Sequence[Rewrite]:
        if isinstance(place, slice):
            return [self[number] for number in range(*place.indices(len(self)))]
        pack, row = divmod(range(len(self))[place], _PACKED_TOGETHER)
        return _unpack(self._packed[pack])[row] if pack < len(self._packed) else self._last[row]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]


_members = attrgetter("post", "target", "source", "before", "after", "spelling")


def _pack(rewrites: Sequence[Rewrite]) -> bytes:
    return zlib.compress(json.dumps([_members(rewrite) for rewrite in rewrites]).encode(), _LEVEL)


@lru_cache(_PACKS_AT_HAND)
def _unpack(packed: bytes) -> Sequence[Rewrite]:
    return [Rewrite(*members) for members in json.loads(zlib.decompress(packed))]


def dumps(rewrites: Iterable[Rewrite]) -> str:
    """Return what `dump_lines` yields as one text."""
    return "".join(dump_lines(rewrites))


def loads(text: str) -> Rewrites:
    """Read what `dumps` wrote, as `read_lines` does."""
    return read_lines(split_lines(text))


def dump_lines(rewrites: Iterable[Rewrite]) -> Iterator[str]:
    """Yield the header, then a line for each reference: by post, and in one post as given."""
    packed = rewrites if isinstance(rewrites, Rewrites) else Rewrites(rewrites)
    yield json.dumps(HEADER) + "\n"
    for number in sorted(range(len(packed)), key=lambda number: packed[number].post):
        yield _dump(packed[number]) + "\n"


def _dump(rewrite: Rewrite) -> str:
    members = {name: value for name, value in asdict(rewrite).items() if value}
    return json.dumps(members, ensure_ascii=_SURROGATE.search(rewrite.post) is not None)


def read_lines(lines: Iterable[str]) -> Rewrites:
    """Read the lines of the file. Raise `RewritesError` that names the line."""
    rewrites = Rewrites()
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            raw = json.loads(line)
        except (ValueError, RecursionError) as error:
            hint = "; a merge left its markers here: delete them" if line[:7] in _MARKERS else ""
            raise _error(number, "expected JSON", line, hint) from error
        if number == 1:
            if raw != HEADER:
                raise _error(number, f"expected {json.dumps(HEADER)}", line)
        elif not _is_rewrite(raw):
            raise _error(number, f"expected the strings {', '.join(sorted(_REQUIRED))}", line)
        else:
            rewrite = Rewrite(**raw)
            _check_source(number, rewrite)
            rewrites.append(rewrite)
    return rewrites


def is_source(text: str) -> bool:
    """Return True for an http(s) URL, a `//` URL or a local path, without control characters.

    A browser skips blanks before a scheme, so that ` javascript:…` is no path.
    """
    if not text or _CONTROL.search(text):
        return False
    return not _HAS_SCHEME_OR_HOST.match(text.strip()) or parse(text) is not None


def _check_source(number: int, rewrite: Rewrite) -> None:
    if not is_source(rewrite.source):
        expected = "source: expected an http(s) URL or a path, in one line"
        raise _error(number, expected, Url(rewrite.source).public)
    if rewrite.spelling and not spells(rewrite.spelling, rewrite.source):
        # The spelling is not quoted: it may be long, and hold anything.
        message = f"spelling: expected text that a post reads as {str(Url(rewrite.source))!r}"
        raise RewritesError(f"line {number}: {message}; correct it or delete that member")


def spells(text: str, source: str) -> bool:
    """Return True if at least one syntax of a post reads `text` as `source`."""
    from mirror.markdown import as_browsers_read, read  # loads parsers that most commands leave

    in_cell = text.replace(r"\|", "|")  # a table takes these for `|` before anything else is read
    urls = {read(each, quoting) for each in (text, in_cell) for quoting in Quoting}
    return source in urls or source in map(as_browsers_read, urls)


def _is_rewrite(raw: object) -> bool:
    if not isinstance(raw, dict) or not _REQUIRED <= raw.keys() <= _REQUIRED | {"spelling"}:
        return False
    if not all(isinstance(value, str) for value in raw.values()):
        return False
    texts = (value for name, value in raw.items() if name != "post")
    return not any(map(_SURROGATE.search, texts)) and not _NO_NAME.search(raw["post"])


def _error(number: int, expected: str, actual: str, hint: str = "") -> RewritesError:
    return RewritesError(f"line {number}: {expected}, got {quoted(actual)}{hint}")
