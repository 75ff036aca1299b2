"""A destination: its store, its keys, its public addresses; whether its objects agree."""

from __future__ import annotations

import string
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from hashlib import sha256
from mimetypes import MimeTypes
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import unquote

from mirror.config import (
    DEFAULT_KEY,
    ArchiveBucket,
    ConfigError,
    DestinationSettings,
    folder_of,
)
from mirror.manifest import Manifest, Object
from mirror.model import EXTENSIONS, Asset, Blob, Finding, Form, Key, Quoting, Reference, Rule
from mirror.store import (
    DirectoryStore,
    ListingError,
    ObjectInfo,
    S3Settings,
    Store,
    StoreError,
    TooLargeError,
    open_bucket,
)
from mirror.urls.address import Address, Url, decoded_path
from mirror.urls.relative import encoded, from_post, is_path_from_root
from mirror.urls.sources import Locator, Source

if TYPE_CHECKING:
    from mirror.generators import SiteGenerator

# Objects that no line names: 200,000 of them take 64 MB. `check_extra_count` gives the reason.
_MOST_EXTRAS, _EXTRAS_PER_OBJECT = 200_000, 10
_SVG = "image/svg+xml"
_TYPES_BY_EXTENSION = {extension: name for name, extension in EXTENSIONS.items()} | {
    ".apng": "image/png",
    ".jfif": "image/jpeg",
    ".jpe": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".tif": "image/tiff",
}


@dataclass(frozen=True, slots=True)
class Destination:
    """A destination and the store behind it.

    `generator` builds the site whose posts get relative links, if it is known.
    """

    settings: DestinationSettings
    store: Store
    generator: SiteGenerator | None = None

    @property
    def name(self) -> str:
        return self.settings.name

    def public_url(self, key: Key) -> str | None:
        """Return the URL that posts are pointed at: ASCII, the same spelling in every syntax.

        With relative links it is the path from the folder of `mirror.toml`.
        """
        base = self.settings.public_url
        return None if base is None else f"{base}/{encoded(key)}"

    def link(self, key: Key, post: str) -> str | None:
        """Return the URL that a post of this name is pointed at."""
        url = self.public_url(key)
        return from_post(url, post) if url is not None and self.has_relative_links else url

    @property
    def has_relative_links(self) -> bool:
        return self.settings.links == "relative"

    def takes_link(self, post: str, reference: Reference) -> bool:
        """Return True if a reference in a post of this name can be pointed here.

        Generators take a relative link for the file beside the post in Markdown. In HTML, front
        matter and tags most leave it to the browser, which counts from the address of the page. Nor
        is there a path to a post outside of the site's folder.
        """
        if not self.has_relative_links:
            return True
        is_followed = self.generator is None or reference.form in self.generator.follows
        return is_followed and is_markdown(reference) and not post.startswith("../")

    def key_of(self, url: str) -> Key | None:
        """Return the key behind a mirrored URL, or `None` for any other URL.

        A relative URL counts from the folder of `mirror.toml`, not from a post: `Post.from_root`.
        """
        base = self.settings.public_url
        if base is None or not url.startswith(f"{base}/"):
            return None
        return Key(unquote(url[len(base) + 1 :].partition("#")[0]))


def is_markdown(reference: Reference) -> bool:
    """Return True for an image or a link that is written as Markdown."""
    return reference.form in (Form.INLINE, Form.REFERENCE, Form.LINK) and (
        reference.quoting in (Quoting.BARE, Quoting.ANGLE)
    )


def open_destination(settings: DestinationSettings, root: Path) -> Destination:
    """Open the store of a destination; nobody is asked yet. Raise `ConfigError`."""
    if (folder := folder_of(settings, root)) is None:
        try:
            bucket = open_bucket(settings.name, settings.url, bucket_settings(settings))
        except StoreError as error:
            raise ConfigError(f"destination {settings.name!r}: {error}") from error
        return Destination(settings, bucket)
    store = DirectoryStore(settings.name, folder)
    generator = None
    if settings.links == "relative":
        from mirror.generators import generators_above

        generator = next(generators_above(root, store.root), None)
    return Destination(settings, store, generator)


