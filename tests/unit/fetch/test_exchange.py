"""One request, its redirects, and what an error says."""

from __future__ import annotations

import base64
import logging
import traceback

import pytest
from support.fetching import (
    PNG,
    Scripted,
    body,
    failure,
    fetcher_for,
    redirect,
)
from support.misbehaving import MISBEHAVIOURS, MisbehavingHost

from mirror.fetch import FetchError, Kind
from mirror.fetch.fetcher import Fetcher
from mirror.host import Response
from mirror.urls.address import Url

# --- Redirects ------------------------------------------------------------------------------------


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


# --- Secrets --------------------------------------------------------------------------------------

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
