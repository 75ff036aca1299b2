"""Assets that are held packed, and changed beside."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from mirror.manifest import Manifest, dumps, loads
from mirror.model import Asset, Blob, Digest, Fingerprint, Key
from mirror.urls.address import Address, identity

digests = st.integers(0, 40).map(lambda number: Digest(f"{number * 7919:064x}"))


@st.composite
def assets_by_digest(draw: st.DrawFn) -> dict[Digest, Asset]:
    """Assets with sources and keys of their own; each third is a repeat of the one before."""
    assets: dict[Digest, Asset] = {}
    kept = None
    for number, digest in enumerate(sorted(draw(st.sets(digests, max_size=9)))):
        bits = draw(st.none() | st.integers(0, 2**256 - 1).map(Fingerprint))
        side = draw(st.none() | st.integers(1, 2**31 - 1))
        blob = Blob(digest, f"{number:032x}", number, "image/png", side, side, bits)
        names = [
            f"https://h.example/{number}/{place}.png" for place in range(draw(st.integers(0, 2)))
        ]
        key = draw(st.sampled_from([f"{digest.hex[:2]}/{digest}.png", f"图/{number}.png"]))
        is_repeat = kept is not None and number % 3 == 2
        assets[digest] = Asset(
            blob,
            tuple(map(Address, names)),
            None if is_repeat else Key(key),
            kept if is_repeat else None,
            tuple(Address(f"https://h.example/former/{number}") for _ in names[1:]),
        )
        kept = kept if is_repeat else digest
    return assets


@given(assets_by_digest(), st.data())
def test_packed_and_changed_assets_are_what_a_dictionary_would_be(
    assets: dict[Digest, Asset], data: st.DataObject
) -> None:
    packed = loads(dumps(Manifest(assets)))
    chosen = data.draw(st.sets(st.sampled_from(sorted(assets)))) if assets else set()
    changed = {
        digest: replace(
            assets[digest],
            sources=(Address(f"https://new.example/{digest}"),),
            key=Key(f"new/{digest}.png") if assets[digest].key is not None else None,
        )
        for digest in chosen
    }
    new = Digest("f" * 64)
    blob = Blob(new, "0" * 32, 1, "image/png", 1, 1, None)
    changed[new] = Asset(blob, (Address("https://new.example/f"),), Key("f.png"))
    after, expected = packed.replacing(changed), assets | changed

    assert packed.assets == assets
    assert after.assets == expected
    assert list(after.assets) == list(expected)
    assert list(after.assets.in_order()) == [expected[digest] for digest in sorted(expected)]
    by_source = {identity(url): a for a in expected.values() for url in a.sources}
    assert dict(after.by_source) == by_source
    assert dict(after.by_key) == {a.key: a for a in expected.values() if a.key is not None}
    former = [url for a in assets.values() for url in a.sources]
    for url in former:
        assert after.find(url) == by_source.get(identity(url))
        assert (identity(url) in after.by_source) is (identity(url) in by_source)
    assert list(after.assets.repeats()) == [a for a in expected.values() if a.alias_of]
    assert [a.digest for a in after.assets.added_to(packed.assets)] == [new]
    assert [a.digest for a in after.assets.added_to(Manifest(assets).assets)] == [new]
    assert dumps(after) == dumps(Manifest(expected))


def test_a_digest_that_is_none_has_no_asset() -> None:
    assert Digest("no digest") not in loads(dumps(Manifest())).assets
