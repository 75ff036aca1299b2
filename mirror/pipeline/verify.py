"""The difference between the manifest and its layers: destinations, archive, public URLs, posts.

Reads only. Each layer is one function, and `verify` is the list of them.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Collection, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import partial
from itertools import chain
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from mirror.archive import (
    Archive,
    ArchiveError,
    MissingError,
    UnreachableArchiveError,
    UnreadableError,
)
from mirror.compact import TextFilter
from mirror.destinations import (
    Destination,
    ListingMatch,
    asset_of,
    compare_listed,
    former_targets,
    is_mirrored,
    read_difference,
    stray_key,
    unreachable,
)
from mirror.engine import Engine
from mirror.history import Before
from mirror.manifest import (
    LateKeyError,
    Manifest,
    ManifestFile,
    Object,
    Objects,
    Place,
    key_bytes,
)
from mirror.model import Asset, Digest, Finding, Key, Layer, Outcome, Rule, is_reserved
from mirror.pipeline import scrutiny
from mirror.pipeline.parts import Parts
from mirror.pipeline.progress import FindingLog, Progress, summary
from mirror.pipeline.source_proof import SourceProof
from mirror.repeats.reviews import REVIEWS, load_reviews
from mirror.site_index import KEY_IN_USE, SiteIndexError, nested_prefixes, site_name, used_by_others
from mirror.store import (
    CredentialsError,
    NoBucketError,
    NotFoundError,
    ObjectInfo,
    Store,
    StoreError,
    UnreachableError,
)
from mirror.urls.address import identity
from mirror.urls.sources import Locator

if TYPE_CHECKING:
    from mirror.pages import SiteAddress
    from mirror.pipeline.built_site import SiteCheck
    from mirror.pipeline.scan import SiteScan

_READERS = 16
_STEP = 100  # objects of a listing between two movements of the progress bar
# These end the reading of a destination, because the next object would meet the same.
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
    """The layers to compare with the manifest. `paths` limits `posts` to files and folders.

    `sample` is the part of the images whose bytes are read, wherever bytes are read. `site` is the
    folder of the built site, `base` where it is published if not where its generator says.
    With `notes` the lines are named that a person should read before a change is merged: with
    `since`, a branch or a commit, those that were not there.
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
    notes: bool = False
    since: str | None = None


@dataclass(slots=True)
class VerifyResult:
    """The layers that were compared, and their counts."""

    summary: dict[str, int | float]
    layers: Sequence[Layer]

    @property
    def findings(self) -> list[Finding]:
        return [finding for layer in self.layers for finding in layer.findings]


def verify(
    parts: Parts, engine: Engine, options: VerifyOptions, progress: Progress
) -> VerifyResult:
    """Compare what the manifest says with what is there.

    Raise `ManifestError` or `ConfigError`. A destination that cannot be asked is a finding, which
    is neither fine nor a difference.
    """
    started = monotonic()
    if options.site is not None:
        from mirror.pipeline.text_files import need_built_site  # parsers of HTML

        need_built_site(options.site)
    destinations = parts.destinations if options.destinations else ()
    site = site_name(parts.config.manifest)
    compare = partial(
        _destination_layers, destinations, engine, options.deep, options.sample, progress, site
    )
    objects = parts.manifest.stream_objects()
    try:
        layers, counts = compare(objects)
    except LateKeyError:  # the keys are in no order: all are read and sorted first
        objects = parts.manifest.load_objects()
        layers, counts = compare(objects)
    total = counts["assets"] if options.sample == ALL else None
    sample = partial(_sampled, parts.manifest, options.sample)
    if options.archive:
        layer = _archive_layer(parts.archive, engine, sample, total, progress)
        layer = replace(layer, findings=[*layer.findings, *_doubtful_sources(parts, progress)])
        layers.append(layer)
    if options.public:
        from mirror.pipeline.public import public_host, verify_public  # a web client

        host = public_host(parts.config, parts.locator, parts.destinations)
        if isinstance(host, Finding):
            layer = Layer("public", (), FindingLog(progress.finding, [host]))
        else:
            layer, counts["asked"] = verify_public(host, engine, sample(), total, progress)
        layers.append(layer)
    not_asked = set[str]()
    if options.posts:
        from mirror.pipeline.scan import (  # parsers of Markdown and YAML
            images_left,
            not_asked_for,
            scan,
            source_names,
        )

        former = _former_targets(parts)
        scanned = scan(*parts.posts.find(options.paths))
        sources = source_names(scanned, parts.locator)
        keys = _keys_shown(scanned, parts.destinations)
        manifest = parts.manifest.select(keys, sources)
        findings = verify_posts(
            parts.destinations,
            parts.locator,
            parts.config.ignored,
            manifest,
            scanned,
            parts.state.last_sync.reasons(),
        )
        findings = chain(findings, former_references(scanned, former, parts.destinations))
        layers.append(_posts_layer(scanned, findings, progress))
        counts |= scanned.tally()
        not_asked |= not_asked_for(scanned, parts.locator, manifest, parts.config.ignored)
        counts["leftovers"] = images_left(scanned, parts.locator, parts.destinations, not_asked)
    if options.site is not None:
        check = _check_site(parts, objects, options.site, options.base, progress)
        layers.append(check.layer)
        counts |= check.counts
        not_asked |= check.not_asked
    counts["ignored"] = len(not_asked)
    if options.notes:
        notes = chain(_changes(parts, options.since), scrutiny.openings(parts.config))
        layers.append(Layer("decisions and settings", (), FindingLog(progress.finding, notes)))
    result = VerifyResult({}, layers)
    result.summary = summary(counts | _count(result.findings), result.findings, started)
    return result


