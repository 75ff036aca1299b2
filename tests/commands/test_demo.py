"""`mirror demo`, through the installed command."""

from __future__ import annotations

from support.commands import mirror

from mirror.demo.blog import posts


def test_the_demo_runs_the_whole_cycle_as_told(tmp_path):
    code, out, err = mirror("demo", tmp_path / "blog", cwd=tmp_path)
    assert (code, err) == (0, "")
    assert "The posts are byte for byte what they were." in out
    assert "not as expected" not in out
    for name, data in posts().items():
        assert (tmp_path / "blog" / "content" / "posts" / name).read_bytes() == data


def test_the_demo_leaves_a_folder_with_something_in_it_alone(tmp_path):
    (tmp_path / "mine").write_text("x")
    assert mirror("demo", tmp_path, cwd=tmp_path)[0] == 4
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
