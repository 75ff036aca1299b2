"""Conflicts: what two lines of a manifest must not share, and repeats that show no object."""

from __future__ import annotations

import re
from array import array
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import TypeVar

from mirror.manifest.lines import Line, LinePlace, ManifestError, line_error, united
from mirror.model import Asset, Digest, Key
from mirror.urls.address import identity

T = TypeVar("T")
_DIGEST_LENGTH = 64  # hex digits
_DIGEST = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")
_PARTS = 16  # a set of all hashes of a million lines would be large, so they are compared in parts


def _parts() -> list[array[int]]:
    return [array("q") for _ in range(_PARTS)]


def digests_in(key: str) -> list[str]:
    """Return the SHA-256 digests that a key names."""
    return _DIGEST.findall(key)


def _foreign_digests(key: str, digest: str) -> list[str]:
    """Return the digests that a key names, if it does not name its own picture's."""
    return [] if len(key) < _DIGEST_LENGTH or digest in key else digests_in(key)


class ConflictCheck:
    """Tells whether lines can stand together, in 24 bytes a line.

    64-bit hashes stand for the texts, so it may report a conflict where there is none: for a
    million lines once in ten million runs. `unite_lines` decides.
    """

    def __init__(self) -> None:
        self._with_object = _parts()
        self._without_object = _parts()
        self._sources = _parts()
        self._keys = _parts()
        self._shown = set[int]()  # what repeats are shown as
        # Pictures whose keys name others, and those others.
        self._misnamed = defaultdict[int, list[int]](list)
        self._chain = dict[int, int]()  # repeats with an object of their own, and what they show

    def add(self, line: Line) -> None:
        key = line.key
        digest = hash(line.sha256)
        if key is None:
            self._without_object[digest % _PARTS].append(digest)
        else:
            self._with_object[digest % _PARTS].append(digest)
            number = hash(key)
            self._keys[number % _PARTS].append(number)
            for other in _foreign_digests(key, line.sha256):
                self._misnamed[digest].append(hash(other))
        for url in line.sources:
            source = hash(identity(url))
            self._sources[source % _PARTS].append(source)
        if line.alias_of is not None:
            alias = hash(line.alias_of)
            self._shown.add(alias)
            if key is not None:
                self._chain[digest] = alias

    def has_conflict(self) -> bool:
        """Return True if two lines share what they may not share, or a repeat shows no object."""
        for some, others in zip(self._with_object, self._without_object, strict=True):
            if len({*some, *others}) < len(some) + len(others):
                return True
        for part in (*self._sources, *self._keys):
            if len(set(part)) < len(part):
                return True
        shows_no_object = bool(self._shown.difference(*self._with_object))
        return shows_no_object or self._are_keys_exchanged() or bool(_circular(self._chain))

    def _are_keys_exchanged(self) -> bool:
        """Return True if a key names another picture whose own key names yet another one."""
        return any(other in self._misnamed for named in self._misnamed.values() for other in named)


def unite_lines(
    assets: Iterable[tuple[LinePlace, Asset]], *, is_part: bool = False
) -> dict[Digest, Asset]:
    """Return the assets by digest; lines of the same bytes become one asset.

    `assets` are all of a manifest, with the places of their lines; of a part of one, `alias_of`
    may lead out of it. Raise `ManifestError` that names the lines of the first conflict.
    """
    by_digest: dict[Digest, Asset] = {}
    lines: dict[Digest, LinePlace] = {}
    owners: dict[str, Digest] = {}
    keys: dict[Key, Digest] = {}
    for place, asset in assets:
        digest = asset.digest
        first = lines.setdefault(digest, place)
        whole = united(by_digest[digest], asset) if digest in by_digest else asset
        if whole is None:
            raise line_error(
                place,
                f"{digest} stands on {_place_text(first, place)} already, and the two differ in "
                "more than their sources; keep one of the two",
            )
        by_digest[digest] = whole
        for url in asset.sources:
            if (owner := owners.setdefault(identity(url), digest)) != digest:
                earlier = _place_text(lines[owner], place)
                raise line_error(
                    place,
                    f"source {url} is on {earlier} already, with another picture; take it off the "
                    'line whose picture new posts shall not show (`"sources": []` is fine there), '
                    "and put it under `former_sources` at the end of that line if the posts that "
                    "show the picture are to stay",
                )
        if asset.key is not None and (owner := keys.setdefault(asset.key, digest)) != digest:
            earlier = _place_text(lines[owner], place)
            raise line_error(place, f"key {asset.key!r} is on {earlier} already; keys must differ")
    _check_keys(by_digest, lines)
    if not is_part:
        _check_aliases(by_digest, lines)
    return by_digest


