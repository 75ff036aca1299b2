"""What a run works on, opened from a `Config`: posts, manifest, archive, destinations, state."""

from __future__ import annotations

import json
import os
import string
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from io import TextIOWrapper
from pathlib import Path
from threading import Lock as Mutex
from types import EllipsisType
from typing import Any
from urllib.parse import quote, unquote

from mirror import manifest as manifests
from mirror import rewrites
from mirror.archive import Archive
from mirror.config import DEFAULT_KEY, Config, ConfigError, Destination
from mirror.files import (
    ChangedError,
    Lock,
    create_whole,
    explain,
    opened,
    read_whole,
    sweep,
    write_whole,
)
from mirror.manifest import (
    Manifest,
    ManifestError,
    Objects,
    UnusualError,
    dump_blob,
    is_address,
    load_blob,
)
from mirror.model import EXTENSIONS, Address, Asset, Blob, Finding, Key, Rule, Url
from mirror.posts import Post, find_posts
from mirror.rewrites import Rewrite, RewritesError
from mirror.sources import Locator, Source
from mirror.store import DirectoryStore, ObjectInfo, S3Settings, Store, StoreError, open_store


class StateError(Exception):
    """A file of ours cannot be read or written: which one, why, what to do."""


@dataclass(frozen=True, slots=True)
class Target:
    """A destination and the store behind it."""

    settings: Destination
    store: Store

    @property
    def name(self) -> str:
        return self.settings.name

    def public_url(self, key: Key) -> str | None:
        """What posts are pointed at; ASCII, the same spelling in every syntax."""
        base = self.settings.public_url
        return None if base is None else f"{base}/{quote(key, safe='/-._~=,')}"

    def key_of(self, url: str) -> Key | None:
        """The key behind a mirrored URL, or `None` for any other URL."""
        base = self.settings.public_url
        if base is None or not url.startswith(f"{base}/"):
            return None
        return Key(unquote(url[len(base) + 1 :].partition("#")[0]))


