"""`mirror export`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from mirror.amounts import count_text
from mirror.cli.common import ConfigPath, check_output, load, open_site, path, write_output
from mirror.config import ConfigError
from mirror.console import say
from mirror.extras import missing_library


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
            missing_library("`mirror export`", "pyarrow", "parquet", Path(sys.prefix))
        ) from error
    parts = open_site(load(config))
    check_output(output, parts, config, None)
    parts.manifest.need()
    manifest, _ = parts.manifest.load()
    write_output(output, parquet_pieces(manifest.assets.in_order()))
    say(f"{output}: {count_text(len(manifest.assets), 'original')}")
