"""Bytes that were at hand lately."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.archive.spool import Spool


@given(sizes=st.lists(st.integers(1, 12), max_size=40))
def test_what_is_found_is_what_was_kept(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int]
) -> None:
    spool = Spool(tmp_path_factory.mktemp("s"), max_bytes=30)
    kept: dict[str, bytes] = {}
    for number, size in enumerate(sizes):
        kept[str(number)] = bytes([number]) * size
        spool.keep(str(number), kept[str(number)])
        assert spool.find(str(number)) == kept[str(number)]
        found = {name: data for name in kept if (data := spool.find(name)) is not None}
        assert found.items() <= kept.items()
        assert sum(map(len, found.values())) <= 30


def test_what_was_kept_first_goes_first(tmp_path: Path) -> None:
    spool = Spool(tmp_path, max_bytes=10)
    for name in "abc":
        spool.keep(name, name.encode() * 4)
    assert [spool.find(name) for name in "abc"] == [None, b"bbbb", b"cccc"]
    spool.keep("more than all", b"-" * 11)
    assert spool.find("more than all") is None
    assert spool.find("c") == b"cccc"


def test_nothing_is_left_on_the_disk(tmp_path: Path) -> None:
    Spool(tmp_path / "made").keep("a", b"1")
    assert list((tmp_path / "made").iterdir()) == []
