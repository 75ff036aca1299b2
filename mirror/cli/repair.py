"""`mirror repair`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from mirror.amounts import count_text
from mirror.cli.common import (
    EXIT_OK,
    ConfigPath,
    DryRun,
    Json,
    Quiet,
    Verbose,
    exit_code,
    finish,
    load,
    one_line,
    open_site,
    running,
)

if TYPE_CHECKING:
    from mirror.pipeline.repair import Repair


def repair(
    config: ConfigPath = None,
    dry_run: DryRun = False,
    deep: Annotated[
        bool, typer.Option("--deep", help="Read every object back and hash it first.")
    ] = False,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Put missing and damaged objects back, from any copy with the right SHA-256."""
    from mirror.engine import Threads
    from mirror.pipeline.repair import RepairOptions
    from mirror.pipeline.repair import repair as run_repair

    parts = open_site(load(config))
    lock = None if dry_run else parts.lock("mirror repair")
    with running(lock, as_json=as_json, quiet=quiet) as progress:
        result = run_repair(parts, Threads(), RepairOptions(dry_run=dry_run, deep=deep), progress)
    is_whole = exit_code(result.findings) == EXIT_OK
    verb = "would repair" if dry_run else "repaired"
    lines = _repair_lines(result.summary, result.repairs, verb, is_whole=is_whole)
    finish(result, progress, lines, verbose=verbose)


def _repair_lines(
    summary: Mapping[str, int | float],
    repairs: Sequence[Repair],
    verb: str,
    *,
    is_whole: bool,
) -> list[str]:
    lines = [
        f"{verb} {one_line(copy.subject)} in {copy.place}, from {one_line(copy.origin)}"
        for copy in repairs
    ]
    originals = count_text(int(summary["assets"]), "original")
    objects = count_text(int(summary["objects"]), "object")
    if not summary["broken"]:
        end = "nothing is broken" if is_whole else "not all could be looked at"
        return [*lines, f"looked at {originals} and {objects}: {end}"]
    done = f"{verb} {len(repairs):,} of {summary['broken']:,} broken copies"
    return [*lines, f"looked at {originals} and {objects}: {done}"]