def _changes(parts: Parts, since: str | None) -> Iterator[Finding]:
    config = parts.config
    if since is None:
        yield from scrutiny.decisions(config)
        return
    before = Before.since(since, config.root)
    yield from scrutiny.decisions(config, before)
    yield from scrutiny.moved_sources(parts.manifest, config.root, before)


def _sampled(manifest: ManifestFile, sample: Slice) -> Iterator[Asset]:
    return (asset for asset in manifest.stream_assets() if asset.digest in sample)


def _count(findings: Sequence[Finding]) -> dict[str, int]:
    rules = Counter(finding.rule for finding in findings)
    return {
        "missing": rules[Rule.OBJECT_MISSING],
        "different": rules[Rule.OBJECT_DIFFERENT],
        "extra": rules[Rule.OBJECT_EXTRA],
        "unchecked": sum(f.rule.outcome is Outcome.UNCHECKED for f in findings),
    }


def manifest_places(
    manifest: ManifestFile, destinations: Sequence[Destination], findings: Sequence[Finding]
) -> dict[str, Place]:
    """Return the place in the manifest for the subject of each finding: key, digest or public URL.

    Only the first destination has public URLs that findings are about.
    """
    subjects = {finding.subject for finding in findings if finding.post is None}
    places: dict[str, Place] = {}
    if subjects and manifest.exists():
        for place, asset in manifest.numbered():
            names = {asset.digest.hex}
            if asset.key is not None:
                urls = (destination.public_url(asset.key) for destination in destinations[:1])
                names |= {asset.key, *filter(None, urls)}
            places |= dict.fromkeys(names & subjects, place)
    return places


# --- Destinations -----------------------------------------------------------------------------


class ObjectState(Enum):
    """The way in which an object is not as the manifest says; the value is its rule."""

    MISSING = Rule.OBJECT_MISSING
    DIFFERENT = Rule.OBJECT_DIFFERENT
    EXTRA = Rule.OBJECT_EXTRA
    UNCHECKED = Rule.OBJECT_UNCHECKED


@dataclass(frozen=True, slots=True)
class ObjectDifference:
    """An object that is not as the manifest says; `message` is what was expected and found.

    With `is_taken`, another site uses the key for another picture.
    """

    state: ObjectState
    key: Key
    message: str
    is_taken: bool = False


@dataclass(slots=True)
class Comparison:
    """A destination compared with the manifest.

    `compared` objects of the manifest were looked up, `read` of them read back. With `error` the
    destination could not be asked, or not to the end; what is in `differences` stands. With
    `index_error` it is not known what another site uses there: no object counts as extra.
    """

    differences: list[ObjectDifference] = field(default_factory=list)
    compared: int = 0
    read: int = 0
    error: StoreError | None = None
    index_error: SiteIndexError | None = None


