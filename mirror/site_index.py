"""The index of a site in a destination: the objects that the site uses.

Sites may share a destination, a prefix and even an object. Each one names what it uses in a file
of its own, `.mirror/sites/<site>.txt.gz` below the prefix: one line an object, its SHA-256 and its
key. So no command of one site deletes, replaces or reports what another site uses.
"""

from __future__ import annotations

import re
import secrets
import zlib
from collections.abc import Callable, Collection, Container, Iterable, Iterator, Mapping
from gzip import GzipFile, compress
from io import BufferedReader, BytesIO
from pathlib import Path

from mirror.compact import TextFilter
from mirror.files import create_whole, explain, read_whole
from mirror.manifest import is_safe_key
from mirror.model import Digest, Key
from mirror.quotes import quoted
from mirror.records import RecordError, StateError, unwritable
from mirror.store import (
    ConflictError,
    NotFoundError,
    ObjectInfo,
    Store,
    StoreError,
    TooLargeError,
    swap,
)

SITE_FILE = "site.txt"
"""Name of the file, beside the manifest, with the random name of the site."""

KEY_IN_USE = (
    "another site uses this key for another picture; give this site a prefix of its own in the "
    "`url` of the destination"
)
"""Message about a key that two sites want; neither of them replaces what is there."""

_SITES = ".mirror/sites/"
_SITE = re.compile(r"[0-9a-f]{32}")
_NAME = re.compile(re.escape(_SITES) + r"([0-9a-f]{32})\.txt\.gz")
_BAG_DECLARATION = "bagit.txt"
_HEADER = b"mirror-site-index 1\n"
# A million keys of 100 bytes and their digests. More is no index that mirror wrote.
_MAX_BYTES = 256 << 20
# Stores take keys of up to 1024 bytes, and a digest is 64.
_MAX_LINE = 4096
_DIGEST_LENGTH = 64  # hex digits
_MAX_NAME_BYTES = 4096  # of the file that holds the site's name; ours has a line or two
_BUFFER = 1 << 16  # bytes that are unpacked at a time, some hundreds of lines
_MEDIA_TYPE = "application/gzip"
_UPDATES = 20  # each one fails only because another run has written in the meantime


class SiteIndexError(StoreError):
    """The index under `key` cannot be read, so it is not known what the other site uses."""

    def __init__(self, key: Key, message: str) -> None:
        super().__init__(message)
        self.key = key


# --- The name of a site -----------------------------------------------------------------------


def site_name(folder: Path) -> str | None:
    """Return the name of the site whose manifest is in `folder`; `None` before its first sync.

    Two branches that gave the site a name each have both lines after a merge; the first counts.
    Raise `RecordError` if the file cannot be read.
    """
    path = folder / SITE_FILE
    try:
        lines = read_whole(path, _MAX_NAME_BYTES).decode("ascii", "replace").splitlines()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise RecordError(f"{path}: cannot be read: {explain(error)}") from error
    return lines[0] if lines and _SITE.fullmatch(lines[0]) else None


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
        raise StateError(
            f"{path}: expected a file with 32 hexadecimal digits, the name of this site; bring it "
            "back from version control, or delete the file, and the site gets a new name"
        )
    return name


# --- The text of an index ---------------------------------------------------------------------


def dumps(objects: Mapping[Key, Digest]) -> bytes:
    """Return the bytes of an index. Equal contents are equal bytes with one build of zlib."""
    lines = [f"{digest} {key}\n" for key, digest in sorted(objects.items())]
    return compress(_HEADER + "".join(lines).encode(), mtime=0)


def loads(data: bytes) -> dict[Key, Digest]:
    """Return the objects that an index names. Raise `ValueError` for bytes that are no index."""
    return dict(_entries(data))


def _entries(data: bytes) -> Iterator[tuple[Key, Digest]]:
    """Yield what an index names. Its lines are read one at a time: the file may be a bomb."""
    size = 0
    try:
        with GzipFile(fileobj=BytesIO(data)) as file:
            if file.readline(len(_HEADER)) != _HEADER:
                raise ValueError(f"expected {_HEADER.decode().strip()!r} in its first line")
            lines = BufferedReader(file, _BUFFER)
            while line := lines.readline(_MAX_LINE):
                size += len(line)
                if size > _MAX_BYTES:
                    raise ValueError(f"expected at most {_MAX_BYTES:,} bytes")
                yield _entry(line)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"expected whole gzip data ({error})") from error


def _entry(line: bytes) -> tuple[Key, Digest]:
    text = line.decode()
    digest, _, key = text[:-1].partition(" ")
    if not text.endswith("\n") or not is_safe_key(key) or len(digest) != _DIGEST_LENGTH:
        raise ValueError(f"expected a SHA-256 and a relative path, found {quoted(text)}")
    return Key(key), Digest.parse(digest)


# --- Indexes in a destination -----------------------------------------------------------------


