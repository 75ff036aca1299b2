"""Check everything that a run depends on: the site, its destinations, readers and sources.

Read in this order: `doctor` is the command; `survey` says what the posts show; then the checks,
one part of a site after the other. The checks of a store are in `mirror.store.probe`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TypeAlias
from urllib.parse import urlsplit

from mirror.amounts import count_text
from mirror.archive import Archive, ArchiveError
from mirror.config import ConfigError, request_headers
from mirror.destinations import Destination, former_targets, key_template
from mirror.fetch import Body, FetchError, Kind, Validators
from mirror.fetch.fetcher import Fetcher
from mirror.manifest import Manifest, ManifestError, ManifestFile
from mirror.model import Finding, Key
from mirror.pipeline.origins import open_fetcher, open_source_bucket
from mirror.pipeline.parts import Parts
from mirror.pipeline.post_images import PostImage
from mirror.pipeline.scan import SiteScan, scan
from mirror.pipeline.store import has_former_key
from mirror.pipeline.targets import unfollowed_links
from mirror.pipeline.verify_posts import former_references
from mirror.records import Record, RecordError
from mirror.rewrites import Rewrite
from mirror.store import (
    CredentialsError,
    DirectoryStore,
    NoBucketError,
    Store,
    StoreError,
    UnreachableError,
)
from mirror.store.probe import (
    PATIENCE_S,
    PICTURE,
    Check,
    examine,
    failed,
    impatient,
    passed,
    unknown,
)
from mirror.urls.address import Url
from mirror.urls.sources import Locator, Source, SourceImage

_MOST_IMAGES = 3  # of a source, as one of them may be gone

ReadError: TypeAlias = FetchError | StoreError
UnreadImage: TypeAlias = tuple[SourceImage, ReadError]


@dataclass(frozen=True, slots=True)
class Subject:
    """The part of a site that a check is about: the site itself, a destination or a source."""

    kind: str
    name: str
    place: str = ""


def doctor(parts: Parts, now: Callable[[], float] = time.time) -> Iterator[tuple[Subject, Check]]:
    """Check everything and yield each result as it is known.

    Objects and folders that were made on the way are removed again. `now` is the time in seconds
    since the epoch.
    """
    config, destinations = parts.config, parts.destinations
    manifest = _load_manifest(parts.manifest)
    scanned = scan(*parts.posts.find())
    seen = survey(scanned, parts.locator, destinations, manifest)
    site = Subject("site", str(config.root))
    former = _former_references(scanned, parts.rewrites, destinations)
    site_checks = chain(
        _check_posts(seen, len(config.sources), former),
        _check_former_addresses(former, destinations),
        _check_destinations(destinations),
        _check_manifest(manifest, key_template(destinations), parts.locator),
        _check_archive(parts.archive),
        _check_folders(
            {"manifest": config.manifest, "state": config.state}
            | ({"archive": parts.archive.root} if parts.archive.root is not None else {})
        ),
    )
    yield from ((site, check) for check in site_checks)
    patience_s = min(config.fetch.timeout_s, PATIENCE_S)
    if parts.archive.root is None:
        archive = Subject("archive", "archive", parts.archive.place)
        checks = examine(parts.archive.store, now=now, patience_s=patience_s)
        yield from ((archive, check) for check in checks)
    fetch = replace(config.fetch, retries=0, timeout_s=patience_s)
    for number, destination in enumerate(destinations):
        subject = Subject("destination", destination.name, destination.settings.url)
        with open_fetcher(fetch, destination.settings.public_url) as fetcher:
            published = partial(_check_public_url, config.root, destination, fetcher, number == 0)
            checks = _check_store(destination.store, published, now, patience_s)
            yield from ((subject, check) for check in checks)
    for source in config.sources:
        subject = Subject("source", source.name, ", ".join(source.match))
        shown = (image.located for image in seen.images)
        images = chain(shown, _remembered(manifest, parts.locator))
        examples = _examples(source, images, config.ignored)
        with open_fetcher(fetch, source.fetch) as fetcher:
            reader = ImageReader(
                fetcher, partial(open_source_bucket, source, config.fetch.concurrency)
            )
            yield from ((subject, check) for check in _check_source(source, examples, reader))


def _load_manifest(file: ManifestFile) -> Manifest | ManifestError:
    try:
        manifest, _ = file.load()
    except ManifestError as error:
        return error
    return manifest


# --- The site ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Survey:
    """The number of posts, the images of sources in them, and the keys of mirrored images."""

    posts: int
    images: Sequence[PostImage]
    mirrored: Collection[Key]


def survey(
    scanned: SiteScan,
    locator: Locator,
    destinations: Sequence[Destination],
    manifest: Manifest | ManifestError,
) -> Survey:
    """Return what the posts show.

    A mirrored URL counts only if the manifest names its key. Without a manifest every URL counts
    that begins like the public address of a destination.
    """

    def keys_of(url: Url) -> set[Key]:
        keys = {key for item in destinations if (key := item.key_of(url.raw))}
        return keys & manifest.by_key.keys() if isinstance(manifest, Manifest) else keys

    mirrored = {
        key for post, ref in scanned.references() for key in keys_of(post.from_root(ref.url))
    }
    images = scanned.source_images(locator, lambda url: bool(keys_of(url)))
    return Survey(len(scanned.posts), images, mirrored)


def _former_references(
    scanned: SiteScan, rewrites: Record[Sequence[Rewrite]], destinations: Sequence[Destination]
) -> list[Finding] | RecordError:
    """Return the references to addresses that the mirror had before, as far as is known."""
    try:
        lines, _ = rewrites.load()
    except RecordError as error:
        return error
    former = former_targets((line.target for line in lines), destinations)
    return list(former_references(scanned, former, destinations))


def _check_posts(
    seen: Survey, sources: int, former: list[Finding] | RecordError
) -> Iterator[Check]:
    moved = set() if isinstance(former, RecordError) else {each.subject for each in former}
    images = count_text(len(seen.images), "image")
    text = f"{count_text(seen.posts, 'post')} with {images}"
    text += f" of {count_text(sources, 'source')}"
    if seen.mirrored:
        text += f" and {count_text(len(seen.mirrored), 'mirrored image')}"
    if moved:
        text += f" and {count_text(len(moved), 'image')} at a former address of the mirror"
    if not seen.posts:
        yield failed("posts", "there is none", "correct [posts] `paths` and `include`")
    elif not (seen.images or seen.mirrored or moved):
        yield failed("posts", text, "`mirror scan --hosts` lists what [[source]] could match")
    else:
        yield passed("posts", text)


def _check_former_addresses(
    former: list[Finding] | RecordError, destinations: Sequence[Destination]
) -> Iterator[Check]:
    """Yield a failure if posts show an address that the mirror had before, as far as is known."""
    name = "former addresses"
    if isinstance(former, RecordError):
        yield failed(name, str(former))
    elif former:
        first = former[0]
        subject = count_text(len(former), "reference shows", "references show")
        message = (
            f"{subject} an address that the mirror had before, the first in {first.place}: "
            f"{first.subject}"
        )
        remedy = (
            "`mirror rewrite` moves the posts to the present address"
            if destinations
            else "add a [[destination]], then `mirror rewrite` moves the posts there"
        )
        yield failed(name, message, remedy)


def _check_destinations(destinations: Sequence[Destination]) -> Iterator[Check]:
    if not destinations:
        yield failed("destinations", "there is none", "add a [[destination]]")


def _check_manifest(
    manifest: Manifest | ManifestError, template: str, locator: Locator
) -> Iterator[Check]:
    if isinstance(manifest, ManifestError):
        yield failed("manifest", str(manifest))
        return
    text, advice = count_text(len(manifest.assets), "image"), ""
    former = sum(has_former_key(asset, template, locator) for asset in manifest.assets.values())
    if former:
        text += f", {count_text(former, 'object')} with a key that `key` would not give now"
        advice = "they keep it, as posts show it; `key` is for new images"
    yield passed("manifest", text, advice)


def _check_archive(archive: Archive) -> Iterator[Check]:
    """Count the originals in a folder; a bucket is examined like a destination."""
    if archive.root is None:
        return
    try:
        yield passed("archive", count_text(sum(1 for _ in archive.digests()), "original"))
    except ArchiveError as error:
        yield failed("archive", str(error))


def _check_folders(folders: Mapping[str, Path]) -> Iterator[Check]:
    """Yield a failure for each folder that cannot be written, or made where it is missing."""
    for name, path in folders.items():
        folder = next(part for part in (path, *path.parents) if os.path.lexists(part))
        if not folder.is_dir():
            yield failed(name, f"{folder} is where a folder is needed", "move it away")
        elif not os.access(folder, os.W_OK | os.X_OK):
            yield failed(name, f"{folder} cannot be written", "make it writable for this user")


# --- Destinations -----------------------------------------------------------------------------


def _check_store(
    store: Store,
    published: Callable[[Key], Iterator[Check]],
    now: Callable[[], float],
    patience_s: float,
) -> Iterator[Check]:
    with _folders_as_they_were(store):
        yield from examine(store, published, now, patience_s)


@contextmanager
def _folders_as_they_were(store: Store) -> Iterator[None]:
    """Remove the folders that a check had to make, unless somebody put something in."""
    root = store.root if isinstance(store, DirectoryStore) else None
    made = [path for path in (root, *root.parents) if not os.path.lexists(path)] if root else []
    try:
        yield
    finally:
        with suppress(OSError):
            for folder in made:
                folder.rmdir()


# --- Readers ----------------------------------------------------------------------------------


def _check_public_url(
    root: Path, destination: Destination, fetcher: Fetcher, is_first: bool, key: Key
) -> Iterator[Check]:
    """Ask for the probe's picture as a reader does. Posts are pointed at the first destination."""
    name, url = "public URL", destination.public_url(key)
    if url is None:
        if is_first:
            yield unknown(name, "posts cannot be pointed here", "set `public_url`")
        return
    if not url.startswith(("https://", "http://")):
        base = destination.settings.public_url
        if (problem := unfollowed_links(destination)) is not None:
            yield failed(name, problem, "set `public_url` instead")
        elif destination.has_relative_links:
            yield passed(name, f"each post has its own path to {base}")
        else:
            yield passed(name, f"{base}, a path of the site that shows the posts")
        return
    try:
        body = fetcher.fetch(Url(url))
    except FetchError as error:
        if isinstance(destination.store, DirectoryStore):
            # A site may not be published yet, and a probe in a folder is never published.
            message = "what is in a folder shows once the site is published"
            yield passed(name, message, "then `mirror verify --public` asks as a reader would")
            return
        remedy = "let everybody read the bucket, or put the domain that serves it in `public_url`"
        # The fetcher's messages are about sources, and so are the remedies in them.
        answered = error.status is not None and error.status >= 400
        message = f"HTTP {error.status} for what is in the bucket" if answered else str(error)
        yield failed(name, message, "" if error.kind is Kind.REFUSED else remedy)
        return
    if body is None or body.data != PICTURE:
        yield failed(name, "other bytes than are in the bucket", "correct `public_url`")
        return
    yield passed(name, "a reader gets the bytes that are in the bucket")
    yield from _check_public_headers(body)


