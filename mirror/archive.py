"""The archive: every original under its SHA-256, in a folder that is a valid BagIt bag.

BagIt (RFC 8493) is a format of libraries: a folder `data`, and lists of checksums beside it. The
command `sha256sum -c manifest-sha256.txt` proves that nothing is lost, without this program.

`sources.txt` beside them says which address each original was fetched from. No pull request and no
merge changes it, unlike the manifest.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from io import BytesIO
from pathlib import Path

from mirror.files import Tree, explain, sweep
from mirror.model import EXTENSIONS, Blob, Digest
from mirror.urls.address import Address, identity
from mirror.urls.redact import printable

_BAG = "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
_ORIGINAL = re.compile(r"data/([0-9a-f]{2})/(\1[0-9a-f]{62})\.[a-z]+")
_SOURCES = "sources.txt"
_HASHED_BYTES = 1 << 20  # read at a time
_SOURCE_LINE = re.compile(rb"([0-9a-f]{64})  ([!-~]+)\n")
_UNPORTABLE = re.compile(r"[%\r\n\ud800-\udfff]")


class ArchiveError(Exception):
    """An original is missing or damaged, or the archive cannot be read or written."""


class UnreadableError(ArchiveError):
    """An original may be there, but permissions or the disk prevent reading it."""


@dataclass(slots=True)
class SourceRecord:
    """The original that each address last gave, as far as an archive saw it.

    64-bit hashes stand for addresses and digests: a manifest may have millions.
    """

    _last: dict[int, int] = field(default_factory=dict)
    _digests: set[int] = field(default_factory=set)

    def add(self, address: str, digest: str) -> None:
        """Record a line: the later one of an address counts."""
        self._last[hash(identity(address))] = hash(digest)
        self._digests.add(hash(digest))

    def is_known(self, address: Address, digest: Digest) -> bool:
        """Return True if this original is what the address gave last."""
        return self._last.get(hash(identity(address))) == hash(digest.hex)

    def contradicts(self, address: Address, digest: Digest) -> bool:
        """Return True if the address gave another original, or this one came from others only.

        An archive that never saw either of them, such as that of a new clone, knows nothing.
        """
        last = self._last.get(hash(identity(address)))
        return hash(digest.hex) in self._digests if last is None else last != hash(digest.hex)


class Archive:
    """Originals by digest, as files `data/ab/ab….png` below `root`. Safe to use from threads."""

    def __init__(self, root: Path) -> None:
        self._tree = Tree(root)

    @property
    def root(self) -> Path:
        return self._tree.root

    def put(self, blob: Blob, data: bytes) -> None:
        """Store an original. An existing file stays, unless it is damaged: then it is replaced.

        Raise `ArchiveError` if `data` does not have the digest of `blob`.
        """
        if sha256(data).hexdigest() != blob.digest.hex:
            raise ArchiveError(f"{blob.digest}: the bytes to keep have another SHA-256")
        name = _name(blob.digest, blob.media_type)
        with self._errors(name):
            if not self._tree.create(name, data) and self._tree.read(name, len(data) + 1) != data:
                self._tree.replace(name, data)

    def get(self, digest: Digest, media_type: str, size: int | None = None) -> bytes:
        """Return the original. Raise `ArchiveError` unless its bytes have this digest.

        With `size`, the bytes that it should have, no file that is larger is read whole.
        """
        name = _name(digest, media_type)
        with self._errors(name):
            data = self._tree.read(name, None if size is None else size + 1)
        if sha256(data).hexdigest() != digest.hex:
            raise ArchiveError(f"{self.root / name} is damaged: its SHA-256 is not its name")
        return data

    def has(self, blob: Blob) -> bool:
        """Return True if the original is there with the right size; only `get` reads its bytes."""
        name = _name(blob.digest, blob.media_type)
        with self._errors(name):
            return self._tree.size(name) == blob.size

    def digests(self) -> Iterator[Digest]:
        """Yield the digests of all originals, sorted."""
        with self._errors("data"):
            for name, _ in self._tree.walk("data/"):
                if match := _ORIGINAL.fullmatch(name):
                    yield Digest(match[2])

    def history(self) -> Iterator[tuple[float, int]]:
        """Yield modification time (seconds since the epoch) and size in bytes of each original."""
        with self._errors("data"):
            for name, status in self._tree.walk("data/"):
                if _ORIGINAL.fullmatch(name):
                    yield status.st_mtime, status.st_size

    def source_record(self) -> SourceRecord:
        """Return what `add_sources` recorded."""
        return self._source_record()[0]

    def _source_record(self) -> tuple[SourceRecord, bool]:
        """Return the record, and whether its last line is torn, as a kill leaves one."""
        record, line = SourceRecord(), b"\n"
        with self._errors(_SOURCES), suppress(FileNotFoundError), self._tree.opened(_SOURCES) as f:
            for line in f:
                if match := _SOURCE_LINE.fullmatch(line):
                    record.add(match[2].decode(), match[1].decode())
        return record, not line.endswith(b"\n")

    def add_sources(self, entries: Iterable[tuple[Address, Digest]]) -> None:
        """Record which address each original came from, unless that is the last one on record."""
        record, is_torn = self._source_record()
        lines = []
        for address, digest in entries:
            if not record.is_known(address, digest):
                record.add(address, digest.hex)
                lines.append(f"{digest}  {address}\n")
        if lines:
            with self._errors(_SOURCES):
                self._tree.append(_SOURCES, ("\n" * is_torn + "".join(lines)).encode())

    def seal(self) -> None:
        """Bring the bag's lists of checksums up to date.

        An original is listed with the digest in its name, so that damage shows. A file that
        someone else put into `data` is listed with the digest of its bytes. Lists that are up to
        date stay untouched. Raise `ArchiveError` for a file that no bag can hold.
        """
        with self._errors("data"):
            sweep(self.root)
            (self.root / "data").mkdir(parents=True, exist_ok=True)
            manifest, size, count = self._payload()
            tags = {
                "bag-info.txt": f"Payload-Oxum: {size}.{count}\n".encode(),
                "bagit.txt": _BAG.encode(),
                "manifest-sha256.txt": manifest,
            }
            lines = (f"{sha256(data).hexdigest()}  {name}\n" for name, data in tags.items())
            # Written last, because it holds the checksums of the other three.
            for name, data in (*tags.items(), ("tagmanifest-sha256.txt", "".join(lines).encode())):
                with suppress(FileNotFoundError):
                    if self._tree.read(name, len(data) + 1) == data:
                        continue
                self._tree.replace(name, data)

    def _payload(self) -> tuple[bytes, int, int]:
        """Return the bag's manifest, and the total size and number of the files it lists."""
        lines = BytesIO()
        size = count = 0
        for name, status in self._tree.walk("data/"):
            if not stat.S_ISREG(status.st_mode):
                raise ArchiveError(f"{self._place(name)} is not a plain file; move it elsewhere")
            if _UNPORTABLE.search(name):
                raise ArchiveError(
                    f"{self._place(name)}: readers of bags do not agree on `%`, line breaks "
                    "and bytes that are not UTF-8 in a name; rename it"
                )
            original = _ORIGINAL.fullmatch(name)
            digest = original[2] if original else self._hash(name)
            lines.write(f"{digest}  {name}\n".encode())
            size += status.st_size
            count += 1
        return lines.getvalue(), size, count

    def _hash(self, name: str) -> str:
        digest = sha256()
        with self._tree.opened(name) as file:
            while data := file.read(_HASHED_BYTES):
                digest.update(data)
        return digest.hexdigest()

    def _place(self, name: str) -> str:
        return printable(str(self.root / name))

    @contextmanager
    def _errors(self, name: str) -> Iterator[None]:
        place = self._place(name)
        try:
            yield
        except FileNotFoundError as error:
            raise ArchiveError(f"{place} is missing") from error
        except OSError as error:
            raise UnreadableError(f"{place}: {explain(error)}") from error


def _name(digest: Digest, media_type: str) -> str:
    return f"data/{digest.hex[:2]}/{digest.hex}{EXTENSIONS[media_type]}"
