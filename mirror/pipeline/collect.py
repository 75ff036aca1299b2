"""The shards of a sync, taken together: which of them fit, and the originals they archived."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import md5
from pathlib import Path
from typing import Self

from mirror.amounts import count_text
from mirror.archive import Archive, ArchiveError
from mirror.config import Config
from mirror.engine import Threads
from mirror.files import MAX_BYTES, Tree, explain
from mirror.model import Blob, Finding, Rule
from mirror.pipeline.answers import Answer
from mirror.pipeline.download import DownloadResult
from mirror.pipeline.plan import ImageRequest
from mirror.pipeline.shards import (
    PARTIAL_SUFFIX,
    Answers,
    Shard,
    ShardError,
    ShardFile,
    ShardHeader,
    limit_warnings,
    loads_shard,
    settings_digest,
)
from mirror.repeats.reviews import Reviews
from mirror.state import HeldImages, State
from mirror.store import STORE_WORKERS, DirectoryStore
from mirror.urls.address import Address

_FILE_NAME = re.compile(r"[1-9]\d{0,5}-of-[1-9]\d{0,5}\.jsonl")
_MOST_NAMED = 10  # missing parts that a finding names; a division may have thousands
_ASKS = "this run asks the hosts for what it lacks. With `--limit 0` it would ask nobody"


@dataclass(frozen=True, slots=True)
class SiteShard:
    """The file of a shard in `folder`, which is that of a site."""

    folder: Path
    name: str
    header: ShardHeader
    answers: Sequence[Answer] = field(repr=False)

    @property
    def path(self) -> Path:
        return self.folder / self.name


@dataclass(frozen=True, slots=True)
class CollectedShards:
    """The answers of shards, and the findings about shards that are not taken."""

    shards: Sequence[SiteShard]
    answers: Answers
    findings: Sequence[Finding]
    _folders: Mapping[tuple[Address, ...], Path] = field(repr=False)

    @classmethod
    def of(cls, shards: Sequence[SiteShard], findings: Sequence[Finding] = ()) -> Self:
        folders = {answer.addresses: item.folder for item in shards for answer in item.answers}
        every = Answers(answer for item in shards for answer in item.answers)
        return cls(shards, every, findings, folders)

    @property
    def listed(self) -> Iterator[Answer]:
        """Every answer of every shard."""
        return (answer for item in self.shards for answer in item.answers)

    def take(
        self, requests: Sequence[ImageRequest], copy: CopyJob
    ) -> tuple[list[DownloadResult], list[ImageRequest], list[Finding]]:
        """Return the results of answered requests, the requests without answer, and findings.

        What another machine archived is copied into the archive. Its answer counts only if the
        bytes are those that it describes.
        """
        answered = [
            (request, answer) for request in requests if (answer := self.answers.find(request))
        ]
        jobs = [(answer, self._folders[answer.addresses]) for _, answer in answered]
        copied = Threads().map(copy, jobs, STORE_WORKERS)
        lacking = {answer.addresses: folder for answer, folder in copied if folder is not None}
        answered = [pair for pair in answered if pair[1].addresses not in lacking]
        known = {request.addresses for request, _ in answered}
        unanswered = [request for request in requests if request.addresses not in known]
        findings = [
            Finding(
                Rule.SHARD_NOT_TAKEN,
                str(folder),
                f"{count_text(count, 'original is', 'originals are')} missing or damaged in the "
                "archive there; this run asks the hosts for what it lacks",
            )
            for folder, count in sorted(Counter(lacking.values()).items())
        ]
        return [answer.result(request) for request, answer in answered], unanswered, findings


@dataclass(frozen=True, slots=True)
class CopyJob:
    """Take an answer and the site it comes from, and copy the bytes that this site lacks.

    Return the answer, with the folder of its site if the bytes it describes are not there. This
    site is at `root`, and `state_name` is the folder of the state in every copy of it. With
    `dry_run` nothing is copied.
    """

    root: Path
    state_name: str
    max_pixels: int
    archive: Archive
    held: HeldImages
    reviews: Reviews
    dry_run: bool

    def __call__(self, item: tuple[Answer, Path]) -> tuple[Answer, Path | None]:
        answer, folder = item
        if (original := answer.archived_blob) is not None:
            is_accepted = self.reviews.accepts(answer.addresses[0], original.digest)
            is_there = self._take_original(original, folder, is_accepted=is_accepted)
            return answer, None if is_there else folder
        if answer.blob is not None:
            self._take_damaged(answer.blob, folder)
        return answer, None

    def _take_original(self, blob: Blob, folder: Path, *, is_accepted: bool) -> bool:
        """Copy an original into the archive; `False` if its bytes are not there as described."""
        is_here = self.archive.has(blob)
        if is_here and not self.dry_run:
            self.archive.note(blob)
        if is_here and blob.fingerprint is not None:
            return True
        archive = self.archive if is_here else self._archive_of(folder)
        try:
            data = archive.get(blob.digest, blob.media_type, blob.size)
        except ArchiveError:
            return False
        if not _describes(blob, data, self.max_pixels, accepted=is_accepted):
            return False
        if not is_here and not self.dry_run:
            self.archive.put(blob, data)
        return True

    def _take_damaged(self, blob: Blob, folder: Path) -> None:
        """Copy the bytes that wait for a person; `accept` would ask again for what is not there."""
        copied_state = State.below(folder / self.state_name)
        data = copied_state.held.get_bytes(blob.digest)
        if data is not None and not self.dry_run:
            self.held.keep_bytes(blob.digest, data)

    def _archive_of(self, folder: Path) -> Archive:
        """Return the archive of a copy of the site: a bucket is that of all copies.

        A folder outside of the site lies beside the copy's state.
        """
        root = self.archive.root
        if root is None:
            return self.archive
        name = root.relative_to(self.root) if root.is_relative_to(self.root) else root.name
        return Archive(DirectoryStore("archive", folder / name))


def _describes(blob: Blob, data: bytes, max_pixels: int, *, accepted: bool) -> bool:
    """Return True if these may be the facts about the bytes, whose SHA-256 is right.

    A picture is opened, and its pixels are not decoded again: that is the work that was handed out.
    What has no fingerprint is inspected, as it may be damaged, which only a person accepts.
    """
    from mirror.pictures import ImageError, ImageLimits, Picture, damaged_blob, inspect

    limits = ImageLimits(max_pixels)
    try:
        if blob.fingerprint is None:
            return inspect(data, limits) == blob
        picture = Picture(data, limits)
    except ImageError:
        return accepted and damaged_blob(data) == blob
    digest = md5(data, usedforsecurity=False).hexdigest()
    facts = (picture.media_type, *picture.size, len(data), digest)
    return facts == (blob.media_type, blob.width, blob.height, blob.size, blob.md5)


def earlier_answers(
    config: Config,
    archive: Archive,
    shard: Shard | None,
    copies: Iterable[Path],
    *,
    refresh: bool,
) -> CollectedShards:
    """Return the answers that a run finds here and need not ask a host for.

    A run of a `shard` finds those of the pictures that it has archived before, any other run those
    of all shards. Raise `ArchiveError`.
    """
    if shard is None:
        return find_shards(config, copies, refresh=refresh)
    file = ShardFile.of(config, shard, refresh=refresh)
    shards = [SiteShard(config.root, file.path.name, file.header, file.archived(archive))]
    return CollectedShards.of(shards, limit_warnings(shard, config.fetch.concurrency))


def find_shards(config: Config, copies: Iterable[Path], *, refresh: bool) -> CollectedShards:
    """Read the shards of the site and of its `copies`; return those to take, and findings.

    They fit this configuration and version, are parts of one division, and each part is there
    once. The others are findings, and so are a missing part and a copy without any.
    """
    findings: list[Finding] = []
    fitting: list[SiteShard] = []
    settings = settings_digest(config)
    for folder in _distinct([config.root, *copies]):
        known = len(findings) + len(fitting)
        for name, header, answers in _read_shards(folder, config.state.name, findings):
            if (reason := header.misfit(settings, refresh=refresh)) is not None:
                findings.append(_not_taken(folder / name, reason))
            else:
                fitting.append(SiteShard(folder, name, header, answers))
        has_none = len(findings) + len(fitting) == known
        if folder != config.root and has_none:
            message = f"has no part in {config.state.name}/shards; {_ASKS}"
            findings.append(Finding(Rule.SHARD_MISSING, str(folder), message))
    fitting.sort(key=lambda item: (item.header.shard, item.path))
    together = list(_of_one_division(fitting, findings))
    shards = list(_each_once(together, findings))
    findings += _missing(shards, {item.header.shard for item in together})
    return CollectedShards.of(shards, findings)


def clear_shards(shards: Iterable[SiteShard], state: State, *, asked_all: bool) -> None:
    """Remove this site's own shards that were taken: the manifest has them now.

    It also has what killed or running shards noted, if the run `asked_all` that the posts show.
    """
    taken = [item.path for item in shards if item.path.parent == state.shards]
    for path in (*taken, *(state.shards.glob(f"*{PARTIAL_SUFFIX}") if asked_all else ())):
        with suppress(OSError):
            path.unlink()


def _distinct(folders: Iterable[Path]) -> list[Path]:
    by_place = {os.path.realpath(folder): folder for folder in reversed([*folders])}
    return list(reversed(by_place.values()))


def _read_shards(
    folder: Path, state: str, findings: list[Finding]
) -> Iterator[tuple[str, ShardHeader, list[Answer]]]:
    """Yield name, header and answers of each shard below a site's folder."""
    tree = Tree(folder)
    try:
        names = [
            name
            for name, _ in tree.walk(f"{state}/shards/")
            if _FILE_NAME.fullmatch(name.rpartition("/")[2])
        ]
    except OSError as error:
        findings.append(_not_taken(folder / state, explain(error)))
        return
    for name in names:
        try:
            header, answers = loads_shard(tree.read(name, MAX_BYTES).decode("utf-8"))
            if f"{header.shard.name}.jsonl" != name.rpartition("/")[2]:
                raise ShardError(
                    f"line 1: expected the shard of the file's name, is {header.shard}"
                )
        except (ShardError, UnicodeDecodeError) as error:
            findings.append(_not_taken(folder / name, f"{error}; run the shard again"))
        except OSError as error:
            findings.append(_not_taken(folder / name, explain(error)))
        else:
            yield name, header, answers


