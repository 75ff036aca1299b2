"""Repoint posts, or point them back: bytes of URLs change, nothing else.

Read from the top: what a reference becomes, how a post is edited and the edit proven, and the two
commands, which go through all posts.
"""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Callable, Collection, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import SequenceMatcher
from functools import cached_property, partial
from hashlib import sha256
from itertools import zip_longest
from pathlib import Path
from time import monotonic
from typing import Literal
from urllib.parse import unquote

from mirror.destinations import (
    Depth,
    Destination,
    Listed,
    asset_of,
    compare_listed,
    difference,
)
from mirror.files import ChangedError, Checksum, write_whole
from mirror.generators import generator_of
from mirror.manifest import Manifest, Object
from mirror.markdown import find_references, spell, splice
from mirror.model import Asset, Digest, Finding, Key, Reference, Rule, Span
from mirror.pipeline.hold import Suspect
from mirror.pipeline.packed_references import PackedReferences
from mirror.pipeline.parts import Parts
from mirror.pipeline.progress import FindingLog, Progress, summary
from mirror.pipeline.repeat_proof import RepeatProof
from mirror.pipeline.scan import ScannedPost, SiteScan
from mirror.pipeline.source_proof import SourceProof
from mirror.posts import Post, sweep_beside
from mirror.rewrites import Memory, PostSnapshot, Rewrite, is_source
from mirror.site_index import KEY_IN_USE, SiteIndexError, used_by_others
from mirror.store import DirectoryStore, ObjectInfo, PackedListing, StoreError
from mirror.urls.address import Address, Url, identity, parse
from mirror.urls.redact import has_hidden, hide_secrets
from mirror.urls.sources import Locator

# --- What a reference becomes -----------------------------------------------------------------

Resolve = Callable[[Post, Reference, "Url | None"], "str | Finding | None"]
"""Return the URL to write in place of a reference, a finding, or `None` to leave it without a word.

The last argument is the source that stood there before, if a mirrored URL stands there now.
"""


@dataclass(frozen=True, slots=True)
class ByMap:
    """Look a URL up exactly as decoded, and remember which keys of the map it met."""

    urls: Mapping[str, str]
    met: set[str] = field(default_factory=set)

    def __call__(self, post: Post, reference: Reference, before: Url | None) -> str | None:
        self.met.add(reference.url.raw)
        return self.urls.get(reference.url.raw)

    def unused(self) -> Iterator[Finding]:
        """Yield a warning for each key that no reference had."""
        for key in sorted(self.urls.keys() - self.met):
            message = "this key of the map is the URL of no image in the posts, as it is spelled"
            yield Finding(Rule.ENTRY_UNUSED, Url(key).public, message)


