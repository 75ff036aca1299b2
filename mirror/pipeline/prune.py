"""Objects that no line of the manifest names: listed, and deleted only when that is safe."""

from __future__ import annotations

import html
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic
from urllib.parse import unquote

from mirror.destinations import Destination, unreachable
from mirror.engine import Engine
from mirror.manifest import Manifest
from mirror.model import Finding, Outcome, Rule
from mirror.pipeline.parts import Parts
from mirror.pipeline.progress import FindingLog, Progress, summary
from mirror.pipeline.scan import Scanned, scan
from mirror.store import ObjectInfo, StoreError

_WORKERS = 8


@dataclass(frozen=True, slots=True)
class MaxDelete:
    """How many objects of a destination may go: a number, or a share of all that are there."""

    text: str
    number: int | None
    percent: float | None

    @classmethod
    def parse(cls, text: str) -> MaxDelete:
        """Raise `ValueError` for anything but `25` or `10%`."""
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
    yes: bool = False
    max_delete: MaxDelete = MaxDelete("10%", None, 10)


@dataclass(frozen=True, slots=True)
class Extra:
    """An object that no line of the manifest names. `post` still shows it, if any does."""

    target: Destination
    info: ObjectInfo
    post: str | None


@dataclass(slots=True)
class PruneResult:
    """`doomed` were deleted or would be; `kept` are extra too, and a post still names them.

    `doubts` are why nothing may be deleted. They are findings only where that was asked for.
    """

    summary: dict[str, int | float]
    findings: Sequence[Finding]
    doomed: Sequence[Extra]
    kept: Sequence[Extra]
    doubts: Sequence[Finding]


def prune(parts: Parts, engine: Engine, options: PruneOptions, progress: Progress) -> PruneResult:
    """List what no line of the manifest names, and delete it with `yes` and without a doubt.

    All is decided before the first object goes: any doubt about the posts, the manifest or the
    number of objects is a refusal, and then nothing is deleted anywhere.
    """
    started = monotonic()
    manifest, _ = parts.manifest.load()
    scanned = scan(*parts.posts.find())
    findings = FindingLog(progress.finding, scanned.findings)
    extras, totals = _list(parts, manifest, scanned, findings, progress)
    doubts = [
        *_doubts(manifest, scanned, findings),
        *_too_many(parts.destinations, extras, totals, options.max_delete),
    ]
    doomed = [extra for extra in extras if extra.post is None]
    kept = [extra for extra in extras if extra.post is not None]
    for extra in kept:
        progress.event("kept", **_members(extra), post=extra.post)
    if options.yes:
        findings.extend(doubts)
    if options.yes and not doubts:
        doomed = _delete(engine, doomed, findings, progress)
    else:
        for extra in doomed:
            progress.event("extra" if doubts else "would-delete", **_members(extra))
    counts = {
        "posts": len(scanned.posts),
        "assets": len(manifest.assets),
        "objects": sum(totals.values()),
        "extra": len(extras),
        "kept": len(kept),
        "deleted": len(doomed) if options.yes and not doubts else 0,
    }
    return PruneResult(summary(counts, findings, started), findings, doomed, kept, doubts)


def _members(extra: Extra) -> dict[str, object]:
    return {"destination": extra.target.name, "key": extra.info.key, "size": extra.info.size}


def _doubts(manifest: Manifest, scanned: Scanned, findings: Sequence[Finding]) -> Iterator[Finding]:
    if not manifest.by_key:
        message = "names no object, so every object would go; is it the right one?"
        yield Finding(Rule.PRUNE_REFUSED, "the manifest", message)
    failed = [finding for finding in findings if finding.rule.outcome is Outcome.FAILURE]
    if not failed and not scanned.posts:
        message = "there is none, so nothing would be kept for them; see [posts] in mirror.toml"
        yield Finding(Rule.PRUNE_REFUSED, "the posts", message)
    if failed:
        message = (
            f"{failed[0].subject} could not be scanned ({len(failed)} in all), so it is not known "
            "which objects it shows; put that right first"
        )
        yield Finding(Rule.PRUNE_REFUSED, "the posts", message)


