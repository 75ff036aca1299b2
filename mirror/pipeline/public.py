"""Mirrored images as a reader gets them: by their public URL, without credentials."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from hashlib import sha256
from itertools import chain, count, islice
from operator import attrgetter

from mirror.destinations import Destination, may_run_scripts
from mirror.engine import Engine
from mirror.fetch import Body, Fetcher, FetchError, Kind
from mirror.model import Asset, Finding, Layer, Rule
from mirror.pipeline.origins import open_fetcher
from mirror.pipeline.parts import Parts
from mirror.pipeline.progress import FindingLog, Progress
from mirror.urls.address import Url

# Other names of one media type, which every browser shows alike.
_SAME_TYPE = {
    "image/vnd.microsoft.icon": "image/x-icon",
    "image/jpg": "image/jpeg",
    "image/x-ms-bmp": "image/bmp",
}
_REFUSED = (Kind.BLOCKED, Kind.AUTHENTICATION)
_CHECKS_FAILED = (Kind.CONTENT, Kind.TOO_LARGE)
_SILENCE = (Kind.TRANSIENT, Kind.PERMANENT)  # without a status: no connection, no certificate
_SILENT = 8  # URLs in a row; a host can also fail at one alone


def verify_public(
    parts: Parts, engine: Engine, assets: Iterable[Asset], total: int | None, progress: Progress
) -> tuple[Layer, int]:
    """Ask for the objects among `assets` at the first destination's `public_url`; how many.

    Each is asked for as its posts do, with the site's Referer if the configuration names one; the
    first also without, because rules against hot-linking hold for a host as a whole. Findings come
    in the order of `assets`, whoever answers first. Once nobody answered `_SILENT` times in a row,
    nothing more is asked, and that is said once. `total` is how many there may be.
    """
    findings = FindingLog(progress.finding)
    if not parts.destinations:
        findings.append(Finding(Rule.PUBLIC_UNCHECKED, "public_url", "there is no [[destination]]"))
        return Layer("public", (), findings), 0
    target = parts.destinations[0]
    if (trouble := _unaskable(target)) is not None:
        findings.append(Finding(Rule.PUBLIC_UNCHECKED, target.name, trouble))
        return Layer("public", (), findings), 0
    objects = (asset for asset in assets if asset.key is not None)
    progress.stage(f"ask {target.name}", total, "URLs")
    with open_fetcher(parts.config.fetch, [target.settings.public_url or ""]) as fetcher:
        ask = AskJob(parts, target, fetcher, _referer(parts))
        first = list(islice(objects, 1))
        if ask.referer:
            findings.extend(finding for asset in first for finding in ask.without_referer(asset))
        numbers = count()
        numbered = zip(chain(first, objects), numbers, strict=False)
        answers = Answers(findings)
        with closing(engine.map(ask, numbered, parts.config.fetch.concurrency)) as asked:
            for answer in asked:
                progress.advance(failed=bool(answer.findings))
                answers.add(answer)
                if len(answers.silent) == _SILENT:
                    break
        deque(numbered, maxlen=0)  # to count them
        answers.end(target.name, next(numbers))
    return Layer("public", answers.urls, findings), answers.count


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of asking for the `number`-th object; with `silence` nobody answered."""

    number: int
    url: str
    findings: list[Finding]
    silence: FetchError | None = None


class Answers:
    """Puts answers into the order of their objects; `silent` are the last ones, if nobody answered.

    Of what is not yet said an answer holds some words and no bytes.
    """

    def __init__(self, findings: FindingLog) -> None:
        self.urls: list[str] = []  # that were asked, without those that a silence is said of
        self.count = 0
        self.silent: list[Answer] = []
        self._findings = findings
        self._waiting: dict[int, Answer] = {}
        self._next = 0

    def add(self, answer: Answer) -> None:
        self.count += 1
        self._waiting[answer.number] = answer
        self.silent = [*self.silent, answer] if answer.silence else []
        while not self.silent and self._next in self._waiting:
            self._say(self._waiting.pop(self._next))
            self._next += 1

    def end(self, name: str, total: int) -> None:
        """No more will come. Where a silence ended it, one finding stands for all of it."""
        silence = self.silent if len(self.silent) == _SILENT else []
        for number in sorted(self._waiting.keys() - {answer.number for answer in silence}):
            self._say(self._waiting[number])
        if silence:
            message = (
                f"could not be asked further: {self.count:,} of {total:,} URLs asked, the last "
                f"{_SILENT} in vain; {min(silence, key=attrgetter('number')).silence}"
            )
            self._findings.append(Finding(Rule.PUBLIC_UNCHECKED, name, message))

    def _say(self, answer: Answer) -> None:
        self.urls.append(answer.url)
        self._findings.extend(answer.findings)


