"""`mirror accept`: take the pictures that were held back for some addresses. Asks no network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from mirror.config import ConfigError
from mirror.model import HeldImage
from mirror.pipeline.hold import Suspect
from mirror.repeats.reviews import Accept, add_reviews
from mirror.state import HeldImages
from mirror.urls.address import Address, identity
from mirror.urls.redact import hide_secrets
from mirror.urls.sources import Locator


def accept(
    urls: Iterable[str],
    locator: Locator,
    held: HeldImages,
    suspects: Mapping[str, Suspect],
    reviews: Path,
) -> list[HeldImage]:
    """Record that a person takes what was held back for each URL, and return it.

    The line `accept URL SHA256` is appended to the reviews; the next `sync` obeys it. Raise
    `ConfigError` if nothing was held back for one of the URLs; then nothing is recorded.
    """
    images = {name: suspect.image for name, suspect in suspects.items()} | held.load()
    chosen = []
    for url in urls:
        address = locator.address_of(url)
        image = images.get(identity(address)) if address is not None else None
        if image is None:
            raise ConfigError(_nothing_held(url, images.values()))
        chosen.append(image)
    add_reviews(reviews, (Accept(image.address, image.blob.digest) for image in chosen))
    return chosen


def _nothing_held(url: str, images: Iterable[HeldImage]) -> str:
    addresses: list[Address] = [image.address for image in images]
    if not addresses:
        rest = "nothing is held back; `mirror sync` says so when a picture is"
    elif len(addresses) == 1:
        rest = f"the one picture that is held back is that of {addresses[0]}"
    else:
        rest = f"pictures of {len(addresses)} addresses are held back, the first is {addresses[0]}"
    return f"{hide_secrets(url)}: no picture was held back for it; {rest}"
