"""A person closes the host of the source and walks the built site: every picture, or it was named.

Each test builds one varied site with a real generator, mirrors it, closes the source, and compares
what Chromium shows with what `verify --site` said before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest
from support.browsing import Walk, pages_of
from support.commands import BUCKET, picture, run
from support.generators import build, command, link_packages, write
from support.sites import CONFIG, Blog

from mirror.urls.address import canonical

HOME = "https://me.example/blog/"
MIRROR = "https://img.example/blog/"
DOT = "data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA="
LOOKS_LAZY = """
document.querySelectorAll('[data-src]').forEach(i => { i.src = i.dataset.src });
document.querySelectorAll('[data-bg]').forEach(i => {
  i.style.backgroundImage = `url(${i.dataset.bg})` });
"""


@dataclass
class Material:
    """Text of posts in which each address of the bucket is another picture."""

    names: list[str] = field(default_factory=list)

    def url(self, name: str) -> str:
        self.names.append(name)
        return BUCKET + name

    def markdown(self) -> str:
        """Return Markdown and HTML that every generator takes."""
        u = self.url
        return f"""
![inline]({u("inline.png")} "A title") and ![in brackets](<{u("in brackets.png")}>)

![by reference][one] and ![collapsed][]

[one]: {u("reference.png")}
[collapsed]: <{u("collapsed.png")}> 'A title'

[![linked]({u("thumbnail.png")})]({u("full.png")})

- in a list

    ![in a list]({u("list.png")})

| table |
| --- |
| ![cell]({u("cell.png")}) |

![escaped]({u("50%25&a.png")}) ![]({u("名.png")})

`![code]({BUCKET}code.png)` and the text {BUCKET}text.png

    <img src="{BUCKET}code-block.png">

<img alt="raw" src="{u("raw.png")}">

<img alt="candidates" src="{u("small.png")}"
     srcset="{u("one.png")} 1x, {u("two.png")} 2x">

<img alt="widths" sizes="100vw" srcset="{u("w400.png")} 400w, {u("w2000.png")} 2000w"
     src="{u("widths.png")}">

<picture>
<source media="(prefers-color-scheme: dark)" srcset="{u("dark.png")}">
<img alt="by scheme" src="{u("light.png")}">
</picture>

<img alt="lazy" class="lazy" src="{DOT}" data-src="{u("lazy.png")}">

<div data-bg="{u("lazy-background.png")}" style="height: 9px"></div>

<div style="height: 9px; background: url('{u("background.png")}')"></div>

<div style="height: 9px; background-image: url(&quot;{u("quoted.png")}&quot;)"></div>

<video poster="{u("poster.png")}"></video>

<input type="image" alt="button" src="{u("button.png")}">

<svg width="9" height="9"><image href="{u("in-svg.png")}" width="9" height="9"/></svg>

<p><img alt="scheme" src="{u("scheme.png").removeprefix("https:")}"></p>

<img alt="entities" src="{u("a&b.png").replace("&", "&amp;")}">