def bucket_settings(settings: DestinationSettings | ArchiveBucket | Source) -> S3Settings:
    """Return how to reach the bucket; its name and the prefix are in the URL.

    Provider and addressing of the bucket of a source follow from its endpoint.
    """
    return S3Settings(
        endpoint_url=settings.endpoint_url,
        region=settings.region,
        profile=settings.profile,
        provider="auto" if isinstance(settings, Source) else settings.provider,
        addressing="auto" if isinstance(settings, Source) else settings.addressing,
    )


def asset_of(destinations: Iterable[Destination], manifest: Manifest, url: Url) -> Asset | None:
    """Return the asset that a mirrored URL shows; `None` if no destination has that object."""
    keys = (destination.key_of(url.raw) for destination in destinations)
    return next((a for key in keys if key and (a := manifest.by_key.get(key))), None)


def is_mirrored(destinations: Iterable[Destination], url: Url) -> bool:
    """Return True for a mirrored URL: it is no source, also where both share a domain."""
    return any(destination.key_of(url.raw) for destination in destinations)


def stray_targets(destinations: Iterable[Destination], url: Url) -> Iterator[tuple[str, Key]]:
    """Yield what a path from the root may mean that misses the folder of relative links.

    Such is the link of a post that was moved. Each is a mirrored URL without its fragment, and the
    key behind it; a key may hold the name of the folder again. There is none for any other URL.
    """
    path = f"/{url.raw.partition('#')[0]}"
    for destination in destinations:
        if not destination.has_relative_links or not is_path_from_root(url.raw):
            continue
        base = destination.settings.public_url or ""
        folder = f"/{base.rpartition('/')[2]}/"
        at = path.find(folder)
        while at >= 0:
            rest = path[at + len(folder) :]
            if rest:
                yield f"{base}/{rest}", Key(unquote(rest))
            at = path.find(folder, at + 1)


def meant_target(destinations: Iterable[Destination], manifest: Manifest, url: Url) -> str | None:
    """Return the one mirrored URL that a stray path can mean, with its fragment; else `None`."""
    targets = dict(stray_targets(destinations, url))
    if len(targets) != 1:
        return None
    [(target, key)] = targets.items()
    return target + url.fragment if key in manifest.by_key else None


def former_targets(targets: Iterable[str], destinations: Collection[Destination]) -> set[str]:
    """Return those of the URLs that posts were pointed at which no destination has any more.

    Fragments are left out.
    """
    urls = (target.partition("#")[0] for target in targets)
    return {url for url in urls if not is_mirrored(destinations, Url(url))}


def key_template(destinations: Sequence[Destination]) -> str:
    """Return the key template, which is one for all destinations."""
    return destinations[0].settings.key if destinations else DEFAULT_KEY


def object_key(template: str, blob: Blob, source: str, address: Address | None) -> str:
    """Fill a key template. `address` gives `{path}`, `{stem}` and `{name}`, decoded."""
    path = decoded_path((address or "").partition("//")[2].partition("?")[0].partition("/")[2])
    name = path.rpartition("/")[2]
    values = {
        "sha256": blob.digest.hex,
        "ext": EXTENSIONS[blob.media_type],
        "source": source,
        "path": path,
        "name": name,
        "stem": name.rpartition(".")[0] or name,
    }
    return string.Formatter().vformat(template, (), values)


def may_run_scripts(asset: Asset, locator: Locator) -> bool:
    """Return True for an SVG of which not every source is declared trusted.

    Such an object is stored so that a browser saves it instead of showing it as a page.
    """
    if asset.blob.media_type != _SVG:
        return False
    owners = [locator.source_of(address) for address in asset.sources]
    return not owners or not all(owner is not None and owner.trust_svg for owner in owners)


def extension_fits(key: Key, media_type: str) -> bool:
    """Return False if a web server that goes by the key's extension would send another kind.

    Kinds are SVG, which can run scripts, other pictures, and everything that is no picture. With
    `key = "{path}"` a WebP may be stored as `a.jpg`, and browsers show it. An unknown extension
    fits.
    """
    extension = PurePosixPath(key).suffix.lower()
    named = _TYPES_BY_EXTENSION.get(extension) or _other_type(extension)
    if named is None:
        return True
    return named.startswith("image/") and (named == _SVG) == (media_type == _SVG)


