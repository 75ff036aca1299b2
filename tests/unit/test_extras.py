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


@pytest.mark.parametrize(
    ("receipt", "origin"),
    [
        ('{ name = "markdown-mirror", directory = "/src/mirror" }', "/src/mirror[parquet]"),
        ('{ name = "markdown-mirror", extras = ["dask"] }', "markdown-mirror[dask,parquet]"),
        (
            '{ name = "markdown-mirror", extras = ["dask"], editable = "/src" }, { name = "x" }',
            "/src[dask,parquet]",
        ),
        ("[", "markdown-mirror[parquet]"),
    ],
)
def test_uv_installs_again_what_it_installed_with_one_more_extra(
    tmp_path: Path, receipt: str, origin: str
) -> None:
    (tmp_path / "uv-receipt.toml").write_text(f"[tool]\nrequirements = [{receipt}]\n")
    sentence = missing_library("`mirror export`", "pyarrow", "parquet", tmp_path)
    assert sentence.endswith(f": uv tool install '{origin}'")


def test_a_virtual_environment_of_uv_has_no_pip(tmp_path: Path) -> None:
    (tmp_path / "pyvenv.cfg").write_text("home = /usr/bin\nuv = 0.9.2\n")
    sentence = missing_library("`mirror export`", "pyarrow", "parquet", tmp_path)
    assert sentence.endswith(": uv pip install 'markdown-mirror[parquet]'")


def test_the_readme_names_the_same_commands(tmp_path: Path) -> None:
    table = (Path(__file__).parents[2] / "README.md").read_text("utf-8").partition("### Extras")[2]
    prefix = tmp_path / "markdown-mirror"
    for mark in ("pipx_metadata.json", "uv-receipt.toml", "pyvenv.cfg"):
        prefix.mkdir()
        (prefix / mark).touch()
        for library, extra in (("pyarrow", "parquet"), ("distributed", "dask")):
            command = missing_library("", library, extra, prefix).partition(": ")[2]
            assert f"`{command.replace('markdown-mirror[', '.[')}`" in table
        (prefix / mark).unlink()
        prefix.rmdir()
