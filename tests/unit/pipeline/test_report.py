"""The growth of the archive."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from mirror.pipeline.report import growth


@pytest.mark.parametrize(
    ("days", "labels"),
    [
        ([date(2024, 1, 5), date(2024, 1, 5), date(2024, 2, 1)], ["2024-01-05", "2024-02-01"]),
        ([date(2020 + n // 12, n % 12 + 1, 3) for n in range(60)], ["2020-01", "2024-12"]),
    ],
)
def test_growth_is_told_by_day_or_month(days: list[date], labels: list[str]) -> None:
    moments = [datetime(d.year, d.month, d.day, 23, tzinfo=UTC).timestamp() for d in days]
    points = growth((moment, 10) for moment in reversed(moments))
    assert [points[0].label, points[-1].label] == labels
    assert points[-1].count == len(days)
    assert points[-1].size == 10 * len(days)
    assert [p.count for p in points] == sorted(p.count for p in points)
