"""Mirrored images as a reader gets them: from a host that serves the destination's folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from hashlib import md5, sha256
from threading import Event
from typing import Any

import pytest
from support.commands import BUCKET, filled, picture, run
from support.sites import Blog
from support.slides import deck, encode

from mirror.host import ImageHost, Request, Response

NAMES = ("a.png", "b.png", "c.png")
SITE = "https://70data.net/"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect/></svg>'
Spoil = Callable[[Request, Response], Response]


class Cdn(ImageHost):
    """Serves the folder of the destination as it is by now; `spoil` changes answers."""

    def __init__(self, blog: Blog) -> None:
        self.spoil: Spoil = lambda request, response: response
        self._blog = blog
        super().__init__({})

    def answer(self, request: Request) -> Response:
        for name, data in self._blog.objects().items():
            self.put(f"blog/{name}", data)
        return self.spoil(request, super().answer(request))


@pytest.fixture
def cdn(blog: Blog) -> Iterator[Cdn]:
    """The blog's destination has a public address at this host."""
    with Cdn(blog) as host:
        configure(blog, f"{host.base_url}blog")
        yield host


def configure(blog: Blog, public_url: str | None, source: str = "", fetch: str = "") -> None:
    blog.configure(source=source, more=f"[fetch]\nretries = 0\n{fetch}")
    path = blog.root / "mirror.toml"
    line = f'public_url = "{public_url}"' if public_url else ""
    path.write_text(path.read_text().replace('public_url = "/images"', line))


def verify(blog: Blog) -> tuple[int, list[tuple[str, str]]]:
    """The exit code, and rule and message of each finding."""
    ran = run(blog, "verify", "--public", "--json")
    events = [event for event in ran.events if event["type"] == "finding"]
    return ran.code, [
        (event["rule"], f"{event['subject']}: {event['message']}") for event in events
    ]


def headers(**more: str) -> Spoil:
    named = {name.replace("_", "-"): text for name, text in more.items()}
    return lambda request, response: replace(response, headers={**response.headers, **named})


def without(*names: str) -> Spoil:
    def spoil(request: Request, response: Response) -> Response:
        kept = {name: text for name, text in response.headers.items() if name not in names}
        return replace(response, headers=kept)

    return spoil


def body(data: bytes, media_type: str = "image/png", status: int = 200) -> Spoil:
    return lambda request, response: Response(status, {"Content-Type": media_type}, data)


def test_what_readers_get_agrees(blog: Blog, cdn: Cdn) -> None:
    filled(blog, *NAMES)
    ran = run(blog, "verify", "--public")
    assert ran.code == 0
    assert "3 public URLs asked" in ran.out
    keys = [blog.asset(name)["key"] for name in NAMES]
    assert cdn.requests == {f"GET blog/{key}": 1 for key in keys}


@pytest.mark.parametrize(
    ("spoil", "rule", "words"),
    [
        pytest.param(
            headers(Content_Type="application/octet-stream"),
            "M401",
            "expected Content-Type image/png, found application/octet-stream",
            id="octets",
        ),
        pytest.param(without("Content-Type"), "M401", "found none", id="no media type"),
        pytest.param(
            headers(Content_Disposition='Attachment; filename="x.png"'),
            "M403",
            "use a domain of your own",
            id="as the default domains of OSS do",
        ),
        pytest.param(body(picture(99)), "M401", "expected", id="another picture"),
        pytest.param(body(picture(0)[:-1]), "M401", "bytes, found", id="cut"),
        pytest.param(body(b"<html>Sorry</html>"), "M401", "an HTML page", id="page as a picture"),
        pytest.param(body(b""), "M401", "the body is empty", id="nothing"),
        pytest.param(body(b"gone", "text/plain", 404), "M402", "HTTP 404", id="not there"),
        pytest.param(body(b"gone", "text/plain", 410), "M402", "HTTP 410", id="gone"),
        pytest.param(body(b"no", "text/plain", 403), "M402", "is refused to readers", id="refused"),
        pytest.param(body(b"", "text/plain", 401), "M402", "is refused to readers", id="login"),
        pytest.param(body(b"", "text/plain", 503), "M404", "HTTP 503", id="busy"),
        pytest.param(headers(Content_MD5="AAAA"), "M401", "Content-MD5", id="checksum"),
    ],
)
def test_what_readers_would_complain_about_is_found(
    blog: Blog, cdn: Cdn, spoil: Spoil, rule: str, words: str
) -> None:
    filled(blog, "a.png")
    cdn.spoil = spoil
    code, ((name, message),) = verify(blog)
    assert (code, name) == (3 if rule == "M404" else 1, rule)
    assert words in message
    assert message.startswith(f"{cdn.base_url}blog/{blog.asset('a.png')['key']}: ")


