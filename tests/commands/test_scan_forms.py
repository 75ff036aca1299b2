"""Forms of references, as `scan` shows them and `rewrite --map` changes them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

OLD, NEW = "https://old.test/a", "https://new.test/a"


def mirror(folder: Path, *args: str) -> str:
    """Run a command that must succeed and return its output."""
    done = subprocess.run(
        [sys.executable, "-m", "mirror", *args],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("args", [(), ("--json",), ("--all",)])
def test_scan_cuts_the_data_of_a_data_uri(tmp_path: Path, args: tuple[str, ...]) -> None:
    data = f"data:image/png;base64,{'A' * 100_000}"
    (tmp_path / "a.md").write_text(f"![]({data}) <img src='data:{'x' * 5000}'>\n\n![]({OLD})\n")
    out = mirror(tmp_path, "scan", *args)
    assert len(out) < 1500
    assert OLD in out
    if "--json" in args:
        first, second, _ = map(json.loads, out.splitlines())
        assert first["url"] == "data:image/png;base64,… (100.0 kB)"
        assert first["end"] - first["start"] == len(data)
        assert len(second["url"]) < 150
    else:
        assert "data:image/png;base64,… (100.0 kB)" in out


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("links.yml", f"# {OLD}\n- avatar: URL  # {OLD}\n  link: https://old.test/\n"),
        ("links.toml", f"# {OLD}\n[[link]]\navatar = 'URL'\n"),
        ("links.json", f'[{{"avatar": "URL", "text": "see {OLD}.png there"}}]\n'),
    ],
)
def test_a_data_file_that_include_names_is_rewritten(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / "mirror.toml").write_text(
        '[posts]\ninclude = ["**/*.md", "data/*.yml", "data/*.toml", "data/*.json"]\n'
    )
    file = tmp_path / "data" / name
    file.parent.mkdir()
    before, after = (text.replace("URL", url) for url in (OLD, NEW))
    file.write_text(before)
    (tmp_path / "a.md").write_text(f"![]({OLD})\n")
    (tmp_path / "map.json").write_text(json.dumps({OLD: NEW}))
    mirror(tmp_path, "rewrite", "--map", "map.json")
    assert file.read_text() == after
    assert NEW in (tmp_path / "a.md").read_text()


@pytest.mark.parametrize("suffix", [".mp4", ".mp3", ".pdf", ".json", ".zip"])
def test_what_is_plainly_no_picture_is_no_reference(tmp_path: Path, suffix: str) -> None:
    (tmp_path / "a.md").write_text(
        f"---\nimage: {OLD}{suffix}\ntopic: {OLD}\n---\n{{{{< figure src={OLD}{suffix} >}}}}\n"
        f"<NumberPicker url='{OLD}' /> ![[{OLD}{suffix}]]\n"
    )
    assert mirror(tmp_path, "scan") == "0 image references in 1 post\n"
