"""The images that posts show, held packed."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from mirror.model import Form, Place, Reference, Span
from mirror.pipeline.post_images import PostImage, PostImages
from mirror.posts import Post
from mirror.urls.address import Url, identity
from mirror.urls.sources import Locator, Source

LOCATOR = Locator([Source("s", ("https://h.example/",))])
SPELLINGS = [
    *(f"{scheme}//h.example/{name}.png" for name in "abc" for scheme in ("http:", "https:", "")),
    "https://h.example/a.png?Expires=1&OSSAccessKeyId=x&Signature=y",
    "https://h.example/a.png?Expires=2&OSSAccessKeyId=x&Signature=z",
    "https://other.example/a.png",
    "https://h.example/mirrored.png",
]
shown = st.lists(st.tuples(st.sampled_from(["a.md", "b.md"]), st.sampled_from(SPELLINGS)))


def is_mirrored(url: Url) -> bool:
    return "mirrored" in url.raw


def expected(references: list[tuple[Post, Reference]]) -> list[PostImage]:
    places: dict[str, list[Place]] = {}
    located: dict[str, dict] = {}
    for post, reference in references:
        image = LOCATOR.locate(reference.url)
        if image is not None and not is_mirrored(reference.url):
            name = identity(image.address)
            located.setdefault(name, {}).setdefault(image.fetch_url.raw, image)
            place = Place(post.name, reference.line, reference.column)
            places.setdefault(name, []).append(place)
    return [
        PostImage(first, tuple(places[name]), tuple(others))
        for name, spellings in located.items()
        for first, *others in [spellings.values()]
    ]


@given(shown)
def test_each_image_is_there_once_with_its_places_and_spellings(shown) -> None:
    references = [
        (Post(name, Path(name)), Reference(Url(url), Span(n, n + 1), n + 1, 2, Form.INLINE))
        for n, (name, url) in enumerate(sorted(shown, key=lambda pair: pair[0]))
    ]
    images = PostImages(references, len(references), LOCATOR, is_mirrored)
    assert list(images) == expected(references)
    assert [images[n] for n in range(len(images))] == list(images)
    assert images[1:] == list(images)[1:]
