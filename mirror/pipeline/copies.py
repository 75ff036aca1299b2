"""Good copies: the bytes of an asset with the right SHA-256, from the archive or a destination."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from mirror.archive import Archive, ArchiveError, UnreadableError
from mirror.destinations import Destination
from mirror.model import Asset
from mirror.store import FATAL, NotFoundError, StoreError, TooLargeError

ARCHIVE = "the archive"
_DOUBTFUL = 64 << 20  # bytes: so many are read whatever size the manifest has, as that may be wrong


@dataclass(frozen=True, slots=True)
class GoodCopy:
    """Bytes with the right SHA-256, and the name of the place that had them."""

    data: bytes = field(repr=False)
    origin: str


@dataclass(frozen=True, slots=True)
class NoCopy:
    """For each place the reason why it gave no good copy.

    With `is_unread` a place could not be read, so it may have one. `closed` are the places that
    refuse everything, each with its reason.
    """

    reasons: Sequence[str]
    is_unread: bool
    closed: Mapping[str, ArchiveError | StoreError]


def find_copy(
    archive: Archive, destinations: Sequence[Destination], asset: Asset
) -> GoodCopy | NoCopy:
    """Look in the archive, then in `destinations` in their order."""
    most = max(asset.blob.size, _DOUBTFUL)
    closed: dict[str, ArchiveError | StoreError]
    try:
        return GoodCopy(archive.get(asset.digest, asset.blob.media_type, most), ARCHIVE)
    except ArchiveError as error:
        reasons = [str(error)]
        is_unread = isinstance(error, UnreadableError)
        closed = {ARCHIVE: error} if isinstance(error.__cause__, FATAL) else {}
    for destination in destinations:
        if asset.key is None:
            break
        try:
            data = destination.store.get(asset.key, max_bytes=most)
        except StoreError as error:
            reasons.append(str(error))
            is_unread |= not isinstance(error, NotFoundError | TooLargeError)
            closed |= {destination.name: error} if isinstance(error, FATAL) else {}
            continue
        if sha256(data).hexdigest() == asset.digest.hex:
            return GoodCopy(data, destination.name)
        reasons.append(f"{destination.name}: {asset.key} holds other bytes")
    return NoCopy(reasons, is_unread, closed)
