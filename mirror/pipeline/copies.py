"""Good bytes of an image from the archive or a destination: whoever has the right SHA-256."""

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
    """Bytes with the right SHA-256, and where they were."""

    data: bytes = field(repr=False)
    origin: str


def find_copy(
    archive: Archive, targets: Sequence[Destination], asset: Asset
) -> GoodCopy | list[str]:
    """Look in the archive, then in `targets` in their order; else return why each has none."""
    try:
        return GoodCopy(archive.get(asset.digest, asset.blob.media_type), ARCHIVE)
    except ArchiveError as error:
        reasons = [str(error)]
    for target in targets:
        if asset.key is None:
            break
        try:
            data = target.store.get(asset.key, max_bytes=asset.blob.size)
        except StoreError as error:
            reasons.append(str(error))
            continue
        if sha256(data).hexdigest() == asset.digest.hex:
            return GoodCopy(data, target.name)
        reasons.append(f"{target.name}: {asset.key} holds other bytes")
    return reasons
