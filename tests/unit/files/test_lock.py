"""A lock that ends with its holder and names it."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mirror.files import HeldError, Lock


@pytest.fixture
def post(tmp_path: Path) -> Path:
    path = tmp_path / "post.md"
    path.write_bytes(b"old")
    return path


def test_one_run_at_a_time_and_the_other_is_named(tmp_path: Path) -> None:
    path = tmp_path / "state" / "lock"
    with Lock(path, "mirror sync"):
        with pytest.raises(HeldError, match=f"`mirror sync` .process {os.getpid()} on ") as caught:
            Lock(path, "mirror prune").__enter__()
        assert str(path) in str(caught.value)
    with Lock(path, "mirror prune"), pytest.raises(HeldError, match="`mirror prune`"):
        Lock(path, "mirror sync").__enter__()


def test_a_killed_holder_holds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    code = (
        "import sys, pathlib; from mirror.files import Lock\n"
        "with Lock(pathlib.Path(sys.argv[1]), 'mirror sync'):\n"
        "    print('held', flush=True); sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", code, path]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as run:
        assert run.stdout
        run.stdout.readline()
        with pytest.raises(HeldError, match=f"process {run.pid} "):
            Lock(path, "mirror verify").__enter__()
        run.send_signal(signal.SIGKILL)
    with Lock(path, "mirror verify"):
        pass


def test_a_lock_is_not_written_through_a_link(post: Path) -> None:
    link = post.with_name("lock")
    link.symlink_to("post.md")
    with pytest.raises(OSError, match="symbolic links"):
        Lock(link, "mirror sync").__enter__()
    assert post.read_bytes() == b"old"


@pytest.mark.parametrize("holder_text", [b"", b"{", b"[]", b'{"pid": 1}', b"\xff"])
def test_a_holder_that_has_not_said_who_it_is_is_another_run(
    tmp_path: Path, holder_text: bytes
) -> None:
    path = tmp_path / "lock"
    path.write_bytes(holder_text)
    with path.open() as holder:
        fcntl.flock(holder, fcntl.LOCK_EX)
        with pytest.raises(HeldError, match="another run holds the lock"):
            Lock(path, "mirror sync").__enter__()
