"""The `mirror.toml` that `init` writes: hosts of the posts, site generator -> text. Pure."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from mirror.amounts import count_text
from mirror.store.profiles import is_endpoint
from mirror.uploaders import OWNER_PARTS
from mirror.urls.address import host_of, identity, parse

# Names under which object storage and image hosting is reached: vendors' documentation.
_STORAGE = re.compile(
    r"(?:^|\.)(?:aliyuncs\.com|myqcloud\.com|file\.myqcloud\.com|qiniucdn\.com|clouddn\.com"
    r"|qnssl\.com|qiniudn\.com|upaiyun\.com|upcdn\.net|bcebos\.com|myhuaweicloud\.com|volces\.com"
    r"|ksyuncs\.com|amazonaws\.com(?:\.cn)?|r2\.dev|r2\.cloudflarestorage\.com|backblazeb2\.com"
    r"|digitaloceanspaces\.com|storage\.googleapis\.com|blob\.core\.windows\.net|wasabisys\.com"
    r"|supabase\.co|scw\.cloud|qiniucs\.com|ufileos\.com|netease\.com|126\.net)(?::\d+)?$"
)
# Endpoints whose paths begin with the name of a bucket, by the vendors' documentation, of services
# that have no profile in `mirror.store`. The other buckets there are other people's.
_ENDPOINT = re.compile(
    r"storage\.googleapis\.com|s3\.[a-z0-9-]+\.scw\.cloud|s3[.a-z0-9-]*\.wasabisys\.com"
    r"|[a-z]{3}[0-9]\.digitaloceanspaces\.com"
)


@dataclass(frozen=True, slots=True)
class PostHost:
    """A host in the posts, or a bucket of an S3 endpoint, and the number of its images they show.

    `name` has no `/` at its end. `scheme` is the one that most references spell; `https` where none
    does.
    """

    name: str
    images: int
    scheme: str = "https"


@dataclass(frozen=True, slots=True)
class ConfigDraft:
    """The hosts that a new `mirror.toml` names as sources, and those it names as comments."""

    sources: tuple[PostHost, ...]
    others: tuple[PostHost, ...]


@dataclass(frozen=True, slots=True)
class PublicFolder:
    """A folder that a site publishes, and the path under which a reader finds it."""

    generator: str  # "" for an unknown one
    folder: str
    public_url: str
    remark: str = ""  # what the user has to know or do
    content: str = ""  # the usual folder of the posts, if it is in there and a setting moves it


_BESIDE_CONFIG = "content archetypes themes layouts templates".split()  # Hugo's and Zola's
# What each generator publishes as it is, by its documentation. The first that fits counts, so what
# only says "some JavaScript" comes last. `+`: all of them are there; `:`: and holds this text.
_GENERATORS: tuple[tuple[Sequence[str], PublicFolder], ...] = (
    # https://vuepress.vuejs.org/guide/assets.html#public-files
    ([".vuepress"], PublicFolder("VuePress", ".vuepress/public/mirror", "/mirror")),
    # https://vitepress.dev/guide/asset-handling#the-public-directory
    ([".vitepress"], PublicFolder("VitePress", "public/mirror", "/mirror", content=".")),
    # https://docusaurus.io/docs/static-assets
    (["docusaurus.config.*"], PublicFolder("Docusaurus", "static/mirror", "/mirror")),
    # https://quartz.jzhao.xyz/plugins/Assets
    (["quartz.config.*"], PublicFolder("Quartz", "content/mirror", "/mirror", content="content")),
    # https://www.11ty.dev/docs/copy/
    (
        [".eleventy.js", "eleventy.config.*"],
        PublicFolder(
            "Eleventy",
            "assets/mirror",
            "/assets/mirror",
            'Eleventy copies it once its configuration says `addPassthroughCopy("assets/mirror")`',
        ),
    ),
    # https://www.gatsbyjs.com/docs/how-to/images-and-media/static-folder/
    (["gatsby-config.*"], PublicFolder("Gatsby", "static/mirror", "/mirror")),
    # https://docs.astro.build/en/basics/project-structure/#public
    (["astro.config.*"], PublicFolder("Astro", "public/mirror", "/mirror")),
    # https://gohugo.io/getting-started/directory-structure/
    # https://www.getzola.org/documentation/getting-started/directory-structure/
    (
        ["hugo.toml", "hugo.y*ml", "hugo.json", "config/_default"]
        + [
            f"config.{kind} + {folder}"
            for kind in ("toml", "y*ml", "json")
            for folder in _BESIDE_CONFIG
        ],
        PublicFolder("Hugo or Zola", "static/mirror", "/mirror"),
    ),
    # https://hexo.io/docs/setup
    (
        ["_config.yml + scaffolds", "_config.yml + source", "_config.yml:source_dir:"],
        PublicFolder("Hexo", "source/mirror", "/mirror", content="source"),
    ),
    # https://jekyllrb.com/docs/structure/: every other folder is copied as it is
    (
        ["_config.y*ml", "_config.toml", "_posts"],
        PublicFolder(
            "Jekyll",
            "assets/mirror",
            "/assets/mirror",
            "Jekyll publishes every folder beside its configuration, archive/ and manifests/ too, "
            "unless `exclude` there names them",
        ),
    ),
    # https://docs.getpelican.com/en/latest/settings.html: STATIC_PATHS is ["images"], below PATH
    (
        ["pelicanconf.py + content"],
        PublicFolder("Pelican", "content/images/mirror", "/images/mirror", content="content"),
    ),
    (["pelicanconf.py"], PublicFolder("Pelican", "images/mirror", "/images/mirror")),
    # https://github.com/getnikola/nikola/blob/master/nikola/conf.py.in: FILES_FOLDERS
    (["conf.py:BLOG_TITLE"], PublicFolder("Nikola", "files/mirror", "/mirror")),
    # https://www.mkdocs.org/user-guide/writing-your-docs/#file-layout
    (["mkdocs.y*ml"], PublicFolder("MkDocs", "docs/mirror", "/mirror", content="docs")),
    # https://rust-lang.github.io/mdBook/cli/build.html
    (["book.toml"], PublicFolder("mdBook", "src/mirror", "/mirror", content="src")),
    # https://honkit.netlify.app/structure, which goes on with what GitBook once was
    (
        ["book.json", "book.js", "SUMMARY.md"],
        PublicFolder(
            "GitBook",
            "assets/mirror",
            "/assets/mirror",
            "GitBook publishes every folder beside its configuration, archive/ and manifests/ too, "
            "unless .bookignore or .gitignore names them",
        ),
    ),
    # https://nextjs.org/docs/app/api-reference/file-conventions/public-folder
    (["next.config.*"], PublicFolder("Next.js", "public/mirror", "/mirror")),
    # https://nuxt.com/docs/guide/directory-structure/public
    (["nuxt.config.*"], PublicFolder("Nuxt", "public/mirror", "/mirror")),
    # https://svelte.dev/docs/kit/project-structure#Project-files-static; newer ones have their
    # settings in Vite's file, and plain Svelte, which is Vite's, has the other file too
    (
        ["vite.config.*:@sveltejs/kit", "svelte.config.*:kit:"],
        PublicFolder("SvelteKit", "static/mirror", "/mirror"),
    ),
    # https://vite.dev/guide/assets.html#the-public-directory
    (["vite.config.*"], PublicFolder("Vite", "public/mirror", "/mirror")),
)
_SITES = ("", "docs/", "website/", "site/", "blog/")  # where in a repository the site may be


def find_public_folder(exists: Callable[[str], bool]) -> PublicFolder:
    """Return the folder that the site's generator publishes.

    `exists` answers for a pattern of names, with the marks explained at the table.
    """
    for marks, public in _GENERATORS:
        for site in _SITES:
            if any(all(exists(site + name) for name in mark.split(" + ")) for mark in marks):
                content = posixpath.normpath(site + public.content) if public.content else ""
                return replace(public, folder=site + public.folder, content=content)
    return PublicFolder("", "assets/mirror", "/assets/mirror")


def in_content(public: PublicFolder, content: str) -> PublicFolder:
    """Return the folder as it is where the generator has its posts in another folder, `content`."""
    if not public.content:
        return public
    below = posixpath.relpath(public.folder, public.content)
    return replace(public, folder=posixpath.normpath(posixpath.join(content, below)))


# These put the path of the site in front of `/mirror` themselves, by their documentation.
_PREFIXING = frozenset({"VitePress", "VuePress", "Docusaurus", "Hexo"})


def published_below(public: PublicFolder, address: str) -> PublicFolder:
    """Return the folder with its whole address, if `address` says that the site is below a path.

    Some generators put that path in front of `/mirror` and some do not; the whole address is right
    for all of them. Of an address without a host the path is put in front where the generator does
    not do it, and a remark says what to check where it does.
    """
    parts = parse(address)
    path = (parts.path if parts is not None else address).strip("/")
    if not path:
        return public
    if parts is None and public.generator not in _PREFIXING:
        return replace(public, public_url=f"/{path}{public.public_url}")
    if parts is None:
        remark = (
            f"the site is published below /{path}/: check the pages with `mirror verify --site`, "
            "and name the whole address in `public_url` if pictures are missing"
        )
        return replace(public, remark=remark)
    site = parts.url(parts.scheme or "https").partition("?")[0].rstrip("/")
    return replace(public, public_url=f"{site}{public.public_url}")


def name_host(address: str) -> str:
    """Return the host of a canonical address.

    Of an S3 endpoint, the bucket in its path belongs to it, and of a host that many people share
    what names the owner there.
    """
    host = host_of(address)
    path = identity(address)[len(host) + 1 :].split("/")
    has_buckets = is_endpoint(host) or _ENDPOINT.fullmatch(host)
    owner = path[: 1 if has_buckets else OWNER_PARTS.get(host, 0)]
    # A file that lies there itself has no owner to tell.
    return "/".join((host, *owner)) if all(owner) and len(path) > len(owner) else host


def propose(hosts: Iterable[PostHost], owned: Iterable[str] = ()) -> ConfigDraft:
    """Choose the hosts that look like storage of the user; if none does, the most used one.

    `owned` are the hosts that an upload tool of the user has used.
    """
    ranked = sorted(hosts, key=lambda host: (-host.images, host.name))
    known = set(owned)
    chosen = [
        host
        for host in ranked
        if host.name in known or _STORAGE.search(host.name.partition("/")[0])
    ]
    chosen = chosen or ranked[:1]
    return ConfigDraft(tuple(chosen), tuple(host for host in ranked if host not in chosen))


WHY_OFF = (
    "Switched off: a source is a host that looks like storage of yours, else that of most images",
    "To mirror another one too, remove the `# ` in front of its lines",
)


def configuration(
    draft: ConfigDraft,
    paths: Sequence[str],
    public: PublicFolder,
    fetch: str | None = None,
    *,
    follows_links: bool = False,
) -> str:
    """Return the text of a `mirror.toml` with a folder as destination.

    With `follows_links`, the generator of the site takes relative links to files.
    """
    tables = [
        "# Written by `mirror init`. `mirror config --example` explains every key.\n",
        f"[posts]\npaths = {json.dumps(list(paths), ensure_ascii=False)}\n",
    ]
    names: set[str] = set()
    tables += [_source(host, _name(host, names), fetch) for host in draft.sources]
    if draft.others:
        tables.append("".join(f"# {line}.\n" for line in WHY_OFF))
    tables += [_switched_off(_source(host, _name(host, names), None)) for host in draft.others]
    tables.append(
        '[archive]\npath = "archive"   # every original; keep it out of the public site\n'
    )
    tables.append('[manifest]\npath = "manifests" # commit this folder\n')
    by = (
        f"as {public.generator} does" if public.generator else "CHECK THIS: no site generator known"
    )
    below_path = (
        "# If the site itself lives below a path, name the whole address, as some generators put\n"
        f"# that path in front and some do not: https://example.com/blog{public.public_url}\n"
    )
    relative = (
        "# Or each post's own path to the folder instead, for images in Markdown alone:\n"
        '# links = "relative"\n'
    )
    tables.append(
        "[[destination]]\n"
        'name = "site"\n'
        f"url = {json.dumps('file:' + public.folder)}\n"
        f"# Where readers find that folder on the site ({by}).\n"
        + (below_path if public.public_url.startswith("/") else "")
        + f"public_url = {json.dumps(public.public_url)}\n"
        + (relative if follows_links else "")
    )
    return "\n".join(tables)


def _source(host: PostHost, name: str, fetch: str | None) -> str:
    lines = [
        "[[source]]",
        f"name = {json.dumps(name)}",
        f"match = [{json.dumps(f'{host.scheme}://{host.name}/')}]"
        f"   # {count_text(host.images, 'image')}",
    ]
    if fetch is not None:
        lines.append(f"fetch = {json.dumps(fetch)}")
    return "\n".join(lines) + "\n"


def _switched_off(text: str) -> str:
    return re.sub(r"(?m)^", "# ", text.removesuffix("\n")) + "\n"


def _name(host: PostHost, names: set[str]) -> str:
    """Return the bucket or the first label of the host, with a number where a name is taken."""
    name, _, bucket = host.name.partition("/")
    first = bucket or name.partition(":")[0].partition(".")[0]
    name, number = first, 2
    while name in names:
        name, number = f"{first}-{number}", number + 1
    names.add(name)
    return name
