"""The choice of the picture that stands for others."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.growth import assert_linear
from support.pairs import choose, sha
from support.reviews import merging

from mirror.model import Asset, Blob, Digest, Fingerprint, Key
from mirror.repeats.choose import judge_waves, plausible
from mirror.repeats.evidence import Candidate, Evidence, Mode, Pair, Refusal, Tier
from mirror.repeats.reviews import Reviews


def blob(
    name: str | int,
    width: int = 1280,
    height: int = 720,
    media_type: str = "image/png",
    size: int = 1000,
    bits: int = 0,
) -> Blob:
    fingerprint = Fingerprint(bits)
    return Blob(sha(name), "0" * 32, size, media_type, width, height, fingerprint)


def stored(picture: Blob, alias_of: Blob | None = None, *, key: bool = True) -> Asset:
    return Asset(
        picture,
        key=Key(f"{picture.digest}.png") if key else None,
        alias_of=None if alias_of is None else alias_of.digest,
    )


def near(*pictures: Blob) -> list[Candidate]:
    return [
        Candidate(Pair.of(a.digest, b.digest), 4)
        for a, b in combinations(pictures, 2)
        if a.digest != b.digest
    ]


@dataclass
class Judge:
    """Says of each pair what `same` says, and remembers what it was asked."""

    same: Callable[[Pair], bool]
    tier: Tier = Tier.REPRODUCED

    def __post_init__(self) -> None:
        self.asked: list[Pair] = []

    def __call__(self, proposals: Sequence[Candidate]) -> list[Evidence]:
        self.asked += [proposal.pair for proposal in proposals]
        return [
            Evidence(p.pair, p.distance, tier=self.tier)
            if self.same(p.pair)
            else Evidence(p.pair, p.distance, refusal=Refusal.PIXELS)
            for p in proposals
        ]


def everything(_: Pair) -> bool:
    return True


def only(*pairs: tuple[Blob, Blob]) -> Callable[[Pair], bool]:
    allowed = {Pair.of(a.digest, b.digest) for a, b in pairs}
    return lambda pair: pair in allowed


BIG = blob("big", 2560, 1440)
SLIDE = blob("slide")
JPEG = blob("jpeg", media_type="image/jpeg", size=400)
SMALL = blob("small", 640, 360)


def test_importing_dedupe_loads_no_third_party():
    heavy = {"numpy", "PIL", "imagehash", "scipy", "boto3", "httpx"}
    code = f"import sys, mirror.repeats.choose; print({heavy} & set(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "set()\n"


# --- Which picture is kept ----------------------------------------------------------------------


TIFF = blob("tiff", media_type="image/tiff", size=10**7)
BIG_TIFF = blob("big tiff", 2560, 1440, media_type="image/tiff")


@pytest.mark.parametrize("other", [SLIDE, JPEG, SMALL], ids=["equal", "lossy", "smaller"])
@pytest.mark.parametrize("tiff", [TIFF, BIG_TIFF], ids=["as large", "larger"])
@pytest.mark.parametrize("tier", [Tier.PIXELS, Tier.REPRODUCED])
def test_a_tiff_stands_for_no_picture_that_browsers_show(tiff, other, tier):
    pictures = [tiff, other]
    chosen = judge_waves(choose(pictures, near(*pictures)), Judge(everything, tier))
    assert chosen[other.digest] == other.digest


def test_a_png_stands_for_an_equal_tiff_and_a_tiff_for_a_tiff():
    chosen = judge_waves(choose([TIFF, SLIDE], near(TIFF, SLIDE)), Judge(everything))
    assert chosen[TIFF.digest] == SLIDE.digest
    chosen = judge_waves(choose([TIFF, BIG_TIFF], near(TIFF, BIG_TIFF)), Judge(everything))
    assert chosen[TIFF.digest] == BIG_TIFF.digest


def test_a_png_equal_to_one_that_stands_behind_a_tiff_stands_for_itself():
    before = blob("before")
    settled = [stored(BIG_TIFF), stored(before, BIG_TIFF, key=False)]
    waves = choose([SLIDE], near(SLIDE, before), settled=settled)
    chosen = judge_waves(waves, Judge(everything, Tier.PIXELS))
    assert chosen == {
        BIG_TIFF.digest: BIG_TIFF.digest,
        before.digest: BIG_TIFF.digest,
        SLIDE.digest: SLIDE.digest,
    }


def test_a_person_may_merge_a_picture_with_a_tiff():
    reviews = Reviews(merged=frozenset({Pair.of(SLIDE.digest, BIG_TIFF.digest)}))
    chosen = judge_waves(choose([SLIDE, BIG_TIFF], [], reviews=reviews), Judge(everything))
    assert chosen[SLIDE.digest] == BIG_TIFF.digest


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        pytest.param(BIG, SLIDE, id="most pixels"),
        pytest.param(BIG, replace(SLIDE, size=10**9), id="pixels before bytes"),
        pytest.param(SLIDE, JPEG, id="lossless"),
        pytest.param(SLIDE, replace(JPEG, size=10**9), id="lossless before bytes"),
        pytest.param(SLIDE, replace(SLIDE, digest=sha("a"), media_type="image/webp"), id="WebP"),
        pytest.param(replace(JPEG, digest=sha("z"), size=900), JPEG, id="larger file"),
        pytest.param(replace(SLIDE, digest=sha(1)), replace(SLIDE, digest=sha(2)), id="digest"),
    ],
)
def test_the_better_picture_is_kept(better, worse):
    for blobs in ([better, worse], [worse, better]):
        chosen = judge_waves(choose(blobs, near(*blobs)), Judge(everything))
        assert chosen == {better.digest: better.digest, worse.digest: better.digest}


def test_similarity_does_not_drift_along_a_chain():
    blobs = [SLIDE, JPEG, SMALL]
    judge = Judge(only((SLIDE, JPEG), (JPEG, SMALL)))
    chosen = judge_waves(choose(blobs, near(*blobs)), judge)
    assert chosen[JPEG.digest] == SLIDE.digest
    assert chosen[SMALL.digest] == SMALL.digest
    assert Pair.of(JPEG.digest, SMALL.digest) not in judge.asked


def test_pictures_without_a_proposal_are_never_asked_about():
    judge = Judge(everything)
    assert judge_waves(choose([SLIDE, JPEG], []), judge)[JPEG.digest] == JPEG.digest
    assert judge.asked == []


def test_a_pair_that_could_not_be_read_is_kept_apart():
    def unreadable(asked: Sequence[Candidate]) -> list[Evidence]:
        return [Evidence(p.pair, p.distance, refusal=Refusal.UNREADABLE) for p in asked]

    chosen = judge_waves(choose([SLIDE, JPEG], near(SLIDE, JPEG)), unreadable)
    assert chosen[JPEG.digest] == JPEG.digest


def test_an_answer_about_another_pair_is_a_bug_and_not_a_merge():
    wrong = Evidence(Pair.of(sha(1), sha(2)), 0, tier=Tier.REPRODUCED)
    with pytest.raises(ValueError, match="asked about"):
        judge_waves(choose([SLIDE, JPEG], near(SLIDE, JPEG)), lambda _: [wrong])


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (SLIDE, JPEG, True),
        (SLIDE, SMALL, True),
        (blob(1, 12, 12), blob(2, 12, 12), True),
        (blob(1, 12, 12), blob(2, 24, 24), False),
        (SLIDE, blob(1, 1280, 715), False),
        (SLIDE, blob(1, 640, 361), True),
        (SLIDE, replace(SLIDE, digest=sha(1), width=None, height=None), False),
    ],
)
def test_plausible_tells_by_the_sizes_alone(one, other, expected):
    assert plausible(one, other) is plausible(other, one) is expected


# --- Modes, reviews, pairs that stay apart ------------------------------------------------------


def test_mode_off_asks_nothing_and_merges_nothing():
    judge = Judge(everything)
    chosen = judge_waves(choose([SLIDE, JPEG], near(SLIDE, JPEG), mode=Mode.OFF), judge)
    assert chosen == {d: d for d in chosen}
    assert judge.asked == []


def test_mode_exact_asks_about_equal_sizes_and_fingerprints_and_takes_equal_pixels_only():
    twin = replace(SLIDE, digest=sha("twin"))
    exact = [Candidate(Pair.of(SLIDE.digest, twin.digest), 0)]
    proposed = [*exact, Candidate(Pair.of(SLIDE.digest, BIG.digest), 0), *near(SLIDE, JPEG)]
    blobs = [SLIDE, twin, BIG, JPEG]
    judge = Judge(everything, tier=Tier.PIXELS)
    chosen = judge_waves(choose(blobs, proposed, mode=Mode.EXACT), judge)
    assert judge.asked == [exact[0].pair]
    assert chosen[SLIDE.digest] == chosen[twin.digest]
    chosen = judge_waves(
        choose(blobs, proposed, mode=Mode.EXACT), Judge(everything, tier=Tier.REPRODUCED)
    )
    assert chosen == {d: d for d in chosen}


def test_pairs_kept_apart_are_not_merged_not_even_by_a_review():
    pair = Pair.of(SLIDE.digest, JPEG.digest)
    judge = Judge(everything)
    reviews = Reviews(merged=frozenset({pair}))
    chosen = judge_waves(
        choose([SLIDE, JPEG], near(SLIDE, JPEG), apart={pair}, reviews=reviews), judge
    )
    assert chosen[JPEG.digest] == JPEG.digest
    assert judge.asked == []


@pytest.mark.parametrize("mode", Mode)
def test_a_reviewed_merge_needs_no_evidence_and_keeps_the_larger(mode):
    pair = Pair.of(SMALL.digest, SLIDE.digest)
    judge = Judge(everything)
    chosen = judge_waves(
        choose([SMALL, SLIDE], [], reviews=merging(Reviews(), pair), mode=mode), judge
    )
    assert chosen[SMALL.digest] == SLIDE.digest
    assert judge.asked == []


def test_reviewed_merges_are_taken_together():
    reviews = merging(Reviews(), Pair.of(BIG.digest, SLIDE.digest))
    reviews = merging(reviews, Pair.of(SLIDE.digest, SMALL.digest))
    chosen = judge_waves(choose([BIG, SLIDE, SMALL], [], reviews=reviews), Judge(everything))
    assert set(chosen.values()) == {BIG.digest}


@pytest.mark.parametrize("alone", [SLIDE, JPEG])
def test_a_split_picture_stands_alone_on_either_side(alone):
    judge = Judge(everything)
    reviews = Reviews().splitting(alone.digest)
    chosen = judge_waves(choose([SLIDE, JPEG], near(SLIDE, JPEG), reviews=reviews), judge)
    assert chosen == {SLIDE.digest: SLIDE.digest, JPEG.digest: JPEG.digest}


# --- What is settled ----------------------------------------------------------------------------


def test_a_recorded_alias_stands_without_being_asked_about():
    judge = Judge(lambda _: False)
    settled = [stored(SLIDE), stored(JPEG, SLIDE, key=False)]
    chosen = judge_waves(choose([JPEG], near(SLIDE, JPEG), settled=settled, mode=Mode.OFF), judge)
    assert chosen[JPEG.digest] == SLIDE.digest
    assert judge.asked == []


@pytest.mark.parametrize("split", [SLIDE, JPEG])
def test_a_review_splits_a_recorded_alias(split):
    settled = [stored(SLIDE), stored(JPEG, SLIDE)]
    reviews = Reviews().splitting(split.digest)
    chosen = judge_waves(
        choose([], near(SLIDE, JPEG), settled=settled, reviews=reviews), Judge(everything)
    )
    assert chosen[JPEG.digest] == JPEG.digest


def test_a_stored_picture_gives_way_to_a_better_one_and_not_to_one_as_good():
    as_good = replace(SLIDE, digest=sha("a"), size=10**6)
    chosen = judge_waves(
        choose([as_good], near(SLIDE, as_good), settled=[stored(SLIDE)]), Judge(everything)
    )
    assert set(chosen.values()) == {SLIDE.digest}
    chosen = judge_waves(
        choose([BIG], near(SLIDE, BIG), settled=[stored(SLIDE)]), Judge(everything)
    )
    assert set(chosen.values()) == {BIG.digest}


@pytest.mark.parametrize("tier", [Tier.PIXELS, Tier.REPRODUCED])
def test_a_stored_picture_gives_way_to_no_larger_file_of_equal_pixels(tier):
    """Anything may be appended to a JPEG: a stranger's copy would bloat every post."""
    padded = replace(JPEG, digest=sha("padded"), size=10**7)
    copy = blob("copy", media_type="image/jpeg", size=300)
    pictures = (JPEG, padded, copy)
    waves = choose([padded, copy], near(*pictures), settled=[stored(JPEG)])
    chosen = judge_waves(waves, Judge(everything, tier))
    kept = JPEG if tier is Tier.PIXELS else padded
    assert chosen == {picture.digest: kept.digest for picture in pictures}


