"""`mirror.toml` -> one frozen `Config`. Unknown keys and literal secrets are errors."""

from __future__ import annotations

import os
import re
import string
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

from mirror.files import escaping_link, read_named
from mirror.urls.address import canonical, identity
from mirror.urls.ignore import IgnoreEntry, IgnoreList, is_pattern
from mirror.urls.redact import looks_secret, without_secrets
from mirror.urls.relative import encoded
from mirror.urls.sources import Locator, Source

CONFIG_NAME = "mirror.toml"
DEFAULT_KEY = "{sha256:.2}/{sha256}{ext}"
_MAX_BYTES = 1 << 20  # ten thousand [[ignore]] tables
# Dots in a line, and in a line with the name of a table. Names with dots cost their parser the
# square of their number; a thousand in one line take 20 ms, 50,000 two minutes.
_MAX_DOTS, _MAX_HEADER_DOTS = 200, 8
_MAX_DESTINATIONS = 100
_MAX_NAME = 100  # characters of a name in a table
_MAX_KEY = 1024  # characters of a key template; the keys of S3 have 1024 bytes at most
KEY_FIELDS = ("sha256", "ext", "source", "path", "stem", "name")

T = TypeVar("T")


class ConfigError(Exception):
    """The configuration cannot be used; the message names the file, the key and the remedy."""


class MissingConfigError(ConfigError):
    """No configuration was named, and none is found."""


@dataclass(frozen=True, slots=True)
class Posts:
    paths: tuple[Path, ...]
    include: tuple[str, ...] = ("**/*.md", "**/*.markdown", "**/*.mdx")
    exclude: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DestinationSettings:
    """One `[[destination]]`. `key` is one template for all: the manifest has one key an asset.

    With relative `links`, `public_url` is the path of the destination's folder from the folder of
    `mirror.toml`, percent-encoded; each post is given its own way there.
    """

    name: str
    url: str
    public_url: str | None = None
    key: str = DEFAULT_KEY
    endpoint_url: str | None = None
    region: str | None = None
    profile: str | None = None
    provider: str = "auto"
    addressing: Literal["auto", "path", "virtual"] = "auto"
    links: Literal["absolute", "relative"] = "absolute"


@dataclass(frozen=True, slots=True)
class ArchiveBucket:
    """An `[archive]` in a bucket; the settings are those of a destination in one."""

    url: str
    endpoint_url: str | None = None
    region: str | None = None
    profile: str | None = None
    provider: str = "auto"
    addressing: Literal["auto", "path", "virtual"] = "auto"


@dataclass(frozen=True, slots=True)
class Fetch:
    concurrency: int = 16
    timeout_s: float = 30.0
    retries: int = 4
    max_bytes: int = 64 * 2**20
    max_pixels: int = 100_000_000
    allow_private_hosts: bool = False


@dataclass(frozen=True, slots=True)
class Config:
    """Everything a run depends on. Paths are absolute; `root` is the folder of the file.

    `archive` is a folder or a place in a bucket.
    """

    root: Path
    posts: Posts
    sources: tuple[Source, ...] = ()
    destinations: tuple[DestinationSettings, ...] = ()
    archive: Path | ArchiveBucket = field(default=Path("archive"))
    manifest: Path = field(default=Path("manifests"))
    dedupe: Literal["perceptual", "exact", "off"] = "perceptual"
    ignored: IgnoreList = field(default_factory=IgnoreList)
    fetch: Fetch = field(default=Fetch())

    @property
    def state(self) -> Path:
        """Journal, lock, caches and logs: may be deleted at any time."""
        return self.root / ".mirror"

    def locator(self) -> Locator:
        return Locator(self.sources)


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
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    for what, place in _places(config):
        check_no_escape(place, config.root, f"{path}: {what}")
    return config


def _places(config: Config) -> Iterator[tuple[str, Path]]:
    """Yield what commands write to, by its name."""
    if isinstance(config.archive, Path):
        yield "the archive", config.archive
    yield "the manifest", config.manifest
    yield "the state", config.state
    yield from (("the posts", path) for path in config.posts.paths)
    for destination in config.destinations:
        if destination.url.startswith("file:"):
            yield f"destination {destination.name!r}", _folder(destination, config.root)


