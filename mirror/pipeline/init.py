"""From the posts' hosts and the site's generator to a `mirror.toml` that works at once. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from mirror.amounts import count_text

# Names under which object storage and image hosting is reached: vendors' documentation.
_STORAGE = re.compile(
    r"(?:^|\.)(?:aliyuncs\.com|myqcloud\.com|file\.myqcloud\.com|qiniucdn\.com|clouddn\.com"
    r"|qnssl\.com|qiniudn\.com|upaiyun\.com|upcdn\.net|bcebos\.com|myhuaweicloud\.com|volces\.com"
    r"|ksyuncs\.com|amazonaws\.com|r2\.dev|r2\.cloudflarestorage\.com|backblazeb2\.com"
    r"|digitaloceanspaces\.com|storage\.googleapis\.com|blob\.core\.windows\.net|wasabisys\.com"
    r"|supabase\.co|ufileos\.com|netease\.com|126\.net)(?::\d+)?$"
)


@dataclass(frozen=True, slots=True)
class Host:
    """A host in the posts and how many of its images they show; `scheme` as most posts spell it."""

    name: str
    images: int
    scheme: str = "https"


@dataclass(frozen=True, slots=True)
class Proposal:
    """What `mirror.toml` starts with. `others` are hosts that are written down, switched off."""

    sources: tuple[Host, ...]
    others: tuple[Host, ...]


@dataclass(frozen=True, slots=True)
class Published:
    """A folder that a site publishes, and the path under which a reader finds it."""

    generator: str  # "" when nobody knows what makes the site
    folder: str
    public_url: str
    remark: str = ""  # what else is to be known or done


_BESIDE_CONFIG = "content archetypes themes layouts templates".split()  # Hugo's and Zola's
# What each generator publishes as it is, by its documentation. The first that fits counts, so what
# only says "some JavaScript" comes last. `+`: all of them are there; `:`: and holds this text.
_GENERATORS: tuple[tuple[Sequence[str], Published], ...] = (
    # https://vuepress.vuejs.org/guide/assets.html#public-files
    ([".vuepress"], Published("VuePress", ".vuepress/public/mirror", "/mirror")),
    # https://vitepress.dev/guide/asset-handling#the-public-directory
    ([".vitepress"], Published("VitePress", "public/mirror", "/mirror")),
    # https://docusaurus.io/docs/static-assets
    (["docusaurus.config.*"], Published("Docusaurus", "static/mirror", "/mirror")),
    # https://quartz.jzhao.xyz/plugins/Assets
    (["quartz.config.*"], Published("Quartz", "content/mirror", "/mirror")),
    # https://www.11ty.dev/docs/copy/
    (
        [".eleventy.js", "eleventy.config.*"],
        Published(
            "Eleventy",
            "assets/mirror",
            "/assets/mirror",
            'Eleventy copies it once its configuration says `addPassthroughCopy("assets/mirror")`',
        ),
    ),
    # https://www.gatsbyjs.com/docs/how-to/images-and-media/static-folder/
    (["gatsby-config.*"], Published("Gatsby", "static/mirror", "/mirror")),
    # https://docs.astro.build/en/basics/project-structure/#public
    (["astro.config.*"], Published("Astro", "public/mirror", "/mirror")),
    # https://gohugo.io/getting-started/directory-structure/
    # https://www.getzola.org/documentation/getting-started/directory-structure/
    (
        ["hugo.toml", "hugo.y*ml", "hugo.json", "config/_default"]
        + [
            f"config.{kind} + {folder}"
            for kind in ("toml", "y*ml", "json")
            for folder in _BESIDE_CONFIG
        ],
        Published("Hugo or Zola", "static/mirror", "/mirror"),
    ),
    # https://hexo.io/docs/setup
    (
        ["_config.yml + scaffolds", "_config.yml + source"],
        Published("Hexo", "source/mirror", "/mirror"),
    ),
    # https://jekyllrb.com/docs/structure/: every other folder is copied as it is
    (
        ["_config.y*ml", "_config.toml", "_posts"],
        Published(
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
        Published("Pelican", "content/images/mirror", "/images/mirror"),
    ),
    (["pelicanconf.py"], Published("Pelican", "images/mirror", "/images/mirror")),
    # https://github.com/getnikola/nikola/blob/master/nikola/conf.py.in: FILES_FOLDERS
    (["conf.py:BLOG_TITLE"], Published("Nikola", "files/mirror", "/mirror")),
    # https://www.mkdocs.org/user-guide/writing-your-docs/#file-layout
    (["mkdocs.y*ml"], Published("MkDocs", "docs/mirror", "/mirror")),
    # https://rust-lang.github.io/mdBook/cli/build.html
    (["book.toml"], Published("mdBook", "src/mirror", "/mirror")),
    # https://honkit.netlify.app/structure, which goes on with what GitBook once was
    (
        ["book.json", "book.js", "SUMMARY.md"],
        Published(
            "GitBook",
            "assets/mirror",
            "/assets/mirror",
            "GitBook publishes every folder beside its configuration, archive/ and manifests/ too, "
            "unless .bookignore or .gitignore names them",
        ),
    ),
    # https://nextjs.org/docs/app/api-reference/file-conventions/public-folder
    (["next.config.*"], Published("Next.js", "public/mirror", "/mirror")),
    # https://nuxt.com/docs/guide/directory-structure/public
    (["nuxt.config.*"], Published("Nuxt", "public/mirror", "/mirror")),
    # https://svelte.dev/docs/kit/project-structure#Project-files-static; newer ones have their
    # settings in Vite's file, and plain Svelte, which is Vite's, has the other file too
    (
        ["vite.config.*:@sveltejs/kit", "svelte.config.*:kit:"],
        Published("SvelteKit", "static/mirror", "/mirror"),
    ),
    # https://vite.dev/guide/assets.html#the-public-directory
    (["vite.config.*"], Published("Vite", "public/mirror", "/mirror")),
)
_SITES = ("", "docs/", "website/", "site/")  # where in a repository the site may be


def published(there: Callable[[str], bool]) -> Published:
    """What publishes the images. `there` tells whether a pattern of names fits, see the table."""
    for marks, found in _GENERATORS:
        for parts in _SITES:
            if any(all(there(parts + part) for part in mark.split(" + ")) for mark in marks):
                return replace(found, folder=parts + found.folder)
    return Published("", "assets/mirror", "/assets/mirror")


def propose(hosts: Iterable[Host], owned: Iterable[str] = ()) -> Proposal:
    """Choose the hosts that look like the writer's own storage; if none does, the most used one.

    `owned` are hosts that an upload tool of theirs has used.
    """
    ranked = sorted(hosts, key=lambda host: (-host.images, host.name))
    known = set(owned)
    ours = [host for host in ranked if host.name in known or _STORAGE.search(host.name)]
    ours = ours or ranked[:1]
    return Proposal(tuple(ours), tuple(host for host in ranked if host not in ours))


WHY_OFF = (
    "Switched off: a source is what looks like storage of your own, else the host of most images",
    "To mirror another one too, remove the `# ` in front of its lines",
)


def configuration(
    proposal: Proposal, paths: Sequence[str], place: Published, fetch: str | None = None
) -> str:
    """The text of a `mirror.toml` with a directory as destination."""
    parts = [
        "# Written by `mirror init`. `mirror config --example` explains every key.\n",
        f"[posts]\npaths = {json.dumps(list(paths), ensure_ascii=False)}\n",
    ]
    names: set[str] = set()
    parts += [_source(host, _name(host, names), fetch) for host in proposal.sources]
    if proposal.others:
        parts.append("".join(f"# {line}.\n" for line in WHY_OFF))
    parts += [_switched_off(_source(host, _name(host, names), None)) for host in proposal.others]
    parts.append('[archive]\npath = "archive"   # every original; keep it out of the public site\n')
    parts.append('[manifest]\npath = "manifests" # commit this folder\n')
    by = f"as {place.generator} does" if place.generator else "CHECK THIS: no site generator known"
    parts.append(
        "[[destination]]\n"
        'name = "site"\n'
        f"url = {json.dumps('file:' + place.folder)}\n"
        f"# Where readers find that folder on the site ({by}).\n"
        "# If the site itself lives below a path, name the whole address, as some generators put\n"
        f"# that path in front and some do not: https://example.com/blog{place.public_url}\n"
        f"public_url = {json.dumps(place.public_url)}\n"
    )
    return "\n".join(parts)


def _source(host: Host, name: str, fetch: str | None) -> str:
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


def _name(host: Host, names: set[str]) -> str:
    """The first label of the host, told apart by a number where two are alike."""
    first = host.name.partition(":")[0].partition(".")[0]
    name, number = first, 2
    while name in names:
        name, number = f"{first}-{number}", number + 1
    names.add(name)
    return name
