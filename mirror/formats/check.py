"""The outcome of a check, with locations as the repository counts them."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mirror.model import Finding, Layer, Outcome

ERROR_OUTCOMES = (Outcome.DIFFERENCE, Outcome.FAILURE, Outcome.REFUSED)
"""The outcomes that turn a check red, most important first."""

NOTHING_COMPARED = "nothing was compared"
"""The title of a `SetupFailure` in every format."""


@dataclass(frozen=True, slots=True)
class CheckReport:
    """The outcome of a check, and where its files are in the repository.

    `folder` is the folder of `mirror.toml` and `manifest` the manifest, both relative to the root
    of the repository, with `/`. `places` has the line of the manifest for a key or a digest.
    `verdict` is the outcome in one line.
    """

    layers: Sequence[Layer]
    verdict: str
    exit_code: int
    seconds: float = 0
    folder: str = ""
    manifest: str = ""
    places: Mapping[str, FileLocation] = field(default_factory=dict)

    @property
    def findings(self) -> list[Finding]:
        return [finding for layer in self.layers for finding in layer.findings]

    def locate(self, finding: Finding) -> FileLocation | None:
        """Return the place in the post, else the line of the manifest, else `None`."""
        if finding.post is not None:
            path = posixpath.normpath(posixpath.join(self.folder, finding.post))
            return FileLocation(path, finding.line, finding.column)
        return self.places.get(finding.subject)


@dataclass(frozen=True, slots=True)
class FileLocation:
    """A file of the repository; `line` and `column` count characters from 1."""

    path: str
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        return ":".join(str(part) for part in (self.path, self.line, self.column) if part)


@dataclass(frozen=True, slots=True)
class SetupFailure:
    """The reason why nothing was compared, and the file to correct if it is known."""

    message: str
    exit_code: int
    location: FileLocation | None = None
