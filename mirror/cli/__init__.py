"""Arguments -> pipeline -> output and exit code. Heavy imports wait for who needs them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated

import typer

from mirror import __version__
from mirror.cli import backup, care, check, repeats, show, start
from mirror.cli.common import EXIT_FAILED, EXIT_OK, EXIT_REFUSED, EXIT_USAGE, ConfigPath
from mirror.config import ConfigError
from mirror.console import OutputError, flush, for_log, print_json, say

app = typer.Typer(
    name="mirror",
    help="Back up the images of Markdown posts, mirror them to another bucket, repoint the posts, "
    "and prove it.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


for _command in (
    start.init,
    backup.scan,
    backup.sync,
    backup.rewrite,
    check.verify,
    care.repair,
    care.restore,
    care.prune,
    repeats.dupes,
    show.report,
    show.doctor,
    start.demo,
):
    app.command()(_command)


def _version(wanted: bool) -> None:
    if wanted:
        say(f"mirror {__version__}")
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    config: ConfigPath = None,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Back up the images of Markdown posts, mirror them, repoint the posts, and prove it."""
    if config is not None and context.invoked_subcommand is not None:  # as if it came behind it
        context.default_map = {context.invoked_subcommand: {"config": str(config)}}


def run() -> int:
    """Run the command line and return the exit code; errors of setup end here, with one line."""
    try:
        code = _run()
        flush()
    except Exception as error:
        failed = _setup_error(error)
        if failed is None:
            raise
        code, message = failed, for_log(str(error))
        if _wants_json(sys.argv):
            print_json({"type": "error", "message": message, "exit_code": code})
        say(f"mirror: {message}", sys.stderr)
    return code


def _run() -> int:
    try:
        app(prog_name="mirror")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else EXIT_USAGE
    return EXIT_OK


def _wants_json(arguments: Sequence[str]) -> bool:
    return (
        "--json" in arguments
        or "--format=json" in arguments
        or ("--format", "json") in pairwise(arguments)
    )


def _setup_error(error: Exception) -> int | None:
    """The exit code of an error that stops a run as a whole; `None` for a bug."""
    from mirror.archive import ArchiveError
    from mirror.files import HeldError
    from mirror.manifest import ManifestError
    from mirror.pipeline.site import StateError
    from mirror.store import StoreError

    if isinstance(error, ConfigError | ManifestError):
        return EXIT_USAGE
    if isinstance(error, ArchiveError | OutputError | StateError | StoreError):
        return EXIT_FAILED
    return EXIT_REFUSED if isinstance(error, HeldError) else None
