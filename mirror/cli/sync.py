"""`mirror sync`."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from mirror.amounts import count_text, size_text
from mirror.cli.common import (
    ConfigPath,
    DryRun,
    Json,
    Paths,
    Quiet,
    Verbose,
    finish,
    ignored_lines,
    load,
    open_site,
    path,
    reached_destinations,
    running,
)
from mirror.config import CONFIG_NAME, Config, ConfigError
from mirror.console import for_log
from mirror.model import Advice, Finding, Rule

if TYPE_CHECKING:
    from mirror.engine import Engine
    from mirror.pipeline.parts import Parts
    from mirror.pipeline.shards import Shard


class EngineName(Enum):
    """The engines that `--engine` names."""

    THREADS = "threads"
    DASK = "dask"


Refresh = Annotated[
    bool, typer.Option("--refresh", help="Ask the hosts whether known images changed.")
]
Limit = Annotated[
    int | None,
    typer.Option(
        "--limit", min=0, help="Ask for at most so many images; run by run, each has its turn."
    ),
]
RepeatScope = Annotated[
    Literal["all", "source"],
    typer.Option(
        "--scope",
        help="Look for repeats among all pictures, or within each source. A later run with "
        "`all` makes up for it.",
    ),
]
ShardName = Annotated[
    str | None,
    typer.Option(
        "--shard",
        metavar="N/M",
        help="Fetch only the N-th of M parts; a later sync takes all parts together.",
    ),
]
Copies = Annotated[
    list[Path] | None,
    typer.Option(
        "--collect",
        metavar="DIR",
        help="Also take the shards and originals in this copy of the site.",
        show_default=False,
        parser=path,
    ),
]
EngineOption = Annotated[
    EngineName, typer.Option("--engine", help="What runs the work: threads, or a Dask cluster.")
]
Scheduler = Annotated[
    str | None,
    typer.Option(
        "--scheduler",
        metavar="ADDRESS",
        help="The scheduler of the Dask cluster; else one is started on this machine.",
        show_default=False,
    ),
]


def sync(
    paths: Paths = None,
    config: ConfigPath = None,
    dry_run: DryRun = False,
    refresh: Refresh = False,
    limit: Limit = None,
    scope: RepeatScope = "all",
    shard_name: ShardName = None,
    copies: Copies = None,
    engine: EngineOption = EngineName.THREADS,
    scheduler: Scheduler = None,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Back up: fetch new images, keep the originals, store them in every destination."""
    from mirror.pipeline.sync import SyncOptions
    from mirror.pipeline.sync import sync as run_sync
    from mirror.repeats import Scope
    from mirror.state import need_own_state

    shard = _shard(shard_name, copies, engine, scheduler)
    settings = load(config)
    _need_sources(settings)
    parts = open_site(settings)
    existing_copies = tuple(_existing(copies or ()))
    if dry_run:  # A run that writes asks this when it takes the lock.
        need_own_state(settings.state)
    for folder in existing_copies:
        need_own_state(folder / settings.state.name)
    options = SyncOptions(
        tuple(paths or ()), dry_run, refresh, limit, Scope(scope), shard, existing_copies
    )
    lock = None if dry_run else parts.lock("mirror sync", shard.name if shard else "")
    with (
        running(lock, as_json=as_json, quiet=quiet) as log,
        _engine(parts, engine, scheduler, has_work=not dry_run) as opened,
    ):
        result = run_sync(parts, opened, options, log)
        if not dry_run and not shard:
            parts.state.last_sync.save(result.summary, result.findings)
    if dry_run:
        lines = _plan_lines(result.summary, result.planned)
    elif shard:
        lines = _shard_lines(shard, result.summary, result.findings)
    else:
        images = result.images.text(result.unprocessed) if result.images.images else ""
        lines = _sync_lines(result.summary, result.stored, images, settings, result.findings)
    finish(result, log, [_posts_line(result.summary), *lines], verbose=verbose)


def _shard(
    name: str | None, copies: Sequence[Path] | None, engine: EngineName, scheduler: str | None
) -> Shard | None:
    """Return the part to fetch; raise for options that do not go together."""
    from mirror.pipeline.shards import Shard

    if scheduler is not None and engine is not EngineName.DASK:
        raise typer.BadParameter("goes with `--engine dask`", param_hint="--scheduler")
    if name is None:
        return None
    if copies:
        raise typer.BadParameter(
            "a shard takes no others; the sync behind them does", param_hint="--collect"
        )
    try:
        return Shard.parse(name)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--shard") from error


def _existing(copies: Iterable[Path]) -> Iterator[Path]:
    """Yield the folders of the copies. Raise `ConfigError` for one that is none."""
    for folder in copies:
        if not folder.is_dir():
            raise ConfigError(f"--collect {folder}: no such folder")
        yield folder.absolute()


@contextmanager
def _engine(
    parts: Parts, name: EngineName, scheduler: str | None, *, has_work: bool
) -> Iterator[Engine]:
    """Yield the engine that runs the work, with a cluster only where there is work."""
    from mirror.engine import Threads

    if name is EngineName.THREADS or not has_work:
        yield Threads()
        return
    from mirror.cluster import open_cluster
    from mirror.pipeline.workers import checked_workers

    with open_cluster(scheduler, os.cpu_count() or 1) as cluster, checked_workers(cluster, parts):
        yield cluster


