"""The record of what came: blobs and their sources -> the manifest. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from mirror.manifest import Manifest, with_sources
from mirror.model import Asset, Blob, Digest, Finding, Rule
from mirror.pipeline.download import Original
from mirror.pipeline.scan import PostImage
from mirror.urls.address import Address, identity

# A picture behind more URLs than this, and more than this share of its host's, is suspect.
_NOTICE_URLS, _NOTICE_SHARE = 20, 0.05


def adopt(manifest: Manifest, entries: Iterable[tuple[Address, Blob]]) -> Manifest:
    """Return `manifest` with blobs and their sources added; nothing is dropped.

    A source that gives other bytes now moves to the new asset; the old one keeps its line.
    """
    assets = dict(manifest.assets)
    owners = {identity(url): asset.digest for asset in assets.values() for url in asset.sources}
    for address, blob in entries:
        owner = owners.get(identity(address))
        if owner == blob.digest:
            continue
        if owner is not None:
            old = assets[owner]
            left = tuple(url for url in old.sources if identity(url) != identity(address))
            assets[owner] = replace(old, sources=left)
        owners[identity(address)] = blob.digest
        assets[blob.digest] = with_sources(assets.get(blob.digest, Asset(blob)), [address])
    return Manifest(assets)


def changed_sources(manifest: Manifest, originals: Iterable[Original]) -> Iterator[Finding]:
    """Report each source that gave other bytes than `manifest` has for it."""
    for original in originals:
        before = manifest.find(original.request.addresses[0])
        if before is not None and before.digest != original.blob.digest:
            yield original.request.finding(
                Rule.SOURCE_CHANGED,
                f"the host serves another picture now: {original.blob.digest} instead of "
                f"{before.digest}; both are kept, rewritten posts go on showing the old one",
            )


def suspect_notices(images: Iterable[PostImage], manifest: Manifest) -> Iterator[Finding]:
    """Report pictures behind so many URLs of one host that they may be a notice on hot-linking."""
    by_host: dict[str, dict[Digest, list[PostImage]]] = {}
    for image in images:
        if (asset := manifest.find(image.located.address)) is not None:
            host = identity(image.located.address).partition("/")[0]
            by_host.setdefault(host, {}).setdefault(asset.digest, []).append(image)
    for host, pictures in by_host.items():
        urls = sum(map(len, pictures.values()))
        for digest, alike in pictures.items():
            if len(alike) > max(_NOTICE_URLS, _NOTICE_SHARE * urls):
                place = alike[0].places[0]
                yield Finding(
                    Rule.SUSPECT_NOTICE,
                    str(alike[0].located.address),
                    f"{len(alike)} of {urls} URLs of {host} give one picture ({digest}); look at "
                    "it: a host that refuses hot links may send a notice instead of the image. "
                    "A `Referer` under `headers` of the source may help",
                    place.post,
                    place.line,
                    place.column,
                )


def count_repeats(images: Iterable[PostImage], manifest: Manifest) -> int:
    """Count the images whose picture another of them shows already."""
    assets = [asset for image in images if (asset := manifest.find(image.located.address))]
    return len(assets) - len({manifest.shown_for(asset).digest for asset in assets})
