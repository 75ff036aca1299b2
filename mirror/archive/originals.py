"""The archive itself: originals by digest in a store, and the lists that make it a bag."""

from __future__ import annotations

import re
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from hashlib import sha256
from itertools import chain
from pathlib import Path
from threading import Lock as Mutex
from typing import TypeVar

from mirror.archive import bag
from mirror.archive.bag import Bag, Entry
from mirror.archive.errors import (
    ArchiveError,
    MissingError,
    UnreachableArchiveError,
    UnreadableError,
)
from mirror.archive.sources import SOURCES, SourceRecord, respelled
from mirror.archive.spool import Spool
from mirror.archive.unsealed import UnsealedNames
from mirror.compact import TextFilter
from mirror.engine import Engine, Results, Serial, Threads
from mirror.files import explain, sweep
from mirror.model import EXTENSIONS, Blob, Digest, Key
from mirror.store import (
    REPEATED,
    ConflictError,
    DirectoryStore,
    ExistsError,
    NotFoundError,
    Store,
    StoreError,
    TooLargeError,
    concerns_all,
    swap,
)
from mirror.urls.address import Address
from mirror.urls.redact import printable

T = TypeVar("T")
R = TypeVar("R")

_DATA = Key("data/")
_ORIGINAL = re.compile(r"data/([0-9a-f]{2})/(\1[0-9a-f]{62})\.[a-z]+")
_UNPORTABLE = re.compile(r"[%\r\n\ud800-\udfff]")
_LOOK_UPS = 16  # at a time, where each one waits for a server
# Looking up so many takes about as long as listing a hundred thousand.
_MOST_LOOK_UPS = 1000
# 13 million originals. Of a longer list no more is read, whatever length a server declares.
_MAX_LIST_BYTES = 2 << 30
_MAX_SHORT_LIST_BYTES = 1 << 20  # those that do not grow; other programs may add lines
_UPDATE_ATTEMPTS = 20  # each one fails only because another run has sealed in the meantime


