from __future__ import annotations

import base64
import hashlib
import logging
import pickle
import socket
import ssl
import threading
import traceback
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from functools import partial
from typing import Any

import pytest
import trustme
from hypothesis import given, settings
from hypothesis import strategies as st
from support.misbehaving import MISBEHAVIOURS, MisbehavingHost

from mirror.fetch import Body, FetchError, Kind, Validators, limits
from mirror.fetch.addresses import Endpoint, Guard, is_private
from mirror.fetch.checks import Declaration, describe_document
from mirror.fetch.fetcher import Fetcher
from mirror.fetch.limits import FetchLimits, HostLimit, backoff_s, retry_after_s
from mirror.fetch.network import lenient_headers
from mirror.host import ImageHost, Request, Response
from mirror.urls.address import Url
from mirror.waiting import Waits

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 16
# No honest host on loopback needs this long, however busy the machine is.
PATIENT = FetchLimits(timeout_s=10, retries=2, max_bytes=2**20)
SHORT = {"timeout_s": 0.15, "transfer_s": 0.4}


@dataclass
class Clock:
    """Time that passes only by sleeping."""

    seconds: float = 1_800_000_000.0
    slept: list[float] = field(default_factory=list)

    def now(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seconds += seconds


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def host() -> Iterator[MisbehavingHost]:
    with MisbehavingHost({"a.png": PNG, "b.png": PNG}) as host:
        yield host


def fetcher_for(*hosts: ImageHost, clock: Clock | None = None, **changes: Any) -> Fetcher:
    """A fetcher that may ask these hosts on loopback and no other."""
    clock = clock or Clock()
    return Fetcher(
        replace(PATIENT, **changes),
        exempt_hosts=[f"127.0.0.1:{host.port}" for host in hosts],
        sleep=clock.sleep,
        now=clock.now,
        random=lambda: 1.0,
    )


@pytest.fixture
def fetcher(host: MisbehavingHost, clock: Clock) -> Iterator[Fetcher]:
    with fetcher_for(host, clock=clock) as fetcher:
        yield fetcher


def failure(fetcher: Fetcher, url: str, **options: Any) -> FetchError:
    with pytest.raises(FetchError) as caught:
        fetcher.fetch(Url(url), **options)
    return caught.value


def body(fetcher: Fetcher, url: str, **options: Any) -> Body:
    result = fetcher.fetch(Url(url), **options)
    assert result is not None
    return result


class Scripted(ImageHost):
    """A host with an answer of its own for some paths."""

    def __init__(self, responses: dict[str, Callable[[Request], Response]], **options: Any) -> None:
        self.responses = responses
        super().__init__({"a.png": PNG}, **options)

    def answer(self, request: Request) -> Response:
        scripted = self.responses.get(request.key)
        return scripted(request) if scripted else super().answer(request)


def redirect(location: str) -> Callable[[Request], Response]:
    return lambda _: Response(302, {"Location": location})


# --- Honest hosts -----------------------------------------------------------------------------


def test_fetch_returns_the_body_with_its_validators(
    host: MisbehavingHost, fetcher: Fetcher
) -> None:
    fetched = body(fetcher, host.base_url + "a.png")
    assert fetched.data == PNG
    assert fetched.attempts == 1
    assert fetched.validators.etag
    assert fetched.validators.last_modified


@pytest.mark.parametrize("missing", ["etag", "last_modified"])
def test_fetch_returns_nothing_for_what_is_not_modified(
    host: MisbehavingHost, fetcher: Fetcher, missing: str
) -> None:
    validators = replace(body(fetcher, host.base_url + "a.png").validators, **{missing: None})
    assert fetcher.fetch(Url(host.base_url + "a.png"), validators=validators) is None
    host.put("a.png", PNG + b"!")
    changed = replace(validators, last_modified=validators.last_modified and formatdate(0))
    assert body(fetcher, host.base_url + "a.png", validators=changed).data == PNG + b"!"


def test_a_connection_is_used_again_after_every_kind_of_answer() -> None:
    responses = {"r.png": redirect("/a.png"), "403.png": lambda _: Response(403, {}, b"no")}
    with Scripted(responses) as host, fetcher_for(host) as fetcher:
        connections = Counter[object]()
        accepted = host._serve
        host._serve = lambda client: (connections.update(["one"]), accepted(client))[1]  # type: ignore[method-assign]
        validators = body(fetcher, host.base_url + "a.png").validators
        failure(fetcher, host.base_url + "403.png")
        failure(fetcher, host.base_url + "404.png")
        assert fetcher.fetch(Url(host.base_url + "a.png"), validators=validators) is None
        body(fetcher, host.base_url + "r.png")
        assert connections["one"] == 1


def test_one_fetcher_serves_many_threads(host: MisbehavingHost, fetcher: Fetcher) -> None:
    for number in range(40):
        host.put(f"{number}.png", PNG + bytes([number]))
    with ThreadPoolExecutor(8) as pool:
        bodies = pool.map(lambda n: body(fetcher, f"{host.base_url}{n}.png").data, range(40))
        assert list(bodies) == [PNG + bytes([number]) for number in range(40)]


def test_each_thread_uses_its_connection_again_until_the_fetcher_is_closed() -> None:
    threads, rounds = 4, 3
    together = threading.Barrier(threads)
    connections: list[socket.socket] = []
    with Scripted({}) as host, fetcher_for(host) as fetcher:
        accepted = host._serve
        host._serve = lambda client: (connections.append(client), accepted(client))[1]  # type: ignore[method-assign]

        def work(_: int) -> bytes:
            together.wait()  # so that every thread gets one of each round
            return body(fetcher, host.base_url + "a.png").data

        with ThreadPoolExecutor(threads) as pool:
            assert list(pool.map(work, range(threads * rounds))) == [PNG] * threads * rounds
        assert len(connections) == threads
        # Those of threads that ended, too: the host sees the end of each connection.
        fetcher.close()
        assert all(_is_ended(client) for client in connections)


def _is_ended(client: socket.socket) -> bool:
    """Wait until the server has closed its side, because the client closed the other."""
    for _ in range(500):
        if client.fileno() < 0:
            return True
        threading.Event().wait(0.01)
    return False


def test_a_request_is_honest_about_who_asks(host: MisbehavingHost, fetcher: Fetcher) -> None:
    body(fetcher, host.base_url + "a.png", headers={"Referer": "https://blog.example/"})
    headers = host.received[-1].headers
    assert headers["user-agent"].startswith("markdown-mirror/")
    assert headers["accept-encoding"] == "identity"
    assert headers["referer"] == "https://blog.example/"
    assert headers["host"] == f"127.0.0.1:{host.port}"
    assert "cookie" not in headers


def test_a_header_of_ours_replaces_the_default(host: MisbehavingHost, fetcher: Fetcher) -> None:
    body(fetcher, host.base_url + "a.png", headers={"USER-agent": "me", "Accept": "image/webp"})
    assert host.received[-1].headers["user-agent"] == "me"
    assert host.received[-1].headers["accept"] == "image/webp"


def test_no_cookie_is_kept() -> None:
    responses = {"c.png": lambda _: Response(200, {"Set-Cookie": "id=1; Path=/"}, PNG)}
    with Scripted(responses) as host, fetcher_for(host) as fetcher:
        body(fetcher, host.base_url + "c.png")
        body(fetcher, host.base_url + "c.png")
        assert "cookie" not in host.received[-1].headers


def test_a_header_that_http_forbids_is_an_error_without_its_value(
    host: MisbehavingHost, fetcher: Fetcher
) -> None:
    error = failure(fetcher, host.base_url + "a.png", headers={"Referer": "hidden\r\nX: y"})
    assert error.kind is Kind.PERMANENT
    assert "hidden" not in str(error)
    assert error.__cause__ is None or "hidden" not in str(error.__cause__.__cause__)


def test_a_pickled_fetcher_fetches(host: MisbehavingHost) -> None:
    with (
        Fetcher(PATIENT, exempt_hosts=[f"127.0.0.1:{host.port}"]) as fetcher,
        pickle.loads(pickle.dumps(fetcher)) as again,  # noqa: S301  (our own bytes)
    ):
        assert body(again, host.base_url + "a.png").data == PNG


def test_a_pickled_error_is_the_same_error() -> None:
    error = FetchError("gone", Kind.PERMANENT, 410)
    again = pickle.loads(pickle.dumps(error))  # noqa: S301  (our own bytes)
    assert (str(again), again.kind, again.status) == ("gone", Kind.PERMANENT, 410)


# --- Misbehaviour -----------------------------------------------------------------------------


def patience(name: str) -> dict[str, float]:
    """Limits short of patience, only where that is what is tested."""
    return SHORT if MISBEHAVIOURS[name].takes_time else {}


@pytest.mark.parametrize("name", MISBEHAVIOURS)
def test_a_misbehaving_host_gives_the_right_bytes_or_the_right_error(
    name: str, host: MisbehavingHost, fetcher: Fetcher
) -> None:
    expected = MISBEHAVIOURS[name].outcome
    with fetcher_for(host, **patience(name)) as impatient:
        if expected is None:
            assert body(impatient, f"{host.base_url}{name}/a.png").data == PNG
        else:
            error = failure(impatient, f"{host.base_url}{name}/a.png")
            assert error.kind is expected
            assert "expected" in str(error) or "connection" in str(error)
    assert body(fetcher, host.base_url + "b.png").data == PNG  # and the next one is fine


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        pytest.param(b"Bad Header: x\r\nA: b\r\n\r\n", b"A: b\r\n\r\n", id="blank in a name"),
        pytest.param(b"A: b\r\nx\r\n\r\n", b"A: b\r\n\r\n", id="no colon"),
        pytest.param(b": x\nA: b\n\n", b"A: b\n\n", id="no name"),
        pytest.param(b"B C: x\r\n D: y\r\nA: b\r\n\r\n", b"A: b\r\n\r\n", id="folded"),
        pytest.param(b"A: b\r\n C D: e\r\n\r\n", b"A: b\r\n C D: e\r\n\r\n", id="kept"),
        pytest.param(b"A \t: b\r\n\r\n", b"A: b\r\n\r\n", id="blanks before the colon"),
        pytest.param(b"\r\n", b"\r\n", id="none"),
    ],
)
def test_only_lines_without_a_header_name_are_left_out(lines: bytes, expected: bytes) -> None:
    assert lenient_headers(b"HTTP/1.1 200 O K\r\n" + lines) == b"HTTP/1.1 200 O K\r\n" + expected


