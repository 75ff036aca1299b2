"""Objects in an S3 bucket, at Amazon or at anyone who says "S3-compatible".

The settings are those that every server and provider tried accepts; what they differ in is data,
in `profiles`. boto3's upload manager is not used: it sends in parts, whose ETag is no MD5.
"""

from __future__ import annotations

import os
import re
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from hashlib import md5, sha256
from itertools import repeat
from threading import Lock, RLock
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus, urlsplit

from mirror.engine import Threads
from mirror.model import OCTETS, Key
from mirror.store.answers import answer, refused, unsent
from mirror.store.base import (
    CredentialsError,
    NotFoundError,
    ObjectInfo,
    StoreError,
    check_key,
    exists,
)
from mirror.store.profiles import NAMES, CreateOnly, Profile, addressing_of, profile_of, region_of
from mirror.urls.redact import printable

if TYPE_CHECKING:
    import boto3
    from botocore.session import Session

FOREVER = "public, max-age=31536000, immutable"
"""An object's key comes from its bytes, so what a browser keeps never goes stale."""

_SMALL = 1_000_000  # bytes
_READS = 3  # how often one object is asked for when the connection breaks in its middle


@cache
def _loader() -> Any:
    """botocore's description of S3, megabytes of JSON, read once for all stores."""
    from botocore.loaders import create_loader

    return create_loader()


@dataclass(frozen=True, slots=True)
class S3Settings:
    """Where a bucket is and how to speak to it.

    `provider` and `addressing` ("path", "virtual") are told by the endpoint when "auto".
    Credentials come from `access_key_env` and `secret_key_env` (names of environment variables),
    else `profile`, else the provider's own variables, else boto's chain. Where there is no such
    profile and the environment has AWS's keys, as in CI, none counts as named. `signature` "v2" is
    for providers that refuse "v4". With `patience_s` everything is asked once and may take so long,
    because somebody watches.
    """

    bucket: str = ""
    prefix: str = ""
    endpoint_url: str | None = None
    region: str | None = None
    profile: str | None = None
    addressing: str = "auto"
    provider: str = "auto"
    signature: str = "v4"
    access_key_env: str | None = None
    secret_key_env: str | None = None
    workers: int = 16
    patience_s: float | None = None

    def __post_init__(self) -> None:
        """Raise `StoreError` for what can be known to be wrong without asking anyone."""
        for name, allowed in _CHOICES.items():
            if (value := getattr(self, name)) not in allowed:
                raise StoreError(f"{name} is one of {', '.join(allowed)}; got {value!r}")
        if (self.access_key_env is None) != (self.secret_key_env is None):
            raise StoreError("access_key_env and secret_key_env go together; only one is there")
        if self.prefix:
            check_key(self.prefix.strip("/"))
        if self.endpoint_url is not None:
            parts = urlsplit(self.endpoint_url)
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise StoreError("endpoint_url starts with http:// or https:// and names a host")
            if parts.username is not None or parts.query:
                raise StoreError("endpoint_url holds a secret; credentials go in a profile")


_CHOICES = {
    "addressing": ("auto", "path", "virtual"),
    "provider": NAMES,
    "signature": ("v4", "v2"),
}


