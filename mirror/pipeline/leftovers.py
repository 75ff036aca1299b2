"""The places of a site that still need a source: those that name an address of one, and why."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import chain
from operator import attrgetter
from pathlib import Path
from time import monotonic
from typing import Any, NamedTuple

from mirror.destinations import Destination, is_mirrored
from mirror.files import absolute_path
from mirror.manifest import Manifest, ManifestFile
from mirror.markdown import (
    DrawnParts,
    find_drawn,
    find_references,
    is_image_link,
    is_within,
    render,
)
from mirror.markdown.decode import PositionCounter, PostText, decode
from mirror.model import Finding, Form, Quoting, Reference, Rule
from mirror.pages import (
    Location,
    Mention,
    MentionFinder,
    SiteAddress,
    Use,
    find_pictures,
    find_style_pictures,
    mention_uses,
    resolve,
    resolve_base,
    string_uses,
    utf8_text,
    without_overlaps,
)
from mirror.pipeline.built_site import (
    is_page,
    no_page_finding,
    published_at,
    walk_built_site,
)
from mirror.pipeline.hold import find_suspects
from mirror.pipeline.parts import Parts
from mirror.pipeline.progress import FindingLog, Progress, summary
from mirror.pipeline.scan import SiteScan, scan, shown_identities
from mirror.pipeline.site_folder import SiteFolder
from mirror.pipeline.text_files import TextFile, need_built_site
from mirror.pipeline.unmatched import unmatched_sources
from mirror.posts import PostTree
from mirror.repeats.reviews import REVIEWS, load_reviews
from mirror.rewrites import is_source
from mirror.urls.address import Address, Url, canonical, identity
from mirror.urls.redact import has_hidden
from mirror.urls.sources import Locator


class Why(StrEnum):
    """The reason for which an address of a source still stands where it does."""

    NOT_MIRRORED = "not-mirrored"
    REWRITE = "rewrite"
    TEXT = "text"
    CODE = "code"
    UNKNOWN_FORM = "unknown-form"
    PROXIED = "proxied"
    OTHER_FILE = "other-file"
    SITE = "site"


_REASONS = {
    Why.NOT_MIRRORED: "is not mirrored, or waits for `mirror accept`; `mirror sync` says why",
    Why.REWRITE: "is mirrored; `mirror rewrite` moves it, or says why not",
    Why.TEXT: "is text that readers see; no picture is lost",
    Why.CODE: "stands in code or in a comment; no picture is lost",
    Why.UNKNOWN_FORM: "stands where `mirror rewrite` changes no address; change it by hand",
    Why.PROXIED: (
        "another host asks the source for it; write the picture's own address, then sync"
    ),
    Why.OTHER_FILE: (
        "stands in a file that is no post; change it by hand, or name a data file in `include` of "
        "[posts]"
    ),
    Why.SITE: (
        "a built page asks for it; build the site again once no post and no file names it. If none "
        "does, a theme or a plugin has it"
    ),
}
_MARKDOWN = frozenset({".md", ".markdown", ".mdx"})


@dataclass(frozen=True, slots=True)
class Leftover:
    """A place that names an address of a source. `file` counts from the configuration's folder.

    With `is_ignored` the image is under `[[ignore]]`, and the manifest lacks it. With `is_page` it
    is a link to what does not count as an image, so `sync` does not ask for it. With `is_shown` a
    built page shows it as a picture. With `is_own` it leads to the site itself, and to no picture
    there. With `is_written` the generator makes its file of the posts.
    """

    file: str
    line: int
    column: int
    url: Url
    why: Why
    is_ignored: bool = False
    is_page: bool = False
    is_shown: bool = False
    is_own: bool = False
    is_written: bool = False

    @property
    def breaks(self) -> bool:
        """True if a page would lose a picture or a link without the source."""
        return self.why not in (Why.TEXT, Why.CODE) and not self.is_ignored and not self.is_own

    @property
    def reason(self) -> str:
        """What the reason means for a person, and what to do."""
        if self.is_ignored:
            return "is under [[ignore]], so mirror does not ask whether it still exists"
        if self.is_own:
            return "leads to the site itself, and to no picture"
        if self.is_page:
            where = "where it comes from" if self.why is Why.SITE else "by hand"
            return f"is a link to a page or file that mirror does not keep; change it {where}"
        if self.is_written:
            return "stands in a file that the generator writes from the posts; run it and ask again"
        if self.why is Why.REWRITE and has_hidden(self.url.public):
            return (
                "is mirrored; `mirror rewrite --drop-secrets` moves it, and `--revert` could not "
                "bring its secret back"
            )
        if self.why is Why.OTHER_FILE and Path(self.file).suffix.lower() in _MARKDOWN:
            return (
                "stands in a Markdown file that is no post; name it in `paths` of [posts], or "
                "change it by hand"
            )
        return _REASONS[self.why]

    def as_json(self) -> dict[str, Any]:
        place = {"file": self.file, "line": self.line, "column": self.column}
        return {**place, "url": self.url.public, "why": self.why.value, "breaks": self.breaks}


@dataclass(frozen=True, slots=True)
class LeftoverOptions:
    """The files to read. `paths` limits posts and other files to what is below them.

    `site` is the folder of the built site, `config` the configuration's own file.
    """

    paths: tuple[Path, ...] = ()
    site: Path | None = None
    config: Path | None = None


@dataclass(slots=True)
class LeftoverResult:
    """Every place, in the order of posts, other files and built pages."""

    leftovers: Sequence[Leftover]
    findings: Sequence[Finding]
    summary: dict[str, int | float]


def find_leftovers(parts: Parts, options: LeftoverOptions, progress: Progress) -> LeftoverResult:
    """Explain every place of the site that names an address of a source. Reads only.

    Raise `ConfigError` for a path that is not there. What cannot be read is a finding.
    """
    started = monotonic()
    need_built_site(options.site)
    config = parts.config
    findings = FindingLog(progress.finding)
    scanned = _scan_posts(parts.posts, options.paths)
    findings.extend(scanned.findings)
    posts = {scanned_post.name for scanned_post in scanned.posts}
    posts |= {_unread_name(finding) for finding in scanned.findings}
    folder = SiteFolder.open(
        config.root, [folder for _, folder in parts.folders], options.config, options.site
    )
    manifest = _manifest_of(parts.manifest, parts.locator, scanned)
    redirects, _ = parts.redirects.load()
    reviews = load_reviews(config.manifest / REVIEWS)
    suspects = find_suspects(manifest, redirects, reviews)
    reasons = Reasons(scanned, parts.locator, manifest, parts.destinations, suspects, folder)
    finder = MentionFinder(config.sources)
    progress.stage("read the site's folder", None, "places")
    trees = options.paths or _trees(config.root, config.posts.paths)
    places = [
        _in_posts(scanned, finder, reasons, findings),
        _in_other_files(folder, trees, posts, finder, findings),
    ]
    if (site := options.site) is not None:
        address = published_at(site, config.root, config.sources).address
        places.append(_in_built_site(site, config.root, address, finder, parts.locator, findings))
    leftovers = []
    for place in chain.from_iterable(places):
        progress.advance()
        if not is_mirrored(parts.destinations, place.url):
            is_picture = place.is_shown or reasons.has_target(place.url)  # also without a suffix
            is_own = not is_picture and _is_own(place, folder)
            place = replace(place, is_page=place.is_page and not is_picture, is_own=is_own)
            leftovers.append(_with_ignored(place, parts.locator, manifest, config.ignored))
            progress.event("leftover", **leftovers[-1].as_json())
    if not options.paths:
        assets = parts.manifest.stream_assets() if parts.manifest.exists() else ()
        urls = (place.url for place in leftovers)
        findings.extend(unmatched_sources(config.sources, parts.locator, scanned, assets, urls))
    ignored = {place.url.public for place in leftovers if place.is_ignored}
    counts = {**scanned.tally(), **_counts(leftovers), "ignored": len(ignored)}
    return LeftoverResult(leftovers, findings, summary(counts, findings, started))


def _scan_posts(posts: PostTree, paths: Sequence[Path]) -> SiteScan:
    """Scan the posts, or the Markdown files among `paths`; a folder without posts is no finding.

    A data file is no post here: in a post, an address in it would count as text for readers.
    """
    if not paths:
        return scan(*posts.find())
    named = [path for path in paths if path.suffix.lower() in _MARKDOWN or not path.is_file()]
    scanned = scan(*posts.find(named)) if named else SiteScan()
    scanned.findings = [
        finding for finding in scanned.findings if finding.rule is not Rule.NO_POSTS
    ]
    return scanned


def _manifest_of(file: ManifestFile, locator: Locator, scanned: SiteScan) -> Manifest:
    """Return what the manifest has of the posts' images; nothing before the first `sync`."""
    return file.select((), shown_identities(scanned, locator)) if file.exists() else Manifest()