@dataclass(frozen=True, slots=True)
class ByManifest:
    """The public URL of the asset that stands for a source, at `destination`.

    `destinations` are all whose URLs may stand in posts. A reference is only repointed at an object
    that `proof` saw, and only if `--revert` can bring back what stood there. It shows the picture
    that it meant before, or one that `repeats` proves to be the same, or one that a person chose.
    `sources` prove the picture of the manifest for the address of a source.
    `reasons` say why the last sync did not take an image, by the identity of its address;
    `suspects` wait for a person's word.
    """

    locator: Locator
    destinations: Sequence[Destination]
    ignored: Container[str]
    manifest: Manifest
    destination: Destination
    proof: Proof
    repeats: RepeatProof
    sources: SourceProof
    drop_secrets: bool = False
    reasons: Mapping[str, str] = field(default_factory=dict)
    suspects: Mapping[str, Suspect] = field(default_factory=dict)

    def __call__(
        self, post: Post, reference: Reference, before: Url | None
    ) -> str | Finding | None:
        current = post.from_root(reference.url)
        url = before or current
        asset = self._asset_of(url, is_repointed=before is not None)
        if not isinstance(asset, Asset):
            return asset
        shown = self.manifest.shown_for(asset)
        standing = self._standing(current, is_repointed=before is not None)
        problem = None
        if before is not None and standing is None:
            message = (
                "stays as it is: it shows an object that no line of the manifest names, so nothing "
                "proves that the picture of the manifest is the same; `mirror rewrite --revert` "
                "goes back to the source"
            )
            return Finding(Rule.REPEAT_NOT_PROVEN, str(url), message)
        meant = standing or asset
        if not self._may_show(shown, meant, asset, url):
            problem = _not_proven(meant, shown, self.repeats.problem(meant, shown) or "")
            shown = meant
        if shown.key is None:
            message = problem or "stays as it is: it is in no destination; `mirror sync` says why"
            rule = Rule.REPEAT_NOT_PROVEN if problem else Rule.NOT_REPOINTED
            return Finding(rule, str(url), message)
        target = self.destination.public_url(shown.key)
        link = self.destination.link(shown.key, post.name)
        if target is None or link is None:
            return None
        if target + url.fragment == current.raw:
            return Finding(Rule.REPEAT_NOT_PROVEN, str(url), problem) if problem else None
        if (obstacle := self._obstacle(post, reference, url)) is not None:
            return obstacle
        if (problem := self.proof.problem(shown)) is not None:
            return Finding(Rule.NOT_PROVEN, str(url), problem)
        return link + url.fragment

    def _obstacle(self, post: Post, reference: Reference, url: Url) -> Finding | None:
        """Return a finding for a reference that cannot take the link, or give back its source."""
        rule = Rule.NOT_REPOINTED
        if not self.destination.takes_link(post.name, reference):
            message = (
                "stays as it is: a relative link leads to the file in Markdown only, and only from "
                "a post in the folder of mirror.toml; write this image as `![](…)`, or set "
                "`public_url` in place of `links`"
            )
        elif has_hidden(url.public) and not self.drop_secrets:
            rule = Rule.SECRET_KEPT
            message = (
                "stays as it is: `--revert` could not bring its secret back, which is kept "
                "nowhere; `mirror rewrite --drop-secrets` repoints it all the same"
            )
        elif not is_source(url.public):
            message = (
                "stays as it is: `--revert` could not bring it back, because it is no http(s) URL "
                "or path in one line; write it without line ends and control characters"
            )
        else:
            return None
        return Finding(rule, str(url), message)

    def _asset_of(self, url: Url, *, is_repointed: bool) -> Asset | Finding | None:
        """Return the asset that the manifest has for a mirrored URL or a source."""
        asset = asset_of(self.destinations, self.manifest, url)
        if asset is not None or (located := self.locator.locate(url)) is None:
            return asset
        if (asset := self.manifest.find(located.address)) is None:
            return self._not_mirrored(located.address)
        if not is_repointed and self.sources.is_doubtful(located.address, asset):
            message = (
                "stays as it is: the picture that the manifest has for it never came from it here; "
                "`mirror sync` asks its host"
            )
            return Finding(Rule.SOURCE_NOT_PROVEN, str(url), message)
        suspect = self.suspects.get(identity(located.address))
        if suspect is not None and not is_repointed:
            return Finding(Rule.REDIRECTED_TOGETHER, str(url), str(suspect))
        return asset

    def _standing(self, url: Url, *, is_repointed: bool) -> Asset | None:
        """Return the asset that a repointed reference shows, also after its destination moved."""
        asset = asset_of(self.destinations, self.manifest, url)
        if asset is None and is_repointed:
            parts = unquote(url.raw.partition("#")[0]).split("/")
            keys = (Key("/".join(parts[start:])) for start in range(1, len(parts)))
            asset = next((a for key in keys if (a := self.manifest.by_key.get(key))), None)
        return asset

    def _may_show(self, shown: Asset, meant: Asset, asset: Asset, url: Url) -> bool:
        """Return True if a reference that means one picture may show another.

        `asset` is the one that the manifest has for the reference, and `shown` stands for it. A
        person may have accepted `asset` for the address, or parted it from what was shown.
        """
        if self.repeats.problem(meant, shown) is None:
            return True
        if asset.digest == meant.digest:
            return False
        located = self.locator.locate(url)
        if located is not None and self.repeats.is_accepted(located.address, asset):
            return self.repeats.problem(asset, shown) is None
        return shown.digest == asset.digest and self.repeats.is_parted(asset, meant)

    def _not_mirrored(self, address: Address) -> Finding | None:
        if address in self.ignored:
            return None
        reason = self.reasons.get(identity(address))
        remedy = f"the last sync says: {reason}" if reason else "`mirror sync` fetches it"
        return Finding(Rule.NOT_REPOINTED, address, f"is not mirrored yet; {remedy}")


