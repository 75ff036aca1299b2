"""The contract of a store, for every implementation and every server."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from hashlib import md5
from pathlib import Path

import pytest
from conftest import use
from support.keys import REFUSED_KEYS
from support.servers import Servers

from mirror.model import Key
from mirror.store import (
    ConflictError,
    DirectoryStore,
    ExistsError,
    MemoryStore,
    NotFoundError,
    Store,
    StoreError,
    TooLargeError,
)

A = Key("ab/a.png")


def digest(data: bytes) -> str:
    return md5(data, usedforsecurity=False).hexdigest()


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
        info = store.stat(A)
        assert info
        assert (info.key, info.size) == (A, len(data))
        assert info.md5 in (digest(data), None)
        assert list(store.list()) == [info]
        store.delete(A)


def test_a_longer_object_than_allowed_is_an_error(store: Store) -> None:
    store.put(A, b"seven b", "image/png")
    assert store.get(A, max_bytes=7) == store.get(A, max_bytes=8) == b"seven b"
    for max_bytes in (0, 6):
        with pytest.raises(TooLargeError, match=f"{A}' is longer than {max_bytes} bytes"):
            store.get(A, max_bytes=max_bytes)
    store.put(Key("empty"), b"")
    assert store.get(Key("empty"), max_bytes=0) == b""


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
    assert [info.key for info in store.list()] == [A, "ab/new.png"]


def test_replace_leaves_what_another_run_has_changed(store: Store) -> None:
    with pytest.raises(ConflictError, match=A):
        store.replace(A, b"new", expected=b"gone")
    assert store.stat(A) is None
    store.put(A, b"old")
    for other in (b"odd", b"", b"older"):
        with pytest.raises(ConflictError, match=A):
            store.replace(A, b"new", expected=other)
        assert store.get(A) == b"old"
    store.replace(A, b"new", "text/plain", expected=b"old")
    assert store.get(A) == b"new"


def test_of_runs_that_change_one_object_at_once_each_is_told_or_heard(store: Store) -> None:
    if not isinstance(store, MemoryStore | DirectoryStore) and not store.name.startswith("moto"):
        pytest.skip("has no conditional writes")
    store.put(A, b"0")

    def add_one(_: int) -> int:
        before = store.get(A)
        try:
            store.replace(A, b"%d" % (int(before) + 1), expected=before)
        except ConflictError:
            return 0
        return 1

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(add_one, range(16))) == int(store.get(A)) >= 1


def test_delete_removes_one_object(store: Store) -> None:
    store.put(A, b"1")
    store.put(Key("ab/a.png.bak"), b"2")
    store.delete(A)
    assert [info.key for info in store.list()] == ["ab/a.png.bak"]


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
    assert [info.key for info in store.list()] == sorted(ODD, key=str.encode)
    for key in ODD:
        assert store.get(Key(key)) == key.encode()
        info = store.stat(Key(key))
        assert info
        assert info.size == len(key.encode())


def test_list_is_in_byte_order_and_knows_prefixes(store: Store) -> None:
    keys = ["a", "a!/x", "a-b", "a.png", "b/c", "b/c.d/e", "b/c0", "b0", "中/x", "￥", "𠀀"]
    keys.remove("a")  # a key that is another's folder has no place on a disk
    for key in reversed(keys):
        store.put(Key(key), b"-")
    assert [info.key for info in store.list()] == keys
    for prefix in ("a", "a!", "b/", "b/c", "b/c.", "中/", "nothing", "a!/x"):
        listed = [info.key for info in store.list(prefix)]
        assert listed == [key for key in keys if key.startswith(prefix)], prefix


def test_a_refused_key_changes_nothing(store: Store) -> None:
    for key in REFUSED_KEYS:
        with pytest.raises(StoreError, match="key"):
            store.put(Key(key), b"")
        with pytest.raises(StoreError, match="key"):
            store.replace(Key(key), b"")
    assert list(store.list()) == []


def test_many_threads_can_put_at_once(store: Store) -> None:
    keys = [Key(f"{number % 4}/{number}.png") for number in range(24)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: store.put(key, key.encode()), keys * 2))
    assert {info.key: info.size for info in store.list()} == {key: len(key) for key in keys}


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