def compare_destination(
    destination: Destination,
    objects: Objects,
    engine: Engine,
    progress: Progress,
    *,
    deep: bool = False,
    sample: Slice = ALL,
    site: str | None = None,
) -> Comparison:
    """Compare a destination with the manifest, by one listing as far as that tells.

    Objects without a checksum are read back, with `deep` all of them, both within `sample`. So is
    every object with another checksum: where a bucket encrypts with KMS, an ETag only looks like
    an MD5. What the index of another site than `site` names is not extra; the indexes are read
    only if a difference depends on them.
    """
    comparison = Comparison()
    progress.stage(f"list {destination.name}", None, "objects")
    missing, late, to_read = array("Q"), array("Q"), array("Q")  # numbers of objects
    try:
        for entry, info in _joined(objects, _counted(destination.store.list(), progress)):
            if entry is not None and info is not None:
                number, (_, size, checksum) = entry
                if missing and number <= missing[-1]:
                    late.append(number)
                listed = compare_listed(size, checksum, info)
                if listed is ListingMatch.OTHER_SIZE:
                    message = f"expected {size} bytes, found {info.size}"
                    difference = ObjectDifference(ObjectState.DIFFERENT, info.key, message)
                    comparison.differences.append(difference)
                elif listed is ListingMatch.OTHER_CHECKSUM or (
                    (deep or listed is ListingMatch.NO_CHECKSUM)
                    and objects.at(number).digest in sample
                ):
                    to_read.append(number)
            elif entry is not None:
                missing.append(entry[0])
            elif info is not None and not is_reserved(info.key):
                difference = ObjectDifference(ObjectState.EXTRA, info.key, f"{info.size} bytes")
                comparison.differences.append(difference)
    except StoreError as error:
        comparison.error = error
        len(objects)  # reads all: that the manifest is wrong is said before anything else
        _compare_indexes(destination.store, objects, comparison, site, set())
        return comparison
    comparison.compared = len(objects)
    absent = sorted(set(missing).difference(late)) if late else missing
    contested = set()
    for lost in map(objects.at, absent):
        comparison.differences.append(ObjectDifference(ObjectState.MISSING, lost.key, "missing"))
        # No other bytes have a key that holds the digest of these.
        contested |= {lost.key} if lost.digest.hex not in lost.key else set()
    if to_read:
        _read_back_all(destination, objects, to_read, comparison, engine, progress)
    _compare_indexes(destination.store, objects, comparison, site, contested)
    return comparison


_Entry = tuple[int, tuple[bytes, int, str]]  # an object's number; its key, size and MD5


def _joined(
    objects: Objects, infos: Iterable[ObjectInfo]
) -> Iterator[tuple[_Entry | None, ObjectInfo | None]]:
    """Yield each object with its line of the listing; `None` for what the other side lacks.

    A merge of two sides in the order of keys, which holds neither. A line that the server lists too
    late is looked up among the objects, one of which may have been yielded without a line before.
    """
    entries = enumerate(objects.facts())
    entry = next(entries, None)
    last = b""
    for info in infos:
        key = key_bytes(info.key)
        if key <= last:
            yield _entry_of(objects, key), info
            continue
        last = key
        while entry is not None and entry[1][0] < key:
            yield entry, None
            entry = next(entries, None)
        if entry is None or entry[1][0] != key:
            yield None, info
        else:
            yield entry, info
            entry = next(entries, None)
    while entry is not None:
        yield entry, None
        entry = next(entries, None)


def _entry_of(objects: Objects, key: bytes) -> _Entry | None:
    """Return the object with this key; `None` if there is none."""
    number = bisect_left(range(len(objects)), key, key=lambda n: key_bytes(objects.at(n).key))
    if number == len(objects):
        return None
    entry = objects.at(number)
    facts = (key_bytes(entry.key), entry.size, entry.md5)
    return (number, facts) if facts[0] == key else None


def _counted(infos: Iterable[ObjectInfo], progress: Progress) -> Iterator[ObjectInfo]:
    """Yield `infos`. Progress moves in steps, because a bar takes longer than what it counts."""
    count = 0
    for count, info in enumerate(infos, 1):
        yield info
        if count % _STEP == 0:
            progress.advance(_STEP)
    progress.advance(count % _STEP)