def check_no_escape(place: Path, root: Path, what: str) -> None:
    """Raise `ConfigError` if a link that lies in the repository leads `place` out of it."""
    if (link := escaping_link(place, root)) is not None:
        target = os.path.realpath(link)
        raise ConfigError(
            f"{what}: {link} is a symbolic link to {target}, and a commit of anybody can bring "
            "such a link; if it is yours, name the place that it leads to instead"
        )


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
    top = _Table(raw, "", name)
    top.choice("version", (1,), 1)
    sources = tuple(_source(table) for table in top.tables("source"))
    _distinct(name, "source", [source.name for source in sources])
    destinations = tuple(
        _destination(table, root) for table in top.tables("destination", _MAX_DESTINATIONS)
    )
    _distinct(name, "destination", [destination.name for destination in destinations])
    if len({destination.key for destination in destinations}) > 1:
        raise ConfigError(
            f"{name}: destinations differ in `key`; the manifest has one key for an image, "
            f"so give every destination the same template"
        )
    places = [(entry.name, entry.url, _place(entry, root)) for entry in destinations]
    _apart(f"{name}: destinations", "are both at", places)
    try:
        locator = Locator(sources)
    except ValueError as error:
        raise ConfigError(f"{name}: {error}") from error
    prefixes = [
        (source.name, text, identity(canonical(text) or ""))
        for source in sources
        for text in source.match
    ]
    _apart(f"{name}: sources", "both match", prefixes)
    config = Config(
        root=root,
        posts=_posts(top.table("posts"), root),
        sources=sources,
        destinations=destinations,
        archive=_archive(top.table("archive"), root),
        manifest=root / _only(top.table("manifest"), "path", "manifests"),
        dedupe=_dedupe(top.table("dedupe")),
        ignored=IgnoreList(_ignored(table, locator) for table in top.tables("ignore")),
        fetch=_fetch(top.table("fetch")),
    )
    top.finish()
    for destination in destinations:
        _check_folder(name, destination, config)
        if destination.links == "relative":
            _check_posts_below(name, destination, config)
        _check_prefix(name, destination, config.archive)
    return config


ALLOW_ENV = "MIRROR_ALLOW_ENV"
"""The environment variable that names, with commas, what headers may take where `CI` is set."""

# Credentials of clouds, registries and CI services. A configuration may come from a stranger, who
# would have them sent to a host of his own.
_CREDENTIAL_VARIABLE = re.compile(
    r"AWS_.*|.*SECRET.*|ACTIONS_.*|(?:AZURE|ALIBABA|ALIBABA_CLOUD|ALICLOUD|TENCENTCLOUD|GOOGLE|"
    r"CLOUDFLARE|CF)_.*|(?:GITHUB|GH|GITLAB|GITEA|FORGEJO|BITBUCKET|NPM|NODE_AUTH|PYPI|HF|VAULT)_.*"
    r"(?:TOKEN|JWT|PASSWORD|PAT)|CI_.*(?:TOKEN|JWT|PASSWORD).*|SYSTEM_ACCESSTOKEN|TWINE_PASSWORD|"
    r"SSH_.*",
    re.IGNORECASE,
)


