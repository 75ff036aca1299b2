"""The main job: scan, sync, rewrite, verify."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mirror.amounts import count_text, size_text
from mirror.cli.common import (
    EXIT_FOUND,
    ConfigPath,
    DryRun,
    Json,
    Paths,
    Quiet,
    closing_bar,
    exit_code,
    finish,
    load,
    load_or_default,
    open_site,
    path,
    progress_for,
    reached_of,
    scan_posts,
)
from mirror.config import Config, ConfigError
from mirror.console import Style, for_log, print_json, say
from mirror.model import Finding, Rule

if TYPE_CHECKING:
    from mirror.pipeline.rewrite import ByManifest, PostEdit
    from mirror.pipeline.scan import HostRow, Scanned
    from mirror.pipeline.site import Site


def scan(
    paths: Paths = None,
    config: ConfigPath = None,
    as_json: Json = False,
    everything: Annotated[
        bool, typer.Option("--all", help="Also what stands in code and comments.")
    ] = False,
    by_host: Annotated[bool, typer.Option("--hosts", help="Sum up by host.")] = False,
) -> None:
    """List every image reference: post, line, column, form, URL, source."""
    from mirror.pipeline.scan import host_table

    settings = load_or_default(config)
    locator = settings.locator()
    scanned = scan_posts(settings, paths)
    if by_host:
        rows = host_table(scanned, locator)
        for row in rows:
            if as_json:
                print_json(row.as_json())
        if not as_json:
            _print_hosts(rows)
    else:
        for post, ref in scanned.references(quoted=everything):
            located = locator.locate(ref.url)
            source = located.source.name if located else None
            if as_json:
                print_json(
                    {
                        "post": post.name,
                        "line": ref.line,
                        "column": ref.column,
                        "start": ref.span.start,
                        "end": ref.span.stop,
                        "url": ref.url.public,
                        "form": ref.form.value,
                        "source": source,
                    }
                )
            else:
                place = f"{post.name}:{ref.line}:{ref.column}"
                say(for_log(f"{place}  {ref.form.value}  {ref.url}  {source or '-'}"))
    for finding in scanned.findings:
        say(Style.of(sys.stderr).finding(finding), sys.stderr)
    if not as_json:
        say(_scan_summary(scanned, everything))
    raise typer.Exit(exit_code(scanned.findings))


def _print_hosts(rows: Sequence[HostRow]) -> None:
    width = max((len(row.name) for row in rows), default=4)
    say(f"{'host':<{width}}  {'images':>7}  {'shown':>7}  {'posts':>7}  source")
    for row in rows:
        counts = f"{row.images:>7,}  {row.references:>7,}  {row.posts:>7,}"
        say(f"{row.name:<{width}}  {counts}  {row.source or '-'}")


def _scan_summary(scanned: Scanned, everything: bool) -> str:
    shown = sum(1 for _ in scanned.references())
    quoted = sum(1 for _ in scanned.references(quoted=True)) - shown
    posts = count_text(len(scanned.posts), "post")
    text = f"{count_text(shown, 'image reference')} in {posts}"
    if quoted:
        hint = "" if everything else "; --all lists them"
        text += f"; {quoted:,} in code or comments left alone{hint}"
    return text


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
    from mirror.pipeline import last_sync
    from mirror.pipeline.sync import SyncOptions
    from mirror.pipeline.sync import sync as run_sync

    settings = load(config)
    _need_sources(settings)
    site = open_site(settings)
    wanted = SyncOptions(tuple(paths or ()), dry_run, refresh, limit)
    progress = progress_for(as_json, quiet)
    with nullcontext() if dry_run else site.lock("mirror sync"), closing_bar(progress):
        result = run_sync(site, Threads(), wanted, progress)
        if not dry_run:
            last_sync.save(site, result.summary, result.findings)
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


def rewrite(
    paths: Paths = None,
    config: ConfigPath = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "-n", help="Print a unified diff; write nothing.")
    ] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit 1 if a post would change.")
    ] = False,
    back: Annotated[bool, typer.Option("--revert", help="Go back to the source URLs.")] = False,
    urls: Annotated[
        Path | None,
        typer.Option(
            "--map",
            help="A JSON object of old URL -> new URL, instead of the manifest.",
            parser=path,
        ),
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Repoint the posts at the mirrored images: the bytes of URLs, and nothing else."""
    from mirror.pipeline import rewrite as pipeline

    if urls is not None and back:
        raise ConfigError("--map and --revert exclude each other: a reversed map is a map too")
    progress = progress_for(as_json, quiet)
    writes = not (dry_run or check)
    mapping = None if urls is None else _read_map(urls)
    settings = load(config) if mapping is None else load_or_default(config)
    site = open_site(settings)
    locked = writes and mapping is None
    with site.lock("mirror rewrite") if locked else nullcontext(), closing_bar(progress):
        scanned = scan_posts(settings, paths)
        if back:
            result = pipeline.revert(pipeline.Context(scanned, progress, writes), site)
        elif mapping is not None:
            context = pipeline.Context(scanned, progress, writes)
            result = pipeline.rewrite(context, pipeline.by_map(mapping))
        else:
            context = pipeline.Context(scanned, progress, writes, site)
            result = pipeline.rewrite(context, _resolver(site))
    if dry_run and not as_json:
        for change in result.changed:
            say(_diff_text(pipeline.diff(change)).removesuffix("\n"))
    code = exit_code(result.findings)
    if check and result.changed:  # as with verify, what was found outweighs what could not be done
        code = EXIT_FOUND
    lines = _rewrite_lines(result.changed, writes, back)
    if result.changed and writes and not back and mapping is None:
        lines.append("`mirror rewrite --revert` goes back to the source URLs")
    if dry_run and not as_json:  # stdout is the diff
        for line in lines:
            say(line, sys.stderr)
        lines = []
    finish(lines, result.summary, result.findings, progress, code)
    raise typer.Exit(code)


