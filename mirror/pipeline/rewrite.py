"""Repoint posts, or point them back: bytes of URLs change, nothing else."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import unified_diff
from functools import cached_property, partial
from hashlib import sha256
from itertools import chain, zip_longest
from time import monotonic

from mirror.destinations import Depth, Destination, asset_of, difference
from mirror.files import ChangedError, write_whole
from mirror.manifest import Manifest, Object
from mirror.markdown import find_references, spell, splice
from mirror.model import Asset, Finding, Key, Reference, Rule, Span
from mirror.pipeline.parts import Parts
from mirror.pipeline.progress import FindingLog, Progress, summary
from mirror.pipeline.scan import Scanned, ScannedPost
from mirror.posts import sweep_beside
from mirror.rewrites import Occurrence, Rewrite, agreement, marks, occurrence, recall, updated
from mirror.store import ObjectInfo, StoreError
from mirror.urls.address import Address, Url
from mirror.urls.redact import hide_secrets

Resolve = Callable[[Reference, "Url | None"], "str | Finding | None"]
"""The URL to write in place of a reference's; why not; or nothing to say.

The second argument is the source that stood there before, where a mirrored URL stands now.
"""


@dataclass(frozen=True, slots=True)
class Edit:
    """One reference and what is written in its place, spelled for where it stands."""

    reference: Reference
    text: str
    url: str


@dataclass(frozen=True, slots=True)
class PostEdit:
    """A post before and after."""

    scanned: ScannedPost
    before: bytes = field(repr=False)
    after: bytes = field(repr=False)
    edits: tuple[Edit, ...]


@dataclass(slots=True)
class RewriteResult:
    """`changed` are the posts that were, or with `check` or `dry_run` would be, changed."""

    changed: Sequence[PostEdit]
    summary: dict[str, int | float]
    findings: Sequence[Finding]


# --- What a reference becomes -----------------------------------------------------------------


def by_map(urls: Mapping[str, str]) -> Resolve:
    """Look a URL up exactly as decoded."""
    return lambda reference, _: urls.get(reference.url.raw)


@dataclass(frozen=True, slots=True)
class ByManifest:
    """The mirrored picture of a source, or the better one that stands for a mirrored one.

    A reference is only repointed at an object that `proof` saw.
    """

    parts: Parts
    manifest: Manifest
    target: Destination
    proof: Proof

    def __call__(self, reference: Reference, before: Url | None) -> str | Finding | None:
        url = before or reference.url
        asset = asset_of(self.parts.destinations, self.manifest, url)
        if asset is None:
            if (located := self.parts.locator.locate(url)) is None:
                return None
            if (asset := self.manifest.find(located.address)) is None:
                return self._not_mirrored(located.address)
        shown = self.manifest.shown_for(asset)
        if shown.key is None:
            message = "stays as it is: it is in no destination; `mirror sync` says why"
            return Finding(Rule.NOT_REPOINTED, str(url), message)
        if (new := self.target.public_url(shown.key)) is None:
            return None
        new += url.fragment
        if new == reference.url.raw:
            return None
        if (trouble := self.proof.trouble(shown)) is not None:
            return Finding(Rule.NOT_PROVEN, str(url), trouble)
        return new

    def _not_mirrored(self, address: Address) -> Finding | None:
        if address in self.parts.config.ignored:
            return None
        return Finding(Rule.NOT_REPOINTED, address, "is not mirrored yet; `mirror sync` fetches it")


class Proof:
    """Which objects a destination really holds, by one listing; read back where that is not
    enough."""

    def __init__(self, target: Destination) -> None:
        """Raise `StoreError` if the destination cannot be listed."""
        self._target = target
        self._listing: dict[Key, ObjectInfo] = {info.key: info for info in target.store.list()}
        self._seen: dict[Key, str | None] = {}

    def trouble(self, asset: Asset) -> str | None:
        """Why nobody may be pointed at this object; `None` when it is there, byte for byte."""
        assert asset.key is not None  # noqa: S101  (callers ask for objects only)
        if asset.key not in self._seen:
            self._seen[asset.key] = self._look(Object.of(asset))
        return self._seen[asset.key]

    def _look(self, expected: Object) -> str | None:
        where = f"{self._target.name}: {expected.key}"
        info = self._listing.get(expected.key)
        if info is None:
            return f"stays as it is: {where} is missing; run `mirror sync`"
        try:
            found = difference(self._target.store, expected, info, Depth.READ)
        except StoreError as error:
            return f"stays as it is: {error}"
        if found is None:
            return None
        return f"stays as it is: {where} holds other bytes ({found}); run `mirror repair`"


# --- Editing a post ---------------------------------------------------------------------------


def edit_post(
    scanned: ScannedPost, data: bytes, edits: Sequence[Edit]
) -> PostEdit | Finding | None:
    """Splice `edits` into a post and prove the result by scanning it again.

    `None` when nothing changes; a finding, and no change, when the proof fails.
    """
    after = splice(data, scanned.encoding, [(edit.reference.span, edit.text) for edit in edits])
    if after == data:
        return None
    new = {edit.reference.span: edit.url for edit in edits}
    expected = [new.get(ref.span, ref.url.raw) for ref in scanned.references]
    name = scanned.post.name
    found = [ref.url.raw for ref in find_references(after, name).references]
    if found != expected:
        return _not_as_intended(scanned, edits, found, expected)
    return PostEdit(scanned, data, after, tuple(edits))


def _not_as_intended(
    scanned: ScannedPost, edits: Sequence[Edit], found: Sequence[str], expected: Sequence[str]
) -> Finding:
    """The finding for a post that would not read back; names the edit where that begins."""
    pairs = zip_longest(found, expected)
    first = next(number for number, (one, other) in enumerate(pairs) if one != other)
    before = {ref.span for ref in scanned.references[: first + 1]}
    edit = next((one for one in reversed(edits) if one.reference.span in before), edits[0])
    message = (
        f"the post was left as it is: with {Url(edit.url)} here it would not read back as "
        "intended; a URL without commas and brackets can stand anywhere, or write this image as "
        "`![](…)`"
    )
    ref = edit.reference
    name = scanned.post.name
    return Finding(Rule.POST_NOT_WRITTEN, str(ref.url), message, name, ref.line, ref.column)


def repoint(
    scanned: Scanned, one: ScannedPost, told: Mapping[Reference, Rewrite], resolve: Resolve
) -> Iterator[Edit | Finding]:
    """What `resolve` has a new URL for, spelled for where it stands."""
    for ref in one.references:
        if not ref.form.is_rewritten or not scanned.counts(ref):
            continue
        new = resolve(ref, Url(told[ref].source) if ref in told else None)
        if isinstance(new, str) and new != ref.url.raw:
            try:
                yield Edit(ref, spell(new, ref.quoting), new)
            except ValueError as error:
                message = f"{Url(new)} cannot be written here: {error}"
                new = Finding(Rule.POST_NOT_WRITTEN, str(ref.url), message)
        if isinstance(new, Finding):
            place = (one.post.name, ref.line, ref.column)
            yield Finding(new.rule, new.subject, new.message, *place)


def write_post(edit: PostEdit) -> Finding | None:
    """Replace the post, whole, unless it changed since it was read."""
    post = edit.scanned.post
    try:
        write_whole(post.path, edit.after, expected=edit.before)
    except ChangedError:
        message = "was changed by someone else meanwhile and was left as it is; run again"
        return Finding(Rule.POST_CHANGED, post.name, message, post.name)
    except OSError as error:
        message = f"cannot be written: {error.strerror}; it is as it was"
        return Finding(Rule.POST_NOT_WRITTEN, post.name, message, post.name)
    return None


def diff(edit: PostEdit) -> str:
    """A unified diff of the post, without the secrets that stand in it, changed or not.

    `git apply` takes it, from the folder of the configuration, for a post in UTF-8 without secrets.
    """
    one = edit.scanned
    old = {
        ref.span: spell(ref.url.public, ref.quoting)
        for ref in one.references
        if ref.url.raw != ref.url.public
    }
    new = old | {each.reference.span: each.text for each in edit.edits}
    before, after = (
        # What is no reference, such as a link to a file, may be signed as well.
        hide_secrets(splice(edit.before, one.encoding, sorted(texts.items())).decode(one.encoding))
        for texts in (old, new)
    )
    name = one.post.name
    lines = unified_diff(_lines(before), _lines(after), f"a/{name}", f"b/{name}")
    return "".join(
        line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines
    )


def _lines(text: str) -> list[str]:
    """Split behind line feeds only, as `diff` and `git` do: a CR belongs to its line."""
    return re.findall(r"[^\n]*\n|[^\n]+", text)


# --- The commands -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Context:
    """What both directions share. Without a `site` (`--map`) nothing is remembered."""

    scanned: Scanned
    progress: Progress
    write: bool
    parts: Parts | None = None


def rewrite(context: Context, resolve: Resolve) -> RewriteResult:
    """Repoint every post that `resolve` has a new URL for.

    What stood there is remembered on disk before the first post is written, so that a run killed
    at any moment can be reverted.
    """
    started = monotonic()
    findings = FindingLog(context.progress.finding, context.scanned.findings)
    memory = Memory(context.parts) if context.parts is not None else None
    changes: list[PostEdit] = []
    for one, data in _read(context.scanned, findings):
        told = memory.tell(one, data) if memory is not None else {}
        edits = list(findings.sift(repoint(context.scanned, one, told, resolve)))
        changes += findings.sift(_present(edit_post(one, data, edits)))
    findings.extend(_moved_anchors(context.scanned, changes))
    findings.extend(_unsigned(changes))
    if context.write and memory is not None:
        memory.remember(changes)
    return _write(context, changes, findings, started)


def _moved_anchors(scanned: Scanned, changes: Iterable[PostEdit]) -> Iterator[Finding]:
    lines = {(c.scanned.post.name, e.reference.line) for c in changes for e in c.edits}
    return (finding for finding in scanned.anchors if (finding.post, finding.line) in lines)


def _unsigned(changes: Iterable[PostEdit]) -> Iterator[Finding]:
    for change in changes:
        for ref in (edit.reference for edit in change.edits):
            if ref.url.raw != ref.url.public:
                message = "its signature or key is kept nowhere: `--revert` gives it back without"
                post = change.scanned.post.name
                yield Finding(
                    Rule.SECRET_IN_POST, str(ref.url), message, post, ref.line, ref.column
                )


def revert(context: Context, parts: Parts) -> RewriteResult:
    """Give each mirrored reference its own URL back; what cannot be told is left, and said."""
    started = monotonic()
    findings = FindingLog(context.progress.finding, context.scanned.findings)
    memory = Memory(parts)
    if memory.is_empty:
        parts.manifest.need()
    changes: list[PostEdit] = []
    for one, data in _read(context.scanned, findings):
        told = memory.tell(one, data)
        findings.extend(memory.untold(one, told))
        change = edit_post(one, data, _as_it_was(told))
        if isinstance(change, Finding):  # the reference was moved into another syntax meanwhile
            change = edit_post(one, data, _as_it_is_spelled(told))
        changes += findings.sift(_present(change))
    result = _write(context, changes, findings, started)
    if context.write:
        memory.forget(result.changed)
    return result


def _as_it_was(told: Mapping[Reference, Rewrite]) -> list[Edit]:
    return [Edit(ref, one.spelling or one.source, one.source) for ref, one in told.items()]


def _as_it_is_spelled(told: Mapping[Reference, Rewrite]) -> list[Edit]:
    return [Edit(ref, spell(one.source, ref.quoting), one.source) for ref, one in told.items()]


def _present(change: PostEdit | Finding | None) -> Iterator[PostEdit | Finding]:
    if change is not None:
        yield change


def _read(scanned: Scanned, findings: FindingLog) -> Iterator[tuple[ScannedPost, bytes]]:
    """Yield the posts with the bytes they were scanned from."""
    for one in scanned.posts:
        data = one.post.read()
        if isinstance(data, Finding):
            findings.append(data)
        elif sha256(data).digest() != one.digest:
            message = "was changed by someone else meanwhile and was left as it is; run again"
            findings.append(Finding(Rule.POST_CHANGED, one.post.name, message, one.post.name))
        else:
            yield one, data


def _write(
    context: Context, changes: Sequence[PostEdit], findings: FindingLog, started: float
) -> RewriteResult:
    changed = []
    if context.write:
        sweep_beside(one.post for one in context.scanned.posts)
    context.progress.stage("rewrite", len(changes), "posts")
    for change in changes:
        trouble = write_post(change) if context.write else None
        context.progress.advance(failed=trouble is not None)
        if trouble is not None:
            findings.append(trouble)
            continue
        changed.append(change)
        kind = "rewritten" if context.write else "would-rewrite"
        context.progress.event(kind, post=change.scanned.post.name, references=len(change.edits))
    counts = {
        **context.scanned.tally(),
        "rewritten_posts": len(changed),
        "rewritten_references": sum(len(change.edits) for change in changed),
    }
    return RewriteResult(changed, summary(counts, findings, started), findings)


# --- What stood there -------------------------------------------------------------------------


class Memory:
    """`rewrites.jsonl`: which URL stood at each rewritten occurrence."""

    def __init__(self, parts: Parts) -> None:
        self._site = parts
        self._lines, self._old = parts.rewrites.load()
        self._manifest, _ = parts.manifest.load()
        self._by_target: dict[str, set[tuple[str, str]]] = {}
        self._sources: dict[Hashable, set[str]] = {}  # by mark
        self._of_post: dict[str, list[Rewrite]] = {}
        for line in self._lines:
            self._by_target.setdefault(line.target, set()).add((line.source, line.spelling))
            for mark in chain.from_iterable(marks(line)):
                self._sources.setdefault(mark, set()).add(line.source)
            self._of_post.setdefault(line.post, []).append(line)

    @property
    def is_empty(self) -> bool:
        return not self._lines

    def tell(self, one: ScannedPost, data: bytes) -> dict[Reference, Rewrite]:
        """What stood at each mirrored reference of a post, as far as it can be told."""
        found = self._occurrences(one, data)
        lines = self._of_post.get(one.post.name, ())
        told = recall(lines, list(found.values()))
        tied = {mark for line in lines for mark in marks(line)[1]}

        def is_loose(here: Occurrence) -> bool:
            """Whether nothing around it ties it to this post: then others are asked."""
            return tied.isdisjoint(marks(here)[1])

        told = {h: line for h, line in told.items() if not is_loose(h) or self._is_best(h, line)}
        loose = [here for here in found.values() if here not in told and is_loose(here)]
        told |= self._as_in_another(loose)
        return {
            ref: line
            for ref, where in found.items()
            if (line := told.get(where) or self._only_candidate(one, where)) is not None
        }

    def _is_best(self, here: Occurrence, line: Rewrite, *, least: int = 1) -> bool:
        """Whether no line, of any post, that says something else agrees by `least` sides more."""
        for shared in marks(here)[agreement(here, line) + least :]:
            if any(self._sources.get(mark, set()) - {line.source} for mark in shared):
                return False
        return True

    def _as_in_another(self, found: Sequence[Occurrence]) -> dict[Occurrence, Rewrite]:
        """For what was in another post before, which was renamed, or is copied from it.

        A post that is still there has to agree on both sides: on one, many do.
        """
        told: dict[Occurrence, Rewrite] = {}
        targets = {here.target for here in found}
        for name, lines in self._of_post.items():
            if targets.isdisjoint(line.target for line in lines):
                continue
            is_gone = name in self._gone
            for here, line in recall(lines, found).items():
                if is_gone or agreement(here, line) == 2:
                    told[here] = max(told.get(here, line), line, key=partial(agreement, here))
        return {here: line for here, line in told.items() if self._is_best(here, line, least=0)}

    @cached_property
    def _gone(self) -> set[str]:
        root = self._site.config.root
        return {name for name in self._of_post if not os.path.exists(root / name)}  # noqa: PTH110

    def untold(self, one: ScannedPost, told: Mapping[Reference, Rewrite]) -> Iterator[Finding]:
        for ref in one.references:
            if ref not in told and self._is_mirrored(ref):
                sources = sorted({source for source, _ in self._candidates(ref.url.raw)})
                known = f"one of {', '.join(sources)}" if sources else "no source is known"
                yield Finding(
                    Rule.NOT_REVERTED,
                    str(ref.url),
                    f"stays as it is: what stood here cannot be told ({known}); edit it by hand",
                    one.post.name,
                    ref.line,
                    ref.column,
                )

    def remember(self, changes: Iterable[PostEdit]) -> None:
        """Record what stood where, before any post is written."""
        lines = self._lines
        for change in changes:
            name = change.scanned.post.name
            old = self.tell(change.scanned, change.before)
            new = {edit.reference: edit for edit in change.edits}
            shifted = _shifted(change)
            now = []
            for ref in change.scanned.references:
                if ref not in new and ref not in old:
                    continue
                target = new[ref].url if ref in new else ref.url.raw
                here = occurrence(change.after, shifted[ref], target)
                source, spelling = _source_of(ref) if ref not in old else _kept(old[ref])
                now.append(Rewrite(name, target, source, here.before, here.after, spelling))
            lines = updated(lines, name, now, old.values())
        self._save(lines)

    def forget(self, changes: Iterable[PostEdit]) -> None:
        """Drop what was put back."""
        lines = self._lines
        for change in changes:
            told = self.tell(change.scanned, change.before)
            lines = updated(lines, change.scanned.post.name, (), told.values())
        self._save(lines)

    def _save(self, lines: Sequence[Rewrite]) -> None:
        if lines or self._old is not None:
            self._site.rewrites.save(list(lines), self._old)

    def _occurrences(self, one: ScannedPost, data: bytes) -> dict[Reference, Occurrence]:
        return {
            ref: occurrence(data, ref.span, ref.url.raw)
            for ref in one.references
            if self._is_mirrored(ref)
        }

    def _is_mirrored(self, ref: Reference) -> bool:
        url = ref.url.raw
        if not ref.form.is_rewritten:
            return False
        return (
            url in self._by_target
            or asset_of(self._site.destinations, self._manifest, ref.url) is not None
        )

    def _candidates(self, url: str) -> set[tuple[str, str]]:
        """What may have stood at a mirrored URL anywhere, as source and spelling."""
        if found := self._by_target.get(url):
            return found
        if (asset := asset_of(self._site.destinations, self._manifest, Url(url))) is None:
            return set()
        shown = (
            source
            for other in self._manifest.assets.values()
            if self._manifest.shown_for(other).digest == asset.digest
            for source in other.sources
        )
        return {(source + Url(url).fragment, "") for source in shown}

    def _only_candidate(self, one: ScannedPost, here: Occurrence) -> Rewrite | None:
        """For a reference that was copied from another post, or that no memory knows."""
        candidates = self._candidates(here.target)
        if len({source for source, _ in candidates}) != 1:
            return None
        source, spelling = min(candidates)
        if len(candidates) > 1:
            spelling = ""
        return Rewrite(one.post.name, here.target, source, here.before, here.after, spelling)


def _shifted(change: PostEdit) -> dict[Reference, Span]:
    """Where each reference stands after the edits."""
    added = {
        edit.reference: len(edit.text.encode(change.scanned.encoding)) for edit in change.edits
    }
    spans = {}
    shift = 0
    for ref in change.scanned.references:
        size = added.get(ref, ref.span.stop - ref.span.start)
        spans[ref] = Span(ref.span.start + shift, ref.span.start + shift + size)
        shift += size - (ref.span.stop - ref.span.start)
    return spans


def _source_of(ref: Reference) -> tuple[str, str]:
    """The URL without secrets, and its spelling where that is something else."""
    source = ref.url.public
    spelling = ref.spelling if source == ref.url.raw else spell(source, ref.quoting)
    return source, spelling if spelling != source else ""


def _kept(line: Rewrite) -> tuple[str, str]:
    return line.source, line.spelling
