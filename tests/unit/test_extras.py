"""The command that installs a missing library, for each way to install mirror."""

from __future__ import annotations

from pathlib import Path

import pytest

from mirror.extras import missing_library


@pytest.mark.parametrize(
    ("mark", "command"),
    [
        pytest.param("pyvenv.cfg", "pip install 'markdown-mirror[parquet]'", id="pip"),
        pytest.param("pipx_metadata.json", "pipx inject mirror-2 pyarrow", id="pipx"),
        pytest.param("uv-receipt.toml", "uv tool install 'markdown-mirror[parquet]'", id="uv tool"),
    ],
)
def test_the_tool_that_installed_mirror_installs_a_library(
    tmp_path: Path, mark: str, command: str
) -> None:
    prefix = tmp_path / "mirror-2"
    prefix.mkdir()
    (prefix / mark).touch()
    sentence = missing_library("`mirror export`", "pyarrow", "parquet", prefix)
    assert sentence == f"`mirror export` needs pyarrow: {command}"
