"""What is wrong with the image that one reference shows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mirror.config import DestinationSettings
from mirror.destinations import Destination
from mirror.manifest import Manifest
from mirror.model import Asset, Blob, Digest, Finding, Form, Key, Reference, Rule, Span
from mirror.pipeline.verify_posts import ReferenceCheck
from mirror.posts import Post
from mirror.store import MemoryStore
from mirror.urls.address import Address, Url, identity
from mirror.urls.ignore import IgnoreList
from mirror.urls.sources import Locator, Source

SOURCE, PUBLIC = "https://h.example/", "https://img.example"
ADDRESS = Address(f"{SOURCE}a.png")
ASSET = Asset(
    Blob(Digest("0" * 64), "0" * 32, 1, "image/png", 1, 1, None), (ADDRESS,), Key("a.png")
)
POST = Post("a.md", Path("a.md"))


def check_of(*assets: Asset) -> ReferenceCheck:
    settings = DestinationSettings("m", "s3://b", public_url=PUBLIC)
    return ReferenceCheck(
        [Destination(settings, MemoryStore())],
        Locator([Source("h", (SOURCE,))]),
        IgnoreList(),
        Manifest({asset.digest: asset for asset in assets}),
        {},
    )


def checked(check: ReferenceCheck, url: str) -> Finding | None:
    return check(POST, Reference(Url(url), Span(0, len(url)), 1, 1, Form.INLINE))


@pytest.mark.parametrize("url", [ADDRESS, f"{PUBLIC}/a.png", "https://other.example/a.png"])
def test_an_image_that_is_mirrored_or_not_ours_is_right(url: str) -> None:
    assert checked(check_of(ASSET), url) is None


@pytest.mark.parametrize(
    ("check", "url", "rule", "words"),
    [
        pytest.param(check_of(), ADDRESS, Rule.NOT_MIRRORED, "run `mirror sync`", id="unknown"),
        pytest.param(
            replace(check_of(), reasons={identity(ADDRESS): "HTTP 404"}),
            ADDRESS,
            Rule.NOT_MIRRORED,
            "the last sync says: HTTP 404",
            id="not taken by the last sync",
        ),
        pytest.param(
            check_of(replace(ASSET, key=None)),
            ADDRESS,
            Rule.NOT_MIRRORED,
            "in no destination",
            id="in the archive alone",
        ),
        pytest.param(
            check_of(ASSET), f"{PUBLIC}/b.png", Rule.UNKNOWN_TARGET, "no line", id="no such key"
        ),
    ],
)
def test_an_image_that_the_mirror_lacks_is_named(
    check: ReferenceCheck, url: str, rule: Rule, words: str
) -> None:
    finding = checked(check, url)
    assert finding is not None
    assert (finding.rule, finding.post, finding.line) == (rule, "a.md", 1)
    assert words in finding.message