def _read_back_all(
    destination: Destination,
    objects: Objects,
    numbers: Collection[int],
    comparison: Comparison,
    engine: Engine,
    progress: Progress,
) -> None:
    """Read the objects with these numbers back and add what comes of it to `comparison`.

    Stop at an error that the next object would meet too.
    """
    progress.stage(f"read {destination.name}", len(numbers), "objects")
    expected = map(objects.at, numbers)
    with closing(engine.map(partial(_read_back, destination), expected, _READERS)) as results:
        silent = 0
        for result in results:
            if isinstance(result, _ReadFailure):
                silent += 1
                if silent == _SILENT or not isinstance(result.error, UnreachableError):
                    comparison.error = result.error
                    return
                unchecked = ObjectDifference(ObjectState.UNCHECKED, result.key, str(result.error))
                comparison.differences.append(unchecked)
                continue
            silent = 0
            comparison.read += 1
            progress.advance(failed=result is not None)
            comparison.differences += [result] if result is not None else []


@dataclass(frozen=True, slots=True)
class _ReadFailure:
    """An error at one object that the next one may meet too."""

    key: Key
    error: StoreError


def _read_back(
    destination: Destination, expected: Object
) -> ObjectDifference | _ReadFailure | None:
    """Compare the bytes a reader would get: the only way to see rot on the server's disk."""
    try:
        mismatch = read_difference(destination.store, expected)
    except NotFoundError:
        return ObjectDifference(ObjectState.MISSING, expected.key, "listed, but not there")
    except _FATAL as error:
        return _ReadFailure(expected.key, error)
    except StoreError as error:
        return ObjectDifference(ObjectState.UNCHECKED, expected.key, str(error))
    if mismatch is None:
        return None
    return ObjectDifference(ObjectState.DIFFERENT, expected.key, mismatch)


def _compare_indexes(
    store: Store,
    objects: Objects,
    comparison: Comparison,
    site: str | None,
    contested: set[Key],
) -> None:
    """Take the objects of other sites out of `comparison`, and mark keys that another one uses.

    `contested` are the keys of missing objects that another site may use.
    """
    keys = contested | {
        difference.key
        for difference in comparison.differences
        if difference.state in (ObjectState.EXTRA, ObjectState.DIFFERENT)
    }
    if not keys:
        return
    try:
        used = used_by_others(store, keys, site)
    except SiteIndexError as error:
        used = {}
        comparison.index_error = error
    differences = []
    nested = nested_prefixes(keys)
    for difference in comparison.differences:
        digests = used.get(difference.key)
        if difference.state is ObjectState.EXTRA:
            is_ours = digests is None and not difference.key.startswith(nested)
            if is_ours and comparison.index_error is None:
                differences.append(difference)
        elif digests is not None and digests != {objects[difference.key].digest}:
            differences.append(replace(difference, is_taken=True))
        else:
            differences.append(difference)
    comparison.differences = differences


_REMEDIES = {
    ObjectState.MISSING: "{message} in {name}; `mirror sync` or `mirror repair` puts it back",
    ObjectState.DIFFERENT: "{name}: {message}; `mirror repair` puts it right",
    ObjectState.EXTRA: (
        "in {name}, but in no line of the manifest; `mirror prune` lists such objects"
    ),
    ObjectState.UNCHECKED: "{message}",
}
_TAKEN = f"{{name}}: {{message}}; {KEY_IN_USE}"
_EMPTY = "{message} in {name}, which is empty; `mirror sync` or `mirror repair` fills it again"


def _destination_layers(
    destinations: Iterable[Destination],
    engine: Engine,
    deep: bool,
    sample: Slice,
    progress: Progress,
    site: str | None,
    objects: Objects,
) -> tuple[list[Layer], dict[str, int]]:
    """Return a layer for each destination, and the counts.

    The manifest is read while the first one is listed. Raise what that raises, before a finding is
    reported.
    """
    counts = {"assets": 0, "objects": 0, "read": 0, "asked": 0}
    layers = []
    for destination in destinations:
        comparison = compare_destination(
            destination, objects, engine, progress, deep=deep, sample=sample, site=site
        )
        counts["objects"] += comparison.compared
        counts["read"] += comparison.read
        layers.append(_destination_layer(destination, objects, comparison, progress))
    counts["assets"] = objects.assets
    return layers, counts


