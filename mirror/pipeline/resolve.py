"""The references of the posts -> the assets they show. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from mirror.destinations import Destination, asset_of
from mirror.manifest import Manifest
from mirror.model import Asset, Digest, Finding, Reference, Rule
from mirror.pipeline.scan import Place, PostImage, Scanned
from mirror.posts import Post
from mirror.urls.address import Url, identity
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
        return Place(self.post.name, self.reference.line, self.reference.column)


def resolve(
    scanned: Scanned, destinations: Sequence[Destination], manifest: Manifest
) -> list[ResolvedReference]:
    """Look up every image reference of the posts among the mirrored objects."""
    return [
        ResolvedReference(
            post, reference, asset_of(destinations, manifest, post.from_root(reference.url))
        )
        for post, reference in scanned.references()
    ]


def find_orphans(
    resolved: Iterable[ResolvedReference], destinations: Sequence[Destination]
) -> list[Finding]:
    """Report mirrored URLs in the posts that no asset has: all or part of the manifest was lost.

    One finding stands for all. There may be thousands, and `verify --posts` names each.
    """
    orphans = [
        entry
        for entry in resolved
        if entry.asset is None
        and any(
            _DIGEST_KEY.search(
                destination.key_of(entry.post.from_root(entry.reference.url).raw) or ""
            )
            for destination in destinations
        )
    ]
    if not orphans:
        return []
    place = orphans[0].place
    more = f", and so do {len(orphans) - 1:,} more" if orphans[1:] else ""
    return [
        Finding(
            Rule.UNKNOWN_TARGET,
            str(orphans[0].reference.url),
            f"looks mirrored{more}, but no manifest knows where it came from; "
            "bring manifests/ back from version control or a backup",
            place.post,
            place.line,
            place.column,
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
    places: dict[Digest, list[Place]] = {}
    for entry in resolved:
        if entry.asset is not None:
            places.setdefault(entry.asset.digest, []).append(entry.place)
    seen = {identity(image.located.address) for image in images}
    for asset in manifest.assets.values():
        where = places.get(asset.digest) or places.get(manifest.shown_for(asset).digest) or []
        for url in asset.sources if where else ():
            located = locator.locate(Url(url))
            if located is not None and identity(located.address) not in seen:
                seen.add(identity(located.address))
                yield PostImage(located, tuple(where))
