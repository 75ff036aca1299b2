"""Whether everything that a run depends on works: configuration, destinations, readers, sources."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from itertools import chain
from urllib.parse import urlsplit

from mirror.amounts import count_text
from mirror.archive import ArchiveError
from mirror.config import ConfigError, request_headers
from mirror.destinations import Destination
from mirror.fetch import Body, Fetcher, FetchError, Kind, Validators
from mirror.manifest import Manifest, ManifestError
from mirror.model import Key
from mirror.pipeline.origins import open_bucket, open_fetcher
from mirror.pipeline.parts import Parts
from mirror.pipeline.scan import PostImage, scan
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
from mirror.urls.sources import Source, SourceImage

_HOTLINK = (Kind.BLOCKED, Kind.AUTHENTICATION)
_TRIED = 3  # images of a source: one may be gone


@dataclass(frozen=True, slots=True)
class Patient:
    """What a check is about: the site, a destination or a source."""

    kind: str
    name: str
    place: str = ""


def doctor(parts: Parts, now: Callable[[], float] = time.time) -> Iterator[tuple[Patient, Check]]:
    """Check everything, each result as it is found. Objects made on the way are removed again."""
    shown = Shown.of(parts)
    here = Patient("site", str(parts.config.root))
    yield from ((here, check) for check in _site(parts, shown))
    patience_s = min(parts.config.fetch.timeout_s, PATIENCE_S)
    fetch = replace(parts.config.fetch, retries=0, timeout_s=patience_s)
    named = [source.fetch for source in parts.config.sources if source.fetch]
    named += [target.settings.public_url or "" for target in parts.destinations]
    with open_fetcher(fetch, named) as fetcher:
        for target in parts.destinations:
            patient = Patient("destination", target.name, target.settings.url)
            published = partial(_published, parts, target, fetcher)
            with _folders_as_they_were(target.store):
                yield from (
                    (patient, check) for check in examine(target.store, published, now, patience_s)
                )
        for source in parts.config.sources:
            patient = Patient("source", source.name, ", ".join(source.match))
            yield from ((patient, check) for check in _source(parts, source, shown, fetcher))


@contextmanager
def _folders_as_they_were(store: Store) -> Iterator[None]:
    """A folder that a check had to make is removed again, unless somebody put something in."""
    root = store.root if isinstance(store, DirectoryStore) else None
    made = [one for one in (root, *root.parents) if not os.path.lexists(one)] if root else []
    try:
        yield
    finally:
        with suppress(OSError):
            for folder in made:
                folder.rmdir()


@dataclass(frozen=True, slots=True)
class Shown:
    """What the posts show: images of the sources, and keys of mirrored ones.

    `manifest` is the error where it cannot be read.
    """

    posts: int
    wanted: Sequence[PostImage]
    mirrored: Collection[Key]
    manifest: Manifest | ManifestError

    @classmethod
    def of(cls, parts: Parts) -> Shown:
        manifest: Manifest | ManifestError
        try:
            manifest, _ = parts.manifest.load()
        except ManifestError as error:
            manifest = error

        def keys_of(url: Url) -> set[Key]:
            keys = {key for target in parts.destinations if (key := target.key_of(url.raw))}
            return keys & manifest.by_key.keys() if isinstance(manifest, Manifest) else keys

        scanned = scan(*parts.posts.find())
        mirrored = {key for _, ref in scanned.references() for key in keys_of(ref.url)}
        wanted = scanned.source_images(parts.locator, lambda url: bool(keys_of(url)))
        return cls(len(scanned.posts), wanted, mirrored, manifest)


# --- The site ---------------------------------------------------------------------------------


def _site(parts: Parts, shown: Shown) -> Iterator[Check]:
    images = count_text(len(shown.wanted), "image")
    text = f"{count_text(shown.posts, 'post')} with {images}"
    text += f" of {count_text(len(parts.config.sources), 'source')}"
    if shown.mirrored:
        text += f" and {count_text(len(shown.mirrored), 'mirrored image')}"
    if not shown.posts:
        yield failed("posts", "there is none", "correct [posts] `paths` and `include`")
    elif not (shown.wanted or shown.mirrored):
        yield failed("posts", text, "`mirror scan --hosts` lists what [[source]] could match")
    else:
        yield passed("posts", text)
    if not parts.destinations:
        yield failed("destinations", "there is none", "add a [[destination]]")
    if isinstance(shown.manifest, Manifest):
        yield passed("manifest", count_text(len(shown.manifest.assets), "image"))
    else:
        yield failed("manifest", str(shown.manifest))
    try:
        yield passed("archive", count_text(sum(1 for _ in parts.archive.digests()), "original"))
    except ArchiveError as error:
        yield failed("archive", str(error))
    for name, path in (("archive", parts.config.archive), ("manifest", parts.config.manifest)):
        if (trouble := _unwritable(path)) is not None:
            yield failed(name, trouble, "make it writable for this user")


def _unwritable(path: os.PathLike[str]) -> str | None:
    """Why nothing can be written in a folder, or in the one it would be made in."""
    folder = os.fspath(path)
    while not os.path.lexists(folder):
        folder = os.path.dirname(folder)  # noqa: PTH120  (stops at the root)
    if os.access(folder, os.W_OK | os.X_OK):
        return None
    return f"{folder} cannot be written"


# --- Readers ----------------------------------------------------------------------------------


def _published(parts: Parts, target: Destination, fetcher: Fetcher, key: Key) -> Iterator[Check]:
    """The probe's picture, as a reader gets it."""
    name, url = "public URL", target.public_url(key)
    if url is None:
        if target is parts.destinations[0]:
            yield unknown(name, "posts cannot be pointed here", "set `public_url`")
        return
    if not url.startswith(("https://", "http://")):
        yield passed(name, f"{target.settings.public_url}, a path of the site that shows the posts")
        return
    try:
        body = fetcher.fetch(Url(url))
    except FetchError as error:
        if isinstance(target.store, DirectoryStore):
            # A site that was never published is no trouble, and no probe goes there before it is.
            message = "what is in a folder shows once the site is published"
            yield passed(name, message, "then `mirror verify --public` asks as a reader would")
            return
        remedy = "let everybody read the bucket, or put the domain that serves it in `public_url`"
        # The fetcher's own words are for pictures that posts show, and name their remedies.
        answered = error.status is not None and error.status >= 400
        message = f"HTTP {error.status} for what is in the bucket" if answered else str(error)
        yield failed(name, message, "" if error.kind is Kind.REFUSED else remedy)
        return
    if body is None or body.data != PICTURE:
        yield failed(name, "other bytes than are in the bucket", "correct `public_url`")
        return
    yield passed(name, "a reader gets the bytes that are in the bucket")
    yield from _served(body.headers)