def _trees(root: Path, posts: Iterable[Path]) -> list[Path]:
    """Return the folder of the site, and folders of posts that are elsewhere."""
    folders = map(absolute_path, posts)
    return [root, *(path for path in folders if not path.is_relative_to(root))]


def _is_own(place: Leftover, folder: SiteFolder) -> bool:
    """Return True for the address of the site, and for one below it that is no picture's.

    A template may put more behind an address, so in other files only that of the site counts, and
    links to its pages.
    """
    if place.why is Why.OTHER_FILE and not place.is_page:
        return folder.publishes(place.url, whole=True)
    is_no_picture = place.is_page or (place.why is Why.SITE and not is_image_link(place.url))
    return is_no_picture and folder.publishes(place.url)


def _with_ignored(
    place: Leftover, locator: Locator, manifest: Manifest, ignored: Container[Address]
) -> Leftover:
    located = locator.locate(place.url) if place.breaks else None
    if located is None or located.address not in ignored or manifest.find(located.address):
        return place
    return replace(place, is_ignored=True)


def _counts(leftovers: Iterable[Leftover]) -> dict[str, int]:
    every = Counter(place.why for place in leftovers)
    breaking = sum(place.breaks for place in leftovers)
    counts = {"leftovers": every.total(), "breaking": breaking}
    return counts | {why.value.replace("-", "_"): every[why] for why in Why}


