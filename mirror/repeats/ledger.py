"""The ledger: evidence on every pair of pictures that was compared, as text.

Lines of another `RULE` stay in the file unread, so `save` keeps the text that is there and adds
lines. It is no `Record`, which would write only what it has read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mirror.model import Digest
from mirror.quotes import quoted
from mirror.records import RecordError, read_text, write_text
from mirror.repeats.evidence import RULE, STATISTICS, Evidence, Mode, Pair, Refusal, Scope, Tier

LEDGER = "ledger.jsonl"


class LedgerError(RecordError):
    """A line of the ledger that is not evidence; the message names the line."""


def dumps_evidence(evidence: Evidence) -> str:
    """Return one line of JSON with its line end; equal evidence is equal text, without a clock."""
    record: dict[str, Any] = {
        "rule": RULE,
        "pair": [evidence.pair.first.hex, evidence.pair.second.hex],
        "distance": evidence.distance,
    }
    if evidence.tier is not None:
        record["tier"] = evidence.tier.value
    if evidence.refusal is not None:
        record["refusal"] = evidence.refusal.value
    record |= dict(zip(STATISTICS, evidence.statistics, strict=False))
    if evidence.origin is not None:
        record["origin"] = evidence.origin.hex
    return json.dumps(record) + "\n"


def dumps_mode(mode: Mode, scope: Scope) -> str:
    """Return the line that says: all settled pictures were compared as far as the two go."""
    record = {"rule": RULE, "mode": mode.value}
    if scope is not Scope.ALL:
        record["scope"] = scope.value
    return json.dumps(record) + "\n"


def loads_mode(text: str) -> tuple[Mode, Scope]:
    """Return mode and scope of the last line that holds them, and the default ones without one."""
    for line in reversed(text.split("\n")[:-1]):
        if '"mode"' in line and "mode" in (record := json.loads(line)):
            return Mode(record["mode"]), Scope(record.get("scope", Scope.ALL))
    return Mode.PERCEPTUAL, Scope.ALL


def loads_ledger(text: str) -> dict[Pair, Evidence]:
    """Return evidence by pair. The last line of a pair counts; lines of another rule are left out.

    A last line without its end is left out too: a kill leaves one. Raise `LedgerError`.
    """
    by_pair = {}
    for number, line in enumerate(text.split("\n")[:-1], start=1):
        try:
            record = json.loads(line)
            if not isinstance(record, dict):
                raise TypeError("no object")
            if "mode" in record:
                Mode(record["mode"])
                Scope(record.get("scope", Scope.ALL))
            elif record["rule"] == RULE:
                evidence = _evidence(record)
                by_pair[evidence.pair] = evidence
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
            raise LedgerError(f"line {number}: expected evidence, got {quoted(line)}") from error
    return by_pair


def _evidence(record: Mapping[str, Any]) -> Evidence:
    first, second = map(Digest.parse, record["pair"])
    tier, refusal, origin = record.get("tier"), record.get("refusal"), record.get("origin")
    return Evidence(
        pair=Pair.of(first, second),
        distance=int(record["distance"]),
        tier=None if tier is None else Tier(tier),
        refusal=None if refusal is None else Refusal(refusal),
        statistics=tuple(float(record[name]) for name in STATISTICS if name in record),
        origin=None if origin is None else Digest.parse(origin),
    )


@dataclass(slots=True)
class Ledger:
    """Evidence on every pair that was ever judged, so that no pair is judged twice.

    `mode` and `scope` are those under which all pictures settled so far were compared with each
    other.
    """

    path: Path
    evidence: dict[Pair, Evidence] = field(default_factory=dict)
    mode: Mode = Mode.PERCEPTUAL
    scope: Scope = Scope.ALL
    is_complete: bool = True
    """True if every picture that was compared could be read."""
    _new: list[Evidence] = field(default_factory=list)
    _has_new_mode: bool = False

    @classmethod
    def load(cls, path: Path) -> Ledger:
        """Return the ledger of a file, empty without one; raise `LedgerError` naming the line."""
        text = read_text(path)
        try:
            return cls(path, loads_ledger(text), *loads_mode(text))
        except LedgerError as error:
            hint = "delete the line: the pair is judged again"
            raise LedgerError(f"{path}: {error}; {hint}") from error

    def add(self, evidence: Evidence) -> None:
        """Add evidence. That of an unreadable picture is not saved: the next run compares again."""
        self.evidence[evidence.pair] = evidence
        if evidence.refusal is Refusal.UNREADABLE:
            self.is_complete = False
        else:
            self._new.append(evidence)

    def record_mode(self, mode: Mode, scope: Scope) -> None:
        """Record that all settled pictures were compared as far as the two go."""
        if (mode, scope) != (self.mode, self.scope):
            self.mode, self.scope = mode, scope
            self._has_new_mode = True

    def save(self) -> None:
        """Append the new evidence, in the order of pairs. Raise `StateError`."""
        if not self._new and not self._has_new_mode:
            return
        lines = list(map(dumps_evidence, sorted(self._new, key=lambda evidence: evidence.pair)))
        if self._has_new_mode:
            lines.append(dumps_mode(self.mode, self.scope))
        text = read_text(self.path)
        whole_lines = text[: text.rfind("\n") + 1]  # a kill may leave a part of a line
        write_text(self.path, whole_lines + "".join(lines))
        self._new.clear()
        self._has_new_mode = False
