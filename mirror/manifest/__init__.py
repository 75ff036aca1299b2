"""The manifest: which pictures there are, where each is stored, where each was found.

Read `lines` first: one line of `images.jsonl`, read and written. `conflicts` checks lines against
each other, and `counts` names what the numbers of a manifest count. `assets` holds a million of
them, packed, and finds them; `whole` is the manifest made of them; `packed` has its objects in the
order of keys, for those that compare. `layout` says in which files a manifest stands, and `file` is
the manifest on the disk.
"""

from mirror.manifest.conflicts import check_key_owners, digests_in, unite_lines
from mirror.manifest.counts import ImageCounts
from mirror.manifest.file import ManifestFile
from mirror.manifest.layout import FILE_NAME, FILES, PARTS, Checksums
from mirror.manifest.lines import (
    HEADER,
    LinePlace,
    ManifestError,
    dump_blob,
    dump_line,
    is_address,
    is_safe_key,
    load_blob,
    parse,
    select,
    united,
    with_sources,
)
from mirror.manifest.packed import LateKeyError, Object, Objects, key_bytes, load_objects
from mirror.manifest.whole import Manifest, dumps, loads

__all__ = [
    "FILES",
    "FILE_NAME",
    "HEADER",
    "PARTS",
    "Checksums",
    "ImageCounts",
    "LateKeyError",
    "LinePlace",
    "Manifest",
    "ManifestError",
    "ManifestFile",
    "Object",
    "Objects",
    "check_key_owners",
    "digests_in",
    "dump_blob",
    "dump_line",
    "dumps",
    "is_address",
    "is_safe_key",
    "key_bytes",
    "load_blob",
    "load_objects",
    "loads",
    "parse",
    "select",
    "unite_lines",
    "united",
    "with_sources",
]
