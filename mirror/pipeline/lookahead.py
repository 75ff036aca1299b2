"""Comparison ahead of the choice: pictures that look alike are compared while others are fetched.

The choice asks for the same evidence later, whatever was found here: evidence depends on the two
pictures alone, not on time or order.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Container, Iterator
from contextlib import closing
from queue import Empty, SimpleQueue
from threading import Event

from mirror.engine import Background, Results
from mirror.model import Asset, Blob
from mirror.pipeline.dedupe import AssetPair
from mirror.pipeline.download import DownloadResult, Original
from mirror.repeats.evidence import Evidence, Pair, Refusal

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
        self._kept: deque[Blob] = deque(maxlen=_MOST_KEPT)
        self._is_over = Event()

    def watch(self, results: Results[DownloadResult]) -> Results[DownloadResult]:
        """Give the results on, and compare their pictures until the last one has come."""
        thread = Background(self._work)
        try:
            with closing(results):
                for result in results:
                    if isinstance(result, Original):
                        self._came.put(result.blob)
                    yield result
        finally:
            self._is_over.set()
            self._came.put(None)
            thread.result()

    def _work(self) -> None:
        # The end is looked at first: what says it in the queue may have been taken meanwhile.
        while not self._is_over.is_set() and (blob := self._came.get()) is not None:
            blobs = [blob, *self._waiting()]
            try:
                self._look_at(blobs)
            except Exception:  # noqa: BLE001  (the choice compares again, and raises it)
                return
            self._kept.extend(blobs)

    def _waiting(self) -> Iterator[Blob]:
        """Yield what came meanwhile."""
        while True:
            try:
                blob = self._came.get_nowait()
            except Empty:
                return
            if blob is None:
                return
            yield blob

    def _look_at(self, blobs: list[Blob]) -> None:
        from mirror.repeats.search import find_candidates  # numpy, which takes long to import

        by_digest = {blob.digest: blob for blob in (*self._kept, *blobs)}
        candidates = find_candidates(blobs, self._kept)
        nearest = sorted(candidates, key=lambda candidate: candidate.distance)
        for candidate in nearest[: _NEAREST * len(blobs)]:
            if self._is_over.is_set():
                return
            pair = candidate.pair
            if pair in self.evidence or pair in self._known:
                continue
            first, second = (Asset(by_digest[digest], ()) for digest in (pair.first, pair.second))
            evidence = self._compare(AssetPair(candidate, first, second))
            if evidence.refusal is not Refusal.UNREADABLE:
                self.evidence[pair] = evidence