def request_headers(source: Source, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that `source` is asked with; each `${NAME}` comes from `environ`.

    Raise `ConfigError` for a variable that is not set, or that no header may take: credentials of
    other programs, and where `CI` is set, whatever `MIRROR_ALLOW_ENV` does not name.
    """
    headers = {}
    for name, value in source.headers:
        for variable in _VARIABLE.findall(value):
            if problem := _variable_problem(variable, environ):
                raise ConfigError(
                    f"source {source.name!r}: header {name} needs the environment variable "
                    f"{variable}, which {problem}"
                )
        headers[name] = _VARIABLE.sub(lambda found: environ[found[1]], value)
    return headers


def header_variables(source: Source) -> list[str]:
    """Return the environment variables that the headers of `source` take, sorted."""
    return sorted({name for _, value in source.headers for name in _VARIABLE.findall(value)})


def _variable_problem(variable: str, environ: Mapping[str, str]) -> str | None:
    if _CREDENTIAL_VARIABLE.fullmatch(variable):
        return (
            "holds credentials of another program and is never sent to a host; put the text that "
            "this host needs into a variable of its own, such as MIRROR_TOKEN"
        )
    allowed = [name.strip() for name in environ.get(ALLOW_ENV, "").split(",") if name.strip()]
    if environ.get("CI") and variable not in allowed:
        return (
            f"{ALLOW_ENV} does not name; in CI the configuration may come from a stranger. If this "
            f"job reads only what you trust, set {ALLOW_ENV}={','.join([*allowed, variable])} in it"
        )
    return None if variable in environ else "is not set"


# --- The tables -------------------------------------------------------------------------------


def _posts(table: _Table, root: Path) -> Posts:
    default = Posts(())
    paths = table.texts("paths", (".",))
    if "" in paths:
        raise table.error("paths", "expected folders or files, got nothing; all is `.`")
    posts = Posts(
        tuple(root / path for path in paths),
        table.texts("include", default.include),
        table.texts("exclude", default.exclude),
    )
    table.finish()
    return posts


def _source(table: _Table) -> Source:
    fetch = table.optional_text("fetch")
    if fetch is not None and not re.match(r"(?:https?|s3)://[^/]", fetch):
        raise table.error("fetch", f"expected http://…, https://… or s3://bucket, got {fetch!r}")
    source = Source(
        name=table.text("name"),
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


def _destination(table: _Table, root: Path) -> DestinationSettings:
    url = table.text("url")
    if not re.match(r"s3://[^/]|file:.", url):
        raise table.error("url", f'expected "s3://bucket/prefix" or "file:folder", got {url!r}')
    public = table.optional_text("public_url")
    if public is not None and not re.fullmatch(r"(?:https?:/|)/[^\s?#<>\"'`\\^{}|]*", public):
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
        name=table.text("name", url),
        url=url,
        public_url=public.rstrip("/") if public is not None else None,
        key=_key_template(table),
        links=links,
        **_access(table),
    )
    table.finish()
    return destination


def _path_from_root(table: _Table, url: str, root: Path) -> str:
    scheme, _, folder = url.partition(":")
    path = os.path.relpath(root / folder.removeprefix("//"), root)
    if scheme != "file" or path.split("/")[0] == "..":
        raise table.error("links", f'"relative" needs a `file:` folder below {root}, got {url!r}')
    return encoded(path)


def _access(table: _Table) -> dict[str, Any]:
    """Return the settings that say how to reach a bucket."""
    return {
        "endpoint_url": table.optional_text("endpoint_url"),
        "region": table.optional_text("region"),
        "profile": table.optional_text("profile"),
        "provider": table.text("provider", "auto"),
        "addressing": table.choice("addressing", ("auto", "path", "virtual"), "auto"),
    }


def _archive(table: _Table, root: Path) -> Path | ArchiveBucket:
    path = table.text("path", "archive")
    if re.match(r"s3://[^/]", path):
        bucket = ArchiveBucket(path, **_access(table))
        table.finish()
        return bucket
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", path):
        raise table.error("path", f'expected a folder or "s3://bucket/prefix", got {path!r}')
    return root / _only(table, "path", "archive")


def _key_template(table: _Table) -> str:
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
                name not in KEY_FIELDS
                or conversion
                or not re.fullmatch(r"(?:\.\d{1,4})?", spec or "")
            ):
                known = ", ".join(f"{{{field}}}" for field in KEY_FIELDS)
                raise table.error("key", f"{template!r}: fields are {known}, cut as {{sha256:.2}}")
            fields.add(name)
    except ValueError as error:
        raise table.error("key", f"{template!r}: {error}") from error
    if template.startswith("/") or template.endswith("/") or "//" in template:
        raise table.error("key", f"{template!r} is no relative path")
    if not fields & {"sha256", "path", "stem", "name"}:
        raise table.error("key", f"{template!r} gives every image one key; use {{sha256}}")
    return template


def _only(table: _Table, key: str, default: str) -> str:
    value = table.text(key, default)
    if not value:  # joined to the site's folder it would mean that
        raise table.error(key, "expected a folder, got nothing; the site's own is `.`")
    table.finish()
    return value


def _dedupe(table: _Table) -> Literal["perceptual", "exact", "off"]:
    mode: Literal["perceptual", "exact", "off"] = table.choice(
        "mode", ("perceptual", "exact", "off"), "perceptual"
    )
    table.finish()
    return mode


def _ignored(table: _Table, locator: Locator) -> IgnoreEntry:
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


def _fetch(table: _Table) -> Fetch:
    default = Fetch()
    fetch = Fetch(
        concurrency=table.integer("concurrency", default.concurrency, 1, 256),
        timeout_s=table.number("timeout_s", default.timeout_s),
        retries=table.integer("retries", default.retries, 0, 20),
        max_bytes=table.size("max_bytes", default.max_bytes),
        max_pixels=table.integer("max_pixels", default.max_pixels, 1, 10**10),
        allow_private_hosts=table.flag("allow_private_hosts", default.allow_private_hosts),
    )
    table.finish()
    return fetch


def _distinct(name: str, kind: str, names: Sequence[str]) -> None:
    for label, count in Counter(names).items():
        if count > 1:
            raise ConfigError(f"{name}: two [[{kind}]] are called {label!r}; names must differ")


def _apart(kind: str, verb: str, claims: Iterable[tuple[str, str, str]]) -> None:
    """Raise if two names claim one thing: each claim is a name, what was written, what is meant."""
    first: dict[str, str] = {}
    for name, written, meant in claims:
        if (other := first.setdefault(meant, name)) != name:
            raise ConfigError(f"{kind} {other!r} and {name!r} {verb} {written!r}; drop one of them")


def _place(destination: DestinationSettings, root: Path) -> str:
    """Return the place of the objects, the same for every spelling of it."""
    scheme, _, rest = destination.url.partition(":")
    if scheme == "file":
        return os.path.normpath(_folder(destination, root))
    return f"{rest.rstrip('/')} {(destination.endpoint_url or '').rstrip('/')}"


def _check_prefix(
    name: str, destination: DestinationSettings, archive: Path | ArchiveBucket
) -> None:
    """Raise if archive and destination have a part of a bucket in common.

    `prune` would delete the originals, which no line of the manifest names as objects.
    """
    if isinstance(archive, Path) or not destination.url.startswith("s3:"):
        return
    endpoints = [(place.endpoint_url or "").rstrip("/") for place in (archive, destination)]
    first, second = (f"{place.url.rstrip('/')}/" for place in (archive, destination))
    is_shared = first.startswith(second) or second.startswith(first)
    if is_shared and endpoints[0] == endpoints[1]:
        raise ConfigError(
            f"{name}: destination {destination.name!r} keeps its images in {destination.url}, and "
            f"the archive is in {archive.url}: one holds the other; give each a prefix of its "
            "own, such as s3://bucket/archive and s3://bucket/images"
        )


def _folder(destination: DestinationSettings, root: Path) -> Path:
    """Return the folder that a `file:` url names."""
    return root / destination.url.removeprefix("file:").removeprefix("//")


def _check_folder(name: str, destination: DestinationSettings, config: Config) -> None:
    """Raise if a destination is a folder with anything else in it: `prune` deletes such files."""
    if not destination.url.startswith("file:"):
        return
    if destination.url.startswith("file:~"):
        raise ConfigError(
            f"{name}: destination {destination.name!r} is at {destination.url!r}, and `~` means "
            "nothing here; write the whole path"
        )
    folder = Path(os.path.realpath(_place(destination, config.root)))
    root = Path(os.path.realpath(config.root))
    kept = [("mirror.toml", config.root), *(("the posts", path) for path in config.posts.paths)]
    if isinstance(config.archive, Path):
        kept.append(("the archive", config.archive))
    kept += [("the manifest", config.manifest), ("the state", config.state)]
    kept += [("git", config.root / ".git")]
    for what, path in kept:
        other = Path(os.path.realpath(path))
        # Beneath the posts, or in a site that is the manifest's folder, there is room for images.
        is_inside = what != "the posts" and folder.is_relative_to(other)
        if other.is_relative_to(folder) or (is_inside and not root.is_relative_to(other)):
            raise ConfigError(
                f"{name}: destination {destination.name!r} keeps its images in {folder}, which is "
                f"the place of {what} too; give it a folder of its own, such as file:images"
            )


def _check_posts_below(name: str, destination: DestinationSettings, config: Config) -> None:
    """Raise if posts are outside of the site's folder, from which relative links count."""
    for path in config.posts.paths:
        if os.path.relpath(path, config.root).split("/")[0] == "..":
            raise ConfigError(
                f"{name}: destination {destination.name!r} has relative links, and {path} is "
                f"outside {config.root}; move this file to a folder above both"
            )


# --- Reading one table ------------------------------------------------------------------------

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?i?B?)", re.I)
_UNITS = {"": 1, "b": 1} | {
    f"{letter}{rest}": (1024 if rest.startswith("i") else 1000) ** power
    for power, letter in enumerate("kmgt", 1)
    for rest in ("", "b", "i", "ib")
}
_SECRET_KEY = re.compile(r"secret|password|passwd|token|access_?key|api_?key|credential", re.I)
_VARIABLE = re.compile(r"\$\{(\w+)\}")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
# What belongs to one connection, or to the form of one request: RFC 9110, 7.2, 7.6.1 and 8.6.
_OWN_HEADERS = frozenset(
    "connection content-length host keep-alive proxy-connection te trailer transfer-encoding "
    "upgrade".split()
)
_SECRET_HEADER = re.compile(r"authorization|cookie|token|api-?key|secret", re.I)


