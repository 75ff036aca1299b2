"""What a destination really does, tried with small objects that are removed again.

A provider's documents say one thing and its servers another, so nothing is taken from a profile
that can be asked. Objects are made beneath `.mirror-probe/` in the destination's own prefix, under
a name nobody else has, and nothing else is touched.
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
from mirror.store.base import DirectoryStore, Store, StoreError, UnreachableError
from mirror.store.profiles import CreateOnly, addressing_of
from mirror.store.s3 import FOREVER, S3Store

FOLDER = ".mirror-probe"
PICTURE = b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR42mP4DwABAQEAHLCMmQAAAABJRU5ErkJggg=="
)
"""The smallest PNG there is: one white pixel."""

PATIENCE_S = 10.0
"""How long one answer may take: somebody is watching."""

_OTHER = PICTURE + b"\0"
_MAX_SKEW_S = 300  # S3 refuses at 900
_USUAL_KEY = 'keep to the usual `key = "{sha256:.2}/{sha256}{ext}"`'
_CHECKSUM_SETTING = "AWS_REQUEST_CHECKSUM_CALCULATION"


class Health(StrEnum):
    PASSED = "passed"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at: what was found, and what to do about it, or what follows from it."""

    name: str
    health: Health
    message: str
    remedy: str = ""


def passed(name: str, message: str, remedy: str = "") -> Check:
    return Check(name, Health.PASSED, message, remedy)


def failed(name: str, message: str, remedy: str = "") -> Check:
    return Check(name, Health.FAILED, message, remedy)


def unknown(name: str, message: str, remedy: str = "") -> Check:
    return Check(name, Health.UNKNOWN, message, remedy)


_NOT_ASKED = unknown(
    "the rest", "not asked after that", "put it right and run `mirror doctor` again"
)


def impatient(store: Store, patience_s: float = PATIENCE_S) -> Store:
    """The same store, where silence is an error after seconds and not after minutes."""
    if isinstance(store, S3Store):
        return S3Store(store.name, replace(store.settings, patience_s=patience_s))
    return store


def examine(
    store: Store,
    published: Callable[[Key], Iterable[Check]] = lambda _: (),
    now: Callable[[], float] = time.time,
    patience_s: float = PATIENCE_S,
) -> Iterator[Check]:
    """Try everything mirror asks of `store`, each check as it is made.

    `published` is called while `PICTURE` is an object under the key it is given, with media type
    `image/png`. Whatever happens, the objects are removed at the end. Once there was no answer
    within `patience_s`, nothing more is asked.
    """
    folder = f"{FOLDER}/{secrets.token_hex(8)}"
    store = impatient(store, patience_s)
    bucket = _Bucket(store, folder, now) if isinstance(store, S3Store) else None
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
    """Write, read, look, list. Raise `StoreError`."""
    key = _key(folder)
    store.put(key, PICTURE, "image/png")
    found = store.stat(key)
    if store.get(key) != PICTURE or found is None or found.size != len(PICTURE):
        yield failed("round trip", "other bytes came back than were written")
        return
    yield passed("round trip", "written, read back and found the same")
    odd = _key(folder, "图 a+b%20.png")
    try:
        store.put(odd, PICTURE, "image/png")
        came_back = store.get(odd) == PICTURE
    except UnreachableError:
        raise
    except StoreError as error:
        yield failed("names", str(error), _USUAL_KEY)
        return
    listed = [info.key for info in store.list(f"{folder}/")]
    if came_back and listed == sorted((key, odd), key=str.encode):
        yield passed("names", "a name with blanks, `+`, `%` and Chinese is kept as it is")
    else:
        changed = "a name with blanks, `+`, `%` or Chinese comes back changed"
        yield failed("names", changed, _USUAL_KEY)


def _remove(store: Store, folder: str) -> str:
    """Remove the probe's objects; return what kept them, empty when nothing did."""
    try:
        for info in list(store.list(f"{folder}/")):
            store.delete(info.key)
    except StoreError as error:
        return str(error)
    if isinstance(store, DirectoryStore):
        with suppress(OSError):  # another probe is at work there
            (store.root / folder).rmdir()
            (store.root / FOLDER).rmdir()
    return ""


