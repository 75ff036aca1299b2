"""The generator of a site: its name, address, content and output, from its configuration."""

from __future__ import annotations

import ast
import json
import os
import re
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path
from typing import Any

from mirror.files import opened
from mirror.model import Form

_MAX_BYTES = 2**20  # a configuration is far smaller


@dataclass(frozen=True, slots=True)
class SiteGenerator:
    """A generator as the configuration of a site describes it.

    `address` is where the site is published, such as `https://example.com/blog/`, or only its path
    `/blog/`; empty where the configuration does not say. `content` are folders below that of the
    configuration with the sources of the pages, and `output` is that of the built site. Empty means
    unknown.
    `follows` are the forms of Markdown in which a relative link leads to the file beside the page's
    source.
    """

    name: str
    address: str = ""
    content: tuple[str, ...] = ()
    output: str = ""
    follows: frozenset[Form] = frozenset()

    @property
    def follows_links(self) -> bool:
        return bool(self.follows)


# An image, one by a definition elsewhere in the post (`![a][b]`), and a link to a file.
_EVERY_FORM = frozenset({Form.INLINE, Form.REFERENCE, Form.LINK})
# Links are left to the browser.
_IMAGES = frozenset({Form.INLINE, Form.REFERENCE})
# Definitions are left to the browser.
_INLINE = frozenset({Form.INLINE, Form.LINK})


@dataclass(frozen=True, slots=True)
class _Layout:
    """The files and the names of the settings of a generator; names in lower case.

    Of `files`, which are patterns, later ones override earlier ones. One of `beside` has to be
    there too, and one of the files has to hold `mark`. `content` and `output` are a setting and
    its default. `contents` matches settings of more folders, such as those of languages. `mounts`
    is a list of tables: where the `target` of one is the default of `content`, its `source` takes
    that place. `inherits` names another file, whose settings those of `files` override.
    """

    name: str
    files: tuple[str, ...]
    site: str = ""
    base: str = ""
    content: tuple[str, str] = ("", "")
    output: tuple[str, str] = ("", "")
    contents: str = ""
    mounts: str = ""
    inherits: str = ""
    beside: tuple[str, ...] = ()
    mark: str = ""
    follows: frozenset[Form] = frozenset()


_HEXO = _Layout(
    "Hexo",
    ("_config.yml",),
    site="url",
    base="root",
    content=("source_dir", "source"),
    output=("public_dir", "public"),
    beside=("scaffolds", "source"),
)
_SPHINX = _Layout(
    "Sphinx",
    ("conf.py",),
    site="html_baseurl",
    content=("", "."),
    output=("", "_build"),
    mark="project",
    follows=_EVERY_FORM,
)

# By the documentation of each generator. The first that fits counts, so that files which several
# generators may have (`config.toml`, `_config.yml`, `conf.py`) come with a mark.
_LAYOUTS = (
    _Layout(
        "VitePress",
        (".vitepress/config.*", ".vitepress/config/index.*"),
        base="base",
        content=("srcdir", "."),
        output=("outdir", ".vitepress/dist"),
        follows=_IMAGES,
    ),
    _Layout(
        "VuePress",
        (".vuepress/config.*",),
        base="base",
        content=("", "."),
        output=("dest", ".vuepress/dist"),
        follows=_IMAGES,
    ),
    _Layout(
        "Docusaurus",
        ("docusaurus.config.*",),
        site="url",
        base="baseurl",
        content=("", "."),  # docs, blog, src/pages, versioned_docs, i18n
        output=("", "build"),
        follows=_INLINE,
    ),
    _Layout(
        "Astro",
        ("astro.config.*",),
        site="site",
        base="base",
        content=("srcdir", "src"),
        output=("outdir", "dist"),
        follows=_IMAGES,
    ),
    _Layout(
        "Eleventy",
        (".eleventy.js", "eleventy.config.*"),
        base="pathprefix",
        content=("dir.input", "."),
        output=("dir.output", "_site"),
    ),
    _Layout(
        "Gatsby",
        ("gatsby-config.*",),
        site="sitemetadata.siteurl",
        base="pathprefix",
        output=("", "public"),
    ),
    _Layout(
        "Quartz",
        ("quartz.config.*",),
        site="configuration.baseurl",
        content=("", "content"),
        output=("", "public"),
    ),
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
                for name in ("config", "hugo", "languages", "languages.*", "module")
                for kind in ("toml", "y*ml", "json")
            ),
        ),
        site="baseurl",
        content=("contentdir", "content"),
        output=("publishdir", "public"),
        contents=r"languages\.[^.]+\.contentdir",
        mounts="module.mounts",
        beside=("hugo.*", "config", "content", "archetypes", "themes", "layouts"),
    ),
    _HEXO,
    replace(_HEXO, beside=(), mark="source_dir:"),
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
        inherits="inherit",
        follows=_EVERY_FORM,
    ),
    _Layout(
        "mdBook",
        ("book.toml",),
        base="output.html.site-url",
        content=("book.src", "src"),
        output=("build.build-dir", "book"),
        follows=_EVERY_FORM,
    ),
    _Layout(
        "GitBook",
        ("book.json",),
        content=("root", "."),
        output=("", "_book"),
        follows=_EVERY_FORM,
    ),
    _SPHINX,
    replace(_SPHINX, files=("source/conf.py",), content=("", "source"), output=("", "build")),
    _Layout("Next.js", ("next.config.*",), base="basepath", output=("distdir", "out")),
    _Layout("Nuxt", ("nuxt.config.*",), base="app.baseurl", output=("", ".output")),
    _Layout(
        "SvelteKit", ("svelte.config.*",), base="kit.paths.base", output=("", "build"), mark="kit"
    ),
    _Layout("Vite", ("vite.config.*",), base="base", output=("build.outdir", "dist")),
)


