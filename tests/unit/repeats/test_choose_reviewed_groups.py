"""Reviews of pictures that stand for others."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st
from support.pairs import choose

from mirror.model import Asset, Blob, Digest, Fingerprint, Key
from mirror.repeats.choose import judge_waves
from mirror.repeats.evidence import Pair
from mirror.repeats.reviews import Reviews


def picture(number: int, pixels: int) -> Blob:
    digest = Digest(f"{number:064x}")
    return Blob(digest, "0" * 32, 1, "image/png", pixels, 1, Fingerprint(0))


@st.composite
def reviewed(draw: st.DrawFn) -> tuple[list[Asset], Reviews]:
    """Pictures of which some are shown as better ones, and what a person said of some pairs."""
    blobs = [picture(n, draw(st.integers(1, 3))) for n in range(draw(st.integers(2, 7)))]
    assets = {blob.digest: Asset(blob, key=Key(blob.digest.hex)) for blob in blobs}
    for blob in blobs:
        better = [
            one.digest
            for one in blobs
            if one.pixels >= blob.pixels and one != blob and assets[one.digest].alias_of is None
        ]
        is_kept = any(asset.alias_of == blob.digest for asset in assets.values())
        if better and not is_kept and draw(st.booleans()):
            alias = draw(st.sampled_from(better))
            assets[blob.digest] = Asset(blob, key=Key(blob.digest.hex), alias_of=alias)
    pairs = [Pair.of(a.digest, b.digest) for a, b in combinations(blobs, 2)]
    merged = draw(st.sets(st.sampled_from(pairs), max_size=2))
    return list(assets.values()), Reviews(merged=frozenset(merged))


@given(reviewed())
def test_a_review_never_makes_a_chain_and_never_shows_fewer_pixels(case):
    assets, reviews = case
    chosen = judge_waves(choose([], [], settled=assets, reviews=reviews), lambda asked: 1 / 0)
    pixels = {asset.digest: asset.blob.pixels for asset in assets}
    before = {asset.digest: asset.alias_of or asset.digest for asset in assets}
    for digest, kept in chosen.items():
        assert chosen[kept] == kept
        assert pixels[kept] >= pixels[digest]
    for pair in reviews.merged:
        assert chosen[pair.first] == chosen[pair.second]
    for one, other in combinations(before, 2):
        if before[one] == before[other]:
            assert chosen[one] == chosen[other]
    settled = [
        Asset(one.blob, key=one.key, alias_of=None if kept == one.digest else kept)
        for one in assets
        if (kept := chosen[one.digest])
    ]
    assert (
        judge_waves(choose([], [], settled=settled, reviews=reviews), lambda asked: 1 / 0) == chosen
    )