def test_an_illegal_header_line_is_no_matter_over_tls(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guard holds for the second connection too, and it ends with its response."""
    monkeypatch.setenv("SSL_CERT_FILE", authority.pem)
    answer = Response(200, {"Bad Header": "x", "Content-Type": "image/png"}, PNG)
    with Scripted({"a.png": lambda _: answer}, tls=authority.server) as host:
        with fetcher_for(host) as fetcher:
            first = body(fetcher, host.base_url + "a.png")
            assert (first.data, first.attempts) == (PNG, 1)
            assert body(fetcher, host.base_url + "a.png").data == PNG
        assert [request.headers.get("connection") for request in host.received] == [
            None, "close", None, "close"
        ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "attempts"),
    [
        *((name, 1) for name in "gone no-such-key unauthorized private-bucket hot-link".split()),
        *((name, 1) for name in "html xml json empty huge-length endless gzip-bomb".split()),
        *((name, 3) for name in "cut-always flipped-bit busy-always reset closes".split()),
        *((name, 2) for name in "flipped-bit-once busy-seconds bad-gateway-once".split()),
    ],
)
def test_only_what_may_pass_is_tried_again(
    name: str, attempts: int, host: MisbehavingHost, fetcher: Fetcher
) -> None:
    try:
        assert body(fetcher, f"{host.base_url}{name}/a.png").attempts == attempts
    except FetchError as error:
        assert (f"tried {attempts} times" in str(error)) == (attempts > 1)  # noqa: PT017
    assert host.requests[f"GET {name}/a.png"] == attempts


def test_an_interrupted_body_goes_on_where_it_broke_off(
    host: MisbehavingHost, fetcher: Fetcher
) -> None:
    fetched = body(fetcher, host.base_url + "cut-once/a.png")
    assert (fetched.data, fetched.attempts) == (PNG, 2)
    headers = host.received[-1].headers
    assert headers["range"] == f"bytes={len(PNG) // 2}-"
    assert headers["if-range"] == fetched.validators.etag


def test_a_body_without_strong_validator_starts_again(
    host: MisbehavingHost, fetcher: Fetcher
) -> None:
    assert body(fetcher, host.base_url + "weak-validator/a.png").data == PNG
    assert "range" not in host.received[-1].headers


def test_what_arrived_is_kept_over_a_busy_answer(fetcher: Fetcher, host: MisbehavingHost) -> None:
    asked: list[str | None] = []

    class Busy(ImageHost):
        def respond(self, client: socket.socket, request: Request) -> bool:
            asked.append(request.headers.get("range"))
            honest = self.answer(request)
            if len(asked) == 1:
                client.sendall(honest.head() + honest.body[:10])
                return False
            if len(asked) == 2:
                honest = self.error(503, "SlowDown", "later")
            client.sendall(honest.head() + honest.body)
            return True

    with Busy({"a.png": PNG}) as busy, fetcher_for(busy) as fetcher:
        assert body(fetcher, busy.base_url + "a.png").data == PNG
    assert asked == [None, "bytes=10-", "bytes=10-"]


def test_a_declared_length_over_the_limit_is_refused_before_the_body_is_read(
    host: MisbehavingHost, fetcher: Fetcher
) -> None:
    error = failure(fetcher, host.base_url + "huge-length/a.png")
    assert "1000000000000" in str(error)
    assert "max_bytes" in str(error)


def test_a_body_of_exactly_the_limit_is_fetched(host: MisbehavingHost) -> None:
    with fetcher_for(host, max_bytes=len(PNG)) as fetcher:
        assert body(fetcher, host.base_url + "a.png").data == PNG
    with fetcher_for(host, max_bytes=len(PNG) - 1) as fetcher:
        assert failure(fetcher, host.base_url + "a.png").kind is Kind.TOO_LARGE


def test_a_dripping_host_is_left_after_the_time_for_one_url(host: MisbehavingHost) -> None:
    with fetcher_for(host, retries=99, timeout_s=0.1, transfer_s=0.3) as fetcher:
        error = failure(fetcher, host.base_url + "drip-body/a.png")
    assert error.kind is Kind.TRANSIENT
    assert host.requests["GET drip-body/a.png"] <= 4


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("hot-link", "'You are denied by bucket referer policy.'; the host may want a Referer"),
        ("no-such-key", "HTTP 404 Not Found"),
        ("in-arrears", "in arrears"),
        ("html", "an HTML page"),
        ("xml", "an XML document with Code AccessDenied"),
        ("empty", "the body is empty"),
        ("brotli", "Content-Encoding 'br'"),
        ("wrong-crc", "CRC-64 that the host declares, 12345"),
        ("short-length", "CRC-64"),
        ("redirect-to-private", "10.0.0.1"),
        ("never-answers", "within 0.15 s"),
        ("drip-body", "expected at least 1024 bytes a second"),
        ("bad-status-line", "does not speak HTTP"),
        ("cut-always", "received 100 bytes, expected 4104"),
    ],
)
def test_an_error_says_what_was_found(name: str, words: str, host: MisbehavingHost) -> None:
    with fetcher_for(host, retries=0, **patience(name)) as fetcher:
        assert words in str(failure(fetcher, f"{host.base_url}{name}/a.png"))


def test_a_host_that_nobody_listens_for_is_transient(clock: Clock) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with Fetcher(PATIENT, exempt_hosts=["127.0.0.1"], sleep=clock.sleep) as fetcher:
        assert failure(fetcher, f"http://127.0.0.1:{port}/a.png").kind is Kind.TRANSIENT


def test_a_sleep_that_raises_ends_the_fetch(host: MisbehavingHost) -> None:
    def stop(_: float) -> None:
        raise InterruptedError

    with (
        Fetcher(PATIENT, exempt_hosts=[f"127.0.0.1:{host.port}"], sleep=stop) as fetcher,
        pytest.raises(InterruptedError),
    ):
        fetcher.fetch(Url(host.base_url + "busy-always/a.png"))


# --- When to ask again ------------------------------------------------------------------------


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


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(None, None, id="no header"),
        pytest.param("5", 5.0, id="seconds"),
        pytest.param(" 5 ", 5.0, id="blanks"),
        pytest.param("0", 0.0, id="at once"),
        pytest.param("86400", 60.0, id="a day is cut to a minute"),
        pytest.param("9" * 400, 60.0, id="absurd"),
        pytest.param(formatdate(1_800_000_030, usegmt=True), 30.0, id="date"),
        pytest.param(formatdate(1_700_000_000, usegmt=True), 0.0, id="date in the past"),
        pytest.param(formatdate(2_000_000_000, usegmt=True), 60.0, id="date far off"),
        pytest.param("Sun, 99 Foo 2026 99:99:99 GMT", None, id="no date"),
        pytest.param("-3", None, id="negative"),
        pytest.param("soon", None, id="a word"),
        pytest.param("٣", None, id="a digit that is not ASCII"),
    ],
)
def test_retry_after_is_read_and_capped(text: str | None, expected: float | None) -> None:
    assert retry_after_s(text, now=1_800_000_000.0) == expected


@given(st.text(), st.floats(0, 4e9))
def test_any_retry_after_gives_a_bounded_wait(text: str, now: float) -> None:
    wait_s = retry_after_s(text, now)
    assert wait_s is None or 0 <= wait_s <= 60


@given(st.integers(1, 10**6), st.floats(0, 1))
def test_backoff_is_bounded_and_fully_jittered(attempt: int, chance: float) -> None:
    assert 0 <= backoff_s(attempt, lambda: chance) <= min(30, 0.5 * 2.0 ** min(attempt - 1, 99))
    assert backoff_s(attempt, lambda: 0.0) == 0


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
    limit = HostLimit(16, clock.sleep, clock.now)
    widths = []
    for _ in range(6):
        ask(limit, overload())
        widths.append(limit.width)
    assert widths == [8, 4, 2, 1, 1, 1]
    for _ in range(200):
        ask(limit)
    assert limit.width == 16


def test_answers_to_one_burst_count_once(clock: Clock) -> None:
    limit = HostLimit(16, clock.sleep, clock.now)
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
    limit = HostLimit(2, clock.sleep, clock.now)
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
    limit = HostLimit(4, clock.sleep, clock.now)
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
    monkeypatch.setattr(limits, "WAITS", waits)

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
        fetcher_for(host, retries=0, timeout_s=0.01, transfer_s=0.1) as fetcher,
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


# --- Redirects --------------------------------------------------------------------------------


def test_redirects_are_followed_up_to_the_limit() -> None:
    responses = {f"{n}.png": redirect(f"{n - 1}.png") for n in range(1, 8)}
    responses["0.png"] = lambda _: Response(200, {}, PNG)
    with Scripted(responses) as host, fetcher_for(host, max_redirects=5) as fetcher:
        assert body(fetcher, host.base_url + "5.png").data == PNG
        error = failure(fetcher, host.base_url + "6.png")
        assert error.kind is Kind.PERMANENT
        assert "at most 5 redirects" in str(error)


def test_headers_and_credentials_stay_with_the_first_origin() -> None:
    with Scripted({}) as other, Scripted({"away.png": redirect(other.base_url + "a.png")}) as host:
        back = redirect(host.base_url + "a.png")
        other.responses["back.png"] = back
        host.responses["round.png"] = redirect(other.base_url + "back.png")
        host.responses["here.png"] = redirect("/a.png")
        url = host.base_url.replace("//", "//me:secret@")
        with fetcher_for(host, other) as fetcher:
            for name in ("here", "away", "round"):
                body(fetcher, f"{url}{name}.png", headers={"Referer": "x", "X-Key": "secret"})
    private = {"referer", "x-key", "authorization"}
    first, here, away_first, round_first, round_back = host.received
    for request in (first, here, away_first, round_first):
        assert private <= request.headers.keys()
    for request in (*other.received, round_back):
        assert not private & request.headers.keys()


def test_userinfo_is_sent_as_basic_credentials_to_its_own_host(
    host: MisbehavingHost, fetcher: Fetcher
) -> None:
    url = f"http://us%40er:p%3Ass@127.0.0.1:{host.port}/a.png"
    body(fetcher, url)
    sent = host.received[-1]
    assert sent.headers["authorization"] == "Basic " + base64.b64encode(b"us@er:p:ss").decode()
    assert "@" not in sent.headers["host"]


@pytest.mark.parametrize(
    ("location", "asked"),
    [
        ("/图 片.png", "/%E5%9B%BE%20%E7%89%87.png"),
        ("b.png?x=1#fragment", "/deep/b.png?x=1"),
        ("../b%2Fc.png", "/b%2Fc.png"),
        ("?only=query", "/deep/start.png?only=query"),
        ("  /b.png ", "/b.png"),
    ],
)
def test_a_location_is_read_as_a_browser_would(location: str, asked: str) -> None:
    encoded = location.encode().decode("latin-1")
    with (
        Scripted({"deep/start.png": redirect(encoded)}) as host,
        fetcher_for(host, max_redirects=1) as fetcher,
    ):
        failure(fetcher, host.base_url + "deep/start.png")
        assert host.received[-1].target == asked


@pytest.mark.parametrize(
    ("location", "kind"),
    [
        ("http://10.0.0.1/", Kind.REFUSED),
        ("//169.254.169.254/latest/meta-data/", Kind.REFUSED),
        ("\\\\127.1/", Kind.REFUSED),
        ("http://0x7f000001/", Kind.REFUSED),
        ("http://localhost/", Kind.REFUSED),
        ("ftp://example.com/", Kind.REFUSED),
        ("javascript:alert(1)", Kind.REFUSED),
        ("http://[::1", Kind.REFUSED),
        ("http://exa mple/", Kind.REFUSED),
        ("http://h:99999/", Kind.REFUSED),
    ],
)
def test_a_redirect_to_where_we_must_not_go_is_refused(location: str, kind: Kind) -> None:
    with Scripted({"r.png": redirect(location)}) as host, fetcher_for(host) as fetcher:
        assert failure(fetcher, host.base_url + "r.png").kind is kind


# --- TLS --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Authority:
    server: ssl.SSLContext
    pem: str


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    ca = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("127.0.0.1", "localhost").configure_cert(server)
    pem = tmp_path_factory.mktemp("tls") / "ca.pem"
    ca.cert_pem.write_to_path(str(pem))
    return Authority(server, str(pem))


def test_https_is_fetched_when_the_authority_is_known(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", authority.pem)
    names: list[str | None] = []
    authority.server.sni_callback = lambda _socket, name, _context: names.append(name)
    with (
        Scripted({}, tls=authority.server) as host,
        Fetcher(PATIENT, exempt_hosts=["localhost"]) as fetcher,
    ):
        assert body(fetcher, f"https://localhost:{host.port}/a.png").data == PNG
        assert host.received[-1].headers["host"] == f"localhost:{host.port}"
    assert names == ["localhost"]


def test_an_unknown_authority_is_an_error_and_nothing_is_asked(authority: Authority) -> None:
    with Scripted({}, tls=authority.server) as host, fetcher_for(host) as fetcher:
        error = failure(fetcher, host.base_url + "a.png")
        assert error.kind is Kind.PERMANENT
        assert "SSL_CERT_FILE" in str(error)
        assert not host.requests


def test_a_certificate_for_another_name_is_an_error(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", authority.pem)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("elsewhere.example").configure_cert(server)
    with Scripted({}, tls=server) as host, fetcher_for(host) as fetcher:
        assert failure(fetcher, host.base_url + "a.png").kind is Kind.PERMANENT


def test_certificates_that_cannot_be_read_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/ca.pem")
    with Fetcher(PATIENT, exempt_hosts=["127.0.0.1"]) as fetcher:
        error = failure(fetcher, "https://127.0.0.1:1/a.png")
    assert error.kind is Kind.PERMANENT
    assert "SSL_CERT_FILE" in str(error)


def test_a_redirect_from_https_to_http_is_not_followed(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", authority.pem)
    with (
        Scripted({}) as plain,
        Scripted({"r.png": redirect(plain.base_url + "a.png")}, tls=authority.server) as host,
        fetcher_for(host, plain) as fetcher,
    ):
        assert failure(fetcher, host.base_url + "r.png").kind is Kind.REFUSED
        assert not plain.requests


# --- What goes over the wire ------------------------------------------------------------------

WIRE = [
    ("/a.png", "/a.png"),
    ("", "/"),
    ("?x", "/?x"),
    ("/图片.png", "/%E5%9B%BE%E7%89%87.png"),
    ("/a b.png", "/a%20b.png"),
    ("/a%20b.png", "/a%20b.png"),
    ("/a%2Fb%2fc.png", "/a%2Fb%2fc.png"),
    ("/100%.png", "/100%.png"),
    ("/%zz.png", "/%zz.png"),
    ("/%E5%9B%BE 图.png", "/%E5%9B%BE%20%E5%9B%BE.png"),
    ("/a+b.png", "/a+b.png"),
    ("/a.png!style", "/a.png!style"),
    ("/@user/a.png@!thumb", "/@user/a.png@!thumb"),
    ("/a(1),b;c='d'&e=$*~.png", "/a(1),b;c='d'&e=$*~.png"),
    ("/a//b.png", "/a//b.png"),
    ("/a/./b/../c.png", "/a/c.png"),
    ("/a/%2e%2E/c.png", "/c.png"),
    ("/../../c.png", "/c.png"),
    ("/a/..", "/"),
    ("/a..b/.c.png", "/a..b/.c.png"),
    ("/a\\b.png", "/a/b.png"),
    ('/"<>`{}.png', "/%22%3C%3E%60%7B%7D.png"),
    ("/a|b[1]^.png", "/a|b[1]%5E.png"),
    ("/a.png?x-oss-process=image/resize,w_800", "/a.png?x-oss-process=image/resize,w_800"),
    ("/a.png?imageView2/2/w/800|imageslim", "/a.png?imageView2/2/w/800|imageslim"),
    ("/a.png?q=图 '", "/a.png?q=%E5%9B%BE%20%27"),
    ("/a.png?a=%2B+&&b", "/a.png?a=%2B+&&b"),
    ("/a.png?", "/a.png?"),
    ("/a.png?b?c/../d", "/a.png?b?c/../d"),
    ("/a.png#b?c", "/a.png"),
    (" /a.png".strip() + "\n", "/a.png"),
    ("/a\t.p\nng", "/a.png"),
    ("/\U0001f600.png", "/%F0%9F%98%80.png"),
]


@pytest.mark.parametrize(("written", "asked"), WIRE)
def test_a_url_is_asked_for_as_a_browser_would(
    written: str, asked: str, host: MisbehavingHost, fetcher: Fetcher
) -> None:
    failure_or_body = partial(fetcher.fetch, Url(host.base_url.rstrip("/") + written))
    try:
        failure_or_body()
    except FetchError as error:
        assert error.status == 404, error  # noqa: PT017
    assert host.received[-1].target == asked


_ENCODED = st.lists(
    st.one_of(
        st.sampled_from("abz019-_~!$&'()*+,;=:@|[]"),
        st.integers(0, 255).filter(lambda byte: byte != ord(".")).map("%{:02X}".format),
        st.integers(0, 255).filter(lambda byte: byte != ord(".")).map("%{:02x}".format),
        st.sampled_from(["/", "//", "%", "%zz", "?", "?a=%2B+&b"]),
    ),
    max_size=20,
).map("".join)


@settings(max_examples=50, deadline=None)
@given(_ENCODED)
def test_an_encoded_path_reaches_the_wire_byte_for_byte(path: str) -> None:
    front, mark, query = path.partition("?")
    path = "/x" + front + mark + query.replace("'", "%27")  # a browser encodes it in a query
    with ImageHost({}) as host, fetcher_for(host, retries=0) as fetcher:
        with suppress(FetchError):
            fetcher.fetch(Url(host.base_url.rstrip("/") + path))
        assert host.received[-1].target == path


@given(st.text(st.characters(codec="utf-8", exclude_characters="?#\\"), max_size=30))
def test_what_is_asked_for_is_stable_under_asking_again(path: str) -> None:
    once = Endpoint.parse(f"http://h/{path}").path
    assert once.isascii()
    assert not any(c.isspace() for c in once)
    assert Endpoint.parse(f"http://h{once}").path == once


@given(st.text(max_size=40))
def test_any_text_is_an_endpoint_or_refused(text: str) -> None:
    for raw in (text, f"http:{text}", f"http://{text}", f"http://h/{text}"):
        try:
            endpoint = Endpoint.parse(raw)
        except FetchError as error:
            assert error.kind is Kind.REFUSED  # noqa: PT017
        else:
            assert endpoint.host.isascii()
            assert endpoint.path.startswith(("/", "?"))


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        ("http://EXAMPLE.com./", "example.com", 80),
        ("HTTPS://Example.COM:443/", "example.com", 443),
        ("//example.com/", "example.com", 443),
        ("http://例子.中国:8080/", "xn--fsqu00a.xn--fiqs8s", 8080),
        ("http://例子。中国/", "xn--fsqu00a.xn--fiqs8s", 80),
        ("http://a%2Eb/", "a.b", 80),
        ("http://[2606:4700::1111]:80/", "2606:4700::1111", 80),
        ("http://a@b:c@host/", "host", 80),
        ("http://good.example\\@evil.example/", "good.example", 80),
        ("http://h:/", "h", 80),
    ],
)
def test_the_host_of_a_url(url: str, host: str, port: int) -> None:
    endpoint = Endpoint.parse(url)
    assert (endpoint.host, endpoint.port) == (host, port)


@pytest.mark.parametrize(
    "url",
    [
        "a.png",
        "/a.png",
        "ftp://h/a.png",
        "file:///etc/passwd",
        "data:image/png;base64,AAAA",
        "gopher://h/",
        "http:a.png",
        "http://",
        "http://:80/",
        "http://h:port/",
        "http://h:0/",
        "http://h:65536/",
        "http://h:٣/",
        "http://h:" + "9" * 5000 + "/",
        "http://h ost/",
        "http://h%00/",
        "http://[::1/",
        "http://h\u0000/",
        "",
    ],
)
def test_what_is_no_http_url_is_refused(url: str, fetcher: Fetcher) -> None:
    assert failure(fetcher, url).kind is Kind.REFUSED


# --- The guard --------------------------------------------------------------------------------

PRIVATE = """
    0.0.0.0 0.1.2.3 10.0.0.1 100.64.0.1 100.100.100.200 127.0.0.1 127.255.255.255 168.63.129.16
    169.254.169.254 172.16.0.1 172.31.255.255 192.0.0.1 192.0.2.1 192.88.99.1 192.168.1.1
    198.18.0.1 198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255
    :: ::1 ::7f00:1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:8.8.8.8 64:ff9b::7f00:1
    64:ff9b::169.254.169.254 64:ff9b:1::808:808 100::1 2001::1 2001:0:53aa:64c::1 2001:db8::1
    2002:7f00:1::1 2002:808:808::1 3fff::1 fc00::1 fd00::1 fe80::1 fe80::1%eth0 fec0::1 ff02::1
    4000::1 nonsense 1.2.3
""".split()
PUBLIC = """
    1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.1 100.63.255.255 100.128.0.1 172.15.0.1 172.32.0.1
    192.0.1.1 198.20.0.1 223.255.255.255 2606:4700::1111 2400:3200::1 2a00:1450::1
    64:ff9b::8.8.8.8
""".split()


@pytest.mark.parametrize("address", PRIVATE)
def test_a_private_or_reserved_address_is_private(address: str) -> None:
    assert is_private(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_not_private(address: str) -> None:
    assert not is_private(address)


SPELLINGS = """
    127.0.0.1 127.1 127.0.1 0x7f000001 0x7f.1 2130706433 017700000001 0177.0.0.01 127.0.0.1.
    localhost LOCALHOST localhost. [::1] [::] 0 0.0.0.0 [::ffff:127.0.0.1] [::ffff:7f00:1]
    [0:0:0:0:0:0:0:1] １２７.0.0.1 127。0。0。1 127.0.0.%31
""".split()


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("through_proxy", [False, True], ids=["direct", "proxy"])
def test_no_spelling_of_loopback_is_connected_to(
    spelling: str, through_proxy: bool, monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    with MisbehavingHost({"a.png": PNG}) as host:
        if through_proxy:
            monkeypatch.setenv("HTTP_PROXY", host.base_url)
        with Fetcher(replace(PATIENT, retries=0), sleep=clock.sleep) as fetcher:
            error = failure(fetcher, f"http://{spelling}:{host.port}/a.png")
        assert error.kind in (Kind.REFUSED, Kind.TRANSIENT)  # transient: no name to the resolver
        assert not host.received


def test_the_address_checked_is_the_address_connected_to(
    monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    """A name that is public when checked and loopback when asked again gains nothing."""
    asked: list[str] = []
    responses = iter(["93.184.216.34", "127.0.0.1", "127.0.0.1"])
    real = socket.getaddrinfo
    connected: list[str] = []

    def rebinding(host: Any, port: Any, *rest: Any, **options: Any) -> Any:
        if host != "rebind.example":
            connected.append(host)
            return real("127.0.0.1", 1, *rest, **options)  # whatever is dialled ends at once
        asked.append(host)
        return real(next(responses), port, *rest, **options)

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    with Fetcher(replace(PATIENT, retries=1), sleep=clock.sleep) as fetcher:
        error = failure(fetcher, "http://rebind.example/a.png")
    assert connected == ["93.184.216.34"]
    assert error.kind is Kind.REFUSED
    assert len(asked) == 2


def test_of_mixed_addresses_only_the_public_ones_are_tried() -> None:
    guard = Guard()
    assert guard.allowed("h", 80, ["10.0.0.1", "8.8.8.8", "::1"]) == ["8.8.8.8"]
    with pytest.raises(FetchError):
        guard.allowed("h", 80, ["10.0.0.1", "::1"])


@pytest.mark.parametrize(
    ("exempt", "passes"),
    [
        ("127.0.0.1", True),
        ("127.0.0.1:{port}", True),
        ("127.0.0.1:1", False),
        ("localhost", False),
        ("", False),
    ],
)
def test_only_the_exempt_host_may_be_private(
    exempt: str, passes: bool, host: MisbehavingHost
) -> None:
    with Fetcher(PATIENT, exempt_hosts=[exempt.format(port=host.port)]) as fetcher:
        if passes:
            body(fetcher, host.base_url + "a.png")
        else:
            assert failure(fetcher, host.base_url + "a.png").kind is Kind.REFUSED


def test_private_hosts_can_be_allowed(host: MisbehavingHost) -> None:
    with Fetcher(replace(PATIENT, allow_private_hosts=True)) as fetcher:
        assert body(fetcher, host.base_url + "a.png").data == PNG


@pytest.mark.parametrize(
    ("name", "is_refused"),
    [
        ("localhost", True),
        ("a.localhost", True),
        ("printer.local", True),
        ("metadata.google.internal", True),
        ("wiki", True),
        ("nas.home.arpa", True),
        ("10.0.0.1", True),
        ("2130706433", True),
        ("0x7f.1", True),
        ("::1", True),
        ("8.8.8.8", False),
        ("2606:4700::1111", False),
        ("img.example.com", False),
        ("local.example.com", False),
    ],
)
def test_behind_a_proxy_the_name_itself_is_judged(name: str, is_refused: bool) -> None:
    if is_refused:
        with pytest.raises(FetchError):
            Guard().check_name(name, 80)
        Guard(frozenset({name})).check_name(name, 80)
    else:
        Guard().check_name(name, 80)


# --- Proxies ----------------------------------------------------------------------------------


class Proxy(ImageHost):
    """Answers for every host, and refuses to tunnel."""

    def answer(self, request: Request) -> Response:
        if request.method == "CONNECT":
            return Response(407 if "proxy-authorization" not in request.headers else 502)
        return Response(200, {}, PNG)


def test_a_proxy_is_asked_for_the_whole_url(monkeypatch: pytest.MonkeyPatch) -> None:
    with Proxy({}) as proxy, Fetcher(PATIENT) as direct:
        monkeypatch.setenv("HTTP_PROXY", proxy.base_url.replace("//", "//me:p%40ss@"))
        with Fetcher(PATIENT) as fetcher:
            url = "http://u:pw@pictures.example/a%2Fb.png?x=1"
            assert body(fetcher, url).data == PNG
        asked = proxy.received[-1]
        assert asked.target == "http://pictures.example/a%2Fb.png?x=1"
        credentials = base64.b64encode(b"me:p@ss").decode()
        assert asked.headers["proxy-authorization"] == f"Basic {credentials}"
        direct.close()


class Tunnel(ImageHost):
    """A proxy that connects, and passes bytes on."""

    def respond(self, client: socket.socket, request: Request) -> bool:
        with socket.create_connection(("127.0.0.1", int(request.target.split(":")[1]))) as far:
            client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            back = threading.Thread(target=relay, args=(far, client))
            back.start()
            relay(client, far)
            back.join()
        return False


def relay(source: socket.socket, sink: socket.socket) -> None:
    """Pass bytes on until either side ends."""
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_RDWR)


def test_https_goes_through_a_tunnel_and_is_checked_behind_it(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Tunnel({}) as proxy, Scripted({}, tls=authority.server) as host:
        monkeypatch.setenv("HTTPS_PROXY", proxy.base_url)
        url = f"https://localhost:{host.port}/a.png"
        with Fetcher(PATIENT, exempt_hosts=["localhost"]) as fetcher:
            assert failure(fetcher, url).kind is Kind.PERMANENT
        monkeypatch.setenv("SSL_CERT_FILE", authority.pem)
        with Fetcher(PATIENT, exempt_hosts=["localhost"]) as fetcher:
            assert body(fetcher, url).data == PNG
        assert host.requests == {"GET a.png": 1}


def test_no_proxy_is_honoured(monkeypatch: pytest.MonkeyPatch, host: MisbehavingHost) -> None:
    with Proxy({}) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.base_url)
        monkeypatch.setenv("NO_PROXY", "example.com,127.0.0.1")
        with fetcher_for(host) as fetcher:
            body(fetcher, host.base_url + "a.png")
        assert not proxy.received
    assert host.received


@pytest.mark.parametrize(
    ("userinfo", "kind"), [("", Kind.AUTHENTICATION), ("me:pw@", Kind.TRANSIENT)]
)
def test_a_proxy_that_does_not_tunnel_is_named(
    monkeypatch: pytest.MonkeyPatch, userinfo: str, kind: Kind, clock: Clock
) -> None:
    with Proxy({}) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.base_url.replace("//", f"//{userinfo}"))
        with Fetcher(PATIENT, sleep=clock.sleep) as fetcher:
            error = failure(fetcher, "https://pictures.example/a.png")
    assert error.kind is kind
    assert f"the proxy 127.0.0.1:{proxy.port} did not connect" in str(error)
    assert "me:pw" not in str(error)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_cannot_be_reached_is_named_and_not_the_host(
    monkeypatch: pytest.MonkeyPatch, scheme: str, clock: Clock
) -> None:
    monkeypatch.setenv(f"{scheme.upper()}_PROXY", "http://me:pw@127.0.0.1:9")
    with Fetcher(PATIENT, sleep=clock.sleep) as fetcher:
        error = failure(fetcher, f"{scheme}://pictures.example/a.png")
    assert error.kind is Kind.TRANSIENT
    assert "the proxy 127.0.0.1:9 did not connect (no connection to it: " in str(error)
    assert "pictures.example" not in str(error)
    assert "me:pw" not in str(error)


def test_a_proxy_that_wants_a_login_is_named_and_not_the_host(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Closed(ImageHost):
        def answer(self, request: Request) -> Response:
            return Response(407, {}, b"log in")

    with Closed({}) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.base_url)
        with Fetcher(PATIENT) as fetcher:
            error = failure(fetcher, "http://pictures.example/a.png")
    assert (error.kind, error.status) == (Kind.AUTHENTICATION, 407)
    assert f"the proxy 127.0.0.1:{proxy.port}" in str(error)
    assert "pictures.example" not in str(error)


@pytest.mark.parametrize(
    "proxy", ["socks5://me:hidden@127.0.0.1:1080", "http://me:hidden@h:port", "//hidden", "[hidden"]
)
def test_a_proxy_that_is_no_http_address_is_an_error(
    monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    monkeypatch.setenv("ALL_PROXY", proxy)
    with Fetcher(PATIENT) as fetcher:
        error = failure(fetcher, "http://pictures.example/a.png")
    assert error.kind is Kind.PERMANENT
    assert "hidden" not in str(error)


# --- Secrets ----------------------------------------------------------------------------------

SECRET = "s3cr3tvalue"


def test_no_secret_reaches_an_error_or_a_log(
    host: MisbehavingHost, fetcher: Fetcher, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("httpcore", "httpx"):
        caplog.set_level(logging.DEBUG, logger=name)
    signed = f"?Signature={SECRET}&OSSAccessKeyId=LTAI{SECRET}"
    responses = {
        "echo.png": lambda r: Response(403, {}, f"<Code>{SECRET}</Code>".encode()),
        "echo200.png": lambda r: Response(
            200, {}, f"<Error><Code>{SECRET}</Code></Error>".encode()
        ),
        "away.png": redirect(f"ftp://elsewhere/{signed}"),
        "loop.png": redirect(f"/loop.png{signed}"),
        "private.png": redirect(f"http://10.0.0.1/{signed}"),
    }
    with Scripted(responses) as scripted, fetcher_for(scripted, host) as fetcher:
        urls = [f"{scripted.base_url}{name}{signed}" for name in (*responses, "none.png")]
        urls += [
            f"{host.base_url}{name}/a.png{signed}"
            for name, misbehaviour in MISBEHAVIOURS.items()
            if not misbehaviour.takes_time
        ]
        urls += [f"http://me:{SECRET}@127.0.0.1:1/a.png", f"ftp://me:{SECRET}@h/", f"{SECRET}:x"]
        for url in urls:
            try:
                fetcher.fetch(Url(url), {"X-Key": SECRET})
            except FetchError as error:
                printed = "".join(traceback.format_exception(error)) + repr(error)
                assert SECRET not in printed, url
    assert SECRET not in caplog.text


def test_an_error_holds_no_control_characters() -> None:
    assert str(FetchError("a\x1b[31m\u202e", Kind.CONTENT)) == "a\\x1b[31m\\u202e"


# --- Checks, without a network ----------------------------------------------------------------


def test_a_body_of_another_length_is_a_mismatch() -> None:
    with pytest.raises(FetchError, match="5 bytes, found 4 bytes"):
        Declaration.parse({"content-length": "5"}).check(b"four")


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"etag": '"' + "a" * 32 + '-3"'}, id="uploaded in parts"),
        pytest.param({"etag": 'W/"' + "a" * 32 + '"'}, id="weak"),
        pytest.param({"etag": '"5f3a-1a2b3c"'}, id="another make"),
        pytest.param({"etag": "a" * 32, "x-oss-object-type": "Appendable"}, id="appended object"),
        pytest.param(
            {"etag": "a" * 32, "x-amz-server-side-encryption": "aws:kms"}, id="KMS encryption"
        ),
        pytest.param(
            {"etag": "a" * 32, "x-amz-server-side-encryption-customer-algorithm": "AES256"},
            id="customer key",
        ),
    ],
)
def test_an_etag_that_is_no_md5_promises_nothing(headers: dict[str, str]) -> None:
    Declaration.parse(headers).check(b"anything")


@pytest.mark.parametrize(
    "headers",
    [
        {"etag": "a" * 32},
        {"x-oss-hash-crc64ecma": "1"},
        {"content-md5": "AAAAAAAAAAAAAAAAAAAAAA=="},
    ],
)
def test_a_checksum_of_a_picture_is_processed_promises_nothing(headers) -> None:
    Declaration.parse(headers, is_processed=True).check(b"anything")
    with pytest.raises(FetchError):
        Declaration.parse(headers).check(b"anything")


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_a_body_agrees_with_its_own_checksums_and_no_other(data: bytes, other: bytes) -> None:
    with ImageHost({"a": data}) as host:
        headers = host.answer(Request("GET", "/a", {})).headers
    declared = Declaration.parse({name.lower(): text for name, text in headers.items()})
    declared.check(data)
    if other != data:
        with pytest.raises(FetchError):
            declared.check(other)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (PNG, None),
        (b"GIF89a", None),
        (b"\xff\xd8\xff\xe0", None),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", None),
        (b"\xef\xbb\xbf<?xml version='1.0'?>\n<!-- <html> -->\n<svg>", None),
        (b'<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "x"[<!ENTITY a "b">]>\n<svg>', None),
        (b"<svg:svg xmlns:svg='http://www.w3.org/2000/svg'>", None),
        ("<svg/>".encode("utf-16"), None),
        (b"", "nothing: the body is empty"),
        (b" \r\n", "only blanks"),
        (b"<!doctype HTML><p>", "an HTML page"),
        (b"\n<!-- c --><html lang=en>", "an HTML page"),
        (b"<html><svg></svg></html>", "an HTML page"),
        ("<html>".encode("utf-16"), "an HTML page"),
        (b"<script>location='/'</script>", "an HTML page"),
        (
            b"<?xml version='1.0'?><Error><Code>NoSuchKey</Code>",
            "an XML document",
        ),
        (b"<rss>", "an XML document"),
        (b'{"code": 404}', "JSON"),
        (b"\n[1]", "JSON"),
    ],
)
def test_a_document_is_named(data: bytes, expected: str | None) -> None:
    assert describe_document(data) == expected


@given(st.binary(max_size=300))
def test_any_bytes_can_be_described(data: bytes) -> None:
    for start in (b"", b"<", b"<?xml", b"<!DOCTYPE x [", b"\xff\xfe<"):
        description = describe_document(start + data)
        assert description is None or description.isprintable()


@pytest.mark.parametrize("name", ["content-length", "x-oss-hash-crc64ecma"])
@pytest.mark.parametrize("text", ["", "-1", "1.5", "²", "9" * 5000, "5, 5"])
def test_a_number_that_is_none_declares_nothing(name: str, text: str) -> None:
    Declaration.parse({name: text}).check(b"anything")


def test_validators_make_a_conditional_request() -> None:
    assert Validators('"a"', "date").as_headers() == {
        "if-none-match": '"a"',
        "if-modified-since": "date",
    }
    assert Validators().as_headers() == {}


@pytest.mark.parametrize(
    "label", ["aws-chunked", "utf-8", "none", "", "binary,identity", "AWS-Chunked, gzip"]
)
def test_a_coding_that_is_only_a_label_is_passed_by(label: str) -> None:
    data = zlib.compress(PNG, wbits=31) if "gzip" in label else PNG
    assert Declaration.parse({"content-encoding": label}).decoded(data, 2**20) == PNG


@pytest.mark.parametrize("label", ["br", "gzip, br", "zstd", "gzip, gzip"])
def test_a_coding_nobody_can_undo_here_is_named(label: str) -> None:
    with pytest.raises(FetchError, match=f"Content-Encoding '{label}'"):
        Declaration.parse({"content-encoding": label}).decoded(PNG, 2**20)


def test_a_content_md5_in_hexadecimal_is_read_too() -> None:
    digest = hashlib.md5(PNG, usedforsecurity=False).hexdigest()
    Declaration.parse({"content-md5": digest.upper()}).check(PNG)
    with pytest.raises(FetchError, match="Content-MD5"):
        Declaration.parse({"content-md5": digest}).check(PNG[:-1])