def unfollowed_links(root: Path, destination: Destination) -> str | None:
    """Return why relative links of posts lead nowhere on the pages that a generator makes of them.

    `None` if they do, as far as is known, or if the destination has no such links.
    """
    store = destination.store
    if not destination.has_relative_links or not isinstance(store, DirectoryStore):
        return None
    generator = generator_of(root, store.root)
    if generator is None or generator.follows_links:
        return None
    return (
        f'links = "relative": {generator.name} does not follow relative links to files, and its '
        "pages are at another depth than the posts"
    )


def _not_proven(meant: Asset, shown: Asset, reason: str) -> str:
    return (
        f"stays as it is: it means picture {meant.digest}, the manifest now has {shown.digest} for "
        f"it, and nothing proves that they are one ({reason}). Restore the lines of the manifest; "
        "if they are one, `mirror dupes --merge` with both records it"
    )


class Proof:
    """The objects that a destination holds, by one listing; read back where it proves nothing."""

    def __init__(
        self, destination: Destination, keys: Collection[Key] = (), site: str | None = None
    ) -> None:
        """Take the keys and the name of this site. Raise `StoreError` without a listing."""
        self._destination = destination
        self._keys = keys
        self._site = site
        self._listing = PackedListing(destination.store.list())
        self._problems: dict[Key, str | None] = {}

    def problem(self, asset: Asset) -> str | None:
        """Return the reason not to point a post at this object; `None` if its bytes are right."""
        expected = Object.of(asset)
        info = self._listing.get(expected.key)
        if info and compare_listed(expected.size, expected.md5, info) is Listed.EQUAL:
            return None
        if expected.key not in self._problems:  # only these are kept: few, and they may be read
            self._problems[expected.key] = self._compare(expected, info)
        return self._problems[expected.key]

    def _compare(self, expected: Object, info: ObjectInfo | None) -> str | None:
        where = f"{self._destination.name}: {expected.key}"
        if info is None:
            return f"stays as it is: {where} is missing; {self._sync_or_why_not(expected)}"
        try:
            mismatch = difference(self._destination.store, expected, info, Depth.READ)
        except StoreError as error:
            return f"stays as it is: {error}"
        if mismatch is None:
            return None
        remedy = self._repair_or_why_not(expected)
        return f"stays as it is: {where} holds other bytes ({mismatch}); {remedy}"

    def _sync_or_why_not(self, missing: Object) -> str:
        # Where an index cannot be read, `sync` still stores what nobody has stored.
        return KEY_IN_USE if self._is_taken(missing) else "run `mirror sync`"

    def _repair_or_why_not(self, different: Object) -> str:
        if isinstance(self._in_use, SiteIndexError):
            return f"it is not known whether another site uses this key: {self._in_use}"
        return KEY_IN_USE if self._is_taken(different) else "run `mirror repair`"

    def _is_taken(self, expected: Object) -> bool:
        """Return True for a key that another site uses for another picture."""
        digests = {} if isinstance(self._in_use, SiteIndexError) else self._in_use
        return digests.get(expected.key, {expected.digest}) != {expected.digest}

    @cached_property
    def _in_use(self) -> Mapping[Key, set[Digest]] | SiteIndexError:
        """What other sites use. Their indexes are read only if an object is missing or differs."""
        try:
            return used_by_others(self._destination.store, self._keys, self._site)
        except SiteIndexError as error:
            return error


# --- Editing a post ---------------------------------------------------------------------------

_LEVEL = 1  # of zlib: the fastest


