"""The record of what came: blobs and their sources -> the manifest. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace

from mirror.compact import DistinctTexts
from mirror.manifest import Manifest, with_sources
from mirror.model import Asset, Blob, Digest, Finding, Rule
from mirror.pipeline.post_images import PostImage
from mirror.urls.address import Address, host_of, identity
from mirror.urls.redact import has_hidden, without_hidden

# One picture behind so many URLs of a host, and behind this share of them, may be a notice. Behind
# half of them it may be one whatever their number. Chosen, not measured.
_NOTICE_URLS, _NOTICE_SHARE = 3, 0.05
_NOTICE_MOST = 0.5


def adopt(manifest: Manifest, entries: Iterable[tuple[Address, Blob]]) -> Manifest:
    """Return `manifest` with blobs and their sources added; nothing is dropped.

    A source that gives other bytes now moves to the new asset. The old one keeps its line, and the
    source as a former one.
    """
    changed: dict[Digest, Asset] = {}
    owners: dict[str, Digest] = {}  # of the sources that came or moved

    def current(digest: Digest) -> Asset | None:
        return changed.get(digest) or manifest.assets.get(digest)

    for address, blob in entries:
        name = identity(address)
        before = manifest.by_source.get(name)
        owner = owners.get(name, before.digest if before is not None else None)
        if owner == blob.digest:
            continue
        if owner is not None and (asset := current(owner)) is not None:
            changed[owner] = _without_source(asset, address)
        owners[name] = blob.digest
        changed[blob.digest] = with_sources(current(blob.digest) or Asset(blob), [address])
    return manifest.replacing(changed)


def _without_source(asset: Asset, address: Address) -> Asset:
    moved = {url for url in asset.sources if identity(url) == identity(address)}
    sources = tuple(url for url in asset.sources if url not in moved)
    former = tuple(sorted({*asset.former_sources, *moved}))
    return replace(asset, sources=sources, former_sources=former)


def find_told_apart(manifest: Manifest, addresses: Iterable[Address]) -> list[Finding]:
    """Report addresses with a hidden secret that an earlier release recorded without it.

    The picture that `manifest` has may be that of another secret. One finding stands for all.
    """
    before = [
        address
        for address in addresses
        if has_hidden(address)
        and manifest.find(address) is None
        and manifest.find(Address(without_hidden(address))) is not None
    ]
    if not before:
        return []
    more = f", and so were {len(before) - 1:,} more" if before[1:] else ""
    return [
        Finding(
            Rule.TOLD_APART,
            before[0],
            f"was recorded without its secret by an earlier release{more}; pictures behind other "
            "secrets count as other pictures now and are fetched by themselves. Look at posts that "
            "were repointed before: they may show the picture of another one",
        )
    ]


def notice_findings(images: Iterable[PostImage], manifest: Manifest) -> Iterator[Finding]:
    """Report pictures behind so many URLs of one host that they may be a notice on hot-linking."""
    by_host: dict[str, dict[Digest, list[PostImage]]] = {}
    counts = Counter[str]()  # of the URLs of each host
    for image in images:
        if (asset := manifest.find(image.located.address)) is not None:
            host = host_of(image.located.address)
            counts[host] += 1
            if len(asset.sources) > 1:  # most have one source, which makes no notice
                by_host.setdefault(host, {}).setdefault(asset.digest, []).append(image)
    for host in counts:
        urls = counts[host]
        for digest, alike in by_host.get(host, {}).items():
            if _may_be_notice(len(alike), urls):
                first = alike[0]
                message = (
                    f"{len(alike)} of {urls} URLs of {host} give one picture ({digest}); look at "
                    "it: a host that refuses hot links may send a notice instead of the image. "
                    "A `Referer` under `headers` of the source may help"
                )
                subject = str(first.located.address)
                yield first.places[0].finding(Rule.SUSPECT_NOTICE, subject, message)


def _may_be_notice(alike: int, urls: int) -> bool:
    many = max(_NOTICE_URLS, _NOTICE_SHARE * urls)
    return alike > 1 and (alike >= many or alike >= _NOTICE_MOST * urls)


def count_repeats(images: Iterable[PostImage], manifest: Manifest) -> int:
    """Count the images that another picture stands for, or whose bytes another image has too."""
    repeats = 0
    shown = DistinctTexts()
    for asset in (manifest.find(image.located.address) for image in images):
        if asset is not None and asset.alias_of is not None:
            repeats += 1
        elif asset is not None:
            shown.add(asset.digest.hex)
    return repeats + shown.total - shown.distinct
