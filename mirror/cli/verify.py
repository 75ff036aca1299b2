"""The proof: verify, in the words of a person or of the program that shows it."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
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
    leftovers_lines,
    load,
    open_site,
    output_to,
    path,
    progress_for,
    reached_of,
    setup_exit_code,
    show_findings,
)
from mirror.config import ConfigError
from mirror.console import for_log, say
from mirror.urls.redact import printable

if TYPE_CHECKING:
    from mirror.formats import Report, Stopped
    from mirror.pages import SiteAddress
    from mirror.pipeline.parts import Parts
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
    site: Annotated[
        Path | None,
        typer.Option(
            "--site",
            metavar="DIR",
            help="Also read the built site: every picture, as a browser would resolve it.",
            parser=path,
        ),
    ] = None,
    base: Annotated[
        str | None,
        typer.Option(
            "--base",
            metavar="PATH",
            help="Where the built site is published, such as /blog/; else what its generator says.",
        ),
    ] = None,
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

    if as_json and form not in (Format.TEXT, Format.JSON):
        raise ConfigError(f"--json and --format {form} exclude each other")
    as_json = as_json or form is Format.JSON
    with _told(form, config, output, only_new=True):  # what is the user's is not known yet
        try:
            part = ALL if sample is None else Slice.parse(sample)
        except ValueError as error:
            raise ConfigError(f"--sample: {error}") from error
        if offline and (deep or public):
            other = "--deep" if deep else "--public"
            raise ConfigError(f"--offline and {other} exclude each other: one asks nobody")
        if offline and sample is not None and not archive:
            raise ConfigError("--offline reads nothing that --sample is a part of; add --archive")
        if base is not None and site is None:
            raise ConfigError("--base says where the built site is published; add --site DIR")
        settings = load(config)
        wanted = VerifyOptions(
            paths=tuple(paths or ()),
            posts=posts or offline or bool(paths),
            archive=archive,
            destinations=not offline,
            public=public,
            deep=deep or (sample is not None and not offline),
            sample=part,
            site=None if site is None else Path(os.path.abspath(site)),  # noqa: PTH100  (links stay)
            base=None if base is None else _site_address(base),
        )
        parts = open_site(settings)
    check_output(output, parts, config, paths)
    progress = progress_for(as_json, quiet)
    with output_to(output):
        with _told(form, config, output), closing_bar(progress):
            _need_something_to_compare(parts, wanted)
            result = run_verify(parts, Threads(), wanted, progress)
        code = exit_code(result.findings, checks=True)
        reached = reached_of(settings, result.findings)
        verdict = _verdict(result.summary, reached, wanted, code)
        if form in (Format.TEXT, Format.JSON):
            lines = [*leftovers_lines(int(result.summary.get("leftovers", 0))), verdict]
            finish(lines, result.summary, result.findings, progress, code)
        else:
            _print_as(form, _report(parts, result, verdict, code))
    if output is not None and not is_stdout(output) and not quiet:
        say(f"{verdict}; see {output}", sys.stderr)
    raise typer.Exit(code)


def _site_address(text: str) -> SiteAddress:
    from mirror.pages import SiteAddress

    try:
        return SiteAddress.read(text)
    except ValueError as error:
        raise ConfigError(f"--base: {error}") from error


def _need_something_to_compare(parts: Parts, wanted: VerifyOptions) -> None:
    """A check that looked at nothing must not pass for one that found nothing."""
    parts.manifest.need()
    destinations = wanted.destinations and parts.destinations
    others = (wanted.posts, wanted.archive, wanted.public, wanted.site is not None)
    if not (destinations or any(others)):
        raise ConfigError(
            "there is nothing to compare the manifest with: the configuration has no "
            "[[destination]]; `--posts` compares with the posts, `--archive` with the archive, "
            "`--site` with the built site"
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
    if wanted.archive:
        part = wanted.sample
        share = f"slice {part.number}/{part.count} of " if part.count > 1 else ""
        parts.append(f"{share}the archive read")
    if wanted.public:
        parts.append(f"{count_text(int(summary['asked']), 'public URL')} asked")
    if summary["posts"]:
        parts.append(f"{count_text(int(summary['references']), 'reference')} in the posts")
    if wanted.site is not None:
        parts.append(f"{count_text(int(summary['pictures']), 'picture')} in the built site")
        if summary["elsewhere"]:
            parts.append(f"{summary['elsewhere']:,} of them on hosts that are no source")
    parts += [
        f"{summary[name]:,} {name}" for name in ("missing", "different", "extra") if summary[name]
    ]
    verdict = {EXIT_OK: _agreement(reached, wanted), EXIT_FOUND: "they differ"}.get(
        code, "could not check everything"
    )
    return f"{', '.join(parts)}: {verdict}"


def _agreement(reached: Sequence[str], wanted: VerifyOptions) -> str:
    """Name what was compared; only what readers get at, the posts and the site together, is all."""
    compared = ["manifest", *(reached if wanted.destinations else ())]
    others = {
        "archive": wanted.archive,
        "public URLs": wanted.public,
        "posts": wanted.posts,
        "built site": wanted.site is not None,
    }
    compared += [name for name, was_compared in others.items() if was_compared]
    is_whole = wanted.posts and not wanted.paths and wanted.site and wanted.destinations
    if is_whole and reached:
        return "all agree"
    return f"{', '.join(compared[:-1])} and {compared[-1]} agree"


# --- For other programs -----------------------------------------------------------------------


def _report(parts: Parts, result: VerifyResult, verdict: str, code: int) -> Report:
    """The result with places as seen from the root of the repository."""
    from mirror.formats import Report
    from mirror.pipeline.verify import manifest_lines

    root = _repository(parts.config.root)
    return Report(
        layers=result.layers,
        verdict=verdict,
        exit_code=code,
        seconds=result.summary["seconds"],
        folder=_relative(parts.config.root, root),
        manifest=_relative(parts.manifest.path, root),
        lines=manifest_lines(parts, result.findings),
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


# What the manifest, and a TOML parser, say of where they stopped.
_LINE = re.compile(r"^line (\d+)(?=: )|\(at line (\d+), column (\d+)\)$")


@contextmanager
def _told(
    form: Format, config: Path | None, output: Path | None, *, only_new: bool = False
) -> Iterator[None]:
    """An error that stops the run is told in `form` too: its readers may see nothing else.

    With `only_new`, a file that is there already stays as it is.
    """
    try:
        yield
    except Exception as error:
        code = setup_exit_code(error)
        stays = only_new and output is not None and output.is_file()
        if code is not None and form not in (Format.TEXT, Format.JSON) and not stays:
            with suppress(ConfigError), output_to(output):  # the first error is the one to mend
                _print_stopped(form, _stopped(str(error), code, config))
        raise


def _stopped(message: str, code: int, config: Path | None) -> Stopped:
    """Why a run ended; the file that the message begins with is named as the repository does."""
    from mirror.formats import Place, Stopped

    name, _, rest = message.partition(": ")
    path, root = Path(name).absolute(), _repository(Path.cwd())
    is_file = Path(name).is_absolute() or name == str(config)
    if not is_file or not path.is_relative_to(root):
        return Stopped(printable(message), code)
    where = _relative(path, root)
    found = _LINE.search(rest)
    line, column = (int(found[1] or found[2]), int(found[3] or 0)) if found else (None, None)
    return Stopped(printable(f"{where}: {rest}"), code, Place(where, line, column or None))


def _print_stopped(form: Format, stopped: Stopped) -> None:
    from mirror import formats

    if form is Format.JUNIT:
        say(formats.stopped_junit(stopped).rstrip("\n"))
    elif form is Format.SARIF:
        say(formats.stopped_sarif(stopped).rstrip("\n"))
    else:
        say(formats.stopped_github(stopped))
        _add_to_job_summary(formats.stopped_summary(stopped))


def _add_to_job_summary(text: str) -> None:
    """Every command of a step adds to one file; that it cannot be written fails no check."""
    if path := os.environ.get("GITHUB_STEP_SUMMARY"):
        try:
            with Path(path).open("ab") as file:
                file.write(text.encode("utf-8", "replace"))
        except OSError as error:
            say(f"{path}: the job summary cannot be written: {error.strerror}", sys.stderr)
