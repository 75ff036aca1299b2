"""TODO page of manifest."""

from mirror.manifest.file import ManifestFile
from mirror.manifest.lines import (
    HEADER,
    ManifestError,
    UnusualError,
    dump_blob,
    is_address,
    is_safe_key,
    load_blob,
    parse,
    select,
    with_sources,
)
from mirror.manifest.packed import Object, Objects, key_bytes, load_objects
from mirror.manifest.whole import FILE_NAME, Manifest, dumps, loads

__all__ = [
    "FILE_NAME",
    "HEADER",
    "Manifest",
    "ManifestError",
    "ManifestFile",
    "Object",
    "Objects",
    "UnusualError",
    "dump_blob",
    "dumps",
    "is_address",
    "is_safe_key",
    "key_bytes",
    "load_blob",
    "load_objects",
    "loads",
    "parse",
    "select",
    "with_sources",
]
