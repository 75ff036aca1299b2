"""TODO"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from io import TextIOWrapper
from pathlib import Path

from mirror import manifest as manifests
from mirror import rewrites
from mirror.archive import Archive
from mirror.config import DEFAULT_KEY, Config, ConfigError, DestinationSettings
from mirror.destinations import Destination
from mirror.files import (
    ChangedError,
    Lock,
    create_whole,
    explain,
    opened,
    read_whole,
)
from mirror.manifest import (
    Manifest,
    ManifestError,
    Objects,
    UnusualError,
)
from mirror.model import Asset, Finding, Rule
from mirror.posts import Post, find_posts
from mirror.records import RecordError, StateError, unwritable, write_text
from mirror.rewrites import Rewrite
from mirror.state import Journal, _Locked
from mirror.store import DirectoryStore, S3Settings, Store, StoreError, open_store
from mirror.urls.address import Url
from mirror.urls.sources import Locator, Source


class Site:
    """The parts of a site, opened when they are first needed."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.locator: Locator = config.locator()
        self.archive = Archive(config.archive)
        self.manifest_path = config.manifest / manifests.FILE_NAME
        self.journal = Journal(config.state / "journal.jsonl")
        self.targets: tuple[Destination, ...] = tuple(map(self._target, config.destinations))

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
        except (RecordError, UnicodeDecodeError) as error:
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
            raise unwritable(state, error) from error
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

    def _target(self, destination: DestinationSettings) -> Destination:
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
        return Destination(destination, store)
