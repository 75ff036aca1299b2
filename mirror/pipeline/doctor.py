"""Whether everything that a run depends on works: configuration, destinations, readers, sources."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from urllib.parse import urlsplit

from mirror.amounts import count_text
from mirror.archive import ArchiveError
from mirror.config import ConfigError, request_headers
from mirror.fetch import Body, Fetcher, FetchError, Kind
from mirror.manifest import ManifestError
from mirror.model import Key, Url
from mirror.pipeline.origins import open_fetcher
from mirror.pipeline.scan import Scanned, scan
from mirror.pipeline.site import Site, Target
from mirror.sources import Located, Source
from mirror.store import DirectoryStore, StoreError
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

_HOTLINK = (Kind.BLOCKED, Kind.AUTHENTICATION)


@dataclass(frozen=True, slots=True)
class Patient:
    """What a check is about: the site, a destination or a source."""

    kind: str
    name: str
    place: str = ""


def doctor(site: Site, now: Callable[[], float] = time.time) -> Iterator[tuple[Patient, Check]]:
    """Check everything, each result as it is found. Objects made on the way are removed again."""
    scanned = scan(*site.posts())
    here = Patient("site", str(site.config.root))
    yield from ((here, check) for check in _site(site, scanned))
    patience_s = min(site.config.fetch.timeout_s, PATIENCE_S)
    fetch = replace(site.config.fetch, retries=0, timeout_s=patience_s)
    named = [source.fetch for source in site.config.sources if source.fetch]
    named += [target.settings.public_url or "" for target in site.targets]
    with open_fetcher(fetch, named) as fetcher:
        for target in site.targets:
            patient = Patient("destination", target.name, target.settings.url)
            published = partial(_published, site, target, fetcher)
            found = examine(target.store, published, now, patience_s)
            yield from ((patient, check) for check in found)
        for source in site.config.sources:
            patient = Patient("source", source.name, ", ".join(source.match))
            yield from ((patient, check) for check in _source(site, source, scanned, fetcher))


# --- The site ---------------------------------------------------------------------------------


def _site(site: Site, scanned: Scanned) -> Iterator[Check]:
    ours = len(scanned.wanted(site.locator))
    images, sources = count_text(ours, "image"), count_text(len(site.config.sources), "source")
    text = f"{count_text(len(scanned.posts), 'post')} with {images} of {sources}"
    if not scanned.posts:
        yield failed("posts", "there is none", "correct [posts] `paths` and `include`")
    elif not ours:
        yield failed("posts", text, "`mirror scan --hosts` lists what [[source]] could match")
    else:
        yield passed("posts", text)
    if not site.targets:
        yield failed("destinations", "there is none", "add a [[destination]]")
    try:
        manifest, _ = site.load_manifest()
        yield passed("manifest", count_text(len(manifest.assets), "image"))
    except ManifestError as error:
        yield failed("manifest", str(error))
    try:
        yield passed("archive", count_text(sum(1 for _ in site.archive.digests()), "original"))
    except ArchiveError as error:
        yield failed("archive", str(error))
    for name, path in (("archive", site.config.archive), ("manifest", site.config.manifest)):
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


def _published(site: Site, target: Target, fetcher: Fetcher, key: Key) -> Iterator[Check]:
    """The probe's picture, as a reader gets it."""
    name, url = "public URL", target.public_url(key)
    if url is None:
        if target is site.targets[0]:
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


def _source(site: Site, source: Source, scanned: Scanned, fetcher: Fetcher) -> Iterator[Check]:
    """Whether an image of the source can be read, and what its host says to other readers."""
    located = _example(site, source, scanned)
    if located is None:
        yield unknown("read", "no post shows an image of it", "correct `match`, or drop the source")
        return
    try:
        if located.bucket_key is not None:
            bucket = impatient(site.source_store(source), fetcher.limits.timeout_s)
            bucket.get(Key(located.bucket_key))
            yield passed("read", f"{located.address} is in the bucket")
            return
        headers = request_headers(source, os.environ)
    except (StoreError, ConfigError) as error:
        yield failed("read", str(error))
        return
    yield from _hot_link(located, headers, fetcher)


def _example(site: Site, source: Source, scanned: Scanned) -> Located | None:
    """An image of the source that a post shows, or that the manifest remembers."""
    ignored = site.config.ignored
    for wanted in scanned.wanted(site.locator):
        if wanted.located.source is source and wanted.located.address not in ignored:
            return wanted.located
    try:
        manifest, _ = site.load_manifest()
    except ManifestError:
        return None
    addresses = (url for asset in manifest.assets.values() for url in asset.sources)
    found = (site.locator.locate(Url(address)) for address in addresses)
    return next((one for one in found if one is not None and one.source is source), None)


def _hot_link(located: Located, headers: Mapping[str, str], fetcher: Fetcher) -> Iterator[Check]:
    bare = {name: value for name, value in headers.items() if name.lower() != "referer"}
    parts = urlsplit(located.address)
    home = f"{parts.scheme}://{parts.netloc}/"
    ours = _ask(fetcher, located, headers)
    if isinstance(ours, FetchError):
        helped = None
        if ours.kind in _HOTLINK:
            helped = _ask(fetcher, located, {**bare, "Referer": home})
        remedy = f'set `headers = {{ Referer = "{home}" }}`' if isinstance(helped, Body) else ""
        yield failed("read", str(ours), remedy)
        return
    yield passed("read", f"{located.address}: {len(ours.data):,} bytes")
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


def _ask(fetcher: Fetcher, located: Located, headers: Mapping[str, str]) -> Body | FetchError:
    try:
        body = fetcher.fetch(located.request, headers)
    except FetchError as error:
        return error
    assert body is not None  # noqa: S101  (no validators were sent)
    return body


def _differ(one: Body, other: Body) -> bool:
    return sha256(one.data).digest() != sha256(other.data).digest()