class S3Store:
    """Objects in a bucket, beneath a prefix. Contacts nobody before the first call.

    `requests` counts what went out, by operation, every retry included.
    """

    def __init__(self, name: str, settings: S3Settings) -> None:
        if not settings.bucket:
            raise StoreError(f"{name}: no bucket is named; expected `s3://bucket/prefix`")
        self.name = name
        self.settings = settings
        self.requests: Counter[str] = Counter()
        prefix = settings.prefix.strip("/")
        self._prefix = f"{prefix}/" if prefix else ""
        self._lock = RLock()
        self._learning = Lock()
        self._learned: CreateOnly | None = None
        self._endpoint_url = settings.endpoint_url

    def __reduce__(self) -> tuple[type[S3Store], tuple[str, S3Settings]]:
        return S3Store, (self.name, self.settings)

    # --- the store ---

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
        proven = absent or self._create_only is CreateOnly.HONOURED
        if not proven and self._holds(key, data):
            return
        # Again if what was in the way is gone a moment later, or what was sent did not arrive.
        for _ in range(3):
            if self._upload(key, data, media_type, inline) or self._holds(key, data):
                return
        raise StoreError(
            f"{self._place}: {printable(key)!r} was sent three times, and is not there; does "
            "another run remove it, or is endpoint_url no S3 server's?"
        )

    def replace(
        self, key: Key, data: bytes, media_type: str = OCTETS, *, inline: bool = True
    ) -> None:
        check_key(key)
        request = self._request(key, data, media_type, inline)
        with self._errors(key):
            self._check_stored(key, request, self._client.put_object(**request))

    def get(self, key: Key) -> bytes:
        from botocore.exceptions import HTTPClientError, IncompleteReadError

        reads = 0
        with self._errors(key):
            while True:
                reply = self._client.get_object(Bucket=self._bucket, Key=self._prefix + key)
                try:
                    data: bytes = reply["Body"].read()
                except (HTTPClientError, IncompleteReadError):
                    reads += 1
                    if reads == _READS:
                        raise
                else:
                    return data

    def stat(self, key: Key) -> ObjectInfo | None:
        try:
            with self._errors(key):
                reply = self._client.head_object(Bucket=self._bucket, Key=self._prefix + key)
        except NotFoundError:
            return None
        return ObjectInfo(key, reply["ContentLength"], _vouched(reply))

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """Yield the objects, in key order, a thousand with each request.

        An ETag that looks like an MD5 is taken for one. Where a bucket encrypts with KMS it is
        none, and only `stat` can tell.
        """
        last = ""
        with closing(_ahead(self._pages(prefix))) as pages:
            for page in pages:
                with self._errors(Key(prefix)):
                    objects = page.objects()
                for key, size, etag in objects:
                    if key <= last:  # else a reader that relies on the order misses objects
                        raise StoreError(f"{self._place}: the server lists keys out of order")
                    last = key
                    if name := key.removeprefix(self._prefix):  # "" stands for the folder itself
                        yield ObjectInfo(Key(name), size, _md5(etag))

    def _pages(self, prefix: str) -> Iterator[_Page]:
        page = self._page(prefix, {})
        yield page
        while page.after:
            page = self._page(prefix, page.after)
            yield page

    def _page(self, prefix: str, after: dict[str, str]) -> _Page:
        with self._errors(Key(prefix)):
            reply = self._client.list_objects_v2(
                Bucket=self._bucket, Prefix=self._prefix + prefix, **after
            )
        if "IsTruncated" not in reply:  # some network's login page must not pass for "no objects"
            raise StoreError(f"{self._place}: the answer is no listing; is it an S3 server's?")
        return _Page(reply)

    def delete(self, key: Key) -> None:
        with self._errors(key):
            self._client.delete_object(Bucket=self._bucket, Key=self._prefix + key)

    # --- creating only ---

    @property
    def _create_only(self) -> CreateOnly:
        if self._learned is None:
            with self._lock:
                return self._profile.create_only
        return self._learned

    def _upload(self, key: Key, data: bytes, media_type: str, inline: bool) -> bool:
        """Send the object; `False` if one is there already, or if it may not have arrived."""
        from botocore.exceptions import ClientError

        request = self._request(key, data, media_type, inline)
        if self._create_only is not CreateOnly.IGNORED:
            request["IfNoneMatch"] = "*"
        with self._errors(key):
            try:
                reply = self._client.put_object(**request)
            except ClientError as error:
                code, status = answer(error)
                if status == 412 or code == "ConditionalRequestConflict":
                    return False
                if status != 501 or "IfNoneMatch" not in request:
                    raise
                self._learned = CreateOnly.IGNORED
                return self._holds(key, data) or self._upload(key, data, media_type, inline)
            if not reply.get("ETag"):  # no S3 server says so: the login page of some network does
                return False
            self._check_stored(key, request, reply)
            self._learn(request)
        return True

    def _request(self, key: Key, data: bytes, media_type: str, inline: bool) -> dict[str, Any]:
        """What every upload says."""
        digest = md5(data, usedforsecurity=False)
        request: dict[str, Any] = {
            "Bucket": self._bucket,
            "Key": self._prefix + key,
            "Body": data,
            # A value, and never `ChecksumAlgorithm`: that makes botocore send the checksum behind
            # the body over TLS, which OSS, COS and others refuse. This one nearly all check.
            "ContentMD5": b64encode(digest.digest()).decode(),
            "ContentType": media_type,
            "CacheControl": FOREVER,
            "Metadata": {"sha256": sha256(data).hexdigest()},
        }
        if not inline:
            request["ContentDisposition"] = "attachment"
        return request

    def _learn(self, request: dict[str, Any]) -> None:
        """Find out, once, whether this server creates only: by the same upload a second time.

        Whatever it does, the same bytes are there afterwards.
        """
        from botocore.exceptions import ClientError

        with self._learning:
            if self._create_only is not CreateOnly.UNKNOWN:
                return
            try:
                self._client.put_object(**request)
            except ClientError as error:
                _, status = answer(error)
                self._learned = CreateOnly.HONOURED if status == 412 else CreateOnly.IGNORED
            else:
                self._learned = CreateOnly.IGNORED

    def _check_stored(self, key: Key, sent: dict[str, Any], reply: dict[str, Any]) -> None:
        """Raise `StoreError` unless the server has what was sent: by its word, or by its bytes."""
        told = "ETag" in reply and _vouched(reply) in (None, b64decode(sent["ContentMD5"]).hex())
        if told or self.get(key) == sent["Body"]:
            return
        raise StoreError(
            f"{self._place}: {printable(key)!r} was sent, and other bytes are there; "
            "remove that object and run again"
        )

    def _holds(self, key: Key, data: bytes) -> bool:
        """Whether exactly `data` is there; `False` if nothing is; raise `ExistsError` otherwise."""
        found = self.stat(key)
        if found is None:
            return False
        if found.size == len(data):
            if found.md5 == md5(data, usedforsecurity=False).hexdigest():
                return True
            try:
                if self.get(key) == data:
                    return True
            except NotFoundError:  # gone since, or just being replaced by another run
                return False
        raise exists(self._place, key)

    # --- the client ---

    @property
    def _bucket(self) -> str:
        return self.settings.bucket

    @property
    def _place(self) -> str:
        """The bucket as messages name it."""
        parts = urlsplit(self._endpoint_url or "")
        where = f" at {parts.scheme}://{parts.netloc.rpartition('@')[2]}" if parts.netloc else ""
        return f"{self.name}: bucket {self._bucket!r}{where}"

    @cached_property
    def _session(self) -> Session:
        from botocore.session import Session

        named = self.settings.profile
        session = Session(profile=named)
        if named and named not in session.available_profiles and _environment_has_keys():
            session = Session()
        session.register_component("data_loader", _loader())
        return session

    @property
    def profile_used(self) -> str | None:
        """The profile of the user's that the credentials come from; not one that is not there."""
        profile: str | None = self._session.instance_variables().get("profile")
        return profile

    @cached_property
    def _boto(self) -> boto3.Session:
        import boto3

        return boto3.Session(botocore_session=self._session)

    @cached_property
    def _profile(self) -> Profile:
        if self._endpoint_url is None:
            with self._errors(Key("")):  # the user's environment or boto profile may name one
                self._endpoint_url = self._session.create_client("s3").meta.endpoint_url
        return profile_of(self._endpoint_url, self.settings.provider)

    @property
    def _client(self) -> Any:
        with self._lock:  # sessions are not safe to share; clients are
            return self._shared_client

    @cached_property
    def _shared_client(self) -> Any:
        from botocore.config import Config

        settings, profile = self.settings, self._profile
        style = addressing_of(profile, self._endpoint_url, settings.addressing)
        s3: Any = {"addressing_style": style}
        client = self._boto.client(
            "s3",
            endpoint_url=settings.endpoint_url,
            region_name=settings.region or region_of(profile, self._endpoint_url),
            config=Config(
                # boto would presign with v2 for endpoints it does not know; B2 takes v4 only.
                signature_version="s3v4" if settings.signature == "v4" else "s3",
                s3=s3,
                connect_timeout=settings.patience_s or 10,
                read_timeout=settings.patience_s or 60,
                max_pool_connections=settings.workers,
                tcp_keepalive=True,
                **self._options(profile),
            ),
            **self._credentials(profile),
        )
        client.meta.events.register("before-send.s3", self._count)
        client.meta.events.register("before-sign.s3.PutObject", _send_at_once)
        # Under this name it comes before botocore's own, which read the page too.
        client.meta.events.register("before-parse.*.*", _set_contents_aside)
        return client

    def _options(self, profile: Profile) -> dict[str, Any]:
        """What the user's environment and boto profile have the last word on."""
        chosen = {name.upper() for name in self._session.get_scoped_config()}
        chosen |= {name.removeprefix("AWS_") for name in os.environ}
        options: dict[str, Any] = {}
        if not profile.is_aws:  # checksums of Amazon's own, which others refuse
            options["request_checksum_calculation"] = "when_required"
            options["response_checksum_validation"] = "when_required"
        options = {name: value for name, value in options.items() if name.upper() not in chosen}
        if self.settings.patience_s is not None:
            options["retries"] = {"mode": "standard", "total_max_attempts": 1}
        elif chosen.isdisjoint(("MAX_ATTEMPTS", "RETRY_MODE")):
            options["retries"] = {"mode": "standard", "total_max_attempts": 4}
        return options

    def _credentials(self, profile: Profile) -> dict[str, Any]:
        """Keys from environment variables that boto does not know; none otherwise."""
        settings = self.settings
        names: tuple[str, ...]
        if settings.access_key_env and settings.secret_key_env:
            names = (settings.access_key_env, settings.secret_key_env)
            if missing := [name for name in names if not os.environ.get(name)]:
                raise CredentialsError(
                    f"{self._place}: the environment has no {' and no '.join(missing)}"
                )
        elif (
            not self.profile_used
            and profile.key_env
            and all(map(os.environ.get, profile.key_env[:2]))
        ):
            names = profile.key_env
        else:
            return {}
        options = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
        return {o: os.environ[n] for o, n in zip(options, names, strict=False) if n in os.environ}

    def _count(self, event_name: str, **_: Any) -> None:
        with self._lock:
            self.requests[event_name.rpartition(".")[2]] += 1

    # --- errors ---

    @contextmanager
    def _errors(self, key: Key) -> Iterator[None]:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            yield
        except ClientError as error:
            raise refused(error, self._place, key) from error
        except (BotoCoreError, ValueError) as error:
            raise unsent(error, self._place) from error


