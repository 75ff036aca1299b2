"""Files written whole or not at all, also where a run is killed."""

from __future__ import annotations

import errno
import fcntl
import os
import resource
import stat
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.files import ChangedError, OutsideError, create_whole, sweep, write_whole


@pytest.fixture
def post(tmp_path: Path) -> Path:
    path = tmp_path / "post.md"
    path.write_bytes(b"old")
    return path


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


@given(old=st.none() | st.binary(), new=st.binary())
def test_a_file_holds_what_was_written(
    tmp_path_factory: pytest.TempPathFactory, old: bytes | None, new: bytes
) -> None:
    path = tmp_path_factory.mktemp("d") / "post.md"
    if old is not None:
        path.write_bytes(old)
    write_whole(path, new, expected=old)
    assert path.read_bytes() == new
    assert names(path.parent) == ["post.md"]


def test_a_file_keeps_its_mode_and_a_new_one_has_the_usual(post: Path) -> None:
    post.chmod(0o754)
    write_whole(post, b"new")
    assert mode(post) == 0o754
    with umask(0o027):
        write_whole(post.with_name("new.md"), b"")
        create_whole(post.with_name("newer.md"), b"")
    assert mode(post.with_name("new.md")) == mode(post.with_name("newer.md")) == 0o640


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can write in another's name")
def test_a_file_keeps_its_owner(post: Path) -> None:
    os.chown(post, 12345, 12345)
    write_whole(post, b"new")
    assert (post.stat().st_uid, post.stat().st_gid) == (12345, 12345)


def test_a_file_changed_by_someone_else_stays(post: Path) -> None:
    write_whole(post, b"new", expected=b"old")
    for path, expected in ((post, b"old"), (post, None), (post.with_name("no.md"), b"old")):
        with pytest.raises(ChangedError, match=path.name):
            write_whole(path, b"newer", expected=expected)
    assert names(post.parent) == ["post.md"]
    assert post.read_bytes() == b"new"


@pytest.mark.parametrize("target", ["post.md", "nowhere"])
def test_a_link_is_never_written_through(post: Path, target: str) -> None:
    link = post.with_name("link.md")
    link.symlink_to(target)
    with pytest.raises(OutsideError, match="symbolic link"):
        write_whole(link, b"new")
    assert not create_whole(link, b"new")
    assert link.is_symlink()
    assert post.read_bytes() == b"old"
    assert names(post.parent) == ["link.md", "post.md"]


def test_a_write_that_fails_half_way_changes_nothing(post: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            write_whole(post, bytes(20_000))
        with pytest.raises(OSError, match="File too large"):
            create_whole(post.with_name("new.md"), bytes(20_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert names(post.parent) == ["post.md"]
    assert post.read_bytes() == b"old"


def test_a_run_killed_at_any_moment_leaves_every_file_whole(post: Path) -> None:
    code = (
        "import sys, itertools, pathlib; from mirror.files import write_whole\n"
        "for n in itertools.count():\n"
        "    write_whole(pathlib.Path(sys.argv[1]), bytes([n % 256]) * 3_000_000)\n"
        "    print(n, flush=True)\n"
    )
    for writes in range(1, 6):
        with subprocess.Popen(
            [sys.executable, "-c", code, post], stdout=subprocess.PIPE, text=True
        ) as run:
            assert run.stdout
            for _ in range(writes):
                run.stdout.readline()
            run.kill()
        data = post.read_bytes()
        assert len(data) == 3_000_000
        assert len(set(data)) == 1
        sweep(post.parent)
        assert names(post.parent) == ["post.md"]


def test_create_makes_a_file_only_where_nothing_is(post: Path) -> None:
    assert not create_whole(post, b"new")
    assert not create_whole(post.parent, b"new")
    assert post.read_bytes() == b"old"
    assert create_whole(post.with_name("new.md"), b"new")
    assert names(post.parent) == ["new.md", "post.md"]


def test_one_of_many_creates_wins(tmp_path: Path) -> None:
    for turn in range(10):
        path = tmp_path / str(turn)
        bodies = [bytes([number]) * 10_000 for number in range(8)]
        with ThreadPoolExecutor(8) as pool:
            won = list(pool.map(lambda body, path=path: create_whole(path, body), bodies))
        assert won.count(True) == 1
        assert path.read_bytes() == bodies[won.index(True)]


def test_create_works_without_hard_links(post: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    assert create_whole(post.with_name("new.md"), b"new")
    assert not create_whole(post, b"new")
    assert names(post.parent) == ["new.md", "post.md"]


def test_sweep_removes_what_killed_runs_left_and_nothing_else(tmp_path: Path) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out"
    for folder in (inside / "deep", outside):
        folder.mkdir(parents=True)
        (folder / ".mirror-00.tmp").write_bytes(b"half")
    (inside / "post.tmp").write_bytes(b"theirs")
    (inside / "link").symlink_to(outside)
    assert sweep(inside) == 1
    assert names(inside) == ["deep", "link", "post.tmp"]
    assert names(inside / "deep") == []
    assert names(outside) == [".mirror-00.tmp"]
    assert sweep(tmp_path / "nowhere") == 0


def test_sweep_leaves_a_file_that_is_being_written(tmp_path: Path) -> None:
    path = tmp_path / ".mirror-00.tmp"
    with path.open("wb") as writer:
        fcntl.flock(writer, fcntl.LOCK_EX)
        assert sweep(tmp_path) == 0
    assert sweep(tmp_path) == 1


def test_writers_and_sweepers_do_not_disturb_each_other(tmp_path: Path) -> None:
    with ThreadPoolExecutor(6) as pool:
        swept = [pool.submit(sweep, tmp_path) for _ in range(100)]
        written = [pool.submit(create_whole, tmp_path / str(n), b"x") for n in range(100)]
    assert all(future.result() for future in written)
    assert not any(future.exception() for future in swept)
    assert len(names(tmp_path)) == 100
