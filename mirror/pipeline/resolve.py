"""The references of the posts -> the assets they show. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from mirror.compact import DistinctTexts
from mirror.destinations import Destination, asset_of
from mirror.manifest import Manifest
from mirror.model import Asset, Digest, Finding, HeldImage, Place, Reference, Rule
from mirror.pipeline.post_images import PostImage
from mirror.pipeline.scan import SiteScan
from mirror.posts import Post
from mirror.urls.address import Address, Url, identity
from mirror.urls.sources import Locator

_DIGEST_KEY = re.compile(r"[0-9a-f]{64}\.[a-z]+\Z")  # a key with the digest, as by default


@dataclass(frozen=True, slots=True)
class ResolvedReference:
    """A reference, and the asset that its URL shows if that is a mirrored one."""

    post: Post
    reference: Reference
    asset: Asset | None

    @property
    def place(self) -> Place:
        return self.reference.place_in(self.post.name)


@dataclass(frozen=True, slots=True)
class ResolvedReferences:
    """Every image reference of the posts, looked up among the mirrored objects."""

    scanned: SiteScan
    destinations: Sequence[Destination]
    manifest: Manifest

    def __iter__(self) -> Iterator[ResolvedReference]:
        for post, reference in self.scanned.references():
            asset = self.asset_of(post.from_root(reference.url))
            yield ResolvedReference(post, reference, asset)

    def asset_of(self, url: Url) -> Asset | None:
        """Return the asset that a mirrored URL shows."""
        return asset_of(self.destinations, self.manifest, url)

    def count_mirrored(self) -> int:
        """Return the number of different pictures that mirrored URLs show."""
        shown = (entry.asset.digest.hex for entry in self if entry.asset is not None)
        return DistinctTexts(shown).distinct


def find_unknown_targets(
    resolved: Iterable[ResolvedReference], destinations: Sequence[Destination]
) -> list[Finding]:
    """Report mirrored URLs in the posts that no asset has: all or part of the manifest was lost.

    One finding stands for all. There may be thousands, and `verify --posts` names each.
    """
    unknown = (
        entry
        for entry in resolved
        if entry.asset is None
        and any(
            _DIGEST_KEY.search(
                destination.key_of(entry.post.from_root(entry.reference.url).raw) or ""
            )
            for destination in destinations
        )
    )
    if (first := next(unknown, None)) is None:
        return []
    others = sum(1 for _ in unknown)
    more = f", and so do {others:,} more" if others else ""
    return [
        first.place.finding(
            Rule.UNKNOWN_TARGET,
            str(first.reference.url),
            f"looks mirrored{more}, but no manifest knows where it came from; "
            "bring manifests/ back from version control or a backup",
        )
    ]


def images_behind(
    resolved: Iterable[ResolvedReference],
    manifest: Manifest,
    locator: Locator,
    images: Iterable[PostImage],
) -> Iterator[PostImage]:
    """Yield the sources of mirrored pictures in the posts, except those among `images`.

    Posts that were repointed no longer name these sources.
    """
    sources = ((asset, url) for asset in manifest.assets.values() for url in asset.sources)
    yield from _shown_behind(resolved, manifest, locator, images, sources)


def held_behind(
    resolved: Iterable[ResolvedReference],
    manifest: Manifest,
    locator: Locator,
    images: Iterable[PostImage],
    held: Iterable[HeldImage],
) -> list[PostImage]:
    """Return those of `images_behind` for whose address, or original, a picture is held back."""
    addresses = [image.address for image in held]
    if not addresses:
        return []
    sources = [(asset, url) for url in addresses if (asset := manifest.find(url)) is not None]
    shown = {asset.digest for asset, _ in sources}
    shown |= {manifest.shown_for(asset).digest for asset, _ in sources}
    entries = (entry for entry in resolved if entry.asset and entry.asset.digest in shown)
    behind = [*_shown_behind(entries, manifest, locator, images, sources)]
    seen = {identity(url) for image in chain(images, behind) for url in image.addresses}
    unseen = {identity(url) for url in addresses} - seen
    if unseen:  # originals of renditions, or shown no more: the whole manifest has to say which
        behind += (
            image
            for image in images_behind(resolved, manifest, locator, [*images, *behind])
            if any(identity(url) in unseen for url in image.addresses)
        )
    return behind


def _shown_behind(
    resolved: Iterable[ResolvedReference],
    manifest: Manifest,
    locator: Locator,
    images: Iterable[PostImage],
    sources: Iterable[tuple[Asset, Address]],
) -> Iterator[PostImage]:
    places: dict[Digest, list[Place]] = {}
    for entry in resolved:
        if entry.asset is not None:
            places.setdefault(entry.asset.digest, []).append(entry.place)
    seen = {identity(image.located.address) for image in images}
    for asset, url in sources:
        where = places.get(asset.digest) or places.get(manifest.shown_for(asset).digest)
        located = locator.locate(Url(url)) if where else None
        if where and located is not None and identity(located.address) not in seen:
            seen.add(identity(located.address))
            yield PostImage(located, tuple(where))
