"""A bucket and the boto3 client for it: endpoint, credentials, options, and errors.

The options are those that every server and provider tried accepts. Differences between providers
are data, in `profiles.py`. boto3 is imported when a bucket is used, because that takes longer than
a small run.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache, cached_property
from hashlib import sha256
from threading import RLock, local
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from mirror.model import Key
from mirror.store.diagnosis import no_response_error, refusal_error
from mirror.store.errors import MOST_IN_A_ROW, UnreachableError
from mirror.store.listing import keep_contents
from mirror.store.profiles import Profile, addressing_of, profile_of, region_of
from mirror.store.session import LimitedSession
from mirror.store.settings import S3Settings
from mirror.waiting import WAITS, silence_remark

if TYPE_CHECKING:
    import boto3
    from botocore.session import Session

_SMALL_BYTES = 1_000_000  # an upload that is sent without asking; a refusal then costs 1 MB
_CONNECT_TIMEOUT_S = 10  # as for a host: `mirror.fetch.exchange`
# botocore's own is 60 s. A server that sends nothing for half a minute rarely answers after it, and
# a command ends, with its finding, only after all attempts.
_READ_TIMEOUT_S = 30
_ATTEMPTS = 4  # of a request: a silent bucket then ends a command after two minutes
_RAW_KEY = "mirror_raw_key"  # in the context of a request


class Connection:
    """Client for one bucket. Safe to use from threads. Contacts nobody before the first call.

    `requests` counts the requests that were sent, by operation, with every retry.
    """

    def __init__(self, name: str, settings: S3Settings) -> None:
        self.name = name
        self.settings = settings
        self.requests: Counter[str] = Counter()
        prefix = settings.prefix.strip("/")
        self.prefix = f"{prefix}/" if prefix else ""
        self._lock = RLock()
        self._endpoint_url = settings.endpoint_url
        self._attempts = _ATTEMPTS  # at a request; known for certain once the client is made
        self._silent_in_a_row = 0

    @property
    def client(self) -> Any:
        """Return the boto3 client, which all threads share."""
        with self._lock:  # a session is not safe to share, a client is
            return self._client

    @property
    def profile(self) -> Profile:
        """Return what is known about the provider."""
        with self._lock:
            return self._profile

    @property
    def addressing(self) -> str:
        """Return where the bucket's name goes, as `addressing_of` does."""
        return addressing_of(self.profile, self._endpoint_url, self.settings.addressing)

    @property
    def place(self) -> str:
        """Return the name of the bucket in messages."""
        parts = urlsplit(self._endpoint_url or "")
        where = f" at {parts.scheme}://{parts.netloc.rpartition('@')[2]}" if parts.netloc else ""
        return f"{self.name}: bucket {self.settings.bucket!r}{where}"

    def request(self, key: Key) -> dict[str, Any]:
        """Return the parameters that name an object in a request."""
        return {"Bucket": self.settings.bucket, "Key": self.prefix + key}

    @contextmanager
    def errors(self, key: Key) -> Iterator[None]:
        """Turn boto's errors about `key` into a `StoreError`; a server that is silent is named.

        A server that was silent for too many requests in a row is asked no more: each takes
        minutes, and there may be one for each of many objects.
        """
        from botocore.exceptions import (
            BotoCoreError,
            ClientError,
            ConnectTimeoutError,
            ReadTimeoutError,
        )

        if self._silent_in_a_row >= MOST_IN_A_ROW:
            raise UnreachableError(
                f"{self.place}: not asked: it did not answer the last {MOST_IN_A_ROW} requests; "
                "run again when it does"
            )
        try:
            with WAITS.wait_for(self.place, self._silence_remark):
                yield
        except ClientError as error:
            raise refusal_error(error, self.place, key, self._secrets()) from error
        except (BotoCoreError, ValueError) as error:
            if isinstance(error, ConnectTimeoutError | ReadTimeoutError):
                self._silent_in_a_row += 1
            raise no_response_error(error, self.place, self._secrets()) from error

    def credential_source(self) -> str | None:
        """Return where the credentials come from, in words; `None` if there are none."""
        with self._lock, self.errors(Key("")):
            if names := self._provider_variables():
                return f"the environment: {' and '.join(names[:2])}"
            credentials = self._session.get_credentials()
            if credentials is None:
                return None
            profile = self._user_profile
            return f"{credentials.method}, profile {profile!r}" if profile else credentials.method

    # --- session and client ---

    @cached_property
    def _session(self) -> Session:
        from botocore.session import Session

        profile = self.settings.profile
        session = Session(profile=profile)
        if profile and profile not in session.available_profiles and _environment_has_keys():
            session = Session()
        session.register_component("data_loader", _loader())
        return session

    @property
    def _user_profile(self) -> str | None:
        """Return the user's profile that is in use; `None` without one, or if it is ignored."""
        profile: str | None = self._session.instance_variables().get("profile")
        return profile

    @cached_property
    def _boto(self) -> boto3.Session:
        import boto3

        return boto3.Session(botocore_session=self._session)

    @cached_property
    def _profile(self) -> Profile:
        if self._endpoint_url is None:
            with self.errors(Key("")):  # the environment or the user's profile may name an endpoint
                self._endpoint_url = self._session.create_client("s3").meta.endpoint_url
        return profile_of(self._endpoint_url, self.settings.provider)

    @cached_property
    def _client(self) -> Any:
        from botocore.config import Config

        settings, profile = self.settings, self._profile
        s3: Any = {"addressing_style": self.addressing}
        client: Any = self._boto.client(
            "s3",
            endpoint_url=settings.endpoint_url,
            region_name=settings.region or region_of(profile, self._endpoint_url),
            config=Config(
                # boto would presign with v2 for endpoints it does not know; B2 takes v4 only.
                signature_version="s3v4",
                s3=s3,
                connect_timeout=settings.timeout_s or _CONNECT_TIMEOUT_S,
                read_timeout=settings.timeout_s or _READ_TIMEOUT_S,
                max_pool_connections=settings.workers,
                tcp_keepalive=True,
                **self._options(profile),
            ),
            **self._credentials(),
        )
        retries = client.meta.config.retries or {}
        self._attempts = retries.get("total_max_attempts", _ATTEMPTS)
        endpoint = client._endpoint  # noqa: SLF001  (botocore has no hook for the body of an answer)
        timeout_s = client.meta.config.read_timeout
        endpoint.http_session = LimitedSession(endpoint.http_session, self.place, timeout_s)
        client.meta.events.register("before-send.s3", self._count)
        client.meta.events.register("response-received.s3", self._note_response)
        lookup = _RegionLookup()
        client.meta.events.register("before-call.s3.HeadBucket", lookup.begin)
        client.meta.events.register("after-call.s3.HeadBucket", lookup.end)
        client.meta.events.register("after-call-error.s3.HeadBucket", lookup.end)
        client.meta.events.register("before-sign.s3.PutObject", _send_at_once)
        for operation in ("GetObject", "HeadObject"):
            client.meta.events.register(f"before-parameter-build.s3.{operation}", _hold_raw_key)
            client.meta.events.register(f"before-call.s3.{operation}", _send_raw_key)
        # Under this name it comes before botocore's own handlers, which read the page too.
        client.meta.events.register("before-parse.*.*", keep_contents)
        return client

    def _options(self, profile: Profile) -> dict[str, Any]:
        """Return the options that the environment or the user's boto profile can override."""
        overridden = {name.upper() for name in self._session.get_scoped_config()}
        overridden |= {name.removeprefix("AWS_") for name in os.environ}
        options: dict[str, Any] = {}
        if not profile.is_aws:  # other providers refuse Amazon's own checksums
            for name in ("request_checksum_calculation", "response_checksum_validation"):
                if name.upper() not in overridden:
                    options[name] = "when_required"
        if self.settings.timeout_s is not None:
            options["retries"] = {"mode": "standard", "total_max_attempts": 1}
        elif overridden.isdisjoint(("MAX_ATTEMPTS", "RETRY_MODE")):
            options["retries"] = {"mode": "standard", "total_max_attempts": _ATTEMPTS}
        return options

    def _credentials(self) -> dict[str, Any]:
        """Return the keys in environment variables that boto does not know, if any."""
        options = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
        names = zip(options, self._provider_variables(), strict=False)
        return {option: os.environ[name] for option, name in names if name in os.environ}

    def _secrets(self) -> list[str]:
        """Return the parts of the credentials that requests were signed with."""
        from botocore.exceptions import BotoCoreError

        with self._lock:
            if not self.requests:  # nobody has looked for credentials yet, which can take long
                return []
            parts = list(self._credentials().values())
            with suppress(BotoCoreError, RuntimeError):  # they ended and cannot be renewed
                if credentials := self._session.get_credentials():
                    parts += [credentials.access_key, credentials.secret_key, credentials.token]
        return [part for part in parts if part]

    def _provider_variables(self) -> tuple[str, ...]:
        """Return the names of the provider's own environment variables if they are in use."""
        names = self._profile.key_env
        is_used = names and not self._user_profile and all(map(os.environ.get, names[:2]))
        return names if is_used else ()

    def heard_from(self) -> None:
        """Record that an answer, or a part of an object, came: the server is not silent."""
        self._silent_in_a_row = 0
        WAITS.heard_from(self.place)

    def _silence_remark(self) -> str:
        return silence_remark(self.settings.timeout_s or _READ_TIMEOUT_S, self._attempts)

    def _note_response(self, exception: Exception | None, **_: Any) -> None:
        if exception is None:
            self.heard_from()

    def _count(self, event_name: str, **_: Any) -> None:
        with self._lock:
            self.requests[event_name.rpartition(".")[2]] += 1


