"""The proof that one picture may take the place of another in a post, found again in each run.

`alias_of` in the manifest and the lines of the ledger are input: a merge or a pull request may
have changed both. So they count for nothing here. What counts is the decision of a person in the
reviews, or a comparison of the two pictures now.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from mirror.archive import Archive
from mirror.destinations import Destination
from mirror.manifest import Manifest
from mirror.model import Asset, Digest
from mirror.pipeline.copies import GoodCopy, find_copy
from mirror.repeats.choose import connected
from mirror.repeats.evidence import DISTANCE, Evidence, Pair
from mirror.repeats.reviews import Reviews
from mirror.urls.address import Address


class RepeatProof:
    """Proof from reviews and pixels. Each pair is compared once, when it is first asked for.

    `max_pixels` bounds what is decoded.
    """

    def __init__(
        self,
        manifest: Manifest,
        reviews: Reviews,
        archive: Archive,
        destinations: Sequence[Destination],
        max_pixels: int,
    ) -> None:
        self._assets = manifest.assets
        self._reviews = reviews
        self._archive = archive
        self._destinations = destinations
        self._max_pixels = max_pixels
        self._groups = {frozenset(group) for group in connected(reviews.merged).values()}
        self._problems: dict[tuple[Digest, Digest], str | None] = {}
        self._compared: dict[Pair, Evidence | str] = {}
        self._pixels: dict[Digest, int] = {}  # of the pictures that were read

    def problem(self, asset: Asset, shown: Asset) -> str | None:
        """Return the reason not to show `shown` where `asset` is meant; `None` if it is proven."""
        if asset.digest == shown.digest:
            return None
        pair = (asset.digest, shown.digest)
        if pair not in self._problems:
            self._problems[pair] = self._find_problem(asset, shown)
        return self._problems[pair]

    def is_accepted(self, address: Address, asset: Asset) -> bool:
        """Return True if a person takes this picture for the address."""
        return self._reviews.accepts(address, asset.digest)

    def is_parted(self, asset: Asset, standing: Asset) -> bool:
        """Return True if a person parted `asset` from `standing`, which was shown in its place.

        A split of a picture parts its copies as well.
        """
        split = self._reviews.split
        return standing.digest in split or self._belongs_to(asset, split)

    def _find_problem(self, asset: Asset, shown: Asset) -> str | None:
        if not {asset.digest, shown.digest}.isdisjoint(self._reviews.split):
            return "a person split one of them off"
        if not any({asset.digest, shown.digest} <= group for group in self._groups):
            problem = self._compare(asset, shown)
            if problem is not None and not (
                self._have_common_origin(asset, shown) or self._is_merged(asset, shown)
            ):
                return problem
        if self._pixel_count(shown) < self._pixel_count(asset):
            return "the second is smaller"
        return None

    def _have_common_origin(self, asset: Asset, shown: Asset) -> bool:
        """Return True if both were made from one picture, as the copies of a family are.

        Only pictures that `shown` stands for are tried: `choose` puts the origin behind it too.
        """
        return any(
            self._is_made_from(asset, origin) and self._is_made_from(shown, origin)
            for origin in self._assets.values()
            if origin.alias_of == shown.digest
            and origin.digest != asset.digest
            and origin.digest not in self._reviews.split
        )

    def _is_made_from(self, copy: Asset, origin: Asset) -> bool:
        if not _look_alike(copy, origin):
            return False
        evidence = self._evidence_on(copy, origin)
        return isinstance(evidence, Evidence) and evidence.shows_made_from(origin.digest)

    def _is_merged(self, asset: Asset, shown: Asset) -> bool:
        """Return True if a person merged copies of the two. A merge takes the copies along."""
        return any(
            self._belongs_to(asset, group) and self._belongs_to(shown, group)
            for group in self._groups
        )

    def _belongs_to(self, asset: Asset, digests: Collection[Digest]) -> bool:
        """Return True if `asset` is one of these pictures, or a copy of one."""
        if asset.digest in digests:
            return True
        others = (self._assets[digest] for digest in sorted(digests) if digest in self._assets)
        return any(
            _look_alike(asset, other) and not self._compare(asset, other) for other in others
        )

    def _compare(self, asset: Asset, other: Asset) -> str | None:
        """Compare two pictures; return the reason why they are not proven one."""
        evidence = self._evidence_on(asset, other)
        if isinstance(evidence, str):
            return evidence
        return None if evidence.same else str(evidence.refusal or "kept apart")

    def _evidence_on(self, asset: Asset, other: Asset) -> Evidence | str:
        """Return the evidence on two pictures, or the reason why there is none."""
        pair = Pair.of(asset.digest, other.digest)
        if pair not in self._compared:
            self._compared[pair] = self._compare_bytes(asset, other)
        return self._compared[pair]

    def _compare_bytes(self, asset: Asset, other: Asset) -> Evidence | str:
        # Most runs move no post, and these load Pillow and numpy.
        from mirror.pictures import ImageError, ImageLimits, inspect
        from mirror.repeats.compare import compare

        data = []
        for digest in (asset.digest, other.digest):
            copy = find_copy(self._archive, self._destinations, self._assets[digest])
            if not isinstance(copy, GoodCopy):
                return f"{digest} could not be read: {'; '.join(copy.reasons)}"
            data.append(copy.data)
        limits = ImageLimits(max_pixels=self._max_pixels)
        try:
            # The facts in the manifest are input as well, so they are taken from the bytes again.
            first, second = (inspect(each, limits) for each in data)
            if first.fingerprint is None or second.fingerprint is None:
                return "one of them has no pixels to compare"
            distance = first.fingerprint.distance(second.fingerprint)
            evidence = compare(data[0], data[1], distance, limits)
        except ImageError as error:
            return f"one of them could not be read: {error}"
        self._pixels |= {first.digest: first.pixels, second.digest: second.pixels}
        return evidence

    def _pixel_count(self, asset: Asset) -> int:
        return self._pixels.get(asset.digest, asset.blob.pixels)


def _look_alike(asset: Asset, other: Asset) -> bool:
    """Return False if the fingerprints leave nothing to compare, which saves reading the bytes."""
    first, second = asset.blob.fingerprint, other.blob.fingerprint
    return first is not None and second is not None and first.distance(second) <= DISTANCE
