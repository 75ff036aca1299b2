"""The generator of a site: its name, address, content and output, from its configuration."""

from __future__ import annotations

import ast
import json
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mirror.files import opened

_MAX_BYTES = 2**20  # a configuration is far smaller


@dataclass(frozen=True, slots=True)
class SiteGenerator:
    """A generator as the configuration of a site describes it.

    `address` is where the site is published, such as `https://example.com/blog/`, or only its path
    `/blog/`; empty where the configuration does not say. `content` and `output` are folders below
    that of the configuration: the pages' sources and the built site. Empty means unknown.
    With `follows_links`, a relative link in Markdown leads to the file beside the page's source.
    """

    name: str
    address: str = ""
    content: str = ""
    output: str = ""
    follows_links: bool = False


@dataclass(frozen=True, slots=True)
class _Layout:
    """The files and the names of the settings of a generator; names in lower case.

    Of `files`, which are patterns, later ones override earlier ones. One of `beside` has to be
    there too, and one of the files has to hold `mark`. `content` and `output` are a setting and
    its default.
    """

    name: str
    files: tuple[str, ...]
    site: str = ""
    base: str = ""
    content: tuple[str, str] = ("", "")
    output: tuple[str, str] = ("", "")
    beside: tuple[str, ...] = ()
    mark: str = ""
    follows_links: bool = False


# By the documentation of each generator. The first that fits counts, so that files which several
# generators may have (`config.toml`, `_config.yml`, `conf.py`) come with a mark.
_LAYOUTS = (
    _Layout(
        "VitePress",
        (".vitepress/config.*",),
        base="base",
        content=("srcdir", "."),
        output=("outdir", ".vitepress/dist"),
        follows_links=True,
    ),
    _Layout(
        "VuePress",
        (".vuepress/config.*",),
        base="base",
        content=("", "."),
        output=("dest", ".vuepress/dist"),
        follows_links=True,
    ),
    _Layout(
        "Docusaurus",
        ("docusaurus.config.*",),
        site="url",
        base="baseurl",
        content=("", "docs"),
        output=("", "build"),
        follows_links=True,
    ),
    _Layout(
        "Astro",
        ("astro.config.*",),
        site="site",
        base="base",
        content=("", "src"),
        output=("outdir", "dist"),
        follows_links=True,
    ),
    _Layout(
        "Eleventy",
        (".eleventy.js", "eleventy.config.*"),
        base="pathprefix",
        content=("input", "."),
        output=("output", "_site"),
    ),
    _Layout("Gatsby", ("gatsby-config.*",), site="siteurl", output=("", "public")),
    _Layout("Quartz", ("quartz.config.*",), content=("", "content"), output=("", "public")),
    _Layout(
        "Zola",
        ("zola.toml", "config.toml"),
        site="base_url",
        content=("", "content"),
        output=("output_dir", "public"),
        mark="base_url",
    ),
    _Layout(
        "Hugo",
        (
            "config.toml",
            "config.y*ml",
            "config.json",
            "hugo.toml",
            "hugo.y*ml",
            "hugo.json",
            *(
                f"config/{environment}/{name}.{kind}"
                for environment in ("_default", "production")
                for name in ("config", "hugo")
                for kind in ("toml", "y*ml", "json")
            ),
        ),
        site="baseurl",
        content=("contentdir", "content"),
        output=("publishdir", "public"),
        beside=("hugo.*", "config", "content", "archetypes", "themes", "layouts"),
    ),
    _Layout(
        "Hexo",
        ("_config.yml",),
        site="url",
        base="root",
        content=("source_dir", "source"),
        output=("public_dir", "public"),
        beside=("scaffolds", "source"),
    ),
    _Layout(
        "Jekyll",
        ("_config.toml", "_config.y*ml"),
        site="url",
        base="baseurl",
        content=("source", "."),
        output=("destination", "_site"),
    ),
    _Layout(
        "Pelican",
        ("pelicanconf.py", "publishconf.py"),  # the second is what a published site is built with
        site="siteurl",
        content=("path", "content"),
        output=("output_path", "output"),
    ),
    _Layout(
        "Nikola",
        ("conf.py",),
        site="site_url",
        content=("", "posts"),
        output=("output_folder", "output"),
        mark="BLOG_TITLE",
    ),
    _Layout(
        "MkDocs",
        ("mkdocs.y*ml",),
        site="site_url",
        content=("docs_dir", "docs"),
        output=("site_dir", "site"),
        follows_links=True,
    ),
    _Layout(
        "mdBook",
        ("book.toml",),
        base="output.html.site-url",
        content=("book.src", "src"),
        output=("build.build-dir", "book"),
        follows_links=True,
    ),
    _Layout("GitBook", ("book.json",), content=("root", "."), output=("", "_book")),
    _Layout(
        "Sphinx",
        ("conf.py", "source/conf.py"),
        content=("", "."),
        output=("", "_build"),
        mark="project",
        follows_links=True,
    ),
    _Layout("Next.js", ("next.config.*",), base="basepath", output=("distdir", "out")),
    _Layout("Nuxt", ("nuxt.config.*",), base="baseurl", output=("", ".output")),
    _Layout("SvelteKit", ("svelte.config.*",), output=("", "build"), mark="kit"),
    _Layout("Vite", ("vite.config.*",), base="base", output=("outdir", "dist")),
)


