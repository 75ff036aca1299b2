"""Every generator that mirror knows, with all that it knows of it, by its documentation."""

from __future__ import annotations

from dataclasses import dataclass

from mirror.model import Form


@dataclass(frozen=True, slots=True)
class Sign:
    """A file or folder by which a generator is known. `path` and `beside` are patterns of names.

    The file has to hold the text `holds`, and one of `beside` has to be there too. `content` and
    `output` are the usual folders of a site with this sign, where they differ from the generator's.
    """

    path: str
    holds: str = ""
    beside: tuple[str, ...] = ()
    content: str = ""
    output: str = ""


@dataclass(frozen=True, slots=True)
class PublishedFolder:
    """A folder whose files a generator copies as they are, and the path they get on the site.

    The folder is below that of the configuration, or `in_content`. `path` is `None` where posts
    need relative links, as no path from the root of the site leads there from every page. `remark`
    is what the user has to know or do. `setting` names other folders in its place; a folder other
    than the root of the site is then found under its own name.
    """

    folder: str
    path: str | None = ""
    in_content: bool = False
    remark: str = ""
    setting: str = ""


@dataclass(frozen=True, slots=True)
class Generator:
    """A generator: how it is known, its settings, and what it does with pictures.

    One of `signs` is enough. Of `files`, the patterns of its configuration, later ones override
    earlier ones. Names of settings are in lower case. `site` and `base` say where the site is
    published. `content` and `output` are a setting and its default. `contents` matches settings of
    more folders, such as those of languages. `mounts` is a list of tables: where the `target` of
    one is the default of `content`, its `source` takes that place. `inherits` names another file,
    whose settings those of `files` override. `setters` are functions and the settings they set.
    `fences` is the extension by which fenced code may be indented; empty where it always may be.
    `posts` is the pattern of posts that end in no usual suffix of Markdown. `variable` is a regular
    expression of what a post puts in the place of a setting, whose name is its group.

    `published` is unknown where it is `None`. `adds_base` if the generator itself puts the path of
    the site in front of a path in a post. `follows` are the forms of Markdown in which a relative
    link leads to the file beside the page's source. `writes` is a file that the generator makes of
    the posts, beside what it publishes.
    """

    name: str
    signs: tuple[Sign, ...]
    files: tuple[str, ...]
    site: str = ""
    base: str = ""
    content: tuple[str, str] = ("", "")
    output: tuple[str, str] = ("", "")
    contents: str = ""
    mounts: str = ""
    inherits: str = ""
    setters: tuple[tuple[str, str], ...] = ()
    fences: str = ""
    posts: str = ""
    variable: str = ""
    published: PublishedFolder | None = None
    adds_base: bool = False
    follows: frozenset[Form] = frozenset()
    writes: str = ""


# An image, one by a definition elsewhere in the post (`![a][b]`), and a link to a file.
_EVERY_FORM = frozenset({Form.INLINE, Form.REFERENCE, Form.LINK})
# Links are left to the browser.
_IMAGES = frozenset({Form.INLINE, Form.REFERENCE})
# Definitions are left to the browser.
_INLINE = frozenset({Form.INLINE, Form.LINK})
# Both are.
_INLINE_IMAGES = frozenset({Form.INLINE})

_TABLES = ("toml", "y*ml", "json")
_STATIC = PublishedFolder("static")
_PUBLIC = PublishedFolder("public")
_PUBLIC_DIR = PublishedFolder("public", setting="publicDir")
_CONTENT = PublishedFolder("", in_content=True)

