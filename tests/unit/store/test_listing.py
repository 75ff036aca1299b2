"""Pages of a listing are read in a fast way, which must never differ from a parser of XML."""

from __future__ import annotations

from xml.sax.saxutils import escape

from hypothesis import example, given, settings
from hypothesis import strategies as st

from mirror.etags import md5_of_etag
from mirror.store.listing import read_fast, read_xml

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
def test_the_fast_way_reads_what_a_parser_would(page: str) -> None:
    page = page[page.find("<Contents>") : page.rfind("</Contents>") + len("</Contents>")]
    fast = read_fast(page)
    if not fast:
        return
    parsed = list(read_xml(page))
    assert [(key, size) for key, _, size in fast] == [(key, size) for key, _, size in parsed]
    assert [md5_of_etag(etag) for _, etag, _ in fast] == [
        md5_of_etag(etag) for _, etag, _ in parsed
    ]
