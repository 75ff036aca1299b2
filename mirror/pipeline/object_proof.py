"""The proof that a destination holds the right bytes for an asset, before a post names them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cached_property

from mirror.destinations import (
    Depth,
    Destination,
    ListingMatch,
    compare_listed,
    difference,
    not_stored_in,
)
from mirror.manifest import Object
from mirror.model import Asset, Digest, Key
from mirror.site_index import KEY_IN_USE, SiteIndexError, used_by_others
from mirror.store import ObjectInfo, PackedListing, StoreError


class ObjectProof:
    """The objects that a destination holds, by one listing; read back where it proves nothing."""

    def __init__(
        self,
        destination: Destination,
        keys: Collection[Key],
        site: str | None,
        not_stored: Mapping[str, str],
    ) -> None:
        """Take the keys and the name of this site, and why the last sync did not store a key.

        Raise `StoreError` without a listing.
        """
        self._destination = destination
        self._keys = keys
        self._site = site
        self._not_stored = not_stored
        self._listing = PackedListing(destination.store.list())
        self._problems: dict[Key, str | None] = {}

    def problem(self, asset: Asset) -> str | None:
        """Return the reason not to point a post at this object; `None` if its bytes are right."""
        expected = Object.of(asset)
        info = self._listing.get(expected.key)
        if info and compare_listed(expected.size, expected.md5, info) is ListingMatch.EQUAL:
            return None
        if expected.key not in self._problems:  # only these are kept: few, and they may be read
            self._problems[expected.key] = self._compare(expected, info)
        return self._problems[expected.key]

    def _compare(self, expected: Object, info: ObjectInfo | None) -> str | None:
        where = f"{self._destination.name}: {expected.key}"
        if info is None:
            reason = not_stored_in(self._destination, expected.key, self._not_stored)
            reason = reason or f"{where} is missing; {self._sync_or_why_not(expected)}"
            return f"stays as it is: {reason}"
        try:
            mismatch = difference(self._destination.store, expected, info, Depth.READ)
        except StoreError as error:
            return f"stays as it is: {error}"
        if mismatch is None:
            return None
        remedy = self._repair_or_why_not(expected)
        return f"stays as it is: {where} holds other bytes ({mismatch}); {remedy}"

    def _sync_or_why_not(self, missing: Object) -> str:
        # Where an index cannot be read, `sync` still stores what nobody has stored.
        return KEY_IN_USE if self._is_taken(missing) else "run `mirror sync`"

    def _repair_or_why_not(self, different: Object) -> str:
        if isinstance(self._in_use, SiteIndexError):
            return f"it is not known whether another site uses this key: {self._in_use}"
        return KEY_IN_USE if self._is_taken(different) else "run `mirror repair`"

    def _is_taken(self, expected: Object) -> bool:
        """Return True for a key that another site uses for another picture."""
        digests = {} if isinstance(self._in_use, SiteIndexError) else self._in_use
        return digests.get(expected.key, {expected.digest}) != {expected.digest}

    @cached_property
    def _in_use(self) -> Mapping[Key, set[Digest]] | SiteIndexError:
        """The pictures of other sites, by key; read only if an object is missing or differs."""
        try:
            return used_by_others(self._destination.store, self._keys, self._site)
        except SiteIndexError as error:
            return error
