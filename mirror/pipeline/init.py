"""The `mirror.toml` that `init` writes: hosts of the posts, published folder -> text. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mirror.amounts import count_text
from mirror.generators import PublicFolder
from mirror.store.profiles import is_endpoint
from mirror.uploaders import OWNER_PARTS, free_name
from mirror.urls.address import host_of, identity

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


_DOUBTFUL = 20
"""A bucket with less than this part of another's images may be one that a post quotes from."""


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
    """The hosts that a new `mirror.toml` names as sources, and those it names as comments.

    `doubtful` are sources with so few images that they may be somebody else's. `own` is the host of
    the site itself, which is a source only where there is no other host.
    """

    sources: tuple[PostHost, ...]
    others: tuple[PostHost, ...]
    doubtful: frozenset[PostHost]
    own: tuple[PostHost, ...]

    def question(self, source: PostHost) -> str:
        """Return what a person has to answer before the source is used; nothing for most."""
        if source in self.own:
            return "it is the site itself; are its images kept elsewhere?"
        return "is it yours?" if source in self.doubtful else ""


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


def propose(hosts: Iterable[PostHost], owned: Iterable[str], own: str) -> ConfigDraft:
    """Choose the hosts that look like storage of the user; if none does, the most used other one.

    `owned` are the hosts that an upload tool of the user has used. `own` is the host of the site.
    """
    ranked = sorted(hosts, key=lambda host: (-host.images, host.name))
    known = set(owned)
    stored = [
        host
        for host in ranked
        if host.name in known or _STORAGE.search(host.name.partition("/")[0])
    ]
    others = [host for host in ranked if host.name != own]
    chosen = stored or others[:1] or ranked[:1]
    most = max((host.images for host in others), default=0)
    rest = [host for host in ranked if host not in chosen]
    return ConfigDraft(
        tuple(chosen),
        tuple(host for host in rest if host.name != own),
        frozenset(h for h in chosen if h.name not in known and _DOUBTFUL * h.images < most),
        tuple(host for host in ranked if host.name == own and host not in stored),
    )


WHY_OFF = (
    "A source is a host that looks like storage of yours; if none does, the one with most images",
    "To mirror another one too, remove the `# ` in front of its lines",
)


def configuration(
    draft: ConfigDraft,
    paths: Sequence[str],
    public: PublicFolder,
    fetch: str | None,
    *,
    follows_links: bool,
    include: Sequence[str] = (),
) -> str:
    """Return the text of a `mirror.toml` with a folder as destination.

    With `follows_links`, the generator of the site takes relative links to files. `include` are the
    patterns of the posts, where they are not the usual ones.
    """
    tables = [
        "# Written by `mirror init`. `mirror config --example` explains every key.\n",
        f"[posts]\npaths = {json.dumps(list(paths), ensure_ascii=False)}\n"
        + (f"include = {json.dumps(include)}\n" if include else ""),
    ]
    names: set[str] = set()
    tables += [
        _source(host, _name(host, names), fetch, draft.question(host)) for host in draft.sources
    ]
    if draft.others:
        tables.append("".join(f"# {line}.\n" for line in WHY_OFF))
    tables += [_switched_off(_source(host, _name(host, names), None)) for host in draft.others]
    tables.append(
        '[archive]\npath = "archive"   # every original; keep it out of the public site\n'
    )
    tables.append('[manifest]\npath = "manifests" # commit this folder\n')
    tables.append(
        "[[destination]]\n"
        'name = "site"\n'
        f"url = {json.dumps('file:' + public.folder)}\n"
        + (
            _public_url(public, follows_links=follows_links)
            if public.public_url
            else _relative_links(public)
        )
    )
    return "\n".join(tables)


def _public_url(public: PublicFolder, *, follows_links: bool) -> str:
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
    return (
        f"# Where readers find that folder on the site ({by}).\n"
        + (below_path if public.public_url.startswith("/") else "")
        + f"public_url = {json.dumps(public.public_url)}\n"
        + (relative if follows_links else "")
    )


def _relative_links(public: PublicFolder) -> str:
    return (
        "# Each post gets its own path to that folder, for images in Markdown alone:\n"
        f"# {public.generator} takes a path from the root of the site for one from the post.\n"
        'links = "relative"\n'
        "# Or the whole address of that folder on the site instead, for every image:\n"
        '# public_url = "https://example.com/assets/mirror"\n'
    )


def _source(host: PostHost, name: str, fetch: str | None, question: str = "") -> str:
    check = f"; CHECK THIS: {question}" if question else ""
    lines = [
        "[[source]]",
        f"name = {json.dumps(name)}",
        f"match = [{json.dumps(f'{host.scheme}://{host.name}/')}]"
        f"   # {count_text(host.images, 'image')}{check}",
    ]
    if fetch is not None:
        lines.append(f"fetch = {json.dumps(fetch)}")
    return "\n".join(lines) + "\n"


def _switched_off(text: str) -> str:
    return re.sub(r"(?m)^", "# ", text.removesuffix("\n")) + "\n"


def _name(host: PostHost, names: set[str]) -> str:
    """Return the bucket or the first label of the host, with a number where a name is taken."""
    name, _, bucket = host.name.partition("/")
    return free_name(bucket or name.partition(":")[0].partition(".")[0], names)
