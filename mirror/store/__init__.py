"""Objects under keys: in memory, in a folder, or in an S3 bucket.

Read in this order: `protocol.py` (the contract of a store), `errors.py`, `keys.py` (the keys that
every store can hold), `memory.py`, `folder.py`, then S3: `settings.py`, `profiles.py` (providers
as data), `connection.py` (the boto3 client), `diagnosis.py` (its errors as ours), `listing.py`
(pages of a listing) and `s3.py` (the store). `packed.py` holds a whole
listing in little memory. `probe.py` tries what a destination really does, for
`mirror doctor`.
"""

from __future__ import annotations

from dataclasses import replace

from mirror.store.errors import (
    FATAL,
    REPEATED,
    AccessError,
    ConflictError,
    CredentialsError,
    ExistsError,
    ListingError,
    NoBucketError,
    NotFoundError,
    ObjectFailure,
    StoreError,
    TooLargeError,
    UnreachableError,
    concerns_all,
)
from mirror.store.folder import DirectoryStore
from mirror.store.keys import check_key
from mirror.store.memory import MemoryStore
from mirror.store.packed import PackedListing
from mirror.store.protocol import ObjectInfo, Store, swap
from mirror.store.settings import STORE_WORKERS, S3Settings

__all__ = [
    "FATAL",
    "REPEATED",
    "STORE_WORKERS",
    "AccessError",
    "ConflictError",
    "CredentialsError",
    "DirectoryStore",
    "ExistsError",
    "ListingError",
    "MemoryStore",
    "NoBucketError",
    "NotFoundError",
    "ObjectFailure",
    "ObjectInfo",
    "PackedListing",
    "S3Settings",
    "Store",
    "StoreError",
    "TooLargeError",
    "UnreachableError",
    "check_key",
    "concerns_all",
    "open_bucket",
    "swap",
]


def open_bucket(name: str, url: str, settings: S3Settings) -> Store:
    """Return the store at `s3://bucket/prefix`; `settings` have what the URL does not say.

    No server is contacted. Raise `StoreError` for any other URL.
    """
    from mirror.store.s3 import S3Store  # a third of what this package imports

    scheme, _, rest = url.partition("://")
    bucket, _, prefix = rest.partition("/")
    if scheme != "s3":
        raise StoreError(f"{name}: {url!r} is not `s3://bucket/prefix`")
    return S3Store(name, replace(settings, bucket=bucket, prefix=prefix))
