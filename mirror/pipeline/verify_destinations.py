"""The difference between the manifest and a destination, from one listing and some objects read."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import partial
from hashlib import sha256
from heapq import merge
from itertools import filterfalse, pairwise
from typing import TypeVar

from mirror.destinations import (
    Destination,
    ListingMatch,
    check_extra_count,
    compare_listed,
    not_stored_in,
    read_difference,
    size_difference,
    unreachable,
)
from mirror.engine import Engine
from mirror.manifest import Object, Objects, key_bytes
from mirror.model import Digest, Finding, Key, Layer, Rule, is_reserved
from mirror.pipeline.portion import ALL, Sample
from mirror.pipeline.progress import FindingLog, LayerCheck, Progress
from mirror.site_index import KEY_IN_USE, SiteIndexError, nested_prefixes, used_by_others
from mirror.store import (
    FATAL,
    NotFoundError,
    ObjectFailure,
    ObjectInfo,
    Store,
    StoreError,
    UnreachableError,
    concerns_all,
)

T = TypeVar("T")
_STEP = 100  # objects of a listing between two movements of the progress bar


@dataclass(frozen=True, slots=True)
class ReadBack:
    """The objects that are read back: those without a checksum, or all if `deep`.

    Both within `sample`.
    """

    deep: bool
    sample: Sample = ALL


class ObjectState(Enum):
    """The way in which an object is not as the manifest says; the value is its rule."""

    MISSING = Rule.OBJECT_MISSING
    DIFFERENT = Rule.OBJECT_DIFFERENT
    EXTRA = Rule.OBJECT_EXTRA
    UNCHECKED = Rule.OBJECT_UNCHECKED


@dataclass(frozen=True, slots=True)
class ObjectDifference:
    """An object that is not as the manifest says; `message` is what was expected and found.

    `size` is that of the object, where the listing gave another one than the manifest. With
    `is_taken`, another site uses the key for another picture. With `holds`, the object is the
    picture of that other key of the manifest, and the key does not tell which of the two is right.
    """

    state: ObjectState
    key: Key
    message: str
    size: int | None = None
    is_taken: bool = False
    holds: Key | None = None


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
    read_back: ReadBack,
    site: str | None,
) -> Comparison:
    """Compare a destination with the manifest, by one listing as far as that tells.

    Beside `read_back`, every object with another checksum is read back: where a bucket encrypts
    with KMS, an ETag only looks like an MD5. What the index of another site than `site` names is
    not extra; the indexes are read only if a difference depends on them.
    """
    comparison = Comparison()
    known = extras = 0
    progress.stage(f"list {destination.name}", None, "objects")
    missing, late = array("Q"), array("Q")  # numbers of objects
    doubtful, to_read = array("Q"), array("Q")
    reported: set[Key] = set()
    try:
        infos = _counted(destination.store.list(), progress)
        # A server may list an object twice.
        infos = filterfalse(lambda info: info.key in reported, infos)
        for entry, info in _joined(objects, infos):
            if entry is None:
                if info is not None and not is_reserved(info.key):
                    reported.add(info.key)
                    extras += 1
                    check_extra_count(destination, extras, known)
                    extra = ObjectDifference(ObjectState.EXTRA, info.key, f"{info.size} bytes")
                    comparison.differences.append(extra)
                continue
            known += 1
            number, (_, size, checksum) = entry
            if info is None:
                missing.append(number)
                continue
            if missing and number <= missing[-1]:  # perhaps counted as missing before
                late.append(number)
            listed = compare_listed(size, checksum, info)
            if listed is ListingMatch.OTHER_SIZE:
                reported.add(info.key)
                message = size_difference(size, info)
                other = ObjectDifference(ObjectState.DIFFERENT, info.key, message, info.size)
                comparison.differences.append(other)
            elif listed is ListingMatch.OTHER_CHECKSUM:
                doubtful.append(number)
            elif read_back.deep or listed is ListingMatch.NO_CHECKSUM:
                to_read.append(number)
    except StoreError as error:
        comparison.error = error
        objects.read_all()  # that the manifest is wrong is said before anything else
        _compare_indexes(destination.store, objects, comparison, site, set())
        return comparison
    comparison.compared = len(objects)
    absent = sorted(set(missing).difference(late)) if late else missing
    contested = set()
    for lost in map(objects.at, absent):
        comparison.differences.append(ObjectDifference(ObjectState.MISSING, lost.key, "missing"))
        # No other bytes have a key that holds the digest of these.
        if lost.digest.hex not in lost.key:
            contested.add(lost.key)
    sampled = read_back.sample.of(to_read, lambda number: objects.at(number).digest)
    to_read = array("Q", merge(doubtful, sampled))
    _read_back_all(destination, objects, to_read, comparison, engine, progress)
    _find_exchanged(destination, objects, comparison, engine)
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
    numbers: Sequence[int],
    comparison: Comparison,
    engine: Engine,
    progress: Progress,
) -> None:
    """Read the objects with these numbers back and add what comes of it to `comparison`.

    Stop at an error that the next object would meet too.
    """
    if not numbers:
        return
    if any(a >= b for a, b in pairwise(numbers)):  # a server lists as it likes, also twice
        numbers = sorted(set(numbers))
    progress.stage(f"read {destination.name}", len(numbers), "objects")
    expected = map(objects.at, numbers)
    job, readers = partial(_read_back, destination), destination.store.readers
    with closing(engine.map(job, expected, readers)) as results:
        for result in _until_unreachable(results, comparison):
            if isinstance(result, ObjectFailure):
                unchecked = ObjectDifference(ObjectState.UNCHECKED, result.key, str(result.error))
                comparison.differences.append(unchecked)
                continue
            comparison.read += 1
            progress.advance(failed=result is not None)
            if result is not None:
                comparison.differences.append(result)


def _until_unreachable(
    results: Iterable[T | ObjectFailure], comparison: Comparison
) -> Iterator[T | ObjectFailure]:
    """Yield `results` up to an error that the next object would meet too; `comparison` gets it."""
    failures_in_a_row = 0
    for result in results:
        failures_in_a_row = failures_in_a_row + 1 if isinstance(result, ObjectFailure) else 0
        if isinstance(result, ObjectFailure) and concerns_all(result.error, failures_in_a_row):
            comparison.error = result.error
            return
        yield result


def _read_back(
    destination: Destination, expected: Object
) -> ObjectDifference | ObjectFailure | None:
    """Compare the bytes that a reader would get with the manifest."""
    try:
        mismatch = read_difference(destination.store, expected)
    except NotFoundError:
        return ObjectDifference(ObjectState.MISSING, expected.key, "listed, but not there")
    except (*FATAL, UnreachableError) as error:
        return ObjectFailure(expected.key, error)
    except StoreError as error:
        return ObjectDifference(ObjectState.UNCHECKED, expected.key, str(error))
    if mismatch is None:
        return None
    return ObjectDifference(ObjectState.DIFFERENT, expected.key, mismatch)


def _find_exchanged(
    destination: Destination, objects: Objects, comparison: Comparison, engine: Engine
) -> None:
    """Mark the differences where an object is the picture of another key of the manifest.

    An edit or a merge may exchange the keys of two lines. A key that holds the digest of its
    picture tells that it is right. An object is read only if a picture of the manifest has its
    size: whoever makes a bucket's pictures smaller changes all of them.
    """
    doubtful = [
        difference
        for difference in comparison.differences
        if difference.state is ObjectState.DIFFERENT
        and objects[difference.key].digest.hex not in difference.key
    ]
    if not doubtful or comparison.error is not None:
        return
    sizes = {difference.size for difference in doubtful}
    known = sizes.intersection(size for _, size, _ in objects.facts()) | {None}
    to_read = [difference.key for difference in doubtful if difference.size in known]
    job = partial(_digest, destination.store, max(size for _, size, _ in objects.facts()))
    with closing(engine.map(job, to_read, destination.store.readers)) as results:
        held = dict(
            result
            for result in _until_unreachable(results, comparison)
            if not isinstance(result, ObjectFailure)
        )
    digests = set(held.values())
    owners = (each for each in map(objects.at, range(len(objects))) if each.digest in digests)
    keys = {owner.digest: owner.key for owner in owners}
    others = {key: keys[digest] for key, digest in held.items() if keys.get(digest, key) != key}
    comparison.differences = [
        replace(difference, holds=others.get(difference.key))
        for difference in comparison.differences
    ]


def _digest(store: Store, max_bytes: int, key: Key) -> tuple[Key, Digest] | ObjectFailure:
    """Return a key with the digest of its object, of no bytes if it cannot be read."""
    data = b""
    try:
        data = store.get(key, max_bytes=max_bytes)
    except (*FATAL, UnreachableError) as error:
        return ObjectFailure(key, error)
    except StoreError:
        pass
    return key, Digest(sha256(data).hexdigest())


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


_MESSAGES = {
    ObjectState.MISSING: "{message} in {name}; `mirror sync` or `mirror repair` puts it back",
    ObjectState.DIFFERENT: "{name}: {message}; `mirror repair` puts it right",
    ObjectState.EXTRA: (
        "in {name}, but in no line of the manifest; `mirror prune` lists such objects"
    ),
    ObjectState.UNCHECKED: "{message}",
}
_TAKEN = f"{{name}}: {{message}}; {KEY_IN_USE}"
EXCHANGED = (
    "it is the picture of {other}: if a change of the manifest exchanged the two keys, bring both "
    "lines back from version control; else delete the object, and `mirror repair` puts it right"
)
"""The remedy for an object that `holds` another one."""
_EMPTY = "{message} in {name}, which is empty; `mirror sync` or `mirror repair` fills it again"


def check_destinations(
    comparisons: Iterable[tuple[Destination, Comparison]],
    objects: Objects,
    not_stored: Callable[[], Mapping[str, str]],
    progress: Progress,
) -> list[LayerCheck]:
    """Report each destination that is compared with `objects`, those of the manifest.

    `not_stored` is called where an object is missing, and returns why the last sync did not store
    a picture, by key. `objects` are read while the first comparison is drawn. If that raises, no
    finding was reported.
    """
    checks = []
    for destination, comparison in comparisons:
        layer = _destination_layer(destination, objects, comparison, not_stored, progress)
        counts = {"objects": comparison.compared, "read": comparison.read}
        checks.append(LayerCheck(layer, counts))
    objects.read_all()  # where there is no destination
    return checks


def _destination_layer(
    destination: Destination,
    objects: Objects,
    comparison: Comparison,
    not_stored: Callable[[], Mapping[str, str]],
    progress: Progress,
) -> Layer:
    """Return the findings about one destination; each is reported."""
    findings = FindingLog(progress.finding)
    states = {difference.state for difference in comparison.differences}
    is_empty = (
        states == {ObjectState.MISSING} and len(comparison.differences) == comparison.compared
    )
    for difference in comparison.differences:
        template = _EMPTY if is_empty else _MESSAGES[difference.state]
        if difference.is_taken:
            template = _TAKEN
        elif difference.holds is not None:
            template = f"{{name}}: {{message}}; {EXCHANGED}"
        message = template.format(
            name=destination.name, message=difference.message, other=difference.holds
        )
        if difference.state is ObjectState.MISSING:
            message = not_stored_in(destination, difference.key, not_stored()) or message
        findings.append(Finding(difference.state.value, difference.key, message))
    if (index_error := comparison.index_error) is not None and comparison.error is None:
        findings.append(Finding(Rule.OBJECT_UNCHECKED, index_error.key, str(index_error)))
    subjects: Collection[str] = objects
    if comparison.error is not None:
        findings.append(unreachable(destination, comparison.error))
        subjects = ()
    return Layer(f"destination {destination.name}", subjects, findings)
