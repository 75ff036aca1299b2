import json
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.growth import assert_linear

from mirror.manifest import (
    HEADER,
    LateKeyError,
    Manifest,
    ManifestError,
    Object,
    Objects,
    dumps,
    load_objects,
    loads,
    select,
    with_sources,
)
from mirror.manifest.lines import read_lines
from mirror.model import EXTENSIONS, Asset, Blob, Digest, Fingerprint, Key
from mirror.urls.address import Address, identity

hexes = st.text("0123456789abcdef", min_size=64, max_size=64)
blobs = st.builds(
    Blob,
    digest=st.builds(Digest, hexes),
    md5=hexes.map(lambda text: text[:32]),
    size=st.integers(0, 2**40),
    media_type=st.sampled_from(list(EXTENSIONS)),
    width=st.none() | st.integers(1, 10**6),
    height=st.none() | st.integers(1, 10**6),
    fingerprint=st.none() | hexes.map(lambda text: Fingerprint(int(text, 16))),
)


@st.composite
def manifests(draw):
    kept = draw(st.lists(blobs, max_size=6, unique_by=lambda blob: blob.digest))
    assets = {}
    for number, blob in enumerate(kept):
        # Line separators that str.splitlines would split at must survive in a key.
        key = Key(f"{blob.digest.hex[:2]}/{blob.digest.hex}\u2028{number}.png")
        sources = tuple(Address(f"https://h.example/{number}/{n}.png") for n in range(number % 3))
        alias = kept[0].digest if number and draw(st.booleans()) else None
        assets[blob.digest] = Asset(blob, sources, key, alias)
    return Manifest(assets)


@given(manifests())
def test_what_is_written_is_read_back_and_equal_contents_are_equal_bytes(manifest):
    text = dumps(manifest)
    again = loads(text)
    assert again.assets == manifest.assets
    shuffled = Manifest(dict(reversed(list(manifest.assets.items()))))
    assert dumps(shuffled) == text


def line(**changes):
    raw = {
        "sha256": "a" * 64,
        "md5": "b" * 32,
        "size": 3,
        "media_type": "image/png",
        "width": 1,
        "height": 2,
        "fingerprint": "c" * 64,
        "key": "aa/a.png",
        "sources": ["https://h.example/a.png"],
    }
    return json.dumps({k: v for k, v in (raw | changes).items() if v is not ...})


def as_text(lines):
    return "\n".join(part if isinstance(part, str) else json.dumps(part) for part in lines)


def test_a_line_has_its_members_in_the_documented_order():
    text = (
        json.dumps(HEADER) + "\n" + line(alias_of=None, key=...).replace(', "alias_of": null', "")
    )
    assert dumps(loads(text)) == text + "\n"


WRONG = [
    pytest.param([], "line 1: expected", id="empty"),
    pytest.param(['{"format": "mirror-manifest", "version": 2}'], "line 1: expected", id="version"),
    pytest.param(
        ["\ufeff" + json.dumps(HEADER)], "line 1: starts with a byte order mark", id="mark"
    ),
    pytest.param([HEADER, "<<<<<<< HEAD"], "line 2: merge conflict marker", id="conflict"),
    pytest.param([HEADER, "not json"], "line 2: expected a JSON object", id="no json"),
    pytest.param([HEADER, "[]"], "line 2: expected a JSON object", id="no object"),
    pytest.param([HEADER, "[" * 10**5], "line 2: expected a JSON object", id="deep"),
    pytest.param(
        [HEADER, line(), line(size=7)], "line 3: a+ stands on line 2 already", id="two sizes"
    ),
    pytest.param(
        [HEADER, line(), line(sha256="d" * 64, key="k")],
        "line 3: source .* line 2",
        id="source",
    ),
    pytest.param(
        [HEADER, line(), line(sha256="d" * 64, sources=[])], "line 3: key .* line 2", id="key"
    ),
    pytest.param([HEADER, line(size="3")], "line 2: size: expected", id="size"),
    pytest.param([HEADER, line(size=2**64)], "line 2: size: expected", id="huge"),
    pytest.param([HEADER, line(width=2**31)], "line 2: width: expected", id="wide"),
    pytest.param([HEADER, line(height=2**64)], "line 2: height: expected", id="high"),
    pytest.param([HEADER, line(size=True)], "line 2: size: expected", id="bool"),
    pytest.param([HEADER, line(sha256="A" * 64)], "line 2: expected 64 lower-case", id="digest"),
    pytest.param([HEADER, line(md5=...)], "line 2: 'md5' is missing", id="missing"),
    pytest.param([HEADER, line(extra=1)], "line 2: unknown member 'extra'", id="unknown"),
    pytest.param([HEADER, line(media_type="text/html")], "line 2: media_type", id="type"),
    pytest.param([HEADER, line(key="../a.png")], "line 2: key: expected a relative", id="dots"),
    pytest.param([HEADER, line(key="/a.png")], "line 2: key: expected a relative", id="absolute"),
    pytest.param([HEADER, line(sources=["a.png"])], "line 2: sources: expected", id="no url"),
    pytest.param(
        [HEADER, line(alias_of="d" * 64)], "line 2: alias_of d+ is no line", id="dangling"
    ),
]


