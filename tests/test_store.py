from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import md5, sha256
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from threading import Thread

import pytest
from conftest import use
from hypothesis import given
from hypothesis import strategies as st
from quirks import Listener
from servers import BUCKET, Server, Servers
from servers import rclone as start_rclone

from mirror.model import Key
from mirror.store import (
    AccessError,
    CredentialsError,
    DirectoryStore,
    ExistsError,
    MemoryStore,
    NoBucketError,
    NotFoundError,
    ObjectInfo,
    S3Settings,
    S3Store,
    Store,
    StoreError,
    UnreachableError,
    check_key,
    open_store,
)
from mirror.store.profiles import PROFILES, addressing_of, profile_of, region_of

A = Key("ab/a.png")


def digest(data: bytes) -> str:
    return md5(data, usedforsecurity=False).hexdigest()


# --- What every store promises ------------------------------------------------------------------


@pytest.fixture(params=["memory", "directory", *Servers.NAMES])
def store(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    servers: Servers,
    monkeypatch: pytest.MonkeyPatch,
) -> Store:
    if request.param == "memory":
        return MemoryStore()
    if request.param == "directory":
        return DirectoryStore("directory", tmp_path / "objects")
    return use(servers[request.param], monkeypatch).store()


def test_get_returns_what_put_stored(store: Store) -> None:
    for data in (b"", b"x", os.urandom(70_000)):
        store.put(A, data, "image/png")
        assert store.get(A) == data
        found = store.stat(A)
        assert found
        assert (found.key, found.size) == (A, len(data))
        assert found.md5 in (digest(data), None)
        assert list(store.list()) == [found]
        store.delete(A)


def test_what_is_not_there_is_not_found(store: Store) -> None:
    with pytest.raises(NotFoundError, match=A):
        store.get(A)
    assert store.stat(A) is None
    assert list(store.list()) == []
    store.delete(A)


def test_the_same_bytes_can_be_put_again(store: Store) -> None:
    for _ in range(2):
        store.put(A, b"same", "image/png")
        store.put(A, b"same", "image/png", inline=False)
    assert store.get(A) == b"same"


@pytest.mark.parametrize("other", [b"other bytes", b"eman"], ids=["other size", "same size"])
def test_other_bytes_are_never_overwritten(store: Store, other: bytes) -> None:
    store.put(A, b"name", "image/png")
    with pytest.raises(ExistsError, match=A):
        store.put(A, other, "image/png")
    assert store.get(A) == b"name"


def test_replace_puts_an_object_in_place_of_whatever_is_there(store: Store) -> None:
    store.put(A, b"damaged", "image/png")
    for data in (b"whole", b"whole", b"WHOLE", b""):
        store.replace(A, data, "image/png", inline=False)
        assert store.get(A) == data
    store.replace(Key("ab/new.png"), b"2")
    assert [found.key for found in store.list()] == [A, "ab/new.png"]


def test_delete_removes_one_object(store: Store) -> None:
    store.put(A, b"1")
    store.put(Key("ab/a.png.bak"), b"2")
    store.delete(A)
    assert [found.key for found in store.list()] == ["ab/a.png.bak"]


ODD = [
    "a b.png",
    "a+b.png",
    "100%.png",
    "a%20b.png",
    "图片/截图 (1).png",
    "é.png",
    "😀.png",
    "a&b=c;d,e:f@g!$'()~.png",
    "a#b?c.png",
    "[a]{b}^|.png",
    '"<a>.png',
    "x" * 251 + ".png",
    "图" * 83 + ".png",
    "-",
    ".hidden",
    "a..b",
    "~",
]


def test_odd_keys_keep_their_names(store: Store) -> None:
    for key in ODD:
        store.put(Key(key), key.encode())
    assert [found.key for found in store.list()] == sorted(ODD, key=str.encode)
    for key in ODD:
        assert store.get(Key(key)) == key.encode()
        found = store.stat(Key(key))
        assert found
        assert found.size == len(key.encode())


