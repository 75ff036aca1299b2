"""Each provider's ways, as switches of a server, and what the doctor says of them."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from conftest import use
from PIL import Image
from support.commands import filled, picture, run
from support.quirks import BUCKET, PROVIDERS, QuirkyServer, quirky
from support.servers import Server, Servers
from support.sites import Blog
from typer.testing import CliRunner

from mirror.cli import app
from mirror.config import load_config
from mirror.host import ImageHost
from mirror.model import Key
from mirror.pipeline.doctor import doctor
from mirror.pipeline.parts import open_parts
from mirror.store import (
    DirectoryStore,
    ExistsError,
    MemoryStore,
    ObjectInfo,
    S3Settings,
    Store,
    UnreachableError,
)
from mirror.store.probe import PICTURE, Check, Health, examine, passed
from mirror.store.profiles import PROFILES, CreateOnly
from mirror.store.s3 import S3Store

NAMED_ONLY = ("ceph", "rclone", "generic")  # no host name tells them


def store_for(
    server: QuirkyServer, provider: str, monkeypatch: pytest.MonkeyPatch, **settings: Any
) -> S3Store:
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    named = {"provider": provider} if provider in NAMED_ONLY else {}
    known = S3Settings(bucket=BUCKET, prefix="blog", endpoint_url=server.endpoint_url)
    changed = {name: getattr(known, name) for name in ("bucket", "prefix", "endpoint_url")}
    return S3Store("r2", S3Settings(**(changed | named | settings)))


def checked(store: Store, **options: Any) -> dict[str, Check]:
    checks = list(examine(store, **options))
    assert len({check.name for check in checks}) == len(checks)
    return {check.name: check for check in checks}


def bad(checks: dict[str, Check]) -> list[str]:
    return [name for name, check in checks.items() if check.health is not Health.PASSED]


# --- Providers ----------------------------------------------------------------------------------


def test_every_profile_has_its_quirks() -> None:
    assert set(PROVIDERS) == {profile.name for profile in PROFILES}


@pytest.mark.parametrize("provider", PROVIDERS)
def test_every_provider_passes_with_its_own_profile(
    provider: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with quirky(provider) as server:
        store = store_for(server, provider, monkeypatch)
        checks = checked(store)
        assert bad(checks) == []
        assert checks.keys() >= {
            "credentials", "addressing", "round trip", "names", "clock", "media type", "paging",
            "Content-MD5", "checksum headers", "create only", "ETag",
        }  # fmt: skip
        assert server.objects == {}
        create_only = checks["create only"].message
        words = {"honoured": "is honoured", "ignored": "is ignored", "501": "is refused"}
        assert words[server.quirks.create_only] in create_only
        assert ("in capitals" in checks["ETag"].message) == server.quirks.upper_case_etags
        assert ("is refused" in checks["checksum headers"].message) == (
            server.quirks.refuses_checksums
        )


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_store_keeps_its_promises_at_every_provider(
    provider: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with quirky(provider) as server:
        store = store_for(server, provider, monkeypatch)
        key = Key("ab/a.png")
        store.put(key, b"one", "image/png")
        store.put(key, b"one", "image/png")
        with pytest.raises(ExistsError):
            store.put(key, b"two", "image/png")
        assert store.get(key) == b"one"
        [info] = store.list()
        assert (info.key, info.size) == (key, 3)
        assert server.objects["blog/ab/a.png"].headers["Content-Type"] == "image/png"


@pytest.mark.parametrize(
    ("provider", "quirks", "settings", "check", "says"),
    [
        pytest.param(
            "aliyun-oss", {}, {"addressing": "path"}, "addressing", 'set `addressing = "virtual"`',
            id="path style is refused",
        ),
        pytest.param(
            "aliyun-oss",
            {"refuses_path_style": False, "refuses_virtual_style": True},
            {},
            "addressing",
            'set `addressing = "path"`',
            id="virtual style is refused",
        ),
        pytest.param(
            "cloudflare-r2", {"create_only": "ignored"}, {}, "create only",
            'set `provider = "generic"`', id="less than the profile promises",
        ),
        pytest.param(
            "minio", {"skew_s": 1000}, {}, "clock", "set this machine's clock", id="a slow clock",
        ),
        pytest.param(
            "minio", {"skew_s": -600}, {}, "clock", "10 minutes ahead of", id="a fast clock",
        ),
        pytest.param(
            "minio", {"etag": "other md5"}, {}, "ETag", "looks like an MD5",
            id="an ETag that only looks like an MD5",
        ),
        pytest.param(
            "generic", {"ignores_content_md5": True}, {}, "Content-MD5", "mirror verify --deep",
            id="nobody checks an upload",
        ),
        pytest.param(
            "minio", {"forgets_types": True}, {}, "media type", "told as binary/octet-stream",
            id="types are lost",
        ),
        pytest.param(
            "minio", {"cuts_lists": True}, {}, "paging", "gave 1", id="a list is cut",
        ),
        pytest.param(
            "minio", {"changes_names": True}, {}, "names", "keep to the usual `key",
            id="names are changed",
        ),
        pytest.param(
            "minio", {"denies": "PUT"}, {}, "round trip", "read and write its objects",
            id="may not write",
        ),
        pytest.param(
            "minio", {}, {"bucket": "other-bucket"}, "list", "create the bucket",
            id="no such bucket",
        ),
        pytest.param(
            "minio", {"denies": "DELETE"}, {}, "clean-up", "remove .mirror-probe/ by hand",
            id="may not delete",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_is_found_and_the_remedy_said(
    provider: str,
    quirks: dict[str, Any],
    settings: dict[str, Any],
    check: str,
    says: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with quirky(provider, **quirks) as server:
        checks = checked(store_for(server, provider, monkeypatch, **settings))
    assert checks[check].health is Health.FAILED
    assert says in f"{checks[check].message} {checks[check].remedy}"


@pytest.mark.parametrize(
    ("quirks", "check"),
    [
        pytest.param({"lists_nothing": True}, "list", id="nothing is listed"),
        pytest.param({"repeats_pages": True}, "paging", id="the first page again and again"),
        pytest.param({"cuts_lists": True}, "paging", id="a list is cut"),
        pytest.param({"cuts_lists": True, "page_keys": 1}, "list", id="one object is listed"),
        pytest.param({"repeats_pages": True, "page_keys": 1}, "list", id="no end"),
    ],
)
def test_a_store_that_cannot_be_used_is_named_and_left_as_it_was(
    quirks: dict[str, Any], check: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with quirky("minio", **quirks) as server:
        checks = checked(store_for(server, "minio", monkeypatch))
        assert bad(checks) == [check]
        assert server.objects == {}


def test_a_probe_that_stayed_makes_no_command_fail(blog: Blog) -> None:
    filled(blog, "a.png", "b.png")
    store = blog.site.destinations[0].store
    store.put(Key(".mirror-probe/0123/probe.png"), PICTURE)
    for command in ("sync", "rewrite", "verify", "repair", "prune"):
        assert run(blog, command).code == 0, command
    assert run(blog, "prune", "--yes").code == 0
    assert run(blog, "verify", "--json").rules == []


@pytest.mark.parametrize("order", ["hash", "folders"])
def test_a_list_in_another_order_is_fine(order: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with quirky("minio", list_order=order) as server:
        checks = checked(store_for(server, "minio", monkeypatch))
        assert bad(checks) == []
        assert server.objects == {}


def test_no_and_wrong_credentials_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    with quirky("aliyun-oss") as server:
        store = store_for(server, "aliyun-oss", monkeypatch)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody-else")
        checks = checked(store)
        assert checks["credentials"].health is Health.PASSED
        assert "check which credentials" in checks["list"].message
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
        checks = checked(store_for_nobody(server))
        assert checks["credentials"].health is Health.FAILED
        assert "OSS_ACCESS_KEY_ID" in checks["credentials"].remedy
        monkeypatch.setenv("OSS_ACCESS_KEY_ID", "quirkykey")
        monkeypatch.setenv("OSS_ACCESS_KEY_SECRET", "quirkysecret")
        checks = checked(store_for_nobody(server))
        assert bad(checks) == []
        store = store_for(server, "aliyun-oss", monkeypatch, profile="nobody")
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        checks = checked(store)
        assert bad(checks) == ["list"]
        assert "nobody" in checks["list"].message
        assert "quirkysecret" not in str(checks)
        assert "quirkykey" not in str(checks)


def store_for_nobody(server: QuirkyServer) -> S3Store:
    return S3Store("oss", S3Settings(bucket=BUCKET, endpoint_url=server.endpoint_url))


def test_amazons_checksums_forced_on_another_provider_are_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_REQUEST_CHECKSUM_CALCULATION", "when_supported")
    with quirky("backblaze-b2") as server:
        checks = checked(store_for(server, "backblaze-b2", monkeypatch))
    assert "unset AWS_REQUEST_CHECKSUM_CALCULATION" in checks["round trip"].remedy


def test_trailers_over_tls_are_named(servers: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
    """A real server that refuses what boto would send by itself."""
    server = use(servers["rclone-tls"], monkeypatch)
    assert bad(checked(server.store())) == []
    monkeypatch.setenv("AWS_REQUEST_CHECKSUM_CALCULATION", "when_supported")
    checks = checked(server.store())
    assert bad(checks) == ["round trip"]
    assert "unset AWS_REQUEST_CHECKSUM_CALCULATION" in checks["round trip"].remedy


def test_real_servers_pass_and_are_left_as_they_were(server: Server) -> None:
    store = server.store()
    store.put(Key("kept.png"), PICTURE, "image/png")
    checks = checked(store)
    assert bad(checks) == []
    honoured = "is honoured" in checks["create only"].message
    assert honoured == server.creates_only
    assert [info.key for info in store.list()] == ["kept.png"]


def test_a_server_that_is_not_there_is_one_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    with quirky("minio") as server:
        store = store_for(server, "minio", monkeypatch, endpoint_url="http://127.0.0.1:9")
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
        checks = checked(store)
    assert bad(checks) == ["list", "the rest"]
    assert checks["list"].health is Health.FAILED
    assert "check endpoint_url" in checks["list"].message
    assert checks["the rest"].health is Health.UNKNOWN
    assert "not asked" in checks["the rest"].message


class SilentServer:
    """A server that takes connections and never answers."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._taken: list[socket.socket] = []
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"

    def connections(self) -> int:
        """Return how often it was asked until now."""
        with suppress(BlockingIOError):
            while True:
                self._taken.append(self._listener.accept()[0])  # one that is closed is an answer
        return len(self._taken)

    def close(self) -> None:
        for taken in self._taken:
            taken.close()


