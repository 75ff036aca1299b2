"""For people to look at: `mirror report` and `mirror doctor`."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mirror.amounts import count_text, size_text
from mirror.cli.common import (
    EXIT_FAILED,
    EXIT_FOUND,
    EXIT_OK,
    ConfigPath,
    Json,
    Paths,
    Quiet,
    check_output,
    closing_bar,
    is_stdout,
    load,
    open_site,
    path,
    progress_for,
    write_output,
)
from mirror.config import ConfigError
from mirror.console import Style, flush, for_log, print_json, say, send

if TYPE_CHECKING:
    from mirror.store.probe import Check


def report(
    paths: Paths = None,
    config: ConfigPath = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The page to write; `-` is stdout.", parser=path)
    ] = Path("mirror-report.html"),
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write one HTML page: totals, every image, the groups of repeats side by side, failures."""
    from mirror.engine import Threads
    from mirror.pipeline.report import report as collect
    from mirror.report import page

    to_stdout = is_stdout(output)
    if to_stdout and as_json:
        raise ConfigError("--json and --output - both want stdout; leave one out")
    site = open_site(load(config))
    check_output(output, site, config, paths)
    progress = progress_for(as_json, quiet)
    with closing_bar(progress):
        found = collect(site, Threads(), paths or (), progress, _now())
    if to_stdout:
        send(piece.encode("utf-8") for piece in page(found))
        return
    data = "".join(page(found)).encode("utf-8")
    write_output(output, data)
    totals = found.totals
    if as_json:
        counts = {"pictures": totals.pictures, "repeats": totals.repeats, "missing": totals.missing}
        print_json({"type": "summary", "path": str(output), "bytes": len(data), **counts})
        return
    pictures = count_text(totals.pictures, "picture")
    say(f"{output}: {pictures}, {count_text(totals.repeats, 'repeat')}, {size_text(len(data))}")


def _now() -> datetime:
    """Now, or what reproducible builds say it is."""
    if (epoch := os.environ.get("SOURCE_DATE_EPOCH", "")).isdecimal():
        return datetime.fromtimestamp(int(epoch), UTC)
    return datetime.now(UTC)


def doctor(config: ConfigPath = None, as_json: Json = False) -> None:
    """Check configuration, destinations, public URL and sources; print the remedy.

    Exit 0 when all passed, 1 when something failed, 3 when something could only not be checked.
    """
    from mirror.pipeline.doctor import Patient
    from mirror.pipeline.doctor import doctor as examine
    from mirror.store.probe import Health

    site = open_site(load(config))
    counts = dict.fromkeys(Health, 0)
    shown: Patient | None = None
    for patient, check in examine(site):
        counts[check.health] += 1
        if as_json:
            print_json(
                {
                    "type": "check",
                    "about": patient.kind,
                    "name": patient.name,
                    "check": check.name,
                    "result": check.health.value,
                    "message": check.message,
                    "remedy": check.remedy,
                }
            )
        else:
            if patient != shown:
                place = f" ({patient.place})" if patient.place else ""
                say(f"{patient.kind} {patient.name}{place}")
                shown = patient
            _print_check(check)
        flush()  # the next one may have to wait
    code = EXIT_FOUND if counts[Health.FAILED] else EXIT_OK
    if not code and counts[Health.UNKNOWN]:
        code = EXIT_FAILED
    if as_json:
        found = {health.value: count for health, count in counts.items()}
        print_json({"type": "summary", **found, "exit_code": code})
    else:
        say(", ".join(f"{count} {health.value}" for health, count in counts.items()))
    raise typer.Exit(code)


_MARKS = {"passed": ("✓", "ok", "32"), "failed": ("✗", "x", "31"), "unknown": ("?", "?", "35")}


def _print_check(check: Check) -> None:
    style = Style.of(sys.stdout)
    mark, plain, colour = _MARKS[check.health.value]
    text = mark if style.unicode else plain
    if style.colour:
        text = f"\x1b[{colour}m{text}\x1b[0m"
    say(f"  {text} {check.name}: {for_log(check.message)}")
    if check.remedy:
        say(f"      {'→' if style.unicode else '->'} {for_log(check.remedy)}")
