"""Checks of a body against the length and checksums its host declares. Pure."""

from __future__ import annotations

import base64
import hashlib
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

from fastcrc import crc64 as _crc64

from mirror.etags import md5_of_etag
from mirror.fetch.errors import FetchError, Kind
from mirror.quotes import quoted, shortened

_NUMBER = re.compile(r"[0-9]{1,20}")  # Python refuses to read a number of thousands of digits
_CODINGS = frozenset("gzip x-gzip deflate br compress x-compress zstd dcb dcz".split())


def crc64(data: bytes) -> int:
    """Return the CRC-64/XZ of `data`, which OSS and COS call crc64ecma."""
    return _crc64.xz(data)


@dataclass(frozen=True, slots=True)
class Declaration:
    """Length, checksums and encoding of a body, as the response headers declare them."""

    length: int | None = None
    content_md5: str | None = None
    crc64: int | None = None
    etag_md5: str | None = None
    encoding: str = "identity"

    @classmethod
    def parse(cls, headers: Mapping[str, str], *, is_processed: bool = False) -> Declaration:
        """Read `headers`, whose names are in lower case.

        An ETag of 32 hex digits counts as an MD5, except for objects that were appended, uploaded
        in parts or encrypted: their ETag is something else. A picture that the host processes for
        this response (`is_processed`) may come with the checksums of the stored original, so
        they are not used (aliyun/aliyun-oss-go-sdk#168 stopped checking them for that reason).
        """
        length = _number(headers.get("content-length"))
        codings = headers.get("content-encoding", "").lower().replace(" ", "").split(",")
        # Other values, such as `aws-chunked`, are labels left on the object; browsers skip them.
        encoding = ", ".join(coding for coding in codings if coding in _CODINGS) or "identity"
        if is_processed:
            return cls(length, encoding=encoding)
        crc = headers.get("x-oss-hash-crc64ecma") or headers.get("x-cos-hash-crc64ecma")
        tag = None if _has_other_tags(headers) else md5_of_etag(headers.get("etag", ""))
        return cls(
            length,
            headers.get("content-md5"),
            _number(crc),
            tag,
            encoding,
        )

    def check(self, body: bytes, *, is_etag_opaque: bool = False) -> None:
        """Raise `FetchError` when `body` is not what was declared.

        `is_etag_opaque` says that the ETag only looks like an MD5. A matching Content-MD5 or CRC
        overrules an ETag that does not match, too: by the standard an ETag is opaque, and a body
        proven complete must not be rejected because of it.
        """
        if self.length is not None and len(body) != self.length:
            raise _mismatch("Content-Length", f"{self.length} bytes", f"{len(body)} bytes")
        is_proven = False
        if self.crc64 is not None:
            if (checksum := crc64(body)) != self.crc64:
                raise _mismatch("CRC-64", str(self.crc64), str(checksum))
            is_proven = True
        if self.content_md5 is None and (self.etag_md5 is None or is_proven or is_etag_opaque):
            return
        md5 = hashlib.md5(body, usedforsecurity=False)
        if self.content_md5 is not None:
            declared = self.content_md5.strip()
            digest = base64.b64encode(md5.digest()).decode()
            # Base64 of sixteen bytes has 24 characters, so 32 hex digits cannot be base64.
            if declared != digest and declared.lower() != md5.hexdigest():
                raise _mismatch("Content-MD5", shortened(declared, 40), digest)
        elif md5.hexdigest() != self.etag_md5:
            raise _mismatch("MD5 in ETag", str(self.etag_md5), md5.hexdigest())

    def decoded(self, body: bytes, max_bytes: int) -> bytes:
        """Return `body` without its Content-Encoding, at most `max_bytes` of it.

        The request asks for `identity`; some hosts compress in spite of that.
        """
        if self.encoding == "identity":
            return body
        if self.encoding not in ("gzip", "x-gzip", "deflate"):
            raise FetchError(
                f"expected the picture as it is, found Content-Encoding {quoted(self.encoding)}",
                Kind.CONTENT,
            )
        inflater = zlib.decompressobj(
            wbits=47
        )  # zlib recognises gzip and zlib by their first bytes
        try:
            data = inflater.decompress(body, max_bytes + 1)
        except zlib.error:
            raise FetchError(
                f"expected {self.encoding} data as Content-Encoding says, found other bytes",
                Kind.CONTENT,
            ) from None
        if len(data) > max_bytes:
            raise too_large(max_bytes, f"more than that behind {len(body)} compressed bytes")
        if not inflater.eof:
            raise FetchError(
                f"expected whole {self.encoding} data, found its beginning", Kind.TRANSIENT
            )
        return data


def too_large(max_bytes: int, actual: str) -> FetchError:
    """Return the error for a body over the limit."""
    return FetchError(
        f"expected at most {max_bytes} bytes, found {actual}; raise max_bytes to fetch it",
        Kind.TOO_LARGE,
    )


def _number(text: str | None) -> int | None:
    return int(text) if text and _NUMBER.fullmatch(text) else None


def _has_other_tags(headers: Mapping[str, str]) -> bool:
    kind = headers.get("x-oss-object-type", "Normal")
    encryption = (
        headers.get("x-amz-server-side-encryption", "")
        + headers.get("x-oss-server-side-encryption", "")
        + headers.get("x-cos-server-side-encryption", "")
    )
    customer_key = any("server-side-encryption-customer" in name for name in headers)
    return kind != "Normal" or "kms" in encryption.lower() or customer_key


def _mismatch(check: str, expected: str, actual: str) -> FetchError:
    return FetchError(
        f"expected a body with the {check} that the host declares, {expected}, found {actual}",
        Kind.CONTENT,
        is_temporary=True,
    )