@contextmanager
def silent() -> Iterator[SilentServer]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        server = SilentServer(listener)
        yield server
        server.close()


def test_a_server_that_never_answers_is_asked_once_and_each_line_comes_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with quirky("minio") as server, silent() as other:
        store = store_for(server, "minio", monkeypatch, endpoint_url=other.url)
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", "9")  # who looks on does not want it here
        examination = examine(store, patience_s=0.5)
        assert next(examination).name == "credentials"
        assert other.connections() == 0
        checks = {check.name: check for check in examination}
        assert other.connections() == 1
    assert list(checks) == ["list", "the rest"]
    assert "no answer (ReadTimeoutError)" in checks["list"].message


class FallsSilent(MemoryStore):
    """Answers so many uploads, and nothing after that."""

    def __init__(self, uploads: int) -> None:
        super().__init__("m")
        self.uploads = uploads
        self.asked_in_vain = 0

    def put(self, key: Key, data: bytes, *rest: Any, **options: Any) -> None:
        self.uploads -= 1
        self._answer()
        super().put(key, data, *rest, **options)

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        self._answer()
        return super().list(prefix)

    def stat(self, key: Key) -> ObjectInfo | None:
        self._answer()
        return super().stat(key)

    def _answer(self) -> None:
        if self.uploads < 0:
            self.asked_in_vain += 1
            raise UnreachableError("m: no answer")