def test_list_is_in_byte_order_and_knows_prefixes(store: Store) -> None:
    keys = ["a", "a!/x", "a-b", "a.png", "b/c", "b/c.d/e", "b/c0", "b0", "中/x", "￥", "𠀀"]
    keys.remove("a")  # a key that is another's folder has no place on a disk
    for key in reversed(keys):
        store.put(Key(key), b"-")
    assert [found.key for found in store.list()] == keys
    for prefix in ("a", "a!", "b/", "b/c", "b/c.", "中/", "nothing", "a!/x"):
        found = [info.key for info in store.list(prefix)]
        assert found == [key for key in keys if key.startswith(prefix)], prefix


WRONG = [
    "",
    "/a",
    "a/",
    "a//b",
    ".",
    "..",
    "a/./b",
    "a/../b",
    "../a",
    "a\\b",
    "a\nb",
    "a\x00",
    "a\x7f",
    "a\u0085b",
    "\ud800",
    "e\u0301.png",
    "x" * 256,
    "图" * 86,
    "/".join(["x" * 200] * 6),
]


@pytest.mark.parametrize("key", WRONG)
def test_check_key_refuses_what_does_not_hold_everywhere(key: str) -> None:
    with pytest.raises(StoreError, match="key"):
        check_key(key)


def test_a_refused_key_changes_nothing(store: Store) -> None:
    for key in WRONG:
        with pytest.raises(StoreError, match="key"):
            store.put(Key(key), b"")
        with pytest.raises(StoreError, match="key"):
            store.replace(Key(key), b"")
    assert list(store.list()) == []


def test_many_threads_can_put_at_once(store: Store) -> None:
    keys = [Key(f"{number % 4}/{number}.png") for number in range(24)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: store.put(key, key.encode()), keys * 2))
    assert {found.key: found.size for found in store.list()} == {key: len(key) for key in keys}


def test_a_race_for_one_key_leaves_one_of_the_objects_whole(store: Store) -> None:
    bodies = [bytes([number]) * 50_000 for number in range(8)]

    def put(body: bytes) -> bool:
        try:
            store.put(A, body)
        except ExistsError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(put, bodies))
    assert any(won)
    assert store.get(A) in bodies
    if isinstance(store, MemoryStore | DirectoryStore):
        assert won.count(True) == 1


keys = st.lists(
    st.from_regex(r"[ab!.0\-]{1,3}(/[ab!.0\-]{1,2}){0,2}", fullmatch=True), max_size=8
).filter(lambda found: all(not ({".", ".."} & set(key.split("/"))) for key in found))


@given(keys=keys, prefix=st.sampled_from(["", "a", "a/", "a/b", "!", "0-"]))
def test_a_directory_lists_as_memory_does(
    tmp_path_factory: pytest.TempPathFactory, keys: list[str], prefix: str
) -> None:
    memory, directory = MemoryStore(), DirectoryStore("d", tmp_path_factory.mktemp("d"))
    for key in keys:
        try:
            directory.put(Key(key), key.encode())
        except StoreError:  # a key that is another's folder
            continue
        memory.put(Key(key), key.encode())
    expected = [(found.key, found.size) for found in memory.list(prefix)]
    assert [(found.key, found.size) for found in directory.list(prefix)] == expected


# --- A directory --------------------------------------------------------------------------------


@pytest.fixture
def directory(tmp_path: Path) -> DirectoryStore:
    return DirectoryStore("copy", tmp_path / "objects")


def test_a_directory_is_found_beside_the_configuration(tmp_path: Path) -> None:
    store = open_store("copy", "file:public/images", tmp_path)
    store.put(A, b"1")
    assert (tmp_path / "public/images/ab/a.png").read_bytes() == b"1"
    again = open_store("copy", f"file://{tmp_path}/public/images", Path("/nowhere"))
    assert again.get(A) == b"1"


