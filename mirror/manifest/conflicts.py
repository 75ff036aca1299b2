"""Conflicts: what two lines of a manifest must not share, and repeats that show no object."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping
from typing import TypeVar

from mirror.manifest.lines import Line, LinePlace, line_error, united
from mirror.model import Asset, Digest, Key
from mirror.urls.address import identity

T = TypeVar("T")
_PARTS = 16  # a set of all hashes of a million lines would be large, so they are compared in parts


def _parts() -> list[array[int]]:
    return [array("q") for _ in range(_PARTS)]


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
        return shows_no_object or bool(_circular(self._chain))


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
    if not is_part:
        _check_aliases(by_digest, lines)
    return by_digest


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