@pytest.mark.parametrize("media_type", ["image/png", "image/jpeg", "image/gif"])
def test_of_new_pictures_of_equal_pixels_the_smallest_file_stands_for_all(media_type):
    files = [blob(size, size=size, media_type=media_type) for size in (3000, 1000, 2000)]
    judge = Judge(everything, Tier.PIXELS)
    chosen = judge_waves(choose(files, near(*files)), judge)
    assert set(chosen.values()) == {files[1].digest}
    assert {Pair.of(file.digest, files[1].digest) for file in (files[0], files[2])} <= {
        *judge.asked
    }


def test_a_file_of_another_type_stands_for_no_new_picture_of_equal_pixels():
    webp = blob("webp", size=10, media_type="image/webp")
    waves = choose([SLIDE, webp], near(SLIDE, webp))
    chosen = judge_waves(waves, Judge(everything, Tier.PIXELS))
    assert set(chosen.values()) == {SLIDE.digest}


def test_a_smaller_file_stands_for_no_group_with_a_picture_that_it_was_not_compared_with():
    large = blob("large", size=3000)
    judge = Judge(only((large, SLIDE), (large, JPEG)), Tier.PIXELS)
    chosen = judge_waves(choose([large, SLIDE, JPEG], near(large, SLIDE, JPEG)), judge)
    assert set(chosen.values()) == {large.digest}


