"""`mirror.toml` -> `Config`: the file is found, read, and parsed table by table."""

from __future__ import annotations

import os
import re
import string
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote

from mirror.config.places import (
    check_folder,
    check_no_escape,
    check_posts_below,
    check_prefix,
    place_of,
    written_places,
)
from mirror.config.table import Table
from mirror.config.values import (
    CONFIG_NAME,
    DEFAULT_KEY,
    ArchiveBucket,
    Config,
    ConfigError,
    DestinationSettings,
    FetchSettings,
    MissingConfigError,
    PostSettings,
)
from mirror.files import explain, read_named, unspellable
from mirror.urls.address import canonical, identity
from mirror.urls.ignore import IgnoreEntry, IgnoreList, is_pattern
from mirror.urls.redact import printable, without_secrets
from mirror.urls.relative import encoded
from mirror.urls.sources import Locator, Source

_MAX_BYTES = 1 << 20  # ten thousand [[ignore]] tables
# Dots in a line, and in a line with the name of a table. Names with dots cost their parser the
# square of their number; a thousand in one line take 20 ms, 50,000 two minutes.
_MAX_DOTS, _MAX_HEADER_DOTS = 200, 8
_MAX_DESTINATIONS = 100  # each is opened, listed and compared with each line of the manifest
_MAX_POST_ENTRIES = 1000  # paths, and patterns; each is compared with each post
# A host takes more than 256 requests at once for an attack. 20 retries of 30 s take ten minutes.
# A picture of 10**10 pixels takes 160 GB.
_MAX_CONCURRENCY, _MAX_RETRIES, _MAX_PIXELS = 256, 20, 10**10
_MAX_KEY = 1024  # characters of a key template; the keys of S3 have 1024 bytes at most
_KEY_FIELDS = ("sha256", "ext", "source", "path", "stem", "name")


def find_config(explicit: Path | None, environ: Mapping[str, str], start: Path) -> Path:
    """Return the file to use: `explicit`, `$MIRROR_CONFIG`, then upward to the repository root."""
    if explicit is None and (named := environ.get("MIRROR_CONFIG")):
        explicit = Path(named)
    if explicit is not None:
        if not explicit.is_file():
            raise ConfigError(f"{explicit}: no such configuration file")
        return explicit
    for folder in (start, *start.parents):
        candidate = folder / CONFIG_NAME
        if candidate.is_symlink():
            raise ConfigError(f"{candidate}: is a symbolic link; name the file with `--config`")
        if candidate.is_file():
            return candidate
        if candidate.exists():
            raise ConfigError(f"{candidate}: is no plain file; move away what is there")
        if (folder / ".git").exists():
            break
    raise MissingConfigError(
        f"no {CONFIG_NAME} in {start} or a parent folder up to the repository root; "
        f"`mirror init` writes one from your posts, `--config FILE` names another"
    )


def load_config(path: Path) -> Config:
    """Read and check `path`; raise `ConfigError` that names the file and the key."""
    try:
        config = loads_config(read_named(path, _MAX_BYTES), path)
        for name, place in written_places(config):
            check_no_escape(place, config.root, f"{path}: {name}")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeEncodeError as error:
        raise ConfigError(f"{path}: {explain(unspellable(error))}") from error
    return config


def loads_config(data: bytes, path: Path) -> Config:
    """Check what is in `path`, or will be; raise `ConfigError`."""
    for number, line in enumerate(data.split(b"\n"), 1):
        most = _MAX_HEADER_DOTS if line.lstrip().startswith(b"[") else _MAX_DOTS
        if line.count(b".") > most:
            raise ConfigError(
                f"{path}: line {number}: expected at most {most} dots; a list may go over "
                "several lines"
            )
    try:
        raw = tomllib.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 text at byte {error.start}") from error
    except (ValueError, RecursionError) as error:  # a number too long is no TOMLDecodeError
        raise ConfigError(f"{path}: not valid TOML: {error}") from error
    return parse_config(raw, path.absolute().parent, str(path))