@lru_cache(maxsize=64)  # extensions
def _other_type(extension: str) -> str | None:
    return MimeTypes().guess_type(f"x{extension}", strict=False)[0]


class ListingMatch(Enum):
    """The outcome of comparing a line of a listing with an object of the manifest."""

    EQUAL = "the size and the MD5 are those of the manifest"
    OTHER_SIZE = "another size: the object is another one"
    NO_CHECKSUM = "nothing is proven: the listing has no MD5"
    # Where a bucket encrypts with KMS, an ETag only looks like an MD5.
    OTHER_CHECKSUM = "nothing is proven: the ETag is another MD5, or only looks like one"


def compare_listed(size: int, md5: str, info: ObjectInfo) -> ListingMatch:
    """Compare size and MD5 of the manifest with a listed object, without asking for it."""
    if info.size != size:
        return ListingMatch.OTHER_SIZE
    if info.md5 == md5:
        return ListingMatch.EQUAL
    return ListingMatch.NO_CHECKSUM if info.md5 is None else ListingMatch.OTHER_CHECKSUM


def size_difference(size: int, info: ObjectInfo) -> str:
    """Return the message about a listed object of `OTHER_SIZE`."""
    return f"expected {size} bytes, found {info.size}"


class Depth(Enum):
    """The next step of a comparison where a listing proves nothing."""

    ASK = "ask the server once more, and take its word"
    READ = "read the object back and hash it"


def difference(store: Store, expected: Object, info: ObjectInfo, depth: Depth) -> str | None:
    """Compare a listed object with the manifest: what was expected and found; `None` if equal.

    Raise `StoreError` if the object cannot be asked for.
    """
    match compare_listed(expected.size, expected.md5, info):
        case ListingMatch.EQUAL:
            return None
        case ListingMatch.OTHER_SIZE:
            return size_difference(expected.size, info)
        case ListingMatch.NO_CHECKSUM if depth is Depth.ASK:
            return None
        case ListingMatch.OTHER_CHECKSUM if depth is Depth.ASK:
            again = store.stat(info.key)
            if again is not None and again.md5 in (None, expected.md5):
                return None
            return f"expected MD5 {expected.md5}, found {info.md5}"
    return read_difference(store, expected)


def read_difference(store: Store, expected: Object) -> str | None:
    """Hash the bytes that a reader gets: the only way to see rot on the server's disk.

    Return `None` if they are right. Raise `StoreError`.
    """
    try:
        digest = sha256(store.get(expected.key, max_bytes=expected.size)).hexdigest()
    except TooLargeError:
        return f"expected {expected.size} bytes, found more"
    if digest == expected.digest.hex:
        return None
    return f"expected SHA-256 {expected.digest}, found {digest}"


def check_extra_count(destination: Destination, extras: int, known: int) -> None:
    """Raise `ListingError` where too many objects are listed that the manifest does not name.

    Each of them is held in memory. A site may lose its manifest, and other sites may share the
    prefix, so as many are allowed beside ten for each of the `known` objects.
    """
    if extras > _MOST_EXTRAS + _EXTRAS_PER_OBJECT * known:
        raise ListingError(
            f"{destination.name}: {extras:,} listed objects are in no line of the manifest, and no "
            "more are listed; give the site a prefix of its own"
        )


def not_stored_in(destination: Destination, key: Key, reasons: Mapping[str, str]) -> str | None:
    """Return why a missing object is not in a destination; `None` if it is not known.

    `reasons` are those of the last sync, by key; they begin with the name of the destination.
    """
    reason = reasons.get(key, "")
    is_about_it = reason.startswith(f"{destination.name}: ")
    return f"missing, as the last sync could not store it: {reason}" if is_about_it else None


def unreachable(destination: Destination, error: StoreError, then: str = "") -> Finding:
    """Return the finding for a destination that cannot be asked; `then` says what was not done."""
    message = str(error).removeprefix(f"{destination.name}: ") + then
    return Finding(Rule.DESTINATION_UNREACHABLE, destination.name, message)
