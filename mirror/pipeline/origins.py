"""Where pictures come from: each source is read as its configuration says."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from mirror.config import Config, Fetch, request_headers
from mirror.fetch import Body, Declaration, Fetcher, FetchError, FetchLimits, Kind, Validators
from mirror.model import Key
from mirror.pipeline.parts import Parts
from mirror.store import S3Settings, Store, open_store
from mirror.urls.address import canonical, identity
from mirror.urls.sources import Source, SourceImage

_GZIP = b"\x1f\x8b"


def open_fetcher(fetch: Fetch, private: Collection[str] = ()) -> Fetcher:
    """One that keeps the limits of `[fetch]`; hosts of the URLs in `private` may be private."""
    limits = FetchLimits(
        concurrency=fetch.concurrency,
        timeout_s=fetch.timeout_s,
        retries=fetch.retries,
        max_bytes=fetch.max_bytes,
        allow_private_hosts=fetch.allow_private_hosts,
    )
    addresses = [address for url in private if (address := canonical(url)) is not None]
    return Fetcher(limits, exempt_hosts=[identity(one).partition("/")[0] for one in addresses])


@dataclass(frozen=True, slots=True)
class Origins:
    """Reads the sources of a site: over HTTP, or from the bucket behind them."""

    fetcher: Fetcher
    headers: Mapping[str, Mapping[str, str]]
    buckets: Mapping[str, Store]
    max_bytes: int

    def read(self, located: SourceImage, validators: Validators | None = None) -> Body | None:
        """The bytes, or `None` when `validators` hold. Raise `FetchError` or `StoreError`."""
        if located.bucket_key is None:
            headers = self.headers[located.source.name]
            return self.fetcher.fetch(located.request, headers, validators)
        store, key = self.buckets[located.source.name], Key(located.bucket_key)
        info = store.stat(key)  # a host's headers say this with the body
        if info is not None and info.size > self.max_bytes:
            raise FetchError(f"{info.size} bytes, over max_bytes", Kind.TOO_LARGE)
        data = store.get(key, max_bytes=self.max_bytes)
        if info is not None:
            Declaration(info.size, etag_md5=info.md5).check(data)
        if data.startswith(_GZIP):  # as over HTTP, where a header says so
            data = Declaration(encoding="gzip").decoded(data, self.max_bytes)
        return Body(data, Validators(), 1)


@contextmanager
def open_origins(parts: Parts) -> Iterator[Origins]:
    """Raise `ConfigError` for a header whose environment variable is not set."""
    sources, fetch = parts.config.sources, parts.config.fetch
    named = [source.fetch for source in sources if source.fetch and not _is_bucket(source)]
    with open_fetcher(fetch, named) as fetcher:
        yield Origins(
            fetcher,
            {source.name: request_headers(source, os.environ) for source in sources},
            {
                source.name: open_bucket(source, parts.config)
                for source in sources
                if _is_bucket(source)
            },
            fetch.max_bytes,
        )


def open_bucket(source: Source, config: Config) -> Store:
    """Open the bucket behind `fetch = "s3://..."` for reading."""
    bucket = (source.fetch or "").removeprefix("s3://").partition("/")[0]
    settings = S3Settings(
        endpoint_url=source.endpoint_url,
        region=source.region,
        profile=source.profile,
        workers=config.fetch.concurrency,
    )
    return open_store(source.name, f"s3://{bucket}", config.root, settings)


def _is_bucket(source: Source) -> bool:
    return source.fetch is not None and source.fetch.startswith("s3://")