class Archive:
    """Originals by digest, as objects `data/ab/ab….png` of a store. Safe to use from threads.

    `state` is a folder for what this machine remembers: which originals the bag's lists may lack,
    and while a run lasts, originals of a bucket. Without it, all originals are listed at each seal.
    """

    def __init__(self, store: Store, state: Path | None = None) -> None:
        self._store = store
        self._state = state
        self._unsealed = None if state is None else UnsealedNames(state, store.identity)
        # By name; `None` until the original is known to be there.
        self._put_sizes: dict[str, int | None] = {}
        self._spool: Spool | None = None
        self._failures = 0  # in a row
        self._mutex = Mutex()

    def __reduce__(self) -> tuple[type[Archive], tuple[Store, Path | None]]:
        return Archive, (self._store, self._state)

    @property
    def store(self) -> Store:
        return self._store

    @property
    def root(self) -> Path | None:
        """The folder; `None` for a bucket."""
        return self._store.root if isinstance(self._store, DirectoryStore) else None

    @property
    def place(self) -> str:
        """The place of the bag in messages."""
        return self._store.place

    # --- Originals ----------------------------------------------------------------------------

    def put(self, blob: Blob, data: bytes) -> None:
        """Store an original. An existing one stays, unless it is damaged: then it is replaced.

        Raise `ArchiveError` if `data` does not have the digest of `blob`.
        """
        if sha256(data).hexdigest() != blob.digest.hex:
            raise ArchiveError(f"{blob.digest}: the bytes to keep have another SHA-256")
        key = original_key(blob.digest, blob.media_type)
        if self._put_sizes.setdefault(key, None) is None and self._unsealed is not None:
            self._unsealed.add(key)
        with self._errors(key):
            try:
                self._store.put(key, data, blob.media_type, inline=_is_inline(blob))
            except ExistsError:
                if self._unsealed is not None:
                    self._unsealed.mark_unknown()  # the lists have the size of the damaged bytes
                self._store.replace(key, data, blob.media_type, inline=_is_inline(blob))
        self._put_sizes[key] = len(data)
        self._keep(key, data)

    def note(self, blob: Blob) -> None:
        """Take note of an original that another process has put, so that `seal` lists it.

        That process writes nothing into the state of this machine, so its name is written down
        here, as `put` does it.
        """
        key = original_key(blob.digest, blob.media_type)
        if key not in self._put_sizes and self._unsealed is not None:
            self._unsealed.add(key)
        self._put_sizes[key] = blob.size

    def get(self, digest: Digest, media_type: str, size: int | None = None) -> bytes:
        """Return the original. Raise `ArchiveError` unless its bytes have this digest.

        With `size`, the bytes that it should have, no larger object is read whole. What this run
        has put or read already may come from this machine.
        """
        key = original_key(digest, media_type)
        data = None if self._spool is None else self._spool.find(key)
        if data is None or sha256(data).hexdigest() != digest.hex:
            data = self._read(key, digest, size)
            if self._spool is not None:  # else nothing was put: what is read, is read once
                self._keep(key, data)
        return data

    def check(self, blob: Blob) -> None:
        """Read an original where it is kept. Raise `ArchiveError` unless all of it is right."""
        key = original_key(blob.digest, blob.media_type)
        self._read(key, blob.digest, blob.size, is_exact=True)

    def check_lists(self, blobs: Iterable[Blob]) -> str | None:
        """Return what is wrong with the lists of the bag, which holds `blobs`; `None` if nothing.

        A bag that holds none of them needs no list. Raise `ArchiveError`.
        """
        names = (original_key(blob.digest, blob.media_type) for blob in blobs)
        if (first := next(names, None)) is None:
            return None
        with self._errors(bag.MANIFEST):
            lists = self._lists(bag.LISTS)
        return bag.find_lack(lists, chain([first], names))

    def others(self, blobs: Iterable[Blob]) -> list[tuple[str, str]]:
        """Return name and SHA-256 of the files in `data` beside the originals `blobs`, sorted.

        They are what the list of checksums names, and originals that it does not have yet. Raise
        `ArchiveError`.
        """
        known = TextFilter(original_key(blob.digest, blob.media_type) for blob in blobs)
        with self._errors(bag.MANIFEST):
            listed = bag.listed(self._lists([bag.MANIFEST]))
            found = {name: digest for name, digest in listed if name not in known}
            for info in self._store.list(_DATA):
                if info.key not in known and (match := _ORIGINAL.fullmatch(info.key)):
                    found.setdefault(info.key, match[2])
        return sorted(found.items())

    def check_other(self, name: str, digest: str) -> None:
        """Read a file that `others` names. Raise `ArchiveError` unless it has this SHA-256."""
        with self._errors(name):
            info = self._store.stat(Key(name))
            if info is None:
                raise MissingError(f"{self._place(name)} is missing")
            if self._hash(name, info.size) != digest:
                raise ArchiveError(f"{self._place(name)} is damaged: its SHA-256 is another one")

    def has(self, blob: Blob) -> bool:
        """Return True if the original is there with the right size; only `get` reads its bytes."""
        key = original_key(blob.digest, blob.media_type)
        with self._errors(key):
            info = self._store.stat(key)
        return info is not None and info.size == blob.size

    def holding(self, blobs: Iterable[Blob]) -> set[Digest]:
        """Return the digests of the `blobs` whose originals are there, as `has` tells."""
        digests = self._at_once(lambda blob: blob.digest if self.has(blob) else None, blobs)
        return {digest for digest in digests if digest is not None}

    def _at_once(self, job: Callable[[T], R], items: Iterable[T]) -> Results[R]:
        """Run a look-up for each item; in a bucket several at a time, because each one waits."""
        engine: Engine = Serial() if self.root is not None else Threads()
        return engine.map(job, items, _LOOK_UPS)

    def copy(self, blob: Blob, target: Store, key: Key, *, inline: bool) -> bool:
        """Let the server of both buckets copy an original to a free key of `target`.

        Return False where it cannot, or where nothing proves that the right bytes were copied.
        Raise `StoreError`.
        """
        if inline != _is_inline(blob):  # some servers keep the header of the original
            return False
        original = original_key(blob.digest, blob.media_type)
        return target.copy_from(self._store, original, blob, key, inline=inline)

    def digests(self) -> Iterator[Digest]:
        """Yield the digests of all originals, sorted."""
        with self._errors(_DATA):
            for info in self._store.list(_DATA):
                if match := _ORIGINAL.fullmatch(info.key):
                    yield Digest(match[2])

    def history(self) -> Iterator[tuple[float, int]]:
        """Yield modification time (seconds since the epoch) and size in bytes of each original.

        A bucket is not asked: it would have to list everything.
        """
        if isinstance(self._store, DirectoryStore):
            with self._errors(_DATA):
                for name, status in self._store.walk(_DATA):
                    if _ORIGINAL.fullmatch(name):
                        yield status.st_mtime, status.st_size

    def _read(self, key: Key, digest: Digest, size: int | None, *, is_exact: bool = False) -> bytes:
        with self._errors(key):
            try:
                data = self._store.get(key, max_bytes=size)
            except TooLargeError as error:
                kind = MissingError if is_exact else ArchiveError
                raise kind(f"{self._place(key)} is damaged: more than {size} bytes") from error
        if is_exact and len(data) != size:
            raise MissingError(f"{self._place(key)}: expected {size} bytes, found {len(data)}")
        if sha256(data).hexdigest() != digest.hex:
            raise ArchiveError(f"{self._place(key)} is damaged: its SHA-256 is not its name")
        return data

    def _keep(self, key: Key, data: bytes) -> None:
        """Keep an original of a bucket at hand; a folder is at hand itself."""
        if self.root is not None or self._state is None:
            return
        with suppress(OSError):  # only requests would have been saved
            with self._mutex:
                self._spool = self._spool or Spool(self._state)
            self._spool.keep(key, data)

    # --- Sources ------------------------------------------------------------------------------

    def source_record(self) -> SourceRecord:
        """Return what `add_sources` recorded."""
        with self._errors(SOURCES):
            return SourceRecord.loads(self._lists([SOURCES]).get(SOURCES, b""))

    def add_sources(self, entries: Iterable[tuple[Address, Digest]]) -> None:
        """Record which address each original came from, unless that is the last one on record.

        An address that an earlier version spelled otherwise, maybe with a secret, is spelled anew.
        """
        entries = list(entries)

        def added(before: Mapping[Key, bytes]) -> dict[Key, bytes]:
            data = before.get(SOURCES, b"")
            record, lines = SourceRecord.loads(data), []
            for address, digest in entries:
                if not record.is_known(address, digest):
                    record.add(address, digest.hex)
                    lines.append(f"{digest}  {address}\n")
            if record.is_outdated:
                data = respelled(data)
            # A last line without its end counts for nothing, and would take the next one with it.
            data = data[: data.rfind(b"\n") + 1]
            return {SOURCES: data + "".join(lines).encode()} if lines or record.is_outdated else {}

        self._update([SOURCES], added)

    # --- The bag ------------------------------------------------------------------------------

    def check_listing(self) -> None:
        """List one original. Raise `ArchiveError` if that is refused, before much is done."""
        with self._errors(_DATA):
            next(iter(self._store.list(_DATA)), None)

    @property
    def is_unsealed(self) -> bool:
        """True if the bag's lists may lack an original that was put from this machine."""
        return bool(self._put_sizes or (self._unsealed is not None and self._unsealed.abandoned()))

    def seal(self, *, whole: bool = False) -> None:
        """Bring the bag's lists of checksums up to date.

        What was put since the last time is added to them. All originals are listed anew for the
        first time on a machine, if the lists contradict each other, or if `whole`. An original is
        entered with the digest in its name, so that damage shows; a file that someone else put
        into `data` with the digest of its bytes. Lists that are up to date stay untouched. Raise
        `ArchiveError` for a file that no bag can hold.
        """
        if isinstance(self._store, DirectoryStore):
            _make_folder(self._store.root / "data")
            self._store.sweep("")
        abandoned = {} if self._unsealed is None else self._unsealed.abandoned()
        names = set(filter(_ORIGINAL.fullmatch, chain.from_iterable(abandoned.values())))
        sealed = {name for name, size in dict(self._put_sizes).items() if size is not None}
        added = self._look_up(names)
        sealed |= {entry.name for entry in added or ()}
        is_lack_known = added is not None and (
            self._unsealed is not None and self._unsealed.is_complete
        )

        def with_added(before: Mapping[Key, bytes]) -> dict[Key, bytes]:
            kept = bag.loads(before) if is_lack_known and not whole else None
            if kept is None or added is None:
                return bag.dumps(Bag().with_entries(self._entries()))
            return bag.dumps(kept.with_entries(added))

        self._update(bag.LISTS, with_added)
        # After Ctrl-C, a picture may still be on its way.
        left = {name: size for name, size in dict(self._put_sizes).items() if name not in sealed}
        self._put_sizes = left
        if self._unsealed is not None:
            self._unsealed.mark_complete()
            self._unsealed.clear(abandoned, left)

    def _look_up(self, names: Iterable[str]) -> list[Entry] | None:
        """Return the originals that the lists may lack; `None` where it would take too long.

        `names` are those that earlier runs left.
        """
        put = dict(self._put_sizes)
        unsure = {*names, *(name for name, size in put.items() if size is None)}
        if len(unsure) > _MOST_LOOK_UPS:
            return None
        sizes = {name: size for name, size in put.items() if size is not None}
        for name, size in self._at_once(self._stat, unsure - sizes.keys()):
            if size is not None:
                sizes[name] = size
            if isinstance(self._store, DirectoryStore):
                self._store.sweep(name.rpartition("/")[0])
        return [Entry.of_original(name, size) for name, size in sizes.items()]

    def _stat(self, name: str) -> tuple[str, int | None]:
        with self._errors(name):
            info = self._store.stat(Key(name))
        return name, None if info is None else info.size

    def _entries(self) -> Iterator[Entry]:
        """Yield everything in `data`. Raise `ArchiveError` for a file that no bag can hold."""
        for name, size in self._files():
            if _UNPORTABLE.search(name):
                raise ArchiveError(
                    f"{self._place(name)}: readers of bags do not agree on `%`, line breaks "
                    "and bytes that are not UTF-8 in a name; rename it"
                )
            original = _ORIGINAL.fullmatch(name)
            yield Entry(name, original[2] if original else self._hash(name, size), size)

    def _files(self) -> Iterator[tuple[str, int]]:
        """Yield name and size of everything in `data`, also what a listing of a folder lacks."""
        if not isinstance(self._store, DirectoryStore):
            yield from ((info.key, info.size) for info in self._store.list(_DATA))
            return
        sweep(self._store.root)
        for name, status in self._store.walk(_DATA):
            if not stat.S_ISREG(status.st_mode):
                raise ArchiveError(f"{self._place(name)} is not a plain file; move it elsewhere")
            yield name, status.st_size

    def _hash(self, name: str, size: int) -> str:
        return sha256(self._store.get(Key(name), max_bytes=size)).hexdigest()

    def _update(
        self, keys: Sequence[Key], change: Callable[[Mapping[Key, bytes]], Mapping[Key, bytes]]
    ) -> None:
        """Change lists as a whole, and once more if another run changed them in the meantime."""
        first: Mapping[Key, bytes] | None = None
        is_changing = False
        for _ in range(_UPDATE_ATTEMPTS):
            with self._errors(keys[0]), suppress(ConflictError):
                before = self._lists(keys)
                first = before if first is None else first
                is_changing = is_changing or before != first
                self._write(before, change(before))
                return
        problem = "other runs change it all the time; run again later"
        if not is_changing:  # so it was no other run that made each attempt fail
            problem = (
                "it cannot be replaced, as it is not read as it is stored: does a cache or a "
                "compression between here and the bucket change it? If not, remove "
                f"{', '.join(first or keys)} there, and run `mirror repair`"
            )
        raise UnreadableError(f"{self._place(keys[0])}: {problem}")

    def _lists(self, keys: Iterable[Key]) -> dict[Key, bytes]:
        """Return those lists that there are."""
        lists = {}
        for key in keys:
            with suppress(NotFoundError):
                is_long = key in (bag.MANIFEST, SOURCES)
                limit = _MAX_LIST_BYTES if is_long else _MAX_SHORT_LIST_BYTES
                lists[key] = self._store.get(key, max_bytes=limit)
        return lists

    def _write(self, before: Mapping[Key, bytes], after: Mapping[Key, bytes]) -> None:
        """Write the lists that changed, in their order. Raise `ConflictError`."""
        for key, data in after.items():
            if before.get(key) != data:
                swap(self._store, key, data, "text/plain; charset=utf-8", before.get(key))

    def _place(self, name: str) -> str:
        return printable(f"{self.place}/{name}")

    @contextmanager
    def _errors(self, name: str) -> Iterator[None]:
        try:
            yield
        except ConflictError:
            raise
        except NotFoundError as error:
            raise MissingError(f"{self._place(name)} is missing") from error
        except StoreError as error:
            kind = UnreachableArchiveError if self._is_for_all(error) else UnreadableError
            raise kind(str(error)) from error
        else:
            self._failures = 0

    def _is_for_all(self, error: StoreError) -> bool:
        """Return True if the next original would meet the error too; in a folder none does."""
        if self.root is not None:
            return False
        self._failures += isinstance(error, REPEATED)
        return concerns_all(error, self._failures)


def _is_inline(blob: Blob) -> bool:
    """Return False for an SVG: a script in it must not run where a bucket can be read by all."""
    return blob.media_type != "image/svg+xml"


def _make_folder(path: Path) -> None:
    """Make the folder that a bag has even where it is empty. Raise `UnreadableError`."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UnreadableError(printable(f"{path}: {explain(error)}")) from error


def original_key(digest: Digest, media_type: str) -> Key:
    """Return the path of an original in the archive."""
    return Key(f"data/{digest.hex[:2]}/{digest.hex}{EXTENSIONS[media_type]}")
