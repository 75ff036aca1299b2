"""The origins: each source, read over HTTP or from its bucket as the configuration says."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

from mirror.config import FetchSettings, request_headers
from mirror.destinations import bucket_settings
from mirror.fetch import Body, FetchError, Kind, Validators
from mirror.fetch.checks import Declaration
from mirror.fetch.fetcher import Fetcher, no_wait
from mirror.fetch.limits import FetchLimits
from mirror.model import Key
from mirror.store import Store, open_bucket
from mirror.urls.address import Address, canonical, host_of
from mirror.urls.sources import Source, SourceImage

_GZIP = b"\x1f\x8b"


def open_fetcher(fetch: FetchSettings, private: str | None = None) -> Fetcher:
    """Open a fetcher with the limits of `[fetch]`.

    The host and port of the URL `private` may have a private address; another port may not.
    """
    limits = FetchLimits(
        concurrency=fetch.concurrency,
        timeout_s=fetch.timeout_s,
        retries=fetch.retries,
        max_bytes=fetch.max_bytes,
        allow_private_hosts=fetch.allow_private_hosts,
    )
    address = canonical(private) if private is not None else None
    return Fetcher(limits, exempt_hosts=[] if address is None else [_host_and_port(address)])


def _host_and_port(address: Address) -> str:
    host = host_of(address)
    if re.search(r":\d+$", host):
        return host
    return f"{host}:{443 if address.startswith('https:') else 80}"


@dataclass(frozen=True, slots=True)
class Origins:
    """The fetcher, and for each source by its name the request headers and the bucket behind it.

    A source with a `fetch` over HTTP has a fetcher of its own in `fetchers`: only its requests may
    go to the host that it names there, if that has a private address.
    """

    fetcher: Fetcher
    headers: Mapping[str, Mapping[str, str]]
    buckets: Mapping[str, Store]
    max_bytes: int
    fetchers: Mapping[str, Fetcher]

    def read(
        self,
        located: SourceImage,
        validators: Validators | None = None,
        wait_for_room: Callable[[int], float] = no_wait,
    ) -> Body | None:
        """Return the bytes, or `None` if the object is still the one that `validators` name.

        `wait_for_room` is that of `Fetcher.fetch`. Raise `FetchError` or `StoreError`.
        """
        if located.bucket_key is None:
            name = located.source.name
            fetcher = self.fetchers.get(name, self.fetcher)
            return fetcher.fetch(located.fetch_url, self.headers[name], validators, wait_for_room)
        store, key = self.buckets[located.source.name], Key(located.bucket_key)
        info = store.stat(key)  # A host's headers would say this with the body.
        if info is not None and info.size > self.max_bytes:
            raise FetchError(f"{info.size} bytes, over max_bytes", Kind.TOO_LARGE)
        wait_for_room(self.max_bytes if info is None else info.size)
        data = store.get(key, max_bytes=self.max_bytes)
        if info is not None:
            Declaration(info.size, etag_md5=info.md5).check(data)
        if data.startswith(_GZIP):  # Over HTTP a header would say that it is packed.
            data = Declaration(encoding="gzip").decoded(data, self.max_bytes)
        return Body(data, Validators())


@contextmanager
def open_origins(sources: Sequence[Source], fetch: FetchSettings) -> Iterator[Origins]:
    """Open the sources. Raise `ConfigError` for a header whose environment variable is not set."""
    with ExitStack() as stack:
        yield Origins(
            stack.enter_context(open_fetcher(fetch)),
            {source.name: request_headers(source, os.environ) for source in sources},
            {
                source.name: open_source_bucket(source, fetch.concurrency)
                for source in sources
                if source.bucket is not None
            },
            fetch.max_bytes,
            {
                source.name: stack.enter_context(open_fetcher(fetch, source.fetch))
                for source in sources
                if source.fetch is not None and source.bucket is None
            },
        )


def open_source_bucket(source: Source, workers: int) -> Store:
    """Open the bucket behind `fetch = "s3://..."` for as many readers at once as `workers`."""
    settings = replace(bucket_settings(source), workers=workers)
    return open_bucket(source.name, f"s3://{source.bucket}", settings)
