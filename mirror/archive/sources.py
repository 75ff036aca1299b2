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

    @classmethod
    def loads(cls, data: bytes) -> SourceRecord:
        """Read `sources.txt`; of several lines of an address, the last counts."""
        record = cls()
        for line in BytesIO(data):
            if match := _LINE.fullmatch(line):
                address = match[2].decode()  # as the version that wrote it spelled it
                record.add(canonical(address) or address, match[1].decode())
        return record

    def add(self, address: str, digest: str) -> None:
        """Record what an address gave now."""
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
