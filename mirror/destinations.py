"""A destination: its store, its keys, its public addresses; whether its objects agree."""

from __future__ import annotations

import string
from dataclasses import dataclass
from urllib.parse import quote, unquote

from mirror.config import DestinationSettings
from mirror.model import EXTENSIONS, Asset, Blob, Finding, Key, Rule
from mirror.store import ObjectInfo, Store, StoreError
from mirror.urls.address import Address
from mirror.urls.sources import Locator


@dataclass(frozen=True, slots=True)
class Destination:
    """A destination and the store behind it."""

    settings: DestinationSettings
    store: Store

    @property
    def name(self) -> str:
        return self.settings.name

    def public_url(self, key: Key) -> str | None:
        """What posts are pointed at; ASCII, the same spelling in every syntax."""
        base = self.settings.public_url
        return None if base is None else f"{base}/{quote(key, safe='/-._~=,')}"

    def key_of(self, url: str) -> Key | None:
        """The key behind a mirrored URL, or `None` for any other URL."""
        base = self.settings.public_url
        if base is None or not url.startswith(f"{base}/"):
            return None
        return Key(unquote(url[len(base) + 1 :].partition("#")[0]))


def object_key(template: str, blob: Blob, source: str, address: Address | None) -> str:
    """Fill a key template. `address` gives `{path}`, `{stem}` and `{name}`, decoded."""
    path = unquote((address or "").partition("//")[2].partition("?")[0].partition("/")[2])
    name = path.rpartition("/")[2]
    values = {
        "sha256": blob.digest.hex,
        "ext": EXTENSIONS[blob.media_type],
        "source": source,
        "path": path,
        "name": name,
        "stem": name.rpartition(".")[0] or name,
    }
    return string.Formatter().vformat(template, (), values)


def may_run_scripts(asset: Asset, locator: Locator) -> bool:
    """Whether it is an SVG of which not every source is declared trusted.

    Such an object is stored so that a browser saves it instead of showing it as a page.
    """
    if asset.blob.media_type != "image/svg+xml":
        return False
    owners = [locator.source_of(address) for address in asset.sources]
    return not owners or not all(owner is not None and owner.trust_svg for owner in owners)


def differs(target: Destination, blob: Blob, info: ObjectInfo) -> str | None:
    """What is wrong with a listed object; `None` when nothing is, as far as the server vouches.

    Raise `StoreError`: an MD5 that disagrees at equal size is asked for once more, since a listing
    cannot tell that an ETag only looks like one (KMS).
    """
    if info.size != blob.size:
        return f"expected {blob.size} bytes, found {info.size}"
    if info.md5 in (None, blob.md5):
        return None
    again = target.store.stat(info.key)
    if again is not None and again.md5 in (None, blob.md5):
        return None
    return f"expected MD5 {blob.md5}, found {info.md5}"


def unreachable(target: Destination, error: StoreError, then: str = "") -> Finding:
    """The finding for a destination that cannot be asked; `then` says what was not done there."""
    message = str(error).removeprefix(f"{target.name}: ") + then
    return Finding(Rule.DESTINATION_UNREACHABLE, target.name, message)
