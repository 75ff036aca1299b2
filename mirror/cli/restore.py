"""`mirror restore`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from mirror.amounts import count_text, size_text
from mirror.cli.common import (
    ConfigPath,
    Json,
    Quiet,
    Verbose,
    finish,
    load,
    one_line,
    open_site,
    path,
    running,
)


def restore(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="DIR", help="Where to write; new, or with nothing in the way.", parser=path
        ),
    ],
    config: ConfigPath = None,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Write the images back under their original paths, from the archive or a bucket."""
    from mirror.engine import Threads
    from mirror.pipeline.restore import restore as run_restore

    parts = open_site(load(config))
    with running(as_json=as_json, quiet=quiet) as progress:
        result = run_restore(parts, Threads(), folder, progress)
    finish(result, progress, [_restore_line(result.summary, folder)], verbose=verbose)


def _restore_line(counts: Mapping[str, int | float], folder: Path) -> str:
    line = f"restored {count_text(int(counts['restored']), 'file')} ({size_text(counts['bytes'])})"
    line += f" in {one_line(str(folder))}"
    line += f", {counts['unchanged']:,} were there already" if counts["unchanged"] else ""
    line += f", {counts['failed']:,} failed" if counts["failed"] else ""
    return line
