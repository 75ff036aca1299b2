"""A store in a folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.model import Key
from mirror.store import (
    AccessError,
    DirectoryStore,
    MemoryStore,
    NotFoundError,
    StoreError,
)

A = Key("ab/a.png")


keys = st.lists(
    st.from_regex(r"[ab!.0\-]{1,3}(/[ab!.0\-]{1,2}){0,2}", fullmatch=True), max_size=8
).filter(lambda keys: all(not ({".", ".."} & set(key.split("/"))) for key in keys))


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
    expected = [(info.key, info.size) for info in memory.list(prefix)]
    assert [(info.key, info.size) for info in directory.list(prefix)] == expected


@pytest.fixture
def directory(tmp_path: Path) -> DirectoryStore:
    return DirectoryStore("copy", tmp_path / "objects")


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
    assert [info.key for info in directory.list()] == [A]
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
    with pytest.raises(NotFoundError):
        directory.get(Key("a/b"))
    assert directory.get(Key("a")) == b"1"


def test_a_file_in_the_place_of_the_whole_folder_is_said(directory: DirectoryStore) -> None:
    directory.root.write_bytes(b"1")
    for call in (directory.put, directory.replace):
        with pytest.raises(StoreError, match="needed; move it away"):
            call(A, b"1")
    with pytest.raises(StoreError, match="needed; move it away"):
        list(directory.list())


def test_a_folder_in_the_place_of_a_file_is_one_key_that_fails(directory: DirectoryStore) -> None:
    directory.put(Key("a/b"), b"1")
    for write in (directory.put, directory.replace):
        with pytest.raises(StoreError, match="no key is the folder of another") as caught:
            write(Key("a"), b"2")
        assert not isinstance(caught.value, AccessError)
    assert [info.key for info in directory.list()] == ["a/b"]


def test_what_is_being_written_is_not_listed(directory: DirectoryStore) -> None:
    directory.put(A, b"1")
    (directory.root / "ab/.mirror-0123456789abcdef.tmp").write_bytes(b"half")
    assert [info.key for info in directory.list()] == [A]
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


def test_a_folder_of_500_folders_works_with_256_descriptors(tmp_path: Path) -> None:
    for number in range(500):
        (tmp_path / f"{number:03}").mkdir()
        (tmp_path / f"{number:03}" / "a.png").write_bytes(b"1")
    code = (
        "import resource, sys, pathlib; from mirror.store import DirectoryStore\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))\n"
        "store = DirectoryStore('copy', pathlib.Path(sys.argv[1]))\n"
        "listings = [store.list() for _ in range(300)]\n"
        "assert {next(listing).key for listing in listings} == {'000/a.png'}\n"
        "again = DirectoryStore('copy', store.root)\n"
        "again.put('new/a.png', b'1')\n"
        "assert len(list(again.list())) == 501\n"
    )
    command = [sys.executable, "-c", code, tmp_path]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
