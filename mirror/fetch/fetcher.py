"""The client: attempts for a URL within the limits of its host."""

from __future__ import annotations

import functools
import random as _random
import threading
import time
from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType
from typing import Self

from mirror.fetch.addresses import Guard, HttpUrl
from mirror.fetch.body import Body, Validators
from mirror.fetch.diagnosis import final_error
from mirror.fetch.errors import FetchError
from mirror.fetch.exchange import Exchange, FetchRequest
from mirror.fetch.limits import FetchLimits, HostLimit
from mirror.fetch.network import GuardedTransport
from mirror.fetch.retries import Step, backoff_s, next_step
from mirror.urls.address import Url

_NO_HEADERS: Mapping[str, str] = MappingProxyType({})


def no_wait(_size: int) -> float:
    """Wait for no room: a body is read as it arrives."""
    return 0.0


class Fetcher:
    """Client that downloads URLs. Any number of threads can share one.

    `exempt_hosts` (`host` or `host:port`) may have private addresses. `sleep` waits between
    attempts and may raise to end the wait. `now` is wall-clock time, for dates in Retry-After.
    A pickled fetcher keeps its settings and opens new connections.
    """

    def __init__(
        self,
        limits: FetchLimits,
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
        self._transport = GuardedTransport(guard)
        self._hosts: dict[str, HostLimit] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> tuple[Callable[[FetchLimits], Fetcher], tuple[FetchLimits]]:
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
        self._transport.close()

    def fetch(
        self,
        url: Url,
        headers: Mapping[str, str] = _NO_HEADERS,
        validators: Validators | None = None,
        wait_for_room: Callable[[int], float] = no_wait,
    ) -> Body | None:
        """Return the body of `url`, or `None` if the host reports that it is not modified.

        `headers` are sent to the origin of `url` only. `wait_for_room` is called with the number
        of bytes that arrived, before more is read; it returns the seconds that it waited, which
        count against no time limit. Raise `FetchError`.
        """
        http_url = HttpUrl.parse(url.raw)
        host = self._host(http_url.netloc)
        request = FetchRequest(http_url, headers, validators)
        exchange = Exchange(self._transport, self.limits, self._now, request, wait_for_room)
        try:
            body = self._retry(exchange, host)
        except FetchError as error:
            host.record(error)
            raise
        host.record(None)
        return body

    def _retry(self, exchange: Exchange, host: HostLimit) -> Body | None:
        attempt = 1
        while True:
            try:
                with host.slot():
                    return exchange.attempt()
            except FetchError as error:
                step = next_step(error, attempt, self.limits.retries, host.state)
                if step is Step.WAIT:
                    continue  # the next slot of the host waits
                if step is Step.GIVE_UP or exchange.is_over:
                    raise final_error(error, attempt) from error
            self._sleep(backoff_s(attempt, self._random))
            attempt += 1

    def _host(self, name: str) -> HostLimit:
        with self._lock:
            if name not in self._hosts:
                self._hosts[name] = HostLimit(self.limits.concurrency, self._sleep, self._now, name)
            return self._hosts[name]
