"""`mirror config`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import mirror
from mirror.config import ConfigError
from mirror.console import say


def config(
    example: Annotated[
        bool, typer.Option("--example", help="Print an example that documents every key.")
    ] = False,
) -> None:
    """Print the example configuration, in which every key is documented."""
    if not example:
        raise ConfigError("name what to print: `mirror config --example`")
    say(_example_text().removesuffix("\n"))


def _example_text() -> str:
    package = Path(mirror.__file__).parent
    # An installed package holds the file; in a checkout it is beside the package.
    folder = package if (package / "config.example.toml").is_file() else package.parent
    return (folder / "config.example.toml").read_text("utf-8")