def _check_public_headers(body: Body) -> Iterator[Check]:
    """Check that a browser shows the probe's picture as the headers of `body` say."""
    if body.is_attachment:
        yield failed(
            "public headers",
            "browsers save the image instead of showing it when it is opened by itself",
            "bind a domain of your own to the bucket and name it in `public_url`: providers send "
            "this with their own domain",
        )
    elif body.media_type != "image/png":
        yield failed(
            "public headers",
            f"a PNG is sent as {body.media_type or 'nothing'}",
            "look for a rule of the domain or the CDN that sets types",
        )
    elif body.headers.get("x-content-type-options", "").lower() != "nosniff":
        advice = "let the CDN send X-Content-Type-Options: nosniff"
        yield passed("public headers", "shown as the image it is", advice)
    else:
        yield passed("public headers", "shown as the image it is, and never as anything else")


# --- Sources ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ImageReader:
    """Reads images of one source, over HTTP or from the bucket behind it."""

    fetcher: Fetcher
    open_bucket: Callable[[], Store]

    def read(self, image: SourceImage, headers: Mapping[str, str]) -> Body | ReadError:
        if image.bucket_key is None:
            return _ask(self.fetcher, image, headers)
        try:
            bucket = impatient(self.open_bucket(), self.fetcher.limits.timeout_s)
            return Body(bucket.get(Key(image.bucket_key)), Validators())
        except StoreError as error:
            return error