@pytest.mark.parametrize("uploads", [0, 1])
def test_a_store_that_falls_silent_is_asked_no_more_than_to_clean_up(uploads: int) -> None:
    store = FallsSilent(uploads)
    checks = checked(store)
    assert bad(checks) == ["destination", "the rest", "clean-up"]
    assert checks["the rest"].health is Health.UNKNOWN
    assert store.asked_in_vain == 2


def test_a_folder_that_cannot_be_made_is_named_with_the_remedy() -> None:
    checks = checked(DirectoryStore("public", Path("/proc/nowhere/mirror")))
    assert bad(checks) == ["destination"]
    said = "public: /proc/nowhere/mirror: cannot be made; make it, or correct `url`"
    assert checks["destination"].message == said


def test_a_folder_is_tried_and_left_as_it_was(tmp_path: Path) -> None:
    store = DirectoryStore("public", tmp_path / "public")
    seen = []

    def published(key: Key) -> Iterator[Check]:
        seen.append(store.get(key))
        yield passed("seen", "there")

    checks = checked(store, published=published)
    assert bad(checks) == []
    assert seen == [PICTURE]
    assert list((tmp_path / "public").iterdir()) == []


def test_the_probe_is_removed_when_nobody_listens_to_the_end(tmp_path: Path) -> None:
    store = DirectoryStore("public", tmp_path)
    checks = examine(store)
    next(checks)
    checks.close()
    assert list(tmp_path.iterdir()) == []