# --- Posts ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Reasons:
    """Tells why a reference of a post still names a source."""

    scanned: SiteScan
    locator: Locator
    manifest: Manifest
    destinations: Sequence[Destination]
    suspects: Container[str]
    folder: SiteFolder

    def of(self, post: str, reference: Reference) -> Why:
        if not reference.form.is_rendered:
            return Why.CODE
        if not reference.form.is_rewritten:
            return Why.TEXT
        if not (self.scanned.leads_to_image(reference) and self.has_target(reference.url)):
            return Why.NOT_MIRRORED
        is_taken = is_source(reference.url.public) and all(
            destination.takes_link(post, reference) for destination in self.destinations[:1]
        )
        return Why.REWRITE if is_taken else Why.UNKNOWN_FORM

    def is_proxied(self, reference: Reference, mention: Mention) -> bool:
        """Return True for an image of another host whose address has that of a source in it."""
        return (
            reference.form.is_rewritten
            and canonical(reference.url.raw) is not None
            and self.locator.locate(reference.url) is None
            and self.locator.locate(mention.url) is not None
        )

    def has_target(self, url: Url) -> bool:
        """Return True if `mirror rewrite` has another URL for it."""
        located = self.locator.locate(url)
        asset = None if located is None else self.manifest.find(located.address)
        if located is None or identity(located.address) in self.suspects:
            return False
        if asset is None or (key := self.manifest.shown_for(asset).key) is None:
            return False
        return any(destination.public_url(key) for destination in self.destinations[:1])


def _in_posts(
    scanned: SiteScan, finder: MentionFinder, reasons: Reasons, findings: FindingLog
) -> Iterator[Leftover]:
    for scanned_post in scanned.posts:
        data = scanned_post.read()
        if isinstance(data, Finding):
            findings.append(data)
        elif scanned_post.encoding and (reasons.folder.variables or finder.may_be_in(data)):
            text = decode(data).utf8
            if mentions := list(_mentions_in_post(text, finder, reasons)):
                by_line = _by_line(scanned_post.references)
                yield from _explained(scanned_post.name, text, mentions, by_line, reasons)


