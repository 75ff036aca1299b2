"""A folder -> the generator that builds it, and what its configuration says."""

from __future__ import annotations

import fnmatch
import os
import re
from collections import deque
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from mirror.files import opened
from mirror.generators.settings import Settings, read_settings
from mirror.generators.table import GENERATORS, Generator, Sign
from mirror.model import Form
from mirror.urls.address import parse

_MAX_BYTES = 2**20  # a configuration is far smaller
_MAX_INHERITED = 20  # files, one of which names the next
_FOLDERS = ("", "docs", "website", "site", "blog")  # where in a repository the site may be
# The last place to look: of other generators it holds a part of the site, such as mdBook's pages.
_LAST_FOLDER = "src"
# A monorepo keeps its sites below `packages/`, `apps/` and the like.
_MAX_DEPTH = 3
_MAX_FOLDERS = 1000
# What they hold is built, installed, or there to be copied.
_NO_SITES = frozenset(
    "node_modules bower_components vendor venv site-packages target dist build out public themes "
    "example examples exampleSite fixture fixtures template templates test tests testdata "
    "__fixtures__ __pycache__ __tests__".split()
)
# The first part of the path of every sign: a folder without any of these has no site.
_FIRST_OF_SIGNS = re.compile(
    "|".join(
        sorted({fnmatch.translate(s.path.partition("/")[0]) for g in GENERATORS for s in g.signs})
    )
)


@dataclass(frozen=True, slots=True)
class SiteGenerator:
    """A generator as the configuration of a site, in the folder `place`, describes it.

    `address` is where the site is published, such as `https://example.com/blog/`, or only its path
    `/blog/`; empty where the configuration does not say. `content` are folders below `place` with
    the sources of the pages, and `output` is that of the built site. Empty means unknown.
    `statics` are the names of what it publishes as it is; empty means what is usual. `computed` are
    the names of settings that a program computes: that which decides the path of the site is
    `computed_path`. With `plain_fences`, only what begins in the first column is fenced code.
    `prefixes` are the settings that hold a whole address, which a post may name in its place.
    """

    generator: Generator
    place: Path
    address: str
    content: tuple[str, ...]
    output: str
    statics: tuple[str, ...]
    computed: tuple[str, ...]
    computed_path: str
    plain_fences: bool
    prefixes: Mapping[str, str]

    @property
    def name(self) -> str:
        return self.generator.name

    def shown_below(self, root: Path) -> str:
        """The site as people are told of it."""
        return f"{self.name} in {os.path.relpath(self.place, root)}"

    @property
    def follows(self) -> frozenset[Form]:
        return self.generator.follows

    @property
    def follows_links(self) -> bool:
        return bool(self.follows)


def find_generators(root: Path) -> list[SiteGenerator]:
    """Return the generators of a repository, the likeliest first.

    Those whose posts are known come first, then those in the usual folders, then the order of the
    table counts.
    """
    usual = [site for name in _FOLDERS if (site := find_generator(root / name)) is not None]
    if not usual and (last := find_generator(root / _LAST_FOLDER)) is not None:
        usual.append(last)
    skipped = {site.place / name for site in usual for name in (*site.content, site.output)}
    found = [
        *usual,
        *_below(root, {site.place for site in usual}, skipped - {site.place for site in usual}),
    ]
    contents = {site.place / name for site in found for name in site.content if name != os.curdir}
    return sorted(
        (site for site in found if contents.isdisjoint((site.place, *site.place.parents))),
        key=lambda site: (
            not site.content,
            site not in usual,
            GENERATORS.index(site.generator),
        ),
    )


def _below(
    root: Path, known: Collection[Path], skipped: Collection[Path]
) -> Iterator[SiteGenerator]:
    """Yield the generators deeper in a repository, but for the folders `known` and `skipped`.

    Nothing is looked for in the folder of another one that is found here.
    """
    waiting = deque([(root, 0)])
    for _ in range(_MAX_FOLDERS):
        if not waiting:
            return
        folder, depth = waiting.popleft()
        names, folders = _listed(folder)
        has_sign = folder not in known and any(map(_FIRST_OF_SIGNS.fullmatch, names))
        if has_sign and (site := find_generator(folder)) is not None:
            yield site
        elif depth < _MAX_DEPTH:
            inside = (folder / name for name in folders)
            waiting += [(path, depth + 1) for path in inside if path not in skipped]


