"""The manifest as a Parquet file, for DuckDB, Polars, pandas and Spark. pyarrow writes it.

One row an asset, in the order of the manifest. Digests, MD5 and fingerprints are bytes: a file of
a million rows is a quarter of the JSON Lines.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

import pyarrow as pa
from pyarrow import parquet

from mirror.model import Asset, Digest

_ROWS_AT_ONCE = 50_000  # of a row group, which is held in memory
_DIGEST = pa.binary(32)
_URLS = pa.list_(pa.string())
SCHEMA = pa.schema(
    [
        pa.field("sha256", _DIGEST, nullable=False),
        pa.field("md5", pa.binary(16), nullable=False),
        pa.field("size", pa.int64(), nullable=False),
        pa.field("media_type", pa.dictionary(pa.int8(), pa.string()), nullable=False),
        pa.field("width", pa.int64()),
        pa.field("height", pa.int64()),
        pa.field("fingerprint", _DIGEST),
        pa.field("key", pa.string()),
        pa.field("alias_of", _DIGEST),
        pa.field("sources", _URLS, nullable=False),
        pa.field("former_sources", _URLS, nullable=False),
    ]
)
"""The members of a line of the manifest, under their names there."""


def parquet_pieces(assets: Iterable[Asset]) -> Iterator[bytes]:
    """Yield the bytes of the file. Equal assets are equal bytes with one build of pyarrow."""
    sink = _Pieces()
    rows = map(_row, assets)
    with parquet.ParquetWriter(pa.PythonFile(sink, mode="w"), SCHEMA, compression="zstd") as writer:
        while batch := list(islice(rows, _ROWS_AT_ONCE)):
            writer.write_table(pa.Table.from_pylist(batch, SCHEMA))
            yield sink.take()
    yield sink.take()


class _Pieces:
    """A file that is written and taken away piece by piece."""

    closed = False

    def __init__(self) -> None:
        self._data = bytearray()

    def write(self, data: bytes) -> int:
        self._data += data
        return len(data)

    def flush(self) -> None: ...

    def close(self) -> None: ...

    def take(self) -> bytes:
        data = bytes(self._data)
        self._data.clear()
        return data


def _row(asset: Asset) -> dict[str, object]:
    blob = asset.blob
    return {
        "sha256": _bytes(blob.digest),
        "md5": bytes.fromhex(blob.md5),
        "size": blob.size,
        "media_type": blob.media_type,
        "width": blob.width,
        "height": blob.height,
        "fingerprint": blob.fingerprint and blob.fingerprint.bits.to_bytes(32, "big"),
        "key": asset.key,
        "alias_of": _bytes(asset.alias_of),
        "sources": sorted(asset.sources),
        "former_sources": sorted(asset.former_sources),
    }


def _bytes(digest: Digest | None) -> bytes | None:
    return None if digest is None else bytes.fromhex(digest.hex)