def test_a_picture_that_was_changed_on_the_way_is_named_by_its_type(blog: Blog, cdn: Cdn) -> None:
    """A CDN makes WebP of PNG and passes on the ETag, an MD5 of the PNG."""
    filled(blog, "a.png")
    webp = picture(0, "WEBP")
    etag = md5(picture(0), usedforsecurity=False).hexdigest()
    path = blog.root / "mirror.toml"
    path.write_text(path.read_text().replace("retries = 0", "retries = 1"))

    def to_webp(request: Request, response: Response) -> Response:
        return Response(200, {"Content-Type": "image/webp", "ETag": f'"{etag}"'}, webp)

    cdn.spoil = to_webp
    code, ((rule, message),) = verify(blog)
    assert (code, rule) == (1, "M401")
    assert f"another picture file than the manifest's (image/webp, {len(webp)} bytes;" in message


@pytest.mark.parametrize(
    ("kind", "spelling"),
    [
        ("ICO", "image/vnd.microsoft.icon"),
        ("BMP", "image/x-ms-bmp; charset=binary"),
        ("PNG", "IMAGE/PNG"),
    ],
)
def test_other_names_of_one_media_type_are_fine(
    blog: Blog, cdn: Cdn, kind: str, spelling: str
) -> None:
    blog.host.put("a", picture(1, kind))
    blog.write("post.md", "![](BUCKET/a)\n")
    assert not blog.sync().findings
    cdn.spoil = headers(Content_Type=spelling)
    assert verify(blog) == (0, [])


@pytest.mark.parametrize(("trusted", "expected"), [(False, []), (True, ["M403"])])
def test_an_svg_is_meant_to_be_saved_unless_its_source_is_trusted(
    blog: Blog, cdn: Cdn, trusted: bool, expected: list[str]
) -> None:
    configure(blog, f"{cdn.base_url}blog", "trust_svg = true" if trusted else "")
    blog.host.put("a.svg", SVG)
    blog.write("post.md", "![](BUCKET/a.svg)\n")
    blog.sync()
    cdn.spoil = headers(Content_Disposition="attachment")
    _, findings = verify(blog)
    assert [rule for rule, _ in findings] == expected


def test_redirects_are_followed(blog: Blog, cdn: Cdn) -> None:
    filled(blog, *NAMES)
    configure(blog, f"{cdn.base_url}moved")
    cdn.spoil = lambda request, response: (
        Response(302, {"Location": request.target.replace("/moved/", "/blog/")})
        if request.target.startswith("/moved/")
        else response
    )
    assert verify(blog) == (0, [])


@pytest.mark.parametrize("allowed", [False, True])
def test_a_redirect_to_another_private_host_is_followed_only_where_that_is_allowed(
    blog: Blog, cdn: Cdn, allowed: bool
) -> None:
    filled(blog, "a.png")
    fetch = "allow_private_hosts = true" if allowed else ""
    with ImageHost({blog.asset("a.png")["key"]: picture(0)}) as intranet:
        configure(blog, f"{cdn.base_url}blog", fetch=fetch)
        cdn.spoil = lambda request, response: Response(
            302, {"Location": intranet.base_url + request.key.removeprefix("blog/")}
        )
        code, findings = verify(blog)
        assert intranet.requests.total() == allowed
    assert code == (0 if allowed else 3)
    assert [rule for rule, _ in findings] == ([] if allowed else ["M404"])


