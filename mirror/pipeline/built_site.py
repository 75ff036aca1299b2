"""The built site against the manifest: each picture that a page asks for, as a browser would."""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Container, Iterable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import lru_cache, partial
from mimetypes import MimeTypes
from pathlib import Path
from typing import NamedTuple

from mirror.amounts import count_text
from mirror.destinations import Destination
from mirror.documents import is_html
from mirror.files import opened, real_path
from mirror.generators import SiteGenerator, find_generators, generators_above
from mirror.markdown import has_image_path
from mirror.markdown.decode import PositionCounter, PostText
from mirror.model import Finding, Key, Layer, Rule
from mirror.pages import (
    Location,
    Mention,
    MentionFinder,
    PageAddress,
    PageAddresses,
    SiteAddress,
    Use,
    find_icons,
    find_own_address,
    find_pictures,
    find_style_pictures,
    mention_uses,
    resolve,
    resolve_base,
    string_uses,
    utf8_text,
)
from mirror.pipeline.progress import FindingLog, LayerCheck, Progress
from mirror.pipeline.site_coverage import ShownPictures
from mirror.pipeline.text_files import TextFile, is_version_control, walk_files
from mirror.store import DirectoryStore
from mirror.urls.address import Address, Url, UrlParts, canonical, host_of, identity, parse
from mirror.urls.sources import Locator, Source

_PAGES = frozenset({".html", ".htm", ".xhtml"})
# What pages load and browsers draw or run, and what feed readers show.
_ASKED_FOR = frozenset(".css .svg .js .mjs .json .webmanifest .xml .rss .atom".split())
_TYPES = MimeTypes()  # as Python knows them: what this machine knows besides changes no verdict
_HEAD = 4096  # bytes of a file that are read to tell what it is
_LFS_POINTER = b"version https://git-lfs.github.com/spec/"
_PLACES = 20  # of one address; a logo that is gone is gone on every page
_HOSTS = 1000  # that are told apart; pages of a stranger may name any number
_CHECKED = 1 << 16  # locations whose check is remembered: most pages show what others show
_MORE_HOSTS = "more hosts"
_STEP = 100  # pages between two movements of the progress bar


def is_page(path: Path) -> bool:
    """Return True for a file that a browser shows as HTML.

    A suffix that says nothing of the kind (`.php`, `.shtml`, none) leaves it to the first bytes.
    """
    if path.suffix.lower() in _PAGES:
        return True
    tells = has_image_path(path.name) or _TYPES.guess_type(path.name)[0] is not None
    return not tells and is_html(_head(path) or b"")


def _head(path: Path) -> bytes | None:
    """Return the first bytes of a file, or `None` if it cannot be read."""
    try:
        with opened(path) as file:
            return file.read(_HEAD)
    except OSError:
        return None


def walk_built_site(folder: Path, root: Path) -> Iterator[TextFile | Finding]:
    """Yield the pages of a built site and what readers get with them, as `walk_files` does.

    A link out of the site is a finding if it leads to a folder or to such a file: a server may
    follow it.
    """
    is_needed = partial(_leads_to_more, real_path(folder))
    for file in walk_files(folder, root, is_version_control, is_needed):
        if isinstance(file, Finding) or is_page(file.path) or _is_asked_for(file.path):
            yield file


def _leads_to_more(folder: Path, link: Path) -> bool:
    target = real_path(link)
    if target.is_relative_to(folder):
        return False
    is_needed = link.suffix.lower() in _PAGES or _is_asked_for(link)
    return os.path.isdir(target) or (is_needed and os.path.isfile(target))  # noqa: PTH112, PTH113


def _is_asked_for(path: Path) -> bool:
    return path.suffix.lower() in _ASKED_FOR


class Published(NamedTuple):
    """Where a built site is published, and why the path there may be another one."""

    address: SiteAddress
    doubt: str = ""


def published_at(folder: Path, root: Path, sources: Iterable[Source]) -> Published:
    """Return where the site built in `folder` is published, as its generator's settings say.

    Where they name no host, the first page may, but for a host of `sources`: a text that was
    published there before names it, too, and no place that asks it must count as the site's own.
    Its path says less, as the first page may lead to that of a language.
    """
    address, doubt = _configured(folder, root)
    own = None if address.host else _own_address(folder)
    if own is None or not own.path.startswith(address.path):
        return Published(address, doubt)
    doubt = "" if own.path.removesuffix("index.html") == address.path else doubt
    is_source = own.host in source_hosts(sources)
    return Published(address if is_source else SiteAddress(own.host, address.path), doubt)


