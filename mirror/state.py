"""State: what `.mirror/` holds. All of it may be deleted while no run works.

Speed is lost then, and in `held/` the pictures that wait for a decision: they are asked for again.

journal.jsonl     what was fetched since the manifest was last written
lock              the run that is at work
validators.jsonl  the versions that hosts named, for `--refresh`, and whose turn it is
last-sync.jsonl   the summary and the findings of the last sync
sealed.txt        the place of the archive whose lists were complete (`mirror.archive`)
unsealed-….txt    originals that a run has put and these lists may lack
shards/           what shards of a sync hand on, and their locks
held/             pictures that wait for a person's decision: images.jsonl, and damaged bytes
workers           the proof for workers of a cluster that they have this folder
crash-….log       a bug, for whoever reports it
.gitignore        keeps all of it out of git
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from threading import Lock as Mutex
from typing import Any

from mirror.amounts import moment
from mirror.fetch import Validators
from mirror.files import MAX_BYTES, Lock, Tree, append, create_whole, read_whole, sweep, write_whole
from mirror.history import tracked_file
from mirror.manifest import dump_blob, is_address, load_blob
from mirror.model import Blob, Digest, Finding, HeldImage, Outcome, Rule
from mirror.records import StateError, unwritable
from mirror.urls.address import Address, canonical, identity
from mirror.urls.redact import hide_secrets

_IMAGES = "images.jsonl"
_MAX_LIST_BYTES = 1 << 26  # a hundred thousand pictures that wait; more than that is none of ours
_RULES = {rule.id: rule for rule in Rule}


class TrackedStateError(StateError):
    """Git tracks a file of the state, so it may be anybody's."""


def need_own_state(folder: Path) -> None:
    """Raise `TrackedStateError` if git tracks a file in the folder of a site's state.

    What is in it is believed: a planted journal would show a picture under another address.
    """
    if folder.is_dir() and (path := tracked_file(folder)) is not None:
        raise TrackedStateError(
            f"{path} is under version control, so anybody's commit may have written it, and a run "
            f"would believe it; look who added it, then `git rm -rf {folder}`: nothing in it is "
            "needed"
        )


@dataclass(frozen=True, slots=True)
class State:
    """The folder `.mirror/` and the files in it."""

    folder: Path
    journal: Journal
    validators: ValidatorCache
    last_sync: LastSyncFile
    held: HeldImages

    @classmethod
    def below(cls, folder: Path) -> State:
        return cls(
            folder,
            Journal(folder / "journal.jsonl"),
            ValidatorCache(folder / "validators.jsonl"),
            LastSyncFile(folder / "last-sync.jsonl"),
            HeldImages(folder / "held"),
        )

    @property
    def shards(self) -> Path:
        """The folder of the files and locks of shards."""
        return self.folder / "shards"

    @contextmanager
    def lock(self, command: str, roots: Iterable[Path], shard: str = "") -> Iterator[None]:
        """Let one run at a time work here; raise `HeldError` that names the other.

        Raise `TrackedStateError` if what is here may be anybody's.
        A run of a `shard`, given by its name, has a lock of its own. Temporary files that a killed
        run left below `roots` are removed.
        """
        need_own_state(self.folder)
        path = self.shards / f"{shard}.lock" if shard else self.folder / "lock"
        lock = Lock(path, command)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            create_whole(self.folder / ".gitignore", b"*\n")
            lock.__enter__()
        except OSError as error:
            place = lock.path if self.folder.is_dir() else self.folder
            raise unwritable(place, error) from error
        try:
            for root in (self.folder, *roots):
                sweep(root)
            yield
        finally:
            lock.__exit__(None, None, None)