def test_a_tiff_that_is_stored_gives_way_to_a_picture_of_equal_pixels_that_browsers_show():
    waves = choose([SLIDE], near(TIFF, SLIDE), settled=[stored(TIFF)])
    chosen = judge_waves(waves, Judge(everything, Tier.PIXELS))
    assert set(chosen.values()) == {SLIDE.digest}


@pytest.mark.parametrize("follows", [True, False])
def test_aliases_follow_to_a_better_picture_only_on_their_own_evidence(follows):
    settled = [stored(SLIDE), stored(JPEG, SLIDE, key=False)]
    pairs = [(BIG, SLIDE), (BIG, JPEG)] if follows else [(BIG, SLIDE)]
    judge = Judge(only(*pairs))
    chosen = judge_waves(choose([BIG], near(BIG, SLIDE), settled=settled), judge)
    assert chosen[SLIDE.digest] == BIG.digest
    assert chosen[JPEG.digest] == (BIG.digest if follows else SLIDE.digest)
    assert Pair.of(BIG.digest, JPEG.digest) in judge.asked


def test_running_again_on_what_was_recorded_changes_nothing():
    judge = Judge(only((BIG, SLIDE)))
    settled = [stored(SLIDE), stored(JPEG, SLIDE, key=False)]
    first = judge_waves(choose([BIG], near(BIG, SLIDE, JPEG), settled=settled), judge)
    recorded = [stored(BIG), stored(SLIDE, BIG), stored(JPEG, SLIDE, key=False)]
    assert judge_waves(choose([], near(BIG, SLIDE, JPEG), settled=recorded), judge) == first


