"""The texts of a run: findings with marks and colours, progress, escapes for terminals and logs.

Results go to stdout, progress and remarks to stderr. Progress is a bar on a terminal, a line every
half minute in a log, or JSON Lines on stdout.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING, Any, TextIO

from mirror.amounts import count_text, size_text
from mirror.model import Finding, Outcome, Rule
from mirror.runner import is_ci
from mirror.urls.address import canonical, host_of
from mirror.urls.redact import printable

if TYPE_CHECKING:
    from tqdm import tqdm

# Between two lines of progress in a log. Some CI services end a job that is silent for ten minutes;
# a run of an hour leaves 120 lines.
_LOG_INTERVAL_S = 30.0
_MARKS = {
    Outcome.DIFFERENCE: ("✗", "x"),
    Outcome.FAILURE: ("✗", "x"),
    Outcome.UNCHECKED: ("?", "?"),
    Outcome.WARNING: ("!", "!"),
    Outcome.REFUSED: ("✗", "x"),
}
_COLOURS = {Outcome.WARNING: "33", Outcome.UNCHECKED: "35"}
_RED = "31"
_NOUNS = {"M2": "image", "M3": "object"}  # the subjects of these rules; see `Rule`


def say(text: str, stream: TextIO | None = None) -> None:
    """Print a line, on stdout by default; escape what the stream's encoding lacks."""
    stream = stream or sys.stdout
    encoding = getattr(stream, "encoding", None) or "utf-8"
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")


def say_remark(text: str) -> None:
    """Print a line on stderr at any moment, above a bar if there is one. Safe in any thread."""
    if bars := sys.modules.get("tqdm"):
        with bars.tqdm.external_write_mode(file=sys.stderr):
            say(for_log(printable(text)), sys.stderr)
    else:
        say(for_log(printable(text)), sys.stderr)


def print_json(members: Mapping[str, Any]) -> None:
    """Print one line of JSON on stdout."""
    # ASCII, so that the line is right in any locale and safe in any terminal.
    # `##[` in it would be a command to the runners of GitHub and Azure.
    say(json.dumps(members).replace("##", "#\\u0023"))


def for_log(text: str) -> str:
    """Return `text` safe to print on a terminal and in the log of a CI runner.

    Line breaks and tabs stay. GitHub's runner takes a line that starts with `::`, or holds `##[`,
    for a command; Azure's one that holds `##vso[`, and TeamCity's one with `##teamcity[`.
    """
    lines = ("\t".join(map(printable, line.split("\t"))) for line in text.split("\n"))
    text = "\n".join(lines)
    if not is_ci():
        return text
    return re.sub(r"(?m)^([-+ ]?\s*:)(?=:)|#(?=#\w*\[)", "\\g<0>\u200b", text)


@dataclass(frozen=True, slots=True)
class Style:
    """The abilities of a stream: colours, and characters beyond ASCII."""

    colour: bool
    unicode: bool

    @classmethod
    def of(cls, stream: TextIO, environ: Mapping[str, str] = os.environ) -> Style:
        colour = bool(environ.get("FORCE_COLOR")) or (
            stream.isatty() and environ.get("TERM") != "dumb"
        )
        encoding = (getattr(stream, "encoding", None) or "ascii").lower().replace("-", "")
        return cls(colour and not environ.get("NO_COLOR"), encoding.startswith("utf"))

    def mark(self, sign: str, plain: str, colour: str) -> str:
        """Return `sign`, or `plain` on a stream of ASCII, in a colour where there are any."""
        text = sign if self.unicode else plain
        return f"\x1b[{colour}m{text}\x1b[0m" if self.colour else text

    def finding(self, finding: Finding) -> str:
        """Return a finding as one line."""
        outcome = finding.rule.outcome
        mark = self.mark(*_MARKS[outcome], _COLOURS.get(outcome, _RED))
        # A file may have a line break in its name.
        place, subject = printable(finding.place), printable(finding.subject)
        is_named = subject in (place, printable(finding.post or ""))
        named = place if is_named else f"{place} {subject}"
        text = f"{named}: {finding.message} [{finding.rule.id}]"
        return f"{mark} {for_log(text)}"

    def group(self, findings: Sequence[Finding]) -> str:
        """Return findings of one kind as one line: their number, and the first in full."""
        first = findings[0]
        likeness = Likeness.of(first)
        subjects = len({finding.subject for finding in findings})
        if likeness.host:
            is_page = first.rule is Rule.PAGE_SHOWS_SOURCE  # which may ask for a link or a script
            nouns = ("address", "addresses") if is_page else ("image", "images")
            text = f"{likeness.host}: {count_text(subjects, *nouns)}"
            if len(findings) > subjects:
                text += f" in {len(findings):,} places"
        elif noun := _NOUNS.get(first.rule.id[:2]):
            text = count_text(subjects, noun)
        else:
            text = count_text(len(findings), "place")
        mark, line = self.finding(first).split(" ", 1)
        return f"{mark} {for_log(text)}, the first {line}"


# --- Findings of one kind ---------------------------------------------------------------------

