"""The difference between the manifest and the posts."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from mirror.compact import TextFilter
from mirror.destinations import Destination, asset_of, is_mirrored, stray_targets
from mirror.manifest import Manifest, ManifestFile
from mirror.model import Finding, Layer, Reference, Rule
from mirror.pipeline.images_left import images_left, not_asked_for
from mirror.pipeline.progress import FindingLog, LayerCheck, Progress
from mirror.pipeline.scan import SiteScan, shown_identities
from mirror.pipeline.stray_links import stray_links
from mirror.posts import Post
from mirror.urls.address import Address, identity
from mirror.urls.ignore import IgnoreList
from mirror.urls.sources import Locator


def check_posts(
    scanned: SiteScan, check: ReferenceCheck, former: Container[str], progress: Progress
) -> LayerCheck:
    """Check every reference of the posts. `former` are the targets of `former_references`."""
    # Elsewhere no posts are no work; a check of the posts that looked at none must not pass.
    scan_findings = [
        replace(finding, rule=Rule.POSTS_UNCHECKED) if finding.rule is Rule.NO_POSTS else finding
        for finding in scanned.findings
    ]
    findings = FindingLog(progress.finding, scan_findings)
    findings.extend(verify_posts(scanned, check))
    findings.extend(former_references(scanned, former, check.destinations))
    not_asked = not_asked_for(scanned, check.locator, check.manifest, check.ignored)
    leftovers = images_left(scanned, check.locator, check.destinations, not_asked)
    layer = Layer("posts", [scanned_post.name for scanned_post in scanned.posts], findings)
    return LayerCheck(layer, scanned.tally() | {"leftovers": leftovers}, not_asked)


def load_shown(
    file: ManifestFile, scanned: SiteScan, destinations: Sequence[Destination], locator: Locator
) -> Manifest:
    """Return the manifest with only the lines that the references of posts need."""
    return file.select(_keys_shown(scanned, destinations), shown_identities(scanned, locator))


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


@dataclass(frozen=True, slots=True)
class ReferenceCheck:
    """Take a reference of a post, and return what is wrong with the image that it shows.

    That is an image of a source that is not mirrored, or a mirrored URL without an asset.
    `reasons` say why the last sync did not take an image, by the identity of its address.
    """

    destinations: Sequence[Destination]
    locator: Locator
    ignored: IgnoreList
    manifest: Manifest
    reasons: Mapping[str, str]

    def __call__(self, post: Post, reference: Reference) -> Finding | None:
        url = post.from_root(reference.url)
        if asset_of(self.destinations, self.manifest, url) is not None:
            return None
        if (located := self.locator.locate(reference.url)) is not None:
            rule, message = Rule.NOT_MIRRORED, self._why_not_mirrored(located.address)
        else:
            rule, message = Rule.UNKNOWN_TARGET, self._why_unknown(post, reference)
        if message is None:
            return None
        return reference.place_in(post.name).finding(rule, str(reference.url), message)

    def _why_not_mirrored(self, address: Address) -> str | None:
        """Return the message about an image of a source; `None` if it is mirrored, or ignored."""
        asset = self.manifest.find(address)
        if asset is None:
            if address in self.ignored:
                return None
            if reason := self.reasons.get(identity(address)):
                return f"is not mirrored; the last sync says: {reason}"
            return "is not mirrored; run `mirror sync`, or list it under [[ignore]]"
        if self.destinations and self.manifest.shown_for(asset).key is None:
            return "is in the archive, but in no destination; `mirror sync` says why"
        return None

    def _why_unknown(self, post: Post, reference: Reference) -> str | None:
        """Return the message about a mirrored URL, or a stray path to one; `None` for any other."""
        if is_mirrored(self.destinations, post.from_root(reference.url)):
            return "looks mirrored, but no line of the manifest has this key"
        links = stray_links(self.destinations, self.manifest, post, reference)
        if not links:
            return None
        message = (
            "leads to no object, as from another folder: was the post moved? From here it is "
            f"{' or '.join(links)}"
        )
        if self.destinations[0].takes_link(post.name, reference) and reference.form.is_rewritten:
            message += "; `mirror rewrite` corrects it, or says why not"
        return message


def verify_posts(scanned: SiteScan, check: ReferenceCheck) -> Iterator[Finding]:
    """Yield what `check` finds in the posts, in their order."""
    for post, reference in scanned.references():
        if (finding := check(post, reference)) is not None:
            yield finding


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
