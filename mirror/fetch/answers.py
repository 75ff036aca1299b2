"""What an answer that is no picture means, in words and in kind."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

import httpcore

from mirror.fetch.addresses import Target
from mirror.fetch.checks import describe_document, error_code
from mirror.fetch.errors import FetchError, Kind
from mirror.fetch.limits import Limits

# Statuses below 500 that pass by themselves; of those from 500 on, the ones that do not.
_PASSING = frozenset({408, 421, 425, 429})
_LASTING = frozenset({501, 505, 511})
# 403 with such a Code is about credentials; AccessDenied too, unless it is about the Referer.
_CREDENTIAL_CODES = (
    "AccessDenied AccessKey ExpiredToken InvalidAccessKeyId InvalidSecurityToken InvalidToken "
    "RequestTimeTooSkewed SecurityTokenExpired SecurityTokenNotSupport SignatureDoesNotMatch "
    "SignatureNotMatch TokenExpired"
).split()
_CLOSED_ACCOUNT_CODES = ("AccountArrears", "AccountProblem", "UserDisable", "UserSuspended")

_QUOTE = re.compile(r"\bbytearray\b|\bb?['\"]")

_REMEDIES = {
    Kind.AUTHENTICATION: (
        "read the bucket with credentials (`fetch` of the [[source]]), or give a URL whose "
        "signature holds"
    ),
    Kind.BLOCKED: (
        "the host may want a Referer: set headers = { Referer = … } for this [[source]]"
    ),
}


def error_for_status(
    status: int, target: Target, body: bytes, wait_s: float | None = None
) -> FetchError:
    """The error for an answer that brings no picture; `body` is its beginning."""
    code = error_code(body)
    kind = _kind(status, code, body)
    try:
        phrase = f"HTTP {status} {HTTPStatus(status).phrase}"
    except ValueError:
        phrase = f"HTTP {status}"
    found = f"{phrase} from {target.netloc}"
    if document := _document(body, target) if body else None:
        found += f" with {document}"
    remedy = _remedy(kind, status, code)
    return FetchError(
        f"expected a picture, found {found}" + (f"; {remedy}" if remedy else ""),
        kind,
        status,
        wait_s=wait_s,
    )


def _document(body: bytes, target: Target) -> str | None:
    """What a body is instead of a picture, with the host's own error code."""
    document = describe_document(body)
    code = error_code(body) if document else None
    # The host knows our query, and could send a secret of it back as its code.
    if code and code.lower() not in target.path.lower():
        return f"{document} with Code {code}"
    return document


def _kind(status: int, code: str | None, body: bytes) -> Kind:
    if code in _CLOSED_ACCOUNT_CODES:
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
    if status in _PASSING or (status >= 500 and status not in _LASTING):
        return Kind.TRANSIENT
    return Kind.PERMANENT


def _remedy(kind: Kind, status: int, code: str | None) -> str | None:
    if code in _CLOSED_ACCOUNT_CODES:
        return "the account that owns the bucket is closed or in arrears"
    if status in (404, 410):
        return "if it is known to be gone, list it under [[ignore]]"
    return _REMEDIES.get(kind)


def refuse_document(body: bytes, target: Target) -> None:
    """Raise `FetchError` when a body with status 200 is a document, or nothing."""
    document = _document(body, target)
    if document is None:
        return
    raise FetchError(
        f"expected a picture, found {document}, sent with HTTP 200 ({len(body)} bytes); "
        "the host answers errors as if they were pictures, look at the URL in a browser",
        Kind.CONTENT,
        200,
    )


def given_up(error: FetchError, attempts: int) -> FetchError:
    """`error` after the last of several attempts."""
    tried = f" (tried {attempts} times)" if attempts > 1 else ""
    return FetchError(f"{error}{tried}", error.kind, error.status, again=False)


@contextmanager
def engine_errors(target: Target, limits: Limits) -> Iterator[None]:
    """Turn the engine's errors into ours.

    The engine's words are repeated only where they cannot hold a header or a part of the URL.
    """
    try:
        yield
    except httpcore.TimeoutException as error:
        raise FetchError(
            f"{target.netloc} was silent: expected a connection, then an answer, then data within "
            f"{limits.timeout_s:g} s each, and all of it within {limits.whole_s:g} s",
            Kind.TRANSIENT,
        ) from error
    except httpcore.ConnectError as error:
        raise _connect_error(target, error) from error
    except httpcore.RemoteProtocolError as error:
        raise FetchError(
            f"{target.netloc} broke off, or does not speak HTTP: expected a whole answer, "
            f"found: {_without_quotes(error)}",
            Kind.TRANSIENT,
        ) from None
    except httpcore.NetworkError as error:
        raise FetchError(
            f"the connection to {target.netloc} broke ({error})", Kind.TRANSIENT
        ) from error
    except httpcore.ProxyError as error:
        status = int(str(error)[:3]) if str(error)[:3].isdigit() else None
        kind = Kind.AUTHENTICATION if status == 407 else Kind.TRANSIENT
        raise FetchError(
            f"the proxy did not connect to {target.netloc} ({error}); see HTTPS_PROXY, NO_PROXY",
            kind,
            status,
        ) from error
    except (httpcore.LocalProtocolError, httpcore.UnsupportedProtocol):
        raise FetchError(
            "expected header names and values that HTTP allows, found another one; "
            "correct `headers` of the [[source]]",
            Kind.PERMANENT,
        ) from None


def _connect_error(target: Target, error: httpcore.ConnectError) -> FetchError:
    cause = error.__cause__ or error.__context__
    if isinstance(cause, ssl.SSLCertVerificationError):
        return FetchError(
            f"expected a certificate for {target.host}, found: {cause.verify_message}; it is "
            "always checked, for a private authority set SSL_CERT_FILE",
            Kind.PERMANENT,
        )
    return FetchError(f"no connection to {target.netloc} ({error})", Kind.TRANSIENT)


def _without_quotes(error: Exception) -> str:
    """A protocol error's words up to the first piece of the answer that it quotes."""
    return _QUOTE.split(str(error))[0].strip(" :,.") or "something else"