def _mentions_in_post(text: bytes, finder: MentionFinder, reasons: Reasons) -> Iterator[Mention]:
    """Return the places that name a source, also where a setting of the generator stands for it."""
    expanded = (
        mention
        for mention in reasons.folder.expanded(text)
        if reasons.locator.locate(mention.url) is not None
    )
    return without_overlaps(sorted(chain(finder.find(text), expanded), key=attrgetter("start")))


def _by_line(references: Iterable[Reference]) -> Mapping[int, Sequence[Reference]]:
    by_line: dict[int, list[Reference]] = {}
    for reference in references:
        by_line.setdefault(reference.line, []).append(reference)
    return by_line


def _explained(
    name: str,
    text: bytes,
    mentions: Sequence[Mention],
    references: Mapping[int, Sequence[Reference]],
    reasons: Reasons,
) -> Iterator[Leftover]:
    position = PositionCounter(PostText(text, "utf-8"))
    probed: _Probed | None = None
    drawn = find_drawn(text, plain_fences=reasons.folder.has_plain_fences)
    for mention in mentions:
        _, line, column = position.advance(mention.start)
        reference = _reference_at(references.get(line, ()), column)
        expected = None if reference is None else reasons.of(name, reference)
        if reference is not None and reasons.is_proxied(reference, mention):
            why = Why.PROXIED
        elif expected in (None, Why.CODE, Why.TEXT):
            probed = probed or _probe(text, mentions, name)
            why = Why.TEXT if expected is Why.TEXT else probed.reasons[mention.start]
            if mention.start in probed.shown or _may_be_drawn(why, text, mention.start, drawn):
                why = Why.UNKNOWN_FORM
        else:
            why = expected
        url = mention.url if reference is None else reference.url
        is_page = (
            why is Why.NOT_MIRRORED
            and reference is not None
            and not reasons.scanned.leads_to_image(reference)
        )
        yield Leftover(name, line, column, url, why, is_page=is_page)


def _may_be_drawn(why: Why, text: bytes, start: int, drawn: DrawnParts) -> bool:
    """Return True for a place of code or text that a site generator may make an image of."""
    if why is Why.CODE:
        return is_within(start, drawn.code)
    return why is Why.TEXT and (is_within(start, drawn.text) or _is_in_syntax(text, start))


def _reference_at(on_line: Sequence[Reference], column: int) -> Reference | None:
    """Return the reference that covers a column; `on_line` are those of the line, in order."""
    index = bisect_right(on_line, column, key=attrgetter("column")) - 1
    if index < 0 or column >= on_line[index].column + len(on_line[index].spelling):
        return None
    return on_line[index]


# What stands in the line before an address that is no text, though Markdown takes it for text.
_IN_SYNTAX = re.compile(
    rb"(?:\]\([ \t]*<?"  # `![](https://h/a b.png)`, which Python-Markdown shows
    rb"|=\{?[\"'`]|url\([\"']?"  # attributes, styles
    rb"|\{\{[^{}]*+|\{%[^%]*+"  # `![]({{ "https://…" | url }})`
    rb"|\{(?::|[^{}=]*+=)[^{}]*+"  # `{: style="…"}`, `{poster=https://…}`
    rb"|\\[A-Za-z]+(?:\[[^\]]*+\])?\{"  # TeX: `\includegraphics{https://…}`
    rb"|\[\[[^\[\]]*+|!\[[^\[\]]*+\]\[|%\[|(?<![\w!])!"  # wikis, Hashnode, Textile
    rb"|[\[{](?:img|image|photo|video|audio|embed|gallery|media|caption)[\]}][ \t]*"  # forums
    rb"|\b(?:image|figure|video|audio)::[ \t]*"  # reStructuredText, AsciiDoc
    rb"|^[ \t]*(?:--8<--|<<<).*)\Z"  # what is included
)
_BEFORE_BYTES = 200  # that are searched in front of each address, with the longest of these names


def _is_in_syntax(text: bytes, start: int) -> bool:
    before = text[max(0, start - _BEFORE_BYTES) : start]
    return _IN_SYNTAX.search(before.rpartition(b"\n")[2]) is not None


