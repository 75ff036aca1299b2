"""The command line: one file a command, `common` for what they share, `ci` for CI services.

Each command parses its options, calls its function of `mirror.pipeline`, prints the result and
exits. A command's file is imported when it is called, and the pipeline when it runs: every command
starts as fast as `mirror --help`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from mirror import __version__
from mirror.cli.common import EXIT_OK, EXIT_USAGE, ConfigPath, setup_exit_code
from mirror.config import ConfigError
from mirror.console import for_log, print_json, say, say_remark
from mirror.quotes import shortened
from mirror.records import REMARKS
from mirror.waiting import WAITS

# A command, its file and its function have one name; `manifest` alone has commands of its own. The
# text stands in `mirror --help`: with the name, one line of 80 columns.
_SHORT_HELP = {
    "init": "Look at the posts and write a mirror.toml that works at once.",
    "scan": "List every image reference in the posts.",
    "sync": "Back up: fetch new images, store them in every destination.",
    "rewrite": "Repoint the posts at the mirrored images.",
    "verify": "Prove that manifest, destinations and posts agree.",
    "leftovers": "List what still names a source, and which page would break.",
    "accept": "Accept a picture that sync held back.",
    "repair": "Put missing and damaged objects back.",
    "restore": "Write the images back under their original paths.",
    "prune": "List objects that the manifest does not name; --yes deletes them.",
    "dupes": "List the groups of repeats; record decisions about them.",
    "export": "Write the manifest as a Parquet file, for DuckDB or Spark.",
    "report": "Write one HTML page about all images.",
    "doctor": "Check configuration, destinations and sources; print the remedy.",
    "config": "Print an example configuration with every key.",
    "demo": "Show the whole cycle on a generated blog.",
    "manifest": "Merge the manifests of two branches.",
}

# Characters of an error of setup. A longer message would fill the screen and the log of a CI
# service, and hardly any message needs more.
_MAX_MESSAGE = 4000


class _Commands(TyperGroup):
    """The commands by name; the file of one is imported when it is called.

    Click's types are `Any`: newer versions of typer have a copy of click inside, others import it.
    """

    def list_commands(self, ctx: Any) -> list[str]:
        return list(_SHORT_HELP)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        # An unknown name is compared with all commands, for "Did you mean".
        for name in (cmd_name,) if cmd_name in _SHORT_HELP else _SHORT_HELP:
            if name not in self.commands:
                self.add_command(_load(name), name)
        return super().get_command(ctx, cmd_name)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_SHORT_HELP.items()))


def _load(name: str) -> Any:
    module = import_module(f"mirror.cli.{name}")
    app: typer.Typer | None = getattr(module, "app", None)
    if app is None:
        app = typer.Typer(add_completion=False, rich_markup_mode=None)
        app.command(name, short_help=_SHORT_HELP[name])(getattr(module, name))
    return typer.main.get_command(app)


app = typer.Typer(
    name="mirror",
    cls=_Commands,
    help="Back up the images of Markdown posts, mirror them to another bucket, repoint the posts, "
    "and prove it.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


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
        code, message = setup_code, for_log(shortened(str(error), _MAX_MESSAGE))
        if _wants_json(sys.argv):
            print_json({"type": "error", "message": message, "exit_code": code})
        say(f"mirror: {message}", sys.stderr)
    return code


def _call() -> int:
    """Call the command and return the code that it exits with."""
    try:
        with WAITS.told_to(say_remark), REMARKS.told_to(say_remark):
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
