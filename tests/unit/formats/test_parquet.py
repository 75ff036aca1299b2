"""The manifest as a Parquet file."""

from __future__ import annotations

from io import BytesIO

from pyarrow import parquet

from mirror.formats.parquet import SCHEMA, parquet_pieces
from mirror.model import Asset, Blob, Digest, Fingerprint, Key
from mirror.urls.address import Address

BARE = Asset(Blob(Digest("a" * 64), "b" * 32, 2**40, "image/svg+xml", None, None, None), ())
FULL = Asset(
    Blob(Digest("c" * 64), "d" * 32, 7, "image/png", 3, 4, Fingerprint(5)),
    (Address("https://host.example/2.png"), Address("https://host.example/1.png")),
    Key("cc/c.png"),
    Digest("a" * 64),
    (Address("https://host.example/0.png"),),
)


def read(assets: list[Asset]) -> list[dict[str, object]]:
    table = parquet.read_table(BytesIO(b"".join(parquet_pieces(assets))))
    assert table.schema.equals(SCHEMA)
    return table.to_pylist()


def test_a_row_has_the_members_of_a_line() -> None:
    bare, full = read([BARE, FULL])
    assert {name for name, value in bare.items() if value is None} == {
        "width",
        "height",
        "fingerprint",
        "key",
        "alias_of",
    }
    assert (bare["size"], bare["media_type"], bare["sources"]) == (2**40, "image/svg+xml", [])
    assert full == {
        "sha256": b"\xcc" * 32,
        "md5": b"\xdd" * 16,
        "size": 7,
        "media_type": "image/png",
        "width": 3,
        "height": 4,
        "fingerprint": bytes(31) + b"\x05",
        "key": "cc/c.png",
        "alias_of": b"\xaa" * 32,
        "sources": ["https://host.example/1.png", "https://host.example/2.png"],
        "former_sources": ["https://host.example/0.png"],
    }


def test_no_rows_are_a_file_too() -> None:
    assert read([]) == []


def test_equal_assets_are_equal_bytes() -> None:
    assert list(parquet_pieces([BARE, FULL])) == list(parquet_pieces([BARE, FULL]))
