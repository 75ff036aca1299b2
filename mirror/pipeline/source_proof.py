"""The proof that the picture which the manifest has for an address ever came from it.

A pull request or a bad merge can put any address among the `sources` of a line, and a new post that
names it would show the wrong picture. The archive is no part of a repository: what it recorded
while originals were fetched tells a wrong line from a right one.
"""

from __future__ import annotations

from dataclasses import dataclass

from mirror.archive import SourceRecord
from mirror.model import Asset
from mirror.repeats.reviews import Reviews
from mirror.urls.address import Address, Url
from mirror.urls.sources import Locator


@dataclass(frozen=True, slots=True)
class SourceProof:
    """Proof from the archive's record and from the decisions of people."""

    record: SourceRecord
    reviews: Reviews
    locator: Locator

    def is_doubtful(self, address: Address, asset: Asset) -> bool:
        """Return True if the archive has reason to doubt that `address` gives this picture.

        Where the archive saw neither of the two, as in a new clone, the manifest is believed.
        """
        if not self.record.contradicts(address, asset.digest):
            return False
        return not (
            self.reviews.accepts(address, asset.digest) or self._is_other_spelling(address, asset)
        )

    def _is_other_spelling(self, address: Address, asset: Asset) -> bool:
        """Return True if the picture came from the same object, under another address of it."""
        located = self.locator.locate(Url(address))
        if located is None:
            return False
        known = (url for url in asset.sources if self.record.is_known(url, asset.digest))
        others = (self.locator.locate(Url(url)) for url in known)
        return any(other and other.object_name == located.object_name for other in others)