def parse_config(raw: Mapping[str, Any], root: Path, name: str = CONFIG_NAME) -> Config:
    """Check a parsed document. `root` is what relative paths are relative to."""
    top = Table(raw, "", name)
    top.choice("version", (1,), 1)
    sources = tuple(_source(table) for table in top.tables("source"))
    _check_names(name, "source", [source.name for source in sources])
    destinations = tuple(
        _destination(table, root) for table in top.tables("destination", _MAX_DESTINATIONS)
    )
    _check_names(name, "destination", [destination.name for destination in destinations])
    if len({destination.key for destination in destinations}) > 1:
        raise ConfigError(
            f"{name}: destinations differ in `key`; the manifest has one key for an image, "
            f"so give every destination the same template"
        )
    places = [(entry.name, entry.url, place_of(entry, root)) for entry in destinations]
    _check_claims(f"{name}: destinations", "are both at", places)
    try:
        locator = Locator(sources)
    except ValueError as error:
        raise ConfigError(f"{name}: {error}") from error
    prefixes = [
        (source.name, text, identity(canonical(text) or ""))
        for source in sources
        for text in source.match
    ]
    _check_claims(f"{name}: sources", "both match", prefixes)
    config = Config(
        root=root,
        posts=_posts(top.table("posts"), root),
        sources=sources,
        destinations=destinations,
        archive=_archive(top.table("archive"), root),
        manifest=root / _only_path(top.table("manifest"), "manifests"),
        dedupe=_dedupe(top.table("dedupe")),
        ignored=IgnoreList(_ignored(table, locator) for table in top.tables("ignore")),
        fetch=_fetch(top.table("fetch")),
    )
    top.finish()
    for destination in destinations:
        check_folder(name, destination, config)
        if destination.links == "relative":
            check_posts_below(name, destination, config.posts.paths, config.root)
        check_prefix(name, destination, config.archive)
    return config


# --- The tables -------------------------------------------------------------------------------


def _posts(table: Table, root: Path) -> PostSettings:
    default = PostSettings(())
    paths = table.texts("paths", (".",))
    if "" in paths:
        raise table.error("paths", "expected folders or files, got nothing; all is `.`")
    posts = PostSettings(
        tuple(root / path for path in paths),
        table.texts("include", default.include),
        table.texts("exclude", default.exclude),
    )
    for key in ("paths", "include", "exclude"):
        if (count := len(getattr(posts, key))) > _MAX_POST_ENTRIES:
            raise table.error(key, f"expected at most {_MAX_POST_ENTRIES:,}, got {count:,}")
    table.finish()
    return posts


def _source(table: Table) -> Source:
    fetch = table.optional_text("fetch")
    if fetch is not None and not re.match(r"(?:https?|s3)://[^/]", fetch):
        raise table.error("fetch", f"expected http://…, https://… or s3://bucket, got {fetch!r}")
    source = Source(
        name=table.name(),
        match=table.texts("match"),
        fetch=fetch,
        headers=tuple(table.headers("headers")),
        variants=table.choice("variants", ("rendition", "original"), "rendition"),
        trust_svg=table.flag("trust_svg", False),
        endpoint_url=table.optional_text("endpoint_url"),
        region=table.optional_text("region"),
        profile=table.optional_text("profile"),
    )
    table.finish()
    if not source.match:
        raise table.error("match", "expected at least one URL prefix, got an empty list")
    return source


def _destination(table: Table, root: Path) -> DestinationSettings:
    url = table.text("url")
    if not re.match(r"s3://[^/]|file:.", url):
        raise table.error("url", f'expected "s3://bucket/prefix" or "file:folder", got {url!r}')
    if url.startswith("file:"):
        _check_system(table, "url", url.removeprefix("file:"))
    public = table.optional_text("public_url")
    if public is not None and not _is_public_base(public):
        raise table.error(
            "public_url",
            f"expected https://… or a path such as /images, got {public!r}; a relative path would "
            'lead to another place from each post, for which there is `links = "relative"`',
        )
    links = table.choice("links", ("absolute", "relative"), "absolute")
    if links == "relative":
        if public is not None:
            raise table.error("links", "a relative link has no `public_url`; leave one of them out")
        public = _path_from_root(table, url, root)
    destination = DestinationSettings(
        name=table.name(printable(url)),
        url=url,
        public_url=public.rstrip("/") if public is not None else None,
        key=_key_template(table),
        links=links,
        **_access(table),
    )
    table.finish()
    return destination


def _check_system(table: Table, key: str, path: str) -> None:
    """Raise for a path with a drive of Windows where it would be the name of a new folder."""
    if os.name != "nt" and re.match(r"/*[A-Za-z]:(?:[/\\]|$)", path):
        raise table.error(
            key,
            f"expected a folder of this system, such as `images` or `/srv/images`, got {path!r}, "
            "which is one of Windows",
        )


def _is_public_base(text: str) -> bool:
    """Return True if a key behind `text` makes an address that a page can show."""
    if printable(text) != text or not re.fullmatch(r"(?:https?:/|)/[^\s?#<>\"'`\\^{}|]*", text):
        return False
    is_above = ".." in unquote(text).split("/")
    return not is_above and (text.startswith("/") or canonical(f"{text}/x") is not None)


