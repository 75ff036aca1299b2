"""The record of blobs and sources in the manifest."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from mirror.manifest import Manifest
from mirror.model import Asset, Blob, Digest, Key
from mirror.pipeline.sync import adopt
from mirror.urls.address import Address


def blob(number: int) -> Blob:
    digest = f"{number:064x}"
    return Blob(Digest(digest), digest[:32], number, "image/png", 1, 1, None)


addresses = st.integers(0, 5).map(lambda n: Address(f"https://h.example/{n}.png"))


@given(st.lists(st.tuples(addresses, st.integers(1, 4).map(blob)), max_size=12))
def test_adopting_keeps_every_line_and_gives_each_source_one_asset(found):
    settled = Asset(blob(9), (Address("https://h.example/0.png"),), Key("k"))
    manifest = adopt(Manifest({settled.digest: settled}), found)
    assert manifest.assets[settled.digest].key == "k"
    assert {item.digest for _, item in found} <= set(manifest.assets)
    listed = [url for asset in manifest.assets.values() for url in asset.sources]
    assert len(listed) == len(set(listed))
    last = dict(found)
    for url, item in last.items():
        assert manifest.find(url) == replace(manifest.assets[item.digest])
