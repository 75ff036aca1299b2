"""Amounts as people read them, and moments that `datetime` can hold."""

from __future__ import annotations

from datetime import UTC, datetime

_FIRST_S = datetime(1, 1, 1, tzinfo=UTC).timestamp()
_LAST_S = datetime(9999, 12, 31, tzinfo=UTC).timestamp()


def size_text(size: float) -> str:
    """Return a size in bytes as `48.2 MB`, in powers of 1000."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 999.95:  # from here on one decimal rounds to 1000.0
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def count_text(count: int, singular: str, plural: str | None = None) -> str:
    """Return `1 post`, `2,000 posts`."""
    return f"{count:,} {singular if count == 1 else plural or singular + 's'}"


def moment(seconds: float) -> datetime:
    """Return the moment so many seconds after 1970, as a file or a server has it, in UTC.

    File systems hold years that `datetime` does not. Such a moment becomes the first or the last
    day that it holds.
    """
    return datetime.fromtimestamp(min(max(seconds, _FIRST_S), _LAST_S), UTC)