def test_profiles_say_of_create_only_what_their_servers_do() -> None:
    for profile in PROFILES:
        _, quirks = PROVIDERS[profile.name]
        if profile.create_only is CreateOnly.HONOURED:
            assert quirks.create_only == "honoured"
        if profile.create_only is CreateOnly.IGNORED:
            assert quirks.create_only == "ignored"


# --- A site -------------------------------------------------------------------------------------


def png(colour: str) -> bytes:
    stream = BytesIO()
    Image.new("RGB", (40, 30), colour).save(stream, "PNG")
    return stream.getvalue()


class NoticeHost(ImageHost):
    """Sends another picture to those who come without its own Referer, as some hosts do."""

    def answer(self, request: Any) -> Any:
        if not request.headers.get("referer", "").startswith(self.base_url):
            request = type(request)(request.method, "/notice.png", request.headers)
        return super().answer(request)


def site_with(root: Path, host: ImageHost, headers: str = "", destination: str = "") -> Path:
    (root / "posts").mkdir()
    (root / "posts" / "a.md").write_text(f"![x]({host.base_url}a.png)\n")
    config = root / "mirror.toml"
    config.write_text(
        f'[posts]\npaths = ["posts"]\n[[source]]\nname = "old"\nmatch = ["{host.base_url}"]\n'
        f'fetch = "{host.base_url}"\n{headers}\n'
        + (destination or '[[destination]]\nname = "public"\nurl = "file:public"\npublic_url="/i"')
    )
    return config


def of_source(config: Path) -> dict[str, Check]:
    checks = doctor(open_parts(load_config(config)))
    return {check.name: check for subject, check in checks if subject.kind == "source"}


def of_destination(config: Path) -> dict[str, Check]:
    checks = doctor(open_parts(load_config(config)))
    return {check.name: check for subject, check in checks if subject.kind == "destination"}


def test_a_source_without_rules_passes(tmp_path: Path) -> None:
    with ImageHost({"a.png": png("red")}) as host:
        checks = of_source(site_with(tmp_path, host))
    assert bad(checks) == []
    assert "asks for no Referer" in checks["hot links"].message


def test_a_source_that_wants_its_referer_gets_the_line_to_write(tmp_path: Path) -> None:
    host = ImageHost({"a.png": png("red")}, referer="http://127.0.0.1")
    with host:
        config = site_with(tmp_path, host)
        checks = of_source(config)
        assert checks["read"].health is Health.FAILED
        line = f'headers = {{ Referer = "{host.base_url}" }}'
        assert line in checks["read"].remedy
        config.write_text(config.read_text().replace("[[destination]]", f"{line}\n[[destination]]"))
        checks = of_source(config)
    assert bad(checks) == []
    assert "wants a Referer" in checks["hot links"].message