# The first that fits counts, so that what only says "some JavaScript" comes last.
GENERATORS = (
    # https://vuepress.vuejs.org/guide/assets.html#public-files
    Generator(
        "VuePress",
        (Sign(".vuepress"),),
        (".vuepress/config.*",),
        base="base",
        content=("", "."),
        output=("dest", ".vuepress/dist"),
        published=PublishedFolder(".vuepress/public", setting="public"),
        adds_base=True,
        follows=_IMAGES,
    ),
    # https://vitepress.dev/guide/asset-handling#the-public-directory
    Generator(
        "VitePress",
        (Sign(".vitepress"),),
        (".vitepress/config.*", ".vitepress/config/shared.*", ".vitepress/config/index.*"),
        site="sitemap.hostname",
        base="base",
        content=("srcdir", "."),
        output=("outdir", ".vitepress/dist"),
        published=PublishedFolder("public", in_content=True, setting="vite.publicDir"),
        adds_base=True,
        follows=_IMAGES,
    ),
    # https://docusaurus.io/docs/static-assets
    Generator(
        "Docusaurus",
        (Sign("docusaurus.config.*"),),
        ("docusaurus.config.*",),
        site="url",
        base="baseurl",
        content=("", "."),  # docs, blog, src/pages, versioned_docs, i18n
        output=("", "build"),
        published=PublishedFolder("static", setting="staticDirectories"),
        adds_base=True,
        follows=_INLINE,
    ),
    # https://quartz.jzhao.xyz/plugins/Assets
    Generator(
        "Quartz",
        (Sign("quartz.config.*"),),
        ("quartz.config.*",),
        site="configuration.baseurl",
        content=("", "content"),
        output=("", "public"),
        published=_CONTENT,
    ),
    # https://www.11ty.dev/docs/copy/
    Generator(
        "Eleventy",
        (Sign(".eleventy.js"), Sign("eleventy.config.*")),
        (".eleventy.js", "eleventy.config.*"),
        base="pathprefix",
        content=("dir.input", "."),
        output=("dir.output", "_site"),
        setters=(("setinputdirectory", "dir.input"), ("setoutputdirectory", "dir.output")),
        published=PublishedFolder(
            "assets",
            "/assets",
            remark="Eleventy copies it once its configuration says "
            '`addPassthroughCopy("assets/mirror")`',
        ),
    ),
    # https://www.gatsbyjs.com/docs/how-to/images-and-media/static-folder/
    Generator(
        "Gatsby",
        (Sign("gatsby-config.*"),),
        ("gatsby-config.*",),
        site="sitemetadata.siteurl",
        base="pathprefix",
        output=("", "public"),
        published=_STATIC,
    ),
    # https://docs.astro.build/en/basics/project-structure/#public
    Generator(
        "Astro",
        (Sign("astro.config.*"),),
        ("astro.config.*",),
        site="site",
        base="base",
        content=("srcdir", "src"),
        output=("outdir", "dist"),
        published=_PUBLIC_DIR,
        follows=_IMAGES,
    ),
    # https://rspress.rs/guide/basic/static-assets
    Generator(
        "Rspress",
        (Sign("rspress.config.*"),),
        ("rspress.config.*",),
        base="base",
        content=("root", "docs"),
        output=("outdir", "doc_build"),
        published=PublishedFolder("public", in_content=True),
        adds_base=True,
        follows=_INLINE_IMAGES,
    ),
    # https://www.getzola.org/documentation/getting-started/configuration/: only `base_url` has to
    # be there, and Hugo has none
    Generator(
        "Zola",
        (Sign("zola.toml"), Sign("config.toml", holds="base_url")),
        ("zola.toml", "config.toml"),
        site="base_url",
        content=("", "content"),
        output=("output_dir", "public"),
        published=_STATIC,
    ),
    # https://gohugo.io/getting-started/directory-structure/
    Generator(
        "Hugo",
        (
            *(Sign(f"hugo.{kind}") for kind in _TABLES),
            Sign("config/_default"),
            *(
                Sign(f"config.{kind}", beside=("content", "archetypes", "themes", "layouts"))
                for kind in _TABLES
            ),
        ),
        (
            *(f"{name}.{kind}" for name in ("config", "hugo") for kind in _TABLES),
            *(
                f"config/{environment}/{name}.{kind}"
                for environment in ("_default", "production")
                for name in ("config", "hugo", "languages", "languages.*", "module")
                for kind in _TABLES
            ),
        ),
        site="baseurl",
        content=("contentdir", "content"),
        output=("publishdir", "public"),
        contents=r"languages\.[^.]+\.contentdir",
        mounts="module.mounts",
        variable=r"\{\{[<%]\s*param\s+\"?([\w.-]+)\"?\s*[>%]\}\}",
        published=PublishedFolder("static", setting="staticDir"),
    ),
    # https://github.com/getgridea/gridea/blob/master/src/server/renderer.ts: `copyFiles`. Each
    # start writes posts.json from the posts.
    Generator(
        "Gridea",
        (Sign("config/posts.json", holds='"posts"', beside=("posts",)),),
        ("config/setting.json",),
        site="config.domain",
        content=("", "posts"),
        output=("", "output"),
        published=PublishedFolder("images", "/images"),
        writes="config/posts.json",
    ),
    # https://docsify.js.org/#/configuration: the folder itself is served. Of an image that is no
    # whole address it takes any path, also one from the root, from the folder of the post.
    Generator(
        "docsify",
        (Sign("index.html", holds="$docsify"), Sign("index.html", "docsify", (".nojekyll",))),
        (),
        content=("", "."),
        published=PublishedFolder(
            "assets",
            None,
            remark="docsify serves every folder beside its index.html, archive/ and manifests/ "
            "too, where they are published with it",
        ),
        follows=_IMAGES,
    ),
    # https://jupyterbook.org/v1/start/create.html, https://jupyterbook.org/v1/content/figures.html
    Generator(
        "Jupyter Book",
        (Sign("_config.yml", beside=("_toc.yml",)),),
        ("_config.yml",),
        site="html.baseurl",
        content=("", "."),
        output=("", "_build/html"),
        published=PublishedFolder("_static", "/_static"),
        adds_base=True,
        follows=_EVERY_FORM,
    ),
    # https://hexo.io/docs/setup
    Generator(
        "Hexo",
        (
            Sign("_config.yml", beside=("scaffolds", "source")),
            Sign("_config.yml", holds="source_dir:"),
        ),
        ("_config.yml",),
        site="url",
        base="root",
        content=("source_dir", "source"),
        output=("public_dir", "public"),
        published=_CONTENT,
        adds_base=True,
    ),
    # https://jekyllrb.com/docs/structure/: every other folder is copied as it is
    Generator(
        "Jekyll",
        (
            Sign("_config.y*ml"),
            Sign("_config.toml"),
            # Sites of Next.js have such a folder, too.
            Sign("_posts", beside=("_layouts", "_includes", "Gemfile", "index.*")),
        ),
        ("_config.toml", "_config.y*ml"),
        site="url",
        base="baseurl",
        content=("source", "."),
        output=("destination", "_site"),
        variable=r"\{\{-?\s*site\.([\w.-]*\w)\s*-?\}\}",
        published=PublishedFolder(
            "assets",
            "/assets",
            remark="Jekyll publishes every folder beside its configuration, archive/ and "
            "manifests/ too, unless `exclude` there names them",
        ),
    ),
    # https://www.bridgetownrb.com/docs/static-files/
    Generator(
        "Bridgetown",
        (Sign("bridgetown.config.y*ml"),),
        ("bridgetown.config.y*ml",),
        site="url",
        base="base_path",
        content=("source", "src"),
        output=("destination", "output"),
        published=PublishedFolder("images", "/images", in_content=True),
    ),
    # https://middlemanapp.com/basics/directory-structure/. Its settings are Ruby.
    Generator(
        "Middleman",
        (Sign("config.rb", holds="activate", beside=("source",)),),
        (),
        content=("", "source"),
        output=("", "build"),
        published=PublishedFolder("images", "/images", in_content=True),
    ),
    # https://docs.getpelican.com/en/latest/settings.html: STATIC_PATHS is ["images"], below PATH.
    # The second file is what a published site is built with.
    Generator(
        "Pelican",
        (
            *(
                Sign(f"{name}.py", beside=("content",), content="content")
                for name in ("pelicanconf", "publishconf")
            ),
            Sign("pelicanconf.py"),
            Sign("publishconf.py"),
        ),
        ("pelicanconf.py", "publishconf.py"),
        site="siteurl",
        content=("path", "."),
        output=("output_path", "output"),
        fences="superfences",
        published=PublishedFolder("images", "/images", in_content=True, setting="STATIC_PATHS"),
    ),
    # https://github.com/getnikola/nikola/blob/master/nikola/conf.py.in: FILES_FOLDERS
    Generator(
        "Nikola",
        (Sign("conf.py", holds="BLOG_TITLE"),),
        ("conf.py",),
        site="site_url",
        content=("", "posts"),
        output=("output_folder", "output"),
        published=PublishedFolder("files"),
        adds_base=True,
    ),
    # https://zensical.org/docs/setup/basics/. It reads the configuration of MkDocs, too.
    Generator(
        "Zensical",
        (Sign("zensical.toml"),),
        ("zensical.toml",),
        site="project.site_url",
        content=("project.docs_dir", "docs"),
        output=("project.site_dir", "site"),
        published=_CONTENT,
        follows=_EVERY_FORM,
    ),
    # https://www.mkdocs.org/user-guide/writing-your-docs/#file-layout
    Generator(
        "MkDocs",
        (Sign("mkdocs.y*ml"),),
        ("mkdocs.y*ml",),
        site="site_url",
        content=("docs_dir", "docs"),
        output=("site_dir", "site"),
        inherits="inherit",
        fences="superfences",
        published=_CONTENT,
        follows=_EVERY_FORM,
    ),
    # https://rust-lang.github.io/mdBook/cli/build.html
    Generator(
        "mdBook",
        (Sign("book.toml"),),
        ("book.toml",),
        base="output.html.site-url",
        content=("book.src", "src"),
        output=("build.build-dir", "book"),
        published=_CONTENT,
        follows=_EVERY_FORM,
    ),
    # https://quarto.org/docs/websites/website-tools.html#site-resources
    Generator(
        "Quarto",
        (Sign("_quarto.y*ml", holds="type: book", output="_book"), Sign("_quarto.y*ml")),
        ("_quarto.y*ml",),
        site="website.site-url",
        content=("", "."),
        output=("project.output-dir", "_site"),
        posts="**/*.qmd",
        published=PublishedFolder("images", "/images"),
        adds_base=True,
        follows=_EVERY_FORM,
    ),
    # https://honkit.netlify.app/structure, which goes on with what GitBook once was
    Generator(
        "GitBook",
        (Sign("book.json"), Sign("book.js"), Sign("SUMMARY.md")),
        ("book.json", "book.js"),
        content=("root", "."),
        output=("", "_book"),
        published=PublishedFolder(
            "assets",
            "/assets",
            remark="GitBook publishes every folder beside its configuration, archive/ and "
            "manifests/ too, unless .bookignore or .gitignore names them",
        ),
        follows=_EVERY_FORM,
    ),
    # https://www.sphinx-doc.org/en/master/usage/configuration.html: no folder is copied as it is
    # unless `html_static_path` or `html_extra_path` names it. An image in Markdown is copied from
    # wherever it lies.
    Generator(
        "Sphinx",
        (
            Sign("conf.py", holds="project"),
            Sign("source/conf.py", holds="project", content="source", output="build"),
        ),
        ("conf.py", "source/conf.py"),
        site="html_baseurl",
        content=("", "."),
        output=("", "_build"),
        published=PublishedFolder(
            "assets",
            "/assets",
            in_content=True,
            remark="Sphinx takes images in Markdown from any folder, and those in HTML from "
            "`_static` alone, once `html_static_path` names it",
            setting="html_static_path",
        ),
        follows=_EVERY_FORM,
    ),
    # https://nextra.site/docs/guide/image
    Generator(
        "Nextra",
        (
            Sign("next.config.*", holds="nextra", beside=("content",), content="content"),
            Sign("next.config.*", holds="nextra"),
        ),
        ("next.config.*",),
        base="basepath",
        content=("", "."),
        output=("distdir", "out"),
        published=_PUBLIC,
        adds_base=True,
        follows=_IMAGES,
    ),
    # https://fumadocs.dev/docs/headless/mdx/remark-image
    Generator(
        "Fumadocs",
        (Sign("source.config.*", holds="fumadocs"),),
        ("next.config.*",),
        base="basepath",
        content=("", "content"),
        output=("distdir", "out"),
        published=_PUBLIC,
        adds_base=True,
        follows=_INLINE_IMAGES,
    ),
    # https://nextjs.org/docs/app/api-reference/file-conventions/public-folder
    Generator(
        "Next.js",
        (Sign("next.config.*"),),
        ("next.config.*",),
        base="basepath",
        output=("distdir", "out"),
        published=_PUBLIC,
    ),
    # https://nuxt.com/docs/guide/directory-structure/public, and https://content.nuxt.com, of which
    # Docus is a theme
    Generator(
        "Nuxt",
        (Sign("nuxt.config.*"),),
        ("nuxt.config.*",),
        base="app.baseurl",
        content=("", "content"),
        output=("", ".output"),
        published=PublishedFolder("public", setting="dir.public"),
    ),
    # https://svelte.dev/docs/kit/project-structure#Project-files-static; newer ones have their
    # settings in Vite's file, and plain Svelte, which is Vite's, has the other file too
    Generator(
        "SvelteKit",
        (Sign("vite.config.*", holds="@sveltejs/kit"), Sign("svelte.config.*", holds="kit:")),
        ("svelte.config.*",),
        base="kit.paths.base",
        output=("", "build"),
        published=PublishedFolder("static", setting="kit.files.assets"),
    ),
    # https://vite.dev/guide/assets.html#the-public-directory
    Generator(
        "Vite",
        (Sign("vite.config.*"),),
        ("vite.config.*",),
        base="base",
        output=("build.outdir", "dist"),
        published=_PUBLIC_DIR,
    ),
)