def _destination_layer(
    destination: Destination, objects: Objects, comparison: Comparison, progress: Progress
) -> Layer:
    findings = FindingLog(progress.finding)
    states = {difference.state for difference in comparison.differences}
    missing = len(comparison.differences)
    is_empty = states == {ObjectState.MISSING} and missing == comparison.compared
    for difference in comparison.differences:
        remedy = _EMPTY if is_empty else _REMEDIES[difference.state]
        remedy = _TAKEN if difference.is_taken else remedy
        message = remedy.format(name=destination.name, message=difference.message)
        findings.append(Finding(difference.state.value, difference.key, message))
    if (index_error := comparison.index_error) is not None and comparison.error is None:
        findings.append(Finding(Rule.OBJECT_UNCHECKED, index_error.key, str(index_error)))
    subjects: Collection[str] = objects
    if comparison.error is not None:
        findings.append(unreachable(destination, comparison.error))
        subjects = ()
    return Layer(f"destination {destination.name}", subjects, findings)


# --- Archive ----------------------------------------------------------------------------------


def _archive_layer(
    archive: Archive,
    engine: Engine,
    assets: Callable[[], Iterator[Asset]],
    total: int | None,
    progress: Progress,
) -> Layer:
    """Read the originals of `assets`, which is called once to read them and once to name them."""
    progress.stage("read the archive", total, "originals")
    findings = FindingLog(progress.finding)
    try:
        with closing(engine.map(partial(verify_original, archive), assets(), _READERS)) as results:
            for finding in results:
                progress.advance(failed=finding is not None)
                findings.extend(() if finding is None else (finding,))
    except UnreachableArchiveError as error:
        findings.append(archive_unreachable(error))
        return Layer("archive", (), findings)
    return Layer("archive", (asset.digest.hex for asset in assets()), findings)


def _doubtful_sources(parts: Parts, progress: Progress) -> FindingLog:
    """Return a warning for each address that gave another picture here, or never this one."""
    reviews = load_reviews(parts.config.manifest / REVIEWS)
    proof = SourceProof(parts.archive.source_record(), reviews, parts.locator)
    findings = FindingLog(progress.finding)
    for (file, number), asset in parts.manifest.numbered():
        for address in asset.sources:
            if proof.is_doubtful(address, asset):
                message = (
                    f"line {number} of {Path(file).name} has it for picture {asset.digest}, which "
                    "never came from it here; `mirror sync` asks its host when a post names it"
                )
                findings.append(Finding(Rule.SOURCE_MOVED, address, message))
    return findings


def archive_unreachable(error: UnreachableArchiveError) -> Finding:
    """Return the finding that stands for all originals that were not read."""
    message = f"{str(error).removeprefix('archive: ')}; not every original was read"
    return Finding(Rule.ARCHIVE_UNCHECKED, "archive", message)


def verify_original(archive: Archive, asset: Asset) -> Finding | None:
    """Return a finding for an original that the archive lacks, or has otherwise; else `None`.

    Raise `UnreachableArchiveError` for what the next one would meet too.
    """
    try:
        archive.check(asset.blob)
    except MissingError:
        message = "is not in the archive with its size; `mirror repair` fetches it"
        return Finding(Rule.ARCHIVE_MISSING, asset.digest.hex, message)
    except UnreachableArchiveError:
        raise
    except UnreadableError as error:
        return Finding(Rule.ARCHIVE_UNCHECKED, asset.digest.hex, str(error))
    except ArchiveError as error:
        return Finding(Rule.ARCHIVE_DAMAGED, asset.digest.hex, f"{error}; `mirror repair` heals it")
    return None


def _former_targets(parts: Parts) -> set[str]:
    rewrites, _ = parts.rewrites.load()  # not kept: there may be a million
    return former_targets((line.target for line in rewrites), parts.destinations)


# --- The built site ---------------------------------------------------------------------------


