"""`mirror export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mirror.amounts import count_text
from mirror.cli.common import ConfigPath, check_output, load, open_site, path, write_output
from mirror.config import ConfigError
from mirror.console import say


def export(
    output: Annotated[
        Path,
        typer.Option("--parquet", metavar="FILE", help="The Parquet file to write.", parser=path),
    ],
    config: ConfigPath = None,
) -> None:
    """Write the manifest as a Parquet file, for DuckDB, Polars, pandas or Spark."""
    try:
        from mirror.formats.parquet import parquet_pieces
    except ImportError as error:
        raise ConfigError(
            "`mirror export` needs pyarrow: pip install 'markdown-mirror[parquet]'"
        ) from error
    parts = open_site(load(config))
    check_output(output, parts, config, None)
    parts.manifest.need()
    manifest, _ = parts.manifest.load()
    write_output(output, parquet_pieces(manifest.assets.in_order()))
    say(f"{output}: {count_text(len(manifest.assets), 'image')}")
