"""How a run tells what it does. The pipeline reports; what is printed is somebody else's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from time import monotonic
from typing import Protocol, TypeVar

from mirror.model import Finding, Outcome

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
    """The counts of a run that began at `started` on the monotonic clock."""
    failed = sum(finding.rule.outcome is Outcome.FAILURE for finding in findings)
    every: dict[str, int | float] = dict.fromkeys(SUMMARY, 0)
    return every | dict(counts) | {"failed": failed, "seconds": round(monotonic() - started, 3)}


class Progress(Protocol):
    """What happened, as it happens. Called from one thread only."""

    def stage(self, name: str, total: int | None, unit: str) -> None:
        """A stage over `total` items begins, and the one before has ended."""

    def advance(self, items: int = 1, size: int = 0, failed: int = 0) -> None:
        """`items` more are done, `size` bytes were moved, `failed` of the items failed."""

    def event(self, type: str, **members: object) -> None:
        """Something worth a line in a log; members are JSON values without secrets."""

    def finding(self, finding: Finding) -> None:
        """Something a person should be told; also part of the result."""


class Silent:
    """Nobody listens."""

    def stage(self, name: str, total: int | None, unit: str) -> None: ...
    def advance(self, items: int = 1, size: int = 0, failed: int = 0) -> None: ...
    def event(self, type: str, **members: object) -> None: ...
    def finding(self, finding: Finding) -> None: ...


class FindingLog(list[Finding]):
    """The findings of a run, each reported as it is added."""

    def __init__(self, report: Callable[[Finding], None], found: Iterable[Finding] = ()) -> None:
        super().__init__()
        self._report = report
        self.extend(found)

    def append(self, finding: Finding) -> None:
        super().append(finding)
        self._report(finding)

    def extend(self, findings: Iterable[Finding]) -> None:
        for finding in findings:
            self.append(finding)

    def sift(self, results: Iterable[T | Finding]) -> Iterator[T]:
        """Yield what is no finding and keep what is one."""
        for result in results:
            if isinstance(result, Finding):
                self.append(result)
            else:
                yield result