class Site:
    """The parts of a site, opened when they are first needed."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.locator: Locator = config.locator()
        self.archive = Archive(config.archive)
        self.manifest_path = config.manifest / manifests.FILE_NAME
        self.journal = Journal(config.state / "journal.jsonl")
        self.targets: tuple[Target, ...] = tuple(map(self._target, config.destinations))

    @property
    def folders(self) -> dict[str, Path]:
        """The folders that commands write to, by what each is called."""
        config = self.config
        ours = {"archive": config.archive, "manifest": config.manifest, "state": config.state}
        for target in self.targets:
            if isinstance(target.store, DirectoryStore):
                ours[target.name] = target.store.root
        return ours

    def posts(self, paths: Sequence[Path] = ()) -> tuple[list[Post], list[Finding]]:
        """The posts, without what lies in our own folders. Raise `ConfigError` for a wrong path."""
        config = self.config
        ours = self.folders.values()
        found, findings = find_posts(config.posts, config.root, paths, list(ours))
        if not found:
            where = ", ".join(str(path) for path in paths or config.posts.paths)
            message = f"no post in {where}: check `paths`, `include` and `exclude` of [posts]"
            findings.append(Finding(Rule.NO_POSTS, "[posts]", message))
        return found, findings

    def need_manifest(self) -> None:
        """Raise `ConfigError` where there is none: what then does nothing must not seem done."""
        if not self.manifest_path.exists():
            raise ConfigError(
                f"{self.manifest_path}: there is no manifest; `mirror sync` writes it, and it "
                "belongs into version control: bring it back from there if it was lost"
            )

    def load_manifest(self) -> tuple[Manifest, bytes | None]:
        """The manifest and the bytes it was read from; empty and `None` before the first sync."""
        try:
            data = read_whole(self.manifest_path)
        except FileNotFoundError:
            return Manifest(), None
        except OSError as error:
            raise ManifestError(
                f"{self.manifest_path}: cannot be read: {explain(error)}"
            ) from error
        try:
            return manifests.loads(data.decode("utf-8")), data
        except (ManifestError, UnicodeDecodeError) as error:
            raise ManifestError(f"{self.manifest_path}: {error}") from error

    def stream_objects(self) -> Objects:
        """What destinations should hold, in little memory, read as it is asked for.

        Reading raises `ManifestError` or `UnusualError` where it takes `load_objects`.
        """
        return manifests.load_objects(self._manifest_lines())

    def stream_assets(self) -> Iterator[Asset]:
        """All assets, one by one; what has to hold among them is left to `stream_objects`."""
        return (asset for _, asset in manifests.parse(self._manifest_lines()))

    def select_assets(self, keys: Collection[str], sources: Collection[str]) -> Manifest:
        """The part of the manifest with these keys and sources, and what is shown in its place."""
        lines = self._manifest_lines
        assets = {one.digest: one for one in manifests.select(lines(), keys, sources)}
        aliases = {one.alias_of for one in assets.values()} - assets.keys()
        if shown := {digest.hex for digest in aliases if digest is not None}:
            found = manifests.select(lines(), digests=shown)
            assets |= {one.digest: one for one in found}
        return Manifest(assets)

    def _manifest_lines(self) -> Iterator[str]:
        try:
            with (
                opened(self.manifest_path) as file,
                TextIOWrapper(file, "utf-8", newline="\n") as lines,
            ):
                for line in lines:
                    yield line.rstrip("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise ManifestError(f"{self.manifest_path}: cannot be read: {error}") from error

    def load_objects(self) -> Objects:
        """What destinations should hold, all of it read; in little memory, if it can."""
        objects = self.stream_objects()
        try:
            len(objects)
        except (ManifestError, UnusualError):
            objects = self.load_manifest()[0].objects  # says what is wrong, if anything is
        return objects

    def save_manifest(self, manifest: Manifest, old: bytes | None) -> None:
        """Write it whole unless it is the same; raise `StateError` if somebody else wrote it."""
        self._save(self.manifest_path, manifests.dumps(manifest).encode("utf-8"), old)

    def load_rewrites(self) -> tuple[list[Rewrite], bytes | None]:
        """What stood where before posts were rewritten, and the bytes that was read from."""
        path = self.config.manifest / rewrites.FILE_NAME
        try:
            data = read_whole(path)
            return rewrites.loads(data.decode("utf-8")), data
        except FileNotFoundError:
            return [], None
        except OSError as error:
            raise StateError(f"{path}: cannot be read: {explain(error)}") from error
        except (RewritesError, UnicodeDecodeError) as error:
            raise ManifestError(f"{path}: {error}") from error

    def save_rewrites(self, lines: Iterable[Rewrite], old: bytes | None) -> None:
        path = self.config.manifest / rewrites.FILE_NAME
        self._save(path, rewrites.dumps(lines).encode("utf-8"), old)

    def _save(self, path: Path, data: bytes, old: bytes | None) -> None:
        if data == old:
            return
        try:
            write_text(path, data.decode("utf-8"), expected=old)
        except ChangedError as error:
            raise StateError(
                f"{path}: was changed by someone else during this run; run again, "
                "what was fetched is kept and not fetched twice"
            ) from error

    def lock(self, command: str) -> AbstractContextManager[object]:
        """One run at a time; raise `HeldError` that names the other. Stray temporaries go first."""
        state = self.config.state
        try:
            state.mkdir(parents=True, exist_ok=True)
            create_whole(state / ".gitignore", b"*\n")
        except OSError as error:
            raise _unwritable(state, error) from error
        stores = (target.store for target in self.targets)
        roots = (store.root for store in stores if isinstance(store, DirectoryStore))
        return _Locked(Lock(state / "lock", command), (state, self.config.manifest, *roots))

    def mirrored(self, manifest: Manifest, url: Url) -> Asset | None:
        """The asset that a URL in a post shows, if it is one of ours."""
        keys = (target.key_of(url.raw) for target in self.targets)
        return next((a for key in keys if key and (a := manifest.by_key.get(key))), None)

    @property
    def key_template(self) -> str:
        """One for all destinations."""
        return next((t.settings.key for t in self.targets), DEFAULT_KEY)

    def source_store(self, source: Source) -> Store:
        """The bucket behind `fetch = "s3://…"`, for reading."""
        bucket = (source.fetch or "").removeprefix("s3://").partition("/")[0]
        settings = S3Settings(
            endpoint_url=source.endpoint_url,
            region=source.region,
            profile=source.profile,
            workers=self.config.fetch.concurrency,
        )
        return open_store(source.name, f"s3://{bucket}", self.config.root, settings)

    def _target(self, destination: Destination) -> Target:
        try:
            settings = S3Settings(
                endpoint_url=destination.endpoint_url,
                region=destination.region,
                profile=destination.profile,
                provider=destination.provider,
                addressing=destination.addressing,
            )
            store = open_store(destination.name, destination.url, self.config.root, settings)
        except StoreError as error:  # nobody was asked yet
            raise ConfigError(f"destination {destination.name!r}: {error}") from error
        return Target(destination, store)


@dataclass(frozen=True, slots=True)
class _Locked:
    lock: Lock
    folders: tuple[Path, ...]

    def __enter__(self) -> None:
        try:
            self.lock.__enter__()
        except OSError as error:
            raise _unwritable(self.lock.path, error) from error
        for folder in self.folders:
            sweep(folder)

    def __exit__(self, *error: object) -> None:
        self.lock.__exit__(None, None, None)


@dataclass(slots=True)
class Journal:
    """What was fetched since the manifest was last written: one line an image, appended.

    The archive holds the bytes before the line is written, so a killed run fetches again only
    what was in flight.
    """

    path: Path
    _mutex: Mutex = field(default_factory=Mutex)

    def read(self) -> Iterator[tuple[Address, Blob]]:
        """Yield what was recorded; a line torn by a kill, or of another version, is passed over."""
        for raw in json_lines(self.path):
            with suppress(KeyError, TypeError, ValueError):
                if is_address(raw["source"]):
                    yield Address(raw["source"]), load_blob(raw["blob"])

    def append(self, addresses: Iterable[Address], blob: Blob) -> None:
        # The line end comes first: a line that a kill or a full disk tore must not take this along.
        lines = ["\n" + json.dumps({"source": url, "blob": dump_blob(blob)}) for url in addresses]
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            with self._mutex, open(os.open(self.path, flags, 0o666), "wb") as file:  # noqa: PTH123
                file.write("".join(lines).encode())
        except OSError as error:
            raise _unwritable(self.path, error) from error

    def clear(self) -> None:
        """Its contents are in the manifest now."""
        try:
            self.path.unlink(missing_ok=True)
        except OSError as error:
            raise _unwritable(self.path, error) from error


def write_text(path: Path, text: str, expected: bytes | EllipsisType | None = ...) -> None:
    """Write a file of ours, whole. Raise `StateError`, or `ChangedError` if not as `expected`."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, text.encode("utf-8"), expected=expected)
    except OSError as error:
        raise _unwritable(path, error) from error