def nested_prefixes(keys: Iterable[str]) -> tuple[str, ...]:
    """Return the prefixes below ours that hold the index of a site, or an archive.

    A prefix with an index belongs to another destination and ends with `/`. An archive is known by
    the declaration of its bag. Its prefix may be empty: where an endpoint has two names, the
    archive may lie in our own prefix.
    """
    prefixes = set[str]()
    for key in keys:
        prefix, mark, name = key.rpartition(f"/{_SITES}")
        if mark and _NAME.fullmatch(_SITES + name):
            prefixes.add(f"{prefix}/")
        if key.rpartition("/")[2] == _BAG_DECLARATION:
            prefixes.add(key.removesuffix(_BAG_DECLARATION))
    return tuple(prefixes)


def index_key(site: str) -> Key:
    """Return the key of the index of a site."""
    return Key(f"{_SITES}{site}.txt.gz")


def write_index(
    store: Store,
    site: str,
    listing: Mapping[Key, ObjectInfo],
    names: Iterable[tuple[Key, Digest]],
) -> None:
    """Name objects in the index of a site, beside those that it names already.

    Another machine may have another manifest of the same site, so no name is dropped. A damaged
    index is written anew. `names` are read twice. Raise `StoreError`.
    """
    key = index_key(site)

    def with_names(data: bytes) -> bytes | None:
        if data and _names_all(data, names):
            return None
        return dumps(_loads_own(data) | dict(names))

    _update(store, key, with_names, is_there=key in listing)


def trim_index(store: Store, site: str, keys: Container[Key]) -> None:
    """Drop from the index of a site every name but `keys`. Raise `StoreError`."""

    def with_keys(data: bytes) -> bytes | None:
        before = _loads_own(data)
        names = {name: digest for name, digest in before.items() if name in keys}
        return dumps(names) if names != before else None

    _update(store, index_key(site), with_keys, is_there=True)


def _update(
    store: Store, key: Key, change: Callable[[bytes], bytes | None], *, is_there: bool
) -> None:
    """Write what `change` makes of the index of this site; begin anew if another run was faster.

    `change` returns `None` to leave the index as it is. To write over the other run would lose the
    names that it added, and another site could then prune its objects.
    """
    for attempt in range(_UPDATES):
        data = _own_data(store, key) if is_there else None
        changed = change(data or b"")
        if changed is None:
            return
        try:
            if data == b"":  # it is too long, and replaced whatever it holds
                store.replace(key, changed, _MEDIA_TYPE)
            else:
                swap(store, key, changed, _MEDIA_TYPE, data)
        except ConflictError:
            is_there = True
            if attempt + 1 == _UPDATES:
                raise
        else:
            return


def used_by_others(store: Store, keys: Collection[Key], site: str | None) -> dict[Key, set[Digest]]:
    """Return those of `keys` that other sites use, and the digests that they name for them.

    The indexes are listed now. A site names its objects before it stores them, so an object that
    was listed earlier is named. Raise `SiteIndexError` if one of them cannot be read.
    """
    own_key = index_key(site) if site is not None else None
    used: dict[Key, set[Digest]] = {}
    try:
        indexes = [info.key for info in store.list(_SITES) if _NAME.fullmatch(info.key)]
    except StoreError as error:
        raise SiteIndexError(Key(_SITES), str(error)) from error
    for key in indexes:
        if key != own_key:
            for name, digest in _others_names(store, key):
                if name in keys:
                    used.setdefault(name, set()).add(digest)
    return used


def _own_data(store: Store, key: Key) -> bytes | None:
    """Return the bytes of an index; `None` if there is none, and no bytes if it is too long."""
    try:
        return store.get(key, max_bytes=_MAX_BYTES)
    except NotFoundError:
        return None
    except TooLargeError:
        return b""


def _loads_own(data: bytes) -> dict[Key, Digest]:
    try:
        return loads(data)
    except ValueError:  # damaged
        return {}


def _names_all(data: bytes, names: Iterable[tuple[Key, Digest]]) -> bool:
    """Return True if an index names all of `names`.

    Neither side is held in memory: there may be a million names.
    """
    try:
        named = TextFilter(f"{digest} {key}" for key, digest in _entries(data))
    except ValueError:
        return False
    return all(f"{digest} {key}" in named for key, digest in names)


def _others_names(store: Store, key: Key) -> Iterator[tuple[Key, Digest]]:
    try:
        yield from _entries(store.get(key, max_bytes=_MAX_BYTES))
    except NotFoundError:  # removed after the listing
        return
    except (TooLargeError, ValueError) as error:
        raise SiteIndexError(
            key,
            f"{store.name}: {key} cannot be read: {error}; run `mirror sync` of the site that "
            "wrote it, or delete the file if that site is gone",
        ) from error
    except StoreError as error:
        raise SiteIndexError(
            key, f"{error}; the file says which objects another site uses"
        ) from error
