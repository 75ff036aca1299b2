"""`mirror report`."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from mirror.amounts import count_text, size_text
from mirror.cli.common import (
    ConfigPath,
    Json,
    Paths,
    Quiet,
    check_output,
    is_stdout,
    load,
    open_site,
    path,
    running,
    write_output,
)
from mirror.config import ConfigError
from mirror.console import print_json, say

_OUTPUT = Path("mirror-report.html")


def report(
    paths: Paths = None,
    config: ConfigPath = None,
    named: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="The page to write; `-` is stdout.",
            show_default=str(_OUTPUT),
            parser=path,
        ),
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write one HTML page: totals, every image, the groups of repeats side by side, failures."""
    from mirror.engine import Threads
    from mirror.pipeline.report import make_report
    from mirror.report import page

    output = named or _OUTPUT
    to_stdout = is_stdout(output)
    if to_stdout and as_json:
        raise ConfigError("--json and --output - both want stdout; leave one out")
    parts = open_site(load(config))
    check_output(output, parts, config, paths)
    now = _now()
    with running(as_json=as_json, quiet=quiet) as progress:
        contents = make_report(parts, Threads(), paths or (), progress, now)
    if to_stdout:
        sys.stdout.buffer.writelines(piece.encode("utf-8") for piece in page(contents))
        return
    data = "".join(page(contents)).encode("utf-8")
    # Nobody named the usual file, so a link in its place is not the user's.
    write_output(output, data, follows=named is not None)
    totals = contents.totals
    if as_json:
        counts = {"pictures": totals.pictures, "repeats": totals.repeats, "missing": totals.missing}
        print_json({"type": "summary", "path": str(output), "bytes": len(data), **counts})
        return
    images = count_text(totals.images, "image")
    pictures, repeats = count_text(totals.pictures, "picture"), count_text(totals.repeats, "repeat")
    others = [
        f"{count:,} {name}"
        for count, name in ((totals.ignored, "ignored"), (totals.missing, "not mirrored"))
        if count
    ]
    say(f"{output}: {images}: {', '.join((pictures, repeats, *others))}; {size_text(len(data))}")


def _now() -> datetime:
    """Return the current time, or that of $SOURCE_DATE_EPOCH, as reproducible builds set it.

    https://reproducible-builds.org/specs/source-date-epoch/
    """
    if not (epoch := os.environ.get("SOURCE_DATE_EPOCH")):
        return datetime.now(UTC)
    try:
        return datetime.fromtimestamp(int(epoch), UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise ConfigError(
            f"SOURCE_DATE_EPOCH: expected seconds since 1970, up to the year 9999, got {epoch!r}"
        ) from error