def test_links_in_a_directory_are_neither_listed_nor_followed(
    directory: DirectoryStore, tmp_path: Path
) -> None:
    directory.put(A, b"1")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.png").write_bytes(b"secret")
    (directory.root / "folder").symlink_to(outside)
    (directory.root / "file.png").symlink_to(outside / "secret.png")
    os.mkfifo(directory.root / "pipe.png")
    assert [found.key for found in directory.list()] == [A]
    for key in ("folder/secret.png", "file.png"):
        with pytest.raises(StoreError, match="symbolic link; remove the link"):
            directory.get(Key(key))
    with pytest.raises(StoreError, match="symbolic link"):
        directory.put(Key("folder/new.png"), b"2")
    for write in (directory.put, directory.replace):
        with pytest.raises(StoreError, match="symbolic link"):
            write(Key("file.png"), b"2")
    with pytest.raises(NotFoundError):
        directory.get(Key("pipe.png"))
    assert directory.stat(Key("file.png")) is None
    assert [path.name for path in outside.iterdir()] == ["secret.png"]


@pytest.mark.parametrize("key", ["../a", "ab/../../a", "/etc/passwd", "a\0b"])
def test_no_key_leads_out_of_a_directory(directory: DirectoryStore, key: str) -> None:
    directory.put(A, b"1")
    for call in (directory.get, directory.stat, directory.delete):
        with pytest.raises(StoreError, match="not a name in this folder"):
            call(Key(key))


def test_a_file_in_the_place_of_a_folder_is_said(directory: DirectoryStore) -> None:
    directory.put(Key("a"), b"1")
    with pytest.raises(StoreError, match="a file is where a folder is needed"):
        directory.put(Key("a/b"), b"2")


def test_what_is_being_written_is_not_listed(directory: DirectoryStore) -> None:
    directory.put(A, b"1")
    (directory.root / "ab/.mirror-0123456789abcdef.tmp").write_bytes(b"half")
    assert [found.key for found in directory.list()] == [A]
    DirectoryStore("again", directory.root).put(Key("ab/b.png"), b"2")
    assert sorted(path.name for path in (directory.root / "ab").iterdir()) == ["a.png", "b.png"]


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    root = tmp_path / "fixed"
    root.mkdir()
    root.chmod(0o500)
    if os.geteuid() == 0:  # who may write everywhere, but not here
        root = Path("/sys/kernel")
    with pytest.raises(AccessError, match="make the folder accessible"):
        DirectoryStore("copy", root).put(Key("mirror.png"), b"1")


def test_a_folder_that_cannot_be_made_is_said() -> None:
    with pytest.raises(AccessError, match="/proc/none/such: cannot be made; make it, or correct"):
        DirectoryStore("copy", Path("/proc/none/such")).put(Key("a.png"), b"1")


def test_a_full_disk_is_said_and_leaves_nothing(
    directory: DirectoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory.put(A, b"1")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match="No space left on device; make room"):
        directory.put(Key("ab/b.png"), b"2")
    assert [path.name for path in (directory.root / "ab").iterdir()] == ["a.png"]


