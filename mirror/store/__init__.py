"""Objects under keys: in memory, in a folder, in an S3 bucket."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from mirror.store.base import (
    AccessError,
    CredentialsError,
    DirectoryStore,
    ExistsError,
    MemoryStore,
    NoBucketError,
    NotFoundError,
    ObjectInfo,
    Store,
    StoreError,
    UnreachableError,
    check_key,
)
from mirror.store.s3 import S3Settings, S3Store

__all__ = [
    "AccessError",
    "CredentialsError",
    "DirectoryStore",
    "ExistsError",
    "MemoryStore",
    "NoBucketError",
    "NotFoundError",
    "ObjectInfo",
    "S3Settings",
    "S3Store",
    "Store",
    "StoreError",
    "UnreachableError",
    "check_key",
    "open_store",
]


def open_store(name: str, url: str, base: Path, settings: S3Settings | None = None) -> Store:
    """Return the store at `url`: `s3://bucket/prefix`, or `file:path`, relative to `base`.

    Bucket and prefix come from `url`, everything else about S3 from `settings`. Nothing is
    contacted. Raise `StoreError` for any other URL.
    """
    scheme, _, rest = url.partition(":")
    if scheme == "file" and rest:
        return DirectoryStore(name, base / rest.removeprefix("//"))
    if scheme == "s3" and rest.startswith("//"):
        bucket, _, prefix = rest[2:].partition("/")
        return S3Store(name, replace(settings or S3Settings(), bucket=bucket, prefix=prefix))
    raise StoreError(f"{name}: {url!r} is neither `s3://bucket/prefix` nor `file:path`")
