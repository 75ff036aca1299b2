"""What builds a site, told from the configuration of each generator."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from mirror.generators import find_generator, find_generators
from mirror.generators.table import GENERATORS
from mirror.model import Form

EVERY_FORM = frozenset({Form.INLINE, Form.REFERENCE, Form.LINK})
IMAGES = EVERY_FORM - {Form.LINK}
INLINE = EVERY_FORM - {Form.REFERENCE}
NO_FORM = frozenset[Form]()


def write(root: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir(exist_ok=True) if name.endswith("/") else path.write_text(text, "utf-8")


SITES = [
    pytest.param(
        {"hugo.toml": 'baseURL = "https://e.com/blog/"\n[params]\nbaseURL = "no"\n'},
        ("Hugo", "https://e.com/blog/", ("content",), "public", NO_FORM),
        id="hugo in TOML",
    ),
    pytest.param(
        {"hugo.yaml": "baseURL: https://e.com/ # mine\npublishDir: docs\ncontentDir: 'posts'\n"},
        ("Hugo", "https://e.com/", ("posts",), "docs", NO_FORM),
        id="hugo in YAML",
    ),
    pytest.param(
        {"config.json": '{"baseURL": "https://e.com/j/"}', "layouts/a": ""},
        ("Hugo", "https://e.com/j/", ("content",), "public", NO_FORM),
        id="hugo in JSON",
    ),
    pytest.param(
        {
            "config/_default/hugo.toml": 'baseURL = "http://localhost/"',
            "config/production/hugo.toml": 'baseurl = "https://e.com/p/"',
        },
        ("Hugo", "https://e.com/p/", ("content",), "public", NO_FORM),
        id="hugo in a folder, production counts",
    ),
    pytest.param(
        {"config.toml": 'base_url = "https://e.com/z"\noutput_dir = "out"\n', "content/a.md": ""},
        ("Zola", "https://e.com/z", ("content",), "out", NO_FORM),
        id="zola",
    ),
    pytest.param(
        {"mkdocs.yml": 'site_name: a\nsite_url: "https://e.com/docs/"\nx: !!python/name:a.b ""\n'},
        ("MkDocs", "https://e.com/docs/", ("docs",), "site", EVERY_FORM),
        id="mkdocs",
    ),
    pytest.param(
        {"mkdocs.yml": "site_url: !ENV [URL, 'https://e.com/']\n"},
        ("MkDocs", "", ("docs",), "site", EVERY_FORM),
        id="mkdocs from the environment is unknown",
    ),
    pytest.param(
        {"_config.yml": "url: https://e.com/child\nroot: /child/\n", "source/_posts/a.md": ""},
        ("Hexo", "https://e.com/child/", ("source",), "public", NO_FORM),
        id="hexo",
    ),
    pytest.param(
        {"_config.yml": "url: https://e.com/child\n", "scaffolds/post.md": ""},
        ("Hexo", "https://e.com/child", ("source",), "public", NO_FORM),
        id="hexo without root",
    ),
    pytest.param(
        {"_config.yml": 'url: "https://e.com"\nbaseurl: "/blog"\n', "_posts/a.md": ""},
        ("Jekyll", "https://e.com/blog", (".",), "_site", NO_FORM),
        id="jekyll",
    ),
    pytest.param(
        {".vitepress/config.ts": "export default { // base: '/no/'\n  base: '/guide/',\n}"},
        ("VitePress", "/guide/", (".",), ".vitepress/dist", IMAGES),
        id="vitepress",
    ),
    pytest.param(
        {".vuepress/config.js": 'module.exports = {\n// base: "/no/",\n"base": "/v/", dest: "o"}'},
        ("VuePress", "/v/", (".",), "o", IMAGES),
        id="vuepress",
    ),
    pytest.param(
        {"docusaurus.config.js": "const c = {url: 'https://e.com', baseUrl: '/d/'}"},
        ("Docusaurus", "https://e.com/d/", (".",), "build", INLINE),
        id="docusaurus",
    ),
    pytest.param(
        {"astro.config.mjs": "defineConfig({ site: 'https://e.com', base: 'a' })"},
        ("Astro", "https://e.com/a", ("src",), "dist", IMAGES),
        id="astro",
    ),
    pytest.param(
        {
            "pelicanconf.py": "SITEURL = ''\nPATH = 'posts'\n",
            "publishconf.py": "SITEURL='http://e'",
        },
        ("Pelican", "http://e", ("posts",), "output", NO_FORM),
        id="pelican, what is published counts",
    ),
    pytest.param(
        {"conf.py": "project = 'a'\n"},
        ("Sphinx", "", (".",), "_build", EVERY_FORM),
        id="sphinx",
    ),
    pytest.param(
        {
            "eleventy.config.js": "c.setInputDirectory('i'); c.setOutputDirectory('o')\n"
            "c.setLayoutsDirectory(x)"
        },
        ("Eleventy", "", ("i",), "o", NO_FORM),
        id="eleventy by functions",
    ),
    pytest.param(
        {"eleventy.config.js": "return { pathPrefix: '/e/' , dir: { output: 'o' } }"},
        ("Eleventy", "/e/", (".",), "o", NO_FORM),
        id="eleventy",
    ),
    pytest.param(
        {"zensical.toml": '[project]\nsite_url = "https://e.com/z/"\ndocs_dir = "text"\n'},
        ("Zensical", "https://e.com/z/", ("text",), "site", EVERY_FORM),
        id="zensical",
    ),
    pytest.param(
        {
            "rspress.config.ts": "defineConfig({ base: '/r/', builderConfig: { output: { distPath:"
            " { root: 'no' } } }, outDir: 'o' })"
        },
        ("Rspress", "/r/", ("docs",), "o", IMAGES & INLINE),
        id="rspress",
    ),
    pytest.param(
        {"index.html": "<script>window.$docsify = { name: 'x' }</script>"},
        ("docsify", "", (".",), "", IMAGES),
        id="docsify",
    ),
    pytest.param(
        {"_config.yml": "html:\n  baseurl: https://e.com/b/\n", "_toc.yml": "format: jb-book"},
        ("Jupyter Book", "https://e.com/b/", (".",), "_build/html", EVERY_FORM),
        id="jupyter book",
    ),
    pytest.param(
        {"_quarto.yml": "project:\n  type: website\nwebsite:\n  site-url: https://e.com/q/\n"},
        ("Quarto", "https://e.com/q/", (".",), "_site", EVERY_FORM),
        id="quarto",
    ),
    pytest.param(
        {"_quarto.yml": "project:\n  type: book\n"},
        ("Quarto", "", (".",), "_book", EVERY_FORM),
        id="quarto, a book",
    ),
    pytest.param(
        {"next.config.mjs": "nextra({})({ basePath: '/n' })", "content/": ""},
        ("Nextra", "/n", ("content",), "out", IMAGES),
        id="nextra",
    ),
    pytest.param(
        {
            "source.config.ts": "from 'fumadocs-mdx/config'",
            "next.config.mjs": "x({basePath: '/f'})",
        },
        ("Fumadocs", "/f", ("content",), "out", IMAGES & INLINE),
        id="fumadocs",
    ),
    pytest.param(
        {"bridgetown.config.yml": "url: https://e.com\nbase_path: /b\n"},
        ("Bridgetown", "https://e.com/b", ("src",), "output", NO_FORM),
        id="bridgetown",
    ),
    pytest.param(
        {"config.rb": "activate :blog\n", "source/": ""},
        ("Middleman", "", ("source",), "build", NO_FORM),
        id="middleman",
    ),
    pytest.param(
        {"book.toml": '[book]\nsrc = "text"\n[output.html]\nsite-url = "/b/"\n'},
        ("mdBook", "/b/", ("text",), "book", EVERY_FORM),
        id="mdbook",
    ),
]


@pytest.mark.parametrize(("files", "expected"), SITES)
def test_a_generator_is_known_by_its_configuration(
    tmp_path: Path,
    files: dict[str, str],
    expected: tuple[str, str, tuple[str, ...], str, frozenset[Form]],
) -> None:
    write(tmp_path, files)
    site = find_generator(tmp_path)
    assert site is not None
    assert (site.name, site.address, site.content, site.output, site.follows) == expected
    assert site.place == tmp_path


def test_a_folder_of_something_else_has_no_generator(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('title = "of another program"')
    (tmp_path / "mkdocs.yml").symlink_to("/etc/hostname")
    assert find_generator(tmp_path) is None


@pytest.mark.parametrize(
    ("files", "address", "content"),
    [
        pytest.param(
            {"config/_default/config.yaml": "params:\n  baseURL: no\nbaseURL: 'https://e.com/b/'"},
            "https://e.com/b/", ("content",), id="Hugo, a member of another table",
        ),
        pytest.param(
            {"hugo.toml": 'baseURL = "/sub/"\n[languages.fr]\ncontentDir = "french"\n'},
            "/sub/", ("content", "french"), id="Hugo, a path alone, and a folder of a language",
        ),
        pytest.param(
            {"hugo.yaml": "baseURL: //e.com/sub/\nlanguages:\n  fr:\n    contentDir: french\n"},
            "//e.com/sub/", ("content", "french"), id="Hugo in YAML, without a scheme",
        ),
        pytest.param(
            {"_config.yml": "url: https://u.example\nroot: /r/\nsource_dir: src\n"},
            "https://u.example/r/", ("src",), id="Hexo with another folder of posts",
        ),
        pytest.param(
            {".vitepress/config/index.ts": "const base = '/r/'\nexport default define({ base })"},
            "/r/", (".",), id="VitePress, a constant, in a folder",
        ),
        pytest.param(
            {".vitepress/config.mts": "export default { base: process.env.BASE || '/r/' }"},
            "/r/", (".",), id="VitePress, a default",
        ),
        pytest.param(
            {".vitepress/config.ts": "define({ base: a === 'x' ? '/r/' : '/', srcDir: './src' })"},
            "/r/", ("src",), id="VitePress, a choice",
        ),
        pytest.param(
            {".vitepress/config.ts": "define({ base: '/r/', sitemap: { hostname: '//e.com' } })"},
            "//e.com/r/", (".",), id="VitePress, the host of its sitemap",
        ),
        pytest.param(
            {".vitepress/config.ts": "define({ themeConfig: { sidebar: [{ base: '/guide/' }] } })"},
            "", (".",), id="VitePress, the base of a sidebar",
        ),
        pytest.param(
            {
                ".vuepress/config.ts": "import x from 'https://no'\nexport default define({\n"
                "  // base: '/no/',\n  title: \"it's\", /* base: '/no/' */ base: `/v/` })"
            },
            "/v/", (".",), id="VuePress, comments and other quotes",
        ),
        pytest.param(
            {
                "docusaurus.config.ts": "const config: Config = { presets: [['classic', { docs: "
                "{ url: 'https://no' } }]], themeConfig: { bar: { url: 'https://no' } },\n"
                "url: 'https://e.com', baseUrl: '/d/' }; export default config"
            },
            "https://e.com/d/", (".",), id="Docusaurus, other URLs before",
        ),
        pytest.param(
            {"astro.config.mjs": "defineConfig({ site: 'https://e.com', srcDir: './app' })"},
            "https://e.com", ("app",), id="Astro with another folder",
        ),
        pytest.param(
            {"pelicanconf.py": "SITEURL: str = 'https://e.com/p'\n", "content/": ""},
            "https://e.com/p", ("content",), id="Pelican with a type",
        ),
        pytest.param(
            {"publishconf.py": "SITEURL = 'https://e.com/p'\n"},
            "https://e.com/p", (".",), id="Pelican, whose default is the folder it runs in",
        ),
        pytest.param(
            {"source/conf.py": "project = 'x'\nhtml_baseurl = 'https://e.com/s/'\n"},
            "https://e.com/s/", ("source",), id="Sphinx with a folder of sources",
        ),
        pytest.param(
            {"eleventy.config.mjs": "export const x = { pathPrefix: '/e/', dir: { input: 'i' } }"},
            "/e/", ("i",), id="Eleventy as a module",
        ),
        pytest.param(
            {"gatsby-config.js": "({pathPrefix:`/g`, siteMetadata:{siteUrl:`https://e.com`}})"},
            "https://e.com/g", (), id="Gatsby",
        ),
        pytest.param(
            {"nuxt.config.ts": "define({ image: { baseURL: '/no' }, app: { baseURL: '/n/' } })"},
            "/n/", ("content",), id="Nuxt",
        ),
        pytest.param(
            {"quartz.config.ts": "const config = { configuration: { baseUrl: 'e.com/q' } }"},
            "https://e.com/q", ("content",), id="Quartz",
        ),
        pytest.param(
            {"svelte.config.js": "export default { kit: { paths: { base: '/s' } } }"},
            "/s", (), id="SvelteKit",
        ),
        pytest.param(
            {
                "config/_default/hugo.toml": "baseURL = 'https://e.com/'",
                "config/_default/languages.toml": "[fr]\ncontentDir = 'french'\n[en]\nx = 1\n",
                "config/_default/params.toml": "baseURL = '/no/'\n",
            },
            "https://e.com/", ("content", "french"), id="Hugo, a file of languages",
        ),
        pytest.param(
            {
                "config/_default/config.yaml": "baseURL: /h/",
                "config/_default/languages.de.yaml": "contentDir: german\n",
                "config/production/languages.yaml": "fr:\n  contentDir: french\n",
            },
            "/h/", ("content", "german", "french"), id="Hugo, files of one language and of more",
        ),
        pytest.param(
            {
                "hugo.toml": "[[module.imports]]\npath='x'\n[[module.imports.mounts]]\n"
                "source='no'\ntarget='content'\n[[module.mounts]]\nsource='docs/posts'\n"
                "target='content/posts'\n[[module.mounts]]\nsource='pics'\ntarget='static'\n"
                "[[module.mounts]]\nsource='docs/pages'\ntarget='content'\n"
            },
            "", ("docs/posts", "docs/pages"), id="Hugo, mounts",
        ),
        pytest.param(
            {
                "hugo.yaml": "module:\n  imports:\n  - path: x\n    mounts:\n    - source: no\n"
                "      target: content\n  mounts:\n  - source: static\n    target: static\n"
                "  - lang: en\n    target: content\n    source: text\nbaseURL: /m/\n"
            },
            "/m/", ("text",), id="Hugo, mounts in YAML",
        ),
        pytest.param(
            {"config/_default/module.json": '{"mounts": [{"source": "t", "target": "content"}]}'},
            "", ("t",), id="Hugo, a file of mounts",
        ),
        pytest.param(
            {
                "mkdocs.yml": "INHERIT: base/more.yml\nsite_name: x\nnav:\n- site_url: no.md\n",
                "base/more.yml": "INHERIT: '../most.yaml'\nsite_url: https://e.com/i/\n",
                "most.yaml": "site_url: https://no.example/\ndocs_dir: text\nINHERIT: mkdocs.yml",
            },
            "https://e.com/i/", ("text",), id="MkDocs, what it inherits, in a circle",
        ),
    ],
)  # fmt: skip
def test_the_address_and_the_folders_are_those_that_the_generator_takes(
    tmp_path: Path, files: dict[str, str], address: str, content: tuple[str, ...]
) -> None:
    write(tmp_path, files)
    generator = find_generator(tmp_path)
    assert generator is not None
    assert (generator.address, generator.content) == (address, content)


@pytest.mark.parametrize(
    ("files", "name"),
    [
        pytest.param({"docs/.vitepress/": "", "vite.config.ts": ""}, "VitePress", id="in a folder"),
        pytest.param({"docs/.vuepress/": ""}, "VuePress", id="a folder without a configuration"),
        pytest.param({"_posts/": "", "index.md": ""}, "Jekyll", id="posts without a configuration"),
        pytest.param({"_posts/": "", "next.config.js": ""}, "Next.js", id="posts of another one"),
        pytest.param({"book.js": "module.exports = {}"}, "GitBook", id="a script"),
        pytest.param(
            {"index.html": "docsify", ".nojekyll": "", "_config.yml": ""}, "docsify",
            id="a page that GitHub does not build",
        ),
        pytest.param({"index.html": "about docsify"}, None, id="a page about another one"),
        pytest.param(
            {"index.html": "window.$docsify", "SUMMARY.md": ""}, "docsify", id="a list of chapters"
        ),
        pytest.param({"zensical.toml": "", "mkdocs.yml": ""}, "Zensical", id="its successor"),
        pytest.param({"zola.toml": "", "content/": ""}, "Zola", id="a name of its own"),
        pytest.param({"config.toml": "base_url = '/'"}, "Zola", id="the one setting it needs"),
        pytest.param({"config.toml": "title = 'a'", "content/": ""}, "Hugo", id="a folder beside"),
        pytest.param({"config.toml": "title = 'a'", "templates/": ""}, None, id="neither"),
        pytest.param(
            {"svelte.config.js": "", "vite.config.ts": "from '@sveltejs/kit/vite'"}, "SvelteKit",
            id="what a file holds",
        ),
        pytest.param(
            {"svelte.config.js": "from '@sveltejs/vite-plugin-svelte'", "vite.config.js": ""},
            "Vite", id="another file of that name",
        ),
    ],
)  # fmt: skip
def test_the_surest_sign_in_a_repository_counts(
    tmp_path: Path, files: dict[str, str], name: str | None
) -> None:
    write(tmp_path, files)
    assert next((site.name for site in find_generators(tmp_path)), None) == name


@pytest.mark.parametrize(
    ("files", "places"),
    [
        pytest.param(
            {"packages/web/docusaurus.config.ts": "", "package.json": ""}, ["packages/web"],
            id="in a package",
        ),
        pytest.param(
            {"apps/docs/site/mkdocs.yml": "", "apps/api/main.py": ""}, ["apps/docs/site"],
            id="three folders deep",
        ),
        pytest.param(
            {"vite.config.ts": "", "packages/docs/.vitepress/": ""}, ["packages/docs", "."],
            id="beside an application at the root",
        ),
        pytest.param(
            {"website/docusaurus.config.js": "", "docs/mkdocs.yml": "", "apps/a/hugo.toml": ""},
            ["website", "docs", "apps/a"],
            id="several, the usual folders first",
        ),
        pytest.param({"a/b/c/d/mkdocs.yml": ""}, [], id="too deep"),
        pytest.param(
            {
                "node_modules/x/mkdocs.yml": "", "examples/a/hugo.toml": "", ".x/mkdocs.yml": "",
                "packages/a/node_modules/mkdocs.yml": "", "tests/fixtures/mkdocs.yml": "",
            },
            [], id="what is installed, or there to be copied",
        ),
        pytest.param(
            {"hugo.toml": "", "themes/a/exampleSite/hugo.toml": "", "content/a/_config.yml": ""},
            ["."], id="within another site",
        ),
        pytest.param(
            {"mkdocs.yml": "", "docs/conf.py": "project = 'x'"}, ["."],
            id="among the posts of another site",
        ),
    ],
)  # fmt: skip
def test_the_sites_of_a_repository_are_found(
    tmp_path: Path, files: dict[str, str], places: list[str]
) -> None:
    write(tmp_path, files)
    assert [str(site.place.relative_to(tmp_path)) for site in find_generators(tmp_path)] == places


def test_no_more_than_a_thousand_folders_are_looked_at(tmp_path: Path) -> None:
    write(tmp_path, {f"a/{number:04}/": "" for number in range(1100)} | {"z/b/c/mkdocs.yml": ""})
    (tmp_path / "link").symlink_to(tmp_path)
    assert find_generators(tmp_path) == []


def test_a_computed_path_is_named_as_the_file_spells_it(tmp_path: Path) -> None:
    text = "const config: Config = { url: 'https://e.com', baseUrl: process.env.BASE ?? '/' }"
    write(tmp_path, {"docusaurus.config.ts": text})
    site = find_generator(tmp_path)
    assert site is not None
    assert (site.address, site.computed, site.computed_path) == (
        "https://e.com/",
        ("baseUrl",),
        "baseUrl",
    )


@pytest.mark.parametrize(
    ("files", "plain"),
    [
        ({"mkdocs.yml": "site_name: x\n"}, True),
        ({"mkdocs.yml": "markdown_extensions:\n- pymdownx.superfences\n"}, False),
        ({"mkdocs.yml": "INHERIT: a.yml\n", "a.yml": ""}, False),
        ({"pelicanconf.py": "SITENAME = 'x'\n"}, True),
        ({"hugo.toml": ""}, False),
    ],
)
def test_code_may_be_indented_where_an_extension_says_so(
    tmp_path: Path, files: dict[str, str], plain: bool
) -> None:
    write(tmp_path, files)
    (site,) = find_generators(tmp_path)
    assert site.plain_fences == plain


def test_each_generator_stands_once_in_the_table() -> None:
    names = [generator.name for generator in GENERATORS]
    assert len(set(names)) == len(names)
