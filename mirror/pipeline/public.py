"""Mirrored images as a reader gets them: by their public URL, without credentials."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from hashlib import sha256
from itertools import chain, count, islice
from operator import attrgetter

from mirror.config import FetchSettings
from mirror.destinations import Destination, may_run_scripts
from mirror.engine import Engine
from mirror.fetch import Body, FetchError, Kind
from mirror.fetch.fetcher import Fetcher
from mirror.model import Asset, Finding, Layer, Rule
from mirror.pictures.sniff import SIGNATURE_TYPES, picture_format
from mirror.pipeline.origins import open_fetcher
from mirror.pipeline.progress import FindingLog, LayerCheck, Progress
from mirror.urls.address import Url
from mirror.urls.sources import Locator, Source

# Other names of one media type, which every browser shows alike.
_SAME_TYPE = {
    "image/vnd.microsoft.icon": "image/x-icon",
    "image/jpg": "image/jpeg",
    "image/x-ms-bmp": "image/bmp",
}
_CHECKS_FAILED = (Kind.CONTENT, Kind.TOO_LARGE)
_SILENCE = (Kind.TRANSIENT, Kind.PERMANENT)  # without a status: no connection, no certificate
_SILENT = 8  # URLs in a row; a host can also fail at one alone. Chosen, not measured


@dataclass(frozen=True, slots=True)
class PublicHost:
    """The host that serves a destination's objects to readers, and how it is asked.

    `referer` is the address of the user's own site, which the posts send along.
    """

    destination: Destination
    fetch: FetchSettings
    referer: str | None
    locator: Locator


def public_host(
    fetch: FetchSettings,
    sources: Iterable[Source],
    locator: Locator,
    destinations: Sequence[Destination],
) -> PublicHost | Finding:
    """Return the host behind the first destination's `public_url`, or why there is none to ask."""
    if not destinations:
        return Finding(Rule.PUBLIC_UNCHECKED, "public_url", "there is no [[destination]]")
    destination = destinations[0]
    base = destination.settings.public_url
    message = None
    if base is None:
        message = "has no `public_url`, so there is no address a reader would ask for"
    elif destination.has_relative_links:
        message = (
            "has relative links, which mean something only on the published site: "
            "`mirror verify --site DIR` follows them in the built one"
        )
    elif not re.match(r"https?://", base):
        message = (
            f"its public_url {base!r} is relative: it means something only on the published site. "
            "Give the whole address to have it checked, such as https://example.com/images"
        )
    if message is not None:
        return Finding(Rule.PUBLIC_UNCHECKED, destination.name, message)
    return PublicHost(destination, fetch, _referer(sources), locator)


def _referer(sources: Iterable[Source]) -> str | None:
    """Return the Referer that a source is asked with, which is the address of the user's site."""
    headers = (header for source in sources for header in source.headers)
    return next((value for name, value in headers if name.lower() == "referer"), None)


def check_public(
    host: PublicHost | Finding,
    engine: Engine,
    assets: Iterator[Asset],
    total: int | None,
    progress: Progress,
) -> LayerCheck:
    """Ask for the objects of `assets`, all of which have a key, as a reader would.

    `host` is what `public_host` returned. Each object is asked for as the posts do, with the
    Referer; the first also without, because rules against hot-linking hold for a host as a whole.
    Findings come in the order of `assets`, whoever answers first. Once nobody answered `_SILENT`
    times in a row, nothing more is asked, and one finding says so. `total` is how many there are,
    if that is known.
    """
    findings = FindingLog(progress.finding)
    if isinstance(host, Finding):
        findings.append(host)
        return LayerCheck(Layer("public", (), findings))
    progress.stage(f"ask {host.destination.name}", total, "URLs")
    with open_fetcher(host.fetch, host.destination.settings.public_url) as fetcher:
        ask = PublicJob(host.destination, host.locator, fetcher, host.referer)
        first = list(islice(assets, 1))
        if host.referer:
            findings.extend(finding for asset in first for finding in ask.without_referer(asset))
        numbers = count()
        numbered = zip(chain(first, assets), numbers, strict=False)
        log = PublicLog(findings)
        with closing(engine.map(ask, numbered, host.fetch.concurrency)) as checks:
            for check in checks:
                progress.advance(failed=bool(check.findings))
                log.add(check)
                if len(log.silent) == _SILENT:
                    break
        deque(numbered, maxlen=0)  # to count them
        log.end(host.destination.name, next(numbers))
    return LayerCheck(Layer("public", log.urls, findings), {"asked": log.count})


@dataclass(frozen=True, slots=True)
class PublicCheck:
    """The findings about the `number`-th object; with `silence` nobody answered."""

    number: int
    url: str
    findings: list[Finding]
    silence: FetchError | None = None


