"""Work in other processes: requests are answered there, and only facts come back."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from itertools import chain
from pathlib import Path
from secrets import token_hex

from mirror.archive import Archive
from mirror.cluster import ClusterError, Dask
from mirror.config import Config, ConfigError, request_headers
from mirror.destinations import Destination
from mirror.engine import Engine
from mirror.files import read_whole, write_whole
from mirror.model import Key
from mirror.pipeline.answers import Answer, AnswerJob
from mirror.pipeline.parts import Parts, open_parts
from mirror.pipeline.plan import ImageRequest
from mirror.records import unwritable
from mirror.repeats.cache import Sketches
from mirror.repeats.reviews import Reviews
from mirror.store import CredentialsError, DirectoryStore, Store, StoreError
from mirror.urls.sources import Source

_PROOF = "workers"  # the file that proves to a worker that it has the folder
_CHECKED_KEY = Key("mirror-worker-check")


def answer_requests(
    engine: Engine,
    config: Config,
    archive: Archive,
    reviews: Reviews,
    requests: Sequence[ImageRequest],
    sketches: Sketches | None = None,
) -> Iterator[tuple[ImageRequest, Answer]]:
    """Fetch, inspect and archive with any engine; yield each request with its answer as it comes.

    A worker adds what it inspects to its `sketches`, if there are any.
    Raise `ClusterError` if another process has archived an original that is not in the archive.
    """
    numbered = list(enumerate(requests))
    with closing(AnswerJob(config, reviews, sketches)) as job:
        results = engine.map(job, numbered, config.fetch.concurrency)
        if engine.in_process:
            yield from ((requests[number], answer) for number, answer in results)
            return
        # A person decides here on damaged bytes, which a worker without the folder cannot leave
        # here. They are rare, and are asked for once more.
        lost = []
        for number, answer in results:
            damaged = None if answer.archived_blob is not None else answer.blob
            if damaged is not None and not job.has_bytes(damaged):
                lost.append(numbered[number])
                continue
            _note(archive, answer)
            yield requests[number], answer
        for number, answer in map(job, lost):
            _note(archive, answer)
            yield requests[number], answer


def _note(archive: Archive, answer: Answer) -> None:
    """Let the archive know of an original that another process has put."""
    if (blob := answer.archived_blob) is None:
        return
    if not archive.has(blob):
        raise ClusterError(
            f"a worker has archived {blob.digest}, which is not in the archive "
            f"here ({archive.place}): workers need the same folder at the same path, "
            "or an archive in a bucket"
        )
    archive.note(blob)


@contextmanager
def checked_workers(cluster: Dask, parts: Parts) -> Iterator[None]:
    """Raise `ClusterError` that names the workers which lack what this machine has.

    That is the folder of the site, if the archive or a destination is one, the variables of the
    sources' headers, and credentials.
    """
    token = token_hex()
    path = parts.state.folder / _PROOF
    try:
        write_whole(path, token.encode())
    except OSError as error:
        raise unwritable(path, error) from error
    try:
        stores = _stores(parts.archive, parts.destinations)
        config = parts.config
        here = _problems(config.root, config.sources, stores, parts.state.folder, token)
        lines = []
        for worker, problems in cluster.ask_workers(worker_problems, config, token).items():
            texts = [str(problems)] if isinstance(problems, Exception) else problems
            lines += [f"worker {worker}: {text}" for text in texts if text not in here]
        if lines:
            raise ClusterError("; ".join(lines))
        yield
    finally:
        with suppress(OSError):
            path.unlink()


def worker_problems(config: Config, token: str) -> list[str]:
    """Return what this process lacks to work on the site of a configuration."""
    parts = open_parts(config)
    stores = _stores(parts.archive, parts.destinations)
    return _problems(config.root, config.sources, stores, parts.state.folder, token)


def _stores(archive: Archive, destinations: Iterable[Destination]) -> list[Store]:
    return [archive.store, *(destination.store for destination in destinations)]


def _problems(
    root: Path, sources: Sequence[Source], stores: Sequence[Store], state: Path, token: str
) -> list[str]:
    problems = []
    if _is_in(root, stores) and not _has_token(state, token):
        problems.append(
            f"does not have the folder of the site, {root}, on {os.uname().nodename}; "
            "share it under the same path, or keep archive and images in buckets"
        )
    for source in sources:
        try:
            request_headers(source, os.environ)
        except ConfigError as error:
            problems.append(str(error))
    buckets = (store for store in stores if not isinstance(store, DirectoryStore))
    problems += _without_credentials(chain(buckets, _source_buckets(sources)))
    return problems


def _is_in(root: Path, stores: Iterable[Store]) -> bool:
    """Return True if one of the stores is a folder below `root`."""
    folders = [store.root for store in stores if isinstance(store, DirectoryStore)]
    return any(folder.is_relative_to(root) for folder in folders)


def _has_token(folder: Path, token: str) -> bool:
    with suppress(OSError):
        return read_whole(folder / _PROOF) == token.encode()
    return False


def _source_buckets(sources: Iterable[Source]) -> Iterator[Store]:
    from mirror.pipeline.origins import open_source_bucket  # an HTTP client

    for source in sources:
        if source.bucket is not None:
            yield open_source_bucket(source, 1)


def _without_credentials(stores: Iterable[Store]) -> Iterator[str]:
    for store in stores:
        try:
            store.stat(_CHECKED_KEY)
        except CredentialsError as error:
            yield str(error)
        except StoreError:
            pass  # the work that uses the store names any other fault of it
