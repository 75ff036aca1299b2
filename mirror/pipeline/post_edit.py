"""Edits of one post: made from references, proven by a second scan, written whole."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest

from mirror.files import ChangedError, Checksum, explain, write_whole
from mirror.markdown import find_references, spell, splice
from mirror.model import Finding, Reference, Rule, Span
from mirror.pipeline.packed_references import PackedReferences
from mirror.pipeline.scan import ScannedPost, SiteScan, changed_post
from mirror.pipeline.targets import Resolve
from mirror.rewrites import PostSnapshot, Rewrite
from mirror.urls.address import Url, parse

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

    __slots__ = ("_after", "_after_references", "_before", "_edits", "edit_count", "scanned_post")

    def __init__(
        self,
        scanned_post: ScannedPost,
        before: bytes,
        after: bytes,
        after_references: Iterable[Reference],
        edits: Sequence[Edit],
    ) -> None:
        """Take the bytes before and after; `edits` are of references of `scanned_post`."""
        self.scanned_post = scanned_post
        self.edit_count = len(edits)
        self._before = zlib.compress(before, _LEVEL)
        self._after = zlib.compress(after, _LEVEL)
        self._after_references = PackedReferences(after_references, after)
        self._edits = PackedReferences(
            (replace(edit.reference, url=Url(edit.url), spelling=edit.text) for edit in edits),
            after,
        )

    @property
    def name(self) -> str:
        return self.scanned_post.name

    @property
    def before(self) -> PostSnapshot:
        return PostSnapshot(self.name, zlib.decompress(self._before), self.scanned_post.references)

    @property
    def after(self) -> PostSnapshot:
        after = zlib.decompress(self._after)
        return PostSnapshot(self.name, after, tuple(self._after_references.unpack(after)))

    @property
    def edits(self) -> tuple[Edit, ...]:
        """The edits in their order."""
        by_span = {ref.span: ref for ref in self.scanned_post.stored}
        return tuple(Edit(by_span[new.span], new.spelling, new.url.raw) for new in self._unpacked())

    @property
    def spans(self) -> set[Span]:
        """The spans of the references that change."""
        return {new.span for new in self._unpacked()}

    def _unpacked(self) -> Iterator[Reference]:
        return self._edits.unpack(zlib.decompress(self._after))


def repoint(
    scanned: SiteScan,
    scanned_post: ScannedPost,
    recalled: Mapping[Reference, Rewrite],
    resolve: Resolve,
) -> Iterator[Edit | Finding]:
    """Yield an edit for each reference that `resolve` has a new URL for, and its findings."""
    for ref in scanned_post.references:
        if not ref.form.is_rewritten or not scanned.leads_to_image(ref):
            continue
        url = resolve(
            scanned_post.post, ref, Url(recalled[ref].source) if ref in recalled else None
        )
        if isinstance(url, Finding):
            place = ref.place_in(scanned_post.name)
            yield place.finding(url.rule, url.subject, url.message)
        elif url is not None and url != ref.url.raw:
            yield _spelled(scanned_post, ref, url)


# Hugo, Jekyll and Hexo expand `{{`, `{%` and `{#` anywhere in a post; others `<%` and `${`.
_TAG = re.compile(r"<[A-Za-z/!?%]|\{[{%#]|\$\{")


def point_back(
    scanned_post: ScannedPost, recalled: Mapping[Reference, Rewrite], *, respell: bool = False
) -> Iterator[Edit | Finding]:
    """Yield an edit for each reference that goes back to its source, in the spelling it had.

    With `respell`, each source is spelled anew for where it stands now. So is one that opens a tag
    of HTML or of a site generator, which may take it for one.
    """
    for ref, line in recalled.items():
        text = line.spelling or line.source
        if respell or _TAG.search(text):
            yield _spelled(scanned_post, ref, line.source)
        else:
            yield Edit(ref, text, line.source)


def _spelled(scanned_post: ScannedPost, ref: Reference, url: str) -> Edit | Finding:
    try:
        return Edit(ref, spell(url, ref.quoting), url)
    except ValueError as error:
        message = f"{Url(url)} cannot be written here: {error}"
        return ref.place_in(scanned_post.name).finding(Rule.POST_NOT_WRITTEN, str(ref.url), message)


def edit_post(
    scanned_post: ScannedPost, data: bytes, edits: Sequence[Edit]
) -> PostEdit | Finding | None:
    """Splice `edits` into a post and prove the result by scanning it again.

    The proof: the same references stand in the same order, each where the splice put it, and each
    reads as intended. So no text of an edit can end the URL early and go on as markup. Return
    `None` when nothing changes; a finding, and no change, when the proof fails.
    """
    change = _splice_and_prove(scanned_post, data, edits)
    return _not_as_intended(scanned_post, change[0]) if isinstance(change, list) else change


def _splice_and_prove(
    scanned_post: ScannedPost, data: bytes, edits: Sequence[Edit]
) -> PostEdit | list[Edit] | None:
    """Do what `edit_post` does, but return the edits that may be why the proof fails.

    The first of them is the one where the post begins to read otherwise. The others are those whose
    URL is not found where it should be, which may be the fault of the first.
    """
    after = splice(
        data, scanned_post.encoding, [(edit.reference.span, edit.text) for edit in edits]
    )
    if after == data:
        return None
    name = scanned_post.name
    references = find_references(after, name).references
    actual = [(ref.span, ref.url.raw, ref.form.is_rewritten) for ref in references]
    expected = list(_expected(scanned_post, edits))
    if actual != expected:
        pairs = enumerate(zip_longest(actual, expected))
        first = next(number for number, (left, right) in pairs if left != right)
        before = {ref.span for ref in scanned_post.references[: first + 1]}
        culprit = next((e for e in reversed(edits) if e.reference.span in before), edits[0])
        present = set(actual)
        pairs_of_both = zip(scanned_post.references, expected, strict=True)
        lost = {ref.span for ref, place in pairs_of_both if place not in present}
        return [culprit, *(e for e in edits if e.reference.span in lost and e != culprit)]
    return PostEdit(scanned_post, data, after, references, edits)


_MOST_TRIES = 20  # each scans the post; where edits fail for themselves, three suffice


def edit_where_possible(
    scanned_post: ScannedPost, data: bytes, edits: Sequence[Edit]
) -> Iterator[PostEdit | Finding]:
    """Yield the post with those edits that read back as intended, and a finding for each other one.

    Where too many do not, no proven post is yielded: it stays as it is.
    """
    others: Sequence[Edit] = ()
    for _ in range(_MOST_TRIES):
        change = _splice_and_prove(scanned_post, data, edits)
        if not isinstance(change, list):
            yield from () if change is None else (change,)
            return
        # Without the first, the others fail as before: so each does for itself.
        failed = change if change == others else change[:1]
        others = change[1:]
        yield from (_not_as_intended(scanned_post, edit) for edit in failed)
        spans = {edit.reference.span for edit in failed}
        edits = [edit for edit in edits if edit.reference.span not in spans]
    message = f"was left as it is: {_MOST_TRIES} URLs in it would not read back as intended"
    yield Finding(Rule.POST_NOT_WRITTEN, scanned_post.name, message, scanned_post.name)


def _expected(scanned_post: ScannedPost, edits: Sequence[Edit]) -> Iterator[tuple[Span, str, bool]]:
    """Yield where each reference stands after the edits, its URL, and that it is still markup."""
    by_span = {edit.reference.span: edit for edit in edits}
    shift = 0
    for ref in scanned_post.references:
        start, stop, url = ref.span.start + shift, ref.span.stop + shift, ref.url.raw
        if (edit := by_span.get(ref.span)) is not None:
            url = edit.url
            stop = start + len(edit.text.encode(scanned_post.encoding))
            shift = stop - ref.span.stop
        yield Span(start, stop), url, ref.form.is_rewritten


def _not_as_intended(scanned_post: ScannedPost, edit: Edit) -> Finding:
    # Some forms of editors are told from text by `https://` alone.
    address = "URL" if parse(edit.url) is not None else "whole address (https://…)"
    message = (
        f"stays as it is: with {Url(edit.url)} here the post would not read back as "
        f"intended; a {address} without commas and brackets can stand anywhere, or write this "
        "image as `![](…)`"
    )
    ref = edit.reference
    return ref.place_in(scanned_post.name).finding(Rule.POST_NOT_WRITTEN, str(ref.url), message)


def write_post(edit: PostEdit, *, keep_times: bool) -> Finding | None:
    """Replace the post, whole, unless it changed since it was read.

    With `keep_times`, the file keeps the time of its last change.
    """
    post = edit.scanned_post.post
    try:
        write_whole(
            post.path,
            edit.after.data,
            expected=Checksum(edit.scanned_post.digest),
            keep_times=keep_times,
        )
    except ChangedError:
        return changed_post(post.name)
    except OSError as error:
        message = f"cannot be written, so it is as it was: {explain(error)}"
        return Finding(Rule.POST_NOT_WRITTEN, post.name, message, post.name)
    return None