def test_an_alias_of_an_unknown_picture_is_free_again():
    chosen = judge_waves(choose([], [], settled=[stored(JPEG, SLIDE)]), Judge(everything))
    assert chosen == {JPEG.digest: JPEG.digest}


# --- Families -----------------------------------------------------------------------------------

TWICE = blob("twice", 2560, 1440)


def made(pairs: dict[tuple[Blob, Blob], Blob | None], statistics: tuple[float, ...] = (1.0,)):
    """Return a judge: each pair with the picture that the other one was made from."""
    origins = {Pair.of(a.digest, b.digest): origin for (a, b), origin in pairs.items()}

    def judge(candidates: Sequence[Candidate]) -> list[Evidence]:
        return [
            Evidence(
                candidate.pair,
                candidate.distance,
                tier=Tier.REPRODUCED,
                statistics=statistics,
                origin=origin.digest if (origin := origins[candidate.pair]) else None,
            )
            if candidate.pair in origins
            else Evidence(candidate.pair, candidate.distance, refusal=Refusal.PIXELS)
            for candidate in candidates
        ]

    return judge


def test_copies_of_one_origin_are_one_group():
    """The enlargement stands for the slide, and so for the JPEG of the slide."""
    judge = made({(TWICE, SLIDE): SLIDE, (SLIDE, JPEG): SLIDE})
    chosen = judge_waves(choose([TWICE, SLIDE, JPEG], near(TWICE, SLIDE, JPEG)), judge)
    assert set(chosen.values()) == {TWICE.digest}
    settled = [stored(SLIDE), stored(JPEG, SLIDE, key=False)]
    later = judge_waves(choose([TWICE], near(TWICE, SLIDE, JPEG), settled=settled), judge)
    assert later == chosen


