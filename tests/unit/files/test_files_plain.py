"""Only regular files of a limited size are read, and nothing is waited for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mirror.config import ConfigError, find_config
from mirror.files import (
    NotAFileError,
    OutsideError,
    Tree,
    append,
    opened,
    read_named,
    read_whole,
)
from mirror.records import RecordError
from mirror.site_index import site_name


@pytest.mark.parametrize("read", [read_whole, lambda path: append(path, b"x")])
def test_a_pipe_a_folder_and_a_link_are_refused_at_once(tmp_path: Path, read) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("/dev/zero")
    for name, error in (("pipe", NotAFileError), ("folder", NotAFileError), ("link", OutsideError)):
        with pytest.raises(error):
            read(tmp_path / name)


def test_a_file_over_the_limit_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    for read in (read_whole, lambda path: read_named(path, 10)):
        with pytest.raises(OSError, match="has more than"):
            read(path)
    path.write_bytes(b"0123456789")
    assert read_whole(path, 10) == read_named(path, 10) == b"0123456789"
    assert Tree(tmp_path).read("file", 4) == b"0123"
    assert Tree(tmp_path).read("file", 1 << 40) == b"0123456789"


def test_a_file_that_grows_is_read_up_to_the_size_it_had(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"one\ntwo\n")
    with opened(path) as file:
        lines = []
        for line in file:
            lines.append(line)
            append(path, b"more\n")
    assert lines == [b"one\n", b"two\n"]
    with opened(path) as file:
        append(path, b"more\n")
        assert file.read() == b"one\ntwo\nmore\nmore\n"


def test_a_name_of_a_site_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    assert site_name(tmp_path) is None
    os.mkfifo(tmp_path / "site.txt")
    with pytest.raises(RecordError, match=r"site\.txt: cannot be read"):
        site_name(tmp_path)


def test_a_configuration_that_is_a_link_is_used_only_if_it_is_named(tmp_path: Path) -> None:
    (tmp_path / "other.toml").write_text("")
    link = tmp_path / "mirror.toml"
    link.symlink_to("other.toml")
    with pytest.raises(ConfigError, match=r"symbolic link; name the file with `--config`"):
        find_config(None, {}, tmp_path)
    assert find_config(link, {}, tmp_path) == link
