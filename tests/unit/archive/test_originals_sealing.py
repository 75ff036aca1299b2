"""The lists of an archive that remembers what it has put."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from gzip import compress
from hashlib import md5, sha256
from pathlib import Path

import pytest

from mirror.archive import Archive, MissingError, UnreadableError
from mirror.archive.bag import INFO, MANIFEST
from mirror.model import OCTETS, Blob, Digest, Key
from mirror.store import ConflictError, MemoryStore, ObjectInfo, StoreError, TooLargeError


def blob_of(data: bytes) -> Blob:
    check = md5(data, usedforsecurity=False).hexdigest()
    digest = Digest(sha256(data).hexdigest())
    return Blob(digest, check, len(data), "image/png", 1, 1, None)


def put(archive: Archive, *bodies: bytes) -> None:
    for data in bodies:
        archive.put(blob_of(data), data)


def listed(store: MemoryStore) -> set[str]:
    return {line[66:] for line in store.get(MANIFEST).decode().splitlines()}


def there(store: MemoryStore) -> set[str]:
    return {info.key for info in MemoryStore.list(store, "data/")}


class Watched(MemoryStore):
    """Counts listings and lookups, and lets another run in before a list is replaced."""

    listings = lookups = 0
    denies_listing = False

    def __init__(self) -> None:
        super().__init__()
        self.meanwhile: list[Archive] = []

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        self.listings += 1
        if self.denies_listing:
            raise StoreError("memory: AccessDenied")
        return super().list(prefix)

    def stat(self, key: Key) -> ObjectInfo | None:
        self.lookups += 1
        return super().stat(key)

    def replace(
        self,
        key: Key,
        data: bytes,
        media_type: str = OCTETS,
        *,
        inline: bool = True,
        expected: bytes | None = None,
    ) -> None:
        while self.meanwhile:
            self.meanwhile.pop().seal()
        super().replace(key, data, media_type, inline=inline, expected=expected)


@pytest.fixture
def store() -> Watched:
    return Watched()


def test_only_the_first_seal_lists_the_originals(store: Watched, tmp_path: Path) -> None:
    for number in range(3):
        archive = Archive(store, tmp_path)
        put(archive, b"%d" % number, b"again")
        archive.seal()
        assert listed(store) == there(store)
        assert not archive.is_unsealed
        assert (store.listings, store.lookups) == (1, 0)


def test_what_a_killed_run_put_is_in_the_next_lists(store: Watched, tmp_path: Path) -> None:
    Archive(store, tmp_path).seal()
    killed = Archive(store, tmp_path)
    put(killed, b"killed")
    del killed  # never sealed
    archive = Archive(store, tmp_path)
    assert archive.is_unsealed
    archive.seal()
    assert listed(store) == there(store) != set()
    assert store.listings == 1
    assert not Archive(store, tmp_path).is_unsealed


def test_what_another_machine_put_for_a_killed_run_is_in_the_next_lists(
    store: Watched, tmp_path: Path
) -> None:
    Archive(store, tmp_path).seal()
    killed = Archive(store, tmp_path)
    put(Archive(store), b"elsewhere")
    killed.note(blob_of(b"elsewhere"))
    del killed  # never sealed
    Archive(store, tmp_path).seal()
    assert listed(store) == there(store) != set()
    assert store.listings == 1


def test_a_machine_that_knows_nothing_lists_the_originals(store: Watched, tmp_path: Path) -> None:
    put(Archive(store, tmp_path / "lost"), b"1")
    Archive(store, tmp_path / "new").seal()
    assert listed(store) == there(store) != set()


def test_lists_that_were_damaged_are_made_anew(store: Watched, tmp_path: Path) -> None:
    archive = Archive(store, tmp_path)
    put(archive, b"1", b"2")
    archive.seal()
    store.replace(MANIFEST, store.get(MANIFEST)[:-1])
    archive.seal()
    assert listed(store) == there(store)
    assert store.listings == 2


def test_damage_that_was_healed_counts_with_its_new_size(store: Watched, tmp_path: Path) -> None:
    archive = Archive(store, tmp_path)
    put(archive, b"whole")
    store.replace(Key(next(iter(there(store)))), b"damaged")
    archive.seal()
    assert b": 7.1\n" in store.get(Key("bag-info.txt"))
    put(archive, b"whole")
    archive.seal()
    assert b": 5.1\n" in store.get(Key("bag-info.txt"))


def test_of_two_runs_that_seal_at_once_both_are_in_the_lists(
    store: Watched, tmp_path: Path
) -> None:
    archives = [Archive(store, tmp_path / name) for name in "abc"]
    for archive in archives:
        archive.seal()
    for number, archive in enumerate(archives):
        put(archive, b"%d" % number)
    store.meanwhile = archives[1:]
    archives[0].seal()
    assert listed(store) == there(store)
    assert len(listed(store)) == 3
    again = Archive(store, tmp_path / "a")
    before = store.listings
    again.seal()
    assert store.listings == before  # the lists agree with each other


def test_a_list_that_is_never_left_alone_is_said(
    store: Watched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = Archive(store, tmp_path)
    archive.seal()
    put(archive, b"1")

    def conflict(key: Key, *_: object, **__: object) -> None:
        MemoryStore.replace(store, key, store.get(key) + b"\n")
        raise ConflictError("memory: another run")

    monkeypatch.setattr(store, "replace", conflict)
    with pytest.raises(UnreadableError, match="other runs change it all the time; run again"):
        archive.seal()
    assert archive.is_unsealed


@pytest.mark.parametrize("change", [compress, lambda _: b""], ids=["gzip", "empty"])
def test_a_list_that_does_not_read_as_it_is_stored_is_said(
    store: Watched,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[bytes], bytes],
) -> None:
    archive = Archive(store, tmp_path)
    archive.seal()
    put(archive, b"1")
    get = store.get
    monkeypatch.setattr(store, "get", lambda key, **limits: change(get(key, **limits)))
    with pytest.raises(UnreadableError, match=r"not read as it is stored.*manifest-sha256\.txt"):
        archive.seal()
    assert archive.is_unsealed


@pytest.mark.parametrize(("key", "limit"), [(INFO, 1 << 20), (MANIFEST, 2 << 30)])
def test_a_list_is_read_up_to_a_limit(
    store: Watched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: Key, limit: int
) -> None:
    """A server may declare any length, and send as much."""
    archive = Archive(store, tmp_path)
    archive.seal()
    put(archive, b"1")
    get = store.get

    def endless(name: Key, *, max_bytes: int | None = None) -> bytes:
        if name == key:
            assert max_bytes == limit
            raise TooLargeError(f"{name!r} is longer")
        return get(name, max_bytes=max_bytes)

    monkeypatch.setattr(store, "get", endless)
    with pytest.raises(UnreadableError, match="is longer"):
        archive.seal()


def test_a_seal_that_failed_is_made_up_for(store: Watched, tmp_path: Path) -> None:
    archive = Archive(store, tmp_path)
    put(archive, b"1")
    store.denies_listing = True
    with pytest.raises(UnreadableError, match="AccessDenied"):
        archive.seal()
    del archive
    store.denies_listing = False
    archive = Archive(store, tmp_path)
    assert archive.is_unsealed
    archive.seal()
    assert listed(store) == there(store) != set()


def test_what_was_put_is_read_from_this_machine_and_checked_in_the_store(
    store: Watched, tmp_path: Path
) -> None:
    archive, blob = Archive(store, tmp_path), blob_of(b"picture")
    put(archive, b"picture")
    (key,) = there(store)
    store.delete(Key(key))
    assert archive.get(blob.digest, blob.media_type) == b"picture"
    with pytest.raises(MissingError, match="is missing"):
        archive.check(blob)


def test_a_name_that_never_arrived_is_looked_up_again(store: Watched, tmp_path: Path) -> None:
    archive = Archive(store, tmp_path)
    archive.seal()
    late = MemoryStore.put
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "put", lambda *_, **__: (_ for _ in ()).throw(StoreError("down")))
        with pytest.raises(UnreadableError, match="down"):
            put(archive, b"late")
    archive.seal()
    assert listed(store) == set()
    assert archive.is_unsealed
    # It arrives after all: the server had it, and the answer was lost.
    key = f"data/{blob_of(b'late').digest.hex[:2]}/{blob_of(b'late').digest}.png"
    late(store, Key(key), b"late")
    del archive
    Archive(store, tmp_path).seal()
    assert listed(store) == {key}
    assert store.listings == 1
