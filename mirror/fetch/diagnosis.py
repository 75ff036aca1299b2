"""Fetch errors made from HTTP statuses, error documents and exceptions of httpx."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from urllib.parse import unquote

from mirror.documents import document_type, error_code, named_endpoint, stated_reason
from mirror.fetch.addresses import HttpUrl
from mirror.fetch.errors import FetchError, Kind
from mirror.fetch.library import httpx
from mirror.fetch.limits import FetchLimits
from mirror.quotes import REASON_LENGTH, shortened
from mirror.urls.redact import hide_stated_secrets

# Statuses below 500 that are temporary, and statuses from 500 on that are permanent.
_TEMPORARY = frozenset({408, 421, 425, 429})
_PERMANENT = frozenset({501, 505, 511})
# A status 403 with one of these codes is about credentials, unless its body names the Referer.
_CREDENTIAL_CODES = (
    "AccessDenied AccessKey ExpiredToken InvalidAccessKeyId InvalidSecurityToken InvalidToken "
    "RequestTimeTooSkewed SecurityTokenExpired SecurityTokenNotSupport SignatureDoesNotMatch "
    "SignatureNotMatch TokenExpired"
).split()
_CLOSED_ACCOUNT_CODES = ("AccountArrears", "AccountProblem", "UserDisable", "UserSuspended")

_QUOTE = re.compile(r"\bbytearray\b|\bb?['\"]")

# What hosts answer when there is nothing to say: no reason.
_NO_REASONS = frozenset({"forbidden", "access denied", "access denied.", "unauthorized", "denied"})
_STORAGE_CODES = ("InvalidObjectState", "ObjectNotInActiveTierError", "OperationNotSupported")

_CREDENTIALS = (
    "read the bucket with credentials (`fetch` of the [[source]]), or give a URL whose "
    "signature holds"
)
_REFERER = "the host may want a Referer: set headers = { Referer = … } for this [[source]]"
_CLOSED_ACCOUNT = "the account that owns the bucket is closed or in arrears"
_COLD_STORAGE = "the object is in cold storage (Archive, Glacier): restore it there, then run again"
_WITHHELD = "it is withheld by order: no setting of mirror helps"


def error_for_status(
    status: int, http_url: HttpUrl, body: bytes, wait_s: float | None = None
) -> FetchError:
    """Return the error for a response without a picture; `body` is the start of its body.

    The reason that the host states is quoted and decides the remedy.
    """
    code = error_code(body)
    reason = _reason(body, http_url)
    kind = _kind(status, code, body)
    try:
        phrase = f"HTTP {status} {HTTPStatus(status).phrase}"
    except ValueError:
        phrase = f"HTTP {status}"
    description = f"{phrase} from {http_url.netloc}"
    if document := _document(body, http_url) if body else None:
        description += f" with {document}"
    if reason is not None:
        description += f": {reason!r}"
    remedy = _remedy(status, code, reason, body, http_url)
    return FetchError(
        f"expected a picture, found {description}" + (f"; {remedy}" if remedy else ""),
        kind,
        status,
        wait_s=wait_s,
    )


def _document(body: bytes, http_url: HttpUrl) -> str | None:
    """Return the document type of `body` with the host's error code; `None` for a picture."""
    document = document_type(body)
    code = error_code(body) if document else None
    # The code is left out if the URL contains it: a host could repeat a secret of the query.
    if code and code.lower() not in http_url.path.lower():
        return f"{document} with Code {code}"
    return document


_ECHO = 4  # characters of the URL that a host may repeat, at most


def _reason(body: bytes, http_url: HttpUrl) -> str | None:
    """Return the reason that the host states, without what it repeats of the URL."""
    reason = stated_reason(body)
    if reason is None or reason.lower() in _NO_REASONS:
        return None
    reason = hide_stated_secrets(reason)
    words = re.split("[/?&=;]", unquote(http_url.path) + "&" + http_url.path)
    for word in sorted({word for word in words if len(word) >= _ECHO}, key=len, reverse=True):
        reason = reason.replace(word, "…")
    return shortened(reason, REASON_LENGTH)