class PublicLog:
    """The checks, put into the order of their objects.

    `silent` are the last ones if nobody answered them. A check that waits for its turn holds some
    words and no bytes.
    """

    def __init__(self, findings: FindingLog) -> None:
        self.urls: list[str] = []  # that were asked, but for those that end the run
        self.count = 0
        self.silent: list[PublicCheck] = []
        self._findings = findings
        self._waiting: dict[int, PublicCheck] = {}
        self._next = 0

    def add(self, check: PublicCheck) -> None:
        self.count += 1
        self._waiting[check.number] = check
        self.silent = [*self.silent, check] if check.silence else []
        while not self.silent and self._next in self._waiting:
            self._report(self._waiting.pop(self._next))
            self._next += 1

    def end(self, name: str, total: int) -> None:
        """Report the checks that wait. One finding stands for all that a silence ended."""
        silence = self.silent if len(self.silent) == _SILENT else []
        for number in sorted(self._waiting.keys() - {check.number for check in silence}):
            self._report(self._waiting[number])
        if silence:
            message = (
                f"could not be asked further: {self.count:,} of {total:,} URLs asked, the last "
                f"{_SILENT} in vain; {min(silence, key=attrgetter('number')).silence}"
            )
            self._findings.append(Finding(Rule.PUBLIC_UNCHECKED, name, message))

    def _report(self, check: PublicCheck) -> None:
        self.urls.append(check.url)
        self._findings.extend(check.findings)


@dataclass(frozen=True, slots=True)
class PublicJob:
    """Take an asset and its number, ask for its URL, and return what a reader would miss."""

    destination: Destination
    locator: Locator
    fetcher: Fetcher
    referer: str | None

    def __call__(self, numbered: tuple[Asset, int]) -> PublicCheck:
        asset, number = numbered
        url = self.url(asset)
        try:
            body = self._get(url, self.referer)
        except FetchError as error:
            silence = error if error.kind in _SILENCE and error.status is None else None
            return PublicCheck(number, url, [self._failed(url, error)], silence)
        return PublicCheck(number, url, list(self._differences(asset, url, body)))

    def without_referer(self, asset: Asset) -> Iterator[Finding]:
        """Yield a finding if the host refuses those who send no Referer, as feed readers do."""
        url = self.url(asset)
        try:
            self._get(url, self.referer)
        except FetchError:  # it is asked for again, and then reported
            return
        try:
            self._get(url, None)
        except FetchError as error:
            if error.is_denied:
                yield Finding(
                    Rule.PUBLIC_REFERER,
                    url,
                    f"is served to readers who come from {self.referer} and refused to those who "
                    f"send no Referer (HTTP {error.status}): feed readers and private browsers "
                    "show no image. Allow an empty Referer in the host's rules",
                )

    def url(self, asset: Asset) -> str:
        url = self.destination.public_url(asset.key) if asset.key is not None else None
        assert url is not None  # noqa: S101  (only objects with an address are asked for)
        return url

    def _get(self, url: str, referer: str | None) -> Body:
        headers: Mapping[str, str] = {"Referer": referer} if referer else {}
        body = self.fetcher.fetch(Url(url), headers)
        assert body is not None  # noqa: S101  (no validators were sent)
        return body

    def _failed(self, url: str, error: FetchError) -> Finding:
        if error.kind in _CHECKS_FAILED:
            return Finding(Rule.PUBLIC_DIFFERENT, url, str(error))
        if error.is_denied:
            message = f"{self._refused(url)} (HTTP {error.status}); let everybody read the objects"
            return Finding(Rule.PUBLIC_MISSING, url, message)
        if error.status in (404, 410):
            message = (
                f"readers get HTTP {error.status}; if the object is in the destination, correct "
                "`public_url` or what serves it, else `mirror sync` or `mirror repair` stores it"
            )
            return Finding(Rule.PUBLIC_MISSING, url, message)
        return Finding(Rule.PUBLIC_UNCHECKED, url, str(error))

    def _refused(self, url: str) -> str:
        """Return who is refused: readers of the site, or everybody."""
        if self.referer is None:
            return "is refused to readers"
        try:
            self._get(url, None)
        except FetchError:
            return "is refused to readers, whether they come from the site or not"
        return f"is refused to readers who come from {self.referer}, and served to others"

    def _differences(self, asset: Asset, url: str, body: Body) -> Iterator[Finding]:
        expected = asset.blob.media_type
        actual = _SAME_TYPE.get(body.media_type, body.media_type)
        other = _other_picture_type(asset, body.data)
        if actual not in (expected, other):
            message = (
                f"expected Content-Type {expected}, found {actual or 'none'}: a browser may save "
                "it instead of showing it. Store the object with its type, or correct the host's "
                "rules"
            )
            yield Finding(Rule.PUBLIC_DIFFERENT, url, message)
        if body.is_attachment and not may_run_scripts(asset, self.locator):
            message = (
                "is sent with Content-Disposition: attachment, so a browser that opens it saves "
                "it. The default domains of some providers do that; use a domain of your own"
            )
            yield Finding(Rule.PUBLIC_ATTACHMENT, url, message)
        if other is not None:
            message = (
                f"another picture file than the manifest's ({other}, {len(body.data)} bytes; "
                f"expected {expected}, {asset.blob.size} bytes); an image service in between "
                "changes pictures, switch that off for these addresses"
            )
            yield Finding(Rule.PUBLIC_DIFFERENT, url, message)
            return
        digest = sha256(body.data).hexdigest()
        if digest != asset.digest.hex:
            mismatch = (
                f"{asset.blob.size} bytes, found {len(body.data)}"
                if len(body.data) != asset.blob.size
                else f"SHA-256 {asset.digest}, found {digest}"
            )
            message = (
                f"expected {mismatch}; does an image service or an old cache stand in between?"
            )
            yield Finding(Rule.PUBLIC_DIFFERENT, url, message)


def _other_picture_type(asset: Asset, data: bytes) -> str | None:
    """Return the media type of `data` if it is a picture of another type than the asset's."""
    media_type = SIGNATURE_TYPES.get(picture_format(data) or "")
    return media_type if media_type != asset.blob.media_type else None
