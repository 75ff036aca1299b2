"""A destination compared with the manifest, on stores that fail in one way each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from hashlib import md5, sha256

import pytest
from support.sites import Recorder

from mirror.config import DestinationSettings
from mirror.destinations import Destination
from mirror.engine import Serial
from mirror.manifest import Manifest
from mirror.model import Asset, Blob, Digest, Key, Rule
from mirror.pipeline.portion import ALL, Sample
from mirror.pipeline.progress import FindingLog
from mirror.pipeline.prune import list_extras
from mirror.pipeline.verify_destinations import ObjectState, ReadBack, compare_destination
from mirror.store import MemoryStore, ObjectInfo, Store, UnreachableError


def made(data: bytes) -> Asset:
    """An asset that holds `data`, under its default key."""
    digest = sha256(data).hexdigest()
    checksum = md5(data, usedforsecurity=False).hexdigest()
    blob = Blob(Digest(digest), checksum, len(data), "image/png", 1, 1, None)
    return Asset(blob, (), Key(f"{digest[:2]}/{digest}.png"))


class Encrypted(MemoryStore):
    """As a bucket with KMS: its ETags look like MD5 and are none."""

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        for info in super().list(prefix):
            yield replace(info, md5="0" * 32)


class Rotten(MemoryStore):
    """Lists what was stored, and gives back something else of the same size."""

    def get(self, key: Key, *, max_bytes: int | None = None) -> bytes:
        return super().get(key, max_bytes=max_bytes)[::-1]


class Dying(Encrypted):
    """Answers to the listing and to nothing afterwards."""

    def get(self, key: Key, *, max_bytes: int | None = None) -> bytes:
        raise UnreachableError("dying: no answer")


ASSETS = {asset.digest: asset for asset in (made(b"one"), made(b"two"), made(b"three"))}


def compared(
    store: Store, deep: bool = False, sample: Sample = ALL
) -> tuple[list[ObjectState], int, bool]:
    """The states of the objects that differ, how many were read back, whether it broke off."""
    for asset in ASSETS.values():
        assert asset.key is not None
        data = next(d for d in (b"one", b"two", b"three") if made(d) == asset)
        store.put(asset.key, data)
    destination = Destination(DestinationSettings(store.name, "file:x"), store)
    comparison = compare_destination(
        destination, Manifest(ASSETS).objects, Serial(), Recorder(), ReadBack(deep, sample), None
    )
    states = [difference.state for difference in comparison.differences]
    return states, comparison.read, comparison.error is not None


def test_a_checksum_that_does_not_agree_is_looked_into_before_it_is_believed() -> None:
    assert compared(Encrypted()) == ([], 3, False)
    assert compared(Encrypted(), sample=Sample(1, 10**9)) == ([], 3, False)


def test_only_reading_sees_rot_on_the_servers_disk() -> None:
    assert compared(Rotten()) == ([], 0, False)
    assert compared(Rotten(), deep=True) == ([ObjectState.DIFFERENT] * 3, 3, False)


def test_a_sample_of_few_objects_reads_one() -> None:
    assert compared(Rotten(), deep=True, sample=Sample(1, 10**9)) == (
        [ObjectState.DIFFERENT],
        1,
        False,
    )


def test_a_destination_that_dies_meanwhile_is_asked_no_more() -> None:
    assert compared(Dying()) == ([ObjectState.UNCHECKED] * 2, 0, True)


class Stumbling(Encrypted):
    """Fails at one object alone."""

    def get(self, key: Key, *, max_bytes: int | None = None) -> bytes:
        if key == made(b"two").key:
            raise UnreachableError("stumbling: GetObject was answered 500")
        return super().get(key, max_bytes=max_bytes)


def test_one_object_that_cannot_be_read_hides_no_other() -> None:
    assert compared(Stumbling()) == ([ObjectState.UNCHECKED], 2, False)


@pytest.mark.parametrize("extra", [(), ("!",), ("~",), ("!", "0", "~")])
@pytest.mark.parametrize("missing", [(), (0,), (1,), (2,), (0, 1, 2)])
def test_what_only_one_side_has_is_missing_or_extra(
    extra: tuple[str, ...], missing: tuple[int, ...]
) -> None:
    """At the begin of a listing, in its middle and at its end; the missing ones come last."""
    store = MemoryStore()
    for key in extra:
        store.put(Key(key), b"x")
    for number, data in enumerate((b"one", b"two", b"three")):
        key = made(data).key
        assert key is not None
        if number not in missing:
            store.put(key, data)
    destination = Destination(DestinationSettings(store.name, "file:x"), store)
    comparison = compare_destination(
        destination,
        Manifest(ASSETS).objects,
        Serial(),
        Recorder(),
        ReadBack(deep=False),
        site=None,
    )
    lost = sorted(str(made((b"one", b"two", b"three")[number]).key) for number in missing)
    assert [(difference.state, difference.key) for difference in comparison.differences] == [
        *((ObjectState.EXTRA, key) for key in extra),
        *((ObjectState.MISSING, key) for key in lost),
    ]
    assert (comparison.compared, comparison.error) == (3, None)


@pytest.mark.parametrize(("strays", "is_given_up"), [(40, False), (41, True)])
def test_a_listing_of_ever_more_strays_is_given_up(
    monkeypatch: pytest.MonkeyPatch, strays: int, is_given_up: bool
) -> None:
    """Ten are allowed, and ten for each of the three objects that are known."""
    monkeypatch.setattr("mirror.destinations._MOST_EXTRAS", 10)
    store = MemoryStore()
    for number in range(strays):
        store.put(Key(f"z/{number}.png"), b"stray")
    _, _, broke_off = compared(store)
    assert broke_off is is_given_up
    findings = FindingLog(lambda _: None)
    keys = {str(asset.key) for asset in ASSETS.values()}
    destination = Destination(DestinationSettings("r2", "file:x"), store)
    extras = list_extras([destination], keys, None, findings, Recorder())
    assert len(extras.objects) == (0 if is_given_up else strays)
    assert [finding.rule for finding in findings] == [Rule.DESTINATION_UNREACHABLE] * is_given_up


class Counting(MemoryStore):
    """Counts what is read, and answers to nothing once it is `dead`."""

    reads = 0
    is_dead = False

    def get(self, key: Key, *, max_bytes: int | None = None) -> bytes:
        self.reads += 1
        if self.is_dead:
            raise UnreachableError("dead: no answer")
        return super().get(key, max_bytes=max_bytes)


def test_only_an_object_that_may_be_another_picture_is_read_to_find_which_it_is() -> None:
    contents = {Key(f"{number}.png"): b"x" * number for number in range(1, 10)}
    assets = [replace(made(data), key=key) for key, data in contents.items()]
    objects = Manifest({asset.digest: asset for asset in assets}).objects

    def read(there: dict[Key, bytes], *, is_dead: bool = False) -> tuple[int, list[Key], bool]:
        store = Counting()
        for key, data in there.items():
            store.put(key, data)
        store.is_dead = is_dead
        destination = Destination(DestinationSettings(store.name, "file:x"), store)
        comparison = compare_destination(
            destination, objects, Serial(), Recorder(), ReadBack(False, ALL), None
        )
        held = [each.holds for each in comparison.differences if each.holds is not None]
        return store.reads, held, comparison.error is not None

    assert read({key: data + b"larger than all" for key, data in contents.items()}) == (
        0,
        [],
        False,
    )
    turned = dict(zip(contents, reversed(contents.values()), strict=True))
    assert read(turned) == (8, [Key(f"{n}.png") for n in (9, 8, 7, 6, 4, 3, 2, 1)], False)
    assert read(turned, is_dead=True) == (3, [], True)
