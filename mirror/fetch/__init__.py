"""A URL -> bytes, with limits, retries and every declared check. The engine is httpcore.

`Fetcher.fetch` returns the whole body exactly as its host declared it, or raises `FetchError`.
Whether the bytes are a picture is told elsewhere; documents that are obviously none are named
here. Nothing is followed, kept, decompressed or connected to without this package's own checks.
"""

from __future__ import annotations

import functools
import random as _random
import threading
import time
from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType
from typing import Self

from mirror.fetch.addresses import Guard, Target
from mirror.fetch.answers import given_up
from mirror.fetch.checks import Declared
from mirror.fetch.errors import FetchError, Kind
from mirror.fetch.exchange import Body, Exchange, Validators
from mirror.fetch.limits import HostLimit, Limits, backoff_s
from mirror.fetch.network import Network
from mirror.urls.address import Url

__all__ = ["Body", "Declared", "FetchError", "Fetcher", "Kind", "Limits", "Validators"]

_NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class Fetcher:
    """Fetches URLs; shared by any number of threads, with one pool of connections.

    `exempt_hosts` (`host` or `host:port`) may have private addresses. `sleep` waits between
    attempts and may raise to end the wait; `now` is wall-clock time, for dates in Retry-After.
    A pickled fetcher is its settings: it connects anew.
    """

    def __init__(
        self,
        limits: Limits,
        *,
        exempt_hosts: Collection[str] = (),
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], float] = time.time,
        random: Callable[[], float] = _random.random,
    ) -> None:
        self.limits = limits
        self._exempt_hosts = frozenset(host.lower() for host in exempt_hosts)
        self._sleep = sleep
        self._now = now
        self._random = random
        guard = Guard(self._exempt_hosts, limits.allow_private_hosts)
        self._network = Network(guard, limits.concurrency)
        self._hosts: dict[str, HostLimit] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> tuple[Callable[[Limits], Fetcher], tuple[Limits]]:
        make = functools.partial(
            Fetcher,
            exempt_hosts=self._exempt_hosts,
            sleep=self._sleep,
            now=self._now,
            random=self._random,
        )
        return make, (self.limits,)

    def close(self) -> None:
        """Close every connection."""
        self._network.close()

    def fetch(
        self,
        url: Url,
        headers: Mapping[str, str] = _NO_HEADERS,
        validators: Validators | None = None,
    ) -> Body | None:
        """Return the body behind `url`, or `None` when the host says `validators` still hold.

        `headers` go to the host of `url` and to no other. Raise `FetchError`.
        """
        target = Target.parse(url.raw)
        host = self._host(target.netloc)
        exchange = Exchange(self._network, self.limits, self._now, target, headers, validators)
        try:
            body = self._try(exchange, host)
        except FetchError as error:
            host.record(error.kind)
            raise
        host.record(None)
        return body

    def _try(self, exchange: Exchange, host: HostLimit) -> Body | None:
        attempt = 1
        while True:
            try:
                with host.slot():
                    return exchange.attempt(attempt)
            except FetchError as error:
                if attempt > host.retries(self.limits.retries, error) or exchange.is_over:
                    raise given_up(error, attempt) from error
            self._sleep(backoff_s(attempt, self._random))
            attempt += 1

    def _host(self, name: str) -> HostLimit:
        with self._lock:
            if name not in self._hosts:
                self._hosts[name] = HostLimit(self.limits.concurrency, self._sleep, self._now)
            return self._hosts[name]
