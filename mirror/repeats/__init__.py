"""Repeats: which pictures are one, proven by their pixels, and which of them stands for the others.

A fingerprint proposes pairs, pixels decide. Read in this order:

- `evidence`: the values: candidates, evidence, tiers and refusals, and the words for them
- `search`: fingerprints -> candidates
- `choose`: blobs and evidence -> which picture stands for which; pure
- `sketch`: facts kept of each picture, which refuse most pairs at once
- `compare`: two pictures -> evidence: guards first, then reproduction
- `excerpt`: parts kept of decoded pictures, which refuse most look-alikes
- `cache`: caches of what was made of pictures, limited by their bytes
- `statistics`: how far two pictures are apart, in six numbers
- `band`: the rows where two pictures differ most, tried before the whole picture
- `resize`, `recode`: the ways in which programs make copies, run again
- `bins`, `palette`: copies whose coder cannot be run again, tested by what they show
- `ledger`: the evidence of all runs, as text
- `reviews`: the decisions of people, as text
- `groups`: what stands for what now, and what a review would change

This page and `cache` load neither Pillow nor numpy. `search`, `compare` and what they use do, so
import those modules where they are called.
"""

from mirror.repeats.evidence import (
    DISTANCE,
    LONG_SIDE,
    RULE,
    SHORT_SIDE,
    STATISTICS,
    Candidate,
    Evidence,
    Mode,
    Pair,
    Refusal,
    Scope,
    Tier,
)
from mirror.repeats.ledger import LEDGER, Ledger, LedgerError
from mirror.repeats.reviews import REVIEWS, ReviewError, Reviews, add_reviews, load_reviews

__all__ = [
    "DISTANCE",
    "LEDGER",
    "LONG_SIDE",
    "REVIEWS",
    "RULE",
    "SHORT_SIDE",
    "STATISTICS",
    "Candidate",
    "Evidence",
    "Ledger",
    "LedgerError",
    "Mode",
    "Pair",
    "Refusal",
    "ReviewError",
    "Reviews",
    "Scope",
    "Tier",
    "add_reviews",
    "load_reviews",
]
