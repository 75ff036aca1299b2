"""The run of one shard: its part of the requests, answered and written down for a later sync."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mirror.engine import Engine, Results
from mirror.pipeline.apart import answer_requests
from mirror.pipeline.collect import CollectedShards
from mirror.pipeline.download import DownloadResult, collect, count_downloads
from mirror.pipeline.parts import Parts
from mirror.pipeline.plan import FetchItem
from mirror.pipeline.progress import FindingLog, Progress
from mirror.pipeline.shards import ShardFile, limit_warnings
from mirror.repeats.reviews import Reviews


def run_shard(
    parts: Parts,
    engine: Engine,
    file: ShardFile,
    requests: Sequence[FetchItem],
    earlier: CollectedShards,
    reviews: Reviews,
    findings: FindingLog,
    progress: Progress,
) -> dict[str, int]:
    """Fetch, inspect and archive the images of a shard, and write its file. Return the counts.

    What an `earlier` run of it archived is not asked for again. The archive is not sealed: the
    sync that takes the shards does that. Raise what `sync` raises.
    """
    shard, fetch = file.header.shard, parts.config.fetch
    findings.extend(limit_warnings(shard, fetch.concurrency))
    config = replace(parts.config, fetch=replace(fetch, concurrency=shard.share(fetch.concurrency)))
    answered = [(request, earlier.answers.find(request)) for request in requests]
    left = [request for request, answer in answered if answer is None]
    answers = list(earlier.listed)

    def results() -> Results[DownloadResult]:
        for request, known in answered:
            if known is not None:
                yield known.result(request)
        for request, answer in answer_requests(engine, config, parts.archive, reviews, left):
            file.note(answer)
            answers.append(answer)
            yield answer.result(request)

    file.begin(answers)
    originals, _ = collect(results(), requests, findings, progress)
    file.finish(answers)
    return count_downloads(originals, left)
