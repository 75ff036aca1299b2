"""What each of several sites uses in one destination."""

from __future__ import annotations

from collections.abc import Callable
from gzip import compress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror import site_index
from mirror.model import Digest, Key, is_reserved
from mirror.records import StateError
from mirror.site_index import (
    SITE_FILE,
    SiteIndexError,
    dumps,
    ensure_site_name,
    index_key,
    loads,
    site_name,
    trim_index,
    used_by_others,
    write_index,
)
from mirror.store import DirectoryStore, MemoryStore, StoreError

ONE, TWO = "1" * 32, "2" * 32
keys = st.from_regex(r"[a-z图 ]{1,9}(/[a-z]{1,9})?\.png", fullmatch=True).map(Key)
digests = st.integers(0, 2**256 - 1).map(lambda number: Digest(f"{number:064x}"))


def entry(key: str, digest: str = "a") -> tuple[Key, Digest]:
    return Key(key), Digest(digest * 64)


def listing(store: DirectoryStore) -> dict:
    return {info.key: info for info in store.list()}


@given(st.dictionaries(keys, digests, max_size=5))
def test_an_index_gives_back_what_was_written(objects: dict[Key, Digest]) -> None:
    assert loads(dumps(objects)) == objects
    assert dumps(objects) == dumps(dict(reversed(objects.items())))


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"no gzip", id="no gzip"),
        pytest.param(compress(b"other\n"), id="another header"),
        pytest.param(dumps({})[:-3], id="cut short"),
        pytest.param(compress(b"mirror-site-index 1\nabc a.png\n"), id="no digest"),
        pytest.param(compress(b"mirror-site-index 1\n" + b"a" * 64 + b" ../a\n"), id="a path out"),
        pytest.param(compress(b"mirror-site-index 1\n" + b"a" * 64 + b" a"), id="a torn line"),
        pytest.param(compress(b"mirror-site-index 1\n\xff\n"), id="no UTF-8"),
        pytest.param(dumps({}) + b"more", id="more behind it"),
        pytest.param(dumps({})[:-1] + b"\xff", id="another length than its own"),
    ],
)
def test_what_is_no_index_is_refused(data: bytes, tmp_path: Path) -> None:
    store = DirectoryStore("disk", tmp_path)
    store.put(Key(f".mirror/sites/{TWO}.txt.gz"), data)
    with pytest.raises(SiteIndexError, match=r"disk: .mirror/sites/2+"):
        used_by_others(store, listing(store), ONE)


def test_each_site_sees_what_the_other_uses(tmp_path: Path) -> None:
    store = DirectoryStore("disk", tmp_path)
    write_index(store, ONE, listing(store), [entry("a.png"), entry("shared.png", "b")])
    write_index(store, TWO, listing(store), [entry("shared.png", "b")])
    wanted = {Key("a.png"), Key("shared.png"), Key("c.png")}
    assert used_by_others(store, wanted, ONE) == {"shared.png": {Digest("b" * 64)}}
    assert set(used_by_others(store, wanted, TWO)) == {"a.png", "shared.png"}
    assert set(used_by_others(store, wanted, None)) == {"a.png", "shared.png"}
    assert used_by_others(store, {Key("c.png")}, None) == {}
    assert all(is_reserved(key) for key in listing(store))
    assert not is_reserved("aa/a.png")


def test_names_are_added_until_they_are_dropped(tmp_path: Path) -> None:
    store = DirectoryStore("disk", tmp_path)
    both = {Key("a.png"), Key("b.png")}
    write_index(store, ONE, listing(store), [entry("a.png")])
    write_index(store, ONE, listing(store), [entry("b.png")])
    assert set(used_by_others(store, both, TWO)) == both
    trim_index(store, ONE, {"b.png", "c.png"})
    assert set(used_by_others(store, both, TWO)) == {"b.png"}
    trim_index(store, TWO, {"b.png"})
    assert list(listing(store)) == [index_key(ONE)]


@pytest.mark.parametrize("is_new", [True, False])
def test_no_name_is_lost_if_two_machines_write_at_once(is_new: bool) -> None:
    """Another site would prune the object whose name is lost."""

    class Shared(MemoryStore):
        meanwhile: Callable[[], None] | None = None

        def get(self, key: Key, *, max_bytes: int | None = None) -> bytes:
            try:
                return super().get(key, max_bytes=max_bytes)
            finally:
                self.let_the_other_in()

        def put(self, *arguments: Any, **options: Any) -> None:
            self.let_the_other_in()
            super().put(*arguments, **options)

        def let_the_other_in(self) -> None:
            other, self.meanwhile = self.meanwhile, None
            if other is not None:
                other()

    store = Shared()
    if not is_new:
        write_index(store, ONE, {}, [entry("a.png")])
    before = listing(store)
    store.meanwhile = lambda: write_index(store, ONE, before, [entry("b.png")])
    write_index(store, ONE, before, [entry("c.png")])
    wanted = {Key("b.png"), Key("c.png")}
    assert set(used_by_others(store, wanted, TWO)) == wanted
    store.meanwhile = lambda: write_index(store, ONE, listing(store), [entry("d.png")])
    trim_index(store, ONE, {"c.png", "d.png"})
    assert set(used_by_others(store, {*wanted, Key("d.png")}, TWO)) == {"c.png", "d.png"}


def test_a_damaged_index_is_written_anew_by_its_site(tmp_path: Path) -> None:
    store = DirectoryStore("disk", tmp_path)
    store.put(index_key(ONE), b"damaged")
    write_index(store, ONE, listing(store), [entry("a.png")])
    assert set(used_by_others(store, {Key("a.png")}, TWO)) == {"a.png"}


def test_a_bomb_is_read_a_line_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    header = b"mirror-site-index 1\n"
    for line in (b"\0" * (1 << 24), b"\n" * (1 << 24)):
        with pytest.raises(ValueError, match=r"expected a SHA-256 and a relative path"):
            loads(compress(header + line))
    monkeypatch.setattr(site_index, "_MAX_BYTES", 1 << 16)
    with pytest.raises(ValueError, match="expected at most"):
        loads(compress(header + (b"a" * 64 + b" a.png\n") * 1000))


def test_an_index_that_names_all_is_not_written_again(tmp_path: Path) -> None:
    class ReadOnly(DirectoryStore):
        def replace(self, *_: object, **__: object) -> None:
            raise StoreError("it was written")

    write_index(DirectoryStore("disk", tmp_path), ONE, {}, [entry("a.png"), entry("b.png")])
    store = ReadOnly("disk", tmp_path)
    write_index(store, ONE, listing(store), [entry("a.png")])
    with pytest.raises(StoreError, match="it was written"):
        write_index(store, ONE, listing(store), [entry("a.png", "c")])


def test_a_site_gets_a_name_once(tmp_path: Path) -> None:
    folder = tmp_path / "manifests"
    assert site_name(folder) is None
    name = ensure_site_name(folder)
    assert ensure_site_name(folder) == site_name(folder) == name
    assert ensure_site_name(tmp_path / "other") != name
    (folder / SITE_FILE).write_text(f"{TWO}\r\n{ONE}\r\n")  # two branches were merged
    assert ensure_site_name(folder) == site_name(folder) == TWO
    (folder / SITE_FILE).write_text("no name\n")
    assert site_name(folder) is None
    with pytest.raises(StateError, match=r"site\.txt: expected a file with 32 hexadecimal digits"):
        ensure_site_name(folder)
