"""A destination is compared alike in whatever order it lists its objects."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import md5, sha256

from hypothesis import given
from hypothesis import strategies as st
from support.sites import Recorder

from mirror.config import DestinationSettings
from mirror.destinations import Destination
from mirror.engine import Serial
from mirror.manifest import Manifest
from mirror.model import Asset, Blob, Digest, Key
from mirror.pipeline.progress import FindingLog
from mirror.pipeline.prune import list_extras
from mirror.pipeline.verify_destinations import Comparison, ReadBack, compare_destination
from mirror.store import MemoryStore, ObjectInfo

KEYS = [Key(key) for key in ("a", "a-b", "a/b", "a/c", "b", "中")]


class Listing(MemoryStore):
    """Lists these objects in this order."""

    def __init__(self, infos: Sequence[ObjectInfo]) -> None:
        super().__init__("listing")
        self.infos = infos

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        yield from self.infos


def asset(key: Key) -> Asset:
    data = key.encode()
    checksum = md5(data, usedforsecurity=False).hexdigest()
    digest = Digest(sha256(data).hexdigest())
    return Asset(Blob(digest, checksum, len(data), "image/png", 1, 1, None), (), key)


def compare(manifest: Manifest, infos: Sequence[ObjectInfo]) -> Comparison:
    destination = Destination(DestinationSettings("listing", "file:x"), Listing(infos))
    return compare_destination(
        destination, manifest.objects, Serial(), Recorder(), ReadBack(deep=False), site=None
    )


def infos() -> st.SearchStrategy[ObjectInfo]:
    """Return objects that are as the manifest says, or have another size."""

    def info(key: Key, extra_bytes: int) -> ObjectInfo:
        blob = asset(key).blob
        return ObjectInfo(key, blob.size + extra_bytes, blob.md5)

    return st.builds(info, st.sampled_from(KEYS), st.integers(0, 1))


@given(
    st.lists(st.sampled_from(KEYS), unique=True),
    st.lists(infos(), unique_by=lambda info: info.key),
)
def test_the_order_of_a_listing_does_not_matter(keys: list[Key], listed: list[ObjectInfo]) -> None:
    manifest = Manifest({item.digest: item for item in map(asset, keys)})
    ordered = compare(manifest, sorted(listed, key=lambda info: info.key.encode()))
    other = compare(manifest, listed)
    assert other.compared == ordered.compared == len(keys)
    assert sorted(
        (item.key, item.state.name, item.message) for item in other.differences
    ) == sorted((item.key, item.state.name, item.message) for item in ordered.differences)


@given(
    st.lists(st.sampled_from(KEYS), unique=True),
    st.lists(infos(), unique_by=lambda info: info.key),
    st.data(),
)
def test_an_object_that_is_listed_twice_counts_once(
    keys: list[Key], listed: list[ObjectInfo], data: st.DataObject
) -> None:
    manifest = Manifest({item.digest: item for item in map(asset, keys)})
    repeats = data.draw(st.permutations(listed * 2))
    once, twice = compare(manifest, listed), compare(manifest, repeats)
    assert {(item.key, item.state) for item in once.differences} == {
        (item.key, item.state) for item in twice.differences
    }
    assert len(once.differences) == len(twice.differences)
    destination = Destination(DestinationSettings("listing", "file:x"), Listing(repeats))
    findings = FindingLog(lambda _: None)
    extras = list_extras([destination], set(keys), None, findings, Recorder())
    unnamed = {info.key for info in listed} - set(keys)
    assert sorted(extra.info.key for extra in extras.objects) == sorted(unnamed)
    assert extras.totals == {"listing": len(listed)}


def test_an_object_that_is_listed_twice_is_read_once() -> None:
    item = asset(KEYS[0])
    store = Listing([ObjectInfo(KEYS[0], item.blob.size, None)] * 2)
    store.put(KEYS[0], KEYS[0].encode())
    destination = Destination(DestinationSettings("listing", "file:x"), store)
    objects = Manifest({item.digest: item}).objects
    comparison = compare_destination(
        destination, objects, Serial(), Recorder(), ReadBack(deep=False), site=None
    )
    assert (comparison.read, comparison.differences) == (1, [])
