"""A server's refusal, or a request without a response, as a `StoreError` with a remedy."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

from mirror.model import Key
from mirror.quotes import REASON_LENGTH, shortened
from mirror.store.errors import (
    ONE_OR_THE_OTHER,
    AccessError,
    CredentialsError,
    NoBucketError,
    StoreError,
    UnreachableError,
    not_found_error,
)
from mirror.store.listing import SENT_STATUS
from mirror.store.session import SlowAnswerError
from mirror.urls.redact import hide_stated_secrets, printable

if TYPE_CHECKING:
    from botocore.exceptions import ClientError


def refusal_error(error: ClientError, place: str, key: Key, secrets: Collection[str]) -> StoreError:
    """Return the error for a response that is a refusal; `place` names the bucket in it.

    A server may repeat a part of the request in its message: `secrets` and other secrets by their
    shape are cut.
    """
    code, status = code_and_status(error)
    if code in _MISSING and error.operation_name in _READS_ONE_OBJECT:
        return not_found_error(place, key)
    kind, remedy = _REFUSALS.get(code) or _REFUSALS.get(str(status)) or (StoreError, "")
    answered = f"{place}: {error.operation_name} was answered"
    sent_status = error.response.get(SENT_STATUS, status)
    if sent_status != status and code == str(status):
        problem = "a body that is no answer to it"
        return kind(f"{answered} {sent_status} with {problem}; {_NO_S3} If it is, run again")
    message = _quoted(error.response.get("Error", {}).get("Message", ""), secrets)
    code = _quoted(code, secrets)
    reason = f"{code}: {message}" if message and code != str(status) else code
    text = f"{answered} {sent_status} ({reason})"
    return kind(f"{text}; {remedy}" if remedy else text)


def is_refusal(error: StoreError) -> bool:
    """Return True if a server answered, and refused; False where nobody answered."""
    from botocore.exceptions import ClientError

    return isinstance(error.__cause__, ClientError)


def _quoted(text: object, secrets: Collection[str]) -> str:
    """Return a server's text on one line, without secrets, and without its middle if it is long."""
    # The secrets are cut first: a part of one would not be recognised.
    line = " ".join(_without(hide_stated_secrets(str(text)), secrets).split())
    return shortened(printable(line), REASON_LENGTH)


def _without(text: str, secrets: Collection[str]) -> str:
    for secret in sorted(secrets, key=len, reverse=True):
        for spelling in (secret, quote(secret, safe=""), quote_plus(secret)):
            text = text.replace(spelling, "…")
    return text


def no_response_error(error: Exception, place: str, secrets: Collection[str]) -> StoreError:
    """Return the error for a request that got no response; `place` names the bucket in it."""
    from botocore import exceptions as boto

    text = printable(_without(hide_stated_secrets(str(error)), secrets))
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
            if "WRONG_VERSION_NUMBER" in text:  # what OpenSSL says of an answer without TLS
                remedy = (
                    "the server speaks no TLS there: is endpoint_url http://, or its port wrong?"
                )
            return UnreachableError(f"{place}: no trusted connection: {text}; {remedy}")
        case boto.HTTPClientError() | boto.ConnectionError() | boto.IncompleteReadError():
            remedy = "check endpoint_url, the network and the proxy, then run again"
            problem = f"no answer ({type(error).__name__})"
            cause = getattr(error.kwargs.get("error"), "__cause__", None)
            if isinstance(cause, SlowAnswerError):
                problem = f"the answer is too slow: {cause}"
            return UnreachableError(f"{place}: {problem}; {remedy}")
        case UnicodeDecodeError():
            return StoreError(f"{place}: the answer is no UTF-8; {_NO_S3}")
        case ValueError() if text.startswith(_NO_NUMBER):
            value = text.removeprefix(_NO_NUMBER)
            return StoreError(f"{place}: the answer has {value} in place of a number; {_NO_S3}")
    return StoreError(f"{place}: {text}")


_NO_NUMBER = (
    "invalid literal for int() with base 10: "  # Python's words, about a number of botocore's
)


def code_and_status(error: ClientError) -> tuple[str, int]:
    """Return S3's error code and the HTTP status of a refusal."""
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return printable(str(error.response.get("Error", {}).get("Code", status))), status


_NO_S3 = "is endpoint_url an S3 server's?"
_KEYS = (CredentialsError, "check which credentials are used, and that they are this provider's")
_BUSY = (UnreachableError, "the server is busy or broken; run again later")
_REGION = (AccessError, "set `region` and `endpoint_url` to where the bucket is")
_STYLE = (AccessError, 'set `addressing = "virtual"`')
_NO_BUCKET = (
    NoBucketError,
    "no bucket is there: is endpoint_url an S3 server's, and without the bucket's name?",
)
_TRAILER = (
    AccessError,
    "the server takes no checksums behind the body: leave AWS_REQUEST_CHECKSUM_CALCULATION unset",
)
_MISSING = ("NoSuchKey", "404", "NotFound")
_READS_ONE_OBJECT = ("GetObject", "HeadObject", "CopyObject", "DeleteObject")
_REFUSALS: dict[str, tuple[type[StoreError], str]] = {
    "NoSuchBucket": (NoBucketError, "create the bucket, or correct its name"),
    "InvalidBucketName": (NoBucketError, "correct the name of the bucket"),
    # Of a list or an upload. R2 shows its endpoint with the bucket behind it.
    **dict.fromkeys(_MISSING, _NO_BUCKET),
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
    # MinIO; versitygw; SeaweedFS: https://github.com/versity/versitygw/blob/main/s3err/s3err.go
    **dict.fromkeys(
        (
            "XMinioObjectExistsAsDirectory",
            "XMinioParentIsObject",
            "ExistingObjectIsDirectory",
            "ObjectParentIsFile",
            "ExistingObjectIsFile",
        ),
        (StoreError, ONE_OR_THE_OTHER),
    ),
    "301": _REGION,
    "403": (AccessError, "let these credentials list the bucket, and read and write its objects"),
    "401": _KEYS,
    "429": _BUSY,
    **dict.fromkeys(("500", "502", "503", "504", "SlowDown"), _BUSY),
}
"""Kind of error and remedy, by S3's error code or by HTTP status. The code goes first."""
