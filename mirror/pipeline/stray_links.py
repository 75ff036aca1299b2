"""Relative links that lead to nothing, as those of a post that was moved."""

from __future__ import annotations

from collections.abc import Iterable

from mirror.destinations import Destination, stray_targets
from mirror.manifest import Manifest
from mirror.model import Reference
from mirror.posts import Post
from mirror.urls.relative import from_post


def stray_links(
    destinations: Iterable[Destination], manifest: Manifest, post: Post, reference: Reference
) -> list[str]:
    """Return the right links for a reference that leads to nothing because its post was moved.

    None if it leads to a file, or could lead to no mirrored object from any folder.
    """
    url = post.from_root(reference.url)
    targets = [target for target, key in stray_targets(destinations, url) if key in manifest.by_key]
    if not targets or post.has_file(reference.url):
        return []
    return [from_post(target, post.name) + url.fragment for target in targets]
