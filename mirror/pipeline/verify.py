"""The difference between manifest, destinations, archive and posts. Reads only."""

from __future__ import annotations

import re
from array import array
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import partial
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from mirror.archive import ArchiveError, UnreadableError
from mirror.destinations import (
    Destination,
    Listed,
    asset_of,
    compare_listed,
    read_difference,
    unreachable,
)
from mirror.engine import Engine
from mirror.manifest import (
    Manifest,
    ManifestError,
    Object,
    Objects,
    UnusualError,
    key_bytes,
    parse,
)
from mirror.model import Asset, Digest, Finding, Key, Layer, Outcome, Rule
from mirror.pipeline.parts import Parts
from mirror.pipeline.progress import FindingLog, Progress, summary
from mirror.store import (
    CredentialsError,
    NoBucketError,
    NotFoundError,
    ObjectInfo,
    StoreError,
    UnreachableError,
)
from mirror.urls.address import identity

if TYPE_CHECKING:
    from mirror.pages import SiteAddress
    from mirror.pipeline.scan import Scanned

_READERS = 16
_STEP = 100
# What ends the reading of a destination: the next object would meet the same.
_FATAL = (CredentialsError, NoBucketError, UnreachableError)
_SILENT = 3  # objects in a row; a server can also fail at one object alone


@dataclass(frozen=True, slots=True)
class Slice:
    """The `number`-th of `count` equal slices, by digest: `count` runs cover everything."""

    number: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Slice:
        """Raise `ValueError` for anything but `n/m` with 1 <= n <= m."""
        match = re.fullmatch(r"(\d{1,9})/(\d{1,9})", text, re.ASCII)
        if match is None or not 1 <= int(match[1]) <= int(match[2]):
            raise ValueError(f"expected n/m with n from 1 to m, such as 3/30, got {text!r}")
        return cls(int(match[1]), int(match[2]))

    def __contains__(self, digest: Digest) -> bool:
        return int(digest.hex[:15], 16) % self.count == self.number - 1


ALL = Slice(1, 1)


@dataclass(frozen=True, slots=True)
class VerifyOptions:
    """What is compared with the manifest. `paths` and `posts`: images the posts show.

    `sample` is the part of the images whose bytes are read, wherever bytes are read. `site` is the
    folder of the built site, `base` where it is published if not where its generator says.
    """

    paths: tuple[Path, ...] = ()
    posts: bool = False
    archive: bool = False
    destinations: bool = True
    public: bool = False
    deep: bool = False
    sample: Slice = ALL
    site: Path | None = None
    base: SiteAddress | None = None


@dataclass(slots=True)
class VerifyResult:
    """What was compared, layer by layer."""

    summary: dict[str, int | float]
    layers: Sequence[Layer]

    @property
    def findings(self) -> list[Finding]:
        return [finding for layer in self.layers for finding in layer.findings]


def verify(
    parts: Parts, engine: Engine, options: VerifyOptions, progress: Progress
) -> VerifyResult:
    """Compare what the manifest says with what is there.

    Raise `ManifestError` or `ConfigError`; a destination that cannot be asked is a finding, which
    is neither fine nor a difference.
    """
    started = monotonic()
    if options.site is not None:
        from mirror.pipeline.text_files import need_built_site  # parsers of HTML

        need_built_site(options.site)
    run = partial(_destinations, parts, engine, options, progress)
    objects = parts.manifest.stream_objects()
    try:
        layers, counts = run(objects)
    except (ManifestError, UnusualError):  # found out while a destination was listed
        objects = parts.manifest.load_objects()
        layers, counts = run(objects)
    total = counts["assets"] if options.sample == ALL else None
    if options.archive:
        layers.append(_archive_layer(parts, engine, options.sample, total, progress))
    if options.public:
        from mirror.pipeline.public import verify_public  # a web client, for this alone

        sampled = _sampled(parts, options.sample)
        layer, counts["asked"] = verify_public(parts, engine, sampled, total, progress)
        layers.append(layer)
    if options.posts:
        from mirror.pipeline.scan import images_left, scan  # parsers of Markdown and YAML

        parts.rewrites.load()  # `--revert` needs it, and then it is too late to find it damaged
        scanned = scan(*parts.posts.find(options.paths))
        layers.append(_posts_layer(parts, _shown_in(parts, scanned), scanned, progress))
        counts |= scanned.tally()
        ignored = parts.config.ignored
        counts["leftovers"] = images_left(scanned, parts.locator, parts.destinations, ignored)
    if options.site is not None:
        layer, pages = _site_layer(parts, objects, options.site, options.base, progress)
        layers.append(layer)
        counts |= pages
    result = VerifyResult({}, layers)
    findings = result.findings
    for rule, name in (
        (Rule.OBJECT_MISSING, "missing"),
        (Rule.OBJECT_DIFFERENT, "different"),
        (Rule.OBJECT_EXTRA, "extra"),
    ):
        counts[name] = sum(finding.rule is rule for finding in findings)
    counts["unchecked"] = sum(f.rule.outcome is Outcome.UNCHECKED for f in findings)
    result.summary = summary(counts, findings, started)
    return result


