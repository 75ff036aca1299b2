"""Shards: one `sync` in parts, each run by itself, and the files with their answers.

A shard asks for the images of its part, archives them, and writes `.mirror/shards/2-of-3.jsonl`: a
header that says to which runs it belongs, an answer a line, and a last line that seals the lines
before. A later sync takes the answers in place of asking, so its manifest is that of a single run.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, fields, is_dataclass
from hashlib import sha256
from pathlib import Path
from typing import ClassVar, Self

import mirror
from mirror.archive import Archive
from mirror.config import Config
from mirror.files import append, read_whole
from mirror.model import Finding, Rule
from mirror.pipeline.answers import Answer, dumps_answer, loads_answer
from mirror.pipeline.plan import ImageRequest
from mirror.pipeline.portion import Portion
from mirror.quotes import quoted
from mirror.records import unwritable, write_text
from mirror.state import State
from mirror.urls.address import Address, identity
from mirror.urls.ignore import IgnoreList

FORMAT = "mirror-shard"
VERSION = 1
PARTIAL_SUFFIX = ".part"  # of the file with what a running shard has noted


# --- A part of all requests -----------------------------------------------------------------------


class Shard(Portion):
    """A portion of all requests."""

    __slots__ = ()
    most: ClassVar[int] = 100_000  # parts: those that are missing are looked for one by one

    @property
    def name(self) -> str:
        return f"{self.number}-of-{self.count}"

    def covers(self, addresses: Iterable[Address]) -> bool:
        """Return True if one request for all of `addresses` belongs to this part."""
        first = min(identity(address) for address in addresses)
        return self.takes(int.from_bytes(sha256(first.encode()).digest()))

    def share(self, limit: int) -> int:
        """Return this part's share of a limit, at least 1.

        All shares add up to the limit, unless there are more parts than that.
        """
        return max(1, limit * self.number // self.count - limit * (self.number - 1) // self.count)


def limit_warnings(shard: Shard, concurrency: int) -> list[Finding]:
    """Return a warning if all shards at once ask a host more often than `[fetch]` allows."""
    if shard.count <= concurrency:
        return []
    message = (
        f"each of {shard.count} shards asks for one image at a time, so a host may get "
        f"{shard.count} requests at once, more than the {concurrency} of `[fetch].concurrency`; "
        "run fewer of them at a time"
    )
    return [Finding(Rule.HOST_LIMIT, "[fetch].concurrency", message)]


def settings_digest(config: Config) -> str:
    """Return the SHA-256 of what a configuration says.

    Comments and the folder of the site do not change it.
    """
    text = json.dumps(_plain(config, config.root), sort_keys=True)
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _plain(value: object, root: Path) -> object:
    if isinstance(value, IgnoreList):
        return [entry.text for entry in value.entries]
    if isinstance(value, Path):
        return os.path.relpath(value, root) if value.is_relative_to(root) else str(value)
    if is_dataclass(value):
        return {item.name: _plain(getattr(value, item.name), root) for item in fields(value)}
    if isinstance(value, tuple):
        return [_plain(item, root) for item in value]
    return value


# --- The file of a shard --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ShardHeader:
    """The configuration, the version of mirror and the kind of sync that a shard belongs to."""

    mirror: str
    settings: str
    refresh: bool
    shard: Shard

    @classmethod
    def of(cls, settings: str, shard: Shard, *, refresh: bool) -> Self:
        """Return the header of a shard that runs here; `settings` is the digest of its settings."""
        return cls(mirror.__version__, settings, refresh, shard)

    def dumps(self) -> str:
        members = {
            "format": FORMAT,
            "version": VERSION,
            "mirror": self.mirror,
            "settings": self.settings,
            "refresh": self.refresh,
            "shard": self.shard.number,
            "of": self.shard.count,
        }
        return json.dumps(members) + "\n"

    @classmethod
    def loads(cls, text: str) -> Self:
        """Raise `ShardError` for a line that is no header of this version of the format."""
        with suppress(ValueError, RecursionError, KeyError, TypeError):
            raw = json.loads(text)
            shard = Shard.parse(f"{raw['shard']}/{raw['of']}")
            header = cls(raw["mirror"], raw["settings"], raw["refresh"], shard)
            if text + "\n" == header.dumps():
                return header
        expected = json.dumps({"format": FORMAT, "version": VERSION})[:-1]
        raise ShardError(f"line 1: expected {expected}, …, got {quoted(text)}")

    def misfit(self, settings: str, *, refresh: bool) -> str | None:
        """Return why a sync with these settings cannot take this shard; `None` if it can."""
        if self.mirror != mirror.__version__:
            return (
                f"comes from mirror {self.mirror}, and this is {mirror.__version__}; "
                "run it again with this version"
            )
        if self.settings != settings:
            return "comes from another configuration; run it again with the mirror.toml of now"
        if self.refresh and not refresh:
            return "was run with `--refresh`; take it with `mirror sync --refresh`"
        return None


class ShardError(Exception):
    """A file is not what a shard wrote; the message says what was expected and found."""


def dumps_shard(header: ShardHeader, answers: Iterable[Answer]) -> str:
    """Return the text of a shard's file; equal contents are equal bytes."""
    lines = sorted(map(dumps_answer, answers))
    text = header.dumps() + "".join(f"{line}\n" for line in lines)
    return text + _seal(text, len(lines))