@pytest.mark.parametrize(("lines", "message"), WRONG)
def test_a_line_that_is_wrong_is_named_with_what_was_expected(lines, message):
    with pytest.raises(ManifestError, match=message):
        loads(as_text(lines))


@pytest.mark.parametrize(("lines", "message"), WRONG)
def test_what_destinations_should_hold_is_not_read_from_a_manifest_that_is_wrong(lines, message):
    with pytest.raises(ManifestError, match=message):
        len(load_objects(lambda: as_text(lines).split("\n")))


def test_an_address_of_another_version_is_read_as_it_is_spelled_now():
    """What is a secret now is hidden, and two spellings of one address are one."""
    old = ["https://h.example/a.png;jsessionid=AB12", "https://H.example/b", "http://h.example/b"]
    (asset,) = loads(as_text([HEADER, line(sources=old)])).assets.values()
    first, second = asset.sources
    assert second == "https://h.example/b"
    assert first.startswith("https://h.example/a.png;jsessionid=hidden-")
    with pytest.raises(ManifestError, match=r"line 2: sources: expected URLs, got 'a\.png'"):
        loads(as_text([HEADER, line(sources=["a.png"])]))


@pytest.mark.parametrize("steps", [["a"], ["b", "a"], ["c", "d", "c"]])
def test_repeats_that_lead_back_to_themselves_are_named(steps):
    """Each would show the other, and so a wrong picture."""
    ways = dict(pairwise(["a", *steps]))
    lines = [
        line(sha256=name * 64, key=name, sources=[], **alias)
        for name in "abcd"
        for alias in [{"alias_of": ways[name] * 64} if name in ways else {}]
    ]
    text = as_text([HEADER, *lines])
    with pytest.raises(ManifestError, match=r"line \d: alias_of .* leads back to this line"):
        loads(text)
    with pytest.raises(ManifestError, match=r"line \d: alias_of .* leads back to this line"):
        len(load_objects(lambda: text.split("\n")))


def test_a_repeat_of_a_repeat_is_no_circle():
    lines = [
        line(sha256="a" * 64, key="a", alias_of="b" * 64, sources=[]),
        line(sha256="b" * 64, key="b", alias_of="c" * 64, sources=[]),
        line(sha256="c" * 64, key="c", sources=[]),
    ]
    assert len(loads(as_text([HEADER, *lines])).assets) == 3


@given(manifests())
def test_what_destinations_should_hold_is_packed_in_the_order_of_keys(manifest):
    packed = manifest.objects
    expected = {
        key: Object(key, asset.blob.size, asset.blob.md5, asset.digest)
        for key, asset in manifest.by_key.items()
    }
    assert dict(packed) == expected
    assert list(packed) == sorted(expected, key=str.encode)
    assert [packed.at(number).key for number in range(len(packed))] == list(packed)
    assert "no such key" not in packed


@given(manifests())
def test_a_manifest_read_line_by_line_gives_the_same_objects(manifest):
    packed = load_objects(lambda: dumps(manifest).split("\n"))
    assert list(packed.facts()) == list(manifest.objects.facts())
    assert dict(packed) == dict(manifest.objects)
    assert packed.asset_count == len(manifest.assets)


@given(manifests(), st.data())
def test_a_part_of_a_manifest_is_chosen_line_by_line(manifest, data):
    assets = list(manifest.assets.values())
    chosen = st.lists(st.sampled_from(assets), max_size=3) if assets else st.just([])
    by_key, by_source, by_digest = (data.draw(chosen) for _ in range(3))
    keys = {asset.key for asset in by_key if asset.key is not None}
    sources = {identity(url) for asset in by_source for url in asset.sources}
    digests = {asset.digest.hex for asset in by_digest}
    read = (line for _, line in read_lines(dumps(manifest).split("\n")))
    lines = select(read, keys, sources, digests)
    assert [line.asset() for line in lines] == [
        asset
        for asset in sorted(assets, key=lambda asset: asset.digest.hex)
        if asset.key in keys
        or sources & set(map(identity, asset.sources))
        or asset.digest.hex in digests
    ]


def rows(*keys: str | None) -> list[tuple[str | None, int, bytes, int, bool]]:
    return [(key, number, b"%048d" % number, 1, key is None) for number, key in enumerate(keys)]


def numbered(count: int) -> list[str]:
    return [f"{number:06}.png" for number in range(count)]


def test_what_destinations_should_hold_is_read_as_it_is_asked_for():
    unread = iter(rows(*numbered(5000)))
    objects = Objects(unread)
    assert next(objects.facts())[0] == b"000000.png"
    assert 0 < len(list(unread)) < 5000


def test_keys_in_disorder_are_sorted_before_the_first_is_given():
    assert [key for key, *_ in Objects(rows("b", None, "a")).facts()] == [b"a", b"b"]


