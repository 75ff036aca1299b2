"""The files of upload tools (PicGo, PicList, Elog) -> the sources that the tools upload to. Pure.

These files hold keys and tokens. Only the beginnings of public URLs, counts, and the name that
the tool gives the host are copied from them.
"""

from __future__ import annotations

import json
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any
from urllib.parse import urlsplit

from mirror.urls.address import canonical
from mirror.urls.redact import looks_secret
from mirror.urls.suffixes import IMAGE_SUFFIXES

_MAX_BYTES = 64 * 2**20  # unpacked: a hundred thousand images, of some 600 bytes each
_MAX_NAME = 40  # characters of a name made here, which stands in every line about its source
_GZIP = b"\x1f\x8b"
_IMAGE_URL = re.compile(
    r"https?://[^\s\"'<>()\[\]\\`]+?\.(?:"
    rf"{IMAGE_SUFFIXES})(?![0-9A-Za-z])",
    re.IGNORECASE,
)
# Hosts that many people share, and the number of parts of the path that name the owner.
OWNER_PARTS = {
    "raw.githubusercontent.com": 2,
    "cdn.jsdelivr.net": 3,
    "fastly.jsdelivr.net": 3,
    "gcore.jsdelivr.net": 3,
    "testingcf.jsdelivr.net": 3,
    "res.cloudinary.com": 1,
    "gitee.com": 2,
    "gitlab.com": 2,
    "github.com": 2,
    "user-images.githubusercontent.com": 1,
}
_PUBLIC_KEYS = ("customUrl", "urlPrefix", "url", "domain", "customDomain", "webPath")


class UploaderFileError(Exception):
    """A file that no such tool wrote; the message says what was expected and what was found."""


@dataclass(frozen=True, slots=True, order=True)
class UploaderSource:
    """A source of a tool, and the number of images below `match` that the tool lists."""

    name: str
    match: str
    count: int


def usual_paths(home: PurePath, project: PurePath) -> list[PurePath]:
    """Return the usual paths of the tools' files, on Linux, macOS and Windows, and in a project."""
    bases = [home / ".config", home / "Library/Application Support", home / "AppData/Roaming"]
    names = ("picgo/picgo.db", "picgo/data.json", "piclist/piclist.db", "piclist/data.json")
    files = [base / name for base in bases for name in names]
    files += [home / ".picgo/config.json", home / ".piclist/config.json"]
    return [*files, project / "elog.cache.json"]


def find_sources(data: bytes | str) -> list[UploaderSource]:
    """Read a gallery, a configuration or a cache; return its sources, most images first.

    Raise `UploaderFileError`, which leaves out the file, for anything but JSON or a list of URLs.
    """
    text = _text(data)
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        urls = _IMAGE_URL.findall(text) if text.lstrip()[:1] not in ("{", "[") else []
        if not urls:
            raise UploaderFileError(
                "expected a gallery, a configuration or a cache of PicGo, "
                f"PicList or Elog, or a list of URLs ({type(error).__name__})"
            ) from error
        return _sum_up({}, urls)
    return _sum_up(dict(_configured_hosts(value)), _image_urls(value))


def _text(data: bytes | str) -> str:
    if isinstance(data, str):
        return data
    if data.startswith(_GZIP):
        unpacker = zlib.decompressobj(wbits=31)
        try:
            data = unpacker.decompress(data, _MAX_BYTES)
        except zlib.error as error:
            raise UploaderFileError("damaged, not the gzip it begins as") from error
        if unpacker.unconsumed_tail:
            raise UploaderFileError(f"unpacks to more than {_MAX_BYTES // 2**20} MiB")
    return data.decode("utf-8-sig", "replace")


# --- Configurations ---------------------------------------------------------------------------


def _configured_hosts(value: Any) -> Iterator[tuple[str, str]]:
    """Yield the URL prefix and the host name of every uploader that a configuration has."""
    members = _members(value)
    for kind, settings in _members(members.get("picBed")).items():
        yield from _uploader(kind, settings)
    # PicGo 2.4 and PicList have several uploaders of one kind.
    for kind, several in _members(members.get("uploader")).items():
        listed = _members(several).get("configList")
        for settings in listed if isinstance(listed, list) else ():
            yield from _uploader(kind, settings)


def _members(value: Any) -> Mapping[str, Any]:
    """Return an object of JSON; an empty one for any other value."""
    return value if isinstance(value, Mapping) else {}