_PROBE = b"https://probe.invalid/%d.png"
_PROBE_NUMBER = re.compile(r"//probe\.invalid/(\d{1,9})\.png")
_PROBED = {Form.AUTOLINK: Why.TEXT, Form.CODE: Why.CODE, Form.COMMENT: Why.CODE}
# A script, a style sheet, `<?php`, and `<!x`, which is text to renderers of older CommonMark.
_SCRIPT = re.compile(rb"<(?:s(?=(?:cript|tyle)[\s>])|/s(?:cript|tyle)>|(?=\?|!(?!--)))", re.I)


class _Probed(NamedTuple):
    """What each place of a post is, by the start of its mention; and those that the page shows."""

    reasons: Mapping[int, Why]
    shown: Container[int]


def _probe(text: bytes, mentions: Iterable[Mention], name: str) -> _Probed:
    """Tell what the places of a post are.

    Code and comments are searched for images only. So each mention is replaced by the address of
    an image, and the form that is found there is that of the place. A script and a style sheet
    count as code, too, but the page runs them: they are found by what is code only within them.
    An element that a block leaves open goes on behind it in a browser, which the whole page shows.
    """
    pieces: list[bytes] = []
    starts: dict[int, int] = {}  # in the changed text -> in `text`
    done = size = 0
    for mention in mentions:
        before = text[done : mention.start]
        # The sign of a diff, or of `git+https://`: no address begins behind it.
        if before.endswith((b"+", b"-")):
            before += b" "
        pieces += before, _PROBE % len(starts)
        size += len(before)
        starts[size] = mention.start
        size += len(pieces[-1])
        done = mention.stop
    changed = b"".join((*pieces, text[done:]))
    reasons = _reasons_at(changed, starts, name)
    if (without_scripts := _SCRIPT.sub(_without_script, changed)) != changed:
        others = _reasons_at(without_scripts, starts, name)
        for start, why in reasons.items():
            if why is Why.CODE and others[start] is not Why.CODE:
                reasons[start] = Why.UNKNOWN_FORM
    pictures = find_pictures(render(changed, name)).pictures
    probes = filter(None, (_PROBE_NUMBER.search(picture.url) for picture in pictures))
    numbers = {int(probe[1]) for probe in probes}
    return _Probed(reasons, {s for number, s in enumerate(starts.values()) if number in numbers})


def _without_script(opening: re.Match[bytes]) -> bytes:
    """Return as many bytes that begin no script. Its end is one of `<pre>` to CommonMark, too."""
    if opening[0].startswith(b"</"):
        return b"</pre>".ljust(len(opening[0]))
    return b"<x" if len(opening[0]) > 1 else b"("


def _reasons_at(text: bytes, starts: Mapping[int, int], name: str) -> dict[int, Why]:
    reasons = dict.fromkeys(starts.values(), Why.UNKNOWN_FORM)
    for reference in find_references(text, name).references:
        if (start := starts.get(reference.span.start)) is not None:
            # `<pre>` and its like count as code, too, but a browser shows the images in them.
            is_shown = reference.form is Form.CODE and reference.quoting is not Quoting.TEXT
            why = _PROBED.get(reference.form, Why.UNKNOWN_FORM)
            reasons[start] = Why.UNKNOWN_FORM if is_shown else why
    return reasons


# --- Other files ------------------------------------------------------------------------------


def _in_other_files(
    folder: SiteFolder,
    trees: Sequence[Path],
    posts: Container[str],
    finder: MentionFinder,
    findings: FindingLog,
) -> Iterator[Leftover]:
    for file in folder.walk(trees):
        if isinstance(file, Finding):
            if _unread_name(file) not in posts:
                findings.append(file)
        elif file.name not in posts:
            for text, mentions in _read(file, finder, findings):
                is_written = file.path in folder.written
                is_markdown = file.path.suffix.lower() in _MARKDOWN
                references = find_references(text, file.name).references if is_markdown else ()
                by_line = _by_line(references)
                places = (_Place(mention, Why.OTHER_FILE) for mention in mentions)
                for place in _placed(file, text, places):
                    reference = _reference_at(by_line.get(place.line, ()), place.column)
                    is_page = reference is not None and _is_link_to_page(reference)
                    yield replace(place, is_page=is_page, is_written=is_written)


