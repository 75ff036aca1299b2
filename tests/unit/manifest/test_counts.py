"""The numbers of a manifest."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest

from mirror.manifest import ImageCounts, Manifest, dumps, load_objects, loads
from mirror.model import Asset, Blob, Digest, Key
from mirror.urls.address import Address


def asset(number: int, sources: int, *, key: bool = True, alias_of: int | None = None) -> Asset:
    digest = Digest(f"{number:064x}")
    urls = tuple(Address(f"https://h.example/{number}/{each}.png") for each in range(sources))
    blob = Blob(digest, digest.hex[:32], 9, "image/png", 1, 1, None)
    alias = None if alias_of is None else Digest(f"{alias_of:064x}")
    return Asset(blob, urls, Key(f"{number}.png") if key else None, alias)


ASSETS = [
    asset(1, 3),
    asset(2, 2, key=False, alias_of=1),
    asset(3, 1, alias_of=1),  # stored before 1 came
    asset(4, 1, key=False),  # the original of a rendition
    asset(5, 0),  # replaced at its source
    asset(6, 0, key=False, alias_of=1),
]
MANIFEST = Manifest({each.digest: each for each in ASSETS})


def counts_of(assets: Iterable[Asset]) -> ImageCounts:
    counts = ImageCounts()
    for each in assets:
        counts.add_asset(each)
    return counts


def test_images_are_pictures_and_repeats() -> None:
    counts = counts_of(ASSETS)
    assert (counts.images, counts.originals) == (7, 6)
    assert (counts.pictures, counts.same_bytes, counts.look_alike) == (2, 3, 2)
    objects = sum(each.key is not None for each in ASSETS)
    assert counts.pictures - counts.in_archive_alone + counts.former_objects == objects


def test_packed_and_streamed_manifests_count_the_same() -> None:
    text = dumps(MANIFEST)
    lines = text.splitlines(keepends=True)
    expected = counts_of(ASSETS)
    assert MANIFEST.assets.count() == loads(text).assets.count() == expected
    assert load_objects(lambda: lines).counts == loads(text).objects.counts == expected


def test_what_was_changed_since_counts_once() -> None:
    packed = loads(dumps(MANIFEST))
    changed = [replace(ASSETS[3], alias_of=ASSETS[0].digest), asset(9, 4)]
    after = packed.replacing({each.digest: each for each in changed})
    assert after.assets.count() == counts_of(after.assets.values())


@pytest.mark.parametrize(
    ("assets", "text"),
    [
        ([], "0 images in the manifest, none is a repeat of another"),
        ([asset(1, 1)], "1 image in the manifest, none is a repeat of another"),
        (
            [asset(1, 2)],
            "2 images in the manifest: 1 picture; 1 is a repeat of another (1 of the same bytes)",
        ),
        (
            [asset(1, 1), asset(2, 1, key=False, alias_of=1)],
            "2 images in the manifest: 1 picture; 1 is a repeat of another (1 that looks alike)",
        ),
    ],
)
def test_the_text_names_each_kind_that_is_there(assets: list[Asset], text: str) -> None:
    assert counts_of(assets).text() == text