def test_a_host_that_is_down_is_no_difference(blog: Blog) -> None:
    configure(blog, "http://127.0.0.1:9/blog")
    filled(blog, *NAMES)
    code, findings = verify(blog)
    assert (code, [rule for rule, _ in findings]) == (3, ["M404"] * 3)


MANY = tuple(f"{number}.png" for number in range(20))


def urls_in_order(blog: Blog, cdn: Cdn) -> list[str]:
    return [f"{cdn.base_url}blog/{asset['key']}" for asset in blog.assets]


def test_findings_come_in_the_order_of_the_manifest_whoever_answers_first(
    blog: Blog, cdn: Cdn
) -> None:
    filled(blog, *MANY[:12])
    urls = urls_in_order(blog, cdn)
    turns = [Event() for _ in urls]
    turns[-1].set()

    def backwards(request: Request, response: Response) -> Response:
        number = urls.index(cdn.base_url + request.key)
        assert turns[number].wait(60)
        if number:
            turns[number - 1].set()
        return replace(response, headers={**response.headers, "Content-Type": "text/plain"})

    cdn.spoil = backwards
    _, findings = verify(blog)
    assert [message.partition(": expected ")[0] for _, message in findings] == urls


def silent_for(keys: list[str]) -> Callable[[Any, Any, Request], bool]:
    """Close the connection without a word when one of these is asked for."""
    respond = ImageHost.respond

    def hang_up(host: ImageHost, client: Any, request: Request) -> bool:
        return request.key not in keys and respond(host, client, request)

    return hang_up


@pytest.mark.parametrize("answered", [0, 5])
def test_a_host_that_is_down_is_asked_no_more_and_named_once(
    blog: Blog, cdn: Cdn, monkeypatch: pytest.MonkeyPatch, answered: int
) -> None:
    configure(blog, f"{cdn.base_url}blog", fetch="concurrency = 1")
    filled(blog, *MANY)
    keys = [f"blog/{asset['key']}" for asset in blog.assets]
    monkeypatch.setattr(Cdn, "respond", silent_for(keys[answered:]))
    ran = run(blog, "verify", "--public", "--json")
    (finding,) = [event for event in ran.events if event["type"] == "finding"]
    assert (ran.code, finding["rule"], finding["subject"]) == (3, "M404", "site")
    said = f"could not be asked further: {answered + 8} of 20 URLs asked, the last 8 in vain; "
    assert finding["message"].startswith(said)
    assert "broke off" in finding["message"]
    assert ran.summary["asked"] == answered + 8
    assert cdn.requests.total() < 20
    ran = run(blog, "verify", "--public", "--format", "junit")
    assert ran.out.count('classname="mirror.public"') == answered + 1
    assert ran.out.count("<skipped") == 1


def test_a_host_where_nobody_listens_is_named_once(blog: Blog) -> None:
    configure(blog, "http://127.0.0.1:9/blog")
    filled(blog, *MANY)
    code, ((rule, message),) = verify(blog)
    assert (code, rule) == (3, "M404")
    assert "8 of 20 URLs asked" in message
    assert "no connection to 127.0.0.1:9" in message


