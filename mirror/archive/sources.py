"""The address that each original came from: `sources.txt` beside the lists of the bag. Pure.

No pull request and no merge changes that file, unlike the manifest.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from io import BytesIO

from mirror.model import Digest, Key
from mirror.urls.address import Address, canonical, identity

SOURCES = Key("sources.txt")

_LINE = re.compile(rb"([0-9a-f]{64})  ([!-~]+)\n")


@dataclass(slots=True)
class SourceRecord:
    """The original that each address last gave, as far as an archive saw it.

    64-bit hashes stand for addresses and digests: a manifest may have millions.
    """

    _last: dict[int, int] = field(default_factory=dict)
    _digests: set[int] = field(default_factory=set)
    is_outdated: bool = False
    """True if an earlier version spelled an address otherwise, maybe with a secret in it."""

    @classmethod
    def loads(cls, data: bytes) -> SourceRecord:
        """Read `sources.txt`; of several lines of an address, the last counts."""
        record = cls()
        for line in BytesIO(data):
            if match := _LINE.fullmatch(line):
                spelled = match[2].decode()
                address = canonical(spelled) or spelled
                record.is_outdated |= address != spelled
                record.add(address, match[1].decode())
        return record

    @property
    def is_empty(self) -> bool:
        return not self._last

    def add(self, address: str, digest: str) -> None:
        """Record what an address gave now."""
        self._last[hash(identity(address))] = hash(digest)
        self._digests.add(hash(digest))

    def is_known(self, address: Address, digest: Digest) -> bool:
        """Return True if this original is what the address gave last."""
        return self._last.get(hash(identity(address))) == hash(digest.hex)

    def has_word_on(self, address: Address, digest: Digest) -> bool:
        """Return True if the record knows the address or the original."""
        return hash(identity(address)) in self._last or hash(digest.hex) in self._digests

    def contradicts(self, address: Address, digest: Digest) -> bool:
        """Return True if the address gave another original, or this one came from others only.

        An archive that never saw either of them, such as that of a new clone, knows nothing.
        """
        last = self._last.get(hash(identity(address)))
        return hash(digest.hex) in self._digests if last is None else last != hash(digest.hex)


def respelled(data: bytes) -> bytes:
    """Return `sources.txt` with each address as it is spelled now; other lines stay."""
    return b"".join(map(_respelled_line, BytesIO(data)))


def _respelled_line(line: bytes) -> bytes:
    match = _LINE.fullmatch(line)
    if match is None:
        return line
    address = canonical(match[2].decode())
    return f"{match[1].decode()}  {address}\n".encode() if address else line
