"""The words for pictures, rules and evidence."""

from __future__ import annotations

from collections.abc import Iterator

from mirror.amounts import size_text
from mirror.model import Blob, Outcome, Rule
from mirror.repeats.evidence import STATISTICS, Evidence

TEXT_LENGTH = 160  # in characters; a longer text is shortened
_KINDS = {"image/jpeg": "JPEG", "image/svg+xml": "SVG", "image/x-icon": "ICO"}
_SPELLED = {"svg": "SVG", "url": "URL", "urls": "URLs"}
OUTCOMES = {
    Outcome.FAILURE: "failed",
    Outcome.DIFFERENCE: "differs",
    Outcome.REFUSED: "refused",
    Outcome.UNCHECKED: "not checked",
    Outcome.WARNING: "worth knowing",
}
"""The words for outcomes, the gravest first."""


def title(rule: Rule) -> str:
    """Return the name of a rule as a heading, such as `Image not fetched`."""
    words = [_SPELLED.get(word, word) for word in rule.slug.split("-")]
    return " ".join([words[0][:1].upper() + words[0][1:], *words[1:]])


def facts(blob: Blob) -> str:
    """Return size, format and bytes, such as `1,280 × 720 · PNG · 48.2 kB`."""
    kind = _KINDS.get(blob.media_type) or blob.media_type.removeprefix("image/").upper()
    parts = [f"{blob.width:,} × {blob.height:,}"] if blob.width and blob.height else []
    return " · ".join([*parts, kind, size_text(blob.size)])


def figures(evidence: Evidence) -> Iterator[tuple[str, str]]:
    """Yield the name and value of each measurement.

    The statistics are left out if all are 0: then none had to be measured.
    """
    yield "fingerprints", f"{evidence.distance} of 256 bits apart"
    if evidence.tier is not None:
        yield "rule", evidence.tier
    if any(evidence.statistics):
        for name, value in zip(STATISTICS, evidence.statistics, strict=False):
            yield name, f"{value:g}"