def test_a_copy_is_compared_with_its_origin_and_not_with_the_enlargement():
    asked: list[Candidate] = []
    judge = made({(TWICE, SLIDE): SLIDE, (SLIDE, JPEG): SLIDE})
    waves = choose([TWICE, SLIDE, JPEG], near(TWICE, SLIDE, JPEG))
    judge_waves(waves, lambda wave: asked.extend(wave) or judge(wave))
    assert Pair.of(TWICE.digest, JPEG.digest) not in {candidate.pair for candidate in asked}


def test_an_origin_stands_behind_the_best_of_what_was_made_from_it():
    larger = blob("larger", 1920, 1080, "image/jpeg")
    blobs = [TWICE, larger, SLIDE, JPEG]
    made_from_slide = {(TWICE, SLIDE): SLIDE, (larger, SLIDE): SLIDE, (SLIDE, JPEG): SLIDE}
    for statistics in ((0.0,), (1.0,)):
        chosen = judge_waves(choose(blobs, near(*blobs)), made(made_from_slide, statistics))
        assert chosen[SLIDE.digest] == chosen[JPEG.digest] == TWICE.digest
        assert chosen[larger.digest] == larger.digest
    doubtful = made_from_slide | {(larger, SLIDE): larger}
    chosen = judge_waves(choose(blobs, near(*blobs)), made(doubtful))
    assert chosen[SLIDE.digest] == SLIDE.digest


def test_a_merge_by_a_person_comes_before_equal_pixels():
    twin = replace(SLIDE, digest=sha("twin"), size=900)
    reviews = merging(Reviews(), Pair.of(TWICE.digest, twin.digest))
    judge = Judge(only((SLIDE, twin)), tier=Tier.PIXELS)
    chosen = judge_waves(
        choose([TWICE, SLIDE, twin], near(TWICE, SLIDE, twin), reviews=reviews), judge
    )
    assert chosen[twin.digest] == TWICE.digest


@pytest.mark.parametrize(
    "pairs",
    [
        pytest.param({(TWICE, SLIDE): TWICE, (SLIDE, JPEG): SLIDE}, id="a copy of a copy"),
        pytest.param({(TWICE, SLIDE): SLIDE, (SLIDE, JPEG): JPEG}, id="an origin of an origin"),
    ],
)
def test_a_chain_of_copies_is_no_group(pairs):
    chosen = judge_waves(choose([TWICE, SLIDE, JPEG], near(TWICE, SLIDE, JPEG)), made(pairs))
    assert chosen[JPEG.digest] == JPEG.digest
    assert chosen[SLIDE.digest] == TWICE.digest


def test_pairs_kept_apart_stay_apart_within_a_family():
    judge = made({(TWICE, SLIDE): SLIDE, (SLIDE, JPEG): SLIDE})
    apart = [Pair.of(TWICE.digest, JPEG.digest)]
    chosen = judge_waves(choose([TWICE, SLIDE, JPEG], near(TWICE, SLIDE, JPEG), apart=apart), judge)
    assert chosen[JPEG.digest] == JPEG.digest


def test_a_copy_that_two_pictures_explain_is_a_copy_of_neither():
    other = blob("page 12")
    judge = made({(SLIDE, JPEG): SLIDE, (other, JPEG): other})
    chosen = judge_waves(choose([SLIDE, other, JPEG], near(SLIDE, other, JPEG)), judge)
    assert set(chosen.values()) == {SLIDE.digest, other.digest, JPEG.digest}


def test_the_one_picture_that_explains_a_copy_to_the_last_bit_is_its_origin():
    other = blob("page 12")

    def judge(candidates: Sequence[Candidate]) -> list[Evidence]:
        exact = made({(SLIDE, JPEG): SLIDE}, (0.0,))(candidates)
        close = made({(other, JPEG): other})(candidates)
        return [a if a.same else b for a, b in zip(exact, close, strict=True)]

    chosen = judge_waves(choose([SLIDE, other, JPEG], near(SLIDE, other, JPEG)), judge)
    assert chosen[JPEG.digest] == SLIDE.digest