class _Table:
    """One TOML table: typed access that remembers what was asked for, so the rest is unknown."""

    def __init__(self, raw: object, where: str, file: str) -> None:
        self._where = where
        self._file = file
        self._known: set[str] = set()
        if not isinstance(raw, Mapping):
            raise ConfigError(f"{file}: {where}: expected a table, got {raw!r}")
        self._raw = raw
        for key, value in raw.items():
            if len(key) > _MAX_NAME:
                raise self.error(f"{key[:20]}…", f"expected at most {_MAX_NAME} characters")
            if isinstance(value, int) and not -(2**63) <= value < 2**63:
                raise self.error(key, "expected a number of 64 bits, got a longer one")

    def error(self, key: str, message: str) -> ConfigError:
        return ConfigError(f"{self._file}: {self._path(key)}: {message}")

    def _path(self, key: str) -> str:
        return f"{self._where}.{key}" if self._where else key

    def _take(self, key: str, kind: type[T] | tuple[type[T], ...], what: str, default: Any) -> T:
        self._known.add(key)
        value = self._raw.get(key, default)
        if value is _REQUIRED:
            raise self.error(key, f"missing; expected {what}{self._hint(key)}")
        if key in self._raw and (
            not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool)
        ):
            raise self.error(key, f"expected {what}, got {value!r}")
        return value  # type: ignore[no-any-return]

    def _hint(self, missing: str) -> str:
        """Return a remark on a key of the table that may be meant for the missing one."""
        from difflib import get_close_matches  # for a mistake alone

        near = get_close_matches(missing, self._raw.keys() - self._known, 1)
        return f"; {near[0]!r} is unknown, did you mean {missing!r}?" if near else ""

    def text(self, key: str, default: Any = None) -> str:
        value = self._take(key, str, "a string", _REQUIRED if default is None else default)
        return self._without_secret(key, value)

    def optional_text(self, key: str) -> str | None:
        return self.text(key) if key in self._raw else self._take(key, str, "a string", None)

    def texts(self, key: str, default: tuple[str, ...] | None = None) -> tuple[str, ...]:
        values = self._take(
            key, list, "a list of strings", _REQUIRED if default is None else default
        )
        for value in values:
            if not isinstance(value, str):
                raise self.error(key, f"expected a list of strings, got {value!r} in it")
            self._without_secret(key, value)
        return tuple(values)

    def flag(self, key: str, default: bool) -> bool:
        return self._take(key, bool, "true or false", default)

    def integer(self, key: str, default: int, low: int, high: int) -> int:
        value = self._take(key, int, f"a whole number from {low} to {high}", default)
        if not low <= value <= high:
            raise self.error(key, f"expected a whole number from {low} to {high}, got {value}")
        return value

    def number(self, key: str, default: float) -> float:
        value = float(self._take(key, (int, float), "a number of seconds", default))
        if not 0 < value < 1e6:
            raise self.error(key, f"expected a number of seconds above 0, got {value}")
        return value

    def size(self, key: str, default: int) -> int:
        value: object = self._take(key, (int, str), 'bytes, such as "64MiB"', default)
        match = _SIZE.fullmatch(str(value).strip())
        if match is None or match[2].lower() not in _UNITS:
            raise self.error(key, f'expected bytes, such as "64MiB", got {value!r}')
        size = float(match[1]) * _UNITS[match[2].lower()]
        if size < 1:
            raise self.error(key, f"expected more than no bytes, got {value!r}")
        if size >= 2**63:
            raise self.error(key, f"expected fewer bytes, got {match[0]:.40}")
        return int(size)

    def choice(self, key: str, choices: Sequence[Any], default: Any) -> Any:
        self._known.add(key)
        value = self._raw.get(key, default)
        if value not in choices or isinstance(value, bool):
            raise self.error(key, f"expected one of {', '.join(map(repr, choices))}, got {value!r}")
        return value

    def headers(self, key: str) -> list[tuple[str, str]]:
        headers = []
        for name, value in self._take(key, dict, "a table of strings", {}).items():
            if not isinstance(value, str) or re.search(r"[\r\n\0]", name + value):
                raise self.error(f"{key}.{name}", f"expected a string of one line, got {value!r}")
            if not _HEADER_NAME.fullmatch(name):
                raise self.error(f"{key}.{name}", "no header can have this name")
            if name.lower() in _OWN_HEADERS:
                raise self.error(f"{key}.{name}", "each request sets this by itself; leave it out")
            literal = _VARIABLE.sub("", value)
            if looks_secret(literal) or (_SECRET_HEADER.search(name) and literal == value):
                raise self.error(
                    f"{key}.{name}",
                    "a secret does not belong in this file; "
                    f'set an environment variable and write "${{{_variable(name)}}}"',
                )
            headers.append((name, value))
        return headers

    def table(self, key: str) -> _Table:
        self._known.add(key)
        raw = self._raw.get(key, {})
        if isinstance(raw, list) and all(isinstance(item, Mapping) for item in raw):
            raise self.error(key, f"expected one table: write [{key}] instead of [[{key}]]")
        return _Table(raw, f"[{key}]", self._file)

    def tables(self, key: str, most: int | None = None) -> list[_Table]:
        if isinstance(self._raw.get(key), Mapping):
            raise self.error(key, f"expected [[{key}]] tables: write [[{key}]] instead of [{key}]")
        values = self._take(key, list, f"[[{key}]] tables", [])
        if most is not None and len(values) > most:
            raise self.error(key, f"expected at most {most} tables, got {len(values):,}")
        return [_Table(value, f"[[{key}]] {n}", self._file) for n, value in enumerate(values, 1)]

    def finish(self) -> None:
        """Raise for every key nobody asked for."""
        for key in self._raw:
            if key in self._known:
                continue
            if _SECRET_KEY.search(key):
                raise self.error(key, f"a secret does not belong in this file; {_CREDENTIALS}")
            from difflib import get_close_matches  # for a mistake alone

            near = get_close_matches(key, self._known, 1, 0)
            raise self.error(
                key, f"unknown key; did you mean {near[0]!r}?" if near else "unknown key"
            )

    def _without_secret(self, key: str, value: str) -> str:
        if re.search(r"[\x00-\x1f\x7f]", value):
            raise self.error(key, f"expected text without control characters, got {value!r}")
        if looks_secret(value) or without_secrets(value) != value:
            raise self.error(
                key, f"holds a secret, which does not belong in this file; {_CREDENTIALS}"
            )
        return value


_REQUIRED: Any = object()
_CREDENTIALS = (
    "credentials come from a profile of ~/.aws/credentials (`profile = …`), from AWS_ACCESS_KEY_ID "
    "and AWS_SECRET_ACCESS_KEY in the environment, or from the machine's role"
)


def _variable(header: str) -> str:
    return "MIRROR_" + re.sub(r"\W", "_", header.upper()).replace("SECRET", "KEY")