def _remembered(manifest: Manifest | ManifestError, locator: Locator) -> Iterator[SourceImage]:
    """Yield the images of sources that the manifest names, which posts may show no longer."""
    for asset in manifest.assets.values() if isinstance(manifest, Manifest) else ():
        for address in asset.sources:
            if (image := locator.locate(Url(address))) is not None:
                yield image


def _examples(
    source: Source, images: Iterable[SourceImage], ignored: Container[str]
) -> Iterator[SourceImage]:
    """Yield those of `images` that are of the source and not ignored, each object once."""
    names = set[str]()
    for image in images:
        if image.source is source and image.address not in ignored:
            if image.object_name not in names:
                yield image
            names.add(image.object_name)


def _check_source(
    source: Source, images: Iterable[SourceImage], reader: ImageReader
) -> Iterator[Check]:
    """Read one image of the source, and ask its host as other readers do.

    One image may be gone, so a few are tried. A host that did not answer is not asked again.
    """
    try:
        headers = request_headers(source, os.environ)
    except ConfigError as error:
        yield failed("read", str(error))
        return
    unread: list[UnreadImage] = []
    silent_hosts = set[str]()
    for image in images:
        host = urlsplit(image.fetch_url.raw).netloc if image.bucket_key is None else ""
        if host in silent_hosts:
            continue
        result = reader.read(image, headers)
        if isinstance(result, Body):
            others = "".join(f"; not read: {item.address} ({error})" for item, error in unread)
            yield passed("read", f"{image.address}: {len(result.data):,} bytes{others}")
            if image.bucket_key is None:
                yield from _check_hot_links(image, result, headers, reader.fetcher)
            return
        unread.append((image, result))
        if len(unread) == _MOST_IMAGES:
            break
        if _is_silence(result):
            silent_hosts.add(host)
    if unread:
        yield _explain_unread(unread, headers, reader.fetcher)
    else:
        yield unknown("read", "no post shows an image of it", "correct `match`, or drop the source")


