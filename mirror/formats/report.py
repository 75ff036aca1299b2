"""What a check found, for the formats that CI reads."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mirror.model import Finding, Layer, Outcome

_SUMMARY_BYTES = 900_000  # GitHub drops a step's summary over 1 MiB, all of it
_ERRORS = (Outcome.DIFFERENCE, Outcome.FAILURE, Outcome.REFUSED)


@dataclass(frozen=True, slots=True)
class Report:
    """What a check found, and where that stands in the repository.

    `folder` is that of `mirror.toml` and `manifest` the manifest, both relative to the root of
    the repository, with `/`; `lines` are the lines of the manifest that keys and digests stand
    on. `verdict` is the whole in one line.
    """

    layers: Sequence[Layer]
    verdict: str
    exit_code: int
    seconds: float = 0
    folder: str = ""
    manifest: str = ""
    lines: Mapping[str, int] = field(default_factory=dict)

    @property
    def findings(self) -> list[Finding]:
        return [finding for layer in self.layers for finding in layer.findings]

    def place(self, finding: Finding) -> Place | None:
        """Where a finding is shown: its post, else its line of the manifest."""
        if finding.post is not None:
            path = posixpath.normpath(posixpath.join(self.folder, finding.post))
            return Place(path, finding.line, finding.column)
        if (line := self.lines.get(finding.subject)) is not None:
            return Place(self.manifest, line)
        return None


@dataclass(frozen=True, slots=True)
class Place:
    """A file of the repository; `line` and `column` count characters from 1."""

    path: str
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        return ":".join(str(part) for part in (self.path, self.line, self.column) if part)


_STOPPED = "nothing was compared"


@dataclass(frozen=True, slots=True)
class Stopped:
    """Why nothing was compared, and which file is to be put right, if that is known."""

    message: str
    exit_code: int
    place: Place | None = None
