"""Values -> words: pictures, rules, and what evidence means."""

from __future__ import annotations

from collections.abc import Iterator

from mirror.amounts import size_text
from mirror.model import Blob, Outcome, Rule
from mirror.repeats.evidence import STATISTICS, Evidence, Refusal

_TIERS = {
    "X3": "Every pixel is equal; only the file differs.",
    "T0": "A copy, resized or saved again: that explains every pixel.",
    "T1": "A copy resized by another program: only even traces of that are left unexplained.",
}
_REFUSALS = {
    Refusal.DISTANCE: "Their fingerprints are too far apart.",
    Refusal.DEPTH: "One has 16-bit, CMYK or other special pixels.",
    Refusal.ORIENTATION: "One is turned by a tag that not every program reads.",
    Refusal.COLOURS: "Their colours mean different things: another colour profile.",
    Refusal.ANIMATED: "One is animated.",
    Refusal.TRANSPARENT: "One is transparent.",
    Refusal.SMALL: "Too small to tell a copy from another picture.",
    Refusal.PLAIN: "Nearly blank: there is too little to tell them apart by.",
    Refusal.SHAPE: "Another shape: one is cut.",
    Refusal.UNEXPLAINED: "The same size and coding, and yet other pixels: an edit.",
    Refusal.PIXELS: "Some pixels differ by more than resizing or saving explains.",
    Refusal.UNREADABLE: "One of them could not be read.",
}
_KINDS = {"image/jpeg": "JPEG", "image/svg+xml": "SVG", "image/x-icon": "ICO"}
_SPELLED = {"svg": "SVG", "url": "URL", "urls": "URLs"}
OUTCOMES = {
    Outcome.FAILURE: "failed",
    Outcome.DIFFERENCE: "differs",
    Outcome.REFUSED: "refused",
    Outcome.UNCHECKED: "not checked",
    Outcome.WARNING: "worth knowing",
}
"""Outcomes, the gravest first."""


def title(rule: Rule) -> str:
    """`Image not fetched`."""
    words = [_SPELLED.get(word, word) for word in rule.slug.split("-")]
    return " ".join([words[0][:1].upper() + words[0][1:], *words[1:]])


def facts(blob: Blob) -> str:
    """`1280 × 720 · PNG · 48.2 kB`."""
    kind = _KINDS.get(blob.media_type) or blob.media_type.removeprefix("image/").upper()
    parts = [f"{blob.width:,} × {blob.height:,}"] if blob.width and blob.height else []
    return " · ".join([*parts, kind, size_text(blob.size)])


def verdict(evidence: Evidence) -> str:
    if evidence.tier is not None:
        return _TIERS.get(evidence.tier, f"Accepted as {evidence.tier}.")
    return _REFUSALS[evidence.refusal] if evidence.refusal else "Kept apart."


def figures(evidence: Evidence) -> Iterator[tuple[str, str]]:
    """What was measured, named; the last are the largest differences left anywhere.

    All of them nought means that nothing had to be measured.
    """
    yield "fingerprints", f"{evidence.distance} of 256 bits apart"
    if evidence.tier is not None:
        yield "rule", evidence.tier
    if any(evidence.statistics):
        for name, value in zip(STATISTICS, evidence.statistics, strict=False):
            yield name, f"{value:g}"


def shortened(text: str, length: int) -> str:
    """`text` with its middle left out if it is longer than `length`: both ends tell most."""
    if len(text) <= length:
        return text
    head = length * 2 // 5
    return f"{text[:head]}…{text[head + 1 - length :]}"
