"""`mirror demo`, through the installed command."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from support.commands import mirror
from support.faults import MIRROR

from mirror.demo.blog import posts

README = Path(__file__).parents[2] / "README.md"
VARIABLE = re.compile(
    r"(?<=127\.0\.0\.1:)\d+"  # the port of the host
    r"|(?<=done in )\d+\.\d"
    r"|\b[0-9a-f]{64}\b"  # of pictures, which each version of zlib compresses in its own way
)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Return the folder of a whole demonstration, and what it printed."""
    folder = tmp_path_factory.mktemp("demo")
    code, out, err = mirror("demo", folder / "blog", cwd=folder)
    assert (code, err) == (0, "")
    return folder, out


def steps(text: str) -> list[str]:
    """Return the steps in what the demonstration prints, without what differs from run to run."""
    return [VARIABLE.sub("…", step).strip() for step in re.split(r"(?m)^(?=# )", text)[1:]]


def test_the_readme_shows_steps_of_the_demo_with_all_their_lines(told):
    block = README.read_text("utf-8").partition("$ make demo\n")[2].partition("```")[0]
    printed = steps(told[1])
    shown = steps(block)
    assert len(shown) > 1
    assert [step for step in printed if step in shown] == shown


def test_the_demo_runs_the_whole_cycle_as_told(told):
    folder, out = told
    assert "The posts are byte for byte what they were." in out
    assert "not as expected" not in out
    for name, data in posts().items():
        assert (folder / "blog" / "content" / "posts" / name).read_bytes() == data


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