_FOLDERS = ("", "docs", "website", "site", "blog")  # where in a repository the site may be


def find_generators(root: Path) -> list[tuple[Path, SiteGenerator]]:
    """Return the generators of a repository, each with the folder of its configuration."""
    places = ((root / name, find_generator(root / name)) for name in _FOLDERS)
    return [(folder, generator) for folder, generator in places if generator is not None]


def generators_above(root: Path, path: Path) -> Iterator[tuple[Path, SiteGenerator]]:
    """Yield the generators with a configuration in `path` or a folder above, the nearest first.

    Each comes with that folder; none is outside of `root`.
    """
    for folder in (path, *path.parents):
        if folder.is_relative_to(root) and (generator := find_generator(folder)) is not None:
            yield folder, generator


def find_generator(folder: Path) -> SiteGenerator | None:
    """Return what builds the site whose configuration is in `folder`; `None` if nobody knows."""
    for layout in _LAYOUTS:
        texts = list(_texts(folder, layout.files))
        is_whole = not layout.beside or any(_exists(folder, name) for name in layout.beside)
        if texts and is_whole and any(layout.mark in text for _, text in texts):
            return _described(layout, texts)
    return None


def _described(layout: _Layout, texts: list[tuple[Path, str]]) -> SiteGenerator:
    settings: dict[str, str] = {}
    for path, text in texts:
        settings |= _settings_of(path, text, layout.inherits)
    more = [settings[key] for key in settings if re.fullmatch(layout.contents, key)]
    content, output = (
        settings.get(key) or default for key, default in (layout.content, layout.output)
    )
    contents = _mounted(settings, layout) or [content, *more]
    folders = dict.fromkeys(os.path.normpath(folder) for folder in contents if folder)
    return SiteGenerator(
        layout.name,
        _address(settings.get(layout.site, ""), settings.get(layout.base, "")),
        tuple(folders),
        os.path.normpath(output) if output else "",
        layout.follows,
    )


def _settings_of(path: Path, text: str, inherits: str, depth: int = 0) -> dict[str, str]:
    """Return the settings of a file, and of those that it inherits from.

    In a folder for the settings of Hugo, the name of a file is that of the table in it.
    """
    settings = read_settings(path.name, text)
    table = path.name.rpartition(".")[0].lower()
    if path.parent.parent.name == "config" and table not in ("config", "hugo"):
        settings = {f"{table}.{key}": value for key, value in settings.items()}
    above = settings.get(inherits, "") if inherits and depth < _MAX_DEPTH else ""
    if above.endswith((".yml", ".yaml")):
        parent = Path(os.path.normpath(path.parent / above))
        inherited = _text(parent)
        if inherited is not None:
            return _settings_of(parent, inherited, inherits, depth + 1) | settings
    return settings


def _mounted(settings: Mapping[str, str], layout: _Layout) -> list[str]:
    """Return the folders that are mounted where the generator looks for content."""
    _, usual = layout.content
    pattern = rf"({re.escape(layout.mounts)}\.\d+\.)target"
    mounts = [(m[1], settings[m[0]]) for key in settings if (m := re.fullmatch(pattern, key))]
    return [
        settings.get(f"{table}source", "")
        for table, target in mounts
        if layout.mounts and os.path.normpath(target).partition("/")[0] == usual
    ]


def _address(site: str, base: str) -> str:
    """Join a site's address and its base path; leave out what is neither."""
    if _BARE_HOST.match(site):  # Quartz leaves the scheme out
        site = f"https://{site}"
    site = site if re.match(r"(?:https?:)?//[^\s/$]|/[^\s$]*$", site) else ""
    if not base or not re.fullmatch(r"[^\s:$]+", base):
        return site
    origin = re.match(r"(?:https?:)?//[^/]*", site)
    return (origin[0] if origin else "") + "/" + base.lstrip("/")


_BARE_HOST = re.compile(r"(?:[a-z0-9-]+\.)+[a-z]{2,}(?:/[^\s$]*)?$", re.IGNORECASE)


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


# --- Settings ---------------------------------------------------------------------------------