def test_many_pictures_that_all_look_alike_take_a_step_a_pair():
    alike = [blob(number) for number in range(300)]
    pairs = near(*alike)

    def decide(count: int) -> None:
        chosen = judge_waves(choose(alike, pairs[:count]), Judge(lambda _: False))
        assert set(chosen.values()) == {each.digest for each in alike}

    assert_linear(decide, len(pairs) // 8)


# --- Promises -----------------------------------------------------------------------------------

SIZES = st.sampled_from([(1280, 720), (1280, 720), (640, 360), (2560, 1440), (400, 225)])


@st.composite
def sites(draw: st.DrawFn) -> tuple[list[Blob], list[Candidate], set[Pair]]:
    """Some blobs, some of their pairs proposed, and the pairs that are the same picture."""
    media_types = st.sampled_from(["image/png", "image/jpeg"])
    blobs = [
        blob(n, *draw(SIZES), draw(media_types), draw(st.integers(1, 3)))
        for n in range(draw(st.integers(0, 9)))
    ]
    pairs = [Pair.of(a.digest, b.digest) for a, b in combinations(blobs, 2)]
    proposed = draw(st.sets(st.sampled_from(pairs))) if pairs else set()
    same = draw(st.sets(st.sampled_from(sorted(proposed)))) if proposed else set()
    return blobs, [Candidate(pair, 3) for pair in proposed], same


def one_by_one(
    blobs: Sequence[Blob], proposals: Sequence[Candidate], same: set[Pair]
) -> tuple[dict[Digest, Digest], set[Pair]]:
    """The rule as one plain loop: the choice, and the pairs it had to look at."""
    proposed = {proposal.pair for proposal in proposals}
    kept: list[Blob] = []
    chosen: dict[Digest, Digest] = {}
    looked: set[Pair] = set()

    def best_first(b: Blob) -> tuple[object, ...]:
        return -b.pixels, b.media_type != "image/png", -b.size, b.digest

    for picture in sorted(blobs, key=best_first):
        pairs = {candidate: Pair.of(candidate.digest, picture.digest) for candidate in kept}
        looked |= {pair for pair in pairs.values() if pair in proposed}
        matches = [candidate.digest for candidate, pair in pairs.items() if pair in same]
        if len(matches) == 1:
            chosen[picture.digest] = matches[0]
        else:
            chosen[picture.digest] = picture.digest
            kept.append(picture)
    return chosen, looked


@given(sites())
def test_waves_choose_and_ask_what_one_loop_would(site):
    blobs, proposals, same = site
    judge = Judge(lambda pair: pair in same)
    chosen = judge_waves(choose(blobs, proposals), judge)
    expected, looked = one_by_one(blobs, proposals, same)
    assert chosen == expected
    assert sorted(judge.asked) == sorted(looked)


@given(sites(), st.randoms(use_true_random=False))
def test_shuffling_the_input_changes_nothing(site, random):
    blobs, proposals, same = site
    judge = Judge(lambda pair: pair in same)
    before = judge_waves(choose(blobs, proposals), judge)
    random.shuffle(blobs)
    random.shuffle(proposals)
    assert judge_waves(choose(blobs, proposals), judge) == before


@given(sites())
def test_a_canonical_stands_for_itself_and_has_as_many_pixels(site):
    blobs, proposals, same = site
    chosen = judge_waves(choose(blobs, proposals), Judge(lambda pair: pair in same))
    pixels = {b.digest: b.pixels for b in blobs}
    assert set(chosen) == set(pixels)
    for digest, canonical in chosen.items():
        assert chosen[canonical] == canonical
        assert pixels[canonical] >= pixels[digest]
        assert digest == canonical or Pair.of(digest, canonical) in same


@given(sites())
def test_recording_a_choice_and_running_again_keeps_it(site):
    blobs, proposals, same = site
    judge = Judge(lambda pair: pair in same)
    first = judge_waves(choose(blobs, proposals), judge)
    settled = [
        Asset(b, key=Key("k"))
        if first[b.digest] == b.digest
        else Asset(b, alias_of=first[b.digest])
        for b in blobs
    ]
    assert judge_waves(choose(blobs, proposals, settled=settled), judge) == first