def _configured(folder: Path, root: Path) -> Published:
    above, others = list(generators_above(root, folder.parent)), find_generators(root)
    built_here = [site for site in (*above, *others) if _output(site) == folder]
    around = built_here or [site for site in above if site.content]
    named = list(filter(None, map(_named, around or others)))
    if not named:
        return Published(SiteAddress())
    if not around and len({published.address for published in named}) > 1:
        sites = " and ".join(site.shown_below(root) for site in others)
        return Published(SiteAddress(), f"{sites} do not write to this folder")
    return named[0]


def _output(site: SiteGenerator) -> Path | None:
    return Path(os.path.normpath(site.place / site.output)) if site.output else None


def _named(site: SiteGenerator) -> Published | None:
    """Return what the settings of a site say of its address; `None` if that is nothing."""
    doubt = f"{site.name} computes `{site.computed_path}`" if site.computed_path else ""
    try:
        address = SiteAddress.read(site.address) if site.address else SiteAddress()
    except ValueError:
        return None
    return Published(address, doubt) if site.address or doubt else None


def _own_address(folder: Path) -> UrlParts | None:
    """Return the address that the first page gives as its own, if it is on the web."""
    data = TextFile("index.html", folder / "index.html").read()
    text = None if isinstance(data, Finding) else utf8_text(data)
    url = None if text is None else find_own_address(text)
    own = None if url is None else parse(url)
    # `localhost` stands there where nobody has said the host.
    return own if own is not None and "." in own.host else None


def source_hosts(sources: Iterable[Source]) -> frozenset[str]:
    """Return the hosts of the sources, as addresses spell them."""
    addresses = (canonical(text) for source in sources for text in source.match)
    return frozenset(host_of(address) for address in addresses if address is not None)


_SOURCE = "the page asks a source for it; `mirror leftovers` says why"
_UNKNOWN = "looks mirrored, but no line of the manifest has this key"
_FORMER = (
    "was the address of a mirrored picture before; `mirror rewrite` moves it, or says why not; "
    "then build the site again"
)
_MENTION = "a browser or a script may ask a source for it; `mirror leftovers --site` lists it"
_LINK = "is a link to a source; `mirror leftovers --site` lists it"


