"""The outcome of a check as CI services read it: printed in their format, or written to a file."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from enum import StrEnum
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

from mirror.cli.common import is_stdout, print_findings, setup_exit_code, write_output
from mirror.config import ConfigError
from mirror.console import for_log, say
from mirror.files import repository_of
from mirror.urls.redact import printable

if TYPE_CHECKING:
    from mirror.formats import CheckReport, SetupFailure


# The line and column in the messages of the manifest and of Python's TOML parser.
_LINE = re.compile(r"^line (\d+)(?=: )|\(at line (\d+), column (\d+)\)$")


class Format(StrEnum):
    """The formats that `--format` names."""

    TEXT = "text"
    JSON = "json"
    JUNIT = "junit"
    SARIF = "sarif"
    GITHUB = "github"


@contextmanager
def stdout_to(output: Path | None) -> Iterator[None]:
    """Write stdout to `output` as a whole once the block has ended; `-` is stdout itself."""
    if output is None or is_stdout(output):
        yield
        return
    buffer = StringIO()
    with redirect_stdout(buffer):
        yield
    write_output(output, buffer.getvalue().encode("utf-8"))


def repository_root(folder: Path) -> Path:
    """Return the folder that CI services count paths from."""
    workspace = os.environ.get("GITHUB_WORKSPACE")
    if workspace and folder.is_relative_to(workspace):
        return Path(workspace)
    return repository_of(folder)


def relative_to(path: Path, root: Path) -> str:
    """Return a path as CI services name it: from the root of the repository, with `/`."""
    return Path(os.path.relpath(path, root)).as_posix()


def print_as(form: Format, report: CheckReport, *, verbose: bool) -> None:
    from mirror import formats

    if form is Format.JUNIT:
        say(formats.junit_xml(report).rstrip("\n"))
    elif form is Format.SARIF:
        say(formats.sarif_log(report).rstrip("\n"))
    else:
        annotations, rest = formats.github_annotations(report)
        for annotation in annotations:
            say(annotation)
        print_findings(rest, verbose=verbose)
        say(for_log(report.verdict))
        _add_to_job_summary(formats.job_summary(report))


@contextmanager
def failure_printed(
    form: Format, config: Path | None, output: Path | None, *, only_new: bool = False
) -> Iterator[None]:
    """Print an error of setup in `form` too, whose readers may see nothing else; then raise it.

    With `only_new`, an output file that exists stays as it is.
    """
    try:
        yield
    except Exception as error:
        code = setup_exit_code(error)
        stays = only_new and output is not None and output.is_file()
        if code is not None and form not in (Format.TEXT, Format.JSON) and not stays:
            with suppress(ConfigError), stdout_to(output):  # the first error is the one to mend
                _print_failure_as(form, _setup_failure(str(error), code, config))
        raise


def _setup_failure(message: str, code: int, config: Path | None) -> SetupFailure:
    """Return the failure; a file at the start of `message` is named from the repository's root."""
    from mirror.formats import FileLocation, SetupFailure

    name, _, rest = message.partition(": ")
    path, root = Path(name).absolute(), repository_root(Path.cwd())
    is_file = Path(name).is_absolute() or name == str(config)
    if not is_file or not path.is_relative_to(root):
        return SetupFailure(printable(message), code)
    name = relative_to(path, root)
    match = _LINE.search(rest)
    line, column = (int(match[1] or match[2]), int(match[3] or 0)) if match else (None, None)
    location = FileLocation(name, line, column or None)
    return SetupFailure(printable(f"{name}: {rest}"), code, location)


def _print_failure_as(form: Format, failure: SetupFailure) -> None:
    from mirror import formats

    if form is Format.JUNIT:
        say(formats.junit_xml_of_failure(failure).rstrip("\n"))
    elif form is Format.SARIF:
        say(formats.sarif_log_of_failure(failure).rstrip("\n"))
    else:
        say(formats.github_annotation_of_failure(failure))
        _add_to_job_summary(formats.job_summary_of_failure(failure))


def _add_to_job_summary(text: str) -> None:
    """Add to the file that all commands of a step share; an error there fails no check."""
    if path := os.environ.get("GITHUB_STEP_SUMMARY"):
        try:
            with Path(path).open("ab") as file:
                file.write(text.encode("utf-8", "replace"))
        except OSError as error:
            say(f"{path}: the job summary cannot be written: {error.strerror}", sys.stderr)