def shows(root: Path, *urls: str) -> None:
    (root / "posts" / "a.md").write_text("".join(f"![x]({url})\n\n" for url in urls))


def test_a_dead_image_is_no_dead_source(tmp_path: Path) -> None:
    with ImageHost({"a.png": png("red")}) as host:
        config = site_with(tmp_path, host)
        shows(tmp_path, *(f"{host.base_url}{name}.png" for name in ("gone", "lost", "a")))
        checks = of_source(config)
        assert bad(checks) == []
        said = checks["read"].message
        assert said.startswith(f"{host.base_url}a.png: ")
        assert f"not read: {host.base_url}gone.png (expected a picture, found HTTP 404" in said
        assert f"not read: {host.base_url}lost.png" in said


def test_a_source_fails_after_a_few_dead_images_and_all_are_named(tmp_path: Path) -> None:
    with ImageHost({"a.png": png("red")}) as host:
        config = site_with(tmp_path, host)
        shows(tmp_path, *(f"{host.base_url}{name}.png" for name in ("1", "1", "2", "3", "a")))
        checks = of_source(config)
        assert bad(checks) == ["read"]
        urls = [f"{host.base_url}{number}.png" for number in (1, 2, 3)]
        said = checks["read"].message
        assert said.startswith(f"{urls[0]}: expected a picture, found HTTP 404")
        assert said.endswith(f"{urls[1]} and {urls[2]} cannot be read either")
        assert host.requests == {f"GET {number}.png": 1 for number in (1, 2, 3)}


def test_that_a_host_wants_a_referer_says_more_than_a_dead_image(tmp_path: Path) -> None:
    class Strict(ImageHost):
        def answer(self, request: Any) -> Any:
            if request.key == "gone.png" or request.headers.get("referer"):
                return super().answer(request)
            return self.error(403, "AccessDenied", "You are denied by bucket referer policy.")

    with Strict({"a.png": png("red")}) as host:
        config = site_with(tmp_path, host)
        shows(tmp_path, f"{host.base_url}gone.png", f"{host.base_url}a.png")
        checks = of_source(config)
    assert "HTTP 403" in checks["read"].message
    assert f'Referer = "{host.base_url}"' in checks["read"].remedy


def test_a_silent_host_is_asked_for_one_image_and_another_host_for_the_next(
    tmp_path: Path,
) -> None:
    with ImageHost({"a.png": png("red")}) as host, silent() as other:
        config = site_with(tmp_path, host)
        text = config.read_text().replace(f'fetch = "{host.base_url}"', "")
        text = text.replace("match = [", f'match = ["{other.url}/", ')
        config.write_text(f"{text}\n[fetch]\ntimeout_s = 0.5\nallow_private_hosts = true\n")
        shows(tmp_path, *(f"{other.url}/{n}.png" for n in range(9)), f"{host.base_url}a.png")
        checks = of_source(config)
        assert other.connections() == 1
    assert checks["read"].health is Health.PASSED
    assert checks["read"].message.count("was silent") == 1


def test_a_dead_image_in_a_bucket_is_no_dead_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ImageHost({}) as host, quirky("minio") as server:
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        S3Store("b", S3Settings(bucket=BUCKET, endpoint_url=server.endpoint_url)).put(
            Key("a.png"), png("red")
        )
        config = site_with(tmp_path, host, f'endpoint_url = "{server.endpoint_url}"')
        text = config.read_text().replace(f'fetch = "{host.base_url}"', f'fetch = "s3://{BUCKET}"')
        config.write_text(text)
        shows(tmp_path, f"{host.base_url}gone.png", f"{host.base_url}a.png")
        checks = of_source(config)
    assert bad(checks) == []
    assert checks["read"].message.startswith(f"{host.base_url}a.png: ")
    assert "no object 'gone.png'" in checks["read"].message


def test_a_notice_in_place_of_the_picture_is_seen(tmp_path: Path) -> None:
    with NoticeHost({"a.png": png("red"), "notice.png": png("blue")}) as host:
        checks = of_source(site_with(tmp_path, host))
    assert "another picture" in checks["hot links"].message
    assert checks["hot links"].health is Health.FAILED


