"""A whole fetch: honest hosts, misbehaving ones, and what may be asked again."""

from __future__ import annotations

import pickle
import socket
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from email.utils import formatdate

import pytest
from support.fetching import (
    PATIENT,
    PNG,
    SHORT,
    Authority,
    Clock,
    Scripted,
    body,
    failure,
    fetcher_for,
    redirect,
)
from support.misbehaving import MISBEHAVIOURS, MisbehavingHost

from mirror.fetch import FetchError, Kind
from mirror.fetch.fetcher import Fetcher
from mirror.fetch.limits import FetchLimits
from mirror.fetch.network import lenient_headers
from mirror.host import ImageHost, Request, Response
from mirror.urls.address import Url

# --- Honest hosts ---------------------------------------------------------------------------------


def test_fetch_returns_the_body_with_its_validators(
    host: MisbehavingHost, fetcher: Fetcher
) -> None:
    fetched = body(fetcher, host.base_url + "a.png")
    assert fetched.data == PNG
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


# --- Misbehaviour ---------------------------------------------------------------------------------


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
            assert body(fetcher, host.base_url + "a.png").data == PNG
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
        body(fetcher, f"{host.base_url}{name}/a.png")
    except FetchError as error:
        assert (f"tried {attempts} times" in str(error)) == (attempts > 1)  # noqa: PT017
    assert host.requests[f"GET {name}/a.png"] == attempts


def test_an_interrupted_body_goes_on_where_it_broke_off(
    host: MisbehavingHost, fetcher: Fetcher
) -> None:
    fetched = body(fetcher, host.base_url + "cut-once/a.png")
    assert fetched.data == PNG
    assert host.requests["GET cut-once/a.png"] == 2
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
    with fetcher_for(host, retries=99, timeout_s=0.1, transfer_timeouts=3) as fetcher:
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


# --- Addresses that no host can have --------------------------------------------------------------


def never(_: float) -> None:
    raise AssertionError("a refused address must not be asked for again")


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("https://999.1.1.1/a.png", id="a number over 255"),
        pytest.param("https://0177.0.0.1/a.png", id="octal"),
        pytest.param("http://0177.1/a.png", id="octal, short"),
        pytest.param("http://017700000001/a.png", id="octal, one number"),
        pytest.param("https://h.example/" + "a" * 65_536, id="long path"),
        pytest.param("https://h.example/a.png?" + "q" * 65_536, id="long query"),
    ],
)
def test_a_url_that_cannot_be_requested_is_refused_at_once(url: str) -> None:
    with Fetcher(FetchLimits(), sleep=never) as fetcher, pytest.raises(FetchError) as caught:
        fetcher.fetch(Url(url))
    assert caught.value.kind is Kind.REFUSED
    assert not caught.value.is_temporary
    assert "tried" not in str(caught.value)