@dataclass(slots=True)
class Journal:
    """The images that were fetched since the manifest was last written, a line each, appended.

    The archive holds the bytes before the line is written, so a killed run fetches again only
    what was in flight.
    """

    path: Path
    _mutex: Mutex = field(default_factory=Mutex)

    def read(self) -> Iterator[tuple[Address, Blob]]:
        """Yield what was recorded; a line torn by a kill, or of another version, is passed over."""
        for raw in json_lines(self.path):
            with suppress(KeyError, TypeError, ValueError):
                if is_address(raw["source"]):
                    yield Address(raw["source"]), load_blob(raw["blob"])

    def append(self, addresses: Iterable[Address], blob: Blob) -> None:
        # The line end comes first: a line that a kill or a full disk tore must not take this along.
        lines = ["\n" + json.dumps({"source": url, "blob": dump_blob(blob)}) for url in addresses]
        try:
            with self._mutex:
                append(self.path, "".join(lines).encode())
        except OSError as error:
            raise unwritable(self.path, error) from error

    def clear(self) -> None:
        """Remove the file: its contents are in the manifest now. Raise `StateError`."""
        try:
            self.path.unlink(missing_ok=True)
        except OSError as error:
            raise unwritable(self.path, error) from error


@dataclass(frozen=True, slots=True)
class ValidatorCache:
    """The versions that hosts named, by address, and whose turn it is with `--limit`.

    Without this file all images are fetched again, in the order of the posts.
    """

    path: Path

    def load(self) -> dict[Address, tuple[str, Validators]]:
        """Return, by address, the SHA-256 of the bytes that came and the host's validators.

        The address whose last turn is longest ago comes first, also if nothing came then.
        """
        entries: dict[Address, tuple[str, Validators]] = {}
        for raw in json_lines(self.path):
            with suppress(KeyError, TypeError):
                validators = Validators(raw["etag"], raw["last_modified"])
                entries[Address(raw["source"])] = (str(raw["sha256"]), validators)
        return entries

    def add(
        self, asked: Iterable[Address], received: Mapping[Address, tuple[str, Validators]]
    ) -> None:
        """Record what came, and that all of `asked` had their turn."""
        entries = self.load()
        turns = {url: entries.pop(url, ("", Validators())) for url in asked}
        if not turns:
            return
        lines = [
            json.dumps({"source": url, "sha256": digest, **asdict(validators)}) + "\n"
            for url, (digest, validators) in (entries | turns | dict(received)).items()
        ]
        with suppress(OSError):  # only speed is lost
            write_whole(self.path, "".join(lines).encode())


@dataclass(frozen=True, slots=True)
class HeldImages:
    """Pictures that came for an address and wait for a person to accept them.

    Bytes that decode are in the archive. Damaged ones are here, and only once they are accepted
    are they archived.
    """

    folder: Path

    @property
    def path(self) -> Path:
        return self.folder / _IMAGES

    def load(self) -> dict[str, HeldImage]:
        """Return the pictures by the identity of their address; the last one of an address.

        There are none if the list came with a commit, because it may be anybody's.
        """
        images: dict[str, HeldImage] = {}
        if not self.path.exists() or tracked_file(self.folder.parent) is not None:
            return images
        for raw in self._lines():
            with suppress(KeyError, TypeError, ValueError):
                if is_address(raw["source"]):
                    image = HeldImage(Address(raw["source"]), load_blob(raw["blob"]))
                    images[identity(image.address)] = image
        return images

    def save(self, images: Iterable[HeldImage]) -> None:
        """Keep these pictures in place of those before. Raise `StateError`."""
        lines = [
            json.dumps({"source": image.address, "blob": dump_blob(image.blob)}) + "\n"
            for image in images
        ]
        if lines or self.path.exists():
            self._write(_IMAGES, "".join(lines).encode())

    def keep_bytes(self, digest: Digest, data: bytes) -> None:
        """Keep damaged bytes. Raise `StateError`."""
        self._write(digest.hex, data)

    def get_bytes(self, digest: Digest) -> bytes | None:
        """Return damaged bytes with this digest; `None` if they are not here whole."""
        try:
            data = self._tree.read(self._name(digest.hex), MAX_BYTES)
        except OSError:
            return None
        return data if sha256(data).hexdigest() == digest.hex else None

    @property
    def _tree(self) -> Tree:
        # From the state's folder on no link is followed: one in the place of `folder` would lead
        # what is written out of the site.
        return Tree(self.folder.parent)

    def _name(self, name: str) -> str:
        return f"{self.folder.name}/{name}"

    def _lines(self) -> Iterator[dict[str, Any]]:
        with suppress(OSError), self._tree.opened(self._name(_IMAGES)) as file:
            if os.fstat(file.fileno()).st_size <= _MAX_LIST_BYTES:
                yield from _objects(file.read())

    def _write(self, name: str, data: bytes) -> None:
        try:
            self._tree.replace(self._name(name), data)
        except OSError as error:
            raise unwritable(self.folder / name, error) from error