def test_a_source_nobody_shows_cannot_be_checked(tmp_path: Path) -> None:
    with ImageHost({}) as host:
        config = site_with(tmp_path, host)
        (tmp_path / "posts" / "a.md").write_text("no image")
        checks = of_source(config)
    assert checks["read"].health is Health.UNKNOWN


@pytest.mark.parametrize(
    ("headers", "health", "says"),
    [
        pytest.param({}, Health.PASSED, "nosniff", id="fine, and could be finer"),
        pytest.param({"X-Content-Type-Options": "nosniff"}, Health.PASSED, "never", id="fine"),
        pytest.param(
            {"Content-Disposition": "attachment"}, Health.FAILED, "domain of your own", id="saves"
        ),
        pytest.param({"Content-Type": "text/plain"}, Health.FAILED, "text/plain", id="wrong type"),
    ],
)
def test_the_public_address_is_asked_as_a_reader_would(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    headers: dict[str, str],
    health: Health,
    says: str,
) -> None:
    with ImageHost({"a.png": png("red")}) as host, quirky("minio") as server:
        server.public_headers = headers
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        checks = of_destination(
            site_with(
                tmp_path,
                host,
                destination=f'[[destination]]\nname = "m"\nurl = "s3://{BUCKET}/blog"\n'
                f'endpoint_url = "{server.endpoint_url}"\npublic_url = "{server.address}/blog"\n',
            )
        )
        assert server.objects == {}
    assert checks["public URL"].health is Health.PASSED
    assert checks["public headers"].health is health
    assert says in f"{checks['public headers'].message} {checks['public headers'].remedy}"


def test_a_public_address_that_leads_elsewhere_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ImageHost({"a.png": png("red")}) as host, quirky("minio") as server:
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        destination = (
            f'[[destination]]\nname = "m"\nurl = "s3://{BUCKET}"\n'
            f'endpoint_url = "{server.endpoint_url}"\npublic_url = "{server.address}/blog"\n'
        )
        checks = of_destination(site_with(tmp_path, host, destination=destination))
    assert checks["public URL"].health is Health.FAILED
    assert "public_url" in checks["public URL"].remedy
    assert checks["public URL"].message == "HTTP 404 for what is in the bucket"


