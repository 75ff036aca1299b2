"""Amounts as people read them, on a terminal and in the report."""

from __future__ import annotations


def size_text(size: float) -> str:
    """`48.2 MB`, in powers of 1000."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 999.95:  # from here on one decimal rounds to 1000.0
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def count_text(count: int, one: str, many: str | None = None) -> str:
    """`1 post`, `2,000 posts`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"
