"""Good copies: the bytes of an asset with the right SHA-256, from the archive or a destination."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from mirror.archive import Archive, ArchiveError
from mirror.destinations import Destination
from mirror.model import Asset
from mirror.store import StoreError

ARCHIVE = "the archive"


@dataclass(frozen=True, slots=True)
class GoodCopy:
    """Bytes with the right SHA-256, and the name of the place that had them."""

    data: bytes = field(repr=False)
    origin: str


def find_copy(
    archive: Archive, destinations: Sequence[Destination], asset: Asset
) -> GoodCopy | list[str]:
    """Look in the archive, then in `destinations` in their order.

    Return a good copy, or for each place the reason why it has none.
    """
    try:
        return GoodCopy(archive.get(asset.digest, asset.blob.media_type, asset.blob.size), ARCHIVE)
    except ArchiveError as error:
        reasons = [str(error)]
    for destination in destinations:
        if asset.key is None:
            break
        try:
            data = destination.store.get(asset.key, max_bytes=asset.blob.size)
        except StoreError as error:
            reasons.append(str(error))
            continue
        if sha256(data).hexdigest() == asset.digest.hex:
            return GoodCopy(data, destination.name)
        reasons.append(f"{destination.name}: {asset.key} holds other bytes")
    return reasons