@dataclass(frozen=True, slots=True)
class Edit:
    """One reference, the URL that takes its place, and the text that spells the URL there."""

    reference: Reference
    text: str
    url: str


class PostEdit:
    """A post before and after; the references of both stand for each other, in order.

    Packed, because a run may change thousands of posts: what is asked for is unpacked each time.
    """

    __slots__ = ("_after", "_after_references", "_before", "_edits", "edit_count", "scanned")

    def __init__(
        self,
        scanned: ScannedPost,
        before: bytes,
        after: bytes,
        after_references: Iterable[Reference],
        edits: Sequence[Edit],
    ) -> None:
        """Take the bytes before and after; `edits` are of references of `scanned`."""
        self.scanned = scanned
        self.edit_count = len(edits)
        self._before = zlib.compress(before, _LEVEL)
        self._after = zlib.compress(after, _LEVEL)
        self._after_references = PackedReferences(after_references)
        self._edits = PackedReferences(
            replace(edit.reference, url=Url(edit.url), spelling=edit.text) for edit in edits
        )

    @property
    def name(self) -> str:
        return self.scanned.post.name

    @property
    def before(self) -> PostSnapshot:
        return PostSnapshot(self.name, zlib.decompress(self._before), self.scanned.references)

    @property
    def after(self) -> PostSnapshot:
        references = tuple(self._after_references)
        return PostSnapshot(self.name, zlib.decompress(self._after), references)

    @property
    def edits(self) -> tuple[Edit, ...]:
        """The edits in their order."""
        by_span = {ref.span: ref for ref in self.scanned.packed}
        return tuple(Edit(by_span[new.span], new.spelling, new.url.raw) for new in self._edits)

    @property
    def spans(self) -> set[Span]:
        """The spans of the references that change."""
        return {new.span for new in self._edits}


def repoint(
    scanned: SiteScan, post: ScannedPost, recalled: Mapping[Reference, Rewrite], resolve: Resolve
) -> Iterator[Edit | Finding]:
    """Yield an edit for each reference that `resolve` has a new URL for, and its findings."""
    for ref in post.references:
        if not ref.form.is_rewritten or not scanned.counts(ref):
            continue
        url = resolve(post.post, ref, Url(recalled[ref].source) if ref in recalled else None)
        if isinstance(url, Finding):
            yield _placed(url, post, ref)
        elif url is not None and url != ref.url.raw:
            yield _spelled(post, ref, url)


def point_back(
    post: ScannedPost, recalled: Mapping[Reference, Rewrite], *, respell: bool = False
) -> Iterator[Edit | Finding]:
    """Yield an edit for each reference that goes back to its source, in the spelling it had.

    With `respell`, each source is spelled anew for where it stands now. So is one that opens a tag
    of HTML or of a site generator, which may take it for one.
    """
    for ref, line in recalled.items():
        text = line.spelling or line.source
        if respell or _TAG.search(text):
            yield _spelled(post, ref, line.source)
        else:
            yield Edit(ref, text, line.source)


# Hugo, Jekyll and Hexo expand `{{`, `{%` and `{#` anywhere in a post; others `<%` and `${`.
_TAG = re.compile(r"<[A-Za-z/!?%]|\{[{%#]|\$\{")


def _spelled(post: ScannedPost, ref: Reference, url: str) -> Edit | Finding:
    try:
        return Edit(ref, spell(url, ref.quoting), url)
    except ValueError as error:
        message = f"{Url(url)} cannot be written here: {error}"
        return _placed(Finding(Rule.POST_NOT_WRITTEN, str(ref.url), message), post, ref)


def _placed(finding: Finding, post: ScannedPost, ref: Reference) -> Finding:
    place = (post.post.name, ref.line, ref.column)
    return Finding(finding.rule, finding.subject, finding.message, *place)


def edit_post(
    scanned: ScannedPost, data: bytes, edits: Sequence[Edit]
) -> PostEdit | Finding | None:
    """Splice `edits` into a post and prove the result by scanning it again.

    The proof: the same references stand in the same order, each where the splice put it, and each
    reads as intended. So no text of an edit can end the URL early and go on as markup. Return
    `None` when nothing changes; a finding, and no change, when the proof fails.
    """
    change = _splice_and_prove(scanned, data, edits)
    return _not_as_intended(scanned, change[0]) if isinstance(change, list) else change


