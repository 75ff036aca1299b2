"""`mirror restore`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mirror.amounts import count_text, size_text
from mirror.cli.common import (
    ConfigPath,
    Json,
    Quiet,
    closing_bar,
    exit_code,
    finish,
    load,
    one_line,
    open_site,
    path,
    progress_for,
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
) -> None:
    """Write the images back under their original paths, from the archive or a bucket."""
    from mirror.engine import Threads
    from mirror.pipeline.restore import restore as run_restore

    parts = open_site(load(config))
    progress = progress_for(as_json, quiet)
    with closing_bar(progress):
        result = run_restore(parts, Threads(), folder, progress)
    code = exit_code(result.findings)
    counts = result.summary
    line = f"restored {count_text(int(counts['restored']), 'file')} ({size_text(counts['bytes'])})"
    line += f" in {one_line(str(folder))}"
    line += f", {counts['unchanged']:,} were there already" if counts["unchanged"] else ""
    line += f", {counts['failed']:,} failed" if counts["failed"] else ""
    finish([line], counts, result.findings, progress, code)
    raise typer.Exit(code)
