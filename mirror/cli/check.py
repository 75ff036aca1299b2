"""The proof: verify, in the words of a person or of the program that shows it."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mirror.amounts import count_text
from mirror.cli.common import (
    EXIT_FOUND,
    EXIT_OK,
    ConfigPath,
    Json,
    Paths,
    Quiet,
    check_output,
    closing_bar,
    exit_code,
    finish,
    is_stdout,
    load,
    open_site,
    output_to,
    path,
    progress_for,
    reached_of,
    show_findings,
)
from mirror.config import ConfigError
from mirror.console import for_log, say

if TYPE_CHECKING:
    from mirror.formats import Report
    from mirror.pipeline.site import Site
    from mirror.pipeline.verify import VerifyOptions, VerifyResult


class Format(StrEnum):
    TEXT = "text"
    JSON = "json"
    JUNIT = "junit"
    SARIF = "sarif"
    GITHUB = "github"


def verify(
    paths: Paths = None,
    config: ConfigPath = None,
    posts: Annotated[bool, typer.Option("--posts", help="Also compare with the posts.")] = False,
    archive: Annotated[bool, typer.Option("--archive", help="Also read the archive.")] = False,
    public: Annotated[
        bool, typer.Option("--public", help="Also ask the public URL, as a reader would.")
    ] = False,
    deep: Annotated[
        bool, typer.Option("--deep", help="Read every object back and hash it.")
    ] = False,
    sample: Annotated[
        str | None,
        typer.Option(
            "--sample",
            metavar="N/M",
            help="Read back the n-th of m equal slices; it bounds --archive and --public too.",
        ),
    ] = None,
    offline: Annotated[
        bool,
        typer.Option("--offline", help="Posts and manifest only, without any destination."),
    ] = False,
    form: Annotated[Format, typer.Option("--format", help="How to print.")] = Format.TEXT,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Write to a file; `-` is stdout.", parser=path),
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Prove that manifest, destinations and posts agree; exit 1 if they do not."""
    from mirror.engine import Threads
    from mirror.pipeline.verify import ALL, Slice, VerifyOptions
    from mirror.pipeline.verify import verify as run_verify

    try:
        part = ALL if sample is None else Slice.parse(sample)
    except ValueError as error:
        raise ConfigError(f"--sample: {error}") from error
    if offline and (deep or public):
        other = "--deep" if deep else "--public"
        raise ConfigError(f"--offline and {other} exclude each other: one asks nobody")
    if as_json and form not in (Format.TEXT, Format.JSON):
        raise ConfigError(f"--json and --format {form} exclude each other")
    as_json = as_json or form is Format.JSON
    settings = load(config)
    wanted = VerifyOptions(
        paths=tuple(paths or ()),
        posts=posts or offline or bool(paths),
        archive=archive,
        destinations=not offline,
        public=public,
        deep=deep or (sample is not None and not offline),
        sample=part,
    )
    site = open_site(settings)
    _need_something_to_compare(site, wanted)
    check_output(output, site, config, paths)
    progress = progress_for(as_json, quiet)
    with output_to(output), closing_bar(progress):
        result = run_verify(site, Threads(), wanted, progress)
        code = exit_code(result.findings, checks=True)
        reached = reached_of(settings, result.findings)
        verdict = _verdict(result.summary, reached, wanted, code)
        if form in (Format.TEXT, Format.JSON):
            finish([verdict], result.summary, result.findings, as_json, code)
        else:
            _print_as(form, _report(site, result, verdict, code))
    if output is not None and not is_stdout(output) and not quiet:
        say(f"{verdict}; see {output}", sys.stderr)
    raise typer.Exit(code)


def _need_something_to_compare(site: Site, wanted: VerifyOptions) -> None:
    """A check that looked at nothing must not pass for one that found nothing."""
    if not site.manifest_path.exists():
        raise ConfigError(
            f"{site.manifest_path}: there is no manifest to verify; "
            "`mirror sync` writes it, and it belongs into version control"
        )
    destinations = wanted.destinations and site.targets
    if not (destinations or wanted.posts or wanted.archive or wanted.public):
        raise ConfigError(
            "there is nothing to compare the manifest with: the configuration has no "
            "[[destination]]; `--posts` compares with the posts, `--archive` with the archive"
        )


def _verdict(
    summary: Mapping[str, int | float], reached: Sequence[str], wanted: VerifyOptions, code: int
) -> str:
    parts = [f"{count_text(int(summary['assets']), 'image')} in the manifest"]
    if wanted.destinations and reached:
        objects = count_text(int(summary["objects"]), "object")
        parts.append(f"{objects} checked in {', '.join(reached)}")
    if summary["read"]:
        parts.append(f"{summary['read']:,} read back")
    if wanted.public:
        parts.append(f"{count_text(int(summary['asked']), 'public URL')} asked")
    if summary["posts"]:
        parts.append(f"{count_text(int(summary['references']), 'reference')} in the posts")
    parts += [
        f"{summary[name]:,} {name}" for name in ("missing", "different", "extra") if summary[name]
    ]
    verdict = {EXIT_OK: "all agree", EXIT_FOUND: "they differ"}.get(
        code, "could not check everything"
    )
    return f"{', '.join(parts)}: {verdict}"


# --- For other programs -----------------------------------------------------------------------


def _report(site: Site, result: VerifyResult, verdict: str, code: int) -> Report:
    """The result with places as seen from the root of the repository."""
    from mirror.formats import Report
    from mirror.pipeline.verify import manifest_lines

    root = _repository(site.config.root)
    return Report(
        layers=result.layers,
        verdict=verdict,
        exit_code=code,
        seconds=result.summary["seconds"],
        folder=_relative(site.config.root, root),
        manifest=_relative(site.manifest_path, root),
        lines=manifest_lines(site, result.findings),
    )


def _repository(folder: Path) -> Path:
    """The root that GitHub and other services count from."""
    workspace = os.environ.get("GITHUB_WORKSPACE")
    if workspace and folder.is_relative_to(workspace):
        return Path(workspace)
    return next((one for one in (folder, *folder.parents) if (one / ".git").exists()), folder)


def _relative(path: Path, root: Path) -> str:
    return Path(os.path.relpath(path, root)).as_posix()


def _print_as(form: Format, report: Report) -> None:
    from mirror import formats

    if form is Format.JUNIT:
        say(formats.junit(report).rstrip("\n"))
    elif form is Format.SARIF:
        say(formats.sarif(report).rstrip("\n"))
    else:
        commands, rest = formats.github(report)
        for command in commands:
            say(command)
        show_findings(rest)
        say(for_log(report.verdict))
        _add_to_job_summary(formats.job_summary(report))


def _add_to_job_summary(text: str) -> None:
    """Every command of a step adds to one file; that it cannot be written fails no check."""
    if path := os.environ.get("GITHUB_STEP_SUMMARY"):
        try:
            with Path(path).open("ab") as file:
                file.write(text.encode("utf-8", "replace"))
        except OSError as error:
            say(f"{path}: the job summary cannot be written: {error.strerror}", sys.stderr)