@dataclass(frozen=True, slots=True)
class _Bucket:
    """What servers differ in. It lies beneath what `Store` promises, so it takes the client."""

    store: S3Store
    folder: str
    now: Callable[[], float]

    def checks(self) -> Iterator[Check]:
        try:
            yield from _round_trip(self.store, self.folder)
        except UnreachableError:
            raise  # nothing more is asked
        except StoreError as error:
            yield self._not_stored(error)
            return
        yield from self._answer()
        more = (self._paging, self._content_md5, self._checksum_header, self._create_only)
        yield from (check() for check in (*more, self._etag))

    # --- before anything is stored ---

    def reach(self) -> Iterator[Check]:
        """Whose keys are used, and why nothing can be listed with them; and what would help."""
        try:
            yield self._credentials()
            next(self.store.list(f"{self.folder}/"), None)
        except StoreError as error:
            clock = self._clock(_headers(getattr(error.__cause__, "response", None)))
            if clock is not None and clock.health is Health.FAILED:
                yield clock
            if not _is_silence(error):
                yield from self._other_style()
            yield failed("list", str(error))
            if isinstance(error, UnreachableError):
                yield _NOT_ASKED

    def _credentials(self) -> Check:
        settings, names = self.store.settings, self.store._profile.key_env[:2]
        if settings.access_key_env:
            return passed("credentials", f"from the environment: {settings.access_key_env}")
        if not settings.profile and names and all(map(os.environ.get, names)):
            return passed("credentials", f"from the environment: {' and '.join(names)}")
        with self.store._errors(Key("")):
            found = self.store._session.get_credentials()
        if found is None:
            own = f"; {' and '.join(names)} are read too" if names else ""
            return failed(
                "credentials",
                "there are none",
                "name a `profile` of ~/.aws/credentials, or set AWS_ACCESS_KEY_ID and "
                f"AWS_SECRET_ACCESS_KEY{own}",
            )
        used = self.store.profile_used
        named = f", profile {used!r}" if used else ""
        return passed("credentials", f"from {found.method}{named}")

    def _other_style(self) -> Iterator[Check]:
        other = "path" if self._style == "virtual" else "virtual"
        with suppress(StoreError):
            changed = S3Store(self.store.name, replace(self.store.settings, addressing=other))
            next(changed.list(f"{self.folder}/"), None)
            yield failed(
                "addressing",
                f"the server refuses the bucket's name where it stood, and takes it {other} style",
                f'set `addressing = "{other}"`',
            )

    @property
    def _style(self) -> str:
        settings = self.store.settings
        return addressing_of(self.store._profile, self.store._endpoint_url, settings.addressing)

    def _not_stored(self, error: StoreError) -> Check:
        remedy = ""
        if os.environ.get(_CHECKSUM_SETTING, "").lower() == "when_supported":
            remedy = f"unset {_CHECKSUM_SETTING}: checksums of Amazon's own are refused elsewhere"
        return failed("round trip", str(error), remedy)

    # --- with an object in place ---

    def _answer(self) -> Iterator[Check]:
        """What the server says of the object."""
        yield passed("addressing", f"{self._style} style, profile {self.store._profile.name}")
        reply = self._head()
        if (clock := self._clock(_headers(reply))) is not None:
            yield clock
        kind, cache = reply.get("ContentType"), reply.get("CacheControl")
        if kind != "image/png":
            yield failed(
                "media type",
                f"stored as image/png, told as {kind}",
                "a reader's browser may save the image instead of showing it; look for a rule of "
                "the bucket that sets types",
            )
        elif cache != FOREVER:
            yield passed("media type", "kept", "Cache-Control is lost: set it where it is served")
        else:
            yield passed("media type", "kept, and Cache-Control with it")

    def _clock(self, headers: Mapping[str, str]) -> Check | None:
        try:
            theirs = parsedate_to_datetime(headers["date"]).timestamp()
        except (KeyError, ValueError):
            return None
        skew = self.now() - theirs
        if abs(skew) <= _MAX_SKEW_S:
            return passed("clock", f"within {_MAX_SKEW_S // 60} minutes of the server's")
        return failed(
            "clock",
            f"{abs(skew) / 60:,.0f} minutes {'ahead of' if skew > 0 else 'behind'} the server's",
            "set this machine's clock; signatures are refused from 15 minutes on",
        )

    def _paging(self) -> Check:
        found: set[str] = set()
        after: dict[str, Any] = {"MaxKeys": 1}
        for _ in range(2):
            page = self.store._page(f"{self.folder}/", after)
            found |= {key for key, *_ in page.objects()}
            if not page.after:
                break
            after |= page.after
        if len(found) == 2:
            return passed("paging", "a list in two pages is complete")
        return failed(
            "paging",
            f"of 2 objects, a list in pages gave {len(found)}",
            "`mirror verify` cannot be relied on here; tell the provider",
        )

    def _content_md5(self) -> Check:
        key = _key(self.folder, "damaged")
        wrong = _base64(md5(_OTHER, usedforsecurity=False).digest())
        if not self._accepts(key, ContentMD5=wrong):
            return passed("Content-MD5", "an upload damaged on the way is refused")
        found = self.store.stat(_key(self.folder))
        if found and found.md5 == _md5(PICTURE):
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
        if self.store.get(key) == PICTURE and not self._accepts(key, IfNoneMatch="*"):
            if self._accepts(_key(self.folder, "new"), IfNoneMatch="*"):
                return passed(
                    name, "If-None-Match is honoured: two runs never overwrite each other"
                )
            return passed(name, "If-None-Match is refused; mirror looks before it writes")
        if self.store._profile.create_only is CreateOnly.HONOURED:
            return failed(
                name,
                f"{self.store._profile.name} honours If-None-Match, and this server does not",
                'set `provider = "generic"`, so that mirror looks before it writes',
            )
        return passed(name, "If-None-Match is ignored; mirror looks before it writes")

    def _etag(self) -> Check:
        etag = self._head().get("ETag", "").strip('"')
        if etag.lower() == _md5(PICTURE):
            spelled = ", in capitals" if etag != etag.lower() else ""
            return passed("ETag", f"is the MD5{spelled}: one list checks a thousand objects")
        found = next(self.store.list(f"{self.folder}/probe"), None)
        if found is not None and found.md5 is not None:
            return failed(
                "ETag",
                "looks like an MD5 and is another number: every object would seem to differ",
                "switch off encryption with keys of your own for this bucket",
            )
        return passed("ETag", "is no MD5", "`mirror verify` reads every object back; use --sample")

    # --- the client ---

    def _head(self) -> dict[str, Any]:
        key = _key(self.folder)
        with self.store._errors(key):
            reply: dict[str, Any] = self.store._client.head_object(**self._named(key))
        return reply

    def _named(self, key: Key) -> dict[str, str]:
        return {"Bucket": self.store._bucket, "Key": self.store._prefix + key}

    def _accepts(self, key: Key, **more: Any) -> bool:
        """Whether the server takes an upload said in this way; no answer at all is an error."""
        from botocore.exceptions import ClientError

        with self.store._errors(key):
            try:
                self.store._client.put_object(**self._named(key), **{"Body": PICTURE, **more})
            except ClientError as error:
                if error.response["ResponseMetadata"]["HTTPStatusCode"] in (403, 429, 503):
                    raise
                return False
        return True


def _is_silence(error: StoreError) -> bool:
    """Whether somebody may be there who does not answer, rather than nobody of that name."""
    from botocore.exceptions import ConnectTimeoutError, ReadTimeoutError

    return isinstance(error.__cause__, ConnectTimeoutError | ReadTimeoutError)


def _headers(response: Mapping[str, Any] | None) -> Mapping[str, str]:
    found: Mapping[str, str] = (response or {}).get("ResponseMetadata", {}).get("HTTPHeaders", {})
    return found


def _md5(data: bytes) -> str:
    return md5(data, usedforsecurity=False).hexdigest()


def _base64(digest: bytes) -> str:
    return b64encode(digest).decode()