def _environment_has_keys() -> bool:
    return all(map(os.environ.get, ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")))


def _vouched(reply: dict[str, Any]) -> str | None:
    """The MD5 of an object's bytes. With keys of KMS or one's own the ETag only looks like one."""
    if "SSECustomerAlgorithm" in reply or "kms" in reply.get("ServerSideEncryption", ""):
        return None
    return _md5(reply.get("ETag", ""))


def _md5(etag: str) -> str | None:
    """The ETag, where it is an MD5: not that of an upload in parts. OSS writes it upper-case."""
    etag = etag.strip('"').lower()
    return etag if len(etag) == 32 and not etag.strip("0123456789abcdef") else None


def _send_at_once(request: Any, **_: Any) -> None:
    """Send a small object right behind its headers.

    botocore asks first whether it may come, which is a round trip for each and only pays where
    much would be sent in vain.
    """
    behind = request.headers.get("X-Amz-Decoded-Content-Length")  # with a checksum at its end
    if int(behind or request.data.getbuffer().nbytes) <= _SMALL:
        del request.headers["Expect"]


# --- listings -----------------------------------------------------------------------------------


class _Page:
    """One page of a listing."""

    def __init__(self, reply: dict[str, Any]) -> None:
        self._reply = reply

    @property
    def after(self) -> dict[str, str]:
        """What to ask for the next page with; empty on the last one."""
        if not self._reply["IsTruncated"]:
            return {}
        return {"ContinuationToken": self._reply["NextContinuationToken"]}

    def objects(self) -> Sequence[tuple[str, int, str]]:
        """Key, size and ETag of each; raise `ValueError` for what is no XML."""
        if text := self._reply.get("ContentsText"):
            decode = unquote_plus if self._reply.get("EncodingType") == "url" else str
            found = _flat_contents(text) or _any_contents(text)
            return [(decode(key), int(size or 0), etag) for key, etag, size in found]
        contents = self._reply.get("Contents", ())
        return [(item["Key"], item["Size"], item.get("ETag", "")) for item in contents]


def _ahead(pages: Iterator[_Page]) -> Generator[_Page, None, None]:
    """Yield `pages`; the next two are got while one is read, so that the server never waits."""
    with closing(Threads().map(lambda _: next(pages, None), repeat(None), 1)) as coming:
        for page in coming:
            if page is None:
                return
            yield page


_UNREAD = "LastModified Type ChecksumAlgorithm ChecksumType StorageClass".split()
_GAP = rf"\s*(?:(?:{'|'.join(rf'<{name}>[^<&]*</{name}>' for name in _UNREAD)})\s*)*+"
_CONTENTS = re.compile(
    rf"<Contents>{_GAP}<Key>([^<&\x00-\x1f]+)</Key>{_GAP}"
    rf"<ETag>(?:&quot;|&#34;)?([^<&]*)(?:&quot;|&#34;)?</ETag>{_GAP}"
    rf"<Size>([0-9]+)</Size>{_GAP}</Contents>\s*|[\s\S]+"
)


def _flat_contents(text: str) -> Sequence[tuple[str, str, str]]:
    """Key, ETag and size of each object, where all are spelled as nearly every server does it.

    Empty where one is not. A parser of XML takes four times as long.
    """
    found: list[tuple[str, str, str]] = _CONTENTS.findall(text)
    return found if found and found[-1][0] else ()  # the last may be all that is spelled otherwise


def _any_contents(text: str) -> Iterator[tuple[str, str, str]]:
    from xml.etree import ElementTree

    try:
        contents = ElementTree.fromstring(f"<_>{text}</_>")  # noqa: S314  (botocore trusts it too)
    except ElementTree.ParseError as error:
        raise ValueError(f"the listing is no XML: {error}") from error
    for one in contents:
        yield one.findtext("Key", ""), one.findtext("ETag", ""), one.findtext("Size", "")


def _set_contents_aside(
    operation_model: Any,
    response_dict: dict[str, Any],
    customized_response_dict: dict[str, Any],
    **_: Any,
) -> None:
    """Take the objects out of a listing, as they are, before botocore reads it.

    It would read them twice and make of each a dictionary with a date: ten times the work. Where
    they are spelled in some other way it does.
    """
    if operation_model.name != "ListObjectsV2" or response_dict["status_code"] != 200:
        return
    body: bytes = response_dict["body"]
    start, stop = body.find(b"<Contents>"), body.rfind(b"</Contents>") + len(b"</Contents>")
    if 0 <= start < stop:
        customized_response_dict["ContentsText"] = body[start:stop].decode()
        response_dict["body"] = body[:start] + body[stop:]