@dataclass(frozen=True, slots=True)
class PictureCheck:
    """Take a location and return what is wrong with a picture there, as a rule and a message.

    `folder` is the built site, links in its own path resolved. `objects` has the keys of the
    manifest, `former` the mirrored URLs of the past. `shown` counts the pictures of the posts that
    the site shows; it is `None` where the posts are not compared.
    """

    folder: Path
    published: Published
    destinations: tuple[Destination, ...]
    locator: Locator
    hosts: frozenset[str]
    objects: Container[Key]
    former: AbstractSet[str]
    shown: ShownPictures | None

    @property
    def site(self) -> SiteAddress:
        """Where the site is published."""
        return self.published.address

    def __call__(self, location: Location) -> tuple[Rule, str] | None:
        name = self.site.name_of(location)
        urls = self._spellings(location, name)
        keys = [
            (destination, key)
            for url in urls
            for destination in self.destinations
            if (key := destination.key_of(url))
        ]
        holders = [destination for destination, key in keys if key in self.objects]
        if holders:
            # An object of a bucket is no file of the built site.
            is_file_of_site = not location.host and any(map(_is_on_site, holders))
            return self._missing(location, name) if is_file_of_site else None
        if (_host(location) or self.site.host) in self.hosts:
            is_built = name is not None and self.file_at(name) is not None
            # The site may move to where its source was.
            if self.source_address(location) is not None and not is_built:
                return Rule.PAGE_SHOWS_SOURCE, _SOURCE
        if keys and not any(
            self._is_of_the_site(destination, key, name) for destination, key in keys
        ):
            return Rule.PAGE_TARGET_UNKNOWN, _UNKNOWN
        if any(url in self.former for url in urls):
            return Rule.PAGE_FORMER_TARGET, _FORMER
        if location.host:
            return Rule.PAGE_OTHER_HOST, ""
        return self._missing(location, name)

    def source_address(self, location: Location) -> Address | None:
        """Return the address of the image of a source that is at a location; `None` for others."""
        url = location.url if location.host else f"https://{self.site.host}{location.path}"
        located = self.locator.locate(Url(url))
        return None if located is None else located.address

    def counts_in_text(self, rule: Rule, location: Location, use: Use) -> bool:
        """Return True if a place that is no picture of a page is told of the rule.

        Such a place may lead anywhere, and a script may complete it. A link to a page of the
        site's own host is none that a source answers, also where both share the host.
        """
        match rule:
            case Rule.PAGE_SHOWS_SOURCE if use is Use.LINK and not location.host:
                return has_image_path(location.path)
            case Rule.PAGE_SHOWS_SOURCE | Rule.PAGE_FORMER_TARGET:
                return True
            case Rule.PAGE_TARGET_UNKNOWN | Rule.PAGE_FILE_MISSING:
                urls = self._spellings(location, self.site.name_of(location))
                keys = (item.key_of(url) for item in self.destinations for url in urls)
                return has_image_path(location.path) and any(keys)
            case _:
                return False

    def _spellings(self, location: Location, name: str | None) -> list[str]:
        """Return the spellings that `public_url` may give, without the query."""
        path = location.path
        host = location.host or self.site.host
        urls = [f"{scheme}://{host}{path}" for scheme in ("https", "http")] if host else []
        if not location.host:
            urls.append(path)
            if name is not None:  # the generator may have put the base in front
                urls.append(path[len(self.site.path) - 1 :])
        return urls

    def _is_of_the_site(self, destination: Destination, key: Key, name: str | None) -> bool:
        """Return True for a file of the site beside the mirrored ones, such as a theme's."""
        return (
            _is_on_site(destination)
            and name is not None
            and self.file_at(name) is not None
            and isinstance(destination.store, DirectoryStore)
            and not (destination.store.root / key).exists()
        )

    def _missing(self, location: Location, name: str | None) -> tuple[Rule, str] | None:
        if name is None:
            message = (
                f"leads out of {self.site.path}, where the site is published; "
                "`--base` names another path"
            )
            return Rule.PAGE_FILE_MISSING, message
        if (file := self.file_at(name)) is None:
            return Rule.PAGE_FILE_MISSING, "no such file in the built site"
        if (fault := _no_picture(file)) is not None:
            return Rule.PAGE_FILE_MISSING, fault
        return None

    def file_at(self, name: str) -> Path | None:
        """Return the plain file that a server gives for a name, of a folder its index page.

        Nothing outside the built site is looked at, also where a link leads there.
        """
        if "\0" in name or ".." in name.split("/"):
            return None
        path = real_path(self.folder / name.lstrip("/"))
        if not path.is_relative_to(self.folder):
            return None
        candidates = (path, path / "index.html")
        return next((file for file in candidates if os.path.isfile(file)), None)  # noqa: PTH113


def _no_picture(file: Path) -> str | None:
    """Return what a file is that was built in place of a picture."""
    head = _head(file)
    if head is not None and head.startswith(_LFS_POINTER):
        return (
            "the file in the built site is a pointer of Git LFS and no picture; "
            "`git lfs pull`, then build the site again"
        )
    return "the file in the built site is empty" if head == b"" else None


_FIRST = re.compile(r"(?:https?:/)?/[^/]+/")


def mirrored_prefixes(
    destinations: Iterable[Destination], former: Iterable[str], site: SiteAddress
) -> set[str]:
    """Return what the addresses of mirrored pictures begin with, and those of the past."""
    bases = [destination.settings.public_url for destination in destinations]
    prefixes = {f"{base}/" for base in bases if base is not None}
    # A host or a folder of the root: the addresses of the past are known whole.
    prefixes |= {first[0] for url in former if (first := _FIRST.match(url))}
    # The generator may have put the base in front.
    return prefixes | {site.path.rstrip("/") + text for text in prefixes if text.startswith("/")}


def _is_on_site(destination: Destination) -> bool:
    """Return True if the site itself serves the destination's objects."""
    return (destination.settings.public_url or "").startswith("/")


def no_page_finding(folder: Path) -> Finding:
    """Return the finding for a built site without any page."""
    message = "holds no page: name the folder that the generator writes to"
    return Finding(Rule.SITE_UNCHECKED, str(folder), message)


