"""Repoint all posts, or point them back: bytes of URLs change, nothing else."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import monotonic

from mirror.amounts import count_text
from mirror.destinations import Destination, asset_of, is_mirrored, meant_target
from mirror.files import Checksum
from mirror.manifest import Manifest
from mirror.model import Finding, Reference, Rule
from mirror.pipeline.parts import Parts
from mirror.pipeline.post_edit import (
    PostEdit,
    edit_post,
    edit_where_possible,
    point_back,
    repoint,
    write_post,
)
from mirror.pipeline.progress import FindingLog, Progress, summary
from mirror.pipeline.scan import ScannedPost, SiteScan
from mirror.pipeline.targets import Resolve
from mirror.posts import sweep_beside
from mirror.records import Record, StateError
from mirror.rewrites import Memory, PostSnapshot, Rewrite
from mirror.urls.redact import has_hidden


@dataclass(slots=True)
class RewriteResult:
    """`changed` are the posts that were changed, or would be where nothing is written."""

    changed: Sequence[PostEdit]
    summary: dict[str, int | float]
    findings: FindingLog


@dataclass(frozen=True, slots=True)
class RewriteInput:
    """The posts, whether they are written, and whether they keep the time of their last change."""

    scanned: SiteScan
    progress: Progress
    write: bool
    keep_times: bool = False


@dataclass(frozen=True, slots=True)
class RewriteMemory:
    """The memory of the URLs that stood in posts, its file, and the checksum of that when read."""

    memory: Memory
    record: Record[Sequence[Rewrite]]
    checksum: Checksum | None

    @classmethod
    def load(
        cls,
        record: Record[Sequence[Rewrite]],
        manifest: Manifest,
        destinations: Sequence[Destination],
        root: Path,
    ) -> RewriteMemory:
        """Read the memory of the posts below `root`. Raise `RecordError`."""
        lines, checksum = record.load()

        def exists(name: str) -> bool:
            return os.path.exists(root / name)  # noqa: PTH110  (False for a name that cannot be)

        memory = Memory(
            lines,
            manifest,
            partial(asset_of, destinations, manifest),
            exists,
            partial(meant_target, destinations, manifest),
        )
        return cls(memory, record, checksum)

    def save(self, lines: Sequence[Rewrite], changed: int) -> None:
        """Keep these lines in place of those before.

        Raise `StateError`, which says that `changed` posts were changed before.
        """
        if not lines and self.checksum is None:
            return
        try:
            self.record.save(lines, self.checksum)
        except StateError as error:
            posts = count_text(changed, "post was", "posts were") if changed else "no post was"
            rest = "; the lines about what was changed stay in this file" if changed else ""
            raise type(error)(f"{error}; {posts} changed before that{rest}") from error


def rewrite(
    inputs: RewriteInput, resolve: Resolve, kept: RewriteMemory | None = None
) -> RewriteResult:
    """Repoint every post that `resolve` has a new URL for.

    What stood there is `kept` on disk before the first post is written, so that a run killed at any
    moment can be reverted. Without it (`--map`) nothing is remembered.
    """
    started = monotonic()
    scanned, memory = inputs.scanned, kept.memory if kept is not None else None
    findings = FindingLog(inputs.progress.finding, scanned.findings)
    changes: list[PostEdit] = []
    for scanned_post, data in _read(scanned.posts, findings):
        recalled = memory.recall(_snapshot(scanned_post, data)) if memory is not None else {}
        edits = list(findings.sift(repoint(scanned, scanned_post, recalled, resolve)))
        changes += findings.sift(edit_where_possible(scanned_post, data, edits))
    findings.extend(_moved_anchors(scanned.anchors, changes))
    if kept is not None:
        findings.extend(_dropped_secrets(changes))
        if inputs.write:
            lines = kept.memory.after_rewrite((change.before, change.after) for change in changes)
            kept.save(lines, changed=0)
    return _write(inputs, changes, findings, started)


def revert(
    inputs: RewriteInput, kept: RewriteMemory, destinations: Sequence[Destination]
) -> RewriteResult:
    """Give each mirrored reference its own URL back; one that cannot be told is a finding."""
    started = monotonic()
    findings = FindingLog(inputs.progress.finding, inputs.scanned.findings)
    memory = kept.memory
    looks_mirrored = partial(is_mirrored, destinations)
    changes: list[PostEdit] = []
    for scanned_post, data in _read(inputs.scanned.posts, findings):
        snapshot = _snapshot(scanned_post, data)
        recalled = memory.recall(snapshot)
        findings.extend(memory.unknown(snapshot, recalled, looks_mirrored))
        findings.extend(_without_secret(scanned_post, recalled))
        recalled = {
            reference: line for reference, line in recalled.items() if not has_hidden(line.source)
        }
        edits = list(findings.sift(point_back(scanned_post, recalled)))
        change = edit_post(scanned_post, data, edits)
        if isinstance(change, Finding):  # the reference was moved into another syntax meanwhile
            edits = list(findings.sift(point_back(scanned_post, recalled, respell=True)))
            changes += findings.sift(edit_where_possible(scanned_post, data, edits))
        elif change is not None:
            changes.append(change)
    result = _write(inputs, changes, findings, started)
    if inputs.write:
        lines = memory.after_revert((change.before, change.after) for change in result.changed)
        kept.save(lines, len(result.changed))
    return result


def memory_of(parts: Parts, manifest: Manifest) -> RewriteMemory:
    """Load the memory of a site's rewrites. Raise `RecordError`."""
    return RewriteMemory.load(parts.rewrites, manifest, parts.destinations, parts.config.root)


