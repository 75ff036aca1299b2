"""What the lists lack, also behind a killed run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from mirror.archive.unsealed import UnsealedNames

WRITER = """
import os, pathlib, sys
from mirror.archive.unsealed import UnsealedNames
unsealed = UnsealedNames(pathlib.Path(sys.argv[1]), "place")
for name in sys.argv[2:]:
    unsealed.add(name)
print(flush=True)
input()
"""


def names(unsealed: UnsealedNames) -> list[str]:
    return sorted(name for left in unsealed.abandoned().values() for name in left if name)


def test_the_names_of_a_run_count_as_left_behind_once_it_has_ended(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WRITER, tmp_path, "data/a", "data/b"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as run:
        assert run.stdout
        run.stdout.readline()
        unsealed = UnsealedNames(tmp_path, "place")
        assert names(unsealed) == []
        run.kill()
    assert names(unsealed) == ["data/a", "data/b"]
    unsealed.clear(unsealed.abandoned(), ())
    assert names(unsealed) == []
    assert list(tmp_path.iterdir()) == []


def test_the_names_that_are_not_sealed_stay(tmp_path: Path) -> None:
    first = UnsealedNames(tmp_path, "place")
    first.add("data/a")
    first.add("data/b")
    first.clear((), ["data/b"])
    first.add("data/c")
    del first
    assert names(UnsealedNames(tmp_path, "place")) == ["data/b", "data/c"]


def test_another_place_is_not_known(tmp_path: Path) -> None:
    unsealed = UnsealedNames(tmp_path, "place")
    assert not unsealed.is_complete
    unsealed.mark_complete()
    assert unsealed.is_complete
    assert not UnsealedNames(tmp_path, "elsewhere").is_complete
    unsealed.mark_unknown()
    assert not unsealed.is_complete


def test_no_link_is_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"data/a\n")
    state = tmp_path / "state"
    state.mkdir()
    (state / f"unsealed-{'0' * 16}.txt").symlink_to(secret)
    (state / "sealed.txt").symlink_to(secret)
    os.mkfifo(state / f"unsealed-{'1' * 16}.txt")
    unsealed = UnsealedNames(state, "data/a")
    assert unsealed.abandoned() == {}
    assert not unsealed.is_complete
    assert secret.read_bytes() == b"data/a\n"
