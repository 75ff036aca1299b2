"""What one host may get at once, and how long it is waited for."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from email.utils import formatdate

import pytest
from support.fetching import (
    PATIENT,
    PNG,
    Clock,
    Scripted,
    body,
    failure,
    fetcher_for,
)
from support.misbehaving import MisbehavingHost

from mirror.config import FetchSettings
from mirror.fetch import FetchError, Kind
from mirror.fetch import limits as limits_module
from mirror.fetch.fetcher import Fetcher
from mirror.fetch.limits import FetchLimits, HostLimit
from mirror.host import Request, Response
from mirror.waiting import Waits


def test_retry_after_in_seconds_is_waited_for(
    host: MisbehavingHost, fetcher: Fetcher, clock: Clock
) -> None:
    body(fetcher, host.base_url + "busy-seconds/a.png")
    assert sum(clock.slept) == pytest.approx(7)


def test_retry_after_as_a_date_is_waited_for(host: MisbehavingHost, clock: Clock) -> None:
    def busy_once(request: Request) -> Response:
        if server.requests["GET a.png"] > 1:
            return Response(200, {}, PNG)
        return Response(503, {"Retry-After": formatdate(clock.now() + 20, usegmt=True)})

    with Scripted({"a.png": busy_once}) as server, fetcher_for(server, clock=clock) as fetcher:
        body(fetcher, server.base_url + "a.png")
    assert sum(clock.slept) == pytest.approx(20)


def overload(wait_s: float | None = None) -> FetchError:
    return FetchError("busy", Kind.TRANSIENT, 429, wait_s=wait_s)


def ask(limit: HostLimit, error: FetchError | None = None) -> None:
    """One request that ends so."""
    try:
        with limit.slot():
            if error:
                raise error
    except FetchError:
        pass


def test_the_limit_of_a_host_halves_when_it_is_busy_and_recovers(clock: Clock) -> None:
    limit = HostLimit(16, clock.sleep, clock.now, "h.example")
    widths = []
    for _ in range(6):
        ask(limit, overload())
        widths.append(limit.width)
    assert widths == [8, 4, 2, 1, 1, 1]
    for _ in range(200):
        ask(limit)
    assert limit.width == 16


def test_answers_to_one_burst_count_once(clock: Clock) -> None:
    limit = HostLimit(16, clock.sleep, clock.now, "h.example")
    all_sent = threading.Barrier(8)

    def burst(_: int) -> None:
        try:
            with limit.slot():
                all_sent.wait(5)
                raise overload()
        except FetchError:
            pass

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(burst, range(8)))
    assert limit.width == 8


def test_a_narrow_limit_holds_the_other_threads(clock: Clock) -> None:
    limit = HostLimit(2, clock.sleep, clock.now, "h.example")
    running, most = Counter[str](), 0
    lock = threading.Lock()

    def job(_: int) -> None:
        nonlocal most
        with limit.slot():
            with lock:
                running["now"] += 1
                most = max(most, running["now"])
            with lock:
                running["now"] -= 1

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(job, range(100)))
    assert most <= 2


def test_a_pause_holds_for_the_next_request_to_the_host_too(clock: Clock) -> None:
    limit = HostLimit(4, clock.sleep, clock.now, "h.example")
    ask(limit, overload(wait_s=9))
    ask(limit)
    ask(limit)
    assert clock.slept == [9]


def test_a_host_with_a_rate_limit_is_waited_for_and_said(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twenty requests in thirty seconds, 429 without Retry-After beyond that."""
    served: list[float] = []

    def limited(_: Request) -> Response:
        if sum(at > clock.now() - 30 for at in served) >= 20:
            return Response(429, {})
        served.append(clock.now())
        return Response(200, {}, PNG)

    waits, said = Waits(clock.now), list[str]()
    monkeypatch.setattr(limits_module, "WAITS", waits)

    def sleep(seconds: float) -> None:
        clock.sleep(seconds)
        said.extend(waits.overdue())

    names = [f"{number}.png" for number in range(60)]
    with Scripted(dict.fromkeys(names, limited)) as server:
        settings = replace(PATIENT, concurrency=16, retries=0)
        with Fetcher(settings, exempt_hosts=["127.0.0.1"], sleep=sleep, now=clock.now) as fetcher:
            for name in names:
                body(fetcher, server.base_url + name)
    assert len(served) == 60
    (line,) = said  # once, though it is waited for again
    assert line.startswith(f"waiting for {server.base_url.split('/')[2]}: it has had too many")
    assert line.endswith("after a pause of 16 s")
    assert sum(clock.slept) <= 120


def test_a_host_that_never_answers_is_asked_no_more_in_the_end() -> None:
    with (
        MisbehavingHost({"a.png": PNG}) as host,
        fetcher_for(host, retries=0, timeout_s=0.01) as fetcher,
    ):
        failures = [failure(fetcher, f"{host.base_url}never-answers/{n}") for n in range(40)]
        assert host.requests.total() <= 32
        assert {error.kind for error in failures} == {Kind.TRANSIENT}
        place = f"127.0.0.1:{host.port}"
        assert f"{place} did not answer for 32 images in a row" in str(failures[-1])
        assert f"{place} was silent" in str(failures[31])


def test_a_host_that_answers_now_and_then_is_asked_to_the_end(clock: Clock) -> None:
    limit = HostLimit(4, clock.sleep, clock.now, "h.example")
    silence = FetchError("silent", Kind.TRANSIENT, is_silence=True)
    for answer in (None, FetchError("not found", Kind.CONTENT), FetchError("502", Kind.TRANSIENT)):
        for _ in range(31):
            limit.record(silence)
        with limit.slot():
            limit.record(answer)
    for _ in range(32):
        limit.record(silence)
    with pytest.raises(FetchError, match=r"h\.example did not answer for 32"), limit.slot():
        pass


def test_a_host_that_gives_nothing_but_429_is_left_after_minutes(clock: Clock) -> None:
    with (
        Scripted({"a.png": lambda _: Response(429, {})}) as server,
        fetcher_for(server, clock=clock, retries=1) as fetcher,
    ):
        assert failure(fetcher, server.base_url + "a.png").status == 429
    assert 300 <= sum(clock.slept) <= 420


def test_a_host_that_is_down_is_asked_once_a_url_until_it_answers(
    host: MisbehavingHost, fetcher: Fetcher
) -> None:
    for number in range(8):
        failure(fetcher, f"{host.base_url}reset/{number}.png")
    failure(fetcher, host.base_url + "reset/9.png")
    assert host.requests["GET reset/9.png"] == 1
    body(fetcher, host.base_url + "a.png")
    failure(fetcher, host.base_url + "reset/10.png")
    assert host.requests["GET reset/10.png"] == 3


def test_the_defaults_are_those_of_the_configuration() -> None:
    settings, limits = FetchSettings(), FetchLimits()
    for name in ("concurrency", "timeout_s", "retries", "max_bytes", "allow_private_hosts"):
        assert getattr(limits, name) == getattr(settings, name), name