def _sampled(parts: Parts, sample: Slice) -> Iterator[Asset]:
    return (asset for asset in parts.manifest.stream_assets() if asset.digest in sample)


def manifest_lines(parts: Parts, findings: Sequence[Finding]) -> dict[str, int]:
    """The line of the manifest that says what a finding is about: by key, digest or public URL."""
    subjects = {finding.subject for finding in findings if finding.post is None}
    lines: dict[str, int] = {}
    if subjects and parts.manifest.path.exists():
        with parts.manifest.path.open(encoding="utf-8", newline="\n") as file:
            for number, asset in parse(file):
                names = {asset.digest.hex}
                if asset.key is not None:
                    urls = (target.public_url(asset.key) for target in parts.destinations[:1])
                    names |= {asset.key, *filter(None, urls)}
                lines |= dict.fromkeys(names & subjects, number)
    return lines


# --- Destinations -----------------------------------------------------------------------------


class State(Enum):
    """How an object is not as the manifest says."""

    MISSING = Rule.OBJECT_MISSING
    DIFFERENT = Rule.OBJECT_DIFFERENT
    EXTRA = Rule.OBJECT_EXTRA
    UNCHECKED = Rule.OBJECT_UNCHECKED


@dataclass(frozen=True, slots=True)
class Deviation:
    """An object that is not as the manifest says, and how that shows."""

    state: State
    key: Key
    message: str


@dataclass(slots=True)
class Held:
    """What a destination holds, against the manifest.

    `compared` objects of the manifest were looked up, `read` of them read back. With `trouble`
    the destination could not be asked, or not to the end; what is in `deviations` stands.
    """

    deviations: list[Deviation] = field(default_factory=list)
    compared: int = 0
    read: int = 0
    trouble: StoreError | None = None


def examine(
    target: Destination,
    objects: Objects,
    engine: Engine,
    options: VerifyOptions,
    progress: Progress,
) -> Held:
    """Compare a destination with the manifest, by one listing as far as that tells.

    Read back is what comes without a checksum or with `deep`, within `sample`, and whatever has
    another checksum: where a bucket encrypts with KMS, an ETag only looks like an MD5.
    """
    held = Held()
    progress.stage(f"list {target.name}", None, "objects")
    missing = array("Q")
    to_read = array("Q")
    ours = enumerate(objects.facts())  # both sides are in the order of keys
    wanted = next(ours, None)
    try:
        for info in _shown(target.store.list(), progress):
            here = key_bytes(info.key)
            while wanted is not None and wanted[1][0] < here:
                missing.append(wanted[0])
                wanted = next(ours, None)
            if wanted is None or wanted[1][0] != here:
                held.deviations.append(Deviation(State.EXTRA, info.key, f"{info.size} bytes"))
                continue
            number, (_, size, checksum) = wanted
            wanted = next(ours, None)
            listed = compare_listed(size, checksum, info)
            if listed is Listed.OTHER_SIZE:
                message = f"expected {size} bytes, found {info.size}"
                held.deviations.append(Deviation(State.DIFFERENT, info.key, message))
            elif listed is Listed.OTHER_CHECKSUM or (
                (options.deep or listed is Listed.NO_CHECKSUM)
                and objects.at(number).digest in options.sample
            ):
                to_read.append(number)
    except StoreError as error:
        held.trouble = error
        len(objects)  # reads all: that the manifest is wrong is said before anything else
        return held
    if wanted is not None:
        missing.extend(range(wanted[0], len(objects)))
    held.compared = len(objects)
    for number in missing:
        held.deviations.append(Deviation(State.MISSING, objects.at(number).key, "missing"))
    if to_read:
        _read_all(target, objects, to_read, held, engine, progress)
    return held


