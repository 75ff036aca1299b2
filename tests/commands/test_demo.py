"""`mirror demo`, through the installed command."""

from __future__ import annotations

import subprocess
from pathlib import Path

from support.commands import mirror
from support.faults import MIRROR

from mirror.demo.blog import posts


def test_the_demo_runs_the_whole_cycle_as_told(tmp_path):
    code, out, err = mirror("demo", tmp_path / "blog", cwd=tmp_path)
    assert (code, err) == (0, "")
    assert "The posts are byte for byte what they were." in out
    assert "not as expected" not in out
    for name, data in posts().items():
        assert (tmp_path / "blog" / "content" / "posts" / name).read_bytes() == data


def test_the_demo_ends_with_the_first_step_that_fails(tmp_path: Path) -> None:
    """Here no file may be longer than 8 KiB, so `sync` cannot keep the pictures."""
    script = 'ulimit -f 8; exec "$0" demo blog'
    done = subprocess.run(
        ["bash", "-c", script, MIRROR], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.endswith("not as expected: `mirror sync` ended with 3, not 0\n")


def test_the_demo_leaves_a_folder_with_something_in_it_alone(tmp_path):
    (tmp_path / "mine").write_text("x")
    assert mirror("demo", tmp_path, cwd=tmp_path)[0] == 4
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