def test_a_folder_that_is_not_published_yet_is_no_trouble(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The probe in it cannot be seen on the site, whether it is published or not."""
    with ImageHost({"a.png": png("red")}) as host:
        destination = (
            f'[[destination]]\nname = "p"\nurl = "file:public"\npublic_url = "{host.base_url}i"\n'
        )
        site_with(tmp_path, host, destination=destination)
        monkeypatch.chdir(tmp_path)
        done = CliRunner().invoke(app, ["doctor"])
    assert done.exit_code == 0, done.output
    assert "`mirror verify --public`" in done.stdout


def test_the_configuration_of_init_is_a_healthy_site(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ImageHost({"a.png": png("red")}) as host:
        (tmp_path / "a.md").write_text("![](https://b.oss-cn-beijing.aliyuncs.com/a.png)")
        monkeypatch.chdir(tmp_path)
        assert CliRunner().invoke(app, ["init", "--fetch", host.base_url]).exit_code == 0
        done = CliRunner().invoke(app, ["doctor"])
    assert done.exit_code == 0, done.output
    assert "0 failed, 0 unknown" in done.stdout
    assert "posts: 1 post with 1 image of 1 source" in done.stdout
    assert "manifest: 0 images" in done.stdout


def test_a_finished_site_is_a_healthy_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its posts show mirrored images and no other."""
    with ImageHost({"a.png": png("red"), "b.png": png("blue")}) as host:
        site_with(tmp_path, host)
        shows(tmp_path, f"{host.base_url}a.png", f"{host.base_url}b.png")
        monkeypatch.chdir(tmp_path)
        for command in ("sync", "rewrite"):
            assert CliRunner().invoke(app, [command]).exit_code == 0
        done = CliRunner().invoke(app, ["doctor"])
        assert done.exit_code == 0, done.output
        assert "posts: 1 post with 0 images of 1 source and 2 mirrored images" in done.stdout
        (tmp_path / "manifests" / "images.jsonl").write_text("<<<<<<< ours\n")
        done = CliRunner().invoke(app, ["doctor"])
    assert done.exit_code == 1
    assert "1 failed" in done.stdout


def test_images_that_only_look_mirrored_do_not_count(tmp_path: Path) -> None:
    with ImageHost({}) as host:
        config = site_with(tmp_path, host)
        shows(tmp_path, "/i/mine.png")
        checks = {check.name: check for _, check in doctor(open_parts(load_config(config)))}
    assert checks["posts"].health is Health.FAILED
    assert checks["posts"].message == "1 post with 0 images of 1 source"


@pytest.mark.parametrize("there", [False, True])
def test_a_folder_that_was_not_there_is_not_there_afterwards(tmp_path: Path, there: bool) -> None:
    destination = '[[destination]]\nname = "p"\nurl = "file:static/images"\npublic_url = "/i"\n'
    with ImageHost({"a.png": png("red")}) as host:
        config = site_with(tmp_path, host, destination=destination)
        if there:
            (tmp_path / "static").mkdir()
        before = sorted(tmp_path.rglob("*"))
        assert bad(of_destination(config)) == []
        assert sorted(tmp_path.rglob("*")) == before
        checks = doctor(open_parts(load_config(config)))  # nobody listens to the end
        assert any(patient.kind == "destination" for patient, _ in checks)
        assert (tmp_path / "static" / "images").exists()
        checks.close()  # type: ignore[attr-defined]
    assert sorted(tmp_path.rglob("*")) == before


def test_silent_places_are_asked_once_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with ImageHost({"a.png": png("red")}) as host, silent() as other:
        destination = f'[[destination]]\nurl = "s3://b"\nendpoint_url = "{other.url}"\n'
        config = site_with(tmp_path, host, destination=destination)
        text = config.read_text().replace(f'fetch = "{host.base_url}"', f'fetch = "{other.url}/"')
        config.write_text(f"{text}[fetch]\ntimeout_s = 0.5\n")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "k")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
        checks = [
            (patient.kind, check) for patient, check in doctor(open_parts(load_config(config)))
        ]
        assert other.connections() == 2
    failures = [(kind, check.name) for kind, check in checks if check.health is Health.FAILED]
    assert failures == [("destination", "list"), ("source", "read")]
    assert "silent" in checks[-1][1].message
    assert "tried" not in checks[-1][1].message


