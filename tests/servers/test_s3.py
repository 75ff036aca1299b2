"""A bucket of real servers: requests, objects, credentials, failures."""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import md5, sha256
from pathlib import Path

import pytest
from conftest import use
from support.servers import BUCKET, Server, Servers
from support.servers import rclone as start_rclone

from mirror.model import Blob, Digest, Key
from mirror.store import (
    AccessError,
    CredentialsError,
    ExistsError,
    MemoryStore,
    NoBucketError,
    ObjectInfo,
    Store,
    StoreError,
    UnreachableError,
)

A = Key("ab/a.png")


def digest(data: bytes) -> str:
    return md5(data, usedforsecurity=False).hexdigest()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask once only: what fails here fails the next time too."""
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")


def calls(store: Store) -> Iterator[object]:
    yield lambda: list(store.list())
    yield lambda: store.put(A, b"1", absent=True)
    yield lambda: store.get(A)


def assert_fails(store: Store, kind: type[StoreError], *words: str) -> None:
    for call in calls(store):
        with pytest.raises(kind) as caught:
            call()
        assert caught.value.__cause__
        assert "mirrorsecret" not in str(caught.value)
        for word in words:
            assert word in str(caught.value)


@pytest.mark.parametrize("name", ["moto", "swift"])
def test_objects_carry_type_caching_and_digest(
    servers: Servers, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = use(servers[name], monkeypatch)
    store = server.store(prefix="headers")
    store.put(Key("a.svg"), b"<svg/>", "image/svg+xml", inline=False)
    store.put(Key("a.png"), b"png", "image/png")
    heads = [
        server.client().head_object(Bucket=BUCKET, Key=f"headers/a.{e}") for e in "svg png".split()
    ]
    for head, kind, data in zip(heads, ("svg+xml", "png"), (b"<svg/>", b"png"), strict=True):
        assert head["ContentType"] == f"image/{kind}"
        assert head["CacheControl"] == "public, max-age=31536000, immutable"
        assert head["Metadata"] == {"sha256": sha256(data).hexdigest()}
    assert heads[0]["ContentDisposition"] == "attachment"
    assert "ContentDisposition" not in heads[1]


def test_a_server_over_tls_is_sent_no_trailers(
    servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = use(servers["rclone-tls"], monkeypatch)
    assert not server.takes_trailers
    server.store().put(A, b"1")
    monkeypatch.setenv("AWS_REQUEST_CHECKSUM_CALCULATION", "when_supported")
    with pytest.raises(AccessError, match="AWS_REQUEST_CHECKSUM_CALCULATION"):
        server.store().put(A, b"1")


@pytest.mark.parametrize("name", ["rclone", "moto"])
def test_a_listing_takes_one_request_for_a_thousand_objects(
    servers: Servers, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = use(servers[name], monkeypatch)
    store = server.store(prefix="many")
    keys = [Key(f"{number % 7}/{number:04}.png") for number in range(1003)]
    if server.folder:
        for key in keys:
            path = server.folder / "many" / key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(key.encode())
    else:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda key: store.put(key, key.encode(), absent=True), keys))
    assert next(store.list()).key == min(keys)
    before = store.requests["ListObjectsV2"]
    objects = list(store.list())
    assert store.requests["ListObjectsV2"] - before == 2
    assert objects == [ObjectInfo(key, len(key), digest(key.encode())) for key in sorted(keys)]


def blob_of(data: bytes) -> Blob:
    return Blob(Digest(sha256(data).hexdigest()), digest(data), len(data), "image/png", 1, 1, None)


def test_the_server_copies_from_one_prefix_to_another(server: Server) -> None:
    source, target = server.store(), server.store()
    blob, original = blob_of(b"picture"), Key("data/a b+100%.png")
    source.put(original, b"picture")
    key = Key("图/c d+%.png")
    assert target.copy_from(source, original, blob, key, inline=True)
    assert target.get(key) == source.get(original) == b"picture"
    assert "PutObject" not in target.requests
    head = server.client().head_object(Bucket=BUCKET, Key=f"{target.settings.prefix}/{key}")
    assert head["ContentType"] == "image/png"
    assert head["CacheControl"] == "public, max-age=31536000, immutable"
    assert "ContentDisposition" not in head


@pytest.mark.parametrize("found", [b"picTure", b"pic", None])
def test_other_bytes_than_were_meant_are_not_copied(server: Server, found: bytes | None) -> None:
    source, target = server.store(), server.store()
    if found is not None:
        source.put(A, found, "image/png")
    assert not target.copy_from(source, A, blob_of(b"picture"), A, inline=True)
    assert target.stat(A) is None


@pytest.mark.parametrize("change", [{"profile": "other"}, {"endpoint_url": "http://127.0.0.1:9"}])
def test_nothing_is_copied_between_accounts(rclone: Server, change: dict[str, str]) -> None:
    source, target = rclone.store(), rclone.store(**change)
    source.put(A, b"picture", "image/png")
    assert not target.copy_from(source, A, blob_of(b"picture"), A, inline=True)
    assert not target.requests
    assert not source.copy_from(MemoryStore(), A, blob_of(b"picture"), A, inline=True)


def test_requests_are_as_few_as_the_server_allows(server: Server) -> None:
    store = server.store()
    store.put(Key("first"), b"1")  # after this it is known what the server does
    before = store.requests.copy()
    store.put(Key("second"), b"2")
    assert (store.requests - before).total() == (1 if server.creates_only else 2)
    before = store.requests.copy()
    store.put(Key("third"), b"3", absent=True)
    assert store.requests - before == {"PutObject": 1}


def test_a_prefix_keeps_to_itself(rclone: Server) -> None:
    mine, other = rclone.store(prefix="x/blog"), rclone.store(prefix="x/blog2")
    other.put(Key("b.png"), b"2")
    assert list(mine.list()) == []
    mine.put(Key("a.png"), b"1")
    assert [info.key for info in rclone.store(prefix="x/").list()] == [
        "blog/a.png",
        "blog2/b.png",
    ]


@pytest.mark.parametrize("name", ["moto", "swift"])
def test_a_key_of_somebody_elses_making_can_be_read(
    servers: Servers, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = use(servers[name], monkeypatch)
    for key in ("theirs//a b/é́/x+%41.png", "theirs/./x", "theirs/"):
        server.client().put_object(Bucket=BUCKET, Key=key, Body=key.encode())
        assert server.store(prefix="").get(Key(key)) == key.encode()
    listed = [info.key for info in server.store(prefix="theirs").list()]
    assert listed == ["./x", "/a b/é́/x+%41.png"]  # without the one that stands for the folder


def test_a_store_can_be_sent_to_another_process(rclone: Server) -> None:
    store = rclone.store()
    store.put(A, b"1")
    sent = pickle.loads(pickle.dumps(store))  # noqa: S301  (its own pickle)
    assert sent.get(A) == b"1"


def test_a_missing_bucket_is_said(server: Server) -> None:
    store = server.store(bucket="no-such-bucket")
    assert_fails(
        store, NoBucketError, "'no-such-bucket'", server.endpoint_url, "NoSuchBucket", "create"
    )


def test_wrong_credentials_are_said(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    if not server.checks_credentials:
        pytest.skip(f"{server.name} checks none")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    assert_fails(server.store(), CredentialsError, BUCKET, server.endpoint_url, "SignatureDoes")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
    assert_fails(server.store(), CredentialsError, "check which credentials")


def test_missing_credentials_are_said(rclone: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert_fails(rclone.store(), CredentialsError, "no credentials", "AWS_ACCESS_KEY_ID")
    remedy = "add it to ~/.aws/credentials, or leave `profile` out and set AWS_ACCESS_KEY_ID and"
    assert_fails(rclone.store(profile="blog"), CredentialsError, "(blog)", remedy)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", rclone.access_key)  # half of what it takes
    assert_fails(rclone.store(profile="blog"), CredentialsError, "(blog)", remedy)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")


def test_a_profile_that_is_nowhere_counts_as_none_where_the_environment_has_keys(
    rclone: Server,
) -> None:
    store = rclone.store(profile="blog")
    store.put(A, b"1")
    assert store.get(A) == b"1"


@pytest.mark.parametrize(
    ("variable", "text", "words"),
    [
        pytest.param(
            "AWS_SHARED_CREDENTIALS_FILE",
            "[blog]\naws_access_key_id = nobody\naws_secret_access_key = wrong\n",
            "check which credentials are used",
            id="with other keys",
        ),
        pytest.param(
            "AWS_CONFIG_FILE", "[profile blog]\nregion = x\n", "no credentials", id="without keys"
        ),
    ],
)
def test_a_profile_that_is_there_is_used_and_no_other_keys(
    rclone: Server,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    variable: str,
    text: str,
    words: str,
) -> None:
    """Also where the keys in the environment would do."""
    (tmp_path / "file").write_text(text)
    monkeypatch.setenv(variable, str(tmp_path / "file"))
    assert_fails(rclone.store(profile="blog"), CredentialsError, words)


def test_a_providers_own_variables_are_credentials(
    rclone: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
    monkeypatch.setenv("OSS_ACCESS_KEY_ID", rclone.access_key)
    monkeypatch.setenv("OSS_ACCESS_KEY_SECRET", rclone.secret_key)
    rclone.store(provider="aliyun-oss").put(A, b"1")


@pytest.mark.usefixtures("impatient")
def test_an_endpoint_that_does_not_answer_is_said(rclone: Server) -> None:
    store = rclone.store(endpoint_url="http://127.0.0.1:1")
    assert_fails(store, UnreachableError, "http://127.0.0.1:1", BUCKET, "check endpoint_url")


@pytest.mark.usefixtures("impatient")
def test_an_endpoint_without_tls_is_said(rclone: Server) -> None:
    store = rclone.store(endpoint_url=rclone.endpoint_url.replace("http:", "https:"))
    assert_fails(store, UnreachableError, "speaks no TLS there", BUCKET)


@pytest.mark.usefixtures("impatient")
def test_a_certificate_that_nobody_vouches_for_is_said(
    servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = use(servers["rclone-tls"], monkeypatch)
    monkeypatch.delenv("AWS_CA_BUNDLE")
    assert_fails(server.store(), UnreachableError, "AWS_CA_BUNDLE", BUCKET)


def test_damage_behind_the_server_is_seen(rclone: Server) -> None:
    store = rclone.store()
    store.put(A, b"picture")
    assert rclone.folder
    path = rclone.folder / store.settings.prefix / A
    path.write_bytes(b"picTure")
    os.utime(path, (1, 1))
    assert [info.md5 for info in store.list()] == [digest(b"picTure")]
    assert store.get(A) == b"picTure"
    with pytest.raises(ExistsError):
        store.put(A, b"picture")
    path.unlink()
    assert list(store.list()) == []
    store.put(A, b"picture")


@pytest.mark.usefixtures("impatient")
def test_a_store_outlives_its_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with start_rclone(tmp_path) as server:
        store = use(server, monkeypatch).store()
        store.put(A, b"1")
        address = server.endpoint_url.removeprefix("http://")
    with pytest.raises(UnreachableError):
        store.get(A)
    with start_rclone(tmp_path, address=address):
        assert store.get(A) == b"1"
        store.put(A, b"1")
