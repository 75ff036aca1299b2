"""The images of the sources that posts show, and the places where they show them.

There may be millions. So they are kept as numbers and URLs, and made into values one by one.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import overload

from mirror.compact import FirstMade, HashIndex
from mirror.model import Place, Reference
from mirror.posts import Post
from mirror.urls.address import Address, Url, identity
from mirror.urls.sources import Locator, SourceImage


@dataclass(frozen=True, slots=True)
class PostImage:
    """One image of a source, and the places where the posts show it, in their order.

    `spellings` are other requests for it that the posts spell: with another signature or scheme.
    """

    located: SourceImage
    places: tuple[Place, ...]
    spellings: tuple[SourceImage, ...] = ()

    @property
    def addresses(self) -> Iterator[Address]:
        """Yield its address, and that of the unprocessed original if it is a rendition."""
        for each in (self.located, self.located.original):
            if each is not None:
                yield each.address


class PostImages(Sequence[PostImage]):
    """The images of sources, each once, in the order in which the posts show them."""

    def __init__(
        self,
        references: Iterable[tuple[Post, Reference]],
        count: int,
        locator: Locator,
        is_mirrored: Callable[[Url], bool],
    ) -> None:
        """`count` is the number of `references`.

        A mirrored URL is no source, also on the domain of a source.
        """
        self._locator = locator
        self._urls = bytearray()
        self._starts = array("Q")
        self._spellings: dict[int, list[str]] = {}
        self._posts: list[str] = []
        self._located = FirstMade[SourceImage]()
        images = HashIndex((), count)
        numbers = array("I")  # the image at each place
        places = array("I")  # post, line and column of each
        for post, reference in references:
            image = locator.locate(reference.url)
            if image is None or is_mirrored(reference.url):
                continue
            name = identity(image.address)
            number = next((n for n in images.find(name) if self._name(n) == name), None)
            if number is None:
                number = len(self._starts)
                images.add(number, name)
                self._starts.append(len(self._urls))
                self._urls += reference.url.raw.encode("utf-8", "surrogatepass")
                self._located.keep(number, image)
            else:
                self._add_spelling(number, reference.url, image)
            if not self._posts or self._posts[-1] != post.name:
                self._posts.append(post.name)
            numbers.append(number)
            places.extend((len(self._posts) - 1, reference.line, reference.column))
        self._places = places
        self._by_image = array("I", sorted(range(len(numbers)), key=numbers.__getitem__))
        self._numbers = numbers
        self._made = FirstMade[PostImage]()

    def __len__(self) -> int:
        return len(self._starts)

    def __iter__(self) -> Iterator[PostImage]:
        return map(self._image, range(len(self)))

    @overload
    def __getitem__(self, index: int) -> PostImage: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[PostImage]: ...
    def __getitem__(self, index: int | slice) -> PostImage | Sequence[PostImage]:
        numbers = range(len(self))[index]
        return self._image(numbers) if isinstance(numbers, int) else [*map(self._image, numbers)]

    def _image(self, number: int) -> PostImage:
        return self._made.get(number, self._make)

    def _make(self, number: int) -> PostImage:
        return PostImage(
            self._image_of(number),
            tuple(self._places_of(number)),
            tuple(map(self._locate, self._spellings.get(number, ()))),
        )

    def _places_of(self, number: int) -> Iterator[Place]:
        place_numbers, images = self._by_image, self._numbers
        at = bisect_left(place_numbers, number, key=images.__getitem__)
        while at < len(place_numbers) and images[place_numbers[at]] == number:
            start = 3 * place_numbers[at]
            post, line, column = self._places[start : start + 3]
            yield Place(self._posts[post], line, column)
            at += 1

    def _add_spelling(self, number: int, url: Url, image: SourceImage) -> None:
        """Add another URL of an image, unless it means a request that is there already."""
        known = [self._url(number), *self._spellings.get(number, ())]
        if url.raw in known:
            return
        if image.fetch_url.raw not in {self._locate(raw).fetch_url.raw for raw in known}:
            self._spellings.setdefault(number, []).append(url.raw)

    def _url(self, number: int) -> str:
        starts = self._starts
        stop = starts[number + 1] if number + 1 < len(starts) else len(self._urls)
        return self._urls[starts[number] : stop].decode("utf-8", "surrogatepass")

    def _name(self, number: int) -> str:
        return identity(self._image_of(number).address)

    def _image_of(self, number: int) -> SourceImage:
        return self._located.get(number, self._locate_anew)

    def _locate_anew(self, number: int) -> SourceImage:
        return self._locate(self._url(number))

    def _locate(self, raw: str) -> SourceImage:
        image = self._locator.locate(Url(raw))
        assert image is not None  # noqa: S101  (only what was located is kept)
        return image
