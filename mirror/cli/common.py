"""The parts that commands share: options, opening a site, running, printing, exit codes."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn, Protocol

import typer

from mirror.amounts import count_text
from mirror.config import (
    Config,
    ConfigError,
    DestinationSettings,
    MissingConfigError,
    PostSettings,
    find_config,
    load_config,
)
from mirror.console import (
    MANY,
    BarProgress,
    JsonProgress,
    LogProgress,
    Style,
    for_log,
    group_findings,
    print_json,
    say,
)
from mirror.model import Finding, Outcome, Rule
from mirror.runner import is_ci
from mirror.streams import OutputError, unwritable_output
from mirror.urls.redact import printable

if TYPE_CHECKING:
    from mirror.pipeline.parts import Parts
    from mirror.pipeline.progress import Progress
    from mirror.pipeline.scan import SiteScan

EXIT_OK, EXIT_FOUND, EXIT_USAGE, EXIT_FAILED, EXIT_REFUSED = range(5)
_MAX_WARNINGS = 50  # of one rule are printed without --verbose: about a screen


def path(text: str) -> Path:
    """Read a path of the command line.

    An empty one is refused: it comes from an empty variable and would mean the current folder.
    """
    if not text:
        raise typer.BadParameter("expected a path, got nothing; the folder you are in is `.`")
    return Path(text)


Paths = Annotated[
    list[Path] | None,
    typer.Argument(
        help="Posts or folders of posts, instead of [posts].paths.",
        show_default=False,
        parser=path,
    ),
]
ConfigPath = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        help="The configuration; else $MIRROR_CONFIG, else mirror.toml here or in a parent folder.",
        show_default=False,
        parser=path,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="JSON Lines on stdout, and nothing else.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")]
Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", help="List every finding, also many of one kind.")
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", "-n", help="Say what would be done; do nothing.")
]


def exit_code(findings: Iterable[Finding], *, checks: bool = False) -> int:
    """Return the exit code for the findings of a command.

    A difference is 1 for a command that `checks`; for one that acts it is 3, work not done.
    """
    outcomes = {finding.rule.outcome for finding in findings}
    if Outcome.REFUSED in outcomes:
        return EXIT_REFUSED
    if checks and Outcome.DIFFERENCE in outcomes:
        return EXIT_FOUND
    if outcomes & {Outcome.FAILURE, Outcome.UNCHECKED, Outcome.DIFFERENCE}:
        return EXIT_FAILED
    return EXIT_OK


def setup_exit_code(error: Exception) -> int | None:
    """Return the exit code for an error that stops a whole run; `None` for a bug."""
    from mirror.archive import ArchiveError
    from mirror.cluster import ClusterError, MissingExtraError
    from mirror.files import HeldError
    from mirror.records import BlockedError, RecordError, StateError
    from mirror.state import TrackedStateError
    from mirror.store import StoreError

    if isinstance(error, HeldError | TrackedStateError):
        return EXIT_REFUSED
    if isinstance(error, ConfigError | RecordError | BlockedError | MissingExtraError):
        return EXIT_USAGE
    if isinstance(error, ArchiveError | ClusterError | OutputError | StateError | StoreError):
        return EXIT_FAILED
    return None


# --- Opening ----------------------------------------------------------------------------------


def load(config: Path | None) -> Config:
    """Load the configuration named on the command line or found; raise `ConfigError`."""
    return load_config(find_config(config, os.environ, Path.cwd()))


def load_or_default(config: Path | None) -> Config:
    """Load the configuration, or return one without sources if none was named and none is found."""
    try:
        path = find_config(config, os.environ, Path.cwd())
    except MissingConfigError:
        return Config(Path.cwd(), PostSettings((Path.cwd(),)))
    return load_config(path)


def open_site(config: Config) -> Parts:
    from mirror.pipeline.parts import open_parts

    return open_parts(config)


def scan_posts(config: Config, paths: Sequence[Path] | None) -> SiteScan:
    """Read the posts of the site, or those in `paths`."""
    from mirror.pipeline.scan import scan
    from mirror.posts import PostTree

    posts, findings = PostTree.of(config).find(paths or ())
    # Without a `mirror.toml` there is no [posts] that a remedy could name.
    has_config = config.manifest.is_absolute()
    if not posts and not has_config:
        where = ", ".join(map(str, paths or config.posts.paths))
        message = "no file in it ends in .md, .markdown or .mdx"
        findings = [finding for finding in findings if finding.rule is not Rule.NO_POSTS]
        findings.append(Finding(Rule.NO_POSTS, where, message))
    return scan(posts, findings)


# --- Running and printing ---------------------------------------------------------------------


class Result(Protocol):
    """The outcome of a command of the pipeline."""

    @property
    def summary(self) -> Mapping[str, object]: ...
    @property
    def findings(self) -> Sequence[Finding]: ...


@contextmanager
def running(
    lock: AbstractContextManager[None] | None = None, *, as_json: bool, quiet: bool
) -> Iterator[Progress]:
    """Yield the progress to report to, and take it off the screen in the end.

    A command that writes holds the `lock` of the site meanwhile.
    """
    progress = _progress(as_json=as_json, quiet=quiet)
    with lock or nullcontext():
        try:
            yield progress
        finally:
            if isinstance(progress, BarProgress):
                progress.close()


def _progress(*, as_json: bool, quiet: bool) -> Progress:
    if as_json:
        return JsonProgress()
    if quiet or not sys.stderr.isatty() or os.environ.get("TERM") == "dumb" or is_ci():
        return LogProgress(quiet=quiet)
    return BarProgress()


def finish(
    result: Result, progress: Progress, lines: Sequence[str], *, verbose: bool = False
) -> NoReturn:
    """Print the end of a run that acts, and exit with the code for its findings."""
    code = exit_code(result.findings)
    print_end(result, progress, lines, code, verbose=verbose)
    raise typer.Exit(code)


def print_end(
    result: Result,
    progress: Progress,
    lines: Sequence[str],
    code: int,
    *,
    verbose: bool = False,
) -> None:
    """Print findings and `lines`, or the summary as JSON.

    A finding that the bar has printed on the same terminal is not printed again, but counted
    where many of its kind are summed up.
    """
    if isinstance(progress, JsonProgress):
        print_json({"type": "summary", **result.summary, "exit_code": code})
        return
    seen: Collection[Finding] = ()
    if isinstance(progress, BarProgress) and sys.stdout.isatty():
        seen = progress.printed
    print_findings(result.findings, seen, verbose=verbose)
    for line in lines:
        say(line)


def print_findings(
    findings: Sequence[Finding], seen: Collection[Finding] = (), *, verbose: bool = False
) -> None:
    """Print the findings that are not in `seen`; many of one kind as one line.

    Of other warnings of one rule the first few and a count are printed. `verbose` prints all.
    """
    style = Style.of(sys.stdout)
    groups = {
        group[0]: group for group in group_findings(findings) if len(group) >= MANY and not verbose
    }
    summed_up = {finding for group in groups.values() for finding in group}
    counts: Counter[Rule] = Counter()
    for finding in findings:
        if (group := groups.pop(finding, None)) is not None:
            say(style.group(group))
        elif finding not in summed_up and finding not in seen:
            counts[finding.rule] += 1
            is_warning = finding.rule.outcome is Outcome.WARNING
            if verbose or not is_warning or counts[finding.rule] <= _MAX_WARNINGS:
                say(style.finding(finding))
    for rule, count in counts.items():
        if not verbose and rule.outcome is Outcome.WARNING and count > _MAX_WARNINGS:
            more = count - _MAX_WARNINGS
            say(f"  and {more:,} more like the {rule.slug} above; --verbose lists all")
    if summed_up:
        say(f"  {len(summed_up):,} findings are summed up above; --verbose lists all")


def reached_destinations(
    destinations: Iterable[DestinationSettings], findings: Iterable[Finding]
) -> list[str]:
    """Return the names of the destinations that answered until the run ended."""
    down = {finding.subject for finding in findings if finding.rule is Rule.DESTINATION_UNREACHABLE}
    return [destination.name for destination in destinations if destination.name not in down]


def one_line(text: str) -> str:
    """Return a key, an address or a name as it is safe to print, on one line."""
    return for_log(printable(text))


# --- The file that --output names -------------------------------------------------------------


def is_stdout(output: Path) -> bool:
    return str(output) == "-"


def check_output(
    output: Path | None, parts: Parts, config: Path | None, posts: Sequence[Path] | None
) -> None:
    """Raise `ConfigError`, before any work, if an output would replace a file of the user's."""
    if output is not None and not is_stdout(output):
        from mirror.pipeline import ownership

        config_path = find_config(config, os.environ, Path.cwd())
        root, manifest = parts.config.root, parts.config.manifest
        ownership.check_output(output, config_path, root, manifest, parts.folders)
        ownership.check_no_post(output, parts.posts, posts or ())


