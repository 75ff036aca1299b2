"""Pages of a listing, and a fast way to read them.

botocore reads each page twice and makes a dictionary with a date of each object. `keep_contents`
takes the objects out of the page first, and `Page.objects` reads them with one regular
expression: ten times less work.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from itertools import repeat
from typing import Any
from urllib.parse import unquote_plus

from mirror.engine import Threads
from mirror.quotes import quoted

SENT_STATUS = "SentStatus"
"""Where `keep_contents` puts the status of an answer, for errors to name."""
_CONTENTS_TEXT = "ContentsText"  # where `keep_contents` puts the objects for `Page`


class Page:
    """One page of a listing."""

    def __init__(self, response: dict[str, Any]) -> None:
        self._response = response

    @property
    def is_listing(self) -> bool:
        """Return False for a response that is no listing, such as a network's login page."""
        return "IsTruncated" in self._response

    @property
    def is_last(self) -> bool:
        return not self._response["IsTruncated"]

    @property
    def next_token(self) -> str:
        """Return the token to ask for the next page with; empty if the server sends none."""
        token: str = self._response.get("NextContinuationToken", "")
        return token

    @property
    def is_empty(self) -> bool:
        return not self.text and not self._response.get("Contents")

    @property
    def text(self) -> str:
        """Return the objects as XML; empty if there are none, or if botocore read them."""
        text: str = self._response.get(_CONTENTS_TEXT, "")
        return text

    def objects(self) -> Sequence[tuple[str, int, str]]:
        """Return key, size and ETag of each object.

        Raise `ValueError` for broken XML, and for an object without a key or a size.
        """
        is_encoded = self.text and self._response.get("EncodingType") == "url"
        decode = unquote_plus if is_encoded else str
        contents = read_fast(self.text) or map(_checked, self._entries())
        return [(decode(key), int(size), etag) for key, etag, size in contents]

    def _entries(self) -> Iterator[tuple[str, str, str]]:
        if self.text:
            yield from read_xml(self.text)
        for item in self._response.get("Contents") or ():
            key, etag, size = (item.get(name, "") for name in ("Key", "ETag", "Size"))
            yield key or "", etag or "", str(size)


def read_ahead(pages: Iterator[Page]) -> Generator[Page, None, None]:
    """Yield `pages`, and request the next two meanwhile, so that the server never waits."""
    with closing(Threads().map(lambda _: next(pages, None), repeat(None), 1)) as results:
        for page in results:
            if page is None:
                return
            yield page


_SIZE = re.compile("[0-9]{1,18}")  # bytes: no server has an object of a longer one
_UNREAD = "LastModified Type ChecksumAlgorithm ChecksumType StorageClass".split()
_GAP = rf"\s*(?>(?:(?:{'|'.join(rf'<{name}>[^<&]*</{name}>' for name in _UNREAD)})\s*)*)"
_CONTENTS = re.compile(
    rf"<Contents>{_GAP}<Key>([^<&\x00-\x1f]+)</Key>{_GAP}"
    rf"<ETag>(?:&quot;|&#34;)?([^<&]*)(?:&quot;|&#34;)?</ETag>{_GAP}"
    rf"<Size>([0-9]{{1,18}})</Size>{_GAP}</Contents>\s*|[\s\S]+"
)


def read_fast(text: str) -> Sequence[tuple[str, str, str]]:
    """Return key, ETag and size of each object if all are written as most servers do it.

    Return an empty sequence otherwise. An XML parser takes four times as long.
    """
    matches: list[tuple[str, str, str]] = _CONTENTS.findall(text)
    # The last alternative of the expression takes the whole rest, and leaves the key empty.
    return matches if matches and matches[-1][0] else ()


def read_xml(text: str) -> Iterator[tuple[str, str, str]]:
    """Yield key, ETag and size of each object; raise `ValueError` for broken XML."""
    from xml.etree import ElementTree

    try:
        contents = ElementTree.fromstring(f"<_>{text}</_>")  # noqa: S314  (botocore trusts it too)
    except ElementTree.ParseError as error:
        raise ValueError(f"the listing is no XML: {error}") from error
    for item in contents:
        yield item.findtext("Key", ""), item.findtext("ETag", ""), item.findtext("Size", "")


def _checked(entry: tuple[str, str, str]) -> tuple[str, str, str]:
    """Return key, ETag and size of an object; raise `ValueError` unless it has key and size."""
    key, _, size = entry
    if not key:
        raise ValueError("the server lists an object without a key")
    if not _SIZE.fullmatch(size):
        shown = f"of {quoted(size)} bytes" if size else "without a size"
        raise ValueError(f"the server lists {quoted(key)} {shown}")
    return entry


def keep_contents(
    operation_model: Any,
    response_dict: dict[str, Any],
    customized_response_dict: dict[str, Any],
    **_: Any,
) -> None:
    """Take the objects out of a page before botocore parses it, and keep them as text.

    The event `before-parse` calls this. A page that is written otherwise stays whole. The status is
    kept too: botocore makes 500 of 200 where the body is no XML, or an error.
    """
    customized_response_dict[SENT_STATUS] = response_dict["status_code"]
    if operation_model.name != "ListObjectsV2" or response_dict["status_code"] != 200:
        return
    body: bytes = response_dict["body"]
    start, stop = body.find(b"<Contents>"), body.rfind(b"</Contents>") + len(b"</Contents>")
    if 0 <= start < stop:
        customized_response_dict[_CONTENTS_TEXT] = body[start:stop].decode()
        response_dict["body"] = body[:start] + body[stop:]
