"""`mirror doctor`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import typer

from mirror.cli.common import (
    EXIT_FAILED,
    EXIT_FOUND,
    EXIT_OK,
    ConfigPath,
    Json,
    load,
    open_site,
)
from mirror.console import Style, for_log, print_json, say

if TYPE_CHECKING:
    from mirror.store.probe import Check

# For each result: the mark, the one of a stream in ASCII, and the colour.
_MARKS = {"passed": ("✓", "ok", "32"), "failed": ("✗", "x", "31"), "unknown": ("?", "?", "35")}


def doctor(config: ConfigPath = None, as_json: Json = False) -> None:
    """Check configuration, destinations, public URL and sources; print the remedy.

    Exit 0 when all passed, 1 when something failed, 3 when something could only not be checked.
    """
    from mirror.pipeline.doctor import Subject
    from mirror.pipeline.doctor import doctor as examine
    from mirror.store.probe import Health

    parts = open_site(load(config))
    counts = dict.fromkeys(Health, 0)
    printed: Subject | None = None
    for subject, check in examine(parts):
        counts[check.health] += 1
        if as_json:
            print_json(
                {
                    "type": "check",
                    "about": subject.kind,
                    "name": subject.name,
                    "check": check.name,
                    "result": check.health.value,
                    "message": check.message,
                    "remedy": check.remedy,
                }
            )
        else:
            if subject != printed:
                place = f" ({subject.place})" if subject.place else ""
                say(f"{subject.kind} {subject.name}{place}")
                printed = subject
            _print_check(check)
        sys.stdout.flush()  # the next check may take long
    code = EXIT_FOUND if counts[Health.FAILED] else EXIT_OK
    if not code and counts[Health.UNKNOWN]:
        code = EXIT_FAILED
    if as_json:
        totals = {health.value: count for health, count in counts.items()}
        print_json({"type": "summary", **totals, "exit_code": code})
    else:
        say(", ".join(f"{count} {health.value}" for health, count in counts.items()))
    raise typer.Exit(code)


def _print_check(check: Check) -> None:
    style = Style.of(sys.stdout)
    mark = style.mark(*_MARKS[check.health.value])
    say(f"  {mark} {check.name}: {for_log(check.message)}")
    if check.remedy:
        say(f"      {'→' if style.unicode else '->'} {for_log(check.remedy)}")
