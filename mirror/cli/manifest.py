"""`mirror manifest merge`, a merge driver of git."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from mirror.cli.common import EXIT_FOUND, EXIT_OK, one_line, path
from mirror.config import ConfigError
from mirror.console import say

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None)
_File = Annotated[Path, typer.Argument(parser=path, show_default=False)]


@app.callback()
def options() -> None:
    """Commands on the files in `manifests/`."""


@app.command(short_help="Merge two branches' manifests; git calls it.")
def merge(
    base: _File,
    ours: _File,
    theirs: _File,
    name: Annotated[
        Path | None,
        typer.Argument(metavar="[PATH]", parser=path, help="The file in the repository."),
    ] = None,
) -> None:
    """Unite what two branches added, and write it to OURS; git calls this with %O %A %B %P.

    What contradicts stays between conflict markers, and the exit code is 1.
    """
    from mirror.files import sweep
    from mirror.pipeline.merge import MERGES, merger_of
    from mirror.records import RecordError, read_text, write_text

    place = name or ours
    merger = merger_of(place)
    try:
        if merger is None:
            raise ConfigError(f"{place.name} is none of {', '.join(MERGES)}")
        merged = merger(*map(read_text, (base, ours, theirs)))
    except (ConfigError, RecordError) as error:
        say(f"{one_line(str(place))}: merged line by line: {one_line(str(error))}", sys.stderr)
        raise typer.Exit(_merge_lines(base, ours, theirs)) from error
    sweep(ours.parent, deep=False)  # git has it in the work tree, where no other command looks
    write_text(ours, merged.text)
    for conflict in merged.conflicts:
        say(f"{one_line(str(place))}: {one_line(conflict)}", sys.stderr)
    raise typer.Exit(EXIT_FOUND if merged.conflicts else EXIT_OK)


def _merge_lines(base: Path, ours: Path, theirs: Path) -> int:
    """Merge a file that is no record as git itself does."""
    labels = ("-L", "ours", "-L", "base", "-L", "theirs")
    command: list[str | Path] = ["git", "merge-file", *labels, "--", ours, base, theirs]
    try:
        ended = subprocess.run(command, check=False)  # noqa: S603  (no shell)
    except OSError as error:
        raise ConfigError(f"git cannot be run: {error.strerror}") from error
    return EXIT_FOUND if ended.returncode else EXIT_OK
