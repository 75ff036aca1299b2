"""The images of sources that stay where they are: what `mirror leftovers` lists, as a number."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence

from mirror.compact import DistinctTexts
from mirror.destinations import Destination, is_mirrored
from mirror.manifest import Manifest
from mirror.model import Span
from mirror.pipeline.scan import SiteScan
from mirror.urls.address import identity
from mirror.urls.ignore import IgnoreList
from mirror.urls.sources import Locator


def not_asked_for(
    scanned: SiteScan, locator: Locator, manifest: Manifest, ignored: IgnoreList
) -> set[str]:
    """Return the images under `[[ignore]]` that the manifest lacks, by identity of the address."""
    if not ignored:
        return set()
    located = (locator.locate(reference.url) for _, reference in scanned.references())
    addresses = {image.address for image in located if image is not None}
    return {
        identity(address)
        for address in addresses
        if address in ignored and manifest.find(address) is None
    }


def images_left(
    scanned: SiteScan,
    locator: Locator,
    destinations: Sequence[Destination],
    not_asked: Container[str],
    moved: Callable[[str], Container[Span]] = lambda _: (),
) -> int:
    """Count the images of sources that references show.

    `moved` returns, by the name of a post, the spans that a rewrite changed; these do not count,
    nor do the images in `not_asked`.
    """
    images = DistinctTexts()
    name, spans = "", moved("")
    for post, reference in scanned.references():
        if post.name != name:
            name, spans = post.name, moved(post.name)
        if reference.span in spans or is_mirrored(destinations, reference.url):
            continue
        image = locator.locate(reference.url)
        if image is not None and (shown := identity(image.address)) not in not_asked:
            images.add(shown)
    return images.distinct
