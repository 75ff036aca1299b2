"""The files that the author of a site wrote, without dependencies, built pages and mirror's own."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mirror.config import CONFIG_NAME, ConfigError
from mirror.files import absolute_path, opened
from mirror.generators import SiteGenerator, find_generators
from mirror.model import Finding, Rule
from mirror.pages import Mention, SiteAddress
from mirror.pipeline.ownership import MANIFEST_FILES
from mirror.pipeline.text_files import TextFile, is_version_control, walk_files
from mirror.urls.address import Url, parse

# Also of another site in a folder below; the second is what `mirror report` writes.
_OURS = frozenset({CONFIG_NAME, "mirror-report.html"})

# Programs write these, or they are somebody else's. A theme is neither: its pages are the site's.
_DEPENDENCIES = frozenset("node_modules bower_components __pycache__".split())
_CACHES = frozenset(
    ".mirror .cache .jekyll-cache .sass-cache .docusaurus .next .nuxt .astro .svelte-kit "
    ".parcel-cache .tox .nox .mypy_cache .pytest_cache .ruff_cache .bundle".split()
)
_BELOW = frozenset(
    {
        ("vendor", "bundle"),
        ("resources", "_gen"),
        (".vitepress", "cache"),
        (".vuepress", ".cache"),
        (".vuepress", ".temp"),
    }
)
# What Hexo remembers of posts and pages: `hexo clean` deletes it, each build writes it.
_HEXO_CACHE, _HEXO_CACHE_STARTS = "db.json", b'{"meta":{"version":1,"warehouse":'
# Where most generators write. Others keep what they copy there, so that a page has to be in it.
_OUTPUTS = frozenset("public _site dist build site output out _build _book".split())


@dataclass(frozen=True, slots=True)
class SiteFolder:
    """The folder of a site, without the folders `left_out` and the files of `our_files`."""

    root: Path
    left_out: frozenset[Path]
    our_files: frozenset[Path]
    has_generator: bool
    has_plain_fences: bool
    addresses: tuple[SiteAddress, ...]  # where the configurations of generators say it is published
    written: frozenset[Path]  # by generators, of the posts
    variables: tuple[tuple[re.Pattern[bytes], Mapping[str, str]], ...]  # as of `Generator`

    @classmethod
    def open(
        cls, root: Path, ours: Sequence[Path], config: Path | None, site: Path | None
    ) -> SiteFolder:
        """Tell what is left out: `ours`, the configuration, and the built `site`."""
        root = absolute_path(root)
        generators = find_generators(root)
        outputs = [each.place / each.output for each in generators if _has_output(each)]
        folders = (*ours, *outputs, *([site] if site is not None else []))
        # A manifest may be kept in the folder of the whole site: then it is its files that count.
        absolute = {absolute_path(folder) for folder in folders}
        left_out = {folder for folder in absolute if not root.is_relative_to(folder)}
        our_files = {config.absolute()} if config is not None else set()
        our_files |= {folder / name for folder in absolute - left_out for name in MANIFEST_FILES}
        plain_fences = any(each.plain_fences for each in generators)
        addresses = tuple(
            SiteAddress(parts.host, f"{parts.path.rstrip('/')}/")
            for each in generators
            if (parts := parse(each.address)) is not None
        )
        return cls(
            root,
            frozenset(left_out),
            frozenset(our_files),
            bool(outputs),
            plain_fences,
            addresses,
            frozenset(each.place / each.generator.writes for each in generators),
            tuple(
                (
                    re.compile(each.generator.variable.encode() + rb"[^\s\"'<>()\[\]{}|`]*"),
                    each.prefixes,
                )
                for each in generators
                if each.prefixes
            ),
        )

    def expanded(self, text: bytes) -> Iterator[Mention]:
        """Yield the addresses that begin with a setting of the generator, as `{{ site.cdn }}/a`."""
        for pattern, prefixes in self.variables:
            for match in pattern.finditer(text):
                if (prefix := prefixes.get(match[1].decode().lower())) is not None:
                    rest = text[match.end(1) : match.end()].partition(b"}}")[2]
                    yield Mention(*match.span(), Url(prefix + rest.decode()))

    def publishes(self, url: Url, *, whole: bool = False) -> bool:
        """Return True for an address on the site itself; with `whole`, for that of the site."""
        parts = parse(url.raw)
        if parts is None:
            return False
        path = f"{parts.path.rstrip('/')}/"
        return any(
            parts.host == site.host and (path == site.path if whole else path.startswith(site.path))
            for site in self.addresses
        )

    def walk(self, paths: Sequence[Path]) -> Iterator[TextFile | Finding]:
        """Yield the files below `paths`, each once. Raise `ConfigError` for a path that is gone.

        A folder that may be the built site is a finding, and is not read.
        """
        seen: set[Path] = set()
        built: list[Path] = []

        def is_skipped(folder: Path) -> bool:
            if self.is_left_out(folder):
                return True
            may_be_built = not self.has_generator and _may_be_built(folder)
            if may_be_built:
                built.append(folder)
            return may_be_built

        for path in paths:
            start = absolute_path(path)
            if not start.exists():
                raise ConfigError(f"{start}: no such file or folder (named in PATHS)")
            if start.is_file():
                files: Iterator[TextFile | Finding] = iter(
                    [TextFile(os.path.relpath(start, self.root), start)]
                )
            else:
                files = walk_files(start, self.root, is_skipped)
            for file in files:
                if isinstance(file, Finding):
                    yield file
                elif (
                    not self._is_ours(file.path)
                    and not _is_hexo_cache(file.path)
                    and file.path not in seen
                ):
                    if len(paths) > 1:
                        seen.add(file.path)
                    yield file
        for folder in dict.fromkeys(built):
            name = os.path.relpath(folder, self.root)
            message = (
                "has an index.html, so it was taken for the built site and not read; "
                f"`mirror leftovers --site {name}` reads it"
            )
            yield Finding(Rule.TAKEN_FOR_BUILT, name, message, name)

    def _is_ours(self, path: Path) -> bool:
        return path.name in _OURS or path in self.our_files

    def is_left_out(self, folder: Path) -> bool:
        """Return True for a folder that holds nothing the author wrote."""
        name = folder.name
        return (
            folder in self.left_out
            or is_version_control(folder)
            or name in _DEPENDENCIES
            or name in _CACHES
            or (folder.parent.name, name) in _BELOW
            or _exists(folder / "pyvenv.cfg")
        )


def _has_output(generator: SiteGenerator) -> bool:
    return bool(generator.output) and generator.output not in (".", *generator.content)


def _may_be_built(folder: Path) -> bool:
    return folder.name in _OUTPUTS and _exists(folder / "index.html")


def _is_hexo_cache(path: Path) -> bool:
    if path.name != _HEXO_CACHE:
        return False
    try:
        with opened(path) as file:
            return file.read(len(_HEXO_CACHE_STARTS)) == _HEXO_CACHE_STARTS
    except OSError:  # the reader of the file names it
        return False


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # in a folder that nobody may look into
        return False
