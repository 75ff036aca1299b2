"""The command line: one file a command, and `common` for what they share.

Each command parses its options, calls its function of `mirror.pipeline`, prints the result and
exits. A command imports the pipeline only when it runs: `mirror --help` stays fast.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Annotated

import typer

from mirror import __version__
from mirror.cli import (
    accept,
    config,
    demo,
    doctor,
    dupes,
    export,
    init,
    leftovers,
    manifest,
    prune,
    repair,
    report,
    restore,
    rewrite,
    scan,
    sync,
    verify,
)
from mirror.cli.common import EXIT_OK, EXIT_USAGE, ConfigPath, setup_exit_code
from mirror.config import ConfigError
from mirror.console import for_log, print_json, say

app = typer.Typer(
    name="mirror",
    help="Back up the images of Markdown posts, mirror them to another bucket, repoint the posts, "
    "and prove it.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


# The text of each command in `mirror --help`: one line of 80 columns.
_SHORT_HELP: dict[Callable[..., None], str] = {
    init.init: "Look at the posts and write a mirror.toml that works at once.",
    scan.scan: "List every image reference in the posts.",
    sync.sync: "Back up: fetch new images, store them in every destination.",
    rewrite.rewrite: "Repoint the posts at the mirrored images.",
    verify.verify: "Prove that manifest, destinations and posts agree.",
    leftovers.leftovers: "List what still names a source, and which page would break.",
    accept.accept: "Accept a picture that sync held back.",
    repair.repair: "Put missing and damaged objects back.",
    restore.restore: "Write the images back under their original paths.",
    prune.prune: "List objects that the manifest does not name; --yes deletes them.",
    dupes.dupes: "List the groups of repeats; record decisions about them.",
    export.export: "Write the manifest as a Parquet file, for DuckDB or Spark.",
    report.report: "Write one HTML page about all images.",
    doctor.doctor: "Check configuration, destinations and sources; print the remedy.",
    config.config: "Print an example configuration with every key.",
    demo.demo: "Show the whole cycle on a generated blog.",
}
for _command, _short in _SHORT_HELP.items():
    app.command(short_help=_short)(_command)
app.add_typer(manifest.app, name="manifest", short_help="Merge the manifests of two branches.")


def _print_version(is_set: bool) -> None:
    if is_set:
        say(f"mirror {__version__}")
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    config: ConfigPath = None,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Back up the images of Markdown posts, mirror them, repoint the posts, and prove it."""
    try:
        Path.cwd()
    except OSError as error:
        raise ConfigError(f"the current folder is gone: {error.strerror}; go to another") from error
    # `mirror --config FILE sync` means `mirror sync --config FILE`.
    if config is not None and context.invoked_subcommand is not None:
        context.default_map = {context.invoked_subcommand: {"config": str(config)}}


def run() -> int:
    """Run the command line of `sys.argv` and return the exit code.

    An error of setup is printed in one line; any other is a bug and is raised.
    """
    try:
        code = _call()
        sys.stdout.flush()
    except Exception as error:
        setup_code = setup_exit_code(error)
        if setup_code is None:
            raise
        code, message = setup_code, for_log(str(error))
        if _wants_json(sys.argv):
            print_json({"type": "error", "message": message, "exit_code": code})
        say(f"mirror: {message}", sys.stderr)
    return code


def _call() -> int:
    """Call the command and return the code that it exits with."""
    try:
        app(prog_name="mirror")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else EXIT_USAGE
    return EXIT_OK


def _wants_json(arguments: Sequence[str]) -> bool:
    return (
        "--json" in arguments
        or "--format=json" in arguments
        or ("--format", "json") in pairwise(arguments)
    )
