"""TODO page of rewrites."""

from mirror.rewrites.lines import FILE_NAME, HEADER, Rewrite, RewritesError, dumps, loads
from mirror.rewrites.recall import Occurrence, agreement, marks, occurrence, recall, updated

__all__ = [
    "FILE_NAME",
    "HEADER",
    "Occurrence",
    "Rewrite",
    "RewritesError",
    "agreement",
    "dumps",
    "loads",
    "marks",
    "occurrence",
    "recall",
    "updated",
]
