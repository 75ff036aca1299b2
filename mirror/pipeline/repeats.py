"""Which pictures are repeats of another: candidates, evidence, reviews, and the ledger of both."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from os import cpu_count
from pathlib import Path

from mirror.dedupe import (
    LEDGER,
    REVIEWS,
    Evidence,
    LedgerError,
    Mode,
    Pair,
    Proposal,
    Refusal,
    ReviewError,
    Reviews,
    dumps_evidence,
    dumps_mode,
    loads_ledger,
    loads_mode,
    loads_reviews,
    run,
)
from mirror.dedupe import choose as choose_canonical
from mirror.engine import Engine
from mirror.files import read_whole
from mirror.fingerprint import ImageError, Limits, compare, proposals
from mirror.manifest import Manifest, ManifestError
from mirror.model import Asset, Digest, Url
from mirror.pipeline.copies import Found, find_copy
from mirror.pipeline.progress import Progress
from mirror.pipeline.site import Site, write_text


@dataclass(slots=True)
class Ledger:
    """Evidence on every pair that was ever judged, so that no pair is judged twice.

    `mode` is the one under which all pictures settled so far were compared with each other.
    """

    path: Path
    known: dict[Pair, Evidence] = field(default_factory=dict)
    mode: Mode = Mode.PERCEPTUAL
    is_complete: bool = True
    """Whether all that was asked for could be read."""
    _new: list[Evidence] = field(default_factory=list)
    _new_mode: Mode | None = None

    @classmethod
    def load(cls, site: Site) -> Ledger:
        path = site.config.manifest / LEDGER
        try:
            text = _text(path)
            return cls(path, loads_ledger(text), loads_mode(text))
        except LedgerError as error:
            hint = "delete the line: the pair is judged again"
            raise ManifestError(f"{path}: {error}; {hint}") from error

    def add(self, evidence: Evidence) -> None:
        """Remember; what could not be read is asked again next time."""
        self.known[evidence.pair] = evidence
        if evidence.refusal is Refusal.UNREADABLE:
            self.is_complete = False
        else:
            self._new.append(evidence)

    def settle(self, mode: Mode) -> None:
        if mode is not self.mode:
            self.mode = self._new_mode = mode

    def save(self) -> None:
        """Append what is new, in the order of pairs."""
        if not self._new and self._new_mode is None:
            return
        lines = list(map(dumps_evidence, sorted(self._new, key=lambda one: one.pair)))
        if self._new_mode is not None:
            lines.append(dumps_mode(self._new_mode))
        text = _text(self.path)
        kept = text[: text.rfind("\n") + 1]  # without a line that a kill left unfinished
        write_text(self.path, kept + "".join(lines))
        self._new.clear()
        self._new_mode = None


def load_reviews(site: Site) -> Reviews:
    """What people decided; raise `ManifestError` that names the line."""
    path = site.config.manifest / REVIEWS
    try:
        return loads_reviews(_text(path))
    except ReviewError as error:
        raise ManifestError(f"{path}: {error}") from error


def add_review(site: Site, line: str) -> Path:
    """Append a decision to the reviews, comments and all kept; return the file."""
    path = site.config.manifest / REVIEWS
    text = _text(path)
    if text and not text.endswith("\n"):
        text += "\n"
    write_text(path, f"{text}{line}\n")
    return path


def _text(path: Path) -> str:
    try:
        return read_whole(path).decode("utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(f"{path}: cannot be read as text: {error}") from error


def choose(
    site: Site,
    engine: Engine,
    before: Manifest,
    manifest: Manifest,
    progress: Progress,
) -> tuple[Manifest, dict[str, int]]:
    """`manifest` with `alias_of` where another picture stands for one; `before` is settled.

    New pictures are compared with all. Settled ones with each other only after `[dedupe].mode` was
    made wider, and then until a run finds nothing more to change: only what a saved manifest holds
    counts as done. A narrower mode takes nothing back. Return beside it what a change of mode
    meant: `compared_again`, `merged_again`, `kept_repeats`; nothing where there was none.
    """
    ledger = Ledger.load(site)
    new = [asset.blob for digest, asset in manifest.assets.items() if digest not in before.assets]
    settled = [asset for digest, asset in manifest.assets.items() if digest in before.assets]
    known = [asset.blob for asset in settled]
    mode, last = Mode(site.config.dedupe), ledger.mode
    is_wider = mode.is_wider_than(last)
    reviews = load_reviews(site)
    reviews = replace(reviews, split=reviews.split | _came_along(settled, ledger, reviews))
    found = []
    if mode is not Mode.OFF:
        found = proposals([*new, *known]) if is_wider else proposals(new, known)
    judge = _Judge(site, engine, manifest, ledger, progress)
    apart = _own_originals(site, manifest)
    waves = choose_canonical(new, found, settled=settled, apart=apart, reviews=reviews, mode=mode)
    try:
        chosen = run(waves, judge)
        moved = [asset for asset in settled if _standing_for(asset, chosen[asset.digest]) != asset]
        if not is_wider or (ledger.is_complete and not moved):
            ledger.settle(mode)
    finally:
        ledger.save()
    assets = {
        digest: _standing_for(asset, chosen[digest]) for digest, asset in manifest.assets.items()
    }
    for digest, asset in assets.items():
        if asset.alias_of is not None and asset.alias_of != manifest.assets[digest].alias_of:
            progress.event("repeat", sha256=digest.hex, of=asset.alias_of.hex)
    change: dict[str, int] = {}
    if mode is not last:
        change = {"compared_again": len(settled) if is_wider else 0}
        change |= {"merged_again": len(moved) if is_wider else 0}
        change["kept_repeats"] = 0 if is_wider else _beyond(mode, assets.values(), ledger)
        progress.event("mode", before=last.value, now=mode.value, **change)
    return Manifest(assets), change


def _beyond(mode: Mode, assets: Iterable[Asset], ledger: Ledger) -> int:
    """How many repeats stand that `mode` would not find."""
    pairs = (Pair.of(one.digest, one.alias_of) for one in assets if one.alias_of is not None)
    evidence = [ledger.known.get(pair) for pair in pairs]
    return sum(one is not None and (mode is Mode.OFF or not one.exact) for one in evidence)


def _came_along(assets: Iterable[Asset], ledger: Ledger, reviews: Reviews) -> set[Digest]:
    """Repeats whose only tie to what stands for them is a picture that was split from it since."""
    if not reviews.split:
        return set()
    merged = {digest for pair in reviews.merged for digest in (pair.first, pair.second)}
    same = {pair for pair, one in ledger.known.items() if one.same}
    kin = {digest for pair in same for digest in _others(pair, reviews.split)} - merged
    return {
        asset.digest
        for asset in assets
        if asset.alias_of is not None
        and asset.digest in kin
        and Pair.of(asset.digest, asset.alias_of) not in same
    }


def _others(pair: Pair, digests: Collection[Digest]) -> Iterator[Digest]:
    """The sides of a pair whose other side is among `digests`."""
    if pair.first in digests:
        yield pair.second
    if pair.second in digests:
        yield pair.first


def _standing_for(asset: Asset, chosen: Digest) -> Asset:
    return replace(asset, alias_of=chosen if chosen != asset.digest else None)


def _own_originals(site: Site, manifest: Manifest) -> set[Pair]:
    """A rendition and the original it was made from: two pictures, by the user's own choice."""
    pairs = set()
    for asset in manifest.assets.values():
        for address in asset.sources:
            located = site.locator.locate(Url(address))
            if located is None or located.original is None:
                continue
            original = manifest.find(located.original.address)
            if original is not None and original.digest != asset.digest:
                pairs.add(Pair.of(asset.digest, original.digest))
    return pairs


