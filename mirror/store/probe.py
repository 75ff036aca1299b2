"""Checks of a destination with small objects, which are removed at the end.

A provider's documents and its servers often disagree, so a server is asked wherever that is
possible. Objects are created below `.mirror-probe/` in the destination's prefix, under a random
name; nothing else is touched.
"""

from __future__ import annotations

import os
import secrets
import time
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from enum import StrEnum
from hashlib import md5, sha256
from typing import Any

from mirror.model import Key
from mirror.store.connection import Connection
from mirror.store.diagnosis import code_and_status
from mirror.store.errors import ListingError, StoreError, UnreachableError
from mirror.store.folder import DirectoryStore
from mirror.store.profiles import CreateOnly
from mirror.store.protocol import Store
from mirror.store.s3 import CACHE_CONTROL, S3Store

FOLDER = ".mirror-probe"
PICTURE = b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR42mP4DwABAQEAHLCMmQAAAABJRU5ErkJggg=="
)
"""The smallest PNG there is: one white pixel."""

PATIENCE_S = 10.0
"""Time limit of one response, in seconds: a person waits for the result."""

_OTHER = PICTURE + b"\0"
_ODD_NAME = "图 a+b%20.png"
_NAMES = ("probe.png", _ODD_NAME, "damaged", "checksum", "once", "new")
"""Names of all objects that a probe may store."""

_MAX_SKEW_S = 300  # S3 refuses at 900
_USUAL_KEY = 'keep to the usual `key = "{sha256:.2}/{sha256}{ext}"`'
_UNUSABLE = "no command can rely on this store; tell the provider"
_CHECKSUM_SETTING = "AWS_REQUEST_CHECKSUM_CALCULATION"


class Health(StrEnum):
    PASSED = "passed"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Check:
    """Result of one check: a message, and a remedy or a consequence."""

    name: str
    health: Health
    message: str
    remedy: str


def passed(name: str, message: str, remedy: str = "") -> Check:
    return Check(name, Health.PASSED, message, remedy)


def failed(name: str, message: str, remedy: str = "") -> Check:
    return Check(name, Health.FAILED, message, remedy)


def unknown(name: str, message: str, remedy: str = "") -> Check:
    return Check(name, Health.UNKNOWN, message, remedy)


_NOT_ASKED = unknown(
    "the rest", "not asked after that", "put it right and run `mirror doctor` again"
)


def impatient(store: Store, patience_s: float) -> Store:
    """Return the same store with a time limit for each response, and without retries."""
    if isinstance(store, S3Store):
        return S3Store(store.name, replace(store.settings, timeout_s=patience_s))
    return store


def examine(
    store: Store,
    published: Callable[[Key], Iterable[Check]] = lambda _: (),
    now: Callable[[], float] = time.time,
    patience_s: float = PATIENCE_S,
) -> Iterator[Check]:
    """Try every operation that mirror needs of `store`; yield each check as it is made.

    `published` is called while `PICTURE` is stored under the key it is given, with media type
    `image/png`. The objects are removed at the end in any case. After a request without a
    response within `patience_s`, no other request is sent.
    """
    folder = f"{FOLDER}/{secrets.token_hex(8)}"
    store = impatient(store, patience_s)
    bucket = _BucketProbe(store, folder, now) if isinstance(store, S3Store) else None
    if bucket is not None:
        reached = True
        for check in bucket.reach():
            yield check
            reached = reached and check.health is Health.PASSED
        if not reached:
            return
    try:
        yield from _round_trip(store, folder) if bucket is None else bucket.checks()
        if store.stat(_key(folder)) is not None:
            yield from published(_key(folder))
    except StoreError as error:
        yield failed("destination", str(error))
        if isinstance(error, UnreachableError):
            yield _NOT_ASKED
    finally:
        left = _remove(store, folder)
    if left:
        yield failed("clean-up", f"the probe stayed: {left}", f"remove {FOLDER}/ by hand")


def _key(folder: str, name: str = "probe.png") -> Key:
    return Key(f"{folder}/{name}")


def _round_trip(store: Store, folder: str) -> Iterator[Check]:
    """Check that objects can be written, read, looked up and listed. Raise `StoreError`."""
    key = _key(folder)
    store.put(key, PICTURE, "image/png")
    info = store.stat(key)
    if (
        store.get(key, max_bytes=len(PICTURE)) != PICTURE
        or info is None
        or info.size != len(PICTURE)
    ):
        yield failed("round trip", "other bytes came back than were written")
        return
    yield passed("round trip", "written, read back and found the same")
    odd = _key(folder, _ODD_NAME)
    try:
        store.put(odd, PICTURE, "image/png")
        came_back = store.get(odd, max_bytes=len(PICTURE)) == PICTURE
    except UnreachableError:
        raise
    except StoreError as error:
        yield failed("names", str(error), _USUAL_KEY)
        return
    listed = {info.key for info in store.list(f"{folder}/")}
    if len(listed) < 2:
        counts = f"of 2 objects that were stored, {len(listed)} is listed"
        yield failed("list", counts, _UNUSABLE)
    elif came_back and listed == {key, odd}:
        yield passed("names", "a name with blanks, `+`, `%` and Chinese is kept as it is")
    else:
        changed = "a name with blanks, `+`, `%` or Chinese comes back changed"
        yield failed("names", changed, _USUAL_KEY)