def memory_to_revert(parts: Parts) -> RewriteMemory:
    """Load the memory of a site's rewrites, and the manifest, by which `revert` can tell the rest.

    Raise `ManifestError` where there is neither.
    """
    manifest, _ = parts.manifest.load()
    kept = memory_of(parts, manifest)
    if kept.memory.is_empty:
        parts.manifest.need()
    return kept


def _without_secret(
    scanned_post: ScannedPost, recalled: Mapping[Reference, Rewrite]
) -> Iterator[Finding]:
    """Yield a finding for each reference whose source had a secret, which is kept nowhere."""
    for reference, line in recalled.items():
        if has_hidden(line.source):
            yield reference.place_in(scanned_post.name).finding(
                Rule.NOT_REVERTED,
                str(reference.url),
                f"stays as it is: the secret of {line.source} is kept nowhere; edit it by hand",
            )


def _read(
    scanned_posts: Iterable[ScannedPost], findings: FindingLog
) -> Iterator[tuple[ScannedPost, bytes]]:
    """Yield the posts with the bytes they were scanned from."""
    for scanned_post in scanned_posts:
        data = scanned_post.read()
        if isinstance(data, Finding):
            findings.append(data)
        else:
            yield scanned_post, data


def _snapshot(scanned_post: ScannedPost, data: bytes) -> PostSnapshot:
    return PostSnapshot(scanned_post.name, data, scanned_post.references)


def _moved_anchors(anchors: Iterable[Finding], changes: Iterable[PostEdit]) -> Iterator[Finding]:
    by_post: dict[str | None, list[Finding]] = {}
    for finding in anchors:
        by_post.setdefault(finding.post, []).append(finding)
    for change in changes:
        if change.name in by_post:
            lines = {edit.reference.line for edit in change.edits}
            yield from (finding for finding in by_post[change.name] if finding.line in lines)


def _dropped_secrets(changes: Iterable[PostEdit]) -> Iterator[Finding]:
    """Yield a finding for each URL with a secret, which no file of ours keeps."""
    for change in changes:
        for ref in (edit.reference for edit in change.edits):
            if ref.url.raw != ref.url.public:
                message = "its signature or key is kept nowhere: `--revert` gives it back without"
                place = ref.place_in(change.name)
                yield place.finding(Rule.SECRET_IN_POST, str(ref.url), message)


def _write(
    inputs: RewriteInput, changes: Sequence[PostEdit], findings: FindingLog, started: float
) -> RewriteResult:
    changed = []
    if inputs.write:
        sweep_beside(scanned_post.post for scanned_post in inputs.scanned.posts)
    inputs.progress.stage("rewrite", len(changes), "posts")
    for change in changes:
        failure = write_post(change, keep_times=inputs.keep_times) if inputs.write else None
        inputs.progress.advance(failed=failure is not None)
        if failure is not None:
            findings.append(failure)
            continue
        changed.append(change)
        kind = "rewritten" if inputs.write else "would-rewrite"
        inputs.progress.event(kind, post=change.name, references=change.edit_count)
    counts = {
        **inputs.scanned.tally(),
        "rewritten_posts": len(changed),
        "rewritten_references": sum(change.edit_count for change in changed),
    }
    return RewriteResult(changed, summary(counts, findings, started), findings)
