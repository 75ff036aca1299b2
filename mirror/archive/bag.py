"""The lists of a bag: what is in `data`, and the checksums of the lists themselves. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO

from mirror.amounts import count_text
from mirror.compact import TextFilter
from mirror.model import Key

MANIFEST = Key("manifest-sha256.txt")
INFO = Key("bag-info.txt")
DECLARATION = Key("bagit.txt")
TAG_MANIFEST = Key("tagmanifest-sha256.txt")

LISTS = (INFO, DECLARATION, MANIFEST, TAG_MANIFEST)
"""The lists in the order in which `dumps` gives them."""

_BAG = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
_OXUM = re.compile(rb"Payload-Oxum: ([0-9]{1,18})\.([0-9]{1,18})\n")
_NAME = len("0" * 64 + "  ")  # where the name starts in a line
_DIGEST = slice(len("data/00/"), len("data/00/") + 64)  # in the name of an original


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of the bag: its name, from `data/` on, its SHA-256 and its size in bytes."""

    name: str
    digest: str
    size: int

    @classmethod
    def of_original(cls, name: str, size: int) -> Entry:
        """Return the entry of an original, whose name holds its digest."""
        return cls(name, name[_DIGEST], size)


@dataclass(frozen=True, slots=True)
class Bag:
    """The contents of a bag.

    `lines` are those of its manifest, in the byte order of the names; `size` is the sum of the
    files that they name.
    """

    lines: bytes = b""
    size: int = 0

    @property
    def count(self) -> int:
        return self.lines.count(b"\n")

    def with_entries(self, entries: Iterable[Entry]) -> Bag:
        """Return the bag with more files; a name that it has already stays as it is.

        The time that this takes depends on `entries`, but for copying the lines.
        """
        lines, size = memoryview(self.lines), self.size
        pieces: list[memoryview | bytes] = []
        done = 0
        for entry in sorted({entry.name: entry for entry in entries}.values(), key=_in_order):
            name = entry.name.encode()
            start = self._start_of(name, done)
            if self.lines.startswith(name + b"\n", start + _NAME):
                continue
            pieces += lines[done:start], f"{entry.digest}  {entry.name}\n".encode()
            size += entry.size
            done = start
        return Bag(b"".join((*pieces, lines[done:])), size)

    def _start_of(self, name: bytes, low: int) -> int:
        """Return where the line of `name` starts, or would start; from the line at `low` on."""
        high = len(self.lines)
        while low < high:
            start = self.lines.rfind(b"\n", low, (low + high) // 2) + 1 or low
            end = self.lines.index(b"\n", start)
            if self.lines[start + _NAME : end] < name:
                low = end + 1
            else:
                high = start
        return low


def dumps(bag: Bag) -> dict[Key, bytes]:
    """Return the lists of a bag by name. The last one holds the checksums of the others."""
    lists = {
        INFO: f"Payload-Oxum: {bag.size}.{bag.count}\n".encode(),
        DECLARATION: _BAG,
        MANIFEST: bag.lines,
    }
    checksums = (f"{sha256(data).hexdigest()}  {name}\n" for name, data in lists.items())
    return {**lists, TAG_MANIFEST: "".join(checksums).encode()}


def loads(lists: Mapping[Key, bytes]) -> Bag | None:
    """Return the bag that has these lists; `None` unless they are exactly what `dumps` gives."""
    oxum = _OXUM.fullmatch(lists.get(INFO, b""))
    if oxum is None:
        return None
    bag = Bag(lists.get(MANIFEST, b""), int(oxum[1]))
    return bag if dumps(bag) == lists else None


def listed(lists: Mapping[Key, bytes]) -> Iterator[tuple[str, str]]:
    """Yield name and SHA-256 of the files in `data` that a bag lists."""
    for line in BytesIO(lists.get(MANIFEST, b"")):
        digest, _, name = line.decode("utf-8", "replace").strip().partition(" ")
        name = name.lstrip(" *")  # `*` is how `sha256sum -b` marks it
        if name.startswith("data/") and ".." not in name.split("/"):
            yield name, digest.lower()


def find_lack(lists: Mapping[Key, bytes], names: Iterable[str]) -> str | None:
    """Return what is wrong with the lists of a bag that holds the originals `names`; else `None`.

    Lists that another program wrote may have other lines than those of `dumps`.
    """
    for key in (DECLARATION, MANIFEST, TAG_MANIFEST):
        if key not in lists:
            return f"{key} is missing"
    checksums = frozenset(lists[TAG_MANIFEST].splitlines())
    if INFO not in lists and any(line.endswith(f" {INFO}".encode()) for line in checksums):
        return f"{INFO} is missing"  # a bag may do without, but not where it is listed
    for key in (DECLARATION, INFO, MANIFEST):
        if key in lists and f"{sha256(lists[key]).hexdigest()}  {key}".encode() not in checksums:
            return f"{key} has another SHA-256 than {TAG_MANIFEST} says"
    listed = TextFilter(line.decode("utf-8", "replace") for line in BytesIO(lists[MANIFEST]))
    lacking = sum(f"{name[_DIGEST]}  {name}\n" not in listed for name in names)
    return f"{MANIFEST} lacks {count_text(lacking, 'original')}" if lacking else None


def _in_order(entry: Entry) -> bytes:
    return entry.name.encode()
