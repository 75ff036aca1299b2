"""The URL that takes the place of a reference: by the manifest, or by a map of the user."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote

from mirror.config import ConfigError
from mirror.destinations import Destination, asset_of, is_markdown, is_mirrored, meant_target
from mirror.manifest import Manifest
from mirror.model import Asset, Finding, Key, Reference, Rule
from mirror.pipeline.hold import Suspect, find_suspects
from mirror.pipeline.object_proof import ObjectProof
from mirror.pipeline.parts import Parts
from mirror.pipeline.repeat_proof import RepeatProof
from mirror.pipeline.source_proof import SourceProof
from mirror.pipeline.stray_links import stray_links
from mirror.posts import Post
from mirror.repeats.reviews import REVIEWS, load_reviews
from mirror.rewrites import is_source
from mirror.site_index import site_name
from mirror.state import NO_SYNC
from mirror.urls.address import Address, Url, identity
from mirror.urls.redact import has_hidden
from mirror.urls.sources import Locator

Resolve = Callable[[Post, Reference, "Url | None"], "str | Finding | None"]
"""Return the URL to write in place of a reference, a finding, or `None` to leave it without a word.

The last argument is the source that stood there before, if a mirrored URL stands there now.
"""


@dataclass(frozen=True, slots=True)
class ByMap:
    """Look a URL up exactly as decoded, and remember which keys of the map it met."""

    urls: Mapping[str, str]
    met: set[str] = field(default_factory=set)

    def __call__(self, post: Post, reference: Reference, before: Url | None) -> str | None:
        self.met.add(reference.url.raw)
        return self.urls.get(reference.url.raw)

    def unused(self) -> Iterator[Finding]:
        """Yield a warning for each key that no reference had."""
        for key in sorted(self.urls.keys() - self.met):
            message = "this key of the map is the URL of no image in the posts, as it is spelled"
            yield Finding(Rule.ENTRY_UNUSED, Url(key).public, message)


@dataclass(frozen=True, slots=True)
class ByManifest:
    """The public URL of the asset that stands for a source, at `destination`.

    `destinations` are all whose URLs may stand in posts. A reference is only repointed at an object
    that `object_proof` saw, and only if `--revert` can bring back what stood there. It shows the
    picture that it meant before, or one that `repeat_proof` proves to be the same, or one that a
    person chose. `source_proof` proves the picture of the manifest for the address of a source.
    `reasons` say why the last sync did not take an image, by the identity of its address;
    `suspects` wait for a person's decision.

    Four pictures may differ: `standing` is the one that a repointed reference shows now, `asset`
    the one that the manifest has for the reference, `meant` the one that the reference means
    (`standing`, else `asset`), and `shown` the one that stands for `asset`.
    """

    locator: Locator
    destinations: Sequence[Destination]
    ignored: Container[str]
    manifest: Manifest
    destination: Destination
    object_proof: ObjectProof
    repeat_proof: RepeatProof
    source_proof: SourceProof
    drop_secrets: bool
    reasons: Mapping[str, str]
    suspects: Mapping[str, Suspect]

    def __call__(
        self, post: Post, reference: Reference, before: Url | None
    ) -> str | Finding | None:
        current = post.from_root(reference.url)
        url, is_repointed = before or current, before is not None
        standing = self._standing(current, is_repointed=is_repointed)
        asset = self._asset_of(url, standing, is_repointed=is_repointed)
        if asset is None and (links := self._stray_links(post, reference)):
            message = (
                "stays as it is: it leads to no object, and nothing shows that the post was moved; "
                f"from here it is {' or '.join(links)}"
            )
            return Finding(Rule.NOT_REPOINTED, str(current), message)
        if not isinstance(asset, Asset):
            return asset
        if is_repointed and standing is None:
            message = (
                "stays as it is: it shows an object that no line of the manifest names, so nothing "
                "proves that the picture of the manifest is the same; `mirror rewrite --revert` "
                "goes back to the source"
            )
            return Finding(Rule.REPEAT_NOT_PROVEN, str(url), message)
        shown, doubt = self._shown(standing or asset, asset, url)
        if shown.key is None:
            message = doubt or "stays as it is: it is in no destination; `mirror sync` says why"
            rule = Rule.REPEAT_NOT_PROVEN if doubt else Rule.NOT_REPOINTED
            return Finding(rule, str(url), message)
        target = self.destination.public_url(shown.key)
        link = self.destination.link(shown.key, post.name)
        if target is None or link is None:
            return None
        if target + url.fragment == current.raw:
            return Finding(Rule.REPEAT_NOT_PROVEN, str(url), doubt) if doubt else None
        if (obstacle := self._obstacle(post, reference, url)) is not None:
            return obstacle
        if (problem := self.object_proof.problem(shown)) is not None:
            return Finding(Rule.OBJECT_NOT_PROVEN, str(url), problem)
        return link + url.fragment

    def _obstacle(self, post: Post, reference: Reference, url: Url) -> Finding | None:
        """Return a finding for a reference that cannot take the link, or give back its source."""
        rule = Rule.NOT_REPOINTED
        if not self.destination.takes_link(post.name, reference):
            generator = self.destination.generator
            reason = (
                f"{generator.name} follows no relative link in this form"
                if generator is not None and is_markdown(reference)
                else "a relative link leads to the file in Markdown only, and only from a post in "
                "the folder of mirror.toml"
            )
            message = (
                f"stays as it is: {reason}; write this image as `![](…)`, or set `public_url` in "
                "place of `links`"
            )
        elif has_hidden(url.public) and not self.drop_secrets:
            rule = Rule.SECRET_KEPT
            message = (
                "stays as it is: `--revert` could not bring its secret back, which is kept "
                "nowhere; `mirror rewrite --drop-secrets` repoints it all the same"
            )
        elif not is_source(url.public):
            message = (
                "stays as it is: `--revert` could not bring it back, because it is no http(s) URL "
                "or path in one line; write it without line ends and control characters"
            )
        else:
            return None
        return Finding(rule, str(url), message)

    def _asset_of(
        self, url: Url, standing: Asset | None, *, is_repointed: bool
    ) -> Asset | Finding | None:
        """Return the asset that the manifest has for a mirrored URL or a source.

        `standing` is the one that the reference shows now.
        """
        asset = asset_of(self.destinations, self.manifest, url)
        if asset is not None or (located := self.locator.locate(url)) is None:
            return asset
        if (asset := self.manifest.find(located.address)) is None:
            if is_repointed:
                shows = (
                    "shows a mirrored address that no line of the manifest names"
                    if standing is None
                    else f"goes on showing picture {standing.digest}, which the manifest has"
                )
                message = (
                    f"stays as it is: no line of the manifest has this address any more, and the "
                    f"post {shows}; bring the line back, or `mirror rewrite --revert` gives the "
                    "source back"
                )
                return Finding(Rule.NOT_REPOINTED, str(url), message)
            return self._not_mirrored(located.address)
        if not is_repointed and self.source_proof.is_doubtful(located.address, asset):
            message = (
                "stays as it is: the picture that the manifest has for it never came from it here; "
                "`mirror sync` asks its host"
            )
            return Finding(Rule.SOURCE_NOT_PROVEN, str(url), message)
        suspect = self.suspects.get(identity(located.address))
        if suspect is not None and not is_repointed:
            if located.address in self.ignored:
                return None  # a person looked: the post is to stay as it is
            return Finding(Rule.REDIRECTED_TOGETHER, str(url), str(suspect))
        return asset

    def _stray_links(self, post: Post, reference: Reference) -> list[str]:
        if is_mirrored(self.destinations, post.from_root(reference.url)):
            return []
        return stray_links(self.destinations, self.manifest, post, reference)

    def _standing(self, url: Url, *, is_repointed: bool) -> Asset | None:
        """Return the asset that a repointed reference shows, also after its destination moved."""
        asset = asset_of(self.destinations, self.manifest, url)
        if asset is not None or not is_repointed:
            return asset
        meant = meant_target(self.destinations, self.manifest, url)
        if meant is not None:
            asset = asset_of(self.destinations, self.manifest, Url(meant))
        else:
            parts = unquote(url.raw.partition("#")[0]).split("/")
            keys = (Key("/".join(parts[start:])) for start in range(1, len(parts)))
            asset = next((a for key in keys if (a := self.manifest.by_key.get(key))), None)
        return asset

    def _shown(self, meant: Asset, asset: Asset, url: Url) -> tuple[Asset, str | None]:
        """Return the picture to show, and the reason where it may not be that of the manifest.

        Then a reference goes on showing the picture that it means.
        """
        shown = self.manifest.shown_for(asset)
        if self._may_show(shown, meant, asset, url):
            return shown, None
        if self._is_replaced(meant, asset, url):
            return meant, None
        reason = self.repeat_proof.problem(meant, shown) or ""
        return meant, _not_proven(meant, shown, reason, is_repeat=meant.digest == asset.digest)

    def _may_show(self, shown: Asset, meant: Asset, asset: Asset, url: Url) -> bool:
        """Return True if a reference that means one picture may show another.

        A person may have accepted `asset` for the address, or parted it from what was shown.
        """
        if self.repeat_proof.problem(meant, shown) is None:
            return True
        if asset.digest == meant.digest:
            return False
        located = self.locator.locate(url)
        if located is not None and self.repeat_proof.is_accepted(located.address, asset):
            return self.repeat_proof.problem(asset, shown) is None
        return shown.digest == asset.digest and self.repeat_proof.is_parted(asset, meant)

    def _is_replaced(self, meant: Asset, asset: Asset, url: Url) -> bool:
        """Return True if the manifest says that `asset` took the place of `meant` at its address.

        Both are kept then, and a post that shows the former one was decided on.
        """
        located = self.locator.locate(url)
        if located is None or meant.digest == asset.digest:
            return False
        return identity(located.address) in map(identity, meant.former_sources)

    def _not_mirrored(self, address: Address) -> Finding | None:
        if address in self.ignored:
            return None
        reason = self.reasons.get(identity(address))
        remedy = f"the last sync says: {reason}" if reason else "`mirror sync` fetches it"
        return Finding(Rule.NOT_REPOINTED, address, f"is not mirrored yet; {remedy}")


def unfollowed_links(destination: Destination) -> str | None:
    """Return why relative links of posts lead nowhere on the pages that a generator makes of them.

    `None` if they do, as far as is known, or if the destination has no such links.
    """
    generator = destination.generator
    if generator is None or generator.follows_links:
        return None
    return (
        f'links = "relative": {generator.name} does not follow relative links to files, and its '
        "pages are at another depth than the posts"
    )


def _not_proven(meant: Asset, shown: Asset, reason: str, *, is_repeat: bool) -> str:
    """Return the words for a picture that stays; `is_repeat` if `shown` is to stand for `meant`."""
    if_two = (
        "if they are two, `mirror dupes --split` with the first, then `mirror sync`"
        if is_repeat
        else "if the second is right, `mirror rewrite --revert` goes back to the source, and "
        "`mirror sync` asks for it; if the post is to stay, put the address under `former_sources` "
        "at the end of the first one's line"
    )
    return (
        f"stays as it is: it means picture {meant.digest}, the manifest now has {shown.digest} for "
        f"it, and nothing proves that they are one ({reason}). Restore the lines of the manifest; "
        f"if they are one, `mirror dupes --merge` with both records it; {if_two}"
    )


def open_by_manifest(parts: Parts, *, drop_secrets: bool) -> ByManifest:
    """Load what decides on the URLs of posts, and list the first destination.

    Raise `ConfigError` where posts cannot be pointed at it.
    """
    if not parts.destinations:
        raise ConfigError("no [[destination]]: there is nowhere to point the posts at")
    destination = parts.destinations[0]
    if destination.settings.public_url is None:
        raise ConfigError(
            f"destination {destination.name!r} has no `public_url`: what posts are to be pointed "
            "at, such as https://img.example.com/blog, or /images for a folder of the site"
        )
    if (problem := unfollowed_links(destination)) is not None:
        raise ConfigError(f"destination {destination.name!r}: {problem}; set `public_url` instead")
    manifest, _ = parts.manifest.load()
    redirects, _ = parts.redirects.load()
    last = parts.state.last_sync.load() or NO_SYNC
    site = site_name(parts.config.manifest)
    reviews = load_reviews(parts.config.manifest / REVIEWS)
    return ByManifest(
        locator=parts.locator,
        destinations=parts.destinations,
        ignored=parts.config.ignored,
        manifest=manifest,
        destination=destination,
        object_proof=ObjectProof(destination, manifest.by_key.keys(), site, last.not_stored),
        repeat_proof=RepeatProof(
            manifest,
            reviews,
            parts.archive,
            parts.destinations,
            parts.config.fetch.max_pixels,
        ),
        source_proof=SourceProof(parts.archive.source_record(), reviews, parts.locator),
        drop_secrets=drop_secrets,
        reasons=last.reasons,
        suspects=find_suspects(manifest, redirects, reviews),
    )