def check_site(
    check: PictureCheck,
    finder: MentionFinder,
    ignored: Container[str],
    folder: Path,
    root: Path,
    progress: Progress,
) -> LayerCheck:
    """Check every picture of the pages in `folder`, but for those that are `ignored`.

    So is every other place of a page, a script, a style sheet, a feed or a search index that
    `finder` finds and that a browser may ask for. Names of pages count from `root`.
    """
    progress.stage("read the site", None, "pages")
    findings = FindingLog(progress.finding)
    if check.published.doubt:
        message = (
            f"{check.published.doubt}; pages are read as if the site were published at "
            f"{check.site.path}: name the path with `--base PATH`"
        )
        findings.append(Finding(Rule.SITE_PATH_ASSUMED, str(folder), message))
    reader = _SiteReader(check, finder, ignored, folder, root, findings)
    pages: list[str] = []
    others: list[TextFile] = []
    for file in walk_built_site(folder, root):
        if isinstance(file, Finding):
            reader.findings.append(file)
        elif is_page(file.path):
            reader.read(file)
            pages.append(file.name)
            if len(pages) % _STEP == 0:
                progress.advance(_STEP)
        else:
            others.append(file)
    for file in others:  # behind the pages, which name some of them and of their pictures
        reader.read_other(file)
    progress.advance(len(pages) % _STEP)
    if not pages:
        reader.findings.append(no_page_finding(folder))
    elif check.shown is not None and (few := check.shown.finding(folder)) is not None:
        reader.findings.append(few)
    reader.sum_up()
    counts = {"pages": len(pages), "pictures": reader.pictures, "elsewhere": reader.elsewhere}
    return LayerCheck(Layer("built site", pages, reader.findings), counts, reader.not_asked)


