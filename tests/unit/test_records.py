"""Text files that mirror keeps: read whole, and written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

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


def loads(text: str) -> list[str]:
    if "\0" in text:
        raise WordError("line 1: expected words, found NUL")
    return text.split()


def words(path: Path) -> Record[list[str]]:
    return Record(path, loads, " ".join, list)


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
    _, checksum = Record(path, str, str, str).load()
    save_pieces(path, pieces, checksum)
    assert len(made) == 3


@given(st.text(alphabet="a\n\r\x85\u2028"))
def test_only_a_line_feed_ends_a_line(text: str) -> None:
    assert list(split_lines(text)) == text.split("\n")
