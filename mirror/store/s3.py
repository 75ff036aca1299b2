"""A store in an S3 bucket, at Amazon or any server with the same API.

boto3's upload manager is not used: it sends large objects in parts, whose ETag is no MD5.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import replace
from hashlib import md5, sha256
from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING, Any

from mirror.etags import md5_of_etag
from mirror.model import OCTETS, Blob, Key
from mirror.store.connection import Connection
from mirror.store.diagnosis import code_and_status, is_refusal
from mirror.store.errors import (
    CredentialsError,
    ListingError,
    NoBucketError,
    NotFoundError,
    StoreError,
    TooLargeError,
    UnreachableError,
    conflict_error,
    exists_error,
    folder_key_error,
    too_large_error,
)
from mirror.store.keys import check_key
from mirror.store.listing import Page, read_ahead
from mirror.store.profiles import CreateOnly
from mirror.store.protocol import ObjectInfo, Store
from mirror.store.settings import S3Settings
from mirror.urls.redact import printable
from mirror.waiting import WAITS

if TYPE_CHECKING:
    from botocore.response import StreamingBody

CACHE_CONTROL = "public, max-age=31536000, immutable"
"""A key comes from the object's bytes, so a browser's copy never goes stale."""

_UPLOADS = 3  # of an object: another one follows where it is not there in the end
_NO_SIZE = 1 << 63  # bytes: no server has such an object
_PAGE_OBJECTS = 1000  # asked for, and the most that S3 gives; without being asked, OSS gives 100
# A page can have few objects or none, where many were deleted in a versioned bucket, or where a
# server filters what it has read. The limit is for all pages with less than `_FEW_OBJECTS`.
_FEW_OBJECTS = 10
_MAX_SPARSE_PAGES = 1000
# Ten million objects; of a server that never ends its listing, no more is read.
_MAX_PAGES = 10_000
# The time that is spent waiting for a listing. An overloaded server that takes 20 s for each page,
# two thirds of the time limit of a request, is waited for until it has listed a million objects.
_FIRST_S, _PAGE_S, _MAX_LISTING_S = 600, 20, 6 * 3600
_PIECE_BYTES = 2**20  # read at once
# S3 gives the length of every object. Of one without, which may have no end, no more is read: four
# times the `max_bytes` of an image by default.
_MAX_WITHOUT_LENGTH = 2**28
_READS = 3  # of an object whose connection breaks in its middle, beside the retries of a request


class S3Store:
    """Objects in a bucket, below a prefix. Contacts nobody before the first call."""

    def __init__(self, name: str, settings: S3Settings) -> None:
        if not settings.bucket:
            raise StoreError(f"{name}: no bucket is named; expected `s3://bucket/prefix`")
        self.name = name
        self.settings = settings
        self.connection = Connection(name, settings)
        self._observing = Lock()
        self._observed: CreateOnly | None = None
        self._copies = True

    def __reduce__(self) -> tuple[type[S3Store], tuple[str, S3Settings]]:
        return S3Store, (self.name, self.settings)

    @property
    def place(self) -> str:
        return f"s3://{self.settings.bucket}/{self.settings.prefix}".rstrip("/")

    @property
    def identity(self) -> str:
        return f"{self.place} {self.settings.endpoint_url or ''}".rstrip()

    @property
    def readers(self) -> int:
        return self.settings.workers

    @property
    def requests(self) -> Counter[str]:
        """Return the number of requests that were sent, by operation, with every retry."""
        return self.connection.requests

    def put(
        self,
        key: Key,
        data: bytes,
        media_type: str = OCTETS,
        *,
        inline: bool = True,
        absent: bool = False,
    ) -> None:
        check_key(key)
        is_safe = absent or self._create_only is CreateOnly.HONOURED
        if not is_safe and self._holds(key, data):
            return
        try:
            # Again if the object in the way is gone a moment later, or the upload did not arrive.
            for _ in range(_UPLOADS):
                if self._upload(key, data, media_type, inline=inline) or self._holds(key, data):
                    return
        except UnreachableError as error:
            # A server that keeps objects as files may only say 500: rclone does.
            if is_refusal(error) and self._is_folder_or_below_object(key):
                raise folder_key_error(self.connection.place, key) from error
            raise
        raise StoreError(
            f"{self.connection.place}: {printable(key)!r} was sent three times, and is not there; "
            "does another run remove it, or is endpoint_url no S3 server's?"
        )

    def replace(
        self,
        key: Key,
        data: bytes,
        media_type: str = OCTETS,
        *,
        inline: bool = True,
        expected: bytes | None = None,
    ) -> None:
        from botocore.exceptions import ClientError

        check_key(key)
        upload = self._upload_request(key, data, media_type, inline=inline)
        if expected is not None and (etag := self._etag_of(key, expected)):
            upload["IfMatch"] = etag
        with self.connection.errors(key):
            try:
                response = self.connection.client.put_object(**upload)
            except ClientError as error:
                code, status = code_and_status(error)
                if "IfMatch" not in upload:
                    raise
                if status in (404, 412) or code == "ConditionalRequestConflict":
                    raise conflict_error(self.connection.place, key) from error
                if status != 501:
                    raise
                del upload["IfMatch"]  # the server has no conditional writes
                response = self.connection.client.put_object(**upload)
            self._check_stored(key, upload, response)

    def copy_from(
        self, source: Store, source_key: Key, blob: Blob, key: Key, *, inline: bool
    ) -> bool:
        """Let the server copy the object that holds `blob` to a key that it is known to lack.

        Return False, and promise nothing, unless the server is asked with the same credentials for
        both buckets and its ETags prove that the bytes of `blob` were copied.
        """
        check_key(key)
        if not isinstance(source, S3Store) or not self._copies or self.access != source.access:
            return False
        original = ObjectInfo(source_key, blob.size, blob.md5)
        try:
            # Not every server heeds `CopySourceIfMatch`.
            if source.stat(source_key) != original:
                return False
            with self.connection.errors(key):
                response = self.connection.client.copy_object(
                    **self.connection.request(key),
                    **_headers(blob.media_type, blob.digest.hex, inline=inline),
                    CopySource=source.connection.request(source_key),
                    CopySourceIfMatch=f'"{blob.md5}"',
                    MetadataDirective="REPLACE",
                )
        except (CredentialsError, NoBucketError):
            raise
        except UnreachableError:  # an upload may come through
            return False
        except StoreError:  # no such operation, or not with these credentials
            self._copies = False
            return False
        return _proven_md5(response | response.get("CopyObjectResult", {})) == blob.md5

    def get(self, key: Key, *, max_bytes: int | None = None) -> bytes:
        from botocore.exceptions import HTTPClientError, IncompleteReadError

        reads = 0
        with self.connection.errors(key):
            while True:
                response = self.connection.client.get_object(**self.connection.request(key))
                limit = _NO_SIZE if max_bytes is None else max_bytes
                if "ContentLength" not in response:
                    limit = min(limit, _MAX_WITHOUT_LENGTH)
                try:
                    return self._read(key, response["Body"], limit)
                except (HTTPClientError, IncompleteReadError):
                    reads += 1
                    if reads == _READS:
                        raise

    def _read(self, key: Key, body: StreamingBody, max_bytes: int) -> bytes:
        parts: list[bytes] = []
        remaining = max_bytes
        # The read after the last byte makes botocore compare the length with the declared one.
        while part := body.read(min(remaining + 1, _PIECE_BYTES)):
            self.connection.heard_from()
            remaining -= len(part)
            if remaining < 0:
                body.close()
                raise too_large_error(self.connection.place, key, max_bytes)
            parts.append(part)
        return b"".join(parts)

    def stat(self, key: Key) -> ObjectInfo | None:
        try:
            response = self._head(key)
        except NotFoundError:
            return None
        return ObjectInfo(key, response["ContentLength"], _proven_md5(response))

    def _head(self, key: Key) -> dict[str, Any]:
        """Return what the server says of an object, its length at least."""
        with self.connection.errors(key):
            response: dict[str, Any] = self.connection.client.head_object(
                **self.connection.request(key)
            )
        length = response.get("ContentLength")
        if length is None or not 0 <= length < _NO_SIZE:
            said = "without a length" if length is None else f"with a length of {length} bytes"
            raise StoreError(
                f"{self.connection.place}: HeadObject of {printable(key)!r} was answered {said}; "
                "is endpoint_url an S3 server's, without a proxy that changes its answers?"
            )
        return response

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """Yield the objects in the order that the server sends; a request returns up to a thousand.

        Empty objects whose key ends with `/` are left out: consoles and servers with folders write
        them, and they only mark a folder. An ETag that looks like an MD5 counts as one. In a bucket
        that encrypts with KMS it is none, which only `stat` shows.
        """
        first_keys: set[str] = set()
        asked_for = self.connection.prefix + prefix
        count, sparse_pages = 0, 0
        place = f"the end of the listing of {self.connection.place}"
        with (
            WAITS.wait_for(place, lambda: f"{count:,} objects so far"),
            closing(read_ahead(self._pages(prefix))) as pages,
        ):
            for page in pages:
                try:
                    objects = page.objects()
                except ValueError as error:
                    raise self._listing_error(str(error)) from error
                count += len(objects)
                sparse_pages += len(objects) < _FEW_OBJECTS
                if sparse_pages > _MAX_SPARSE_PAGES:
                    raise self._listing_error(
                        f"{sparse_pages:,} pages with less than {_FEW_OBJECTS} objects, and no "
                        "end; give the site a prefix of its own"
                    )
                if objects:
                    first_key = objects[0][0]
                    if first_key in first_keys:
                        raise self._listing_error("the server sends the same page again")
                    first_keys.add(first_key)
                for key, size, etag in objects:
                    name = key.removeprefix(self.connection.prefix)
                    if not key.startswith(asked_for):
                        raise self._listing_error(
                            f"the server lists {printable(key)!r}, and was asked for keys that "
                            f"begin with {printable(asked_for)!r}"
                        )
                    if name and (size or not name.endswith("/")):
                        yield ObjectInfo(Key(name), size, md5_of_etag(etag))

    def list_page(self, prefix: str, token: str = "", max_keys: int = _PAGE_OBJECTS) -> Page:
        """Return one page of a listing: the first, or the one that `token` asks for.

        The keys in it begin with the prefix of the store.
        """
        options = {"ContinuationToken": token} if token else {}
        with self.connection.errors(Key(prefix)):
            page = Page(
                self.connection.client.list_objects_v2(
                    Bucket=self.settings.bucket,
                    Prefix=self.connection.prefix + prefix,
                    MaxKeys=max_keys,
                    **options,
                )
            )
        if not page.is_listing:
            raise self._listing_error("the answer is no listing; is it an S3 server's?")
        return page

    def _pages(self, prefix: str) -> Iterator[Page]:
        """Yield the pages. Raise `ListingError` where a client would ask for pages for ever."""
        token, pages, waited_s = "", 0, 0.0
        while True:
            if pages == _MAX_PAGES:
                raise self._listing_error(
                    f"{pages:,} pages of objects, and no end; give the site a prefix of its own"
                )
            began = monotonic()
            page = self.list_page(prefix, token)
            waited_s += monotonic() - began
            yield page
            if page.is_last:
                return
            pages += 1
            if not page.next_token:
                raise self._listing_error("there are more objects, and no continuation token")
            if page.next_token == token:
                raise self._listing_error("the server sends the same continuation token again")
            token = page.next_token
            if waited_s > min(_FIRST_S + _PAGE_S * pages, _MAX_LISTING_S):
                raise self._listing_error(
                    f"{waited_s:.0f} s for {pages:,} pages of objects, and no end; run again when "
                    "the server is faster"
                )

    def _listing_error(self, problem: str) -> ListingError:
        return ListingError(f"{self.connection.place}: {problem}")

    def delete(self, key: Key) -> None:
        if not {".", ".."}.isdisjoint(key.split("/")):
            text = f"{self.connection.place}: {printable(key)!r} may be the path of another object"
            raise StoreError(f"{text} to a server or a proxy; delete it by hand")
        with self.connection.errors(key):
            self.connection.client.delete_object(**self.connection.request(key))

    # --- uploads ---

    def _is_folder_or_below_object(self, key: Key) -> bool:
        """Return True if the key of another object is a folder of this one, or the reverse."""
        folders = (Key(key[: match.start()]) for match in re.finditer("/", key))
        with suppress(StoreError):
            if any(self.stat(folder) is not None for folder in folders):
                return True
            return not self.list_page(f"{key}/", max_keys=1).is_empty
        return False

    @property
    def _create_only(self) -> CreateOnly:
        return self._observed or self.connection.profile.create_only

    def _upload(self, key: Key, data: bytes, media_type: str, *, inline: bool) -> bool:
        """Send the object; `False` if there is one already, or if it may not have arrived."""
        from botocore.exceptions import ClientError

        upload = self._upload_request(key, data, media_type, inline=inline)
        if self._create_only is not CreateOnly.IGNORED:
            upload["IfNoneMatch"] = "*"
        with self.connection.errors(key):
            try:
                response = self.connection.client.put_object(**upload)
            except ClientError as error:
                code, status = code_and_status(error)
                if status == 412 or code == "ConditionalRequestConflict":
                    return False
                if status != 501 or "IfNoneMatch" not in upload:
                    raise
                self._observed = CreateOnly.IGNORED
                return self._holds(key, data) or self._upload(key, data, media_type, inline=inline)
            if not response.get("ETag"):  # no S3 server's response; a network's login page has none
                return False
            self._check_stored(key, upload, response)
            self._observe_create_only(upload)
        return True

    @property
    def access(self) -> S3Settings:
        """Return what decides which server is asked, and with which credentials."""
        return replace(self.settings, bucket="-", prefix="", timeout_s=None)

    def _etag_of(self, key: Key, expected: bytes) -> str:
        """Return the ETag of an object that holds `expected`, empty if the server gives none.

        Raise `ConflictError` for another object.
        """
        try:
            response = self._head(key)
            md5_there = _proven_md5(response)
            if md5_there is None and response["ContentLength"] == len(expected):
                same = self.get(key, max_bytes=len(expected)) == expected
            else:
                same = md5_there == md5(expected, usedforsecurity=False).hexdigest()
        except (NotFoundError, TooLargeError):
            same = False
        if not same:
            raise conflict_error(self.connection.place, key)
        etag: str = response.get("ETag", "")
        return etag

    def _upload_request(
        self, key: Key, data: bytes, media_type: str, *, inline: bool
    ) -> dict[str, Any]:
        digest = md5(data, usedforsecurity=False)
        request = self.connection.request(key) | {
            "Body": data,
            # `ChecksumAlgorithm` would make botocore send a checksum behind the body over TLS,
            # which OSS, COS and others refuse. Nearly all servers check this one.
            "ContentMD5": b64encode(digest.digest()).decode(),
        }
        return request | _headers(media_type, sha256(data).hexdigest(), inline=inline)

    def _observe_create_only(self, upload: dict[str, Any]) -> None:
        """Find out once whether this server creates only, by sending the same upload again.

        The same bytes are there afterwards in any case.
        """
        from botocore.exceptions import ClientError

        with self._observing:
            if self._create_only is not CreateOnly.UNKNOWN:
                return
            try:
                self.connection.client.put_object(**upload)
            except ClientError as error:
                _, status = code_and_status(error)
                self._observed = CreateOnly.HONOURED if status == 412 else CreateOnly.IGNORED
            else:
                self._observed = CreateOnly.IGNORED

    def _check_stored(self, key: Key, upload: dict[str, Any], response: dict[str, Any]) -> None:
        """Raise `StoreError` unless the server has the bytes that were sent.

        Its ETag proves that where it is an MD5; otherwise, an ETag that is another MD5 is
        settled by reading the object back.
        """
        digest = b64decode(upload["ContentMD5"]).hex()
        if "ETag" in response and _proven_md5(response) in (None, digest):
            return
        with suppress(TooLargeError):
            if self.get(key, max_bytes=len(upload["Body"])) == upload["Body"]:
                return
        raise StoreError(
            f"{self.connection.place}: {printable(key)!r} was sent, and other bytes are there; "
            "remove that object and run again"
        )

    def _holds(self, key: Key, data: bytes) -> bool:
        """Return True if exactly `data` is there, False if nothing is.

        Raise `ExistsError` for other bytes.
        """
        info = self.stat(key)
        if info is None:
            return False
        if info.size == len(data):
            if info.md5 == md5(data, usedforsecurity=False).hexdigest():
                return True
            try:
                if self.get(key, max_bytes=len(data)) == data:
                    return True
            except NotFoundError:  # removed since, or another run is replacing it
                return False
            except TooLargeError:
                pass
        raise exists_error(self.connection.place, key)


def _headers(media_type: str, digest: str, *, inline: bool) -> dict[str, Any]:
    """Return the parameters for what the server says of an object to its readers."""
    headers: dict[str, Any] = {
        "ContentType": media_type,
        "CacheControl": CACHE_CONTROL,
        "Metadata": {"sha256": digest},
    }
    if not inline:
        headers["ContentDisposition"] = "attachment"
    return headers


def _proven_md5(response: dict[str, Any]) -> str | None:
    """Return the MD5 of an object's bytes if the response proves it.

    With encryption by KMS or by the customer's key, the ETag only looks like an MD5.
    """
    if "SSECustomerAlgorithm" in response or "kms" in response.get("ServerSideEncryption", ""):
        return None
    return md5_of_etag(response.get("ETag", ""))
