"""The addresses under `[[ignore]]`: exact ones, and patterns. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from mirror.globs import compile_text_glob
from mirror.urls.address import identity, parse

_URL = re.compile(r"(?:(?:https?:)?//)(?P<host>[^/]+)(?P<rest>/.*)?", re.IGNORECASE)
_STAND_IN = "host"  # for a host with a `*`, which is no host


def is_pattern(text: str) -> bool:
    """Return True if `text` has a `*`, or a `?` that does not begin a query such as `?a=1`."""
    return "*" in text or ("?" in text and "=" not in text.partition("?")[2])


@dataclass(frozen=True, slots=True)
class IgnoreEntry:
    """One entry, spelled as `text`.

    `expression` is the pattern that the identity of an address must match. Without one, `name` is
    the identity of the one address that is meant.
    """

    text: str
    name: str = ""
    expression: re.Pattern[str] | None = None

    @classmethod
    def pattern(cls, text: str) -> IgnoreEntry:
        """Return the entry for a pattern: `*` is any text, also with `/`, and `?` one character.

        The rest is compared as addresses are: in canonical form. Raise `ValueError` for a text
        that no address can match.
        """
        match = _URL.fullmatch(text.strip())
        has_host = match is not None and "*" not in match["host"]
        parts = parse(text if match is None or has_host else f"//{_STAND_IN}{match['rest'] or '/'}")
        if match is None or parts is None:
            raise ValueError(f"expected a URL, got {text!r}")
        name = identity(parts.url("https"))
        if not has_host:
            name = match["host"].lower() + name.removeprefix(_STAND_IN)
        return cls(text, expression=compile_text_glob(name))

    def matches_any(self, names: Collection[str]) -> bool:
        """Return True if it matches one of `names`, which are identities of addresses."""
        if self.expression is None:
            return self.name in names
        return any(map(self.expression.fullmatch, names))


class IgnoreList:
    """All entries. An address is in it if one of them matches, under either scheme."""

    def __init__(self, entries: Iterable[IgnoreEntry] = ()) -> None:
        self.entries = tuple(entries)
        self._names = {entry.name for entry in self.entries if entry.expression is None}
        self._patterns = [entry for entry in self.entries if entry.expression is not None]

    def __bool__(self) -> bool:
        return bool(self.entries)

    def __contains__(self, address: object) -> bool:
        if not isinstance(address, str):
            return False
        name = identity(address)
        return name in self._names or any(entry.matches_any((name,)) for entry in self._patterns)

    def unused(self, addresses: Iterable[str]) -> Iterator[IgnoreEntry]:
        """Yield the entries that match none of `addresses`."""
        names = {identity(address) for address in addresses} if self.entries else ()
        return (entry for entry in self.entries if not entry.matches_any(names))