def _kind(status: int, code: str | None, body: bytes) -> Kind:
    if code in (*_CLOSED_ACCOUNT_CODES, *_STORAGE_CODES) or named_endpoint(body) is not None:
        return Kind.PERMANENT
    if status in (401, 407):
        return Kind.AUTHENTICATION
    if status == 403:
        about_referer = b"referer" in body.lower()
        return (
            Kind.AUTHENTICATION if code in _CREDENTIAL_CODES and not about_referer else Kind.BLOCKED
        )
    if status == 451:
        return Kind.BLOCKED
    if status in (404, 410):
        return Kind.GONE
    if status in _TEMPORARY or (status >= 500 and status not in _PERMANENT):
        return Kind.TRANSIENT
    return Kind.PERMANENT


def _remedy(
    status: int, code: str | None, reason: str | None, body: bytes, http_url: HttpUrl
) -> str | None:
    other = named_endpoint(body)
    if other is not None and other.lower() != http_url.netloc:
        return (
            f"the bucket is at another endpoint: set fetch = {f'https://{other}/'!r} for this "
            "[[source]]"
        )
    if code in _CLOSED_ACCOUNT_CODES:
        return _CLOSED_ACCOUNT
    if code in _STORAGE_CODES:
        return _COLD_STORAGE
    if status == 451:
        return _WITHHELD
    kind = _kind(status, code, body)
    if kind is Kind.AUTHENTICATION:
        return _CREDENTIALS
    # A host that states another reason does not want a Referer.
    is_about_referer = reason is None or re.search("referr?er|hot.?link|盗链|来源", reason, re.I)
    return _REFERER if kind is Kind.BLOCKED and is_about_referer else None


def refuse_document(body: bytes, http_url: HttpUrl) -> None:
    """Raise `FetchError` if a body sent with status 200 is a document, or empty."""
    document = _document(body, http_url)
    if document is None:
        return
    remedy = "the host answers errors as if they were pictures, look at the URL in a browser"
    if not body.strip():
        remedy = "the object at the host is empty, or the host sends no body for it"
    raise FetchError(
        f"expected a picture, found {document}, sent with HTTP 200 ({len(body)} bytes); {remedy}",
        Kind.CONTENT,
        200,
    )


def final_error(error: FetchError, attempts: int) -> FetchError:
    """Return `error` with the number of attempts."""
    tried = f" (tried {attempts} times)" if attempts > 1 else ""
    return FetchError(f"{error}{tried}", error.kind, error.status, is_silence=error.is_silence)


@contextmanager
def fetch_errors(http_url: HttpUrl, limits: FetchLimits) -> Iterator[None]:
    """Raise `FetchError` in place of httpx's errors.

    The text of an httpx error is quoted only if it cannot contain a header or a part of the URL.
    """
    try:
        yield
    except httpx.TimeoutException as error:
        raise FetchError(
            f"{http_url.netloc} was silent: expected a connection, then an answer, then data "
            f"within {limits.timeout_s:g} s each, and all of it within {limits.transfer_s:g} s",
            Kind.TRANSIENT,
            is_silence=True,
        ) from error
    except httpx.ConnectError as error:
        raise _connect_error(http_url, error) from error
    except httpx.RemoteProtocolError as error:
        raise FetchError(
            f"{http_url.netloc} broke off, or does not speak HTTP: expected a whole answer, "
            f"found: {_without_quotes(error)}",
            Kind.TRANSIENT,
        ) from None
    except httpx.NetworkError as error:
        raise FetchError(
            f"the connection to {http_url.netloc} broke ({error})", Kind.TRANSIENT
        ) from error
    except httpx.InvalidURL:  # its text quotes the URL
        raise FetchError(
            "expected a host that can exist, found another one; correct the URL in the post",
            Kind.REFUSED,
        ) from None
    except (httpx.LocalProtocolError, httpx.UnsupportedProtocol):
        raise FetchError(
            "expected header names and values that HTTP allows, found another one; "
            "correct `headers` of the [[source]]",
            Kind.PERMANENT,
        ) from None


def _connect_error(http_url: HttpUrl, error: httpx.ConnectError) -> FetchError:
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ssl.SSLCertVerificationError):
        cause = cause.__cause__ or cause.__context__
    if isinstance(cause, ssl.SSLCertVerificationError):
        return FetchError(
            f"expected a certificate for {http_url.host}, found: {cause.verify_message}; it is "
            "always checked, for a private authority set SSL_CERT_FILE",
            Kind.PERMANENT,
        )
    return FetchError(f"no connection to {http_url.netloc} ({error})", Kind.TRANSIENT)


def _without_quotes(error: Exception) -> str:
    """Return the text of `error` up to the first part of the response that it quotes."""
    return _QUOTE.split(str(error))[0].strip(" :,.") or "something else"