![dead]({BUCKET}dead.png) ![other](https://other.example/x.png)
"""


@dataclass(frozen=True)
class Site:
    """A site with its posts in `content`, and how it is built into the folder `output`.

    `kept` names pictures that no post shows: mirror leaves them at the source, and says so.
    """

    files: Mapping[str, str | bytes]
    output: str
    program: tuple[str, ...]
    kept: frozenset[str]
    public_url: str = MIRROR


THEME = f"""<style>
.logo {{ height: 9px; background: url({BUCKET}theme-style.png) }}
@media print {{ .logo {{ background: url({BUCKET}print.png) }} }}
</style>
<script>const logo = new Image(); logo.src = "{BUCKET}theme-script.png";</script>
<div class="logo"></div>"""
THEME_KEPT = frozenset({"theme-style.png", "theme-script.png", "print.png"})


def hugo(material: Material) -> Site:
    u = material.url
    kept = {"favicon.png", "param.png", "data.png"}
    layout = f"""<!doctype html><html><head>
<meta charset="utf-8"><title>{{{{ .Title }}}}</title>
<link rel="icon" href="{{{{ site.Params.favicon }}}}">
<link rel="stylesheet" href="{{{{ "style.css" | relURL }}}}">
{{{{ with .Params.cover }}}}<meta property="og:image" content="{{{{ . }}}}">{{{{ end }}}}
{{{{ with .Params.images }}}}<meta name="twitter:image" content="{{{{ index . 0 }}}}">{{{{ end }}}}
{THEME}</head><body>
<img alt="parameter" src="{{{{ site.Params.header.logo }}}}">
{{{{ with .Params.cover }}}}<img alt="cover" src="{{{{ . }}}}">{{{{ end }}}}
{{{{ with .Params.banner.image }}}}<img alt="banner" src="{{{{ . }}}}">{{{{ end }}}}
{{{{ with site.Data.friends }}}}<img alt="friend" src="{{{{ .avatar }}}}">{{{{ end }}}}
{{{{ .Content }}}}<script>{LOOKS_LAZY}</script></body></html>"""
    front = f"""---
title: x
cover: {u("cover.png")}
images: ["{u("card.png")}"]
banner:
  image: {u("banner.png")}
---
"""
    shortcodes = f"""
{{{{< figure src="{u("figure.png")}" link="{u("figure-link.png")}" >}}}}

{{{{< mine "{u("shortcode.png")}" >}}}}
"""
    return Site(
        {
            "config.toml": f'baseURL = "{HOME}"\ntitle = "x"\n[params]\nfavicon = '
            f'"{BUCKET}favicon.png"\n[params.header]\nlogo = "{BUCKET}param.png"\n'
            "[markup.goldmark.renderer]\nunsafe = true\n[outputs]\nhome = ['HTML', 'RSS']\n",
            "data/friends.yml": f"avatar: {BUCKET}data.png\n",
            "content/a/index.md": front + material.markdown() + shortcodes,
            "content/b.md": f"+++\ntitle = 'y'\ncover = '{u('toml-cover.png')}'\n+++\n\ntext\n",
            "layouts/_default/single.html": layout,
            "layouts/_default/list.html": layout,
            "layouts/shortcodes/mine.html": '<img alt="mine" src="{{ .Get 0 }}">',
            "static/style.css": "p { background: url(local.png) } h1 { background: url(no.png) }",
            "static/local.png": picture(90),
        },
        "public",
        (*command("hugo"), "--quiet"),
        kept=THEME_KEPT | kept,
        public_url="/blog/images",
    )


def mkdocs(material: Material) -> Site:
    override = '{% extends "base.html" %}{% block extrahead %}' + THEME + "{% endblock %}"
    text = material.markdown() + f"\n!!! note\n\n    ![note]({material.url('note.png')})\n"
    return Site(
        {
            "mkdocs.yml": f"site_name: x\nsite_url: {HOME}\ndocs_dir: content\n"
            "theme:\n  name: mkdocs\n  custom_dir: theme\n"
            "extra_javascript: [lazy.js]\nextra_css: [style.css]\n"
            "markdown_extensions: [admonition, attr_list, md_in_html]\n",
            "theme/main.html": override,
            "content/index.md": "# Home\n",
            "content/lazy.js": LOOKS_LAZY,
            "content/style.css": f".navbar {{ background: url({BUCKET}css.png) }}",
            "content/a/post.md": "# Title\n" + text,
        },
        "site",
        (*command("mkdocs", "mkdocs"), "build", "-q"),
        kept=THEME_KEPT | {"css.png"},
    )


def pelican(material: Material) -> Site:
    pytest.importorskip("markdown")
    layout = f"""<!doctype html><html><head><meta charset="utf-8">{THEME}
{{% if article and article.cover %}}<meta property="og:image" content="{{{{ article.cover }}}}">
{{% endif %}}</head><body>
{{% for article in articles or [] %}}{{{{ article.content }}}}{{% endfor %}}
<script>{LOOKS_LAZY}</script></body></html>"""
    cover = material.url("cover.png")
    return Site(
        {
            "pelicanconf.py": f"SITEURL = {HOME[:-1]!r}\nPATH = 'content'\nSITENAME = 'x'\n"
            "ARTICLE_PATHS = ['a']\nTIMEZONE = 'UTC'\nAUTHOR = 'me'\nFEED_ALL_ATOM = 'all.xml'\n"
            "FEED_DOMAIN = SITEURL\nTHEME_TEMPLATES_OVERRIDES = ['templates']\n",
            "templates/index.html": layout,
            "templates/article.html": layout.replace("articles or []", "[article]"),
            "content/a/post.md": f"Title: x\nDate: 2024-01-01\nCover: {cover}\n"
            + material.markdown(),
        },
        "output",
        (*command("pelican", "pelican"), "-q"),
        kept=THEME_KEPT | {"cover.png"},  # in Pelican's own header, which is no front matter
    )


def sphinx(material: Material) -> Site:
    pytest.importorskip("myst_parser")
    text = f"""
```{{image}} {material.url("directive.png")}
:alt: directive
```

```{{figure}} {material.url("figure.png")}
A caption
```
"""
    return Site(
        {
            "content/conf.py": "project = 'x'\nextensions = ['myst_parser']\n"
            f"html_baseurl = {HOME!r}\nhtml_js_files = ['lazy.js']\nhtml_static_path = ['_st']\n"
            f"html_favicon = '{BUCKET}favicon.png'\nhtml_logo = '{BUCKET}logo.png'\n",
            "content/_st/lazy.js": f"addEventListener('load', () => {{{LOOKS_LAZY}}})",
            "content/index.md": "# Title\n" + material.markdown() + text,
        },
        "built",
        (*command("sphinx", "sphinx"), "-q", "-b", "html", "content", "built"),
        kept=frozenset({"favicon.png", "logo.png"}),
    )


def eleventy(material: Material) -> Site:
    layout = f"""<!doctype html><html><head><meta charset="utf-8">{THEME}
<link rel="icon" href="{{{{ site.icon }}}}"></head><body>
{{% if cover %}}<img alt="cover" src="{{{{ cover }}}}">{{% endif %}}
{{{{ content | safe }}}}<script>{LOOKS_LAZY}</script></body></html>"""
    front = f"---\nlayout: page.njk\ncover: {material.url('cover.png')}\n---\n"
    return Site(
        {
            "eleventy.config.js": "module.exports = c => ({ dir: { input: 'content' },\n"
            "pathPrefix: '/blog/', markdownTemplateEngine: false })",
            "content/_includes/page.njk": layout,
            "content/_data/site.json": f'{{"icon": "{BUCKET}icon.png"}}',
            "content/a/index.md": front + material.markdown(),
        },
        "_site",
        (*command("eleventy"), "--quiet"),
        # Eleventy has no indented code: its pages show what other generators quote.
        kept=THEME_KEPT | {"icon.png", "code-block.png"},
    )


def vitepress(material: Material) -> Site:
    front = f"""---
layout: home
hero:
  image:
    src: {material.url("hero.png")}
---
"""
    widget = f'\n<img :src="\'{material.url("bound.png")}\'" alt="bound">\n'
    return Site(
        {
            "package.json": '{"type": "module"}',
            "content/.vitepress/config.js": "export default { base: '/blog/', title: 'x',\n"
            f"themeConfig: {{ logo: '{BUCKET}logo.png' }}, head: [['link', {{ rel: 'icon',\n"
            f"href: '{BUCKET}icon.png' }}]] }}",
            "content/index.md": front,
            "content/a/post.md": "# Title\n" + material.markdown() + widget,
        },
        "content/.vitepress/dist",
        (*command("vitepress"), "build", "content"),
        kept=frozenset({"logo.png", "icon.png"}),
    )


@pytest.mark.parametrize("prepare", [hugo, mkdocs, pelican, sphinx, eleventy, vitepress])
def test_a_person_walks_the_site_after_the_source_has_closed(
    blog: Blog, browser: Any, prepare: Callable[[Material], Site]
) -> None:
    material = Material()
    site = prepare(material)
    if prepare is vitepress:
        link_packages(blog.root)
    for seed, name in enumerate(sorted({*material.names, *site.kept})):
        blog.host.put(name.replace("%25", "%"), picture(seed))
    write(blog.root, dict(site.files))
    configure(blog, site)
    output = blog.root / site.output

    blog.sync()
    build(blog.root, *site.program)
    assert_each_missing_picture_is_named(blog, site, output, browser)

    blog.rewrite()
    build(blog.root, *site.program)
    missing = assert_each_missing_picture_is_named(blog, site, output, browser)
    of_source = {address.removeprefix(BUCKET) for address in missing if BUCKET in address}
    assert of_source <= site.kept | {"dead.png"}

    leftovers = run(blog, "leftovers", "--site", site.output, "--json").events
    breaking = {one["url"] for one in leftovers if one["type"] == "leftover" and one["breaks"]}
    assert {canonical(url) for url in breaking} >= {one for one in missing if BUCKET in one}


def configure(blog: Blog, site: Site) -> None:
    text = CONFIG.format(
        bucket=BUCKET, fetch=blog.host.base_url, source="", destination="", more=""
    )
    text = text.replace('["posts"]', '["content"]').replace('"/images"', f'"{site.public_url}"')
    (blog.root / "mirror.toml").write_text(text, encoding="utf-8")


def assert_each_missing_picture_is_named(
    blog: Blog, site: Site, output: Path, browser: Any
) -> set[str]:
    """Return the addresses that the browser did not show; `verify --site` has named each."""
    events = run(blog, "verify", "--posts", "--site", site.output, "--json").events
    named = {
        canonical(address) or address
        for one in events
        if one["type"] == "finding" and one["rule"].startswith("M6") and one["rule"] != "M605"
        for address in [one["subject"]]
        for address in [urljoin(HOME, address)]
    }
    walk = Walk({HOME: output, MIRROR: blog.root / "static/images", BUCKET: None}, picture(91))
    walk.visit(browser, list(pages_of(output, HOME)))
    assert walk.pictures > 20
    assert walk.missing <= named, sorted(walk.missing - named)
    return walk.missing
