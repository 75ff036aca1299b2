"""`mirror demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mirror.cli.common import path
from mirror.console import say


def demo(
    folder: Annotated[
        Path | None,
        typer.Argument(
            help="Where to make the blog; else a temporary folder, removed afterwards.", parser=path
        ),
    ] = None,
) -> None:
    """Show the whole cycle on a generated blog, with a local image host; no account, no network."""
    from mirror.demo import run_demo

    raise typer.Exit(run_demo(folder, say))