@cache
def _loader() -> Any:
    """Return botocore's description of S3, megabytes of JSON, read once for all buckets."""
    from botocore.loaders import create_loader

    return create_loader()


def _environment_has_keys() -> bool:
    return all(map(os.environ.get, ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")))


# botocore writes a key as UTF-8. The name of an object of OSS or COS may be other bytes, such as
# GBK. So an ASCII name stands for such a key until the URL is made, which is signed after that.


def _hold_raw_key(params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
    """Put an ASCII name in place of a key that is not UTF-8, and keep the key's bytes."""
    raw = params["Key"].encode("utf-8", "surrogateescape")
    try:
        raw.decode()
    except UnicodeDecodeError:
        params["Key"] = f"raw-key-{sha256(raw).hexdigest()}"
        context[_RAW_KEY] = (params["Key"], quote(raw, safe="/-._~"))


def _send_raw_key(params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
    """Put the bytes of such a key into the URL, percent-encoded."""
    if _RAW_KEY in context:
        for part in ("url", "url_path"):
            params[part] = params[part].replace(*context[_RAW_KEY])


class _RegionLookup(local):
    """Lets botocore ask once which region a bucket is in.

    botocore asks with a HEAD of the bucket where a server redirects, and asks again where the
    server redirects that one too: without end.
    """

    is_open = False

    def begin(self, **_: Any) -> None:
        from botocore.exceptions import ClientError

        if self.is_open:
            raise ClientError({"ResponseMetadata": {"HTTPHeaders": {}}}, "HeadBucket")  # type: ignore[typeddict-item]
        self.is_open = True

    def end(self, **_: Any) -> None:
        self.is_open = False


def _send_at_once(request: Any, **_: Any) -> None:
    """Send a small object right behind its headers.

    botocore asks for permission first (`Expect: 100-continue`). That costs a round trip for each
    object, and only pays where a large upload would be refused.
    """
    declared = request.headers.get("X-Amz-Decoded-Content-Length")  # with a checksum at its end
    if int(declared or request.data.getbuffer().nbytes) <= _SMALL_BYTES:
        del request.headers["Expect"]