def json_lines(path: Path) -> Iterator[dict[str, Any]]:
    try:
        text = read_whole(path).decode("utf-8", "replace")
    except OSError:
        return
    for line in text.split("\n"):
        with suppress(ValueError, RecursionError):
            yield json.loads(line)


def _unwritable(path: Path, error: OSError) -> StateError:
    reason = os.strerror(error.errno or 0)
    return StateError(f"{path}: cannot be written: {reason}; make room or grant access, run again")


def object_key(template: str, blob: Blob, source: str, address: Address | None) -> str:
    """Fill a key template. `address` gives `{path}`, `{stem}` and `{name}`, decoded."""
    path = unquote((address or "").partition("//")[2].partition("?")[0].partition("/")[2])
    name = path.rpartition("/")[2]
    values = {
        "sha256": blob.digest.hex,
        "ext": EXTENSIONS[blob.media_type],
        "source": source,
        "path": path,
        "name": name,
        "stem": name.rpartition(".")[0] or name,
    }
    return string.Formatter().vformat(template, (), values)


def may_run_scripts(asset: Asset, locator: Locator) -> bool:
    """Whether it is an SVG of which not every source is declared trusted.

    Such an object is stored so that a browser saves it instead of showing it as a page.
    """
    if asset.blob.media_type != "image/svg+xml":
        return False
    owners = [locator.source_of(address) for address in asset.sources]
    return not owners or not all(owner is not None and owner.trust_svg for owner in owners)


def differs(target: Target, blob: Blob, info: ObjectInfo) -> str | None:
    """What is wrong with a listed object; `None` when nothing is, as far as the server vouches.

    Raise `StoreError`: an MD5 that disagrees at equal size is asked for once more, since a listing
    cannot tell that an ETag only looks like one (KMS).
    """
    if info.size != blob.size:
        return f"expected {blob.size} bytes, found {info.size}"
    if info.md5 in (None, blob.md5):
        return None
    again = target.store.stat(info.key)
    if again is not None and again.md5 in (None, blob.md5):
        return None
    return f"expected MD5 {blob.md5}, found {info.md5}"


def unreachable(target: Target, error: StoreError, then: str = "") -> Finding:
    """The finding for a destination that cannot be asked; `then` says what was not done there."""
    message = str(error).removeprefix(f"{target.name}: ") + then
    return Finding(Rule.DESTINATION_UNREACHABLE, target.name, message)
