"""Secrets in URLs and texts: find them, drop them or hide them. Pure.

A *signature protocol's* parameters only let a reader in, so they are dropped: a fresh signature and
an expired one lead to one object. Any other secret parameter may be what tells two objects apart
(`?token=A`, `?token=B`): its value is hidden behind a digest, and the two stay two.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from urllib.parse import unquote, unquote_to_bytes

from mirror.urls.suffixes import IMAGE_SUFFIXES

# --- Signature protocols --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Protocol:
    """The parameters of one signature protocol, known by their whole set.

    Each name in `needed` must be there, with a value that fits; then those in `also` and those that
    begin with `prefix` belong to it too. Names are in lower case.
    """

    needed: Sequence[tuple[str, re.Pattern[str]]]
    also: frozenset[str] = frozenset()
    prefix: str | None = None


def _protocol(needed: str, also: str = "", prefix: str | None = None) -> _Protocol:
    pairs = (entry.partition("=") for entry in needed.split())
    patterns = [(name, re.compile(value or ".+", re.I | re.S)) for name, _, value in pairs]
    return _Protocol(patterns, frozenset(also.split()), prefix)


_PROTOCOLS = (
    # Signature version 4 and its kin: Amazon, Google, Aliyun OSS, Huawei OBS, Volcengine TOS.
    *(
        _protocol(f"{prefix}signature {prefix}credential", prefix=prefix)
        for prefix in ("x-amz-", "x-goog-", "x-oss-", "x-obs-", "x-tos-")
    ),
    # Version 2 and its kin: Amazon, Aliyun OSS, Google, Huawei OBS.
    *(
        _protocol(
            f"{name} expires signature", "security-token x-amz-security-token x-obs-security-token"
        )
        for name in ("awsaccesskeyid", "ossaccesskeyid", "googleaccessid", "accesskeyid")
    ),
    # Tencent COS: https://cloud.tencent.com/document/product/436/7778
    _protocol("q-signature q-ak", "x-cos-security-token", prefix="q-"),
    _protocol("sign=q-sign-algorithm.*", "x-cos-security-token"),
    # UCloud US3, whose addresses upload tools such as imgkr wrote into posts.
    _protocol("ucloudpublickey signature expires"),
    # CloudFront, with a canned policy and with one of its own.
    _protocol("key-pair-id signature expires"),
    _protocol("key-pair-id signature policy"),
    # Qiniu: https://developer.qiniu.com/kodo/1656/download-private
    _protocol(r"e=\d+ token=[^:]+(?::|%3A).+"),
    # Azure's shared access signatures, of a service, an account and a user.
    _protocol(
        "sig sv",
        "se sp sr st spr ss srt si skoid sktid skt ske sks skv saoid suoid scid sdd sip ses",
    ),
    # Aliyun CDN, type A: https://help.aliyun.com/zh/cdn/user-guide/type-a-signing
    _protocol(r"auth_key=\d{9,11}-[^-]+-[^-]+-[0-9a-f]{32}"),
    # Tencent CDN, type A: https://www.tencentcloud.com/document/product/228/35222
    _protocol(r"sign=\d{9,11}-[^-]+-[^-]+-[0-9a-f]{32}"),
    # Akamai's edge authorization, and Cloudinary's and Uploadcare's, which are of its form:
    # https://techdocs.akamai.com/property-mgr/docs/auth-token-20-verification
    *(
        _protocol(rf"{name}=(?:.*~)?hmac=[0-9a-f]{{32,128}}")
        for name in ("hdnts", "hdnea", "hdntl", "__token__", "__cld_token__", "token")
    ),
    # nginx, with the names of its documentation and with the short ones that are as common:
    # https://nginx.org/en/docs/http/ngx_http_secure_link_module.html
    _protocol(r"md5=[\w-]{22} expires=\d{10}"),
    _protocol(r"st=[\w-]{22} e=\d{10}"),
    # Bunny: https://docs.bunny.net/docs/cdn-token-authentication
    _protocol(
        r"token=(?:HS256-)?[\w-]{22,86} expires=\d{10}",
        "token_path token_countries token_countries_blocked",
    ),
    # KeyCDN: https://www.keycdn.com/support/secure-token
    _protocol(r"token=[\w-]{22} expire=\d{10}"),
    # ImageKit: https://imagekit.io/docs/media-delivery-basic-security
    _protocol("ik-s=[0-9a-f]{40}", "ik-t"),
    # Cloudflare Images, and tokens that Cloudflare's firewall checks:
    # https://developers.cloudflare.com/images/manage-images/serve-images/serve-private-images/
    # https://developers.cloudflare.com/waf/custom-rules/use-cases/configure-token-authentication/
    _protocol(r"sig=[0-9a-f]{64} exp=\d{10}"),
    _protocol(r"verify=\d{10}-[\w+/-]{43}=?"),
    # Qiniu's and Tencent's CDN: an MD5 and the time, in hexadecimal or decimal digits.
    _protocol(r"sign=[0-9a-f]{32} t=[0-9a-f]{8,10}"),
    # Upyun: https://help.upyun.com/knowledge-base/cdn-token-limite/
    _protocol(r"_upt=[0-9a-f]{8}\d{10}"),
    # ByteDance's private pictures, whose addresses Juejin's editor puts into the text.
    _protocol(r"x-orig-sign x-orig-authkey x-orig-expires=\d+", "policy"),
    # Discord's attachments, Instagram and Facebook, Sina's storage, ByteDance's CDN.
    _protocol("ex=[0-9a-f]{6,8} is=[0-9a-f]{6,8} hm=[0-9a-f]{64}"),
    _protocol(r"oh=[\w-]{20,} oe=[0-9a-f]{8}"),
    _protocol(r"ssig expires=\d+", "kid"),
    _protocol(r"x-signature x-expires=\d+"),
    # GitHub: a picture of an issue, by the issuer in its JWT (`{"iss":"github.com`, in base64), and
    # a file of a private repository.
    _protocol(r"jwt=eyJ[\w-]+\.eyJpc3MiOiJnaXRodWIuY29t[\w-]+\.[\w-]+"),
    _protocol("token=GHSAT0[0-9A-Z]{30,}"),
)
# Parameters that begin like a protocol's and only say how the picture is processed.
_PUBLIC_NAMES = frozenset({"x-oss-process"})

# --- Other secrets --------------------------------------------------------------------------------

# The rule for every other parameter. It is a secret
# - if its name says so, whatever the value (`_SECRET_NAMES`, `_SECRET_PREFIXES`, `_SECRET_ENDS`);
# - if its value has the shape of a known kind of key, whatever the name (`_SECRET_VALUE`);
# - if its name may mean a key or the picture (`_DOUBTFUL_NAMES`), and its value is random;
# - if it is the key of a map (`_MAP`).
# Names are compared in lower case.
#
# Both errors cost. A secret that is taken for a name is written down. A name that is taken for a
# secret is hidden behind a digest, and `rewrite` leaves the post as it is, because `--revert` could
# not bring the name back. So a name is in the table whatever its value if hosts document it as what
# lets a reader in, also where the value is short: `auth`, `pass`, `pwd` (the extraction code of a
# share), `sig`, `rlkey` of Dropbox, `resourcekey` of Google Drive, `authkey` of OneDrive. `key`,
# `code` and `k` name a picture or its version at most hosts. What is documented as a secret under
# them is long and random (Azure Functions, Google, Feishu, Bing), or the key of a map. `s` of imgix
# and Reddit is a checksum of the address: it is published with it, and says nothing else.
_SECRET_PREFIXES = (
    *("x-amz-", "x-goog-", "x-oss-", "x-cos-", "x-obs-", "x-tos-"),
    *("q-ak", "q-sign", "q-key-time", "q-header-list", "q-url-param-list"),  # `q-1=0` is algebra
)
_SECRET_NAMES = frozenset(
    "auth bearer cookie csrf expires googleaccessid hmac jwt key-pair-id otp pass policy psw pw "
    "resourcekey rlkey samlart session sig sign ssig".split()
)
# Names of several words are compared without what joins the words: `secret_key`, `secret-key` and
# `secretKey` are one name, and `client.secret.key` ends with it.
_SECRET_ENDS = re.compile(
    r".*(?:token|secret|signature|password|passwd|pwd|credentials?|authorization"
    r"|accesskey(?:id)?|(?:api|app|auth|pass|private|secret|subscription)key|secretid"
    r"|authcode|pass(?:code|phrase)|sess(?:ion)?id|saml(?:request|response)|assertion|ticket)"
    r"|(?:x|api|app)sign"
)
_JOINTS = re.compile(r"[-_.]")
_NAME_PART = re.compile(r"[^\[\]{}()\"'\s\0+]+")
_NUMBER = re.compile(r"(?:[-_.]?v)?\d+\Z")
_SECRET_VALUE = re.compile(
    r"(?:AKIA|ASIA)[0-9A-Z]{16}|LTAI[0-9A-Za-z]{12,}|AKID[0-9A-Za-z]{13,}"
    r"|gh[pousr]_[0-9A-Za-z]{20,}|glpat-[\w-]{20,}|xox[abeoprs]-[\w-]{10,}|eyJ[\w-]{8,}\.[\w-]{8,}\.|AIza[\w-]{35}"
)
# `?key=a.png` and `?code=12` name the picture; `?key=aB3xK9…` and the `?code=` of Feishu let a
# reader in. Names that programs give are shorter (nanoid 21, KSUID 27), or hexadecimal digests.
_DOUBTFUL_NAMES = frozenset("code k key".split())
_SESSION_NAMES = frozenset({"sid"})
_RANDOM = re.compile(r"[\w+/=~:-]{32,}", re.ASCII)
_HEXADECIMAL = re.compile(r"[0-9a-f-]+|[0-9A-F-]+")
_CHANGE = re.compile(r"(?<=[a-z])(?=[A-Z0-9])|(?<=[A-Z])(?=[a-z0-9])|(?<=[0-9])(?=[A-Za-z])")
_SESSION = re.compile(r"(?=.*\d)[\w-]{16,}", re.ASCII)
# Where maps are drawn for whoever has a key (Google, AMap, Tencent, Baidu, Tianditu, TomTom,
# MapTiler).
_MAP = re.compile(r"/(?:staticmap|staticimage|streetview)(?![^/])|/maps/[^/]+/static/", re.I)
_MAP_KEYS = frozenset({"ak", "key", "tk"})
# What stands for a value that is hidden. It has 128 bits of a SHA-256 and no key, as two machines
# must hide one value alike: a value that is short enough to be guessed can be guessed from it.
_HIDDEN = re.compile(r"hidden-[0-9a-f]{32}")
_HIDDEN_IN_PATH = re.compile(r"(?:;|%3B)[\w.\[\]%-]+?(?:=|%3D)hidden-[0-9a-f]{32}")

# --- Where parameters stand -----------------------------------------------------------------------

# A URL without any of these, and without `JWT_MARK`, has no userinfo, no query, no fragment and no
# secret in its path. An expression with both takes four times as long.
_MARKS = re.compile(r"[?#@=%\"']")
JWT_MARK = "/eyJ"
"""The start of a part of a path that may be a whole JWT."""
# Browsers take `\` for `/`, any number of them behind `https:` for two, and what stands before the
# last `@` for the password.
_USERINFO = re.compile(
    r"^(\s*(?:https?:[/\\]*|(?:[a-z][a-z0-9+.-]*:)?[/\\]{2,}))[^/\\?#]*@", re.IGNORECASE
)
# The same of a URL that stands in another one, in its path, its query or behind its `#`.
_NESTED_USERINFO = re.compile(
    r"((?:[:=]|%(?:25)*3[AD])(?:[/\\]|%(?:25)*(?:2F|5C)){2})"
    r"(?:(?!%(?:25)*(?:2F|5C|3F|23|26|40))[^/\\?#&@])+(?:@|%(?:25)*40)",
    re.IGNORECASE,
)
# The name of a parameter, also with letters, digits, `[` and `]` that are percent-encoded, as often
# as the URL is nested. The marks around a name are none of these.
_NAME = r"(?:[\w.\[\]-]|%(?:25)*(?:2[DE]|3[0-9]|4[1-9A-F]|5[0-9ABDF]|6[1-9A-F]|7[0-9A]))+"
# A parameter of a URL that is itself the value of a parameter, or a part of the path, as image
# proxies take it.
_NESTED = re.compile(
    rf"(?P<mark>[?&#]|%(?:25)*(?:3F|26|3B|23))(?P<name>{_NAME})(?P<equals>=|%(?:25)*3D)"
    # A value may have a `;` or a `?` in it, but for one that begins another parameter.
    r"(?P<value>(?:(?![&#]|%(?:25)*(?:26|23)"
    rf"|(?:[;?]|%(?:25)*(?:3B|3F)){_NAME}(?:=|%(?:25)*3D)).)*)",
    re.IGNORECASE | re.DOTALL,
)
# A pair of a JSON object, which may be the value of a parameter or stand in a text in quotes.
_QUOTE = r"(?:\\|%(?:25)*5C){0,8}(?:[\"']|%(?:25)*2[27])"
_BLANKS = r"(?:[ \t+]|%(?:25)*(?:20|09))*"
_IN_JSON = re.compile(
    rf"(?P<mark>{_QUOTE})(?P<name>{_NAME})"
    rf"(?P<equals>(?P=mark){_BLANKS}(?::|%(?:25)*3A){_BLANKS}(?P<quote>(?P=mark))?)"
    r"(?P<value>(?(quote)(?:(?!(?P=mark))(?:(?:\\|%(?:25)*5C)(?:%(?:25)*2[27]|.)|.))*|[\w.-]*))",
    re.IGNORECASE | re.DOTALL,
)
# A path without any of these, and without `JWT_MARK`, has no secret and no URL with one within.
_MARKS_IN_PATH = re.compile(r"[=@\"']|%(?:25)*(?:3D|40|2[27])", re.I)
_SEPARATOR = re.compile(r"&(?:amp;)?|;(?=[\w.\[\]%-]+=)")  # COS has `;` in a value, too
_NESTED_QUERY = re.compile(r"%(?:25)*(?:3F|23)[^/]*", re.I)
# A part of the path, or a parameter of the path itself: `/a.png`, `;jsessionid=…`.
_PART = re.compile(r"(?:[;/]|%(?:25)*3B)?(?:(?![;/]|%(?:25)*3B).)+", re.IGNORECASE | re.DOTALL)
# A pair in a part of the path or in the value of a parameter, maybe of a list of settings:
# `/token=…/`, `/w_1,token=…/`, `/a.png&token=…`, `?q=a|token=…`, `?q=token=…,a=c`.
_BEFORE_PAIR = (
    r"(?:\A|[^\w.\[\]%=-]|%(?:25)*(?:[0189A-F][0-9A-F]|2[0-9A-CF]|3[A-CEF]|40|5[CE]|60|7[B-F])"
    r"|(?<==)|(?<=%3D)|(?<=%3d)|(?<=%253D))"
)
_PAIR = re.compile(
    rf"(?P<mark>{_BEFORE_PAIR})(?P<name>{_NAME})(?P<equals>=|%(?:25)*3D)"
    rf"(?P<value>(?:(?!{_BEFORE_PAIR}{_NAME}(?:=|%(?:25)*3D)).)*)",
    re.IGNORECASE | re.DOTALL | re.ASCII,
)
# The last such pair in a name that a tool gave to a file after the signed address of its picture.
_END_OF_NAME = re.compile(
    rf"(?:&|%(?:25)*26)(?:(?!&|%(?:25)*26).)*\.(?:{IMAGE_SUFFIXES})(?:@?![^!]+)?",
    re.IGNORECASE | re.DOTALL,
)
# A part of the path that is a whole JWT. No other part without a name is known for a secret: a
# digest, a UUID or random letters are the names that hosts give to pictures.
_JWT_IN_PATH = re.compile(r"(?<=/)eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]+(?=[/;]|\Z)", re.ASCII)
# Control, format (bidi) and line-separator characters must never reach a terminal raw.
_UNPRINTABLE = re.compile(
    r"[\x00-\x1f\x7f-\xa0\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    r"\ufeff\ufff9-\ufffb\ud800-\udfff]"
)


def without_secrets(text: str) -> str:
    """Return the URL `text` without userinfo, with signatures dropped and other secrets hidden.

    Secrets in the fragment are dropped. Everything else comes back as it was, in its order, so a
    URL without secrets is unchanged.
    """
    if not _MARKS.search(text) and JWT_MARK not in text:
        return text
    return _settled(_redacted, text)


def has_hidden(text: str) -> bool:
    """Return True if a secret in the URL was hidden: nobody can ask its host for it."""
    return bool(_HIDDEN.search(text))


def without_hidden(address: str) -> str:
    """Return an address without the parameters whose values are hidden."""
    head, mark, query = address.partition("?")
    head = _HIDDEN_IN_PATH.sub("", head)
    kept = [pair for pair in query.split("&") if not _HIDDEN.search(pair)]
    return head + (mark + "&".join(kept) if kept and mark else "")


def _settled(redact: Callable[[str], str], text: str) -> str:
    """Redact until nothing changes: what is left behind may read as another secret."""
    while (left := redact(text)) != text:
        text = left
    return text


def _redacted(text: str) -> str:
    text = _USERINFO.sub(r"\1", text)
    rest, hash_, fragment = text.partition("#")
    head, mark, query = rest.partition("?")
    query = query_without_secrets(head, mark, query)
    return path_without_secrets(head) + query + _fragment_without_secrets(hash_, fragment)


def path_without_secrets(path: str) -> str:
    """Return a path with the secrets in it hidden, those of a URL within it too."""
    if not _MARKS_IN_PATH.search(path) and JWT_MARK not in path:
        return path
    return _settled(_redacted_path, path)


def _redacted_path(path: str) -> str:
    path = _NESTED_USERINFO.sub(r"\1", path)
    path = _NESTED_QUERY.sub(lambda match: _redacted_nested(match[0]), path)
    path = _JWT_IN_PATH.sub(lambda match: _hidden("", match[0]), path)
    return _PART.sub(_hidden_part, _IN_JSON.sub(_hidden_json, path))


def _hidden_part(part: re.Match[str]) -> str:
    """Hide the first secret in a part of a path, with all that follows in the part."""
    for match in _PAIR.finditer(part[0]):
        name = _plain(match["name"])
        if _is_secret(name, unquote(match["value"]), match[0]) and not (
            _END_OF_NAME.fullmatch(part[0], match.start()) and not looks_secret(match[0])
        ):
            start = match.start("value")
            return part[0][:start] + _hidden(name, part[0][start:])
    return part[0]


def query_without_secrets(path: str, mark: str, query: str) -> str:
    """Return `mark` and the query, redacted; nothing when nothing is left of it."""
    if not query:
        return mark
    left = _settled(lambda text: _redacted_query(path, text), query)
    return mark + left if left else ""


def _redacted_query(path: str, query: str) -> str:
    keys = _MAP_KEYS if _MAP.search(path) else frozenset()
    query = _NESTED_USERINFO.sub(r"\1", query)
    pairs = [_redacted_nested(pair) for pair in _SEPARATOR.split(query)]
    signature = _signature(map(_name_and_value, pairs))
    kept = [
        separator + _hidden_pair(pair, keys)
        for separator, pair in zip(["", *_SEPARATOR.findall(query)], pairs, strict=True)
        if _name_and_value(pair)[0] not in signature
    ]
    return _SEPARATOR.sub("", kept[0], count=1) + "".join(kept[1:]) if kept else ""


def _fragment_without_secrets(mark: str, fragment: str) -> str:
    fragment = _NESTED_USERINFO.sub(r"\1", fragment)
    pairs = _SEPARATOR.split(fragment)
    kept = [pair for pair in pairs if _hidden_pair(_redacted_nested(pair), frozenset()) == pair]
    if len(kept) == len(pairs):
        return mark + fragment
    return mark + "&".join(kept) if kept else ""


def _redacted_nested(text: str) -> str:
    """Redact the parameters of a URL that stands inside another one."""
    matches = list(_NESTED.finditer(text))
    if not matches:
        return text
    signature = _signature((_plain(match["name"]), unquote(match["value"])) for match in matches)

    def redacted(match: re.Match[str]) -> str:
        return "" if _plain(match["name"]) in signature else _hidden_match(match)

    return _NESTED.sub(redacted, text)


def _signature(pairs: Iterable[tuple[str, str]]) -> frozenset[str]:
    """Return the names, of these names and values, that belong to a signature protocol."""
    values = dict(pairs)
    names: set[str] = set()
    for protocol in _PROTOCOLS:
        if all(pattern.fullmatch(values.get(name, "")) for name, pattern in protocol.needed):
            names |= {name for name, _ in protocol.needed} | protocol.also
            if protocol.prefix is not None:
                names |= {name for name in values if name.startswith(protocol.prefix)}
    return frozenset(names - _PUBLIC_NAMES)


def _hidden_match(match: re.Match[str]) -> str:
    name, value = _plain(match["name"]), match["value"]
    if _is_secret(name, unquote(value), match[0]):
        return f"{match['mark']}{match['name']}{match['equals']}{_hidden(name, value)}"
    return match[0]


def _hidden_json(match: re.Match[str]) -> str:
    """Hide the value of a pair of a JSON object, or the secrets in it: it may be JSON in a text."""
    hidden = _hidden_match(match)
    if hidden != match[0]:
        return hidden
    return f"{match['mark']}{match['name']}{match['equals']}" + _IN_JSON.sub(
        _hidden_json, match["value"]
    )


def _hidden_pair(pair: str, keys: frozenset[str]) -> str:
    name, value = _name_and_value(pair)
    spelled, equals, rest = pair.partition("=")
    if name not in keys and not _is_secret(name, value, pair):
        return _PAIR.sub(_hidden_match, _IN_JSON.sub(_hidden_json, pair))
    if looks_secret(spelled):
        return _hidden("", pair)
    # A name alone grants nothing.
    return f"{spelled}={_hidden(name, rest)}" if equals else pair


def _hidden(name: str, value: str) -> str:
    """Return what stands for a secret value; one that is hidden already stays."""
    if not value or _HIDDEN.fullmatch(value):
        return value
    # `unquote` makes one character of every byte that is no UTF-8.
    secret = unquote_to_bytes(value.encode("utf-8", "surrogatepass"))
    digest = sha256(name.encode("utf-8", "surrogatepass") + b"\0" + secret).hexdigest()
    return f"hidden-{digest[:32]}"


def _plain(name: str) -> str:
    """Return a name in lower case, decoded as often as it is encoded."""
    return _settled(unquote, name).lower()


def _name_and_value(pair: str) -> tuple[str, str]:
    name, _, value = pair.partition("=")
    return _plain(name), unquote(value)


def looks_secret(text: str) -> bool:
    """Return True if `text` holds a key by its shape: AWS, Aliyun, Tencent, GitHub, JWT, Google."""
    return bool(_SECRET_VALUE.search(text))


def _is_secret(name: str, value: str, spelled: str) -> bool:
    """Return True if a pair, decoded and as it is spelled, lets a reader in."""
    return _is_secret_name(name) or looks_secret(spelled) or _is_random_key(name, value)


def _is_secret_name(name: str) -> bool:
    """Return True if a parameter of that name, in lower case, grants access."""
    if name in _PUBLIC_NAMES:
        return False
    # `user[token]`, `token[]`, `token2`, `token_v2`, `_token` and `"token"` as well.
    parts = (_NUMBER.sub("", part).strip("_") for part in _NAME_PART.findall(name))
    return any(
        part in _SECRET_NAMES
        or part.startswith(_SECRET_PREFIXES)
        or _SECRET_ENDS.fullmatch(_JOINTS.sub("", part)) is not None
        for part in parts
    )


def _is_random_key(name: str, value: str) -> bool:
    """Return True if a parameter that may name the picture has a random value instead.

    In random letters and digits more than half of the neighbours are of two kinds (capitals, small
    letters, digits); in names that people give, less than a third.
    """
    if name in _SESSION_NAMES:
        return _SESSION.fullmatch(value) is not None
    if name not in _DOUBTFUL_NAMES or not _RANDOM.fullmatch(value):
        return False
    return not _HEXADECIMAL.fullmatch(value) and 3 * len(_CHANGE.findall(value)) > len(value)


_ANY_URL = re.compile(r"(?:https?:[/\\]|//)[^\s\"'<>]+", re.IGNORECASE)
_AFTER_URL = ").,:;!?]}*"  # ends what is around a URL, such as a link of Markdown or a sentence
# A name and its value, as JSON, a dictionary or a parameter: `"token": "…"`, `token=…`.
_IN_TEXT = re.compile(
    r"(?<![\w.\[\]-])(?P<name>[\w.\[\]-]{1,100})"
    r"(?P<equals>(?P<quote>\\*[\"'])\s*:\s*|\s*=\s*)"
    r"(?P<value>(?P<open>\\*[\"'])(?:(?!(?P=open))(?:\\.|.))*|[^\s,;&}\"'<>]+)",
    re.DOTALL,
)


def hide_secrets(text: str) -> str:
    """Return `text`, such as a traceback, with the secrets of any URL in it dropped or hidden."""

    def redacted(match: re.Match[str]) -> str:
        url = match[0].rstrip(_AFTER_URL)
        return without_secrets(url) + match[0][len(url) :]

    return _SECRET_VALUE.sub("…", _ANY_URL.sub(redacted, text))


def hide_stated_secrets(text: str) -> str:
    """Return what a host or a bucket says, with the values of all that is called a secret cut.

    In a text of one's own, such as a post, most of those are examples.
    """

    def cut(match: re.Match[str]) -> str:
        if not _is_secret_name(match["name"].lower()):
            return match[0]
        return f"{match['name']}{match['equals']}{match['open'] or ''}…"

    return _IN_TEXT.sub(cut, hide_secrets(text))


def printable(text: str) -> str:
    """Return `text` with control, bidi and blank-like characters escaped, plain blanks kept."""
    return _UNPRINTABLE.sub(lambda m: m[0].encode("unicode_escape").decode(), text)