def _is_link_to_page(reference: Reference) -> bool:
    return reference.form is Form.LINK and not is_image_link(reference.url)


def _unread_name(finding: Finding) -> str:
    """Return the file or folder that a finding about the posts or other files is about."""
    return (finding.post or finding.subject).rstrip("/")


# --- The built site ---------------------------------------------------------------------------

_USES = {Use.ASKED: Why.SITE, Use.LINK: Why.SITE, Use.TEXT: Why.TEXT, Use.CODE: Why.CODE}


def _in_built_site(
    site: Path,
    root: Path,
    address: SiteAddress,
    finder: MentionFinder,
    locator: Locator,
    findings: FindingLog,
) -> Iterator[Leftover]:
    has_page = False
    for file in findings.sift(walk_built_site(site, root)):
        has_page = has_page or is_page(file.path)
        data = file.read()
        if isinstance(data, Finding):
            findings.append(data)
        elif (text := utf8_text(data)) is not None:
            page = address.page(file.path.relative_to(site).as_posix())
            shown = list(_shown_pictures(file, text, page, address, locator))
            places = list(_with_shown(_mentions(file, text, finder), shown, locator))
            places.sort(key=lambda place: place.mention.start)
            yield from _placed(file, text, places)
    if not has_page:
        findings.append(no_page_finding(site))


class _Place(NamedTuple):
    """A mention in a file that is no post; `is_page` and `is_shown` as of `Leftover`."""

    mention: Mention
    why: Why
    is_page: bool = False
    is_shown: bool = False


def _mentions(file: TextFile, text: bytes, finder: MentionFinder) -> Iterator[_Place]:
    if not finder.may_be_in(text):
        return
    uses = (
        mention_uses(text, finder.find(text))
        if is_page(file.path)
        else string_uses(file.path.suffix, text, finder)
    )
    for mention, use in uses:
        yield _Place(mention, _USES[use], use is Use.LINK and not is_image_link(mention.url))


def _with_shown(
    places: Iterable[_Place], shown: Iterable[tuple[Address, Mention]], locator: Locator
) -> Iterator[_Place]:
    """Yield `places` with those that the page shows marked, and the pictures that they lack.

    A browser reads `https:\\\\host/a`, an address with a line break in it and one that CSS escapes.
    """
    pictures = {address for address, _ in shown}
    known: set[Address] = set()
    for place in places:
        image = locator.locate(place.mention.url)
        if image is not None:
            known.add(image.address)
        yield place._replace(is_shown=image is not None and image.address in pictures)
    for address, mention in shown:
        if address not in known:
            yield _Place(mention, Why.SITE, is_shown=True)


def _shown_pictures(
    file: TextFile, text: bytes, page: Location, site: SiteAddress, locator: Locator
) -> Iterator[tuple[Address, Mention]]:
    """Yield the pictures of sources that a browser asks for, each with its place."""
    if is_page(file.path):
        addresses = find_pictures(text)
    elif file.path.suffix.lower() == ".css":
        addresses = find_style_pictures(text)
    else:
        return
    base = resolve_base(addresses.base, page, site)
    for picture in addresses.pictures:
        location = resolve(picture.url, base, SiteAddress())  # the site's own host names it too
        if location is None or not location.host:
            continue
        url = Url(location.url)
        if (image := locator.locate(url)) is not None:
            yield image.address, Mention(picture.start, picture.start, url)


def _read(
    file: TextFile, finder: MentionFinder, findings: FindingLog
) -> Iterator[tuple[bytes, Iterator[Mention]]]:
    """Yield the text of a file and what it mentions, if it can be read and may mention anything."""
    data = file.read()
    if isinstance(data, Finding):
        findings.append(data)
    elif finder.may_be_in(data) and (text := utf8_text(data)) is not None:
        yield text, finder.find(text)


def _placed(file: TextFile, text: bytes, places: Iterable[_Place]) -> Iterator[Leftover]:
    position = PositionCounter(PostText(text, "utf-8"))
    for place in places:
        _, line, column = position.advance(place.mention.start)
        url, is_link, is_shown = place.mention.url, place.is_page, place.is_shown
        yield Leftover(file.name, line, column, url, place.why, is_page=is_link, is_shown=is_shown)
