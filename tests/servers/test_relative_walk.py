"""`links = "relative"` below a base path: a generator builds it, and a person walks the pages.

The source is closed. What a browser does not show, `verify --site` named before.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import urljoin

import pytest
from PIL import Image
from support.browsing import Walk, pages_of
from support.commands import BUCKET, run
from support.generators import build, command, link_packages, package_file, write
from support.sites import Blog

from mirror.urls.address import canonical

HOME = "https://me.example/blog/"
NAMES = ("inline", "definition", "thumbnail", "full", "in brackets", "cell", "名", "raw")


@dataclass(frozen=True)
class Site:
    """A site with its posts, how it is built into the folder `output`, and what stays.

    `kept` are the pictures that no relative link of this generator leads to. `pages` are those that
    a script makes in the browser; then there is no `program`.
    """

    posts: tuple[str, ...]
    mirror: str
    output: str
    program: tuple[str, ...]
    files: dict[str, str | bytes]
    kept: frozenset[str]
    pages: tuple[str, ...] = ()


def vitepress() -> Site:
    return Site(
        ("content/index.md", "content/deep/er/post.md"),
        "content/mirror",
        "content/.vitepress/dist",
        (*command("vitepress"), "build", "content"),
        {
            "package.json": '{"type": "module"}',
            "content/.vitepress/config.js": "export default { base: '/blog/', title: 'x' }",
        },
        frozenset({"raw", "full"}),
    )


def astro() -> Site:
    config = """import { defineConfig } from 'astro/config'
export default defineConfig({ site: 'https://me.example', base: '/blog/',
  image: { service: { entrypoint: 'astro/assets/services/noop' } } })"""
    return Site(
        ("src/pages/index.md", "src/pages/deep/er/post.md"),
        "src/mirror",
        "dist",
        (*command("astro"), "build"),
        {"package.json": '{"type": "module"}', "astro.config.mjs": config},
        frozenset({"raw", "full"}),
    )


def docusaurus() -> Site:
    config = """module.exports = { title: 'x', url: 'https://me.example', baseUrl: '/blog/',
  markdown: { format: 'detect' }, onBrokenLinks: 'ignore',
  presets: [['classic', { docs: { path: 'content', routeBasePath: '/' }, blog: false }]] }"""
    return Site(
        ("content/index.md", "content/deep/er/post.md", "content/deep/x.mdx"),
        "content/mirror",
        "build",
        (*command("docusaurus"), "build"),
        {"package.json": '{"name": "x"}', "docusaurus.config.js": config},
        frozenset({"raw", "definition"}),
    )


def mkdocs() -> Site:
    return Site(
        ("docs/index.md", "docs/deep/er/post.md"),
        "docs/mirror",
        "site",
        (*command("mkdocs", "mkdocs"), "build", "-q"),
        {"mkdocs.yml": f"site_name: x\nsite_url: {HOME}\n"},
        frozenset({"raw"}),
    )


def zensical() -> Site:
    return Site(
        ("docs/index.md", "docs/deep/er/post.md"),
        "docs/mirror",
        "site",
        (*command("zensical", "zensical"), "build"),
        {"zensical.toml": f'[project]\nsite_name = "x"\nsite_url = "{HOME}"\n'},
        frozenset({"raw"}),
    )


def rspress() -> Site:
    config = "export default { root: 'content', base: '/blog/' }"
    return Site(
        ("content/index.md", "content/deep/er/post.md"),
        "content/mirror",
        "doc_build",
        (*command("rspress"), "build"),
        {"package.json": '{"type": "module"}', "rspress.config.js": config},
        frozenset({"raw", "full", "definition"}),
    )


def honkit() -> Site:
    return Site(
        ("content/README.md", "content/deep/er/post.md"),
        "content/mirror",
        "_book",
        (*command("honkit"), "build"),
        {
            "book.json": '{"root": "content"}',
            "content/SUMMARY.md": "* [a](README.md)\n* [b](deep/er/post.md)\n",
        },
        frozenset({"raw"}),
    )


def docsify() -> Site:
    script = "window.$docsify = { name: 'x' }"
    page = f'<div id="app"></div><script>{script}</script><script src="docsify.min.js"></script>'
    return Site(
        ("content/README.md", "content/deep/er/post.md"),
        "content/mirror",
        "content",
        (),
        {
            "content/index.html": page,
            "content/docsify.min.js": package_file("docsify/dist/docsify.min.js"),
        },
        frozenset({"raw", "full"}),
        (HOME, f"{HOME}?#/deep/er/post"),
    )


def text(post: str) -> str:
    """Return a post in which each address is another picture."""
    u = {name: f"{BUCKET}{post.replace('/', '-')}-{name}.png" for name in NAMES}
    front = "---\nslug: /\n---\n" if post == "content/index.md" else ""
    return f"""{front}# Title

![inline]({u["inline"]}) ![by definition][one] ![名]({u["名"]})

[one]: {u["definition"]}

[![thumbnail]({u["thumbnail"]})]({u["full"]})

![in brackets](<{u["in brackets"]}>)

| table |
| --- |
| ![cell]({u["cell"]}) |

<img alt="raw" src="{u["raw"]}" />
"""


def picture(seed: int) -> bytes:
    """Return a picture that is too large for a generator to write into the page itself."""
    file = BytesIO()
    Image.frombytes("RGB", (90, 90), Random(seed).randbytes(3 * 90 * 90)).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize(
    "prepare",
    [vitepress, astro, docusaurus, mkdocs, zensical, rspress, honkit, docsify],
)
def test_each_picture_is_shown_or_named_after_the_source_has_closed(
    blog: Blog, browser: Any, prepare: Callable[[], Site]
) -> None:
    site = prepare()
    if prepare not in (mkdocs, zensical, docsify):
        link_packages(blog.root)
    write(blog.root, {**site.files, **{post: text(post) for post in site.posts}})
    names = [f"{post.replace('/', '-')}-{name}.png" for post in site.posts for name in NAMES]
    for seed, name in enumerate(names):
        blog.host.put(name, picture(seed))
    (blog.root / "mirror.toml").write_text(
        f'[posts]\npaths = ["{Path(site.posts[0]).parent}"]\n'
        f'[[source]]\nname = "b"\nmatch = ["{BUCKET}"]\nfetch = "{blog.host.base_url}"\n'
        f'[[destination]]\nname = "m"\nurl = "file:{site.mirror}"\nlinks = "relative"\n',
        encoding="utf-8",
    )
    assert run(blog, "sync").code == 0
    rewritten = run(blog, "rewrite")
    kept = [name for name in names if name.rpartition("-")[2][:-4] in site.kept]
    assert rewritten.out.count("[M110]") == len(kept)
    if site.program:
        build(blog.root, *site.program)

    verify = ["verify", "--posts", "--site", site.output]
    events = run(blog, *(["rewrite", "--check"] if site.pages else verify), "--json").events
    subjects = [one["subject"] for one in events if one["type"] == "finding"]
    named = {canonical(address) or address for url in subjects for address in [urljoin(HOME, url)]}
    output = blog.root / site.output
    walk = Walk({HOME: output, BUCKET: None}, picture(99))
    if site.pages:
        walk.visit(browser, [*site.pages], until="networkidle")
    else:
        walk.visit(browser, list(pages_of(output, HOME)))
    assert walk.pictures > 10
    assert walk.missing <= named
    assert named == {canonical(BUCKET + name.replace(" ", "%20")) for name in kept}