def _of_one_division(shards: Sequence[SiteShard], findings: list[Finding]) -> Iterator[SiteShard]:
    """Yield the shards of the division that is most complete; of equals, that into most parts."""
    parts: dict[int, set[int]] = {}
    for item in shards:
        shard = item.header.shard
        parts.setdefault(shard.count, set()).add(shard.number)
    count = max(parts, key=lambda count: (len(parts[count]) / count, count), default=0)
    for item in shards:
        shard = item.header.shard
        if shard.count == count:
            yield item
        else:
            reason = (
                f"is one of {shard.count} parts, and the others are of {count}; "
                f"run all as `--shard n/{count}`, or delete it"
            )
            findings.append(_not_taken(item.path, reason))


def _each_once(shards: Sequence[SiteShard], findings: list[Finding]) -> Iterator[SiteShard]:
    """Yield each part once; each that was run twice is named, and not taken if they differ."""
    by_shard: dict[Shard, list[SiteShard]] = {}
    for item in shards:
        by_shard.setdefault(item.header.shard, []).append(item)
    for shard, items in by_shard.items():
        first, *others = items
        places = ", ".join(str(item.path) for item in items)
        if any(other.answers != first.answers for other in others):
            reason = f"part {shard} was run twice, with other outcomes; leave out one of {places}"
            findings += (_not_taken(item.path, reason) for item in items)
            continue
        if others:
            message = f"part {shard} was run twice, with one outcome, and is taken once: {places}"
            findings.append(Finding(Rule.SHARD_TWICE, str(first.path), message))
        yield first


def _missing(shards: Sequence[SiteShard], named: Iterable[Shard]) -> Iterator[Finding]:
    """Yield a warning for the parts that nobody has run; `named` have a finding of their own."""
    parts = {*named, *(item.header.shard for item in shards)}
    for count in {shard.count for shard in parts}:
        numbers = {shard.number for shard in parts}
        lacking = [number for number in range(1, count + 1) if number not in numbers]
        if lacking:
            names = ", ".join(f"{number}/{count}" for number in lacking[:_MOST_NAMED])
            more = len(lacking) - _MOST_NAMED
            if more > 0:
                names += f" and {more:,} more"
            subject = f"part {names} is" if len(lacking) == 1 else f"parts {names} are"
            message = f"{subject} not there; {_ASKS}"
            yield Finding(Rule.SHARD_MISSING, f"{count} shards", message)


def _not_taken(path: Path, reason: str) -> Finding:
    return Finding(Rule.SHARD_NOT_TAKEN, str(path), f"was not taken: {reason}")