def _read_map(path: Path) -> dict[str, str]:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        for key, count in Counter(key for key, _ in pairs).items():
            if count > 1:
                raise ConfigError(f"{path}: {for_log(key)} is mapped {count} times")
        return dict(pairs)

    try:
        mapping = json.loads(path.read_bytes().decode("utf-8-sig"), object_pairs_hook=unique)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(
            f"{path}: expected a JSON object of old URL -> new URL: {error}"
        ) from error
    if not isinstance(mapping, dict) or not all(isinstance(v, str) for v in mapping.values()):
        raise ConfigError(f"{path}: expected a JSON object of old URL -> new URL, both strings")
    return mapping


def _resolver(site: Site) -> ByManifest:
    from mirror.pipeline.rewrite import ByManifest, Proof

    if not site.targets:
        raise ConfigError("no [[destination]]: there is nowhere to point the posts at")
    target = site.targets[0]
    if target.settings.public_url is None:
        raise ConfigError(
            f"destination {target.name!r} has no `public_url`: what posts are to be pointed at, "
            "such as https://img.example.com/blog, or /images for a folder of the site"
        )
    manifest, _ = site.load_manifest()
    return ByManifest(site, manifest, target, Proof(target))


def _diff_text(text: str) -> str:
    """As it is, for `git apply`; made safe where a terminal or a CI log reads it."""
    return for_log(text) if sys.stdout.isatty() or os.environ.get("CI") else text


def _rewrite_lines(changed: Sequence[PostEdit], writes: bool, back: bool) -> list[str]:
    verb = ("pointed back" if back else "rewrote") if writes else "would change"
    lines = [
        f"{verb} {for_log(change.scanned.post.name)}: {count_text(len(change.edits), 'reference')}"
        for change in changed
    ]
    if not changed:
        lines.append("nothing to change")
    return lines