@dataclass(frozen=True, slots=True)
class LastSync:
    """The outcome of the last sync, and the time when it ended."""

    ended: datetime
    findings: tuple[Finding, ...]

    @property
    def reasons(self) -> dict[str, str]:
        """The reasons why images were not taken, and remedies, by the identity of the address."""
        failures = (f for f in self.findings if f.rule.outcome is Outcome.FAILURE)
        return {
            identity(address): _with_remedy(failure)
            for failure in failures
            if (address := canonical(failure.subject)) is not None
        }

    @property
    def not_stored(self) -> dict[str, str]:
        """The reasons why pictures were not stored, by key; each begins with the destination."""
        return {f.subject: f.message for f in self.findings if f.rule is Rule.NOT_STORED}


NO_SYNC = LastSync(moment(0), ())
"""The outcome where no sync is on record: nothing is known of any image."""

_SHOWN = re.compile(r" \(shown \d+ times\)\Z")


def _with_remedy(failure: Finding) -> str:
    """Return the message, with the advice to run `sync` again if it has no remedy of its own."""
    message = _SHOWN.sub("", failure.message)
    has_remedy = "; " in message or failure.rule is not Rule.NOT_FETCHED
    return message if has_remedy else f"{message}; `mirror sync` asks again"


@dataclass(frozen=True, slots=True)
class LastSyncFile:
    """Keeps the outcome of the last sync for reports."""

    path: Path

    def save(self, summary: Mapping[str, int | float], findings: Iterable[Finding]) -> None:
        """Keep the outcome of a sync in place of the one before."""
        lines = [{"type": "summary", **summary}]
        lines += [{"type": "finding", **finding.as_json()} for finding in findings]
        text = "".join(json.dumps(line) + "\n" for line in lines)
        with suppress(OSError):  # only a report would have used it
            write_whole(self.path, text.encode())

    def load(self) -> LastSync | None:
        """Return the outcome of the last sync; `None` if none is on record.

        One that came with a commit is none: its reasons and remedies may be anybody's words.
        """
        try:
            status = self.path.lstat()
        except OSError:
            return None
        if not stat.S_ISREG(status.st_mode) or tracked_file(self.path.parent) is not None:
            return None
        ended = moment(status.st_mtime)
        return LastSync(ended, tuple(_findings(json_lines(self.path))))


def _findings(lines: Iterable[Mapping[str, Any]]) -> Iterator[Finding]:
    for raw in lines:
        with suppress(KeyError, TypeError):  # of another version: nothing that could be shown
            if raw["type"] == "finding":
                place = (raw.get(name) for name in ("post", "line", "column"))
                # Another version may have taken no part of an address for a secret.
                subject, message = hide_secrets(raw["subject"]), hide_secrets(raw["message"])
                yield Finding(_RULES[raw["rule"]], subject, message, *place)


def json_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the objects of a JSON Lines file; lines that are none are left out."""
    with suppress(OSError):
        yield from _objects(read_whole(path))


def _objects(data: bytes) -> Iterator[dict[str, Any]]:
    for line in data.decode("utf-8", "replace").split("\n"):
        with suppress(ValueError, RecursionError):
            yield json.loads(line)