def _splice_and_prove(
    scanned: ScannedPost, data: bytes, edits: Sequence[Edit]
) -> PostEdit | list[Edit] | None:
    """Do what `edit_post` does, but return the edits that may be why the proof fails.

    The first of them is the one where the post begins to read otherwise. The others are those whose
    URL is not found where it should be, which may be the fault of the first.
    """
    after = splice(data, scanned.encoding, [(edit.reference.span, edit.text) for edit in edits])
    if after == data:
        return None
    name = scanned.post.name
    references = find_references(after, name).references
    actual = [(ref.span, ref.url.raw, ref.form.is_rewritten) for ref in references]
    expected = list(_expected(scanned, edits))
    if actual != expected:
        pairs = enumerate(zip_longest(actual, expected))
        first = next(number for number, (left, right) in pairs if left != right)
        before = {ref.span for ref in scanned.references[: first + 1]}
        culprit = next((e for e in reversed(edits) if e.reference.span in before), edits[0])
        present = set(actual)
        pairs_of_both = zip(scanned.references, expected, strict=True)
        lost = {ref.span for ref, place in pairs_of_both if place not in present}
        return [culprit, *(e for e in edits if e.reference.span in lost and e != culprit)]
    return PostEdit(scanned, data, after, references, edits)


_MOST_TRIES = 20  # each scans the post; where edits fail for themselves, three suffice


def edit_where_possible(
    scanned: ScannedPost, data: bytes, edits: Sequence[Edit]
) -> Iterator[PostEdit | Finding]:
    """Yield the post with those edits that read back as intended, and a finding for each other.

    Where too many do not, no proven post is yielded: it stays as it is.
    """
    others: Sequence[Edit] = ()
    for _ in range(_MOST_TRIES):
        change = _splice_and_prove(scanned, data, edits)
        if not isinstance(change, list):
            yield from () if change is None else (change,)
            return
        # Without the first, the others fail as before: so each does for itself.
        failed = change if change == others else change[:1]
        others = change[1:]
        yield from (_not_as_intended(scanned, edit) for edit in failed)
        spans = {edit.reference.span for edit in failed}
        edits = [edit for edit in edits if edit.reference.span not in spans]
    message = f"was left as it is: {_MOST_TRIES} URLs in it would not read back as intended"
    yield Finding(Rule.POST_NOT_WRITTEN, scanned.post.name, message, scanned.post.name)


def _expected(scanned: ScannedPost, edits: Sequence[Edit]) -> Iterator[tuple[Span, str, bool]]:
    """Yield where each reference stands after the edits, its URL, and that it is still markup."""
    by_span = {edit.reference.span: edit for edit in edits}
    shift = 0
    for ref in scanned.references:
        start, stop, url = ref.span.start + shift, ref.span.stop + shift, ref.url.raw
        if (edit := by_span.get(ref.span)) is not None:
            url = edit.url
            stop = start + len(edit.text.encode(scanned.encoding))
            shift = stop - ref.span.stop
        yield Span(start, stop), url, ref.form.is_rewritten


def _not_as_intended(scanned: ScannedPost, edit: Edit) -> Finding:
    # Some forms of editors are told from text by `https://` alone.
    address = "URL" if parse(edit.url) is not None else "whole address (https://…)"
    message = (
        f"stays as it is: with {Url(edit.url)} here the post would not read back as "
        f"intended; a {address} without commas and brackets can stand anywhere, or write this "
        "image as `![](…)`"
    )
    ref = edit.reference
    return _placed(Finding(Rule.POST_NOT_WRITTEN, str(ref.url), message), scanned, ref)


