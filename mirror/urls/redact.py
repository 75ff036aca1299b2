"""Secrets in URLs and texts: find them and cut them out. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from urllib.parse import unquote

# Query parameters that grant access. Names are compared in lower case. The prefixes are those of
# SigV4 and its kin: Amazon, Google, Aliyun OSS, Tencent COS, Huawei OBS, Volcengine TOS.
_SECRET_PREFIXES = ("x-amz-", "x-goog-", "x-oss-", "x-cos-", "x-obs-", "x-tos-", "q-")
_SECRET_NAMES = frozenset(
    "accesskeyid access_key access_token accesstoken api_key apikey auth auth_key authkey "
    "authorization awsaccesskeyid credential expires googleaccessid jsessionid jwt key-pair-id "
    "ossaccesskeyid password passwd phpsessid policy secret security-token session sig sign "
    "signature token".split()
)
_SECRET_ENDS = re.compile(
    r".*(?:token|secret|signature|password|passwd|credential|access[_-]?key(?:[_-]?id)?"
    r"|(?:api|app|subscription)[_-]?key)"
)
_PUBLIC_NAMES = frozenset({"x-oss-process"})
_SECRET_VALUE = re.compile(
    r"(?:AKIA|ASIA)[0-9A-Z]{16}|LTAI[0-9A-Za-z]{12,}|AKID[0-9A-Za-z]{13,}"
    r"|gh[pousr]_[0-9A-Za-z]{20,}|eyJ[\w-]{8,}\.[\w-]{8,}\.|AIza[\w-]{35}"
)
# A `key` may be the name of the picture, and two pictures must not become one: it is a secret by
# its shape, or where maps are drawn for whoever has one (Google, AMap, Tencent, Baidu).
_MAP = re.compile(r"/(?:staticmap|staticimage|streetview)(?![^/])", re.I)
_MAP_KEYS = frozenset({"ak", "key"})
# Companions that mean nothing unless the other name is there too: Qiniu's deadline, Azure's SAS.
_COMPANIONS = {
    "e": "token",
    **dict.fromkeys("se sp sv sr st spr ss srt skoid sktid".split(), "sig"),
}
# Browsers take `\` for `/`, and what stands before the last `@` for the password.
_USERINFO = re.compile(r"^(\s*(?:[A-Za-z][A-Za-z0-9+.-]*:)?[/\\]{2})[^/\\?#]*@")
# A parameter of a URL that is itself the value of a parameter, or a part of the path, as image
# proxies take it.
_NESTED = re.compile(
    r"(?:[?&]|%(?:25)*(?:3F|26|3B))(?P<name>[\w.-]+)(?:=|%(?:25)*3D)(?:(?!&|%(?:25)*(?:26|23)).)*",
    re.IGNORECASE | re.DOTALL,
)
_VALUE = re.compile(r"=|%(?:25)*3D", re.I)
_SEPARATOR = re.compile(r"&(?:amp;)?")
_NESTED_QUERY = re.compile(r"%(?:25)*3F[^/]*", re.I)
# A parameter of the path itself: `;jsessionid=…`.
_IN_PATH = re.compile(
    r"(?:;|%(?:25)*3B)(?P<name>[\w.-]+)(?:=|%(?:25)*3D)(?:(?![;/]|%(?:25)*3B).)*",
    re.IGNORECASE | re.DOTALL,
)
# Control, format (bidi) and line-separator characters must never reach a terminal raw.
_UNPRINTABLE = re.compile(
    r"[\x00-\x1f\x7f-\xa0\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    r"\ufeff\ufff9-\ufffb\ud800-\udfff]"
)


def without_secrets(text: str) -> str:
    """Return the URL `text` with userinfo and access-granting parameters cut out.

    Everything else comes back as it was, in its order, so a URL without secrets is unchanged.
    """
    return _settled(_cut, text)


def _settled(cut: Callable[[str], str], text: str) -> str:
    """Cut until nothing changes: what a cut leaves may read as another secret."""
    while (left := cut(text)) != text:
        text = left
    return text


def _cut(text: str) -> str:
    text = _USERINFO.sub(r"\1", text)
    rest, hash_, fragment = text.partition("#")
    head, mark, query = rest.partition("?")
    query = query_without_secrets(head, mark, query)
    return path_without_secrets(head) + query + query_without_secrets("", hash_, fragment)


def path_without_secrets(path: str) -> str:
    """The same for a path alone."""
    return _settled(_cut_path, path) if _VALUE.search(path) else path


def _cut_path(path: str) -> str:
    path = _NESTED_QUERY.sub(lambda m: _NESTED.sub(_kept, m[0]), path)
    return _IN_PATH.sub(_kept, path)


def query_without_secrets(path: str, mark: str, query: str) -> str:
    """`mark` and what is left of the parameters behind it; nothing when nothing is left."""
    if not query:
        return mark
    left = _settled(partial(_cut_query, path), query)
    return mark + left if left else ""


def _cut_query(path: str, query: str) -> str:
    more = _MAP_KEYS if _MAP.search(path) else ()
    pairs = [_NESTED.sub(_kept, pair) for pair in _SEPARATOR.split(query)]
    names = {_parameter(pair) for pair in pairs}
    kept = [
        separator + pair
        for separator, pair in zip(["", *_SEPARATOR.findall(query)], pairs, strict=True)
        if _parameter(pair) not in more and not _is_secret(pair, names)
    ]
    return _SEPARATOR.sub("", kept[0], count=1) + "".join(kept[1:]) if kept else ""


def _kept(match: re.Match[str]) -> str:
    is_secret = _is_secret_name(match["name"].lower()) or looks_secret(match[0])
    return "" if is_secret else match[0]


def looks_secret(text: str) -> bool:
    """Whether `text` holds a key by its shape alone: AWS, Aliyun, Tencent, GitHub, JWT, Google."""
    return bool(_SECRET_VALUE.search(text))


def _is_secret(pair: str, names: set[str]) -> bool:
    name = _parameter(pair)
    return _is_secret_name(name) or _COMPANIONS.get(name) in names or looks_secret(pair)


def _parameter(pair: str) -> str:
    return unquote(pair.partition("=")[0]).lower()


def _is_secret_name(name: str) -> bool:
    """Whether a parameter of that name grants access; lower case."""
    if name in _PUBLIC_NAMES:
        return False
    return (
        name in _SECRET_NAMES
        or name.startswith(_SECRET_PREFIXES)
        or _SECRET_ENDS.fullmatch(name) is not None
    )


_ANY_URL = re.compile(r"(?:https?:)?//[^\s\"'<>]+")


def hide_secrets(text: str) -> str:
    """`text`, such as a traceback, without the secrets of any URL in it."""
    return _SECRET_VALUE.sub("…", _ANY_URL.sub(lambda m: without_secrets(m[0]), text))


def printable(text: str) -> str:
    """Return `text` with control, bidi and blank-like characters escaped, plain blanks kept."""
    return _UNPRINTABLE.sub(lambda m: m[0].encode("unicode_escape").decode(), text)
