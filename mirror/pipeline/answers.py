"""Answers: outcomes of requests, as facts that another process or another machine can use.

The bytes of a picture are in the archive. From a request and its answer follows the
result that a download of the image would have given here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Semaphore
from typing import Any
from weakref import finalize

from mirror.config import Config
from mirror.fetch import Validators
from mirror.manifest import dump_blob, is_address, load_blob
from mirror.model import Advice, Blob, Rule
from mirror.pipeline.budget import ByteBudget
from mirror.pipeline.download import (
    DECODE_WORKERS,
    DamagedImage,
    DownloadResult,
    FetchedImage,
    FetchJob,
    InspectJob,
    NotModified,
)
from mirror.pipeline.parts import open_archive
from mirror.pipeline.plan import ImageRequest
from mirror.quotes import quoted
from mirror.repeats.cache import Sketches
from mirror.repeats.reviews import Reviews
from mirror.state import State
from mirror.urls.address import Address

_FAILURES = {
    rule.id: rule
    for rule in (
        Rule.ADDRESS_REFUSED,
        Rule.NOT_AN_IMAGE,
        Rule.NOT_FETCHED,
        Rule.ORIGINAL_UNREADABLE,
        Rule.TOO_LARGE,
    )
}
_ADVICE = {advice.value: advice for advice in Advice}
_MEMBERS = frozenset("addresses blob etag last_modified final_url rule message advice".split())


@dataclass(frozen=True, slots=True)
class Answer:
    """The outcome of the request for `addresses`.

    A picture has a `blob`. A failure has a `rule`, a `message` and maybe `advice`; a damaged
    picture has both. Neither means that the object is the one that the validators of the request
    name.
    """

    addresses: tuple[Address, ...]
    blob: Blob | None = None
    validators: Validators = field(default_factory=Validators)
    final_url: str | None = None
    rule: Rule | None = None
    message: str = ""
    advice: Advice | None = None

    @classmethod
    def of(cls, request: ImageRequest, result: DownloadResult) -> Answer:
        """Return the answer that a download gave for a request."""
        addresses = request.addresses
        if isinstance(result, FetchedImage):
            return cls(addresses, result.blob, result.validators, result.final_url)
        if isinstance(result, NotModified):
            return cls(addresses)
        if isinstance(result, DamagedImage):
            answer = cls.of(request, result.finding)
            return replace(answer, blob=result.blob)
        return cls(addresses, rule=result.rule, message=result.message, advice=result.advice)

    @property
    def archived_blob(self) -> Blob | None:
        """The blob of a picture whose bytes are in the archive."""
        return self.blob if self.rule is None else None

    def fits(self, request: ImageRequest) -> bool:
        """Return True if this can be the answer for `request`.

        A picture that the machine of the answer had is unchanged there, and may be unknown here.
        """
        if self.rule is None:
            return self.blob is not None or request.is_known
        return (self.rule is Rule.ORIGINAL_UNREADABLE) == request.is_original

    def result(self, request: ImageRequest) -> DownloadResult:
        """Return what the download of `request` would have given."""
        if self.rule is not None:
            place, subject = request.image.places[0], str(request.addresses[0])
            finding = place.finding(self.rule, subject, self.message, self.advice)
            return finding if self.blob is None else DamagedImage(request, self.blob, finding)
        if self.blob is None:
            return NotModified(request)
        return FetchedImage(request, self.blob, self.validators, self.final_url)


def dumps_answer(answer: Answer) -> str:
    """Return one line of JSON without its end; equal answers are equal text."""
    members = {
        "addresses": list(answer.addresses),
        "blob": dump_blob(answer.blob) if answer.blob is not None else None,
        "etag": answer.validators.etag,
        "last_modified": answer.validators.last_modified,
        "final_url": answer.final_url,
        "rule": answer.rule.id if answer.rule is not None else None,
        "message": answer.message or None,
        "advice": answer.advice.value if answer.advice is not None else None,
    }
    return json.dumps({name: value for name, value in members.items() if value is not None})


def loads_answer(text: str) -> Answer:
    """Return the answer of a line; raise `ValueError` for one that `dumps_answer` never wrote."""
    try:
        raw = json.loads(text)
    except RecursionError as error:
        raise ValueError("expected an answer, got brackets in brackets") from error
    if not isinstance(raw, dict) or not raw.keys() <= _MEMBERS:
        raise ValueError(f"expected an answer, got {quoted(text)}")
    addresses = raw.get("addresses")
    if not isinstance(addresses, list) or not addresses or not all(map(is_address, addresses)):
        raise ValueError("addresses: expected canonical URLs")
    rule = _text(raw, "rule")
    if rule is not None and rule not in _FAILURES:
        raise ValueError(f"rule: expected one of {', '.join(_FAILURES)}, got {quoted(rule)}")
    advice = _text(raw, "advice")
    if advice is not None and advice not in _ADVICE:
        raise ValueError(f"advice: expected one of {', '.join(_ADVICE)}, got {quoted(advice)}")
    blob = raw.get("blob")
    if blob is not None and not isinstance(blob, dict):
        raise ValueError("blob: expected the facts about a picture")
    return Answer(
        tuple(map(Address, addresses)),
        load_blob(blob) if blob is not None else None,
        Validators(_text(raw, "etag"), _text(raw, "last_modified")),
        _text(raw, "final_url"),
        _FAILURES[rule] if rule is not None else None,
        _text(raw, "message") or "",
        _ADVICE[advice] if advice is not None else None,
    )


def _text(raw: Mapping[str, Any], name: str) -> str | None:
    value = raw.get(name)
    if value is not None and not isinstance(value, str):
        raise ValueError(f"{name}: expected a text, got {quoted(value)}")
    return value


class AnswerJob:
    """Take a numbered request, fetch and inspect its image, and return the number with the answer.

    It is pickled as its settings: another process opens the parts of the site itself, with the
    credentials of its own environment.
    """

    def __init__(self, config: Config, reviews: Reviews, sketches: Sketches | None) -> None:
        """Keep `sketches` of the pictures, if there are any to keep them in.

        Raise `ConfigError` for a header whose environment variable is not set.
        """
        from mirror.pipeline.origins import open_origins

        self._settings = config, reviews, sketches
        self._open = ExitStack()
        state = config.state
        if not state.is_dir():  # a worker without the folder of the site
            state = Path(self._open.enter_context(TemporaryDirectory(prefix="mirror-worker-")))
        archive, held = open_archive(config.archive, state), State.below(state).held
        origins = self._open.enter_context(open_origins(config.sources, config.fetch))
        self._fetch = FetchJob(origins)
        watch = sketches.watch if sketches is not None else None
        max_pixels = config.fetch.max_pixels
        self._inspect = InspectJob(archive, None, held, reviews, max_pixels, watch)
        # A fetch waits for its host, and may have many beside it; a decoder takes a core.
        self._decoders = Semaphore(DECODE_WORKERS)
        # A worker never closes its jobs, and ends with what they need to close in an order of
        # its own.
        self._end = finalize(self, _end, self._fetch.budget, self._open)

    def __reduce__(
        self,
    ) -> tuple[Callable[..., AnswerJob], tuple[Config, Reviews, Sketches | None]]:
        return AnswerJob, self._settings

    def __call__(self, numbered: tuple[int, ImageRequest]) -> tuple[int, Answer]:
        number, request = numbered
        received = self._fetch(request)
        with self._decoders:
            return number, Answer.of(request, self._inspect(received))

    def has_bytes(self, damaged: Blob) -> bool:
        """Return True if the bytes of a damaged picture wait here for a person."""
        return self._inspect.held.get_bytes(damaged.digest) is not None

    def close(self) -> None:
        """Close every connection, and let fetches that wait for room end."""
        self._end()


def _end(budget: ByteBudget, connections: ExitStack) -> None:
    budget.close()
    connections.close()