def _unaskable(target: Destination) -> str | None:
    """Why nobody can be asked; `None` when somebody can."""
    base = target.settings.public_url
    if base is None:
        return "has no `public_url`, so there is no address a reader would ask for"
    if not re.match(r"https?://", base):
        return (
            f"its public_url {base!r} is relative: it means something only on the published site. "
            "Give the whole address to have it checked, such as https://example.com/images"
        )
    return None


def _referer(parts: Parts) -> str | None:
    """The address of the user's own site, as far as a source is asked with it."""
    headers = (header for source in parts.config.sources for header in source.headers)
    return next((value for name, value in headers if name.lower() == "referer"), None)


@dataclass(frozen=True, slots=True)
class AskJob:
    """An asset and its number in, its URL and what a reader would have to complain about out."""

    parts: Parts
    target: Destination
    fetcher: Fetcher
    referer: str | None

    def __call__(self, numbered: tuple[Asset, int]) -> Answer:
        asset, number = numbered
        url = self.url(asset)
        try:
            body = self._get(url, self.referer)
        except FetchError as error:
            silence = error if error.kind in _SILENCE and error.status is None else None
            return Answer(number, url, [self._failed(url, error)], silence)
        return Answer(number, url, list(self._differences(asset, url, body)))

    def without_referer(self, asset: Asset) -> Iterator[Finding]:
        """Whether the host wants a Referer that feed readers and private browsers do not send."""
        url = self.url(asset)
        try:
            self._get(url, self.referer)
        except FetchError:  # it is asked for again, and then said
            return
        try:
            self._get(url, None)
        except FetchError as error:
            if error.kind in _REFUSED:
                yield Finding(
                    Rule.PUBLIC_REFERER,
                    url,
                    f"is served to readers who come from {self.referer} and refused to those who "
                    f"send no Referer (HTTP {error.status}): feed readers and private browsers "
                    "show no image. Allow an empty Referer in the host's rules",
                )

    def url(self, asset: Asset) -> str:
        url = self.target.public_url(asset.key) if asset.key is not None else None
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
        if error.kind in _REFUSED:
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
        """Whom the host refuses."""
        if self.referer is None:
            return "is refused to readers"
        try:
            self._get(url, None)
        except FetchError:
            return "is refused to readers, whether they come from the site or not"
        return f"is refused to readers who come from {self.referer}, and served to others"

    def _differences(self, asset: Asset, url: str, body: Body) -> Iterator[Finding]:
        expected, found = asset.blob.media_type, _media_type(body.headers)
        if found != expected:
            message = (
                f"expected Content-Type {expected}, found {found or 'none'}: a browser may save it "
                "instead of showing it. Store the object with its type, or correct the host's rules"
            )
            yield Finding(Rule.PUBLIC_DIFFERENT, url, message)
        if _is_attachment(body.headers) and not self._is_meant_to_download(asset):
            message = (
                "is sent with Content-Disposition: attachment, so a browser that opens it saves "
                "it. The default domains of some providers do that; use a domain of your own"
            )
            yield Finding(Rule.PUBLIC_ATTACHMENT, url, message)
        digest = sha256(body.data).hexdigest()
        if digest != asset.digest.hex:
            what = (
                f"{asset.blob.size} bytes, found {len(body.data)}"
                if len(body.data) != asset.blob.size
                else f"SHA-256 {asset.digest}, found {digest}"
            )
            message = f"expected {what}; does an image service or an old cache stand in between?"
            yield Finding(Rule.PUBLIC_DIFFERENT, url, message)

    def _is_meant_to_download(self, asset: Asset) -> bool:
        """An SVG is stored so, unless its source is trusted: it may hold scripts."""
        return may_run_scripts(asset, self.parts.locator)


def _media_type(headers: Mapping[str, str]) -> str:
    name = headers.get("content-type", "").partition(";")[0].strip().lower()
    return _SAME_TYPE.get(name, name)


def _is_attachment(headers: Mapping[str, str]) -> bool:
    disposition = headers.get("content-disposition", "")
    return disposition.partition(";")[0].strip().lower() == "attachment"