# --- S3: what is sent and stored ----------------------------------------------------------------


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
    found = list(store.list())
    assert store.requests["ListObjectsV2"] - before == 2
    assert found == [ObjectInfo(key, len(key), digest(key.encode())) for key in sorted(keys)]


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
    assert [found.key for found in rclone.store(prefix="x/").list()] == [
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
    listed = [found.key for found in server.store(prefix="theirs").list()]
    assert listed == ["./x", "/a b/é́/x+%41.png"]  # without the one that stands for the folder


def test_a_store_can_be_sent_to_another_process(rclone: Server) -> None:
    store = rclone.store()
    store.put(A, b"1")
    sent = pickle.loads(pickle.dumps(store))  # noqa: S301  (its own pickle)
    assert sent.get(A) == b"1"


def test_boto_is_loaded_when_a_bucket_is_used() -> None:
    code = (
        "import sys, pathlib, mirror.store as s;"
        "s.open_store('r', 's3://b/p', pathlib.Path());"
        "sys.exit('botocore' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# --- S3: when things go wrong -------------------------------------------------------------------


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
    monkeypatch.setenv("MY_KEY", "mirrorkey")
    store = rclone.store(access_key_env="MY_KEY", secret_key_env="MY_SECRET")
    with pytest.raises(CredentialsError, match="the environment has no MY_SECRET"):
        store.get(A)
    monkeypatch.setenv("MY_SECRET", "mirrorsecret")
    store.put(A, b"1")


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
    assert [found.md5 for found in store.list()] == [digest(b"picTure")]
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


# --- S3: providers, played by a server that answers as told -------------------------------------


@dataclass
class Answer:
    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Played:
    """A server, or the proxy before every server, that gives one answer after the other."""

    url: str
    answers: list[Answer] = field(default_factory=list)
    seen: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)


@contextmanager
def playing() -> Iterator[Played]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", "0")))
            headers = {name.lower(): value for name, value in self.headers.items()}
            played.seen.append((self.command, self.path, headers))
            answer = played.answers.pop(0)
            self.send_response(answer.status)
            for name, value in {"Content-Length": str(len(answer.body)), **answer.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer.body)
            self.close_connection = "Content-Length" in answer.headers

        do_GET = do_PUT = do_HEAD = do_DELETE = answer  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    with Listener(("127.0.0.1", 0), Handler) as server:
        played = Played(f"http://127.0.0.1:{server.server_address[1]}")
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield played
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> Iterator[Played]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    with playing() as found:
        yield found


def s3(endpoint_url: str, **settings: object) -> S3Store:
    return S3Store("r2", S3Settings("bucket", "blog", endpoint_url, **settings))  # type: ignore[arg-type]


def error(status: int, code: str) -> Answer:
    return Answer(status, f"<Error><Code>{code}</Code><Message>Said.</Message></Error>".encode())


def stored(data: bytes, **headers: str) -> Answer:
    return Answer(headers={"ETag": f'"{digest(data)}"'} | headers)


@pytest.mark.parametrize(
    ("endpoint", "provider", "region", "url"),
    [
        (
            "http://s3.oss-cn-beijing.aliyuncs.com",
            "aliyun-oss",
            "cn-beijing",
            "http://bucket.s3.oss-cn-beijing.aliyuncs.com/blog/k",
        ),
        (
            "http://oss-cn-beijing-internal.aliyuncs.com",
            "aliyun-oss",
            "cn-beijing",
            "http://bucket.oss-cn-beijing-internal.aliyuncs.com/blog/k",
        ),
        (
            "http://cos.ap-shanghai.myqcloud.com",
            "tencent-cos",
            "ap-shanghai",
            "http://bucket.cos.ap-shanghai.myqcloud.com/blog/k",
        ),
        (
            "http://s3-cn-east-1.qiniucs.com",
            "qiniu",
            "cn-east-1",
            "http://bucket.s3-cn-east-1.qiniucs.com/blog/k",
        ),
        (
            "http://obs.cn-north-4.myhuaweicloud.com",
            "huawei-obs",
            "cn-north-4",
            "http://bucket.obs.cn-north-4.myhuaweicloud.com/blog/k",
        ),
        (
            "http://tos-s3-cn-beijing.volces.com",
            "volcengine-tos",
            "cn-beijing",
            "http://bucket.tos-s3-cn-beijing.volces.com/blog/k",
        ),
        (
            "http://0123abcd.r2.cloudflarestorage.com",
            "cloudflare-r2",
            "auto",
            "http://0123abcd.r2.cloudflarestorage.com/bucket/blog/k",
        ),
        (
            "http://s3.us-west-004.backblazeb2.com",
            "backblaze-b2",
            "us-west-004",
            "http://s3.us-west-004.backblazeb2.com/bucket/blog/k",
        ),
        (
            "http://s3.eu-west-1.amazonaws.com",
            "aws",
            "eu-west-1",
            "http://s3.eu-west-1.amazonaws.com/bucket/blog/k",
        ),
        (
            "http://storage.example.org",
            "generic",
            "us-east-1",
            "http://storage.example.org/bucket/blog/k",
        ),
    ],
)
def test_each_provider_is_spoken_to_in_its_way(
    played: Played,
    monkeypatch: pytest.MonkeyPatch,
    endpoint: str,
    provider: str,
    region: str,
    url: str,
) -> None:
    monkeypatch.setenv("HTTP_PROXY", played.url)
    assert profile_of(endpoint).name == provider
    conditional = profile_of(endpoint).create_only.value == "honoured"
    played.answers = [stored(b"1")] if conditional else [stored(b"1"), error(412, "Precondition")]
    s3(endpoint).put(Key("k"), b"1", "image/png", absent=True)
    method, asked, headers = played.seen[0]
    assert (method, asked) == ("PUT", url)
    assert f"/{region}/s3/aws4_request" in headers["authorization"]
    assert headers["content-md5"] == "xMpCOKC5I4INzFCab3WEmw=="
    assert headers["content-type"] == "image/png"
    assert headers["if-none-match"] == "*"
    assert headers["content-length"] == "1"
    assert "transfer-encoding" not in headers
    assert "x-amz-trailer" not in headers
    if provider != "aws":
        assert not [name for name in headers if "checksum" in name]


@pytest.mark.parametrize(("size", "asks"), [(1_000_000, False), (1_000_001, True)])
def test_only_for_much_the_server_is_asked_whether_it_may_come(
    played: Played, size: int, asks: bool
) -> None:
    data = bytes(size)
    played.answers = [stored(data), error(412, "PreconditionFailed")]
    s3(played.url).put(Key("k"), data, absent=True)
    assert ("expect" in played.seen[0][2]) is asks


def test_no_endpoint_means_amazon_unless_the_environment_says_otherwise(
    played: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert profile_of(None).name == "aws"
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", played.url)
    played.answers = [stored(b"1"), error(412, "PreconditionFailed")]
    S3Store("r2", S3Settings("bucket")).put(Key("k"), b"1", absent=True)
    assert played.seen[0][1] == "/bucket/k"
    played.answers = [error(403, "AccessDenied")]
    with pytest.raises(AccessError, match=played.url):
        list(S3Store("r2", S3Settings("bucket")).list())
    assert not [name for name in played.seen[0][2] if "checksum" in name]


def test_addresses_have_no_room_for_a_bucket() -> None:
    oss = next(profile for profile in PROFILES if profile.name == "aliyun-oss")
    for host in ("127.0.0.1:9000", "[::1]:9000", "localhost", "minio:9000"):
        assert addressing_of(oss, f"http://{host}") == "path"
    assert addressing_of(oss, "http://127.0.0.1", "virtual") == "virtual"
    assert region_of(oss, "http://127.0.0.1") == "us-east-1"


def test_a_server_that_refuses_create_only_is_asked_first(played: Played) -> None:
    missing = Answer(404)
    played.answers = [missing, error(501, "NotImplemented"), missing, stored(b"1")]
    store = s3(played.url)
    store.put(Key("k"), b"1")
    assert [seen[0] for seen in played.seen] == ["HEAD", "PUT", "HEAD", "PUT"]
    assert "if-none-match" not in played.seen[-1][2]
    played.answers = [Answer(headers={"ETag": '"00"', "Content-Length": "5"})]
    with pytest.raises(ExistsError):
        store.put(Key("k"), b"1")


def test_an_etag_in_capitals_is_an_md5(played: Played) -> None:
    played.answers = [Answer(headers={"ETag": f'"{digest(b"1").upper()}"'})]
    found = s3(played.url).stat(Key("k"))
    assert found == ObjectInfo(Key("k"), 0, digest(b"1"))


@pytest.mark.parametrize(
    "headers",
    [
        {"ETag": f'"{digest(b"1")}-2"'},
        {"ETag": ""},
        {"ETag": f'"{digest(b"1")}"', "x-amz-server-side-encryption": "aws:kms"},
    ],
    ids=["parts", "none", "kms"],
)
def test_other_etags_vouch_for_nothing(played: Played, headers: dict[str, str]) -> None:
    played.answers = [Answer(headers=headers)]
    found = s3(played.url).stat(Key("k"))
    assert found
    assert found.md5 is None


def test_an_answer_that_names_other_bytes_is_looked_into(played: Played) -> None:
    store = s3(played.url, provider="ceph")
    played.answers = [stored(b"2"), Answer(body=b"1")]
    store.put(Key("k"), b"1")
    played.answers = [stored(b"2"), Answer(body=b"2")]
    with pytest.raises(StoreError, match="other bytes are there"):
        store.put(Key("k"), b"1")


def test_a_body_cut_short_is_asked_for_again(played: Played) -> None:
    cut = Answer(body=b"pict", headers={"Content-Length": "7"})
    played.answers = [cut, cut, Answer(body=b"picture")]
    assert s3(played.url).get(Key("k")) == b"picture"
    played.answers = [cut, cut, cut]
    with pytest.raises(UnreachableError, match="run again"):
        s3(played.url).get(Key("k"))


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (error(403, "AccessDenied"), AccessError, "(AccessDenied: Said.); let these credentials"),
        (error(403, "RequestTimeTooSkewed"), AccessError, "clock"),
        (error(403, "SecondLevelDomainForbidden"), AccessError, 'addressing = "virtual"'),
        (error(400, "ExpiredToken"), CredentialsError, "log in again"),
        (error(400, "AuthorizationHeaderMalformed"), AccessError, "`region`"),
        (error(503, "SlowDown"), UnreachableError, "run again later"),
        (error(418, "Teapot"), StoreError, "418 (Teapot: Said.)"),
        (Answer(502, b"<html>Bad gateway</html>"), UnreachableError, "502"),
        (Answer(200, b"<html><p>Log in<br></html>"), UnreachableError, "broken"),
        (Answer(200, b"<html><p>Log in</p></html>"), StoreError, "no listing"),
        (Answer(200, b""), StoreError, "no listing"),
    ],
)
@pytest.mark.usefixtures("impatient")
def test_an_answer_that_is_no_listing_is_no_empty_listing(
    played: Played, answer: Answer, kind: type[StoreError], words: str
) -> None:
    played.answers = [answer]
    with pytest.raises(kind) as caught:
        list(s3(played.url).list())
    assert words in str(caught.value)
    assert played.url in str(caught.value)


