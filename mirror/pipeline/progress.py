"""The reports of a run while it goes on. Only the caller of the pipeline prints."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from time import monotonic
from typing import Protocol, TypeVar

from mirror.model import Finding, Layer, Outcome

T = TypeVar("T")

SUMMARY = (
    "posts",
    "references",
    "urls",
    "fetched",
    "reused",
    "repeats",
    "stored",
    "failed",
    "bytes",
    "seconds",
)
"""Counts that every summary has."""


def summary(
    counts: Mapping[str, int], findings: Iterable[Finding], started: float
) -> dict[str, int | float]:
    """Return the counts of a run that began at `started` on the monotonic clock."""
    failed = sum(finding.rule.outcome is Outcome.FAILURE for finding in findings)
    every: dict[str, int | float] = dict.fromkeys(SUMMARY, 0)
    return every | dict(counts) | {"failed": failed, "seconds": round(monotonic() - started, 3)}


class Progress(Protocol):
    """Receives events as they happen. Called from one thread only."""

    def stage(self, name: str, total: int | None, unit: str) -> None:
        """Begin a stage over `total` items; the stage before has ended."""

    def advance(self, items: int = 1, size: int = 0, failed: int = 0) -> None:
        """Count `items` more as done, `failed` of them as failed, and `size` bytes as moved."""

    def event(self, type: str, **members: object) -> None:
        """Report an event for a log; members are JSON values without secrets."""

    def finding(self, finding: Finding) -> None:
        """Report a finding for a person to read; it is also part of the result."""


class FindingLog(list[Finding]):
    """The findings of a run. Each is reported as it is added."""

    def __init__(self, report: Callable[[Finding], None], findings: Iterable[Finding] = ()) -> None:
        super().__init__()
        self._report = report
        self.extend(findings)

    def append(self, finding: Finding) -> None:
        super().append(finding)
        self._report(finding)

    def extend(self, findings: Iterable[Finding]) -> None:
        for finding in findings:
            self.append(finding)

    def sift(self, results: Iterable[T | Finding]) -> Iterator[T]:
        """Yield the results that are no findings, and add the findings to the log."""
        for result in results:
            if isinstance(result, Finding):
                self.append(result)
            else:
                yield result


@dataclass(frozen=True, slots=True)
class LayerCheck:
    """The result of checking one layer, and its counts.

    `not_asked` are images under `[[ignore]]` that the layer asks a source for, by the identity of
    their address.
    """

    layer: Layer
    counts: Mapping[str, int] = field(default_factory=dict)
    not_asked: AbstractSet[str] = frozenset()
