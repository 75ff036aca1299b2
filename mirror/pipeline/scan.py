"""The scan: posts -> references, and the images of the sources among them. Reads only."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256

from mirror.compact import DistinctTexts, TextFilter
from mirror.markdown import find_references, is_image_link
from mirror.model import Finding, Form, Reference, Rule
from mirror.pipeline.packed_references import PackedReferences
from mirror.pipeline.post_images import PostImages
from mirror.posts import Post
from mirror.urls.address import Url, canonical, host_of, identity
from mirror.urls.redact import has_hidden
from mirror.urls.sources import Locator

_MOST_UNPACKED = 20_000  # references: with more, memory would grow by some 450 bytes a reference


@dataclass(frozen=True, slots=True)
class ScannedPost:
    """A post's references, and the digest of the bytes they were found in."""

    post: Post
    encoding: str
    digest: bytes
    stored: Iterable[Reference]  # packed where there are many

    @property
    def name(self) -> str:
        return self.post.name

    @property
    def references(self) -> tuple[Reference, ...]:
        """The references in the order of the file, unpacked anew if they are packed."""
        return tuple(self.stored)

    def read(self) -> bytes | Finding:
        """Return the bytes again; a finding if they cannot be read, or are others than before."""
        data = self.post.read()
        if not isinstance(data, Finding) and sha256(data).digest() != self.digest:
            return changed_post(self.name)
        return data


def changed_post(name: str) -> Finding:
    """Return the finding for a post that is another one than was scanned."""
    message = "was changed by someone else meanwhile and was left as it is; run again"
    return Finding(Rule.POST_CHANGED, name, message, name)


@dataclass(slots=True)
class SiteScan:
    """All posts in the order of their names, with what was found in them."""

    posts: list[ScannedPost] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    # A post's anchors change only where a URL in a heading does, so these are kept apart.
    anchors: list[Finding] = field(default_factory=list)
    _shown_links: set[str] | None = None  # of all posts; `None` until it is asked for
    _reference_count: int = 0

    def add(self, post: Post, data: bytes) -> None:
        """Scan the bytes of a post and add what they hold."""
        result = find_references(data, post.name)
        for finding in result.findings:
            log = self.anchors if finding.rule is Rule.HEADING_ANCHOR else self.findings
            log.append(finding)
        references: Iterable[Reference] = result.references
        self._reference_count += len(result.references)
        if self._reference_count > _MOST_UNPACKED:
            references = PackedReferences(references)
        self.posts.append(ScannedPost(post, result.encoding, sha256(data).digest(), references))
        self._shown_links = None

    def references(self, *, quoted: bool = False) -> Iterator[tuple[Post, Reference]]:
        """Yield the image references in document order.

        A link or a bare URL counts when its path ends in an image extension, or when the same URL
        stands anywhere in the posts as an image. `quoted` adds code and comments.
        """
        for scanned_post in self.posts:
            for reference in scanned_post.stored:
                if self.leads_to_image(reference) and (quoted or reference.form.is_rendered):
                    yield scanned_post.post, reference

    def tally(self) -> dict[str, int]:
        """Count posts, references and `urls` that differ."""
        urls = DistinctTexts()
        for _, reference in self.references():
            urls.add(reference.url.raw)
        return {"posts": len(self.posts), "references": urls.total, "urls": urls.distinct}

    def leads_to_image(self, reference: Reference) -> bool:
        """Return True for an image, and for a link or a bare URL that leads to one."""
        return (
            reference.form not in (Form.LINK, Form.AUTOLINK)
            or is_image_link(reference.url)
            or _identity(reference.url) in self._links_shown_as_images()
        )

    def _links_shown_as_images(self) -> set[str]:
        """Return the links of no image extension whose URL stands elsewhere as an image."""
        if self._shown_links is None:
            references = [post.stored for post in self.posts]
            links = {
                _identity(ref.url)
                for post_references in references
                for ref in post_references
                if ref.form in (Form.LINK, Form.AUTOLINK) and not is_image_link(ref.url)
            }
            names = (
                _identity(ref.url)
                for post_references in references
                for ref in post_references
                if _is_image(ref)
            )
            self._shown_links = links.intersection(names) if links else set()
        return self._shown_links

    def source_images(self, locator: Locator, is_mirrored: Callable[[Url], bool]) -> PostImages:
        """Return the images of the sources, each once, in the order in which the posts show them.

        A mirrored URL is no source, also where bucket and mirror share a domain.
        """
        count = sum(1 for _ in self.references())
        return PostImages(self.references(), count, locator, is_mirrored)


