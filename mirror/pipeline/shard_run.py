"""The run of one shard: its part of the requests, answered and written down for a later sync."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial

from mirror.archive import Archive
from mirror.config import Config
from mirror.engine import Engine, Results
from mirror.pipeline.answers import Answer
from mirror.pipeline.collect import CollectedShards
from mirror.pipeline.download import DownloadResult, ReceivedImages, count_downloads
from mirror.pipeline.plan import ImageRequest
from mirror.pipeline.shards import Shard, ShardFile
from mirror.pipeline.workers import answer_requests
from mirror.repeats.reviews import Reviews

AnswerRequests = Callable[[Sequence[ImageRequest]], Iterator[tuple[ImageRequest, Answer]]]
ReceiveResults = Callable[[Results[DownloadResult], Sequence[ImageRequest]], ReceivedImages]


def shard_answers(
    shard: Shard, engine: Engine, config: Config, archive: Archive, reviews: Reviews
) -> AnswerRequests:
    """Return what answers the requests of a shard.

    All shards at once ask a host no more often than `config` allows.
    """
    fetch = replace(config.fetch, concurrency=shard.share(config.fetch.concurrency))
    return partial(answer_requests, engine, replace(config, fetch=fetch), archive, reviews)


def run_shard(
    file: ShardFile,
    requests: Sequence[ImageRequest],
    earlier: CollectedShards,
    answer: AnswerRequests,
    receive_results: ReceiveResults,
) -> dict[str, int]:
    """Let `answer` fetch, inspect and archive the images of a shard. Return the counts.

    The answers go to `file`, and `receive_results` reports each. What an `earlier` run of the shard
    archived is not asked for again. The archive is not sealed: the sync that takes the shards does
    that. Raise what `sync` raises.
    """
    answered = [(request, earlier.answers.find(request)) for request in requests]
    unanswered = [request for request, answer_before in answered if answer_before is None]
    answers = list(earlier.listed)

    def results() -> Results[DownloadResult]:
        for request, answer_before in answered:
            if answer_before is not None:
                yield answer_before.result(request)
        for request, new in answer(unanswered):
            file.note(new)
            answers.append(new)
            yield new.result(request)

    file.begin(answers)
    fetched = receive_results(results(), requests).fetched
    file.finish(answers)
    return count_downloads(fetched, unanswered)
