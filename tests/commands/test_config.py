"""`mirror config`, and the hints for a mistake in `mirror.toml`."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from support.commands import run
from support.sites import Blog

from mirror.config import ConfigError, loads_config

ROOT = Path(__file__).parents[2]


def test_config_prints_the_example(blog: Blog) -> None:
    result = run(blog, "config", "--example")
    assert (result.code, result.err) == (0, "")
    assert result.out == (ROOT / "config.example.toml").read_text("utf-8")
    assert loads_config(result.out.encode(), blog.root / "mirror.toml").sources


def test_config_alone_names_what_it_can_print(blog: Blog) -> None:
    result = run(blog, "config")
    assert (result.code, result.out) == (2, "")
    assert "mirror config --example" in result.err


def test_the_example_is_installed_with_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel["force-include"] == {"config.example.toml": "mirror/config.example.toml"}


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        ("[source]\nname = 'a'\n", "source: expected [[source]] tables: write [[source]] instead"),
        ("[destination]\n", "write [[destination]] instead of [destination]"),
        ("[[posts]]\npaths = ['a']\n", "posts: expected one table: write [posts] instead"),
        ("[[source]]\nname = 'a'\nmach = ['a']\n", "'mach' is unknown, did you mean 'match'"),
        ("[[source]]\nnam = 'a'\nmatch = ['a']\n", "'nam' is unknown, did you mean 'name'"),
        ("[[source]]\nname = 'a'\n", "match: missing; expected a list of strings"),
    ],
)  # fmt: skip
def test_a_mistake_gets_a_hint(toml: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as error:
        loads_config(toml.encode(), tmp_path / "mirror.toml")
    assert message in str(error.value)