@dataclass(frozen=True, slots=True)
class _Judge:
    """Answers a wave of pairs from the ledger, and the rest by looking, all cores at once."""

    site: Site
    engine: Engine
    manifest: Manifest
    ledger: Ledger
    progress: Progress

    def __call__(self, asked: Sequence[Proposal]) -> list[Evidence]:
        open_ = [proposal for proposal in asked if proposal.pair not in self.ledger.known]
        if open_:
            self.progress.stage("compare", len(open_), "pairs")
        look = partial(_look, self.site, self.manifest)
        for evidence in self.engine.map(look, open_, cpu_count() or 1):
            self.ledger.add(evidence)
            self.progress.advance()
        return [self.ledger.known[proposal.pair] for proposal in asked]


def _look(site: Site, manifest: Manifest, proposal: Proposal) -> Evidence:
    pair = proposal.pair
    limits = Limits(max_pixels=site.config.fetch.max_pixels)
    # A fresh clone may have no archive; what is stored is as good, and a repeat must not be missed.
    assets = (manifest.assets[digest] for digest in (pair.first, pair.second))
    first, second = (find_copy(site.archive, site.targets, asset) for asset in assets)
    if isinstance(first, Found) and isinstance(second, Found):
        with suppress(ImageError):
            return compare(first.data, second.data, proposal.distance, limits)
    return Evidence(pair, proposal.distance, refusal=Refusal.UNREADABLE)


# --- Looking at groups ------------------------------------------------------------------------


def merged_along(manifest: Manifest, first: Digest, second: Digest) -> set[Digest]:
    """What a merge of two pictures makes one group with them: what they and theirs stand for."""
    two = {first, second}
    kept = two | {manifest.shown_for(manifest.assets[digest]).digest for digest in two}
    along = {digest for digest, asset in manifest.assets.items() if asset.alias_of in kept}
    return (kept | along) - two


def parted_along(
    manifest: Manifest, ledger: Ledger, reviews: Reviews, digest: Digest
) -> set[Digest]:
    """What stands for itself, too, once the picture `digest` does."""
    assets = manifest.assets.values()
    along = {asset.digest for asset in assets if asset.alias_of == digest}
    return along | _came_along(assets, ledger, reviews.splitting(digest)) - {digest}


@dataclass(frozen=True, slots=True)
class Group:
    """One picture and its repeats; each with the evidence, `None` where a person decided."""

    kept: Asset
    members: tuple[tuple[Asset, Evidence | None], ...]


def groups(manifest: Manifest, evidence: Iterable[Evidence]) -> list[Group]:
    """Every group of repeats, largest first."""
    by_pair = {one.pair: one for one in evidence if one.same}
    members: dict[Digest, list[Asset]] = {}
    for asset in manifest.assets.values():
        if asset.alias_of is not None:
            members.setdefault(asset.alias_of, []).append(asset)
    found = [
        Group(
            manifest.assets[kept],
            tuple((one, by_pair.get(Pair.of(kept, one.digest))) for one in aliases),
        )
        for kept, aliases in members.items()
    ]
    return sorted(found, key=lambda group: (-len(group.members), group.kept.digest))


def refused(ledger: Ledger, manifest: Manifest) -> list[Evidence]:
    """Pairs that look alike and were kept apart, nearest first."""
    return sorted(
        (
            one
            for one in ledger.known.values()
            if not one.same and {one.pair.first, one.pair.second} <= manifest.assets.keys()
        ),
        key=lambda one: (one.distance, one.pair),
    )
