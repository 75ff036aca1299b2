"""Destinations that are brought up to the manifest, in memory."""

from __future__ import annotations

from hashlib import md5, sha256
from pathlib import Path

import pytest
from support.sites import Silent

from mirror.archive import Archive
from mirror.config import DestinationSettings
from mirror.destinations import Destination
from mirror.engine import Serial
from mirror.manifest import Manifest
from mirror.model import OCTETS, Asset, Blob, Digest, Key, Rule
from mirror.pipeline.progress import FindingLog
from mirror.pipeline.store import StoreJob, compare_listing, settle, store_missing
from mirror.store import DirectoryStore, MemoryStore, UnreachableError
from mirror.urls.address import Address
from mirror.urls.sources import Locator

NOWHERE = Locator([])


def asset(data: bytes, key: str | None = None, alias_of: Digest | None = None) -> Asset:
    digest = Digest(sha256(data).hexdigest())
    checksum = md5(data, usedforsecurity=False).hexdigest()
    blob = Blob(digest, checksum, len(data), "image/png", 1, 1, None)
    source = Address(f"https://h.example/{digest.hex}/a.png")
    return Asset(blob, (source,), Key(key) if key else None, alias_of)


def manifest(*assets: Asset) -> Manifest:
    return Manifest({asset.digest: asset for asset in assets})


def destination(store: MemoryStore) -> Destination:
    return Destination(DestinationSettings("memory", "file:nowhere"), store)


def test_settle_gives_keys_and_moves_none():
    old, new = asset(b"old", "there.png"), asset(b"new")
    settled, findings = settle(manifest(old, new), "{sha256}{ext}", NOWHERE, ())
    assert findings == []
    assert settled.assets[old.digest].key == "there.png"
    assert settled.assets[new.digest].key == f"{new.digest}.png"


def test_settle_names_a_clash_and_stores_a_repeat_whose_canonical_has_no_key():
    first, second = sorted([asset(b"1"), asset(b"2")], key=lambda entry: entry.digest)
    repeat = asset(b"3", "kept.png", alias_of=second.digest)
    settled, findings = settle(manifest(first, second, repeat), "{name}", NOWHERE, ())
    assert [finding.rule for finding in findings] == [Rule.KEY_TAKEN]
    assert settled.assets[first.digest].key == "a.png"
    assert settled.assets[second.digest].key is None
    assert settled.assets[repeat.digest].alias_of is None


def test_a_listing_is_compared_key_by_key():
    store = MemoryStore("memory")
    equal, other, missing = asset(b"equal", "e"), asset(b"other", "o"), asset(b"missing", "m")
    store.put(Key("e"), b"equal", OCTETS)
    store.put(Key("o"), b"OTHER", OCTETS)
    listing = {info.key: info for info in store.list()}
    lacking, faulty = compare_listing(manifest(equal, other, missing), listing, destination(store))
    assert lacking == [missing]
    assert [(key, entry, finding.rule) for key, (entry, finding) in faulty.items()] == [
        ("o", other, Rule.OBJECT_DIFFERENT)
    ]
    assert [finding.subject for _, finding in faulty.values()] == ["o"]


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(DirectoryStore("archive", tmp_path / "archive"))


def test_objects_come_from_the_archive_and_one_that_is_not_there_is_named(archive):
    store, kept, lost = MemoryStore("memory"), asset(b"kept", "k"), asset(b"lost", "l")
    archive.put(kept.blob, b"kept")
    findings = FindingLog(lambda finding: None)
    job = StoreJob(archive, NOWHERE, store)
    stored = store_missing(destination(store), [lost, kept], job, Serial(), findings, Silent())
    assert stored == [kept]
    assert store.get(Key("k")) == b"kept"
    assert [(finding.rule, finding.subject) for finding in findings] == [(Rule.NOT_STORED, "l")]


class Down(MemoryStore):
    """Cannot be reached."""

    uploads = 0

    def put(self, *arguments, **options):
        self.uploads += 1
        raise UnreachableError("memory: nobody is there")


def test_a_destination_that_is_down_is_one_finding(archive):
    assets = [asset(data, data.decode()) for data in (b"a", b"b", b"c", b"d")]
    for entry in assets:
        archive.put(entry.blob, entry.key.encode())
    store, findings = Down("memory"), FindingLog(lambda finding: None)
    job = StoreJob(archive, NOWHERE, store)
    assert store_missing(destination(store), assets, job, Serial(), findings, Silent()) == []
    assert store.uploads == 3
    (finding,) = findings
    assert finding.rule is Rule.DESTINATION_UNREACHABLE
    assert "4 objects were not stored there" in finding.message


class Choosy(MemoryStore):
    """Refuses some objects alone, as servers that keep objects as files may."""

    def put(self, key, *arguments, **options):
        if key in ("b", "c", "e"):
            raise UnreachableError("memory: PutObject was answered 500")
        super().put(key, *arguments, **options)


def test_objects_that_are_refused_alone_stop_no_other(archive):
    assets = [asset(data, data.decode()) for data in (b"a", b"b", b"c", b"d", b"e")]
    for entry in assets:
        archive.put(entry.blob, entry.key.encode())
    store, findings = Choosy("memory"), FindingLog(lambda finding: None)
    job = StoreJob(archive, NOWHERE, store)
    stored = store_missing(destination(store), assets, job, Serial(), findings, Silent())
    assert [entry.key for entry in stored] == ["a", "d"]
    assert [(finding.rule, finding.subject) for finding in findings] == [
        (Rule.NOT_STORED, "b"), (Rule.NOT_STORED, "c"), (Rule.NOT_STORED, "e"),
    ]  # fmt: skip
