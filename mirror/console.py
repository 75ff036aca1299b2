"""What a run prints while it runs: a bar on a terminal, a line now and then elsewhere, or JSON.

Results go to stdout, progress and logs to stderr.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING, Any, TextIO

from mirror.amounts import size_text
from mirror.model import Finding, Outcome
from mirror.urls.redact import printable

if TYPE_CHECKING:
    from tqdm import tqdm

_LINE_EVERY_S = 30.0
_MARKS = {
    Outcome.DIFFERENCE: ("✗", "x"),
    Outcome.FAILURE: ("✗", "x"),
    Outcome.UNCHECKED: ("?", "?"),
    Outcome.WARNING: ("!", "!"),
    Outcome.REFUSED: ("✗", "x"),
}
_COLOURS = {Outcome.WARNING: "33", Outcome.UNCHECKED: "35"}
_RED = "31"


class Interrupted(BaseException):
    """Ctrl-C, a polite kill, or a reader that went away: jobs in hand end, no other starts."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.signal = number


class OutputError(Exception):
    """Results cannot be printed: the disk behind stdout is full, or broken."""


@dataclass(slots=True)
class Style:
    """What a stream can show: colour and characters beyond ASCII."""

    colour: bool
    unicode: bool

    @classmethod
    def of(cls, stream: TextIO, environ: Mapping[str, str] = os.environ) -> Style:
        wanted = bool(environ.get("FORCE_COLOR")) or (
            stream.isatty() and environ.get("TERM") != "dumb"
        )
        encoding = (getattr(stream, "encoding", None) or "ascii").lower().replace("-", "")
        return cls(wanted and not environ.get("NO_COLOR"), encoding.startswith("utf"))

    def finding(self, finding: Finding) -> str:
        outcome = finding.rule.outcome
        mark = _MARKS[outcome][0 if self.unicode else 1]
        if self.colour:
            mark = f"\x1b[{_COLOURS.get(outcome, _RED)}m{mark}\x1b[0m"
        subject = "" if finding.place == finding.subject else f" {finding.subject}"
        text = f"{finding.place}{subject}: {finding.message} [{finding.rule.id}]"
        return f"{mark} {for_log(text)}"


def say(text: str, stream: TextIO | None = None) -> None:
    """Print a line; what the stream's encoding lacks is escaped.

    Raise `Interrupted` when nobody reads any more, `OutputError` when it cannot be written.
    """
    stream = stream or sys.stdout
    encoding = getattr(stream, "encoding", None) or "utf-8"
    try:
        stream.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")
    except OSError as error:
        raise _unsaid(stream, error) from None


def send(pieces: Iterable[bytes]) -> None:
    """Write to stdout as it is; raise as `say` does."""
    try:
        sys.stdout.buffer.writelines(pieces)
        sys.stdout.buffer.flush()
    except OSError as error:
        raise _unsaid(sys.stdout, error) from None


def flush() -> None:
    """Write out what was printed; raise as `say` does."""
    try:
        sys.stdout.flush()
    except OSError as error:
        raise _unsaid(sys.stdout, error) from None


def _unsaid(stream: TextIO, error: OSError) -> Interrupted | OutputError:
    # The interpreter would try again at exit, complain, and exit with a code of its own.
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    if isinstance(error, BrokenPipeError):
        return Interrupted(signal.SIGPIPE)
    return OutputError(f"the output cannot be written: {error.strerror}")


class JsonLines:
    """One object an event on stdout, at once, and nothing else."""

    def stage(self, name: str, total: int | None, unit: str) -> None: ...
    def advance(self, items: int = 1, size: int = 0, failed: int = 0) -> None: ...

    def event(self, type: str, **members: object) -> None:
        print_json({"type": type, **members})
        flush()

    def finding(self, finding: Finding) -> None:
        print_json({"type": "finding", **finding.as_json()})
        flush()


def print_json(members: Mapping[str, Any]) -> None:
    # ASCII, so that the line is right in any locale and safe in any terminal.
    # `##[` in it would be a command to the runners of GitHub and Azure.
    say(json.dumps(members).replace("##", "#\\u0023"))


@dataclass(slots=True)
class _Stage:
    name: str
    total: int | None
    unit: str
    done: int = 0
    failed: int = 0
    size: int = 0
    started: float = field(default_factory=monotonic)

    def line(self) -> str:
        of = f" of {self.total:,}" if self.total is not None else ""
        seconds = max(monotonic() - self.started, 1e-9)
        text = f"{self.name}: {self.done:,}{of} {self.unit}"
        if self.size:
            text += f", {size_text(self.size)} ({size_text(self.size / seconds)}/s)"
        return text + (f", {self.failed:,} failed" if self.failed else "")


class Lines:
    """For a log: a plain line every half minute and at the end of a stage that took longer."""

    def __init__(self, quiet: bool = False) -> None:
        self._quiet = quiet
        self._stage: _Stage | None = None
        self._said = monotonic()

    def stage(self, name: str, total: int | None, unit: str) -> None:
        self._stage = _Stage(name, total, unit)

    def advance(self, items: int = 1, size: int = 0, failed: int = 0) -> None:
        if (stage := self._stage) is None:
            return
        stage.done += items
        stage.size += size
        stage.failed += failed
        if not self._quiet and monotonic() - self._said > _LINE_EVERY_S:
            say(stage.line(), sys.stderr)
            self._said = monotonic()

    def event(self, type: str, **members: object) -> None: ...
    def finding(self, finding: Finding) -> None: ...


class Bar:
    """For a person at a terminal: one bar a stage, with rate, time left, bytes and failures."""

    def __init__(self) -> None:
        self.shown: set[Finding] = set()
        self._bar: tqdm[Any] | None = None
        self._stage: _Stage | None = None

    def stage(self, name: str, total: int | None, unit: str) -> None:
        from tqdm import tqdm

        self.close()
        self._stage = _Stage(name, total, unit)
        self._bar = tqdm(
            desc=name,
            total=total,
            unit=f" {unit}",
            file=sys.stderr,
            leave=False,
            dynamic_ncols=True,
        )

    def advance(self, items: int = 1, size: int = 0, failed: int = 0) -> None:
        if (stage := self._stage) is None or self._bar is None:
            return
        stage.size += size
        stage.failed += failed
        parts = [size_text(stage.size)] if stage.size else []
        parts += [f"{stage.failed} failed"] if stage.failed else []
        self._bar.set_postfix_str(", ".join(parts), refresh=False)
        self._bar.update(items)

    def event(self, type: str, **members: object) -> None: ...

    def finding(self, finding: Finding) -> None:
        if self._bar is not None and finding.rule.outcome is not Outcome.WARNING:
            self._bar.write(Style.of(sys.stderr).finding(finding), file=sys.stderr)
            self.shown.add(finding)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def for_log(text: str, environ: Mapping[str, str] = os.environ) -> str:
    """Text from a post, safe for a terminal and for a CI log that obeys what it reads.

    GitHub's runner takes a line that starts with `::`, or holds `##[`, for a command; Azure's one
    that holds `##vso[`.
    """
    text = "\n".join(
        "\t".join(printable(part) for part in line.split("\t")) for line in text.split("\n")
    )
    if not environ.get("GITHUB_ACTIONS") and not environ.get("TF_BUILD"):
        return text
    return re.sub(r"(?m)^([-+ ]?\s*:)(?=:)|#(?=#\w*\[)", "\\g<0>\u200b", text)
