"""What upload tools remember -> sources to propose: PicGo, PicList and Elog. Pure.

Their files hold keys and tokens. Nothing is copied from them but the beginnings of public URLs,
counts, and the name that the tool gives the host.
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

_MAX_BYTES = 64 * 2**20
_GZIP = b"\x1f\x8b"
_IMAGE_URL = re.compile(
    r"https?://[^\s\"'<>()\[\]\\`]+?\.(?:png|jpe?g|gif|webp|avif|bmp|svg|tiff?|ico)"
    r"(?![0-9A-Za-z])",
    re.IGNORECASE,
)
# Hosts that many people share, and how many parts of the path say whose the images are.
_SHARED = {
    "raw.githubusercontent.com": 2,
    "cdn.jsdelivr.net": 3,
    "fastly.jsdelivr.net": 3,
    "gitee.com": 2,
    "gitlab.com": 2,
    "github.com": 2,
}
_PUBLIC_KEYS = ("customUrl", "urlPrefix", "url", "domain", "customDomain", "webPath")


class AdoptError(Exception):
    """A file that no such tool wrote: what was expected, what was found."""


@dataclass(frozen=True, slots=True, order=True)
class Proposal:
    """A source to propose: `count` images are known beneath `match`, 0 if none was counted."""

    name: str
    match: str
    count: int


def places(home: PurePath, project: PurePath) -> list[PurePath]:
    """Where these tools keep their files: on Linux, macOS and Windows, and beside a project."""
    bases = [home / ".config", home / "Library/Application Support", home / "AppData/Roaming"]
    apps = {"picgo": "picgo.db", "piclist": "piclist.db"}
    files = [
        base / app / name for base in bases for app in apps for name in (apps[app], "data.json")
    ]
    files += [home / ".picgo/config.json", home / ".piclist/config.json"]
    return [*files, project / "elog.cache.json"]


def propose(data: bytes | str, name: str = "") -> list[Proposal]:
    """Read a gallery, a configuration or a cache; most images first.

    `name` is the file's, for messages. Raise `AdoptError` for what is neither JSON nor a list of
    URLs.
    """
    text = _text(data, name)
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        found = _IMAGE_URL.findall(text) if text.lstrip()[:1] not in ("{", "[") else []
        if not found:
            raise AdoptError(
                f"{name or 'the file'}: expected a gallery, a configuration or a cache of PicGo, "
                f"PicList or Elog, or a list of URLs ({type(error).__name__})"
            ) from error
        return _summed({}, found)
    configured = dict(_configured(value))
    return _summed(configured, _shown(value))


def _text(data: bytes | str, name: str) -> str:
    if isinstance(data, str):
        return data
    if data.startswith(_GZIP):
        unpacker = zlib.decompressobj(wbits=31)
        try:
            data = unpacker.decompress(data, _MAX_BYTES)
        except zlib.error as error:
            raise AdoptError(f"{name}: damaged, not the gzip it begins as") from error
        if unpacker.unconsumed_tail:
            raise AdoptError(f"{name}: unpacks to more than {_MAX_BYTES // 2**20} MiB")
    return data.decode("utf-8-sig", "replace")


# --- Configurations ---------------------------------------------------------------------------


def _configured(value: Any) -> Iterator[tuple[str, str]]:
    """URL prefix and host name of every uploader that a configuration knows."""
    if not isinstance(value, Mapping):
        return
    beds = value.get("picBed")
    for kind, settings in beds.items() if isinstance(beds, Mapping) else ():
        yield from _uploader(kind, settings)
    uploaders = value.get("uploader")  # PicGo 2.4 and PicList: several of a kind
    for kind, several in uploaders.items() if isinstance(uploaders, Mapping) else ():
        listed = several.get("configList") if isinstance(several, Mapping) else None
        for settings in listed if isinstance(listed, list) else ():
            yield from _uploader(kind, settings)


def _uploader(kind: str, settings: Any) -> Iterator[tuple[str, str]]:
    if not isinstance(settings, Mapping):
        return
    known = {key: text for key, text in settings.items() if isinstance(text, str)}
    url = next((known[key] for key in _PUBLIC_KEYS if known.get(key)), "") or _own(kind, known)
    if url and "://" not in url:
        url = f"https://{url}"
    prefix = _prefix(url if url.endswith("/") else f"{url}/") if url else None
    if prefix is not None:
        yield prefix, known.get("_configName") or kind


def _own(kind: str, known: Mapping[str, str]) -> str:
    """The address that the provider gives a bucket without a domain of its own."""
    bucket, area = known.get("bucket", ""), known.get("area", "")
    if kind == "aliyun" and bucket and area:
        return f"https://{bucket}.{area}.aliyuncs.com/"
    if kind == "tcyun" and bucket and area:
        if known.get("version") == "v4":
            return f"https://{bucket}-{known.get('appId', '')}.{area}.myqcloud.com/"
        return f"https://{bucket}.cos.{area}.myqcloud.com/"
    if kind == "github" and known.get("repo"):
        return f"https://raw.githubusercontent.com/{known['repo']}/"
    return {"smms": "https://s2.loli.net/", "imgur": "https://i.imgur.com/"}.get(kind, "")


# --- Galleries and caches ---------------------------------------------------------------------


def _shown(value: Any) -> Iterator[str]:
    """Image URLs anywhere in a document, except in what configures uploaders."""
    waiting = [value]
    while waiting:
        match waiting.pop():
            case str() as text:
                yield from _IMAGE_URL.findall(text)
            case Mapping() as members:
                if isinstance(url := members.get("imgUrl"), str) and "://" in url:
                    yield url  # whatever its name ends in
                skipped = ("picBed", "uploader", "imgUrl", "originImgUrl")
                waiting += (part for key, part in members.items() if key not in skipped)
            case list() as items:
                waiting += items


# --- Both -------------------------------------------------------------------------------------


def _summed(configured: Mapping[str, str], urls: Iterable[str]) -> list[Proposal]:
    """Each prefix once, those that share a host with an uploader under its name."""
    counts: Counter[str] = Counter()
    for url in set(urls):
        if (prefix := _prefix(url)) is not None:
            counts[prefix] += 1
    counts.update(dict.fromkeys(configured, 0))
    for prefix in [prefix for prefix in counts if prefix.startswith("http:")]:
        if (safe := prefix.replace("http:", "https:", 1)) in counts:  # `match` takes both
            counts[safe] += counts.pop(prefix)
    used: set[str] = set()
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [
        Proposal(_distinct(configured.get(prefix) or _host_name(prefix), used), prefix, count)
        for prefix, count in ranked
    ]


def _prefix(url: str) -> str | None:
    """The beginning of `url` that says whose it is; `None` for what is no web address."""
    address = canonical(url)
    if address is None or looks_secret(address):
        return None
    parts = urlsplit(address)
    kept = parts.path.strip("/").split("/")[: _SHARED.get(parts.netloc, 0)]
    if kept and "jsdelivr" in parts.netloc:
        kept[-1] = kept[-1].partition("@")[0]  # whichever version
        return f"{parts.scheme}://{parts.netloc}/{'/'.join(kept)}"
    return f"{parts.scheme}://{parts.netloc}/" + "".join(f"{part}/" for part in kept)


def _host_name(prefix: str) -> str:
    parts = urlsplit(prefix)
    last = parts.path.strip("/").rpartition("/")[2]
    return last or parts.netloc.partition(".")[0]


def _distinct(name: str, used: set[str]) -> str:
    """A name for `[[source]]` that nobody else here has, of plain characters and no secret."""
    plain = re.sub(r"[^\w.-]+", "-", name).strip("-")[:40]
    plain = plain if plain and not looks_secret(plain) else "images"
    chosen, number = plain, 2
    while chosen in used:
        chosen, number = f"{plain}-{number}", number + 1
    used.add(chosen)
    return chosen
