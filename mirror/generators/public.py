"""The folder of pictures that a site publishes, and where readers find it."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

from mirror.files import real_path
from mirror.generators.recognise import SiteGenerator
from mirror.generators.table import PublishedFolder
from mirror.urls.address import parse


@dataclass(frozen=True, slots=True)
class PublicFolder:
    """A folder that a site publishes, and the path under which a reader finds it.

    Without a `public_url`, only the path from a post to the folder leads there.
    """

    generator: str  # "" for an unknown one
    folder: str
    public_url: str
    remark: str = ""  # what the user has to know or do


def public_folder(site: SiteGenerator | None, root: Path) -> PublicFolder:
    """Return the folder for mirrored pictures, below `root`, that the site's generator publishes.

    Where nobody knows one, it is a guess without the name of a generator.
    """
    public = PublicFolder("", "assets/mirror", "/assets/mirror")
    if site is None:
        return public
    public = _published(public, site, root)
    if not site.computed:
        return public
    names = " and ".join(f"`{name}`" for name in site.computed)
    remark = (
        f"CHECK `public_url`, `url` and `paths`: the configuration of {site.name} computes {names}"
    )
    return replace(public, remark=f"{remark}; {public.remark}" if public.remark else remark)


def _published(public: PublicFolder, site: SiteGenerator, root: Path) -> PublicFolder:
    if (published := site.generator.published) is not None:
        parent = site.content[0] if published.in_content and site.content else ""
        published = _as_configured(published, site, site.place / parent)
        folder = os.path.relpath(site.place / parent / published.folder / "mirror", root)
        if published.path is None:
            return PublicFolder(site.name, folder, "", published.remark)
        public = PublicFolder(site.name, folder, f"{published.path}/mirror", published.remark)
    return published_below(public, site.address, adds_base=site.generator.adds_base)


def _as_configured(published: PublishedFolder, site: SiteGenerator, above: Path) -> PublishedFolder:
    """Return the folder that the site's configuration names in place of the usual one.

    A setting may name files, too. Where no folder that it names is there, a remark says so.
    """
    if not site.statics or published.folder in site.statics:
        return published
    folders = (
        name
        for name in site.statics
        if (above / name).is_dir() and real_path(above / name).is_relative_to(real_path(site.place))
    )
    folder = next(folders, None)
    if folder is None or folder == os.curdir:
        remark = f"{site.name} publishes it once `{published.setting}` names it"
        return replace(published, remark=published.remark or remark)
    return replace(published, folder=folder, path=published.path and f"/{folder}")


def published_below(public: PublicFolder, address: str, *, adds_base: bool) -> PublicFolder:
    """Return the folder with its whole address, if `address` says that the site is below a path.

    Some generators put that path in front of `/mirror` and some do not; the whole address is right
    for all of them. Of an address without a host the path is put in front where the generator does
    not do it, and a remark says what to check where it does.
    """
    parts = parse(address)
    path = (parts.path if parts is not None else address).strip("/")
    if not path:
        return public
    if parts is None and not adds_base:
        return replace(public, public_url=f"/{path}{public.public_url}")
    if parts is None:
        remark = (
            f"the site is published below /{path}/: check the pages with `mirror verify --site`, "
            "and name the whole address in `public_url` if pictures are missing"
        )
        return replace(public, remark=remark)
    url = parts.url(parts.scheme or "https").partition("?")[0].rstrip("/")
    return replace(public, public_url=f"{url}{public.public_url}")
