"""Pages of a listing are read in a quick way, which must never differ from a parser of XML."""

from __future__ import annotations

from xml.sax.saxutils import escape

import pytest
from conftest import use
from hypothesis import example, given, settings
from hypothesis import strategies as st
from servers import Servers

from mirror.store import s3
from mirror.store.s3 import S3Store

MD5 = "5d41402abc4b2a76b9719d911017c592"
KEYS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=5).map(escape)
OTHERS = [
    "<LastModified>2024-01-01T00:00:00.000Z</LastModified>",
    "<StorageClass>STANDARD</StorageClass>",
    "<Owner><ID>1</ID><DisplayName>Key</DisplayName></Owner>",
    "<Owner>\n <ID></ID>\n</Owner>",
    "<Owner/>",
    "<KeyMarker>k</KeyMarker>",
    "<UserMetadata><Items><Key>X-Amz</Key></Items></UserMetadata>",
    "<!-- <Key>no</Key> -->",
    "<Note><![CDATA[</Note><Key>no</Key>]]></Note>",
    "<Note>a &amp; b</Note>",
    '<Key lang="en">attribute</Key>',
    "<Key>first</Key>",
    "<Size>first</Size>",
]


@st.composite
def contents(draw: st.DrawFn) -> str:
    etag = draw(st.sampled_from([MD5, f'"{MD5}"', f"&quot;{MD5}&quot;", f"&#34;{MD5}-2&#34;"]))
    members = [
        f"<Key>{draw(KEYS)}</Key>",
        f"<ETag>{etag}</ETag>",
        f"<Size>{draw(st.integers(0, 10**13))}</Size>",
        *draw(st.lists(st.sampled_from(OTHERS), max_size=2)),
    ]
    kept = draw(st.permutations(members))[: draw(st.integers(2, 5))]
    space = draw(st.sampled_from(["", "\n  ", "\r\n"]))
    return f"<Contents>{space}{space.join(kept)}{space}</Contents>"


@st.composite
def pages(draw: st.DrawFn) -> str:
    page = "".join(draw(st.lists(contents(), max_size=3)))
    if draw(st.booleans()):  # as damaged on the way
        start = draw(st.integers(0, len(page)))
        page = page[:start] + page[start + draw(st.integers(1, 9)) :]
    return page


@settings(max_examples=400, deadline=None)
@given(pages())
@example(f"<Contents><Key>a</Key><ETag>{MD5}</ETag><Size>3</Size></Contents>" * 2)
def test_the_quick_way_reads_what_a_parser_would(page: str) -> None:
    page = page[page.find("<Contents>") : page.rfind("</Contents>") + len("</Contents>")]
    quick = s3._flat_contents(page)
    if not quick:
        return
    parsed = list(s3._any_contents(page))
    assert [(key, size) for key, _, size in quick] == [(key, size) for key, _, size in parsed]
    assert [s3._md5(etag) for _, etag, _ in quick] == [s3._md5(etag) for _, etag, _ in parsed]


@pytest.mark.parametrize("name", ["rclone", "moto"])
def test_what_servers_write_is_read_in_the_quick_way(
    servers: Servers, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    store = use(servers[name], monkeypatch).store()
    assert isinstance(store, S3Store)
    for key in ("a.png", "图/片 &.png"):
        store.put(s3.Key(key), key.encode())
    page = store._page("", {})
    assert len(s3._flat_contents(page._reply["ContentsText"])) == 2
    assert [(key, size) for key, size, _ in page.objects()] == [
        (store._prefix + key, len(key.encode())) for key in ("a.png", "图/片 &.png")
    ]