def write_post(edit: PostEdit, *, keep_times: bool = False) -> Finding | None:
    """Replace the post, whole, unless it changed since it was read.

    With `keep_times`, the file keeps the time of its last change.
    """
    post = edit.scanned.post
    try:
        write_whole(
            post.path,
            edit.after.data,
            expected=Checksum(edit.scanned.digest),
            keep_times=keep_times,
        )
    except ChangedError:
        return _changed_meanwhile(post.name)
    except OSError as error:
        message = f"cannot be written: {error.strerror}; it is as it was"
        return Finding(Rule.POST_NOT_WRITTEN, post.name, message, post.name)
    return None


def _changed_meanwhile(name: str) -> Finding:
    message = "was changed by someone else meanwhile and was left as it is; run again"
    return Finding(Rule.POST_CHANGED, name, message, name)


def diff(edit: PostEdit) -> str:
    """Return a unified diff of the post, without the secrets that stand in it, changed or not.

    Encoded as `diff_encoding` says, `git apply` takes it from the folder of the configuration, but
    not for a post with secrets or in UTF-16.
    """
    encoding = edit.scanned.encoding
    old = {
        ref.span: spell(ref.url.public, ref.quoting)
        for ref in edit.before.references
        if ref.url.raw != ref.url.public
    }
    new = old | {each.reference.span: each.text for each in edit.edits}
    before, after = (
        # What is no reference, such as a link to a file, may be signed as well.
        _lines(
            hide_secrets(splice(edit.before.data, encoding, sorted(texts.items())).decode(encoding))
        )
        for texts in (old, new)
    )
    blocks = list(_edited_lines(edit.before.data, encoding, old, new))
    name = edit.before.name
    pieces = [f"--- {_git_name(f'a/{name}')}\n", f"+++ {_git_name(f'b/{name}')}\n"]
    for group in _KnownMatcher(_opcodes(before, after, blocks)).get_grouped_opcodes():
        pieces += _hunk(group, before, after)
    return "".join(pieces)


_Block = tuple[int, int, int, int]
"""Lines of a post before and after: start, stop, start, stop."""
_Opcode = tuple[Literal["replace", "delete", "insert", "equal"], int, int, int, int]
"""A step of a diff, as `difflib` has it: a tag and a block."""


class _KnownMatcher(SequenceMatcher[str]):
    """Groups the steps of a diff. To search for them would take the square of the lines."""

    def __init__(self, opcodes: Iterable[_Opcode]) -> None:
        super().__init__()
        self._opcodes = list(opcodes)

    def get_opcodes(self) -> list[_Opcode]:
        return self._opcodes


def _edited_lines(
    data: bytes, encoding: str, old: Mapping[Span, str], new: Mapping[Span, str]
) -> Iterator[_Block]:
    """Yield the lines that the texts of `old` and of `new` stand on, in order.

    Each span of `old` is one of `new` too.
    """
    done = line = new_line = 0
    block: _Block | None = None
    for span in sorted(new):
        gap = data[done : span.start].decode(encoding).count("\n")
        if block is None or gap:
            if block is not None:
                yield block
            line, new_line = line + gap, new_line + gap
            block = (line, line + 1, new_line, new_line + 1)
        before = old[span] if span in old else data[span.start : span.stop].decode(encoding)
        line, new_line = line + before.count("\n"), new_line + new[span].count("\n")
        block = (block[0], line + 1, block[2], new_line + 1)
        done = span.stop
    if block is not None:
        yield block


def _opcodes(
    before: Sequence[str], after: Sequence[str], blocks: Iterable[_Block]
) -> Iterator[_Opcode]:
    """Yield the steps of a diff: lines outside of `blocks` are equal."""
    changes: list[_Block] = []
    for block in blocks:
        start, stop, new_start, new_stop = block
        if before[start:stop] == after[new_start:new_stop]:
            continue
        if changes and changes[-1][1] == start:
            first, _, new_first, _ = changes.pop()
            block = first, stop, new_first, new_stop
        changes.append(block)
    done = new_done = 0
    for start, stop, new_start, new_stop in changes:
        if start > done:
            yield "equal", done, start, new_done, new_start
        yield "replace", start, stop, new_start, new_stop
        done, new_done = stop, new_stop
    if done < len(before):
        yield "equal", done, len(before), new_done, len(after)