def _seal(text: str, count: int) -> str:
    return json.dumps({"answers": count, "sha256": sha256(text.encode()).hexdigest()}) + "\n"


def loads_shard(text: str) -> tuple[ShardHeader, list[Answer]]:
    """Read what `dumps_shard` wrote; raise `ShardError` for a file that was cut or changed."""
    first, _, _ = text.partition("\n")
    header = ShardHeader.loads(first)
    start_of_last = text.rfind("\n", 0, -1) + 1
    body, last = text[:start_of_last], text[start_of_last:]
    count = body.count("\n") - 1
    if not body or last != _seal(body, count):
        raise ShardError(
            "was cut short or changed: its last line is not the checksum of the others"
        )
    answers = []
    for number, line in enumerate(body.split("\n")[1:-1], 2):
        try:
            answer = loads_answer(line)
        except ValueError as error:
            raise ShardError(f"line {number}: {error}") from error
        if not header.shard.covers(answer.addresses):
            raise ShardError(f"line {number}: {answer.addresses[0]} is of another part")
        answers.append(answer)
    return header, answers


class Answers:
    """Answers by the addresses they are for."""

    def __init__(self, answers: Iterable[Answer]) -> None:
        self._by_name: dict[str, Answer | None] = {}
        for answer in answers:
            for name in map(identity, answer.addresses):
                known = self._by_name.setdefault(name, answer)
                if known != answer:
                    self._by_name[name] = None  # two that contradict each other are none

    def find(self, request: ImageRequest) -> Answer | None:
        """Return the one answer for all addresses of a request."""
        answer, *others = (self._by_name.get(identity(url)) for url in request.addresses)
        if answer is None or any(other is not answer for other in others):
            return None
        return answer if answer.fits(request) else None

    def __contains__(self, request: object) -> bool:
        return isinstance(request, ImageRequest) and self.find(request) is not None


@dataclass(frozen=True, slots=True)
class ShardFile:
    """The file of a shard that runs here, and the answers it had when it was killed."""

    path: Path
    header: ShardHeader

    @classmethod
    def of(cls, config: Config, shard: Shard, *, refresh: bool) -> Self:
        folder = State.below(config.state).shards
        header = ShardHeader.of(settings_digest(config), shard, refresh=refresh)
        return cls(folder / f"{shard.name}.jsonl", header)

    @property
    def _partial_path(self) -> Path:
        return self.path.with_suffix(PARTIAL_SUFFIX)

    def archived(self, archive: Archive) -> list[Answer]:
        """Return the pictures that this shard has archived already; failures are asked for again.

        They come from a run of it that was killed, or that a sync has not taken yet. Raise
        `ArchiveError`.
        """
        # The answers of a refresh that ended are what the hosts said then.
        paths = [self._partial_path] if self.header.refresh else [self.path, self._partial_path]
        answers = {
            answer.addresses: answer
            for path in paths
            for answer in self._noted(path)
            if answer.archived_blob is not None and archive.has(answer.archived_blob)
        }
        return list(answers.values())

    def begin(self, archived: Iterable[Answer]) -> None:
        """Begin a run with what is archived already. Raise `StateError`."""
        lines = [f"{dumps_answer(answer)}\n" for answer in archived]
        write_text(self._partial_path, self.header.dumps() + "".join(lines))

    def note(self, answer: Answer) -> None:
        """Keep an answer at once, for the case that this run is killed. Raise `StateError`."""
        # The line end comes first: a line that a kill or a full disk tore must not take this along.
        try:
            append(self._partial_path, f"\n{dumps_answer(answer)}\n".encode())
        except OSError as error:
            raise unwritable(self._partial_path, error) from error

    def finish(self, answers: Iterable[Answer]) -> None:
        """Write the sealed file. Raise `StateError`."""
        write_text(self.path, dumps_shard(self.header, answers))
        with suppress(OSError):
            self._partial_path.unlink()

    def _noted(self, path: Path) -> Iterator[Answer]:
        try:
            first, *lines = read_whole(path).decode("utf-8", "replace").split("\n")
        except OSError:
            return
        if first + "\n" != self.header.dumps():
            return
        for line in lines:
            with suppress(ValueError):
                yield loads_answer(line)