def listing(item: str, *keys: str) -> Answer:
    items = "".join(map(item.format, keys))
    space = 'xmlns:a="http://s3.amazonaws.com/doc/2006-03-01/"'
    truncated = "<a:IsTruncated>false</a:IsTruncated>"
    return Answer(body=f"<a:R {space}>{truncated}{items}</a:R>".encode())


@pytest.mark.parametrize("p", ["", "a:"])
def test_a_listing_is_read_however_it_is_spelled(played: Played, p: str) -> None:
    item = f"<{p}Contents><{p}Size>1</{p}Size><{p}Key>blog/{{}}</{p}Key></{p}Contents>"
    played.answers = [listing(item, "a&lt;+%41&#xe9;", "b")]
    assert list(s3(played.url).list()) == [
        ObjectInfo(Key("a<+%41é"), 1, None),
        ObjectInfo(Key("b"), 1, None),
    ]


def test_a_listing_out_of_order_is_refused(played: Played) -> None:
    played.answers = [listing("<Contents><Key>blog/{}</Key></Contents>", "b", "a")]
    with pytest.raises(StoreError, match="out of order"):
        list(s3(played.url).list())


# --- Settings -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"addressing": "dns"}, "addressing is one of auto, path, virtual; got 'dns'"),
        ({"signature": "v3"}, "signature is one of"),
        ({"provider": "aws-s3"}, "provider is one of auto, aws,"),
        ({"access_key_env": "KEY"}, "go together"),
        ({"endpoint_url": "r2.example.com"}, "endpoint_url starts with"),
        ({"endpoint_url": "https://key:pass@example.com"}, "endpoint_url holds a secret"),
        ({"prefix": "a//b"}, "empty part"),
    ],
)
def test_wrong_settings_are_refused_at_once(settings: dict[str, str], words: str) -> None:
    with pytest.raises(StoreError) as caught:
        S3Settings("bucket", **settings)  # type: ignore[arg-type]
    assert words in str(caught.value)
    assert "pass@" not in str(caught.value)


@pytest.mark.parametrize("url", ["s3:bucket", "s3://", "file:", "https://example.com", "images"])
def test_a_url_that_is_no_store_is_refused(url: str) -> None:
    with pytest.raises(StoreError):
        open_store("r2", url, Path())


def test_check_key_returns_the_key() -> None:
    assert check_key("ab/图片 1.png") == "ab/图片 1.png"