_FOLDERS = ("", "docs", "website", "site", "blog")  # where in a repository the site may be


def find_generators(root: Path) -> list[tuple[Path, SiteGenerator]]:
    """Return the generators of a repository, each with the folder of its configuration."""
    found = ((root / name, find_generator(root / name)) for name in _FOLDERS)
    return [(folder, generator) for folder, generator in found if generator is not None]


def generator_of(root: Path, path: Path) -> SiteGenerator | None:
    """Return the generator of a repository whose folder `path` is in; `None` if nobody knows."""
    found = [generator for place, generator in find_generators(root) if path.is_relative_to(place)]
    return found[-1] if found else None  # those of the folders below come last


def find_generator(folder: Path) -> SiteGenerator | None:
    """Return what builds the site whose configuration is in `folder`; `None` if nobody knows."""
    for layout in _LAYOUTS:
        texts = list(_texts(folder, layout.files))
        is_whole = not layout.beside or any(_exists(folder, name) for name in layout.beside)
        if texts and is_whole and any(layout.mark in text for _, text in texts):
            return _described(layout, texts)
    return None


def _described(layout: _Layout, texts: list[tuple[str, str]]) -> SiteGenerator:
    settings: dict[str, str] = {}
    for name, text in texts:
        settings |= read_settings(name, text)
    content, output = (
        (settings.get(key) or default).rstrip("/")
        for key, default in (layout.content, layout.output)
    )
    address = _address(settings.get(layout.site, ""), settings.get(layout.base, ""))
    return SiteGenerator(layout.name, address, content, output, layout.follows_links)


def _address(site: str, base: str) -> str:
    """Join a site's address and its base path; leave out what is neither."""
    site = site if re.match(r"https?://[^\s/$]", site) else ""
    if not base or not re.fullmatch(r"[^\s:$]+", base):
        return site
    origin = re.match(r"https?://[^/]*", site)
    return (origin[0] if origin else "") + "/" + base.lstrip("/")


def _texts(folder: Path, patterns: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for pattern in patterns:
        for path in sorted(folder.glob(pattern)):
            try:
                with opened(path) as file:
                    yield path.name, file.read(_MAX_BYTES).decode("utf-8-sig", "replace")
            except OSError:  # a folder, a link, or closed: the site is described by its other files
                continue


def _exists(folder: Path, pattern: str) -> bool:
    return next(iter(folder.glob(pattern)), None) is not None


# --- Settings ---------------------------------------------------------------------------------


def read_settings(name: str, text: str) -> dict[str, str]:
    """Return the texts that a configuration sets, by name in lower case.

    Tables are joined by dots. Of YAML only the outermost level is read, of JavaScript and Python
    only what is written as a literal. What cannot be parsed sets nothing.
    """
    reader = _READERS.get(name.rpartition(".")[2], _javascript)
    try:
        return {key.lower(): value for key, value in reader(text).items()}
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return {}


def _toml(text: str) -> dict[str, str]:
    return dict(_flat(tomllib.loads(text)))


def _json(text: str) -> dict[str, str]:
    raw = json.loads(text)
    return dict(_flat(raw)) if isinstance(raw, dict) else {}


def _flat(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in table.items():
        if isinstance(value, str):
            yield prefix + key, value
        elif isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")


_YAML_LINE = re.compile(
    r"^([\w-]+)[ \t]*:[ \t]+(?:\"([^\"\n]*)\"|'([^'\n]*)'|([^\s#\"'&*!|>\[{][^\n]*?))"
    r"[ \t]*(?:[ \t]#[^\n]*)?\r?$",
    re.MULTILINE,
)


def _yaml(text: str) -> dict[str, str]:
    """A parser would refuse the tags of MkDocs (`!ENV`, `!!python/name:`)."""
    return {m[1]: next((g for g in m.groups()[1:] if g), "") for m in _YAML_LINE.finditer(text)}


_JS_COMMENT = re.compile(r"/\*.*?\*/|(?<![^\s{,;])//[^\n]*", re.DOTALL)
_JS_MEMBER = re.compile(r"""\b(\w+)["']?[ \t]*:[ \t]*(["'`])([^"'`\n\\]*)\2""")


def _javascript(text: str) -> dict[str, str]:
    settings: dict[str, str] = {}
    for member in _JS_MEMBER.finditer(_JS_COMMENT.sub("", text)):
        settings.setdefault(member[1], member[3])
    return settings


def _python(text: str) -> dict[str, str]:
    settings = {}
    for statement in ast.parse(text).body:
        if (
            isinstance(statement, ast.Assign)
            and isinstance(statement.value, ast.Constant)
            and isinstance(statement.value.value, str)
        ):
            for name in statement.targets:
                if isinstance(name, ast.Name):
                    settings[name.id] = statement.value.value
    return settings


_READERS: Mapping[str, Callable[[str], dict[str, str]]] = {
    "toml": _toml,
    "json": _json,
    "yml": _yaml,
    "yaml": _yaml,
    "py": _python,
}
