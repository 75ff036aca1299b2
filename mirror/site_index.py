"""The index of a site in a destination: the objects that the site uses.

Sites may share a destination, a prefix and even an object. Each one names what it uses in a file
of its own, `.mirror/sites/<site>.txt.gz` below the prefix: one line an object, its SHA-256 and its
key. So no command of one site deletes, replaces or calls foreign what another site uses.
"""

from __future__ import annotations

import re
import secrets
import zlib
from collections.abc import Iterable, Mapping
from gzip import compress
from pathlib import Path

from mirror.files import create_whole, explain, read_whole
from mirror.manifest import Object, is_safe_key
from mirror.model import Digest, Key
from mirror.records import RecordError, unwritable
from mirror.store import NotFoundError, ObjectInfo, Store, StoreError, TooLargeError

SITE_FILE = "site.txt"
"""Name of the file, beside the manifest, with the random name of the site."""

_FOLDER = ".mirror/"
_SITES = f"{_FOLDER}sites/"
_PROBES = ".mirror-probe/"  # what `mirror doctor` writes, and may be unable to remove
_SITE = re.compile(r"[0-9a-f]{32}")
_NAME = re.compile(re.escape(_SITES) + r"([0-9a-f]{32})\.txt\.gz")
_HEADER = "mirror-site-index 1\n"
# A million keys of 100 bytes and their digests. More is no index that mirror wrote.
_MAX_BYTES = 256 << 20
_MAX_NAME_BYTES = 4096


class SiteIndexError(StoreError):
    """An index cannot be read, so nobody knows what the other site uses."""


def is_index(key: str) -> bool:
    """Return True for files that mirror keeps in a destination beside the objects."""
    return key.startswith((_FOLDER, _PROBES))


def site_name(folder: Path) -> str | None:
    """Return the name of the site whose manifest is in `folder`; `None` before its first sync.

    Raise `RecordError` if the file cannot be read.
    """
    path = folder / SITE_FILE
    try:
        name = read_whole(path, _MAX_NAME_BYTES).decode("ascii", "replace").strip()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise RecordError(f"{path}: cannot be read: {explain(error)}") from error
    return name if _SITE.fullmatch(name) else None


def ensure_site_name(folder: Path) -> str:
    """Return the name of the site; a site without one gets a random one. Raise `StateError`."""
    if (name := site_name(folder)) is not None:
        return name
    path = folder / SITE_FILE
    try:
        folder.mkdir(parents=True, exist_ok=True)
        create_whole(path, f"{secrets.token_hex(16)}\n".encode())
    except OSError as error:
        raise unwritable(path, error) from error
    name = site_name(folder)
    if name is None:
        raise unwritable(path, OSError(17, "it holds something else"))
    return name


def dumps(objects: Mapping[Key, Digest]) -> bytes:
    """Return the bytes of an index. Equal contents are equal bytes with one build of zlib."""
    lines = [f"{digest} {key}\n" for key, digest in sorted(objects.items())]
    return compress("".join([_HEADER, *lines]).encode(), mtime=0)


def loads(data: bytes) -> dict[Key, Digest]:
    """Return the objects that an index names. Raise `ValueError` for bytes that are no index."""
    inflater = zlib.decompressobj(wbits=31)
    try:
        raw = inflater.decompress(data, _MAX_BYTES)
        text = raw.decode()
    except zlib.error as error:
        raise ValueError(f"expected gzip data ({error})") from error
    if not inflater.eof:
        raise ValueError(f"expected whole gzip data of at most {_MAX_BYTES:,} bytes")
    header, *lines = text.split("\n")
    if header + "\n" != _HEADER or lines[-1:] != [""]:
        raise ValueError(f"expected {_HEADER.strip()!r} and lines behind it")
    objects = {}
    for line in lines[:-1]:
        digest, _, key = line.partition(" ")
        if not is_safe_key(key):
            raise ValueError(f"expected a relative path as key, found {key[:80]!r}")
        objects[Key(key)] = Digest.parse(digest)
    return objects


def write_index(
    store: Store, site: str, listing: Mapping[Key, ObjectInfo], objects: Iterable[Object]
) -> None:
    """Name `objects` in the index of a site, beside those that it names already.

    Another machine may have another manifest of the same site, so no name is dropped. Raise
    `StoreError`.
    """
    key = _index_key(site)
    before = _read(store, key) if key in listing else {}
    names = {entry.key: entry.digest for entry in objects}
    if not names.items() <= before.items():
        _put(store, key, before | names, is_there=key in listing)


def replace_index(store: Store, site: str, objects: Iterable[Object]) -> None:
    """Name these objects and no others in the index of a site. Raise `StoreError`."""
    key = _index_key(site)
    names = {entry.key: entry.digest for entry in objects}
    _put(store, key, names, is_there=store.stat(key) is not None)


def used_by_others(store: Store, keys: Iterable[Key], site: str | None) -> dict[Key, Digest]:
    """Return the objects that other sites use; `keys` are those of a listing of the store.

    Raise `SiteIndexError` for an index that cannot be read.
    """
    own = _index_key(site) if site is not None else None
    used: dict[Key, Digest] = {}
    for key in keys:
        if key != own and _NAME.fullmatch(key):
            used |= _read(store, key)
    return used


def _index_key(site: str) -> Key:
    return Key(f"{_SITES}{site}.txt.gz")


def _read(store: Store, key: Key) -> dict[Key, Digest]:
    try:
        return loads(store.get(key, max_bytes=_MAX_BYTES))
    except NotFoundError:  # it was removed after the listing
        return {}
    except (TooLargeError, ValueError) as error:
        raise SiteIndexError(
            f"{store.name}: {key}: {error}; run `mirror sync` of the site that wrote it, or delete "
            "the file if that site is gone"
        ) from error


def _put(store: Store, key: Key, names: Mapping[Key, Digest], *, is_there: bool) -> None:
    put = store.replace if is_there else store.put
    put(key, dumps(names), "application/gzip")