def _path_from_root(table: Table, url: str, root: Path) -> str:
    scheme, _, folder = url.partition(":")
    path = os.path.relpath(root / folder.removeprefix("//"), root)
    if scheme != "file" or path.split("/")[0] == "..":
        raise table.error("links", f'"relative" needs a `file:` folder below {root}, got {url!r}')
    return encoded(path)


def _access(table: Table) -> dict[str, Any]:
    """Return the settings that say how to reach a bucket."""
    return {
        "endpoint_url": table.optional_text("endpoint_url"),
        "region": table.optional_text("region"),
        "profile": table.optional_text("profile"),
        "provider": table.text("provider", "auto"),
        "addressing": table.choice("addressing", ("auto", "path", "virtual"), "auto"),
    }


def _archive(table: Table, root: Path) -> Path | ArchiveBucket:
    path = table.text("path", "archive")
    if re.match(r"s3://[^/]", path):
        bucket = ArchiveBucket(path, **_access(table))
        table.finish()
        return bucket
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", path):
        raise table.error("path", f'expected a folder or "s3://bucket/prefix", got {path!r}')
    return root / _only_path(table, "archive")


def _key_template(table: Table) -> str:
    template = table.text("key", DEFAULT_KEY)
    if len(template) > _MAX_KEY:
        raise table.error("key", f"expected at most {_MAX_KEY} characters, got {len(template):,}")
    fields = set()
    try:
        for literal, name, spec, conversion in string.Formatter().parse(template):
            if re.search(r"(?:^|/)\.\.?(?:/|$)|\\|[\x00-\x1f]", literal):
                raise table.error("key", f"{template!r} would leave the prefix")
            if name is None:
                continue
            if (
                name not in _KEY_FIELDS
                or conversion
                or not re.fullmatch(r"(?:\.\d{1,4})?", spec or "")
            ):
                known = ", ".join(f"{{{field}}}" for field in _KEY_FIELDS)
                raise table.error("key", f"{template!r}: fields are {known}, cut as {{sha256:.2}}")
            fields.add(name)
    except ValueError as error:
        raise table.error("key", f"{template!r}: {error}") from error
    if template.startswith("/") or template.endswith("/") or "//" in template:
        raise table.error("key", f"{template!r} is no relative path")
    if not fields & {"sha256", "path", "stem", "name"}:
        raise table.error("key", f"{template!r} gives every image one key; use {{sha256}}")
    return template


def _only_path(table: Table, default: str) -> str:
    """Return the `path` of a table that has no other key."""
    value = table.text("path", default)
    if not value:  # joined to the site's folder it would mean that
        raise table.error("path", "expected a folder, got nothing; the site's own is `.`")
    _check_system(table, "path", value)
    table.finish()
    return value


def _dedupe(table: Table) -> Literal["perceptual", "exact", "off"]:
    mode: Literal["perceptual", "exact", "off"] = table.choice(
        "mode", ("perceptual", "exact", "off"), "perceptual"
    )
    table.finish()
    return mode


def _ignored(table: Table, locator: Locator) -> IgnoreEntry:
    url = table.text("url")
    table.optional_text("reason")  # a note of the user's
    table.finish()
    address = locator.address_of(url)
    try:
        if is_pattern(url):
            return IgnoreEntry.pattern(url)
        if address is not None and canonical(url) is not None:
            return IgnoreEntry(url, identity(address))
    except ValueError:
        pass
    raise table.error("url", f"expected a URL, got {without_secrets(url)!r}")


def _fetch(table: Table) -> FetchSettings:
    default = FetchSettings()
    fetch = FetchSettings(
        concurrency=table.integer("concurrency", default.concurrency, 1, _MAX_CONCURRENCY),
        timeout_s=table.number("timeout_s", default.timeout_s),
        retries=table.integer("retries", default.retries, 0, _MAX_RETRIES),
        max_bytes=table.size("max_bytes", default.max_bytes),
        max_pixels=table.integer("max_pixels", default.max_pixels, 1, _MAX_PIXELS),
        allow_private_hosts=table.flag("allow_private_hosts", default.allow_private_hosts),
    )
    table.finish()
    return fetch


def _check_names(name: str, kind: str, names: Sequence[str]) -> None:
    for label, count in Counter(names).items():
        if count > 1:
            raise ConfigError(f"{name}: two [[{kind}]] are called {label!r}; names must differ")


def _check_claims(kind: str, verb: str, claims: Iterable[tuple[str, str, str]]) -> None:
    """Raise if two names claim one thing: each claim is a name, what was written, what is meant."""
    first: dict[str, str] = {}
    for name, written, meant in claims:
        if (other := first.setdefault(meant, name)) != name:
            raise ConfigError(f"{kind} {other!r} and {name!r} {verb} {written!r}; drop one of them")
