"""What a bucket needs after the backup: repair, restore, prune."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mirror.amounts import count_text, size_text
from mirror.cli.common import (
    EXIT_OK,
    ConfigPath,
    DryRun,
    Json,
    Quiet,
    closing_bar,
    exit_code,
    finish,
    load,
    open_site,
    path,
    progress_for,
)
from mirror.config import ConfigError
from mirror.console import for_log
from mirror.model import printable

if TYPE_CHECKING:
    from mirror.pipeline.prune import Extra, PruneOptions, PruneResult
    from mirror.pipeline.repair import Repair


def _one_line(text: str) -> str:
    """A key, an address or a name, safe to print."""
    return for_log(printable(text))


def repair(
    config: ConfigPath = None,
    dry_run: DryRun = False,
    deep: Annotated[
        bool, typer.Option("--deep", help="Read every object back and hash it first.")
    ] = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Put missing and damaged objects back, from any copy with the right SHA-256."""
    from mirror.engine import Threads
    from mirror.pipeline.repair import RepairOptions
    from mirror.pipeline.repair import repair as run_repair

    site = open_site(load(config))
    progress = progress_for(as_json, quiet)
    with nullcontext() if dry_run else site.lock("mirror repair"), closing_bar(progress):
        result = run_repair(site, Threads(), RepairOptions(dry_run, deep), progress)
    code = exit_code(result.findings)
    lines = _repair_lines(result.summary, result.repairs, dry_run, is_whole=code == EXIT_OK)
    finish(lines, result.summary, result.findings, progress, code)
    raise typer.Exit(code)


def _repair_lines(
    summary: Mapping[str, int | float],
    repairs: Sequence[Repair],
    dry_run: bool,
    *,
    is_whole: bool,
) -> list[str]:
    verb = "would repair" if dry_run else "repaired"
    lines = [
        f"{verb} {_one_line(one.subject)} in {one.place}, from {_one_line(one.origin)}"
        for one in repairs
    ]
    images = count_text(int(summary["assets"]), "image")
    objects = count_text(int(summary["objects"]), "object")
    if not summary["broken"]:
        end = "nothing is broken" if is_whole else "not all could be looked at"
        return [*lines, f"looked at {images} and {objects}: {end}"]
    done = f"{verb} {len(repairs):,} of {summary['broken']:,} broken copies"
    return [*lines, f"looked at {images} and {objects}: {done}"]


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

    site = open_site(load(config))
    progress = progress_for(as_json, quiet)
    with closing_bar(progress):
        result = run_restore(site, Threads(), folder, progress)
    code = exit_code(result.findings)
    counts = result.summary
    line = f"restored {count_text(int(counts['restored']), 'file')} ({size_text(counts['bytes'])})"
    line += f" in {_one_line(str(folder))}"
    line += f", {counts['unchanged']:,} were there already" if counts["unchanged"] else ""
    line += f", {counts['failed']:,} failed" if counts["failed"] else ""
    finish([line], counts, result.findings, progress, code)
    raise typer.Exit(code)


def prune(
    config: ConfigPath = None,
    yes: Annotated[bool, typer.Option("--yes", help="Delete; without it, only list.")] = False,
    max_delete: Annotated[
        str,
        typer.Option(
            "--max-delete",
            metavar="N|P%",
            help="Delete nothing if more objects of a destination than that would go.",
        ),
    ] = "10%",
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """List the objects that no line of the manifest names; with --yes, delete them."""
    from mirror.engine import Threads
    from mirror.pipeline.prune import MaxDelete, PruneOptions
    from mirror.pipeline.prune import prune as run_prune

    try:
        options = PruneOptions(yes, MaxDelete.parse(max_delete))
    except ValueError as error:
        raise ConfigError(f"--max-delete: {error}") from error
    site = open_site(load(config))
    progress = progress_for(as_json, quiet)
    with site.lock("mirror prune") if yes else nullcontext(), closing_bar(progress):
        result = run_prune(site, Threads(), options, progress)
    code = exit_code(result.findings)
    finish(_prune_lines(result, options), result.summary, result.findings, progress, code)
    raise typer.Exit(code)


def _prune_lines(result: PruneResult, options: PruneOptions) -> list[str]:
    verb = "extra in" if result.doubts else "deleted from" if options.yes else "would delete from"
    lines = [f"kept in {_named(one)}, shown by {_one_line(one.post or '')}" for one in result.kept]
    if result.kept:
        lines.append("no line of the manifest vouches for what is kept: `mirror verify` names it")
    lines += [f"{verb} {_named(one)}" for one in result.doomed]
    objects = count_text(int(result.summary["objects"]), "object")
    total = size_text(sum(one.info.size for one in result.doomed))
    end = f"{objects}, {len(result.doomed):,} in no line of the manifest ({total})"
    if result.doubts:
        if not options.yes:
            lines += [
                f"--yes would be refused: {for_log(one.subject)}: {for_log(one.message)}"
                for one in result.doubts
            ]
        return [*lines, f"{end}: nothing was deleted"]
    if options.yes:
        return [*lines, f"{objects}, {len(result.doomed):,} deleted ({total})"]
    return [*lines, f"{end}; --yes deletes them" if result.doomed else end]


def _named(extra: Extra) -> str:
    key = _one_line(extra.info.key)
    return f"{extra.target.name}: {key} ({size_text(extra.info.size)})"
