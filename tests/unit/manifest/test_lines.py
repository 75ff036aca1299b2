"""Lines are read as a plain reader of JSON would read them, member by member."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mirror.manifest import (
    HEADER,
    LateKeyError,
    Manifest,
    ManifestError,
    dumps,
    is_address,
    is_safe_key,
    load_objects,
    loads,
    parse,
)
from mirror.manifest.conflicts import unite_lines
from mirror.model import EXTENSIONS, Asset, Blob, Digest, Fingerprint, Key
from mirror.urls.address import Address, canonical, identity

DIGEST = "ab" * 32


def usual(**changes: Any) -> dict[str, Any]:
    """The members of a line; `...` stands for a member that is not there."""
    members: dict[str, Any] = {
        "sha256": DIGEST,
        "md5": "cd" * 16,
        "size": 3,
        "media_type": "image/png",
        "width": 1280,
        "height": None,
        "fingerprint": "0f" * 32,
        "key": f"ab/{DIGEST}.png",
        "alias_of": "ef" * 32,
        "sources": ["https://h.example/a.png"],
    }
    return {name: value for name, value in (members | changes).items() if value is not ...}


def text_of(members: dict[str, Any]) -> str:
    return json.dumps(members, ensure_ascii=False)


def spelled_now(urls: Any) -> list[str] | None:
    """The addresses of a line; those of another version are read as they are spelled now."""
    if not isinstance(urls, list) or all(map(is_address, urls)):
        return urls if isinstance(urls, list) else None
    spelled: dict[str, str] = {}
    for url in urls:
        address = canonical(url) if isinstance(url, str) else None
        if address is None:
            return None
        spelled.setdefault(identity(address), address)
    return [*spelled.values()]


def plainly(line: str) -> Asset | None:
    """The oracle: what the line says when `json` reads it; `None` for a line that is wrong."""
    try:
        raw = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(raw, dict) or not raw.keys() <= usual().keys():
        return None
    if not usual(key=..., alias_of=...).keys() <= raw.keys():
        return None
    numbers = [raw["size"], *(raw[name] for name in ("width", "height") if raw[name] is not None)]
    if not all(type(number) is int for number in numbers):
        return None
    if not 0 <= numbers[0] < 2**63 or not all(1 <= n < 2**31 for n in numbers[1:]):
        return None
    if raw["media_type"] not in list(EXTENSIONS):
        return None
    if not isinstance(raw["md5"], str) or not re.fullmatch(r"[0-9a-f]{32}", raw["md5"]):
        return None
    sources = spelled_now(raw["sources"])
    if sources is None:
        return None
    key, alias, fingerprint = raw.get("key"), raw.get("alias_of"), raw["fingerprint"]
    if key is not None and (not isinstance(key, str) or not is_safe_key(key)):
        return None
    try:
        blob = Blob(
            Digest.parse(raw["sha256"]),
            raw["md5"],
            raw["size"],
            raw["media_type"],
            raw["width"],
            raw["height"],
            Fingerprint(int(Digest.parse(fingerprint).hex, 16))
            if fingerprint is not None
            else None,
        )
        return Asset(
            blob,
            tuple(map(Address, sources)),
            Key(key) if key is not None else None,
            Digest.parse(alias) if alias is not None else None,
        )
    except ValueError:
        return None


def read(line: str) -> Asset | str | None:
    """What the readers of whole manifests see."""
    try:
        assets = [asset for _, asset in parse([json.dumps(HEADER), line])]
    except ManifestError as error:
        return str(error)
    return assets[0] if assets else None


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 10),
    st.integers(2**31 - 2, 2**31 + 1),
    st.integers(2**63 - 2, 2**64),
    st.sampled_from([10**17, 10**18, 10**18 - 1, 10**40, 1.0, 1e3, float("nan"), float("inf")]),
    st.sampled_from([DIGEST, DIGEST.upper(), DIGEST[:-2] + " a", "0x" + DIGEST[2:], "ａ" * 64]),
    st.sampled_from(["cd" * 16, " " * 32, "_" * 64, *EXTENSIONS, "image/PNG", "null", ""]),
    st.sampled_from([[], [""], ["https://h.example/a.png", "http://h.example/b.png"], {}]),
    st.sampled_from(
        r"https://h.example/../a HTTPS://h.example/a https://h.example/\ //h.example/a a.png "
        r"https://h.example/a?sign=1 https://h.example/%zz https://h.example/?b=1 http://h.example/b"
        "".split()
    ).map(lambda url: [url]),
    st.just(['https://h.example/", "https://h.example/a.png']),
    st.sampled_from(r"a /a a/ a//b . .. a/.. ../a .a a/.b/c a\b 图/片.png".split()),
    st.sampled_from(
        'a\u2028b|a\x7fb|a\nb|a\x00b|\ud800|a\x85b|a b|a"b|\ufeffa|\U0001f600'.split("|")
    ),
    st.text(max_size=5),
    st.lists(st.text(max_size=5), max_size=2),
)
LINES = st.fixed_dictionaries({}, optional=dict.fromkeys([*usual(), "extra"], VALUES)).map(
    lambda changes: text_of(usual(**changes))
)
# What is pushed into a line as it is: JSON's own grammar, and what merges and editors leave.
SNIPPETS = st.sampled_from(
    r'" \ , : { } [ ] / // . null NaN - -0 0 1 e3 .0 00 ab AB é \u0041 \ud800 <<<<<<<'.split()
) | st.sampled_from(
    [
        " ",
        ", ",
        "\t",
        "\r",
        "\x00",
        "\x1f",
        "\ufeff",
        "\ud800",
        '"size": 4, ',
        ', "key": "b"',
        "=======",
    ]
)


@st.composite
def mangled(draw: st.DrawFn) -> str:
    """A line in which parts were cut, doubled and replaced."""
    line = draw(LINES)
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(line)))
        stop = min(len(line), start + draw(st.integers(0, 4)))
        line = line[:start] + draw(SNIPPETS | st.just("")) + line[stop:]
    return line


@settings(max_examples=400, deadline=None)
@given(LINES | mangled())
@example("")
@example("   ")
@example("null")
@example("[" * 10**5)
@example("\ufeff" + text_of(usual()))
@example(text_of(usual()) + "\r")
@example(text_of(usual()) + " ")
@example(text_of(usual()).replace('"size": 3', '"size": 3, "size": 4'))
@example(text_of(usual()).replace('"size": 3', '"size": 03'))
@example(text_of(usual()).replace('"size": 3', '"size": -0'))
@example(text_of(usual()).replace('"size": 3', '"size": ٣'))
@example(text_of(usual()).replace("}", ', "sources": ["https://h.example/b.png"]}'))
@example(text_of(usual(sources=["https://h.example/a.png"] * 2)))
@example(text_of(usual(sources=["HTTPS://h.example/a.png", 'https://h.example/", "a.png'])))
@example(text_of(usual(height=2**64)))
@example(json.dumps(usual(key="图/片.png")))
@example(json.dumps(usual(), separators=(",", ":")))
def test_a_line_is_accepted_if_the_oracle_accepts_it_and_gives_the_same(line: str) -> None:
    line = line.replace("\n", " ")
    asset, expected = read(line), plainly(line)
    if expected is None:
        message = asset
        assert message is None if not line.strip() else str(message).startswith("line 2: ")
        return
    assert asset == expected
    assert repr(asset) == repr(expected)  # 1, 1.0 and True are equal too
    alone = [json.dumps(HEADER), text_of(json.loads(line) | {"alias_of": None})]
    facts = load_objects(lambda: alone)
    assert [(o.key, o.size, o.md5, o.digest) for o in facts.values()] == [
        (expected.key, expected.blob.size, expected.blob.md5, expected.digest)
    ] * (expected.key is not None)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"alias_of": ...},
        {"key": ...},
        {"width": None, "fingerprint": None, "media_type": "image/svg+xml"},
        {"sources": []},
        {"sources": ["https://h.example/a.png", "https://h.example/b%20c.png?x=1"]},
        {"key": "图 片/a.b/…\u2028.png"},
    ],
)
def test_what_sync_writes_is_read_and_written_again(changes: dict[str, Any]) -> None:
    line = text_of(usual(**changes))
    ((_, asset),) = parse([json.dumps(HEADER), line])
    assert dumps(Manifest({asset.digest: asset})).split("\n")[1] == line


DIGESTS = [f"{number:064x}" for number in range(4)]


@st.composite
def together(draw: st.DrawFn) -> str:
    """A manifest whose lines are right, each by itself, and perhaps not together."""
    some = st.sampled_from(DIGESTS)
    lines = [
        usual(
            sha256=draw(some),
            key=draw(st.sampled_from(["a", "b", "c", "d", ...])),
            alias_of=draw(some | st.just(...)),
            sources=draw(
                st.lists(st.sampled_from([f"https://h.example/{n}" for n in range(9)]), max_size=2)
            ),
        )
        for _ in range(draw(st.integers(0, 4)))
    ]
    if draw(st.booleans()):
        lines.sort(key=lambda members: members["sha256"])
    between = st.sampled_from(
        ["\n", "\n", "\n", "\r\n", "\n\n", "\n \n", "\n=======\n", "\ufeff\n"]
    )
    text = "".join(text_of(members) + draw(between) for members in lines)
    return draw(st.sampled_from(["", "", "", "\ufeff", "\n"])) + json.dumps(HEADER) + "\n" + text


def outcome(read: Any, text: str) -> Manifest | str:
    try:
        return read(text)
    except ManifestError as error:
        return str(error)


def load_precisely(text: str) -> Manifest:
    """The oracle: every line compared with those before it, by what it says and not by a hash."""
    assets = list(parse(text.split("\n")))
    return Manifest(unite_lines(assets))


@settings(max_examples=200, deadline=None)
@given(together())
def test_lines_are_held_against_each_other_in_the_same_way(text: str) -> None:
    expected = outcome(load_precisely, text)
    assert outcome(loads, text) == expected
    objects = load_objects(lambda: text.split("\n"))
    if isinstance(expected, Manifest) and len(expected.assets) < len(list(parse(text.split("\n")))):
        with pytest.raises(LateKeyError):  # two lines are about the same bytes
            len(objects)
        return
    if isinstance(expected, str):
        assert outcome(lambda _: objects.asset_count, text) == expected
        return
    assert objects.asset_count == len(expected.assets)
    assert dict(objects) == dict(expected.objects)
