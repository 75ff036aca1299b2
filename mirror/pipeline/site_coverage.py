"""The mirrored pictures that posts show, against those that the built site shows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from mirror.amounts import count_text
from mirror.compact import TextFilter
from mirror.destinations import Destination
from mirror.model import Finding, Rule
from mirror.pages import Location
from mirror.pipeline.scan import ScannedPost, SiteScan

_SEPARATOR = re.compile(r"[._-]")
_MOST_CUTS = 32  # of one name
_BETWEEN = re.compile(r"[/?&=]")
# What generators leave out, as their front matter says it.
_DRAFT = re.compile(
    rb"""(?mi)^[ \t"'+]*(?:(?:draft|unlisted|hidden|private)["']?\s*[:=]\s*["']?true
    |published["']?\s*[:=]\s*["']?false
    |status["']?\s*[:=]\s*["']?(?:draft|hidden|private))\b""",
    re.X,
)
_FRONT_MATTER = 4096  # bytes: no setting of that kind stands farther behind
_DRAFT_FOLDERS = frozenset({"_drafts", "drafts"})


class ShownPictures:
    """Counts the mirrored pictures of the posts that a built site shows.

    Generators put a picture into another folder and add to its name, or let a program scale it. So
    the beginning of the name counts, wherever it stands in an address. A small picture behind a
    relative link may be put into the page itself: Vite does so below 4 KiB.
    """

    def __init__(self, scanned: SiteScan, destinations: Sequence[Destination]) -> None:
        self._scanned = scanned
        self._destinations = destinations
        self._names = TextFilter(name for post in scanned.posts for name in self._of(post))
        self._seen: set[int] = set()  # hashes: there may be a million
        self._is_relative = any(destination.has_relative_links for destination in destinations)
        self._embedded: set[int] = set()  # hashes

    def see(self, location: Location) -> None:
        """Note that the built site asks for this."""
        for part in _BETWEEN.split(unquote(unquote(location.path + location.query))):
            cuts = [match.start() for match in _SEPARATOR.finditer(part)][:_MOST_CUTS]
            names = (part[:cut] for cut in (*cuts, len(part)))
            self._seen.update(hash(name) for name in names if name in self._names)

    def see_embedded(self, url: str) -> None:
        """Note an address that asks no server: it may be a picture of the page itself."""
        if self._is_relative and url.startswith("data:image/"):
            self._embedded.add(hash(url))

    def finding(self, folder: Path) -> Finding | None:
        """Return a warning if most of the pictures are not shown by the site in `folder`.

        Drafts are left out, and posts that the site itself serves.
        """
        shown, missing = self._count(self._scanned.posts)
        if shown >= missing:
            return None
        built = [post for post in self._scanned.posts if not _is_left_out(post, folder)]
        shown, missing = self._count(built)
        if shown >= missing:
            return None
        message = (
            f"shows {shown:,} of the {count_text(shown + missing, 'mirrored picture')} of the "
            "posts: was all of the site built, from these posts, after `mirror rewrite`?"
        )
        return Finding(Rule.SITE_SHOWS_FEW, str(folder), message)

    def _count(self, posts: Sequence[ScannedPost]) -> tuple[int, int]:
        names = {hash(name) for post in posts for name in self._of(post)}
        shown = min(len(names & self._seen) + len(self._embedded), len(names))
        return shown, len(names) - shown

    def _of(self, scanned: ScannedPost) -> Iterator[str]:
        """Yield the names of the mirrored pictures of a post, without their extensions."""
        for reference in scanned.stored:
            if reference.form.is_rewritten:
                url = scanned.post.from_root(reference.url).raw
                keys = (destination.key_of(url) for destination in self._destinations)
                yield from (PurePosixPath(key).stem for key in keys if key)


def _is_left_out(scanned: ScannedPost, folder: Path) -> bool:
    post = scanned.post
    if post.path.is_relative_to(folder) or not _DRAFT_FOLDERS.isdisjoint(post.path.parts):
        return True
    data = scanned.read()
    return not isinstance(data, Finding) and _DRAFT.search(data[:_FRONT_MATTER]) is not None
