"""A body that came for a URL, and the validators that its host gave with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Validators:
    """A host's names for one version of an object, for conditional requests."""

    etag: str | None = None
    last_modified: str | None = None

    @property
    def strong_etag(self) -> str | None:
        """The ETag if it guarantees equal bytes, so that parts of a body can be joined."""
        return self.etag if self.etag and self.etag.startswith('"') else None

    def as_headers(self) -> dict[str, str]:
        """Return the headers of a conditional request, in lower case."""
        names = {"if-none-match": self.etag, "if-modified-since": self.last_modified}
        return {name: text for name, text in names.items() if text}


@dataclass(frozen=True, slots=True)
class Body:
    """A whole body, checked against what its host declared.

    `final_url` is the last address of a chain of redirects, without secrets; `None` without one.
    `headers` belong to the response that completed it; their names are in lower case.
    """

    data: bytes
    validators: Validators
    final_url: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def media_type(self) -> str:
        """The media type that the host declares, without parameters; empty if it declares none."""
        return _first_word(self.headers.get("content-type", ""))

    @property
    def is_attachment(self) -> bool:
        """True if a browser that opens the address by itself saves the body."""
        return _first_word(self.headers.get("content-disposition", "")) == "attachment"


def _first_word(header: str) -> str:
    """Return what stands in front of the parameters of a header, in lower case."""
    return header.partition(";")[0].strip().lower()
