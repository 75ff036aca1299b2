"""The difference between the manifest and the posts."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import replace

from mirror.compact import TextFilter
from mirror.destinations import Destination, asset_of, is_mirrored, stray_targets
from mirror.manifest import Manifest, ManifestFile
from mirror.model import Finding, Layer, Rule
from mirror.pipeline.images_left import images_left, not_asked_for
from mirror.pipeline.progress import FindingLog, LayerCheck, Progress
from mirror.pipeline.scan import SiteScan, shown_identities
from mirror.pipeline.stray_links import stray_links
from mirror.urls.address import identity
from mirror.urls.ignore import IgnoreList
from mirror.urls.sources import Locator


def check_posts(
    scanned: SiteScan,
    manifest_file: ManifestFile,
    destinations: Sequence[Destination],
    locator: Locator,
    ignored: IgnoreList,
    reasons: Mapping[str, str],
    former: Container[str],
    progress: Progress,
) -> LayerCheck:
    """Compare the posts with the lines of the manifest that they need, which alone are kept.

    `reasons` and `former` are those of `verify_posts` and `former_references`.
    """
    keys = _keys_shown(scanned, destinations)
    manifest = manifest_file.select(keys, shown_identities(scanned, locator))
    # Elsewhere no posts are no work; a check of the posts that looked at none must not pass.
    scan_findings = [
        replace(finding, rule=Rule.POSTS_UNCHECKED) if finding.rule is Rule.NO_POSTS else finding
        for finding in scanned.findings
    ]
    findings = FindingLog(progress.finding, scan_findings)
    findings.extend(verify_posts(destinations, locator, ignored, manifest, scanned, reasons))
    findings.extend(former_references(scanned, former, destinations))
    not_asked = not_asked_for(scanned, locator, manifest, ignored)
    leftovers = images_left(scanned, locator, destinations, not_asked)
    layer = Layer("posts", [scanned_post.name for scanned_post in scanned.posts], findings)
    return LayerCheck(layer, scanned.tally() | {"leftovers": leftovers}, not_asked)


def _keys_shown(scanned: SiteScan, destinations: Sequence[Destination]) -> TextFilter:
    """Return the keys behind the mirrored URLs of the posts, and behind those that look like it."""
    urls = (post.from_root(ref.url) for post, ref in scanned.references())
    return TextFilter(
        key
        for url in urls
        for key in (
            *(item.key_of(url.raw) for item in destinations),
            *(key for _, key in stray_targets(destinations, url)),
        )
        if key
    )


def former_references(
    scanned: SiteScan, former: Container[str], destinations: Sequence[Destination]
) -> Iterator[Finding]:
    """Yield the references to mirrored URLs that no destination has any more."""
    for post, reference in scanned.references():
        if post.from_root(reference.url).raw.partition("#")[0] in former:
            moves = reference.form.is_rewritten and all(
                destination.takes_link(post.name, reference) for destination in destinations[:1]
            )
            remedy = (
                "`mirror rewrite` moves it, or says why not"
                if moves
                else "`mirror rewrite` leaves it; edit it"
            )
            yield reference.place_in(post.name).finding(
                Rule.FORMER_TARGET,
                str(reference.url),
                f"is an address that the mirror had before; {remedy}",
            )


def verify_posts(
    destinations: Sequence[Destination],
    locator: Locator,
    ignored: IgnoreList,
    manifest: Manifest,
    scanned: SiteScan,
    reasons: Mapping[str, str],
) -> Iterator[Finding]:
    """Yield the images of our sources that are not mirrored, and mirrored URLs without an asset.

    `reasons` say why the last sync did not take an image, by the identity of its address.
    """
    for post, ref in scanned.references():
        url = post.from_root(ref.url)
        if asset_of(destinations, manifest, url) is not None:
            continue
        place = ref.place_in(post.name)
        located = locator.locate(ref.url)
        if located is not None:
            asset = manifest.find(located.address)
            if asset is None and located.address not in ignored:
                reason = reasons.get(identity(located.address))
                message = (
                    f"is not mirrored; the last sync says: {reason}"
                    if reason
                    else "is not mirrored; run `mirror sync`, or list it under [[ignore]]"
                )
                yield place.finding(Rule.NOT_MIRRORED, str(ref.url), message)
            elif asset is not None and destinations and manifest.shown_for(asset).key is None:
                message = "is in the archive, but in no destination; `mirror sync` says why"
                yield place.finding(Rule.NOT_MIRRORED, str(ref.url), message)
        elif is_mirrored(destinations, url):
            message = "looks mirrored, but no line of the manifest has this key"
            yield place.finding(Rule.UNKNOWN_TARGET, str(ref.url), message)
        elif links := stray_links(destinations, manifest, post, ref):
            message = (
                "leads to no object, as from another folder: was the post moved? From here it is "
                f"{' or '.join(links)}"
            )
            if destinations[0].takes_link(post.name, ref) and ref.form.is_rewritten:
                message += "; `mirror rewrite` corrects it, or says why not"
            yield place.finding(Rule.UNKNOWN_TARGET, str(ref.url), message)