def _hunk(
    group: Sequence[tuple[str, int, int, int, int]], before: Sequence[str], after: Sequence[str]
) -> Iterator[str]:
    """Yield the lines of one hunk of a unified diff."""
    start, stop, new_start, new_stop = group[0][1], group[-1][2], group[0][3], group[-1][4]
    yield f"@@ -{_range(start, stop)} +{_range(new_start, new_stop)} @@\n"
    for tag, start, stop, new_start, new_stop in group:
        sides = [(" ", before[start:stop])]
        if tag == "replace":
            sides = [("-", before[start:stop]), ("+", after[new_start:new_stop])]
        for sign, lines in sides:
            for line in lines:
                end = "" if line.endswith("\n") else "\n\\ No newline at end of file\n"
                yield f"{sign}{line}{end}"


def _range(start: int, stop: int) -> str:
    """Return the first line, from 1, and the number of lines if it is not one."""
    return f"{start + 1}" if stop - start == 1 else f"{start + 1},{stop - start}"


def diff_encoding(edit: PostEdit) -> str:
    """Return the encoding in which the lines of a diff are those of the post.

    A patch of UTF-16 would have no line ends that `git` finds, so its diff is in UTF-8.
    """
    return "gb18030" if edit.scanned.encoding == "gb18030" else "utf-8"


def _git_name(name: str) -> str:
    """Return a path as `git diff` spells it: quoted, or with a tab behind a name with blanks.

    https://git-scm.com/docs/git-config#Documentation/git-config.txt-corequotePath
    """
    quoted = "".join(
        _GIT_ESCAPES.get(byte) or (chr(byte) if 0x20 <= byte < 0x7F else f"\\{byte:03o}")
        for byte in os.fsencode(name)
    )
    if quoted != name:
        return f'"{quoted}"'
    return f"{name}\t" if " " in name else name


_GIT_ESCAPES = {
    ord(char): f"\\{letter}" for char, letter in zip('"\\\a\b\t\n\v\f\r', '"\\abtnvfr', strict=True)
}


def _lines(text: str) -> list[str]:
    """Split behind line feeds only, as `diff` and `git` do: a CR belongs to its line."""
    return re.findall(r"[^\n]*\n|[^\n]+", text)


# --- The commands -----------------------------------------------------------------------------


@dataclass(slots=True)
class RewriteResult:
    """`changed` are the posts that were changed, or would be where nothing is written."""

    changed: Sequence[PostEdit]
    summary: dict[str, int | float]
    findings: FindingLog


@dataclass(frozen=True, slots=True)
class Context:
    """The input of both commands. Without `parts` (`--map`) nothing is remembered.

    With `keep_times`, a changed post keeps the time of its last change. `manifest` is that of the
    parts, if it was loaded already.
    """

    scanned: SiteScan
    progress: Progress
    write: bool
    parts: Parts | None = None
    keep_times: bool = False
    manifest: Manifest | None = None


def rewrite(context: Context, resolve: Resolve) -> RewriteResult:
    """Repoint every post that `resolve` has a new URL for.

    What stood there is remembered on disk before the first post is written, so that a run killed
    at any moment can be reverted.
    """
    started = monotonic()
    scanned, parts = context.scanned, context.parts
    findings = FindingLog(context.progress.finding, scanned.findings)
    memory, old = _load_memory(parts, context.manifest) if parts is not None else (None, None)
    changes: list[PostEdit] = []
    for post, data in _read(scanned.posts, findings):
        recalled = memory.recall(_snapshot(post, data)) if memory is not None else {}
        edits = list(findings.sift(repoint(scanned, post, recalled, resolve)))
        changes += findings.sift(edit_where_possible(post, data, edits))
    findings.extend(_moved_anchors(scanned.anchors, changes))
    if parts is not None:
        findings.extend(_dropped_secrets(changes))
    if context.write and parts is not None and memory is not None:
        lines = memory.after_rewrite((change.before, change.after) for change in changes)
        _save_memory(parts, lines, old)
    return _write(context, changes, findings, started)