def _served(headers: Mapping[str, str]) -> Iterator[Check]:
    """Whether a browser shows what it gets."""
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if headers.get("content-disposition", "").lower().startswith("attachment"):
        yield failed(
            "public headers",
            "browsers save the image instead of showing it when it is opened by itself",
            "bind a domain of your own to the bucket and name it in `public_url`: providers send "
            "this with their own domain",
        )
    elif kind != "image/png":
        yield failed(
            "public headers",
            f"a PNG is sent as {kind or 'nothing'}",
            "look for a rule of the domain or the CDN that sets types",
        )
    elif headers.get("x-content-type-options", "").lower() != "nosniff":
        advice = "let the CDN send X-Content-Type-Options: nosniff"
        yield passed("public headers", "shown as the image it is", advice)
    else:
        yield passed("public headers", "shown as the image it is, and never as anything else")


# --- Sources ----------------------------------------------------------------------------------


def _source(parts: Parts, source: Source, shown: Shown, fetcher: Fetcher) -> Iterator[Check]:
    """Whether an image of the source can be read, and what its host says to other readers.

    One image may be gone, so a few are tried; a host that says nothing is not asked again.
    """
    try:
        headers = request_headers(source, os.environ)
    except ConfigError as error:
        yield failed("read", str(error))
        return
    dead: list[tuple[SourceImage, FetchError | StoreError]] = []
    silent = set[str]()
    for located in _examples(parts, source, shown):
        host = urlsplit(located.request.raw).netloc if located.bucket_key is None else ""
        if host in silent:
            continue
        found = _read(parts, located, headers, fetcher)
        if isinstance(found, Body):
            others = "".join(f"; not read: {one.address} ({error})" for one, error in dead)
            yield passed("read", f"{located.address}: {len(found.data):,} bytes{others}")
            if located.bucket_key is None:
                yield from _hot_link(located, found, headers, fetcher)
            return
        dead.append((located, found))
        if len(dead) == _TRIED:
            break
        if _is_silence(found):
            silent.add(host)
    if dead:
        yield _unread(dead, headers, fetcher)
    else:
        yield unknown("read", "no post shows an image of it", "correct `match`, or drop the source")


