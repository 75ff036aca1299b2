"""List the objects that neither the manifest nor another site names; delete them where it is safe.

Read in this order: `prune` is the command; `list_extras` finds the objects; `keys_in_posts` finds
the keys that posts still show; the doubts, of which any one is enough to delete nothing.
"""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Collection, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from time import monotonic
from urllib.parse import unquote

from mirror.compact import DistinctTexts
from mirror.destinations import Destination, check_extra_count, unreachable
from mirror.engine import Engine
from mirror.manifest import Manifest
from mirror.model import Finding, Key, Outcome, Rule, is_reserved
from mirror.pipeline.parts import Parts
from mirror.pipeline.progress import FindingLog, Progress, summary
from mirror.pipeline.scan import SiteScan, scan
from mirror.site_index import (
    SiteIndexError,
    index_key,
    nested_prefixes,
    site_name,
    trim_index,
    used_by_others,
)
from mirror.store import STORE_WORKERS, ObjectInfo, StoreError

# The most characters that one character of a key takes: UTF-8 of four bytes, percent-encoded.
_SPELLING_LENGTH = 12


@dataclass(frozen=True, slots=True)
class MaxDelete:
    """The most objects of a destination that may be deleted: a number, or a share of all."""

    text: str
    number: int | None
    percent: float | None

    @classmethod
    def parse(cls, text: str) -> MaxDelete:
        """Read a number such as `25` or a share such as `10%`. Raise `ValueError`."""
        match = re.fullmatch(r"(\d{1,12})|(\d{1,3}(?:\.\d{1,6})?)%", text.strip(), re.ASCII)
        if match is None or (match[2] is not None and float(match[2]) > 100):
            raise ValueError(f"expected a number such as 25, or a share such as 10%, got {text!r}")
        if match[1] is not None:
            return cls(match[1], int(match[1]), None)
        return cls(f"{match[2]}%", None, float(match[2]))

    def allows(self, count: int, total: int) -> bool:
        if self.number is not None:
            return count <= self.number
        return count * 100 <= total * (self.percent or 0)


@dataclass(frozen=True, slots=True)
class PruneOptions:
    """With `yes`, objects are deleted; without it they are only listed."""

    yes: bool
    max_delete: MaxDelete


@dataclass(frozen=True, slots=True)
class ExtraObject:
    """An object that neither the manifest nor another site names. `post` shows it, if any does."""

    destination: Destination
    info: ObjectInfo
    post: str | None = None


@dataclass(slots=True)
class PruneResult:
    """`doomed` were deleted or would be; posts still name the `kept` ones, which stay.

    `doubts` are the reasons to delete nothing. They are findings only with `yes`.
    """

    summary: dict[str, int | float]
    findings: Sequence[Finding]
    doomed: Sequence[ExtraObject]
    kept: Sequence[ExtraObject]
    doubts: Sequence[Finding]


def prune(parts: Parts, engine: Engine, options: PruneOptions, progress: Progress) -> PruneResult:
    """List the objects that neither the manifest nor another site names; delete them with `yes`.

    Everything is decided before the first object is deleted. Any doubt about the posts, the
    manifest, the other sites or the number of objects is a refusal, and then nothing is deleted
    anywhere. After the objects, the names of what the manifest names no more are dropped from the
    index of the site.
    """
    started = monotonic()
    manifest, _ = parts.manifest.load()
    scanned = scan(*parts.posts.find())
    findings = FindingLog(progress.finding, scanned.findings)
    site = site_name(parts.config.manifest)
    listed = list_extras(parts.destinations, manifest.by_key, site, findings, progress)
    totals = listed.totals
    texts = findings.sift(_texts(scanned))
    keys = {extra.info.key for extra in listed.objects}
    first_posts = keys_in_posts(texts, parts.destinations, keys)
    extras = [replace(extra, post=first_posts.get(extra.info.key)) for extra in listed.objects]
    doomed = [extra for extra in extras if extra.post is None]
    kept = [extra for extra in extras if extra.post is not None]
    doomed_counts = Counter(extra.destination.name for extra in doomed)
    doubts = [
        *_doubts_about_manifest(manifest),
        *_doubts_about_posts(scanned, findings),
        *listed.doubts,
        *_doubts_about_number(doomed_counts, totals, options.max_delete),
    ]
    for extra in kept:
        progress.event("kept", **_members(extra), post=extra.post)
    if options.yes:
        findings.extend(doubts)
    deletes = options.yes and not doubts
    if deletes:
        doomed = _delete_all(engine, doomed, findings, progress)
        if site is not None:
            in_use = manifest.by_key.keys() | {extra.info.key for extra in kept}
            asked = [entry for entry in parts.destinations if entry.name in totals]
            findings.extend(_trim_indexes(asked, site, in_use))
    else:
        for extra in doomed:
            progress.event("extra" if doubts else "would-delete", **_members(extra))
    counts = {
        "posts": len(scanned.posts),
        "assets": len(manifest.assets),
        "objects": sum(totals.values()),
        "extra": len(extras),
        "kept": len(kept),
        "in_use": listed.in_use,
        "deleted": len(doomed) if deletes else 0,
    }
    return PruneResult(summary(counts, findings, started), findings, doomed, kept, doubts)


