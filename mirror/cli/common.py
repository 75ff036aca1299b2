"""What the commands share: options, opening a site, progress, findings, exit codes."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mirror.amounts import count_text
from mirror.config import Config, ConfigError, Posts, find_config, load_config
from mirror.console import Bar, JsonLines, Lines, OutputError, Style, for_log, print_json, say
from mirror.model import Finding, Outcome, Rule
from mirror.urls.redact import printable

if TYPE_CHECKING:
    from mirror.pipeline.parts import Parts
    from mirror.pipeline.progress import Progress
    from mirror.pipeline.scan import Scanned

EXIT_OK, EXIT_FOUND, EXIT_USAGE, EXIT_FAILED, EXIT_REFUSED = range(5)
_SHOWN = 50


def path(text: str) -> Path:
    """What an argument names. Nothing, as from an empty variable, would be the folder one is in."""
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
DryRun = Annotated[
    bool, typer.Option("--dry-run", "-n", help="Say what would be done; do nothing.")
]


def exit_code(findings: Iterable[Finding], *, checks: bool = False) -> int:
    """The one place where findings become an exit code.

    A command that `checks` exits with 1 for what it found; for one that acts, the same is work
    that was not done.
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
    """The exit code of an error that stops a run as a whole; `None` for a bug."""
    from mirror.archive import ArchiveError
    from mirror.files import HeldError
    from mirror.records import RecordError, StateError
    from mirror.store import StoreError

    if isinstance(error, ConfigError | RecordError):
        return EXIT_USAGE
    if isinstance(error, ArchiveError | OutputError | StateError | StoreError):
        return EXIT_FAILED
    return EXIT_REFUSED if isinstance(error, HeldError) else None


# --- Shared -----------------------------------------------------------------------------------


def progress_for(as_json: bool, quiet: bool) -> Progress:
    if as_json:
        return JsonLines()
    if quiet or not sys.stderr.isatty() or os.environ.get("TERM") == "dumb" or os.environ.get("CI"):
        return Lines(quiet)
    return Bar()


def load(config: Path | None) -> Config:
    return load_config(find_config(config, os.environ, Path.cwd()))


def load_or_default(config: Path | None) -> Config:
    """The configuration, or one without sources where there is none to be found."""
    try:
        path = find_config(config, os.environ, Path.cwd())
    except ConfigError:
        if config is not None or os.environ.get("MIRROR_CONFIG"):
            raise
        return Config(Path.cwd(), Posts((Path.cwd(),)))
    return load_config(path)


def open_site(config: Config) -> Parts:

    from mirror.pipeline.parts import open_parts

    return open_parts(config)


def scan_posts(config: Config, paths: Sequence[Path] | None) -> Scanned:
    from mirror.pipeline.scan import scan

    posts, findings = open_site(config).posts.find(paths or ())
    if not posts and not config.archive.is_absolute():  # there is no file with a `[posts]`
        where = ", ".join(map(str, paths or config.posts.paths))
        message = "no file in it ends in .md, .markdown or .mdx"
        findings = [one for one in findings if one.rule is not Rule.NO_POSTS]
        findings.append(Finding(Rule.NO_POSTS, where, message))
    return scan(posts, findings)


def reached_of(config: Config, findings: Iterable[Finding]) -> list[str]:
    """The destinations that answered to the end."""
    down = {one.subject for one in findings if one.rule is Rule.DESTINATION_UNREACHABLE}
    return [one.name for one in config.destinations if one.name not in down]


def finish(
    result_lines: Sequence[str],
    summary: Mapping[str, object],
    findings: Sequence[Finding],
    progress: Progress,
    code: int,
) -> None:
    """Print the end of a run; what the bar has shown on the same terminal is there already."""
    if isinstance(progress, JsonLines):
        print_json({"type": "summary", **summary, "exit_code": code})
        return
    shown = progress.shown if isinstance(progress, Bar) and sys.stdout.isatty() else ()
    show_findings([finding for finding in findings if finding not in shown])
    for line in result_lines:
        say(line)


def show_findings(findings: Sequence[Finding]) -> None:
    """All of them; of a kind that is only worth knowing, the first few and a count."""
    style = Style.of(sys.stdout)
    shown: Counter[Rule] = Counter()
    for finding in findings:
        shown[finding.rule] += 1
        if finding.rule.outcome is not Outcome.WARNING or shown[finding.rule] <= _SHOWN:
            say(style.finding(finding))
    for rule, count in shown.items():
        if rule.outcome is Outcome.WARNING and count > _SHOWN:
            say(f"  and {count - _SHOWN:,} more like the {rule.slug} above; --json lists all")


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


def check_output(
    path: Path | None, parts: Parts, config: Path | None, posts: Sequence[Path] | None
) -> None:
    """Raise `ConfigError`, before any work, if an output would replace what is the user's."""
    if path is not None and not is_stdout(path):
        from mirror.pipeline import ownership

        ownership.check_output(
            parts, path, find_config(config, os.environ, Path.cwd()), posts or ()
        )


@contextmanager
def output_to(path: Path | None) -> Iterator[None]:
    """Results go to `path` instead, whole once the command has ended; `-` is stdout."""
    if path is None or is_stdout(path):
        yield
        return
    buffer = StringIO()
    with redirect_stdout(buffer):
        yield
    write_output(path, buffer.getvalue().encode("utf-8"))


def is_stdout(path: Path) -> bool:
    return str(path) == "-"


def write_output(path: Path, data: bytes) -> None:
    """Make `data` the contents of the file that the user named, or send it there.

    A file is written whole, also through a link. A pipe or a device is what it is: it gets the
    bytes and is never replaced.
    """
    from mirror.files import write_whole

    try:
        if path.exists() and not path.is_file():
            with path.open("wb") as there:
                there.write(data)
        else:
            write_whole(Path(os.path.realpath(path)), data)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror}") from error


class closing_bar:  # noqa: N801  (reads as a word in a `with`)
    """Takes a bar off the screen, whatever happens."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def __enter__(self) -> None: ...

    def __exit__(self, *error: object) -> None:
        if isinstance(self._progress, Bar):
            self._progress.close()


def one_line(text: str) -> str:
    """Return a key, an address or a name as it is safe to print, on one line."""
    return for_log(printable(text))