def _remove(store: Store, folder: str) -> str:
    """Remove the probe's objects; return the reason if that failed, else an empty text.

    The listing of a store with a fault may lack some of them, so they are removed by name too.
    """
    keys = {_key(folder, name) for name in _NAMES}
    try:
        keys.update(info.key for info in store.list(f"{folder}/"))
    except UnreachableError as error:
        return str(error)
    except StoreError:
        pass  # it was reported when the objects were listed before
    try:
        for key in keys:
            store.delete(key)
    except StoreError as error:
        return str(error)
    if isinstance(store, DirectoryStore):
        with suppress(OSError):  # another probe is using the folder
            (store.root / folder).rmdir()
            (store.root / FOLDER).rmdir()
    return ""


@dataclass(frozen=True, slots=True)
class _BucketProbe:
    """Checks of what S3 servers differ in.

    They need requests that `Store` does not offer, so they use the connection below it.
    """

    store: S3Store
    folder: str
    now: Callable[[], float]

    def checks(self) -> Iterator[Check]:
        try:
            yield from _round_trip(self.store, self.folder)
        except UnreachableError:
            raise  # nothing more is asked
        except ListingError as error:
            yield failed("list", str(error), _UNUSABLE)
            return
        except StoreError as error:
            yield self._not_stored(error)
            return
        yield from self._headers()
        more = (self._content_md5, self._checksum_header, self._create_only, self._etag)
        yield from (check() for check in (*more, self._paging))

    # --- before anything is stored ---

    def reach(self) -> Iterator[Check]:
        """Check credentials and one listing. If it fails, look for the reason."""
        try:
            yield self._credentials()
            next(self.store.list(f"{self.folder}/"), None)
        except StoreError as error:
            clock = self._clock(_http_headers(getattr(error.__cause__, "response", None)))
            if clock is not None and clock.health is Health.FAILED:
                yield clock
            if not _is_timeout(error):
                yield from self._other_style()
            yield failed("list", str(error))
            if isinstance(error, UnreachableError):
                yield _NOT_ASKED

    def _credentials(self) -> Check:
        source = self._connection.credential_source()
        if source is not None:
            return passed("credentials", f"from {source}")
        names = self._connection.profile.key_env[:2]
        alternative = f"; {' and '.join(names)} are read too" if names else ""
        return failed(
            "credentials",
            "there are none",
            "name a `profile` of ~/.aws/credentials, or set AWS_ACCESS_KEY_ID and "
            f"AWS_SECRET_ACCESS_KEY{alternative}",
        )

    def _other_style(self) -> Iterator[Check]:
        other = "path" if self._connection.addressing == "virtual" else "virtual"
        with suppress(StoreError):
            changed = S3Store(self.store.name, replace(self.store.settings, addressing=other))
            next(changed.list(f"{self.folder}/"), None)
            yield failed(
                "addressing",
                f"the server refuses the bucket's name where it stood, and takes it {other} style",
                f'set `addressing = "{other}"`',
            )

    def _not_stored(self, error: StoreError) -> Check:
        remedy = ""
        if os.environ.get(_CHECKSUM_SETTING, "").lower() == "when_supported":
            remedy = f"unset {_CHECKSUM_SETTING}: checksums of Amazon's own are refused elsewhere"
        return failed("round trip", str(error), remedy)

    # --- with an object in place ---

    def _headers(self) -> Iterator[Check]:
        """Check what the server says of the object in its headers."""
        connection = self._connection
        yield passed(
            "addressing", f"{connection.addressing} style, profile {connection.profile.name}"
        )
        response = self._head()
        if (clock := self._clock(_http_headers(response))) is not None:
            yield clock
        media_type, cache = response.get("ContentType"), response.get("CacheControl")
        if media_type != "image/png":
            yield failed(
                "media type",
                f"stored as image/png, told as {media_type}",
                "a reader's browser may save the image instead of showing it; look for a rule of "
                "the bucket that sets types",
            )
        elif cache != CACHE_CONTROL:
            yield passed("media type", "kept", "Cache-Control is lost: set it where it is served")
        else:
            yield passed("media type", "kept, and Cache-Control with it")

    def _clock(self, headers: Mapping[str, str]) -> Check | None:
        try:
            server_time = parsedate_to_datetime(headers["date"]).timestamp()
        except (KeyError, ValueError):
            return None
        skew = self.now() - server_time
        if abs(skew) <= _MAX_SKEW_S:
            return passed("clock", f"within {_MAX_SKEW_S // 60} minutes of the server's")
        return failed(
            "clock",
            f"{abs(skew) / 60:,.0f} minutes {'ahead of' if skew > 0 else 'behind'} the server's",
            "set this machine's clock; signatures are refused from 15 minutes on",
        )

    def _paging(self) -> Check:
        """List the objects in large pages, then in pages of one object."""
        keys = [info.key for info in self.store.list(f"{self.folder}/")]
        paged: list[Key] = []
        prefix = self._connection.prefix
        token = ""
        for _ in range(2 * len(keys)):
            page = self.store.list_page(f"{self.folder}/", token, max_keys=1)
            paged += [Key(key.removeprefix(prefix)) for key, *_ in page.objects()]
            token = page.next_token
            if page.is_last or not token:
                break
        if sorted(paged) != sorted(keys):
            return failed(
                "paging",
                f"of {len(keys)} objects, a list in pages gave {len(set(paged))}",
                _UNUSABLE,
            )
        is_sorted = keys == sorted(keys, key=str.encode)
        order = "" if is_sorted else ", in another order than usual, which mirror takes too"
        return passed("paging", f"a list in pages is complete{order}")

    def _content_md5(self) -> Check:
        key = _key(self.folder, "damaged")
        wrong = _base64(md5(_OTHER, usedforsecurity=False).digest())
        if not self._accepts(key, ContentMD5=wrong):
            return passed("Content-MD5", "an upload damaged on the way is refused")
        info = self.store.stat(_key(self.folder))
        if info and info.md5 == _md5(PICTURE):
            return passed(
                "Content-MD5", "not checked by the server; mirror compares the ETag it answers with"
            )
        return failed(
            "Content-MD5",
            "not checked by the server, and its ETags tell nothing: damage would go unnoticed",
            "run `mirror verify --deep` after each sync",
        )

    def _checksum_header(self) -> Check:
        checksum = _base64(sha256(PICTURE).digest())
        if self._accepts(_key(self.folder, "checksum"), ChecksumSHA256=checksum):
            return passed("checksum headers", "x-amz-checksum-sha256 is taken; mirror needs none")
        return passed("checksum headers", "x-amz-checksum-sha256 is refused; mirror sends none")

    def _create_only(self) -> Check:
        name, key = "create only", _key(self.folder, "once")
        self._accepts(key)
        self._accepts(key, Body=_OTHER, IfNoneMatch="*")
        if self.store.get(key, max_bytes=len(_OTHER)) == PICTURE and not self._accepts(
            key, IfNoneMatch="*"
        ):
            if self._accepts(_key(self.folder, "new"), IfNoneMatch="*"):
                return passed(
                    name, "If-None-Match is honoured: two runs never overwrite each other"
                )
            return passed(name, "If-None-Match is refused; mirror looks before it writes")
        profile = self._connection.profile
        if profile.create_only is CreateOnly.HONOURED:
            return failed(
                name,
                f"{profile.name} honours If-None-Match, and this server does not",
                'set `provider = "generic"`, so that mirror looks before it writes',
            )
        return passed(name, "If-None-Match is ignored; mirror looks before it writes")

    def _etag(self) -> Check:
        etag = self._head().get("ETag", "").strip('"')
        if etag.lower() == _md5(PICTURE):
            spelled = ", in capitals" if etag != etag.lower() else ""
            return passed("ETag", f"is the MD5{spelled}: one list checks a thousand objects")
        info = next(self.store.list(f"{self.folder}/probe"), None)
        if info is not None and info.md5 is not None:
            return failed(
                "ETag",
                "looks like an MD5 and is another number: every object would seem to differ",
                "switch off encryption with keys of your own for this bucket",
            )
        return passed("ETag", "is no MD5", "`mirror verify` reads every object back; use --sample")

    # --- the client ---

    @property
    def _connection(self) -> Connection:
        return self.store.connection

    def _head(self) -> dict[str, Any]:
        key = _key(self.folder)
        with self._connection.errors(key):
            response: dict[str, Any] = self._connection.client.head_object(
                **self._connection.request(key)
            )
        return response

    def _accepts(self, key: Key, **options: Any) -> bool:
        """Return True if the server takes an upload with these options.

        Raise `StoreError` if that cannot be known: no response, no permission, a busy server.
        """
        from botocore.exceptions import ClientError

        upload = self._connection.request(key) | {"Body": PICTURE} | options
        with self._connection.errors(key):
            try:
                self._connection.client.put_object(**upload)
            except ClientError as error:
                _, status = code_and_status(error)
                if status in (403, 429, 503):
                    raise
                return False
        return True


def _is_timeout(error: StoreError) -> bool:
    """Return True if the host exists but did not respond in time."""
    from botocore.exceptions import ConnectTimeoutError, ReadTimeoutError

    return isinstance(error.__cause__, ConnectTimeoutError | ReadTimeoutError)


def _http_headers(response: Mapping[str, Any] | None) -> Mapping[str, str]:
    metadata = (response or {}).get("ResponseMetadata", {})
    headers: Mapping[str, str] = metadata.get("HTTPHeaders", {})
    return headers


def _md5(data: bytes) -> str:
    return md5(data, usedforsecurity=False).hexdigest()


def _base64(digest: bytes) -> str:
    return b64encode(digest).decode()
