"""From the hosts in the posts to a `mirror.toml` that works at once. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

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


def propose(hosts: Iterable[Host], owned: Iterable[str] = ()) -> Proposal:
    """Choose the hosts that look like the writer's own storage; if none does, the most used one.

    `owned` are hosts that an upload tool of theirs has used.
    """
    ranked = sorted(hosts, key=lambda host: (-host.images, host.name))
    known = set(owned)
    ours = [host for host in ranked if host.name in known or _STORAGE.search(host.name)]
    ours = ours or ranked[:1]
    return Proposal(tuple(ours), tuple(host for host in ranked if host not in ours))


def configuration(
    proposal: Proposal, paths: Sequence[str], folder: str, public_url: str, fetch: str | None = None
) -> str:
    """The text of a `mirror.toml` with a directory as destination."""
    parts = [
        "# Written by `mirror init`. Every key is explained in config.example.toml.\n",
        f"[posts]\npaths = {json.dumps(list(paths), ensure_ascii=False)}\n",
    ]
    names: set[str] = set()
    parts += [_source(host, _name(host, names), fetch) for host in proposal.sources]
    parts += [_switched_off(_source(host, _name(host, names), None)) for host in proposal.others]
    parts.append('[archive]\npath = "archive"   # every original; keep it out of the public site\n')
    parts.append('[manifest]\npath = "manifests" # commit this folder\n')
    parts.append(
        "[[destination]]\n"
        'name = "site"\n'
        f"url = {json.dumps('file:' + folder)}\n"
        f"public_url = {json.dumps(public_url)}   # how the site serves that folder\n"
    )
    return "\n".join(parts)


def _source(host: Host, name: str, fetch: str | None) -> str:
    lines = [
        "[[source]]",
        f"name = {json.dumps(name)}",
        f"match = [{json.dumps(f'{host.scheme}://{host.name}/')}]   # shows {host.images:,} images",
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