def _shown(infos: Iterator[ObjectInfo], progress: Progress) -> Iterator[ObjectInfo]:
    """All of `infos`; progress moves in steps, as a bar takes longer than what it counts."""
    count = 0
    for count, info in enumerate(infos, 1):
        yield info
        if count % _STEP == 0:
            progress.advance(_STEP)
    progress.advance(count % _STEP)


def _read_all(
    target: Destination,
    objects: Objects,
    numbers: Collection[int],
    held: Held,
    engine: Engine,
    progress: Progress,
) -> None:
    progress.stage(f"read {target.name}", len(numbers), "objects")
    wanted = map(objects.at, numbers)
    with closing(engine.map(partial(_read_back, target), wanted, _READERS)) as results:
        silent = 0
        for result in results:
            if isinstance(result, _Unread):
                silent += 1
                if silent == _SILENT or not isinstance(result.error, UnreachableError):
                    held.trouble = result.error
                    return
                deviation = Deviation(State.UNCHECKED, result.key, str(result.error))
                held.deviations.append(deviation)
                continue
            silent = 0
            held.read += 1
            progress.advance(failed=result is not None)
            held.deviations += [result] if result is not None else []


@dataclass(frozen=True, slots=True)
class _Unread:
    """What the next object may meet too."""

    key: Key
    error: StoreError


def _read_back(target: Destination, wanted: Object) -> Deviation | _Unread | None:
    """Compare the bytes a reader would get: the only way to see rot on the server's disk."""
    try:
        found = read_difference(target.store, wanted)
    except NotFoundError:
        return Deviation(State.MISSING, wanted.key, "listed, but not there")
    except _FATAL as error:
        return _Unread(wanted.key, error)
    except StoreError as error:
        return Deviation(State.UNCHECKED, wanted.key, str(error))
    return None if found is None else Deviation(State.DIFFERENT, wanted.key, found)


_REMEDIES = {
    State.MISSING: "{message} in {name}; `mirror sync` or `mirror repair` puts it back",
    State.DIFFERENT: "{name}: {message}; `mirror repair` puts it right",
    State.EXTRA: "in {name}, but in no line of the manifest; `mirror prune` lists such objects",
    State.UNCHECKED: "{message}",
}


def _destinations(
    parts: Parts, engine: Engine, options: VerifyOptions, progress: Progress, objects: Objects
) -> tuple[list[Layer], dict[str, int]]:
    """A layer for each destination, and what was counted.

    The manifest is read while the first one is listed. Raise what that raises, before a finding is
    reported.
    """
    counts = {"assets": 0, "objects": 0, "read": 0, "asked": 0}
    layers = []
    for target in parts.destinations if options.destinations else ():
        held = examine(target, objects, engine, options, progress)
        counts["objects"] += held.compared
        counts["read"] += held.read
        layers.append(_destination_layer(target, objects, held, progress))
    counts["assets"] = objects.assets
    return layers, counts


def _destination_layer(
    target: Destination, objects: Objects, held: Held, progress: Progress
) -> Layer:
    findings = FindingLog(progress.finding)
    for one in held.deviations:
        message = _REMEDIES[one.state].format(name=target.name, message=one.message)
        findings.append(Finding(one.state.value, one.key, message))
    subjects: Collection[str] = objects
    if held.trouble is not None:
        findings.append(unreachable(target, held.trouble))
        subjects = ()
    return Layer(f"destination {target.name}", subjects, findings)


# --- Archive ----------------------------------------------------------------------------------