def scan(posts: Iterable[Post], findings: Iterable[Finding] = ()) -> SiteScan:
    """Read and scan `posts`. A post that cannot be read, or that is no text, is a finding."""
    scanned = SiteScan(findings=list(findings))
    for post in posts:
        data = post.read()
        if isinstance(data, Finding):
            scanned.findings.append(data)
        else:
            scanned.add(post, data)
    return scanned


_FREE = "a rewritten post is free of it"
_FREE_IF_ASKED = "`mirror rewrite --drop-secrets` takes it out; without, this URL stays as it is"
_NOT_FREE = "`mirror rewrite` leaves text as it is: take it out by hand"


def secret_findings(scanned: SiteScan, locator: Locator) -> Iterator[Finding]:
    """Report the references that publish a signature or a key with an image of a source."""
    for post, ref in scanned.references():
        if ref.url.raw != ref.url.public and locator.locate(ref.url) is not None:
            remedy = _FREE_IF_ASKED if has_hidden(ref.url.public) else _FREE
            yield ref.place_in(post.name).finding(
                Rule.SECRET_IN_POST,
                str(ref.url),
                "the post publishes a signature or a key with this URL; the mirror keeps no part "
                f"of it, and {remedy if ref.form.is_rewritten else _NOT_FREE}",
            )


def shown_identities(scanned: SiteScan, locator: Locator) -> TextFilter:
    """Return the identities of the images of sources that the posts show; `select` takes them."""
    located = (locator.locate(reference.url) for _, reference in scanned.references())
    return TextFilter(identity(image.address) for image in located if image is not None)


@dataclass(slots=True)
class HostRow:
    """The images of one host in the posts; `(local)` stands for all without a web address."""

    name: str
    references: int = 0
    addresses: DistinctTexts = field(default_factory=DistinctTexts)
    post_names: set[str] = field(default_factory=set)
    sources: set[str] = field(default_factory=set)

    @property
    def images(self) -> int:
        return self.addresses.distinct

    @property
    def posts(self) -> int:
        return len(self.post_names)

    @property
    def source(self) -> str:
        return ", ".join(sorted(self.sources))

    def as_json(self) -> dict[str, object]:
        counts = {"images": self.images, "references": self.references, "posts": self.posts}
        return {"host": self.name, **counts, "sources": sorted(self.sources)}


def host_table(scanned: SiteScan, locator: Locator) -> list[HostRow]:
    """Sum up the hosts, those with most images first and local images last."""
    rows: dict[str, HostRow] = {}
    for post, ref in scanned.references():
        address = canonical(ref.url.raw)
        name = host_of(address) if address else "(local)"
        row = rows.setdefault(name, HostRow(name))
        row.references += 1
        row.addresses.add(identity(address) if address else ref.url.raw)
        row.post_names.add(post.name)
        if (located := locator.locate(ref.url)) is not None:
            row.sources.add(located.source.name)
    return sorted(rows.values(), key=lambda r: (r.name == "(local)", -r.images, r.name))


def _is_image(reference: Reference) -> bool:
    return reference.form.is_rendered and reference.form not in (Form.LINK, Form.AUTOLINK)


def _identity(url: Url) -> str:
    address = canonical(url.raw)
    return identity(address) if address else url.raw