def _members(extra: ExtraObject) -> dict[str, object]:
    return {"destination": extra.destination.name, "key": extra.info.key, "size": extra.info.size}


# --- What is there, and what goes -------------------------------------------------------------


@dataclass(slots=True)
class Extras:
    """The extra objects of all destinations.

    `totals` are the numbers of objects of the site, by the name of the destination. `in_use` is the
    number of objects that only other sites use. `doubts` are the indexes that cannot be read.
    """

    objects: list[ExtraObject] = field(default_factory=list)
    totals: dict[str, int] = field(default_factory=dict)
    in_use: int = 0
    doubts: list[Finding] = field(default_factory=list)


def list_extras(
    destinations: Iterable[Destination],
    keys: Collection[str],
    site: str | None,
    findings: FindingLog,
    progress: Progress,
) -> Extras:
    """Return the objects whose key is not among `keys` and in no index of another site.

    A destination that cannot be listed to the end is a finding, and has neither objects nor total.
    """
    extras = Extras()
    for destination in destinations:
        progress.stage(f"list {destination.name}", None, "objects")
        unnamed: dict[Key, ObjectInfo] = {}  # by its key: a server may list an object twice
        named = DistinctTexts()
        used: Mapping[Key, object] = {}
        try:
            for info in destination.store.list():
                if is_reserved(info.key):
                    continue
                progress.advance()
                if info.key in keys:
                    named.add(info.key)
                else:
                    unnamed[info.key] = info
                check_extra_count(destination, len(unnamed), len(keys))
            if unnamed:
                used = used_by_others(destination.store, unnamed.keys(), site)
        except SiteIndexError as error:
            extras.doubts.append(Finding(Rule.PRUNE_REFUSED, error.key, str(error)))
        except StoreError as error:
            findings.append(unreachable(destination, error))
            continue
        nested = nested_prefixes(unnamed)
        objects = [
            ExtraObject(destination, info)
            for info in unnamed.values()
            if info.key not in used and not info.key.startswith(nested)
        ]
        extras.objects += objects
        extras.totals[destination.name] = named.distinct + len(unnamed) - len(used)
        extras.in_use += len(used)
    return extras


def _delete_all(
    engine: Engine, doomed: Sequence[ExtraObject], findings: FindingLog, progress: Progress
) -> list[ExtraObject]:
    """Return the objects that were deleted; each of the others is a finding."""
    deleted = []
    progress.stage("delete", len(doomed), "objects")
    for result in engine.map(_delete, doomed, STORE_WORKERS):
        progress.advance(failed=isinstance(result, Finding))
        if isinstance(result, Finding):
            findings.append(result)
        else:
            deleted.append(result)
            progress.event("deleted", **_members(result))
    return deleted


def _delete(extra: ExtraObject) -> ExtraObject | Finding:
    try:
        extra.destination.store.delete(extra.info.key)
    except StoreError as error:
        return Finding(Rule.NOT_DELETED, extra.info.key, str(error))
    return extra


def _trim_indexes(
    destinations: Iterable[Destination], site: str, keys: Container[Key]
) -> Iterator[Finding]:
    """Drop every name but `keys` from the index of the site; yield a finding where that failed."""
    for destination in destinations:
        try:
            trim_index(destination.store, site, keys)
        except StoreError as error:
            yield Finding(Rule.NOT_STORED, index_key(site), str(error))