def test_a_key_that_comes_too_late_is_said_and_then_all_are_in_order():
    objects = Objects(rows(*numbered(3000), None, "000001.jpg"))
    with pytest.raises(LateKeyError):
        list(objects.facts())
    assert len(objects) == 3001
    assert [key for key, *_ in objects.facts()][1:3] == [b"000001.jpg", b"000001.png"]
    assert objects.asset_count == 3002


def test_two_equal_keys_are_no_mapping():
    for keys in (("a", "a"), ("b", "a", "b")):
        with pytest.raises(ValueError, match="different keys"):
            len(Objects(rows(*keys)))


def test_many_repeats_in_a_row_do_not_end_the_objects():
    objects = Objects(rows("a", *[None] * 5000, "b", *[None] * 5000))
    assert [key for key, *_ in objects.facts()] == [b"a", b"b"]
    assert objects.asset_count == 10002


def test_a_manifest_out_of_order_is_read_and_its_objects_are_sorted():
    swapped = [HEADER, line(sha256="d" * 64, key="k"), line(key="a", sources=[])]
    assert len(loads(as_text(swapped)).assets) == 2
    assert list(load_objects(lambda: as_text(swapped).split("\n"))) == ["a", "k"]


def test_a_key_that_holds_two_digests_belongs_to_one_line():
    key = f"{'a' * 64}/{'b' * 64}.png"
    lines = [HEADER, line(key=key), line(sha256="b" * 64, key=key, sources=[])]
    with pytest.raises(ManifestError, match=r"line 3: key .* is on line 2 already"):
        len(load_objects(lambda: as_text(lines).split("\n")))


def test_a_conflict_of_hashes_alone_is_no_conflict():
    """One line may name a source twice, which the packed check takes for a conflict."""
    twice = [HEADER, line(sources=["https://h.example/a.png"] * 2)]
    assert len(loads(as_text(twice)).assets) == 1
    assert len(load_objects(lambda: as_text(twice).split("\n"))) == 1


def test_sources_are_only_ever_added_and_http_is_no_second_one():
    asset = next(iter(loads(json.dumps(HEADER) + "\n" + line()).assets.values()))
    more = with_sources(
        asset, [Address("http://h.example/a.png"), Address("https://h.example/b.png")]
    )
    assert more.sources == ("https://h.example/a.png", "https://h.example/b.png")


def test_lines_of_two_branches_with_the_same_bytes_are_united():
    """What `merge=union` leaves where both branches met a picture under another address."""
    ours = line(sources=["https://h.example/a.png"])
    theirs = line(key=..., sources=["https://h.example/b.png"])
    for lines in ([HEADER, ours, theirs], [HEADER, theirs, ours], [HEADER, ours, theirs, ours]):
        (asset,) = loads(as_text(lines)).assets.values()
        assert asset.key == "aa/a.png"
        assert asset.sources == ("https://h.example/a.png", "https://h.example/b.png")


@pytest.mark.parametrize(
    "changes", [{"key": "bb/b.png"}, {"alias_of": "d" * 64}, {"width": 9}, {"md5": "d" * 32}]
)
def test_lines_that_contradict_each_other_are_not_united(changes):
    other = line(sha256="d" * 64, key="dd/d.png", sources=[])
    lines = [HEADER, line(alias_of="e" * 64), line(**changes), other]
    with pytest.raises(ManifestError, match=r"line 3: a+ stands on line 2 already"):
        loads(as_text(lines))


def test_former_sources_are_kept_and_are_no_sources():
    text = as_text([HEADER, line(sources=[], former_sources=["https://h.example/a.png"])]) + "\n"
    manifest = loads(text)
    assert dumps(manifest) == text
    assert manifest.find("https://h.example/a.png") is None
    (asset,) = manifest.assets.values()
    assert asset.origins == ("https://h.example/a.png",)
    with pytest.raises(ManifestError, match="former_sources: expected URLs"):
        loads(as_text([HEADER, line(former_sources=["a.png"])]))


@pytest.mark.parametrize("is_circle", [False, True])
def test_a_long_chain_of_aliases_is_checked_in_linear_time(is_circle):
    """Each line is an alias of the next one: a walk from each would take hours."""

    def run(count: int) -> None:
        digests = [Digest(f"{number:064x}") for number in range(count)]
        aliases = [*digests[1:], digests[0] if is_circle else None]
        blob = Blob(digests[0], "0" * 32, 1, "image/png", 1, 1, None)
        assets = {
            digest: Asset(replace(blob, digest=digest), (), Key(f"{digest}.png"), alias)
            for digest, alias in zip(digests, aliases, strict=True)
        }
        text = dumps(Manifest(assets))
        if is_circle:
            with pytest.raises(ManifestError, match="leads back to this line"):
                loads(text)
        else:
            assert len(loads(text).assets) == count

    assert_linear(run, 1_000)


def test_an_address_on_two_lines_is_told_with_the_way_out():
    other = {"sha256": "b" * 64, "key": None}
    text = as_text([HEADER, line(), line(**other)]) + "\n"
    with pytest.raises(ManifestError, match=r"line 3: source .* on line 2 already, .*take it off"):
        loads(text)
    assert len(loads(as_text([HEADER, line(), line(**other, sources=[])]) + "\n").assets) == 2
