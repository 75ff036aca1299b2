"""The references of a post, packed: a site may show millions of images.

A `Reference` takes some 450 bytes, packed some 30: the URLs of a post are much alike. To unpack one
takes 3 µs.
"""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Iterable, Iterator

from mirror.model import Form, Quoting, Reference, Span
from mirror.urls.address import Url

_FORMS = tuple(Form)
_QUOTINGS = tuple(Quoting)
_NUMBERS = 8  # of one reference
_LEVEL = 1  # of zlib: the fastest
_FORM_NUMBERS = {form: number for number, form in enumerate(_FORMS)}
_QUOTING_NUMBERS = {quoting: number for number, quoting in enumerate(_QUOTINGS)}


class PackedReferences:
    """References, unpacked one by one as they are asked for."""

    __slots__ = ("_numbers", "_texts")

    def __init__(self, references: Iterable[Reference], near: bytes = b"") -> None:
        """Take references; the URLs that `near` holds too are kept there, for `unpack`."""
        numbers = array("I")
        texts: list[str] = []
        for ref in references:
            url, spelling = ref.url.raw, ref.spelling
            texts.append(url)
            if spelling != url:
                texts.append(spelling)
            numbers.extend(
                (
                    ref.span.start,
                    ref.span.stop,
                    ref.line,
                    ref.column,
                    _FORM_NUMBERS[ref.form],
                    _QUOTING_NUMBERS[ref.quoting],
                    len(url),
                    # One more than the length; 0 for a spelling that is the URL itself.
                    0 if spelling == url else len(spelling) + 1,
                )
            )
        self._numbers = zlib.compress(numbers.tobytes(), _LEVEL)
        # A URL may have half of a surrogate pair: JSON and YAML can spell one.
        coder = zlib.compressobj(_LEVEL, zdict=near)
        data = "".join(texts).encode("utf-8", "surrogatepass")
        self._texts = coder.compress(data) + coder.flush()

    def __iter__(self) -> Iterator[Reference]:
        return self.unpack()

    def unpack(self, near: bytes = b"") -> Iterator[Reference]:
        """Yield the references; `near` are the bytes that they were packed with."""
        data = zlib.decompressobj(zdict=near).decompress(self._texts)
        texts = data.decode("utf-8", "surrogatepass")
        numbers = iter(memoryview(zlib.decompress(self._numbers)).cast("I"))
        place = 0
        for start, stop, line, column, form, quoting, length, spelled in zip(
            *[numbers] * _NUMBERS, strict=True
        ):
            raw = spelling = texts[place : place + length]
            place += length
            if spelled:
                spelling = texts[place : place + spelled - 1]
                place += spelled - 1
            yield Reference(
                Url(raw),
                Span(start, stop),
                line,
                column,
                _FORMS[form],
                _QUOTINGS[quoting],
                spelling,
            )