MANY = 10  # findings of one kind are printed as one line; fewer are read one by one
_MAX_LIVE = 3  # findings of one kind are printed above a bar; all are counted in the end

# What differs between findings of one kind: addresses, digests and keys made of them, sizes. No
# part can match in many ways, because a message may hold a long text of a stranger.
_SPECIFICS = re.compile(r"https?://\S+|(?:[0-9a-f]{2}/)?[0-9a-f]{32,}|\b\d{1,20} bytes")
_TIMES = re.compile(r" \((?:shown|tried) \d{1,20} times\)")  # absent where it is once


@dataclass(frozen=True, slots=True)
class Likeness:
    """What findings of one kind share: rule, host, and message without the parts of one image.

    Findings of two destinations are of two kinds, because the message names the destination.
    """

    rule: Rule
    host: str
    message: str

    @classmethod
    def of(cls, finding: Finding) -> Likeness:
        address = canonical(finding.subject)
        host = host_of(address) if address else ""
        message = _TIMES.sub("", finding.message.replace(finding.subject, "…"))
        message = _SPECIFICS.sub("…", message)
        return cls(finding.rule, host, message)


def group_findings(findings: Iterable[Finding]) -> Iterator[list[Finding]]:
    """Yield the findings of each kind, in the order of their first ones."""
    groups: dict[Likeness, list[Finding]] = {}
    for finding in findings:
        groups.setdefault(Likeness.of(finding), []).append(finding)
    return iter(groups.values())


# --- Progress: each class is a `mirror.pipeline.progress.Progress` -----------------------------


class JsonProgress:
    """Prints one JSON object an event on stdout, each at once."""

    def stage(self, name: str, total: int | None, unit: str) -> None: ...
    def advance(self, items: int = 1, size: int = 0, failed: int = 0) -> None: ...

    def event(self, type: str, **members: object) -> None:
        print_json({"type": type, **members})
        sys.stdout.flush()

    def finding(self, finding: Finding) -> None:
        self.event("finding", **finding.as_json())


@dataclass(slots=True)
class _StageCounts:
    name: str
    total: int | None
    unit: str
    items: int = 0
    failed: int = 0
    size: int = 0
    started: float = field(default_factory=monotonic)

    def add(self, items: int, size: int, failed: int) -> None:
        self.items += items
        self.size += size
        self.failed += failed

    def line(self) -> str:
        of_total = f" of {self.total:,}" if self.total is not None else ""
        seconds = max(monotonic() - self.started, 1e-9)
        text = f"{self.name}: {self.items:,}{of_total} {self.unit}"
        if self.size:
            text += f", {size_text(self.size)} ({size_text(self.size / seconds)}/s)"
        return text + (f", {self.failed:,} failed" if self.failed else "")


class LogProgress:
    """Prints a plain line on stderr every half minute; nothing if `quiet`."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._counts: _StageCounts | None = None
        self._printed_at = monotonic()

    def stage(self, name: str, total: int | None, unit: str) -> None:
        self._counts = _StageCounts(name, total, unit)

    def advance(self, items: int = 1, size: int = 0, failed: int = 0) -> None:
        if self._counts is None:
            return
        self._counts.add(items, size, failed)
        if not self._quiet and monotonic() - self._printed_at > _LOG_INTERVAL_S:
            say(self._counts.line(), sys.stderr)
            self._printed_at = monotonic()

    def event(self, type: str, **members: object) -> None: ...
    def finding(self, finding: Finding) -> None: ...


class BarProgress:
    """Draws a bar for each stage on a terminal: rate, time left, bytes and failures.

    Findings are printed above the bar as they come, the first few of each kind; `printed` holds
    them.
    """

    def __init__(self) -> None:
        self.printed: set[Finding] = set()
        self._likenesses: Counter[Likeness] = Counter()
        self._bar: tqdm[Any] | None = None
        self._counts: _StageCounts | None = None

    def stage(self, name: str, total: int | None, unit: str) -> None:
        from tqdm import tqdm

        self.close()
        self._counts = _StageCounts(name, total, unit)
        self._bar = tqdm(
            desc=name,
            total=total,
            unit=f" {unit}",
            file=sys.stderr,
            leave=False,
            dynamic_ncols=True,
        )

    def advance(self, items: int = 1, size: int = 0, failed: int = 0) -> None:
        if self._counts is None or self._bar is None:
            return
        self._counts.add(items, size, failed)
        parts = [size_text(self._counts.size)] if self._counts.size else []
        if self._counts.failed:
            parts.append(f"{self._counts.failed} failed")
        self._bar.set_postfix_str(", ".join(parts), refresh=False)
        self._bar.update(items)

    def event(self, type: str, **members: object) -> None: ...

    def finding(self, finding: Finding) -> None:
        if self._bar is not None and finding.rule.outcome is not Outcome.WARNING:
            likeness = Likeness.of(finding)
            self._likenesses[likeness] += 1
            if self._likenesses[likeness] > _MAX_LIVE:
                return
            self._bar.write(Style.of(sys.stderr).finding(finding), file=sys.stderr)
            self.printed.add(finding)

    def close(self) -> None:
        """Take the bar off the screen."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
