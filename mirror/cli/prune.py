"""`mirror prune`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

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
    reached_destinations,
    running,
)
from mirror.config import ConfigError
from mirror.console import for_log

if TYPE_CHECKING:
    from mirror.pipeline.prune import ExtraObject, PruneOptions, PruneResult


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
    verbose: Verbose = False,
) -> None:
    """List the objects that neither the manifest nor another site names; --yes deletes them."""
    from mirror.engine import Threads
    from mirror.pipeline.prune import MaxDelete, PruneOptions
    from mirror.pipeline.prune import prune as run_prune

    try:
        options = PruneOptions(yes=yes, max_delete=MaxDelete.parse(max_delete))
    except ValueError as error:
        raise ConfigError(f"--max-delete: {error}") from error
    parts = open_site(load(config))
    lock = parts.lock("mirror prune") if yes else None
    with running(lock, as_json=as_json, quiet=quiet) as progress:
        result = run_prune(parts, Threads(), options, progress)
    lines = _prune_lines(result, options)
    if parts.destinations and not reached_destinations(parts.config.destinations, result.findings):
        lines = ["no destination could be listed: nothing was deleted"]
    finish(result, progress, lines, verbose=verbose)


def _prune_lines(result: PruneResult, options: PruneOptions) -> list[str]:
    done = "deleted from" if options.yes else "would delete from"
    verb = "extra in" if result.doubts else done
    lines = [
        f"kept in {_object_text(extra)}, shown by {one_line(extra.post or '')}"
        for extra in result.kept
    ]
    if result.kept:
        lines.append("no line of the manifest vouches for what is kept: `mirror verify` names it")
    lines += [f"{verb} {_object_text(extra)}" for extra in result.doomed]
    objects = count_text(int(result.summary["objects"]), "object")
    if in_use := int(result.summary["in_use"]):
        lines.append(f"{count_text(in_use, 'object')} of other sites: not counted, and left alone")
    total = size_text(sum(extra.info.size for extra in result.doomed))
    end = f"{objects}, {len(result.doomed):,} in no line of the manifest ({total})"
    if result.doubts:
        if not options.yes:
            lines += [
                f"--yes would be refused: {for_log(doubt.subject)}: {for_log(doubt.message)}"
                for doubt in result.doubts
            ]
        return [*lines, f"{end}: nothing was deleted"]
    if options.yes:
        return [*lines, f"{objects}, {len(result.doomed):,} deleted ({total})"]
    return [*lines, f"{end}; --yes deletes them" if result.doomed else end]


def _object_text(extra: ExtraObject) -> str:
    key = one_line(extra.info.key)
    return f"{extra.destination.name}: {key} ({size_text(extra.info.size)})"