def test_a_host_that_answers_now_and_then_is_asked_to_the_end(
    blog: Blog, cdn: Cdn, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(blog, f"{cdn.base_url}blog", fetch="concurrency = 1")
    filled(blog, *MANY)
    urls = urls_in_order(blog, cdn)
    silent = [url for number, url in enumerate(urls) if number % 8 != 7]
    keys = [url.removeprefix(cdn.base_url) for url in silent]
    monkeypatch.setattr(Cdn, "respond", silent_for(keys))
    code, findings = verify(blog)
    assert code == 3
    assert [message.partition(": 127.0.0.1")[0] for _, message in findings] == silent


@pytest.mark.parametrize(("public_url", "words"), [("/images", "relative"), (None, "has no")])
def test_an_address_that_means_nothing_here_is_said_once(
    blog: Blog, public_url: str | None, words: str
) -> None:
    configure(blog, public_url)
    filled(blog, *NAMES)
    code, ((rule, message),) = verify(blog)
    assert (code, rule) == (3, "M404")
    assert words in message


def test_without_a_destination_there_is_nobody_to_ask(blog: Blog) -> None:
    filled(blog, *NAMES)
    text = (blog.root / "mirror.toml").read_text()
    (blog.root / "mirror.toml").write_text(text.partition("[[destination]]")[0])
    code, ((rule, message),) = verify(blog)
    assert (code, rule) == (3, "M404")
    assert "there is no [[destination]]" in message


# --- Rules against hot-linking ----------------------------------------------------------------


@pytest.fixture
def site(blog: Blog, cdn: Cdn) -> Blog:
    """A blog whose source is asked with the Referer of the site."""
    configure(blog, f"{cdn.base_url}blog", f'headers = {{ Referer = "{SITE}" }}')
    filled(blog, *NAMES)
    return blog


def only(allowed: Callable[[str | None], bool]) -> Spoil:
    refused = Response(403, {"Content-Type": "text/plain"}, b"referer")
    return lambda request, response: (
        response if allowed(request.headers.get("referer")) else refused
    )


def test_pictures_are_asked_for_with_the_sites_referer_and_the_first_also_without(
    site: Blog, cdn: Cdn
) -> None:
    assert verify(site) == (0, [])
    asked = [request.headers.get("referer") for request in cdn.received]
    assert sorted(asked, key=str) == [None, SITE, SITE, SITE, SITE]


def test_a_host_that_wants_a_referer_is_a_warning(site: Blog, cdn: Cdn) -> None:
    cdn.spoil = only(lambda referer: referer is not None)
    code, ((rule, message),) = verify(site)
    assert (code, rule) == (0, "M405")
    assert "Allow an empty Referer" in message


def test_a_host_that_refuses_the_site_itself_is_a_difference(site: Blog, cdn: Cdn) -> None:
    cdn.spoil = only(lambda referer: referer is None)
    code, findings = verify(site)
    assert (code, [rule for rule, _ in findings]) == (1, ["M402"] * 3)
    assert all(f"who come from {SITE}, and served to others" in message for _, message in findings)


def test_a_host_that_refuses_everybody_is_a_difference(site: Blog, cdn: Cdn) -> None:
    cdn.spoil = only(lambda referer: False)
    code, findings = verify(site)
    assert (code, [rule for rule, _ in findings]) == (1, ["M402"] * 3)
    assert all("whether they come from the site or not" in message for _, message in findings)


def test_a_sample_bounds_what_is_asked_for(site: Blog, cdn: Cdn) -> None:
    digests = [int(sha256(picture(n)).hexdigest()[:15], 16) % 2 for n in range(len(NAMES))]
    for number in (1, 2):
        ran = run(site, "verify", "--public", "--sample", f"{number}/2", "--json")
        assert ran.code == 0
        assert ran.summary["asked"] == digests.count(number - 1)
    ran = run(site, "verify", "--public", "--archive", "--sample", "1/999999999")
    assert "3 objects checked in site, 1 of 3 read back, 1 of 3 originals in the archive read" in (
        ran.out
    )
    assert "1 of 3 public URLs asked: " in ran.out


def test_a_sample_that_holds_no_object_asks_for_one(blog: Blog, cdn: Cdn) -> None:
    slide = deck(1)[0].draw()
    blog.host.put("a.png", encode(slide))
    blog.host.put("b.jpg", encode(slide, "JPEG", quality=80))  # a repeat, without an object
    blog.write("post.md", f"![]({BUCKET}a.png)\n![]({BUCKET}b.jpg)\n")
    blog.sync()
    for number in (1, 2):
        assert (
            "1 public URL asked" in run(blog, "verify", "--public", "--sample", f"{number}/2").out
        )
    assert cdn.received
