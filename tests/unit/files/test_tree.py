"""Trees that no symbolic link leads out of."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from mirror.files import OutsideError, Tree, sweep


def test_a_tree_replaces_and_removes(tmp_path: Path) -> None:
    tree = Tree(tmp_path / "tree")
    assert list(tree.walk()) == []
    assert tree.size("a/b") is None
    tree.replace("a/b", b"1")
    tree.replace("a/b", b"22")
    assert (tree.read("a/b"), tree.size("a/b")) == (b"22", 2)
    assert not tree.create("a/b", b"333")
    tree.remove("a/b")
    assert tree.size("a/b") is None


def test_a_tree_can_be_reached_by_a_link_but_not_left_by_one(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    tree = Tree(tmp_path / "link")
    tree.create("a/b", b"1")
    (tmp_path / "real/up").symlink_to("..")
    for call in (tree.read, tree.size, tree.remove):
        with pytest.raises(OutsideError):
            call("up/real/a/b")
    assert [name for name, _ in tree.walk()] == ["a/b", "up"]


@pytest.fixture
def few_descriptors() -> Iterator[None]:
    """Allow 64 open descriptors more than there are now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len([*Path("/proc/self/fd").iterdir()]) + 64, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="no list of open descriptors")
@pytest.mark.usefixtures("few_descriptors")
@pytest.mark.parametrize("name", ["{}/a", "d/{}/a", "nested"])
def test_a_tree_of_500_folders_needs_few_descriptors(tmp_path: Path, name: str) -> None:
    tree = Tree(tmp_path)
    if name == "nested":
        names = ["d/" * depth + "a" for depth in range(500)]
    else:
        names = [name.format(number) for number in range(500)]
    for each in names:
        (tmp_path / each).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / each).write_bytes(b"1")
    assert [walked for walked, _ in tree.walk()] == sorted(names, key=str.encode)
    assert tree.create(f"{names[-1]}.new", b"1")
    assert tree.read(names[-1]) == b"1"
    assert tree.size(names[-1]) == 1
    assert sweep(tmp_path) == 0


def test_a_folder_removed_during_a_walk_hides_no_other(tmp_path: Path) -> None:
    tree = Tree(tmp_path)
    for name in ("a/1", "b/1", "c/1"):
        tree.create(name, b"1")
    walk = tree.walk()
    assert next(walk)[0] == "a/1"
    tree.remove("b/1")
    (tmp_path / "b").rmdir()
    assert [name for name, _ in walk] == ["c/1"]
