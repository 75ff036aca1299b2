"""What a person takes of what was held back."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest

from mirror.config import ConfigError
from mirror.model import Blob, Digest, HeldImage
from mirror.pipeline.accept import accept
from mirror.repeats.reviews import load_reviews
from mirror.state import HeldImages
from mirror.urls.address import Address
from mirror.urls.sources import Locator, Source

LOCATOR = Locator([Source("img", ("https://h.example/",))])


@pytest.fixture
def held(tmp_path: Path) -> HeldImages:
    images = HeldImages(tmp_path / "held")
    blobs = [
        Blob(Digest(sha256(name.encode()).hexdigest()), "0" * 32, 1, "image/png", 1, 1, None)
        for name in "ab"
    ]
    images.save(
        HeldImage(Address(f"https://h.example/{name}.png"), blob)
        for name, blob in zip("ab", blobs, strict=True)
    )
    return images


def test_a_decision_is_appended_once(held: HeldImages, tmp_path: Path) -> None:
    reviews = tmp_path / "manifests" / "reviews.txt"
    for url in ("http://H.example/a.png", "https://h.example/a.png"):
        (image,) = accept([url], LOCATOR, held, {}, reviews)
        assert image.address == "https://h.example/a.png"
    digest = held.load()["h.example/a.png"].blob.digest
    assert reviews.read_text() == f"accept https://h.example/a.png {digest}\n"
    assert load_reviews(reviews).accepts(image.address, digest)


def test_where_nothing_was_held_back_nothing_is_recorded(held: HeldImages, tmp_path: Path) -> None:
    reviews = tmp_path / "reviews.txt"
    urls = ["https://h.example/a.png", "https://h.example/c.png?token=planted"]
    with pytest.raises(ConfigError, match=r"c\.png\?token=hidden-.*2 addresses are held back"):
        accept(urls, LOCATOR, held, {}, reviews)
    assert not reviews.exists()
    held.save([])
    with pytest.raises(ConfigError, match="nothing is held back"):
        accept(urls[:1], LOCATOR, held, {}, reviews)
