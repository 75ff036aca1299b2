"""`mirror sync`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Annotated

import typer

from mirror.amounts import count_text, size_text
from mirror.cli.common import (
    ConfigPath,
    DryRun,
    Json,
    Paths,
    Quiet,
    closing_bar,
    exit_code,
    finish,
    load,
    open_site,
    progress_for,
    reached_of,
)
from mirror.config import Config, ConfigError
from mirror.console import for_log
from mirror.model import Finding, Rule

if TYPE_CHECKING:
    pass


def sync(
    paths: Paths = None,
    config: ConfigPath = None,
    dry_run: DryRun = False,
    refresh: Annotated[
        bool, typer.Option("--refresh", help="Ask the hosts whether known images changed.")
    ] = False,
    limit: Annotated[
        int | None,
        typer.Option(
            "--limit", min=0, help="Ask for at most so many images; run by run, each has its turn."
        ),
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Back up: fetch new images, keep the originals, store them in every destination."""
    from mirror.engine import Threads
    from mirror.pipeline.sync import SyncOptions
    from mirror.pipeline.sync import sync as run_sync

    settings = load(config)
    _need_sources(settings)
    parts = open_site(settings)
    wanted = SyncOptions(tuple(paths or ()), dry_run, refresh, limit)
    progress = progress_for(as_json, quiet)
    with nullcontext() if dry_run else parts.lock("mirror sync"), closing_bar(progress):
        result = run_sync(parts, Threads(), wanted, progress)
        if not dry_run:
            parts.state.last_sync.save(result.summary, result.findings)
    lines = _sync_lines(result.summary, settings, dry_run, result.planned, result.findings)
    code = exit_code(result.findings)
    finish(lines, result.summary, result.findings, progress, code)
    raise typer.Exit(code)


def _need_sources(settings: Config) -> None:
    if not settings.sources:
        raise ConfigError(
            f"{settings.root}: the configuration has no [[source]], so no image is yours to mirror;"
            " `mirror scan --hosts` lists the hosts in your posts"
        )


# The pictures that a run asked for and has not got.
_NOT_FETCHED = {Rule.NOT_FETCHED, Rule.NOT_AN_IMAGE, Rule.TOO_LARGE, Rule.ADDRESS_REFUSED}


def _sync_lines(
    summary: Mapping[str, int | float],
    settings: Config,
    dry_run: bool,
    planned: Sequence[str],
    findings: Iterable[Finding],
) -> list[str]:
    posts = count_text(int(summary["posts"]), "post")
    references = count_text(int(summary["references"]), "image reference")
    mirrored = summary["mirrored"]
    already = f"; {mirrored:,} more point at the mirror already" if mirrored else ""
    images = count_text(int(summary["urls"]), "image")
    lines = [f"{references} in {posts}: {images} of your sources{already}"]
    if dry_run:
        lines += [f"would fetch {for_log(address)}" for address in planned]
        return [*lines, f"{len(planned):,} to fetch, {summary['reused']:,} known already"]
    parts = [f"fetched {summary['fetched']:,} ({size_text(summary['bytes'])})"]
    parts.append(f"{summary['reused']:,} known already")
    if summary.get("ignored"):
        parts.append(f"{summary['ignored']:,} ignored")
    if summary.get("postponed"):
        parts.append(f"{summary['postponed']:,} left for the next run")
    unfetched = sum(one.rule in _NOT_FETCHED for one in findings)
    if unfetched:
        parts.append(f"{unfetched:,} failed")
    lines.append(", ".join(parts))
    reached = reached_of(settings, findings)
    stored = f"stored {count_text(int(summary['stored']), 'new object')}"
    repeats = f"; {summary['repeats']:,} are repeats of another" if summary["repeats"] else ""
    if reached:
        lines.append(f"{stored} in {', '.join(reached)}{repeats}")
    else:
        lines.append(
            f"no destination {'answers' if settings.destinations else 'is configured'}{repeats}"
        )
    if summary.get("compared_again"):
        again = count_text(int(summary["compared_again"]), "known image")
        found = f"{summary['merged_again']:,} turned out to be repeats"
        lines.append(f"compared {again} again, as `mode` is wider now; {found}")
    if summary.get("kept_repeats"):
        kept = count_text(int(summary["kept_repeats"]), "repeat")
        lines.append(f"{kept} found under a wider `mode` stand; `mirror dupes --split` parts one")
    lines.append(f"done in {summary['seconds']:.1f} s")
    return lines