def _archive_layer(
    parts: Parts, engine: Engine, sample: Slice, total: int | None, progress: Progress
) -> Layer:
    progress.stage("read the archive", total, "originals")
    findings = FindingLog(progress.finding)
    for finding in engine.map(partial(verify_original, parts), _sampled(parts, sample), _READERS):
        progress.advance(failed=finding is not None)
        findings.extend(() if finding is None else (finding,))
    return Layer("archive", (one.digest.hex for one in _sampled(parts, sample)), findings)


def verify_original(parts: Parts, asset: Asset) -> Finding | None:
    """What is wrong with an original in the archive; `None` when nothing is."""
    try:
        if not parts.archive.has(asset.blob):
            message = "is not in the archive with its size; `mirror repair` fetches it"
            return Finding(Rule.ARCHIVE_MISSING, asset.digest.hex, message)
        parts.archive.get(asset.digest, asset.blob.media_type)
    except UnreadableError as error:
        return Finding(Rule.ARCHIVE_UNCHECKED, asset.digest.hex, str(error))
    except ArchiveError as error:
        return Finding(Rule.ARCHIVE_DAMAGED, asset.digest.hex, f"{error}; `mirror repair` heals it")
    return None


# --- The built site ---------------------------------------------------------------------------


def _site_layer(
    parts: Parts, objects: Objects, site: Path, base: SiteAddress | None, progress: Progress
) -> tuple[Layer, dict[str, int]]:
    from mirror.pipeline import built_site  # parsers of HTML

    rewrites, _ = parts.rewrites.load()
    check = built_site.PictureCheck(
        folder=site.resolve(),
        site=base or built_site.published_at(site, parts.config.root),
        destinations=parts.destinations,
        locator=parts.locator,
        hosts=built_site.source_hosts(parts.config.sources),
        ignored=parts.config.ignored,
        objects=objects,
        former=built_site.former_targets(rewrites, parts.destinations),
    )
    return built_site.verify_site(check, site, parts.config.root, progress)


# --- Posts ------------------------------------------------------------------------------------


def _posts_layer(parts: Parts, manifest: Manifest, scanned: Scanned, progress: Progress) -> Layer:
    # Elsewhere no posts are no work; a check of the posts that looked at none must not pass.
    found = [
        replace(one, rule=Rule.POSTS_UNCHECKED) if one.rule is Rule.NO_POSTS else one
        for one in scanned.findings
    ]
    findings = FindingLog(progress.finding, found)
    findings.extend(verify_posts(parts, manifest, scanned))
    return Layer("posts", [one.post.name for one in scanned.posts], findings)


def _shown_in(parts: Parts, scanned: Scanned) -> Manifest:
    """Of the manifest, which may be of a million lines, what the posts ask for."""
    urls = [ref.url for _, ref in scanned.references()]
    located = filter(None, map(parts.locator.locate, urls))
    sources = {identity(one.address) for one in located}
    keys = {key for url in urls for target in parts.destinations if (key := target.key_of(url.raw))}
    return parts.manifest.select(keys, sources)


def verify_posts(parts: Parts, manifest: Manifest, scanned: Scanned) -> Iterator[Finding]:
    """Images of our sources that are not mirrored, and mirrored URLs that lead nowhere."""
    ignored: Collection[str] = parts.config.ignored
    for post, ref in scanned.references():
        if asset_of(parts.destinations, manifest, ref.url) is not None:
            continue
        place = (post.name, ref.line, ref.column)
        located = parts.locator.locate(ref.url)
        if located is not None:
            asset = manifest.find(located.address)
            if asset is None and located.address not in ignored:
                message = "is not mirrored; run `mirror sync`, or list it under [[ignore]]"
                yield Finding(Rule.NOT_MIRRORED, str(ref.url), message, *place)
            elif asset is not None and parts.destinations and manifest.shown_for(asset).key is None:
                message = "is in the archive, but in no destination; `mirror sync` says why"
                yield Finding(Rule.NOT_MIRRORED, str(ref.url), message, *place)
        elif any(target.key_of(ref.url.raw) for target in parts.destinations):
            message = "looks mirrored, but no line of the manifest has this key"
            yield Finding(Rule.UNKNOWN_TARGET, str(ref.url), message, *place)
