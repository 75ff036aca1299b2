"""The difference between manifest, destinations, archive and posts. Reads only."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from time import monotonic

from mirror.archive import ArchiveError
from mirror.engine import Engine
from mirror.manifest import Manifest
from mirror.model import Asset, Digest, Finding, Key, Rule
from mirror.pipeline.progress import Findings, Progress, summary
from mirror.pipeline.scan import Scanned, scan
from mirror.pipeline.site import Site, Target, differs
from mirror.store import NotFoundError, StoreError

_READERS = 16


@dataclass(frozen=True, slots=True)
class Slice:
    """The `number`-th of `count` equal slices, by digest: `count` runs cover everything."""

    number: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Slice:
        """Raise `ValueError` for anything but `n/m` with 1 <= n <= m."""
        number, _, count = text.partition("/")
        if not (number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count)):
            raise ValueError(f"expected n/m with n from 1 to m, such as 3/30, got {text!r}")
        return cls(int(number), int(count))

    def __contains__(self, digest: Digest) -> bool:
        return int(digest.hex[:15], 16) % self.count == self.number - 1


ALL = Slice(1, 1)


@dataclass(frozen=True, slots=True)
class VerifyOptions:
    """What is compared with the manifest. `paths` and `posts`: images the posts show."""

    paths: tuple[Path, ...] = ()
    posts: bool = False
    archive: bool = False
    destinations: bool = True
    deep: bool = False
    sample: Slice = ALL


@dataclass(slots=True)
class VerifyResult:
    summary: dict[str, int | float]
    findings: Sequence[Finding]


def verify(site: Site, engine: Engine, options: VerifyOptions, progress: Progress) -> VerifyResult:
    """Compare what the manifest says with what is there.

    Raise `ManifestError` or `ConfigError`; a destination that cannot be asked is a finding, which
    is neither fine nor a difference.
    """
    started = monotonic()
    findings = Findings(progress.finding)
    manifest, _ = site.load_manifest()
    counts = {"assets": len(manifest.assets), "objects": 0, "read": 0}
    if options.destinations:
        for target in site.targets:
            checked, read = _verify_target(target, manifest, engine, options, findings, progress)
            counts["objects"] += checked
            counts["read"] += read
    if options.archive:
        findings.extend(_verify_archive(site, engine, manifest, options, progress))
    if options.posts:
        scanned = scan(*site.posts(options.paths))
        findings.extend(scanned.findings)
        findings.extend(verify_posts(site, manifest, scanned))
        counts["posts"] = len(scanned.posts)
        counts["references"] = sum(1 for _ in scanned.references())
    for rule, name in (
        (Rule.OBJECT_MISSING, "missing"),
        (Rule.OBJECT_DIFFERENT, "different"),
        (Rule.OBJECT_EXTRA, "extra"),
    ):
        counts[name] = sum(finding.rule is rule for finding in findings)
    return VerifyResult(summary(counts, findings, started), findings)


# --- Destinations -----------------------------------------------------------------------------


def _verify_target(
    target: Target,
    manifest: Manifest,
    engine: Engine,
    options: VerifyOptions,
    findings: Findings,
    progress: Progress,
) -> tuple[int, int]:
    """Return how many objects were looked at, and how many of them were read back."""
    progress.stage(f"list {target.name}", None, "objects")
    missing = dict(manifest.by_key)
    to_read: list[Asset] = []
    try:
        for info in target.store.list():
            progress.advance()
            asset = missing.pop(info.key, None)
            if asset is None:
                findings.append(_extra(target, info.key))
            elif (difference := differs(asset.blob, info)) is not None:
                findings.append(_different(target, info.key, difference))
            elif (options.deep or info.md5 is None) and asset.digest in options.sample:
                to_read.append(asset)
    except StoreError as error:
        findings.append(Finding(Rule.DESTINATION_UNREACHABLE, target.name, str(error)))
        return 0, 0
    for key in sorted(missing):
        message = f"missing in {target.name}; `mirror sync` or `mirror repair` puts it back"
        findings.append(Finding(Rule.OBJECT_MISSING, key, message))
    if to_read:
        progress.stage(f"read {target.name}", len(to_read), "objects")
        for finding in engine.map(partial(_read_back, target), to_read, _READERS):
            progress.advance(failed=finding is not None)
            findings.extend(() if finding is None else (finding,))
    return len(manifest.by_key), len(to_read)


def _read_back(target: Target, asset: Asset) -> Finding | None:
    """Compare the bytes a reader would get: the only way to see rot on the server's disk."""
    assert asset.key is not None  # noqa: S101  (only objects are read)
    try:
        digest = sha256(target.store.get(asset.key)).hexdigest()
    except NotFoundError:
        return Finding(Rule.OBJECT_MISSING, asset.key, f"listed in {target.name}, but not there")
    except StoreError as error:
        return Finding(Rule.OBJECT_UNCHECKED, asset.key, str(error))
    if digest != asset.digest.hex:
        return _different(target, asset.key, f"expected SHA-256 {asset.digest}, found {digest}")
    return None


def _different(target: Target, key: Key, difference: str) -> Finding:
    message = f"{target.name}: {difference}; `mirror repair` puts it right"
    return Finding(Rule.OBJECT_DIFFERENT, key, message)


def _extra(target: Target, key: Key) -> Finding:
    message = f"in {target.name}, but in no line of the manifest; `mirror prune` lists such objects"
    return Finding(Rule.OBJECT_EXTRA, key, message)


# --- Archive ----------------------------------------------------------------------------------


def _verify_archive(
    site: Site, engine: Engine, manifest: Manifest, options: VerifyOptions, progress: Progress
) -> Iterator[Finding]:
    assets = [asset for asset in manifest.assets.values() if asset.digest in options.sample]
    progress.stage("read the archive", len(assets), "originals")
    for finding in engine.map(partial(_original, site), assets, _READERS):
        progress.advance(failed=finding is not None)
        if finding is not None:
            yield finding


def _original(site: Site, asset: Asset) -> Finding | None:
    if not site.archive.has(asset.blob):
        message = "is not in the archive with its size; `mirror repair` fetches it from elsewhere"
        return Finding(Rule.ARCHIVE_MISSING, asset.digest.hex, message)
    try:
        site.archive.get(asset.digest, asset.blob.media_type)
    except ArchiveError as error:
        return Finding(Rule.ARCHIVE_DAMAGED, asset.digest.hex, f"{error}; `mirror repair` heals it")
    return None


# --- Posts ------------------------------------------------------------------------------------


def verify_posts(site: Site, manifest: Manifest, scanned: Scanned) -> Iterator[Finding]:
    """Images of our sources that are not mirrored, and mirrored URLs that lead nowhere."""
    ignored: Collection[str] = site.config.ignored
    for post, ref in scanned.references():
        place = (post.name, ref.line, ref.column)
        located = site.locator.locate(ref.url)
        if located is not None:
            if manifest.find(located.address) is None and located.address not in ignored:
                message = "is not mirrored; run `mirror sync`, or list it under [[ignore]]"
                yield Finding(Rule.NOT_MIRRORED, str(ref.url), message, *place)
            continue
        keys = [key for target in site.targets if (key := target.key_of(ref.url.raw))]
        if keys and not any(key in manifest.by_key for key in keys):
            message = "looks mirrored, but no line of the manifest has this key"
            yield Finding(Rule.UNKNOWN_TARGET, str(ref.url), message, *place)