def read_settings(name: str, text: str) -> dict[str, str]:
    """Return the texts that a configuration sets, by name in lower case.

    Tables are joined by dots, and those of a list are numbered. Of JavaScript and Python only what
    is written as a literal is read. What cannot be parsed sets nothing.
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
        elif isinstance(value, list):
            tables = (item for item in value if isinstance(item, dict))
            for number, item in enumerate(tables):
                yield from _flat(item, f"{prefix}{key}.{number}.")


_YAML_LINE = re.compile(
    r"^([ ]*)(-[ ]+)?([\w-]{1,99})[ \t]*:"
    r"(?:[ \t]+(?:\"([^\"\n]*)\"|'([^'\n]*)'|([^\s#\"'&*!|>\[{][^\n]*?)))?"
    r"[ \t]*(?:[ \t]#[^\n]*)?\r?$",
    re.MULTILINE,
)
_MAX_DEPTH = 20
_HALF = 0.5  # an item is to the right of its list's name, and to the left of its own members


def _yaml(text: str) -> dict[str, str]:
    """Read the plain values line by line: a parser of YAML refuses the tags of MkDocs (`!ENV`)."""
    settings: dict[str, str] = {}
    above: list[tuple[float, str]] = []  # indentation and name of the tables around a line
    numbers: Counter[int] = Counter()  # of the last item of a list, by the tables around it
    for line in _YAML_LINE.finditer(text):
        indentation, item, key = len(line[1]), line[2] or "", line[3]
        # An item may stand as far to the left as the name of its list.
        while above and above[-1][0] >= indentation + bool(item) * _HALF:
            above.pop()
        if item:
            number = numbers[len(above)] = numbers[len(above)] + 1
            above.append((indentation + _HALF, str(number)))
            indentation += len(item)
        name = ".".join([*(name for _, name in above), key])
        value = next((group for group in line.groups()[3:] if group), None)
        if value is not None:
            settings[name] = value
        elif len(above) < _MAX_DEPTH:
            above.append((indentation, key))
            numbers[len(above)] = -1
    return settings


# What is not closed ends at the end of its line or of the file, so that time stays linear.
_JS_TOKEN = re.compile(
    r"(?P<comment>/\*.*?(?:\*/|\Z)|//[^\n]*)"
    r"|(?P<quote>[\"'`])(?P<text>(?>(?:\\.|[^\"'`\\\n]++|(?!(?P=quote))[\"'`])*))(?P<end>(?P=quote)?)"
    r"|(?P<word>[A-Za-z_$][\w$]{0,99})|(?P<mark>\|\||\?\?|=>|[{}()\[\],:?=])",
    re.DOTALL,
)
_MAX_BRACKETS = 200
_CHOICES = frozenset((":", "?", "||", "??", "="))  # before a value, or before one of several


def _javascript(text: str) -> dict[str, str]:
    """Read the members of objects whose value is a string, one of several, or a constant's name.

    Objects that are no member's value, such as what is exported, have no name. Of several members
    of one name the last counts, and of a choice the first that is more than `/`.
    """
    settings: dict[str, str] = {}
    constants: dict[str, str] = {}
    tables = [""]  # what stands before the name of a member, one for each open bracket
    member = before = assigned = ""
    tokens = [token for token in _JS_TOKEN.finditer(text) if token["comment"] is None]
    for token, after in zip_longest(tokens, tokens[1:]):
        mark, word, value = token["mark"] or "", token["word"] or "", _literal(token)
        if value is None:
            value = constants.get(word)
        if before in ("{", ",") and after is not None and after["mark"] == ":":
            member = f"{tables[-1]}{word or (token['text'] or '')[:_MAX_NAME]}"
            settings.pop(member, None)
        elif word in constants and before in ("{", ","):  # `base` for `base: base`
            settings[f"{tables[-1]}{word}"] = constants[word]
        elif value is not None and before == "=" and assigned:
            constants[assigned] = value
        elif value is not None and before in _CHOICES and member:
            if settings.get(member, "/") in ("", "/"):
                settings[member] = value
        elif mark in _BRACKETS:
            _bracket(mark, member, tables)
            member = ""
        elif mark == ",":
            member = ""
        assigned = word or (assigned if mark == "=" else "")
        before = mark or word
    return settings


_BRACKETS = frozenset("{}()[]")
_MAX_NAME = 100


def _literal(token: re.Match[str]) -> str | None:
    text: str | None = token["text"]
    return text if text is not None and token["end"] and not re.search(r"\\|\$\{", text) else None


def _bracket(mark: str, member: str, tables: list[str]) -> None:
    """Note in `tables`, the names of the open brackets, that one opens or closes."""
    if mark in "}])":
        del tables[max(1, len(tables) - 1) :]
    elif len(tables) > _MAX_BRACKETS:
        tables.append(tables[-1])
    else:
        inner = f"{member}." if member else tables[-1]
        tables.append(f"{inner}[]." if mark == "[" else inner)


def _python(text: str) -> dict[str, str]:
    settings = {}
    for statement in ast.parse(text).body:
        if (
            isinstance(statement, ast.Assign | ast.AnnAssign)
            and isinstance(statement.value, ast.Constant)
            and isinstance(statement.value.value, str)
        ):
            targets = (
                [statement.target] if isinstance(statement, ast.AnnAssign) else statement.targets
            )
            for name in targets:
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