def _uploader(kind: str, settings: Any) -> Iterator[tuple[str, str]]:
    if not isinstance(settings, Mapping):
        return
    texts = {key: text for key, text in settings.items() if isinstance(text, str)}
    configured = [texts[key] for key in _PUBLIC_KEYS if texts.get(key)]
    url = configured[0] if configured else _provider_url(kind, texts)
    if not url:
        return
    if "://" not in url:
        url = f"https://{url}"
    prefix = _prefix(url if url.endswith("/") else f"{url}/")
    if prefix is not None:
        yield prefix, texts.get("_configName") or kind


def _provider_url(kind: str, texts: Mapping[str, str]) -> str:
    """Return the address that a provider gives to a bucket without a domain."""
    bucket, area = texts.get("bucket", ""), texts.get("area", "")
    if kind == "aliyun" and bucket and area:
        return f"https://{bucket}.{area}.aliyuncs.com/"
    if kind == "tcyun" and bucket and area:
        if texts.get("version") == "v4":
            return f"https://{bucket}-{texts.get('appId', '')}.{area}.myqcloud.com/"
        return f"https://{bucket}.cos.{area}.myqcloud.com/"
    if kind == "github" and texts.get("repo"):
        return f"https://raw.githubusercontent.com/{texts['repo']}/"
    return {"smms": "https://s2.loli.net/", "imgur": "https://i.imgur.com/"}.get(kind, "")


# --- Galleries and caches ---------------------------------------------------------------------


def _image_urls(value: Any) -> Iterator[str]:
    """Yield the image URLs anywhere in a document, except in the settings of uploaders."""
    waiting = [value]
    while waiting:
        match waiting.pop():
            case str() as text:
                yield from _IMAGE_URL.findall(text)
            case Mapping() as members:
                if isinstance(url := members.get("imgUrl"), str) and "://" in url:
                    yield url  # It is an image, whatever its name ends in.
                skipped = ("picBed", "uploader", "imgUrl", "originImgUrl")
                waiting += (part for key, part in members.items() if key not in skipped)
            case list() as items:
                waiting += items


# --- Both -------------------------------------------------------------------------------------


def _sum_up(configured: Mapping[str, str], urls: Iterable[str]) -> list[UploaderSource]:
    """Return each prefix once, with the name of the uploader that has the same prefix."""
    counts: Counter[str] = Counter()
    for url in set(urls):
        if (prefix := _prefix(url)) is not None:
            counts[prefix] += 1
    counts.update(dict.fromkeys(configured, 0))
    for prefix in [prefix for prefix in counts if prefix.startswith("http:")]:
        if (safe := prefix.replace("http:", "https:", 1)) in counts:  # `match` covers both.
            counts[safe] += counts.pop(prefix)
    used: set[str] = set()
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [
        UploaderSource(_distinct(configured.get(prefix) or _host_name(prefix), used), prefix, count)
        for prefix, count in ranked
    ]


def _prefix(url: str) -> str | None:
    """Return the beginning of `url` that names its owner; `None` for anything but a web address."""
    address = canonical(url)
    if address is None or looks_secret(address):
        return None
    parts = urlsplit(address)
    kept = parts.path.strip("/").split("/")[: OWNER_PARTS.get(parts.netloc, 0)]
    if kept and "jsdelivr" in parts.netloc:
        kept[-1] = kept[-1].partition("@")[0]  # The version does not matter.
        return f"{parts.scheme}://{parts.netloc}/{'/'.join(kept)}"
    return f"{parts.scheme}://{parts.netloc}/" + "".join(f"{part}/" for part in kept)


def _host_name(prefix: str) -> str:
    parts = urlsplit(prefix)
    last = parts.path.strip("/").rpartition("/")[2]
    return last or parts.netloc.partition(".")[0]


def _distinct(name: str, used: set[str]) -> str:
    """Return a name for `[[source]]` that is not in `used`, of plain characters and no secret."""
    plain = re.sub(r"[^\w.-]+", "-", name).strip("-")[:_MAX_NAME]
    return free_name(plain if plain and not looks_secret(plain) else "images", used)


def free_name(name: str, used: set[str]) -> str:
    """Return `name`, with a number where it is in `used`, and add it there."""
    chosen, number = name, 2
    while chosen in used:
        chosen, number = f"{name}-{number}", number + 1
    used.add(chosen)
    return chosen
