"""Comparison ahead of the choice: pictures that look alike are compared while others are fetched.

The choice asks for the same evidence later, whatever was found here: evidence depends on the two
pictures alone, not on time or order.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from contextlib import closing
from functools import cached_property
from queue import SimpleQueue
from threading import Event
from typing import TYPE_CHECKING

from mirror.engine import Background, Results
from mirror.model import Asset, Blob
from mirror.pipeline.dedupe import AssetPair
from mirror.pipeline.download import DownloadResult, FetchedImage
from mirror.repeats.evidence import Evidence, Pair, Refusal

if TYPE_CHECKING:
    from mirror.repeats.search import RecentPictures

# Pictures that a new one is looked for among: those that came last. Bounds the work for each.
_MOST_KEPT = 2048
_NEAREST = 8  # pairs of a new picture that are compared here; not measured


class Lookahead:
    """Compares pictures as they come, in a thread of its own; `evidence` is what was found."""

    def __init__(self, compare: Callable[[AssetPair], Evidence], known: Container[Pair]) -> None:
        """Take the job that compares, and the pairs whose evidence is known."""
        self.evidence: dict[Pair, Evidence] = {}
        self._compare = compare
        self._known = known
        self._came: SimpleQueue[Blob | None] = SimpleQueue()
        self._is_over = Event()

    def watch(self, results: Results[DownloadResult]) -> Results[DownloadResult]:
        """Give the results on, and compare their pictures until the last one has come."""
        thread = Background(self._work)
        try:
            with closing(results):
                for result in results:
                    if isinstance(result, FetchedImage):
                        self._came.put(result.blob)
                    yield result
        finally:
            self._is_over.set()
            self._came.put(None)
            thread.result()

    def _work(self) -> None:
        # Others may stand in the queue before what ends it.
        while not self._is_over.is_set() and (blob := self._came.get()) is not None:
            try:
                self._look_at(blob)
            except Exception:  # noqa: BLE001  (the choice compares again, and raises it)
                return

    @cached_property
    def _recent(self) -> RecentPictures:
        from mirror.repeats.search import RecentPictures  # numpy, which takes long to import

        return RecentPictures(_MOST_KEPT)

    def _look_at(self, blob: Blob) -> None:
        for candidate, mate in self._recent.add(blob)[:_NEAREST]:
            if self._is_over.is_set():
                return
            pair = candidate.pair
            if pair in self.evidence or pair in self._known:
                continue
            first, second = sorted((blob, mate), key=lambda blob: blob.digest)
            evidence = self._compare(AssetPair(candidate, Asset(first, ()), Asset(second, ())))
            if evidence.refusal is not Refusal.UNREADABLE:
                self.evidence[pair] = evidence
