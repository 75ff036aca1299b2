"""Most lines are read in a quick way, which must never differ from the careful one."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mirror import manifest
from mirror.manifest import (
    HEADER,
    Manifest,
    ManifestError,
    UnusualError,
    lines,
    loads,
    packed,
    parse,
    whole,
)
from mirror.model import EXTENSIONS, Asset

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


def carefully(line: str) -> Asset | str:
    try:
        return lines._parse_asset(2, lines._load_object(2, line))
    except ManifestError as error:
        return str(error)


def either_way(line: str) -> Asset | str | None:
    """What the readers of whole manifests see."""
    try:
        found = [asset for _, asset in parse([json.dumps(HEADER), line])]
    except ManifestError as error:
        return str(error)
    return found[0] if found else None


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 10),
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
@example(json.dumps(usual(key="图/片.png")))
@example(json.dumps(usual(), separators=(",", ":")))
def test_the_quick_way_accepts_what_the_careful_one_does_and_gives_the_same(line: str) -> None:
    line = line.replace("\n", " ")
    expected = carefully(line)
    quick = lines._read_usual(line)
    if quick is not None:
        asset = lines._usual_asset(quick)
        assert asset == expected
        assert repr(asset) == repr(expected)  # 1, 1.0 and True are equal too
        assert packed._row_of(asset) == (asset.key, int(quick[3]), quick[0])
    assert either_way(line) == (expected if line.strip() else None)


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
def test_what_sync_writes_is_read_in_the_quick_way(changes: dict[str, Any]) -> None:
    line = text_of(usual(**changes))
    quick = lines._read_usual(line)
    assert quick is not None
    assert lines._dump(lines._usual_asset(quick)) == line


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


@settings(max_examples=200, deadline=None)
@given(together())
def test_lines_are_held_against_each_other_in_the_same_way(text: str) -> None:
    expected = outcome(whole._loads_any, text)
    assert outcome(loads, text) == expected
    try:
        objects = manifest.load_objects(text.split("\n"))
        assets = objects.assets
    except (ManifestError, UnusualError):
        return  # whoever asks goes to `loads` then
    assert isinstance(expected, Manifest)
    assert dict(objects) == dict(expected.objects)
    assert assets == len(expected.assets)