def revert(context: Context, parts: Parts) -> RewriteResult:
    """Give each mirrored reference its own URL back; one that cannot be told is a finding."""
    started = monotonic()
    findings = FindingLog(context.progress.finding, context.scanned.findings)
    memory, old = _load_memory(parts, context.manifest)
    if memory.is_empty:
        parts.manifest.need()
    changes: list[PostEdit] = []
    for post, data in _read(context.scanned.posts, findings):
        snapshot = _snapshot(post, data)
        recalled = memory.recall(snapshot)
        findings.extend(memory.unknown(snapshot, recalled))
        findings.extend(_without_secret(post, recalled))
        recalled = {
            reference: line for reference, line in recalled.items() if not has_hidden(line.source)
        }
        edits = list(findings.sift(point_back(post, recalled)))
        change = edit_post(post, data, edits)
        if isinstance(change, Finding):  # the reference was moved into another syntax meanwhile
            edits = list(findings.sift(point_back(post, recalled, respell=True)))
            changes += findings.sift(edit_where_possible(post, data, edits))
        elif change is not None:
            changes.append(change)
    result = _write(context, changes, findings, started)
    if context.write:
        lines = memory.after_revert((change.before, change.after) for change in result.changed)
        _save_memory(parts, lines, old)
    return result


def _without_secret(post: ScannedPost, recalled: Mapping[Reference, Rewrite]) -> Iterator[Finding]:
    """Yield a finding for each reference whose source had a secret, which is kept nowhere."""
    for reference, line in recalled.items():
        if has_hidden(line.source):
            yield Finding(
                Rule.NOT_REVERTED,
                str(reference.url),
                f"stays as it is: the secret of {line.source} is kept nowhere; edit it by hand",
                post.post.name,
                reference.line,
                reference.column,
            )


def _load_memory(parts: Parts, manifest: Manifest | None) -> tuple[Memory, Checksum | None]:
    """Return the memory and the checksum of its file."""
    lines, old = parts.rewrites.load()
    if manifest is None:
        manifest, _ = parts.manifest.load()
    root = parts.config.root

    def exists(name: str) -> bool:
        return os.path.exists(root / name)  # noqa: PTH110  (False for a name that cannot be)

    return Memory(lines, manifest, partial(asset_of, parts.destinations, manifest), exists), old


def _save_memory(parts: Parts, lines: Sequence[Rewrite], old: Checksum | None) -> None:
    if lines or old is not None:
        parts.rewrites.save(lines, old)


def _read(
    posts: Iterable[ScannedPost], findings: FindingLog
) -> Iterator[tuple[ScannedPost, bytes]]:
    """Yield the posts with the bytes they were scanned from."""
    for post in posts:
        data = post.post.read()
        if isinstance(data, Finding):
            findings.append(data)
        elif sha256(data).digest() != post.digest:
            findings.append(_changed_meanwhile(post.post.name))
        else:
            yield post, data


def _snapshot(post: ScannedPost, data: bytes) -> PostSnapshot:
    return PostSnapshot(post.post.name, data, post.references)


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
                place = (change.name, ref.line, ref.column)
                yield Finding(Rule.SECRET_IN_POST, str(ref.url), message, *place)


def _write(
    context: Context, changes: Sequence[PostEdit], findings: FindingLog, started: float
) -> RewriteResult:
    changed = []
    if context.write:
        sweep_beside(post.post for post in context.scanned.posts)
    context.progress.stage("rewrite", len(changes), "posts")
    for change in changes:
        failure = write_post(change, keep_times=context.keep_times) if context.write else None
        context.progress.advance(failed=failure is not None)
        if failure is not None:
            findings.append(failure)
            continue
        changed.append(change)
        kind = "rewritten" if context.write else "would-rewrite"
        context.progress.event(kind, post=change.name, references=change.edit_count)
    counts = {
        **context.scanned.tally(),
        "rewritten_posts": len(changed),
        "rewritten_references": sum(change.edit_count for change in changed),
    }
    return RewriteResult(changed, summary(counts, findings, started), findings)