def _is_silence(error: ReadError) -> bool:
    """Return True if the next image would get the same answer, after as long a wait."""
    if isinstance(error, FetchError):
        return error.kind is Kind.TRANSIENT and error.status is None
    return isinstance(error, CredentialsError | NoBucketError | UnreachableError)


def _explain_unread(
    unread: Sequence[UnreadImage], headers: Mapping[str, str], fetcher: Fetcher
) -> Check:
    """Return why no image can be read: that a host wants a Referer before that one is gone."""
    blocked = [
        (image, error)
        for image, error in unread
        if isinstance(error, FetchError) and error.is_denied
    ]
    first = (blocked or unread)[0]
    image, error = first
    remedy = ""
    if blocked:
        front_page = _front_page(image)
        if isinstance(
            _ask(fetcher, image, {**_without_referer(headers), "Referer": front_page}), Body
        ):
            remedy = f'set `headers = {{ Referer = "{front_page}" }}`'
    others = " and ".join(item[0].address for item in unread if item is not first)
    others = f"; {others} cannot be read either" if others else ""
    return failed("read", f"{image.address}: {error}{others}", remedy)


def _without_referer(headers: Mapping[str, str]) -> Mapping[str, str]:
    return {name: value for name, value in headers.items() if name.lower() != "referer"}


def _front_page(image: SourceImage) -> str:
    """Return the address of the first page of the image's host."""
    parts = urlsplit(image.address)
    return f"{parts.scheme}://{parts.netloc}/"


def _check_hot_links(
    image: SourceImage, body: Body, headers: Mapping[str, str], fetcher: Fetcher
) -> Iterator[Check]:
    """Compare `body`, which came with `headers`, with what comes with another Referer."""
    bare, front_page = _without_referer(headers), _front_page(image)
    if len(bare) == len(headers):
        other = _ask(fetcher, image, {**bare, "Referer": front_page})
        if isinstance(other, Body) and body.data != other.data:
            yield failed(
                "hot links",
                "with a Referer of its own site the host sends another picture",
                f'look at both; `headers = {{ Referer = "{front_page}" }}` asks as its site does',
            )
        else:
            yield passed("hot links", "the host asks for no Referer")
        return
    other = _ask(fetcher, image, bare)
    if isinstance(other, FetchError) or body.data != other.data:
        yield passed("hot links", "the host wants a Referer, and the configured one does")
    else:
        yield passed("hot links", "the host asks for no Referer; the configured one is not needed")


def _ask(fetcher: Fetcher, image: SourceImage, headers: Mapping[str, str]) -> Body | FetchError:
    try:
        body = fetcher.fetch(image.fetch_url, headers)
    except FetchError as error:
        return error
    assert body is not None  # noqa: S101  (no validators were sent)
    return body
