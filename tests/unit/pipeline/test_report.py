"""What a report says of the growth of the archive, and which pictures it shows."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from mirror.manifest import Manifest
from mirror.model import Asset, Blob, Digest
from mirror.pipeline.report import (
    Usage,
    count_pictures,
    first_groups,
    first_pictures,
    growth_points,
)
from mirror.pipeline.scan import SiteScan
from mirror.posts import Post
from mirror.repeats.groups import RepeatGroup
from mirror.urls.address import Address
from mirror.urls.sources import Locator, Source


@pytest.mark.parametrize(
    ("days", "labels"),
    [
        ([date(2024, 1, 5), date(2024, 1, 5), date(2024, 2, 1)], ["2024-01-05", "2024-02-01"]),
        ([date(2020 + n // 12, n % 12 + 1, 3) for n in range(60)], ["2020-01", "2024-12"]),
    ],
)
def test_growth_is_told_by_day_or_month(days: list[date], labels: list[str]) -> None:
    moments = [datetime(d.year, d.month, d.day, 23, tzinfo=UTC).timestamp() for d in days]
    points = growth_points((moment, 10) for moment in reversed(moments))
    assert [points[0].label, points[-1].label] == labels
    assert points[-1].count == len(days)
    assert points[-1].size == 10 * len(days)
    assert [p.count for p in points] == sorted(p.count for p in points)


def _asset(number: int, alias_of: Asset | None = None) -> Asset:
    blob = Blob(Digest(f"{number:064x}"), "0" * 32, 1, "image/png", 1, 1, None)
    source = Address(f"https://h.example/{number}.png")
    return Asset(blob, (source,), None, alias_of.digest if alias_of else None)


def test_the_pictures_that_posts_show_come_before_the_others_as_far_as_there_is_room() -> None:
    assets = [_asset(number) for number in range(5)]
    repeat = _asset(9, assets[0])
    manifest = Manifest({asset.digest: asset for asset in (*assets, repeat)})
    scanned = SiteScan()
    text = "".join(f"![](https://h.example/{number}.png)\n" for number in (9, 3, 1, 3))
    scanned.add(Post("a.md", Path("a.md")), text.encode())
    locator = Locator([Source("s", ("https://h.example/",))])
    usage = Usage(scanned, manifest, locator, ())

    def first(most: int) -> list[Asset]:
        return first_pictures(usage, manifest, most)

    assert first(1) == [assets[3]]
    assert first(3) == [assets[3], assets[1], assets[0]]
    assert first(9) == [assets[number] for number in (3, 1, 0, 2, 4)]
    assert count_pictures(manifest) == 5


def test_groups_stand_on_the_page_as_far_as_there_is_room() -> None:
    groups = [
        RepeatGroup(_asset(0), tuple((_asset(n), None) for n in range(size))) for size in (5, 3, 1)
    ]
    assert list(first_groups(groups, 4)) == groups[1:]
    assert list(first_groups(groups, 9)) == groups
