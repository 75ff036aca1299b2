"""Pictures that look alike are compared while others come; the choice finds the evidence."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from threading import Event

import pytest
from support.slides import deck, encode

from mirror.archive import Archive
from mirror.engine import Results
from mirror.fetch import Validators
from mirror.model import Finding, Place, Rule
from mirror.pictures.blob import inspect
from mirror.pipeline.dedupe import AssetPair, CompareJob
from mirror.pipeline.download import DownloadResult, FetchedImage
from mirror.pipeline.lookahead import Lookahead
from mirror.pipeline.plan import ImageRequest
from mirror.pipeline.post_images import PostImage
from mirror.repeats.evidence import Evidence, Pair, Refusal
from mirror.store import DirectoryStore
from mirror.urls.address import Url
from mirror.urls.sources import Locator, Source

LOCATED = Locator([Source("oss", ("https://h.example/",))]).locate(Url("https://h.example/a.png"))
assert LOCATED is not None
REQUEST = ImageRequest(
    LOCATED,
    (LOCATED.address,),
    PostImage(LOCATED, (Place("post.md", 1, 1),)),
    is_original=False,
    validators=None,
    is_known=False,
)
SLIDES = [encode(slide.draw()) for slide in deck(3, seed=4)]
COPIES = [encode(slide.draw(), "JPEG", quality=88) for slide in deck(3, seed=4)[:2]]
FAILURE = Finding(Rule.NOT_FETCHED, "https://h.example/b.png", "is gone")


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(DirectoryStore("archive", tmp_path))


def came(archive: Archive, pictures: Iterable[bytes]) -> Iterator[FetchedImage]:
    for data in pictures:
        blob = inspect(data)
        archive.put(blob, data)
        yield FetchedImage(REQUEST, blob, Validators(), final_url=None)


def pair(first: bytes, second: bytes) -> Pair:
    return Pair.of(inspect(first).digest, inspect(second).digest)


class Counting:
    """A comparison that lets who waits for it know when so many pairs were compared."""

    def __init__(self, compare: Callable[[AssetPair], Evidence], count: int) -> None:
        self.compare = compare
        self.left = count
        self.done = Event()

    def __call__(self, assets: AssetPair) -> Evidence:
        try:
            return self.compare(assets)
        finally:
            self.left -= 1
            if not self.left:
                self.done.set()

    def then_end(self, results: Iterable[DownloadResult]) -> Results[DownloadResult]:
        yield from results
        assert self.done.wait(60)
        yield FAILURE


def test_copies_are_compared_before_the_last_picture_has_come(archive: Archive) -> None:
    compare = Counting(CompareJob(archive, (), 10**8), 2)
    lookahead = Lookahead(compare, ())
    results = list(came(archive, [*SLIDES, *COPIES]))
    assert list(lookahead.watch(compare.then_end(results))) == [*results, FAILURE]
    assert lookahead.evidence.keys() == {pair(*both) for both in zip(SLIDES, COPIES, strict=False)}
    assert all(evidence.tier is not None for evidence in lookahead.evidence.values())


def test_what_is_known_is_not_compared_again(archive: Archive) -> None:
    known = pair(SLIDES[0], COPIES[0])
    compare = Counting(CompareJob(archive, (), 10**8), 1)
    lookahead = Lookahead(compare, {known})
    list(lookahead.watch(compare.then_end(came(archive, [*SLIDES, *COPIES]))))
    assert known not in lookahead.evidence


@pytest.mark.parametrize("error", [OSError("the disk is gone"), None])
def test_a_failure_is_left_to_the_choice(archive: Archive, error: Exception | None) -> None:
    def fail(assets: AssetPair) -> Evidence:
        if error is not None:
            raise error
        return Evidence(assets.candidate.pair, 0, refusal=Refusal.UNREADABLE)

    compare = Counting(fail, 1)
    lookahead = Lookahead(compare, ())
    results = list(came(archive, [SLIDES[0], COPIES[0]]))
    assert list(lookahead.watch(compare.then_end(results))) == [*results, FAILURE]
    assert lookahead.evidence == {}


def test_who_stops_listening_ends_it(archive: Archive) -> None:
    lookahead = Lookahead(CompareJob(archive, (), 10**8), ())
    closed = []

    def results() -> Results[DownloadResult]:
        try:
            yield from came(archive, SLIDES)
        finally:
            closed.append(True)

    watched = lookahead.watch(results())
    next(watched)
    watched.close()
    assert closed == [True]