def _listed(folder: Path) -> tuple[list[str], list[str]]:
    """Return the names in a folder, and those of the folders that may hold a site."""
    try:
        with os.scandir(folder) as entries:
            listed = sorted((entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries)
    except OSError:  # nobody may look into it
        return [], []
    folders = [
        name
        for name, is_dir in listed
        if is_dir and name not in _NO_SITES and not name.startswith((".", "_"))
    ]
    return [name for name, _ in listed], folders


def generators_above(root: Path, path: Path) -> Iterator[SiteGenerator]:
    """Yield the generators with a configuration in `path` or a folder above, the nearest first.

    None is outside of `root`.
    """
    for folder in (path, *path.parents):
        if folder.is_relative_to(root) and (site := find_generator(folder)) is not None:
            yield site


def find_generator(folder: Path) -> SiteGenerator | None:
    """Return what builds the site whose configuration is in `folder`; `None` if nobody knows."""
    for generator in GENERATORS:
        for sign in generator.signs:
            if _fits(sign, folder):
                return _described(generator, sign, folder)
    return None


def _fits(sign: Sign, folder: Path) -> bool:
    return any(
        not path.is_symlink() and (not sign.holds or sign.holds in (_text(path) or ""))
        for path in folder.glob(sign.path)
    ) and (not sign.beside or any(_exists(folder, name) for name in sign.beside))


def _described(generator: Generator, sign: Sign, folder: Path) -> SiteGenerator:
    settings: dict[str, str] = {}
    computed: dict[str, str] = {}
    plain_fences = bool(generator.fences)
    for path, text in _texts(folder, generator.files):
        plain_fences = plain_fences and generator.fences not in text
        read = _settings_of(path, text, generator.inherits)
        settings |= read.texts
        computed = {key: computed[key] for key in computed.keys() - read.texts.keys()}
        computed |= read.computed
    for setter, key in generator.setters:
        if setter in settings:
            settings[key] = settings[setter]
    more = [settings[key] for key in settings if re.fullmatch(generator.contents, key)]
    content = settings.get(generator.content[0]) or sign.content or generator.content[1]
    output = settings.get(generator.output[0]) or sign.output or generator.output[1]
    contents = _mounted(settings, generator) or [content, *more]
    folders = dict.fromkeys(os.path.normpath(name) for name in contents if name)
    return SiteGenerator(
        generator,
        folder,
        _address(settings.get(generator.site, ""), settings.get(generator.base, "")),
        tuple(folders),
        os.path.normpath(output) if output else "",
        _statics(settings, generator),
        tuple(computed[key] for key in _deciding(generator) if key and key in computed),
        computed.get(generator.base or generator.site, ""),
        plain_fences and generator.inherits not in settings,
        _prefixes(settings, generator),
    )


def _prefixes(settings: Mapping[str, str], generator: Generator) -> dict[str, str]:
    """Return the addresses among the settings, but for that of the site itself."""
    return {
        key.removeprefix("params."): value
        for key, value in settings.items()
        if generator.variable and key != generator.site and parse(value) is not None
    }


def _deciding(generator: Generator) -> Iterator[str]:
    """Yield the settings that decide where pages and pictures are, but for the site's host."""
    yield generator.base or generator.site
    yield generator.content[0]
    yield generator.output[0]
    if generator.published is not None:
        yield generator.published.setting.lower()


def _statics(settings: Mapping[str, str], generator: Generator) -> tuple[str, ...]:
    setting = generator.published.setting.lower() if generator.published else ""
    named = re.compile(rf"{re.escape(setting)}(?:\.\d+)?")
    return tuple(
        os.path.normpath(name)
        for key, name in settings.items()
        if setting and name and named.fullmatch(key)
    )


def _settings_of(path: Path, text: str, inherits: str, depth: int = 0) -> Settings:
    """Return the settings of a file, and of those that it inherits from.

    In a folder for the settings of Hugo, the name of a file is that of the table in it.
    """
    settings = read_settings(path.name, text)
    table = path.name.rpartition(".")[0].lower()
    if path.parent.parent.name == "config" and table not in ("config", "hugo"):
        named = {f"{table}.{key}": value for key, value in settings.texts.items()}
        settings = settings._replace(texts=named)
    above = settings.texts.get(inherits, "") if inherits and depth < _MAX_INHERITED else ""
    if above.endswith((".yml", ".yaml")):
        parent = Path(os.path.normpath(path.parent / above))
        inherited = _text(parent)
        if inherited is not None:
            texts, computed = _settings_of(parent, inherited, inherits, depth + 1)
            return Settings({**texts, **settings.texts}, {**computed, **settings.computed})
    return settings


def _mounted(settings: Mapping[str, str], generator: Generator) -> list[str]:
    """Return the folders that are mounted where the generator looks for content."""
    _, usual = generator.content
    pattern = rf"({re.escape(generator.mounts)}\.\d+\.)target"
    mounts = [(m[1], settings[m[0]]) for key in settings if (m := re.fullmatch(pattern, key))]
    return [
        settings.get(f"{table}source", "")
        for table, target in mounts
        if generator.mounts and os.path.normpath(target).partition("/")[0] == usual
    ]


_BARE_HOST = re.compile(r"(?:[a-z0-9-]+\.)+[a-z]{2,}(?:/[^\s$]*)?$", re.IGNORECASE)


def _address(site: str, base: str) -> str:
    """Join a site's address and its base path; leave out what is neither."""
    if _BARE_HOST.match(site):  # Quartz leaves the scheme out
        site = f"https://{site}"
    site = site if re.match(r"(?:https?:)?//[^\s/$]|/[^\s$]*$", site) else ""
    if not base or not re.fullmatch(r"[^\s:$]+", base):
        return site
    origin = re.match(r"(?:https?:)?//[^/]*", site)
    return (origin[0] if origin else "") + "/" + base.lstrip("/")


def _texts(folder: Path, patterns: tuple[str, ...]) -> Iterator[tuple[Path, str]]:
    for pattern in patterns:
        for path in sorted(folder.glob(pattern)):
            if (text := _text(path)) is not None:
                yield path, text


def _text(path: Path) -> str | None:
    """Return the text of a file; `None` for a folder, a link, or one that cannot be read."""
    try:
        with opened(path) as file:
            return file.read(_MAX_BYTES).decode("utf-8-sig", "replace")
    except OSError:  # the site is described by its other files
        return None


def _exists(folder: Path, pattern: str) -> bool:
    return next(iter(folder.glob(pattern)), None) is not None