def _need_sources(settings: Config) -> None:
    if not settings.sources:
        raise ConfigError(
            f"{settings.root}: the configuration has no [[source]], so no image is yours to mirror;"
            " `mirror scan --hosts` lists the hosts in your posts"
        )


_NOT_FETCHED = {Rule.NOT_FETCHED, Rule.NOT_AN_IMAGE, Rule.TOO_LARGE, Rule.ADDRESS_REFUSED}


def _posts_line(summary: Mapping[str, int | float]) -> str:
    posts = count_text(int(summary["posts"]), "post")
    references = count_text(int(summary["references"]), "image reference")
    images = count_text(int(summary["urls"]), "image")
    mirrored = summary["mirrored"]
    pictures = count_text(int(mirrored), "picture")
    already = f"; {pictures} shown from the mirror already" if mirrored else ""
    return f"{references} in {posts}: {images} of your sources{already}"


def _plan_lines(summary: Mapping[str, int | float], planned: Sequence[str]) -> list[str]:
    lines = [f"would fetch {for_log(address)}" for address in planned]
    lines.append(f"{len(planned):,} to fetch, {summary['reused']:,} known already")
    return lines + ignored_lines(int(summary["ignored"]))


def _shard_lines(
    shard: Shard, summary: Mapping[str, int | float], findings: Sequence[Finding]
) -> list[str]:
    return [
        _fetched_line(summary, findings),
        f"part {shard} is done in {summary['seconds']:.1f} s; `mirror sync` takes all parts "
        "together",
    ]


def _sync_lines(
    summary: Mapping[str, int | float],
    stored: Mapping[str, int],
    images: str,
    settings: Config,
    findings: Sequence[Finding],
) -> list[str]:
    lines = [_fetched_line(summary, findings), _stored_line(stored, settings, findings)]
    if images:
        lines.append(images)
    if summary.get("compared_again"):
        originals = count_text(int(summary["compared_again"]), "known original")
        repeats = f"{summary['merged_again']:,} turned out to be repeats"
        lines.append(f"compared {originals} again, as `mode` is wider now; {repeats}")
    if summary.get("kept_repeats"):
        repeats = count_text(int(summary["kept_repeats"]), "repeat")
        lines.append(
            f"{repeats} found under a wider `mode` stand; `mirror dupes --split` parts one"
        )
    lines += _waiting_lines(findings)
    lines += _ignore_lines(findings, is_any_read=any(summary.get(name) for name in _READ))
    lines += ignored_lines(int(summary["ignored"]))
    lines.append(f"done in {summary['seconds']:.1f} s")
    return lines


def _fetched_line(summary: Mapping[str, int | float], findings: Sequence[Finding]) -> str:
    originals = int(summary["originals"])
    fetched = f"fetched {int(summary['fetched']) - originals:,}"
    if originals:
        fetched += f" and {count_text(originals, 'unprocessed original')}"
    parts = [f"{fetched} ({size_text(summary['bytes'])})"]
    if summary.get("collected"):
        parts.append(f"{summary['collected']:,} taken from shards")
    parts.append(f"{summary['reused']:,} known already")
    if summary.get("ignored"):
        parts.append(f"{summary['ignored']:,} ignored")
    if summary.get("postponed"):
        parts.append(f"{summary['postponed']:,} left for the next run")
    if failed := sum(finding.rule in _NOT_FETCHED for finding in findings):
        parts.append(f"{failed:,} failed")
    return ", ".join(parts)


def _waiting_lines(findings: Sequence[Finding]) -> list[str]:
    """Return the number of images that wait for a person who looks at them."""
    waiting = _subjects(findings, Advice.ACCEPT)
    if not waiting:
        return []
    images = count_text(len(waiting), "image waits", "images wait")
    return [
        f"{images} for your decision: look at what came, then `mirror accept` takes it, or "
        "[[ignore]] leaves everything as it is"
    ]


# The counts of images that a source gave, now or before.
_READ = ("fetched", "collected", "reused", "mirrored")


def _ignore_lines(findings: Sequence[Finding], *, is_any_read: bool) -> list[str]:
    """Return the lines of `mirror.toml` that ignore the images that their hosts do not have.

    Where the source has given nothing yet, more likely the configuration is wrong.
    """
    addresses = _subjects(findings, Advice.IGNORE)
    if not addresses:
        return []
    if not is_any_read and all(
        finding.rule is Rule.NOT_FETCHED for finding in findings if finding.advice is Advice.IGNORE
    ):
        return [
            "no image could be read: check `fetch` and `match` of [[source]], and look at one "
            "address in a browser, before you list any under [[ignore]]"
        ]
    lines = [f"what is gone for good is not asked for again with these lines in {CONFIG_NAME}:"]
    for address in sorted(addresses):
        lines += ["", "[[ignore]]", f"url = {json.dumps(for_log(address), ensure_ascii=False)}"]
    return [*lines, ""]


def _subjects(findings: Sequence[Finding], advice: Advice) -> set[str]:
    return {finding.subject for finding in findings if finding.advice is advice}


def _stored_line(
    stored: Mapping[str, int],
    settings: Config,
    findings: Sequence[Finding],
) -> str:
    if reached := reached_destinations(settings.destinations, findings):
        first, *others = reached
        texts = [f"{count_text(stored[first], 'new object')} in {first}"]
        texts += [f"{stored[name]:,} in {name}" for name in others]
        return f"stored {', '.join(texts)}"
    missing = "could be used" if settings.destinations else "is configured"
    return f"no destination {missing}"