# --- Reasons to delete nothing ----------------------------------------------------------------


def _doubts_about_manifest(manifest: Manifest) -> Iterator[Finding]:
    if not manifest.by_key:
        message = "names no object, so every object would go; is it the right one?"
        yield Finding(Rule.PRUNE_REFUSED, "the manifest", message)


def _doubts_about_posts(scanned: SiteScan, findings: Sequence[Finding]) -> Iterator[Finding]:
    failed = [finding for finding in findings if finding.rule.outcome is Outcome.FAILURE]
    if failed:
        message = (
            f"{failed[0].subject} could not be scanned ({len(failed)} in all), so it is not known "
            "which objects it shows; put that right first"
        )
        yield Finding(Rule.PRUNE_REFUSED, "the posts", message)
    elif not scanned.posts:
        message = "there is none, so nothing would be kept for them; see [posts] in mirror.toml"
        yield Finding(Rule.PRUNE_REFUSED, "the posts", message)


def _doubts_about_number(
    doomed: Mapping[str, int], totals: Mapping[str, int], limit: MaxDelete
) -> Iterator[Finding]:
    """Yield a finding for each destination that would lose more objects than `limit` allows.

    `doomed` and `totals` are numbers of objects by the name of the destination.
    """
    for name, total in totals.items():
        count = doomed.get(name, 0)
        if not limit.allows(count, total):
            message = (
                f"{count} of {total} objects would go, more than --max-delete {limit.text}; look "
                f"at the list, and if it is right run again with --max-delete {count}"
            )
            yield Finding(Rule.PRUNE_REFUSED, name, message)


# --- What posts still show --------------------------------------------------------------------


def _texts(scanned: SiteScan) -> Iterator[tuple[str, str] | Finding]:
    """Yield the name of every post with its text, and with its URLs as decoded.

    The scanner decodes a host that is spelled in other ways, which the text does not show. A post
    that cannot be read any more is a finding.
    """
    for scanned_post in scanned.posts:
        data = scanned_post.post.read()
        if isinstance(data, Finding):
            yield data
        else:
            yield scanned_post.name, data.decode(scanned_post.encoding or "utf-8", "replace")
            yield (
                scanned_post.name,
                "\n".join(reference.url.raw for reference in scanned_post.references),
            )


def keys_in_posts(
    posts: Iterable[tuple[str, str]], destinations: Iterable[Destination], keys: Collection[str]
) -> Mapping[str, str]:
    """Return which of `keys` stand in `posts` as a public URL, with the first post that has it.

    `posts` are pairs of name and text. The text is searched as such, so code, comments and
    syntaxes that no scanner knows count. Scheme, letter case of the host, escapes and entities do
    not matter. In doubt it is a mention.
    """
    bases = [base for destination in destinations for base in _bases(destination)]
    first: dict[str, str] = {}
    lengths = sorted({len(key) for key in keys})
    if not bases or not lengths:
        return first
    names = "|".join(sorted({re.escape(re.sub(r"^https?:", "", base)) for base in bases}))
    # A look-ahead, because the next URL may begin where nothing ends this one.
    most = _SPELLING_LENGTH * lengths[-1]
    pattern = re.compile(rf"(?:{names})/(?=([^\r\n]{{1,{most}}}))", re.IGNORECASE)
    for name, text in posts:
        for match in pattern.finditer(text.replace("\\/", "/")):
            for key in _keys_at(match[1], keys, lengths):
                first.setdefault(key, name)
    return first


def _bases(destination: Destination) -> Iterator[str]:
    """Yield what stands in front of a key in a post."""
    if (url := destination.settings.public_url) is None:
        return
    if destination.has_relative_links:  # what stands before the last folder depends on the post
        url = url.rpartition("/")[2]
        yield unquote(url)
    yield url


def _keys_at(text: str, keys: Collection[str], lengths: Sequence[int]) -> Iterator[str]:
    """Yield the keys that `text` begins with, as it is and with entities and escapes decoded."""
    plain = html.unescape(text)
    for spelling in {text, plain, unquote(text), unquote(plain)}:
        for length in lengths:
            if spelling[:length] in keys:
                yield spelling[:length]