def _check_site(
    parts: Parts, objects: Objects, site: Path, base: SiteAddress | None, progress: Progress
) -> SiteCheck:
    from mirror.pages import MentionFinder
    from mirror.pipeline import built_site  # parsers of HTML

    check = built_site.PictureCheck(
        folder=site.resolve(),
        site=base or built_site.published_at(site, parts.config.root),
        destinations=parts.destinations,
        locator=parts.locator,
        hosts=built_site.source_hosts(parts.config.sources),
        objects=objects,
        former=_former_targets(parts),
    )
    prefixes = built_site.mirrored_prefixes(parts.destinations, check.former, check.site)
    finder = MentionFinder(parts.config.sources, prefixes)
    ignored = parts.config.ignored
    return built_site.verify_site(check, finder, ignored, site, parts.config.root, progress)


# --- Posts ------------------------------------------------------------------------------------


def _posts_layer(scanned: SiteScan, differences: Iterable[Finding], progress: Progress) -> Layer:
    # Elsewhere no posts are no work; a check of the posts that looked at none must not pass.
    scan_findings = [
        replace(finding, rule=Rule.POSTS_UNCHECKED) if finding.rule is Rule.NO_POSTS else finding
        for finding in scanned.findings
    ]
    findings = FindingLog(progress.finding, scan_findings)
    findings.extend(differences)
    return Layer("posts", [post.post.name for post in scanned.posts], findings)


def _keys_shown(scanned: SiteScan, destinations: Sequence[Destination]) -> TextFilter:
    """Return the keys behind the mirrored URLs of the posts, and behind those that look like it."""
    urls = (post.from_root(ref.url) for post, ref in scanned.references())
    return TextFilter(
        key
        for url in urls
        for key in (*(item.key_of(url.raw) for item in destinations), stray_key(destinations, url))
        if key
    )


def former_references(
    scanned: SiteScan, former: Container[str], destinations: Sequence[Destination]
) -> Iterator[Finding]:
    """Yield the references to mirrored URLs that no destination has any more."""
    for post, reference in scanned.references():
        if post.from_root(reference.url).raw.partition("#")[0] in former:
            moves = reference.form.is_rewritten and all(
                destination.takes_link(post.name, reference) for destination in destinations[:1]
            )
            remedy = (
                "`mirror rewrite` moves it, or says why not"
                if moves
                else "`mirror rewrite` leaves it; edit it"
            )
            yield Finding(
                Rule.FORMER_TARGET,
                str(reference.url),
                f"is an address that the mirror had before; {remedy}",
                post.name,
                reference.line,
                reference.column,
            )


def verify_posts(
    destinations: Sequence[Destination],
    locator: Locator,
    ignored: Container[str],
    manifest: Manifest,
    scanned: SiteScan,
    reasons: Mapping[str, str],
) -> Iterator[Finding]:
    """Yield the images of our sources that are not mirrored, and mirrored URLs without an asset.

    `reasons` say why the last sync did not take an image, by the identity of its address.
    """
    for post, ref in scanned.references():
        url = post.from_root(ref.url)
        if asset_of(destinations, manifest, url) is not None:
            continue
        place = (post.name, ref.line, ref.column)
        located = locator.locate(ref.url)
        if located is not None:
            asset = manifest.find(located.address)
            if asset is None and located.address not in ignored:
                reason = reasons.get(identity(located.address))
                message = (
                    f"is not mirrored; the last sync says: {reason}"
                    if reason
                    else "is not mirrored; run `mirror sync`, or list it under [[ignore]]"
                )
                yield Finding(Rule.NOT_MIRRORED, str(ref.url), message, *place)
            elif asset is not None and destinations and manifest.shown_for(asset).key is None:
                message = "is in the archive, but in no destination; `mirror sync` says why"
                yield Finding(Rule.NOT_MIRRORED, str(ref.url), message, *place)
        elif is_mirrored(destinations, url):
            message = "looks mirrored, but no line of the manifest has this key"
            yield Finding(Rule.UNKNOWN_TARGET, str(ref.url), message, *place)
        elif (key := stray_key(destinations, url)) and key in manifest.by_key:
            links = (item.link(key, post.name) for item in destinations if item.has_relative_links)
            message = (
                "leads to no object, as from another folder: was the post moved? From here it is "
                f"{next(links)}"
            )
            yield Finding(Rule.UNKNOWN_TARGET, str(ref.url), message, *place)
