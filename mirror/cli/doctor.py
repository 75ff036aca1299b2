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
from mirror.console import Style, flush, for_log, print_json, say

if TYPE_CHECKING:
    from mirror.store.probe import Check


def doctor(config: ConfigPath = None, as_json: Json = False) -> None:
    """Check configuration, destinations, public URL and sources; print the remedy.

    Exit 0 when all passed, 1 when something failed, 3 when something could only not be checked.
    """
    from mirror.pipeline.doctor import Subject
    from mirror.pipeline.doctor import doctor as examine
    from mirror.store.probe import Health

    parts = open_site(load(config))
    counts = dict.fromkeys(Health, 0)
    last: Subject | None = None
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
            if subject != last:
                place = f" ({subject.place})" if subject.place else ""
                say(f"{subject.kind} {subject.name}{place}")
                last = subject
            _print_check(check)
        flush()  # the next one may have to wait
    code = EXIT_FOUND if counts[Health.FAILED] else EXIT_OK
    if not code and counts[Health.UNKNOWN]:
        code = EXIT_FAILED
    if as_json:
        results = {health.value: count for health, count in counts.items()}
        print_json({"type": "summary", **results, "exit_code": code})
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
