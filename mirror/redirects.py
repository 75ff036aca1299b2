"""Redirects: where hosts sent the requests for addresses, and what came from there, as text.

If a host redirects several addresses to one picture, their own pictures may be gone. The addresses
may come in different runs, so the redirects are kept beside the manifest.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from mirror.model import Digest
from mirror.records import RecordError, split_lines
from mirror.urls.address import Address, canonical, identity
from mirror.urls.redact import without_secrets

HEADER = {"format": "mirror-redirects", "version": 1}
FILE_NAME = "redirects.jsonl"


class RedirectsError(RecordError):
    """A line that is no redirect; the message names the line and the remedy."""


@dataclass(frozen=True, slots=True)
class Redirect:
    """The address that a host redirected to, without secrets, and the digest of what came."""

    final_url: str
    digest: Digest

    def leads_from(self, address: Address) -> bool:
        """Return True if this is another address, not another scheme of the same one."""
        final = canonical(self.final_url)
        return final is None or identity(final) != identity(address)


def dumps(redirects: Mapping[Address, Redirect]) -> str:
    """Return what `dump_lines` yields as one text."""
    return "".join(dump_lines(redirects))


def loads(text: str) -> dict[Address, Redirect]:
    """Read what `dumps` wrote, as `read_lines` does."""
    return read_lines(split_lines(text))


def dump_lines(redirects: Mapping[Address, Redirect]) -> Iterator[str]:
    """Yield the header and one line an address, in their order."""
    yield json.dumps(HEADER) + "\n"
    for url, redirect in sorted(redirects.items()):
        members = {
            "source": url,
            "final_url": redirect.final_url,
            "sha256": redirect.digest.hex,
        }
        yield json.dumps(members) + "\n"


def read_lines(lines: Iterable[str]) -> dict[Address, Redirect]:
    """Read the lines; of two lines about one address the later counts. Raise `RedirectsError`.

    A merge of two branches may have left lines in another order, or the header twice.
    """
    redirects = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            raw = json.loads(line)
            if raw == HEADER:
                continue
            address = canonical(raw["source"])  # another version may have spelled it differently
            if number == 1 or address is None:
                raise ValueError
            redirect = Redirect(without_secrets(raw["final_url"]), Digest.parse(raw["sha256"]))
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            expected = json.dumps(HEADER) if number == 1 else "a redirect"
            raise RedirectsError(
                f"line {number}: expected {expected}; delete the line: `mirror sync --refresh` "
                "asks the host again"
            ) from error
        redirects[address] = redirect
    return redirects


def redirected_together(redirects: Mapping[Address, Redirect]) -> dict[str, tuple[Address, ...]]:
    """Return the URLs that several addresses are redirected to, with these addresses."""
    together: dict[str, dict[str, Address]] = {}
    for address, redirect in redirects.items():
        together.setdefault(redirect.final_url, {})[identity(address)] = address
    return {url: tuple(names.values()) for url, names in together.items() if len(names) > 1}
