"""What a provider's refusal or silence means, in our errors and in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mirror.model import Key
from mirror.store.base import (
    AccessError,
    CredentialsError,
    NoBucketError,
    StoreError,
    UnreachableError,
    not_found,
)
from mirror.urls.redact import printable

if TYPE_CHECKING:
    from botocore.exceptions import ClientError


def refused(error: ClientError, place: str, key: Key) -> StoreError:
    """What the server's answer means, and what to do about it."""
    code, status = answer(error)
    if code in ("NoSuchKey", "404", "NotFound"):
        return not_found(place, key)
    kind, remedy = _REFUSALS.get(code) or _REFUSALS.get(str(status)) or (StoreError, "")
    said = printable(str(error.response.get("Error", {}).get("Message", "")))[:200].strip()
    reply = f"{code}: {said}" if said and code != str(status) else code
    what = f"{place}: {error.operation_name} was answered {status} ({reply})"
    return kind(f"{what}; {remedy}" if remedy else what)


def unsent(error: Exception, place: str) -> StoreError:
    """Why there was no answer, and what to do about it."""
    from botocore import exceptions as boto

    text = printable(str(error))
    match error:
        case boto.NoCredentialsError() | boto.PartialCredentialsError():
            remedy = "name a `profile`, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
            return CredentialsError(f"{place}: no credentials; {remedy}")
        case boto.ProfileNotFound():
            remedy = "add it to ~/.aws/credentials, or leave `profile` out and set"
            keys = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
            return CredentialsError(f"{place}: {text}; {remedy} {keys}")
        case (
            boto.CredentialRetrievalError()
            | boto.TokenRetrievalError()
            | boto.NoAuthTokenError()
            | boto.SSOError()
        ):
            return CredentialsError(f"{place}: {text}; log in again")
        case boto.SSLError():
            remedy = "if the server's certificate is your own, name it in AWS_CA_BUNDLE"
            return UnreachableError(f"{place}: no trusted connection: {text}; {remedy}")
        case boto.HTTPClientError() | boto.ConnectionError() | boto.IncompleteReadError():
            remedy = "check endpoint_url, the network and the proxy, then run again"
            return UnreachableError(f"{place}: no answer ({type(error).__name__}); {remedy}")
    return StoreError(f"{place}: {text}")


def answer(error: ClientError) -> tuple[str, int]:
    """The code and the HTTP status of an answer that was not the one asked for."""
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return printable(str(error.response.get("Error", {}).get("Code", status))), status


_KEYS = (CredentialsError, "check which credentials are used, and that they are this provider's")
_BUSY = (UnreachableError, "the server is busy or broken; run again later")
_REGION = (AccessError, "set `region` and `endpoint_url` to where the bucket is")
_STYLE = (AccessError, 'set `addressing = "virtual"`')
_TRAILER = (
    AccessError,
    "the server takes no checksums behind the body: leave AWS_REQUEST_CHECKSUM_CALCULATION unset",
)
_REFUSALS: dict[str, tuple[type[StoreError], str]] = {
    "NoSuchBucket": (NoBucketError, "create the bucket, or correct the `url`"),
    "InvalidBucketName": (NoBucketError, "correct the `url`"),
    "InvalidAccessKeyId": _KEYS,
    "SignatureDoesNotMatch": _KEYS,
    "InvalidToken": _KEYS,
    "ExpiredToken": (CredentialsError, "the session has ended; log in again"),
    "RequestTimeTooSkewed": (AccessError, "set this machine's clock"),
    "PermanentRedirect": _REGION,
    "AuthorizationHeaderMalformed": _REGION,
    "IllegalLocationConstraintException": _REGION,
    "SecondLevelDomainForbidden": _STYLE,
    "PathStyleDomainForbidden": _STYLE,
    "MissingContentLength": _TRAILER,
    "InvalidStorageClass": (AccessError, "the object is in cold storage; restore it first"),
    "InvalidObjectState": (AccessError, "the object is in cold storage; restore it first"),
    "BadDigest": (UnreachableError, "the bytes were changed on the way; run again"),
    "301": _REGION,
    "403": (AccessError, "let these credentials list the bucket, and read and write its objects"),
    "401": _KEYS,
    "429": _BUSY,
    **dict.fromkeys(("500", "502", "503", "504", "SlowDown"), _BUSY),
}
"""By the code in the answer, else by its status: what it is, and what to do."""
