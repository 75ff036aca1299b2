"""The memory of all posts: the URL that stood at each rewritten reference. Pure.

A post may have been edited, renamed or copied since it was rewritten. What cannot be told for
sure is left out of every answer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache, cached_property, partial
from itertools import chain
from urllib.parse import unquote

from mirror.compact import PairIndex
from mirror.manifest import Manifest
from mirror.model import Asset, Digest, Finding, Reference, Rule
from mirror.rewrites.lines import Rewrite, Rewrites, is_source, spells
from mirror.rewrites.recall import Occurrence, agreement, marks, recall, without
from mirror.urls.address import Address, Url, canonical, identity
from mirror.urls.relative import from_root


@dataclass(frozen=True, slots=True)
class PostSnapshot:
    """The bytes of a post, and the references in them in the order of the file."""

    name: str
    data: bytes = field(repr=False)
    references: tuple[Reference, ...]

    def target(self, ref: Reference) -> str:
        """Return the URL of a reference as `Rewrite.target` has it."""
        return from_root(ref.url.raw, self.name)


class Memory:
    """The lines of `rewrites.jsonl`, and what the manifest says where they are silent.

    `asset_of` returns the asset that a mirrored URL shows. `exists` returns True if there is a file
    at a path from the root. `meant` is asked about a path that leads to no file, as links do in a
    post that was moved: it returns the mirrored URL that the path was written for.
    """

    def __init__(
        self,
        lines: Sequence[Rewrite],
        manifest: Manifest,
        asset_of: Callable[[Url], Asset | None],
        exists: Callable[[str], bool],
        meant: Callable[[Url], str | None],
    ) -> None:
        self._manifest = manifest
        self._asset_of = asset_of
        self._exists = cache(exists)
        self._meant = meant
        self._lines = lines
        self._by_post, self._by_target = PairIndex(), PairIndex()
        for number, line in enumerate(lines):
            self._by_post.add(line.post, number, number)
            self._by_target.add(line.target, (line.source, line.spelling), number)

    @property
    def is_empty(self) -> bool:
        return not self._lines

    # --- Questions --------------------------------------------------------------------------------

    def recall(self, post: PostSnapshot) -> dict[Reference, Rewrite]:
        """Map the mirrored references of a post to what stood there, as far as it can be told.

        A stray link leads to no file. It is in the answer only if a line of another post tells it:
        then the post was moved. If a line of this post tells it, somebody edited the link here and
        may want it as it is.
        """
        occurrences: dict[Reference, Occurrence] = {}
        strays: set[Reference] = set()
        for ref, target, is_stray in self._targets(post):
            occurrences[ref] = Occurrence.of(post.data, ref.span, target)
            if is_stray:
                strays.add(ref)
        lines = self._recall_occurrences(post.name, list(occurrences.values()))
        recalled: dict[Reference, Rewrite] = {}
        for ref, occurrence in occurrences.items():
            line = lines.get(occurrence)
            if ref not in strays:
                line = line or self._only_candidate(post.name, occurrence)
            elif line is not None and (line.post == post.name or not agreement(occurrence, line)):
                line = None
            if line is not None:
                recalled[ref] = line
        return recalled

    def unknown(
        self,
        post: PostSnapshot,
        recalled: Mapping[Reference, Rewrite],
        looks_mirrored: Callable[[Url], bool],
    ) -> Iterator[Finding]:
        """Yield a finding for each mirrored reference that is not in `recalled`.

        Also for each one that `looks_mirrored`, though no line of memory or manifest names it.
        """
        targets = {ref: target for ref, target, _ in self._targets(post)}
        for ref in post.references:
            target = targets.get(ref)
            if ref in recalled:
                continue
            if target is not None:
                candidates = self._candidates(post.name, target)
                sources = sorted({str(Url(source)) for source, _ in candidates})
                known = f"one of {', '.join(sources)}" if sources else "no source is known"
                reason = f"what stood here cannot be told ({known}); edit it by hand"
            elif ref.form.is_rewritten and looks_mirrored(Url(post.target(ref))):
                reason = (
                    "it looks mirrored, but no line of manifests/ names it; bring them back from "
                    "version control, or edit it by hand"
                )
            else:
                continue
            message = f"stays as it is: {reason}"
            yield ref.place_in(post.name).finding(Rule.NOT_REVERTED, str(ref.url), message)

    # --- The lines to keep ------------------------------------------------------------------------

    def after_rewrite(self, changes: Iterable[tuple[PostSnapshot, PostSnapshot]]) -> Rewrites:
        """Return all lines once these posts are rewritten; each is given before and after.

        Both have the same references in the same order. A line that no reference needs any longer
        stays: the text it belongs to may come back.
        """
        book = _LineBook(self._lines, self._lines_of)
        for before, after in changes:
            recalled = self.recall(before)
            moved = {old: _source_of(old) for old in _moved(before, after)}
            known = {ref: (line.source, line.spelling) for ref, line in recalled.items()}
            book.replace(before.name, recalled.values(), _new_lines(before, after, moved | known))
        return book.lines()

    def after_revert(self, changes: Iterable[tuple[PostSnapshot, PostSnapshot]]) -> Rewrites:
        """Return all lines once these posts are reverted; each is given before and after.

        Both have the same references in the same order. A reference that stays keeps its line.
        """
        book = _LineBook(self._lines, self._lines_of)
        for before, after in changes:
            recalled = self.recall(before)
            moved = set(_moved(before, after))
            stays = {
                ref: (line.source, line.spelling)
                for ref, line in recalled.items()
                if ref not in moved
            }
            book.replace(before.name, recalled.values(), _new_lines(before, after, stays))
        return book.lines()

    # --- By the lines -----------------------------------------------------------------------------

    def _recall_occurrences(
        self, post: str, occurrences: Sequence[Occurrence]
    ) -> dict[Occurrence, Rewrite]:
        lines = self._lines_of(post)
        sides = {mark for line in lines for mark in marks(line)[1]}
        # Nothing around these ties them to this post, so the other posts are asked too.
        loose = {here for here in occurrences if sides.isdisjoint(marks(here)[1])}
        recalled = {
            here: line
            for here, line in recall(lines, occurrences).items()
            if here not in loose or self._is_best(here, line, margin=1)
        }
        elsewhere = [here for here in occurrences if here in loose and here not in recalled]
        return recalled | self._recall_elsewhere(elsewhere)

    def _recall_elsewhere(self, occurrences: Sequence[Occurrence]) -> dict[Occurrence, Rewrite]:
        """Recall from the lines of other posts: this one was renamed, or text was copied into it.

        A post that is still there has to agree on both sides, because many agree on one.
        """
        recalled: dict[Occurrence, Rewrite] = {}
        posts = {post for here in occurrences for post in self._posts_with(here.target)}
        for post in sorted(posts, key=self._first_line_of):
            is_gone = not self._exists(post)
            for here, line in recall(self._lines_of(post), occurrences).items():
                if is_gone or agreement(here, line) == 2:
                    before = recalled.get(here, line)
                    recalled[here] = max(before, line, key=partial(agreement, here))
        return {
            here: line for here, line in recalled.items() if self._is_best(here, line, margin=0)
        }

    # Only posts that were edited, renamed or copied need the lines of other posts.

    @cached_property
    def _posts(self) -> PairIndex:
        """The lines by target, one of each post."""
        index = PairIndex()
        for number, line in enumerate(self._lines):
            index.add(line.target, line.post, number)
        return index

    @cached_property
    def _marks(self) -> PairIndex:
        """The lines by mark, one of each source."""
        index = PairIndex()
        for number, line in enumerate(self._lines):
            for mark in chain.from_iterable(marks(line)):
                index.add(mark, line.source, number)
        return index

    def _lines_of(self, post: str) -> list[Rewrite]:
        lines = map(self._lines.__getitem__, self._by_post.find(post))
        return [line for line in lines if line.post == post]

    def _first_line_of(self, post: str) -> int:
        return next(n for n in self._by_post.find(post) if self._lines[n].post == post)

    def _posts_with(self, target: str) -> set[str]:
        lines = map(self._lines.__getitem__, self._posts.find(target))
        return {line.post for line in lines if line.target == target}

    def _sources_at(self, mark: Hashable) -> set[str]:
        """Return the sources of the lines that have a mark."""
        lines = map(self._lines.__getitem__, self._marks.find(mark))
        return {line.source for line in lines if mark in chain.from_iterable(marks(line))}

    def _spellings_of(self, target: str) -> set[tuple[str, str]]:
        """Return source and spelling of the lines of a target."""
        lines = map(self._lines.__getitem__, self._by_target.find(target))
        return {(line.source, line.spelling) for line in lines if line.target == target}

    def _is_best(self, here: Occurrence, line: Rewrite, *, margin: int) -> bool:
        """Return True if no line of any post with another source agrees on `margin` more sides."""
        for shared in marks(here)[agreement(here, line) + margin :]:
            if any(self._sources_at(mark) - {line.source} for mark in shared):
                return False
        return True

    # --- By the manifest --------------------------------------------------------------------------

    def _is_mirrored(self, ref: Reference, target: str) -> bool:
        if not ref.form.is_rewritten:
            return False
        return bool(self._spellings_of(target)) or self._asset_of(Url(target)) is not None

    def _targets(self, post: PostSnapshot) -> Iterator[tuple[Reference, str, bool]]:
        """Yield the mirrored references of a post, the targets they mean, and True for strays."""
        for ref in post.references:
            target = post.target(ref)
            if self._is_mirrored(ref, target):
                yield ref, target, False
            elif (
                ref.form.is_rewritten
                and (meant := self._meant(Url(target))) is not None
                and not self._exists(unquote(target.partition("#")[0]))
            ):
                yield ref, meant, True

    def _only_candidate(self, post: str, here: Occurrence) -> Rewrite | None:
        """Return the one source that a target can have, or `None` if there are more or none."""
        candidates = self._candidates(post, here.target)
        if len({source for source, _ in candidates}) != 1:
            return None
        source, spelling = min(candidates)
        if len(candidates) > 1:  # it was spelled in several ways
            spelling = ""
        return Rewrite(post, here.target, source, here.before, here.after, spelling)

    def _candidates(self, post: str, target: str) -> set[tuple[str, str]]:
        """Return what may have stood at a target in a post, as source and spelling.

        Lines of other posts name the addresses that these had. A post without a line for the
        target, as a merge may leave it, may have had any address that the manifest knows.
        """
        spellings = self._spellings_of(target)
        if any(line.target == target for line in self._lines_of(post)):
            return spellings
        url = Url(target)
        if (asset := self._asset_of(url)) is None:
            return spellings
        origins = () if asset.alias_of else asset.origins
        shown_for = [*origins, *self._repeat_sources.get(asset.digest, ())]
        addresses = filter(None, (canonical(source) for source, _ in spellings))
        known = set(map(identity, addresses))
        others = {(each + url.fragment, "") for each in shown_for if identity(each) not in known}
        return spellings | others

    @cached_property
    def _repeat_sources(self) -> Mapping[Digest, Sequence[Address]]:
        """The sources of the repeats of each asset, which posts show it for."""
        sources: dict[Digest, list[Address]] = {}
        for asset in self._manifest.assets.repeats():
            sources.setdefault(self._manifest.shown_for(asset).digest, []).extend(asset.origins)
        return sources


class _LineBook:
    """The lines of all posts while posts are rewritten or reverted one after the other."""

    def __init__(
        self, lines: Sequence[Rewrite], lines_of: Callable[[str], Sequence[Rewrite]]
    ) -> None:
        """Take all lines, and what returns those of a post."""
        self._lines = lines
        self._lines_of = lines_of
        self._changed: dict[str, Rewrites] = {}

    def replace(self, post: str, old: Iterable[Rewrite], new: Sequence[Rewrite]) -> None:
        """Put `new` in the place of `old`, which may stand under an earlier name of the post."""
        removed = Counter(old) + Counter(new)
        for name in {post} | {line.post for line in removed}:
            lines = self._changed[name] if name in self._changed else self._lines_of(name)
            more = new if name == post else ()
            self._changed[name] = Rewrites([*without(lines, removed), *more])

    def lines(self) -> Rewrites:
        """Return all lines; those of a post that was changed stand last."""
        lines = Rewrites(line for line in self._lines if line.post not in self._changed)
        for line in chain.from_iterable(self._changed.values()):
            lines.append(line)
        return lines


def _moved(before: PostSnapshot, after: PostSnapshot) -> Iterator[Reference]:
    """Yield the references of `before` that have another URL in `after`."""
    for old, new in zip(before.references, after.references, strict=True):
        if old.url != new.url:
            yield old


def _new_lines(
    before: PostSnapshot, after: PostSnapshot, sources: Mapping[Reference, tuple[str, str]]
) -> list[Rewrite]:
    """Return a line for each reference of `before` that is in `sources`: a URL and its spelling."""
    lines = []
    for old, new in zip(before.references, after.references, strict=True):
        source, spelling = sources.get(old, ("", ""))
        if is_source(source):
            here = Occurrence.of(after.data, new.span, after.target(new))
            lines.append(
                Rewrite(before.name, here.target, source, here.before, here.after, spelling)
            )
    return lines


def _source_of(ref: Reference) -> tuple[str, str]:
    """Return the URL of a reference without secrets, and its spelling if that differs from it."""
    from mirror.markdown import spell  # loads the parsers, which most commands do without

    source, spelling = ref.url.public, ref.spelling
    if not spells(spelling, source):
        spelling = ""
        with suppress(ValueError):  # this syntax cannot spell the URL
            spelling = spell(source, ref.quoting)
    return source, spelling if spelling != source else ""