def _check_keys(assets: Mapping[Digest, Asset], lines: Mapping[Digest, LinePlace]) -> None:
    """Raise `ManifestError` if a key names another picture whose own key names yet another one.

    An edit or a merge exchanged them: each picture would be stored in the place of another. A key
    that has a digest of the path of a source in it may name a picture that has its own.
    """
    misnamed = {
        digest: named
        for digest, asset in assets.items()
        if (named := _foreign_digests(asset.key or "", digest.hex))
    }
    for digest, named in misnamed.items():
        for other in map(Digest, named):
            if other in misnamed:
                place = lines[digest]
                raise line_error(
                    place,
                    f"key {assets[digest].key!r} names picture {other}, and the key on "
                    f"{_place_text(lines[other], place)}, which is that of {other}, does not: keys "
                    "were exchanged; bring both lines back from version control",
                )


def check_key_owners(made_keys: Iterable[tuple[Asset, Collection[str]]]) -> None:
    """Raise `ManifestError` if pictures have the keys of each other's sources.

    Take each asset that has a key, with the keys that the pattern makes of its sources. A key stays
    when its sources or the pattern change, so a foreign one alone tells nothing.
    """
    owners: dict[str, Digest] = {}
    strays: dict[Digest, Key] = {}
    for asset, keys in made_keys:
        for key in keys:
            owners.setdefault(key, asset.digest)
        if asset.key is not None and asset.key not in keys:
            strays[asset.digest] = asset.key
    links = {digest: owners[key] for digest, key in strays.items() if key in owners}
    for digest in sorted(_circular(links)):
        raise ManifestError(
            f"the manifest: key {strays[digest]!r} of picture {digest} is made of a source of "
            f"picture {links[digest]}, whose own key is another one's too: keys were exchanged; "
            "bring the lines back from version control"
        )


def _place_text(place: LinePlace, other: LinePlace) -> str:
    """Return the words for a place in a message about the place `other`."""
    file, number = place
    return f"line {number}" if file == other[0] else f"line {number} of {file}"


def _check_aliases(assets: Mapping[Digest, Asset], lines: Mapping[Digest, LinePlace]) -> None:
    chain = {digest: asset.alias_of for digest, asset in assets.items() if asset.alias_of}
    circular = _circular(chain)
    for digest, alias in chain.items():
        shown = assets.get(alias)
        if shown is None or shown.key is None:
            reason = "is no line" if shown is None else "has no object of its own to show"
            raise line_error(
                lines[digest], f"alias_of {alias} {reason}; restore that line or `key`"
            )
        if digest in circular:
            message = "leads back to this line: a repeat must end at another picture; delete one"
            raise line_error(lines[digest], f"alias_of {alias} {message}")


def _circular(links: Mapping[T, T]) -> set[T]:
    """Return the places that lie on a circle of links. It takes linear time."""
    circular = set[T]()
    start_of: dict[T, T] = {}  # the start of the walk that came through a place first
    for start in links:
        place: T | None = start
        while place is not None and place in links and place not in start_of:
            start_of[place] = start
            place = links[place]
        if place is not None and start_of.get(place) == start:
            while place not in circular:
                circular.add(place)
                place = links[place]
    return circular