def test_each_line_is_printed_when_it_is_known(tmp_path: Path) -> None:
    """Also into a pipe, whose other end would else see nothing until the end."""
    with ImageHost({"a.png": png("red")}) as host, silent() as other:
        destination = f'[[destination]]\nurl = "s3://b"\nendpoint_url = "{other.url}"\n'
        site_with(tmp_path, host, destination=destination)
        with subprocess.Popen(
            [sys.executable, "-m", "mirror", "doctor"],
            cwd=tmp_path,
            env=os.environ | {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s"},
            stdout=subprocess.PIPE,
            text=True,
        ) as run:
            assert run.stdout is not None
            lines: list[str] = []
            while "credentials" not in "".join(lines):
                lines.append(run.stdout.readline())
                assert lines[-1], lines
            assert run.poll() is None  # it waits for the server, and has said so much
            run.terminate()


@pytest.mark.parametrize(
    ("name", "path", "text"),
    [
        pytest.param("manifest", "manifests/images.jsonl", "<<<<<<< ours\n", id="a merge conflict"),
        pytest.param("posts", "posts/a.md", "no image", id="no image of a source"),
        pytest.param("posts", "posts/a.md", None, id="no post"),
        pytest.param("state", ".mirror", "", id="a file in place of a folder"),
    ],
)
def test_what_is_wrong_at_home_is_found_first(
    tmp_path: Path, name: str, path: str, text: str | None
) -> None:
    with ImageHost({"a.png": png("red")}) as host:
        config = site_with(tmp_path, host)
        (tmp_path / path).parent.mkdir(exist_ok=True)
        if text is None:
            (tmp_path / path).unlink()
        else:
            (tmp_path / path).write_text(text)
        checks = [
            (patient.kind, check) for patient, check in doctor(open_parts(load_config(config)))
        ]
    assert [check.name for kind, check in checks if check.health is Health.FAILED] == [name]
    kinds = [kind for kind, _ in checks]
    assert kinds == sorted(kinds, key=["site", "destination", "source"].index)


# --- The command --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("post", "code", "says"),
    [
        pytest.param("![x]({}a.png)", 0, "0 failed, 0 unknown", id="all passed"),
        pytest.param("![x]({}gone.png)", 1, "1 failed", id="something failed"),
    ],
)
def test_the_exit_code_says_the_worst(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, post: str, code: int, says: str
) -> None:
    with ImageHost({"a.png": png("red")}) as host:
        site_with(tmp_path, host)
        (tmp_path / "posts" / "a.md").write_text(post.format(host.base_url))
        monkeypatch.chdir(tmp_path)
        done = CliRunner().invoke(app, ["doctor"])
        assert done.exit_code == code, done.output
        assert says in done.stdout
        result = CliRunner().invoke(app, ["doctor", "--json"])
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert {line["type"] for line in lines[:-1]} == {"check"}
    assert lines[-1]["type"] == "summary"
    assert lines[-1]["exit_code"] == code
    assert {"about", "name", "check", "result", "message", "remedy"} <= lines[0].keys()


def test_what_could_only_not_be_checked_is_3(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ImageHost({"a.png": png("red")}) as host:
        site_with(tmp_path, host, destination='[[destination]]\nurl = "file:public"\n')
        monkeypatch.chdir(tmp_path)
        done = CliRunner().invoke(app, ["doctor"])
    assert done.exit_code == 3, done.output
    assert "set `public_url`" in done.stdout


def test_posts_at_a_former_address_are_advised_to_move(blog: Blog) -> None:
    filled(blog, "a.png", "b.png")
    run(blog, "rewrite")
    assert run(blog, "doctor").code == 0
    config = blog.root / "mirror.toml"
    config.write_text(config.read_text().replace('public_url = "/images"', 'public_url = "/pics"'))
    ended = run(blog, "doctor")
    assert ended.code == 1
    assert "2 references show an address that the mirror had before" in ended.out
    assert "1 post with 0 images of 1 source and 2 images at a former address" in ended.out
    assert "scan --hosts" not in ended.out
    assert "`mirror rewrite` moves the posts" in ended.out
    assert run(blog, "rewrite").code == 0
    assert run(blog, "doctor").code == 0


def test_objects_that_keep_the_key_of_an_earlier_template_are_counted(blog: Blog) -> None:
    filled(blog, "a/1.png", "a/2.png")
    config = blog.root / "mirror.toml"
    config.write_text(config.read_text().replace("public_url =", 'key = "{path}"\npublic_url ='))
    assert "2 images, 2 objects with a key that `key` would not give now" in run(blog, "doctor").out
    # One picture: the second address is a repeat of the first, and sorts before it.
    for number, name in enumerate(("b/new.png", "a/new.png")):
        blog.host.put(name, picture(9))
        blog.write(f"more{number}.md", f"![](BUCKET/{name})\n")
        assert run(blog, "sync").code == 0
    ended = run(blog, "doctor")
    assert "3 images, 2 objects with a key that `key` would not give now" in ended.out
    assert "they keep it, as posts show it" in ended.out
    assert ended.code == 0
    assert "3 objects, 0 in no line of the manifest" in run(blog, "prune").out


def test_a_broken_memory_of_rewrites_is_one_failure_of_the_site(blog: Blog) -> None:
    filled(blog, "a.png")
    (blog.root / "manifests/rewrites.jsonl").write_text("{}\n")
    ended = run(blog, "doctor")
    assert ended.code == 1
    assert "rewrites.jsonl: line 1" in ended.out
    assert "destination site" in ended.out