def _examples(parts: Parts, source: Source, shown: Shown) -> Iterator[SourceImage]:
    """Images of the source, each once: that a post shows, or that the manifest remembers."""
    assets = shown.manifest.assets.values() if isinstance(shown.manifest, Manifest) else ()
    addresses = (url for asset in assets for url in asset.sources)
    remembered = (parts.locator.locate(Url(address)) for address in addresses)
    asked = set[str]()
    for one in chain((wanted.located for wanted in shown.wanted), filter(None, remembered)):
        if one.source is source and one.address not in parts.config.ignored:
            if one.object_name not in asked:
                yield one
            asked.add(one.object_name)


def _read(
    parts: Parts, located: SourceImage, headers: Mapping[str, str], fetcher: Fetcher
) -> Body | FetchError | StoreError:
    if located.bucket_key is None:
        return _ask(fetcher, located, headers)
    try:
        bucket = open_bucket(located.source, parts.config.fetch.concurrency)
        bucket = impatient(bucket, fetcher.limits.timeout_s)
        return Body(bucket.get(Key(located.bucket_key)), Validators(), 1)
    except StoreError as error:
        return error


def _is_silence(error: FetchError | StoreError) -> bool:
    """Whether the next image would get the same answer, after as long a wait."""
    if isinstance(error, FetchError):
        return error.kind is Kind.TRANSIENT and error.status is None
    return isinstance(error, CredentialsError | NoBucketError | UnreachableError)


def _unread(
    dead: Sequence[tuple[SourceImage, FetchError | StoreError]],
    headers: Mapping[str, str],
    fetcher: Fetcher,
) -> Check:
    """Why no image can be read. That a host wants a Referer says more than that one is gone."""
    blocked = [one for one in dead if isinstance(one[1], FetchError) and one[1].kind in _HOTLINK]
    first = (blocked or dead)[0]
    located, error = first
    remedy = ""
    if blocked:
        home = _home(located)
        if isinstance(_ask(fetcher, located, {**_bare(headers), "Referer": home}), Body):
            remedy = f'set `headers = {{ Referer = "{home}" }}`'
    others = " and ".join(one[0].address for one in dead if one is not first)
    others = f"; {others} cannot be read either" if others else ""
    return failed("read", f"{located.address}: {error}{others}", remedy)


def _bare(headers: Mapping[str, str]) -> Mapping[str, str]:
    return {name: value for name, value in headers.items() if name.lower() != "referer"}


def _home(located: SourceImage) -> str:
    parts = urlsplit(located.address)
    return f"{parts.scheme}://{parts.netloc}/"


def _hot_link(
    located: SourceImage, ours: Body, headers: Mapping[str, str], fetcher: Fetcher
) -> Iterator[Check]:
    bare, home = _bare(headers), _home(located)
    if len(bare) == len(headers):
        other = _ask(fetcher, located, {**bare, "Referer": home})
        if isinstance(other, Body) and _differ(ours, other):
            yield failed(
                "hot links",
                "with a Referer of its own site the host sends another picture",
                f'look at both; `headers = {{ Referer = "{home}" }}` asks as its own site does',
            )
        else:
            yield passed("hot links", "the host asks for no Referer")
        return
    without = _ask(fetcher, located, bare)
    if isinstance(without, FetchError) or _differ(ours, without):
        yield passed("hot links", "the host wants a Referer, and the configured one does")
    else:
        yield passed("hot links", "the host asks for no Referer; the configured one is not needed")


def _ask(fetcher: Fetcher, located: SourceImage, headers: Mapping[str, str]) -> Body | FetchError:
    try:
        body = fetcher.fetch(located.request, headers)
    except FetchError as error:
        return error
    assert body is not None  # noqa: S101  (no validators were sent)
    return body


def _differ(one: Body, other: Body) -> bool:
    return sha256(one.data).digest() != sha256(other.data).digest()
