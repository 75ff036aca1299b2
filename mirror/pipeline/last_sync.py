"""What the last sync could not do, kept for those who look later."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from mirror.files import write_whole
from mirror.model import Finding, Rule
from mirror.pipeline.site import Site
from mirror.state import json_lines

FILE_NAME = "last-sync.jsonl"
_RULES = {rule.id: rule for rule in Rule}


@dataclass(frozen=True, slots=True)
class LastSync:
    """`ended` is when it did."""

    ended: datetime
    findings: tuple[Finding, ...]


def save(site: Site, summary: Mapping[str, int | float], findings: Iterable[Finding]) -> None:
    """Keep the outcome of a sync, in place of the one before."""
    lines = [{"type": "summary", **summary}]
    lines += [{"type": "finding", **finding.as_json()} for finding in findings]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    with suppress(OSError):  # only a report would have shown it
        write_whole(site.config.state / FILE_NAME, text.encode())


def load(site: Site) -> LastSync | None:
    """The outcome of the last sync; `None` if none is on record."""
    path = site.config.state / FILE_NAME
    try:
        ended = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    except OSError:
        return None
    return LastSync(ended, tuple(_findings(json_lines(path))))


def _findings(lines: Iterable[Mapping[str, Any]]) -> Iterator[Finding]:
    for raw in lines:
        with suppress(KeyError, TypeError):  # of another version: nothing that could be shown
            if raw["type"] == "finding":
                place = (raw.get(name) for name in ("post", "line", "column"))
                yield Finding(_RULES[raw["rule"]], raw["subject"], raw["message"], *place)
