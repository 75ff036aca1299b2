"""Text files that mirror keeps: read whole, and written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from itertools import repeat
from pathlib import Path
from tracemalloc import get_traced_memory, start, stop

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.files import Checksum
from mirror.records import (
    Record,
    RecordError,
    StateError,
    read_text,
    save_pieces,
    split_lines,
    write_text,
)


class WordError(RecordError):
    """A text that is no list of words."""


def read_words(lines: Iterable[str]) -> list[str]:
    found = []
    for number, line in enumerate(lines, 1):
        if "\0" in line:
            raise WordError(f"line {number}: expected words, found NUL")
        found += line.split()
    return found


def dump_words(words: Iterable[str]) -> Iterator[str]:
    return (f"{word}\n" for word in words)


def words(path: Path) -> Record[list[str]]:
    return Record(path, read_words, dump_words, list)


def test_a_file_that_is_not_there_is_empty_and_made_by_the_first_save(tmp_path: Path) -> None:
    record = words(tmp_path / "folder" / "words")
    assert record.load() == ([], None)
    record.save(["a", "b"], None)
    value, checksum = record.load()
    assert value == ["a", "b"]
    assert checksum is not None


def test_equal_contents_are_not_written_again(tmp_path: Path) -> None:
    record = words(tmp_path / "words")
    record.save(["a"], None)
    before = record.path.stat()
    value, checksum = record.load()
    record.save(value, checksum)
    after = record.path.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


@pytest.mark.parametrize("other", [b"b", b"", None])
def test_what_somebody_else_wrote_meanwhile_stays(tmp_path: Path, other: bytes | None) -> None:
    record = words(tmp_path / "words")
    record.save(["a"], None)
    _, checksum = record.load()
    record.path.unlink() if other is None else record.path.write_bytes(other)
    with pytest.raises(StateError, match=r"words: was changed by someone else during this run"):
        record.save(["a", "c"], checksum)
    assert (record.path.read_bytes() if record.path.exists() else None) == other
    assert set(tmp_path.iterdir()) <= {record.path}


def test_a_file_that_came_meanwhile_stays(tmp_path: Path) -> None:
    record = words(tmp_path / "words")
    value, checksum = record.load()
    record.path.write_text("theirs")
    with pytest.raises(StateError, match="was changed by someone else"):
        record.save([*value, "mine"], checksum)
    assert record.path.read_text() == "theirs"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(b"a \0", r"words: line 1: expected words", id="not understood"),
        pytest.param(b"\xff", r"words: 'utf-8' codec can't decode", id="not UTF-8"),
    ],
)
def test_a_text_that_is_not_understood_is_named(tmp_path: Path, data: bytes, message: str) -> None:
    record = words(tmp_path / "words")
    record.path.write_bytes(data)
    with pytest.raises(RecordError, match=message):
        record.load()
    assert record.path.read_bytes() == data


def test_the_error_of_loads_keeps_its_kind(tmp_path: Path) -> None:
    record = words(tmp_path / "words")
    record.path.write_bytes(b"\0")
    with pytest.raises(WordError):
        record.load()


def test_what_is_no_file_is_named_and_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for name in ("pipe", "folder"):
        with pytest.raises(RecordError, match=f"{name}: cannot be read: .*move away what is there"):
            words(tmp_path / name).load()
        with pytest.raises(RecordError, match=f"{name}: cannot be read"):
            read_text(tmp_path / name)
    with pytest.raises(StateError, match=r"folder: cannot be written: .*move away what is there"):
        write_text(tmp_path / "folder", "text")


def test_pieces_are_made_again_only_for_a_file_that_has_to_be_written(tmp_path: Path) -> None:
    made = []

    def pieces() -> list[bytes]:
        made.append(1)
        return [b"a\n", b"b\n"]

    path = tmp_path / "lines"
    save_pieces(path, pieces, None)
    assert (path.read_bytes(), len(made)) == (b"a\nb\n", 2)
    _, checksum = words(path).load()
    save_pieces(path, pieces, checksum)
    assert len(made) == 3


@given(lines=st.lists(st.text(alphabet="a\r\x85\u2028\U0001f408"), max_size=4), ends=st.booleans())
def test_a_record_is_read_line_by_line(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], *, ends: bool
) -> None:
    path = tmp_path_factory.mktemp("record") / "lines"
    data = ("\n".join(lines) + "\n" * (ends and bool(lines))).encode()
    path.write_bytes(data)
    value, checksum = Record(path, tuple, list, tuple).load()
    assert "\n".join(value) + "\n" * data.endswith(b"\n") == data.decode()
    assert checksum == Checksum.of([data])


def test_a_large_record_is_not_held_beside_its_value(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    line = "words " * 20
    path.write_text(f"{line}\n" * 50_000)
    record = Record(
        path, lambda lines: sum(map(len, lines)), lambda _: repeat(f"{line[1:]}\n", 50_000), int
    )
    start()
    try:
        size, checksum = record.load()
        record.save(size, checksum)
        _, peak = get_traced_memory()
    finally:
        stop()
    assert size == 50_000 * len(line)
    assert peak < 1_000_000


@given(st.text(alphabet="a\n\r\x85\u2028"))
def test_only_a_line_feed_ends_a_line(text: str) -> None:
    assert list(split_lines(text)) == text.split("\n")