def write_output(output: Path, data: bytes | Iterable[bytes], *, follows: bool = True) -> None:
    """Make `data`, or its pieces, the contents of the file that the user named, or send it there.

    A file is written whole, also through a link if `follows`. A pipe or a device gets the bytes
    and is never replaced. Raise `ConfigError` or `OutputError` if it cannot be written.
    """
    from mirror.files import real_path, write_whole

    try:
        if not follows:
            write_whole(output, data)
        elif output.exists() and not output.is_file():
            with output.open("wb") as file:
                file.writelines([data] if isinstance(data, bytes) else data)
        else:
            write_whole(real_path(output), data)
    except OSError as error:
        raise unwritable_output(output, error) from error


def ignored_lines(count: int) -> list[str]:
    """Return the line that says what becomes of ignored images; none where no image is ignored."""
    if not count:
        return []
    images = count_text(
        count,
        "image under [[ignore]] is not mirrored and not asked for: if it still exists, it is",
        "images under [[ignore]] are not mirrored and not asked for: those that still exist are",
    )
    return [f"{images} lost when the source goes"]


def leftovers_lines(count: int) -> list[str]:
    """Return the line that points at `mirror leftovers`; none where nothing is left."""
    if not count:
        return []
    images = count_text(
        count,
        "image of your sources stays where it is",
        "images of your sources stay where they are",
    )
    return [f"{images}: `mirror leftovers` lists {'it' if count == 1 else 'them'}"]