def _list(
    parts: Parts,
    manifest: Manifest,
    scanned: Scanned,
    findings: FindingLog,
    progress: Progress,
) -> tuple[list[Extra], dict[str, int]]:
    """What is extra in each destination, and how many objects each holds."""
    found: list[tuple[Destination, ObjectInfo]] = []
    totals: dict[str, int] = {}
    for target in parts.destinations:
        progress.stage(f"list {target.name}", None, "objects")
        infos = []
        total = 0
        try:
            for info in target.store.list():
                total += 1
                progress.advance()
                infos += [info] if info.key not in manifest.by_key else []
        except StoreError as error:
            findings.append(unreachable(target, error))
            continue
        totals[target.name] = total
        found += [(target, info) for info in infos]
    texts = findings.sift(_texts(scanned))
    shown = mentions(texts, parts.destinations, {info.key for _, info in found})
    return [Extra(target, info, shown.get(info.key)) for target, info in found], totals


def _too_many(
    targets: Iterable[Destination],
    extras: Sequence[Extra],
    totals: Mapping[str, int],
    limit: MaxDelete,
) -> Iterator[Finding]:
    for target in targets:
        count = sum(one.target is target and one.post is None for one in extras)
        total = totals.get(target.name, 0)
        if not limit.allows(count, total):
            message = (
                f"{count} of {total} objects would go, more than --max-delete {limit.text}; look "
                f"at the list, and if it is right run again with --max-delete {count}"
            )
            yield Finding(Rule.PRUNE_REFUSED, target.name, message)


def _delete(
    engine: Engine, doomed: Sequence[Extra], findings: FindingLog, progress: Progress
) -> list[Extra]:
    """Return what is gone."""
    gone = []
    progress.stage("delete", len(doomed), "objects")
    for result in engine.map(_delete_one, doomed, _WORKERS):
        progress.advance(failed=isinstance(result, Finding))
        if isinstance(result, Finding):
            findings.append(result)
        else:
            gone.append(result)
            progress.event("deleted", **_members(result))
    return gone


def _delete_one(extra: Extra) -> Extra | Finding:
    try:
        extra.target.store.delete(extra.info.key)
    except StoreError as error:
        return Finding(Rule.NOT_DELETED, extra.info.key, str(error))
    return extra


# --- What posts still name --------------------------------------------------------------------


def _texts(scanned: Scanned) -> Iterator[tuple[str, str] | Finding]:
    """Name and text of every post, and its URLs as decoded, whose host may be spelled in any way.

    A finding for a post that cannot be read any more.
    """
    for one in scanned.posts:
        data = one.post.read()
        if isinstance(data, Finding):
            yield data
        else:
            yield one.post.name, data.decode(one.encoding or "utf-8", "replace")
            yield one.post.name, "\n".join(ref.url.raw for ref in one.references)


def mentions(
    posts: Iterable[tuple[str, str]], targets: Iterable[Destination], keys: Collection[str]
) -> Mapping[str, str]:
    """Which of `keys` stand in posts (name and text) as a public URL, and in which post first.

    Looked for in the text as such, so code, comments and syntaxes that no scanner knows count;
    scheme, letter case of the host, escapes and entities do not matter. In doubt it is a mention.
    """
    bases = [t.settings.public_url for t in targets if t.settings.public_url is not None]
    found: dict[str, str] = {}
    lengths = sorted({len(key) for key in keys})
    if not bases or not lengths:
        return found
    names = "|".join(sorted({re.escape(re.sub(r"^https?:", "", base)) for base in bases}))
    # A character takes up to twelve: percent-encoded UTF-8, or an entity. Looked ahead, because
    # the next URL may begin where nothing ends this one.
    pattern = re.compile(rf"(?:{names})/(?=([^\r\n]{{1,{12 * lengths[-1]}}}))", re.IGNORECASE)
    for name, text in posts:
        for match in pattern.finditer(text.replace("\\/", "/")):
            for key in _keys_at(match[1], keys, lengths):
                found.setdefault(key, name)
    return found


def _keys_at(text: str, keys: Collection[str], lengths: Sequence[int]) -> Iterator[str]:
    """The keys that `text` begins with, in any of the ways it may be spelled."""
    plain = html.unescape(text)
    for spelling in {text, plain, unquote(text), unquote(plain)}:
        for length in lengths:
            if spelling[:length] in keys:
                yield spelling[:length]