class _SiteReader:
    """Reads pages one by one. What it keeps grows with what is wrong, not with the pages."""

    def __init__(
        self,
        check: PictureCheck,
        finder: MentionFinder,
        ignored: Container[str],
        folder: Path,
        root: Path,
        findings: FindingLog,
    ) -> None:
        self.findings = findings
        self._finder = finder
        self.pictures = 0
        self.not_asked: set[str] = set()
        self._check = check
        self._ignored = ignored
        self._verdict = lru_cache(_CHECKED)(self._judge)
        self._folder = folder
        self._root = root
        self._sheets: set[str] = set()
        self._web_manifests: set[str] = set()
        self._in_sheets: defaultdict[str, set[Location]] = defaultdict(set)  # named, by file
        self._places: Counter[tuple[Rule, str]] = Counter()
        self._hosts: Counter[str] = Counter()
        self._first: dict[str, Finding] = {}  # place on each of the other hosts

    @property
    def elsewhere(self) -> int:
        """The number of pictures on other hosts."""
        return self._hosts.total()

    def _judge(self, location: Location) -> tuple[Rule, str] | None:
        if self._check.shown is not None:
            self._check.shown.see(location)
        verdict = self._check(location)
        if verdict is not None and verdict[0] is Rule.PAGE_SHOWS_SOURCE:
            address = self._check.source_address(location)
            if address is not None and address in self._ignored:
                self.not_asked.add(identity(address))
                return None
        return verdict

    def read(self, page: TextFile) -> None:
        """Check the pictures of a page, and those of style sheets that no page before has named."""
        waiting = [page]
        while waiting:
            file = waiting.pop()
            data = file.read()
            if isinstance(data, Finding):
                self.findings.append(data)
            elif (text := utf8_text(data)) is not None:
                addresses = find_pictures(text) if file is page else find_style_pictures(text)
                base = resolve_base(addresses.base, self._base_of(file), self._check.site)
                named = self._check_pictures(file, text, addresses, base)
                if file is not page:
                    self._in_sheets[file.name] |= named
                else:
                    self._check_mentions(
                        file, text, mention_uses(text, self._finder.find(text)), named
                    )
                waiting += self._new_sheets(addresses, base)
                self._web_manifests |= set(self._names(addresses.web_manifests, base))

    def read_other(self, file: TextFile) -> None:
        """Check what a style sheet, a script, an SVG, a feed or a search index names."""
        data = file.read()
        if isinstance(data, Finding):
            self.findings.append(data)
            return
        named: set[Location] = self._in_sheets[file.name]
        base = self._base_of(file)
        is_web_manifest = self._check.site.name_of(base) in self._web_manifests
        if is_web_manifest and (text := utf8_text(data)) is not None:
            named |= self._check_pictures(file, text, find_icons(text), base)
        if self._finder.may_be_in(data) and (text := utf8_text(data)) is not None:
            uses = string_uses(file.path.suffix, text, self._finder)
            self._check_mentions(file, text, uses, named)

    def _check_mentions(
        self,
        file: TextFile,
        text: bytes,
        uses: Iterable[tuple[Mention, Use]],
        named: Collection[Location],
    ) -> None:
        position = PositionCounter(PostText(text, "utf-8"))
        base = self._base_of(file)
        for mention, use in uses:
            if use not in (Use.ASKED, Use.LINK):
                continue
            location = resolve(mention.url.raw, base, self._check.site)
            verdict = None if location is None else self._verdict(location)
            if location is None or verdict is None or location in named:
                continue
            if not self._check.counts_in_text(verdict[0], location, use):
                continue
            subject = str(mention.url)
            # The `<base href>` of a picture that was named is no place more.
            if not any(str(Url(place.url)).startswith(subject) for place in named):
                _, line, column = position.advance(mention.start)
                place = (file.name, line, column)
                rule, message = verdict
                if rule is Rule.PAGE_SHOWS_SOURCE:
                    is_link = use is Use.LINK and not has_image_path(location.path)
                    message = _LINK if is_link else _MENTION
                self._add(Finding(rule, subject, message, *place))

    def _base_of(self, file: TextFile) -> Location:
        return self._check.site.page(file.path.relative_to(self._folder).as_posix())

    def _check_pictures(
        self, file: TextFile, text: bytes, addresses: PageAddresses, base: Location
    ) -> set[Location]:
        """Report what is wrong with the pictures of a file; return where the findings lead."""
        position = PositionCounter(PostText(text, "utf-8"))
        named: set[Location] = set()
        for address in addresses.pictures:
            location = resolve(address.url, base, self._check.site)
            if location is None:
                # Those of a style sheet are the theme's: MkDocs' own has more than twenty.
                if self._check.shown is not None and is_page(file.path):
                    self._check.shown.see_embedded(address.url)
                continue
            self.pictures += 1
            if (verdict := self._verdict(location)) is None:
                continue
            rule, message = verdict
            is_elsewhere = rule is Rule.PAGE_OTHER_HOST
            if is_elsewhere and not self._counts_first(location):
                continue
            if location in named:
                continue
            named.add(location)
            _, line, column = position.advance(address.start)
            place = (file.name, line, column)
            finding = Finding(rule, str(Url(location.url)), message, *place)
            if is_elsewhere:
                self._first[_host(location)] = finding
            else:
                self._add(finding)
        return named

    def _counts_first(self, location: Location) -> bool:
        """Count a picture on another host; return True for the first one there."""
        host = _host(location)
        if host not in self._hosts and len(self._hosts) >= _HOSTS:
            host = _MORE_HOSTS
        self._hosts[host] += 1
        return self._hosts[host] == 1 and host != _MORE_HOSTS

    def _add(self, finding: Finding) -> None:
        place = (finding.rule, finding.subject)
        self._places[place] += 1
        if self._places[place] <= _PLACES:
            self.findings.append(finding)

    def _new_sheets(self, addresses: PageAddresses, base: Location) -> Iterator[TextFile]:
        for name in self._names(addresses.style_sheets, base):
            if name in self._sheets or not name.endswith(".css"):
                continue
            if self._check.file_at(name) is not None:
                self._sheets.add(name)
                path = self._folder / name.lstrip("/")
                yield TextFile(os.path.relpath(path, self._root), path)

    def _names(self, addresses: Iterable[PageAddress], base: Location) -> Iterator[str]:
        """Yield the names of files of the site that are at `addresses`."""
        for address in addresses:
            location = resolve(address.url, base, self._check.site)
            name = None if location is None else self._check.site.name_of(location)
            if name is not None:
                yield name

    def sum_up(self) -> None:
        """Report in how many places more stands what was named, and the other hosts."""
        for (rule, subject), count in self._places.items():
            if count > _PLACES:
                message = f"the same in {count_text(count - _PLACES, 'more place')}"
                self.findings.append(Finding(rule, subject, message))
        for host, count in self._hosts.most_common():
            pictures = count_text(count, "picture is", "pictures are")
            message = f"{pictures} on this host, which is no [[source]]: mirror does not keep them"
            first = self._first.get(host)
            place = (first.post, first.line, first.column) if first is not None else ()
            self.findings.append(Finding(Rule.PAGE_OTHER_HOST, host, message, *place))


def _host(location: Location) -> str:
    return location.host.rpartition("@")[2]
